"""The drop-in for ``ot.solve``, where the problem has entropy and exact masses."""

from __future__ import annotations

from typing import Any

import numpy as np

from isomorph._extras import require
from isomorph.compat._covered import NotCoveredError, drop_in
from isomorph.compat.pot.bregman import sinkhorn_log

__all__ = ["solve"]


@drop_in("ot.solvers")
def solve(
    M: Any,
    a: Any = None,
    b: Any = None,
    reg: Any = None,
    c: Any = None,
    reg_type: Any = "KL",
    unbalanced: Any = None,
    unbalanced_type: str = "KL",
    method: Any = None,
    n_threads: int = 1,
    max_iter: int | None = None,
    plan_init: Any = None,
    potentials_init: Any = None,
    tol: float | None = None,
    verbose: bool = False,
    grad: str = "autodiff",
) -> Any:
    """Solve a transport problem: the drop-in for ``ot.solve``, which needs POT for its result.

    Parameters
    ----------
    M : array of shape (n, m)
        Costs.
    a, b : array of shape (n,), (m,), optional
        Masses; None: equal ones, 1 in all.
    reg : float
        Weight of the entropy, positive; without it the call goes to POT.
    reg_type : {"KL", "entropy"}, default "KL"
        Which entropy the value counts; others go to POT.
    max_iter : int, default 1000
        Iterations at most.
    tol : float, default 1e-9
        As `stopThr` of :func:`isomorph.compat.pot.bregman.sinkhorn_log`.
    verbose : bool, default False
        Print the errors.
    c, unbalanced, unbalanced_type, method, n_threads, plan_init, potentials_init, grad
        Of other problems, and of gradients, which NumPy has not. An `unbalanced` problem, and
        ``grad="last_step"``, go to POT.

    Returns
    -------
    ot.utils.OTResult
        With ``plan, potentials, value, value_linear``.
    """
    del c, unbalanced_type, n_threads, plan_init, potentials_init
    if reg is None or not isinstance(reg, int | float | np.number) or reg <= 0:
        raise NotCoveredError("no regularisation")
    if unbalanced is not None or method is not None:
        raise NotCoveredError("unbalanced, or a method")
    if not isinstance(reg_type, str) or reg_type.lower() not in ("kl", "entropy"):
        raise NotCoveredError(f"reg_type {reg_type!r}")
    if grad == "last_step":
        raise NotCoveredError("grad='last_step'")
    if type(M) is not np.ndarray or M.ndim != 2:
        raise NotCoveredError("costs that are no NumPy matrix")
    n, m = M.shape
    a = np.ones(n, M.dtype) / n if a is None else a
    b = np.ones(m, M.dtype) / m if b is None else b
    plan, log = sinkhorn_log.serve(  # type: ignore[attr-defined]
        a, b, M, float(reg), numItermax=1000 if max_iter is None else max_iter,
        stopThr=1e-9 if tol is None else tol, verbose=verbose, log=True,
    )  # fmt: skip
    linear = np.sum(M * plan)
    if reg_type.lower() == "entropy":
        value = linear + reg * np.sum(plan * np.log(plan + 1e-16))
    else:
        even = a[:, None] * b[None, :] + 1e-15
        value = linear + reg * np.sum(plan * np.log(plan / even + 1e-16))
    utils = require("ot.utils", extra="ot", purpose="the result of solve")
    return utils.OTResult(
        potentials=(log["log_u"], log["log_v"]), value=value, value_linear=linear, plan=plan
    )
