"""Find the rows of a block in which cells of varying length begin with their counts.

Where a row begins depends on all counts before it. Still they need not be walked along one after the other: the block
is cut into lanes, whose first rows are guessed, and one step of NumPy walks a row in each lane. A guess is right if the
lane before ends exactly there, so the first row, which is known, proves the second lane and so on. If one guess is
wrong the block is walked again row by row, which also finds what is wrong in a damaged one.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vo.core.errors import TableError
from vo.core.tables.readers.slices import Integers

_COUNT = struct.Struct(">i")
_SAMPLE = 32
_ROWS_PER_LANE = 128
_MOST_LANES = 256
_PROBES = 6
"""Rows that a guess must lead through before it is taken for the beginning of a row."""
_WINDOW = 4096


@dataclass(frozen=True, slots=True)
class Rows:
    """The whole rows of a block.

    Attributes
    ----------
    starts : numpy.ndarray of int64, shape (rows,)
        Where each row begins.
    cells, counts : numpy.ndarray of int64, shape (rows, variable cells)
        Where the content of each variable cell begins, behind its count, and its count.
    end : int
        Where the first row begins that the block does not hold as a whole.
    """

    starts: Integers
    cells: Integers
    counts: Integers
    end: int


@dataclass(frozen=True, slots=True)
class Stride:
    """How to come from one row to the next.

    Attributes
    ----------
    steps : sequence of (int, int)
        For each variable cell: the fixed bytes before its count, and the bits of an item.
    tail : int
        The fixed bytes behind the last variable cell.
    """

    steps: Sequence[tuple[int, int]]
    tail: int

    def rows(self, block: bytes, done: int) -> Rows:
        """Return the whole rows of a block that begins with a row; `done` rows were before it.

        Raises
        ------
        TableError
            For a negative count; names the row.
        """
        sample = self._walk(block, done, _SAMPLE)
        if len(sample.starts) == _SAMPLE:
            found = self._walk_lanes(block, sample)
            if found is not None:
                return found
        return self._walk(block, done)

    def _walk(self, block: bytes, done: int, most: int | None = None) -> Rows:
        """Walk row by row, through at most `most` rows."""
        size = len(block)
        unpack = _COUNT.unpack_from
        starts: list[int] = []
        cells: list[int] = []
        counts: list[int] = []
        steps = self.steps
        tail = self.tail
        position = start = 0
        try:
            while len(starts) != most:
                start = position
                for skip, bits in steps:
                    position += skip
                    (count,) = unpack(block, position)
                    if count < 0:
                        raise TableError(f"Row {done + len(starts) + 1} has an array of {count} elements.")
                    position += 4
                    cells.append(position)
                    counts.append(count)
                    position += (count * bits + 7) >> 3
                position += tail
                if position > size:
                    break
                starts.append(start)
                start = position
        except struct.error:
            pass  # the block ends in a count
        shape = (len(starts), len(steps))
        used = shape[0] * shape[1]
        return Rows(
            np.array(starts, np.int64),
            np.array(cells[:used], np.int64).reshape(shape),
            np.array(counts[:used], np.int64).reshape(shape),
            start,
        )

    def _walk_lanes(self, block: bytes, sample: Rows) -> Rows | None:
        """Walk all lanes at once; None if a guess was wrong or a count is."""
        size = len(block)
        words = np.ndarray((size - 3,), ">i4", block, strides=(1,))
        lanes = min(_MOST_LANES, size * _SAMPLE // (sample.end * _ROWS_PER_LANE))
        if lanes < 2:
            return None
        begins = self._guess(words, size, lanes, sample)
        bounds = np.append(begins[1:], size)
        lanes = len(begins)
        variable = len(self.steps)
        position = begins
        active = np.arange(lanes)
        kept: list[tuple[Integers, Integers, Integers, Integers]] = []
        ends = np.empty(lanes, np.int64)
        while len(active):
            cells = np.empty((len(active), variable), np.int64)
            counts = np.empty((len(active), variable), np.int64)
            behind = self._step(words, size, position, cells, counts)
            # The last lane ends with the row that the block does not hold as a whole.
            whole = behind <= size
            if not whole.all():
                cut = np.flatnonzero(~whole)
                if active[cut[0]] != lanes - 1:
                    return None
                ends[lanes - 1] = position[cut[0]]
                active, position, behind = active[:-1], position[:-1], behind[:-1]
                cells, counts = cells[:-1], counts[:-1]
            kept.append((active, position, cells, counts))
            going = behind < bounds[active]
            ends[active[~going]] = behind[~going]
            active, position = active[going], behind[going]
        if not (ends[:-1] == bounds[:-1]).all():
            return None
        starts = np.concatenate([positions for _, positions, _, _ in kept])
        order = np.argsort(starts, kind="stable")
        return Rows(
            starts[order],
            np.concatenate([cells for _, _, cells, _ in kept])[order],
            np.concatenate([counts for _, _, _, counts in kept])[order],
            int(ends[-1]),
        )

    def _step(self, words: Any, size: int, position: Integers, cells: Integers, counts: Integers) -> Integers:
        """Walk one row from each position; where that is not possible the result lies behind the end of the block."""
        wrong = np.zeros(len(position), np.bool_)
        for index, (skip, bits) in enumerate(self.steps):
            position = position + skip
            wrong |= position > size - 4
            count = words[np.where(wrong, 0, position)].astype(np.int64)
            wrong |= count < 0
            position = position + 4
            cells[:, index] = position
            counts[:, index] = count
            position = position + ((count * bits + 7) >> 3)
        return np.where(wrong, size + 1, position + self.tail)

    def _guess(self, words: Any, size: int, lanes: int, sample: Rows) -> Integers:
        """Return where lanes might begin: the first one at 0, the others at what looks most like a row."""
        lengths = np.diff(sample.starts, append=sample.end)
        length = int(lengths.max())
        if (lengths == length).all():  # rows may all be of one length although they need not
            return np.arange(lanes, dtype=np.int64) * (size // length // lanes * length)
        window = min(_WINDOW, length + length // 4)
        begins = np.arange(1, lanes, dtype=np.int64) * (size // lanes)
        position = (begins[:, np.newaxis] + np.arange(window)).ravel()
        lane = np.repeat(np.arange(1, lanes), window)
        largest = 4 * sample.counts.max(axis=0) + 64
        # Most guesses are refused by their first count, which is cheap to look at.
        first = words[np.minimum(position + self.steps[0][0], size - 4)]
        likely = (first >= 0) & (first <= largest[0])
        position, lane = position[likely], lane[likely]
        shape = (len(position), len(self.steps))
        cells, counts = np.empty(shape, np.int64), np.empty(shape, np.int64)
        for _ in range(_PROBES):
            position = self._step(words, size, position, cells, counts)
            likely = (position <= size) & (counts <= largest).all(axis=1)
            position, lane = position[likely], lane[likely]
            cells, counts = cells[: len(position)], counts[: len(position)]
        # Guesses that were wrong have mostly met the right way since: the place where most have come is taken.
        places, votes = np.unique(lane * (size + 1) + position, return_counts=True)
        order = np.lexsort((votes, places // (size + 1)))
        places = places[order]
        last = np.append(np.diff(places // (size + 1)) > 0, True)[: len(places)]
        found: Integers = np.unique(np.concatenate(([0], (places % (size + 1))[last])))
        return found
