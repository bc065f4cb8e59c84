"""Separations and position angles against the same in more digits."""

from __future__ import annotations

import numpy as np
from astropy import units as u
from astropy.coordinates import SkyCoord
from hypothesis import given, settings
from hypothesis import strategies as st

from tap.crossmatch.separations import Floats, position_angle, separation

angles = st.floats(-720, 720, allow_nan=False)
latitudes = st.one_of(st.floats(-90, 90), st.sampled_from((-90.0, 90.0, 0.0)))
steps = st.one_of(st.just(0.0), st.floats(-10, 10), st.floats(-1e-5, 1e-5), st.floats(-1e-11, 1e-11))


def one(value: float) -> Floats:
    return np.array([value])


def precise(ra_1: float, dec_1: float, ra_2: float, dec_2: float) -> float:
    """Return the angle in arcsec by the same triangle with 64 bits of mantissa."""
    turn, rise = (np.longdouble(b) - np.longdouble(a) for a, b in ((ra_1, ra_2), (dec_1, dec_2)))
    radian = np.longdouble("0.017453292519943295769236907684886127134")
    cosines = np.cos(np.longdouble(dec_1) * radian) * np.cos(np.longdouble(dec_2) * radian)
    square = np.sin(rise * radian / 2) ** 2 + cosines * np.sin(turn * radian / 2) ** 2
    return float(2 * np.arcsin(np.sqrt(square)) / radian * 3600)


@settings(deadline=None, max_examples=500)
@given(angles, latitudes, steps, steps)
def test_as_with_more_digits(ra: float, dec: float, turn: float, rise: float) -> None:
    other = (ra + turn, float(np.clip(dec + rise, -90, 90)))
    found = float(separation(one(ra), one(dec), one(other[0]), one(other[1]))[0])
    expected = precise(ra, dec, *other)
    at_pole = 1e-12 * abs(turn) if abs(dec) > 89.99 else 0.0  # where a declination in degrees has no more digits
    assert abs(found - expected) <= 1e-14 * expected + at_pole + 1e-150
    assert found == float(separation(one(other[0]), one(other[1]), one(ra), one(dec))[0])


def test_across_the_wrap_and_at_the_poles() -> None:
    ra_1, dec_1 = np.array([359.9999, 0.0, 10.0, 10.0, -5.0]), np.array([0.0, 90.0, -90.0, 89.0, 1.0])
    ra_2, dec_2 = np.array([0.0001, 123.0, 200.0, 190.0, 355.0]), np.array([0.0, 90.0, -90.0, 89.0, 1.0])
    assert np.allclose(separation(ra_1, dec_1, ra_2, dec_2), [0.72, 0.0, 0.0, 7200.0, 0.0], atol=1e-9)


@settings(deadline=None, max_examples=100)
@given(st.integers(0, 2**32))
def test_position_angle_is_astropys(seed: int) -> None:
    generator = np.random.default_rng(seed)
    ra, dec = generator.uniform(0, 360, 20), generator.uniform(-85, 85, 20)
    scale = 10.0 ** generator.uniform(-3, 0.9, 20)
    other = ra + scale * generator.normal(size=20), np.clip(dec + scale * generator.normal(size=20) / 4, -90, 90)
    expected = SkyCoord(ra * u.deg, dec * u.deg).position_angle(SkyCoord(other[0] * u.deg, other[1] * u.deg)).deg
    difference = (position_angle(ra, dec, *other) - expected + 180) % 360 - 180
    assert np.all(np.abs(difference) < 1e-7)


def test_one_place_has_no_position_angle() -> None:
    assert np.isnan(position_angle(one(10.0), one(20.0), one(370.0), one(20.0)))[0]
    assert str(position_angle(one(10.0), one(20.0), one(10.0), one(21.0))[0]) == "0.0"
    assert str(position_angle(one(1.0), one(89.0), one(0.0), one(90.0))[0]) == "0.0"
    assert position_angle(one(10.0), one(20.0), one(10.0), one(19.0))[0] == 180.0
