"""Queries at random. Longer than in the usual run: VO_FUZZ=100000 pytest tests/tap/adql/test_fuzz.py

VO_FUZZ is the number of queries of each kind, VO_FUZZ_SEED the first seed.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import psycopg2
import psycopg2.extensions
import pytest

from tap.adql import ADQLError, Catalogue, CatalogueTable, translate
from vo.core.tables import Column, Datatype

from .conftest import column
from .generation import Generator, mutated

COUNT = int(os.environ.get("VO_FUZZ", "750"))
SEED = int(os.environ.get("VO_FUZZ_SEED", "0"))
TYPES = {
    Datatype.BOOLEAN: "bool", Datatype.BIT: "bool", Datatype.UNSIGNED_BYTE: "int2", Datatype.SHORT: "int2",
    Datatype.INT: "int4", Datatype.LONG: "int8", Datatype.FLOAT: "float4", Datatype.DOUBLE: "float8",
    Datatype.CHAR: "text", Datatype.UNICODE_CHAR: "text",
}  # fmt: skip
DATA_EXCEPTION = "22"
"""The class of PostgreSQL's errors that depend on rows: division by zero, out of range …"""


def wanted_type(column: Column) -> str:
    """Return the name of PostgreSQL's type for a column of a result."""
    name = "timestamp" if column.xtype == "timestamp" else TYPES[column.datatype]
    return f"_{name}" if column.is_array else name


def relations(plan: Any) -> Iterator[str]:
    """Yield the tables of a plan."""
    if isinstance(plan, dict):
        if "Relation Name" in plan:
            yield plan["Relation Name"]
        plan = list(plan.values())
    if isinstance(plan, list):
        for part in plan:
            yield from relations(part)


def test_what_is_translated_runs_and_is_what_it_says(
    connection: psycopg2.extensions.connection, catalogue: Catalogue
) -> None:
    """PostgreSQL takes it, the columns have the names and types of the metadata, and only catalogue tables are read."""
    physical = {table.name: table.physical[1] for table in catalogue.tables}
    ran = refused = 0
    with connection.cursor() as cursor:
        cursor.execute("SELECT oid, typname FROM pg_type")
        names = dict(cursor.fetchall())
        for seed in range(SEED, SEED + COUNT):
            query = Generator(catalogue, seed).statement()
            try:
                found = translate(query, catalogue, limit=20)
            except ADQLError as error:
                if error.position is None:
                    pytest.fail(f"seed {seed}: {error}\n{query}")
                refused += 1
                continue
            try:
                cursor.execute(found.sql)
                assert cursor.description is not None
                given = [(entry.name, names[entry.type_code]) for entry in cursor.description]
                cursor.execute(f"EXPLAIN (FORMAT JSON, VERBOSE) {found.sql}")
                read = set(relations(cursor.fetchall()[0][0]))
            except (psycopg2.DataError, psycopg2.errors.QueryCanceled):
                continue
            except psycopg2.Error as error:
                pytest.fail(f"seed {seed}: {error}\n{query}\n{found.sql}")
            wanted = [(f"c{place}", wanted_type(entry)) for place, entry in enumerate(found.columns)]
            assert given == wanted, (seed, query)
            assert len({entry.name.lower() for entry in found.columns}) == len(found.columns), (seed, query)
            assert read <= {physical[name] for name in found.tables}, (seed, query)
            ran += 1
    assert ran > COUNT * 0.6
    assert refused < COUNT * 0.35


def test_broken_queries_are_refused_with_a_place(shared: Path, catalogue: Catalogue) -> None:
    """Published queries after random changes: nothing but ADQLError comes out, and soon."""
    lines = (shared / "adql" / "realworld.jsonl").read_text(encoding="utf-8").splitlines()
    queries = [json.loads(line)["query"] for line in lines]
    random = Random(SEED)
    for number in range(COUNT * 3):
        query = mutated(random.choice(queries), queries, random)
        check_in_time(query, catalogue, 1.0, f"mutation {number} of seed {SEED}")


def test_broken_valid_queries_are_refused_with_a_place(catalogue: Catalogue) -> None:
    random = Random(SEED + 1)
    queries = [Generator(catalogue, seed).statement() for seed in range(SEED, SEED + 50)]
    for number in range(COUNT * 2):
        query = mutated(random.choice(queries), queries, random)
        check_in_time(query, catalogue, 1.0, f"mutation {number} of seed {SEED + 1}")


