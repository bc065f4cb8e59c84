"""Real catalogues, matched by STILTS and by us: the same pairs; and moved to one epoch, nearly all bright stars."""

from __future__ import annotations

import csv
import subprocess
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from astropy.table import Table

from tap.crossmatch.parameters import CrossmatchParameters, Mode
from tap.crossmatch.task import Crossmatch
from tests.tap.crossmatch.brute_force import Pair, pairs_of
from uws.tasks.testing import Ran, run_inline
from vo.core.tables import Column, Datatype
from vo.core.tables.readers import open_table
from vo.demo.catalogues import GAIA, HIPPARCOS, DemoCatalogue, demo_description

RADIUS = 30.0
"""In arcsec; large, so that many stars have several neighbours."""
WHERE = ("ra1=ra", "dec1=dec", "ra2=ra", "dec2=dec")


def catalogue(which: DemoCatalogue) -> pa.Table:
    layout = demo_description(which.description).table(which.name.table).layout
    return pa.Table.from_batches(open_table(which.path(), layout=layout).batches)


def side(rows: pa.Table, scale: float, *names: str) -> pa.Table:
    """Return numbers, positions in degrees and some columns."""
    columns = {
        "id": pa.array(np.arange(rows.num_rows)),
        "ra": pa.array(rows["ra"].to_numpy() * scale),
        "dec": pa.array(rows["dec"].to_numpy() * scale),
    }
    return pa.table({**columns, **{name: rows[name].combine_chunks() for name in names}})


@pytest.fixture(scope="module")
def hipparcos() -> pa.Table:
    return side(catalogue(HIPPARCOS), np.degrees(1.0), "plx", "pmra", "pmdec", "hpmag")


@pytest.fixture(scope="module")
def gaia() -> pa.Table:
    return side(catalogue(GAIA), 1.0, "phot_g_mean_mag")


