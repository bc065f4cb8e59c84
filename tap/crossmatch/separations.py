"""How far apart two places on the sky are, exact for the smallest angles as for large ones."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]
Integers: TypeAlias = npt.NDArray[np.int64]
Booleans: TypeAlias = npt.NDArray[np.bool_]

ARCSEC = 3600.0
"""Arcseconds of a degree."""


def vectors(ra: Floats, dec: Floats) -> Floats:
    """Return unit vectors, a row each, of places in degrees."""
    longitude = np.radians(ra)
    cosine = _cosine(dec)
    return np.stack([cosine * np.cos(longitude), cosine * np.sin(longitude), np.sin(np.radians(dec))], axis=1)


def chord(arcsec: float) -> float:
    """Return the distance of two unit vectors that are this far apart."""
    return float(2.0 * np.sin(np.radians(arcsec / ARCSEC) / 2.0))


def separation(ra_1: Floats, dec_1: Floats, ra_2: Floats, dec_2: Floats) -> Floats:
    """Return the angles between places (deg) in arcsec.

    The haversine of differences in degrees: nothing cancels where the places are close, and equal ones are 0 apart.
    """
    turn = np.sin(np.radians(_difference(ra_1, ra_2)) / 2.0)
    rise = np.sin(np.radians(dec_2 - dec_1) / 2.0)
    square = rise * rise + _cosine(dec_1) * _cosine(dec_2) * turn * turn
    angle: Floats = np.degrees(2.0 * np.arcsin(np.sqrt(np.minimum(square, 1.0)))) * ARCSEC
    return angle


def position_angle(ra_1: Floats, dec_1: Floats, ra_2: Floats, dec_2: Floats) -> Floats:
    """Return the directions from the first places to the second ones, in degrees from north through east.

    NaN where both are the same place.
    """
    difference = np.radians(_difference(ra_1, ra_2))
    cosine = _cosine(dec_2)
    half = np.sin(difference / 2.0)
    east = cosine * np.sin(difference)
    north = np.sin(np.radians(dec_2 - dec_1)) + 2.0 * np.sin(np.radians(dec_1)) * cosine * half * half
    angle = np.degrees(np.arctan2(east, north))
    angle = np.where(angle < 0, angle + 360.0, angle) + 0.0  # no -0
    nowhere: Floats = np.where((east == 0) & (north == 0), np.nan, np.where(angle >= 360.0, 0.0, angle))
    return nowhere


def _difference(ra_1: Floats, ra_2: Floats) -> Floats:
    """Return how far the second lies east, within half a turn."""
    difference = ra_2 - ra_1
    turned: Floats = difference - 360.0 * np.round(difference / 360.0)
    return turned


def _cosine(dec: Floats) -> Floats:
    """Return the cosine, to its last digit near the poles and 0 there: all right ascensions are one place."""
    cosine: Floats = np.sin(np.radians(90.0 - np.abs(dec)))
    return cosine
