"""The attitude: the equations, and where the segments meet."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from gaia.scanning import law, sun
from gaia.scanning.arrays import Floats
from gaia.scanning.focal_plane import CENTRE, GAP, HALF_HEIGHT, PITCH, ccd_row, directions
from gaia.scanning.times import MJD
from gaia.scanning.tracks import POINTS_OF_TURN, axis_track, field_track
from gaia.scanning.transits import BEGIN, END

SECOND = 1 / 86400


@pytest.mark.parametrize("name", ["B", "D"])
def test_phases_solve_the_equations(name: str) -> None:
    index, segment = next((place, it) for place, it in enumerate(law.SEGMENTS) if it.name == name)
    reference = segment.reference - MJD
    xi, omega = law.ASPECT, law.SPIN

    def slopes(time: float, phases: Floats) -> list[float]:
        speed, nu = float(sun.speed(np.array([time]))[0]), phases[0]
        root = segment.sense * math.sqrt(law.SPEED**2 - math.cos(nu) ** 2)
        precession = speed * (root + math.cos(xi) * math.sin(nu)) / math.sin(xi)
        return [precession, -speed * math.sin(xi) * math.sin(nu) - precession * math.cos(xi)]

    times = np.linspace(reference, reference + 100, 50)
    start = [math.radians(segment.precession), math.radians(segment.spin)]
    solved = solve_ivp(slopes, (times[0], times[-1]), start, t_eval=times, method="DOP853", rtol=1e-12, atol=1e-12)
    longitude, nu, spin = law.law().phases(times, np.full(50, index))
    assert np.abs(nu - solved.y[0]).max() < 1e-10
    assert np.abs(spin - omega * (times - reference) - solved.y[1]).max() < 1e-10
    assert np.abs(longitude - sun.longitude(times)).max() < 1e-10


def test_the_speed_of_the_sun_is_the_slope_of_its_longitude() -> None:
    days = np.linspace(57000, 57400, 30)
    assert np.allclose(sun.speed(days), (sun.longitude(days + 0.1) - sun.longitude(days - 0.1)) / 0.2, rtol=1e-7)


def test_axes_are_a_rotation_with_the_spin_axis_45_degrees_from_the_sun() -> None:
    times = np.linspace(law.BEGIN, law.END, 1000, endpoint=False)
    axes = law.axes(times)
    assert np.abs(axes @ axes.transpose(0, 2, 1) - np.eye(3)).max() < 1e-14
    assert np.allclose(np.linalg.det(axes), 1)
    longitude = sun.longitude(times)
    sunwards = np.column_stack([np.cos(longitude), np.sin(longitude), 0 * longitude]) @ law.TO_ICRS.T
    assert np.allclose(np.einsum("nk,nk->n", axes[:, 2], sunwards), math.cos(law.ASPECT), atol=1e-12)


def test_gaia_turns_by_60_arcseconds_a_second() -> None:
    times = np.array([57000.0, 57000.0 + SECOND])
    before, after = law.axes(times)
    turned = math.degrees(math.atan2(after[0] @ before[1], after[0] @ before[0])) * 3600
    assert turned == pytest.approx(59.9605, abs=2e-3)


def test_the_spin_jumps_where_segments_meet_and_nowhere_else() -> None:
    for segment in law.SEGMENTS[1:]:
        before, after = law.axes(np.array([segment.begin - SECOND, segment.begin]))
        assert np.degrees(np.arccos(np.clip(before[0] @ after[0], -1, 1))) * 3600 > 120
    within = law.axes(np.array([57000.0 - SECOND, 57000.0]))
    assert np.degrees(np.arccos(within[0, 0] @ within[1, 0])) * 3600 < 61


def test_outside_the_law_there_is_no_attitude() -> None:
    times = np.array([law.BEGIN - SECOND, law.BEGIN, law.END, np.nan])
    assert np.isnan(law.axes(times)).all(axis=(1, 2)).tolist() == [True, False, True, True]
    assert law.segment_of(times).tolist() == [-1, 0, -1, -1]


def test_rows_of_ccds_count_from_above_and_leave_gaps() -> None:
    heights = np.array([3.0, 2.0, 0.0, -3.0, 0.5]) * PITCH
    for following, centre in ((False, -CENTRE), (True, CENTRE)):
        rows = ccd_row(heights + centre, np.full(5, following))
        assert rows.tolist() == [1, 2, 4, 7, 0]
    edges = np.array([HALF_HEIGHT - 1e-9, HALF_HEIGHT + 1e-9, PITCH / 2 - GAP / 2 - 1e-9, PITCH / 2 - GAP / 2 + 1e-9])
    assert ccd_row(edges + CENTRE, np.full(4, True)).tolist() == [1, 0, 4, 0]


def test_tracks_are_where_the_fields_and_the_axis_are() -> None:
    begin, end = 57000.0, 57001.0
    for following, centre in ((False, -CENTRE), (True, CENTRE)):
        field = field_track(begin, end, following=following)
        axis = axis_track(begin, end, len(field.time))
        assert np.array_equal(field.time, axis.time)
        ra, dec, ra_of_axis, dec_of_axis = np.radians([field.ra, field.dec, axis.ra, axis.dec])
        cosine = np.sin(dec) * np.sin(dec_of_axis) + np.cos(dec) * np.cos(dec_of_axis) * np.cos(ra - ra_of_axis)
        assert np.allclose(np.arcsin(cosine), centre, atol=1e-12)
        assert len(field.time) > 4 * POINTS_OF_TURN - 10
    assert not np.isnan(axis_track(BEGIN, END).ra).any()


def test_fields_of_view_are_a_basic_angle_apart() -> None:
    time = np.full(2, 57000.0)
    preceding, following = directions(time, np.array([False, True]), np.array([CENTRE, -CENTRE]))
    assert np.degrees(np.arccos(preceding @ following)) == pytest.approx(106.5, abs=1e-9)
