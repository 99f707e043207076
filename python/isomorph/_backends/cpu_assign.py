"""Codes by a few Sinkhorn iterations, on NumPy arrays."""

from __future__ import annotations

import array_api_compat.numpy

from isomorph._backends.array_assign import ArrayAssign


class CpuAssign(ArrayAssign):
    """The operations of assignment of :class:`isomorph._backends.Backend`, in NumPy."""

    xp = array_api_compat.numpy
