"""Rows at one and the same place, taken together where each may be in one pair only.

A thousand rows at a place of each side are a million pairs, of which a thousand are chosen. Stacks know without looking
at all of them: of the rows of a stack the lowest is always taken next.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from pathlib import Path

import numpy as np

from tap.crossmatch.kernel import NO_PAIRS, Pairs, joined
from tap.crossmatch.ordering import along_the_sky, cells
from tap.crossmatch.places import BLOCK, PLACE, Places, PlacesFile, room
from tap.crossmatch.separations import Integers
from tap.crossmatch.symmetric import greedy, hanging_together

SORT_BYTES = 200
"""Memory that stacking takes, a row."""


@dataclass(frozen=True, slots=True)
class Stacks:
    """The rows of a side by places.

    Attributes
    ----------
    layers : tuple of Places
        Of the stacks; the number of a row is that of a stack.
    rows : numpy.ndarray
        Numbers of rows, those of a stack together and ascending.
    starts : numpy.ndarray
        Where each stack begins in `rows`, and where the last one ends.
    """

    layers: tuple[Places, ...]
    rows: Integers
    starts: Integers

    @property
    def count(self) -> int:
        """How many stacks there are."""
        return len(self.starts) - 1


def stacked(layers: tuple[Places, ...], folder: Path, name: str, memory: int) -> Stacks:
    """Put the rows of a side into stacks: those at the same place that have the same radius.

    Parameters
    ----------
    layers : tuple of Places
        Of the side.
    folder : pathlib.Path
        Where files are made.
    name : str
        What their names begin with.
    memory : int
        Bytes that may be used; where more rows than these hold are close together, a place may have several stacks.
    """
    rows_path, starts_path = folder / f"{name}.rows", folder / f"{name}.starts"
    most = max(BLOCK, memory // SORT_BYTES)
    stacks: list[Places] = []
    count = done = 0
    with ExitStack() as files, room():
        rows_file, starts_file = (files.enter_context(path.open("wb")) for path in (rows_path, starts_path))
        for number, layer in enumerate(layers):
            file = PlacesFile(folder / f"{name}-{number}.places")
            files.callback(file.close)
            places = np.memmap(layer.path, PLACE, mode="r")
            for order in along_the_sky(places, folder / f"{name}.keys", most):
                some = places[order]
                some = some[np.lexsort((some["row"], some["radius"], some["dec"], some["ra"]))]
                new = np.r_[True, np.zeros(len(some) - 1, bool)]
                for field in ("ra", "dec", "radius"):
                    new[1:] |= some[field][1:] != some[field][:-1]
                starts = np.flatnonzero(new)
                rows_file.write(some["row"].tobytes())
                starts_file.write((starts + done).tobytes())
                lowest = some[starts]
                lowest["row"] = np.arange(count, count + len(starts))
                # Along the sky again: sorting by right ascension was to find what is the same.
                file.append(lowest[np.argsort(cells(np.ascontiguousarray(lowest["vector"])))])
                count, done = count + len(starts), done + len(some)
            if (made := file.done()) is not None:
                stacks.append(made)
        starts_file.write(np.array([done], np.int64).tobytes())
    starts = np.memmap(starts_path, np.int64, mode="r")
    rows = np.memmap(rows_path, np.int64, mode="r") if done else np.empty(0, np.int64)
    return Stacks(tuple(stacks), rows, starts)


def greedy_among_stacks(pairs: Pairs, first: Stacks, second: Stacks) -> Pairs:
    """Choose pairs of rows from pairs of stacks, as `symmetric.greedy` does from all pairs of their rows."""
    if not len(pairs):
        return NO_PAIRS
    several = (_size(first, pairs.first) > 1) | (_size(second, pairs.second) > 1)
    crowded = hanging_together(pairs, several)
    single, rest = pairs[np.flatnonzero(~crowded)], pairs[np.flatnonzero(crowded)]
    rows = Pairs(_lowest(first, single.first), _lowest(second, single.second), single.distance, single.angle)
    return joined([greedy(rows), _one_by_one(rest, first, second)])


def _size(side: Stacks, stacks: Integers) -> Integers:
    return np.asarray(side.starts[stacks + 1] - side.starts[stacks])


def _lowest(side: Stacks, stacks: Integers) -> Integers:
    return np.asarray(side.rows[side.starts[stacks]])


def _one_by_one(pairs: Pairs, first: Stacks, second: Stacks) -> Pairs:
    """Take the closest pair of stacks, of each the lowest row that is left, and so on."""
    ones, others, distances = pairs.first.tolist(), pairs.second.tolist(), pairs.distance.tolist()
    next_one = {stack: int(first.starts[stack]) for stack in set(ones)}
    next_other = {stack: int(second.starts[stack]) for stack in set(others)}
    end_one = {stack: int(first.starts[stack + 1]) for stack in next_one}
    end_other = {stack: int(second.starts[stack + 1]) for stack in next_other}

    def key(pair: int) -> tuple[float, int, int, int] | None:
        one, other = ones[pair], others[pair]
        if next_one[one] == end_one[one] or next_other[other] == end_other[other]:
            return None
        return distances[pair], int(second.rows[next_other[other]]), int(first.rows[next_one[one]]), pair

    waiting = [found for pair in range(len(ones)) if (found := key(pair)) is not None]
    heapify(waiting)
    chosen: list[tuple[int, int, int]] = []
    while waiting:
        taken = heappop(waiting)
        pair = taken[3]
        now = key(pair)
        if now == taken:
            chosen.append((taken[2], taken[1], pair))
            next_one[ones[pair]] += 1
            next_other[others[pair]] += 1
            now = key(pair)
        if now is not None:  # later than it seemed: a row of it was taken meanwhile
            heappush(waiting, now)
    one, other, place = np.array(chosen, np.int64).reshape(-1, 3).T
    return Pairs(one, other, pairs.distance[place], pairs.angle[place])
