"""Positional joins: our SQL against the best that we can write by hand, over the same connection."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import psycopg2
import psycopg2.errors
import psycopg2.extensions

from bench.report import Figure, median
from bench.server import Bench
from tap.adql import Catalogue, CatalogueColumn, CatalogueTable, translate
from vo.core.tables import Column, Datatype

RUNS = 7
RADIUS = "1.8 / 3600.0"
TARGET = 2.0
PATIENCE = "3s"
"""What is written by hand in the wrong way takes minutes."""

_SETUP = """
CREATE SCHEMA joins;
CREATE TABLE joins.gaia AS SELECT source_id AS id, ra, dec, phot_g_mean_mag AS g FROM {source}
ORDER BY public.q3c_ang2ipix(ra, dec);
CREATE TABLE joins.ext AS SELECT id, ra + 1e-5 AS ra, dec, g FROM joins.gaia WHERE pg_catalog.hashint8(id) % 4 = 0
ORDER BY public.q3c_ang2ipix(ra + 1e-5, dec);
CREATE TABLE joins.targets AS
SELECT id, ra, dec, g, 0.0005::double precision AS radius FROM joins.ext ORDER BY pg_catalog.md5(id::text) LIMIT 1000;
ALTER TABLE joins.gaia ADD PRIMARY KEY (id); ALTER TABLE joins.ext ADD PRIMARY KEY (id);
CREATE INDEX ON joins.gaia (public.q3c_ang2ipix(ra, dec)); CREATE INDEX ON joins.ext (public.q3c_ang2ipix(ra, dec));
CREATE INDEX ON joins.gaia (g);
ANALYZE joins.gaia; ANALYZE joins.ext; ANALYZE joins.targets;
GRANT USAGE ON SCHEMA joins TO vo_tap; GRANT SELECT ON ALL TABLES IN SCHEMA joins TO vo_tap;
"""


@dataclass(frozen=True, slots=True)
class Shape:
    """A join in ADQL, and ways to write it by hand: FROM and WHERE."""

    name: str
    query: str
    by_hand: tuple[str, ...]


def _near(driver: str, inner: str, radius: str = RADIUS) -> str:
    return f"q3c_join({driver}.ra, {driver}.dec, {inner}.ra, {inner}.dec, {radius})"


def _fenced(driver: str, inner: str, table: str, radius: str = RADIUS) -> str:
    return f"LATERAL (SELECT * FROM joins.{table} AS {inner} WHERE {_near(driver, inner, radius)} OFFSET 0) AS {inner}"


_T, _E, _G = "joins.targets AS t", "joins.ext AS e", "joins.gaia AS g"
_MATCH = f"DISTANCE(t.ra, t.dec, g.ra, g.dec) < {RADIUS}"
_CONE = "q3c_join(56.75, 24.12, {0}.ra, {0}.dec, 1)"
SHAPES = (
    Shape(
        "targets × gaia",
        f"targets AS t JOIN gaia AS g ON {_MATCH}",
        (f"{_T}, {_G} WHERE {_near('t', 'g')}", f"{_T}, {_fenced('t', 'g', 'gaia')}"),
    ),
    Shape(
        "… with g < 9, an index on g",
        f"targets AS t, gaia AS g WHERE {_MATCH} AND g.g < 9",
        (f"{_T}, {_G} WHERE {_near('t', 'g')} AND g.g < 9", f"{_T}, {_fenced('t', 'g', 'gaia')} WHERE g.g < 9"),
    ),
    Shape(
        "targets × ext × gaia",
        f"targets AS t JOIN ext AS e ON DISTANCE(t.ra, t.dec, e.ra, e.dec) < {RADIUS} "
        f"JOIN gaia AS g ON DISTANCE(e.ra, e.dec, g.ra, g.dec) < {RADIUS}",
        (
            f"{_T}, {_E}, {_G} WHERE {_near('t', 'e')} AND {_near('e', 'g')}",
            f"{_T}, {_fenced('t', 'e', 'ext')}, {_fenced('e', 'g', 'gaia')}",
        ),
    ),
    Shape(
        "self-join of targets' neighbours",
        f"ext AS t JOIN ext AS e ON DISTANCE(t.ra, t.dec, e.ra, e.dec) < {RADIUS} AND t.id < e.id AND t.g < 6",
        (
            f"joins.ext AS t, {_E} WHERE {_near('t', 'e')} AND t.id < e.id AND t.g < 6",
            f"joins.ext AS t, {_fenced('t', 'e', 'ext')} WHERE t.id < e.id AND t.g < 6",
        ),
    ),
    Shape(
        "ext × gaia, all",
        f"ext AS e JOIN gaia AS g ON DISTANCE(e.ra, e.dec, g.ra, g.dec) < {RADIUS}",
        (
            f"{_E}, {_G} WHERE {_near('e', 'g')}",
            f"{_E}, {_G} WHERE {_near('g', 'e')}",
            f"{_E}, {_fenced('e', 'g', 'gaia')}",
        ),
    ),
    Shape(
        "ext × gaia, cone on ext",
        f"gaia AS g, ext AS e WHERE DISTANCE(e.ra, e.dec, g.ra, g.dec) < {RADIUS} "
        "AND 1 = CONTAINS(POINT(e.ra, e.dec), CIRCLE(56.75, 24.12, 1))",
        (
            f"{_E}, {_G} WHERE {_near('e', 'g')} AND {_CONE.format('e')}",
            f"{_E}, {_fenced('e', 'g', 'gaia')} WHERE {_CONE.format('e')}",
        ),
    ),
    Shape(
        "ext × gaia, cone on gaia",
        f"ext AS e, gaia AS g WHERE DISTANCE(e.ra, e.dec, g.ra, g.dec) < {RADIUS} "
        "AND 1 = CONTAINS(POINT(g.ra, g.dec), CIRCLE(56.75, 24.12, 1))",
        (
            f"{_E}, {_G} WHERE {_near('g', 'e')} AND {_CONE.format('g')}",
            f"{_G}, {_fenced('g', 'e', 'ext')} WHERE {_CONE.format('g')}",
        ),
    ),
    Shape(
        "targets LEFT JOIN gaia",
        f"targets AS t LEFT JOIN gaia AS g ON {_MATCH} AND g.g < 9",
        (
            f"{_T} LEFT JOIN {_G} ON {_near('t', 'g')} AND g.g < 9",
            f"{_T} LEFT JOIN {_fenced('t', 'g', 'gaia')} ON g.g < 9",
        ),
    ),
    Shape(
        "targets with EXISTS in gaia",
        f"targets AS t WHERE EXISTS (SELECT g.id FROM gaia AS g WHERE {_MATCH} AND g.g < 9)",
        (
            f"{_T} WHERE EXISTS (SELECT FROM {_G} WHERE {_near('t', 'g')} AND g.g < 9)",
            f"{_T} WHERE EXISTS (SELECT FROM {_fenced('t', 'g', 'gaia')} WHERE g.g < 9)",
        ),
    ),
    Shape(
        "a radius for each target",
        "targets AS t, gaia AS g WHERE DISTANCE(t.ra, t.dec, g.ra, g.dec) < t.radius",
        (
            f"{_T}, {_G} WHERE {_near('t', 'g', 't.radius')}",
            f"{_T}, {_fenced('t', 'g', 'gaia', 't.radius')}",
        ),
    ),
)


def _catalogue(counts: dict[str, int]) -> Catalogue:
    """Return the tables as the service would know them."""
    double = [CatalogueColumn(Column(name, Datatype.DOUBLE), "double precision") for name in ("ra", "dec", "radius")]
    key = CatalogueColumn(Column("id", Datatype.LONG), "bigint", unique=True)
    magnitude = CatalogueColumn(Column("g", Datatype.FLOAT), "real", indexed=True)
    targets = CatalogueTable("joins.targets", ("joins", "targets"), (key, *double, magnitude), counts["targets"])
    others = [
        CatalogueTable(f"joins.{name}", ("joins", name), (key, *double[:2], magnitude), counts[name], ("ra", "dec"))
        for name in ("ext", "gaia")
    ]
    return Catalogue(1, [targets, *others])


def _time(connection: psycopg2.extensions.connection, sql: str) -> tuple[float, int]:
    """Return the median seconds of a query that counts, warm, and what it counted."""
    seconds, count = [], 0
    with connection.cursor() as cursor:
        for _ in range(RUNS + 1):
            started = time.perf_counter()
            cursor.execute(sql)
            row = cursor.fetchone()
            seconds.append(time.perf_counter() - started)
            count = int(row[0]) if row else 0
    return median(seconds[1:]), count


def _best(connection: psycopg2.extensions.connection, ways: Sequence[str]) -> tuple[float, int]:
    """Return the figures of the fastest way that is written by hand."""
    found = []
    for way in ways:
        try:
            found.append(_time(connection, f"SELECT COUNT(*) FROM {way}"))
        except psycopg2.errors.QueryCanceled:
            continue
    return min(found)


def measure(bench: Bench) -> Iterator[Figure]:
    """Measure each shape of a join, ours and the best by hand, in a session like those of the service."""
    with psycopg2.connect(bench.settings.conninfo()) as owner, owner.cursor() as cursor:
        cursor.execute(
            "SELECT format('%%I.%%I', physical_schema, physical_name) FROM vo.published_tables WHERE table_name = %s",
            ("gaia_dr3.bright",),
        )
        (source,) = cursor.fetchone() or ("",)
        cursor.execute(_SETUP.format(source=source))
        cursor.execute("SELECT relname, reltuples::bigint FROM pg_class WHERE relnamespace = 'joins'::regnamespace")
        catalogue = _catalogue(dict(cursor.fetchall()))
    owner.close()
    connection = psycopg2.connect(bench.settings.conninfo("vo_tap"))
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(f"SET search_path = public, pg_catalog; SET statement_timeout = '{PATIENCE}'")
    for shape in SHAPES:
        limit, expected = _best(connection, shape.by_hand)
        ours, count = _time(connection, translate(f"SELECT COUNT(*) FROM {shape.query}", catalogue).sql)
        if count != expected:
            raise RuntimeError(f"{shape.name}: {count} rows, by hand {expected}")
        name = f"{shape.name}: {count} rows; limit: the best SQL by hand"
        yield Figure(name, ours * 1000, "ms", limit * 1000, f"≤ {TARGET:g} ×", ours <= TARGET * limit)
    connection.close()