@pytest.fixture(scope="module")
def files(hipparcos: pa.Table, gaia: pa.Table, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stilts")
    for name, rows in (("1", hipparcos), ("2", gaia)):
        columns = {column: rows[column].to_numpy() for column in ("id", "ra", "dec")}
        magnitude = rows["hpmag" if name == "1" else "phot_g_mean_mag"].to_numpy()
        Table({**columns, "error": errors(magnitude)}).write(folder / f"{name}.fits")
    return folder


def errors(magnitude: np.ndarray) -> np.ndarray:
    """Make up radii from 0.5 to 8 arcsec."""
    made: np.ndarray = 0.5 + 7.5 * (np.abs(np.nan_to_num(magnitude.astype(float))) % 1.0)
    return made


def stilts(files: Path, task: str, *arguments: str, first: str = "id_1", second: str = "id_2") -> list[Pair]:
    """Return the pairs that STILTS finds, by distance if it tells that."""
    command = ["stilts", task, "in1=1.fits", "in2=2.fits", "omode=out", "out=-", "ofmt=csv", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=files, timeout=300)
    rows = sorted(csv.DictReader(done.stdout.splitlines()), key=lambda row: float(row.get("Separation") or 0))
    return [(int(row[first]), int(row[second])) for row in rows]


def ours(first: pa.Table, second: pa.Table, parameters: CrossmatchParameters, **named: Mapping[str, str]) -> Ran:
    return run_inline(
        Crossmatch(),
        {"1": first, "2": second},
        parameters,
        named={"1": named.get("one", {}), "2": named.get("two", {})},
    )


@pytest.mark.parametrize(("mode", "find"), [(Mode.BEST, "best1"), (Mode.ALL, "all")], ids=["best", "all"])
def test_pairs_are_those_of_stilts(hipparcos: pa.Table, gaia: pa.Table, files: Path, mode: Mode, find: str) -> None:
    ran = ours(hipparcos, gaia, CrossmatchParameters(radius=RADIUS, mode=mode, columns_1=("id",), columns_2=("id",)))
    theirs = stilts(files, "tskymatch2", f"find={find}", "join=1and2", *WHERE, f"error={RADIUS}")
    assert len(theirs) > 80_000
    assert sorted(pairs_of(ran)) == sorted(theirs)


def test_symmetric_pairs_are_those_of_stilts_and_what_it_forgets(
    hipparcos: pa.Table, gaia: pa.Table, files: Path
) -> None:
    """STILTS 3.4 keeps only the best partner of each row of its second table before it compares pairs.

    So a row whose best partner prefers another is left alone, also where its second best is alone too; by STILTS' own
    description these are a pair. It happens to a few rows in a hundred thousand, at a radius that is much too large.
    """
    mine = set(pairs_of(ours(hipparcos, gaia, CrossmatchParameters(radius=RADIUS, mode=Mode.SYMMETRIC))))
    theirs = set(stilts(files, "tskymatch2", "find=best", "join=1and2", *WHERE, f"error={RADIUS}"))
    assert len(theirs) > 80_000
    assert theirs <= mine
    forgotten = mine - theirs
    assert len(forgotten) < 20
    for place in (0, 1):
        assert not {pair[place] for pair in forgotten} & {pair[place] for pair in theirs}


def test_nearest_are_the_first_of_all(hipparcos: pa.Table, gaia: pa.Table, files: Path) -> None:
    ran = ours(hipparcos, gaia, CrossmatchParameters(radius=RADIUS, mode=Mode.NEAREST, k=3))
    values = ["matcher=sky", "values1=ra dec", "values2=ra dec", f"params={RADIUS}"]
    taken: dict[int, list[Pair]] = {}
    for pair in stilts(files, "tmatch2", "find=all", "join=1and2", *values):
        taken.setdefault(pair[0], []).append(pair)
    assert max(map(len, taken.values())) > 3
    assert sorted(pairs_of(ran)) == sorted(pair for pairs in taken.values() for pair in pairs[:3])


def test_unmatched_are_those_of_stilts(hipparcos: pa.Table, gaia: pa.Table, files: Path) -> None:
    ran = ours(hipparcos, gaia, CrossmatchParameters(radius=2.0, mode=Mode.UNMATCHED, columns_1=("id", "ra")))
    theirs = stilts(files, "tskymatch2", "find=best1", "join=1not2", *WHERE, "error=2", first="id", second="id")
    assert sorted(ran.table["id"].to_pylist()) == sorted(row for row, _ in theirs)


def test_radii_of_the_rows(hipparcos: pa.Table, gaia: pa.Table, files: Path) -> None:
    first = hipparcos.append_column("size", pa.array(errors(hipparcos["hpmag"].to_numpy())))
    second = gaia.append_column("size", pa.array(errors(gaia["phot_g_mean_mag"].to_numpy())))
    parameters = CrossmatchParameters(radius=60, mode=Mode.ALL)
    ran = ours(first, second, parameters, one={"radius": "size"}, two={"radius": "size"})
    values = ["matcher=skyerr", "values1=ra dec error", "values2=ra dec error", "params=4"]
    theirs = stilts(files, "tmatch2", "find=all", "join=1and2", *values)
    assert len(theirs) > 50_000
    assert sorted(pairs_of(ran)) == sorted(theirs)


def test_propagation_finds_the_bright_stars(hipparcos: pa.Table, gaia: pa.Table) -> None:
    bright = hipparcos.filter(pc.less(hipparcos["hpmag"], 8.0))
    units = {"plx": "mas", "pmra": "mas.yr-1", "pmdec": "mas.yr-1"}
    fields = [
        Column(field.name, Datatype.DOUBLE, unit=units[field.name]).field() if field.name in units else field
        for field in bright.schema
    ]
    bright = bright.cast(pa.schema(fields))
    moved = ours(bright, gaia, CrossmatchParameters(epoch=2016.0, epoch_1=1991.25))
    still = ours(bright, gaia, CrossmatchParameters())
    assert len(moved.table) >= 0.99 * len(bright)
    assert len(still.table) < 0.7 * len(bright)
