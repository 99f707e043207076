"""The drop-in for ``ot.solve_batch``: many problems of one size."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from isomorph._extras import require
from isomorph.compat._covered import NotCoveredError, drop_in
from isomorph.compat.pot._iterations import Iterations

__all__ = ["solve_batch"]

_PERIOD = 10


@drop_in("ot.batch")
def solve_batch(
    M: Any,
    reg: Any = None,
    a: Any = None,
    b: Any = None,
    max_iter: int = 1000,
    tol: float = 1e-5,
    method: str = "auto",
    inner_iter: int = 1,
    inner_reg: float = 1e-3,
    reg_type: str = "entropy",
    grad: str = "envelope",
) -> Any:
    """Solve many problems of one size: the drop-in for ``ot.solve_batch``, which needs POT.

    Parameters
    ----------
    M : array of float64, shape (p, n, m)
        Costs of the problems.
    reg : float
        Weight of the entropy, positive; without it the call goes to POT.
    a, b : array of shape (p, n), (p, m), optional
        Positive masses; None: equal ones, 1 in all.
    max_iter : int, default 1000
        Iterations at most.
    tol : float, default 1e-5
        The largest L2 error of the rows, of all problems, below which all stop.
    method : {"auto", "log_sinkhorn", "sinkhorn"}
        What the potentials are: logarithms, or factors. ``"proximal"`` goes to POT.
    reg_type : {"entropy", "kl"}
        Which entropy the value counts.
    inner_iter, inner_reg, grad
        Of other methods, and of gradients, which NumPy has not.

    Returns
    -------
    ot.utils.OTResult
        With ``plan, potentials, value, value_linear, log``.
    """
    del inner_iter, inner_reg
    if reg is None or not isinstance(reg, int | float | np.number) or not 0 < reg < math.inf:
        raise NotCoveredError("reg is no positive number")
    if method not in ("auto", "log_sinkhorn", "sinkhorn") or reg_type not in ("kl", "entropy"):
        raise NotCoveredError(f"method {method!r}, reg_type {reg_type!r}")
    if grad not in ("detach", "autodiff", "envelope", None):
        raise NotCoveredError(f"grad {grad!r}")
    if type(M) is not np.ndarray or M.ndim != 3 or M.dtype != np.float64 or M.size == 0:
        raise NotCoveredError("costs that are no NumPy array of float64 and three dimensions")
    problems, n, m = M.shape
    a = np.ones((problems, n)) / n if a is None else a
    b = np.ones((problems, m)) / m if b is None else b
    for name, mass, length in (("a", a, n), ("b", b, m)):
        right = type(mass) is np.ndarray and mass.dtype == np.float64
        if not right or mass.shape != (problems, length) or not (mass > 0).all():
            raise NotCoveredError(f"{name} is no array of positive masses of float64")
    if not isinstance(max_iter, int) or max_iter < 1:
        raise NotCoveredError("max_iter")
    largest = float(np.abs(M).max())
    if not largest < math.inf or (method == "sinkhorn" and largest > 300.0 * reg):
        raise NotCoveredError("costs that are not finite, or leave the range")
    # The rows go first here: the columns of a problem are the rows of its transpose.
    runs = [
        Iterations(cost.T, of_columns, of_rows, float(reg))
        for cost, of_rows, of_columns in zip(M, a, b, strict=True)
    ]
    for run in runs:
        run.begin()
    last = _iterate(runs, max_iter, tol)
    plan = np.stack([run.plan().T for run in runs])
    f, g = np.stack([run.g for run in runs]), np.stack([run.f for run in runs])
    linear = np.sum(M * plan, axis=(1, 2))
    if reg_type == "entropy":
        value = linear + reg * np.sum(plan * np.log(plan + 1e-16), axis=(1, 2))
    else:
        even = a[:, :, None] * b[:, None, :]
        value = linear + reg * np.sum(plan * np.log(plan / even + 1e-16), axis=(1, 2))
    utils = require("ot.utils", extra="ot", purpose="the result of solve_batch")
    return utils.OTResult(
        value=value,
        value_linear=linear,
        potentials=(np.exp(f), np.exp(g)) if method == "sinkhorn" else (f, g),
        plan=plan,
        log={"n_iter": last},
    )


def _iterate(runs: list[Iterations], most: int, tol: float) -> int:
    """Iterate all until the worst of them is right; give the number of the last iteration."""
    done = 0
    while done < most:
        done += min(1 if done == 0 else _PERIOD, most - done)
        for run in runs:
            while run.done < done:
                run.advance(done - run.done)
        if (done - 1) % _PERIOD == 0 and max(run.error for run in runs) < tol:
            break
    return done - 1
