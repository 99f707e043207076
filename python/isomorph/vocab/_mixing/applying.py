"""Applying a mixing to the rows of a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from isomorph import _arrays, _core, runtime
from isomorph._backends import Run
from isomorph._progress import Progress, reporting
from isomorph.errors import DTypeError, ShapeError
from isomorph.vocab._mixing import checks

if TYPE_CHECKING:
    from isomorph.vocab.mixing import TokenMixing

#: Rows at a time where the result is converted.
BLOCK = 4096


def apply(
    mixing: TokenMixing,
    rows: Any,
    *,
    fallback: Any,
    out: Any,
    dtype: Any,
    check_finite: bool,
    threads: int | None,
    progress: Progress,
) -> Any:
    """See :meth:`isomorph.vocab.TokenMixing.apply`."""
    arguments = _arrays.Arguments(ndim=(1, 2), rows=rows)
    shape = arguments.shapes["rows"]
    arguments.require_not_empty()
    mixing._require_sources("rows", shape[0])
    threads = runtime.resolve_threads(threads)
    empty = mixing.fallback_rows
    if fallback is None and len(empty):
        raise ValueError(
            f"fallback: {len(empty):,} of {mixing.shape[0]:,} target tokens have no source (the "
            f"first is {int(empty[0])}); give rows for them, as of isomorph.vocab.gaussian"
        )
    others = None
    if fallback is not None:
        others = _fallback(rows, fallback, len(empty), shape, check_finite=check_finite)
    result_shape = (mixing.shape[0], *shape[1:])
    wanted = _wanted(arguments, dtype, out)
    if out is not None:
        _check_out(arguments, rows, out, result_shape, wanted)
    # A bias is a table of one column.
    matrix = rows if len(shape) == 2 else rows[:, None]
    xp = arguments.array_namespace()
    ready = _ready(_arrays.Arguments(rows=matrix), xp, check_finite=check_finite)
    (table,) = ready.arrays
    job = _Job(mixing, ready, table, xp, others, check_finite=check_finite)
    if arguments.namespace is not None:
        run = Run(threads, progress)
        made = job.block(0, mixing.shape[0], run)
        result = xp.astype(xp.reshape(made, result_shape), getattr(xp, wanted), copy=False)
        if check_finite:
            _require_range(xp, result, wanted)
        if out is None:
            return result
        out[...] = result
        return out
    return job.on_host(rows, result_shape, wanted, out, threads, progress)


def _ready(arguments: _arrays.Arguments, xp: Any, *, check_finite: bool) -> _arrays.Prepared:
    """Make the table ready for its backend; the core widens narrow rows as it comes to them."""
    rows = arguments.arrays["rows"]
    if not arguments.on_cpu() or _arrays._dtype_name(rows) not in _arrays._WIDENED:
        return arguments.ready(check_finite=check_finite)
    if check_finite:
        checks.require_finite(xp, "rows", rows)
    native = rows if rows.dtype.isnative else rows.astype(rows.dtype.newbyteorder("="))
    table = np.require(native, None, ["C", "A"]).view(np.ndarray)
    return _arrays.Prepared(arguments.backend()[0], (table,), "float32")


class _Job:
    """The rows, ready for a backend, and what stands in for rows without a source."""

    def __init__(
        self,
        mixing: TokenMixing,
        ready: _arrays.Prepared,
        table: Any,
        xp: Any,
        others: Any,
        *,
        check_finite: bool,
    ) -> None:
        self.mixing, self.ready, self.table, self.xp = mixing, ready, table, xp
        self.others, self.check_finite = others, check_finite
        self.empty = mixing.fallback_rows

    def block(self, start: int, stop: int, run: Run, out: Any = None) -> Any:
        """Make some rows."""
        mixing, xp = self.mixing, self.xp
        entries = slice(int(mixing.indptr[start]), int(mixing.indptr[stop]))
        # What leaves the range is looked for in the result.
        with np.errstate(over="ignore", invalid="ignore"):
            result = self.ready.backend.mix_rows(
                mixing.indptr[start : stop + 1] - mixing.indptr[start],
                mixing.indices[entries],
                mixing.weights[entries],
                self.table,
                out,
                run,
            )
        result = result if out is None else out
        first, last = np.searchsorted(self.empty, (start, stop)).tolist()
        if first == last:
            return result
        others = self.others if self.others.shape[0] == 1 else self.others[first:last, ...]
        if isinstance(result, np.ndarray):
            result[self.empty[first:last] - start] = others
            return result
        import array_api_compat

        # Each row without a source, from those of the fallback; the others from what was made.
        place = np.zeros(stop - start, dtype=np.int64)
        place[self.empty[first:last] - start] = np.arange(last - first)
        taken = np.zeros(stop - start, dtype=np.bool_)
        taken[self.empty[first:last] - start] = True
        if self.others.shape[0] == 1:
            place[:] = 0
        own = {"device": array_api_compat.device(self.table)}
        others = xp.astype(others, result.dtype, copy=False)
        picked = xp.take(others, xp.asarray(place, **own), axis=0)
        return xp.where(xp.asarray(taken, **own)[:, None], picked, result)

    def on_host(
        self,
        rows: Any,
        shape: tuple[int, ...],
        wanted: Any,
        out: Any,
        threads: int,
        progress: Progress,
    ) -> Any:
        """Make all rows of a NumPy table."""
        direct = np.dtype(wanted) == np.dtype(self.ready.dtype) and (
            out is None
            or (
                out.flags.c_contiguous
                and out.flags.aligned
                and out.dtype.isnative
                and not _shares(out, rows, self.others)
            )
        )
        if direct:
            result = np.empty(shape, self.ready.dtype) if out is None else out
            matrix = result.reshape(shape[0], self.table.shape[1])
            self.block(0, shape[0], Run(threads, progress), matrix)
            if self.check_finite:
                _require_range(np, matrix, matrix.dtype, threads)
            return result
        fresh = out is None or _shares(out, rows, self.others)
        result = np.empty(shape, wanted) if fresh else out
        with reporting(progress, "rows") as report:
            for start in range(0, shape[0], BLOCK):
                stop = min(start + BLOCK, shape[0])
                made = self.block(start, stop, Run(threads)).reshape(stop - start, *shape[1:])
                if self.check_finite:
                    _require_range(np, made, made.dtype, threads, start)
                result[start:stop] = _narrowed(made, result.dtype, start)
                if report is not None:
                    report(stop, shape[0])
        if out is None or result is out:
            return result
        out[...] = result
        return out


def _require_range(
    xp: Any, made: Any, dtype: Any, threads: int | None = None, start: int = 0
) -> None:
    """Refuse sums of finite rows that are not finite."""
    matrix = made if len(made.shape) == 2 else xp.reshape(made, (made.shape[0], -1))
    if isinstance(matrix, np.ndarray):
        bad = _core.first_nonfinite_row(matrix, runtime.resolve_threads(threads))
    else:
        found = xp.any(~xp.isfinite(matrix), axis=1)
        bad = int(xp.argmax(xp.astype(found, xp.int64))) if bool(xp.any(found)) else None
    if bad is not None:
        raise ValueError(
            f"rows: row {start + bad} of the result is beyond the range of {dtype}; pass rows of "
            "float64, or scale them down"
        )


def _shares(out: Any, *arrays: Any) -> bool:
    return any(np.may_share_memory(out, array) for array in arrays if isinstance(array, np.ndarray))


def _narrowed(made: Any, dtype: Any, start: int) -> Any:
    """Round to a type; what it cannot hold is refused."""
    with np.errstate(over="ignore", invalid="ignore"):
        narrow = made.astype(dtype)
    lost = np.isfinite(made) & ~np.isfinite(narrow)
    if lost.any():
        row = start + int(np.argmax(lost.reshape(len(lost), -1).any(axis=1)))
        raise ValueError(f"dtype: row {row} of the result is beyond the range of {dtype}")
    return narrow


def _wanted(arguments: _arrays.Arguments, dtype: Any, out: Any) -> Any:
    """Give the type of the result: NumPy's, or the name of another library's."""
    if dtype is None and out is not None:
        dtype = getattr(out, "dtype", None)
    if dtype is None:
        return arguments.dtype()
    if arguments.namespace is not None:
        name = str(getattr(dtype, "name", dtype)).removeprefix("torch.").rsplit(".", 1)[-1]
    else:
        try:
            name = np.dtype(dtype).name
        except TypeError:
            raise DTypeError(f"dtype: expected a type of floating point, got {dtype!r}") from None
    if name not in _arrays._COMPUTED + _arrays._WIDENED:
        raise DTypeError(f"dtype: expected a type of floating point, got {name}")
    return name if arguments.namespace is not None else np.dtype(dtype).newbyteorder("=")


def _check_out(
    arguments: _arrays.Arguments, rows: Any, out: Any, shape: tuple[int, ...], wanted: Any
) -> None:
    beside = _arrays.Arguments(ndim=(1, 2), rows=rows, out=out)
    if beside.shapes["out"] != shape:
        raise ShapeError(f"out: expected shape {shape}, got {beside.shapes['out']}")
    name = wanted if isinstance(wanted, str) else wanted.name
    if _arrays._dtype_name(out) != name:
        raise DTypeError(f"out: expected {name}, the type of the result, got {out.dtype}")
    if arguments.namespace is None and not out.flags.writeable:
        raise ValueError("out: the array is read-only")


def _fallback(
    rows: Any, fallback: Any, empty: int, shape: tuple[int, ...], *, check_finite: bool
) -> Any:
    """Check the rows that stand in, and give them as a matrix: one row, or one for each."""
    beside = _arrays.Arguments(ndim=(1, 2), rows=rows, fallback=fallback)
    found, width = beside.shapes["fallback"], 1 if len(shape) == 1 else shape[1]
    single = (1,) if len(shape) == 1 else (width,)
    allowed = [single, (1, *shape[1:]), (empty, *shape[1:])]
    if found not in allowed or 0 in found[1:]:
        wanted = " or ".join(str(one) for one in dict.fromkeys(allowed))
        raise ShapeError(
            f"fallback: expected shape {wanted}, {empty} being the target tokens without a "
            f"source, got {found}"
        )
    xp = beside.array_namespace()
    count = int(np.prod(found, dtype=np.int64)) // width
    values = xp.reshape(xp.asarray(fallback), (count, width))
    if check_finite:
        checks.require_finite(xp, "fallback", values)
    return values
