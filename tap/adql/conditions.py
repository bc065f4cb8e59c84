"""Conditions: which values they compare, and what that says about places on the sky."""

# ruff: noqa: S608  (the package writes SQL: names come from the catalogue, literals are encoded anew)
from __future__ import annotations

import operator as operators
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

from tap.adql.errors import ADQLError
from tap.adql.limits import MAX_PATTERN, MAX_TERMS, check_length
from tap.adql.operands import Value, double, instant, require, ungrouped
from tap.adql.planner.predicates import Predicate, all_of, negation, one_of, written
from tap.adql.planner.ranges import MIRRORED, prefix_among, prefix_between, prefix_comparison
from tap.adql.relations import Relation, Source, kind_of_field
from tap.adql.scopes import Scope
from tap.adql.sky.geometry import Membership, Point, Proximity, check_radius, computed, known_with, number, within
from tap.adql.syntax import ast
from tap.adql.types import TIMESTAMP, UNKNOWN, Kind, number_literal, string_literal
from tap.adql.values import value

Subquery: TypeAlias = Callable[[ast.Query, Scope], Relation]

_OPERATORS = {
    "<": operators.lt,
    ">": operators.gt,
    "<=": operators.le,
    ">=": operators.ge,
    "=": operators.eq,
    "<>": operators.ne,
}
_COMPARABLE = (Kind.NUMBER, Kind.TEXT, Kind.TIMESTAMP, Kind.BOOLEAN)
_TRUTHS = {"true": 1, "t": 1, "1": 1, "false": 0, "f": 0, "0": 0}


def condition(node: ast.Condition, scope: Scope, subquery: Subquery) -> str:
    """Translate a condition where no index helps, such as in HAVING."""
    return written(predicate(node, scope, subquery))


def predicate(node: ast.Condition, scope: Scope, subquery: Subquery) -> Predicate:
    """Translate a condition.

    Raises
    ------
    ADQLError
        For unknown names, and values that cannot be compared with each other.
    """
    match node:
        case ast.And(operands=operands):
            return all_of([predicate(part, scope, subquery) for part in operands])
        case ast.Or(operands=operands):
            return one_of([predicate(part, scope, subquery) for part in operands])
        case ast.Not(operand=ast.Not(operand=operand)):
            return predicate(operand, scope, subquery)
        case ast.Not(operand=operand):
            return negation(predicate(operand, scope, subquery))
        case ast.Comparison():
            if isinstance(node.left, ast.Null) or isinstance(node.right, ast.Null):
                scope.context.warn("A comparison with NULL is never true: write IS NULL or IS NOT NULL.")
            return comparison(_operand(node.left, scope), node.operator, _operand(node.right, scope))
        case ast.Between():
            return _between(node, scope)
        case ast.InList(operand=operand, negated=negated, items=items):
            first, *others = align([_operand(part, scope) for part in (operand, *items)], "IN")
            # PostgreSQL makes a nested OR of values that it does not know yet.
            check_length([part for part in others if part.sources], MAX_TERMS, "Values of IN that are not constant")
            if {part.sql_type for part in (first, *others)} - {UNKNOWN} > {"real"}:  # PostgreSQL would compare in real
                others = [replace(part, sql=double(part)) if part.kind is Kind.NUMBER else part for part in others]
            ranges = None if negated else prefix_among(first, others)
            listed = f"{first.sql} {_not(negated)}IN ({', '.join(other.sql for other in others)})"
            sources = frozenset().union(*(part.sources for part in (first, *others)))
            return replace(_simple(ranges or listed, [first]), sources=sources)
        case ast.InQuery():
            return _in_query(node, scope, subquery)
        case ast.Like():
            return _like(node, scope)
        case ast.IsNull(operand=operand, negated=negated):
            tested = _operand(operand, scope)
            sql = f"{known_with(tested)} IS {_not(negated)}NULL"
            return _simple(sql, [tested]) if negated else Predicate(sql, tested.sources)
        case ast.Exists(query=query):
            relation = subquery(query, scope)
            return Predicate(f"EXISTS ({relation.sql})", reaches=relation.reaches)


