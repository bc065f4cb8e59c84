"""Forms of regions in PostgreSQL: each finds the right stars by the sky index, also where it is stored in a table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import psycopg2
import psycopg2.extensions
import pytest
from numpy.typing import NDArray
from psycopg2.extras import execute_values

from tests.tap.adql.brute_force import separation
from tests.tap.adql.tables import FINISHED, TABLES, adql_session

Array = NDArray[np.float64]
COUNT = 20_000

FIELDS = """
INSERT INTO tap_schema.columns VALUES ('a', 'b', 5, 1);
INSERT INTO data.fields__v1
SELECT i, public.spoint(radians(i * 7), radians(i - 25)),
    public.scircle(public.spoint(radians(i * 7), radians(i - 25)), radians(1.0)),
    (SELECT public.spoly(public.spoint(radians(x), radians(y)) ORDER BY k) FROM
        (VALUES (1, i * 7 - 1.0, i - 26.0), (2, i * 7 + 1.0, i - 26.0), (3, i * 7 + 1.0, i - 24.0)) AS v (k, x, y)),
    ARRAY[i * 7, i - 25], ARRAY[i * 7 - 1.0, i - 26.0, i * 7 + 1.0, i - 26.0, i * 7 + 1.0, i - 24.0]
FROM generate_series(1, 50) AS i;
"""
MORE = "CREATE INDEX ON data.bright__v7 (g); GRANT INSERT, DELETE ON data.fields__v1 TO vo_tap"


def sky(count: int, seed: int) -> tuple[Array, Array]:
    """Return random positions, some of them near the poles, the meridian and each other."""
    random = np.random.default_rng(seed)
    ra, dec = random.uniform(0, 360, count), np.degrees(np.arcsin(random.uniform(-1, 1, count)))
    ra[:500], dec[:500] = random.normal(0, 1, 500) % 360, random.normal(0, 1, 500)
    dec[500:800], dec[800:1100] = 90 - random.uniform(0, 2, 300), random.uniform(0, 2, 300) - 90
    return ra, dec


STARS = sky(COUNT, 1)
TARGETS = (STARS[0][::200] + 1e-5, np.clip(STARS[1][::200] + 1e-5, -90, 90))


def make_tables(cursor: psycopg2.extensions.cursor) -> None:
    cursor.execute(TABLES + FIELDS)
    random = np.random.default_rng(2)
    magnitudes = random.uniform(3, 15, COUNT)
    rows = [
        (i, ra, dec, g, f"star {i}", "2020-01-01", i % 2 == 0, i % 200, [1.0, 2.0, 3.0])
        for i, (ra, dec, g) in enumerate(zip(*(a.tolist() for a in (*STARS, magnitudes)), strict=True))
    ]
    execute_values(cursor, "INSERT INTO data.bright__v7 VALUES %s", rows, page_size=5000)
    targets = [(i, ra, dec, 0.001, i) for i, (ra, dec) in enumerate(zip(*(a.tolist() for a in TARGETS), strict=True))]
    execute_values(cursor, "INSERT INTO upload.targets VALUES %s", targets)
    cursor.execute(f"{MORE};{FINISHED}")


@pytest.fixture(scope="module")
def connection(database: str) -> Iterator[psycopg2.extensions.connection]:
    with adql_session(database, make_tables) as connection:
        yield connection


CONES = [
    "1 = CONTAINS(POINT('ICRS', ra, dec), CIRCLE('ICRS', {0}))",
    "CONTAINS(POINT(ra, dec), CIRCLE({0})) = 1",
    "0 <> CONTAINS(POINT(ra, dec), CIRCLE({0}))",
    "1 = INTERSECTS(CIRCLE({0}), POINT(ra, dec))",
    "1 = INTERSECTS(POINT(ra, dec), CIRCLE({0}))",
    "DISTANCE(POINT(ra, dec), POINT({1})) <= {2}",
    "DISTANCE(POINT({1}), POINT(ra, dec)) < {2}",
    "{2} > DISTANCE(ra, dec, {1})",
    "{2} >= DISTANCE({1}, ra, dec)",
    "1 = CONTAINS(POINT(ra, dec), CIRCLE(POINT({1}), {2}))",
    "1 = CONTAINS(POINT(ra, dec), REGION('CIRCLE ICRS {1w} {2}'))",
    "1 = CONTAINS(CAST('{1w}' AS POINT), CIRCLE(ra, dec, {2}))",
    "(phot_g_mean_mag > 0 AND DISTANCE(ra, dec, {1}) < {2})",
    "(DISTANCE(ra, dec, {1}) < {2} OR source_id = -1)",
]


@pytest.mark.parametrize("form", CONES)
@pytest.mark.parametrize(
    "source", ["bright", "bright AS b", "(SELECT * FROM bright) AS x", "(SELECT DISTINCT * FROM bright) AS x"]
)
def test_every_form_of_a_cone_uses_the_index(form: str, source: str, run: Any, plan: Any) -> None:
    lon, lat, radius = 0.3, -0.4, 1.5
    test = (
        form.replace("{0}", "0.3, -0.4, 3.0/2")
        .replace("{1w}", "0.3 -0.4")
        .replace("{1}", "0.3, -0.4")
        .replace("{2}", "1.5")
    )
    query = f"SELECT source_id FROM {source} WHERE {test}"
    found = plan(query)
    assert "q3c_ang2ipix" in found
    assert "Index Cond" in found
    assert "Seq Scan" not in found
    expected = np.flatnonzero(separation(*STARS, lon, lat) <= radius)
    assert len(expected) > 100
    assert sorted(row[0] for row in run(query)) == expected.tolist()


def test_the_edge_of_a_circle_is_inside(run: Any) -> None:
    """A radius that is the very distance of a star contains it; a strict comparison does not."""
    (row,) = run("SELECT ra, dec, DISTANCE(ra, dec, 45.0, 45.0) FROM bright WHERE source_id = 5000")
    ra, dec, distance = row
    assert run(f"SELECT source_id FROM bright WHERE source_id = 5000 AND DISTANCE(ra, dec, 45.0, 45.0) <= {distance!r}")
    assert not run(
        f"SELECT source_id FROM bright WHERE source_id = 5000 AND DISTANCE(ra, dec, 45.0, 45.0) < {distance!r}"
    )
    assert run(f"SELECT source_id FROM bright WHERE 1 = CONTAINS(POINT(ra, dec), CIRCLE({ra!r}, {dec!r}, 0))") == [
        (5000,)
    ]


def ring(lon: float, lat: float, radius: float, count: int) -> list[tuple[float, float]]:
    """Return a regular polygon around a point."""
    angles = np.radians(np.arange(count) * 360 / count)
    d, r = np.radians(lat), np.radians(radius)
    sine = np.sin(d) * np.cos(r) + np.cos(d) * np.sin(r) * np.cos(angles)
    offset = np.arctan2(np.sin(-angles) * np.sin(r) * np.cos(d), np.cos(r) - np.sin(d) * sine)
    pairs = zip((lon + np.degrees(offset)) % 360, np.degrees(np.arcsin(sine)), strict=True)
    return [(float(x), float(y)) for x, y in pairs]


def test_box_is_the_polygon_of_its_sides(run: Any) -> None:
    (boxed,) = run(
        "SELECT BOX(40.0, 60.0, 10, 6), BOX(ra * 0 + 40, dec * 0 + 60, 10, 6) FROM bright WHERE source_id = 1"
    )
    assert boxed[0] == pytest.approx(boxed[1])
    (widths,) = run(
        "SELECT AREA(BOX(10, 0, 2, 2)), AREA(CIRCLE(10, 20, 1)), AREA(POLYGON(0, 0, 90, 0, 0, 90)) "
        "FROM bright WHERE source_id = 1"
    )
    assert widths[0] == pytest.approx(4.0, rel=1e-3)
    assert widths[1] == pytest.approx(np.pi * (1 - (np.pi / 180) ** 2 / 12), rel=1e-6)
    assert widths[2] == pytest.approx(129600 / np.pi / 8)
    (centre,) = run(
        "SELECT CENTROID(POLYGON(0, 0, 90, 0, 0, 90)), CENTROID(BOX(0, 80.0, 1, 1)) FROM bright WHERE source_id = 1"
    )
    assert centre[0] == pytest.approx([45, np.degrees(np.arctan(1 / np.sqrt(2)))])
    assert centre[1] == pytest.approx([0, 80], abs=1e-9)


def test_polygons_of_many_vertices_leave_the_server_alive(connection: psycopg2.extensions.connection, run: Any) -> None:
    """Q3C's own function takes the server down when it gets more than 100 vertices."""
    vertices = ring(100, 20, 2, 150)
    with connection.cursor() as cursor:
        flat = [part for vertex in vertices for part in vertex]
        for i, region in enumerate((flat, [None, 1, 2, 3, 4, 5], [], None), 100):
            cursor.execute("INSERT INTO data.fields__v1 (field_id, region_) VALUES (%s, %s::float8[])", (i, region))
        try:
            numbers = ", ".join(f"ra * 0 + {part!r}" for part in flat)
            found = run("SELECT field_id FROM fields WHERE 1 = CONTAINS(POINT(100, 20), region_)")
            inside_it = run(
                f"SELECT 1 FROM bright WHERE source_id = 1 AND 1 = CONTAINS(POINT(100, 20), POLYGON({numbers}))"
            )
        finally:
            cursor.execute("DELETE FROM data.fields__v1 WHERE field_id >= 100")
    assert found == [(100,)]
    assert inside_it == [(1,)]


