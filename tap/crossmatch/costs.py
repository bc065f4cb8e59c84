"""How long each engine takes, from what was measured: the quicker one is chosen, and the client knows it before."""

from __future__ import annotations

from dataclasses import dataclass

READ_ROW = 0.1e-6
READ_VALUE = 0.06e-6
"""Seconds to bring a row, and each of its values, from the database into the task."""
PLACE = 0.08e-6
"""To find out where a row is and to file it."""
MATCH = 0.6e-6
"""To compare a row of the first side; for each further neighbour that is wanted a part of it."""
TREE = 0.1e-6
"""To make a row of the second side comparable."""
WRITE_VALUE = 0.1e-6
"""To bring a value into the result."""
START = 0.3
"""To begin either way."""
LOOK_UP = 6e-6
"""For the database to find the neighbours of a row in its index, once the first side is there in the right order."""


@dataclass(frozen=True, slots=True)
class Size:
    """Size of a side.

    Attributes
    ----------
    rows : int
        How many.
    columns : int
        Of how many columns they are read.
    """

    rows: int
    columns: int


def streamed(first: Size, second: Size, nearest: int) -> float:
    """Return the seconds that reading and comparing all of both sides takes."""
    reading = sum(side.rows * (READ_ROW + PLACE + side.columns * READ_VALUE) for side in (first, second))
    matching = first.rows * MATCH * (1 + 0.1 * nearest) + second.rows * TREE
    return START + reading + matching + _written(first, second)


def looked_up(first: Size, second: Size, nearest: int) -> float:
    """Return the seconds that the database takes to find the neighbours of each row of the first side."""
    reading = 2 * first.rows * (READ_ROW + PLACE + first.columns * READ_VALUE)
    return START + reading + first.rows * LOOK_UP * (1 + 0.1 * nearest) + _written(first, second)


def _written(first: Size, second: Size) -> float:
    return first.rows * (first.columns + second.columns) * WRITE_VALUE


def told(seconds: float) -> str:
    """Return a duration in words, no more exact than it is."""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
