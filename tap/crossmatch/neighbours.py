"""Pairs that the database's index has found: reduced to what the mode wants."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from tap.crossmatch.kernel import NO_PAIRS, Pairs, Rule, joined, nearest
from tap.crossmatch.places import SLICE
from tap.crossmatch.result import pair_batch
from tap.crossmatch.rows import RowsFile
from tap.crossmatch.separations import Booleans, Floats, Integers, position_angle, separation
from tap.crossmatch.sides import Side
from uws.tasks import Input
from vo.core.errors import LimitError, UnavailableError
from vo.core.tables import Column, schema_of

PAIRS = "pairs"
"""Name of the plan's input with the pairs."""
PAIR_BYTES = 250
"""Memory that a pair takes until the nearest ones are known."""


def second_columns(columns: tuple[Column, ...]) -> tuple[Column, ...]:
    """Return the second side's of the columns of pairs; before them is the first position, after them its row."""
    return columns[2:-1]


@dataclass(frozen=True, slots=True)
class _Near:
    """Pairs of a batch that are near enough."""

    places: Integers
    first: Integers
    distance: Floats
    angle: Floats


class Found:
    """The database's pairs, read once.

    Parameters
    ----------
    given : Input
        The pairs: the first side's position, the second side's columns, the first side's row.
    side : Side
        The first side, all of it, in the same order.
    rule : Rule
        Which pairs are wanted.
    """

    def __init__(self, given: Input, side: Side, rule: Rule) -> None:
        names = [column.name for column in second_columns(given.columns)]
        self._given = given
        self._position = [2 + names.index(given.recognised.found[role].name) for role in ("ra", "dec")]
        self._rule = rule
        self._side = side
        self._ra, self._dec = _positions(side)
        self.matched: Booleans = np.zeros(side.rows, bool)
        """Which rows of the first side have pairs, after all have been read."""

    def all(self, kept: tuple[int, ...]) -> Iterator[pa.RecordBatch]:
        """Yield rows of the result for every pair, as they come."""
        for batch in self._given.batches:
            near = self._near(batch)
            second = batch.select([2 + place for place in kept]).take(pa.array(near.places)).columns
            yield pair_batch(self._side.kept.take(near.first), second, near.distance, near.angle)

    def nearest(self, kept: tuple[int, ...], folder: Path, memory: int) -> tuple[Pairs, RowsFile]:
        """Return the nearest pairs of each row, in the first side's order, and the second side's rows."""
        columns = second_columns(self._given.columns)
        rows = RowsFile(folder / "found.arrow", schema_of(columns[place] for place in kept))
        most = max(SLICE, memory // PAIR_BYTES)
        pairs, waiting, held, start = NO_PAIRS, list[Pairs](), 0, 0
        for batch in self._given.batches:
            near = self._near(batch)
            taken = batch.select([2 + place for place in kept]).take(pa.array(near.places))
            rows.append(pa.RecordBatch.from_arrays(taken.columns, schema=rows.schema))
            waiting.append(Pairs(near.first, np.arange(start, start + len(near.first)), near.distance, near.angle))
            start += len(near.first)
            held += len(near.first)
            if held > most:
                pairs = joined([pairs, *waiting])
                pairs = pairs[nearest(pairs, self._rule.nearest)]
                waiting, held = [], len(pairs)
                if held > most:
                    raise LimitError(f"More than {most:,} pairs are wanted at once.", hint="Use a smaller K or RADIUS.")
        rows.done()
        pairs = joined([pairs, *waiting])
        return pairs[nearest(pairs, self._rule.nearest)], rows

    def drain(self) -> None:
        """Read all pairs, only to know which rows have one."""
        for batch in self._given.batches:
            self._near(batch)

    def _near(self, batch: pa.RecordBatch) -> _Near:
        """Compute how far apart the pairs of a batch are, and keep those that are near enough."""
        numbers = (0, 1, *self._position)
        ra_1, dec_1, ra_2, dec_2 = (
            batch.column(place).cast(pa.float64()).fill_null(np.nan).to_numpy(zero_copy_only=False) for place in numbers
        )
        first = batch.column(batch.num_columns - 1).cast(pa.int64()).to_numpy(zero_copy_only=False)
        places = (np.fmod(ra_1, 360.0), dec_1, np.fmod(ra_2, 360.0), dec_2)
        self._check(first, *places[:2])
        distance = separation(*places)
        near = np.flatnonzero(distance <= self._rule.radius)
        self.matched[first[near]] = True
        angle = position_angle(*(values[near] for values in places))
        return _Near(near, first[near], distance[near], angle)

    def _check(self, first: Integers, ra: Floats, dec: Floats) -> None:
        """Make sure that rows have the numbers that they had when the first side was read by itself."""
        known = (first >= 0) & (first < self._side.rows)
        if not known.all() or not (np.array_equal(self._ra[first], ra) and np.array_equal(self._dec[first], dec)):
            raise UnavailableError(
                "The first table changed, or gave its rows in another order, while the match was running.",
                hint="Try again, with ORDER BY in its query or with ENGINE=stream.",
            )


def _positions(side: Side) -> tuple[Floats, Floats]:
    """Return the positions of a side's rows by their numbers."""
    ra, dec = np.full(side.rows, np.nan), np.full(side.rows, np.nan)
    for layer in side.layers:
        for start in range(0, layer.rows, SLICE):
            places = layer.read(start, start + SLICE)
            ra[places["row"]], dec[places["row"]] = places["ra"], places["dec"]
    return ra, dec
