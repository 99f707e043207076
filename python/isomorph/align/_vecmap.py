"""VecMap's family of maps: whiten, turn, re-weight, de-whiten, reduce."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from isomorph import _arrays, _checks, _core, runtime
from isomorph._backends import Run
from isomorph._dlpack import served
from isomorph._progress import Progress, reporting
from isomorph.align._alignment import Alignment
from isomorph.align._double import Double
from isomorph.align._maps import LinearMap
from isomorph.align._pairs import paired
from isomorph.align._procrustes import procrustes


@dataclass(frozen=True, slots=True)
class VecMapMode:
    """What one of VecMap's modes does; see :func:`isomorph.align.vecmap`.

    Attributes
    ----------
    chain : str
        The steps of :mod:`isomorph.transforms` that belong to it: apply them to both sides first.
    kind : {"whitened", "orthogonal", "unconstrained"}
        Which of the three problems is solved. The fields below are for ``"whitened"``.
    whiten : bool
        Whether both sides are whitened before they are turned.
    source_reweight, target_reweight : float
        Exponents of the singular values.
    source_dewhiten, target_dewhiten : {"source", "target"} or None
        Whose whitening is taken back.
    """

    chain: str = "unit centre unit"
    kind: str = "whitened"
    whiten: bool = True
    source_reweight: float = 0.5
    target_reweight: float = 0.5
    source_dewhiten: str | None = "source"
    target_dewhiten: str | None = "target"


#: VecMap's modes by its own names.
MODES: Mapping[str, VecMapMode] = MappingProxyType(
    {
        "supervised": VecMapMode(),
        "aaai2018": VecMapMode(chain="unit centre", source_reweight=0.0, target_reweight=1.0),
        "emnlp2016": VecMapMode(chain="unit centre", kind="orthogonal"),
        "orthogonal": VecMapMode(kind="orthogonal"),
        "unconstrained": VecMapMode(kind="unconstrained"),
    }
)


@served
def vecmap(
    source: Any,
    target: Any,
    *,
    mode: str = "supervised",
    whiten: bool | None = None,
    source_reweight: float | None = None,
    target_reweight: float | None = None,
    source_dewhiten: str | None = None,
    target_dewhiten: str | None = None,
    dimensions: int | None = None,
    check_finite: bool = True,
    threads: int | None = None,
    progress: Progress = None,
) -> Alignment:
    r"""Fit VecMap's map of both sides from rows that belong together.

    With the rows :math:`X` (n, d) and :math:`Z` (n, e) of the pairs, the whitened modes take

    .. math:: W_x = (X^TX)^{-1/2}, \quad W_z = (Z^TZ)^{-1/2}, \quad
              W_x X^T Z\, W_z = U S V^T

    (thin, so S are canonical correlations without centring), and map source and target to

    .. math:: x \mapsto x\, W_x U S^a D_x, \qquad z \mapsto z\, W_z V S^b D_z

    where the de-whitening of a side is :math:`U^T W_x^{-1} U` (``"source"``),
    :math:`V^T W_z^{-1} V` (``"target"``) or I (``"none"``), and then to the first `dimensions`
    columns. ``"orthogonal"`` solves :math:`\min_R |XR - Z|_F` over orthonormal R
    (:func:`isomorph.procrustes`), ``"unconstrained"`` over all matrices (least squares); both leave
    the target as it is.

    Parameters
    ----------
    source, target : array of shape (n, d) and (n, e)
        Row i of one belongs to row i of the other; a pair may be there several times. Prepare both
        vocabularies with the chain of the mode first, ``VECMAP_MODES[mode].chain``. float32 and
        float64; float16 and bfloat16 are widened to float32.
    mode : {"supervised", "aaai2018", "emnlp2016", "orthogonal", "unconstrained"}
        VecMap's names, for defaults of what follows; ``"supervised"`` is also the last step of its
        self-learning. ``"emnlp2016"`` is ``"orthogonal"`` after another chain.
    whiten : bool, optional
        Default: True but for the two modes without. Without, :math:`W = I`, and S is divided by its
        largest value.
    source_reweight, target_reweight : float, optional
        a and b, not negative. Defaults: 0.5 and 0.5; ``"aaai2018"`` 0 and 1.
    source_dewhiten, target_dewhiten : {"source", "target", "none"}, optional
        Defaults: ``"source"`` for the source, ``"target"`` for the target.
    dimensions : int, optional
        Columns of the result, at most min(d, e), which is the default: the directions that
        correlate most.
    check_finite, threads, progress
        As for :func:`isomorph.procrustes`.

    Returns
    -------
    Alignment
        Without transforms, with ``map`` for the source and ``target_map`` (None where the target
        stays as it is). The matrices have the type of the input, rounded once from float64.
        ``map.singular_values`` is S; ``map.metrics`` has ``source_rank`` and ``target_rank``.
        :meth:`Alignment.direct` gives a single map from source to target.

    Raises
    ------
    ShapeError, DTypeError, NonFiniteError
        As for :func:`isomorph.procrustes`.
    ValueError
        An option that is unknown, out of its range, or means nothing for the mode; a side of zeros.

    Notes
    -----
    Roots and inverses are pseudo-inverses: a direction in which the rows of the pairs have less
    than max(d, eps64/eps) eps of the largest singular value (1e-7 in float64) has no evidence and
    is sent to zero, so fewer pairs than dimensions give a map onto as many directions as there are
    pairs. (VecMap divides by such values.) With fewer pairs than dimensions *every* correlation
    is 1: S then says nothing.

    Re-weighting without de-whitening by the same side leaves vectors whitened. Where the source has
    a = 0 and is de-whitened by itself, its map is orthonormal, and likewise the target.

    All sums and factorisations are float64, in blocks of 1,024 rows in their order. O(n (d + e)^2 +
    (d + e)^3). Peak memory beyond the input: 16,384 rows and some 12 matrices of d x e in float64.

    References
    ----------
    Artetxe, Labaka and Agirre, "Generalizing and improving bilingual word embedding mappings with a
    multi-step framework of linear transformations", AAAI 2018; the same, "Learning principled
    bilingual mappings of word embeddings while preserving monolingual invariance", EMNLP 2016.

    Examples
    --------
    >>> import numpy as np, isomorph as iso
    >>> rng = np.random.default_rng(0)
    >>> x = rng.standard_normal((50, 3))
    >>> z = x @ rng.standard_normal((3, 3))
    >>> fit = iso.align.vecmap(x, z, source_dewhiten="target")
    >>> np.allclose(fit.apply_source(x), fit.apply_target(z))
    True
    """
    how = _options(mode, whiten, source_reweight, target_reweight, source_dewhiten, target_dewhiten)
    arguments = paired(source, target, stacks=False)
    shapes = arguments.shapes
    most = min(shapes["source"][1], shapes["target"][1])
    if dimensions is not None:
        dimensions = _dimensions(dimensions, most, how)
    run = Run(runtime.resolve_threads(threads), progress)
    ready = arguments.ready(check_finite=check_finite)
    provenance = {
        "isomorph": _core.build_info()["version"],
        "rows": shapes["source"][0],
        "mode": mode,
        **({} if how.kind != "whitened" else dataclasses.asdict(how)),
    }
    with reporting(progress, "VecMap") as report:
        if report is not None:
            report(0, 1)
        fitted = fit_pairs(arguments, ready, how, dimensions, run, provenance)
        if report is not None:
            report(1, 1)
    return fitted


def fit_pairs(
    arguments: _arrays.Arguments,
    ready: _arrays.Prepared,
    how: VecMapMode,
    dimensions: int | None,
    run: Run,
    provenance: dict[str, Any],
) -> Alignment:
    """Fit on checked arrays, in which row i belongs to row i."""
    x, z = ready.arrays
    if how.kind == "orthogonal":
        fitted = procrustes(x, z, check_finite=False, threads=run.threads)
        return Alignment(None, dataclasses.replace(fitted, provenance=provenance), None)
    double = Double(arguments, ready, run)
    sides = tuple(_side(double, name, rows) for name, rows in (("source", x), ("target", z)))
    cross = double.moments(x, sides[0].scale, z, sides[1].scale)
    if how.kind == "unconstrained":
        return _least_squares(double, sides, cross, provenance)
    return _whitened(double, sides, cross, how, dimensions, provenance)


@dataclass(frozen=True, slots=True)
class _Side:
    """The second moments of one side: of its values times `scale`, a power of two."""

    scale: float
    rank: int
    #: Eigenvectors in columns, and roots of eigenvalues; 0 for what is rounding.
    vectors: Any
    roots: Any

    def power(self, double: Double, exponent: int) -> Any:
        """Give the pseudo-inverse root (-1), the root (1) or the pseudo-inverse (-2)."""
        xp = double.xp
        there = self.roots > 0
        ones, zeros = xp.ones_like(self.roots), xp.zeros_like(self.roots)
        values = xp.where(there, xp.where(there, self.roots, ones) ** float(exponent), zeros)
        return double.product(self.vectors * values, double.transposed(self.vectors))


def _side(double: Double, name: str, rows: Any) -> _Side:
    xp = double.xp
    scale = double.scale(rows)
    if scale == 0:
        raise ValueError(f"{name}: expected a row that is not zero, got zeros only")
    values, vectors = double.eigh(double.moments(rows, scale, rows, scale))
    largest = float(values[-1])
    d = int(values.shape[0])
    eps, eps64 = float(xp.finfo(rows.dtype).eps), float(xp.finfo(values.dtype).eps)
    smallest = largest * max((d * eps) ** 2, 8 * d * eps64)
    # More directions than rows are rounding, whatever their size.
    place = xp.arange(d, dtype=xp.int64, **double.device)
    there = (values > smallest) & (place >= d - min(d, rows.shape[0]))
    roots = xp.where(there, xp.where(there, values, xp.ones_like(values)) ** 0.5, 0 * values)
    return _Side(scale, int(xp.sum(xp.astype(there, xp.int64))), vectors, roots)


def _least_squares(
    double: Double, sides: tuple[_Side, ...], cross: Any, provenance: dict[str, Any]
) -> Alignment:
    source, target = sides
    matrix = double.product(source.power(double, -2), cross) * (source.scale / target.scale)
    fitted = LinearMap(
        double.ready.convert(matrix),
        method="vecmap",
        metrics={"source_rank": source.rank, "target_rank": target.rank},
        provenance=provenance,
    )
    return Alignment(None, fitted, None)


def _whitened(
    double: Double,
    sides: tuple[_Side, ...],
    cross: Any,
    how: VecMapMode,
    dimensions: int | None,
    provenance: dict[str, Any],
) -> Alignment:
    source, target = sides
    if how.whiten:
        cross = double.product(source.power(double, -1), cross, target.power(double, -1))
    u, s, v = double.svd(cross)
    xp = double.xp
    s = xp.where(s > 0, s, xp.zeros_like(s))
    if not how.whiten and float(s[0]) > 0:
        s = s / s[0]
    metrics = {"source_rank": source.rank, "target_rank": target.rank}
    taken = {"source": (source, u), "target": (target, v)}
    maps = []
    for name, exponent, undone in (
        ("source", how.source_reweight, how.source_dewhiten),
        ("target", how.target_reweight, how.target_dewhiten),
    ):
        side, basis = taken[name]
        square = basis.shape[0] == basis.shape[1]
        free = not how.whiten or (undone == name and side.rank == basis.shape[0])
        orthogonal = free and exponent == 0 and square
        matrix, factor = basis, 1.0
        if not orthogonal:
            if how.whiten:
                matrix, factor = double.product(side.power(double, -1), basis), side.scale
            matrix = matrix * s ** float(exponent)
            if undone is not None:
                other, turned = taken[undone]
                root = double.product(double.transposed(turned), other.power(double, 1), turned)
                matrix, factor = double.product(matrix, root), factor / other.scale
        matrix = matrix[:, : dimensions or matrix.shape[1]] * factor
        maps.append(
            LinearMap(
                double.ready.convert(double.contiguous(matrix)),
                orthogonal=orthogonal,
                method="vecmap",
                metrics=metrics,
                provenance=provenance,
                singular_values=s,
            )
        )
    return Alignment(None, maps[0], None, maps[1])


def _options(
    mode: str,
    whiten: bool | None,
    source_reweight: float | None,
    target_reweight: float | None,
    source_dewhiten: str | None,
    target_dewhiten: str | None,
) -> VecMapMode:
    if mode not in MODES:
        raise ValueError(f"mode: expected one of {', '.join(MODES)}, got {mode!r}")
    how = MODES[mode]
    given: dict[str, Any] = {
        name: value
        for name, value in (
            ("whiten", whiten),
            ("source_reweight", source_reweight),
            ("target_reweight", target_reweight),
            ("source_dewhiten", source_dewhiten),
            ("target_dewhiten", target_dewhiten),
        )
        if value is not None
    }
    if given and how.kind != "whitened":
        name = next(iter(given))
        raise ValueError(f"{name}: expected None for mode {mode!r}, which has no such step")
    for name in ("source_reweight", "target_reweight"):
        if name in given:
            given[name] = _exponent(name, given[name])
    for name in ("source_dewhiten", "target_dewhiten"):
        value = given.get(name, getattr(how, name) if given.get("whiten", True) else "none")
        if value not in ("source", "target", "none"):
            raise ValueError(f"{name}: expected 'source', 'target' or 'none', got {value!r}")
        if value != "none" and not given.get("whiten", True):
            raise ValueError(f"{name}: expected 'none' with whiten=False, got {value!r}")
        given[name] = None if value == "none" else value
    return dataclasses.replace(how, **given)


def _exponent(name: str, value: Any) -> float:
    return _checks.number(name, value, least=0)


def _dimensions(value: Any, most: int, how: VecMapMode) -> int:
    if how.kind != "whitened":
        raise ValueError(f"dimensions: expected None for a map that is {how.kind}")
    return _checks.integer("dimensions", value, 1, most)
