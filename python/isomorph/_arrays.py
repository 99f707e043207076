"""What came, what serves it, how it reaches the core; torch and jax: :mod:`isomorph._dlpack`.

Checks run in an order that touches no value before shapes, types and devices are known to fit:
bad input fails at once, before anything is copied.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from isomorph import _dlpack, runtime
from isomorph.errors import DTypeError, NonFiniteError, ShapeError

if TYPE_CHECKING:
    from isomorph._backends import Backend

#: Row numbers travel as 32 bits inside the core, and one value is kept as "none".
MAX_ROWS = 2**32 - 2

_COMPUTED = ("float32", "float64")
_WIDENED = ("float16", "bfloat16")


@dataclass(frozen=True, slots=True)
class Prepared:
    """Arrays that are ready for a backend: one namespace, one device, one computing type."""

    backend: Backend
    arrays: tuple[Any, ...]
    dtype: str
    namespace: Any = None
    #: For each array, what an Index prepared of it, in the core's terms.
    indexes: tuple[Any, ...] = ()

    def convert(self, array: Any) -> Any:
        """Bring a further array, already checked, to the computing type and layout."""
        return _convert(array, self.dtype, self.namespace)


class Arguments:
    """Named array arguments of one call: checked first by shape and type, made ready after.

    Parameters
    ----------
    ndim : int or sequence of int
        How many dimensions each may have.
    **arrays
        The arguments by their public names.
    """

    def __init__(self, *, ndim: int | Sequence[int] = 2, **arrays: Any) -> None:
        allowed = (ndim,) if isinstance(ndim, int) else tuple(ndim)
        self.indexes = {
            name: array for name, array in arrays.items() if hasattr(array, "_for_core")
        }
        arrays |= {name: index.vectors for name, index in self.indexes.items()}
        self.arrays = arrays
        self.namespace = _common_namespace(arrays)
        self.shapes: dict[str, tuple[int, ...]] = {}
        for name, array in arrays.items():
            dtype = _dtype_name(array)
            if dtype.startswith("complex"):
                raise DTypeError(f"{name}: expected real values, got {dtype}")
            if dtype not in _COMPUTED + _WIDENED:
                raise DTypeError(
                    f"{name}: expected floating point values (float16, bfloat16, float32 or "
                    f"float64), got {dtype}; convert them, as in {name}.astype('float32')"
                )
            shape = tuple(int(length) for length in array.shape)
            if len(shape) not in allowed:
                wanted = " or ".join(str(n) for n in allowed)
                raise ShapeError(
                    f"{name}: expected an array of {wanted} dimensions, got shape {shape}"
                )
            if len(shape) >= 2 and shape[-2] > MAX_ROWS:
                raise ShapeError(f"{name}: expected at most {MAX_ROWS} rows, got {shape[-2]}")
            self.shapes[name] = shape

    def require_not_empty(self) -> None:
        """Raise unless every array has at least one row and one column."""
        for name, shape in self.shapes.items():
            if 0 in shape:
                raise ShapeError(f"{name}: expected at least one row and one column, got {shape}")

    def require_same_columns(self, first: str, second: str) -> None:
        """Raise unless the two arrays have vectors of one length."""
        if self.shapes[first][-1] != self.shapes[second][-1]:
            raise ShapeError(
                f"{second}: expected {self.shapes[first][-1]} columns as in {first}, got shape "
                f"{self.shapes[second]}"
            )

    def on_cpu(self) -> bool:
        """Return whether the Rust core serves these arrays."""
        return self.namespace is None and runtime.requested_backend() != "array"

    def ready(self, *, check_finite: bool = True, unchecked: Sequence[str] = ()) -> Prepared:
        """Convert to the common computing type and to what the backend takes.

        Arguments in `unchecked` are not looked through for values that are not finite.
        """
        dtype, (backend, xp) = self.dtype(), self.backend()
        arrays, indexes = [], []
        for name, array in self.arrays.items():
            converted = _convert(array, dtype, xp)
            index = self.indexes.get(name)
            # Codes serve their own type only.
            usable = xp is None and index is not None and _same_values(converted, array)
            indexes.append(index._for_core() if usable and index is not None else None)
            # Most indexes had their rows checked when they were made.
            wanted = check_finite and name not in unchecked
            wanted = wanted and (index is None or not index.checked)
            if wanted and (row := backend.first_nonfinite_row(converted)) is not None:
                raise NonFiniteError(
                    f"{name}: {_place(row, self.shapes[name])} has a NaN or an infinity; repair or "
                    "drop such rows, or pass check_finite=False"
                )
            arrays.append(converted)
        return Prepared(backend, tuple(arrays), dtype, xp, tuple(indexes))

    def dtype(self) -> str:
        """Return the common computing type."""
        names = {_dtype_name(array) for array in self.arrays.values()}
        return "float64" if "float64" in names else "float32"

    def backend(self) -> tuple[Backend, Any]:
        """Return the backend that serves these arrays, and their namespace (None for the core)."""
        if self.on_cpu():
            from isomorph._backends.cpu import CpuBackend

            return CpuBackend(), None
        from isomorph._backends.array import ArrayBackend

        xp = self.array_namespace()
        return ArrayBackend(xp), xp

    def copies(self, name: str) -> bool:
        """Return whether rows of a NumPy array have to be copied to be computed with."""
        array = self.arrays[name]
        flags = array.flags
        native = array.dtype == np.dtype(self.dtype()) and array.dtype.isnative
        return not (native and flags.c_contiguous and flags.aligned)

    def rows(self, name: str, start: int, stop: int) -> Any:
        """Return some rows of a NumPy array, ready for the backend and not checked."""
        return _convert(self.arrays[name][start:stop], self.dtype(), None)

    def require_metric(self, metric: str, *names: str) -> None:
        """Raise unless the indexes among the named arguments serve `metric`."""
        for name in names:
            if name in self.indexes and self.indexes[name].metric != metric:
                raise ValueError(
                    f"metric: expected that of the index given as {name}, "
                    f"{self.indexes[name].metric}, got {metric}"
                )

    def array_namespace(self) -> Any:
        """Return the array namespace of the arguments, NumPy's included."""
        return self.namespace if self.namespace is not None else _numpy_namespace()

    def device_of(self, array: Any) -> dict[str, Any]:
        """Return the keyword that creates an array beside `array`."""
        return {} if self.namespace is None else {"device": array.device}