def _simple(sql: str, operands: Sequence[Value]) -> Predicate:
    """Return a condition that is not true where one of its operands is NULL."""
    return Predicate(sql, frozenset().union(*(part.sources for part in operands)), _unchanged(*operands))


def _unchanged(*operands: Value) -> frozenset[Source]:
    """Return the tables of which columns, unchanged, are among some operands."""
    return frozenset(part.origin[0] for part in operands if part.origin is not None)


def _operand(node: ast.Value, scope: Scope) -> Value:
    """Translate a side of a condition; in HAVING it has one value a group."""
    translated = value(node, scope)
    if scope.clause == "HAVING" and translated.free is not None:
        raise ungrouped(translated.free)
    return translated


def _not(negated: bool) -> str:
    return "NOT " if negated else ""


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
    if Kind.NUMBER in kinds and all(part.as_number for part in values if part.kind is Kind.TEXT):
        return [part.as_number or part for part in values]
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
    truth = _TRUTHS.get(str(part.constant).lower())
    if truth is not None:
        return replace(part, sql="TRUE" if truth else "FALSE")
    raise ADQLError("A boolean is compared with 'true', 'false', 1 or 0.", part.position)


def comparison(left: Value, operator: str, right: Value) -> Predicate:
    """Return the condition that two values compare so.

    Raises
    ------
    ADQLError
        If they cannot be compared with each other.
    """
    for one, word, other in ((left, operator, right), (right, MIRRORED[operator], left)):
        if one.condition is not None and (truth := _truth(other)) is not None:
            holds, fails = (_OPERATORS[word](answer, truth) for answer in (1, 0))
            if holds != fails:
                sources = one.sources
                if holds:
                    return Predicate(one.condition, sources, _seen(one), test=one.test)
                return Predicate(f"NOT ({one.condition})", sources, _seen(one), opposite=one.test)
    left, right = align([left, right], operator)
    ranges = prefix_comparison(left, operator, right)
    sides = ((left, operator, right), (right, MIRRORED[operator], left))
    bound = None
    for one, word, other in sides:
        if word in ("<", "<=", "=") and isinstance(other.constant, int | float):
            bound = _bound(one, float(other.constant))
    compared = Predicate(
        ranges or f"{left.sql} {operator} {right.sql}",
        left.sources | right.sources,
        _unchanged(left, right),
        equal=(left, right) if operator == "=" else None,
        bound=bound,
    )
    for one, word, other in sides:
        compared = _measured(compared, one, word, other)
    return compared


def _truth(part: Value) -> float | None:
    """Return the number with which the value of a condition is compared, also where it is written as a boolean."""
    if isinstance(part.constant, str):
        return _TRUTHS.get(part.constant.lower())
    if part.kind is Kind.BOOLEAN:
        return _TRUTHS.get(part.sql.lower())
    return part.constant


def _measured(compared: Predicate, one: Value, word: str, other: Value) -> Predicate:
    """Return the comparison of a distance with a radius as the test that it, or its opposite, is."""
    if one.separation is not None and word in ("<", "<="):
        check_radius(other)
    near = None if word == "<>" else _proximity(one, other, strict=word in ("<", ">="))
    if near is None:
        return compared
    if word in (">", ">="):
        return replace(compared, opposite=near, refuses=_seen(one))
    exact = within(near) if one.separation is not None and word != "=" else compared.sql
    return replace(compared, sql=exact, test=near, refuses=_seen(one))


def _proximity(distance: Value, limit: Value, *, strict: bool) -> Proximity | None:
    """Return the test that a distance, or some multiple of it, is within a limit."""
    base, factor = distance.multiple or (distance, 1.0)
    if base.separation is None or limit.kind is Kind.NULL:
        return None
    if limit.constant is not None:
        radius = float(limit.constant) / factor
        if not 0 <= radius <= 180:
            return None
        limit = limit if factor == 1 else number(radius, limit.position)
    elif factor != 1:
        limit = computed(f"({limit.sql} / {number_literal(factor)})", limit)
    return Proximity(*base.separation, limit, strict=strict)


