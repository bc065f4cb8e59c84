"""How a transit sees the parallax, and in which direction it scans."""

from __future__ import annotations

import numpy as np

from gaia.scanning.arrays import Floats
from gaia.scanning.law import TO_ICRS

_POLE = np.array([0.0, 0.0, 1.0]) @ TO_ICRS


def scan_angle(axis: Floats, seen: Floats) -> Floats:
    """Return position angles of the scan where the targets are seen, from north by east, radians from -pi to pi.

    Parameters
    ----------
    axis : numpy.ndarray
        Of the spin, shape (n, 3).
    seen : numpy.ndarray
        Directions with aberration, shape (n, 3).
    """
    # Along the scan goes axis × seen; east is pole × seen, north is the pole less its part along seen.
    eastwards = axis @ _POLE - _dot(axis, seen) * (seen @ _POLE)
    northwards = np.cross(axis, seen) @ _POLE
    return np.arctan2(eastwards, northwards)


def factors(axis: Floats, direction: Floats, position: Floats, velocity: Floats) -> tuple[Floats, Floats]:
    """Return the parallax factors along and across the scan.

    They are the derivatives of the two field angles by the parallax, of where the target is seen: aberration, which
    makes the sky ahead a little smaller, belongs to them (1e-4 of their size).

    Parameters
    ----------
    axis : numpy.ndarray
        Of the spin, shape (n, 3), as are the others.
    direction : numpy.ndarray
        Of the targets, without aberration.
    position, velocity : numpy.ndarray
        Gaia's, relative to the barycentre: in astronomical units, and in units of the speed of light.
    """
    moved = direction * _dot(direction, position)[:, None] - position
    seen = direction + velocity
    size, height, rise = _dot(seen, seen), _dot(axis, seen), _dot(axis, moved)
    in_plane = size - height**2
    along = _dot(axis, np.cross(seen, moved)) / in_plane
    across = (rise * size - height * _dot(seen, moved)) / (size * np.sqrt(in_plane))
    return along, across


def _dot(left: Floats, right: Floats) -> Floats:
    return np.asarray(np.einsum("nk,nk->n", left, right), dtype=np.float64)
