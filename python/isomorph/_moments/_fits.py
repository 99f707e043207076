"""Fits that are d x d work: Procrustes, least squares, whitening, canonical correlations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from isomorph import _checks, runtime
from isomorph._backends import Run
from isomorph._moments._maps import map_of, mean_pair, provenance, relative_residual
from isomorph._moments._scatter import EQUAL, Scatter
from isomorph._results import Unpackable

if TYPE_CHECKING:
    from isomorph._moments._streaming import Moments
    from isomorph.align import LinearMap


def procrustes(
    self: Moments,
    *,
    scale: bool = False,
    translate: bool = False,
    allow_reflection: bool = True,
    threads: int | None = None,
) -> LinearMap:
    r"""Fit the orthonormal map from x to y: :func:`isomorph.procrustes` of the same rows.

    Parameters
    ----------
    scale, translate, allow_reflection
        As for :func:`isomorph.procrustes`; d and e may differ.
    threads : int, optional
        See :mod:`isomorph.runtime`. No byte of the answer depends on it.

    Returns
    -------
    LinearMap
        With the same ``metrics``.

    Raises
    ------
    ValueError
        No rows; a scale that overflows.

    Notes
    -----
    O(d e min(d, e)). Without `translate` the means are added back to sums that are about them,
    :math:`X^TY + W \bar x^T\bar y`; where they are far larger than the spread, so is the rounding.
    """
    from isomorph.align._procrustes import _as_map

    run = Run(runtime.resolve_threads(threads))
    scatter = self.scatter(translate=translate, threads=threads)
    tools = scatter.tools
    spread = _spread(scatter)
    cross = scatter.xy if spread else scatter.xy * 0.0
    fitted = tools.backend.procrustes_from_moments(
        cross,
        scatter.xx if self.x_dim > self.y_dim else None,
        scatter.squares() if spread else where_spread(scatter),
        scatter.exponents,
        scale=bool(scale),
        allow_reflection=bool(allow_reflection),
        run=run,
    )
    if scatter.translated:
        x, y = mean_pair(scatter)
        fitted.source_mean[0, ...] = x
        fitted.target_mean[0, ...] = y
    more = {"scale": bool(scale), "allow_reflection": bool(allow_reflection)}
    return _as_map(
        tools.prepared(self.dtype),
        fitted,
        True,
        scatter.translated,
        provenance(scatter, **more),
    )


def _spread(scatter: Scatter) -> bool:
    return all(x > 0 for x in where_spread(scatter))


def where_spread(scatter: Scatter) -> tuple[float, float]:
    """Give the sums of squares, 0 where rows are equal but for rounding."""
    if not scatter.translated:
        return scatter.squares()
    xp = scatter.tools.xp
    means = (float(xp.sum(m * m)) * scatter.weight for m in (scatter.x_mean, scatter.y_mean))
    x, y = (
        square if square > EQUAL**2 * level else 0.0
        for square, level in zip(scatter.squares(), means, strict=True)
    )
    return x, y


def ols(self: Moments, *, translate: bool = False, threads: int | None = None) -> LinearMap:
    r"""Fit x to y by least squares.

    .. math:: \min_A \sum_i w_i\, |(x_i - \bar x) A + \bar y - y_i|^2

    and of all matrices A that minimise it, that of the smallest Frobenius norm.

    Parameters
    ----------
    translate : bool, default False
        Subtract the weighted means: a fit with intercept. Without it both are 0.
    threads : int, optional
        See :mod:`isomorph.runtime`. No byte of the answer depends on it.

    Returns
    -------
    LinearMap
        Method "ols", with ``metrics``: ``residual``, :math:`\sqrt{\sum w|xA - y|^2 / \sum w|y|^2}`,
        and ``rank``, the directions of x that are not rounding.

    Raises
    ------
    ValueError
        No rows, or a map that overflows.

    Notes
    -----
    :math:`A = V \Lambda^{+} V^T X^TY` with the eigendecomposition :math:`X^TX = V\Lambda V^T`;
    eigenvalues up to :math:`\epsilon(\max(d, 8\sqrt d) + \sqrt n)|X^TX|_F` count as zero:
    directions in which x spreads less than about 1e-6 (d = 1,000) of the most cannot be told from
    rounding in X'X. With condition number :math:`\kappa` of X the error is of order
    :math:`\epsilon\kappa^2`, as always with normal equations. O(d^3 + d^2 e); one decomposition
    serves :meth:`ols`, :meth:`ridge`, :meth:`whitening` and :meth:`cca`.

    Examples
    --------
    >>> import numpy as np, isomorph as iso
    >>> moments = iso.linalg.Moments(2, 1)
    >>> x = np.array([[1.0, 0.0], [0.0, 1.0], [2.0, 1.0]])
    >>> moments.update(x, x @ np.array([[3.0], [4.0]]))
    >>> moments.ols().matrix.round(9).tolist()
    [[3.0], [4.0]]
    """
    run = Run(runtime.resolve_threads(threads))
    scatter = self.scatter(translate=translate, threads=threads)
    tools = scatter.tools
    values, vectors, rank = scatter.eigh("x", run)
    kept, basis = values[values.shape[0] - rank :], vectors[:, vectors.shape[1] - rank :]
    turned = tools.multiply(tools.xp.matrix_transpose(basis), scatter.xy, run)
    matrix = tools.multiply(basis, turned / kept[:, None], run)
    total = scatter.squares()[1]
    explained = float(tools.xp.sum(turned * (turned / kept[:, None])))
    metrics = {"residual": relative_residual(total - explained, total), "rank": rank}
    return map_of(self, scatter, matrix, "ols", metrics=metrics)


def whitening(
    self: Moments,
    side: str = "x",
    *,
    kind: str = "zca",
    k: int | None = None,
    threads: int | None = None,
) -> LinearMap:
    r"""Make the map that gives one side covariance 1.

    .. math:: x \mapsto (x - \bar x)\, V \Lambda^{-1/2}\quad\text{(PCA)},\qquad
        x \mapsto (x - \bar x)\, V \Lambda^{-1/2} V^T\quad\text{(ZCA)}

    with :math:`\sum w (x - \bar x)^T(x - \bar x) / W = V \Lambda V^T`. Of all whitenings ZCA
    changes the rows least.

    Parameters
    ----------
    side : {"x", "y"}, default "x"
        Which side.
    kind : {"zca", "pca"}, default "zca"
        PCA gives the directions of largest spread first.
    k : int, optional
        Directions kept, those of largest spread; default: all. PCA gives k columns.
    threads : int, optional
        See :mod:`isomorph.runtime`.

    Returns
    -------
    LinearMap
        Method "zca" or "pca"; d -> d, or d -> k. ``metrics["rank"]``: directions that are not
        rounding. The others are sent to 0 by ZCA and left out by PCA: it then gives fewer columns.

    Raises
    ------
    ValueError
        No rows, or none that differ; k out of range.

    Notes
    -----
    O(d^3). A. Kessy, A. Lewin, K. Strimmer, "Optimal whitening and decorrelation", The American
    Statistician 72 (2018).

    Examples
    --------
    >>> import numpy as np, isomorph as iso
    >>> x = np.random.default_rng(0).standard_normal((100, 2)) * [1, 5] + 3
    >>> moments = iso.linalg.Moments(2, 2)
    >>> moments.update(x, x)
    >>> white = moments.whitening()(x)
    >>> np.allclose(np.cov(white.T, bias=True), np.eye(2))
    True
    """
    if side not in ("x", "y"):
        raise ValueError(f"side: expected 'x' or 'y', got {side!r}")
    if kind not in ("zca", "pca"):
        raise ValueError(f"kind: expected 'zca' or 'pca', got {kind!r}")
    d = self.x_dim if side == "x" else self.y_dim
    largest = count_or_all("k", k, d)
    run = Run(runtime.resolve_threads(threads))
    scatter = self.scatter(threads=threads)
    tools = scatter.tools
    roots, basis, rank = _roots(scatter, side, run)
    kept = min(rank, largest)
    matrix = tools.xp.flip(basis, axis=1)[:, :kept] / tools.xp.flip(roots)[:kept]
    if kind == "zca":
        axes = tools.xp.matrix_transpose(tools.xp.flip(basis, axis=1)[:, :kept])
        matrix = tools.multiply(matrix, axes, run)
    which = 0 if side == "x" else 1
    return map_of(
        self,
        scatter,
        matrix,
        kind,
        powers=(scatter.exponents[which], 0),
        means=(mean_pair(scatter)[which], None),
        metrics={"rank": rank},
        more={"side": side},
    )


def _roots(scatter: Scatter, side: str, run: Run) -> tuple[Any, Any, int]:
    """Give standard deviations along principal axes, ascending, the axes, and how many they are."""
    values, vectors, rank = scatter.eigh(side, run)
    if rank == 0 or where_spread(scatter)[0 if side == "x" else 1] == 0:
        raise ValueError(f"{side}: expected rows that are not all equal; nothing to whiten")
    xp = scatter.tools.xp
    first = values.shape[0] - rank
    return xp.sqrt(values[first:] / scatter.weight), vectors[:, first:], rank


@dataclass(frozen=True, slots=True, eq=False)
class CCA(Unpackable):
    """Canonical correlations: both sides projected so that columns correlate as much as can be.

    Attributes
    ----------
    x_map, y_map : LinearMap
        d -> k and e -> k: centred columns of variance 1, uncorrelated but for column j of one side
        with column j of the other.
    correlations : array of shape (k,)
        Of those columns, descending, float64.
    """

    x_map: LinearMap
    y_map: LinearMap
    correlations: Any
    _make: Callable[[], LinearMap] = field(repr=False)
    _unpacks: ClassVar[tuple[str, ...]] = ("x_map", "y_map", "correlations")

    @property
    def map(self) -> LinearMap:
        """X into the space of y: projected by ``x_map`` and back by ``y_map``'s pseudo-inverse."""
        return self._make()


