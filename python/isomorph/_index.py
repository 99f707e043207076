"""Rows prepared once, searched often, saved and memory-mapped."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from isomorph import _arrays, _checks, _core, _formats, runtime
from isomorph._dlpack import served
from isomorph._progress import Progress, reporting
from isomorph.errors import DTypeError, FormatError

_KIND = "isomorph.index"
#: Of the rotation and of the codes: an index of another version is prepared again.
_VERSION = 1
_METRICS = ("cosine", "dot", "l2")
_PARTS: Final = {
    "codes": "uint8",
    "scale": "float32",
    "error": "float32",
    "norms": "float64",
    "sizes": "float64",
    "centre": "float64",
}
_STORED = {"U8": "uint8", "F32": "float32", "F64": "float64"}


class Index:
    r"""Rows prepared for exact search, for every function that takes rows.

    A search compares 7-bit integer codes of the rows first and floating point values only where
    these do not decide. Without an index both sides are coded anew in each call; an index keeps
    the codes of its rows, :math:`x \approx s\,R^\top q` with a fixed rotation :math:`R`, a scale
    :math:`s` and a bound of the error, beside the rows themselves. The answer is the same.

    Parameters
    ----------
    vectors : array of shape (m, d)
        float32 or float64; float16 and bfloat16 are widened to float32. Kept, not copied, where
        possible: do not change the values afterwards.
    metric : {"cosine", "dot", "l2"}, default "cosine"
        What searches will ask for. CSLS and what builds on it need ``"cosine"``.
    check_finite, threads, progress
        As in :func:`isomorph.topk`.

    Attributes
    ----------
    vectors : ndarray
        The rows; of torch and jax, a view of their memory.
    metric : str
        As given.
    prepared_bytes : int
        Memory of the codes and of all else beside the rows: about ``m (d + 24)``.
    seconds : float
        How long preparing took; 0 for an index that was loaded.
    checked : bool
        Whether the rows are known to be finite.

    Raises
    ------
    DTypeError
        For arrays of other libraries than NumPy, torch and jax, or on a GPU: functions take them
        as they are.

    Notes
    -----
    O(m d log d): as long as a search by some hundred queries. A search by few queries reads a
    quarter of the bytes that the rows have, and the rows of the nearest.

    Examples
    --------
    >>> import numpy as np, isomorph as iso
    >>> corpus = np.random.default_rng(0).standard_normal((1000, 64), dtype=np.float32)
    >>> index = iso.Index(corpus)
    >>> iso.topk(corpus[:2], index, k=1).indices.tolist()
    [[0], [1]]
    >>> index.save("corpus.index")
    >>> len(iso.Index.load("corpus.index"))
    1000
    """

    metric: str
    vectors: NDArray[Any]
    seconds: float
    checked: bool
    _parts: dict[str, NDArray[Any]]
    _largest: tuple[float, float]

    @served
    def __init__(
        self,
        vectors: Any,
        *,
        metric: str = "cosine",
        check_finite: bool = True,
        threads: int | None = None,
        progress: Progress = None,
    ) -> None:
        _checks.one_of("metric", metric, _METRICS)
        arguments = _arrays.Arguments(vectors=vectors)
        arguments.require_not_empty()
        if arguments.namespace is not None:
            raise DTypeError(
                "vectors: expected an array of NumPy, torch or jax on the CPU, of which an Index "
                "holds codes; functions take other arrays as they are"
            )
        start = time.perf_counter()
        (self.vectors,) = arguments.ready(check_finite=check_finite).arrays
        self.metric = metric
        self.checked = bool(check_finite)
        with reporting(progress, "index") as report:
            self._parts, self._largest = _core.prepare_index(
                self.vectors, metric, runtime.resolve_threads(threads), report
            )
        self.seconds = time.perf_counter() - start

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        rows, columns = self.vectors.shape
        return rows, columns

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the rows."""
        return self.vectors.dtype

    @property
    def prepared_bytes(self) -> int:
        """Bytes of what was prepared, beside the rows."""
        return sum(part.nbytes for part in self._parts.values())

    def __len__(self) -> int:
        return int(self.vectors.shape[0])

    def __repr__(self) -> str:
        rows, columns = self.shape
        took = f" in {self.seconds:.2f} s" if self.seconds else ""
        return (
            f"<Index of {rows:,} x {columns} {self.dtype} for {self.metric!r}: prepared{took}, "
            f"{self.prepared_bytes / 1e6:.1f} MB beside {self.vectors.nbytes / 1e6:.1f} MB of rows>"
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write rows and codes to one file in the safetensors format, whole or not at all.

        Parameters
        ----------
        path : path
            Replaced if it exists.
        """
        entries = {
            **_formats.described(_KIND, _VERSION),
            "metric": self.metric,
            "checked": json.dumps(self.checked),
            "norms": json.dumps([norm.hex() for norm in self._largest]),
        }
        tensors = {"vectors": np.ascontiguousarray(self.vectors), **self._parts}
        # A tensor without values has no place in the format's reader.
        tensors = {name: tensor for name, tensor in tensors.items() if tensor.size}
        _core.write_safetensors(path, tensors, entries)

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, mmap: bool = True) -> Index:
        """Open a saved index.

        Parameters
        ----------
        path : path
            Written by :meth:`save`. Its values are trusted, its shapes are checked.
        mmap : bool, default True
            Map the file: it opens at once, and searches read what they need. The file must then
            not be changed while the index lives. If False, read it.

        Returns
        -------
        Index

        Raises
        ------
        FormatError
            Not an index, or one of another version.
        """
        name = os.fspath(path)
        tensors, metadata = _core.safetensors_header(name)
        again = "prepare the index again from its vectors"
        _formats.require(name, metadata, _KIND, newest=_VERSION, otherwise=again)
        # The file is little-endian.
        mapped = mmap and sys.byteorder == "little"
        found = _map(name, tensors) if mapped else _core.read_safetensors(name)[0]
        index = cls.__new__(cls)
        index.metric = metadata.get("metric", "")
        index.seconds = 0.0
        index.checked = metadata.get("checked") == "true"
        try:
            row, code = map(float.fromhex, _strings(metadata.get("norms", "")))
            index.vectors = found.pop("vectors")
        except (KeyError, OverflowError, TypeError, ValueError):
            raise FormatError(f"{name}: expected a tensor 'vectors' and two norms") from None
        index._largest = row, code
        index._parts = {
            part: found.pop(part, np.empty(0, dtype=dtype)) for part, dtype in _PARTS.items()
        }
        index._check(name)
        return index

    def _check(self, name: str) -> None:
        """Refuse parts that do not belong together, as a search would."""
        if self.metric not in _METRICS:
            raise FormatError(
                f"{name}: expected a metric of {', '.join(_METRICS)}, got {self.metric!r}"
            )
        if self.vectors.ndim != 2 or self.vectors.dtype.name not in ("float32", "float64"):
            raise FormatError(
                f"{name}: expected float32 or float64 vectors of two dimensions, got "
                f"{self.vectors.dtype} of shape {self.vectors.shape}"
            )
        wrong = [part for part, dtype in _PARTS.items() if self._parts[part].dtype.name != dtype]
        if wrong:
            raise FormatError(f"{name}: expected {wrong[0]!r} of {_PARTS[wrong[0]]}")
        try:
            _core.check_index(self._for_core())
        except ValueError as error:
            raise FormatError(f"{name}: {error}") from None

    def _for_core(self) -> tuple[Any, ...]:
        """Give what the core takes in place of preparing the rows."""
        return self.metric, self.shape, self._parts, self._largest


def _strings(text: str) -> list[str]:
    values = json.loads(text)
    if not isinstance(values, list):
        raise TypeError(text)
    return values


def _map(name: str, tensors: list[tuple[str, str, list[int]]]) -> dict[str, NDArray[Any]]:
    """Map the tensors of a file whose header was checked."""
    with Path(name).open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
    mapped: dict[str, NDArray[Any]] = {}
    for tensor, stored, shape in tensors:
        if stored not in _STORED:
            raise FormatError(f"{name}: tensor {tensor!r}: an index has none of type {stored}")
        offset = 8 + length + header[tensor]["data_offsets"][0]
        array: NDArray[Any] = np.memmap(name, _STORED[stored], "r", offset, tuple(shape))
        mapped[tensor] = array if array.flags.aligned else np.array(array)
    return mapped
