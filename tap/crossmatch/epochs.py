"""Places of stars at another epoch, for whole columns; ``vo_udf.epoch_prop`` is the twin in the database.

The rigorous treatment of the Hipparcos and Tycho Catalogues (ESA SP-1200, volume 1, section 1.5.5): star and Sun move
uniformly on straight lines.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tap.adql.functions.motion import ASTRONOMICAL_UNIT
from tap.crossmatch.separations import Floats

_MAS = np.radians(1 / 3_600_000)
_GREATEST = 1e12


@dataclass(frozen=True, slots=True)
class Motions:
    """How stars move; NaN is unknown.

    Attributes
    ----------
    pmra, pmdec : numpy.ndarray
        Proper motion in mas/yr, that in right ascension times the cosine of the declination; a star of which either is
        unknown stays where it is.
    parallax : numpy.ndarray
        In mas; what is unknown is 0.
    radial_velocity : numpy.ndarray
        In km/s; what is unknown is 0.
    """

    pmra: Floats
    pmdec: Floats
    parallax: Floats
    radial_velocity: Floats


def propagated(ra: Floats, dec: Floats, motions: Motions, years: Floats) -> tuple[Floats, Floats]:
    """Return right ascensions and declinations after some years.

    Parameters
    ----------
    ra, dec : numpy.ndarray
        In degrees.
    motions : Motions
        Of each star.
    years : numpy.ndarray
        Julian years; where they are unknown the star stays where it is.

    Returns
    -------
    tuple of numpy.ndarray
        NaN for numbers that no star has.
    """
    ra, dec = ra.copy(), dec.copy()
    unknown = np.isnan(ra) | np.isnan(dec) | np.isnan(motions.pmra) | np.isnan(motions.pmdec) | np.isnan(years)
    moves = np.flatnonzero(~unknown)
    if len(moves):
        known = Motions(
            motions.pmra[moves],
            motions.pmdec[moves],
            np.nan_to_num(motions.parallax[moves], nan=0.0),
            np.nan_to_num(motions.radial_velocity[moves], nan=0.0),
        )
        ra[moves], dec[moves] = _moved(ra[moves], dec[moves], known, years[moves])
    return ra, dec


def _moved(ra: Floats, dec: Floats, motions: Motions, years: Floats) -> tuple[Floats, Floats]:
    pmra, pmdec, parallax, velocity = motions.pmra, motions.pmdec, motions.parallax, motions.radial_velocity
    good = np.abs(dec) <= 90
    for values in (ra, pmra, pmdec, parallax, velocity, years):
        good &= np.abs(values) < _GREATEST
    with np.errstate(invalid="ignore", over="ignore"):
        longitude, latitude = np.radians(ra), np.radians(dec)
        sine_ra, cosine_ra, sine_dec, cosine_dec = (
            np.sin(longitude),
            np.cos(longitude),
            np.sin(latitude),
            np.cos(latitude),
        )
        east, north = pmra * _MAS, pmdec * _MAS
        radial = velocity * parallax / ASTRONOMICAL_UNIT * _MAS
        ahead = 1.0 + radial * years
        square = ahead * ahead + (east * east + north * north) * years * years
        good &= square > 0  # else it passes through the Sun
        # Direction only, so the vector need not have the length 1.
        x = cosine_dec * cosine_ra * ahead + (-east * sine_ra - north * sine_dec * cosine_ra) * years
        y = cosine_dec * sine_ra * ahead + (east * cosine_ra - north * sine_dec * sine_ra) * years
        z = sine_dec * ahead + north * cosine_dec * years
        flat = np.hypot(x, y)
        lon = np.where(flat > 0, np.degrees(np.arctan2(y, x)), ra)
        lat = np.degrees(np.arctan2(z, flat))
    return np.where(good, np.where(lon < 0, lon + 360.0, lon), np.nan), np.where(good, lat, np.nan)
