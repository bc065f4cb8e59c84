"""What the names of a query mean at each place of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from tap.adql.catalogue import BOUND_SUFFIX, Catalogue, CatalogueColumn, CatalogueTable, places_by_name
from tap.adql.errors import ADQLError, did_you_mean
from tap.adql.limits import MAX_REPEATED, MAX_TABLES
from tap.adql.syntax.ast import Identifier, Name
from tap.adql.syntax.words import is_regular_identifier
from tap.adql.types import Kind, identifier, kind_of
from vo.core.tables import Column

if TYPE_CHECKING:
    from tap.adql.dialect import Dialect
    from tap.adql.sky.geometry import Geometry, Point, Test

_LISTED = 10
"""Names that a message lists."""


@dataclass(frozen=True, slots=True)
class Value:
    """A value of a query, translated.

    Attributes
    ----------
    sql : str
        Its text in PostgreSQL; safe as an operand of any operator. Empty for geometries that are not stored.
    column : Column
        Its metadata; the name is a proposal.
    sql_type : str
        Its type in PostgreSQL.
    kind : Kind
        What can be done with it.
    position : int
        Its place in the query.
    constant : float, int or str, optional
        Its value, where it is known.
    geometry : Geometry, optional
        Its parts, where it is a geometry.
    origin : tuple, optional
        The source and its column (as SQL) where the value is a column unchanged.
    sources : frozenset of Source
        The tables of which it has columns.
    free : tuple, optional
        Name and place of a column in it that is neither grouped nor aggregated.
    condition : str, optional
        The condition of which the value is 1 or 0.
    test : Test, optional
        The geometrical test of which the value is 1 or 0.
    separation : tuple of Point, optional
        The points of which the value is the distance.
    multiple : tuple of Value and float, optional
        The value and the positive factor of which the value is the product.
    as_number : Value, optional
        The number that a literal string stands for, where the dialect lets it.
    frame : str, optional
        The coordinate system of a geometry as a query names it, in upper case; None where it names none.
    prefix : tuple of str and int, optional
        The whole number (as SQL) of which the value is the first bits, and how many bits are cut off.
    """

    sql: str
    column: Column
    sql_type: str
    kind: Kind
    position: int
    constant: float | int | str | None = None
    geometry: Geometry | None = None
    origin: tuple[Source, str] | None = None
    sources: frozenset[Source] = frozenset()
    free: tuple[str, int] | None = None
    condition: str | None = None
    test: Test | None = None
    separation: tuple[Point, Point] | None = None
    multiple: tuple[Value, float] | None = None
    as_number: Value | None = None
    frame: str | None = None
    prefix: tuple[str, int] | None = None


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
    """

    column: Column
    sql_type: str
    sql_names: tuple[str, ...]
    bound: str | None = None


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
    """

    sql: str
    fields: tuple[Field, ...]
    positions: frozenset[tuple[str, str]] = frozenset()
    unique: frozenset[str] = frozenset()
    rows: int = 0
    reaches: tuple[Reach, ...] = ()


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
    """

    name: Identifier
    alias: str
    relation: Relation
    by_name: dict[str, tuple[int, ...]]
    table: CatalogueTable | None = None
    full_name: bool = False
    hidden: set[int] = field(default_factory=set)
    merged: dict[int, str] = field(default_factory=dict)

    def places(self, wanted: Identifier) -> Sequence[int]:
        """Return the places of the fields that an identifier names."""
        places = self.by_name.get(wanted.text.lower(), ())
        if not places or not wanted.delimited:
            return places
        fields = self.relation.fields
        return [place for place in places if fields[place].column.name == wanted.text]

    def answers_to(self, name: Name) -> bool:
        """Whether the query may call the table so."""
        if len(name) == 1 and _same(name[0], self.name):
            return True
        if not self.full_name or self.table is None:
            return False
        parts = self.table.name.split(".")[-len(name) :]
        return len(parts) == len(name) and all(_equals(wanted, part) for wanted, part in zip(name, parts, strict=True))

    def sql(self, place: int) -> tuple[str, ...]:
        """Return the SQL of a field."""
        return tuple(f"{self.alias}.{name}" for name in self.relation.fields[place].sql_names)


def _equals(wanted: Identifier, name: str) -> bool:
    return wanted.text == name if wanted.delimited else wanted.text.lower() == name.lower()


def _same(first: Identifier, second: Identifier) -> bool:
    if first.delimited and second.delimited:
        return first.text == second.text
    return first.text.lower() == second.text.lower()


