"""Columns of token ids in Parquet and Arrow files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from isomorph._applying._arrow import abandon, naming, open_reader, open_writer, require_pyarrow
from isomorph._atomic import appearing
from isomorph.errors import FormatError
from isomorph.vocab.datasets import choose

if TYPE_CHECKING:
    from isomorph.vocab.datasets import Work

#: Rows that are read at once, at most.
_ROWS = 1 << 14


def renumber_table(
    work: Work,
    target: str,
    kind: str,
    wanted: Sequence[str] | None,
    report: Callable[[int, int], object] | None,
) -> None:
    """Write a table with the new ids of some columns."""
    pa = require_pyarrow()
    with naming(work.source):
        reader = open_reader(work.source, kind)
        schema = reader.schema
        if len(set(schema.names)) < len(schema.names):
            raise FormatError(f"{work.source}: expected columns with different names")
        integers = [field.name for field in schema if _values(field.type) is not None]
        names = choose(work.source, "column", integers, wanted)
        for name in names:
            field = schema.field(name)
            own = np.dtype(_values(field.type).to_pandas_dtype())
            ids = pa.from_numpy_dtype(work.output(own).newbyteorder("="))
            new = _with_values(field.type, ids)
            schema = schema.set(schema.get_field_index(name), field.with_type(new))
        if schema != reader.schema and b"huggingface" in (schema.metadata or {}):
            # It says of which types the columns were.
            metadata = {k: v for k, v in schema.metadata.items() if k != b"huggingface"}
            schema = schema.with_metadata(metadata or None)
    with appearing(target) as stream, naming(target):
        writer = open_writer(target, stream, schema, reader)
        try:
            done = 0
            for batch in reader.batches(_ROWS):
                columns = list(batch.columns)
                for name in names:
                    at = schema.get_field_index(name)
                    place = _Place(name, done)
                    columns[at] = _renumbered(work, columns[at], place)
                writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema))
                done += batch.num_rows
                if report is not None:
                    report(done, reader.rows)
            writer.close()
        except BaseException:
            abandon(writer)
            raise


class _Place:
    """Where an entry of a column is, for messages."""

    def __init__(self, column: str, first: int) -> None:
        self._column, self._first = column, first
        self.offsets: Any = None

    def __call__(self, place: int) -> str:
        if self.offsets is None:
            return f"row {self._first + place} of column {self._column!r}"
        row = int(np.searchsorted(self.offsets, place, side="right")) - 1
        at = place - int(self.offsets[row])
        return f"row {self._first + row}, position {at}, of column {self._column!r}"


def _values(kind: Any) -> Any:
    """Give the integer type of a column's innermost values; None if they are something else."""
    import pyarrow.types as types

    while _is_list(kind):
        kind = kind.value_type
    return kind if types.is_integer(kind) else None


def _is_list(kind: Any) -> bool:
    import pyarrow.types as types

    return bool(types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind))


def _with_values(kind: Any, values: Any) -> Any:
    """Give a type with other integers in its lists."""
    import pyarrow as pa

    if not _is_list(kind):
        return values
    field = kind.value_field.with_type(_with_values(kind.value_type, values))
    if pa.types.is_fixed_size_list(kind):
        return pa.list_(field, kind.list_size)
    return pa.large_list(field) if pa.types.is_large_list(kind) else pa.list_(field)


def _renumbered(work: Work, array: Any, place: _Place) -> Any:
    """Give a column with new ids: what is missing in it stays missing."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = array.type
    if not _is_list(kind):
        missing = array.is_null()
        if array.null_count:
            # Where nothing is, any id will do.
            array = pc.drop_null(array)
        found = array.to_numpy(zero_copy_only=False).astype(kind.to_pandas_dtype(), copy=False)
        new = work(found, place)
        new = new.astype(new.dtype.newbyteorder("="), copy=False)
        if not pc.any(missing).as_py():
            return pa.array(new)
        filled = np.zeros(len(missing), new.dtype)
        there = ~missing.to_numpy(zero_copy_only=False)
        filled[there] = new
        return pa.array(filled, mask=~there)
    missing = array.is_null() if array.null_count else None
    lengths = pc.fill_null(pc.list_value_length(array), 0).to_numpy(zero_copy_only=False)
    offsets = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
    if place.offsets is None:
        place.offsets = offsets
    inner = _renumbered(work, array.flatten(), place)
    new_kind = _with_values(kind, _values(inner.type))
    if pa.types.is_fixed_size_list(kind):
        if missing is not None:
            # There, too, values have their place: any.
            there = ~missing.to_numpy(zero_copy_only=False)
            rows = np.repeat(there, kind.list_size)
            inner = inner.take(pa.array(np.where(rows, np.cumsum(rows) - 1, 0), mask=~rows))
        return pa.FixedSizeListArray.from_arrays(inner, type=new_kind, mask=missing)
    large = pa.types.is_large_list(kind)
    maker, width = (pa.LargeListArray, np.int64) if large else (pa.ListArray, np.int32)
    return maker.from_arrays(pa.array(offsets.astype(width)), inner, type=new_kind, mask=missing)
