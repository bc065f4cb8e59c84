"""What is found: against every instant tried one after another, and in corners."""

from __future__ import annotations

from dataclasses import fields
from itertools import pairwise

import numpy as np
import pytest

from gaia.scanning import law, times
from gaia.scanning.arrays import Booleans, Bytes, Floats
from gaia.scanning.coverage import centres, counts, coverage
from gaia.scanning.ephemeris import LIGHT, orbit
from gaia.scanning.focal_plane import HALF_BASIC_ANGLE, ccd_row
from gaia.scanning.transits import BEGIN, END, Transits, forecast
from vo.core.errors import ParameterError

SECOND = 1 / 86400


def sky(count: int, seed: int = 7) -> tuple[Floats, Floats]:
    random = np.random.default_rng(seed)
    return random.uniform(0, 360, count), np.degrees(np.arcsin(random.uniform(-1, 1, count)))


def tried(ra: float, dec: float, instants: Floats) -> tuple[Floats, Booleans, Bytes]:
    """Return times at Gaia (TDB), fields and rows of the transits of a target, from the attitude at all instants."""
    right, up = np.radians([ra, dec])
    star = np.array([np.cos(up) * np.cos(right), np.cos(up) * np.sin(right), np.sin(up)])
    _, velocity = orbit().state(instants)
    own = np.einsum("nrk,nk->nr", law.axes(instants), star + velocity @ law.TO_ICRS.T / LIGHT)
    eta, zeta = np.arctan2(own[:, 1], own[:, 0]), np.arcsin(own[:, 2] / np.linalg.norm(own, axis=1))
    whole = np.diff(law.segment_of(instants)) == 0
    found = []
    for behind, field in ((False, HALF_BASIC_ANGLE), (True, -HALF_BASIC_ANGLE)):
        off = (eta - field + np.pi) % (2 * np.pi) - np.pi
        here = np.flatnonzero((off[:-1] > 0) & (off[1:] <= 0) & (off[:-1] - off[1:] < 1) & whole)
        part = off[here] / (off[here] - off[here + 1])
        height = zeta[here] + part * (zeta[here + 1] - zeta[here])
        time = instants[here] + part * (instants[here + 1] - instants[here])
        which = np.full(len(here), behind)
        found.append((time, which, ccd_row(height, which)))
    time, following, row = (np.concatenate(parts) for parts in zip(*found, strict=True))
    kept = np.flatnonzero(row > 0)[np.argsort(time[row > 0])]
    return time[kept], following[kept], row[kept]


@pytest.mark.parametrize("middle", [56878.0, 56925.4930556, 58680.9756944])
def test_nothing_else_is_found_when_every_instant_is_tried(middle: float) -> None:
    begin, end = middle - 8, middle + 8
    ra, dec = sky(24)
    ra, dec = np.append(ra, [0, 0]), np.append(dec, [90, -90])
    instants = np.arange(begin, end, 40 * SECOND)
    ours = forecast(ra, dec, times.tcb(np.array([begin]))[0] + 0.01, times.tcb(np.array([end]))[0] - 0.01)
    assert len(ours) >= 8
    for target in range(len(ra)):
        time, following, row = tried(ra[target], dec[target], instants)
        here = ours.target == target
        mine = times.tdb(ours.time_gaia_tcb[here])
        edge = (time > begin + 0.02) & (time < end - 0.02)
        inner = (mine > begin + 0.02) & (mine < end - 0.02)
        assert len(mine[inner]) == edge.sum()
        assert np.abs(mine[inner] - time[edge]).max(initial=0) < 0.01 * SECOND
        assert np.array_equal(ours.following[here][inner], following[edge])
        assert np.array_equal(ours.ccd_row[here][inner], row[edge])


def test_transits_come_by_target_and_time_each_once() -> None:
    ra, dec = sky(200)
    ours = forecast(ra, dec)
    assert (np.diff(ours.target) >= 0).all()
    same = np.diff(ours.target) == 0
    assert np.diff(ours.time_gaia_tcb)[same].min() > 0.05  # the two fields are 0.074 and 0.176 days apart
    assert {1, 2, 3, 4, 5, 6, 7} == set(ours.ccd_row.tolist())


def test_parts_of_a_range_make_the_whole() -> None:
    ra, dec = sky(50)
    whole = forecast(ra, dec)
    edges = [BEGIN, *(segment.begin for segment in law.SEGMENTS[1:]), 57100.25, END]
    edges.sort()
    parts = [forecast(ra, dec, begin, end) for begin, end in pairwise(edges)]
    times_of_parts = np.sort(np.concatenate([part.time_bary_tcb for part in parts]))
    assert np.array_equal(times_of_parts, np.sort(whole.time_bary_tcb))


