"""Names of result columns."""

from __future__ import annotations

from tap.adql import ast
from tap.adql.scopes import Value
from tap.adql.words import is_regular_identifier


class Names:
    """Collects the names of a select list and tells equal ones apart, upper and lower case being equal."""

    def __init__(self) -> None:
        self._wanted: list[str] = []

    def add(self, name: str) -> None:
        """Add the next column's name."""
        self._wanted.append(name)

    @property
    def unique(self) -> list[str]:
        """The names as written; the second and later of equal ones get a number that makes them unique."""
        taken = {name.lower() for name in self._wanted}
        seen: set[str] = set()
        names = []
        for wanted in self._wanted:
            name, number = wanted, 1
            if wanted.lower() in seen:
                while name.lower() in taken:
                    number += 1
                    name = f"{wanted}_{number}"
                taken.add(name.lower())
            seen.add(name.lower())
            names.append(name)
        return names


def field_name(node: ast.Value, translated: Value, number: int) -> str:
    """Return the name of an expression without alias: ``max_parallax``, ``distance_3`` … a regular identifier."""
    proposed = translated.column.name
    if isinstance(node, ast.Aggregate) and "_" in proposed and is_regular_identifier(proposed):
        return proposed
    function = node.function.lower() if isinstance(node, ast.Call | ast.Aggregate) else "column"
    return f"{function}_{number}"
