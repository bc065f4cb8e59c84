"""Positional joins in every phrasing: right answers by brute force, and the sky index in use wherever one can be."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable, Iterator

import numpy as np
import psycopg2
import psycopg2.extensions
import pytest
from psycopg2.extras import execute_values

from tap.adql import ADQLError, Catalogue, translate
from tests.tap.adql.brute_force import load_stars, separation, stars
from tests.tap.adql.join_grammar import (
    BRIGHT_ROWS,
    CATALOGUE,
    COUNT,
    EXTRA_ROWS,
    GRAMMAR,
    MINE,
    Case,
    Rows,
    distances,
    pairs,
    within,
)
from tests.tap.adql.tables import adql_session


def make_tables(cursor: psycopg2.extensions.cursor) -> None:
    load_stars(cursor, stars(COUNT))
    for table, name in ((EXTRA_ROWS, "data.extra__v1"), (MINE, "upload.mine")):
        cursor.execute(
            f"CREATE SCHEMA IF NOT EXISTS upload; CREATE TABLE {name} (id integer PRIMARY KEY, "
            "ra double precision, dec double precision, g double precision, radius double precision, field integer)"
        )
        columns = zip(table.rows, table.ra, table.dec, table.g, table.radius, strict=True)
        nulls = table is EXTRA_ROWS  # a sky index does not take NaN, an upload may have it
        rows = [
            (i, *(None if nulls and np.isnan(x) else float(x) for x in (ra, dec, g)), _null(radius), i % 7)
            for i, ra, dec, g, radius in columns
        ]
        execute_values(cursor, f"INSERT INTO {name} VALUES %s", rows)
    cursor.execute(
        "CREATE INDEX ON data.extra__v1 (public.q3c_ang2ipix(ra, dec)); "
        "CREATE INDEX ON data.extra__v1 (g); ANALYZE; "
        "GRANT USAGE ON SCHEMA data, upload TO vo_tap; GRANT SELECT ON ALL TABLES IN SCHEMA data, upload TO vo_tap"
    )


@pytest.fixture(scope="module")
def connection(database: str) -> Iterator[psycopg2.extensions.connection]:
    with adql_session(database, make_tables) as connection:
        yield connection


@pytest.fixture
def catalogue() -> Catalogue:
    """The tables that are joined."""
    return CATALOGUE


def _null(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


@pytest.fixture
def run(connection: psycopg2.extensions.connection) -> Callable[[str], Rows]:
    """Return a function that runs a query; NULL is -1."""

    def execute(query: str) -> Rows:
        with connection.cursor() as cursor:
            cursor.execute(translate(query, CATALOGUE).sql)
            return sorted(tuple(-1 if part is None else part for part in row) for row in cursor)

    return execute


@pytest.mark.parametrize("shape", GRAMMAR, ids=lambda shape: shape.__name__)
def test_generated_joins(
    shape: Callable[[random.Random], Case], run: Callable[[str], Rows], plan: Callable[[str], str]
) -> None:
    draw = random.Random(f"joins {shape.__name__}")
    found = 0
    for _ in range(GRAMMAR[shape]):
        case = shape(draw)
        assert run(case.query) == case.rows, case.query
        found += len(case.rows)
        if case.sought:
            steps = plan(case.query)
            for table in case.sought:
                name = {"gaia_dr3.bright": "bright__v7", "data.extra": "extra__v1"}[table.name]
                assert f"Seq Scan on {name}" not in steps, case.query
    assert found > 1000


def test_full_join_on_a_position_is_refused_with_the_way_out(run: Callable[[str], Rows]) -> None:
    test = "DISTANCE(a.ra, a.dec, b.ra, b.dec) < 0.001"
    with pytest.raises(ADQLError, match="FULL JOIN cannot") as refused:
        run(f"SELECT a.id, b.id FROM mine a FULL JOIN extra b ON {test}")
    assert "LEFT JOIN" in str(refused.value.hint)
    assert "NOT EXISTS" in str(refused.value.hint)
    assert refused.value.line == 1
    rows = run(f"SELECT a.id, b.id FROM mine a FULL OUTER JOIN extra b ON a.id = b.id AND {test}")
    matched = [i for i in MINE.rows if distances(MINE, EXTRA_ROWS)[i, i] < 0.001]
    assert len(rows) == len(MINE.ra) + len(EXTRA_ROWS.ra) - len(matched)
    way_out = (
        f"SELECT a.id, b.id FROM mine a LEFT JOIN extra b ON {test} UNION ALL "
        f"SELECT NULL, b.id FROM extra b WHERE NOT EXISTS (SELECT a.id FROM mine a WHERE {test})"
    )
    near_ones = within(MINE, EXTRA_ROWS, 0.001)
    alone = int((~near_ones.any(axis=0)).sum() + (~near_ones.any(axis=1)).sum())
    assert len(run(way_out)) == int(near_ones.sum()) + alone


def test_expensive_places_are_computed_once_a_row(plan: Callable[[str], str]) -> None:
    place = "CENTROID(POLYGON(a.ra, a.dec, a.ra + 0.001, a.dec, a.ra, a.dec + 0.001))"
    steps = plan(f"SELECT a.id, b.source_id FROM mine a JOIN bright b ON DISTANCE({place}, POINT(b.ra, b.dec)) < 0.01")
    conditions = [line for line in steps.splitlines() if "Index Cond" in line]
    assert len(conditions) == 4
    assert not any("SubPlan" in line or "sum(" in line for line in conditions)
    assert "Seq Scan on bright" not in steps


def test_nearest_first(run: Callable[[str], Rows], plan: Callable[[str], str]) -> None:
    query = (
        "SELECT TOP 5 a.id, b.source_id, DISTANCE(a.ra, a.dec, b.ra, b.dec) * 3600 AS arcsec FROM extra a, bright b "
        "WHERE DISTANCE(a.ra, a.dec, b.ra, b.dec) < 1 AND a.id <> b.source_id AND a.g < 5 ORDER BY arcsec DESC, 1"
    )
    between = np.where((EXTRA_ROWS.g < 5)[:, None], distances(EXTRA_ROWS, BRIGHT_ROWS), np.nan)
    furthest = np.sort(between[between < 1])[-5:] * 3600
    assert sorted(row[2] for row in run(query)) == pytest.approx(furthest.tolist())
    assert "Seq Scan on bright" not in plan(query)


def test_a_query_of_with_may_drive_and_be_driven(run: Callable[[str], Rows], plan: Callable[[str], str]) -> None:
    query = (
        "WITH e AS (SELECT id, ra AS x, dec AS y FROM extra WHERE g < 12), "
        "p AS (SELECT m.id AS i, e.id AS j, e.x, e.y FROM mine m, e WHERE DISTANCE(m.ra, m.dec, e.x, e.y) < 0.01) "
        "SELECT p.i, p.j, e.id, b.source_id FROM p JOIN e ON DISTANCE(p.x, p.y, e.x, e.y) < 0.02 "
        "JOIN bright b ON DISTANCE(b.ra, b.dec, e.x, e.y) < 0.001"
    )
    first = within(MINE, EXTRA_ROWS, 0.01) & (EXTRA_ROWS.g < 12)
    second = within(EXTRA_ROWS, EXTRA_ROWS, 0.02) & (EXTRA_ROWS.g < 12)
    third = within(EXTRA_ROWS, BRIGHT_ROWS, 0.001)
    expected = [
        (i, j, k, s)
        for i, j in pairs(first)
        for k in np.flatnonzero(second[j]).tolist()
        for s in np.flatnonzero(third[k]).tolist()
    ]
    assert len(expected) > 50
    assert run(query) == sorted(expected)
    assert "Seq Scan on bright" not in plan(query)


@pytest.mark.parametrize("motion", ["b.ra + 0.001 * b.phot_g_mean_mag", "b.ra * 1.0", "COALESCE(b.ra, 0)"])
def test_arithmetic_on_the_indexed_side_stays_right(motion: str, run: Callable[[str], Rows]) -> None:
    query = (
        f"SELECT a.id, b.source_id FROM mine a, bright b WHERE a.g < 6 AND DISTANCE(a.ra, a.dec, {motion}, b.dec) < 0.1"
    )
    moved = BRIGHT_ROWS.ra + (0.001 * BRIGHT_ROWS.g if "mag" in motion else 0)
    if "COALESCE" in motion:
        moved = np.where(np.isnan(moved), 0, moved)
    with np.errstate(invalid="ignore"):
        between = separation(MINE.ra[:, None], MINE.dec[:, None], moved, BRIGHT_ROWS.dec)
    between[np.abs(MINE.dec) > 90] = np.nan
    assert run(query) == pairs((between < 0.1) & (MINE.g < 6)[:, None])


def test_a_circle_around_each_row_with_a_known_largest_radius(
    run: Callable[[str], Rows], plan: Callable[[str], str]
) -> None:
    query = "SELECT id FROM extra WHERE 1 = CONTAINS(POINT(10, 10), CIRCLE(ra, dec, radius)) AND radius <= 0.5"
    expected = np.flatnonzero(separation(EXTRA_ROWS.ra, EXTRA_ROWS.dec, 10, 10) <= EXTRA_ROWS.radius)
    assert run(query) == [(i,) for i in expected.tolist()]
    assert len(expected)
    assert "Seq Scan" not in plan(query)


def test_many_tables_are_arranged_in_time(run: Callable[[str], Rows]) -> None:
    names = [f"t{i}" for i in range(30)]
    tests = [
        f"DISTANCE({a}.ra, {a}.dec, {b}.ra, {b}.dec) < 0.0001"
        for i, a in enumerate(names)
        for b in names[i + 1 : i + 8]
    ]
    tables = ", ".join(f"extra AS {name}" for name in names)
    started = time.monotonic()
    translate(f"SELECT t0.id FROM {tables} WHERE {' AND '.join(tests)}", CATALOGUE)
    assert time.monotonic() - started < 2
    chain = [f"DISTANCE({a}.ra, {a}.dec, {b}.ra, {b}.dec) < 0.0001" for a, b in itertools.pairwise(names[:10])]
    rows = run(
        f"SELECT t0.id FROM {', '.join(f'extra AS {n}' for n in names[:10])} WHERE t0.g < 5 AND {' AND '.join(chain)}"
    )
    assert len(rows) >= (EXTRA_ROWS.g < 5).sum() - 20  # those without a place
