"""Parquet by pyarrow; metadata from our own schema keys, from VOParquet or from Astropy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq

from vo.core.tables.readers.columnar import MOST_ROWS, Columns, longest_entry, read_schema
from vo.core.tables.readers.csv import refuse_table
from vo.core.tables.readers.parquet_footer import check_pages
from vo.core.tables.readers.source import BLOCK, Source
from vo.core.tables.stream import TableStream

_CELL = 8
"""Bytes that a number takes in memory, at most, and about what a text takes beside its own."""


def open_parquet(source: Source, table: str | int | None = None) -> TableStream:
    """Open a Parquet file.

    Raises
    ------
    TableError
        For columns that no VOTable type holds (structs, maps, ragged nested lists, binary): names them.
    LimitError
        For more columns or rows, or more bytes by its own word, than the limits allow.
    """
    refuse_table(table)
    source = source.unpacked()
    with pq.ParquetFile(source.mapped()) as parquet:
        columns = read_schema(_schema(parquet), "Parquet", source.limits)
        rows = parquet.metadata.num_rows
        source.limits.check_rows(rows)
        groups = (parquet.metadata.row_group(index) for index in range(parquet.metadata.num_row_groups))
        source.limits.check_unpacked(sum(group.total_byte_size for group in groups))
    return TableStream(columns.shown, _batches(source, columns), replace(columns.metadata, rows=rows))


def _schema(parquet: pq.ParquetFile) -> pa.Schema:
    """Return the schema with the file's own metadata, which pyarrow leaves out where it finds an Arrow schema."""
    schema = parquet.schema_arrow
    return schema.with_metadata({**(parquet.metadata.metadata or {}), **(schema.metadata or {})})


def _batches(source: Source, columns: Columns) -> Iterator[pa.RecordBatch]:
    row = 0
    content = source.mapped()
    counts = check_pages(memoryview(content).cast("B"), source.limits)
    with pq.ParquetFile(content, pre_buffer=False) as parquet:
        for group, cells in zip(range(parquet.metadata.num_row_groups), counts, strict=True):
            metadata = parquet.metadata.row_group(group)
            width = max(metadata.total_byte_size, cells * _CELL) // max(1, metadata.num_rows)
            source.limits.check_row(width)
            width += _longest_texts(content, parquet, group)
            step = max(1, min(MOST_ROWS, BLOCK // max(1, width)))
            for batch in parquet.iter_batches(batch_size=step, row_groups=[group], use_threads=False):
                yield columns.batch(batch, row)
                row += len(batch)


def _longest_texts(content: pa.Buffer, parquet: pq.ParquetFile, group: int) -> int:
    """Return the bytes of the longest texts in the dictionaries of a row group, together.

    A text that stands once in the file may stand in each row of the table.
    """
    names = [field.name for field in parquet.schema_arrow if _is_text(field.type)]
    if not names or not parquet.metadata.row_group(group).num_rows:
        return 0
    with pq.ParquetFile(content, read_dictionary=names, pre_buffer=False) as dictionaries:
        first = next(dictionaries.iter_batches(1, row_groups=[group], columns=names, use_threads=False))
    return sum(longest_entry(array) for array in first.columns if pa.types.is_dictionary(array.type))


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))
