"""The published tables, as plain models."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from vo.core.tables import Column


@dataclass(frozen=True, slots=True)
class PublishedColumn:
    """A column of a published table.

    Attributes
    ----------
    column : Column
        Metadata, with the plain name.
    query_name : str
        The name as it is written in ADQL, in double quotes where it needs them.
    sql_type : str
        PostgreSQL's type, as ``format_type`` writes it.
    indexed, principal, std : bool
        As in TAP_SCHEMA.
    unique : bool
        Whether no two rows have the same value.
    bounded : bool
        Whether the table has an indexed circle around each region of the column.
    """

    column: Column
    query_name: str
    sql_type: str
    indexed: bool = False
    principal: bool = False
    std: bool = False
    unique: bool = False
    bounded: bool = False


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """A reference from one published table to another; `columns` holds (from, target) pairs."""

    key_id: str
    from_table: str
    target_table: str
    columns: tuple[tuple[str, str], ...]
    description: str | None = None
    utype: str | None = None


@dataclass(frozen=True, slots=True)
class PublishedTable:
    """A published table and the physical one that its name points at now.

    Attributes
    ----------
    name : str
        Qualified name as it is written in ADQL.
    table_type : str
        ``table`` or ``view``.
    physical : tuple of str
        Schema and name in the database.
    version : int
        Of its contents: another one each time that it is published.
    position : tuple of str, optional
        Names of the right ascension and declination columns under the Q3C index.
    curation : dict
        What TAP_SCHEMA has no place for: title, references, licence, acknowledgement, epoch …
    """

    name: str
    schema_name: str
    table_type: str
    columns: tuple[PublishedColumn, ...]
    physical: tuple[str, str]
    rows: int
    version: int = 1
    description: str | None = None
    utype: str | None = None
    position: tuple[str, str] | None = None
    keys: tuple[ForeignKey, ...] = ()
    curation: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PublishedSchema:
    """A schema and its tables, in TAP_SCHEMA's order."""

    name: str
    tables: tuple[PublishedTable, ...]
    description: str | None = None
    utype: str | None = None


@dataclass(frozen=True)
class Tableset:
    """Everything that is published, at one version of the catalogue."""

    version: int
    schemas: tuple[PublishedSchema, ...]

    @cached_property
    def tables(self) -> dict[str, PublishedTable]:
        """Tables by the name written in ADQL."""
        return {table.name: table for schema in self.schemas for table in schema.tables}
