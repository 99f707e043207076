"""Codes of samples over prototypes by a few Sinkhorn iterations: those of SwAV and of VLAP."""

from __future__ import annotations

from typing import Any

import numpy as np

from isomorph import _arrays, _checks, runtime
from isomorph._backends import Assigned, Assigner, Run
from isomorph._dlpack import served
from isomorph._progress import Progress
from isomorph._results import Neighbors
from isomorph._warning import warn
from isomorph.errors import ConvergenceWarning, DTypeError, NonFiniteError, ShapeError
from isomorph.transport import _problem

RULES = ("marginal", "vlap")


@served
def sinkhorn_assign(
    scores: Any,
    reg: float,
    *,
    iterations: int = 3,
    prior: Any = None,
    prior_rule: str = "marginal",
    tol: float | None = None,
    top: int | None = None,
    out: Any = None,
    check_finite: bool = True,
    threads: int | None = None,
    progress: Progress = None,
) -> Any:
    r"""Share each sample among prototypes, and the prototypes evenly among all samples.

    From :math:`Q = \exp(S / \mathrm{reg})`, in each iteration

    .. math::

        Q_{ij} \leftarrow Q_{ij} \, p_j \Big/ \tfrac 1n \sum_i Q_{ij}, \qquad
        Q_{ij} \leftarrow Q_{ij} \Big/ \sum_j Q_{ij}

    with the `prior` p: 1/m for every prototype where there is none. These are the codes of SwAV and
    of VLAP, transposed: rows are samples. What is multiplied is kept near 1 by powers of two, which
    round nothing, so that no score overflows: VLAP's ``reg=0.01`` does from a cosine of 0.89 on
    when the exponentials are taken in float32 as they are.

    Parameters
    ----------
    scores : array of shape (n, m), or (b, n, m)
        What each sample has to do with each prototype, as cosines; -inf forbids a pair. Of a stack,
        each matrix is a problem of its own. float32 or float64 (float16 and bfloat16 are widened).
    reg : float
        Positive, in the units of the scores. SwAV: 0.05. VLAP: 0.01. Smaller ones give codes that
        are nearer to one prototype a sample.
    iterations : int, default 3
        As many as both papers take.
    prior : array of shape (m,), optional
        The shares of the prototypes, 0 or more: only their ratios count, so that they may be
        counts of words.
    prior_rule : {"marginal", "vlap"}, default "marginal"
        What `prior` does. ``"marginal"``: it is what the columns are to sum to, as above.
        ``"vlap"``: as in VLAP's released code for matrices, each iteration multiplies by the prior
        and does not divide by the columns' sums, so the codes are the softmax of
        :math:`S / \mathrm{reg} + \mathrm{iterations} \log p` over each row, and nothing balances
        them.
    tol : float, optional
        Stop when the shares of the columns miss the prior by this much or less in all (L1 norm). By
        default all `iterations` are made, as the papers have it.
    top : int, optional
        Give only the largest `top` entries of each row. No matrix is made then.
    out : array, optional
        Where the codes are written: of their shape and type. It may be `scores` itself, but then
        there is a copy.
    check_finite : bool, default True
        Look for NaN and +inf in `scores`, rows and columns without any pair that is allowed, and
        scores too large for `reg`. Without it their codes may be NaN.
    threads : int, optional
        See :mod:`isomorph.runtime`.
    progress : bool or callable, optional
        True for a bar on standard error, or a callable of ``(done, total)`` steps.

    Returns
    -------
    array of the shape of `scores`
        The codes: rows sum to 1; columns, to n times the prior, as nearly as the iterations bring
        them. In the type of `scores`.
    Neighbors
        With `top`: ``scores``, entries of the codes, largest first, of equal ones the lower column
        first; and ``indices``. Rows are not made to sum to 1 again: what they lack is what was cut.

    Warns
    -----
    ConvergenceWarning
        `tol` is given, and was not reached.

    Raises
    ------
    ShapeError, DTypeError, NonFiniteError
        From the arrays.
    ValueError
        A sample or a prototype all of whose pairs are forbidden; a negative share, or none above 0;
        a `reg` that is too small for exp(scores / reg) to have digits; ``prior_rule="vlap"``
        without a prior, or with `tol`; another option out of its range.

    Notes
    -----
    One exponential an entry, and one read of the codes an iteration; with `top`, one exponential an
    entry and iteration. Peak memory beyond the result: 64 vectors of length m (for more than 65,536
    samples, 4 for every 4,096).

    Exponents are rounded as ``scores / reg`` is in the type of the scores, which is what the
    published programs compute. Everything after has an error of some units in the last place, so
    that codes agree with theirs to as many, wherever those neither overflow nor underflow. Codes
    below 1e-22 (float64: 1e-184) may be 0.

    References
    ----------
    M. Caron et al., "Unsupervised learning of visual features by contrasting cluster assignments",
    2020 (SwAV). J. Park et al., "Bridging vision and language spaces with assignment prediction",
    2024 (VLAP). Y. Asano, C. Rupprecht and A. Vedaldi, "Self-labelling via simultaneous clustering
    and representation learning", 2020.

    Examples
    --------
    Three samples that all like the first of three prototypes best:

    >>> import numpy as np, isomorph as iso
    >>> scores = np.array([[0.95, 0.5, 0.1], [0.9, 0.8, 0.2], [0.9, 0.3, 0.6]])
    >>> iso.sinkhorn_assign(scores, 0.05).round(2).tolist()
    [[0.99, 0.01, 0.0], [0.09, 0.91, 0.0], [0.09, 0.0, 0.91]]
    >>> iso.sinkhorn_assign(scores, 0.05, top=1).indices.tolist()
    [[0], [1], [2]]
    """
    reg = _checks.number("reg", reg, above=0.0)
    _checks.one_of("prior_rule", prior_rule, RULES)
    if prior_rule == "vlap" and (prior is None or tol is not None):
        raise ValueError(
            "prior_rule: 'vlap' multiplies by a prior, and has no marginal to be near to; give "
            "prior=, and no tol="
        )
    arguments = _arrays.Arguments(ndim=(2, 3), scores=scores)
    arguments.require_not_empty()
    shape = arguments.shapes["scores"]
    how = Assigner(
        _checks.integer("iterations", iterations, 1),
        prior_rule,
        None if tol is None else _checks.number("tol", tol, above=0.0),
        None if top is None else _checks.integer("top", top, 1, shape[-1], of="columns of scores"),
    )
    masses = _shares(arguments, scores, prior)
    if out is not None:
        _require_out(arguments, scores, out, top)
    ready = arguments.ready(check_finite=False)
    (values,) = ready.arrays
    _require_reg(reg, ready.dtype)
    run = Run(runtime.resolve_threads(threads), progress)

    def solve(name: str, matrix: Any, into: Any) -> Assigned:
        rows, columns = ready.backend.score_maxima(matrix, run)
        if check_finite:
            _require_scores(arguments.array_namespace(), name, (rows, columns), masses)
            _require_digits(arguments.array_namespace(), (rows, columns), reg, ready.dtype)
        return ready.backend.assign(matrix, columns, masses, reg, how, into, run)

    xp = arguments.array_namespace()
    if len(shape) == 2:
        found = [solve("scores", values, out)]
    else:
        found = [
            solve(f"scores: matrix {b}", values[b, ...], None if out is None else out[b, ...])
            for b in range(shape[0])
        ]
    _warn(how, [one.error for one in found])
    join = (lambda parts: parts[0]) if len(shape) == 2 else xp.stack
    if top is not None:
        weights, indices = zip(*(one.codes for one in found), strict=True)
        return Neighbors(join(list(weights)), join(list(indices)), "assignment")
    return out if out is not None else join([one.codes for one in found])


