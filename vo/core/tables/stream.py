"""A table as it flows through the stack."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pyarrow as pa

from vo.core.tables.columns import Column


@dataclass(frozen=True, slots=True)
class TableMetadata:
    """What is known about a table as a whole.

    Attributes
    ----------
    name, title, description, utype : str, optional
        As in VOTable's TABLE.
    rows : int, optional
        Number of rows where it is known before reading.
    infos : dict of str to str
        Further facts by name (VOTable INFO, FITS cards, Parquet key-value metadata).
    """

    name: str | None = None
    title: str | None = None
    description: str | None = None
    utype: str | None = None
    rows: int | None = None
    infos: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class TableStream:
    """A stream of Arrow record batches with column metadata; it can be read once.

    Attributes
    ----------
    columns : tuple of Column
        The columns in order; batches follow them by position.
    batches : iterator of pyarrow.RecordBatch
        Each of at most a few MB; column types are `Column.arrow_type` or safely castable to it.
    metadata : TableMetadata
        About the whole table.
    """

    columns: tuple[Column, ...]
    batches: Iterator[pa.RecordBatch]
    metadata: TableMetadata = field(default_factory=TableMetadata)
