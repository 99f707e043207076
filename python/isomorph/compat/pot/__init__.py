"""Drop-ins for the entropic transport of POT, which is imported as ``ot``."""

from isomorph.compat.pot import batch, bregman
from isomorph.compat.pot.batch import solve_batch
from isomorph.compat.pot.bregman import sinkhorn, sinkhorn2
from isomorph.compat.pot.solvers import solve

__all__ = ["batch", "bregman", "sinkhorn", "sinkhorn2", "solve", "solve_batch"]