@dataclass(slots=True)
class Context:
    """What is one for a whole statement.

    Attributes
    ----------
    common_tables : dict
        Name, query and number of tables of each query of WITH, by its name in lower case.
    warnings : list of str
        Remarks for the person who wrote the query.
    reads : int
        How many tables the query reads so far.
    repeated : int
        How much SQL was written anew for names of the select list.
    """

    catalogue: Catalogue
    dialect: Dialect
    common_tables: dict[str, tuple[Identifier, Relation, int]] = field(default_factory=dict)
    tables: set[str] = field(default_factory=set)
    warnings: list[str] = field(default_factory=list)
    aliases: int = 0
    reads: int = 0
    repeated: int = 0

    def warn(self, text: str) -> None:
        """Add a remark, once."""
        if text not in self.warnings:
            self.warnings.append(text)

    def alias(self) -> str:
        """Return a new name for a table in SQL: names of the query never get there."""
        self.aliases += 1
        return f"t{self.aliases}"

    def common_table(self, name: Identifier) -> Relation | None:
        """Return the query of WITH that a name means."""
        found = self.common_tables.get(name.text.lower())
        if found is None or not _same(name, found[0]):
            return None
        self.read(found[2], name.position)
        return found[1]

    def read(self, tables: int, position: int) -> None:
        """Count tables that the query reads.

        PostgreSQL takes a query of WITH apart at each place where it is named, so that a few lines could ask for
        millions of tables.
        """
        self.reads += tables
        if self.reads > MAX_TABLES:
            hint = "Queries of WITH count each time that they are named."
            raise ADQLError(f"The query reads more than {MAX_TABLES} tables.", position, hint=hint)

    def repeat(self, sql: str, position: int) -> None:
        """Count SQL that is written anew where a name of the select list stands."""
        self.repeated += len(sql)
        if self.repeated > MAX_REPEATED:
            raise ADQLError("ORDER BY repeats too much of the select list.", position, hint="Use a subquery.")


class Results:
    """The columns of a select list by their names, for ORDER BY."""

    def __init__(self, names: Sequence[str], values: Sequence[Value]) -> None:
        self.names = names
        self.values = values
        self._by_name = places_by_name(names)

    def place(self, wanted: Identifier) -> int | None:
        """Return the place of the column that an identifier names; None if there is none.

        Raises
        ------
        ADQLError
            If it names several columns with different values.
        """
        places = self._by_name.get(wanted.text.lower(), ())
        found = [place for place in places if not wanted.delimited or self.names[place] == wanted.text]
        if len(found) > 1 and (len({self.values[place].sql for place in found}) > 1 or not self.values[found[0]].sql):
            raise _ambiguous((wanted,), "columns of the select list", "Give them aliases.")
        return found[0] if found else None

    def named(self, wanted: Identifier) -> Value | None:
        """Return the value that an identifier names."""
        place = self.place(wanted)
        return None if place is None else self.values[place]


