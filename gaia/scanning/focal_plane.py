"""Fields of view and rows of CCDs: which directions are seen at one instant."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from gaia.scanning.arrays import Booleans, Bytes, Floats
from gaia.scanning.law import axes

HALF_BASIC_ANGLE: Final = math.radians(53.25)
"""The preceding field is so far before the middle of both, the following one behind it."""
ARCSECOND: Final = math.radians(1 / 3600)
CENTRE: Final = 220.9 * ARCSECOND
"""Elevation of the following field's centre above the plane that is scanned; the preceding one's is as far below."""
PITCH: Final = math.radians(0.09905)
"""From one row of CCDs to the next."""
GAP: Final = 9.1 * ARCSECOND
"""Between two rows."""
HALF_HEIGHT: Final = math.radians(0.34536)
"""Of all seven rows together."""
REACH: Final = HALF_HEIGHT + CENTRE
"""No direction is seen further from the plane that is scanned."""


def ccd_row(zeta: Floats, following: Booleans) -> Bytes:
    """Return the row, 1 to 7, in which a source at elevation `zeta` crosses; 0 between two rows and outside of all."""
    height = zeta - np.where(following, CENTRE, -CENTRE)
    step = np.rint(height / PITCH)
    off = np.abs(height - step * PITCH)
    inside = (np.abs(height) <= HALF_HEIGHT) & ((off <= (PITCH - GAP) / 2) | (np.abs(step) > 3))
    return np.where(inside, np.clip(4 - step, 1, 7), 0).astype(np.int8)


def directions(time: Floats, following: Booleans, height: Floats) -> Floats:
    """Return where points of the fields of view look, as unit vectors in ICRS, shape (n, 3).

    Parameters
    ----------
    time : numpy.ndarray
        Modified Julian days, TDB at Gaia.
    following : numpy.ndarray
        Which field.
    height : numpy.ndarray
        Radians above the middle of that field, towards the spin axis; `HALF_HEIGHT` is its edge.
    """
    zeta = height + np.where(following, CENTRE, -CENTRE)
    eta = np.where(following, -HALF_BASIC_ANGLE, HALF_BASIC_ANGLE)
    own = np.stack([np.cos(zeta) * np.cos(eta), np.cos(zeta) * np.sin(eta), np.sin(zeta)], axis=1)
    return np.asarray(np.einsum("nrk,nr->nk", axes(time), own), dtype=np.float64)
