"""Parquet and Arrow files: a column of lists is mapped, the others are kept."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from isomorph._applying._kinds import Block, Sink, Target, column_of, kind_of
from isomorph.errors import FormatError, ShapeError

#: Columns that name a row in messages, where none is given.
_IDS = ("id", "ids", "_id", "uuid", "key")


def require_pyarrow() -> Any:
    """Import pyarrow, which only these files need."""
    try:
        import pyarrow
    except ImportError:
        raise ImportError(
            "Parquet and Arrow files need pyarrow: pip install 'isomorph[parquet]'"
        ) from None
    return pyarrow


@contextmanager
def naming(name: str) -> Iterator[None]:
    """Give pyarrow's complaints about a file as ours."""
    pa = require_pyarrow()
    try:
        yield
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError) as error:
        raise FormatError(f"{name}: {error}") from error
    except OSError as error:
        # pyarrow says what is wrong with a file's bytes as an OSError without a number.
        if error.errno is None:
            raise FormatError(f"{name}: {error}") from error
        raise


def open_table(
    name: str, kind: str, column: str | None, ids: str | None, wanted: int
) -> TableSource:
    """Open a Parquet or an Arrow file."""
    require_pyarrow()
    with naming(name):
        return TableSource(name, open_reader(name, kind), column, ids, wanted)


class _Parquet:
    """Rows of a Parquet file."""

    def __init__(self, name: str) -> None:
        import pyarrow.parquet as pq

        self._file = pq.ParquetFile(name, memory_map=True)
        self.schema = self._file.schema_arrow
        self.rows = int(self._file.metadata.num_rows)
        self.streamed = False
        codec = "SNAPPY"
        if self._file.metadata.num_row_groups and self._file.metadata.num_columns:
            codec = self._file.metadata.row_group(0).column(0).compression
        self.codec = "NONE" if codec == "UNCOMPRESSED" else codec

    def batches(self, rows: int, columns: list[str] | None = None) -> Iterator[Any]:
        return iter(self._file.iter_batches(batch_size=rows, columns=columns))


class _Arrow:
    """Rows of an Arrow file or stream."""

    codec = "SNAPPY"

    def __init__(self, name: str) -> None:
        import pyarrow as pa

        self._name = name
        reader = self._open()
        self.schema = reader.schema
        self.streamed = isinstance(reader, pa.RecordBatchStreamReader)
        self.rows = sum(batch.num_rows for batch in self._each(reader))

    def _open(self) -> Any:
        import pyarrow as pa

        try:
            return pa.ipc.open_file(pa.memory_map(self._name))
        except pa.ArrowInvalid:
            return pa.ipc.open_stream(pa.memory_map(self._name))

    def _each(self, reader: Any) -> Iterator[Any]:
        if self.streamed:
            yield from reader
        else:
            for number in range(reader.num_record_batches):
                yield reader.get_batch(number)

    def batches(self, rows: int, columns: list[str] | None = None) -> Iterator[Any]:
        for batch in self._each(self._open()):
            chosen = batch if columns is None else batch.select(columns)
            for start in range(0, chosen.num_rows, rows):
                yield chosen.slice(start, rows)


