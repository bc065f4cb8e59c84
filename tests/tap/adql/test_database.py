"""Translated queries in PostgreSQL: results against brute force, and the indexes that they use.

The session has the role and the search path of an ADQL session: vo_tap, pg_catalog alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import psycopg2
import psycopg2.extensions
import pytest
from numpy.typing import NDArray
from psycopg2.extras import execute_values

from tap.adql import Catalogue, translate
from vo.core.tables import Datatype

Rows = list[tuple[Any, ...]]
Array = NDArray[np.float64]
COUNT = 20_000

SETUP = """
CREATE SCHEMA data; CREATE SCHEMA upload; CREATE SCHEMA tap_schema;
CREATE TABLE data.bright__v7 (source_id bigint PRIMARY KEY, ra double precision, dec double precision, g real,
    name text, seen timestamp, variable boolean, quality smallint, spectrum real[]);
CREATE TABLE upload.targets (id integer PRIMARY KEY, ra double precision, dec double precision,
    radius double precision, "Mixed Case" integer);
CREATE TABLE data.fields__v1 (field_id integer PRIMARY KEY, centre public.spoint, circle_ public.scircle,
    outline public.spoly, place double precision[], region_ double precision[]);
CREATE TABLE tap_schema.columns (table_name text, column_name text, size integer, std integer);
INSERT INTO tap_schema.columns VALUES ('a', 'b', 5, 1);
INSERT INTO data.fields__v1
SELECT i, public.spoint(radians(i * 7), radians(i - 25)),
    public.scircle(public.spoint(radians(i * 7), radians(i - 25)), radians(1.0)),
    (SELECT public.spoly(public.spoint(radians(x), radians(y)) ORDER BY k) FROM
        (VALUES (1, i * 7 - 1.0, i - 26.0), (2, i * 7 + 1.0, i - 26.0), (3, i * 7 + 1.0, i - 24.0)) AS v (k, x, y)),
    ARRAY[i * 7, i - 25], ARRAY[i * 7 - 1.0, i - 26.0, i * 7 + 1.0, i - 26.0, i * 7 + 1.0, i - 24.0]
