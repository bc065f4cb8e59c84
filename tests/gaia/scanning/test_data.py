"""What is in the files of data, and that they are made from their tables."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from gaia.scanning import making
from gaia.scanning.ephemeris import AU, orbit
from gaia.scanning.gaps import LISTS, Instrument, gaps
from gaia.scanning.law import BEGIN, END, TO_ICRS

ROOT = Path(__file__).parents[3]


def test_the_script_makes_the_files_that_are_here(shared: Path, tmp_path: Path) -> None:
    subprocess.run([ROOT / "scripts/make-scanning-data", shared / "data/gost", tmp_path], check=True, timeout=120)
    for name in ("ephemeris.npz", "gaps.npz"):
        with np.load(tmp_path / name) as made, np.load(making.DATA / name) as here:
            assert set(made.files) == set(here.files)
            for array in here.files:
                assert np.array_equal(made[array], here[array]), array
    assert sum(path.stat().st_size for path in making.DATA.iterdir()) < 300_000


@pytest.mark.parametrize(("name", "begin", "end"), [("horizons", 56862, 59931.0), ("solved", 59931.5, 60686.5)])
def test_the_orbit_is_the_table(shared: Path, name: str, begin: float, end: float) -> None:
    table = np.loadtxt(shared / f"data/gost/gaia_ephemeris_{name}_24h.csv.gz", delimiter=",", skiprows=1)
    time = table[:, 0] - 2400000.5
    kept = table[(time >= begin) & (time <= end)]
    position, velocity = orbit().state(kept[:, 0] - 2400000.5)
    # Velocities are kept as single precision: between two days that moves no position by as much as 0.1 km.
    assert np.abs(position @ TO_ICRS.T - kept[:, 1:4]).max() * AU < 1e-3
    assert np.abs(velocity @ TO_ICRS.T - kept[:, 4:7]).max() < 1e-9
    assert np.abs(orbit().position(kept[:, 0] - 2400000.5) - position).max() == 0


def test_the_orbit_between_two_days_as_from_every_other_day(shared: Path) -> None:
    """Twice the step of Hermite's cubic makes 16 times its error: 1 km here is 0.1 km between two days of the table."""
    table = np.loadtxt(shared / "data/gost/gaia_ephemeris_horizons_24h.csv.gz", delimiter=",", skiprows=1)
    quiet = table[2000:2366]
    before, middle, after = quiet[:-2], quiet[1:-1], quiet[2:]
    foreseen = (before[:, 1:4] + after[:, 1:4]) / 2 + (before[:, 4:7] - after[:, 4:7]) / 4
    assert np.median(np.linalg.norm(foreseen - middle[:, 1:4], axis=1)) * AU < 1


def test_the_orbit_reaches_over_the_whole_law_and_is_continuous() -> None:
    days = np.arange(np.ceil(BEGIN - 0.5) + 0.5, END)
    before, after = orbit().position(days - 1e-9), orbit().position(days + 1e-9)
    steps = np.linalg.norm(after - before, axis=1) * AU
    assert orbit().first < BEGIN
    assert orbit().first + len(orbit().pieces) > END
    assert sorted(steps)[-2] < 0.1
    # Where the solved orbit begins it is 6,500 km or so beside JPL's.
    assert days[steps.argmax()] == 59931.5
    assert steps.max() < 8000


def test_an_orbit_is_carried_on_as_it_goes(shared: Path) -> None:
    table = np.loadtxt(shared / "data/gost/gaia_ephemeris_solved_24h.csv.gz", delimiter=",", skiprows=1)
    for end in (300, 450, 600):
        added = making.carried_on(table[:end], 4)[end:]
        assert np.array_equal(added[:, 0], table[end : end + 4, 0])
        assert np.linalg.norm(added[:, 1:4] - table[end : end + 4, 1:4], axis=1).max() * AU < 2000


@pytest.mark.parametrize("release", LISTS)
def test_gaps_are_those_of_the_lists(shared: Path, release: str) -> None:
    random = np.random.default_rng(3)
    for instrument in LISTS[release]:
        source = Instrument.PHOTOMETRY if instrument is Instrument.SPECTROPHOTOMETRY else instrument
        path = shared / f"data/gost/gaps_{release.lower()}_{source}.csv.gz"
        rows = list(making._rows(path))
        if instrument is Instrument.SPECTROPHOTOMETRY:
            rows = [row for row in rows if "BP/RP" in row[4]]
        begin, end = (np.array([float(row[place]) for row in rows]) for place in (0, 1))
        only = np.array([int(row[4]) if row[4].isdigit() else 0 for row in rows])
        inside = (begin + end) / 2
        moments = np.concatenate([random.uniform(1070, 5300, 2000), random.choice(inside, 500)])
        row = random.integers(1, 8, len(moments)).astype(np.int8)
        expected = [
            bool(np.any((begin <= moment) & (moment < end) & ((only == 0) | (only == its))))
            for moment, its in zip(moments, row, strict=True)
        ]
        assert gaps(instrument, release).contain(moments, row).tolist() == expected, instrument
        assert sum(expected) > 50
        assert gaps(instrument, release).end > end.max()  # the data go on after the last gap