def _place(row: int, shape: tuple[int, ...]) -> str:
    """Name a row, counted through all matrices of a stack."""
    if len(shape) < 3:
        return f"row {row}"
    matrix, row = divmod(row, shape[-2])
    return f"row {row} of matrix {matrix}"


def _convert(array: Any, dtype: str, xp: Any) -> Any:
    if xp is None:
        # C order, aligned, native byte order; no copy where that holds already.
        return np.require(array, np.dtype(dtype), ["C", "A"])
    return xp.astype(xp.asarray(array), getattr(xp, dtype), copy=False)


def _same_values(converted: Any, array: Any) -> bool:
    """Whether conversion left the values where they are."""
    return converted is array or (
        converted.dtype == array.dtype
        and converted.strides == array.strides
        and converted.ctypes.data == array.ctypes.data
    )


def _numpy_namespace() -> Any:
    import array_api_compat.numpy

    return array_api_compat.numpy


def _common_namespace(arrays: dict[str, Any]) -> Any:
    """Return the namespace of all arrays (None for NumPy), after checking that there is one."""
    kinds: dict[str, tuple[Any, Any]] = {}
    for name, array in arrays.items():
        if isinstance(array, np.ma.MaskedArray):
            raise DTypeError(f"{name}: a masked array; fill or drop the masked values first")
        if isinstance(array, np.ndarray):
            kinds[name] = (None, "cpu")
            continue
        import array_api_compat

        if not array_api_compat.is_array_api_obj(array):
            raise DTypeError(
                f"{name}: expected an array, got {type(array).__name__}; make it one with "
                "numpy.asarray(values, dtype=numpy.float32)"
            )
        _dlpack.require_readable(name, array)
        kinds[name] = (array_api_compat.array_namespace(array), array_api_compat.device(array))
    _dlpack.refuse_mixtures(arrays)
    (first, (namespace, device)), *others = kinds.items()
    for name, (other_namespace, other_device) in others:
        if other_namespace is not namespace or other_device != device:
            raise DTypeError(
                f"{name}: expected an array of the same library and device as {first} "
                f"({_kind(arrays[first])}), got {_kind(arrays[name])}; move one of them first"
            )
    return namespace


def _kind(array: Any) -> str:
    if (given := _dlpack.kind_of(array)) is not None:
        return given
    device = getattr(array, "device", "cpu")
    return f"{type(array).__module__.split('.')[0]} on {device}"


def _dtype_name(array: Any) -> str:
    dtype = array.dtype
    return str(getattr(dtype, "name", dtype)).removeprefix("torch.").rsplit(".", 1)[-1]