FROM generate_series(1, 50) AS i;
"""
INDEXES = """
CREATE INDEX ON data.bright__v7 (public.q3c_ang2ipix(ra, dec)); CREATE INDEX ON data.bright__v7 (g);
ANALYZE data.bright__v7; ANALYZE upload.targets; ANALYZE data.fields__v1;
GRANT USAGE ON SCHEMA data, upload, tap_schema TO vo_tap;
GRANT SELECT ON ALL TABLES IN SCHEMA data, upload, tap_schema TO vo_tap;
GRANT INSERT, DELETE ON data.fields__v1 TO vo_tap;
"""
SESSION = "SET SESSION AUTHORIZATION vo_tap; SET search_path = pg_catalog; SET jit = off; SET statement_timeout = '20s'"


def sky(count: int, seed: int) -> tuple[Array, Array]:
    """Return random positions, some of them near the poles, the meridian and each other."""
    random = np.random.default_rng(seed)
    ra, dec = random.uniform(0, 360, count), np.degrees(np.arcsin(random.uniform(-1, 1, count)))
    ra[:500], dec[:500] = random.normal(0, 1, 500) % 360, random.normal(0, 1, 500)
    dec[500:800], dec[800:1100] = 90 - random.uniform(0, 2, 300), random.uniform(0, 2, 300) - 90
    return ra, dec


def separation(ra: Array, dec: Array, lon: Any, lat: Any) -> Array:
    """Return angular distances in degrees by the haversine formula."""
    a, d, l, b = map(np.radians, (ra, dec, lon, lat))  # noqa: E741
    half = np.sin((d - b) / 2) ** 2 + np.cos(d) * np.cos(b) * np.sin((a - l) / 2) ** 2
    return np.asarray(np.degrees(2 * np.arcsin(np.sqrt(half))))


STARS = sky(COUNT, 1)
TARGETS = (STARS[0][::200] + 1e-5, np.clip(STARS[1][::200] + 1e-5, -90, 90))


@pytest.fixture(scope="module")
def connection(database: str) -> Iterator[psycopg2.extensions.connection]:
    """Return a connection to a database with the tables of the catalogue."""
    with psycopg2.connect(database) as opened, opened.cursor() as cursor:
        cursor.execute(SETUP)
        random = np.random.default_rng(2)
        magnitudes = random.uniform(3, 15, COUNT)
        rows = [
            (i, ra, dec, g, f"star {i}", "2020-01-01", i % 2 == 0, i % 200, [1.0, 2.0, 3.0])
            for i, (ra, dec, g) in enumerate(zip(*(a.tolist() for a in (*STARS, magnitudes)), strict=True))
        ]
        execute_values(cursor, "INSERT INTO data.bright__v7 VALUES %s", rows, page_size=5000)
        targets = [
            (i, ra, dec, 0.001, i) for i, (ra, dec) in enumerate(zip(*(a.tolist() for a in TARGETS), strict=True))
        ]
        execute_values(cursor, "INSERT INTO upload.targets VALUES %s", targets)
        cursor.execute(INDEXES)
    opened.autocommit = True
    with opened.cursor() as cursor:
        cursor.execute(SESSION)
    yield opened
    opened.close()


@pytest.fixture
def run(connection: psycopg2.extensions.connection, catalogue: Catalogue) -> Any:
    """Return a function that runs a query."""

    def execute(query: str) -> Rows:
        with connection.cursor() as cursor:
            cursor.execute(translate(query, catalogue).sql)
            return list(cursor.fetchall())

    return execute


@pytest.fixture
def plan(connection: psycopg2.extensions.connection, catalogue: Catalogue) -> Any:
    """Return a function that returns the plan of a query."""

    def explain(query: str) -> str:
        with connection.cursor() as cursor:
            cursor.execute("EXPLAIN " + translate(query, catalogue).sql)
            return "\n".join(row[0] for row in cursor.fetchall())

    return explain


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


@pytest.mark.parametrize("radius", [0.0, 0.01, 1, 4.99, 5.01, 12, 29.9, 31, 75, 90, 135, 180])
@pytest.mark.parametrize(
    "centre", [(0, 0), (359.999, -0.5), (12, 90), (200, -90), (45, 45), (123.4, 89.5), (-10, 35), (370, 1)]
)
def test_cones_of_all_sizes(radius: float, centre: tuple[float, float], run: Any) -> None:
    (found,) = run(
        f"SELECT COUNT(*) FROM bright WHERE 1 = CONTAINS(POINT(ra, dec), CIRCLE({centre[0]}, {centre[1]}, {radius}))"
    )
    assert found[0] == int((separation(*STARS, *centre) <= radius).sum())
    (others,) = run(f"SELECT COUNT(*) FROM bright WHERE DISTANCE(ra, dec, {centre[0]}, {centre[1]}) > {radius}")
    assert found[0] + others[0] == COUNT


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


def inside(vertices: list[tuple[float, float]], ra: Array, dec: Array) -> NDArray[np.bool_]:
    """Return which points are in a convex polygon given counter-clockwise: left of all edges."""

    def vectors(lon: Any, lat: Any) -> Array:
        a, d = np.radians(lon), np.radians(lat)
        return np.stack([np.cos(d) * np.cos(a), np.cos(d) * np.sin(a), np.sin(d)], axis=-1)

    corners, points = vectors(*np.transpose(vertices)), vectors(ra, dec)
    return np.asarray(np.all(points @ np.cross(corners, np.roll(corners, -1, axis=0)).T >= 0, axis=1))


def ring(lon: float, lat: float, radius: float, count: int) -> list[tuple[float, float]]:
    """Return a regular polygon around a point."""
    angles = np.radians(np.arange(count) * 360 / count)
    d, r = np.radians(lat), np.radians(radius)
    sine = np.sin(d) * np.cos(r) + np.cos(d) * np.sin(r) * np.cos(angles)
    offset = np.arctan2(np.sin(-angles) * np.sin(r) * np.cos(d), np.cos(r) - np.sin(d) * sine)
    pairs = zip((lon + np.degrees(offset)) % 360, np.degrees(np.arcsin(sine)), strict=True)
    return [(float(x), float(y)) for x, y in pairs]


@pytest.mark.parametrize("centre", [(0.2, 0.1), (100, 89), (200, -90), (300, 40)])
@pytest.mark.parametrize(("radius", "count"), [(1.5, 3), (3, 5), (9, 12), (9, 40), (4, 150), (35, 6)])
def test_polygons(centre: tuple[float, float], radius: float, count: int, run: Any, plan: Any) -> None:
    vertices = ring(*centre, radius, count)
    numbers = ", ".join(f"{part!r}" for vertex in vertices for part in vertex)
    query = f"SELECT source_id FROM bright WHERE 1 = CONTAINS(POINT(ra, dec), POLYGON({numbers}))"
    expected = np.flatnonzero(inside(vertices, *STARS))
    assert sorted(row[0] for row in run(query)) == expected.tolist()
    outside = run(f"SELECT COUNT(*) FROM bright WHERE 0 = CONTAINS(POINT(ra, dec), POLYGON({numbers}))")
    assert outside == [(COUNT - len(expected),)]
    if radius < 5:
        assert "Seq Scan" not in plan(query)
    reverse = ", ".join(f"{part!r}" for vertex in reversed(vertices) for part in vertex)
    assert len(run(query.replace(numbers, reverse))) == len(expected)


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


JOINS = [
    "targets AS t JOIN bright AS b ON DISTANCE(t.ra, t.dec, b.ra, b.dec) < 0.001",
    "bright AS b JOIN targets AS t ON 1 = CONTAINS(POINT(b.ra, b.dec), CIRCLE(t.ra, t.dec, 0.001))",
    "bright AS b JOIN targets AS t ON CONTAINS(POINT(t.ra, t.dec), CIRCLE(b.ra, b.dec, 0.001)) = 1",
    "bright AS b, targets AS t WHERE 0.001 > DISTANCE(POINT(b.ra, b.dec), POINT(t.ra, t.dec))",
    "targets AS t, bright AS b WHERE 1 = CONTAINS(POINT(b.ra, b.dec), CIRCLE(t.ra, t.dec, t.radius)) "
    "AND b.phot_g_mean_mag < 99",
    "(SELECT ra AS x, dec AS y, source_id FROM bright) AS b JOIN targets AS t "
    "ON DISTANCE(b.x, b.y, t.ra, t.dec) <= t.radius",
    "(SELECT POINT(ra, dec) AS p, source_id FROM bright) AS b JOIN targets AS t "
    "ON DISTANCE(b.p, POINT(t.ra, t.dec)) <= 0.001",
    "targets AS t LEFT JOIN bright AS b ON DISTANCE(t.ra, t.dec, b.ra, b.dec) < 0.001",
    "bright AS b RIGHT JOIN targets AS t ON DISTANCE(t.ra, t.dec, b.ra, b.dec) < 0.001",
]


@pytest.mark.parametrize("join", JOINS)
def test_every_form_of_a_cross_match(join: str, run: Any, plan: Any) -> None:
    query = f"SELECT t.id, b.source_id FROM {join}"
    found = plan(query)
    assert "Index Cond" in found
    assert "Seq Scan on bright__v7" not in found
    expected = [
        (i, int(j))
        for i, (ra, dec) in enumerate(zip(*TARGETS, strict=True))
        for j in np.flatnonzero(separation(*STARS, ra, dec) < 0.001)
    ]
    assert len(expected) >= 100
    assert sorted(run(query)) == expected


def test_outer_joins_keep_rows_without_match(run: Any) -> None:
    near = "DISTANCE(t.ra, t.dec, b.ra, b.dec) < 0.001 AND b.phot_g_mean_mag < 6"
    matched = run(f"SELECT COUNT(*) FROM targets t JOIN bright b ON {near}")[0][0]
    rows = run(f"SELECT t.id, b.source_id FROM targets t LEFT JOIN bright b ON {near}")
    assert 0 < matched < 100
    assert len(rows) >= 100
    assert sum(row[1] is not None for row in rows) == matched
    assert len({row[0] for row in rows}) == 100
    without = run(f"SELECT COUNT(*) FROM targets t WHERE NOT EXISTS (SELECT b.ra FROM bright b WHERE {near})")[0][0]
    assert without == sum(row[1] is None for row in rows)


def test_three_tables_and_other_filters_keep_the_index(run: Any, plan: Any) -> None:
    query = (
        "SELECT COUNT(*) FROM targets t, bright a, bright b WHERE DISTANCE(t.ra, t.dec, a.ra, a.dec) < 0.001 "
        "AND DISTANCE(a.ra, a.dec, b.ra, b.dec) < 0.001 AND a.phot_g_mean_mag < 9 AND a.source_id <= b.source_id"
    )
    assert "Seq Scan on bright__v7" not in plan(query)
    assert run(query)[0][0] > 0


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


def test_rows_have_the_types_of_their_metadata(
    connection: psycopg2.extensions.connection, catalogue: Catalogue
) -> None:
    query = (
        "SELECT b.*, SUM(source_id) AS s, AVG(quality) AS a, COUNT(*) AS n, MAX(name) AS m, 1.5 AS d, 'x' AS t, "
        "NULL AS u, "
        "CAST(ra AS VARCHAR(3)) AS v, MIN(seen) AS w FROM bright AS b GROUP BY source_id, ra, dec, phot_g_mean_mag, "
        "name, seen, "
        "variable, quality, spectrum"
    )
    types = {
        Datatype.LONG: "int8", Datatype.DOUBLE: "float8", Datatype.FLOAT: "float4", Datatype.CHAR: "text",
        Datatype.BOOLEAN: "bool",
        Datatype.UNSIGNED_BYTE: "int2", Datatype.INT: "int4",
    }  # fmt: skip
    found = translate(query, catalogue, limit=10)
    with connection.cursor() as cursor:
        cursor.execute(found.sql)
        assert cursor.description is not None
        assert [entry.name for entry in cursor.description] == [f"c{i}" for i in range(len(found.columns))]
        oids = [entry.type_code for entry in cursor.description]
        cursor.execute("SELECT oid, typname FROM pg_type WHERE oid = ANY(%s)", (oids,))
        names = dict(cursor.fetchall())
    for column, oid in zip(found.columns, oids, strict=True):
        wanted = "timestamp" if column.xtype == "timestamp" else types[column.datatype]
        assert names[oid] == ("_" + wanted if column.is_array else wanted), column


def test_sets_order_and_limits(run: Any) -> None:
    assert run(
        "(SELECT TOP 2 id FROM targets ORDER BY id DESC) UNION SELECT TOP 1 id FROM targets ORDER BY 1 OFFSET 1"
    ) == [(98,), (99,)]
    assert run("SELECT id FROM targets WHERE id < 5 EXCEPT SELECT id FROM targets WHERE id < 3 ORDER BY id") == [
        (3,),
        (4,),
    ]
    assert run("SELECT TOP 3 id, id * 2 AS d FROM targets ORDER BY d DESC") == [(99, 198), (98, 196), (97, 194)]
    assert run("SELECT id FROM targets ORDER BY -id OFFSET 97") == [(2,), (1,), (0,)]
    assert run('SELECT "size", column_name FROM TAP_SCHEMA.columns WHERE std = 1') == [(5, "b")]


def test_functions(run: Any) -> None:
    (row,) = run(
        "SELECT ivo_to_jd('2000-01-02T12:00:00'), ivo_to_mjd(CAST('2000-01-02T12:00:00' AS TIMESTAMP)), "
        "ivo_healpix_index(0, 1, 1), "
        "ivo_healpix_index(17, 1, 1), ivo_healpix_index(17, POINT(359, -1)), ivo_hashlist_has('a#B', 'b'), "
        "ivo_hashlist_has('a#b', 'a#b'), "
        "ivo_nocasematch('Foo', 'f%'), ivo_hasword('Big galaxies', 'galaxy'), MOD(-5.5, 2), ROUND(1234.5, -2), "
        "TRUNCATE(-1.59, 1), "
        "LOG(EXP(1)), LOG10(1000), 5/2, 5./2, IN_UNIT(radius, 'arcsec') FROM targets WHERE id = 1"
    )
    assert row[:9] == (2451546.0, 51545.5, 4, 81609757711, 73009064944, 1, 0, 1, 1)
    assert row[9:] == pytest.approx((-1.5, 1200, -1.5, 1, 3, 2, 2.5, 3.6))
    assert run("SELECT ivo_string_agg(CAST(id AS VARCHAR), '-') FROM targets WHERE id < 0") == [("",)]
    assert run(r"SELECT COUNT(*) FROM targets WHERE 'a\b' LIKE 'a\b' AND 'a_b' NOT LIKE 'a\_b'") == [(100,)]


def test_joins_by_name(run: Any) -> None:
    assert run("SELECT * FROM targets a JOIN targets b USING (id) WHERE id = 3")[0][0] == 3
    assert run(
        "SELECT id FROM targets a FULL JOIN (SELECT id FROM targets WHERE id > 97) b USING (id) "
        "WHERE id > 96 ORDER BY id"
    ) == [(97,), (98,), (99,)]
    assert run("SELECT COUNT(BOX(ra, dec, 1, 1)), COUNT(POINT(ra, dec)) FROM targets") == [(100, 100)]
    assert len(run("SELECT * FROM targets a NATURAL JOIN targets b WHERE id < 2")[0]) == 5
