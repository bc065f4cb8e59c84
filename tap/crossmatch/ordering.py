"""Putting places in order along the sky, where the order in which they come would make blocks as large as the sky."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tap.crossmatch.places import BLOCK, PLACE, SLICE, PlaceArray, Places, described, reserved, room
from tap.crossmatch.separations import Floats, Integers

FEW_BLOCKS = 16
"""So few are not worth sorting."""
COVERED = 16.0
"""Blocks that may cover a place of the sky on the average; along Q3C's curve, or by Gaia's source_id, 2 to 6 do."""
BITS = 16
"""Bits of each of the two coordinates on a face of the cube that the sky is projected on."""
KEY_BYTES = 40
"""Memory that sorting takes, a row."""


def in_order(places: Places, memory: int) -> Places:
    """Return the places, rewritten along the sky if their blocks are not compact.

    Parameters
    ----------
    places : Places
        In any order; the file is replaced if it has to be.
    memory : int
        Bytes that may be used; the rest is on the disk.
    """
    spheres = places.spheres()
    if len(spheres) < FEW_BLOCKS or float(np.sum(spheres[:, 3] ** 2)) / 4.0 < COVERED:
        return places
    target = places.path.with_name(f"{places.path.stem}-sorted.places")
    with room():
        _sort(places.path, target, max(BLOCK, memory // KEY_BYTES))
        places.path.unlink()
    return described(target, places.rows, places.reach)


def cells(vectors: Floats) -> Integers:
    """Return numbers of cells of the sky, close numbers for close places: on a cube's faces along a Z-shaped curve."""
    axis = np.abs(vectors).argmax(axis=1)
    rows = np.arange(len(vectors))
    height = vectors[rows, axis]
    u, v = (_coordinate(vectors[rows, (axis + step) % 3] / np.abs(height)) for step in (1, 2))
    face: Integers = (2 * axis + (height < 0)).astype(np.int64)
    number: Integers = face << 2 * BITS | _spread(u) | _spread(v) << 1
    return number


def _coordinate(place: Floats) -> Integers:
    strip: Integers = ((place + 1.0) * 2.0 ** (BITS - 1)).astype(np.int64)
    inside: Integers = np.minimum(strip, 2**BITS - 1)
    return inside


def _spread(value: Integers) -> Integers:
    for shift in (8, 4, 2, 1):
        every_other_group = (2 ** (2 * BITS) - 1) // (2**shift + 1)
        value = (value | value << shift) & every_other_group
    return value


def _sort(source: Path, target: Path, most: int) -> None:
    """Write the places of one file to another in the order of their cells, sorting at most so many rows at once."""
    places = np.memmap(source, PLACE, mode="r")
    with target.open("wb") as file:
        for rows in along_the_sky(places, target.with_suffix(".keys"), most):
            for start in range(0, len(rows), SLICE):
                file.write(places[rows[start : start + SLICE]].tobytes())


def along_the_sky(places: PlaceArray, scratch: Path, most: int) -> Iterator[Integers]:
    """Yield the numbers of rows in the order of their cells, at most so many at once.

    Parameters
    ----------
    places : numpy.ndarray
        A mapped file.
    scratch : pathlib.Path
        Path of a file that is made meanwhile.
    most : int
        Rows that may be sorted at once. What comes together has all rows of its cells, unless a cell has too many.
    """
    keys = reserved(scratch, np.int64, len(places))
    shift = 2 * BITS - 10
    counts = np.zeros(6 << 10, np.int64)
    for start in range(0, len(places), SLICE):
        some = cells(np.ascontiguousarray(places["vector"][start : start + SLICE]))
        keys[start : start + SLICE] = some
        counts += np.bincount(some >> shift, minlength=len(counts))
    for low, high in _ranges(counts, most):
        rows = _rows_between(keys, low << shift, high << shift, all_of_them=high - low == len(counts))
        for start in range(0, len(rows), most):  # more than one turn only where a single cell is too full
            some = rows[start : start + most]
            yield some[np.argsort(np.asarray(keys[some]))]
    scratch.unlink()


def _ranges(counts: Integers, most: int) -> list[tuple[int, int]]:
    """Return ranges of coarse cells with at most so many rows each, unless a cell has more of its own."""
    ranges: list[tuple[int, int]] = []
    start, rows = 0, 0
    for cell, count in enumerate(counts.tolist()):
        if rows and rows + count > most:
            ranges.append((start, cell))
            start, rows = cell, 0
        rows += count
    return [*ranges, (start, len(counts))]


def _rows_between(keys: Integers, low: int, high: int, *, all_of_them: bool) -> Integers:
    if all_of_them:
        return np.arange(len(keys))
    found = []
    for start in range(0, len(keys), SLICE):
        some = keys[start : start + SLICE]
        found.append(np.flatnonzero((some >= low) & (some < high)) + start)
    return np.concatenate(found)
