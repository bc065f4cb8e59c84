"""Values: names, literals, operators and functions, with their types and metadata."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from tap.adql.calls import aggregate, call
from tap.adql.conversions import cast, coalesce, in_unit
from tap.adql.errors import ADQLError
from tap.adql.limits import MAX_COORDINATE, MAX_EXPRESSION
from tap.adql.operands import Value, combined, double, require, typed_null
from tap.adql.relations import Source, kind_of_field
from tap.adql.scopes import Scope
from tap.adql.sky.geometry import Circle, Geometry, Point, Stored, parts_of
from tap.adql.syntax import ast
from tap.adql.types import (
    DOUBLE,
    GEOMETRIES,
    INTEGER_RANGES,
    UNKNOWN,
    Kind,
    arithmetic_type,
    is_integer,
    number_column,
    number_literal,
    string_literal,
    text_column,
)
from tap.adql.units import product_unit
from vo.core.tables import Column, Datatype

_NUMERIC = re.compile(r"\s*[+-]?(?:\d{1,300}\.?\d{0,300}|\.\d{1,300})(?:[eE][+-]?\d{1,2})?\s*", re.ASCII)
_BEYOND_BIGINT = str(2**63)
"""The one number that is a bigint with a minus before it only."""


def value(node: ast.Value, scope: Scope) -> Value:
    """Translate a value.

    Raises
    ------
    ADQLError
        For unknown or ambiguous names, wrong arguments, and operands of types that do not go together.
    """
    translated = _TRANSLATORS[type(node)](node, scope)
    parts = () if translated.geometry is None else [len(part.sql) for part in parts_of(translated.geometry)]
    scope.context.write(len(translated.sql) + sum(parts), node.position)
    if len(translated.sql) > MAX_EXPRESSION or max(parts, default=0) > MAX_COORDINATE:
        hint = "Compute its parts in a subquery of FROM, and call them by their names."
        raise ADQLError("This expression is too long once it is translated.", node.position, hint=hint)
    if scope.grouping and translated.free is not None and translated.sql in scope.grouping:
        return replace(translated, free=None)
    return translated


def field_value(source: Source, place: int, position: int, scope: Scope, *, qualified: bool = False) -> Value:
    """Return the value of a column of a table of the scope.

    Parameters
    ----------
    qualified : bool
        Whether the query names its table: then it is this table's alone, even where FULL JOIN merged it with another.
    """
    field = source.relation.fields[place]
    plain = qualified or place not in source.merged
    sql = source.sql(place) if plain else (source.merged[place],)
    kind = kind_of_field(field)
    if kind is Kind.NULL:
        return Value("NULL", field.column, UNKNOWN, kind, position)
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
        bound = None if field.bound is None else f"{source.alias}.{field.bound}"
        geometry = Stored(kind, sql[0], field.sql_type, bound) if kind in GEOMETRIES else None
    known, stored = sql[0] if len(sql) == 1 else "", None
    if field.nan and kind is Kind.NUMBER:
        known, stored = f"NULLIF({known}, 'NaN')", known if plain and scope.grouping is None else None
    return Value(
        known,
        field.column,
        field.sql_type,
        kind,
        position,
        geometry=geometry,
        origin=(source, field.sql_names[0]) if plain and len(sql) == 1 else None,
        sources=mine,
        free=next((name for part in ((known,) if len(sql) == 1 else sql) if (name := free(part))), None),
        stored=stored,
    )


# ---- names and literals ---------------------------------------------------------------------------------------------


def _column(node: ast.ColumnReference, scope: Scope) -> Value:
    if scope.clause == "ORDER BY" and scope.results and len(node.name) == 1 and not scope.has(node.name[0]):
        named = scope.results.named(node.name[0])
        if named is not None:
            scope.context.repeat(named.sql, node.position)
            return replace(named, position=node.position, constant=None)
    source, place, found = scope.column(node.name)
    translated = field_value(source, place, node.position, found, qualified=len(node.name) > 1)
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


def _string(node: ast.String, scope: Scope) -> Value:
    column = text_column()
    if not node.value.isascii():
        column = replace(column, datatype=Datatype.UNICODE_CHAR)
    text = Value(string_literal(node.value), column, "text", Kind.TEXT, node.position, node.value)
    if not scope.context.dialect.numeric_strings or _NUMERIC.fullmatch(node.value) is None:
        return text
    digits = node.value.strip()
    whole = digits.isdigit() and int(digits) < 2**63
    return replace(text, as_number=_number(ast.Number(node.position, float(digits), digits, integer=whole), scope))


def _null(node: ast.Null, _: Scope) -> Value:
    return Value("NULL", text_column(), UNKNOWN, Kind.NULL, node.position)


def _boolean(node: ast.Boolean, _: Scope) -> Value:
    sql = "TRUE" if node.value else "FALSE"
    return Value(sql, Column("", Datatype.BOOLEAN), "boolean", Kind.BOOLEAN, node.position)


# ---- operators ------------------------------------------------------------------------------------------------------


def _signed(node: ast.Signed, scope: Scope) -> Value:
    if node.sign == "-" and isinstance(node.operand, ast.Number) and node.operand.text == _BEYOND_BIGINT:
        least = -int(_BEYOND_BIGINT)
        column = number_column("bigint")
        return Value(f"({least})::bigint", column, "bigint", Kind.NUMBER, node.position, constant=least)
    operand = require(value(node.operand, scope), (Kind.NUMBER,), "A sign")
    if node.sign == "+":
        return replace(operand, origin=None)
    constant = operand.constant
    negative = None if constant is None else -constant  # type: ignore[operator]  # a number's constant is a number
    # PostgreSQL reads a number with its sign. A byte has no sign, so that its negative is a short.
    sql_type = "integer" if negative == -(2**31) and isinstance(node.operand, ast.Number) else operand.sql_type
    column = replace(number_column(sql_type), unit=operand.column.unit)
    return combined(f"(-{operand.sql})", column, sql_type, Kind.NUMBER, node.position, [operand], constant=negative)


def _arithmetic(node: ast.Arithmetic, scope: Scope) -> Value:
    operands = [require(value(part, scope), (Kind.NUMBER,), "Arithmetic") for part in node.operands]
    sql_type = arithmetic_type([part.sql_type for part in operands if part.kind is not Kind.NULL] or ["integer"])
    operands = [_of_type(part, sql_type) for part in operands]
    sql = operands[0].sql + "".join(
        f" {operator} {part.sql}" for operator, part in zip(node.operators, operands[1:], strict=True)
    )
    for operator, part in zip(node.operators, operands[1:], strict=True):
        if operator == "/" and part.constant == 0:
            raise ADQLError("Division by zero.", part.position)
    constant = None if any(part.constant is None for part in operands) else _folded(node, operands, scope)
    units = [part.column.unit for part in operands]
    if node.operators[0] in "+-":
        unit = units[0] if len(set(units)) == 1 else None
    else:
        unit = product_unit(units, [part.constant is not None for part in operands], node.operators)
    column = replace(number_column(sql_type), unit=unit)
    translated = combined(f"({sql})", column, sql_type, Kind.NUMBER, node.position, operands, constant=constant)
    multiple = None if constant is not None or is_integer(sql_type) else _multiple(operands, node.operators)
    return translated if multiple is None else replace(translated, multiple=multiple)


def _multiple(operands: Sequence[Value], operators: Sequence[str]) -> tuple[Value, float] | None:
    """Return the only operand of a product that varies and the positive factor before it; None for other chains."""
    variable = [place for place, part in enumerate(operands) if part.constant is None]
    if len(variable) != 1 or not set(operators) <= {"*", "/"}:
        return None
    place = variable[0]
    inexact = next(place for place, part in enumerate(operands) if not is_integer(part.sql_type))
    if (place and operators[place - 1] == "/") or "/" in operators[: max(inexact - 1, 0)]:
        return None  # a division of integers drops the rest
    base, factor = operands[place].multiple or (operands[place], 1.0)
    for operator, part in zip(("*", *operators), operands, strict=True):
        constant = 1.0 if part.constant is None else float(part.constant)
        if constant <= 0:
            return None
        factor = factor * constant if operator == "*" else factor / constant
    return (base, factor) if 0 < factor < math.inf else None


def _of_type(part: Value, sql_type: str) -> Value:
    """Return an operand of a chain of a type: NULL takes it, and PostgreSQL's numeric is ours to make double."""
    if part.kind is Kind.NULL:
        return typed_null(part, sql_type)
    return replace(part, sql=double(part), sql_type=DOUBLE) if part.sql_type.startswith("numeric") else part


