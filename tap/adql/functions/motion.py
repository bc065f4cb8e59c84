"""Linear motion of stars through space, in Python for constants; ``vo_udf.space_motion`` is its twin in the database.

The rigorous treatment of the Hipparcos and Tycho Catalogues (ESA SP-1200, volume 1, section 1.5.5): star and Sun move
uniformly on straight lines. Only the time between the epochs matters.
"""

from __future__ import annotations

import math
from typing import NamedTuple

ASTRONOMICAL_UNIT = 4.740470463533349
"""Kilometres per second of an astronomical unit in a Julian year."""

_MAS = math.radians(1 / 3_600_000)
_GREATEST, _LEAST = 1e12, 1e-15


class Motion(NamedTuple):
    """The six parameters of a star.

    Position in degrees, parallax in mas, proper motion in mas/yr (in longitude times the cosine of the latitude),
    radial velocity in km/s.
    """

    ra: float
    dec: float
    parallax: float
    pmra: float
    pmdec: float
    radial_velocity: float


def moved(star: Motion, years: float) -> Motion | None:
    """Return a star's parameters after a time; None for numbers that no star has."""
    if not all(abs(value) < _GREATEST for value in (*star, years)) or abs(star.dec) > 90:
        return None
    ra, dec, parallax, pmra, pmdec, velocity, years = (
        0.0 if abs(value) < _LEAST else value for value in (*star, years)
    )
    a, d = math.radians(ra), math.radians(dec)
    east, north = pmra * _MAS, pmdec * _MAS
    radial = velocity * parallax / ASTRONOMICAL_UNIT * _MAS
    place = (math.cos(d) * math.cos(a), math.cos(d) * math.sin(a), math.sin(d))
    shift = (
        -east * math.sin(a) - north * math.sin(d) * math.cos(a),
        east * math.cos(a) - north * math.sin(d) * math.sin(a),
        north * math.cos(d),
    )
    proper = east * east + north * north
    square = 1 + 2 * radial * years + (proper + radial * radial) * years * years
    if square <= 0:
        return None  # it passes through the Sun
    factor = 1 / math.sqrt(square)
    ahead = 1 + radial * years
    x, y, z = ((r * ahead + m * years) * factor for r, m in zip(place, shift, strict=True))
    u, v, w = ((m * ahead - r * proper * years) * factor**3 for r, m in zip(place, shift, strict=True))
    flat = math.hypot(x, y)
    cosine, sine = (x / flat, y / flat) if flat > 0 else (math.cos(a), math.sin(a))
    lon = math.degrees(math.atan2(sine, cosine)) % 360
    receding = (radial + (proper + radial * radial) * years) * factor**2
    new_parallax = parallax * factor
    return Motion(
        lon,
        math.degrees(math.atan2(z, flat)),
        new_parallax,
        (v * cosine - u * sine) / _MAS,
        (w * flat - (u * cosine + v * sine) * z) / _MAS,
        velocity if new_parallax == 0 else receding / _MAS * ASTRONOMICAL_UNIT / new_parallax,
    )
