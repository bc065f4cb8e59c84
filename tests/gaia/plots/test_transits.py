"""Pictures of transits show what they are given."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.image import imread
from PIL import Image

from gaia.plots import style, transits
from gaia.scanning.arrays import Floats
from gaia.scanning.tracks import axis_track, field_track
from gaia.scanning.transits import forecast


def pixels(path: Path, colour: str, tolerance: float = 0.02) -> int:
    """Return how many pixels of a picture have a colour; those of thin lines have it mixed with others."""
    return int((np.abs(imread(path)[:, :, :3] - to_rgb(colour)).max(axis=2) < tolerance).sum())


def test_a_timeline_has_a_point_of_its_field_for_each_transit(tmp_path: Path) -> None:
    found = forecast(np.array([86.82]), np.array([-51.07]))
    assert found.in_gap.any()
    path = tmp_path / "a.png"
    drawn = {}
    for name, kept in (("preceding", ~found.following), ("following", found.following), ("none", found.target < 0)):
        parts = (found.time_bary_tcb, found.scan_angle, found.following, found.in_gap)
        transits.timeline(path, *(part[kept] for part in parts))  # type: ignore[arg-type]
        drawn[name] = (pixels(path, style.COLOURS[0]), pixels(path, style.COLOURS[1]))
    assert drawn["preceding"][0] > 1000
    assert drawn["following"][1] > 500
    assert drawn["preceding"][1] + drawn["following"][0] < 100
    assert drawn["none"] == (0, 0)
    with Image.open(path) as image:
        assert image.text["Source"] == transits.SOURCE  # type: ignore[attr-defined]


def test_months_of_parts_add_up_to_the_whole() -> None:
    found = forecast(np.array([10.0, 200.0]), np.array([20.0, -40.0]))
    months, counts = transits.month_counts(found.time_bary_tcb, found.following)
    assert counts.sum(axis=1).tolist() == [(~found.following).sum(), found.following.sum()]
    assert len(months) == counts.shape[1] == 125
    first = found.target == 0
    some, part = transits.month_counts(found.time_bary_tcb[first], found.following[first])
    assert (part <= counts[:, np.searchsorted(months, some)]).all()


def test_many_targets_are_shown_by_month(tmp_path: Path) -> None:
    found = forecast(np.array([10.0, 200.0]), np.array([20.0, -40.0]))
    transits.many(tmp_path / "a.png", found.time_bary_tcb, found.following, 2)
    assert min(pixels(tmp_path / "a.png", colour) for colour in style.COLOURS[:2]) > 5000
    nothing: Floats = np.zeros(0)
    transits.many(tmp_path / "b.png", nothing, nothing.astype(bool), 2)
    assert pixels(tmp_path / "b.png", style.COLOURS[0]) == 0


def test_a_track_goes_over_the_sky_and_not_across_the_map(tmp_path: Path) -> None:
    field = field_track(57000.0, 57000.25, following=False)
    turned = np.hypot(np.diff(field.dec), np.diff(field.ra) * np.cos(np.radians(field.dec[1:])))
    assert np.median(turned) < 6
    axis = axis_track(57000.0, 57063.0)
    lines = [("preceding field", field.ra, field.dec), ("spin axis", axis.ra, axis.dec)]
    transits.track(tmp_path / "a.png", lines, np.array([10.0]), np.array([20.0]))
    assert min(pixels(tmp_path / "a.png", colour, 0.25) for colour in style.COLOURS[:2]) > 500
    # A line along the edge of the map would be cut there: two points on both sides of 12h are not joined.
    transits.track(tmp_path / "b.png", [("edge", np.array([179.0, 181.0]), np.zeros(2))], np.zeros(0), np.zeros(0))
    assert pixels(tmp_path / "b.png", style.COLOURS[0]) < 100  # of the legend


def test_a_map_shows_pixels_where_they_are(tmp_path: Path) -> None:
    counts = np.zeros(12, dtype=np.int64)
    counts[0] = 100  # at 45 degrees, north of the equator: left of the middle, above it
    transits.coverage(tmp_path / "a.png", counts)
    image = imread(tmp_path / "a.png")
    yellow = np.argwhere(np.abs(image[:, :, :3] - to_rgb("#fde725")).max(axis=2) < 0.05)
    map_only = yellow[yellow[:, 0] < image.shape[0] * 0.7]
    height, across = map_only.mean(axis=0)
    assert 0.1 * image.shape[0] < height < 0.4 * image.shape[0]
    assert across < image.shape[1] / 2
