"""What treats each row, or each column, by itself: maps, remaps, mixings of Dask arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dask.array
import numpy as np

from isomorph import _arrays
from isomorph._distributed import is_dask
from isomorph._distributed._graph import call, how_of, refuse, require_known
from isomorph._distributed._partials import How, renumbered
from isomorph.errors import DTypeError, NonFiniteError, RemapError

if TYPE_CHECKING:
    from isomorph.align import LinearMap
    from isomorph.vocab import Remap, TokenMixing


def apply_map(
    self: LinearMap, x: Any, out: Any, check_finite: bool, threads: int | None, progress: Any
) -> Any:
    """See :meth:`isomorph.LinearMap.apply`."""
    refuse(out=out, progress=progress)
    require_known(x=x)
    arguments = _arrays.Arguments(ndim=(2, 3), x=x)
    self._check_shape(arguments.shapes["x"])
    whole = {x.ndim - 1: -1} | ({0: -1} if self.stack is not None else {})
    rows = x.rechunk(whole)
    return rows.map_blocks(
        _mapped,
        self,
        bool(check_finite),
        how_of(threads),
        dtype=arguments.dtype(),
        chunks=(*rows.chunks[:-1], (self.target_dim,)),
        meta=np.empty((0,) * x.ndim, arguments.dtype()),
    )


def _mapped(rows: Any, linear: LinearMap, check_finite: bool, how: How, block_info: Any) -> Any:
    try:
        with how.alone() as threads:
            return linear.apply(rows, check_finite=check_finite, threads=threads)
    except NonFiniteError as error:
        place = block_info[0]["array-location"]
        if rows.ndim == 3:
            error.add_note(f"in the block of x that starts at {tuple(start for start, _ in place)}")
            raise
        raise renumbered(error, place[0][0]) from None


def gather(self: Remap, rows: Any, out: Any, threads: int | None) -> Any:
    """See :meth:`isomorph.vocab.Remap.gather`."""
    refuse(out=out)
    require_known(rows=rows)
    how_of(threads)
    self._require_rows(rows.shape[0])
    return dask.array.take(rows, self.new_to_old, axis=0)


def ids(
    self: Remap, tokens: Any, out: Any, in_place: bool, dtype: Any, threads: int | None,
    **policy: Any,
) -> Any:  # fmt: skip
    """See :meth:`isomorph.vocab.Remap.ids`."""
    refuse(out=out, in_place=in_place)
    options = policy | {"dtype": dtype}
    if tokens.dtype.kind not in "iu":
        raise DTypeError(f"tokens: expected integers, got {tokens.dtype}")
    # Refuses options that do not fit, and tells the type.
    empty = self.ids(np.empty((0,) * tokens.ndim, tokens.dtype), **options)
    return tokens.map_blocks(
        _renumbered, self, options, how_of(threads), dtype=empty.dtype, meta=empty
    )


def _renumbered(
    tokens: Any, remap: Remap, options: dict[str, Any], how: How, block_info: Any
) -> Any:
    try:
        with how.alone() as threads:
            return remap.ids(tokens, threads=threads, **options)
    except RemapError as error:
        place = tuple(start for start, _ in block_info[0]["array-location"])
        error.add_note(f"in the block of tokens that starts at {place}")
        raise


def apply_mixing(
    self: TokenMixing, rows: Any, fallback: Any, out: Any, dtype: Any,
    check_finite: bool, threads: int | None, progress: Any,
) -> Any:  # fmt: skip
    """See :meth:`isomorph.vocab.TokenMixing.apply`; blocks are columns, each with all rows."""
    from isomorph.vocab._mixing import applying

    refuse(out=out, progress=progress)
    require_known(rows=rows, fallback=fallback)
    if not is_dask(rows):
        raise DTypeError(f"rows: expected a Dask array as fallback is, got {type(rows).__name__}")
    arguments = _arrays.Arguments(ndim=(1, 2), rows=rows)
    arguments.require_not_empty()
    self._require_sources("rows", rows.shape[0])
    wanted = applying._wanted(arguments, dtype, None)
    columns = rows.chunks[1:]
    tables = rows.rechunk({0: -1}).to_delayed().ravel()
    others = [None] * len(tables)
    if fallback is not None:
        if not is_dask(fallback):
            fallback = dask.array.from_array(np.asarray(fallback))
        if fallback.shape != (len(self.fallback_rows), *rows.shape[1:]):
            # The one place that says what is wrong with it.
            applying._fallback(
                np.empty(rows.shape[1:], wanted)[None], np.empty(fallback.shape, fallback.dtype),
                len(self.fallback_rows), rows.shape, check_finite=False,
            )  # fmt: skip
        others = fallback.rechunk((-1, *columns)).to_delayed().ravel()
    how = how_of(threads)
    mixing = dask.delayed(self, pure=False)
    widths = columns[0] if columns else (None,)
    made = [
        dask.array.from_delayed(
            call(_mixed, mixing, table, other, dtype, bool(check_finite), how),
            (self.shape[0],) if width is None else (self.shape[0], width),
            dtype=wanted,
        )
        for table, other, width in zip(tables, others, widths, strict=True)
    ]
    return made[0] if len(made) == 1 else dask.array.concatenate(made, axis=1)


def _mixed(
    mixing: TokenMixing, table: Any, fallback: Any, dtype: Any, check_finite: bool, how: How
) -> Any:
    with how.alone() as threads:
        return mixing.apply(
            table, fallback=fallback, dtype=dtype, check_finite=check_finite, threads=threads
        )
