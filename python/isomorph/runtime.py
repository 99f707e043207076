"""Threads, instruction set, backend, precision: how the work runs, never what it answers.

The number of threads is, in this order: the ``threads=`` argument, the :func:`threads` context,
``ISOMORPH_NUM_THREADS``, ``RAYON_NUM_THREADS``, the cores that affinity and cgroup allow.
``ISOMORPH_ISA`` (``portable``, ``avx2``) forces an instruction set.
:func:`device` computes on a GPU.
"""

from __future__ import annotations

import importlib
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from isomorph import _core
from isomorph.errors import DeviceError

__all__ = [
    "build_info",
    "device",
    "precision",
    "resolve_device",
    "resolve_threads",
    "show_versions",
    "threads",
    "use_backend",
]

#: More than any machine of today has; a larger number is a slip, not a wish.
MAX_THREADS = 4096

_threads: ContextVar[int | None] = ContextVar("isomorph_threads", default=None)
_backend: ContextVar[str | None] = ContextVar("isomorph_backend", default=None)
_precision: ContextVar[str] = ContextVar("isomorph_precision", default="float32")
#: CuPy, where NumPy arrays are to be computed with on a GPU.
gpu: ContextVar[Any] = ContextVar("isomorph_gpu", default=None)

DEVICES = ("auto", "cpu", "cuda")


def _checked_threads(value: Any, origin: str) -> int:
    try:
        number = value if isinstance(value, int) else int(str(value))
    except ValueError:
        number = 0
    if isinstance(value, bool) or not 1 <= number <= MAX_THREADS:
        raise ValueError(f"{origin}: expected an integer from 1 to {MAX_THREADS}, got {value!r}")
    return number


def resolve_threads(value: int | None = None) -> int:
    """Return the number of threads that a call with ``threads=value`` uses."""
    if value is not None:
        return _checked_threads(value, "threads")
    if (number := _threads.get()) is not None:
        return number
    for name in ("ISOMORPH_NUM_THREADS", "RAYON_NUM_THREADS"):
        # rayon reads 0 as "all cores", so we do.
        if os.environ.get(name, "").strip() not in ("", "0"):
            return _checked_threads(os.environ[name].strip(), name)
    return _core.available_threads()


@contextmanager
def threads(n: int) -> Iterator[None]:
    """Use `n` threads in this context, where a call does not say otherwise.

    Examples
    --------
    >>> import isomorph as iso
    >>> with iso.runtime.threads(1):
    ...     iso.runtime.resolve_threads()
    1
    """
    token = _threads.set(_checked_threads(n, "threads"))
    try:
        yield
    finally:
        _threads.reset(token)


def resolve_device(name: str = "auto") -> str:
    """Return where ``device(name)`` computes: ``"cpu"`` or ``"cuda"``.

    Raises
    ------
    DeviceError
        ``"cuda"`` without CuPy or without a GPU.

    Examples
    --------
    >>> import isomorph as iso
    >>> iso.runtime.resolve_device("cpu")
    'cpu'
    """
    return "cpu" if _module_for(name) is None else "cuda"


@contextmanager
def device(name: str = "auto") -> Iterator[str]:
    """Compute on a device in this context what is given as NumPy arrays.

    On ``"cuda"`` each call copies its arrays to the GPU, is computed there by CuPy, and gives NumPy
    arrays back. Arrays of other libraries are served where they are, in any context. What the core
    alone does stays on the CPU: calls with ``memory=`` or ``out=``, an :class:`isomorph.Index`,
    :class:`isomorph.linalg.Moments`, exact transport.

    Parameters
    ----------
    name : {"auto", "cpu", "cuda"}, default "auto"
        ``"auto"`` is the GPU where CuPy is installed and finds one, else the CPU.

    Yields
    ------
    str
        ``"cpu"`` or ``"cuda"``.

    Raises
    ------
    DeviceError
        ``"cuda"`` without CuPy or without a GPU.

    Examples
    --------
    >>> import isomorph as iso
    >>> with iso.runtime.device("cpu") as where:
    ...     where
    'cpu'
    """
    token = gpu.set(_module_for(name))
    try:
        yield "cpu" if gpu.get() is None else "cuda"
    finally:
        gpu.reset(token)


