"""Queries of few words that ask for much: each is refused or translated in a moment, whatever it would grow to."""

from __future__ import annotations

import time

import psycopg2
import psycopg2.extensions
import pytest

from tap.adql import ADQLError, Catalogue, translate
from tap.adql.limits import MAX_JOINED, MAX_PATTERN, MAX_POSITIONS, MAX_SIDES, MAX_WARNINGS

SECONDS = 3.0
"""Far above what they take, far below the minutes that they took."""

_NAMES = ", ".join([*(f"ra AS a{i}" for i in range(800)), *(f"dec AS d{i}" for i in range(800))])
_WIDE = f"WITH w AS (SELECT {_NAMES} FROM bright) "
_ZIGZAG = ", ".join(f"{i / 2000:.4f}, {i % 2}" for i in range(MAX_SIDES + 1))
_REAL = "to_real(" * 8 + "ra" + ")" * 8

REFUSED = {
    "stars in a set": (
        _WIDE + "SELECT COUNT(*) FROM (" + " UNION ".join(["SELECT * FROM w"] * 400) + ") AS x",
        "stand",
    ),
    "stars in EXISTS": (_WIDE + "SELECT 1 FROM w WHERE " + " AND ".join(["EXISTS (SELECT * FROM w)"] * 400), "stand"),
    "natural joins": (_WIDE + "SELECT 1 FROM w " + "".join(f"NATURAL JOIN w AS w{i} " for i in range(40)), "stand"),
    "repeated values": (f"SELECT ra FROM bright WHERE {' AND '.join([f'{_REAL} > 1'] * 2000)}", "too long"),
    "values of COALESCE": (f"SELECT COALESCE({', '.join(['ra'] * 30_000)}) FROM bright", "Values of COALESCE"),
    "places in an array": (f"SELECT array_element(spectrum{', 1' * 30_000}) FROM bright", "dimensions"),
    "a long unit": (f"SELECT IN_UNIT(ra, '{'rad.' * 200_000}rad') FROM bright", "characters"),
    "sides of a polygon": (f"SELECT MOC(5, POLYGON({_ZIGZAG})) FROM bright", f"at most {MAX_SIDES} vertices"),
    "a long pattern": (f"SELECT ra FROM bright WHERE name LIKE '{'%a' * MAX_PATTERN}'", f"at most {MAX_PATTERN}"),
    "tables behind subqueries": (
        "SELECT 1 FROM "
        + ", ".join(
            f"(SELECT a.ra FROM bright AS a, bright AS b, bright AS c) AS x{i}" for i in range(MAX_JOINED // 3 + 1)
        ),
        "Tables of FROM and of its subqueries: 51",
    ),
    "a histogram wider than a number": ("SELECT ivo_histogram(ra, -1e308, 1e308, 10) FROM bright", "too far"),
}


@pytest.mark.parametrize(("query", "reason"), REFUSED.values(), ids=REFUSED)
def test_refused_at_once(query: str, reason: str, catalogue: Catalogue) -> None:
    began = time.thread_time()
    with pytest.raises(ADQLError, match=reason) as caught:
        translate(query, catalogue)
    assert caught.value.position is not None
    assert time.thread_time() - began < SECONDS


def test_large_regions_beyond_the_budget_have_no_index(catalogue: Catalogue) -> None:
    regions = [f"1 = CONTAINS(POINT(ra, dec), CIRCLE({i / 10}, 3, 20))" for i in range(1200)]
    began = time.thread_time()
    sql = translate(f"SELECT ra FROM bright WHERE {' AND '.join(regions)}", catalogue).sql
    assert time.thread_time() - began < SECONDS
    assert sql.count("q3c_dist") - sql.count("(public.q3c_ang2ipix") > 100  # the last ones are tested alone
    few = translate(f"SELECT ra FROM bright WHERE {' OR '.join(regions[:10])}", catalogue).sql
    assert few.count("q3c_ang2ipix") >= 10


def test_pairs_of_one_position_are_few_and_still_there(catalogue: Catalogue) -> None:
    near = "DISTANCE(x.a799, x.d0, 1, 2) < 1"
    assert "q3c_ang2ipix" not in translate(f"{_WIDE}SELECT 1 FROM w AS x WHERE {near}", catalogue).sql
    few = _NAMES.replace("a799", "z", 1).split(", ")
    two = ", ".join([*few[: MAX_POSITIONS // 8], *few[800:808]])
    sql = translate(
        f"SELECT 1 FROM (SELECT {two} FROM bright) AS x WHERE DISTANCE(x.a7, x.d7, 1, 2) < 1", catalogue
    ).sql
    assert "q3c_ang2ipix" in sql


def test_remarks_end(catalogue: Catalogue) -> None:
    divided = ", ".join(f"{i}/7" for i in range(1, 5000))
    warnings = translate(f"SELECT ra FROM bright WHERE ra IN ({divided})", catalogue).warnings
    assert len(warnings) == MAX_WARNINGS
    assert warnings[-1] == "Further remarks are left out."


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("width_bucket(ra, -1e308, 1e308, 10)", None),
        ("width_bucket(1e9 + ra, 0, 1, CAST(2147483647 + 0 * id AS INTEGER))", None),
        ("esdc_position(s, s)", None),
        ("esdc_translate(t, s, 'b')", None),
        ("ivo_nocasematch(t, s)", None),
        ("esdc_position('b', t)", 2),
    ],
)
def test_what_is_too_much_is_null(
    connection: psycopg2.extensions.connection, catalogue: Catalogue, expression: str, value: int | None
) -> None:
    texts = "SELECT id, ra, 'ab' AS t FROM targets"
    long = f"(SELECT id, ra, t, t || '{'x' * MAX_PATTERN}' AS s FROM ({texts}) AS y)"
    with connection.cursor() as cursor:
        cursor.execute(translate(f"SELECT {expression} AS v FROM {long} AS z WHERE id = 1", catalogue).sql)
        assert cursor.fetchone() == (value,)


def test_a_computed_pattern_is_bounded(connection: psycopg2.extensions.connection, catalogue: Catalogue) -> None:
    counts: list[int] = []
    for length in (5, MAX_PATTERN + 1):
        pattern = f"CAST(id AS VARCHAR) || '{'%' * length}'"
        query = f"SELECT COUNT(*) AS n FROM targets WHERE CAST(id AS VARCHAR) LIKE {pattern}"
        with connection.cursor() as cursor:
            cursor.execute(translate(query, catalogue).sql)
            counts += cursor.fetchone() or ()
    assert counts == [4, 0]
