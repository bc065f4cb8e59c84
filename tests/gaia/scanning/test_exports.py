"""Forecasts against what ESA's tool exported for the same targets, and against its list of transits of 400 pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from cdshealpix.nested import healpix_to_lonlat

from gaia.scanning import law
from gaia.scanning.transits import forecast
from tests.gaia.scanning.exports import NAMES, read

MS = 86400e3
A = next(place for place, segment in enumerate(law.SEGMENTS) if segment.name == "A")


@pytest.mark.parametrize("name", NAMES)
def test_every_row_of_an_export_is_found_with_all_its_columns(shared: Path, name: str) -> None:
    export = read(shared / "data/gost" / name)
    ours, places = export.forecast()
    assert len(set(places)) == len(export)
    begin, end = places[0], places[-1]
    assert end - begin + 1 - len(export) <= 1  # beside them at most one more in the same time
    in_a = ours.segment[places] == A
    for bound, here in ((1, ~in_a), (60, in_a)):
        at_gaia = (ours.time_gaia_utc[places] - export.utc)[here] * MS
        at_barycentre = (ours.time_bary_tcb[places] - export.bary)[here] * MS
        for off in (at_gaia, at_barycentre):
            assert np.sqrt(np.mean(off**2)) <= bound if here.any() else True
    assert np.array_equal(ours.following[places], export.following)
    assert np.array_equal(ours.ccd_row[places], export.row)
    assert np.abs(ours.zeta[places] - export.zeta)[~in_a].max() * 3600 < 0.2
    turned = (ours.scan_angle[places] - export.scan_angle + 180) % 360 - 180
    assert np.abs(turned).max() < 0.001
    assert np.abs(turned)[~in_a].max() < 5e-5
    assert np.abs(ours.parallax_factor_al[places] - export.along).max() < 1e-5
    assert np.abs(ours.parallax_factor_ac[places] - export.across).max() < 1e-5


def test_transits_of_400_pixels_over_the_mission(shared: Path) -> None:
    table = np.loadtxt(shared / "data/gost/gost_healpix6_sample.csv.gz", delimiter=",", skiprows=1)
    pixels, which = np.unique(table[:, 0].astype(np.uint64), return_inverse=True)
    times, angles = 51544.5 + (table[:, 1] - 2000) * 365.25, np.degrees(table[:, 2])
    longitude, latitude = healpix_to_lonlat(pixels, 6)
    ours = forecast(longitude.deg, latitude.deg)
    # Pixels are laid one after another on one axis of time.
    own, theirs = ours.target * 1e4 + ours.time_bary_tcb - 5e4, which * 1e4 + times - 5e4
    after = np.clip(np.searchsorted(own, theirs), 1, len(own) - 1)
    nearest = np.where(np.abs(own[after] - theirs) < np.abs(own[after - 1] - theirs), after, after - 1)
    off = (ours.time_bary_tcb[nearest] - times) * MS
    matched = (ours.target[nearest] == which) & (np.abs(off) < 1000)
    assert matched.mean() > 0.999
    assert 1 - len(np.unique(nearest[matched])) / len(own) < 0.005
    segment = ours.segment[nearest]
    # The times of the table have ten digits after the point: 3.2 ms, so 0.9 ms at random.
    for place, bound in enumerate((1.0, 60.0, 1.1, 1.1, 1.1, 2.5)):
        assert off[matched & (segment == place)].std() < bound, law.SEGMENTS[place].name
    turned = (ours.scan_angle[nearest] - angles + 180) % 360 - 180
    assert np.abs(turned[matched & (segment != A)]).max() < 1e-4
    assert turned[matched & (segment == A)].std() < 0.03
