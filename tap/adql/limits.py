"""How large a query may be, and its parts: what PostgreSQL would plan for minutes or not at all is refused at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from tap.adql.errors import ADQLError

MAX_CHARACTERS = 1_000_000
"""Characters of a query."""

MAX_TOKENS = 100_000
"""Names, numbers, strings, words and signs of a query."""

MAX_DEPTH = 100
"""Parentheses within parentheses."""

MAX_VALUES = 40_000
"""Values of one list of IN."""

MAX_CONDITIONS = 5_000
"""Conditions in one chain of AND or OR: PostgreSQL compares them with each other when it plans."""

MAX_TERMS = 1_000
"""Terms in one chain of + - * / or ||, values of COALESCE, and values of IN that are not constant: PostgreSQL nests
them."""

MAX_COLUMNS = 1_600
"""Columns of a select list, of GROUP BY or of ORDER BY (PostgreSQL takes 1,664)."""

MAX_JOINED = 50
"""Tables of one FROM, those of its subqueries counted: PostgreSQL plans 50 that one name joins in 2 s and 0.8 GB, 95 in
12 s and 5 GB."""

MAX_TABLES = 1_000
"""Tables that a whole query reads, those of a WITH query counted each time that it is named: names can double names."""

MAX_COMMON_TABLES = 100
"""Queries of WITH."""

MAX_EXPRESSION = 500_000
"""Characters of SQL of one value: geometries within geometries write their coordinates many times."""

MAX_COORDINATE = 20_000
"""Characters of SQL of one coordinate of a geometry."""

MAX_VERTICES = 10_000
"""Vertices of a polygon that is written as a string."""

MAX_SQL = 4_000_000
"""Characters of SQL of a whole query, which PostgreSQL reads in a second or two."""

MAX_REPEATED = 4_000_000
"""Characters of SQL that ORDER BY may write anew for names of the select list."""

MAX_PATTERN = 1_000
"""Characters of a pattern of LIKE and of what is looked for in a string: their product with the string's takes time in
which PostgreSQL hears of nothing, neither of a timeout nor of a client that is gone."""

MAX_SETS = 1_000
"""Queries in one chain of UNION, EXCEPT and INTERSECT."""

MAX_WRITTEN = 20_000_000
"""Characters of SQL of all values together, those within others counted again: few words can ask for much text."""

MAX_EXPANDED = 50_000
"""Columns that * and NATURAL look at in a whole query."""

MAX_POSITIONS = 64
"""Pairs of columns of a subquery through which a condition reaches a sky index; others have no index."""

MAX_SIDES = 2_000
"""Vertices of a polygon of which every side is compared with every other."""

MAX_COVERS = 1_000
"""Milliseconds, about, that are spent on finding index conditions for large regions; further ones have none."""

MAX_WARNINGS = 100
"""Remarks on one query; further ones are left out."""

MAX_SECONDS = 5.0
"""Seconds of computing that the translation of a query may take: for what none of the limits above foresees."""


class Placed(Protocol):
    """A node of the tree."""

    @property
    def position(self) -> int:
        """Offset of its first character in the text."""
        ...


def check_length(parts: Sequence[Placed], limit: int, what: str, hint: str = "Split the query into several.") -> None:
    """Refuse a part of a query that is too long.

    Raises
    ------
    ADQLError
        At the first part too many.
    """
    if len(parts) > limit:
        raise ADQLError(f"{what}: {len(parts)}, and the limit is {limit}.", parts[limit].position, hint=hint)
