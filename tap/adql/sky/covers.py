"""Constant regions as ranges of Q3C's pixels: cells of the sky that hold a region, found from coarse to fine.

Q3C projects the sphere from its centre onto a cube and numbers the pixels of each face along a Z-shaped curve, so that
a cell of any level is a range of numbers (Koposov & Bartunov 2006, ASP Conf. 351, 735). A cover holds more than its
region, never less.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tap.adql.sky.mocs import cell_radius
from tap.adql.sky.planes import Vector, enclosing

Floats: TypeAlias = NDArray[np.float64]
Integers: TypeAlias = NDArray[np.int64]
Ranges: TypeAlias = tuple[tuple[int, int], ...]
Mask: TypeAlias = NDArray[np.bool_]
Reach: TypeAlias = Callable[[Floats, Floats, Integers], tuple[Mask, Mask]]
"""Tells of circles around cells whether they may touch a region and whether they are within it.

They come as directions of their centres, radii in radians, and the places of the cells that were divided among those
asked about before.
"""

BITS = 30
"""Bits of each of a pixel's two coordinates on its face."""

MAX_FRACTION = 0.1
"""Of the sky; to find more than this by an index takes longer than to read the table."""

_START = 2
_MAX_CELLS = 2000

# Radians; Q3C may put a point at the edge of a cell into the next one.
_MARGIN = 1e-8


def cover(reach: Reach, *, ranges: int, smallest: float) -> Ranges | None:
    """Return the first and last pixels of ranges that cover a region; None where it is too large for an index.

    Parameters
    ----------
    reach : callable
        The region.
    ranges : int
        How many ranges it may be.
    smallest : float
        Radians; cells smaller than this gain nothing.
    """
    level = _START
    side = np.arange(1 << level, dtype=np.int64)
    face, x, y = (part.ravel() for part in np.meshgrid(np.arange(6, dtype=np.int64), side, side, indexing="ij"))
    parents = np.zeros(len(face), np.int64)
    whole: list[tuple[Integers, Integers]] = []
    best: tuple[Integers, Integers] | None = None
    while True:
        touched, within = reach(*_circles(level, face, x, y), parents)
        kept = np.flatnonzero(touched & ~within)
        whole.append(_pixels(level, face[within], x[within], y[within]))
        face, x, y = face[kept], x[kept], y[kept]
        found = _merged([*whole, _pixels(level, face, x, y)])
        if best is not None and len(found[0]) > ranges:
            break
        best = found
        if not len(face) or 4 * len(face) > _MAX_CELLS or math.pi / 2 / (1 << level) < smallest or level == BITS:
            break
        level += 1
        face, parents = np.repeat(face, 4), np.repeat(kept, 4)
        x = (x[:, None] * 2 + np.array([0, 1, 0, 1])).ravel()
        y = (y[:, None] * 2 + np.array([0, 0, 1, 1])).ravel()
    first, last = best
    if float(np.sum(last - first + 1)) / (6 * 4.0**BITS) > MAX_FRACTION:
        return None
    return tuple(zip(first.tolist(), last.tolist(), strict=True))


def near_any(centres: Floats, radii: Floats) -> Reach:
    """Return the reach of a region that many small circles hold."""
    # The circles that touch each cell, those of one cell side by side; at first there is one, the sky.
    owners = np.zeros(len(radii), np.int64)
    circles = np.arange(len(radii))

    def reach(cells: Floats, sizes: Floats, parents: Integers) -> tuple[Mask, Mask]:
        nonlocal owners, circles
        starts = np.searchsorted(owners, parents)
        counts = np.searchsorted(owners, parents, "right") - starts
        cell = np.repeat(np.arange(len(cells)), counts)
        circle = circles[np.arange(len(cell)) + np.repeat(starts - np.cumsum(counts) + counts, counts)]
        reached = sizes[cell] + radii[circle]
        near = (np.sum(cells[cell] * centres[circle], axis=1) >= np.cos(reached)) | (reached >= math.pi)
        owners, circles = cell[near], circle[near]
        touched = np.zeros(len(cells), bool)
        touched[owners] = True
        return touched, np.zeros(len(cells), bool)

    return reach


def in_circle(centre: Vector, radius: float) -> Reach:
    """Return the reach of a circle."""

    def reach(cells: Floats, sizes: Floats, _parents: Integers) -> tuple[Mask, Mask]:
        far = np.arccos(np.clip(cells @ np.array(centre), -1, 1))
        return far <= radius + sizes + _MARGIN, far + sizes + _MARGIN < radius

    return reach


