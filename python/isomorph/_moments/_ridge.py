"""Ridge regression: all penalties from one decomposition, chosen by groups left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from isomorph import runtime
from isomorph._backends import Run
from isomorph._moments._folds import Regression, splits
from isomorph._moments._maps import map_of, relative_residual
from isomorph._moments._scatter import Scatter, rounding
from isomorph._moments._sums import Tools, tools_of

if TYPE_CHECKING:
    from isomorph._moments._streaming import Moments
    from isomorph.align import LinearMap

#: Penalties of the path that nobody chose, in units of the mean eigenvalue of X'X.
STEPS = 20
SMALLEST, LARGEST = 1e-7, 1e2

#: Folds decomposed at a time, at most: one a core, not so many that memory counts.
_BATCH = 8


@dataclass(frozen=True, slots=True, eq=False)
class RidgePath:
    """Ridge fits for many penalties, of which a map is made when it is asked for.

    Attributes
    ----------
    alphas : array of float64, shape (a,)
        The penalties, ascending.
    residuals : array of float64, shape (a,)
        Of the rows fitted: root of the residual sum of squares over the whole one.
    fold_residuals : array of float64, shape (folds, a), or None
        Of each group, fitted without it, in the order of the groups; None for a single group.
    errors : array of float64, shape (a,), or None
        The residual of all groups together, each fitted without it.
    best : int or None
        Where ``errors`` is smallest; of equal ones the largest penalty.
    """

    alphas: Any
    residuals: Any
    fold_residuals: Any
    errors: Any
    best: int | None
    _moments: Any = field(repr=False)
    _scatter: Scatter = field(repr=False)
    _turned: Any = field(repr=False)

    def at(self, alpha: float, *, threads: int | None = None) -> LinearMap:
        """Give the map of a penalty, of the path or any other positive one. O(d^2 e)."""
        alpha = _penalties(alpha)[0]
        run = Run(runtime.resolve_threads(threads))
        scatter = self._scatter
        tools = scatter.tools
        shrunk, _ = _shrunk(scatter, self._turned, alpha, run)
        matrix = tools.multiply(scatter.eigh("x", run)[1], shrunk, run)
        residual = _residuals(scatter, self._turned, np.array([alpha]), run)[0]
        metrics: dict[str, Any] = {"residual": float(residual), "alpha": float(alpha)}
        if self.best is not None and alpha == self.alphas[self.best]:
            metrics["fold_residual"] = float(self.errors[self.best])
        return map_of(self._moments, scatter, matrix, "ridge", metrics=metrics)

    def __len__(self) -> int:
        return len(self.alphas)


def ridge(
    self: Moments,
    alpha: float | Sequence[float] | None = None,
    *,
    translate: bool = False,
    threads: int | None = None,
) -> LinearMap:
    r"""Fit x to y by ridge regression.

    .. math:: \min_A \sum_i w_i\, |(x_i - \bar x) A + \bar y - y_i|^2 + \alpha |A|_F^2

    Parameters
    ----------
    alpha : float or sequence of float, optional
        The penalty, in the units of X'X, as in scikit-learn. Of several, or of the 20 that
        :meth:`ridge_path` has by default, the one that fits left-out groups best is taken: this
        needs two groups or more.
    translate : bool, default False
        Subtract the weighted means: an intercept, which is not penalised.
    threads : int, optional
        See :mod:`isomorph.runtime`. No byte of the answer depends on it.

    Returns
    -------
    LinearMap
        Method "ridge", with ``metrics``: ``residual`` of the rows fitted, ``alpha``, and where it
        was chosen ``fold_residual``, that of groups left out.

    Raises
    ------
    ValueError
        No rows; a penalty that is not a positive number; several and no groups to choose by.

    Notes
    -----
    As :meth:`ridge_path`. For alpha -> 0 it becomes :meth:`ols`, the minimum-norm answer where x
    has fewer directions than columns.

    References
    ----------
    A. E. Hoerl, R. W. Kennard, "Ridge regression: biased estimation for nonorthogonal problems",
    Technometrics 12 (1970).

    Examples
    --------
    >>> import numpy as np, isomorph as iso
    >>> moments = iso.linalg.Moments(1, 1)
    >>> moments.update(np.array([[1.0], [2.0]]), np.array([[2.0], [4.0]]))
    >>> moments.ridge(5.0).matrix.tolist()
    [[1.0]]
    """
    chosen = alpha is None or np.ndim(alpha) > 0
    if not chosen:
        path = _path(self, _penalties(alpha), translate, threads, folds=False)
        return path.at(float(path.alphas[0]), threads=threads)
    if len([g for g in self._groups.values() if g.weight > 0]) < 2:
        raise ValueError(
            "alpha: expected one number; to choose among several, update(..., group=...) must have "
            "put the rows into two groups or more"
        )
    path = _path(self, _penalties(alpha), translate, threads)
    return path.at(float(path.alphas[path.best]), threads=threads)


def ridge_path(
    self: Moments,
    alphas: Any = None,
    *,
    translate: bool = False,
    threads: int | None = None,
) -> RidgePath:
    r"""Fit :meth:`ridge` for many penalties, and see how each does on groups left out.

    Parameters
    ----------
    alphas : sequence of float, optional
        Positive penalties. Default: 20, evenly on a logarithmic scale from 1e-7 to 100 times the
        mean eigenvalue of X'X.
    translate : bool, default False
        As for :meth:`ridge`; folds use the means of the other groups.
    threads : int, optional
        See :mod:`isomorph.runtime`.

    Returns
    -------
    RidgePath
        ``path.at(alpha)`` is a map.

    Raises
    ------
    ValueError
        No rows; penalties that are not positive numbers.

    Notes
    -----
    With :math:`X^TX = V\Lambda V^T` and :math:`B = V^TX^TY` the answer for every :math:`\alpha` is
    :math:`V(\Lambda + \alpha)^{-1}B`. What it leaves on other rows with moments S, C, t follows
    from :math:`t - 2\operatorname{tr}(A^TC) + \operatorname{tr}(A^TSA)`, in the basis V: one
    decomposition and five products for each fold, whatever the number of penalties. The difference
    of large numbers leaves residuals an absolute error of about 1e-8. O(G d^2 (d + e)). Peak
    memory: some 8 d^2 + 4 d e + 3 e^2 numbers for each core, 8 at most, beside the merges of
    :meth:`folds`.
    """
    return _path(self, _penalties(alphas, "alphas"), translate, threads)


def _path(
    self: Moments, alphas: Any, translate: bool, threads: int | None, *, folds: bool = True
) -> RidgePath:
    run = Run(runtime.resolve_threads(threads))
    scatter = self.scatter(translate=translate, threads=threads)
    tools = scatter.tools
    vectors = scatter.eigh("x", run)[1]
    turned = tools.multiply(tools.xp.matrix_transpose(vectors), scatter.xy, run)
    if alphas is None:
        mean = scatter.squares()[0] / self.x_dim
        alphas = np.geomspace(SMALLEST, LARGEST, STEPS) * (mean if mean > 0 else 1.0)
        # In the units of the rows, as penalties are given.
        with np.errstate(over="ignore"):
            alphas = np.ldexp(alphas, -2 * scatter.exponents[0])
        if not np.all(np.isfinite(alphas) & (alphas > 0)):
            raise ValueError("alpha: penalties in the units of X'X leave float64; scale the rows")
    residuals = _residuals(scatter, turned, alphas, run)
    fold_residuals = errors = best = None
    if folds and len([g for g in self._groups.values() if g.weight > 0]) > 1:
        left, totals = _left_out(self, alphas, translate, run)
        fold_residuals = np.array(
            [
                [relative_residual(x, total) for x in row]
                for row, total in zip(left, totals, strict=True)
            ]
        )
        errors = np.array([relative_residual(x, totals.sum()) for x in left.sum(axis=0)])
        best = len(errors) - 1 - int(np.argmin(errors[::-1]))
    return RidgePath(alphas, residuals, fold_residuals, errors, best, self, scatter, turned)


def _penalties(alphas: Any, name: str = "alpha") -> Any:
    if alphas is None:
        return None
    try:
        given = np.sort(np.atleast_1d(np.asarray(alphas, dtype=np.float64)).reshape(-1))
    except (TypeError, ValueError):
        raise ValueError(f"{name}: expected positive numbers, got {alphas!r}") from None
    if not given.size or not np.all(np.isfinite(given) & (given > 0)):
        raise ValueError(f"{name}: expected positive numbers, got {alphas!r}")
    return given


def _shrinkage(values: Any, alphas: Any, scatter: Scatter, xp: Any) -> Any:
    """Give 1 / (eigenvalue + alpha), a row for each alpha, which are in the units of the rows."""
    scaled = np.ldexp(np.asarray(alphas, dtype=np.float64), 2 * scatter.exponents[0])
    return _factors(values, scaled, scatter.rows, xp)


def _factors(values: Any, alphas: Any, rows: int, xp: Any) -> Any:
    """Give 1 / (eigenvalue + alpha), a row for each alpha; eigenvalues below 0 are rounding."""
    column = xp.asarray(alphas[:, None], dtype=xp.float64)
    positive = xp.where(values > 0, values, 0 * values)
    total = positive[None, :] + column
    # A penalty far below rounding is none, and leaves out the directions that rounding made.
    floor = rounding(int(values.shape[0]), rows) * xp.linalg.vector_norm(values)
    small = (positive[None, :] <= floor) & (column <= floor)
    return xp.where(small, 0 * total, 1 / xp.where(small | (total <= 0), 1 + 0 * total, total))


def _shrunk(scatter: Scatter, turned: Any, alpha: float, run: Run) -> tuple[Any, Any]:
    factors = _shrinkage(scatter.eigh("x", run)[0], [alpha], scatter, scatter.tools.xp)[0, :]
    return turned * factors[:, None], factors


def _residuals(scatter: Scatter, turned: Any, alphas: Any, run: Run) -> Any:
    """Relative residuals of the rows fitted: t - 2 g.p + g.(L p g) with p = row sums of B * B."""
    xp = scatter.tools.xp
    values = scatter.eigh("x", run)[0]
    factors = _shrinkage(values, alphas, scatter, xp)
    p = xp.sum(turned * turned, axis=1)
    explained = xp.sum(factors * (2 - factors * values[None, :]) * p[None, :], axis=1)
    total = scatter.squares()[1]
    return np.array(
        [relative_residual(total - float(explained[i]), total) for i in range(len(alphas))]
    )


def _left_out(self: Moments, alphas: Any, translate: bool, run: Run) -> tuple[Any, Any]:
    """Give residual sums of squares (folds, a) of each group fitted without it, and whole ones."""
    left, totals = [], []
    batch: list[tuple[Regression, Regression]] = []
    power, tools = self._exponents[0] or 0, tools_of(self._total(run).parts[2])
    scaled = np.ldexp(alphas, 2 * power)

    def decompose() -> None:
        stack = tools.xp.stack([train.xx for train, _ in batch])
        values, vectors = tools.backend.eigh(stack, False, run)
        for i, (train, test) in enumerate(batch):
            found = _fold(tools, train, test, values[i, ...], vectors[i, ...], scaled, run)
            left.append(found)
            totals.append(test.y_square)
        batch.clear()

    for pair in splits(self, translate, run):
        batch.append(pair)
        if len(batch) == min(_BATCH, run.threads):
            decompose()
    if batch:
        decompose()
    return np.stack(left), np.array(totals)


def _fold(
    tools: Tools,
    train: Regression,
    test: Regression,
    values: Any,
    vectors: Any,
    alphas: Any,
    run: Run,
) -> Any:
    xp = tools.xp
    back = tools.contiguous(xp.matrix_transpose(vectors))
    b = tools.multiply(back, train.xy, run)
    c = tools.multiply(back, test.xy, run)
    s = tools.multiply(tools.multiply(back, test.xx, run), vectors, run)
    mixed = s * tools.multiply(b, xp.matrix_transpose(b), run)
    factors = _factors(values, alphas, train.rows, xp)
    p = xp.sum(b * c, axis=1)
    square = xp.sum(tools.multiply(factors, mixed, run) * factors, axis=1)
    left = test.y_square - 2 * xp.sum(factors * p[None, :], axis=1) + square
    return np.array([max(0.0, float(left[i])) for i in range(len(alphas))])
