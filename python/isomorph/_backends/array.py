"""Plain array-namespace code: the oracle on NumPy, the first working path on CuPy and others."""

from __future__ import annotations

from typing import Any

from isomorph._backends.array_assign import ArrayAssign
from isomorph._backends.array_hubness import ArrayHubness
from isomorph._backends.array_induction import ArrayInduction
from isomorph._backends.array_late import ArrayLate
from isomorph._backends.array_mixing import ArrayMixing
from isomorph._backends.array_moments import ArrayMoments
from isomorph._backends.array_places import ArrayPlaces
from isomorph._backends.array_transport import ArrayTransport


class ArrayBackend(
    ArrayMoments,
    ArrayInduction,
    ArrayLate,
    ArrayHubness,
    ArrayPlaces,
    ArrayMixing,
    ArrayTransport,
    ArrayAssign,
):
    """See :class:`isomorph._backends.Backend`; `xp` is an array-API namespace.

    For CuPy's, an instance is one of :class:`isomorph._backends.cuda.CudaBackend`.
    """

    def __new__(cls, xp: Any, *_: Any) -> ArrayBackend:
        """Choose the class that serves a namespace best."""
        import array_api_compat

        if cls is ArrayBackend and array_api_compat.is_cupy_namespace(xp):
            from isomorph._backends.cuda import CudaBackend

            return super().__new__(CudaBackend)
        return super().__new__(cls)

    def __init__(self, xp: Any) -> None:
        self.xp = xp

    def first_nonfinite_row(self, array: Any) -> int | None:
        """See the protocol."""
        xp = self.xp
        if 0 in array.shape:
            return None
        rows = xp.reshape(array, (-1, array.shape[-1]))
        bad = xp.any(~xp.isfinite(rows), axis=1)
        return int(xp.argmax(xp.astype(bad, xp.int64))) if bool(xp.any(bad)) else None
