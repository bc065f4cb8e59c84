"""Tables and subqueries: their columns, and what the planner of positions knows about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from tap.adql.catalogue import BOUND_SUFFIX, CatalogueColumn, CatalogueTable, places_by_name
from tap.adql.syntax.ast import Identifier, Name
from tap.adql.types import Kind, identifier, kind_of
from vo.core.tables import Column

if TYPE_CHECKING:
    from tap.adql.context import Context


@dataclass(frozen=True, slots=True)
class Field:
    """A column of a table or of a subquery, as the enclosing query sees it.

    Attributes
    ----------
    column : Column
        Name and metadata.
    sql_type : str
        Type of each of its columns in SQL.
    sql_names : tuple of str
        Its column in SQL; two of them for a point and three for a circle that a subquery computes.
    bound : str, optional
        The column, in SQL, of an indexed circle around each of its regions.
    nan : bool
        Whether NaN may be among its numbers.
    """

    column: Column
    sql_type: str
    sql_names: tuple[str, ...]
    bound: str | None = None
    nan: bool = False


@dataclass(frozen=True, slots=True)
class Relation:
    """A translated query: its text, its columns, and what the planner of positions knows about them.

    Attributes
    ----------
    positions : frozenset of tuple of str
        Pairs of columns (as SQL) through which a condition reaches a Q3C index.
    unique : frozenset of str
        Columns (as SQL) of which one value selects at most one row.
    rows : int
        Estimated number of rows.
    reaches : tuple of Reach
        What is known of the rows, of tables of the queries around, for which it has rows.
    tables : int
        How many tables PostgreSQL plans together with those around, because it takes the query apart.
    row_number : str, optional
        Its column, in SQL, with the order in which a client expects its rows.
    """

    sql: str
    fields: tuple[Field, ...]
    positions: frozenset[tuple[str, str]] = frozenset()
    unique: frozenset[str] = frozenset()
    rows: int = 0
    reaches: tuple[Reach, ...] = ()
    tables: int = 1
    row_number: str | None = None


@dataclass(frozen=True, slots=True)
class Reach:
    """A condition on a table that holds for all of its rows for which a subquery has rows.

    Attributes
    ----------
    searches : int
        About how many searches in an index it takes to find these rows.
    """

    source: Source
    sql: str
    searches: int


@dataclass(eq=False, slots=True)
class Source:
    """A table in FROM.

    Attributes
    ----------
    name : Identifier
        The name by which the query calls it.
    alias : str
        Its name in SQL.
    relation : Relation
        What it holds; ``relation.sql`` is what stands in FROM.
    by_name : dict
        Places of its fields by name in lower case.
    table : CatalogueTable, optional
        The published table it is.
    full_name : bool
        Whether columns may be called by the published name of the table (it has no alias).
    hidden : set of int
        Fields that USING and NATURAL have merged into the other side's.
    merged : dict of int to str
        SQL of the fields into which a FULL JOIN merged both sides; a name with the table before it means its own field.
    context : Context, optional
        The statement that it stands in.
    """

    name: Identifier
    alias: str
    relation: Relation
    by_name: dict[str, tuple[int, ...]]
    table: CatalogueTable | None = None
    full_name: bool = False
    hidden: set[int] = field(default_factory=set)
    merged: dict[int, str] = field(default_factory=dict)
    context: Context | None = None

    def places(self, wanted: Identifier) -> Sequence[int]:
        """Return the places of the fields that an identifier names."""
        places = self.by_name.get(wanted.text.lower(), ())
        if not places or not wanted.delimited:
            return places
        fields = self.relation.fields
        return [place for place in places if fields[place].column.name == wanted.text]

    def answers_to(self, name: Name) -> bool:
        """Whether the query may call the table so."""
        if len(name) == 1 and same_name(name[0], self.name):
            return True
        if not self.full_name or self.table is None:
            return False
        parts = self.table.name.split(".")[-len(name) :]
        return len(parts) == len(name) and all(means(wanted, part) for wanted, part in zip(name, parts, strict=True))

    def sql(self, place: int) -> tuple[str, ...]:
        """Return the SQL of a field."""
        return tuple(f"{self.alias}.{name}" for name in self.relation.fields[place].sql_names)


def _sql_name(column: CatalogueColumn) -> str:
    return identifier(column.sql_name or column.column.name)


def _bound(column: CatalogueColumn) -> str | None:
    return identifier((column.sql_name or column.column.name) + BOUND_SUFFIX) if column.bounded else None


_relations: WeakKeyDictionary[CatalogueTable, Relation] = WeakKeyDictionary()
"""Those of tables that are in a catalogue, or come with a query that runs."""


def table_relation(table: CatalogueTable) -> Relation:
    """Return a published table as a relation."""
    relation = _relations.get(table)
    if relation is None:
        relation = _relations[table] = _relation_of(table)
    return relation


def _relation_of(table: CatalogueTable) -> Relation:
    names = {column.column.name: _sql_name(column) for column in table.columns}
    fields = tuple(
        Field(c.column, c.sql_type, (name,), _bound(c), c.nan)
        for c, name in zip(table.columns, map(_sql_name, table.columns), strict=True)
    )
    position = (names[table.position[0]], names[table.position[1]]) if table.position else None
    return Relation(
        sql=f"{identifier(table.physical[0])}.{identifier(table.physical[1])}",
        fields=fields,
        positions=frozenset({position} if position else ()),
        unique=frozenset(names[column.column.name] for column in table.columns if column.unique),
        rows=table.rows,
        row_number=None if table.row_number is None else identifier(table.row_number),
    )


def kind_of_field(entry: Field) -> Kind:
    """Return the kind of a field."""
    if len(entry.sql_names) == 2:
        return Kind.POINT
    return Kind.CIRCLE if len(entry.sql_names) == 3 else kind_of(entry.column, entry.sql_type)


def source_of(relation: Relation, name: Identifier, context: Context) -> Source:
    """Return a subquery or common table as a source."""
    by_name = places_by_name(entry.column.name for entry in relation.fields)
    return Source(name, context.alias(), relation, by_name, context=context)


def table_source(table: CatalogueTable, name: Identifier, context: Context, *, aliased: bool) -> Source:
    """Return a published table as a source."""
    context.tables.add(table.name)
    context.read(1, name.position)
    relation = table_relation(table)
    return Source(name, context.alias(), relation, table.by_name, table, full_name=not aliased, context=context)


# ---- names ---------------------------------------------------------------------------------------------------------


def means(wanted: Identifier, name: str) -> bool:
    """Whether an identifier of a query means a name."""
    return wanted.text == name if wanted.delimited else wanted.text.lower() == name.lower()


def same_name(first: Identifier, second: Identifier) -> bool:
    """Whether two identifiers of a query are the same name."""
    if first.delimited and second.delimited:
        return first.text == second.text
    return first.text.lower() == second.text.lower()
