"""Entropic transport on NumPy arrays."""

from __future__ import annotations

import array_api_compat.numpy

from isomorph._backends.array_transport import ArrayTransport


class CpuTransport(ArrayTransport):
    """The operations of transport of :class:`isomorph._backends.Backend`, in NumPy."""

    xp = array_api_compat.numpy
