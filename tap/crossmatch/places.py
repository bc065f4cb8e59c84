"""Files of places in blocks, each surrounded by a sphere, so that the blocks near given places are found."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from tap.crossmatch.separations import Floats, Integers, chord
from vo.core.errors import LimitError

PLACE = np.dtype([("vector", "<f8", (3,)), ("ra", "<f8"), ("dec", "<f8"), ("radius", "<f8"), ("row", "<i8")])
"""Unit vector; degrees; the row's own radius in arcsec, 0 where it has none; number of the row in its selection."""
PlaceArray: TypeAlias = npt.NDArray[Any]
"""Of `PLACE`."""

BLOCK = 1024
SLICE = 1 << 18
"""Rows of a file that are looked at together."""
SLACK = 1e-12
"""What vectors may be wrong by, amply: only candidates are chosen by them."""


@dataclass(frozen=True, slots=True)
class Places:
    """A file of places; only its path is sent to other processes.

    Attributes
    ----------
    path : pathlib.Path
        Of the places; the spheres of its blocks are in a file beside it.
    rows : int
        How many.
    reach : float
        The largest radius that any of them has of its own, in arcsec.
    """

    path: Path
    rows: int
    reach: float

    def read(self, start: int, stop: int) -> PlaceArray:
        """Return some of them, copied to memory."""
        return np.array(_mapped(self.path)[start:stop])

    def spheres(self) -> Floats:
        """Return centre and radius of the sphere around each block: four numbers a row."""
        return _spheres(self.path)

    def near(self, others: PlaceArray, arcsec: float, most: int) -> Iterator[PlaceArray]:
        """Return all places that can be within a distance of any of `others`, at most so many at a time.

        There are more among them, but none is missing.
        """
        blocks = self._blocks_near(others["vector"], chord(arcsec))
        group = max(1, most // BLOCK)
        places = _mapped(self.path)
        for first in range(0, len(blocks), group):
            some = blocks[first : first + group]
            ends = np.flatnonzero(np.diff(some) != 1) + 1  # neighbouring blocks are read as one
            runs = zip(some[np.r_[0, ends]], some[np.r_[ends - 1, len(some) - 1]], strict=True)
            yield np.concatenate([places[start * BLOCK : (end + 1) * BLOCK] for start, end in runs])

    def _blocks_near(self, vectors: Floats, distance: float) -> Integers:
        spheres = self.spheres()
        low, high = vectors.min(axis=0), vectors.max(axis=0)
        centres = spheres[:, :3]
        outside = np.maximum(low - centres, 0.0) + np.maximum(centres - high, 0.0)
        bound = spheres[:, 3] + distance + SLACK
        near = np.flatnonzero(np.einsum("ij,ij->i", outside, outside) <= bound * bound)
        if len(near) < 2:
            return near
        found, _ = tree_of(vectors).query(centres[near], distance_upper_bound=float(bound[near].max()) * (1 + 1e-9))
        touched: Integers = near[found <= bound[near]]
        return touched


def tree_of(vectors: Floats) -> Any:
    """Return a k-d tree; not balanced, since that takes several times as long as all queries."""
    from scipy.spatial import cKDTree  # noqa: PLC0415  (processes that answer HTTP import this module, and no tree)

    return cKDTree(vectors, leafsize=32, balanced_tree=False, compact_nodes=False)


@lru_cache(maxsize=64)
def _mapped(path: Path) -> PlaceArray:
    return np.memmap(path, PLACE, mode="r")


@lru_cache(maxsize=64)
def _spheres(path: Path) -> Floats:
    spheres: Floats = np.fromfile(path.with_suffix(".spheres"), np.float64).reshape(-1, 4)
    return spheres


class PlacesFile:
    """A file of places while it is written."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("wb")
        self._rows = 0
        self._reach = 0.0

    def append(self, places: PlaceArray) -> None:
        """Add places."""
        if len(places):
            with room():
                self._file.write(places.tobytes())
            self._rows += len(places)
            self._reach = max(self._reach, float(places["radius"].max()))

    def done(self) -> Places | None:
        """Close the file and measure its blocks; None if it is empty."""
        with room():
            self.close()
        return described(self._path, self._rows, self._reach) if self._rows else None

    def close(self) -> None:
        """Close the file, complete or not."""
        self._file.close()


def forget() -> None:
    """Let go of files that were mapped."""
    _mapped.cache_clear()
    _spheres.cache_clear()


def reserved(path: Path, dtype: npt.DTypeLike, rows: int) -> npt.NDArray[Any]:
    """Make a file of zeros and map it; its room is taken at once, since a mapped file could not complain later."""
    size = max(1, rows)
    with room(), path.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, size * np.dtype(dtype).itemsize)
    return np.memmap(path, dtype, mode="r+", shape=(size,))


def described(path: Path, rows: int, reach: float) -> Places:
    """Write the spheres around the blocks of a file that is complete."""
    places = np.memmap(path, PLACE, mode="r")
    spheres = np.empty((-(-rows // BLOCK), 4))
    for start in range(0, rows, SLICE):
        vectors = np.ascontiguousarray(places["vector"][start : start + SLICE])
        starts = np.arange(0, len(vectors), BLOCK)
        low, high = (of.reduceat(vectors, starts, axis=0) for of in (np.minimum, np.maximum))
        some = spheres[start // BLOCK : start // BLOCK + len(starts)]
        some[:, :3] = (low + high) / 2.0
        some[:, 3] = np.linalg.norm(high - low, axis=1) / 2.0
    with room():
        spheres.tofile(path.with_suffix(".spheres"))
    return Places(path, rows, reach)


@contextmanager
def room() -> Iterator[None]:
    """Say in words for the client when the disk is full."""
    try:
        yield
    except OSError as error:
        raise LimitError(f"There is no room on the disk for this match: {error.strerror or error}.") from error
