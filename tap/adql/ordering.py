"""GROUP BY and ORDER BY: names and numbers of the select list, and what may stand beside groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate

from tap.adql.conditions import align
from tap.adql.errors import ADQLError, did_you_mean
from tap.adql.operands import Value, ungrouped
from tap.adql.relations import Relation, kind_of_field, means
from tap.adql.scopes import Results, Scope, written_name
from tap.adql.sky.geometry import Stored, parts_of
from tap.adql.syntax import ast
from tap.adql.types import Kind
from tap.adql.values import value

# ---- GROUP BY ------------------------------------------------------------------------------------------------------


def group_keys(node: ast.Select, scope: Scope) -> list[str]:
    """Translate GROUP BY; a name is a column of the tables, or else an alias of the select list."""
    if not node.group_by:
        return []
    scope.clause = "GROUP BY"
    written: list[str] = []
    meant = {id(term): term for term in (_group_term(term, node, scope) for term in node.group_by)}
    for term in meant.values():
        grouped = value(term, scope)
        stored = isinstance(grouped.geometry, Stored) and not grouped.geometry.sql_type.endswith("[]")
        if stored or grouped.kind is Kind.MOC:
            hint = "Group by a column that tells the rows apart, such as an identifier."
            whose = " of a table" if stored else ""
            raise ADQLError(f"GROUP BY does not take {grouped.kind.value}{whose}.", term.position, hint=hint)
        parts = parts_of(grouped.geometry) or [grouped]
        written += [sorting(part) for part in parts]
    scope.grouping = frozenset(written)
    return list(dict.fromkeys(written))


def _group_term(term: ast.Value, node: ast.Select, scope: Scope) -> ast.Value:
    """Return the value that a term of GROUP BY means."""
    if isinstance(term, ast.Number) and term.integer:
        place = int(term.text)
        item = node.items[place - 1] if 1 <= place <= len(node.items) else None
        if item is None or any(isinstance(item, ast.Star) for item in node.items[:place]):
            raise ADQLError(f"GROUP BY {place}: there is no such item in the select list.", term.position)
        return item.value if isinstance(item, ast.Item) else term
    if isinstance(term, ast.ColumnReference) and len(term.name) == 1:
        wanted = term.name[0]
        if not any(source.places(wanted) for source in scope.sources):
            for item in node.items:
                if isinstance(item, ast.Item) and item.alias is not None and means(wanted, item.alias.text):
                    return item.value
    return term


def sorting(part: Value) -> str:
    """Return a value for GROUP BY and ORDER BY: PostgreSQL takes a bare constant for the number of a column."""
    return part.sql if part.sources and not part.sql.startswith("'") else f"({part.sql})::{part.sql_type}"


def check_grouped(values: Sequence[Value]) -> None:
    """Refuse columns that have many values in a group."""
    for part in values:
        if part.free is not None:
            raise ungrouped(part.free)


# ---- ORDER BY ------------------------------------------------------------------------------------------------------


def order_keys(
    terms: Sequence[ast.OrderTerm],
    results: Results,
    columns: Sequence[Sequence[tuple[str, Value]]],
    scope: Scope,
    *,
    distinct: bool,
) -> list[str]:
    """Translate ORDER BY: numbers of columns of the result in SQL, and other values.

    Parameters
    ----------
    results : Results
        The select list.
    columns : sequence of sequence of tuple
        For each of its values the names and values of its columns in SQL.
    distinct : bool
        Whether nothing but the select list can be ordered by.
    """
    scope.clause, scope.results = "ORDER BY", results
    starts = _starts([len(parts) for parts in columns])
    by_sql = {part.sql: place for place, part in reversed(list(enumerate(results.values))) if part.sql}
    keys = []
    for term in terms:
        place = _result_place(term.value, results)
        if place is None:
            key = value(term.value, scope)
            place = by_sql.get(key.sql)
        if place is not None:
            align([replace(results.values[place], position=term.position)], "ORDER BY")
            text = str(starts[place])
        elif key.constant is not None or key.kind is Kind.NULL:
            scope.context.warn("ORDER BY a constant has no effect: columns are called by name or number.")
            continue
        elif distinct:
            raise ADQLError("SELECT DISTINCT can only be ordered by its own columns.", term.position)
        else:
            if scope.aggregated or scope.grouping is not None:
                check_grouped([key])
            text = sorting(align([key], "ORDER BY")[0])
        keys.append(f"{text} DESC" if term.descending else text)
    return keys


def _starts(counts: Sequence[int]) -> list[int]:
    """Return the number in SQL of the first column of each result column."""
    return list(accumulate(counts, initial=1))[:-1]


def _result_place(node: ast.Value, results: Results) -> int | None:
    """Return the place of the result column that a key names by number or name."""
    if isinstance(node, ast.Number) and node.integer:
        place = int(node.text)
        if not 1 <= place <= len(results.names):
            columns = "one column" if len(results.names) == 1 else f"{len(results.names)} columns"
            raise ADQLError(f"ORDER BY {place}: the result has {columns}.", node.position)
        return place - 1
    if isinstance(node, ast.ColumnReference) and len(node.name) == 1:
        return results.place(node.name[0])
    return None


def order_of_columns(terms: Sequence[ast.OrderTerm], relation: Relation) -> str:
    """Return ORDER BY after a set operation, which takes columns of the result only."""
    if not terms:
        return ""
    names = [entry.column.name for entry in relation.fields]
    values = [
        Value(str(place), entry.column, entry.sql_type, kind_of_field(entry), 0)
        for place, entry in enumerate(relation.fields)
    ]
    results = Results(names, values)
    starts = _starts([len(entry.sql_names) for entry in relation.fields])
    keys = []
    for term in terms:
        place = _result_place(term.value, results)
        if place is None:
            hint = None
            if isinstance(term.value, ast.ColumnReference):
                hint = did_you_mean(term.value.name[-1].text, names, written_name)
            raise ADQLError("A set operation is ordered by columns of its result.", term.position, hint=hint)
        align([replace(values[place], position=term.position)], "ORDER BY")
        keys.append(f"{starts[place]}{' DESC' if term.descending else ''}")
    return f" ORDER BY {', '.join(keys)}"