def _shares(arguments: _arrays.Arguments, scores: Any, prior: Any) -> Any:
    """Give the shares of the columns in float64, 1 in all."""
    xp, m = arguments.array_namespace(), arguments.shapes["scores"][-1]
    beside = arguments.device_of(scores)
    if prior is None:
        return xp.full((m,), 1.0 / m, dtype=xp.float64, **beside)
    given = _arrays.Arguments(ndim=(1, 2, 3), scores=scores, prior=prior)
    if given.shapes["prior"] != (m,):
        raise ShapeError(
            f"prior: expected an array of 1 dimensions, of length {m}, one a column of scores, got "
            f"shape {given.shapes['prior']}"
        )
    masses = _problem._mass(xp, "prior", prior, m, beside)
    return masses / xp.sum(masses)


def _require_out(arguments: _arrays.Arguments, scores: Any, out: Any, top: int | None) -> None:
    if top is not None:
        raise ValueError("out: expected none with top, which makes no matrix")
    beside = _arrays.Arguments(ndim=(2, 3), scores=scores, out=out)
    if beside.shapes["out"] != arguments.shapes["scores"]:
        raise ShapeError(
            f"out: expected shape {arguments.shapes['scores']}, got {beside.shapes['out']}"
        )
    if _arrays._dtype_name(out) != arguments.dtype():
        raise DTypeError(f"out: expected {arguments.dtype()}, as the codes are, got {out.dtype}")
    if arguments.namespace is None and not out.flags.writeable:
        raise ValueError("out: expected an array that can be written, got a read-only one")


