"""The orthogonal Procrustes problem."""

from __future__ import annotations

from typing import Any

from isomorph import _arrays, _core, runtime
from isomorph._backends import Fitted, Run
from isomorph._dlpack import served
from isomorph._progress import Progress
from isomorph._stacks import as_stack, reshape
from isomorph.align._maps import LinearMap
from isomorph.align._pairs import paired, weights_of


@served
def procrustes(
    source: Any,
    target: Any,
    *,
    weights: Any = None,
    scale: bool = False,
    translate: bool = False,
    allow_reflection: bool = True,
    check_finite: bool = True,
    threads: int | None = None,
    progress: Progress = None,
) -> LinearMap:
    r"""Fit the orthonormal map that brings rows of `source` nearest to their partners in `target`.

    .. math:: \min_R \sum_i w_i\, |s\,(x_i - \bar x) R + \bar y - y_i|^2

    over the matrices R (d, e) with

    * d = e: :math:`R^TR = RR^T = I`;
    * d < e: orthonormal rows, :math:`RR^T = I`; every length is kept;
    * d > e: orthonormal columns, :math:`R^TR = I`. Here the objective is that of the way back,
      :math:`\sum_i w_i |(x_i - \bar x) - (y_i - \bar y) R^T|^2`, which has a closed solution (the
      forward one has none).

    In all three cases R maximises :math:`\operatorname{tr}(R^T M)`, :math:`M = \sum_i w_i (x_i -
    \bar x)^T (y_i - \bar y)`, so :math:`R = UV^T` with the thin singular value decomposition
    :math:`M = U S V^T`.

    Parameters
    ----------
    source : array of shape (n, d) or (b, n, d)
        Row i belongs to row i of `target`. A stack solves b problems, spread over the cores.
        float32 and float64; float16 and bfloat16 are widened to float32.
    target : array of shape (n, e) or (b, n, e)
        Mixed types promote as in NumPy.
    weights : array of shape (n,) or (b, n), optional
        How much each pair counts, none negative: a weight of 2 is the pair given twice. For a
        stack, (n,) is used for all. Default: all 1.
    scale : bool, default False
        Fit s >= 0 too: :math:`s = \operatorname{tr}(R^TM) / \sum_i w_i |(x_i - \bar x)R|^2`, the
        best factor for that R (:math:`|xR| = |x|` for d <= e). 1 where all x are equal.
    translate : bool, default False
        Subtract the weighted means :math:`\bar x, \bar y`; without it both are 0.
    allow_reflection : bool, default True
        If False and d = e, R is a rotation, det R = +1: where :math:`UV^T` is a reflection, the
        last singular vector is flipped. For d != e nothing changes: every such R is part of a
        rotation.
    check_finite : bool, default True
        Refuse NaN and infinities.
    threads : int, optional
        See :mod:`isomorph.runtime`. No byte of the answer depends on it.
    progress : bool or callable, optional
        True for a bar on standard error, or a callable of ``(done, total)``.

    Returns
    -------
    LinearMap
        With ``matrix`` R in the type of the input (rounded once from float64), ``source_mean`` and
        ``target_mean`` if `translate`, ``scale``, ``singular_values`` (those of M divided by
        :math:`\sqrt{\sum w|x-\bar x|^2 \sum w|y-\bar y|^2}`) and ``metrics``:

        * ``residual``: :math:`\sqrt{\sum w |s(x-\bar x)R - (y-\bar y)|^2 / \sum w |y-\bar y|^2}`;
        * ``correlation``: tr(R'M) divided as the singular values are, at most 1;
        * ``rank``: the numerical rank of M, singular values up to
          :math:`\max(n, 8\sqrt n)\,\epsilon\,|M|_F`, n = max(d, e), being rounding. If it
          is smaller than min(d, e) (fewer pairs than dimensions, say), the pairs do not determine
          R: see Notes;
        * ``determinant``: +1 or -1, for d = e.

        For a stack each is a list.

    Raises
    ------
    ShapeError
        Different numbers of rows or of problems, no rows or no columns.
    DTypeError
        Not arrays of real floating point values.
    NonFiniteError
        NaN or infinity.
    ValueError
        Weights that are negative or all zero; a scale that overflows.

    Notes
    -----
    M is accumulated in float64 over blocks of 4,096 rows, in block order, after the means have been
    subtracted (two passes: a common offset of any size costs no digits). O(n d e + d e min(d, e)).
    Peak memory beyond the input, per core: about 12 matrices of d x e in float64 and two panels of
    512 rows.

    Where M has a smaller rank than min(d, e), every :math:`U_1V_1^T + U_0 Q V_0^T` is optimal, with
    bases :math:`U_0, V_0` of what is orthogonal to the r singular vectors :math:`U_1, V_1` and Q
    orthonormal. Given is the one nearest to the identity E (1 on the diagonal), Q the polar factor
    of :math:`U_0^T E V_0`: a direction without evidence moves as little as it can. It depends on
    the data alone, not on how a routine fills its bases; only where :math:`U_0^T E V_0` is itself
    singular are several as near, of which a rotation is given if there is one. So all zero gives E.

    The residual is computed from the moments and has an absolute error of about 1e-8.

    References
    ----------
    P. H. Schoenemann, "A generalized solution of the orthogonal Procrustes problem", Psychometrika
    31 (1966); S. Umeyama, "Least-squares estimation of transformation parameters between two point
    patterns", IEEE TPAMI 13 (1991), for scale, translation and rotations.

    Examples
    --------
    >>> import numpy as np, isomorph as iso
    >>> x = np.random.default_rng(0).standard_normal((50, 3))
    >>> turn = np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    >>> fit = iso.procrustes(x, 2 * x @ turn + 5, scale=True, translate=True)
    >>> np.allclose(fit.matrix, turn), round(fit.scale, 12)
    (True, 2.0)
    """
    arguments = paired(source, target)
    shapes = arguments.shapes
    run = Run(runtime.resolve_threads(threads), progress)
    checked = weights_of(arguments, weights)
    ready = arguments.ready(check_finite=check_finite)
    x, y = (as_stack(ready, array) for array in ready.arrays)
    if checked is not None:
        checked = _broadcast(ready, checked, tuple(x.shape[:2]))
    fitted = ready.backend.procrustes(
        x,
        y,
        checked,
        scale=bool(scale),
        translate=bool(translate),
        allow_reflection=bool(allow_reflection),
        run=run,
    )
    provenance = {
        "isomorph": _core.build_info()["version"],
        "rows": shapes["source"][-2],
        "weighted": weights is not None,
        "scale": bool(scale),
        "translate": bool(translate),
        "allow_reflection": bool(allow_reflection),
    }
    return _as_map(ready, fitted, len(shapes["source"]) == 2, bool(translate), provenance)