@dataclass(slots=True)
class Scope:
    """The tables that names may refer to at one place, and those of the queries around it.

    Attributes
    ----------
    clause : str
        The clause being translated, for messages and for where aggregates may stand.
    grouping : frozenset of str, optional
        SQL of the values of GROUP BY, once WHERE is left.
    aggregated : bool
        Whether an aggregate was seen.
    fenced : set of Source
        Tables that are read behind a fence.
    reaches : tuple of Reach
        What WHERE says about rows of the queries around.
    results : Results, optional
        The select list, while ORDER BY is translated.
    called : dict
        The tables by the names by which the query calls them, in lower case.
    """

    context: Context
    parent: Scope | None
    sources: list[Source] = field(default_factory=list)
    clause: str = "FROM"
    grouping: frozenset[str] | None = None
    aggregated: bool = False
    fenced: set[Source] = field(default_factory=set)
    reaches: tuple[Reach, ...] = ()
    results: Results | None = None
    called: dict[str, list[Source]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.called = {}
        for source in self.sources:
            self.called.setdefault(source.name.text.lower(), []).append(source)

    def add(self, source: Source) -> None:
        """Add a table of FROM."""
        text = source.name.text
        others = self.called.setdefault(text.lower(), [])
        if any(_same(source.name, other.name) for other in others):
            raise ADQLError(f"Two tables are called {text}.", source.name.position, hint="Give one an alias.")
        others.append(source)
        self.sources.append(source)

    def has(self, wanted: Identifier) -> bool:
        """Whether a table of this scope has a column of a name."""
        return any(source.places(wanted) for source in self.sources)

    def narrowed(self, sources: Sequence[Source]) -> Scope:
        """Return the scope of an ON condition: only the tables of its join, and the queries around."""
        return replace(self, sources=list(sources), clause="ON")

    def outward(self) -> Iterator[Scope]:
        """Return this scope and those around it, the nearest first."""
        scope: Scope | None = self
        while scope is not None:
            yield scope
            scope = scope.parent

    def source(self, name: Name) -> Source:
        """Return the table that a qualifier means."""
        key = name[-1].text.lower()
        for scope in self.outward():
            found = [source for source in scope.called.get(key, ()) if source.answers_to(name)]
            if len(found) > 1:
                raise ADQLError(f"{_text(name)} may mean more than one table here.", name[0].position)
            if found:
                return found[0]
        known = [source.name.text for scope in self.outward() for source in scope.sources]
        listed = ", ".join(map(written_name, known[:_LISTED])) + (" …" if len(known) > _LISTED else "")
        hint = did_you_mean(_text(name), known, written_name) or f"The tables here are {listed}."
        raise ADQLError(f"There is no table {_text(name)} in FROM.", name[0].position, hint=hint)

    def column(self, name: Name) -> tuple[Source, int, Scope]:
        """Return table, place and scope of a column.

        Raises
        ------
        ADQLError
            If the name means no column, or more than one.
        """
        wanted = name[-1]
        if len(name) > 1:
            source = self.source(name[:-1])
            places = source.places(wanted)
            if len(places) == 1:
                scope = next(scope for scope in self.outward() if source in scope.sources)
                return source, places[0], scope
            if places:
                raise _ambiguous(name, f"columns of {_text(name[:-1])}", "Give them aliases where they are selected.")
            raise self._no_column(name, [source])
        for scope in self.outward():
            found = [
                (source, place)
                for source in scope.sources
                for place in source.places(wanted)
                if place not in source.hidden
            ]
            if len(found) > 1:
                listed = ", ".join(f"{s.name.text}.{s.relation.fields[p].column.name}" for s, p in found[:_LISTED])
                once = len({source for source, _ in found}) == len(found)
                hint = "Put the table first." if once else "Give them aliases where they are selected."
                raise _ambiguous(name, listed, hint)
            if found:
                return *found[0], scope
        raise self._no_column(name, [source for scope in self.outward() for source in scope.sources])

    def _no_column(self, name: Name, sources: Iterable[Source]) -> ADQLError:
        """Return the error for an unknown column."""
        known = [column.column.name for source in sources for column in source.relation.fields]
        hint = did_you_mean(name[-1].text, known, written_name)
        if hint is None and name[-1].delimited:
            hint = "Strings are written in single quotes, names in double quotes."
        return ADQLError(f"There is no column {_text(name)}.", name[0].position, hint=hint)


def _ambiguous(name: Name, candidates: str, hint: str) -> ADQLError:
    return ADQLError(f"The column {_text(name)} is ambiguous: {candidates}.", name[0].position, hint=hint)


def _text(name: Name) -> str:
    return ".".join(part.text for part in name)


def written_name(name: str) -> str:
    """Return a name as a query must write it: in quotes where it is not a regular identifier."""
    return name if is_regular_identifier(name) else identifier(name)


def _bound(column: CatalogueColumn) -> str | None:
    return identifier((column.sql_name or column.column.name) + BOUND_SUFFIX) if column.bounded else None


@lru_cache(maxsize=1024)
def table_relation(table: CatalogueTable) -> Relation:
    """Return a published table as a relation."""
    names = {column.column.name: identifier(column.sql_name or column.column.name) for column in table.columns}
    fields = tuple(Field(c.column, c.sql_type, (names[c.column.name],), _bound(c)) for c in table.columns)
    position = (names[table.position[0]], names[table.position[1]]) if table.position else None
    return Relation(
        sql=f"{identifier(table.physical[0])}.{identifier(table.physical[1])}",
        fields=fields,
        positions=frozenset({position} if position else ()),
        unique=frozenset(names[column.column.name] for column in table.columns if column.unique),
        rows=table.rows,
    )


def source_of(relation: Relation, name: Identifier, context: Context) -> Source:
    """Return a subquery or common table as a source."""
    by_name = places_by_name(entry.column.name for entry in relation.fields)
    return Source(name, context.alias(), relation, by_name)


def table_source(table: CatalogueTable, name: Identifier, context: Context, *, aliased: bool) -> Source:
    """Return a published table as a source."""
    context.tables.add(table.name)
    context.read(1, name.position)
    return Source(name, context.alias(), table_relation(table), table.by_name, table, full_name=not aliased)


def kind_of_field(entry: Field) -> Kind:
    """Return the kind of a field."""
    if len(entry.sql_names) == 2:
        return Kind.POINT
    return Kind.CIRCLE if len(entry.sql_names) == 3 else kind_of(entry.column, entry.sql_type)
