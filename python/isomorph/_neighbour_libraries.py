"""What torch and jax do each in their own way: which arrays are theirs, and how they are lent."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import numpy as np

from isomorph.errors import DTypeError


class Library:
    """A library whose arrays are read in place; never imported here, only found imported."""

    name: str
    #: The class of its arrays, in the library's own module.
    array: str

    @property
    def module(self) -> Any:
        """Return the library, which whoever made an array of it has imported."""
        return sys.modules[self.name]

    def settled(self) -> bool:
        """Return whether the library is not there at all, or imported to the end."""
        return self.name not in sys.modules or hasattr(self.module, self.array)

    def owns(self, kind: type) -> bool:
        """Return whether objects of a type are arrays of this library."""
        own = getattr(sys.modules.get(self.name), self.array, None)
        return own is not None and issubclass(kind, own)

    def device(self, tensor: Any) -> str:
        """Name the device of a tensor."""
        return str(tensor.device)

    def require_readable(self, name: str, tensor: Any) -> None:
        """Raise if the values of a tensor cannot be read in place."""

    def view(self, name: str, tensor: Any) -> Any:
        """Give a NumPy view of a tensor's memory; CuPy's, if it lies on a GPU."""
        device, reader = self.device(tensor), np
        if device.startswith(("cuda", "gpu")):
            reader = _cupy(name, f"{self.name} on {device}")
        elif not device.startswith("cpu"):
            raise DTypeError(
                f"{name}: expected an array on the CPU or a CUDA device, got {self.name} on "
                f"{device}; move it first"
            )
        try:
            return reader.from_dlpack(self._plain(tensor))
        except (BufferError, RuntimeError, TypeError) as error:
            raise DTypeError(
                f"{name}: expected an array that DLPack can lend, got {self.name}'s "
                f"{tensor.dtype} ({error})"
            ) from error

    def is_foreign(self, array: Any) -> bool:
        """Return whether an array is CuPy's: the answer to tensors on a GPU."""
        return type(array).__module__.partition(".")[0] == "cupy" and hasattr(array, "__dlpack__")

    def tensor(self, array: Any) -> Any:
        """Give an array as a tensor of this library, without a copy where that can be.

        What it has no type for (text, objects) stays as it is.
        """
        if not isinstance(array, np.ndarray):
            return self._exported(array)
        if array.dtype.kind not in "fiub":
            return array
        native = array.astype(array.dtype.newbyteorder("="), copy=False)
        # Memory that must not be written to is not everybody's, as strides are not.
        if not native.flags.writeable or any(stride < 0 for stride in native.strides):
            native = native.copy()
        return self._exported(native)

    def _plain(self, tensor: Any) -> Any:
        """Give the tensor as memory alone tells it, in a type that other libraries have."""
        raise NotImplementedError

    def _exported(self, array: Any) -> Any:
        raise NotImplementedError


class Torch(Library):
    """Tensors of torch: writable views, but of what autograd watches."""

    name = "torch"
    array = "Tensor"

    def require_readable(self, name: str, tensor: Any) -> None:
        if tensor.requires_grad:
            raise DTypeError(
                f"{name}: expected a tensor without gradients, got one that requires them, which "
                f"isomorph would not pass on; give {name}.detach()"
            )
        if tensor.layout is not self.module.strided:
            raise DTypeError(
                f"{name}: expected a dense tensor, got layout {tensor.layout}; give "
                f"{name}.to_dense()"
            )

    def _plain(self, tensor: Any) -> Any:
        # DLPack does not carry these two marks of torch: the memory has other values.
        tensor = tensor.resolve_conj().resolve_neg()
        # Nobody else has bfloat16, and values are widened to float32 in any case.
        return tensor.float() if tensor.dtype is self.module.bfloat16 else tensor

    def _exported(self, array: Any) -> Any:
        return self.module.from_dlpack(array)


class Jax(Library):
    """Arrays of jax: read-only views; 64-bit answers only where jax has them enabled."""

    name = "jax"
    array = "Array"

    def owns(self, kind: type) -> bool:
        # What jit and grad pass is no Array by its type, only by isinstance.
        return super().owns(kind) or (
            "jax" in kind.__module__ and issubclass(kind, self.module.core.Tracer)
        )

    def require_readable(self, name: str, tensor: Any) -> None:
        if isinstance(tensor, self.module.core.Tracer):
            raise DTypeError(
                f"{name}: expected an array with values, got a tracer; call isomorph outside "
                "jax.jit and jax.grad, or by jax.pure_callback"
            )
        if len(tensor.devices()) > 1:
            raise DTypeError(
                f"{name}: expected an array on one device, got one on {len(tensor.devices())}; "
                "gather it first, as in jax.device_put(array, device)"
            )

    def device(self, tensor: Any) -> str:
        # Within jit there is none.
        (device,) = tensor.devices()
        return f"{device.platform}:{device.id}"

    def _plain(self, tensor: Any) -> Any:
        return tensor.astype("float32") if str(tensor.dtype) == "bfloat16" else tensor

    def _exported(self, array: Any) -> Any:
        if isinstance(array, np.ndarray):
            array = np.require(array, requirements="C")
        return self.module.numpy.from_dlpack(array)


#: By the name of the module that makes them.
NEIGHBOURS: dict[str, Library] = {library.name: library for library in (Torch(), Jax())}


def _cupy(name: str, came: str) -> Any:
    """Return CuPy, which serves what lies on a GPU."""
    try:
        return importlib.import_module("cupy")
    except ImportError:
        raise DTypeError(
            f"{name}: arrays on a GPU ({came}) are served by CuPy, which is not installed; "
            "pip install 'isomorph[cuda12]' or 'isomorph[cuda13]', or move them to the CPU"
        ) from None
