"""VOTable 1.1 to 1.5, with or without a namespace, in TABLEDATA, BINARY and BINARY2 (VOTable 1.5, sections 3 to 5)."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import cast

import pyarrow as pa

from vo.core.tables.columns import Column
from vo.core.tables.readers.limits import TableLimits
from vo.core.tables.readers.source import Source
from vo.core.tables.readers.votable.binary import binary_batches
from vo.core.tables.readers.votable.document import Document, Kind
from vo.core.tables.readers.votable.fields import Field, read_fields, read_metadata
from vo.core.tables.readers.votable.tabledata import fitted_fields, tabledata_batches
from vo.core.tables.stream import TableMetadata, TableStream


def open_votable(source: Source, table: str | int | None = None) -> TableStream:
    """Open a table of a VOTable document.

    Parameters
    ----------
    source : Source
        The document, perhaps gzipped.
    table : str or int, optional
        ``name`` or ``ID`` of the TABLE, or its number in the document, from 0; by default the first one with data.

    Raises
    ------
    TableError
        If the document is no VOTable, reports an error of the service that wrote it, or has no such table.
    """
    with source.opened() as file:
        document = Document(file, source.limits)
        element = document.find_table(table)
        fields = read_fields(element, source.limits)
        metadata = read_metadata(document.root, element)
        if document.kind is Kind.TABLEDATA:
            fields = fitted_fields(document, fields)
    return TableStream(tuple(field.column for field in fields), _batches(source, table, fields), metadata)


def _batches(source: Source, table: str | int | None, fields: tuple[Field, ...]) -> Iterator[pa.RecordBatch]:
    with source.opened() as file:
        document = Document(file, source.limits)
        document.find_table(table)
        match document.kind:
            case Kind.TABLEDATA:
                yield from tabledata_batches(document, fields)
            case Kind.BINARY | Kind.BINARY2:
                yield from binary_batches(document, fields)
        document.finish()


def described_table(
    content: bytes, limits: TableLimits, table: int | None = None
) -> tuple[tuple[Column, ...], TableMetadata]:
    """Return the columns and metadata of a TABLE, by number or the first, of a document that describes other data."""
    document = Document(io.BufferedReader(cast("io.RawIOBase", io.BytesIO(content))), limits)
    element = document.find_table(table)
    return tuple(field.column for field in read_fields(element, limits)), read_metadata(document.root, element)
