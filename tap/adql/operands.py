"""What operators and functions do with their operands: check, convert, combine."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from tap.adql.errors import ADQLError
from tap.adql.scopes import Value
from tap.adql.types import DOUBLE, NULL_TYPES, TIMESTAMP, Kind, number_literal
from vo.core.tables import Column, Datatype

_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?)?Z?", re.ASCII)


def combined(  # noqa: PLR0917
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
