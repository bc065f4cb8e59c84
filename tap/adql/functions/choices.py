"""Functions that hand on one of their arguments: the result has its type and metadata."""

from __future__ import annotations

from tap.adql.choices import one_of
from tap.adql.functions.declaration import AS_IT_IS, DOUBLES, Called, Example, Function, Parameter, numeric, renamed
from tap.adql.operands import Value
from tap.adql.types import Kind

_ANY = (Kind.NUMBER, Kind.TEXT, Kind.TIMESTAMP, Kind.BOOLEAN)


def _anything(name: str) -> Parameter:
    return Parameter(name, "ANY", _ANY, AS_IT_IS)


def _listed(called: Called) -> Value:
    """Return GREATEST, LEAST, NULLIF or COALESCE of all arguments."""
    name = called.function.name
    word = {"nvl": "COALESCE"}.get(name, name.removeprefix("esdc_").upper())
    return one_of(name, called.position, called.arguments, lambda written: f"{word}({', '.join(written)})")


def _if_then_else(called: Called) -> Value:
    condition, *choices = called.arguments
    test = condition.condition or condition.sql
    if condition.condition is None and condition.kind is Kind.NUMBER:
        test = f"{condition.sql} <> 0"

    def write(written: list[str]) -> str:
        return f"CASE WHEN {test} THEN {written[0]} ELSE {written[1]} END"

    return one_of(called.function.name, called.position, choices, write, others=[condition])


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
        form=_listed,
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