def cca(self: Moments, k: int | None = None, *, threads: int | None = None) -> CCA:
    r"""Find canonical correlations.

    .. math:: \max_{A, B} \operatorname{tr}(A^T C_{xy} B)\quad\text{with}\quad A^TC_{xx}A =
        B^TC_{yy}B = I

    with the covariances C of the centred rows.

    Parameters
    ----------
    k : int, optional
        Pairs of columns, at most min(d, e); default: as many as both sides have directions that are
        not rounding. More than that cannot be had: fewer are given then.
    threads : int, optional
        See :mod:`isomorph.runtime`.

    Returns
    -------
    CCA
        ``x_map``, ``y_map``, ``correlations`` and ``map``.

    Raises
    ------
    ValueError
        No rows, or a side whose rows are all equal; k out of range.

    Notes
    -----
    :math:`A = C_{xx}^{-1/2} U, B = C_{yy}^{-1/2} V` with the decomposition :math:`C_{xx}^{-1/2}
    C_{xy} C_{yy}^{-1/2} = U S V^T`, on the directions of :math:`C_{xx}, C_{yy}` that are not
    rounding. ``map`` is :math:`A B^{+}`. With no more pairs than dimensions every correlation is 1:
    such a fit says nothing. O(d^3 + e^3).

    References
    ----------
    H. Hotelling, "Relations between two sets of variates", Biometrika 28 (1936); M. Faruqui, C.
    Dyer, "Improving vector space word representations using multilingual correlation", EACL 2014.

    Examples
    --------
    >>> import numpy as np, isomorph as iso
    >>> rng = np.random.default_rng(0)
    >>> x = rng.standard_normal((200, 3))
    >>> moments = iso.linalg.Moments(3, 2)
    >>> moments.update(x, x[:, :2] @ np.array([[2.0, 1.0], [0.0, 1.0]]))
    >>> moments.cca().correlations.round(9).tolist()
    [1.0, 1.0]
    """
    largest = count_or_all("k", k, min(self.x_dim, self.y_dim))
    run = Run(runtime.resolve_threads(threads))
    scatter = self.scatter(threads=threads)
    tools, xp = scatter.tools, scatter.tools.xp
    scatter.eigh_both(run)
    (x_roots, x_axes, x_rank), (y_roots, y_axes, y_rank) = (
        _roots(scatter, side, run) for side in ("x", "y")
    )
    left, right = x_axes / x_roots, y_axes / y_roots
    middle = tools.multiply(scatter.xy / scatter.weight, right, run)
    middle = tools.multiply(xp.matrix_transpose(left), middle, run)
    u, s, vt = (part[0, ...] for part in tools.backend.svd(middle[None, ...], run))
    kept = min(x_rank, y_rank, largest)
    u, s, v = u[:, :kept], s[:kept], xp.matrix_transpose(vt)[:, :kept]
    a, b = tools.multiply(left, u, run), tools.multiply(right, v, run)
    # B's pseudo-inverse on the directions that it keeps.
    back = xp.matrix_transpose(tools.multiply(y_axes * y_roots, v, run))
    metrics = {"rank": kept, "ranks": [x_rank, y_rank]}
    correlations = xp.where(s > 1, xp.ones_like(s), s)
    (x_power, y_power), (x_mean, y_mean) = scatter.exponents, mean_pair(scatter)
    shared = {**metrics, "correlation": float(xp.mean(correlations))}
    return CCA(
        map_of(self, scatter, a, "cca", powers=(x_power, 0), means=(x_mean, None), metrics=metrics),
        map_of(self, scatter, b, "cca", powers=(y_power, 0), means=(y_mean, None), metrics=metrics),
        correlations,
        lambda: map_of(self, scatter, tools.multiply(a, back, run), "cca", metrics=shared),
    )


def count_or_all(name: str, value: int | None, largest: int) -> int:
    """Give a count from 1 to `largest`, which None stands for."""
    if value is None:
        return largest
    return _checks.integer(name, value, 1, largest)
