"""Names of result columns."""

from __future__ import annotations

from collections.abc import Sequence

from tap.adql.operands import Value
from tap.adql.syntax import ast
from tap.adql.syntax.words import is_regular_identifier


def unique_names(wanted: Sequence[str]) -> list[str]:
    """Return names as written; the second and later of equal ones, upper and lower case being equal, get a number."""
    taken = {name.lower() for name in wanted}
    numbers: dict[str, int] = {}
    names = []
    for written in wanted:
        key, name = written.lower(), written
        number = numbers.get(key, 0) + 1
        if number > 1:
            while (name := f"{written}_{number}").lower() in taken:
                number += 1
            taken.add(name.lower())
        numbers[key] = number
        names.append(name)
    return names


def field_name(node: ast.Value, translated: Value, number: int) -> str:
    """Return the name of an expression without alias: ``max_parallax``, ``distance_3`` … a regular identifier."""
    proposed = translated.column.name
    if isinstance(node, ast.Aggregate) and "_" in proposed and is_regular_identifier(proposed):
        return proposed
    if isinstance(node, ast.Cast | ast.InUnit) and isinstance(node.operand, ast.ColumnReference):
        return node.operand.name[-1].text
    if isinstance(node, ast.Coalesce):
        return f"coalesce_{number}"
    function = node.function.lower() if isinstance(node, ast.Call | ast.Aggregate) else "column"
    return f"{function}_{number}"