def test_a_range_begins_with_its_first_instant_and_ends_before_its_last() -> None:
    one = np.array([10.0])
    time = forecast(one, one).time_bary_tcb[3]
    assert len(forecast(one, one, time, time)) == 0
    assert len(forecast(one, one, time - 1e-6, time)) == 0
    assert forecast(one, one, time, time + 1e-6).time_bary_tcb.tolist() == [time]


def test_a_target_twice_has_its_transits_twice_and_no_position_has_none() -> None:
    ra = np.array([10.0, np.nan, 10.0, np.inf, 10.0, 370.0])
    dec = np.array([20.0, 20.0, 20.0, 20.0, 90.5, 20.0])
    ours = forecast(ra, dec, 57000.0, 57400.0)
    found = np.bincount(ours.target, minlength=6)
    assert found.tolist() == [found[0], 0, found[0], 0, 0, found[0]]
    assert found[0] > 10
    assert np.array_equal(ours.time_bary_tcb[ours.target == 0], ours.time_bary_tcb[ours.target == 2])


def test_no_targets_have_no_transits_of_the_same_types() -> None:
    nothing, some = forecast(np.zeros(0), np.zeros(0)), forecast(np.array([10.0]), np.array([20.0]))
    assert len(nothing) == 0
    for field in fields(Transits):
        assert getattr(nothing, field.name).dtype == getattr(some, field.name).dtype


@pytest.mark.parametrize(
    ("begin", "end", "parameter"),
    [
        (50000.0, 57000.0, "TIME_MIN"),
        (57000.0, 61000.0, "TIME_MAX"),
        (57000.0, 56999.0, "TIME_MAX"),
        (np.nan, 57000.0, "TIME_MIN"),
    ],
)
def test_a_range_that_the_law_does_not_know_is_named(begin: float, end: float, parameter: str) -> None:
    with pytest.raises(ParameterError) as caught:
        forecast(np.array([1.0]), np.array([1.0]), begin, end)
    assert caught.value.parameter == parameter
    assert str(BEGIN) in caught.value.message or "is before" in caught.value.message


def test_a_proper_motion_moves_the_crossing() -> None:
    """Barnard's star, against its position of the middle of a month."""
    ra, dec, pmra, pmdec = (np.array([number]) for number in (269.448503, 4.739420, -801.551, 10362.394))
    begin, end = 58705.0, 58735.0
    moved = forecast(ra, dec, begin, end, pmra=pmra, pmdec=pmdec, epoch=2016.0)
    years = ((begin + end) / 2 - times.julian_year(2016.0)) / 365.25
    there = ra + pmra * years / 3.6e6 / np.cos(np.radians(dec)), dec + pmdec * years / 3.6e6
    still = forecast(*there, begin, end)
    assert len(moved) == len(still) == 3
    # In 15 days it goes 0.43 arcsec, which pass the CCDs in 7 ms; since 2016 it went 37.
    assert np.abs(moved.time_gaia_tcb - still.time_gaia_tcb).max() < 0.008 * SECOND
    unmoved = forecast(ra, dec, begin, end)
    assert np.abs(moved.time_gaia_tcb - unmoved.time_gaia_tcb).max() > 0.3 * SECOND


def test_a_parallax_shows_by_its_factor() -> None:
    ra, dec = sky(40)
    far, near = forecast(ra, dec, 57000.0, 57060.0), forecast(ra, dec, 57000.0, 57060.0, parallax=np.full(40, 1000.0))
    late, across = (near.time_gaia_tcb - far.time_gaia_tcb) / SECOND * 59.9605, near.zeta - far.zeta
    assert len(near) == len(far) > 40
    assert np.allclose(late, far.parallax_factor_al, atol=1e-4)
    # While it comes late the plane that is scanned goes on by 0.2 arcsec a second.
    assert np.allclose(across * 3600, far.parallax_factor_ac, atol=5e-3)


def test_an_unknown_motion_is_none() -> None:
    ra, dec = np.array([10.0]), np.array([20.0])
    unknown = np.array([np.nan])
    moved = forecast(ra, dec, 57000.0, 58000.0, pmra=unknown, pmdec=unknown, parallax=unknown)
    assert np.allclose(moved.time_gaia_tcb, forecast(ra, dec, 57000.0, 58000.0).time_gaia_tcb, atol=1e-9, rtol=0)
    assert len(forecast(unknown, dec, pmra=ra, pmdec=ra, parallax=ra)) == 0


def test_coverage_counts_what_is_forecast() -> None:
    counted = coverage(2, 57000.0, 57365.0)
    ours = forecast(*centres(2, np.arange(192)), 57000.0, 57365.0)
    assert np.array_equal(counted, np.bincount(ours.target, minlength=192))
    # Gaia looks most often 45 degrees from the ecliptic.
    assert counts(np.array([270.0, 270.0]), np.array([21.6, -23.4]), 57000.0, 58000.0).tolist()[0] > 2 * counted.min()