def check_in_time(query: str, catalogue: Catalogue, seconds: float, what: str) -> None:
    """Translate a query that may be wrong; anything but a translation or an error with its place fails."""
    begin = time.process_time()
    refusal = None
    try:
        translate(query, catalogue).sql.encode()
    except ADQLError as error:
        refusal = error
    except Exception as error:
        pytest.fail(f"{what}: {error!r}\n{query[:2000]!r}")
    taken = time.process_time() - begin
    assert taken < seconds, f"{what}: {taken:.1f} s\n{query[:500]!r}"
    if refusal is not None:
        # A query of comments alone, and one beyond the limit, have no place to point at.
        assert refusal.position is not None or "empty" in refusal.message or len(query) > MEGABYTE, query[:500]
        assert len(refusal.text()) < 2_000, what


MEGABYTE = 1_000_000
REPEATED = {
    "parentheses": ("SELECT ", "(", "ra FROM bright"),
    "parentheses closed": ("SELECT ra FROM bright WHERE ", "(1=1) AND ", "1=1"),
    "closing": ("SELECT ra FROM bright ", ")", ""),
    "quotes": ("SELECT ", "'", " FROM bright"),
    "quoted names": ("SELECT ", '"', " FROM bright"),
    "strings": ("SELECT ra FROM bright WHERE name IN (", "'a', ", "'b')"),
    "adjacent strings": ("SELECT ", "'a' ", " FROM bright"),
    "commas": ("SELECT ", ",", " FROM bright"),
    "columns": ("SELECT ", "ra, ", "ra FROM bright"),
    "unknown columns": ("SELECT ", "rra, ", "ra FROM bright"),
    "columns with aliases": ("SELECT ", "ra AS a, ", "ra FROM bright"),
    "stars": ("SELECT ", "*, ", "ra FROM bright"),
    "stars of tables": ("SELECT ", "b.*, ", "ra FROM bright AS b"),
    "or": ("SELECT ra FROM bright WHERE ", "ra = 1 OR ", "ra = 1"),
    "and": ("SELECT ra FROM bright WHERE ", "ra > dec AND ", "ra = 1"),
    "numbers in": ("SELECT ra FROM bright WHERE ra IN (", "1, ", "2)"),
    "digits": ("SELECT ", "1", " FROM bright"),
    "fraction": ("SELECT 0.", "1", " FROM bright"),
    "exponent": ("SELECT 1e", "1", " FROM bright"),
    "one name": ("SELECT ", "x", " FROM bright"),
    "dots": ("SELECT ra", ".ra", " FROM bright"),
    "only dots": ("SELECT ", ".", " FROM bright"),
    "union": ("", "SELECT ra FROM bright UNION ", "SELECT ra FROM bright"),
    "intersect": ("", "SELECT ra FROM bright INTERSECT ", "SELECT ra FROM bright"),
    "joins": ("SELECT COUNT(*) FROM bright ", "JOIN bright ", "ON 1 = 1"),
    "natural joins": ("SELECT COUNT(*) FROM bright ", "NATURAL JOIN targets ", ""),
    "tables": ("SELECT COUNT(*) FROM ", "bright, ", "targets"),
    "minus": ("SELECT ", "- ", "1 FROM bright"),
    "comment": ("SELECT ra ", "-", "\n FROM bright"),
    "comments": ("SELECT ra ", "--\n", " FROM bright"),
    "not": ("SELECT ra FROM bright WHERE ", "NOT ", "ra = 1"),
    "not in parentheses": ("SELECT ra FROM bright WHERE ", "NOT (", "ra = 1"),
    "sum": ("SELECT ", "ra + ", "1 FROM bright"),
    "product of constants": ("SELECT ", "3 * ", "1 FROM bright"),
    "concatenation": ("SELECT ", "'a' || ", "'b' FROM bright"),
    "functions": ("SELECT ", "ABS(", "1 FROM bright"),
    "case": ("SELECT ", "COALESCE(ra, ", "1 FROM bright"),
    "with": ("WITH ", "a AS (SELECT ra FROM bright), ", "b AS (SELECT ra FROM bright) SELECT ra FROM b"),
    "subqueries": ("SELECT * FROM ", "(SELECT * FROM ", "bright"),
    "in queries": ("SELECT ra FROM bright WHERE ", "ra IN (SELECT ra FROM bright WHERE ", "1 = 1"),
    "order": ("SELECT ra FROM bright ORDER BY ", "ra, ", "dec"),
    "group": ("SELECT 1 FROM bright GROUP BY ", "ra, ", "dec"),
    "between": ("SELECT ra FROM bright WHERE ", "ra BETWEEN ", "1"),
    "blanks": ("SELECT", " ", "ra FROM bright"),
    "lines": ("SELECT", "\n", "ra FROM brihgt"),
    "words": ("", "SELECT ", ""),
    "semicolons": ("SELECT ra FROM bright", ";", ""),
    "percent": ("SELECT ra ", "% ", "FROM bright"),
    "slash star": ("SELECT ra ", "/*", "FROM bright"),
    "letters of others": ("SELECT ", "é", " FROM bright"),
    "polygon": ("SELECT POLYGON(", "1, 2, ", "3, 4) FROM bright"),
    "points": ("SELECT 1 FROM bright WHERE 1 = CONTAINS(POINT(ra, dec), POLYGON(", "ra, dec, ", "3, 4))"),
    "region": ("SELECT REGION('POLYGON ICRS", " 1 2 3 4 5 6", "') FROM bright"),
    "moc": ("SELECT MOC('6/", "1,", "3') FROM bright"),
    "cones": ("SELECT ra FROM bright WHERE ", "DISTANCE(ra, dec, 1, 2) < 3 OR ", "1 = 1"),
    "joins by position": ("SELECT 1 FROM bright AS a, bright AS b WHERE ",
                          "DISTANCE(a.ra, a.dec, b.ra, b.dec) < 1 AND ", "1 = 1"),
}  # fmt: skip


