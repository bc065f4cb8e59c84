"""The one error of the package: a place in a query and what is wrong there."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from vo.core.errors import QueryError

_WINDOW = 100
_LONGEST = 500
"""Characters of a message: it quotes names of the query, which may have any length."""

_LONGEST_NAME = 64
"""Characters of a name for which others are offered."""

_WORD = re.compile(r"[^\W_]+")


class ADQLError(QueryError):
    """The query is not ADQL, or asks for something that the service does not have.

    Parameters
    ----------
    message : str
        What is wrong.
    position : int, optional
        Offset in the query, in characters from 0.
    hint : str, optional
        What to do instead.
    query : str, optional
        The text of the query; `translate` adds it.
    """

    def __init__(
        self, message: str, position: int | None = None, *, hint: str | None = None, query: str | None = None
    ) -> None:
        if len(message) > _LONGEST:
            message = f"{message[:_LONGEST]}…"
        if hint is not None and len(hint) > _LONGEST:
            hint = f"{hint[:_LONGEST]}…"
        super().__init__(message, hint=hint)
        self.position = position
        self.query = query

    @property
    def line(self) -> int | None:
        """Line of the place, from 1; None as long as place or query are unknown."""
        if self.query is None or self.position is None:
            return None
        return self.query.count("\n", 0, self.position) + 1

    @property
    def column(self) -> int | None:
        """Column of the place, from 1; None as long as place or query are unknown."""
        if self.query is None or self.position is None:
            return None
        return self.position - (self.query.rfind("\n", 0, self.position) + 1) + 1

    def __str__(self) -> str:
        place = f"line {self.line}, column {self.column}: " if self.line is not None else ""
        return place + super().__str__()

    def text(self) -> str:
        """Return the message, the line of the query with a caret under the place, and the hint."""
        lines = [str(self) if self.hint is None else str(self).removesuffix(f" {self.hint}")]
        if self.query is not None and self.line is not None and self.column is not None:
            lines += _caret(self.query.split("\n")[self.line - 1], self.column - 1)
        if self.hint is not None:
            lines.append(self.hint)
        return "\n".join(lines)

    def as_dict(self) -> dict[str, Any]:
        """Return the whole error for programs, with its place."""
        return {**super().as_dict(), "position": self.position, "line": self.line, "column": self.column}


def _caret(line: str, column: int) -> list[str]:
    """Return the part of a line around a column, and a line that points at it."""
    start = max(0, column - _WINDOW // 2)
    shown = "".join(c if c.isprintable() else " " for c in line[start : start + _WINDOW])
    return [f"  {shown}".rstrip(), "  " + " " * (column - start) + "^"]


def nearest(name: str, candidates: Iterable[str], limit: int = 3) -> list[str]:
    """Return the candidates that a person may have meant by `name`, nearest first.

    Near is an edit distance of at most a third of the name's length, upper and lower case being equal; names of one
    letter are near when they are that letter. So is a word with two letters swapped. Where nothing is as near as that,
    candidates are near that have all words of the name, such as ``phot_g_mean_mag`` for ``g_mag``.
    """
    wanted = name.lower()
    if len(wanted) > _LONGEST_NAME:
        return []
    allowed = max(1, len(wanted) // 3) if len(wanted) > 1 else 0
    letters: dict[str, int] = {}
    for place, letter in enumerate(wanted):
        letters[letter] = letters.get(letter, 0) | 1 << place
    words = set(_WORD.findall(wanted))
    found, wider = [], []
    for candidate in dict.fromkeys(candidates):
        if abs(len(candidate) - len(wanted)) <= allowed:
            distance = _edit_distance(letters, len(wanted), candidate.lower())
            if distance <= allowed or (distance == 2 and sorted(candidate.lower()) == sorted(wanted)):
                found.append((distance, candidate))
                continue
        if words and words.issubset(_WORD.findall(candidate.lower())):
            wider.append(candidate)
    return [candidate for _, candidate in sorted(found)[:limit]] or sorted(wider, key=len)[:limit]


def did_you_mean(name: str, candidates: Iterable[str], show: Callable[[str], str] = str) -> str | None:
    """Return a hint with the nearest candidates, each as `show` writes it; None where nothing is near."""
    near = nearest(name, candidates)
    return f"Did you mean {' or '.join(map(show, near))}?" if near else None


def _edit_distance(letters: dict[str, int], length: int, other: str) -> int:
    """Return the number of insertions, deletions and replacements between two words (Levenshtein).

    Myers' algorithm: the bits of `letters` are the places of each letter in the first word, and one step of integers
    does a row of the table, so that ten thousand names take a tenth of a second.
    """
    if length == 0:
        return len(other)
    whole, last = (1 << length) - 1, 1 << (length - 1)
    up, down, distance = whole, 0, length
    for letter in other:
        equal = letters.get(letter, 0)
        vertical = equal | down
        horizontal = (((equal & up) + up) ^ up) | equal
        increase = down | (whole & ~(horizontal | up))
        decrease = up & horizontal
        if increase & last:
            distance += 1
        elif decrease & last:
            distance -= 1
        increase = (increase << 1) | 1
        decrease <<= 1
        up = (decrease | ~(vertical | increase)) & whole
        down = increase & vertical & whole
    return distance
