"""Pairs by the index on the sky, against all pairs computed one by one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from scipy.spatial import cKDTree

from tests.tap.selection.asking import Desk, file, positions, whole
from tests.tap.upload.sending import parquet
from uws.tasks.declaration import Neighbours, Rows
from uws.tasks.recognition import Found, Recognised
from vo.core.tables import Datatype

NAN, INFINITE = float("nan"), float("inf")
SKY = {"1": None, "2": "=gaia_dr3.bright"}
POLES = 3.0
"""Degrees from the poles within which side 1 has many rows."""

Floats = np.ndarray[Any, np.dtype[np.float64]]


def vectors(ra: Floats, dec: Floats) -> Floats:
    ra, dec = np.radians(ra), np.radians(dec)
    found: Floats = np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=-1)
    return found


def chord(degrees: float) -> float:
    return float(2 * np.sin(np.radians(degrees) / 2))


@pytest.fixture(scope="module")
def bright(desk: Desk) -> pa.Table:
    return desk.read({"1": "=gaia_dr3.bright"}, Rows("1", ("source_id", "ra", "dec")))


def places(bright: pa.Table) -> tuple[Floats, Floats]:
    """Return places near stars: anywhere, around the poles, beside 0 = 360 degrees, and written beyond them."""
    generator = np.random.default_rng(11)
    ra, dec = bright["ra"].to_numpy(), bright["dec"].to_numpy()
    near = [
        generator.choice(np.flatnonzero(chosen), 40)
        for chosen in (np.abs(dec) < 90, dec > 90 - POLES, dec < -90 + POLES, ra < 0.1, ra > 359.9)
    ]
    chosen = np.concatenate(near)
    shift = np.concatenate([np.zeros(len(chosen) // 2), np.full(len(chosen) - len(chosen) // 2, 360.0)])
    sigma = 10 ** generator.uniform(-5, -2, len(chosen))
    moved_ra = ra[chosen] + generator.normal(0, sigma) + generator.permutation(shift) - 360 * (chosen % 2)
    moved_dec = np.clip(dec[chosen] + generator.normal(0, sigma), -90, 90)
    return np.append(moved_ra, [0.0, 0.0, 360.0, -0.0]), np.append(moved_dec, [90.0, -90.0, 0.0, 0.0])


@pytest.mark.parametrize("radius", [1e-9, 0.5 / 3600, 0.02, 0.7])
def test_all_pairs(desk: Desk, bright: pa.Table, tmp_path: Path, radius: float) -> None:
    """All that are within the radius, a trifle more at most; and nothing that has no place on the sky."""
    ra, dec = places(bright)
    nowhere = [(NAN, 1.0), (1.0, NAN), (INFINITE, 0.0), (0.0, -INFINITE), (5.0, 90.1), (None, 3.0), (3.0, None)]
    rows = [*zip(ra.tolist(), dec.tolist(), strict=True), *nowhere]
    order = np.random.default_rng(2).permutation(len(rows))
    rows = [rows[place] for place in order]
    path = tmp_path / "t.parquet"
    path.write_bytes(
        parquet(
            ra=pa.array([row[0] for row in rows], pa.float64()),
            label=[f"row {number}" for number in range(len(rows))],
            dec=pa.array([row[1] for row in rows], pa.float64()),
        )
    )
    plan = Neighbours(Rows("1", ("label",)), Rows("2", ("dec", "source_id")), radius)
    with desk.of(SKY, "t,param:f", f=file(path)) as opened:
        stream = opened.open(plan, positions(opened, SKY))
        assert [column.name for column in stream.columns] == ["label", "dec", "source_id", "first_row"]
        found = whole(stream)
    assert found["label"].to_pylist() == [f"row {number}" for number in found["first_row"].to_pylist()]
    known = np.flatnonzero(order < len(ra))
    stars = cKDTree(vectors(bright["ra"].to_numpy(), bright["dec"].to_numpy()))
    sent = vectors(*np.array([rows[place] for place in known], float).T)
    ids = bright["source_id"].to_numpy()
    wanted, allowed = (
        {
            (int(row), int(ids[star]))
            for row, near in zip(known, stars.query_ball_point(sent, chord(limit)), strict=True)
            for star in near
        }
        for limit in (radius * (1 - 1e-9), radius * (1 + 1e-8) + 1e-8)
    )
    pairs = list(zip(found["first_row"].to_pylist(), found["source_id"].to_pylist(), strict=True))
    assert len(pairs) == len(set(pairs))
    assert wanted <= set(pairs) <= allowed
    assert len(wanted) > 0 or radius < 1e-6


def test_columns_of_a_query(desk: Desk, bright: pa.Table) -> None:
    """Names given in queries stay; the first side is a query of its own order and larger than what is sent at once."""
    inputs = {
        "1": "SELECT ra AS x, source_id AS s, dec AS y, 'ü' AS t FROM gaia_dr3.bright ORDER BY source_id DESC",
        "2": "SELECT b.source_id AS s, b.dec AS d, b.ra AS a FROM gaia_dr3.bright AS b",
    }
    recognised = {"1": Recognised({"ra": Found("x", 1.0, ""), "dec": Found("y", 1.0, "")})}
    with desk.of(inputs) as opened:
        assert opened.describe("2").position == ("a", "d")
        plan = Neighbours(Rows("1", ("s", "t")), Rows("2", ("d", "s")), 0.01 / 3600)
        found = whole(opened.open(plan, recognised))
        assert desk.loaded() == []
    assert found.column_names == ["s", "t", "d", "s", "first_row"]
    assert len(found) >= len(bright)
    same = found.filter(pa.compute.equal(found.column(0), found.column(3)))
    assert len(same) == len(bright)
    assert same.column(1).unique().to_pylist() == ["ü"]
    descending = np.sort(bright["source_id"].to_numpy())[::-1]
    np.testing.assert_array_equal(same.column(0).to_numpy(), descending[same["first_row"].to_numpy()])


def test_positions_in_radians_and_single_precision(desk: Desk, bright: pa.Table, tmp_path: Path) -> None:
    some = bright.slice(1000, 50)
    path = tmp_path / "r.parquet"
    path.write_bytes(
        parquet(lon=np.radians(some["ra"].to_numpy()), lat=np.radians(some["dec"].to_numpy()).astype(np.float32))
    )
    degrees = np.degrees(1.0)
    recognised = {"1": Recognised({"ra": Found("lon", degrees, ""), "dec": Found("lat", degrees, "")})}
    with desk.of(SKY, "t,param:f", f=file(path)) as opened:
        found = whole(opened.open(Neighbours(Rows("1", ()), Rows("2", ("source_id",)), 1 / 3600), recognised))
    assert found.column_names == ["source_id", "first_row"]
    assert set(zip(*(found[name].to_pylist() for name in ("first_row", "source_id")), strict=True)) >= set(
        enumerate(some["source_id"].to_pylist())
    )


@pytest.mark.parametrize("rows", [0, 2])
def test_no_pairs(desk: Desk, tmp_path: Path, rows: int) -> None:
    path = tmp_path / "e.parquet"
    path.write_bytes(
        parquet(ra=pa.array([NAN, None][:rows], pa.float64()), dec=pa.array([1.0, 2.0][:rows], pa.float64()))
    )
    with desk.of(SKY, "t,param:f", f=file(path)) as opened:
        found = whole(opened.open(Neighbours(Rows("1"), Rows("2"), 1.0), positions(opened, SKY)))
    assert len(found) == 0
    assert found.schema.field("first_row").type == pa.int64()


def test_a_table_without_an_index_has_no_neighbours(desk: Desk) -> None:
    inputs = {"1": "=demo.big", "2": "SELECT ra, dec FROM demo.big WHERE ra > 10"}
    with desk.of(inputs) as opened, pytest.raises(RuntimeError, match="no index"):
        opened.open(Neighbours(Rows("1"), Rows("2"), 1.0), positions(opened, inputs))


def test_first_row_is_described(desk: Desk) -> None:
    inputs = {"1": "=hipparcos.hip2", "2": "=demo.big"}
    with desk.of(inputs) as opened:
        stream = opened.open(Neighbours(Rows("1", ("hip",)), Rows("2", ("ra",)), 1 / 3600), positions(opened, inputs))
        assert stream.columns[-1].datatype is Datatype.LONG
        assert [column.unit for column in stream.columns] == [None, "deg", None]