class TableSource:
    """A column of vectors in a table."""

    words: str | None = None

    def __init__(
        self, name: str, reader: Any, column: str | None, ids: str | None, wanted: int
    ) -> None:
        self.name = name
        self._reader, self.rows = reader, reader.rows
        schema = reader.schema
        found: dict[str, int] = {}
        for field in schema:
            if (width := _width(field.type)) is not None:
                found[field.name] = width
        self.column = column_of(name, found, column, wanted, "column")
        if len(set(schema.names)) < len(schema.names):
            raise FormatError(f"{name}: expected columns with different names")
        if ids is not None and ids not in schema.names:
            raise FormatError(
                f"{name}: expected a column {ids!r}, got {', '.join(map(repr, schema.names))}"
            )
        self.id_column = ids or next((one for one in _IDS if one in schema.names), None)
        self._field = schema.field(self.column)
        self.dtype = np.dtype(self._field.type.value_type.to_pandas_dtype())
        # Lists of any length say it row by row: the first has to do.
        self.columns = found[self.column] or self._first_length(wanted)

    def _first_length(self, wanted: int) -> int:
        for batch in self._reader.batches(1, [self.column]):
            length = batch.column(0)[0].as_py()
            return wanted if length is None else len(length)
        return wanted

    def blocks(self, rows: int) -> Iterator[Block]:
        """See the protocol."""
        start = 0
        with naming(self.name):
            for batch in self._reader.batches(rows):
                block = Block(start, np.empty((0, self.columns), self.dtype), batch)
                block.vectors = self._vectors(block, batch.column(self.column))
                yield block
                start += batch.num_rows

    def _vectors(self, block: Block, lists: Any) -> NDArray[Any]:
        """Give the rows of a column, none of which may be missing or of another length."""
        if lists.null_count:
            self._refuse(block, np.flatnonzero(lists.is_null().to_numpy(zero_copy_only=False))[0])
        if not _width(lists.type):
            lengths = lists.value_lengths().to_numpy(zero_copy_only=False)
            if (other := np.flatnonzero(lengths != self.columns)).size:
                raise ShapeError(
                    f"{self.name}: {self.row_name(block, int(other[0]))}: expected {self.columns} "
                    f"values as in the first row, got {int(lengths[other[0]])}"
                )
        values = lists.flatten()
        if values.null_count:
            missing = np.flatnonzero(values.is_null().to_numpy(zero_copy_only=False))[0]
            self._refuse(block, missing // self.columns)
        rows: NDArray[Any] = values.to_numpy(zero_copy_only=False)
        return rows.reshape(-1, self.columns)

    def _refuse(self, block: Block, row: Any) -> None:
        raise FormatError(
            f"{self.name}: {self.row_name(block, int(row))}: a vector, or a value of it, is "
            "missing (null); drop such rows"
        )

    def row_name(self, block: Block, row: int) -> str:
        """See the protocol."""
        number = f"row {block.start + row}"
        if self.id_column is None or block.rest is None:
            return number
        return f"{number} ({self.id_column} {block.rest.column(self.id_column)[row].as_py()!r})"

    def ids(self) -> list[Any] | None:
        """See the protocol."""
        if self.id_column is None:
            return None
        with naming(self.name):
            batches = self._reader.batches(1 << 16, [self.id_column])
            return [one for batch in batches for one in batch.column(0).to_pylist()]

    def sink(self, target: Target) -> Sink:
        """See the protocol."""
        import pyarrow as pa

        schema = self._reader.schema
        kind = _with_values(self._field.type, pa.from_numpy_dtype(target.dtype), target.columns)
        at = schema.get_field_index(self.column)
        schema = schema.set(at, self._field.with_type(kind))
        metadata = dict(schema.metadata or {})
        if target.columns != self.columns and metadata.pop(b"huggingface", None):
            # It says how long the lists were.
            schema = schema.with_metadata(metadata or None)
        writer = open_writer(target.name, target.stream, schema, self._reader)
        return TableSink(target.name, writer, schema, at)


def open_reader(name: str, kind: str) -> _Parquet | _Arrow:
    """Open a table to be read in batches; call it within :func:`naming`."""
    return _Parquet(name) if kind == "parquet" else _Arrow(name)


def open_writer(name: str, stream: BinaryIO, schema: Any, reader: _Parquet | _Arrow) -> Any:
    """Open a table to be written batch by batch, in the manner of the one that is read."""
    import pyarrow as pa

    if kind_of("destination", name) == "parquet":
        import pyarrow.parquet as pq

        return pq.ParquetWriter(stream, schema, compression=reader.codec)
    if reader.streamed or name.lower().endswith(".arrows"):
        return pa.ipc.new_stream(stream, schema)
    options = pa.ipc.IpcWriteOptions(emit_dictionary_deltas=True)
    return pa.ipc.new_file(stream, schema, options=options)


def abandon(writer: Any) -> None:
    """Leave a table as it is."""
    # A Parquet writer that is not closed writes its end when it is collected.
    writer.is_open = False


class TableSink:
    """A table with the columns of another, one of them replaced."""

    def __init__(self, name: str, writer: Any, schema: Any, at: int) -> None:
        self._name, self._writer, self._schema, self._at = name, writer, schema, at

    def write(self, block: Block) -> None:
        """See the protocol."""
        import pyarrow as pa

        with naming(self._name):
            columns = list(block.rest.columns)
            columns[self._at] = _lists(block.vectors, self._schema.field(self._at).type)
            self._writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=self._schema))

    def close(self) -> None:
        """See the protocol."""
        with naming(self._name):
            self._writer.close()

    def abandon(self) -> None:
        """See the protocol."""
        abandon(self._writer)


def _width(kind: Any) -> int | None:
    """Return the length of a type of lists of floats, 0 where it varies, None for other types."""
    import pyarrow.types as types

    fixed = types.is_fixed_size_list(kind)
    if not (fixed or types.is_list(kind) or types.is_large_list(kind)):
        return None
    if not types.is_floating(kind.value_type):
        return None
    return int(kind.list_size) if fixed else 0


def _with_values(kind: Any, values: Any, columns: int) -> Any:
    """Give a type of lists with values of another type, as many as are wanted."""
    import pyarrow as pa

    field = kind.value_field.with_type(values)
    if pa.types.is_fixed_size_list(kind):
        return pa.list_(field, columns)
    return pa.large_list(field) if pa.types.is_large_list(kind) else pa.list_(field)


def _lists(vectors: NDArray[Any], kind: Any) -> Any:
    """Give rows as an Arrow array of lists, without copying values."""
    import pyarrow as pa

    flat = pa.array(vectors.reshape(-1))
    if pa.types.is_fixed_size_list(kind):
        return pa.FixedSizeListArray.from_arrays(flat, type=kind)
    large = pa.types.is_large_list(kind)
    rows, columns = vectors.shape
    ends = np.arange(rows + 1, dtype=np.int64 if large else np.int32) * columns
    array = pa.LargeListArray if large else pa.ListArray
    return array.from_arrays(pa.array(ends), flat, type=kind)
