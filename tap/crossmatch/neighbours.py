"""Pairs that the database's index has found: reduced to what the mode wants."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from tap.crossmatch.kernel import Pairs, Rule, nearest
from tap.crossmatch.pairs import PairsFile
from tap.crossmatch.places import SLICE, reserved
from tap.crossmatch.result import pair_batch, pairs_batches, rows_at_once, rows_batches
from tap.crossmatch.rows import RowsFile
from tap.crossmatch.separations import Booleans, Floats, Integers, position_angle, separation
from tap.crossmatch.sides import GREATEST_RA, Side
from uws.tasks import Input
from vo.core.errors import UnavailableError
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
    folder : pathlib.Path
        Where files are made: the first side need not fit into the memory.
    """

    def __init__(self, given: Input, side: Side, rule: Rule, folder: Path) -> None:
        names = [column.name for column in second_columns(given.columns)]
        self._given = given
        self._position = [2 + names.index(given.recognised.found[role].name) for role in ("ra", "dec")]
        self._rule = rule
        self._side = side
        self._folder = folder
        self._ra, self._dec = _positions(side, folder)
        self.matched: Booleans = reserved(folder / "matched", np.bool_, side.rows)
        """Which rows of the first side have pairs, after all have been read."""

    def all(self, kept: tuple[int, ...]) -> Iterator[pa.RecordBatch]:
        """Yield rows of the result for every pair, as they come."""
        step = rows_at_once(self._side.kept)
        for batch in self._given.batches:
            near = self._near(batch)
            columns = batch.select([2 + place for place in kept])
            for start in range(0, len(near.first), step):
                some = slice(start, start + step)
                second = columns.take(pa.array(near.places[some])).columns
                yield pair_batch(self._side.kept.take(near.first[some]), second, near.distance[some], near.angle[some])

    def nearest(self, kept: tuple[int, ...], memory: int) -> Iterator[pa.RecordBatch]:
        """Yield rows of the result for the nearest pairs of each row, in the first side's order."""
        columns = second_columns(self._given.columns)
        rows = RowsFile(self._folder / "found.arrow", schema_of(columns[place] for place in kept))
        most = max(SLICE, memory // PAIR_BYTES)
        with closing(PairsFile(self._folder / "found.pairs")) as pairs:
            for batch in self._given.batches:
                near = self._near(batch)
                if not len(near.first):
                    continue
                # The pairs of a row mostly come together: few of them are left already here.
                found = Pairs(near.first, np.arange(len(near.first)), near.distance, near.angle)
                few = np.sort(nearest(found, self._rule.nearest))
                taken = batch.select([2 + place for place in kept]).take(pa.array(near.places[few]))
                numbers = rows.appended + np.arange(len(few))
                pairs.append(Pairs(near.first[few], numbers, near.distance[few], near.angle[few]))
                rows.append(pa.RecordBatch.from_arrays(taken.columns, schema=rows.schema))
            rows.done()
            pairs.done()
            for some in pairs.by_first(most):
                chosen = some[nearest(some, self._rule.nearest)]
                yield from pairs_batches(chosen, self._side.kept, rows)

    def unmatched(self) -> Iterator[pa.RecordBatch]:
        """Read all pairs, and yield the rows of the first side that have none."""
        for batch in self._given.batches:
            self._near(batch)
        for start in range(0, self._side.rows, SLICE):
            alone = np.flatnonzero(~self.matched[start : min(start + SLICE, self._side.rows)])
            yield from rows_batches(alone + start, self._side.kept)

    def _near(self, batch: pa.RecordBatch) -> _Near:
        """Compute how far apart the pairs of a batch are, and keep those that are near enough."""
        numbers = (0, 1, *self._position)
        ra_1, dec_1, ra_2, dec_2 = (
            batch.column(place).cast(pa.float64()).fill_null(np.nan).to_numpy(zero_copy_only=False) for place in numbers
        )
        first = batch.column(batch.num_columns - 1).cast(pa.int64()).to_numpy(zero_copy_only=False)
        exact = (np.abs(ra_1) <= GREATEST_RA) & (np.abs(ra_2) <= GREATEST_RA)  # as where both sides are read
        places = (np.fmod(ra_1, 360.0), dec_1, np.fmod(ra_2, 360.0), dec_2)
        self._check(first[exact], places[0][exact], dec_1[exact])
        distance = separation(*places)
        near = np.flatnonzero(exact & (distance <= self._rule.radius))
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


def _positions(side: Side, folder: Path) -> tuple[Floats, Floats]:
    """Return the positions of a side's rows by their numbers, in files."""
    ra, dec = (reserved(folder / f"first-{name}", np.float64, side.rows) for name in ("ra", "dec"))
    ra[:] = dec[:] = np.nan
    for layer in side.layers:
        for start in range(0, layer.rows, SLICE):
            places = layer.read(start, start + SLICE)
            ra[places["row"]], dec[places["row"]] = places["ra"], places["dec"]
    return ra, dec
