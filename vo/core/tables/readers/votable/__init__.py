"""VOTable 1.1 to 1.5, with or without a namespace, in TABLEDATA, BINARY and BINARY2 (VOTable 1.5, sections 3 to 5)."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from vo.core.tables.columns import Column
from vo.core.tables.readers.source import open_bytes
from vo.core.tables.readers.votable.binary import binary_batches
from vo.core.tables.readers.votable.document import Document, Kind
from vo.core.tables.readers.votable.fields import Field, read_fields, read_metadata
from vo.core.tables.readers.votable.tabledata import tabledata_batches
from vo.core.tables.stream import TableMetadata, TableStream


def open_votable(path: Path, table: str | int | None = None) -> TableStream:
    """Open a table of a VOTable document.

    Parameters
    ----------
    path : pathlib.Path
        The document, perhaps gzipped.
    table : str or int, optional
        ``name`` or ``ID`` of the TABLE, or its number in the document, from 0; by default the first one with data.

    Raises
    ------
    TableError
        If the document is no VOTable, reports an error of the service that wrote it, or has no such table.
    """
    with open_bytes(path) as file:
        document = Document(file)
        element = document.find_table(table)
        fields = read_fields(element)
        metadata = read_metadata(document.root, element)
    return TableStream(tuple(field.column for field in fields), _batches(path, table, fields), metadata)


def _batches(path: Path, table: str | int | None, fields: tuple[Field, ...]) -> Iterator[pa.RecordBatch]:
    with open_bytes(path) as file:
        document = Document(file)
        document.find_table(table)
        match document.kind:
            case Kind.TABLEDATA:
                yield from tabledata_batches(document, fields)
            case Kind.BINARY | Kind.BINARY2:
                yield from binary_batches(document, fields)
        document.finish()


def described_table(content: bytes, table: int | None = None) -> tuple[tuple[Column, ...], TableMetadata]:
    """Return the columns and metadata of a TABLE, by number or the first, of a document that describes other data."""
    document = Document(io.BytesIO(content))
    element = document.find_table(table)
    return tuple(field.column for field in read_fields(element)), read_metadata(document.root, element)