def _module_for(name: str) -> Any:
    """Return the library that computes on the named device; None for the CPU's."""
    if name not in DEVICES:
        raise ValueError(f"device: expected one of {', '.join(DEVICES)}, got {name!r}")
    if name == "cpu":
        return None
    cupy, lacking = _cupy()
    if lacking and name == "cuda":
        raise DeviceError(f"device: {lacking}")
    return None if lacking else cupy


def _cupy() -> tuple[Any, str]:
    """Return CuPy, and what it lacks, if anything."""
    with warnings.catch_warnings():
        # Of a CuPy without its CUDA; "auto" makes no noise.
        warnings.simplefilter("ignore")
        try:
            cupy = importlib.import_module("cupy")
        except ModuleNotFoundError:
            return None, (
                "'cuda' needs CuPy, which is not installed; pip install 'isomorph[cuda12]' for "
                "CUDA 12, 'isomorph[cuda13]' for CUDA 13"
            )
        except Exception as error:
            return None, f"'cuda' needs CuPy, which cannot be imported here: {error}"
        if not cupy.is_available():
            return None, "'cuda' needs a GPU, and CuPy finds none; nvidia-smi tells about drivers"
    return cupy, ""


@contextmanager
def use_backend(name: str | None) -> Iterator[None]:
    """Serve NumPy arrays from the named backend in this context.

    ``"cpu"`` is the Rust core. ``"array"`` is plain array-namespace code: slow, obviously right,
    the reference that the core is tested against; it is also what serves other array types.
    """
    if name not in (None, "cpu", "array"):
        raise ValueError(f"name: expected 'cpu', 'array' or None, got {name!r}")
    token = _backend.set(name)
    try:
        yield
    finally:
        _backend.reset(token)


def requested_backend() -> str | None:
    """Return the backend that :func:`use_backend` asks for, if any."""
    return _backend.get()


@contextmanager
def precision(name: str) -> Iterator[None]:
    """Let a GPU filter float32 rows by products of the named precision in this context.

    A filter only finds candidates, with a bound on what its rounding may have hidden; scores and
    order are those of float64 sums whatever it computes with. So ``"tf32"`` and ``"bf16"`` (rows
    rounded to 11 and 8 bits, on tensor cores) change the time of a search, never its answer.
    Nothing else computes with less than the type of its input, and the CPU takes no notice.

    Parameters
    ----------
    name : {"float32", "tf32", "bf16"}
        What products of float32 rows are computed with.

    Examples
    --------
    >>> import numpy as np, isomorph as iso
    >>> x = np.eye(2, dtype=np.float32)
    >>> with iso.runtime.precision("tf32"):
    ...     iso.topk(x, x, 1).indices.tolist()
    [[0], [1]]
    """
    if name not in ("float32", "tf32", "bf16"):
        raise ValueError(f"name: expected 'float32', 'tf32' or 'bf16', got {name!r}")
    token = _precision.set(name)
    try:
        yield
    finally:
        _precision.reset(token)


def requested_precision() -> str:
    """Return the precision that :func:`precision` asks for."""
    return _precision.get()


def build_info() -> dict[str, Any]:
    """Return the version of the core, the instruction set in use and those that this CPU has."""
    return _core.build_info()


def show_versions() -> str:
    """Return what to paste into a bug report."""
    import platform

    import numpy

    info = build_info()
    rows = {
        "isomorph": info["version"],
        "instruction set": f"{info['isa']} (of {', '.join(info['available_isas'])})",
        "threads": str(resolve_threads()),
        "Python": platform.python_version(),
        "NumPy": numpy.__version__,
        "platform": platform.platform(),
    }
    width = max(map(len, rows))
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows.items())
