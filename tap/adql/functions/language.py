"""The functions of ADQL itself (ADQL 2.1, sections 2.3 and 4.3), but for the geometrical ones."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from tap.adql.functions.declaration import TEXTS, Called, Function, Parameter, Unit, literal, number, text
from tap.adql.operands import Value, combined
from tap.adql.types import DOUBLE, Kind


def _maths(
    name: str, sql: str, arguments: str = "x", unit: Unit = Unit.NONE, fold: Callable[..., float] | None = None
) -> Function:
    """Declare a mathematical function; all of them yield a double (ADQL 2.1, section 2.3.1)."""
    return Function(name, tuple(map(number, arguments.split())), sql, unit=unit, fold=fold)


def _cased(called: Called) -> Value:
    """Return a string in other letters, with the metadata of the string."""
    argument = called.arguments[0]
    column = replace(argument.column if argument.kind is Kind.TEXT else TEXTS, name=called.function.name.lower())
    sql = called.function.sql.format(*called.sql)
    return combined(sql, replace(column, utype=None), "text", Kind.TEXT, called.position, called.arguments)


_PLACES = literal(Parameter("n", "INTEGER", (Kind.NUMBER,), "integer", low=-1000, high=1000))
# round and trunc of PostgreSQL take a number of places for the type numeric alone, which knows neither NaN's sign nor
# much of the range's ends; what is not finite stays as it is.
_TO_PLACES = (
    "CASE WHEN pg_catalog.abs({{0}}) < 'Infinity' THEN pg_catalog.{0}(({{0}})::numeric, ({{1}})::integer)::{1} "
    "ELSE {{0}} END"
)
_ROUNDED, _CUT = (f"({_TO_PLACES.format(name, DOUBLE)})" for name in ("round", "trunc"))

FUNCTIONS = (
    _maths("ABS", "pg_catalog.abs({0})", unit=Unit.OF_ARGUMENT, fold=abs),
    _maths("CEILING", "pg_catalog.ceil({0})", unit=Unit.OF_ARGUMENT, fold=math.ceil),
    _maths("DEGREES", "pg_catalog.degrees({0})", unit=Unit.DEGREE, fold=math.degrees),
    _maths("EXP", "pg_catalog.exp({0})", fold=math.exp),
    _maths("FLOOR", "pg_catalog.floor({0})", unit=Unit.OF_ARGUMENT, fold=math.floor),
    _maths("LOG", "pg_catalog.ln({0})", fold=math.log),
    _maths("LOG10", "pg_catalog.log({0})", fold=math.log10),
    _maths("MOD", f"pg_catalog.mod(({{0}})::numeric, ({{1}})::numeric)::{DOUBLE}", "x y", Unit.OF_ARGUMENT, math.fmod),
    _maths("PI", "pg_catalog.pi()", "", fold=lambda: math.pi),
    _maths("POWER", "pg_catalog.power({0}, {1})", "x y", Unit.POWER, math.pow),
    _maths("RADIANS", "pg_catalog.radians({0})", unit=Unit.RADIAN, fold=math.radians),
    _maths("SQRT", "pg_catalog.sqrt({0})", unit=Unit.ROOT, fold=math.sqrt),
    _maths("RAND", "pg_catalog.random()", ""),
    _maths("RAND", "pg_catalog.random()"),
    _maths("ROUND", "pg_catalog.round({0})", unit=Unit.OF_ARGUMENT),
    Function("ROUND", (number("x"), _PLACES), _ROUNDED, unit=Unit.OF_ARGUMENT),
    _maths("TRUNCATE", "pg_catalog.trunc({0})", unit=Unit.OF_ARGUMENT, fold=math.trunc),
    Function("TRUNCATE", (number("x"), _PLACES), _CUT, unit=Unit.OF_ARGUMENT),
    _maths("ACOS", "pg_catalog.acos({0})", unit=Unit.RADIAN, fold=math.acos),
    _maths("ASIN", "pg_catalog.asin({0})", unit=Unit.RADIAN, fold=math.asin),
    _maths("ATAN", "pg_catalog.atan({0})", unit=Unit.RADIAN, fold=math.atan),
    _maths("ATAN2", "pg_catalog.atan2({0}, {1})", "y x", Unit.RADIAN, math.atan2),
    _maths("COS", "pg_catalog.cos({0})", fold=math.cos),
    _maths("COT", "pg_catalog.cot({0})"),
    _maths("SIN", "pg_catalog.sin({0})", fold=math.sin),
    _maths("TAN", "pg_catalog.tan({0})", fold=math.tan),
    Function("LOWER", (text("s"),), "pg_catalog.lower({0})", TEXTS, "text", "TEXT", form=_cased),
    Function("UPPER", (text("s"),), "pg_catalog.upper({0})", TEXTS, "text", "TEXT", form=_cased),
)