def test_stored_geometries(run: Any) -> None:
    (row,) = run("SELECT * FROM fields WHERE field_id = 10")
    assert row[1:3] == (pytest.approx([70, -15]), pytest.approx([70, -15, 1]))
    assert row[3] == pytest.approx([69, -16, 71, -16, 71, -14])
    assert row[4:] == ([70, -15], [69, -16, 71, -16, 71, -14])
    for test in (
        "1 = CONTAINS(centre, CIRCLE(70, -15, 0.5))",
        "1 = CONTAINS(place, CIRCLE(70, -15, 0.5))",
        "1 = CONTAINS(POINT(70.2, -15.3), circle_)",
        "1 = CONTAINS(POINT(70.5, -15.3), outline)",
        "1 = CONTAINS(POINT(70.5, -15.3), region_)",
        "1 = INTERSECTS(outline, CIRCLE(70.5, -15.3, 0.01))",
        "1 = INTERSECTS(region_, POLYGON(70.5, -15.3, 70.6, -15.3, 70.6, -15.2))",
        "1 = CONTAINS(CIRCLE(70.5, -15.3, 0.01), region_)",
        "DISTANCE(centre, POINT(70, -15)) < 0.1 AND COORD1(place) = 70",
    ):
        assert run(f"SELECT field_id FROM fields WHERE {test}") == [(10,)]
    assert len(
        run("SELECT p FROM (SELECT centre AS p FROM fields UNION SELECT place FROM fields WHERE field_id = 1) AS x")
    ) in (50, 51)
    assert run("SELECT AREA(outline), AREA(region_) FROM fields WHERE field_id = 25")[0] == pytest.approx(
        (2, 2), rel=1e-3
    )