def _folded(node: ast.Arithmetic, operands: Sequence[Value], scope: Scope) -> float | int:
    """Return the value of a constant chain: each step has the type of its two sides, as in the database."""
    result: Any = operands[0].constant
    sql_type = operands[0].sql_type
    for operator, operand in zip(node.operators, operands[1:], strict=True):
        number: Any = operand.constant
        sql_type = arithmetic_type([sql_type, operand.sql_type])
        before = result
        match operator:
            case "+":
                result += number
            case "-":
                result -= number
            case "*":
                result *= number
            case _ if not is_integer(sql_type):
                result /= number
            case _:
                result = abs(result) // abs(number) * (1 if (result < 0) == (number < 0) else -1)
                if result * number != before:
                    fraction = f"{before}/{number}"
                    scope.context.warn(f"{fraction} is {result}: write {fraction}.0 to keep the fraction.")
        _check_range(result, sql_type, node.position)
        if operator in "*/" and result == 0 and before != 0 and number != 0 and not is_integer(sql_type):
            raise ADQLError("The result is too small for a double.", node.position)
    return result  # type: ignore[no-any-return]  # a number's constant is a number


def _check_range(result: float | int, sql_type: str, position: int) -> None:
    """Refuse a number that its type does not hold."""
    if is_integer(sql_type):
        limit = INTEGER_RANGES[sql_type]
        if not -limit <= result < limit:
            raise ADQLError(f"The result {result} is out of range for {sql_type}.", position, hint="Write 1.0 for 1.")
    elif not math.isfinite(result):
        raise ADQLError("The result is too large for a double.", position)


def _concatenation(node: ast.Concatenation, scope: Scope) -> Value:
    operands = [require(value(part, scope), (Kind.TEXT,), "||") for part in node.operands]
    sql = _halved([part.sql for part in operands])
    constant = None
    if all(isinstance(part.constant, str) for part in operands):
        constant = "".join(str(part.constant) for part in operands)
    return combined(f"({sql})", text_column(), "text", Kind.TEXT, node.position, operands, constant=constant)


def _halved(texts: list[str]) -> str:
    """Join strings in halves: PostgreSQL keeps every string on the way until the row is done."""
    if len(texts) <= 2:
        return " || ".join(texts)
    half = len(texts) // 2
    first, second = _halved(texts[:half]), _halved(texts[half:])
    return f"({first}) || ({second})"


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
    ast.Cast: lambda node, scope: cast(node, scope, value),
    ast.Coalesce: lambda node, scope: coalesce(node, scope, value),
    ast.InUnit: lambda node, scope: in_unit(node, scope, value),
}
