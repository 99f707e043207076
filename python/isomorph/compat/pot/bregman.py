"""Drop-ins for Sinkhorn's algorithm as ``ot.bregman`` has it.

They take the iterations that POT takes, from its start, and stop where it stops, so that also
what has not converged is the same. :func:`isomorph.sinkhorn` needs far fewer passes.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isomorph import _core, runtime
from isomorph.compat._covered import NotCoveredError, drop_in
from isomorph.compat.pot._iterations import Iterations, iterate

__all__ = [
    "sinkhorn",
    "sinkhorn2",
    "sinkhorn_knopp",
    "sinkhorn_log",
    "sinkhorn_stabilized",
]

#: POT exponentiates costs as they are: up to here, in units of reg, nothing of its iteration leaves
#: the range of its type.
_RANGE = {"float32": 40.0, "float64": 300.0}
_NOT_CONVERGED = (
    "Sinkhorn did not converge. You might want to increase the number of iterations `numItermax` "
    "or the regularization parameter `reg`."
)


@drop_in("ot.bregman")
def sinkhorn(
    a: Any,
    b: Any,
    M: Any,
    reg: float,
    method: str = "sinkhorn",
    numItermax: int = 1000,
    stopThr: float = 1e-9,
    verbose: bool = False,
    log: bool = False,
    warn: bool = True,
    warmstart: Any = None,
    **kwargs: Any,
) -> Any:
    r"""Move masses at the least cost, smoothed by entropy: the drop-in for ``ot.sinkhorn``.

    .. math::

        \min_P \langle P, M \rangle + \mathrm{reg} \sum_{ij} P_{ij} \log P_{ij}
        \quad\text{with}\quad P \mathbf 1 = a,\; P^T \mathbf 1 = b

    Parameters
    ----------
    a, b : array_like of shape (n,), (m,)
        Positive masses; empty: equal ones, 1 in all.
    M : array_like of shape (n, m)
        Costs. All arrays float64, or all float32, or costs of float32 and masses of float64: then
        everything is computed in float64, in POT all but the exponential of the costs.
    reg : float
        Weight of the entropy.
    method : {"sinkhorn", "sinkhorn_log", "sinkhorn_stabilized"}
        See :func:`sinkhorn_knopp`, :func:`sinkhorn_log`, :func:`sinkhorn_stabilized`. Others go to
        POT.
    numItermax : int, default 1000
        Iterations at most.
    stopThr : float, default 1e-9
        The L2 error of the columns below which to stop.
    verbose : bool, default False
        Print the errors.
    log : bool, default False
        Return a dictionary, too.
    warn : bool, default True
        Warn if it does not converge.
    warmstart : pair of array, optional
        Logarithms of u and v to start from.
    **kwargs
        Of the method.

    Returns
    -------
    array of shape (n, m)
        The plan, in the type of M.
    log : dict
        If asked for; its keys are those of the method.

    Warns
    -----
    UserWarning
        Not converged.

    Raises
    ------
    ValueError
        Another method.

    Notes
    -----
    O(n m) an iteration. Memory: the plan, and the kernel in float64. float32 stops at what float32
    can tell; POT, which looks for 1e-9 there, goes on to `numItermax` and warns.

    Examples
    --------
    >>> from isomorph.compat import pot
    >>> pot.sinkhorn([0.5, 0.5], [0.5, 0.5], [[0.0, 1.0], [1.0, 0.0]], 1).round(4).tolist()
    [[0.3655, 0.1345], [0.1345, 0.3655]]
    """
    serve = _method(method)
    return serve(
        a, b, M, reg, numItermax=numItermax, stopThr=stopThr, verbose=verbose, log=log, warn=warn,
        warmstart=warmstart, **kwargs,
    )  # fmt: skip


@drop_in("ot.bregman")
def sinkhorn2(
    a: Any,
    b: Any,
    M: Any,
    reg: float,
    method: str = "sinkhorn",
    numItermax: int = 1000,
    stopThr: float = 1e-9,
    verbose: bool = False,
    log: bool = False,
    warn: bool = False,
    warmstart: Any = None,
    **kwargs: Any,
) -> Any:
    r"""Return the cost :math:`\langle P, M \rangle` of the plan: the drop-in for ``ot.sinkhorn2``.

    Parameters
    ----------
    a, b, M, reg, method, numItermax, stopThr, verbose, log, warn, warmstart, **kwargs
        As in :func:`sinkhorn`; `warn` is False.

    Returns
    -------
    float
        The cost, in the type of M.
    log : dict
        If asked for.

    Notes
    -----
    As :func:`sinkhorn`, but that the plan is not made.
    """
    serve = _method(method)
    return serve(
        a, b, M, reg, numItermax=numItermax, stopThr=stopThr, verbose=verbose, log=log, warn=warn,
        warmstart=warmstart, _cost_only=True, **kwargs,
    )  # fmt: skip


@drop_in("ot.bregman")
def sinkhorn_knopp(
    a: Any,
    b: Any,
    M: Any,
    reg: float,
    numItermax: int = 1000,
    stopThr: float = 1e-9,
    verbose: bool = False,
    log: bool = False,
    warn: bool = True,
    warmstart: Any = None,
    **kwargs: Any,
) -> Any:
    """Iterate on u and v themselves: the drop-in for ``ot.bregman.sinkhorn_knopp``.

    Parameters
    ----------
    a, b, M, reg, numItermax, stopThr, verbose, log, warn, warmstart, **kwargs
        As in :func:`sinkhorn`. Costs over 300 times `reg` (40 in float32) go to POT, whose
        exponentials may then leave the range of the type.

    Returns
    -------
    array of shape (n, m)
        The plan.
    log : dict
        ``err`` (the errors, each tenth iteration), ``niter`` (the last, from 0), ``u``, ``v``.
    """
    a, b, M, span = _ready(a, b, M)
    reg = _regularisation(reg)
    if not span <= reg:
        raise NotCoveredError("exp(-M / reg) may leave the range of its type")
    begin = -math.log(len(a)) if warmstart is None else _start(warmstart, a, b)[0]
    run = Iterations(M, a, b, reg)
    run.begin(begin)
    printed = _Printed(numItermax, stopThr, verbose, log, prints_last=False)
    last = printed.iterate(run, warn)
    if not log:
        return _answer(run, kwargs)
    u, v = (np.exp(part).astype(M.dtype) for part in (run.f, run.g))
    return _answer(run, kwargs), {"err": printed.errors, "niter": last, "u": u, "v": v}


@drop_in("ot.bregman")
def sinkhorn_log(
    a: Any,
    b: Any,
    M: Any,
    reg: float,
    numItermax: int = 1000,
    stopThr: float = 1e-9,
    verbose: bool = False,
    log: bool = False,
    warn: bool = True,
    warmstart: Any = None,
    **kwargs: Any,
) -> Any:
    """Iterate on the logarithms of u and v: the drop-in for ``ot.bregman.sinkhorn_log``.

    Parameters
    ----------
    a, b, M, reg, numItermax, stopThr, verbose, log, warn, warmstart, **kwargs
        As in :func:`sinkhorn`.

    Returns
    -------
    array of shape (n, m)
        The plan.
    log : dict
        ``err``, ``niter``, ``log_u``, ``log_v``, ``u``, ``v``.
    """
    a, b, M, _ = _ready(a, b, M)
    run = Iterations(M, a, b, _regularisation(reg))
    run.begin(0.0 if warmstart is None else _start(warmstart, a, b)[0])
    printed = _Printed(numItermax, stopThr, verbose, log, prints_last=True)
    last = printed.iterate(run, warn)
    if not log:
        return _answer(run, kwargs)
    u, v = (part.astype(M.dtype) for part in (run.f, run.g))
    with np.errstate(over="ignore"):
        told = {"log_u": u, "log_v": v, "u": np.exp(u), "v": np.exp(v)}
    return _answer(run, kwargs), {"err": printed.errors, "niter": last, **told}


@drop_in("ot.bregman")
def sinkhorn_stabilized(
    a: Any,
    b: Any,
    M: Any,
    reg: float,
    numItermax: int = 1000,
    tau: float = 1e3,
    stopThr: float = 1e-9,
    warmstart: Any = None,
    verbose: bool = False,
    print_period: int = 20,
    log: bool = False,
    warn: bool = True,
    **kwargs: Any,
) -> Any:
    """Iterate in a range that is kept small: the drop-in for ``ot.bregman.sinkhorn_stabilized``.

    Parameters
    ----------
    a, b, M, reg, numItermax, stopThr, warn, **kwargs
        As in :func:`sinkhorn`.
    tau : float, default 1e3
        When POT takes what is large into the kernel. Here there is nothing to take.
    warmstart : pair of array, optional
        Potentials alpha and beta, in units of the cost.
    print_period : int, default 20
        How often the error is looked at.
    log, verbose : bool
        True goes to POT: both depend on when it takes what is large into the kernel.

    Returns
    -------
    array of shape (n, m)
        The plan. POT's is that divided by n m where it takes what is large into the kernel in the
        last iteration, as it does in every iteration from about n = `tau` on.
    """
    del tau
    if log or verbose:
        raise NotCoveredError("log or verbose of the stabilised method")
    a, b, M, span = _ready(a, b, M)
    reg = _regularisation(reg)
    if type(print_period) is not int or print_period < 1:
        raise NotCoveredError("print_period")
    alpha, beta = (np.zeros(1), np.zeros(1)) if warmstart is None else _start(warmstart, a, b)
    moved = float(np.abs(alpha).max()) + float(np.abs(beta).max())
    # What is large goes into the kernel before two of its factors meet.
    if not span + moved / _RANGE[str(M.dtype)] <= 2.0 * reg:
        raise NotCoveredError("exp(-M / reg) may leave the range of its type")
    run = Iterations(M, a, b, reg)
    run.begin(alpha / reg - math.log(len(a)))
    # POT stops at the threshold, too, not only below.
    threshold = np.nextafter(stopThr, math.inf)
    _Printed(numItermax, threshold, False, False, period=print_period).iterate(run, warn)
    return _answer(run, kwargs)


def _method(method: str) -> Callable[..., Any]:
    served = {
        "sinkhorn": sinkhorn_knopp,
        "sinkhorn_log": sinkhorn_log,
        "sinkhorn_stabilized": sinkhorn_stabilized,
    }
    if method.lower() not in served:
        raise NotCoveredError(f"method {method!r}")
    serve: Callable[..., Any] = served[method.lower()].serve  # type: ignore[attr-defined]
    return serve


class _Printed:
    """Iterates, prints and keeps errors as POT does."""

    def __init__(
        self,
        most: Any,
        threshold: Any,
        verbose: Any,
        log: Any,
        *,
        prints_last: bool = True,
        period: int = 10,
    ) -> None:
        if not isinstance(most, int | np.integer) or most < 1:
            raise NotCoveredError("numItermax")
        self.most, self.threshold, self.period = int(most), float(threshold), period
        self.verbose, self.prints_last = bool(verbose), prints_last
        self.watched = bool(verbose or log)
        self.errors: list[Any] = []

    def iterate(self, run: Iterations, warn: Any) -> int:
        """Iterate, and give the number of the last iteration."""
        self.kind = run.cost.dtype.type
        watch = self._look if self.watched else None
        last, met = iterate(run, self.most, self.threshold, self.period, watch)
        if warn and not met:
            warnings.warn(_NOT_CONVERGED, stacklevel=4)
        return last

    def _look(self, iteration: int, error: float) -> None:
        self.errors.append(self.kind(error))
        if self.verbose and (self.prints_last or error >= self.threshold):
            if iteration % 200 == 0:
                print(f"{'It.':5s}|{'Err':12s}\n" + "-" * 19)
            print(f"{iteration:5d}|{error:8e}|")


def _answer(run: Iterations, options: dict[str, Any]) -> Any:
    return run.cost.dtype.type(run.value) if options.get("_cost_only") else run.plan()


def _ready(a: Any, b: Any, M: Any) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], float]:
    """Give masses and cost as POT takes them, or say why POT is asked.

    Last comes the smallest reg for which exp(-M / reg) stays in the range of its type.
    """
    given = [one for one in (a, b, M) if not isinstance(one, list)]
    for one in given:
        if type(one) is not np.ndarray:
            raise NotCoveredError(f"a {type(one).__name__}, not a NumPy array")
    # Lists become arrays of the type of the first array that has something in it.
    kind = next((one.dtype for one in given if one.size), np.dtype(np.float64))
    try:
        a, b, M = (np.array(x, dtype=kind) if isinstance(x, list) else x for x in (a, b, M))
    except (TypeError, ValueError):
        raise NotCoveredError("lists that are no arrays") from None
    if M.ndim != 2 or M.size == 0 or M.dtype not in (np.float32, np.float64):
        raise NotCoveredError(f"costs of {M.dtype} and shape {M.shape}")
    masses = []
    for name, mass, length in (("a", a, M.shape[0]), ("b", b, M.shape[1])):
        if len(mass) == 0:
            masses.append(np.full(length, 1.0 / length, M.dtype))
            continue
        if mass.shape != (length,):
            raise NotCoveredError(f"{name} of shape {mass.shape}")
        if mass.dtype not in (M.dtype, np.float64):
            raise NotCoveredError(f"{name} of {mass.dtype}, costs of {M.dtype}")
        if not (np.isfinite(mass).all() and mass.min() > 0):
            raise NotCoveredError(f"{name} has masses that are not positive")
        masses.append(mass)
    if masses[0].dtype != masses[1].dtype:
        raise NotCoveredError("masses of two types")
    M = np.ascontiguousarray(M)
    least, most, finite = _core.scan_costs([M], runtime.resolve_threads())
    if not finite[0]:
        raise NotCoveredError("costs that are not finite")
    span = max(-float(least[0]), float(most[0])) / _RANGE[str(M.dtype)]
    # With masses of float64 all but the exponential of a float32 cost is of float64 in POT, too.
    return masses[0], masses[1], M.astype(masses[0].dtype, copy=False), span


def _regularisation(reg: Any) -> float:
    if not isinstance(reg, int | float | np.number) or not 0 < float(reg) < math.inf:
        raise NotCoveredError("reg is no positive number")
    return float(reg)


def _start(warmstart: Any, a: NDArray[Any], b: NDArray[Any]) -> tuple[Any, Any]:
    """Give a pair of potentials to start from, if it is what it should be."""
    if not isinstance(warmstart, list | tuple) or len(warmstart) != 2:
        raise NotCoveredError("warmstart is no pair")
    for one, mass in zip(warmstart, (a, b), strict=True):
        good = type(one) is np.ndarray and one.shape == mass.shape and one.dtype == mass.dtype
        if not (good and np.isfinite(one).all()):
            raise NotCoveredError("warmstart is no pair of finite vectors")
    return warmstart[0], warmstart[1]
