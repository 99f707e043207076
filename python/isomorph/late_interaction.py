"""Late interaction: queries and documents as sets of token vectors, compared token by token."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from isomorph import _arrays, _checks, runtime
from isomorph._backends import Run
from isomorph._dlpack import served
from isomorph._progress import Progress
from isomorph._results import Neighbors
from isomorph.errors import DTypeError, NonFiniteError, ShapeError

__all__ = ["maxsim", "maxsim_topk"]


@served
def maxsim(
    queries: Any,
    documents: Any,
    *,
    query_offsets: Any = None,
    document_offsets: Any = None,
    document_scales: Any = None,
    check_finite: bool = True,
    threads: int | None = None,
    progress: Progress = None,
) -> Any:
    r"""Score every query with every document by late interaction (ColBERT's MaxSim).

    .. math:: S(Q, D) = \sum_{i \in Q} \max_{j \in D} \langle q_i, d_j \rangle

    Parameters
    ----------
    queries : array of shape (tokens, d) or (n, tokens, d)
        Token vectors: of queries of one length (three axes), or of all queries, one after the
        other, with `query_offsets`; without them, two axes are one query. float32 or float64;
        float16 and bfloat16 are widened to float32.
    documents : array of shape (tokens, d) or (m, tokens, d)
        The same for documents. float16 and bfloat16 are read as they are, a block at a time; so
        is int8, with `document_scales`.
    query_offsets : int array of shape (n + 1,), optional
        Query i is rows ``query_offsets[i]`` to ``query_offsets[i + 1] - 1``; begins with 0, ends
        with the number of rows. From padded tokens and a mask:
        ``queries[mask], np.append(0, mask.sum(1).cumsum())``.
    document_offsets : int array of shape (m + 1,), optional
        The same for documents.
    document_scales : array of shape (m,) or (tokens,), optional
        For int8 only: what the integers of each document, or of each token, are multiplied by.
    check_finite : bool, default True
        Refuse NaN and infinities. If False, document tokens that have any never are the best, and
        query tokens that have any add nothing.
    threads : int, optional
        See :mod:`isomorph.runtime`. The answer does not depend on it.
    progress : bool or callable, optional
        True for a bar on standard error, or a callable of ``(done, total)``.

    Returns
    -------
    array of shape (n, m)
        Scores in the computing type: float32, or float64 if either side is. A document without
        tokens scores -inf, whatever the query; a query without tokens scores 0 with the others.

    Raises
    ------
    ShapeError
        Empty arrays, different numbers of columns, offsets or scales that do not fit.
    DTypeError
        Not an array, not of floating point (int8 apart), offsets that are no integers.
    NonFiniteError
        NaN or infinity, with the argument and the first bad row (tokens counted through).
    ValueError
        Offsets that decrease, do not begin with 0 or do not end with the number of rows; a score
        that overflows the type.

    Notes
    -----
    O(n m) token products. A fused pass in the computing type filters: what it shows, with its
    rounding error, can be a token's maximum (one document token, almost always) is scored in
    float64 in one fixed order. The maxima are added in float64 in the order of the tokens and
    rounded once. So the same bytes come from every instruction set and number of threads, and for
    float32 the error is at most :math:`u |S| + 2 \gamma_{d + t} \sum_i |q_i||d_{j(i)}|`, with u the
    roundoff of float32, t the query's tokens and :math:`\gamma_n \approx 10^{-16} n` float64's:
    about one rounding, where a float32 matrix product has d of them.

    Documents are read once from memory for every 256 query tokens, and no more than a few hundred
    kilobytes a thread are taken beside the packed queries and the result (or 1,024 rows x 32 query
    tokens of a long document).

    References
    ----------
    O. Khattab, M. Zaharia, *ColBERT: efficient and effective passage search via contextualized
    late interaction over BERT*, SIGIR 2020.

    Examples
    --------
    >>> import numpy as np, isomorph as iso
    >>> tokens = np.eye(3, dtype=np.float32)
    >>> iso.maxsim(tokens[:2], tokens, document_offsets=[0, 1, 3]).tolist()
    [[1.0, 1.0]]
    """
    call = _Call(queries, documents, query_offsets, document_offsets, document_scales)
    run = Run(runtime.resolve_threads(threads), progress)
    backend, arguments = call.ready(check_finite=check_finite)
    return backend.maxsim(*arguments, None, check_finite, run)


@served
def maxsim_topk(
    queries: Any,
    documents: Any,
    k: int = 10,
    *,
    query_offsets: Any = None,
    document_offsets: Any = None,
    document_scales: Any = None,
    check_finite: bool = True,
    threads: int | None = None,
    progress: Progress = None,
) -> Neighbors:
    """Find the `k` best documents of every query by late interaction.

    Parameters
    ----------
    queries, documents, query_offsets, document_offsets, document_scales
        As in :func:`maxsim`.
    k : int, default 10
        From 1 to the number of documents.
    check_finite, threads, progress
        As in :func:`maxsim`.

    Returns
    -------
    Neighbors
        ``scores`` and ``indices`` (of documents), (n, k), by score descending, then index
        ascending; index -1 and score -inf where fewer than `k` documents have tokens.

    Notes
    -----
    As :func:`maxsim`, without the n x m scores: 16,384 documents at a time.

    Examples
    --------
    >>> import numpy as np, isomorph as iso
    >>> tokens = np.eye(3, dtype=np.float32)
    >>> iso.maxsim_topk(tokens[1:2], tokens, k=1, document_offsets=[0, 1, 3]).indices.tolist()
    [[1]]
    """
    call = _Call(queries, documents, query_offsets, document_offsets, document_scales)
    k = _checks.integer("k", k, 1, len(call.document_offsets) - 1, of="documents")
    run = Run(runtime.resolve_threads(threads), progress)
    backend, arguments = call.ready(check_finite=check_finite)
    scores, indices = backend.maxsim(*arguments, k, check_finite, run)
    return Neighbors(scores, indices, "maxsim")


@dataclass(frozen=True, slots=True)
class TokenRows:
    """Document tokens as a backend gets them: rows, how they are stored, and their scales."""

    values: Any
    #: "float32", "float64", or (their bits as uint16, in the Rust core) "float16" and "bfloat16",
    #: or "int8".
    kind: str
    #: float64, one a row or one a document; for int8.
    scales: Any = None


class _Call:
    """The arguments of a call: checked first by shape and type, made ready after."""

    def __init__(
        self,
        queries: Any,
        documents: Any,
        query_offsets: Any,
        document_offsets: Any,
        document_scales: Any,
    ) -> None:
        self.integers = document_scales is not None
        if self.integers:
            # The other checks, on a view that costs nothing.
            _require_int8(documents)
            stand_in = np.broadcast_to(np.float32(0), documents.shape)
            self.arguments = _arrays.Arguments(ndim=(2, 3), queries=queries, documents=stand_in)
        else:
            self.arguments = _arrays.Arguments(ndim=(2, 3), queries=queries, documents=documents)
        self.arguments.require_not_empty()
        self.arguments.require_same_columns("queries", "documents")
        self.queries, self.documents = queries, documents
        shapes = self.arguments.shapes
        self.query_offsets = _offsets("query", query_offsets, shapes["queries"])
        self.document_offsets = _offsets("document", document_offsets, shapes["documents"])
        self.scales = self._scales(document_scales) if self.integers else None

    def _scales(self, scales: Any) -> Any:
        rows, count = int(self.document_offsets[-1]), len(self.document_offsets) - 1
        array = np.asarray(scales)
        if array.dtype.kind not in "fiu":
            raise DTypeError(f"document_scales: expected real values, got {array.dtype}")
        if array.ndim == 2 and array.size == rows:
            array = array.reshape(-1)
        if array.shape not in ((rows,), (count,)):
            raise ShapeError(
                f"document_scales: expected {count} scales, one a document, or {rows}, one a "
                f"token, got shape {array.shape}"
            )
        array = np.ascontiguousarray(array, np.float64)
        with np.errstate(over="ignore"):
            finite = np.isfinite(array.astype(np.float32))
        if not finite.all():
            entry = int(np.argmin(finite))
            raise NonFiniteError(f"document_scales: entry {entry} is not a finite float32")
        return array

    def ready(self, *, check_finite: bool) -> tuple[Any, tuple[Any, ...]]:
        """Give the backend and what it takes before `k`: rows as matrices, offsets as int64."""
        dtype = _arrays._dtype_name(self.documents)
        narrow = dtype in ("int8", "float16", "bfloat16") and self.arguments.namespace is None
        if narrow and runtime.requested_backend() != "array":
            ready = _arrays.Arguments(ndim=(2, 3), queries=self.queries).ready(
                check_finite=check_finite
            )
            (queries,) = ready.arrays
            stored = np.dtype("int8" if dtype == "int8" else "uint16")
            native = self.documents
            if not native.dtype.isnative:
                native = native.astype(native.dtype.newbyteorder("="))
            values = np.require(native, None, ["C", "A"]).view(np.ndarray).view(stored)
        elif self.integers:
            ready = _arrays.Arguments(ndim=(2, 3), queries=self.queries).ready(
                check_finite=check_finite
            )
            (queries,) = ready.arrays
            values = ready.convert(np.asarray(self.documents, np.float32))
        else:
            # The core looks at documents while it reads them; elsewhere they are checked before.
            unchecked = ("documents",) if self.arguments.on_cpu() else ()
            ready = self.arguments.ready(check_finite=check_finite, unchecked=unchecked)
            queries, values = ready.arrays
            dtype = ready.dtype
        rows = TokenRows(_rows(values), dtype, self.scales)
        return ready.backend, (_rows(queries), self.query_offsets, rows, self.document_offsets)


def _rows(array: Any) -> Any:
    """Give the tokens of all parts as the rows of one matrix."""
    if len(array.shape) == 2:
        return array
    shape = (array.shape[0] * array.shape[1], array.shape[2])
    if isinstance(array, np.ndarray):
        return array.reshape(shape)
    import array_api_compat

    return array_api_compat.array_namespace(array).reshape(array, shape)


def _require_int8(documents: Any) -> None:
    if not isinstance(documents, np.ndarray) or isinstance(documents, np.ma.MaskedArray):
        raise DTypeError(
            f"documents: expected an array of NumPy with document_scales, got "
            f"{type(documents).__name__}"
        )
    if documents.dtype != np.int8:
        raise DTypeError(f"documents: expected int8 with document_scales, got {documents.dtype}")


def _offsets(side: str, offsets: Any, shape: tuple[int, ...]) -> Any:
    """Give the offsets of a side as int64, from what was given or from the array's own axes."""
    name = f"{side}_offsets"
    if offsets is None:
        parts, length = (shape[0], shape[1]) if len(shape) == 3 else (1, shape[0])
        return np.arange(parts + 1, dtype=np.int64) * length
    if len(shape) == 3:
        plural = {"query": "queries", "document": "documents"}[side]
        raise ShapeError(f"{name}: expected none, since {plural} has three axes")
    array = np.asarray(offsets)
    if array.dtype.kind not in "iu":
        raise DTypeError(f"{name}: expected integers, got {array.dtype}")
    if array.ndim != 1 or len(array) < 2:
        raise ShapeError(f"{name}: expected one dimension and two or more, got shape {array.shape}")
    if array[0] != 0 or array[-1] != shape[0]:
        raise ValueError(
            f"{name}: expected offsets from 0 to {shape[0]}, the number of rows, got {array[0]} to "
            f"{array[-1]}"
        )
    if (array[1:] < array[:-1]).any():
        at = int(np.argmax(array[1:] < array[:-1]))
        raise ValueError(f"{name}: expected offsets that never decrease, got a step down at {at}")
    return np.ascontiguousarray(array, np.int64)