def in_polygon(vertices: Sequence[Vector]) -> Reach:
    """Return the reach of a polygon, given by the directions of its vertices."""
    corners: Floats = np.array(vertices)
    behind = np.roll(corners, -1, axis=0)
    normals = np.cross(corners, behind)
    lengths = np.linalg.norm(normals, axis=1)
    corners, behind, normals = (part[lengths > 0] for part in (corners, behind, normals))
    normals /= lengths[lengths > 0][:, None]
    after, before = np.cross(normals, corners), np.cross(behind, normals)
    cosines = np.sum(corners * behind, axis=1)
    middle = np.array(enclosing(vertices)[0])

    def reach(cells: Floats, sizes: Floats, _parents: Integers) -> tuple[Mask, Mask]:
        to_corners, to_behind, across = cells @ corners.T, cells @ behind.T, cells @ normals.T
        beside = (cells @ after.T >= 0) & (cells @ before.T >= 0)
        ends = np.arccos(np.clip(np.maximum(to_corners, to_behind), -1, 1))
        nearest = np.where(beside, np.arcsin(np.clip(np.abs(across), 0, 1)), ends).min(axis=1)
        turned = np.arctan2(across * lengths[lengths > 0], cosines - to_corners * to_behind).sum(axis=1)
        inside = (np.abs(turned) > math.pi) & (cells @ middle > 0)
        return inside | (nearest <= sizes), inside & (nearest > sizes)

    return reach


def healpix_circles(cells: Iterable[tuple[int, int, int]]) -> tuple[Floats, Floats]:
    """Return circles around HEALPix cells, given as order, first and last number (NESTED; Gorski et al. 2005)."""
    centres, radii = [], []
    for order, first, last in cells:
        side = 1 << order
        face, number = np.divmod(np.arange(first, last + 1, dtype=np.int64), side * side)
        x, y = _gathered(number), _gathered(number >> 1)
        row = np.where(face < 4, 2, np.where(face < 8, 3, 4)) * side - x - y - 1
        length = np.minimum(np.minimum(row, 4 * side - row), side)  # of a quarter of the ring, in cells
        polar = 1 - length * length / (3 * side * side)
        z = np.where(row < side, polar, np.where(row > 3 * side, -polar, (2 * side - row) * 2 / (3 * side)))
        step = np.where(face // 4 == 1, 2 * (face % 4), 2 * (face % 4) + 1)
        azimuth = (step * length + x - y) * math.pi / (4 * length)
        across = np.sqrt((1 - z) * (1 + z))
        centres.append(np.stack([across * np.cos(azimuth), across * np.sin(azimuth), z], axis=1))
        radii.append(np.full(len(face), cell_radius(order) + _MARGIN))
    return np.concatenate(centres), np.concatenate(radii)


def _gathered(value: Integers) -> Integers:
    """Return every second bit of numbers, from the last one on, side by side."""
    value = value & 0x5555555555555555
    for shift in (1, 2, 4, 8, 16):
        every_other_group = (2**64 - 1) // (2 ** (2 * shift) + 1)
        value = (value | value >> shift) & every_other_group
    return value


def _circles(level: int, face: Integers, x: Integers, y: Integers) -> tuple[Floats, Floats]:
    """Return circles around cells: directions of their centres, and radii in radians."""
    size = 2.0 / (1 << level)
    u, v = x * size - 1, y * size - 1
    centres = _directions(face, u + size / 2, v + size / 2)
    corners = (_directions(face, u + right * size, v + up * size) for right in (0, 1) for up in (0, 1))
    chords = np.max([np.linalg.norm(corner - centres, axis=1) for corner in corners], axis=0)
    return centres, 2 * np.arcsin(chords / 2) + _MARGIN


def _directions(face: Integers, u: NDArray[Any], v: NDArray[Any]) -> Floats:
    """Return the directions of places on the faces: 0 is north, 5 south, 1 to 4 lie around the equator."""
    quarter = np.radians(90.0 * (face - 1))
    cosine, sine = np.cos(quarter), np.sin(quarter)
    polar, south = (face == 0) | (face == 5), face == 5
    x = np.where(polar, np.where(south, v, -v), cosine - u * sine)
    y = np.where(polar, u, sine + u * cosine)
    z = np.where(polar, np.where(south, -1.0, 1.0), v)
    found = np.stack([x, y, z], axis=1)
    return np.asarray(found / np.linalg.norm(found, axis=1)[:, None])


def _pixels(level: int, face: Integers, x: Integers, y: Integers) -> tuple[Integers, Integers]:
    """Return the first and last pixels of cells."""
    shift = 2 * (BITS - level)
    first = face << 2 * BITS | (_spread(x) | _spread(y) << 1) << shift
    return first, first + ((1 << shift) - 1)


def _merged(parts: list[tuple[Integers, Integers]]) -> tuple[Integers, Integers]:
    """Return ranges in order, those that touch being one."""
    first, last = (np.concatenate(ends) for ends in zip(*parts, strict=True))
    order = np.argsort(first)
    first, last = first[order], last[order]
    if not len(first):
        return first, last
    gap = first[1:] > last[:-1] + 1
    return first[np.append(True, gap)], last[np.append(gap, True)]


def _spread(value: Integers) -> Integers:
    """Move the bits of a number apart, a zero between any two: halves first, then quarters, down to single bits."""
    for shift in (16, 8, 4, 2, 1):
        every_other_group = (2**64 - 1) // (2**shift + 1)
        value = (value | value << shift) & every_other_group
    return value
