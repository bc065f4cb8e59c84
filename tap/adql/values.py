"""Values: names, literals, operators and functions, with their types and metadata."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from tap.adql import ast
from tap.adql.calls import aggregate, call
from tap.adql.errors import ADQLError
from tap.adql.geometry import Circle, Geometry, Point, Stored
from tap.adql.operands import combined, double, instant, require
from tap.adql.scopes import Scope, Source, Value, kind_of_field
from tap.adql.shapes import cast_shape
from tap.adql.types import (
    DOUBLE,
    GEOMETRIES,
    TIMESTAMP,
    Kind,
    arithmetic_type,
    is_integer,
    number_column,
    number_literal,
    string_literal,
    text_column,
)
from tap.adql.units import conversion_factor, product_unit
from vo.core.tables import Column, Datatype

_INTEGER_RANGES = {"SMALLINT": 2**15, "INTEGER": 2**31, "BIGINT": 2**63}
_NUMBER_TYPES = {
    "SMALLINT": "smallint",
    "INTEGER": "integer",
    "BIGINT": "bigint",
    "REAL": "real",
    "DOUBLE": DOUBLE,
}
_MAX_LENGTH = 10_485_760


def value(node: ast.Value, scope: Scope) -> Value:
    """Translate a value.

    Raises
    ------
    ADQLError
        For unknown or ambiguous names, wrong arguments, and operands of types that do not go together.
    """
    translated = _TRANSLATORS[type(node)](node, scope)
    if scope.grouping and translated.free is not None and translated.sql in scope.grouping:
        return replace(translated, free=None)
    return translated


def field_value(source: Source, place: int, position: int, scope: Scope) -> Value:
    """Return the value of a column of a table of the scope."""
    field = source.relation.fields[place]
    sql = source.sql(place)
    plain = place not in source.merged
    kind = kind_of_field(field)
    mine = frozenset({source})

    def free(part: str) -> tuple[str, int] | None:
        return None if scope.grouping is not None and part in scope.grouping else (field.column.name, position)

    if len(sql) > 1:
        parts = [
            Value(
                part,
                number_column(DOUBLE),
                DOUBLE,
                Kind.NUMBER,
                position,
                origin=(source, name),
                sources=mine,
                free=free(part),
            )
            for part, name in zip(sql, field.sql_names, strict=True)
        ]
        point = Point(parts[0], parts[1])
        geometry: Geometry | None = point if kind is Kind.POINT else Circle(point, parts[2])
    else:
        geometry = Stored(kind, sql[0], field.sql_type) if kind in GEOMETRIES else None
    return Value(
        sql[0] if len(sql) == 1 else "",
        field.column,
        field.sql_type,
        kind,
        position,
        geometry=geometry,
        origin=(source, field.sql_names[0]) if plain and len(sql) == 1 else None,
        sources=mine,
        free=next((name for part in sql if (name := free(part))), None),
    )


# ---- names and literals ---------------------------------------------------------------------------------------------


def _column(node: ast.ColumnReference, scope: Scope) -> Value:
    if len(node.name) > 4:
        raise ADQLError("A column has at most four parts: catalogue, schema, table, column.", node.position)
    source, place, found = scope.column(node.name)
    translated = field_value(source, place, node.position, found)
    if found is scope:
        return translated
    if found.grouping is not None and translated.free is not None:
        raise ADQLError(f"The column {translated.free[0]} of the outer query is not in its GROUP BY.", node.position)
    return replace(translated, free=None)


def _number(node: ast.Number, _: Scope) -> Value:
    if not node.integer:
        return Value(number_literal(node.value), number_column(DOUBLE), DOUBLE, Kind.NUMBER, node.position, node.value)
    number = int(node.text)
    sql_type = "integer" if number < 2**31 else "bigint"
    return Value(str(number), number_column(sql_type), sql_type, Kind.NUMBER, node.position, number)


def _string(node: ast.String, _: Scope) -> Value:
    column = text_column()
    if not node.value.isascii():
        column = replace(column, datatype=Datatype.UNICODE_CHAR)
    return Value(string_literal(node.value), column, "text", Kind.TEXT, node.position, node.value)


def _null(node: ast.Null, _: Scope) -> Value:
    return Value("NULL", text_column(), "text", Kind.NULL, node.position)


def _boolean(node: ast.Boolean, _: Scope) -> Value:
    sql = "TRUE" if node.value else "FALSE"
    return Value(sql, Column("", Datatype.BOOLEAN), "boolean", Kind.BOOLEAN, node.position)


# ---- operators ------------------------------------------------------------------------------------------------------


def _signed(node: ast.Signed, scope: Scope) -> Value:
    operand = require(value(node.operand, scope), (Kind.NUMBER,), "A sign")
    if node.sign == "+":
        return replace(operand, origin=None)
    constant = operand.constant
    negative = None if constant is None else -constant  # type: ignore[operator]  # a number's constant is a number
    column = replace(operand.column, name="", ucd=None, utype=None)
    return combined(
        f"(-{operand.sql})", column, operand.sql_type, Kind.NUMBER, node.position, [operand], constant=negative
    )


def _arithmetic(node: ast.Arithmetic, scope: Scope) -> Value:
    operands = [require(value(part, scope), (Kind.NUMBER,), "Arithmetic") for part in node.operands]
    sql_type = arithmetic_type([part.sql_type for part in operands if part.kind is not Kind.NULL] or ["integer"])
    sql = operands[0].sql + "".join(
        f" {operator} {part.sql}" for operator, part in zip(node.operators, operands[1:], strict=True)
    )
    constants = [part.constant for part in operands]
    constant = None if None in constants else _folded(constants, node, operands, sql_type)
    units = [part.column.unit for part in operands]
    if node.operators[0] in "+-":
        unit = units[0] if len(set(units)) == 1 else None
    else:
        unit = product_unit(units, [part.constant is not None for part in operands], node.operators)
    column = replace(number_column(sql_type), unit=unit)
    return combined(f"({sql})", column, sql_type, Kind.NUMBER, node.position, operands, constant=constant)


def _folded(constants: Sequence[Any], node: ast.Arithmetic, operands: Sequence[Value], sql_type: str) -> float | int:
    """Return the value of a constant chain, whole numbers being divided as SQL does."""
    result: float | int = constants[0]
    for operator, number, operand in zip(node.operators, constants[1:], operands[1:], strict=True):
        if operator == "+":
            result += number
        elif operator == "-":
            result -= number
        elif operator == "*":
            result *= number
        elif number == 0:
            raise ADQLError("Division by zero.", operand.position)
        elif isinstance(result, int) and isinstance(number, int):
            result = abs(result) // abs(number) * (1 if (result < 0) == (number < 0) else -1)
        else:
            result /= number
    limit = {"smallint": 2**15, "integer": 2**31}.get(sql_type, 2**63)
    if is_integer(sql_type) and not -limit <= result < limit:
        raise ADQLError(f"The result {result} is out of range for {sql_type}.", node.position, hint="Write 1.0 for 1.")
    if math.isinf(result):
        raise ADQLError("The result is too large for a double.", node.position)
    return result


def _concatenation(node: ast.Concatenation, scope: Scope) -> Value:
    operands = [require(value(part, scope), (Kind.TEXT,), "||") for part in node.operands]
    sql = " || ".join(f"{part.sql}::text" if part.kind is Kind.NULL else part.sql for part in operands)
    constant = None
    if all(isinstance(part.constant, str) for part in operands):
        constant = "".join(str(part.constant) for part in operands)
    return combined(f"({sql})", text_column(), "text", Kind.TEXT, node.position, operands, constant=constant)


# ---- conversions ----------------------------------------------------------------------------------------------------


def _cast(node: ast.Cast, scope: Scope) -> Value:
    operand = value(node.operand, scope)
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
    require(operand, (Kind.NUMBER, Kind.TEXT, Kind.TIMESTAMP, Kind.BOOLEAN), f"CAST to {node.type_name}")
    sql = f"({operand.sql})::text"
    if operand.kind is Kind.TIMESTAMP:
        sql = f"pg_catalog.to_char({operand.sql}, 'YYYY-MM-DD\"T\"HH24:MI:SS.MS')"
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
    constant = operand.constant
    if constant is not None:
        try:
            number = float(constant)
            fits = math.isfinite(number) and abs(number) <= _INTEGER_RANGES.get(node.type_name, math.inf)
            if node.type_name == "REAL":
                fits = fits and abs(number) < 3.4028236e38
        except ValueError:
            fits = False
        if not fits:
            raise ADQLError(f"{str(constant)[:40]!r} is not a value of type {node.type_name}.", operand.position)
        if isinstance(constant, str):
            constant = number
        if is_integer(sql_type) and not isinstance(constant, int):
            constant = round(constant)
    sql = f"({operand.sql})::{sql_type}"
    if is_integer(sql_type) and operand.kind is Kind.TEXT:
        sql = f"({operand.sql})::numeric::{sql_type}"
    elif operand.kind is Kind.BOOLEAN and sql_type != "integer":
        sql = f"({operand.sql})::integer::{sql_type}"
    column = replace(number_column(sql_type, "cast"), unit=column.unit, ucd=column.ucd, description=column.description)
    return combined(sql, column, sql_type, Kind.NUMBER, node.position, [operand], constant=constant)


def _coalesce(node: ast.Coalesce, scope: Scope) -> Value:
    arguments = [value(part, scope) for part in node.arguments]
    known = [part for part in arguments if part.kind is not Kind.NULL] or arguments[:1]
    for part in known:
        require(part, (known[0].kind,), "COALESCE, whose first argument has another type,")
    if known[0].kind in GEOMETRIES:
        raise ADQLError("COALESCE does not take geometries.", known[0].position)
    sql_type = known[0].sql_type
    column = replace(known[0].column, name="coalesce", utype=None)
    if known[0].kind is Kind.NUMBER:
        sql_type = arithmetic_type([part.sql_type for part in known])
        column = replace(column, datatype=number_column(sql_type).datatype, arraysize=None)
    elif known[0].kind is Kind.TEXT:
        column = replace(column, arraysize="*")
    sql = f"COALESCE({', '.join(part.sql for part in arguments)})"
    return combined(sql, column, sql_type, known[0].kind, node.position, arguments)


def _in_unit(node: ast.InUnit, scope: Scope) -> Value:
    operand = require(value(node.operand, scope), (Kind.NUMBER,), "IN_UNIT")
    factor = conversion_factor(operand.column.unit, node.unit, node.position)
    constant = None if operand.constant is None else float(operand.constant) * factor
    column = Column("in_unit", Datatype.DOUBLE, None, None, node.unit, operand.column.ucd)
    sql = f"({double(operand)} * {number_literal(factor)})"
    return combined(sql, column, DOUBLE, Kind.NUMBER, node.position, [operand], constant=constant)


_TRANSLATORS: dict[type, Callable[[Any, Scope], Value]] = {
    ast.ColumnReference: _column,
    ast.Number: _number,
    ast.String: _string,
    ast.Null: _null,
    ast.Boolean: _boolean,
    ast.Signed: _signed,
    ast.Arithmetic: _arithmetic,
    ast.Concatenation: _concatenation,
    ast.Call: lambda node, scope: call(node, scope, value),
    ast.Aggregate: lambda node, scope: aggregate(node, scope, value),
    ast.Cast: _cast,
    ast.Coalesce: _coalesce,
    ast.InUnit: _in_unit,
}
