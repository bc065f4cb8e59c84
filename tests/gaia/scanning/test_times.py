"""Time scales against astropy's."""

from __future__ import annotations

import numpy as np
from astropy.time import Time

from gaia.scanning import times

SECOND = 1 / 86400
# Before and after both leap seconds of the mission, and at its ends.
DAYS = np.array([56863.5, 57203.001, 57203.6, 57203.99, 57204.01, 57753.4, 57753.99, 57754.01, 58849.3, 60690.2])


def test_scales_are_those_of_astropy() -> None:
    there = Time(DAYS, format="mjd", scale="tdb")
    assert np.abs(times.tcb(DAYS) - there.tcb.mjd).max() < 1e-6 * SECOND
    assert np.abs(times.tdb(times.tcb(DAYS)) - DAYS).max() < 1e-6 * SECOND
    assert np.abs(times.utc(DAYS) - there.utc.mjd).max() < 3e-5 * SECOND


def test_seconds_around_a_leap_second() -> None:
    begin = Time("2016-12-30T23:59:59.5", scale="utc").tdb.mjd
    clock = times.utc(begin + np.array([0, 1, 86400, 86401, 86402]) * SECOND)
    said = [time[:21] for time in Time(clock + 1e-4 * SECOND, format="mjd", scale="utc").isot]
    assert said == [
        "2016-12-30T23:59:59.5",
        "2016-12-31T00:00:00.5",
        "2016-12-31T23:59:59.5",
        "2016-12-31T23:59:60.5",
        "2017-01-01T00:00:00.5",
    ]


def test_revolutions_of_the_on_board_clock() -> None:
    assert times.obmt(np.array([2457023.75 - 2400000.5]))[0] == 1717.6256
    # DPAC's list has the decontamination of June 2015 from revolution 2330.616: 2015-06-03.
    assert Time(57023.25 + (2330.616 - 1717.6256) / 4, format="mjd", scale="tcb").isot.startswith("2015-06-03")
