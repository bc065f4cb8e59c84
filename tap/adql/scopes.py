"""What the names of a query mean at each place of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

from tap.adql.catalogue import places_by_name
from tap.adql.context import Context
from tap.adql.errors import ADQLError, did_you_mean
from tap.adql.operands import Value
from tap.adql.relations import Reach, Relation, Source, same_name
from tap.adql.syntax import ast
from tap.adql.syntax.words import is_regular_identifier
from tap.adql.types import identifier

if TYPE_CHECKING:
    pass

_LISTED = 10
"""Names that a message lists."""


class Results:
    """The columns of a select list by their names, for ORDER BY."""

    def __init__(self, names: Sequence[str], values: Sequence[Value]) -> None:
        self.names = names
        self.values = values
        self._by_name = places_by_name(names)

    def place(self, wanted: ast.Identifier) -> int | None:
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

    def named(self, wanted: ast.Identifier) -> Value | None:
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
        if any(same_name(source.name, other.name) for other in others):
            raise ADQLError(f"Two tables are called {text}.", source.name.position, hint="Give one an alias.")
        others.append(source)
        self.sources.append(source)

    def has(self, wanted: ast.Identifier) -> bool:
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

    def source(self, name: ast.Name, column: ast.Identifier | None = None) -> tuple[Source, Scope]:
        """Return the table that a qualifier means, of a column where it is one, and the table's scope."""
        key = name[-1].text.lower()
        for scope in self.outward():
            found = [source for source in scope.called.get(key, ()) if source.answers_to(name)]
            if len(found) > 1:
                raise ADQLError(f"{_text(name)} may mean more than one table here.", name[0].position)
            if found:
                return found[0], scope
        known = [source.name.text for scope in self.outward() for source in scope.sources]
        listed = ", ".join(map(written_name, known[:_LISTED])) + (" …" if len(known) > _LISTED else "")
        hint = did_you_mean(_text(name), known, written_name) or f"The tables here are {listed}."
        if column is not None and self.context.catalogue.has((*name, column)):
            hint = f"If it is a string, write it in single quotes: '{_text((*name, column))}'."
        raise ADQLError(f"There is no table {_text(name)} in FROM.", name[0].position, hint=hint)

    def column(self, name: ast.Name) -> tuple[Source, int, Scope]:
        """Return table, place and scope of a column.

        Raises
        ------
        ADQLError
            If the name means no column, or more than one.
        """
        wanted = name[-1]
        if len(name) > 1:
            source, scope = self.source(name[:-1], wanted)
            places = source.places(wanted)
            if len(places) == 1:
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

    def _no_column(self, name: ast.Name, sources: Iterable[Source]) -> ADQLError:
        """Return the error for an unknown column."""
        known = [column.column.name for source in sources for column in source.relation.fields]
        qualifier = "".join(f"{written_name(part.text)}." for part in name[:-1])
        hint = did_you_mean(name[-1].text, known, lambda found: qualifier + written_name(found))
        if hint is None and name[-1].delimited:
            hint = "Strings are written in single quotes, names in double quotes."
        if hint is None:
            listed = ", ".join(map(written_name, known[:_LISTED])) + (" …" if len(known) > _LISTED else "")
            hint = f"The columns here are {listed}." if listed else None
            if hint and self.clause == "WHERE":
                hint += " Aliases of the select list are not known to WHERE."
        return ADQLError(f"There is no column {_text(name)}.", name[0].position, hint=hint)


def _ambiguous(name: ast.Name, candidates: str, hint: str) -> ADQLError:
    return ADQLError(f"The column {_text(name)} is ambiguous: {candidates}.", name[0].position, hint=hint)


def _text(name: ast.Name) -> str:
    return ".".join(part.text for part in name)


def written_name(name: str) -> str:
    """Return a name as a query must write it: in quotes where it is not a regular identifier."""
    return name if is_regular_identifier(name) else identifier(name)


Translate: TypeAlias = Callable[[ast.Value, Scope], Value]
"""Translates a value: modules that values are made of are handed it, for it cannot be imported there."""

Subquery: TypeAlias = Callable[[ast.Query, Scope], Relation]
"""Translates a query inside another, in the same way."""
