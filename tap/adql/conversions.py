"""Conversions: CAST between types, COALESCE of several values, IN_UNIT."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from decimal import ROUND_HALF_UP, Decimal

from tap.adql.choices import one_of
from tap.adql.errors import ADQLError
from tap.adql.limits import MAX_TERMS, check_length
from tap.adql.operands import Value, combined, double, instant, require
from tap.adql.scopes import Scope, Translate
from tap.adql.sky.shapes import first_known
from tap.adql.sky.strings import cast_shape, shape_text
from tap.adql.syntax import ast
from tap.adql.types import (
    DOUBLE,
    GEOMETRIES,
    INTEGER_RANGES,
    TIMESTAMP,
    Kind,
    is_integer,
    number_column,
    number_literal,
)
from tap.adql.units import conversion_factor
from vo.core.tables import Column, Datatype

_NUMBER_TYPES = {
    "SMALLINT": "smallint",
    "INTEGER": "integer",
    "BIGINT": "bigint",
    "REAL": "real",
    "DOUBLE": DOUBLE,
}
_MAX_LENGTH = 10_485_760
_NUMERAL = re.compile(r"\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,4})?\s*", re.ASCII)
_LEAST_REAL = 2.0**-150
_LARGEST_REAL = 2.0**128 - 2.0**103


def cast(node: ast.Cast, scope: Scope, translate: Translate) -> Value:
    """Translate CAST.

    Raises
    ------
    ADQLError
        If values of this type have no equal in the other, or the constant has none.
    """
    operand = translate(node.operand, scope)
    if node.type_name in ("POINT", "CIRCLE", "POLYGON"):
        return cast_shape(node, operand)
    column = replace(operand.column, name="cast", utype=None)
    if node.type_name in _NUMBER_TYPES:
        require(operand, (Kind.NUMBER, Kind.TEXT, Kind.BOOLEAN), f"CAST to {node.type_name}")
        return _cast_number(node, operand, column)
    if node.type_name == "TIMESTAMP":
        require(operand, (Kind.TIMESTAMP, Kind.TEXT), "CAST to TIMESTAMP")
        column = replace(column, datatype=Datatype.CHAR, arraysize="*", xtype="timestamp")
        sql = f"({operand.sql})::{TIMESTAMP}"
        if isinstance(operand.constant, str):
            sql = instant(operand.constant, operand.position)
        return combined(sql, column, TIMESTAMP, Kind.TIMESTAMP, node.position, [operand])
    if node.type_name not in ("CHAR", "VARCHAR"):
        raise ADQLError(f"Values cannot be converted to {node.type_name}.", node.position)
    if operand.kind in GEOMETRIES or operand.kind is Kind.MOC:
        operand = replace(operand, sql=shape_text(operand), kind=Kind.TEXT)
    require(operand, (Kind.NUMBER, Kind.TEXT, Kind.TIMESTAMP, Kind.BOOLEAN), f"CAST to {node.type_name}")
    sql = f"({operand.sql})::text"
    if operand.kind is Kind.TIMESTAMP:
        digits = f"pg_catalog.to_char({operand.sql}, 'YYYY-MM-DD\"T\"HH24:MI:SS.US')"
        sql = f"pg_catalog.rtrim(pg_catalog.rtrim({digits}, '0'), '.')"  # as results show it
    arraysize = "*"
    if node.length is not None:
        if not 1 <= node.length <= _MAX_LENGTH:
            raise ADQLError(f"The length {node.length} is not between 1 and {_MAX_LENGTH}.", node.position)
        sql = f"pg_catalog.left({sql}, {node.length})"
        arraysize = f"{node.length}*" if node.type_name == "VARCHAR" else str(node.length)
    column = replace(column, datatype=Datatype.CHAR, arraysize=arraysize, xtype=None)
    return combined(sql, column, "text", Kind.TEXT, node.position, [operand])


def _cast_number(node: ast.Cast, operand: Value, column: Column) -> Value:
    """Convert to a number; constants are checked here rather than by the database."""
    sql_type = _NUMBER_TYPES[node.type_name]
    constant = None
    if operand.constant is not None:
        constant = _converted(operand.constant, sql_type)
        if constant is None:
            shown = str(operand.constant)[:40]
            shown = repr(shown) if operand.kind is Kind.TEXT else shown
            limit = INTEGER_RANGES.get(sql_type)
            hint = f"{node.type_name} goes from {-limit} to {limit - 1}." if limit else None
            raise ADQLError(f"{shown} is not a value of type {node.type_name}.", operand.position, hint=hint)
    sql = f"({operand.sql})::{sql_type}"
    if isinstance(operand.constant, str):
        sql = f"({constant!r})::{sql_type}"
    elif is_integer(sql_type) and operand.kind is Kind.TEXT:
        sql = f"({operand.sql})::numeric::{sql_type}"
    elif operand.kind is Kind.BOOLEAN and sql_type != "integer":
        sql = f"({operand.sql})::integer::{sql_type}"
    column = replace(number_column(sql_type, "cast"), unit=column.unit, ucd=column.ucd, description=column.description)
    return combined(sql, column, sql_type, Kind.NUMBER, node.position, [operand], constant=constant)


def _converted(constant: float | int | str, sql_type: str) -> float | int | None:
    """Return a constant in a type of numbers, rounded as PostgreSQL does; None if it is no value of the type."""
    if isinstance(constant, str):
        if _NUMERAL.fullmatch(constant) is None:
            return None
        exact = Decimal(constant.strip())
        number: float | int = float(exact)
        if is_integer(sql_type) and abs(number) < 2**64:
            number = int(exact.to_integral_value(ROUND_HALF_UP))
        elif number == 0 and exact != 0:
            return None
    else:
        number = round(constant) if is_integer(sql_type) else float(constant)
    if is_integer(sql_type):
        limit = INTEGER_RANGES[sql_type]
        return number if -limit <= number < limit else None
    if sql_type == "real" and not (number == 0 or _LEAST_REAL < abs(number) < _LARGEST_REAL):
        return None
    return number if math.isfinite(number) else None


def coalesce(node: ast.Coalesce, scope: Scope, translate: Translate) -> Value:
    """Translate COALESCE.

    Raises
    ------
    ADQLError
        If its arguments are not of one kind.
    """
    check_length(node.arguments, MAX_TERMS, "Values of COALESCE")
    arguments = [translate(part, scope) for part in node.arguments]
    known = [part for part in arguments if part.kind is not Kind.NULL]
    if known and (known[0].kind in GEOMETRIES or known[0].kind is Kind.MOC):
        for part in known:
            require(part, (known[0].kind,), "COALESCE, whose first argument has another type,")
        return first_known(node, known)
    return one_of("COALESCE", node.position, arguments, lambda written: f"COALESCE({', '.join(written)})")


def in_unit(node: ast.InUnit, scope: Scope, translate: Translate) -> Value:
    """Translate IN_UNIT.

    Raises
    ------
    ADQLError
        If the unit of the value is not known, or measures something else.
    """
    operand = require(translate(node.operand, scope), (Kind.NUMBER,), "IN_UNIT")
    factor = conversion_factor(operand.column.unit, node.unit, node.position)
    constant = None if operand.constant is None else float(operand.constant) * factor
    column = Column("in_unit", Datatype.DOUBLE, None, None, node.unit, operand.column.ucd)
    sql = f"({double(operand)} * {number_literal(factor)})"
    translated = combined(sql, column, DOUBLE, Kind.NUMBER, node.position, [operand], constant=constant)
    base, before = operand.multiple or (operand, 1.0)
    return replace(translated, multiple=(base, before * factor))
