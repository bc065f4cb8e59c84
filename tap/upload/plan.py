"""What of an uploaded table becomes what: columns of any name and type keep what they are called and what is known."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from tap.adql.catalogue import CatalogueColumn, CatalogueTable
from tap.adql.types import client_type
from tap.tables.footprints import Footprints, footprints
from tap.tables.models import PlannedColumn, TableName, sql_type
from vo.core.errors import TableError
from vo.core.tables import Column, Datatype
from vo.core.tables.positions import likely_position

ROW_NUMBER = "row_number"
"""Physical column with the order in which the rows came, where they are stored in another."""


@dataclass(slots=True)
class UploadPlan:
    """One table on its way into the database.

    Attributes
    ----------
    name : str
        By which queries call it.
    target : TableName
        The physical table, whose columns are called c1, c2 …: the client's names may be anything.
    columns : tuple of Column
        As the client gave them.
    planned : list of PlannedColumn
        As they are stored.
    position : tuple of str, optional
        Physical names of the columns with the position.
    bounds : list of Footprints
        Circles around regions.
    rows : int
        Rows so far.
    on_sky : bool
        Whether all positions so far were on the sky, so that they can be indexed.
    """

    name: str
    target: TableName
    columns: tuple[Column, ...]
    planned: list[PlannedColumn]
    position: tuple[str, str] | None
    bounds: list[Footprints] = field(default_factory=list)
    rows: int = 0
    on_sky: bool = True

    @classmethod
    def of(cls, name: str, target: TableName, columns: tuple[Column, ...]) -> UploadPlan:
        """Plan a table.

        Raises
        ------
        TableError
            If it has no columns, or one of a type that the database does not have.
        """
        if not columns:
            raise TableError("The table has no columns.")
        for column in columns:
            if client_type(column) is None:
                raise TableError(f"Column {column.name}: the database has no type for {column.datatype}.")
        planned = [
            PlannedColumn(replace(column, name=f"c{place + 1}"), place, column.name, by_content=column.is_text)
            for place, column in enumerate(columns)
        ]
        found = likely_position(columns)
        position = None if found is None else (f"c{found[0] + 1}", f"c{found[1] + 1}")
        return cls(name, target, columns, planned, position, footprints(planned))

    def table(self) -> CatalogueTable:
        """Return the table as queries see it, once it is loaded."""
        bounded = {item.column for item in self.bounds if not item.too_large}
        columns = tuple(
            CatalogueColumn(
                column=self._as_found(column, item),
                sql_type=_format_type(item.column),
                sql_name=item.column.name,
                bounded=item.column.name in bounded,
                nan=item.has_nan,
            )
            for column, item in zip(self.columns, self.planned, strict=True)
        )
        names = {item.column.name: column.name for column, item in zip(self.columns, self.planned, strict=True)}
        indexed = self.position if self.position is not None and self.on_sky else None
        return CatalogueTable(
            name=self.name,
            physical=(self.target.schema, self.target.table),
            columns=columns,
            rows=self.rows,
            position=None if indexed is None else (names[indexed[0]], names[indexed[1]]),
            row_number=None if self.position is None else ROW_NUMBER,
        )

    @staticmethod
    def _as_found(column: Column, item: PlannedColumn) -> Column:
        """Return a column of ASCII as what its content needs, where that is more."""
        if column.datatype is Datatype.CHAR and column.xtype is None and not item.ascii:
            return replace(column, datatype=Datatype.UNICODE_CHAR)
        return column


def _format_type(column: Column) -> str:
    """Return the type of a physical column as PostgreSQL's format_type gives it."""
    written = sql_type(column)
    return "timestamp without time zone" if written == "timestamp" else written