@pytest.mark.parametrize("kind", REPEATED)
def test_a_megabyte_of_anything_is_read_in_two_seconds(kind: str, catalogue: Catalogue) -> None:
    begin, part, end = REPEATED[kind]
    times = (MEGABYTE - len(begin) - len(end)) // len(part)
    check_in_time(begin + part * times + end, catalogue, 2.0 * slowness(), kind)


def slowness() -> float:
    """Return a factor for machines slower than a slow one of today, or busy with other tests."""
    begin = time.process_time()
    sum(i * i for i in range(1_000_000))
    return max(1.0, (time.process_time() - begin) / 0.1)


LIMITS = {
    "or": ("SELECT ra FROM bright WHERE ", "ra = {0} OR ", "ra = 1", 4_900),
    "strings or": ("SELECT ra FROM bright WHERE ", "name LIKE 'a{0}%' OR ", "ra = 1", 4_900),
    "in": ("SELECT ra FROM bright WHERE ra IN (", "{0}, ", "2)", 39_000),
    "names in": ("SELECT ra FROM bright WHERE ra IN (", "bright.dec, ", "2)", 990),
    "sum": ("SELECT ", "ra + ", "1 FROM bright", 990),
    "columns": ("SELECT ", "ra + {0} AS a{0}, ", "ra FROM bright", 1_500),
    "equal names": ("SELECT ", "ra, ", "ra FROM bright", 1_500),
    "order": ("SELECT ra FROM bright ORDER BY ", "ra + {0}, ", "dec", 1_500),
    "order by aliases": ("SELECT ra AS a FROM bright ORDER BY ", "a + {0}, ", "a", 1_500),
    "group": ("SELECT 1 FROM bright GROUP BY ", "ra + {0}, ", "dec", 1_500),
    "group by one alias": ("SELECT " + " + ".join(["ra"] * 900) + " AS a FROM bright GROUP BY ", "a, ", "a", 1_500),
    "union": ("", "SELECT ra FROM bright UNION ", "SELECT ra FROM bright", 900),
    "joins": ("SELECT t1.ra FROM bright AS t1 ", "JOIN bright AS x{0} ON x{0}.ra = t1.ra ", "", 48),
    "using": ("SELECT source_id FROM bright ", "JOIN bright AS x{0} USING (source_id) ", "", 48),
    "natural": ("SELECT ra FROM bright ", "NATURAL JOIN (SELECT ra FROM bright) AS x{0} ", "", 48),
    "stars": ("SELECT a.source_id FROM bright AS a", ", (SELECT * FROM bright) AS x{0}", "", 48),
    "not": ("SELECT ra FROM bright WHERE ", "NOT (ra = 1) AND ", "1 = 1", 4_000),
    "subqueries": ("SELECT ra FROM bright WHERE ", "ra IN (SELECT ra FROM bright) AND ", "1 = 1", 900),
    "with": ("WITH ", "a{0} AS (SELECT ra FROM bright), ", "b AS (SELECT ra FROM bright) SELECT ra FROM b", 98),
    "unknown among many": ("SELECT x.nope FROM (SELECT ", "ra AS name_{0}, ", "ra FROM bright) AS x", 1_500),
}


