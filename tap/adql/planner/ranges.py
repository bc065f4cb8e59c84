"""Comparisons of the first bits of a whole number, written as ranges of the number: an index on it serves them."""

from __future__ import annotations

from collections.abc import Sequence

from tap.adql.operands import Value

MIRRORED = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "=": "=", "<>": "<>"}
"""What a comparison becomes when its sides change places."""

_LIMIT = 2**63


def prefix_comparison(left: Value, operator: str, right: Value) -> str | None:
    """Return the comparison of a value with its `prefix` and a constant as a range; None where it is no such."""
    if left.prefix is None and right.prefix is None:
        return None
    if left.prefix is None:
        left, right, operator = right, left, MIRRORED[operator]
    constant = right.constant
    if left.prefix is None or not isinstance(constant, int) or operator == "<>":
        return None
    sql, bits = left.prefix
    start, end = constant << bits, (constant + 1) << bits
    if not -_LIMIT <= start < end < _LIMIT:
        return None
    match operator:
        case "=":
            return f"({sql} >= {_bigint(start)} AND {sql} < {_bigint(end)})"
        case "<":
            return f"{sql} < {_bigint(start)}"
        case "<=":
            return f"{sql} < {_bigint(end)}"
        case ">":
            return f"{sql} >= {_bigint(end)}"
        case _:
            return f"{sql} >= {_bigint(start)}"


def prefix_between(tested: Value, low: Value, high: Value) -> str | None:
    """Return BETWEEN as a range; None where it is no such."""
    start, end = prefix_comparison(tested, ">=", low), prefix_comparison(tested, "<=", high)
    return f"({start} AND {end})" if tested.prefix is not None and start is not None and end is not None else None


def prefix_among(tested: Value, others: Sequence[Value]) -> str | None:
    """Return IN with a list as ranges; None where it is no such."""
    if tested.prefix is None:
        return None
    ranges = [prefix_comparison(tested, "=", other) for other in others]
    known = [part for part in ranges if part is not None]
    return f"({' OR '.join(known)})" if len(known) == len(ranges) else None


def _bigint(number: int) -> str:
    return f"({number})::bigint"