def _require_reg(reg: float, dtype: str) -> None:
    least, most = float(np.finfo(dtype).tiny), float(np.finfo(dtype).max)
    if not least <= reg <= most:
        raise ValueError(
            f"reg: expected {least:.3g} to {most:.3g}, as the scores are {dtype}, got {reg:.3g}"
        )


def _require_scores(xp: Any, name: str, maxima: tuple[Any, Any], masses: Any) -> None:
    """Require numbers, and that every sample and every prototype has a pair."""
    rows, columns = maxima
    bad = xp.isnan(rows)
    if bool(xp.any(bad)):
        raise NonFiniteError(
            f"{name}: row {_problem._first(xp, bad)} has a NaN or +inf; -inf forbids a pair, "
            "everything else is a number"
        )
    for empty, side in (
        (rows == -xp.inf, "row"),
        ((columns == -xp.inf) & (masses > 0), "column"),
    ):
        if bool(xp.any(empty)):
            at = _problem._first(xp, empty)
            raise ValueError(f"{name}: every pair of {side} {at} is forbidden")


def _require_digits(xp: Any, maxima: tuple[Any, Any], reg: float, dtype: str) -> None:
    """Require that scores in units of reg, which are exponents, have digits after the point."""
    sizes = [xp.where(xp.isfinite(one), xp.abs(one), xp.zeros_like(one)) for one in maxima]
    largest = max(float(xp.max(one)) for one in sizes)
    needed = largest * float(np.finfo(dtype).eps) / _problem._LEAST_DIGITS
    if needed > reg:
        raise ValueError(
            f"reg: expected at least {needed:.3g} for scores up to {largest:.3g} in {dtype}, got "
            f"{reg:.3g}: exp(scores / reg) would have no digits; take a larger reg, or scale the "
            "scores"
        )


def _warn(how: Assigner, errors: list[float | None]) -> None:
    missed = [error for error in errors if error is not None and not error <= (how.tol or 0.0)]
    if missed:
        warn(
            f"sinkhorn_assign: the columns miss the prior by {max(missed):.2g} after "
            f"{how.iterations:,} iterations, expected {how.tol:.2g}; take more iterations, or a "
            "larger reg or tol",
            ConvergenceWarning,
        )
