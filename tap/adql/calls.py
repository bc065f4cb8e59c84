"""Calls of functions: which declaration is meant, whether the arguments fit, and what comes out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tap.adql.errors import ADQLError, did_you_mean
from tap.adql.functions import Called, Function, Parameter, Unit
from tap.adql.operands import Value, combined, double, instant, require
from tap.adql.scopes import Scope, Translate
from tap.adql.sky.geometry import Stored, dali_array, known_with, parts_of
from tap.adql.sky.pgsphere import spherical
from tap.adql.sky.shapes import SHAPES
from tap.adql.syntax import ast
from tap.adql.types import DOUBLE, GEOMETRIES, TIMESTAMP, Kind, is_integer, kind_of, number_column, number_literal
from tap.adql.units import power_unit
from vo.core.tables import Column, Datatype

_AGGREGATE_CLAUSES = ("SELECT", "HAVING", "ORDER BY")
_SPHERICAL = {Kind.POINT: "public.spoint", Kind.CIRCLE: "public.scircle", Kind.POLYGON: "public.spoly"}
_INTEGER_RANGE = 2**31
_TRIGONOMETRY = frozenset({"COS", "COT", "SIN", "TAN"})
_ELSEWHERE = {
    "angdist": "DISTANCE",
    "ceil": "CEILING",
    "concat": "||",
    "ifnull": "COALESCE",
    "isnull": "COALESCE",
    "lcase": "LOWER",
    "len": "esdc_length",
    "length": "esdc_length",
    "ln": "LOG",
    "lowercase": "LOWER",
    "nullif": "esdc_nullif",
    "pow": "POWER",
    "random": "RAND",
    "stddev_samp": "stddev",
    "substr": "esdc_substring",
    "trunc": "TRUNCATE",
    "ucase": "UPPER",
    "uppercase": "UPPER",
    "var_samp": "variance",
}
"""Functions of other languages and services, and what they are here."""


def call(node: ast.Call, scope: Scope, translate: Translate) -> Value:
    """Translate a call of any function.

    Raises
    ------
    ADQLError
        If there is no such function, or it does not take these arguments.
    """
    shape = SHAPES.get(node.function)
    if shape is not None:
        return shape(node, scope, translate)
    dialect = scope.context.dialect
    declared = dialect.functions.by_name.get(node.function)
    if declared is None:
        raise _unknown(node, scope)
    fitting = [function for function in declared if function.takes(len(node.arguments))]
    if not fitting:
        raise _wrong_count(node, declared)
    if not dialect.offers(fitting[0]):
        raise ADQLError(f"{node.function} is not offered by this service.", node.position)
    if fitting[0].aggregate:
        _enter_aggregate(scope, node.function, node.position)
        given = [_inside_aggregate(part, scope, translate) for part in node.arguments]
    else:
        given = [translate(part, scope) for part in node.arguments]
    _warn_of_degrees(node, given, scope)
    function = fitting[0] if len(fitting) == 1 else _fitting_kinds(fitting, given)
    arguments = tuple(_checked(function, function.parameter(i), part) for i, part in enumerate(given))
    sql = tuple(_written(function.parameter(i), part) for i, part in enumerate(arguments))
    if function.form is None:
        return _called(function, arguments, sql, node.position)
    made = function.form(Called(function, arguments, sql, node.position, scope))
    return replace(made, free=None, constant=None) if function.aggregate else made


def _warn_of_degrees(node: ast.Call, given: Sequence[Value], scope: Scope) -> None:
    """Remark upon angles in degrees where radians are meant; of expressions nobody knows what they convert."""
    if node.function not in _TRIGONOMETRY or not isinstance(node.arguments[0], ast.ColumnReference):
        return
    function, column = node.function, given[0].column
    if column.unit == "deg":
        instead = f"{function}(RADIANS({column.name}))"
        scope.context.warn(f"{function} takes radians, {column.name} is in degrees: write {instead}.")


# ---- which function -------------------------------------------------------------------------------------------------


def _unknown(node: ast.Call, scope: Scope) -> ADQLError:
    """Return the error for a function that is not declared."""
    elsewhere = _ELSEWHERE.get(node.function)
    if elsewhere is not None:
        return ADQLError(f"There is no function {node.function}.", node.position, hint=f"In ADQL it is {elsewhere}.")
    dialect = scope.context.dialect
    known = (name for name, functions in dialect.functions.by_name.items() if dialect.offers(functions[0]))
    hint = did_you_mean(node.function, [*known, *SHAPES])
    hint = hint or "The capabilities of the service list its functions."
    return ADQLError(f"There is no function {node.function}.", node.position, hint=hint)


def _wrong_count(node: ast.Call, declared: Sequence[Function]) -> ADQLError:
    """Return the error for a number of arguments that a function does not take."""
    counts = sorted({len(function.parameters) for function in declared})
    wanted = " or ".join(map(str, counts)) + (" or more" if declared[-1].variadic else "")
    noun = "argument" if wanted == "1" else "arguments"
    message = f"{node.function} takes {wanted} {noun}, not {len(node.arguments)}."
    return ADQLError(message, node.position, hint=_signatures(declared))


def _signatures(functions: Sequence[Function]) -> str:
    """Return how functions are called."""
    return f"It is {' or '.join(function.signature for function in functions)}."


def _fitting_kinds(functions: Sequence[Function], arguments: Sequence[Value]) -> Function:
    """Return the first function that takes the arguments; the first of all if none does."""
    for function in functions:
        kinds = (function.parameter(i).kinds for i in range(len(arguments)))
        if all(part.kind in (*kind, Kind.NULL) for kind, part in zip(kinds, arguments, strict=True)):
            return function
    return functions[0]


# ---- arguments ------------------------------------------------------------------------------------------------------


def _checked(function: Function, parameter: Parameter, part: Value) -> Value:
    """Refuse an argument that does not fit its parameter."""
    what = f"The argument {parameter.name} of {function.name}"
    if part.kind not in parameter.kinds and part.kind is not Kind.NULL:
        try:
            part = require(part, parameter.kinds, what)
        except ADQLError as error:
            hint = " ".join(filter(None, (_signatures([function]), error.hint)))
            raise ADQLError(error.message, part.position, hint=hint) from None
    constant = part.constant
    if parameter.literal and constant is None:
        noun = "string" if Kind.TEXT in parameter.kinds else "number"
        raise ADQLError(f"{what} must be a literal {noun}.", part.position, hint=_signatures([function]))
    if Kind.TIMESTAMP in parameter.kinds and Kind.NUMBER not in parameter.kinds and isinstance(constant, str):
        return replace(part, sql=instant(constant, part.position), constant=None)
    if parameter.sql_type in ("integer", "bigint") and part.kind is Kind.NUMBER:
        if not is_integer(part.sql_type):
            raise ADQLError(f"{what} must be a whole number.", part.position, hint="Convert it by CAST.")
        low, high = parameter.low, parameter.high
        if isinstance(constant, int) and low is not None and high is not None and not low <= constant <= high:
            raise ADQLError(f"{what} is a whole number from {low} to {high}.", part.position)
    return part


def _written(parameter: Parameter, part: Value) -> str:
    """Return an argument in SQL, in the type of its parameter."""
    if part.kind is Kind.NULL:
        sql_type = parameter.sql_type
        if parameter.kinds[0] in _SPHERICAL:
            sql_type = _SPHERICAL[parameter.kinds[0]]
        elif Kind.TIMESTAMP in parameter.kinds and Kind.NUMBER not in parameter.kinds:
            sql_type = TIMESTAMP
        elif parameter.kinds[0] is Kind.ARRAY:
            sql_type = f"{DOUBLE}[]"
        return f"NULL::{sql_type}" if sql_type else "NULL"
    if part.kind in GEOMETRIES:
        # A form takes the geometry itself, not its text.
        return spherical(part) if part.kind in _SPHERICAL and parameter.sql_type == "spherical" else ""
    if part.kind is Kind.NUMBER:
        if parameter.sql_type == DOUBLE:
            return double(part)
        if parameter.sql_type == "integer" and part.sql_type == "bigint":
            limits = f"{-_INTEGER_RANGE} AND {_INTEGER_RANGE - 1}"
            return f"(CASE WHEN {part.sql} BETWEEN {limits} THEN ({part.sql})::integer END)"
        if parameter.sql_type == "bigint" and part.sql_type != "bigint":
            return f"({part.sql})::bigint"
    return part.sql


# ---- results --------------------------------------------------------------------------------------------------------


def _called(function: Function, arguments: Sequence[Value], sql: Sequence[str], position: int) -> Value:
    """Return the value of a call of a declared function."""
    text = function.sql.format(*sql)
    constant = None
    if function.fold is not None and all(part.constant is not None for part in arguments):
        try:
            constant = float(function.fold(*(float(part.constant or 0) for part in arguments)))
        except (ValueError, OverflowError, ZeroDivisionError):
            raise ADQLError(f"{function.name} is not defined for this argument.", position) from None
        if function.sql_type == DOUBLE:  # PostgreSQL refuses what is too small, such as EXP(-1000)
            text = number_literal(constant)
    condition = text if function.condition else None
    kind = kind_of(function.result, function.sql_type)
    translated = combined(
        f"({text})::integer" if condition else text,
        _result_column(function, arguments),
        function.sql_type,
        kind,
        position,
        arguments,
        constant=constant,
    )
    if kind in GEOMETRIES:
        translated = replace(translated, geometry=Stored(kind, text, function.sql_type))
    if condition is not None:
        translated = replace(translated, condition=condition)
    return replace(translated, free=None) if function.aggregate and translated.free is not None else translated


def _result_column(function: Function, arguments: Sequence[Value]) -> Column:
    """Return the metadata of a call."""
    column = function.column
    if function.unit is Unit.NONE and function.ucd_prefix is None:
        return column
    first = arguments[0].column if arguments else column
    unit = column.unit
    match function.unit:
        case Unit.OF_ARGUMENT:
            unit = first.unit
        case Unit.POWER:
            exponent = arguments[1].constant
            unit = power_unit(first.unit, exponent) if isinstance(exponent, int | float) else None
        case Unit.ROOT:
            unit = power_unit(first.unit, 0.5)
        case Unit.SQUARE:
            unit = power_unit(first.unit, 2)
        case Unit.RADIAN | Unit.DEGREE:
            unit = function.unit.value
    if function.ucd_prefix is not None and first.ucd is not None:
        return replace(column, unit=unit, ucd=f"{function.ucd_prefix};{first.ucd.removesuffix(';meta.main')}")
    return replace(column, unit=unit)


# ---- aggregates -----------------------------------------------------------------------------------------------------


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
        translated = translate(node, scope)
    finally:
        scope.clause = outside
    if translated.sources and translated.sources.isdisjoint(scope.sources):
        raise ADQLError("An aggregate takes columns of its own query, not of one around it.", node.position)
    return translated


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
        if node.distinct and parts_of(argument.geometry):
            raise ADQLError("COUNT(DISTINCT …) does not take computed geometries.", argument.position)
        if node.distinct and argument.sql_type in ("spoint", "scircle", "spoly"):  # of which none has an equality
            argument = replace(argument, sql=dali_array(argument))
        if node.distinct and argument.kind is Kind.MOC:  # nor has this, but its text is unique
            argument = replace(argument, sql=f"({argument.sql})::text")
        sql, sql_type, kind = f"COUNT({distinct}{known_with(argument)})", "bigint", Kind.NUMBER
        column = replace(counted, name=column.name)
    elif node.function in ("MIN", "MAX"):
        argument = require(argument, (Kind.NUMBER, Kind.TEXT, Kind.TIMESTAMP), node.function)
        sql, sql_type, kind = f"pg_catalog.{function}({argument.sql})", argument.sql_type, argument.kind
    else:
        argument = require(argument, (Kind.NUMBER,), node.function)
        exact = node.function == "SUM" and is_integer(argument.sql_type)
        sql_type, kind = "bigint" if exact else DOUBLE, Kind.NUMBER
        operand = argument.sql if is_integer(argument.sql_type) else double(argument)
        sql = f"pg_catalog.{function}({distinct}{operand})::{sql_type}"
        column = replace(number_column(sql_type, column.name), unit=column.unit, ucd=column.ucd)
    column = replace(column, ucd=_statistical(node.function, column.ucd))
    return replace(combined(sql, column, sql_type, kind, node.position, [argument]), free=None)


def _statistical(function: str, ucd: str | None) -> str | None:
    """Return the UCD of an aggregate of a quantity; the words of statistics never come first (UCD1+ 1.6)."""
    word = {"MIN": "stat.min", "MAX": "stat.max", "AVG": "stat.mean"}.get(function)
    if word is None or ucd is None:
        return ucd
    first, *others = ucd.removesuffix(";meta.main").split(";")
    return ";".join([first, word, *others])
