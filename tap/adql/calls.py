"""Calls of functions: which declaration is meant, whether the arguments fit, and what comes out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tap.adql import ast
from tap.adql.errors import ADQLError, did_you_mean
from tap.adql.functions import FUNCTIONS, Function, result_column
from tap.adql.geometry import parts_of, spherical
from tap.adql.operands import combined, double, instant, require
from tap.adql.scopes import Scope, Value
from tap.adql.shapes import SHAPES, Translate
from tap.adql.types import DOUBLE, Kind, is_integer, kind_of, number_column
from vo.core.tables import Column, Datatype

_AGGREGATE_CLAUSES = ("SELECT", "HAVING", "ORDER BY")


def call(node: ast.Call, scope: Scope, translate: Translate) -> Value:
    """Translate a call of any function.

    Raises
    ------
    ADQLError
        If there is no such function, or it does not take these arguments.
    """
    if node.function in SHAPES:
        return SHAPES[node.function](node, scope, translate)
    declared = FUNCTIONS.get(node.function)
    if declared is None:
        hint = did_you_mean(node.function, [*FUNCTIONS, *SHAPES])
        raise ADQLError(f"There is no function {node.function}.", node.position, hint=hint)
    fitting = [function for function in declared if len(function.parameters) == len(node.arguments)]
    if not fitting:
        counts = " or ".join(str(len(function.parameters)) for function in declared)
        given = len(node.arguments)
        raise ADQLError(f"{node.function} takes {counts} arguments, not {given}.", node.position)
    function = fitting[0]
    if function.pgsphere and not scope.context.dialect.pgsphere:
        raise ADQLError(f"{node.function} is not offered by this service.", node.position)
    if function.aggregate:
        _enter_aggregate(scope, node.function, node.position)
    arguments = [_argument(part, scope, translate, function, i) for i, part in enumerate(node.arguments)]
    return _called(node, function, arguments)


def _argument(node: ast.Value, scope: Scope, translate: Translate, function: Function, place: int) -> Value:
    """Translate and check an argument."""
    parameter = function.parameters[place]
    translated = _inside_aggregate(node, scope, translate) if function.aggregate else translate(node, scope)
    require(translated, parameter.kinds, f"The argument {parameter.name} of {function.name}")
    if Kind.TIMESTAMP in parameter.kinds and isinstance(translated.constant, str):
        return replace(translated, sql=instant(translated.constant, translated.position), constant=None)
    if parameter.name == "n" and not (isinstance(translated.constant, int) and abs(translated.constant) <= 1000):
        raise ADQLError(f"The second argument of {function.name} must be a literal integer.", translated.position)
    if parameter.name == "order" and translated.constant is not None and translated.constant not in range(30):
        raise ADQLError("The order of a HEALPix index is a whole number from 0 to 29.", translated.position)
    return translated


def _called(node: ast.Call, function: Function, arguments: Sequence[Value]) -> Value:
    """Return the value of a call of a declared function."""
    sql = [
        spherical(part) if part.kind is Kind.POINT else double(part) if part.kind is Kind.NUMBER else part.sql
        for part in arguments
    ]
    text = function.sql.format(*sql)
    constant = None
    if function.fold is not None and all(part.constant is not None for part in arguments):
        try:
            constant = float(function.fold(*(float(part.constant or 0) for part in arguments)))
        except (ValueError, OverflowError, ZeroDivisionError):
            message = f"{function.name} is not defined for this argument."
            raise ADQLError(message, node.position) from None
    column = result_column(function, arguments[0].column.unit if arguments else None)
    if function.name in ("LOWER", "UPPER"):
        column = replace(arguments[0].column, name=column.name, utype=None)
    condition = text if function.condition else None
    kind = kind_of(column, function.sql_type)
    translated = combined(
        f"({text})::integer" if condition else text,
        column,
        function.sql_type,
        kind,
        node.position,
        arguments,
        constant=constant,
    )
    return replace(translated, condition=condition, free=None if function.aggregate else translated.free)


def _enter_aggregate(scope: Scope, name: str, position: int) -> None:
    """Check that an aggregate may stand here."""
    if scope.clause not in _AGGREGATE_CLAUSES:
        hint = "Conditions on aggregates go to HAVING." if scope.clause == "WHERE" else None
        raise ADQLError(f"{name} cannot stand in {scope.clause}.", position, hint=hint)
    scope.aggregated = True


def _inside_aggregate(node: ast.Value, scope: Scope, translate: Translate) -> Value:
    """Translate the argument of an aggregate."""
    outside, scope.clause = scope.clause, "an aggregate"
    try:
        return translate(node, scope)
    finally:
        scope.clause = outside


def aggregate(node: ast.Aggregate, scope: Scope, translate: Translate) -> Value:
    """Translate COUNT, SUM, AVG, MIN or MAX.

    Raises
    ------
    ADQLError
        If it cannot stand here, or does not take this argument.
    """
    _enter_aggregate(scope, node.function, node.position)
    counted = Column("count_all", Datatype.LONG, ucd="meta.number")
    if node.argument is None:
        return Value("COUNT(*)", counted, "bigint", Kind.NUMBER, node.position)
    argument = _inside_aggregate(node.argument, scope, translate)
    distinct = "DISTINCT " if node.distinct else ""
    function = node.function.lower()
    column = replace(argument.column, name=f"{function}_{argument.column.name}".strip("_"), utype=None)
    if node.function == "COUNT":
        parts = [part.sql for part in parts_of(argument.geometry)]
        if parts and node.distinct:
            raise ADQLError("COUNT(DISTINCT …) does not take computed geometries.", argument.position)
        if parts:  # a sum is NULL exactly when a part is
            argument = replace(argument, sql=f"({' + '.join(parts)})")
        sql, sql_type, kind = f"COUNT({distinct}{argument.sql})", "bigint", Kind.NUMBER
        column = replace(counted, name=column.name)
    elif node.function in ("MIN", "MAX"):
        require(argument, (Kind.NUMBER, Kind.TEXT, Kind.TIMESTAMP), node.function)
        sql, sql_type, kind = f"pg_catalog.{function}({argument.sql})", argument.sql_type, argument.kind
    else:
        require(argument, (Kind.NUMBER,), node.function)
        exact = node.function == "SUM" and is_integer(argument.sql_type)
        sql_type, kind = "bigint" if exact else DOUBLE, Kind.NUMBER
        operand = argument.sql if is_integer(argument.sql_type) else double(argument)
        sql = f"pg_catalog.{function}({distinct}{operand})::{sql_type}"
        column = replace(number_column(sql_type, column.name), unit=column.unit, ucd=column.ucd)
    column = replace(column, ucd=_statistical(node.function, column.ucd))
    return replace(combined(sql, column, sql_type, kind, node.position, [argument]), free=None)


def _statistical(function: str, ucd: str | None) -> str | None:
    """Return the UCD of an aggregate of a quantity."""
    prefix = {"MIN": "stat.min", "MAX": "stat.max", "AVG": "stat.mean"}.get(function)
    if prefix is None or ucd is None:
        return ucd
    return f"{prefix};{ucd.removesuffix(';meta.main')}"
