"""Conditions, and the place of index conditions among them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

from tap.adql import ast
from tap.adql.errors import ADQLError
from tap.adql.geometry import (
    Membership,
    Proximity,
    Test,
    check_radius,
    circle_ranges,
    constant_coordinates,
    constant_ranges,
    indexed,
    parts_of,
    within,
)
from tap.adql.operands import instant, require, ungrouped
from tap.adql.scopes import Relation, Scope, Value, kind_of_field
from tap.adql.types import TIMESTAMP, Kind, string_literal
from tap.adql.values import value

Subquery: TypeAlias = Callable[[ast.Query, Scope], Relation]

_MIRRORED = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "=": "=", "<>": "<>"}
_COMPARABLE = (Kind.NUMBER, Kind.TEXT, Kind.TIMESTAMP, Kind.BOOLEAN)


def condition(node: ast.Condition, scope: Scope, subquery: Subquery, *, indexable: bool = False) -> str:
    """Translate a condition.

    Parameters
    ----------
    indexable : bool
        Whether an index condition helps here: not under NOT, in HAVING, or beside a branch of OR that has none, where
        its ranges would be tested on every row.
    """
    match node:
        case ast.And(operands=operands):
            return " AND ".join(condition(part, scope, subquery, indexable=indexable) for part in operands)
        case ast.Or(operands=operands):
            helps = indexable and all(_has_index(part, scope) for part in operands)
            branches = (condition(part, scope, subquery, indexable=helps) for part in operands)
            return f"({' OR '.join(branches)})"
        case ast.Not(operand=operand):
            return f"NOT ({condition(operand, scope, subquery)})"
        case ast.Comparison():
            return _comparison(node, scope, indexable=indexable)
        case ast.Between(operand=operand, negated=negated, low=low, high=high):
            parts = align([_operand(part, scope) for part in (operand, low, high)], "BETWEEN")
            return f"{parts[0].sql} {_not(negated)}BETWEEN {parts[1].sql} AND {parts[2].sql}"
        case ast.InList(operand=operand, negated=negated, items=items):
            first, *others = align([_operand(part, scope) for part in (operand, *items)], "IN")
            return f"{first.sql} {_not(negated)}IN ({', '.join(other.sql for other in others)})"
        case ast.InQuery():
            return _in_query(node, scope, subquery)
        case ast.Like():
            return _like(node, scope)
        case ast.IsNull(operand=operand, negated=negated):
            tested = _operand(operand, scope)
            return f"{_nullable(tested)} IS {_not(negated)}NULL"
        case ast.Exists(query=query):
            return f"EXISTS ({subquery(query, scope).sql})"


def _operand(node: ast.Value, scope: Scope) -> Value:
    """Translate a side of a condition; in HAVING it has one value a group."""
    translated = value(node, scope)
    if scope.clause == "HAVING" and translated.free is not None:
        raise ungrouped(translated.free)
    return translated


def _not(negated: bool) -> str:
    return "NOT " if negated else ""


def _nullable(tested: Value) -> str:
    """Return an expression that is NULL exactly when a value is."""
    if tested.sql:
        return tested.sql
    parts = [part.sql for part in parts_of(tested.geometry)]
    return f"({' + '.join(parts)})"


# ---- comparisons ----------------------------------------------------------------------------------------------------


def align(values: Sequence[Value], what: str) -> list[Value]:
    """Return values of one kind: strings become timestamps or booleans where they meet them.

    Raises
    ------
    ADQLError
        If the values cannot be compared with each other.
    """
    kinds = {part.kind for part in values} - {Kind.NULL}
    for part in values:
        if part.kind is not Kind.NULL and part.kind not in _COMPARABLE:
            hint = "Use CONTAINS, INTERSECTS or DISTANCE." if part.geometry is not None else None
            raise ADQLError(f"{what} does not take {part.kind.value}.", part.position, hint=hint)
    if len(kinds) <= 1:
        return list(values)
    if Kind.TIMESTAMP in kinds:
        return [_timestamp(part, what) for part in values]
    if Kind.BOOLEAN in kinds:
        return [_boolean(part) for part in values]
    first = next(part for part in values if part.kind is not Kind.NULL)
    other = next(part for part in values if part.kind not in (first.kind, Kind.NULL))
    hint = "Strings are written in single quotes, numbers without; CAST converts."
    message = f"{what} cannot compare {first.kind.value} with {other.kind.value}."
    raise ADQLError(message, other.position, hint=hint)


def _timestamp(part: Value, what: str) -> Value:
    require(part, (Kind.TIMESTAMP, Kind.TEXT), what)
    if isinstance(part.constant, str):
        return replace(part, sql=instant(part.constant, part.position))
    return replace(part, sql=f"({part.sql})::{TIMESTAMP}") if part.kind is Kind.TEXT else part


def _boolean(part: Value) -> Value:
    """Return a boolean; ADQL has no literals for them, so clients write 'true' or 1."""
    if part.kind in (Kind.BOOLEAN, Kind.NULL):
        return part
    word = str(part.constant).lower()
    if word in ("true", "t", "1"):
        return replace(part, sql="TRUE")
    if word in ("false", "f", "0"):
        return replace(part, sql="FALSE")
    raise ADQLError("A boolean is compared with 'true', 'false', 1 or 0.", part.position)


def _comparison(node: ast.Comparison, scope: Scope, *, indexable: bool) -> str:
    left, right = _operand(node.left, scope), _operand(node.right, scope)
    tested = _tested(node, left, right)
    if tested is not None:
        test, exact, wanted = tested
        if not wanted:
            return f"NOT ({exact})"
        index = index_condition(test, scope) if indexable and test is not None else None
        return f"({index} AND {exact})" if index else exact
    left, right = align([left, right], node.operator)
    return f"{left.sql} {node.operator} {right.sql}"


def _tested(node: ast.Comparison, left: Value, right: Value) -> tuple[Test | None, str, bool] | None:
    """Return the test that a comparison is: an index may serve it, its exact SQL, and whether it shall hold."""
    for one, other, operator in ((left, right, node.operator), (right, left, _MIRRORED[node.operator])):
        if one.condition is not None and operator in ("=", "<>") and other.constant in (0, 1):
            return one.test, one.condition, (other.constant == 1) == (operator == "=")
        if one.separation is not None and operator in ("<", "<="):
            align([one, other], operator)
            near = Proximity(*one.separation, check_radius(other), strict=operator == "<")
            return near, within(near), True
    return None


def proximity(node: ast.Condition, scope: Scope) -> Proximity | None:
    """Return the proximity that a condition is, if it is one."""
    if not isinstance(node, ast.Comparison) or not _may_be_test(node):
        return None
    tested = _tested(node, _operand(node.left, scope), _operand(node.right, scope))
    if tested is None or not tested[2] or not isinstance(tested[0], Proximity):
        return None
    return tested[0]


def _may_be_test(node: ast.Comparison) -> bool:
    """Whether a side of a comparison is a call of a geometrical function, to avoid translating others twice."""
    return any(
        isinstance(side, ast.Call) and side.function in ("CONTAINS", "INTERSECTS", "DISTANCE")
        for side in (node.left, node.right)
    )


def _has_index(node: ast.Condition, scope: Scope) -> bool:
    """Whether a condition brings an index condition of its own with constants."""
    match node:
        case ast.And(operands=operands):
            return any(_has_index(part, scope) for part in operands)
        case ast.Or(operands=operands):
            return all(_has_index(part, scope) for part in operands)
        case ast.Comparison() if _may_be_test(node):
            tested = _tested(node, _operand(node.left, scope), _operand(node.right, scope))
            return tested is not None and tested[2] and tested[0] is not None and constant_ranges(tested[0]) is not None
        case ast.Comparison(operator="="):
            return any(_on_index(_operand(side, scope)) for side in (node.left, node.right))
        case _:
            return False


def _on_index(side: Value) -> bool:
    """Whether a value is a column under an index of its own."""
    return side.origin is not None and side.origin[1] in side.origin[0].relation.unique


# ---- index conditions -----------------------------------------------------------------------------------------------


def index_condition(test: Test, scope: Scope) -> str | None:
    """Return the condition through which an index finds the rows of a test; None where none does.

    A table behind a fence has its condition there.
    """
    constant = constant_ranges(test)
    if constant is not None or isinstance(test, Membership):
        return constant
    for point, centre in ((test.first, test.second), (test.second, test.first)):
        if not indexed(point) or point.lon.origin is None or constant_coordinates(centre) is not None:
            continue
        source = point.lon.origin[0]
        drivers = centre.lon.sources | centre.lat.sources | test.radius.sources
        if source in scope.fences and scope.fences[source] in drivers:
            return None
        if source not in drivers and drivers:
            return circle_ranges(point, centre, test.radius)
    return None


# ---- strings and subqueries -----------------------------------------------------------------------------------------


def _like(node: ast.Like, scope: Scope) -> str:
    """Translate LIKE; ADQL itself knows no escape character, PostgreSQL's backslash must lose its meaning."""
    word = "ILIKE" if node.ignore_case else "LIKE"
    operand = require(_operand(node.operand, scope), (Kind.TEXT,), word)
    pattern = require(_operand(node.pattern, scope), (Kind.TEXT,), word)
    text = f"{pattern.sql} ESCAPE {string_literal(node.escape or '')}"
    if isinstance(pattern.constant, str) and node.escape is None:
        text = string_literal(pattern.constant.replace("\\", "\\\\"))
    return f"{operand.sql} {_not(node.negated)}{word} {text}"


def _in_query(node: ast.InQuery, scope: Scope, subquery: Subquery) -> str:
    operand = _operand(node.operand, scope)
    relation = subquery(node.query, scope)
    if len(relation.fields) != 1 or len(relation.fields[0].sql_names) != 1:
        raise ADQLError("The subquery of IN must have one column.", node.query.position)
    field = relation.fields[0]
    other = Value("", field.column, field.sql_type, kind_of_field(field), node.query.position)
    align([operand, other], "IN")
    if len({operand.kind, other.kind} - {Kind.NULL}) > 1:
        raise ADQLError("IN cannot compare these types.", node.position, hint="Convert one of them by CAST.")
    return f"{operand.sql} {_not(node.negated)}IN ({relation.sql})"