def _seen(tested: Value) -> frozenset[Source]:
    """Return the tables whose columns, unchanged, are coordinates of a test: it is not true where these are NULL."""
    base = tested.multiple[0] if tested.multiple is not None else tested
    points: tuple[Point, ...] = base.separation or ()
    match tested.test:
        case Membership(point=point):
            points = (point,)
        case Proximity(first=first, second=second):
            points = (first, second)
    return frozenset(part.origin[0] for point in points for part in (point.lon, point.lat) if part.origin is not None)


def _bound(part: Value, limit: float) -> tuple[str, float]:
    """Return which value does not exceed what, given that a multiple of it does not exceed a limit."""
    base, factor = part.multiple or (part, 1.0)
    return base.sql, limit / factor


def _between(node: ast.Between, scope: Scope) -> Predicate:
    """Translate BETWEEN; its upper limit makes a distance a test."""
    tested, low, high = align([_operand(part, scope) for part in (node.operand, node.low, node.high)], "BETWEEN")
    sql = f"{tested.sql} {_not(node.negated)}BETWEEN {low.sql} AND {high.sql}"
    sources = tested.sources | low.sources | high.sources
    if node.negated:
        near = _proximity(tested, high, strict=False)
        return Predicate(sql, sources, frozenset() if near is None else _seen(tested), opposite=near)
    sql = prefix_between(tested, low, high) or sql
    return replace(comparison(tested, "<=", high), sql=sql, sources=sources, opposite=None)


# ---- strings and subqueries -----------------------------------------------------------------------------------------


def _like(node: ast.Like, scope: Scope) -> Predicate:
    """Translate LIKE; ADQL itself knows no escape character, PostgreSQL's backslash must lose its meaning."""
    word = "ILIKE" if node.ignore_case else "LIKE"
    operand = require(_operand(node.operand, scope), (Kind.TEXT,), word)
    pattern = require(_operand(node.pattern, scope), (Kind.TEXT,), word)
    if isinstance(pattern.constant, str) and len(pattern.constant) > MAX_PATTERN:
        raise ADQLError(f"A pattern of {word} has at most {MAX_PATTERN} characters.", pattern.position)
    sql = pattern.sql
    if pattern.constant is None and (pattern.origin is None or pattern.origin[0].table is None):  # it may be any length
        sql = f"(CASE WHEN pg_catalog.length({sql}) <= {MAX_PATTERN} THEN {sql} END)"
    text = f"{sql} ESCAPE {string_literal(node.escape or '')}"
    if isinstance(pattern.constant, str) and node.escape is None:
        text = string_literal(pattern.constant.replace("\\", "\\\\"))
    return _simple(f"{operand.sql} {_not(node.negated)}{word} {text}", [operand, pattern])


def _in_query(node: ast.InQuery, scope: Scope, subquery: Subquery) -> Predicate:
    operand = _operand(node.operand, scope)
    relation = subquery(node.query, scope)
    if len(relation.fields) != 1 or len(relation.fields[0].sql_names) != 1:
        raise ADQLError("The subquery of IN must have one column.", node.query.position)
    field = relation.fields[0]
    other = Value("", field.column, field.sql_type, kind_of_field(field), node.query.position)
    align([operand, other], "IN")
    if len({operand.kind, other.kind} - {Kind.NULL}) > 1:
        raise ADQLError("IN cannot compare these types.", node.position, hint="Convert one of them by CAST.")
    rows = relation.sql
    if other.kind is Kind.NULL is not operand.kind:
        rows = f"SELECT NULL::{operand.sql_type} FROM ({rows}) AS {scope.context.alias()}"
    sql = f"{operand.sql} {_not(node.negated)}IN ({rows})"
    if node.negated:
        return Predicate(sql, operand.sources)  # NULL is not in no rows
    return replace(_simple(sql, [operand]), reaches=relation.reaches)
