"""The tables that queries may name: an immutable picture of TAP_SCHEMA and of what stands behind it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from tap.adql.errors import ADQLError, did_you_mean
from tap.adql.syntax.ast import Name
from vo.core.tables import Column

BOUND_SUFFIX = "__bound"
"""What the name of an unpublished column of circles ends with: longitude, latitude, radius in degrees."""


@dataclass(frozen=True, slots=True)
class CatalogueColumn:
    """One published column.

    Attributes
    ----------
    column : Column
        Its metadata; `column.name` is the published name without quotes.
    sql_type : str
        Type of the physical column as format_type gives it: ``bigint``, ``double precision[]``, ``spoint`` …
    sql_name : str, optional
        Name of the physical column where it differs.
    unique : bool
        Whether one value selects at most one row.
    indexed : bool
        Whether a B-tree begins with the column.
    bounded : bool
        Whether the table has an indexed circle around each region of the column, in the column of its name with
        `BOUND_SUFFIX`.
    nan : bool
        Whether NaN is among its numbers; conditions and expressions take it for unknown, as they take NULL.
    """

    column: Column
    sql_type: str
    sql_name: str | None = None
    unique: bool = False
    indexed: bool = False
    bounded: bool = False
    nan: bool = False


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class CatalogueTable:
    """One published table; two of them are equal only if they are the same object.

    Attributes
    ----------
    name : str
        Published name with its schema, without quotes.
    physical : tuple of str
        Schema and table in the database.
    columns : tuple of CatalogueColumn
        In the order of ``SELECT *``.
    rows : int
        Estimated number of rows.
    position : tuple of str, optional
        Published names of the columns, in degrees, under an index on ``q3c_ang2ipix``.
    row_number : str, optional
        Name of the physical column with the numbers of the rows as they came, where they are stored in another order
        and a client expects them in theirs.
    """

    name: str
    physical: tuple[str, str]
    columns: tuple[CatalogueColumn, ...]
    rows: int
    position: tuple[str, str] | None = None
    row_number: str | None = None
    by_name: dict[str, tuple[int, ...]] = field(init=False, repr=False)
    """Places of the columns by published name in lower case."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_name", places_by_name(column.column.name for column in self.columns))


def places_by_name(names: Iterable[str]) -> dict[str, tuple[int, ...]]:
    """Return the places of each name, by the name in lower case."""
    places: dict[str, tuple[int, ...]] = {}
    for place, name in enumerate(names):
        key = name.lower()
        places[key] = (*places.get(key, ()), place)
    return places


class Catalogue:
    """All published tables of one catalogue version.

    Parameters
    ----------
    version : int
        Number that rises with every change of what is published.
    tables : iterable of CatalogueTable
        The tables, TAP_SCHEMA's own among them.
    """

    def __init__(self, version: int, tables: Iterable[CatalogueTable]) -> None:
        self.version = version
        self.tables = tuple(tables)
        self._by_name: dict[str, list[CatalogueTable]] = {}
        self._by_last_part: dict[str, list[CatalogueTable]] = {}
        for table in self.tables:
            self._by_name.setdefault(table.name.lower(), []).append(table)
            self._by_last_part.setdefault(table.name.rpartition(".")[2].lower(), []).append(table)

    def extended(self, tables: Iterable[CatalogueTable]) -> Catalogue:
        """Return a catalogue with further tables, for one query."""
        return Catalogue(self.version, (*self.tables, *tables))

    def has(self, name: Name) -> bool:
        """Whether a name is that of a table in full."""
        return ".".join(part.text for part in name).lower() in self._by_name

    def find(self, name: Name) -> CatalogueTable:
        """Return the table of a name in a query; a name without schema works where it is unique.

        Raises
        ------
        ADQLError
            If there is none, or more than one.
        """
        written = ".".join(part.text for part in name)
        found = [table for table in self._by_name.get(written.lower(), ()) if _matches(table.name, name)]
        if not found and len(name) == 1:
            candidates = self._by_last_part.get(written.lower(), ())
            found = [table for table in candidates if _matches(table.name.rpartition(".")[2], name)]
        if len(found) > 1:
            names = ", ".join(table.name for table in found)
            raise ADQLError(f"The table name {written} may mean {names}.", name[0].position, hint="Write it in full.")
        if not found:
            known = [*(table.name for table in self.tables), *self._by_last_part]
            hint = did_you_mean(written, known) or "The tables are listed in tap_schema.tables."
            raise ADQLError(f"There is no table {written}.", name[0].position, hint=hint)
        return found[0]


def _matches(published: str, name: Name) -> bool:
    """Whether a published name that agrees but for case agrees with the delimited parts too."""
    start = 0
    for part in name:
        end = start + len(part.text)
        if part.delimited and published[start:end] != part.text:
            return False
        start = end + 1
    return True
