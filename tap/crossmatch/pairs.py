"""A file of pairs: of those that have to wait until all are known."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tap.crossmatch.kernel import Pairs, joined, slices
from tap.crossmatch.places import room

PAIR = np.dtype([("first", "<i8"), ("second", "<i8"), ("distance", "<f8"), ("angle", "<f8")])
GROUP = 64
"""Rows of the first side whose pairs are counted together."""


class PairsFile:
    """Pairs in parts, as they were appended.

    Parameters
    ----------
    path : pathlib.Path
        Where it is made.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._ends = [0]
        self._spans: list[tuple[int, int]] = []
        with room():
            self._file = path.open("wb")

    @property
    def parts(self) -> int:
        """How many there are."""
        return len(self._spans)

    def append(self, pairs: Pairs) -> None:
        """Add a part, which is not empty."""
        packed = np.empty(len(pairs), PAIR)
        for name in PAIR.names or ():
            packed[name] = getattr(pairs, name)
        with room():
            self._file.write(packed.tobytes())
        self._ends.append(self._ends[-1] + len(pairs))
        self._spans.append((int(pairs.first.min()), int(pairs.first.max())))

    def done(self) -> None:
        """Close the file; it can be read now."""
        with room():
            self.close()

    def close(self) -> None:
        """Close the file, complete or not."""
        self._file.close()

    def read(self, part: int) -> Pairs:
        """Return a part."""
        start, stop = self._ends[part : part + 2]
        packed = np.fromfile(self._path, PAIR, count=stop - start, offset=start * PAIR.itemsize)
        return Pairs(*(np.ascontiguousarray(packed[name]) for name in PAIR.names or ()))

    def by_first(self, most: int) -> Iterator[Pairs]:
        """Yield all pairs by their first rows: all of a row at once, with others to about `most` pairs."""
        counts = np.zeros(1 + max((high for _, high in self._spans), default=0) // GROUP, np.int64)
        for part, (low, _) in enumerate(self._spans):
            found = np.bincount(self.read(part).first // GROUP - low // GROUP)
            counts[low // GROUP : low // GROUP + len(found)] += found
        for start, stop in slices(counts, most):
            some = list(self._of_rows(start * GROUP, stop * GROUP))
            if some:
                yield joined(some)

    def _of_rows(self, start: int, stop: int) -> Iterator[Pairs]:
        for part, (low, high) in enumerate(self._spans):
            if low < stop and high >= start:
                pairs = self.read(part)
                yield pairs[np.flatnonzero((pairs.first >= start) & (pairs.first < stop))]
