"""Where Gaia looks while time goes on: lines over the sky."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gaia.scanning import law, times
from gaia.scanning.arrays import Floats
from gaia.scanning.focal_plane import directions

POINTS_OF_TURN = 120
"""Points of a line for one turn of Gaia, enough to draw it."""
MOST_POINTS = 20_000


@dataclass(frozen=True, slots=True)
class Track:
    """A line over the sky, as the middle of a field of view or the spin axis draws it.

    Attributes
    ----------
    time : numpy.ndarray
        Modified Julian days, TCB at Gaia.
    ra, dec : numpy.ndarray
        Degrees.
    """

    time: Floats
    ra: Floats
    dec: Floats


def axis_track(begin: float, end: float, points: int = 2000) -> Track:
    """Return where the spin axis points; `begin` and `end` are modified Julian days of TCB."""
    tcb, tdb = _times(begin, end, points)
    return Track(tcb, *_positions(law.axes(tdb)[:, 2]))


def field_track(begin: float, end: float, *, following: bool) -> Track:
    """Return where the middle of a field of view looks."""
    points = min(MOST_POINTS, int((end - begin) / law.TURN * POINTS_OF_TURN) + 2)
    tcb, tdb = _times(begin, end, points)
    return Track(tcb, *_positions(directions(tdb, np.full(points, following), np.zeros(points))))


def _times(begin: float, end: float, points: int) -> tuple[Floats, Floats]:
    """Return times as TCB, and as TDB within the law."""
    tcb = np.linspace(begin, end, points)
    return tcb, np.clip(times.tdb(tcb), law.BEGIN, np.nextafter(law.END, 0))


def _positions(vectors: Floats) -> tuple[Floats, Floats]:
    ra = np.degrees(np.arctan2(vectors[:, 1], vectors[:, 0])) % 360
    return ra, np.degrees(np.arcsin(np.clip(vectors[:, 2], -1, 1)))
