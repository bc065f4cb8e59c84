"""Q3C's numbering of the sky, computed here, so that rows can be ordered before they enter the database.

Q3C projects the sphere from its centre onto a cube and numbers the cells of each face along a Z-shaped curve (Koposov
& Bartunov 2006, ASP Conf. 351, 735). PostgreSQL's ``q3c_ang2ipix`` remains the authority: its index is what queries
use. This one decides only in which order rows are stored, and a test holds it against the other.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

BITS = 30
"""Bits of each of a cell's two coordinates on its face."""
NORTH, SOUTH = 0, 5
"""Numbers of the faces around the poles; 1 to 4 lie along the equator, around right ascensions of 0, 90, 180, 270."""


def q3c_ipix(ra: Floats, dec: Floats) -> Integers:
    """Return the numbers of the finest cells that hold positions.

    Parameters
    ----------
    ra, dec : numpy.ndarray
        Right ascension and declination in degrees: finite, the declination within -90 to 90.
    """
    longitude = np.mod(ra, 360.0)
    quarter = np.floor((longitude + 45.0) / 90.0) % 4
    east = np.radians(longitude - 90.0 * quarter)
    latitude = np.radians(dec)
    face = quarter.astype(np.int64) + 1
    u = np.tan(east)
    v = np.tan(latitude) / np.cos(east)

    # A ray that leaves the four faces along the equator pierces one of the other two.
    polar = np.abs(v) > 1.0
    if polar.any():
        north = dec[polar] > 0
        angle, cotangent = np.radians(longitude[polar]), 1.0 / np.tan(latitude[polar])
        u[polar] = np.sin(angle) * np.abs(cotangent)
        v[polar] = -np.cos(angle) * cotangent
        face[polar] = np.where(north, NORTH, SOUTH)
    return face << 2 * BITS | _spread(_coordinate(u)) | _spread(_coordinate(v)) << 1


def _coordinate(place: Floats) -> Integers:
    """Return in which of the 2^30 strips of a face, from -1 to 1, a place lies; the far edge is in the last one."""
    strip: Integers = ((place + 1.0) * 2.0 ** (BITS - 1)).astype(np.int64)
    return np.clip(strip, 0, 2**BITS - 1)


def _spread(value: Integers) -> Integers:
    """Move the bits of a number apart, a zero between any two: halves first, then quarters, down to single bits."""
    for shift in (16, 8, 4, 2, 1):
        every_other_group = (2**64 - 1) // (2**shift + 1)
        value = (value | value << shift) & every_other_group
    return value
