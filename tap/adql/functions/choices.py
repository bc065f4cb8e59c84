"""Functions that hand on one of their arguments: the result has its type and metadata."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tap.adql.errors import ADQLError
from tap.adql.functions.declaration import AS_IT_IS, DOUBLES, Called, Example, Function, Parameter, numeric, renamed
from tap.adql.operands import Value, combined
from tap.adql.types import Kind, arithmetic_type, number_column

_ANY = (Kind.NUMBER, Kind.TEXT, Kind.TIMESTAMP, Kind.BOOLEAN)


def _anything(name: str) -> Parameter:
    return Parameter(name, "ANY", _ANY, AS_IT_IS)


def _one_of(called: Called, choices: Sequence[Value], sql: str) -> Value:
    """Return what is one of some values."""
    known = [part for part in choices if part.kind is not Kind.NULL] or list(choices[:1])
    first = known[0]
    if first.kind is Kind.NULL:
        return replace(first, position=called.position)
    for part in known:
        if part.kind is not first.kind:
            message = f"{called.function.name} cannot choose between {first.kind.value} and {part.kind.value}."
            raise ADQLError(message, part.position, hint="Convert one by CAST.")
    units = {part.column.unit for part in known if part.constant is None} or {None}
    column = replace(first.column, name=called.function.name, utype=None, unit=units.pop() if len(units) == 1 else None)
    sql_type = first.sql_type
    if first.kind is Kind.NUMBER:
        sql_type = arithmetic_type([part.sql_type for part in known])
        column = replace(column, datatype=number_column(sql_type).datatype, arraysize=None)
    elif first.kind is Kind.TEXT:
        column = replace(column, arraysize="*")
    return combined(f"({sql})::{sql_type}", column, sql_type, first.kind, called.position, called.arguments)


def _listed(called: Called) -> Value:
    """Return GREATEST, LEAST or COALESCE of all arguments."""
    word = {"nvl": "COALESCE"}.get(called.function.name.removeprefix("esdc_"), "")
    word = word or called.function.name.removeprefix("esdc_").upper()
    return _one_of(called, called.arguments, f"{word}({', '.join(called.sql)})")


def _if_then_else(called: Called) -> Value:
    condition, first, second = called.arguments
    test = condition.condition or condition.sql
    if condition.condition is None and condition.kind is Kind.NUMBER:
        test = f"{condition.sql} <> 0"
    return _one_of(called, (first, second), f"CASE WHEN {test} THEN {called.sql[1]} ELSE {called.sql[2]} END")


def _nullif(called: Called) -> Value:
    return _one_of(called, called.arguments, f"NULLIF({', '.join(called.sql)})")


_PAIR = (_anything("v1"), _anything("v2"))
_OWN = (
    Function(
        "greatest",
        (numeric("v1"), numeric("v2")),
        "",
        DOUBLES,
        returns="NUMERIC",
        description="The greatest of two or more numbers, NULLs being left out.",
        form=_listed,
        variadic=True,
        examples=(Example("greatest(2, 3)", 3), Example("greatest(2.5, 1, NULL)", 2.5)),
    ),
    Function(
        "least",
        (numeric("v1"), numeric("v2")),
        "",
        DOUBLES,
        returns="NUMERIC",
        description="The least of two or more numbers, NULLs being left out.",
        form=_listed,
        variadic=True,
        examples=(Example("least(2, 3)", 2),),
    ),
    Function(
        "nvl",
        _PAIR,
        "",
        DOUBLES,
        returns="ANY",
        description="The first value, or the second where that is NULL; COALESCE in ADQL.",
        form=_listed,
        examples=(Example("nvl(NULL, 3)", 3),),
    ),
    Function(
        "esdc_nullif",
        _PAIR,
        "",
        DOUBLES,
        returns="ANY",
        description="The first value, but NULL where it equals the second.",
        form=_nullif,
        examples=(Example("esdc_nullif(2, 2)", None), Example("esdc_nullif('a', 'b')", "a")),
    ),
    Function(
        "if_then_else",
        (
            Parameter("condition", "BOOLEAN", (Kind.BOOLEAN, Kind.NUMBER), AS_IT_IS),
            _anything("output_value"),
            _anything("default_value"),
        ),
        "",
        DOUBLES,
        returns="ANY",
        description="The second argument where the first, a boolean column or a function such as CONTAINS that is 1 or "
        "0, is true; else the third.",
        form=_if_then_else,
        examples=(Example("if_then_else(CONTAINS(POINT(1, 1), CIRCLE(1, 1, 2)), 'near', 'far')", "near"),),
    ),
)
_WITH_PREFIX = ("greatest", "least", "if_then_else")
FUNCTIONS = (*_OWN, *(renamed(function, f"esdc_{function.name}") for function in _OWN if function.name in _WITH_PREFIX))
