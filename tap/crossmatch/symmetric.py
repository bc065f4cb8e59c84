"""Pairs in which every row of either side is at most once: the closest pair first, then the closest of what remains.

Pairs that hang together by common rows are decided together. Most of them are within one piece of the sky and are
decided there; what hangs together with another piece waits until all pieces are known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from tap.crossmatch.kernel import Pairs, joined
from tap.crossmatch.pairs import PairsFile
from tap.crossmatch.places import reserved
from tap.crossmatch.separations import Booleans, Integers
from vo.core.errors import LimitError

ROUNDS = 12
"""Rounds in which mutually nearest pairs are chosen at once; long chains are then followed pair by pair."""
PAIR_BYTES = 250
"""Memory that deciding takes, a pair."""


def greedy(pairs: Pairs) -> Pairs:
    """Choose the closest pair, drop all others of its two rows, and so on; ties by second row, then by first."""
    pairs = pairs[np.lexsort((pairs.first, pairs.second, pairs.distance))]
    chosen: list[Pairs] = []
    for _ in range(ROUNDS):
        if not len(pairs):
            break
        # A pair that comes first for both of its rows is chosen whatever becomes of the others.
        place = np.arange(len(pairs))
        mutual = (_first_place(pairs.first) == place) & (_first_place(pairs.second) == place)
        taken = pairs[np.flatnonzero(mutual)]
        chosen.append(taken)
        free = ~(np.isin(pairs.first, taken.first) | np.isin(pairs.second, taken.second))
        pairs = pairs[np.flatnonzero(free)]
    chosen.append(pairs[_one_by_one(pairs)])
    return joined(chosen)


def _first_place(rows: Integers) -> Integers:
    _, places, of_row = np.unique(rows, return_index=True, return_inverse=True)
    first: Integers = places[of_row]
    return first


def _one_by_one(pairs: Pairs) -> Integers:
    firsts: set[int] = set()
    seconds: set[int] = set()
    chosen = []
    for place, (first, second) in enumerate(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True)):
        if first not in firsts and second not in seconds:
            firsts.add(first)
            seconds.add(second)
            chosen.append(place)
    return np.array(chosen, np.int64)


class SymmetricMatch:
    """Decides pairs that come piece by piece; a first row is in one piece only.

    Parameters
    ----------
    folder : pathlib.Path
        For the pairs, and for what is known of second rows.
    seconds : int
        How many second rows there are.
    memory : int
        Bytes that deciding may use.
    choose : callable
        Chooses among pairs that hang together with no others: `greedy` for rows.
    """

    def __init__(self, folder: Path, seconds: int, memory: int, choose: Callable[[Pairs], Pairs]) -> None:
        self._choose = choose
        self._most = max(1000, memory // PAIR_BYTES)
        self._pairs = PairsFile(folder / "pairs")
        # Files rather than arrays: there are as many as rows of a side that need not fit into the memory.
        self._piece = reserved(folder / "pieces", np.int32, seconds)
        self._shared = reserved(folder / "shared", np.bool_, seconds)

    def close(self) -> None:
        """Close the file of pairs."""
        self._pairs.close()

    def held(self, parts: Iterator[Pairs]) -> Pairs:
        """Return all pairs of a piece, if they fit into the memory."""
        found, rows = [], 0
        for pairs in parts:
            found.append(pairs)
            rows += len(pairs)
            self._check(rows)
        return joined(found)

    def _check(self, pairs: int) -> None:
        if pairs > self._most:
            raise LimitError(
                f"More than {self._most:,} pairs hang together, by rows that have many others within the radius.",
                hint="Use a smaller RADIUS, or another MODE: best needs no such memory.",
            )

    def add(self, pairs: Pairs) -> None:
        """Add all pairs of a piece."""
        if not len(pairs):
            return
        number = self._pairs.parts + 1
        before = self._piece[pairs.second]
        self._shared[pairs.second[(before != 0) & (before != number)]] = True
        self._piece[pairs.second] = number
        self._pairs.append(pairs)

    def decided(self) -> Iterator[Pairs]:
        """Yield the chosen pairs: of each piece, then those that hang together across pieces."""
        self._pairs.done()
        waiting: list[Pairs] = []
        rows = 0
        for part in range(self._pairs.parts):
            pairs = self._pairs.read(part)
            open_ended = hanging_together(pairs, np.asarray(self._shared[pairs.second]))
            yield self._choose(pairs[np.flatnonzero(~open_ended)])
            waiting.append(pairs[np.flatnonzero(open_ended)])
            rows += len(waiting[-1])
            self._check(rows)
        yield self._choose(joined(waiting))


def hanging_together(pairs: Pairs, marked: Booleans) -> Booleans:
    """Return which pairs hang together, however indirectly, with one that is marked."""
    from scipy.sparse import coo_matrix  # noqa: PLC0415  (as in `places.tree_of`)
    from scipy.sparse.csgraph import connected_components  # noqa: PLC0415

    if not marked.any():
        return marked
    _, first = np.unique(pairs.first, return_inverse=True)
    _, second = np.unique(pairs.second, return_inverse=True)
    size = int(first.max()) + 1
    nodes = size + int(second.max()) + 1
    graph = coo_matrix((np.ones(len(first), np.int8), (first, second + size)), shape=(nodes, nodes))
    _, component = connected_components(graph, directed=False)
    of_pair = component[first]
    hanging: Booleans = np.isin(of_pair, np.unique(of_pair[marked]))
    return hanging