def _broadcast(ready: _arrays.Prepared, weights: Any, shape: tuple[int, ...]) -> Any:
    if ready.namespace is None:
        import numpy as np

        return np.ascontiguousarray(np.broadcast_to(weights, shape))
    xp = ready.namespace
    return xp.broadcast_to(weights if weights.ndim == 2 else weights[None, :], shape)


def _as_map(
    ready: _arrays.Prepared,
    fitted: Fitted,
    single: bool,
    translate: bool,
    provenance: dict[str, Any],
) -> LinearMap:
    """Bring the fit into the type of the input; a stack of one that was a matrix loses its axis."""

    def shaped(array: Any) -> Any:
        return reshape(ready, array, tuple(array.shape[1:])) if single else array

    def figure(array: Any) -> Any:
        values = [float(array[i]) for i in range(array.shape[0])]
        return values[0] if single else values

    d, e = (int(length) for length in fitted.matrix.shape[1:])
    rank = figure(fitted.rank)
    metrics: dict[str, Any] = {
        "residual": figure(fitted.residual),
        "correlation": figure(fitted.correlation),
        "rank": int(rank) if single else [int(r) for r in rank],
    }
    if d == e:
        metrics["determinant"] = figure(fitted.determinant)
    return LinearMap(
        ready.convert(shaped(fitted.matrix)),
        shaped(fitted.source_mean) if translate else None,
        shaped(fitted.target_mean) if translate else None,
        figure(fitted.scale) if single else fitted.scale,
        orthogonal=True,
        method="procrustes",
        metrics=metrics,
        provenance=provenance,
        singular_values=shaped(fitted.singular_values),
    )
