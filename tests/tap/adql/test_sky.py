"""Thousands of positional queries over real stars, as an ADQL session runs them, against brute force in NumPy."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import psycopg2
import psycopg2.extensions
import pytest

from tap.adql import ADQLError, Catalogue, CatalogueTable, translate
from tests.tap.adql import brute_force as sky
from tests.tap.adql.conftest import STARS as PUBLISHED
from tests.tap.adql.conftest import column
from tests.tap.adql.sky_questions import DEC, KNOWN, RA, STARS, Generator
from tests.tap.adql.tables import adql_session
from vo.core.tables import Datatype

QUERIES = 2000


@pytest.fixture(scope="module")
def connection(database: str) -> Iterator[psycopg2.extensions.connection]:
    with adql_session(database, lambda cursor: sky.load_stars(cursor, STARS)) as connection:
        yield connection


@pytest.mark.parametrize("part", range(8))
def test_queries_at_random(part: int, connection: psycopg2.extensions.connection, catalogue: Catalogue) -> None:
    """The rows that are found are the very ones; a question that an index can answer reads no whole table."""
    generator = Generator(part)
    # The same stars as if they were a billion: then polygons are covered by cells.
    large = Catalogue(1, [CatalogueTable(PUBLISHED.name, PUBLISHED.physical, PUBLISHED.columns, 10**9, ("ra", "dec"))])
    wrong: list[str] = []
    served = 0
    with connection.cursor() as cursor:
        for i in range(QUERIES // 8):
            query, found, edge, indexed = generator.query()
            sql = translate(query, large if i % 2 else catalogue).sql
            open_ = "{" + ",".join(map(str, STARS.id[edge])) + "}"
            sums = "count(*), coalesce(sum(c0), 0), coalesce(sum(c0 * c0), 0)"
            cursor.execute(f"SELECT {sums} FROM ({sql}) AS q WHERE c0 <> ALL ('{open_}')")
            expected = STARS.id[found & ~edge]
            if cursor.fetchone() != (len(expected), int(expected.sum()), int((expected * expected).sum())):
                cursor.execute(sql)
                wanted, rows = set(expected.tolist()), {row[0] for row in cursor.fetchall()}
                rows -= set(STARS.id[edge].tolist())
                wrong.append(f"{query}\n{sorted(rows - wanted)[:5]} {sorted(wanted - rows)[:5]}")
            if indexed:
                served += 1
                # A small table is rightly read whole where it holds much of the answer.
                cursor.execute(f"SET enable_seqscan = {'off' if len(expected) > 200 else 'on'}; EXPLAIN {sql}")
                plan = "\n".join(row[0] for row in cursor.fetchall())
                cursor.execute("RESET enable_seqscan")
                if "Seq Scan" in plan or "q3c_ang2ipix" not in plan:
                    wrong.append(f"{query}\n{plan}")
    assert not wrong, f"{len(wrong)} wrong\n" + "\n".join(text[:2000] for text in wrong[:5])
    assert served > 50


# ---- shapes of every row --------------------------------------------------------------------------------------------

SHAPES = CatalogueTable(
    "gaia_dr3.shapes",
    ("data", "shapes"),
    (
        column("id", "integer", Datatype.INT, unique=True),
        column("lon", unit="deg"),
        column("lat", unit="deg"),
        column("radius", unit="deg"),
        column("place", "double precision[]", arraysize="2", xtype="point", unit="deg"),
        column("disc", "double precision[]", arraysize="3", xtype="circle", unit="deg"),
        column("area_", "double precision[]", arraysize="*", xtype="polygon", unit="deg"),
        column("words", "text", Datatype.CHAR, arraysize="*"),
    ),
    20,
)
SQUARE = "9,19, 11,19, 11,21, 9,21"
ROWS = f"""
CREATE TABLE data.shapes (id integer PRIMARY KEY, lon double precision, lat double precision, radius double precision,
    place double precision[], disc double precision[], area_ double precision[], words text);
