"""Columns of regions: given back as they came, and found by the index on the circles around them."""

from __future__ import annotations

from typing import Any

import numpy as np
import psycopg2
import pyarrow as pa
import pytest
from sqlalchemy.orm import Session

from tap.adql import translate
from tap.adql.catalogue import BOUND_SUFFIX
from tap.schema.service import Snapshot
from tap.schema.store import read_tableset
from tests.tap.adql import brute_force as sky
from tests.tap.ingest.conftest import Trial
from vo.core.database import owner_engine
from vo.core.tables import Column, Datatype

COUNT = 20_000


def regions(large: bool) -> tuple[pa.Table, list[Any], list[Any]]:
    """Return a table of polygons and circles, and what is in it."""
    random = np.random.default_rng(4)
    lon, lat = random.uniform(0, 360, COUNT), np.degrees(np.arcsin(random.uniform(-1, 1, COUNT)))
    lon[:300], lat[:300] = random.normal(0, 3, 300), random.normal(0, 3, 300)
    size = random.uniform(0.05, 1.5, COUNT)
    polygons: list[Any] = []
    for x, y, r in zip(lon.tolist(), lat.tolist(), size.tolist(), strict=True):
        polygons.append([part for pair in sky.ring(x, y, r, [10, 100, 190, 260]) for part in pair])
    circles: list[Any] = np.stack([lon, lat, size], axis=1).tolist()
    polygons[5], polygons[6], polygons[7] = None, [1.0, 2.0], [1.0, 95.0, 3.0, None, 5.0, 6.0]
    circles[5], circles[6], circles[7] = None, [1.0, 2.0, -1.0], [1.0, 91.0, 1.0]
    if large:
        circles[8] = [0.0, 0.0, 120.0]
    return pa.table({"id": np.arange(COUNT), "outline": polygons, "disc": circles}), polygons, circles


@pytest.mark.parametrize("large", [False, True])
def test_regions_are_found_by_the_index(large: bool, trial: Trial) -> None:
    table, polygons, circles = regions(large)
    columns = (
        Column("id", Datatype.LONG),
        Column("outline", Datatype.DOUBLE, "*", "polygon", "deg"),
        Column("disc", Datatype.DOUBLE, "3", "circle", "deg"),
    )
    name = f"sky.regions_{'large' if large else 'small'}"
    schema = pa.schema([column.field() for column in columns])
    trial.publish(name, [batch.cast(schema) for batch in table.to_batches(max_chunksize=7000)], schema)
    engine = owner_engine(trial.settings)
    with Session(engine) as session:
        catalogue = Snapshot(read_tableset(session.connection())).catalogue
    engine.dispose()
    with psycopg2.connect(trial.settings.conninfo("vo_tap")) as connection, connection.cursor() as cursor:

        def run(query: str, *, plan: bool = False) -> list[Any]:
            translated = translate(query.replace("REGIONS", name), catalogue).sql
            cursor.execute(f"EXPLAIN {translated}" if plan else translated)
            return cursor.fetchall()

        rows = {row[0]: row[1:] for row in run("SELECT id, outline, disc FROM REGIONS")}
        assert len(run("SELECT * FROM REGIONS WHERE id = 1")[0]) == 3
        assert np.isnan(rows[7][0][3])  # the driver has no NULL within an array
        rows[7], polygons[7] = (None, rows[7][1]), None
        assert [rows[i] for i in range(COUNT)] == list(zip(polygons, circles, strict=True))

        good = [i for i in range(COUNT) if i not in (5, 6, 7)]
        corners = {i: list(zip(polygons[i][::2], polygons[i][1::2], strict=True)) for i in good if i < 300}
        lon, lat, radius = np.array([circles[i] for i in good]).T
        near = [i for i in corners if sky.inside(corners[i], 0.5, 0.3)[0]]
        in_disc = {good[i] for i in np.flatnonzero(sky.separation(lon, lat, 0.5, 0.3) <= radius)}
        touching = {good[i] for i in np.flatnonzero(sky.separation(lon, lat, 0.5, 0.3) <= radius + 0.7)}
        for query, expected, indexed in (
            ("SELECT id FROM REGIONS WHERE 1 = CONTAINS(POINT(0.5, 0.3), outline)", set(near), True),
            ("SELECT id FROM REGIONS WHERE 1 = INTERSECTS(disc, POINT(0.5, 0.3))", in_disc, not large),
            ("SELECT id FROM REGIONS WHERE 1 = INTERSECTS(disc, CIRCLE(0.5, 0.3, 0.7))", touching, not large),
            ("SELECT id FROM REGIONS WHERE 1 = INTERSECTS(BOX(0.5, 0.3, 0.001, 0.001), outline)", set(near), True),
        ):
            found = {row[0] for row in run(query)}
            assert len(found) > 3
            assert found == expected, query
            text = "\n".join(row[0] for row in run(query, plan=True))
            assert ("Index" in text) == indexed, text
            assert BOUND_SUFFIX not in " ".join(c.column.name for c in catalogue.tables[-1].columns)
        # Pairs of regions that overlap, and what no region is.
        both = "REGIONS AS a JOIN REGIONS AS b ON 1 = INTERSECTS(a.outline, b.outline) WHERE a.id < 3"
        assert {(0, 0), (1, 1), (2, 2)} <= set(run(f"SELECT a.id, b.id FROM {both}"))
        without = run("SELECT COUNT(*) FROM REGIONS WHERE NOT 1 = CONTAINS(POINT(0.5, 0.3), outline)")
        assert without == [(COUNT - 3 - len(near),)]
    connection.close()
