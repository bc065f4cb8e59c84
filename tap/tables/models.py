"""A table on its way into the database."""

from __future__ import annotations

from dataclasses import dataclass

from tap.adql.types import SQL_TYPES
from vo.core.tables import Column


def sql_type(column: Column) -> str:
    """Return the PostgreSQL type of a column's physical form."""
    if column.xtype == "timestamp":
        return "timestamp"
    return SQL_TYPES[column.datatype] + ("[]" if column.is_array else "")


@dataclass(slots=True)
class PlannedColumn:
    """A column on its way into the database.

    Attributes
    ----------
    column : Column
        As it will be published.
    place : int
        Its place in the file's batches.
    query_name : str
        Its name as written in ADQL.
    factor : float
        What the file's values are multiplied by, for another unit.
    by_content : bool
        Whether the content decides between ``char`` and ``unicodeChar``.
    ascii : bool
        Whether all text seen so far was ASCII.
    has_nan : bool
        Whether a scalar seen so far was NaN.
    """

    column: Column
    place: int
    query_name: str
    factor: float = 1.0
    principal: bool = False
    std: bool = False
    unique: bool = False
    by_content: bool = False
    ascii: bool = True
    has_nan: bool = False


@dataclass(frozen=True, slots=True)
class TableName:
    """Qualified name of a published table; both parts are regular identifiers in lower case."""

    schema: str
    table: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.table}"
