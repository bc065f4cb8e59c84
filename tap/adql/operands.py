"""Translated values, and what operators and functions do with them as operands: check, convert, combine."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from tap.adql.errors import ADQLError
from tap.adql.types import DOUBLE, NULL_TYPES, TIMESTAMP, Kind, number_literal
from vo.core.tables import Column, Datatype

if TYPE_CHECKING:
    from tap.adql.relations import Source
    from tap.adql.sky.geometry import Geometry, Point, Test

_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?)?Z?", re.ASCII)


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
    stored : str, optional
        The column as it is stored (as SQL), NaN included, where `sql` is NULL for NaN.
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
    stored: str | None = None


def combined(  # noqa: PLR0917  (they are those of Value)
    sql: str,
    column: Column,
    sql_type: str,
    kind: Kind,
    position: int,
    operands: Sequence[Value],
    *,
    constant: float | int | str | None = None,
) -> Value:
    """Return a value made of others: it uses their tables and their ungrouped columns."""
    if kind is Kind.TEXT:
        column = wide_enough(column, [operand.column for operand in operands])
    return Value(
        sql,
        column,
        sql_type,
        kind,
        position,
        constant,
        sources=frozenset().union(*(operand.sources for operand in operands)),
        free=next((operand.free for operand in operands if operand.free is not None), None),
    )


def wide_enough(column: Column, others: Sequence[Column]) -> Column:
    """Return a column of strings that holds those of others too: ``char`` is ASCII alone (VOTable 1.5, section 2.1)."""
    if column.datatype is Datatype.CHAR and any(other.datatype is Datatype.UNICODE_CHAR for other in others):
        return replace(column, datatype=Datatype.UNICODE_CHAR)
    return column


def double(operand: Value) -> str:
    """Return a number as double precision."""
    if operand.sql_type == DOUBLE:
        return operand.sql
    if operand.constant is not None and operand.kind is Kind.NUMBER:
        return number_literal(float(operand.constant))
    return f"({operand.sql})::{DOUBLE}"


def instant(text: str, position: int) -> str:
    """Return a DALI timestamp as a literal of PostgreSQL."""
    try:
        if _INSTANT.fullmatch(text.strip()) is None:
            raise ValueError
        when = text.strip().removesuffix("Z")
        # Python reads three or six digits after the point, PostgreSQL keeps six.
        head, _, fraction = when.partition(".")
        moment = datetime.fromisoformat(head).replace(microsecond=int(fraction[:6].ljust(6, "0") or 0))
    except ValueError:
        hint = "Timestamps are written YYYY-MM-DDThh:mm:ss."
        raise ADQLError(f"{text[:60]!r} is not a timestamp.", position, hint=hint) from None
    return f"'{moment.isoformat()}'::{TIMESTAMP}"


def require(operand: Value, kinds: Sequence[Kind], what: str) -> Value:
    """Refuse an operand of another kind; NULL goes everywhere, in the type of the first kind."""
    if operand.kind in kinds:
        return operand
    if operand.as_number is not None and Kind.NUMBER in kinds:
        return operand.as_number
    if operand.kind is Kind.NULL:
        return typed_null(operand, NULL_TYPES.get(kinds[0]))
    wanted = " or ".join(kind.value for kind in kinds)
    raise ADQLError(f"{what} takes {wanted}, not {operand.kind.value}.", operand.position, hint=_cast(operand, kinds))


def _cast(operand: Value, kinds: Sequence[Kind]) -> str | None:
    """Return the hint that a conversion helps, where there is one."""
    if operand.kind not in NULL_TYPES:
        return None
    if Kind.TIMESTAMP in kinds:
        return "Timestamps are written 'YYYY-MM-DDThh:mm:ss', in quotes."
    if Kind.NUMBER in kinds and operand.kind in (Kind.TEXT, Kind.BOOLEAN):
        return "Convert it by CAST, such as CAST(x AS DOUBLE PRECISION)."
    return "Convert it by CAST(x AS VARCHAR)." if Kind.TEXT in kinds else None


def typed_null(operand: Value, sql_type: str | None) -> Value:
    """Return a NULL in a type of PostgreSQL, for which operators and functions are looked up."""
    return operand if sql_type is None else replace(operand, sql=f"NULL::{sql_type}", sql_type=sql_type)


def ungrouped(free: tuple[str, int]) -> ADQLError:
    """Return the error for a column that is neither grouped nor aggregated."""
    hint = "Add it to GROUP BY or put it into an aggregate such as MIN."
    return ADQLError(f"The column {free[0]} has many values in a group.", free[1], hint=hint)
