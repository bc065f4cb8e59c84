"""What a selection means: a query, or a table that was sent."""

# ruff: noqa: S608  (names of tables come from the catalogue)
from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from tap.adql import Catalogue, CatalogueTable, Dialect, Translation, translate
from tap.adql.syntax import ast
from tap.adql.syntax.parser import parse
from tap.adql.types import identifier
from tap.selection.errors import told_of
from uws.tasks.selections import SelectionRequest
from uws.tasks.targets import Target
from vo.core.errors import ParameterError

_NAME = re.compile(r'\s*(?:[A-Za-z][A-Za-z0-9_]*|"(?:[^"]|"")+")\s*(?:\.|\Z)', re.ASCII)
_MOST_PARTS = 3
_SHOWN = 3
"""Tables that the words for a query name."""


@dataclass(frozen=True, slots=True)
class Whole:
    """What a query is that selects columns of one table and all its rows.

    Attributes
    ----------
    table : str
        Published name of the table.
    columns : tuple of str
        Published names of the columns, in the order of the query's.
    position : tuple of int, optional
        Places of the columns under the table's index on the sky, if the query has both.
    rows : int
        Of the table.
    """

    table: str
    columns: tuple[str, ...]
    position: tuple[int, int] | None
    rows: int


@dataclass(frozen=True, slots=True)
class Queried:
    """A selection that the database reads.

    Attributes
    ----------
    parameter : str
        Name of the parameter with it.
    query : str
        ADQL.
    translation : Translation
        As the catalogue is now; tables that were sent are in it as if they were loaded.
    sent : frozenset of str
        The tables among its own that were sent, by their names in queries.
    whole : Whole, optional
        Of the simplest queries.
    top : int, optional
        Most rows, as the query says.
    source : str
        In words.
    """

    parameter: str
    query: str
    translation: Translation
    sent: frozenset[str]
    whole: Whole | None
    top: int | None
    source: str


@dataclass(frozen=True, slots=True)
class Sent:
    """A selection that is all of a table that was sent; `name` is the table's in queries."""

    name: str


@dataclass(frozen=True, slots=True)
class Given:
    """A selection that is one position, as the client gives it."""

    target: Target


Choice: TypeAlias = Queried | Sent | Given


def choose(
    selections: Mapping[str, SelectionRequest],
    sent: Sequence[CatalogueTable],
    catalogue: Catalogue,
    dialect: Dialect,
) -> dict[str, Choice]:
    """Return what each selection means; those are left out that are not required and for which nothing is left.

    Parameters
    ----------
    selections : mapping of str to SelectionRequest
        As the client says it, by names of inputs; names of targets are queries by now.
    sent : sequence of CatalogueTable
        Tables that came along, in their order.
    catalogue : Catalogue
        What is published.
    dialect : Dialect
        Of the queries.

    Raises
    ------
    ParameterError
        Naming the parameter that is wrong.
    """
    names = {table.name for table in sent}
    known = catalogue.extended(sent)
    chosen: dict[str, Choice] = {}
    for name, request in selections.items():
        if request.query is not None:
            chosen[name] = _query(request.parameter, request.query, names, known, dialect)
        elif isinstance(request.target, Target):
            chosen[name] = Given(request.target)
        elif request.table is not None:
            chosen[name] = _table(request.parameter, request.table, names, known, dialect)
    used = {table for choice in chosen.values() for table in _tables_of(choice)}
    left = [table.name for table in sent if table.name not in used]
    for name, request in selections.items():
        if name not in chosen:
            if not left and not request.required:
                continue
            if not left:
                raise ParameterError(
                    "UPLOAD", f"no table is left for input {name}.", hint="Each input takes an upload of its own."
                )
            chosen[name] = Sent(left.pop(0))
    if left:
        raise ParameterError(
            "UPLOAD",
            f"no input uses {left[0].upper()}." if len(left) == 1 else f"no input uses {len(left)} of the tables.",
            hint="Name it in a query or by TABLE, or leave it out.",
        )
    return chosen


