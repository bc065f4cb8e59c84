"""What a query hands on: its columns in SQL, for the client or for the query around it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from typing import NamedTuple

from tap.adql.limits import MAX_POSITIONS
from tap.adql.operands import Value
from tap.adql.relations import Field, Source
from tap.adql.scopes import Scope
from tap.adql.sky.geometry import Stored, as_circle, as_point, dali_array, polygon_array
from tap.adql.types import DOUBLE, GEOMETRIES, UNKNOWN, Kind, client_type


class SelectList(NamedTuple):
    """A select list in SQL.

    Attributes
    ----------
    sql : str
        Its text.
    fields : tuple of Field
        The columns of the query.
    columns : list of list of tuple
        For each field the names and values of its columns in SQL.
    """

    sql: str
    fields: tuple[Field, ...]
    columns: list[list[tuple[str, Value]]]


def client_sql(part: Value) -> str:
    """Return a value in the type that the client gets."""
    if part.kind in GEOMETRIES:
        return dali_array(part)
    wanted = client_type(part.column)
    if wanted is None or part.sql_type == "bytea" or (wanted == part.sql_type and part.kind is not Kind.NULL):
        return f"{part.sql}::text" if part.kind is Kind.TEXT and isinstance(part.constant, str) else _unchanged(part)
    return f"({_unchanged(part)})::{wanted}"


def _unchanged(part: Value) -> str:
    """Return a value as it is handed on: a column's NaN is unknown to conditions alone."""
    return part.sql if part.stored is None else part.stored


def select_list(values: Sequence[Value], names: Sequence[str], *, final: bool, canonical: bool) -> SelectList:
    """Write a select list.

    Parameters
    ----------
    names : sequence of str
        Names of the values for the client.
    final : bool
        Whether the client gets the values, not another query.
    canonical : bool
        Whether equal geometries must be equal columns, as for DISTINCT and set operations.
    """
    written: list[str] = []
    fields = []
    exported = []
    for i, (part, name) in enumerate(zip(values, names, strict=True)):
        if final:
            written.append(f"{client_sql(part)} AS c{i}")
            columns, sql_type = [(f"c{i}", part)], part.sql_type
        else:
            parts, sql_type = _exported(part, canonical=canonical)
            labels = [f"c{i}"] if len(parts) == 1 else [f"c{i}_{k}" for k in range(len(parts))]
            written += [f"{_unchanged(one)} AS {label}" for one, label in zip(parts, labels, strict=True)]
            columns = list(zip(labels, parts, strict=True))
        exported.append(columns)
        column = part.column if part.column.name == name else replace(part.column, name=name)
        fields.append(Field(column, sql_type, tuple(label for label, _ in columns), nan=part.stored is not None))
    return SelectList(", ".join(written), tuple(fields), exported)


def _exported(part: Value, *, canonical: bool) -> tuple[list[Value], str]:
    """Return the columns by which a subquery hands on a value.

    Points and circles are handed on as numbers, so that an index on their coordinates is reached through the subquery.
    """
    if part.kind not in GEOMETRIES:
        if part.kind is Kind.NULL:
            return [replace(part, sql=f"({part.sql})::text")], UNKNOWN
        if part.kind is Kind.TEXT and part.constant is not None:
            return [replace(part, sql=f"{part.sql}::text")], part.sql_type
        return [part], part.sql_type
    if isinstance(part.geometry, Stored) and not canonical:
        return [part], part.sql_type
    if part.kind is Kind.POINT:
        point = as_point(part)
        return _without_nan(point.lon, point.lat), DOUBLE
    if part.kind is Kind.CIRCLE:
        circle = as_circle(part)
        return _without_nan(circle.centre.lon, circle.centre.lat, circle.radius), DOUBLE
    return [replace(part, sql=polygon_array(part))], f"{DOUBLE}[]"


def _without_nan(*parts: Value) -> list[Value]:
    """Return the numbers of a shape, which is an expression: a column's NaN is unknown there."""
    return [replace(part, stored=None) for part in parts]


def indexed_pairs(selected: SelectList, scope: Scope) -> frozenset[tuple[str, str]]:
    """Return the pairs of columns of a select list that are columns under an index; none reaches over a fence."""
    by_origin: dict[tuple[Source, str], list[str]] = {}
    for columns in selected.columns:
        for label, part in columns:
            if part.origin is not None and part.origin[0] not in scope.fenced:
                by_origin.setdefault(part.origin, []).append(label)
    pairs = (
        (lon, lat)
        for source in dict.fromkeys(source for source, _ in by_origin)
        for first, second in sorted(source.relation.positions)
        for lon in by_origin.get((source, first), ())
        for lat in by_origin.get((source, second), ())
    )
    return frozenset(islice(pairs, MAX_POSITIONS))


def unique_columns(selected: SelectList, scope: Scope) -> frozenset[str]:
    """Return the columns of a select list that stay unique: those of the only table."""
    if len(scope.sources) != 1:
        return frozenset()
    return frozenset(
        label
        for columns in selected.columns
        for label, part in columns
        if part.origin is not None and part.origin[1] in part.origin[0].relation.unique
    )
