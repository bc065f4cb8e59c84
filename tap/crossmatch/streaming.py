"""All pairs of two sides: piece by piece of the sky, in several processes where there is enough to do."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass

import numpy as np

from tap.crossmatch.kernel import NO_PAIRS, Pairs, Rule, joined, nearest, pairs_near
from tap.crossmatch.places import Places
from tap.crossmatch.separations import Integers
from uws.tasks import TaskContext, in_order

ROWS = 65_536
"""Rows of a piece."""
ROW_BYTES = 600
"""Memory that matching takes for each row of the other side, and each pair, that is handled at once."""
WORTH_PROCESSES = 30_000_000
"""Rows of both sides from which processes are started.

Threads do most of it as well: on two cores 10^7 rows are matched with 5·10^6 in 9.7 s by threads and 12.7 s by two new
processes, which pay where more cores would wait for Python's lock.
"""
PROCESS_BYTES = 100 << 20
"""Memory that a process takes before it does anything: an interpreter with NumPy, SciPy and Arrow."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is handled at once.

    Attributes
    ----------
    rows : int
        Of the first side.
    most : int
        Of the second side; pairs.
    """

    rows: int
    most: int

    @classmethod
    def within(cls, memory: int, at_once: int, nearest: int | None) -> Sizes:
        """Return sizes with which so many pieces at the same time take so many bytes."""
        most = min(max(memory // (at_once + 1) // ROW_BYTES, 1 << 12), 1 << 20)
        return cls(max(64, min(ROWS, most // 4, most // (nearest or 1))), most)


@dataclass(frozen=True, slots=True)
class Piece:
    """Some rows of the first side, to be compared with all of the second.

    Attributes
    ----------
    places : Places
        The layer of the first side.
    start, stop : int
        Which of its rows.
    side : tuple of Places
        The second side.
    rule : Rule
        Which pairs.
    most : int
        How much is handled at once.
    """

    places: Places
    start: int
    stop: int
    side: tuple[Places, ...]
    rule: Rule
    most: int


@dataclass(frozen=True, slots=True)
class Matched:
    """What was found for a piece.

    Attributes
    ----------
    rows : numpy.ndarray
        Numbers of the first side's rows in it, in the order of the piece.
    pairs : Pairs
        In that order, then by distance.
    complete : bool
        Whether these are all; if not, `pairs` is empty, since there are more than fit into the memory.
    """

    rows: Integers
    pairs: Pairs
    complete: bool = True


def pieces(firsts: tuple[Places, ...], side: tuple[Places, ...], rule: Rule, sizes: Sizes) -> list[Piece]:
    """Cut the first side into pieces."""
    return [
        Piece(places, start, min(start + sizes.rows, places.rows), side, rule, sizes.most)
        for places in firsts
        for start in range(0, places.rows, sizes.rows)
    ]


def matched(piece: Piece) -> Matched:
    """Find the pairs of a piece, unless there are too many to be held."""
    firsts = piece.places.read(piece.start, piece.stop)
    rows = np.ascontiguousarray(firsts["row"])
    found: list[Pairs] = []
    held = 0
    for pairs in pairs_near(firsts, piece.side, piece.rule, piece.most):
        found.append(pairs)
        held += len(pairs)
        if held > 2 * piece.most:
            if piece.rule.nearest is None:
                return Matched(rows, NO_PAIRS, complete=False)
            merged = joined(found)
            found = [merged[nearest(merged, piece.rule.nearest)]]
            held = len(found[0])
    pairs = joined(found)
    pairs = pairs[nearest(pairs, piece.rule.nearest)]
    return Matched(rows, pairs[_in_order_of(rows, pairs.first)])


def overflowing(piece: Piece) -> Iterator[Pairs]:
    """Yield the pairs of a piece that has too many to be held, in no order."""
    return pairs_near(piece.places.read(piece.start, piece.stop), piece.side, piece.rule, piece.most)


def in_processes(rows: int, context: TaskContext) -> bool:
    """Return whether so many rows of both sides are matched by several processes: these pay, and leave memory."""
    fit = context.memory >= 2 * PROCESS_BYTES * (context.cores + 1)
    return context.executor_is_local and context.cores > 1 and rows >= WORTH_PROCESSES and fit


def sizes_for(rows: int, nearest: int | None, context: TaskContext) -> Sizes:
    """Return how much of so many rows of both sides is handled at once."""
    processes = context.cores + 1 if in_processes(rows, context) else 1
    return Sizes.within(context.memory - processes * PROCESS_BYTES, context.cores, nearest)


def each_matched(work: list[Piece], rows: int, context: TaskContext) -> Iterator[tuple[Piece, Matched]]:
    """Match pieces, in their order: in threads, for trees work without Python's lock; in processes where they pay."""
    several = in_processes(rows, context) and len(work) > context.cores
    with ThreadPoolExecutor(context.cores) as threads:
        matching = in_order(context.executor if several else threads, matched, iter(work), ahead=context.cores + 2)
        with closing(matching) as found:  # type: ignore[type-var]  # what is not begun is not waited for
            for number, (piece, each) in enumerate(zip(work, found, strict=True)):
                yield piece, each
                context.progress(fraction=0.5 + 0.5 * (number + 1) / len(work))


def _in_order_of(rows: Integers, first: Integers) -> Integers:
    """Return how to bring first rows, which are in ascending order, into the order of the piece."""
    if not len(first) or not np.any(rows[1:] < rows[:-1]):
        return np.arange(len(first))
    by_number = np.argsort(rows)
    place = by_number[np.searchsorted(rows[by_number], first)]
    order: Integers = np.argsort(place, kind="stable")
    return order
