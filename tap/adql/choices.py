"""Values that are one of several: COALESCE, GREATEST and their like hand on type and metadata of what they choose."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from tap.adql.errors import ADQLError
from tap.adql.operands import Value, combined, double
from tap.adql.types import DOUBLE, Kind, arithmetic_type, number_column


def one_of(
    name: str,
    position: int,
    choices: Sequence[Value],
    write: Callable[[list[str]], str],
    *,
    others: Sequence[Value] = (),
) -> Value:
    """Return a value that is one of some others, which are scalars or arrays of one type.

    Parameters
    ----------
    name : str
        Of the function, for messages, and in lower case for the column.
    position : int
        Its place in the query.
    choices : sequence of Value
        At least one.
    write : callable
        Makes the SQL from that of the choices.
    others : sequence of Value
        What else stands in the SQL.

    Raises
    ------
    ADQLError
        If the choices are not of one kind.
    """
    known = [part for part in choices if part.kind is not Kind.NULL] or list(choices[:1])
    first = known[0]
    if first.kind is Kind.NULL:
        return replace(first, position=position)
    for part in known:
        if part.kind is not first.kind:
            raise ADQLError(
                f"{name} cannot choose between {first.kind.value} and {part.kind.value}, which is of another type.",
                part.position,
                hint="Convert one by CAST.",
            )
        if part.kind in (Kind.ARRAY, Kind.OPAQUE) and part.sql_type != first.sql_type:
            raise ADQLError(f"{name} does not take arrays of different types.", part.position)
    columns = [part.column for part in known if part.constant is None]  # constants are taken to be of their kind
    column = replace(
        first.column,
        name=name.lower(),
        utype=None,
        unit=_common([other.unit for other in columns]),
        ucd=_common([other.ucd for other in columns]),
        description=_common([other.description for other in columns]),
    )
    sql_type = first.sql_type
    written = [part.sql for part in choices]
    if first.kind is Kind.NUMBER:
        sql_type = arithmetic_type([part.sql_type for part in known])
        column = replace(column, datatype=number_column(sql_type).datatype, arraysize=None)
        if sql_type == DOUBLE:  # PostgreSQL would make real of real and integer
            written = [part.sql if part.kind is Kind.NULL else double(part) for part in choices]
    elif first.kind is Kind.TEXT:
        column = replace(column, arraysize="*")
    sql = f"({write(written)})::{sql_type}"
    return combined(sql, column, sql_type, first.kind, position, [*choices, *others])


def _common(texts: Sequence[str | None]) -> str | None:
    """Return what all texts are; None where they differ."""
    return texts[0] if len(set(texts)) == 1 else None