@pytest.mark.parametrize("kind", LIMITS)
def test_what_is_just_not_too_much_is_translated_in_time(kind: str, catalogue: Catalogue) -> None:
    begin, part, end, times = LIMITS[kind]
    query = begin + "".join(part.replace("{0}", str(i)) for i in range(times)) + end
    check_in_time(query, catalogue, 3.0 * slowness(), kind)
    if "nope" not in query:
        translate(query, catalogue)


@pytest.mark.parametrize("middle", ["1", "ra", "(SELECT ra FROM bright)", "ra, dec"])
def test_five_thousand_parentheses_take_milliseconds(middle: str, catalogue: Catalogue) -> None:
    query = f"SELECT {'(' * 5000}{middle}{')' * 5000} FROM bright"
    check_in_time(query, catalogue, 0.05 * slowness(), "parentheses")


NESTED = {
    "functions": ("ABS(", "ra", ")"),
    "roots": ("SQRT(ABS(", "ra", "))"),
    "sums": ("(1 + ", "ra", ")"),
    "centres": ("COORD1(CENTROID(BOX(1, ", "dec", ", 1, 1)))"),
    "distances": ("DISTANCE(1, 2, 3, ", "dec", ")"),
    "contains": ("CONTAINS(POINT(1, ", "dec", "), CIRCLE(1, 2, 3))"),
    "points": ("COORD2(POINT(1, ", "dec", "))"),
    "areas": ("AREA(BOX(1, ", "dec", ", 1, 1))"),
    "circles": ("COORD1(CENTROID(CIRCLE(1, ", "dec", ", 1)))"),
    "intersections": ("INTERSECTS(BOX(1, ", "dec", ", 1, 1), CIRCLE(ra, dec, 2))"),
    "casts": ("CAST(", "ra", " AS INTEGER)"),
    "choices": ("COALESCE(", "ra", ", 1)"),
}


@pytest.mark.parametrize("depth", [12, 45])
@pytest.mark.parametrize("kind", NESTED)
def test_nested_calls_do_not_grow_without_bound(kind: str, depth: int, catalogue: Catalogue) -> None:
    begin, middle, end = NESTED[kind]
    query = f"SELECT {begin * depth}{middle}{end * depth} FROM bright"
    check_in_time(query, catalogue, 2.0 * slowness(), kind)


def test_hints_from_a_large_catalogue_are_quick(catalogue: Catalogue) -> None:
    columns = tuple(column(f"phot_{i}_mean_flux_{i % 7}_error") for i in range(10_000))
    tables = [CatalogueTable(f"survey.table_{i}", ("data", f"t{i}"), columns[:3], 1) for i in range(10_000)]
    large = Catalogue(1, [*tables, CatalogueTable("survey.wide", ("data", "wide"), columns, 1)])
    for query in (
        "SELECT phot_77_maen_flux_0_error FROM wide",
        "SELECT wide.fot_77_mean_flux_0_error FROM wide",
        "SELECT 1 FROM survey.tabel_77",
        f"SELECT {'phot_1' * 5000} FROM wide",
        f"SELECT {'phot_1' * 10} FROM wide",
        f"SELECT 1 FROM {'survey' * 9}",
    ):
        check_in_time(query, large, 0.5 * slowness(), query[:80])
    with pytest.raises(ADQLError, match="Did you mean phot_77_mean_flux_0_error"):
        translate("SELECT phot_77_maen_flux_0_error FROM wide", large)


def test_many_aliases_and_names(catalogue: Catalogue) -> None:
    """Ten thousand names of tables, of which each is looked up."""
    tables = ", ".join(
        f"(SELECT {', '.join(f'ra AS c{i}_{k}' for k in range(100))} FROM bright) AS t{i}" for i in range(90)
    )
    names = ", ".join(f"t{i}.c{i}_{k}" for i in range(90) for k in range(0, 100, 6))
    check_in_time(f"SELECT {names} FROM {tables}", catalogue, 2.0 * slowness(), "qualified")
    check_in_time(f"SELECT {names.replace('t', 'x.t')} FROM {tables}", catalogue, 2.0 * slowness(), "unknown")
    plain = ", ".join(f"c{i}_{k}" for i in range(90) for k in range(0, 100, 6))
    check_in_time(f"SELECT {plain} FROM {tables}", catalogue, 2.0 * slowness(), "unqualified")
    check_in_time(f"SELECT {plain}, nope FROM {tables}", catalogue, 2.0 * slowness(), "hint")