def _tables_of(choice: Choice) -> frozenset[str]:
    match choice:
        case Queried():
            return choice.sent
        case Sent():
            return frozenset({choice.name})
    return frozenset()


def _query(parameter: str, query: str, names: set[str], catalogue: Catalogue, dialect: Dialect) -> Queried:
    with told_of(parameter):
        translation = translate(query, catalogue, dialect=dialect)
        tables = sorted(translation.tables)
        listed = ", ".join(tables[:_SHOWN]) + (" …" if len(tables) > _SHOWN else "")
        return Queried(
            parameter,
            query,
            translation,
            translation.tables & names,
            _whole(query, translation, catalogue, dialect),
            _top(parse(query, dialect).query),
            f"query of {listed}",
        )


def _table(parameter: str, text: str, names: set[str], catalogue: Catalogue, dialect: Dialect) -> Choice:
    with told_of(parameter):
        table = catalogue.find(_name(parameter, text))
        if table.name in names:
            return Sent(table.name)
        query = f"SELECT * FROM {written(table.name)}"
        translation = translate(query, catalogue, dialect=dialect)
        whole = _whole(query, translation, catalogue, dialect)
        return Queried(parameter, query, translation, frozenset(), whole, None, f"table {table.name}")


def _name(parameter: str, text: str) -> ast.Name:
    """Read the name of a table as a query would have it, each part with quotes or without."""
    parts: list[ast.Identifier] = []
    place = 0
    while (found := _NAME.match(text, place)) and len(parts) < _MOST_PARTS:
        place, word = found.end(), found[0].strip().removesuffix(".").strip()
        if word.startswith('"'):
            parts.append(ast.Identifier(0, word[1:-1].replace('""', '"'), delimited=True))
        else:
            parts.append(ast.Identifier(0, word, delimited=False))
        if not found[0].endswith("."):
            if place == len(text):
                return tuple(parts)
            break
    raise ParameterError(
        parameter,
        f"{text[:60]!r} is not the name of a table.",
        hint="Write SCHEMA.TABLE, or TAP_UPLOAD.NAME for a table that comes along. "
        "The tables are listed in tap_schema.tables.",
    )


def _top(query: ast.Query) -> int | None:
    body: ast.Select | ast.SetOperation | ast.Query = query
    while isinstance(body, ast.Query):
        body = body.body
    return body.top if isinstance(body, ast.Select) else None


def written(table: str) -> str:
    """Return the published name of a table as a query takes it, whatever its parts are."""
    schema, _, name = table.rpartition(".")
    return f"{identifier(schema)}.{identifier(name)}" if schema else identifier(name)


def _whole(query: str, translation: Translation, catalogue: Catalogue, dialect: Dialect) -> Whole | None:
    """Return the table and its columns if a query only selects some of them."""
    statement = parse(query, dialect)
    if statement.common_tables or statement.query.order_by or statement.query.offset is not None:
        return None
    match statement.query.body:
        case (
            ast.Select(
                distinct=False,
                top=None,
                tables=(ast.TableReference() as reference,),
                where=None,
                group_by=(),
                having=None,
            ) as select
        ):
            table = catalogue.find(reference.name)
        case _:
            return None
    places: list[int] = []
    for item in select.items:
        if isinstance(item, ast.Star):
            places += range(len(table.columns))
        elif isinstance(item.value, ast.ColumnReference):
            wanted = item.value.name[-1]
            found = [
                place
                for place in table.by_name.get(wanted.text.lower(), ())
                if not wanted.delimited or table.columns[place].column.name == wanted.text
            ]
            if len(found) != 1:
                return None
            places += found
        else:
            return None
    columns = tuple(table.columns[place].column.name for place in places)
    if len(columns) != len(translation.columns):
        return None
    position = None
    if table.position is not None and table.row_number is None and set(table.position) <= set(columns):
        position = (columns.index(table.position[0]), columns.index(table.position[1]))
    return Whole(table.name, columns, position, table.rows)
