"""Parquet by pyarrow; metadata from our own schema keys, from VOParquet or from Astropy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from vo.core.errors import TableError
from vo.core.tables.columns import Column, Datatype, schema_of
from vo.core.tables.readers.csv import refuse_table
from vo.core.tables.readers.ecsv import load_header, read_columns, read_metadata
from vo.core.tables.readers.source import BLOCK
from vo.core.tables.readers.text import checked_text
from vo.core.tables.readers.votable import described_table
from vo.core.tables.stream import TableMetadata, TableStream

_VOPARQUET = b"IVOA.VOTable-Parquet.content"
_ASTROPY = b"table_meta_yaml"
_INTERNAL = {b"pandas", b"ARROW:schema", _VOPARQUET, _ASTROPY}
_MOST_ROWS = 1 << 17
_TOO_LARGE = pa.scalar(1 << 63, pa.uint64())


def open_parquet(path: Path, table: str | int | None = None) -> TableStream:
    """Open a Parquet file.

    Raises
    ------
    TableError
        For columns that no VOTable type holds (structs, maps, nested lists, binary): names them.
    """
    refuse_table(table)
    with path.open("rb") as file, pq.ParquetFile(file) as parquet:
        schema: pa.Schema = parquet.schema_arrow
        rows = parquet.metadata.num_rows
    stored = schema.metadata or {}
    derived = tuple(_column(field) for field in schema)
    described, metadata = _description(stored)
    columns = _merge(derived, described)
    masks = _masks(columns) if _ASTROPY in stored else {}
    infos = {
        key.decode(errors="replace"): value.decode(errors="replace")
        for key, value in stored.items()
        if key not in _INTERNAL
    }
    metadata = replace(metadata, rows=rows, infos=metadata.infos | infos)
    shown = [index for index in range(len(columns)) if index not in masks.values()]
    return TableStream(tuple(columns[index] for index in shown), _batches(path, columns, shown, masks), metadata)


def _masks(columns: tuple[Column, ...]) -> dict[int, int]:
    """Return for each column that Astropy has masked, by index, the boolean column that holds its mask."""
    places = {column.name: index for index, column in enumerate(columns) if column.datatype is Datatype.BOOLEAN}
    found = ((index, places.get(f"{column.name}.mask")) for index, column in enumerate(columns))
    return {index: mask for index, mask in found if mask is not None}


def _column(field: pa.Field) -> Column:
    try:
        if pa.types.is_uint64(field.type):  # a long, if no value is too large for it
            field = field.with_type(pa.int64())
        return Column.from_field(field)
    except (TypeError, ValueError):
        raise TableError(
            f"Column {field.name!r} is of Parquet's type {field.type}, which no table here can hold."
        ) from None


def _description(stored: dict[bytes, bytes]) -> tuple[tuple[Column, ...], TableMetadata]:
    """Return what VOParquet's or Astropy's metadata say; a file is read without them if they are damaged."""
    readers: tuple[tuple[bytes, Callable[[bytes], tuple[tuple[Column, ...], TableMetadata]]], ...] = (
        (_VOPARQUET, described_table),
        (_ASTROPY, _astropy_table),
    )
    for key, read in readers:
        if key in stored:
            try:
                return read(stored[key])
            except TableError:
                continue
    return (), TableMetadata()


def _astropy_table(content: bytes) -> tuple[tuple[Column, ...], TableMetadata]:
    header = load_header(content.decode(errors="replace"))
    return read_columns(header), read_metadata(header)


def _merge(columns: tuple[Column, ...], described: tuple[Column, ...]) -> tuple[Column, ...]:
    """Add to the columns what is described of the same names; the type only where it is stored the same way."""
    by_name = {column.name: column for column in described}
    merged = []
    for column in columns:
        found = by_name.get(column.name)
        if found is None:
            merged.append(column)
        elif found.arrow_type == column.arrow_type:
            merged.append(found)
        else:
            described_only = {key: getattr(found, key) for key in ("unit", "ucd", "utype", "description")}
            merged.append(replace(column, **described_only))
    return tuple(merged)


def _batches(
    path: Path, columns: tuple[Column, ...], shown: list[int], masks: dict[int, int]
) -> Iterator[pa.RecordBatch]:
    schema = schema_of(columns[index] for index in shown)
    row = 0
    with path.open("rb") as file, pq.ParquetFile(file, pre_buffer=False, buffer_size=1 << 20) as parquet:
        for batch in parquet.iter_batches(batch_size=_rows_per_batch(parquet.metadata), use_threads=False):
            arrays = [_canonical(array, column, row) for array, column in zip(batch.columns, columns, strict=True)]
            for index, mask in masks.items():
                arrays[index] = pc.if_else(arrays[mask], pa.scalar(None, arrays[index].type), arrays[index])
            yield pa.RecordBatch.from_arrays([arrays[index] for index in shown], schema=schema)
            row += len(batch)


def _rows_per_batch(metadata: pq.FileMetaData) -> int:
    size: int = sum(metadata.row_group(index).total_byte_size for index in range(metadata.num_row_groups))
    rows: int = metadata.num_rows
    return max(1, min(_MOST_ROWS, BLOCK * rows // max(1, size)))


def _canonical(array: pa.Array, column: Column, row: int) -> pa.Array:
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_uint64(array.type) and pc.any(pc.greater_equal(array, _TOO_LARGE)).as_py():
        at = pc.index(pc.greater_equal(array, _TOO_LARGE), True).as_py()
        raise TableError(
            f"Column {column.name!r}, row {row + at + 1}: {array[at]} is more than a long holds, 2^63 - 1."
        )
    # Nanoseconds lose what a timestamp here cannot hold, below a microsecond; nothing else may lose anything.
    lossy = pa.types.is_timestamp(array.type) and array.type.unit == "ns"
    try:
        cast = array.cast(column.arrow_type, safe=not lossy)
    except pa.ArrowException as error:
        raise TableError(f"Column {column.name!r} does not fit into {column.datatype}: {error}.") from error
    return checked_text(cast, column) if pa.types.is_string(cast.type) else cast