INSERT INTO data.shapes VALUES
    (1, 10, 20, 1, '{{10,20}}', '{{10,20,1}}', '{{{SQUARE}}}', '9 19 11 19 11 21 9 21'),
    (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
    (3, 'NaN', 'NaN', 'NaN', '{{NaN,NaN}}', '{{NaN,20,1}}', '{{9,19,11,NaN,11,21}}', '9 NaN 1 2 3 4'),
    (4, 10, 95, 1, '{{10,95}}', '{{10,95,1}}', '{{9,95,11,95,11,96}}', '9 95 11 95 11 96'),
    (5, 10, 20, -1, '{{10,NULL}}', '{{10,20,-1}}', '{{}}', ''),
    (6, 'Infinity', 20, 1, '{{Infinity,20}}', '{{Infinity,20,1}}', '{{9,19,Infinity,19,11,21}}', 'inf 1 2 3 4 5'),
    (7, 10, NULL, 1, '{{}}', '{{10,20,NULL}}', '{{9,19,11,NULL,11,21}}', '9 19 11 19'),
    (8, 10, 20, NULL, '{{10}}', '{{10,20}}', '{{9,19,11,19}}', '9 19; DROP'),
    (9, -350, 20, 0.5, '{{370,20}}', '{{-350,20,0.5}}', '{{9,19,9,19,11,19,11,21,10,21,9,21,9,21}}',
        ' 9 19  11 19 11 21 9 21'),
    (10, 200, 0, 0.5, '{{200,0}}', '{{200,0,180}}', '{{0,0,120,1,240,-1}}', '0 0 120 1 240 -1'),
    (11, 200, 0, 0.5, '{{200,0}}', '{{200,0,0.5}}', '{{9,19,11,21,11,19,9,21}}', 'x');
GRANT SELECT ON data.shapes TO vo_tap;
"""


@pytest.fixture(scope="module")
def shapes(database: str, connection: psycopg2.extensions.connection) -> Callable[[str], list[Any]]:
    """Return a function that gives the values of the first column of a query on the table of shapes."""
    with psycopg2.connect(database) as opened, opened.cursor() as cursor:
        cursor.execute(ROWS)
    opened.close()
    own = Catalogue(1, [SHAPES])

    def execute(query: str) -> list[Any]:
        with connection.cursor() as cursor:
            cursor.execute(translate(query, own).sql)
            return [row[0] for row in cursor.fetchall()]

    return execute


HERE = "POINT(10, 20)"
LEFT = "POINT(9.2, 20)"
TRIANGLE = "POLYGON(5, 15, 15, 15, 10, 30)"
MATCHES = {
    f"1 = CONTAINS({HERE}, CIRCLE(lon, lat, radius))": [1, 9],
    f"1 = CONTAINS({HERE}, disc)": [1, 9, 10],
    f"1 = CONTAINS({LEFT}, area_)": [1, 9, 11],
    "1 = CONTAINS(POINT(10.9, 20.5), area_)": [1, 9, 11],
    "1 = CONTAINS(POINT(10, 20.5), area_)": [1, 9],
    "1 = CONTAINS(POINT(9, 19), area_)": [1, 9, 11],
    "1 = CONTAINS(POINT(9, 20), area_)": [1, 9, 11],
    "1 = CONTAINS(POINT(190, -20), area_)": [],
    f"1 = CONTAINS(place, CIRCLE({HERE}, 1))": [1, 9],
    f"1 = CONTAINS(POINT(lon, lat), {TRIANGLE})": [1, 5, 8, 9],
    f"1 = CONTAINS(place, {TRIANGLE})": [1, 9],
    "1 = CONTAINS(POINT(lon, lat), BOX(10, 20, 2, 2))": [1, 5, 8, 9],
    f"1 = CONTAINS({HERE}, BOX(lon, lat, radius, radius))": [1, 9],
    f"1 = CONTAINS({HERE}, POLYGON(lon - 1, lat - 1, lon + 1, lat - 1, lon, lat + 1))": [1, 5, 8, 9],
    f"DISTANCE(POINT(lon, lat), {HERE}) <= 1e-9": [1, 5, 8, 9],
    f"DISTANCE(place, {HERE}) < 1": [1, 9],
    f"1 = INTERSECTS({HERE}, POINT(lon, lat))": [1, 5, 8],
    f"1 = CONTAINS(disc, CIRCLE({HERE}, 0.6))": [9],
    f"1 = CONTAINS(CIRCLE({HERE}, 0.6), disc)": [1, 10],
    f"1 = CONTAINS(disc, CIRCLE({HERE}, 180))": [1, 9, 10, 11],
    "1 = INTERSECTS(disc, CIRCLE(POINT(10, 21.2), 0.3))": [1, 10],
    "1 = INTERSECTS(CIRCLE(lon, lat, radius), CIRCLE(10, 22, 1.5))": [1, 9],
    f"1 = INTERSECTS(disc, {TRIANGLE})": [1, 9, 10],
    f"1 = CONTAINS(disc, {TRIANGLE})": [1, 9],
    f"1 = CONTAINS({TRIANGLE}, disc)": [10],
    f"1 = CONTAINS({TRIANGLE}, CIRCLE(lon, lat, radius * 12))": [1],
    f"1 = CONTAINS({TRIANGLE}, CIRCLE(lon, lat, 179))": [1, 5, 8, 9, 10, 11],
    f"1 = CONTAINS(area_, CIRCLE({HERE}, 2))": [1, 9, 11],
    "1 = CONTAINS(area_, CIRCLE(190, -20, 178))": [],
    "1 = CONTAINS(area_, CIRCLE(190, -22, 179.9))": [1, 9, 11],
    f"1 = CONTAINS(CIRCLE({HERE}, 0.5), area_)": [1, 9],
    f"1 = INTERSECTS(area_, {TRIANGLE})": [1, 9, 11],
    f"1 = CONTAINS(area_, {TRIANGLE})": [1, 9, 11],
    "1 = CONTAINS(BOX(10, 20, 0.1, 0.1), area_)": [1, 9],
    "1 = INTERSECTS(BOX(10, 20, 0.1, 8), area_)": [1, 9, 11],
    "1 = INTERSECTS(area_, BOX(50, 20, 1, 1))": [],
    f"1 = CONTAINS({LEFT}, CAST(words AS POLYGON))": [1, 9],
    f"1 = CONTAINS({HERE}, COALESCE(area_, {TRIANGLE}))": [1, 2, 9],
    f"1 = CONTAINS({HERE}, CAST(CAST(disc AS VARCHAR) AS CIRCLE))": [1, 9, 10],
    "AREA(area_) < 5": [1, 9, 11],
    "COORD2(CENTROID(area_)) BETWEEN 19.9 AND 20.1": [1, 9],
}


@pytest.mark.parametrize("condition", MATCHES)
def test_odd_rows_match_nothing_and_end_no_query(condition: str, shapes: Any) -> None:
    assert sorted(shapes(f"SELECT id FROM shapes WHERE {condition}")) == MATCHES[condition]
    rest = sorted(shapes(f"SELECT id FROM shapes WHERE NOT ({condition})"))
    assert not set(rest) & set(MATCHES[condition])
    assert 2 not in rest  # what is unknown is neither so nor not so
    if condition.startswith("1 = "):
        call = condition.removeprefix("1 = ")
        assert shapes(f"SELECT SUM({call}) FROM shapes") == [len(MATCHES[condition]) or (0 if rest else None)]


# ---- edges, measures, frames ----------------------------------------------------------------------------------------


def test_edges_are_inside(run: Any) -> None:
    """Whole degrees along the sides and at the corners; and a polygon with stars as vertices."""
    place = "ra BETWEEN 0 AND 20 AND MOD(ra, 5) = 0 AND MOD(dec, 5) = 0"
    at = (STARS.ra >= 0) & (STARS.ra <= 20) & (STARS.ra % 5 == 0) & (STARS.dec % 5 == 0)
    for shape in ("POLYGON(5, 0, 15, 0, 15, 20, 5, 20)", "POLYGON(5, 20, 15, 20, 15, 0, 5, 0)"):
        found = run(f"SELECT source_id FROM bright WHERE {place} AND 1 = CONTAINS(POINT(ra, dec), {shape})")
        # The side at 20 degrees is a great circle: between its ends it runs north of the parallel.
        inside = at & (STARS.ra >= 5) & (STARS.ra <= 15) & (STARS.dec >= 0) & (STARS.dec <= 20)
        assert sorted(row[0] for row in found) == STARS.id[inside].tolist()
    corners = np.flatnonzero(KNOWN & (sky.separation(RA, DEC, 0, 0) < 4))[[10, 40, 80]]
    numbers = ", ".join(f"{float(RA[c])!r}, {float(DEC[c])!r}" for c in corners)
    chosen = f"source_id IN ({', '.join(map(str, corners))})"
    assert len(run(f"SELECT ra FROM bright WHERE {chosen} AND 1 = CONTAINS(POINT(ra, dec), POLYGON({numbers}))")) == 3


@pytest.mark.parametrize("size", [1e-6, 1e-3, 0.3, 10, 60, 85])
def test_area_and_centroid(size: float, run: Any) -> None:
    lon, lat = 123.4, 56.7
    vertices = sky.ring(lon, lat, size, np.arange(7) * 360 / 7)
    numbers = ", ".join(f"{part!r}" for vertex in vertices for part in vertex)
    ((area, centre),) = run(
        f"SELECT AREA(POLYGON({numbers})), CENTROID(POLYGON({numbers})) FROM bright WHERE source_id = 1"
    )
    corner = np.arctan(1 / (np.cos(np.radians(size)) * np.tan(np.pi / 7)))  # half the angle at a vertex, by Napier
    excess = 14 * (corner - np.pi / 2) + 2 * np.pi
    flat = 3.5 * np.radians(size) ** 2 * np.sin(2 * np.pi / 7)
    assert area == pytest.approx(np.degrees(np.degrees(flat if size < 0.01 else excess)), rel=1e-6)
    assert sky.separation(centre[0], centre[1], lon, lat) < 1e-7 * size + 1e-12


@pytest.mark.parametrize(
    ("condition", "warned"),
    [
        ("1 = CONTAINS(POINT('GALACTIC', ra, dec), CIRCLE('Galactic', 10, 20, 3))", False),
        ("1 = CONTAINS(POINT('ICRS', ra, dec), CIRCLE('FK5', 10, 20, 3))", False),
        ("1 = CONTAINS(POINT('J2000', ra, dec), CIRCLE(10, 20, 3))", False),
        ("1 = CONTAINS(POINT('', ra, dec), REGION('CIRCLE ICRS BARYCENTER 10 20 3'))", False),
        ("DISTANCE(POINT('nonsense', ra, dec), POINT('ICRS', 10, 20)) <= 3", True),
        ("1 = CONTAINS(POINT(NULL, ra, dec), CIRCLE(NULL, 10, 20, 3))", False),
    ],
)
def test_coordinate_systems_that_agree(condition: str, warned: bool, run: Any, catalogue: Catalogue) -> None:
    query = f"SELECT source_id FROM bright WHERE {condition}"
    expected = STARS.id[KNOWN & (sky.separation(RA, DEC, 10, 20) <= 3)]
    assert sorted(row[0] for row in run(query)) == expected.tolist()
    assert bool(translate(query, catalogue).warnings) == warned


def test_coordinate_systems_are_told(run: Any) -> None:
    query = "COORDSYS(POINT('galactic', 1, 2)), COORDSYS(CIRCLE(POINT('FK4', 1, 2), 3)), COORDSYS(POINT(ra, dec))"
    assert run(f"SELECT {query} FROM bright WHERE source_id = 1") == [("GALACTIC", "FK4", "ICRS")]


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("CONTAINS(POINT('GALACTIC', ra, dec), CIRCLE('ICRS', 1, 2, 3))", "GALACTIC.*ICRS.*ivo_geom_transform"),
        ("DISTANCE(POINT('FK4', 1, 2), POINT('ECLIPTIC', 1, 2))", "ivo_geom_transform"),
        ("CIRCLE('ICRS', POINT('GALACTIC', 1, 2), 3)", "ivo_geom_transform"),
        ("CONTAINS(POINT(ra, dec), POLYGON(1, 2, 1, 2, 3, 4))", "three different vertices"),
        ("CONTAINS(POINT(ra, dec), POLYGON(0, 0, 120, 0, 240, 0))", "hemisphere"),
        ("AREA(POLYGON(0, 0, 120, 0, 240, 0))", "hemisphere"),
        ("CONTAINS(POINT(ra, dec), CIRCLE(1, 2, 181))", "radius"),
        ("CONTAINS(POINT(ra, dec), CIRCLE(1, 92, 1))", "latitude"),
        ("CONTAINS(CIRCLE(ra, dec, 1), POINT(1, 2))", "Swap"),
        ("CONTAINS(ra, CIRCLE(1, 2, 3))", "takes geometries"),
        ("BOX(1, 2, 180, 3)", "size"),
        ("CAST('1 2 3' AS POINT)", "POINT"),
        ("REGION('ELLIPSE 1 2 3 4 5')", "not offered"),
        ("COALESCE(POINT(1, 2), CIRCLE(1, 2, 3))", "COALESCE"),
    ],
)  # fmt: skip
def test_what_has_no_answer_is_refused_with_the_reason(expression: str, message: str, catalogue: Catalogue) -> None:
    with pytest.raises(ADQLError) as raised:
        translate(f"SELECT {expression} AS x FROM bright", catalogue)
    assert re.search(message, str(raised.value))
    assert raised.value.position is not None


@pytest.mark.parametrize("operator", ["=", "<", "<>"])
def test_geometries_have_no_order(operator: str, catalogue: Catalogue) -> None:
    with pytest.raises(ADQLError, match="CONTAINS, INTERSECTS or DISTANCE"):
        translate(f"SELECT ra FROM bright WHERE POINT(ra, dec) {operator} POINT(1, 2)", catalogue)


def test_shapes_to_strings_and_back(run: Any) -> None:
    (row,) = run(
        "SELECT CAST(POINT(1.5, -2) AS VARCHAR), CAST(CAST('1 2 3' AS CIRCLE) AS CHAR(5)), "
        "COALESCE(POINT(NULL, 1), POINT(3, 4)), COUNT(POINT(ra, dec)), COUNT(CAST(name AS POINT)) "
        "FROM bright"
    )
    assert row == ("1.5 -2", "1 2 3", [3.0, 4.0], int(KNOWN.sum()), 0)
