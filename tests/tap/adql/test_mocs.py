"""MOCs as arguments: their text, points in them by the sky index, and regions against them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import psycopg2
import psycopg2.extensions
import pytest

from tap.adql import ADQLError, Catalogue, CatalogueTable, translate
from tap.adql.sky.mocs import MAX_ORDER, cells, read_moc
from tests.tap.adql import brute_force as sky
from tests.tap.adql.brute_force import Mask
from tests.tap.adql.conftest import STARS as PUBLISHED
from tests.tap.adql.conftest import column
from tests.tap.adql.sky_questions import DEC, KNOWN, RA, STARS
from tests.tap.adql.tables import adql_session
from vo.core.tables import Datatype

COVERAGES = CatalogueTable(
    "data.coverages",
    ("data", "coverages"),
    (column("id", "integer", Datatype.INT), column("coverage", "smoc", Datatype.CHAR, arraysize="*", xtype="moc")),
    3,
)


def make_tables(cursor: psycopg2.extensions.cursor) -> None:
    sky.load_stars(cursor, STARS)
    cursor.execute(
        "CREATE TABLE data.coverages (id integer, coverage public.smoc); GRANT SELECT ON data.coverages TO vo_tap; "
        "INSERT INTO data.coverages VALUES (1, '0/0-11'), (2, '3/77 5/'), (3, '0/'), (4, NULL)"
    )


@pytest.fixture(scope="module")
def connection(database: str) -> Iterator[psycopg2.extensions.connection]:
    with adql_session(database, make_tables) as connection:
        yield connection


@pytest.fixture
def catalogue() -> Catalogue:
    """The stars and a table of coverages."""
    return Catalogue(1, [PUBLISHED, COVERAGES])


def finest(lon: Any, lat: Any) -> Any:
    return sky.healpix(MAX_ORDER, lon, lat)


NEAR = 3 * sky.EDGE
NUMBERS = [
    finest((RA + x) % 360, np.clip(DEC + y, -90, 90))
    for x, y in ((0, 0), (NEAR, 0), (-NEAR, 0), (0, NEAR), (0, -NEAR), (np.where(np.abs(DEC) == 90, 90, 0), 0))
]


def within(text: str) -> tuple[Mask, Mask]:
    """Return which stars are in a MOC, and which are too near its edge to tell; the text is read anew."""
    found = [np.zeros(len(RA), bool) for _ in NUMBERS]
    order = 0
    for word in text.replace(",", " ").replace("/", "/ ").split():
        if word.endswith("/"):
            order = int(word[:-1])
            continue
        first, _, last = word.partition("-")
        for mask, numbers in zip(found, NUMBERS, strict=True):
            cell = numbers >> 2 * (MAX_ORDER - order)
            mask[(cell >= int(first)) & (cell <= int(last or first))] = True
    return found[0] & KNOWN, np.any([mask != found[0] for mask in found], axis=0)


def coverage(random: np.random.Generator) -> str:
    """Return a MOC: scattered cells, those around a place, or both, of several orders."""
    words = []
    for order in sorted(random.choice(12, int(random.integers(1, 5)), replace=False).tolist()):
        words.append(f"{order}/")
        side = int(random.choice(len(RA)))
        if random.random() < 0.7:  # around a star
            lon, lat = np.transpose(sky.ring(RA[side], DEC[side], random.uniform(0, 3, 40), random.uniform(0, 360, 40)))
            words += sorted({str(number) for number in sky.healpix(order, lon, lat)})
        else:
            first = int(random.integers(12 * 4**order))
            words.append(f"{first}-{min(first + int(random.integers(1, 20)), 12 * 4**order - 1)}")
    return " ".join(words).replace("/ ", "/")


@pytest.mark.parametrize("part", range(4))
def test_points_in_mocs_at_random(part: int, connection: psycopg2.extensions.connection, run: Any) -> None:
    random = np.random.default_rng(part)
    own = Catalogue(1, [PUBLISHED])
    served = 0
    for i in range(60):
        text = coverage(random)
        found, edge = within(text)
        call = f"CONTAINS(POINT(ra, dec), MOC('{text}'))" if i % 2 else f"INTERSECTS(MOC('{text}'), POINT(ra, dec))"
        query = f"SELECT source_id FROM bright WHERE 1 = {call}"
        rows = {row[0] for row in run(query)} - set(STARS.id[edge].tolist())
        assert rows == set(STARS.id[found & ~edge].tolist()), query
        ((inside, outside),) = run(f"SELECT SUM({call}), SUM(1 - {call}) FROM bright")
        assert inside + outside == KNOWN.sum()
        if read_moc(text).fraction < 0.04:
            served += 1
            with connection.cursor() as cursor:
                cursor.execute(f"SET enable_seqscan = off; EXPLAIN {translate(query, own).sql}")
                plan = "\n".join(row[0] for row in cursor.fetchall())
                cursor.execute("RESET enable_seqscan")
            assert "q3c_ang2ipix" in plan, query
            assert "Seq Scan" not in plan, query
    assert served > 10


def test_the_whole_sky_and_nothing(run: Any) -> None:
    assert run("SELECT COUNT(*) FROM bright WHERE 1 = CONTAINS(POINT(ra, dec), MOC('0/0-11'))") == [(KNOWN.sum(),)]
    assert run("SELECT COUNT(*) FROM bright WHERE 1 = CONTAINS(POINT(ra, dec), MOC('7/'))") == [(0,)]
    assert run(
        "SELECT AREA(MOC('0/0-11')), AREA(MOC('')), MOC('1/0-3 4/'), COORDSYS(MOC('3/')) "
        "FROM bright WHERE source_id = 1"
    ) == [(pytest.approx(129600 / np.pi), 0, "0/0 4/", "ICRS")]


@pytest.mark.parametrize(
    ("shape", "order", "radius"),
    [("CIRCLE(56.75, 24.12, 2)", 8, 2), ("POLYGON(55, 23, 58, 23, 58, 25)", 7, 2.2), ("POINT(56.75, 24.12)", 3, 0),
     ("BOX(56.75, 24.12, 2, 2)", 9, 1.42)],
)  # fmt: skip
def test_the_moc_of_a_shape(
    shape: str, order: int, radius: float, run: Any, connection: psycopg2.extensions.connection
) -> None:
    """It holds what the shape does, and no star farther out than a cell; the sky index finds both."""
    query = f"SELECT source_id, ra, dec FROM bright WHERE 1 = CONTAINS(POINT(ra, dec), MOC({order}, {shape}))"
    rows = run(query)
    exact = shape if not shape.startswith("POINT") else "CIRCLE(56.75, 24.12, 0)"
    inner = run(f"SELECT source_id FROM bright WHERE 1 = CONTAINS(POINT(ra, dec), {exact})")
    assert {row[0] for row in inner} <= {row[0] for row in rows}
    assert len(rows) > len(inner)
    far = sky.separation([row[1] for row in rows], [row[2] for row in rows], 56.75, 24.12)
    assert far.max() < radius + 4 * 58.6 / 2**order
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {translate(query, Catalogue(1, [PUBLISHED])).sql}")
        assert "q3c_ang2ipix" in "\n".join(row[0] for row in cursor.fetchall())


def test_columns_of_mocs_and_mocs_of_shapes(run: Any) -> None:
    assert run("SELECT coverage FROM coverages ORDER BY id") == [("0/0-11",), ("3/77 5/",), ("0/",), (None,)]
    for test, expected in {
        "1 = CONTAINS(POINT(22.5, 41), coverage)": [1],
        "1 = CONTAINS(MOC('5/1232'), coverage)": [1, 2],
        "1 = INTERSECTS(coverage, MOC('1/4'))": [1, 2],
        "1 = CONTAINS(coverage, MOC('1/4'))": [2, 3],
        "1 = INTERSECTS(CIRCLE(0, 0, 1), coverage)": [1],
        "1 = INTERSECTS(coverage, POLYGON(1, 1, 2, 1, 2, 2))": [1],
        "1 = CONTAINS(CIRCLE(0, 0, 1), coverage)": [1],
        "AREA(coverage) BETWEEN 50 AND 60": [2],
        "coverage IS NULL": [4],
        "1 = CONTAINS(MOC(6, coverage), coverage)": [1, 2, 3],
        "1 = CONTAINS(POINT(22.5, 41), COALESCE(coverage, MOC('0/0-11')))": [1, 4],
    }.items():
        assert [row[0] for row in run(f"SELECT id FROM coverages WHERE {test} ORDER BY id")] == expected, test


def test_the_type_of_a_moc(catalogue: Catalogue) -> None:
    (found,) = translate("SELECT MOC(4, CIRCLE(ra, dec, 1)) AS m FROM bright", catalogue).columns
    assert (found.name, found.datatype, found.arraysize, found.xtype) == ("m", Datatype.CHAR, "*", "moc")


def test_texts_are_made_as_short_as_they_can_be() -> None:
    random = np.random.default_rng(5)
    for _ in range(50):
        moc = read_moc(coverage(random))
        again = read_moc(moc.text)
        assert (again.ranges, again.order) == (moc.ranges, moc.order)
        numbers = [(order, first, last) for order, first, last in cells(moc.ranges)]
        assert sum((last - first + 1) / (12 * 4**order) for order, first, last in numbers) == pytest.approx(
            moc.fraction
        )
        assert all(last - first < 4 for _, first, last in numbers if _ > 0)


@pytest.mark.parametrize(
    ("argument", "at", "message"),
    [
        ("'3/4 x'", 5, "has no 'x'"),
        ("'30/1'", 1, "greater than 29"),
        ("'2/192'", 3, "no cells 192"),
        ("'2/5-3'", 3, "no cells 5-3"),
        ("'17'", 1, "begins with an order"),
        ("'3/4/5'", 3, "has no '4/5'"),
        ("ra", 0, "takes a string"),
        ("30, CIRCLE(1, 2, 3)", 0, "order of a MOC"),
        ("ra, CIRCLE(1, 2, 3)", 0, "order of a MOC"),
        ("29, CIRCLE(1, 2, 3)", 0, "at most"),
        ("5, CIRCLE(1, 2, 93)", 3, "more than 90"),
        ("5, ra", 3, "takes a geometry"),
        ("5, POLYGON(ra, 2, 3, 4, 5, 6)", 3, "differs from row to row"),
        ("5, POLYGON(0, 0, 2, 2, 2, 0, 0, 2)", 3, "cross each other"),
    ],
)  # fmt: skip
def test_errors_tell_the_place(argument: str, at: int, message: str, catalogue: Catalogue) -> None:
    with pytest.raises(ADQLError, match=message) as raised:
        translate(f"SELECT MOC({argument}) AS m FROM bright", catalogue)
    assert raised.value.position == len("SELECT MOC(") + at
