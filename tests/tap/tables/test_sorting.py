"""The order on the sky: our cell numbers against Q3C's own, and sorting in bounded memory."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psycopg2
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tap.tables import sorting
from tap.tables.sky import Floats, Integers, q3c_ipix
from tap.tables.sorting import sky_ordered

POSITION = ("ra", "dec")


def from_postgresql(url: str, ra: Floats, dec: Floats) -> Integers:
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT array_agg(q3c_ang2ipix(ra, dec) ORDER BY place)"
            " FROM unnest(%s::float8[], %s::float8[]) WITH ORDINALITY AS u (ra, dec, place)",
            (ra.tolist(), dec.tolist()),
        )
        row = cursor.fetchone()
    connection.close()
    assert row is not None
    return np.array(row[0])


def random_places(count: int, seed: int = 7) -> tuple[Floats, Floats]:
    generator = np.random.default_rng(seed)
    return generator.uniform(0, 360, count), np.degrees(np.arcsin(generator.uniform(-1, 1, count)))


def difficult_places() -> tuple[Floats, Floats]:
    """Poles, the cube's edges and corners and what lies a hair beside them, right ascensions beyond one turn."""
    ra = np.arange(0, 360, 7.5)
    edge = np.degrees(np.arctan(np.cos(np.radians((ra + 45) % 90 - 45))))
    hair = 1e-7
    decs = [np.full_like(ra, value) for value in (-90, 90, 0, -89.9999999, 89.9999999, 35.2643897)]
    decs += [edge + hair, edge - hair, -edge + hair, -edge - hair]
    sides = [45.0 + 90 * quarter + step for quarter in range(4) for step in (-hair, 0, hair)]
    latitudes = np.linspace(-90, 90, 37)
    beyond = np.array([0.0, -10.0, 359.9999999999, 720.5, -400.25])
    return (
        np.concatenate([np.tile(ra, len(decs)), np.repeat(sides, len(latitudes)), beyond]),
        np.concatenate([*decs, np.tile(latitudes, len(sides)), np.full(len(beyond), 12.5)]),
    )


def test_numbers_are_those_of_postgresql(scratch_database: str) -> None:
    for ra, dec in (random_places(20_000), difficult_places()):
        assert np.array_equal(q3c_ipix(ra, dec), from_postgresql(scratch_database, ra, dec))


def test_exact_edges_are_in_one_of_the_two_cells_beside_them(scratch_database: str) -> None:
    ra = np.arange(0, 360, 2.5)
    edge = np.degrees(np.arctan(np.cos(np.radians((ra + 45) % 90 - 45))))
    for dec in (edge, -edge):
        beside = [from_postgresql(scratch_database, ra, dec + step) >> 40 for step in (-1e-6, 1e-6)]
        ours = q3c_ipix(ra, dec) >> 40
        assert np.all((ours == beside[0]) | (ours == beside[1]))
    # Q3C puts 360 degrees just before 0, in the neighbouring cell; here both are one place.
    dec = np.linspace(-30, 30, 13)
    assert np.array_equal(q3c_ipix(np.full(13, 360.0), dec), q3c_ipix(np.zeros(13), dec))


def batches_of(ra: list[float | None], dec: list[float | None], size: int) -> Iterator[pa.RecordBatch]:
    table = pa.table(
        {
            "n": pa.array(range(len(ra)), pa.int64()),
            "ra": pa.array(ra, pa.float64()),
            "name": pa.array([f"star {place}" for place in range(len(ra))]),
            "dec": pa.array(dec, pa.float64()),
            "flux": pa.array([[place, place + 1] for place in range(len(ra))], pa.list_(pa.int32())),
        }
    )
    yield from table.to_batches(max_chunksize=size)


places = st.lists(st.one_of(st.none(), st.tuples(st.floats(0, 360), st.floats(-90, 90))), max_size=60)


@settings(max_examples=60, deadline=None)
@given(places=places, size=st.integers(1, 30), run=st.integers(1, 3000), chunk=st.integers(1, 1000))
def test_any_batches_come_out_whole_and_in_order(
    places: list[tuple[float, float] | None], size: int, run: int, chunk: int
) -> None:
    ra, dec = ([None if place is None else place[axis] for place in places] for axis in (0, 1))
    before = (sorting.RUN_BYTES, sorting.CHUNK_BYTES)
    sorting.RUN_BYTES, sorting.CHUNK_BYTES = run, chunk
    try:
        with sky_ordered(batches_of(ra, dec, size), POSITION, Path(tempfile.gettempdir())) as ordered:
            rows = [row for batch in ordered for row in batch.to_pylist()]
    finally:
        sorting.RUN_BYTES, sorting.CHUNK_BYTES = before
    assert sorted(row["n"] for row in rows) == list(range(len(places)))
    for row in rows:
        place = row["n"]
        assert (row["ra"], row["dec"]) == (ra[place], dec[place])
        assert (row["name"], row["flux"]) == (f"star {place}", [place, place + 1])
    placed = [row for row in rows if row["ra"] is not None]
    assert rows[: len(placed)] == placed
    if placed:
        keys = q3c_ipix(np.array([row["ra"] for row in placed]), np.array([row["dec"] for row in placed]))
        assert np.all(np.diff(keys) >= 0)


def test_sorting_holds_a_few_runs_and_leaves_no_file(tmp_path: Path) -> None:
    width = 100_000

    def endless(count: int) -> Iterator[pa.RecordBatch]:
        for seed in range(count):
            ra, dec = random_places(width, seed)
            yield pa.record_batch({"ra": ra, "dec": dec, "a": ra, "b": dec})

    start = pa.total_allocated_bytes()
    most = rows = 0
    with sky_ordered(endless(80), POSITION, tmp_path) as ordered:  # 320 MB with their keys
        for batch in ordered:
            rows += batch.num_rows
            most = max(most, pa.total_allocated_bytes() - start)
    assert rows == 80 * width
    assert most < 3 * sorting.RUN_BYTES
    assert not list(tmp_path.iterdir())


def test_an_error_of_the_batches_passes_and_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sorting, "RUN_BYTES", 100)

    def broken() -> Iterator[pa.RecordBatch]:
        yield from batches_of([1.0] * 100, [2.0] * 100, 10)
        raise ValueError("line 101")

    with pytest.raises(ValueError, match="line 101"), sky_ordered(broken(), POSITION, tmp_path):
        pass
    assert not list(tmp_path.iterdir())


NO_ROOM = """
import resource, sys
from pathlib import Path
import pyarrow as pa
from tap.tables import sorting
from vo.core.errors import LimitError

resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
sorting.RUN_BYTES = 40_000
batches = (pa.record_batch({"ra": [float(i)] * 1000, "dec": [0.0] * 1000}) for i in range(20))
try:
    with sorting.sky_ordered(batches, ("ra", "dec"), Path(sys.argv[1])):
        pass
except LimitError as error:
    print(error.message)
"""


def test_a_full_disk_is_said(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", NO_ROOM, str(tmp_path)], capture_output=True, text=True, check=True, timeout=60
    )
    assert "no room to sort the rows: File too large; nothing was changed" in done.stdout
