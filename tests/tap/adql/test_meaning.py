"""What queries mean by SQL-92 and ADQL 2.1, in rows of small tables (rows.py)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import psycopg2.extensions
import pytest

from tap.adql import ADQLError, Catalogue, translate

Rows: TypeAlias = list[tuple[Any, ...]]
Run: TypeAlias = Callable[[str], Rows]


@pytest.fixture
def run(connection: psycopg2.extensions.connection, catalogue: Catalogue) -> Run:
    """Return a function that gives the rows of a query."""

    def execute(query: str) -> Rows:
        with connection.cursor() as cursor:
            cursor.execute(translate(query, catalogue, limit=1000).sql)
            return list(cursor.fetchall())

    return execute


def column(rows: Rows) -> list[Any]:
    """Return the first value of each row."""
    return [row[0] for row in rows]


ORDER = [
    # An alias wins over the column that it hides, but a qualified name and an expression mean the table's.
    ("SELECT -id AS id FROM targets ORDER BY id", [-7, -3, -2, -1]),
    ("SELECT -id AS id FROM targets ORDER BY targets.id", [-1, -2, -3, -7]),
    ("SELECT -id AS id FROM targets ORDER BY id + 0", [-1, -2, -3, -7]),
    ("SELECT -id AS n FROM targets ORDER BY n", [-7, -3, -2, -1]),
    ("SELECT -id AS N FROM targets ORDER BY n DESC", [-1, -2, -3, -7]),
    ('SELECT -id AS "N" FROM targets ORDER BY "N"', [-7, -3, -2, -1]),
    ("SELECT -id AS n FROM targets ORDER BY ABS(n)", [-1, -2, -3, -7]),
    ("SELECT -id AS n, ra AS x FROM targets ORDER BY n * 0 + x", [-3, -7, -1, -2]),
    ("SELECT id FROM targets ORDER BY ra", [3, 7, 1, 2]),
    ("SELECT id FROM targets ORDER BY 1 DESC", [7, 3, 2, 1]),
    ("SELECT id FROM targets ORDER BY dec DESC, 1", [1, 7, 3, 2]),
    ("SELECT t.id FROM targets AS t ORDER BY t.ra * -1", [2, 1, 7, 3]),
    ("SELECT id FROM targets ORDER BY -1, 'a', NULL, id DESC", [7, 3, 2, 1]),
    ("SELECT 1 + 1 AS two, id AS n FROM targets ORDER BY two, n", [2, 2, 2, 2]),
    ("SELECT DISTINCT id FROM targets ORDER BY id DESC", [7, 3, 2, 1]),
    ("SELECT DISTINCT -id AS n FROM targets ORDER BY -id", [-7, -3, -2, -1]),
    ("SELECT DISTINCT id AS n FROM targets ORDER BY targets.id DESC", [7, 3, 2, 1]),
    ("SELECT id, ra, ra FROM targets ORDER BY ra", [3, 7, 1, 2]),
    ("SELECT a.id, b.id FROM targets AS a, targets AS b WHERE a.id = b.id ORDER BY b.id", [1, 2, 3, 7]),
    ("SELECT variable FROM bright GROUP BY variable ORDER BY COUNT(*), MIN(source_id)", [None, True, False]),
    ("SELECT variable AS v FROM bright GROUP BY variable ORDER BY MAX(source_id) DESC", [False, None, True]),
    ("SELECT MAX(id) FROM targets ORDER BY MIN(id)", [7]),
    ("SELECT x.id FROM (SELECT TOP 2 id FROM targets ORDER BY id DESC) AS x ORDER BY id", [3, 7]),
    ("SELECT id FROM targets WHERE id IN (SELECT TOP 2 id FROM targets ORDER BY ra) ORDER BY id", [3, 7]),
    # A set operation is ordered by names of its first query, or numbers.
    ("SELECT id AS n FROM targets UNION SELECT field_id FROM fields ORDER BY n DESC", [7, 4, 3, 2, 1]),
    ("SELECT id FROM targets UNION SELECT field_id FROM fields ORDER BY 1 DESC OFFSET 3", [2, 1]),
    ("(SELECT TOP 2 id FROM targets ORDER BY id DESC) ORDER BY id", [3, 7]),
    ("(SELECT id FROM targets ORDER BY id OFFSET 1) ORDER BY id DESC OFFSET 1", [3, 2]),
    ("((SELECT id FROM targets)) ORDER BY 1", [1, 2, 3, 7]),
    ("(SELECT TOP 1 id FROM targets ORDER BY id) UNION ALL SELECT 9 FROM targets WHERE id = 1 ORDER BY 1", [1, 9]),
    # OFFSET comes before TOP.
    ("SELECT TOP 2 id FROM targets ORDER BY id OFFSET 1", [2, 3]),
    ("SELECT TOP 9 id FROM targets ORDER BY id OFFSET 3", [7]),
    ("SELECT id FROM targets ORDER BY id OFFSET 9", []),
    ("SELECT TOP 0 id FROM targets", []),
    ("SELECT ALL id FROM targets ORDER BY id OFFSET 0", [1, 2, 3, 7]),
    ("SELECT DISTINCT TOP 1 variable FROM bright ORDER BY variable DESC OFFSET 1", [True]),
]


@pytest.mark.parametrize(("query", "expected"), ORDER)
def test_order(query: str, expected: list[Any], run: Run) -> None:
    assert column(run(query)) == expected


GROUPS: list[tuple[str, Rows]] = [
    ("SELECT variable, COUNT(*) FROM bright GROUP BY variable", [(None, 1), (False, 2), (True, 2)]),
    ("SELECT variable AS v, COUNT(*) FROM bright GROUP BY v", [(None, 1), (False, 2), (True, 2)]),
    ("SELECT COUNT(DISTINCT m) FROM (SELECT MOC('3/4') AS m FROM bright) AS x", [(1,)]),
    ("SELECT COUNT(*), variable FROM bright GROUP BY 2", [(1, None), (2, False), (2, True)]),
    (
        "SELECT FLOOR(ra / 100) AS bin, COUNT(*) FROM bright GROUP BY FLOOR(ra / 100)",
        [(0, 2), (2, 1), (3, 1), (None, 1)],
    ),
    ("SELECT FLOOR(ra / 100) + 1 AS bin FROM bright GROUP BY FLOOR(ra / 100)", [(1,), (3,), (4,), (None,)]),
    ("SELECT FLOOR(ra / 100) AS ra FROM bright GROUP BY ra", [(0,), (0,), (2,), (3,), (None,)]),
    ("SELECT COUNT(*), 5 AS five FROM targets GROUP BY five", [(4, 5)]),
    ("SELECT COUNT(*), 'a' AS a FROM targets GROUP BY a", [(4, "a")]),
    ("SELECT COUNT(*), NULL AS n, -1 AS m FROM targets GROUP BY n, m", [(4, None, -1)]),
    ("SELECT COUNT(*) FROM targets WHERE id > 99 GROUP BY 'a'", []),
    ("SELECT COUNT(*) FROM targets WHERE id > 99", [(0,)]),
    ('SELECT "Mixed Case" FROM targets GROUP BY targets."Mixed Case"', [(7,), (8,), (None,)]),
    ("SELECT POINT(ra, dec) FROM targets GROUP BY ra, dec HAVING ra = 1", [([1, 1],)]),
    ("SELECT POINT(ra, dec) AS p FROM targets GROUP BY p HAVING COUNT(*) = 1 AND MAX(id) = 3", [([1, 1],)]),
    ("SELECT variable FROM bright GROUP BY variable HAVING variable = 'true'", [(True,)]),
    ("SELECT variable FROM bright GROUP BY variable HAVING COUNT(quality) > 1 AND MIN(ra) < 11", [(False,), (True,)]),
    ("SELECT COUNT(*) FROM bright HAVING COUNT(*) > 4", [(5,)]),
    ("SELECT COUNT(*) FROM bright HAVING COUNT(*) > 5", []),
    ("SELECT 1 AS one FROM bright HAVING 1 = 1", [(1,)]),
    ("SELECT MAX(id) - MIN(id), COUNT(*) * 2, (SUM(id)) FROM targets", [(6, 8, 13)]),
    (
        "SELECT COUNT(*), COUNT(ra), COUNT(DISTINCT variable), COUNT(ALL variable), COUNT(NULL) FROM bright",
        [(5, 4, 2, 4, 0)],
    ),
    ('SELECT AVG(id), AVG("Mixed Case"), AVG(DISTINCT "Mixed Case") FROM targets', [(3.25, 22 / 3, 7.5)]),
    ('SELECT SUM(id), SUM(DISTINCT "Mixed Case"), SUM(ra * 0 + 1) FROM targets', [(13, 15, 4)]),
    ("SELECT MIN(column_name), MAX(column_name), MIN(std), MAX(std) FROM tap_schema.columns", [("id", "ra", 0, 1)]),
    ("SELECT COUNT(DISTINCT centre), COUNT(DISTINCT outline), COUNT(circle_) FROM fields", [(4, 4, 4)]),
    ("SELECT SUM(id), MAX(name) FROM targets, bright WHERE id > 99", [(None, None)]),
    ("SELECT COUNT(*) FROM (SELECT id FROM targets UNION SELECT field_id FROM fields) AS x", [(5,)]),
    (
        "SELECT t.id FROM targets AS t WHERE EXISTS (SELECT COUNT(*) FROM bright HAVING COUNT(*) > t.id)",
        [(1,), (2,), (3,)],
    ),
    (
        "SELECT ra FROM targets AS t GROUP BY ra HAVING EXISTS (SELECT b.ra FROM bright AS b WHERE b.ra = t.ra)",
        [(10,), (200,)],
    ),
]


@pytest.mark.parametrize(("query", "expected"), GROUPS)
def test_groups(query: str, expected: Rows, run: Run) -> None:
    assert sorted(run(query), key=repr) == sorted(expected, key=repr)


A = "(SELECT id, ra FROM targets) AS a"
B = "(SELECT field_id AS id FROM fields) AS b"
C = "(SELECT source_id AS id FROM bright) AS c"
JOINS: list[tuple[str, Rows]] = [
    # USING and NATURAL merge: one column, first, of the side that is always there.
    (f"SELECT * FROM {A} JOIN {B} USING (id)", [(1, 10), (2, 200), (3, 1)]),
    (f"SELECT * FROM {B} JOIN {A} USING (id)", [(1, 10), (2, 200), (3, 1)]),
    (f"SELECT * FROM {A} NATURAL JOIN {B}", [(1, 10), (2, 200), (3, 1)]),
    (f"SELECT * FROM {A} LEFT JOIN {B} USING (id)", [(1, 10), (2, 200), (3, 1), (7, 2)]),
    (f"SELECT * FROM {A} NATURAL RIGHT JOIN {B}", [(1, 10), (2, 200), (3, 1), (4, None)]),
    (f"SELECT * FROM {A} FULL JOIN {B} USING (id)", [(1, 10), (2, 200), (3, 1), (4, None), (7, 2)]),
    (f"SELECT id, a.id, b.id FROM {A} FULL JOIN {B} USING (id) WHERE id > 3", [(4, None, 4), (7, 7, None)]),
    (f"SELECT id, a.id, b.id FROM {A} RIGHT JOIN {B} USING (id) WHERE id > 2", [(3, 3, 3), (4, None, 4)]),
    (f"SELECT a.* FROM {A} FULL JOIN {B} USING (id) WHERE b.id = 4", [(None, None)]),
    (
        f"SELECT * FROM {A} FULL JOIN {B} USING (id) FULL JOIN {C} USING (id)",
        [(1, 10), (2, 200), (3, 1), (4, None), (5, None), (7, 2)],
    ),
    (f"SELECT id FROM {A} RIGHT JOIN {B} USING (id) LEFT JOIN {C} USING (id)", [(1,), (2,), (3,), (4,)]),
    (
        f"SELECT id, b.id, c.id FROM {A} LEFT JOIN {B} USING (id) LEFT JOIN {C} USING (id) WHERE id > 2",
        [(3, 3, 3), (7, None, None)],
    ),
    (f"SELECT id FROM {A} NATURAL JOIN {B} NATURAL JOIN {C}", [(1,), (2,), (3,)]),
    (f"SELECT COUNT(*) FROM {B} NATURAL JOIN (SELECT id AS other FROM targets) AS x", [(16,)]),
    (
        'SELECT * FROM (SELECT id AS "ID" FROM targets) AS a NATURAL JOIN (SELECT id FROM targets) AS b',
        [(1,), (2,), (3,), (7,)],
    ),
    # Types that differ are compared as numbers.
    ("SELECT id FROM (SELECT id * 1.0 AS id FROM targets) AS a JOIN targets AS b USING (id)", [(1,), (2,), (3,), (7,)]),
    ("SELECT quality FROM bright JOIN (SELECT id AS quality FROM targets) AS t USING (quality)", [(1,), (2,), (3,)]),
    # A star lists the tables in the order of FROM.
    (f"SELECT * FROM {B}, {A} WHERE a.id = 1 AND b.id = 2", [(2, 1, 10)]),
    (f"SELECT a.*, b.id FROM {B}, {A} WHERE a.id = 1 AND b.id = 2", [(1, 10, 2)]),
    # ON sees the tables of its join, and what stands around the query.
    (f"SELECT a.id FROM {A} JOIN ({B} JOIN {C} ON b.id = c.id) ON a.id = c.id", [(1,), (2,), (3,)]),
    (f"SELECT a.id FROM ({A} JOIN {B} ON a.id = b.id) JOIN {C} ON c.id = a.id", [(1,), (2,), (3,)]),
    (f"SELECT a.id FROM {A}, {B} JOIN {C} ON b.id = c.id WHERE a.id = b.id", [(1,), (2,), (3,)]),
    (f"SELECT a.id FROM {A} LEFT JOIN {B} ON a.id = b.id AND b.id > 2 WHERE b.id IS NULL", [(1,), (2,), (7,)]),
    (
        "SELECT t.id FROM targets AS t WHERE EXISTS (SELECT 1 FROM fields AS f JOIN bright AS b ON b.source_id = t.id)",
        [(1,), (2,), (3,)],
    ),
    ("SELECT COUNT(*) FROM targets AS a JOIN fields AS b", [(16,)]),
    # Scopes: the inner alias hides the outer; common tables hide published ones, which have a schema to be called by.
    ("SELECT t.id FROM targets AS t WHERE t.id IN (SELECT t.source_id FROM bright AS t)", [(1,), (2,), (3,)]),
    ("SELECT id FROM targets WHERE EXISTS (SELECT field_id FROM fields WHERE field_id = id)", [(1,), (2,), (3,)]),
    (
        "SELECT t.id FROM targets AS t WHERE EXISTS (SELECT b.ra FROM bright AS b WHERE b.source_id = t.id AND EXISTS "
        "(SELECT f.field_id FROM fields AS f WHERE f.field_id = t.id AND f.field_id = b.source_id AND t.ra > 9))",
        [(1,), (2,)],
    ),
    ("WITH targets AS (SELECT source_id AS id FROM bright) SELECT COUNT(*) FROM targets", [(5,)]),
    ("WITH targets AS (SELECT id FROM targets WHERE id < 3) SELECT COUNT(*) FROM targets", [(2,)]),
    ("WITH targets AS (SELECT id FROM targets WHERE id < 3) SELECT COUNT(*) FROM TAP_UPLOAD.targets", [(4,)]),
    (
        'WITH "A" AS (SELECT id FROM targets), b AS (SELECT id + 1 AS id FROM a) '
        "SELECT MAX(b.id) FROM a JOIN b USING (id)",
        [(3,)],
    ),
]


@pytest.mark.parametrize(("query", "expected"), JOINS)
def test_joins_and_scopes(query: str, expected: Rows, run: Run) -> None:
    assert sorted(run(query), key=repr) == sorted(expected, key=repr)


def test_names_that_differ_by_case_alone(run: Run) -> None:
    inner = '(SELECT "Mixed Case" AS "N", id AS "n" FROM targets) AS t'
    assert run(f'SELECT t."n", "N" FROM {inner} WHERE "n" = 2') == [(2, 8)]
    with pytest.raises(ADQLError, match="ambiguous"):
        run(f"SELECT n FROM {inner}")


CONDITIONS = [
    ("id BETWEEN 2 AND 3.5", [2, 3]),
    ("id NOT BETWEEN 2 AND 3", [1, 7]),
    ("id BETWEEN 3 AND 2", []),
    ("radius BETWEEN NULL AND 5", []),
    ("id IN (1, 7.0, NULL)", [1, 7]),
    ("id NOT IN (1, NULL)", []),
    ("id IN (NULL)", []),
    ("NULL IN (1, 2)", []),
    ("id IN (SELECT NULL FROM fields)", []),
    ("id NOT IN (SELECT NULL FROM fields)", []),
    ("id NOT IN (SELECT NULL FROM fields WHERE field_id > 99)", [1, 2, 3, 7]),
    ("NULL NOT IN (SELECT field_id FROM fields WHERE field_id > 99)", [1, 2, 3, 7]),
    ("radius = NULL", []),
    ("radius <> NULL OR radius IS NULL", [3]),
    ("NULL IS NULL AND NOT NULL IS NOT NULL", [1, 2, 3, 7]),
    ("NOT radius > 0.7", [2]),
    ("NOT (radius > 0.7 OR radius IS NULL)", [2]),
    ("POINT(ra, radius) IS NULL", [3]),
    ("7 / 2 = 3 AND -7 / 2 = -3 AND 7 / 2. = 3.5 AND 7 / -2 = -3", [1, 2, 3, 7]),
    ("1 / 3 * 3 = 0 AND 2 * 3 / 4 = 1", [1, 2, 3, 7]),
    ("- id < -2 AND + id > 0 AND 1 - -id = id + 1", [3, 7]),
    ("id = 3.0 OR id = 7e0", [3, 7]),
    ("id < 99999999999999999999 AND id > -9223372036854775808", [1, 2, 3, 7]),
    ("'' = '' AND '' <> ' ' AND '' IS NOT NULL", [1, 2, 3, 7]),
    ("'a' < 'b' AND 'A' < 'a' AND '\u03a9' > 'z'", [1, 2, 3, 7]),
    ("'a' || '' || 'b' = 'ab' AND '\u03a9' || 'x' LIKE '_x'", [1, 2, 3, 7]),
    ("NOT 1 = 2 AND (1 = 1 OR 1 = 2 AND 1 = 3)", [1, 2, 3, 7]),
    ("1 = 2 OR 1 = 1 AND NOT 1 = 3", [1, 2, 3, 7]),
    ("1 != 2 AND 1 <> 2", [1, 2, 3, 7]),
    # PostgreSQL would compare in real, which holds 24 bits.
    ("id + 16777216 IN (16777217, CAST(9 AS REAL))", [1]),
    ("id + 16777215 IN (16777217, CAST(9 AS REAL))", [2]),
    ("CAST(id + 16777215 AS REAL) IN (16777217, 5)", []),
    ("DISTANCE(ra, dec, 10, 20) < NULL", []),
    ("DISTANCE(ra, dec, 10, 20) BETWEEN 0 AND NULL", []),
    ("NOT DISTANCE(ra, dec, 10, 20) > NULL", []),
]


@pytest.mark.parametrize(("condition", "expected"), CONDITIONS)
def test_conditions(condition: str, expected: list[int], run: Run) -> None:
    assert column(run(f"SELECT id FROM targets WHERE {condition} ORDER BY id")) == expected


STARS = [
    ("variable = 'true'", [1, 3]),
    ("variable = 1", [1, 3]),
    ("'FALSE' = variable", [2, 5]),
    ("variable <> 't'", [2, 5]),
    ("variable IN ('true', 0)", [1, 2, 3, 5]),
    ("variable IS NOT NULL", [1, 2, 3, 5]),
    ("seen > '2020-06-01'", [2, 4, 5]),
    ("seen = '2020-06-01T12:30:00.500'", [2]),
    ("seen = '2020-06-01 12:30:00.5Z'", [2]),
    ("seen BETWEEN '2020-01-01' AND '2020-12-31T23:59:59'", [1, 2]),
    ("seen IN ('2020-01-01', CAST('2021-01-01' AS TIMESTAMP))", [1, 4]),
    ("seen < CAST('2020-02-01' AS TIMESTAMP)", [1]),
    ("seen IN (SELECT MAX(seen) FROM bright)", [5]),
    ("name LIKE 'A%'", [1]),
    ("name LIKE 'a%'", []),
    ("name ILIKE 'a%'", [1]),
    ("name NOT LIKE '%a'", []),
    ("name LIKE '_____'", [1, 3, 5]),
    ("name LIKE '\u03a9%'", [5]),
    ("name LIKE ''", []),
    ("name LIKE NULL", []),
    ("UPPER(name) = 'BETA' OR LOWER(name) = 'alpha'", [1, 2]),
    ("name > 'B' AND name < 'b'", [3]),
    ("name BETWEEN 'A' AND 'B'", [1]),
    ("quality IN (1, 255, 70000)", [1, 5]),
    ("phot_g_mean_mag = 5.5", [1]),
    ("CAST(quality AS VARCHAR) LIKE '2%'", [2, 5]),
    ("COALESCE(name, 'none') = 'none'", [4]),
    ("COALESCE(NULL, quality, -1) = -1", [4]),
    ("spectrum IS NULL", [3]),
]


@pytest.mark.parametrize(("condition", "expected"), STARS)
def test_conditions_on_booleans_times_and_strings(condition: str, expected: list[int], run: Run) -> None:
    assert column(run(f"SELECT source_id FROM bright WHERE {condition} ORDER BY source_id")) == expected


SETS: list[tuple[str, list[Any]]] = [
    ("SELECT id FROM targets UNION SELECT field_id FROM fields", [1, 2, 3, 4, 7]),
    ("SELECT 1 FROM targets UNION ALL SELECT 1 FROM targets WHERE id = 1", [1, 1, 1, 1, 1]),
    ("SELECT id FROM targets EXCEPT SELECT field_id FROM fields", [7]),
    ('SELECT "Mixed Case" FROM targets EXCEPT ALL SELECT 7 FROM targets WHERE id = 1', [7, 8, None]),
    ('SELECT "Mixed Case" FROM targets INTERSECT ALL SELECT 7 FROM targets', [7, 7]),
    ('SELECT "Mixed Case" FROM targets INTERSECT SELECT 7 FROM targets', [7]),
    (
        "SELECT id FROM targets WHERE id = 7 UNION SELECT id FROM targets INTERSECT SELECT field_id FROM fields",
        [1, 2, 3, 7],
    ),
    ("(SELECT id FROM targets UNION SELECT 9 FROM targets) INTERSECT SELECT field_id FROM fields", [1, 2, 3]),
    ("SELECT id FROM targets EXCEPT SELECT 1 FROM targets UNION SELECT 1 FROM targets", [1, 2, 3, 7]),
    ("SELECT id FROM targets EXCEPT (SELECT 1 FROM targets UNION SELECT 2 FROM targets)", [3, 7]),
    ("SELECT NULL AS n FROM targets UNION SELECT id FROM targets WHERE id < 3", [1, 2, None]),
    ("SELECT id FROM targets WHERE id < 3 UNION SELECT NULL FROM targets UNION SELECT NULL FROM fields", [1, 2, None]),
    ("SELECT NULL AS n FROM targets UNION SELECT NULL FROM targets UNION SELECT 2.5 FROM targets", [2.5, None]),
    (
        "SELECT x.n + 1 FROM (SELECT NULL AS n FROM targets UNION SELECT id FROM targets WHERE id < 3) AS x",
        [2, 3, None],
    ),
    ("SELECT id FROM targets WHERE id < 3 UNION SELECT 2.5 FROM targets", [1, 2, 2.5]),
    (
        "SELECT 16777217 FROM targets UNION SELECT CAST(1 AS REAL) FROM targets UNION SELECT 1.5 FROM targets",
        [1, 1.5, 16777217],
    ),
    ("SELECT 'a' AS s FROM targets UNION SELECT 'bcd' FROM targets UNION SELECT '' FROM fields", ["", "a", "bcd"]),
    ("SELECT id FROM targets WHERE id IN (SELECT id FROM targets INTERSECT SELECT field_id FROM fields)", [1, 2, 3]),
    ("SELECT TOP 1 id FROM targets WHERE id = 7 UNION ALL SELECT TOP 1 id FROM targets WHERE id = 7", [7, 7]),
    ("(SELECT TOP 2 id FROM targets ORDER BY id DESC) UNION SELECT TOP 1 id FROM targets ORDER BY 1 OFFSET 1", [3, 7]),
]


@pytest.mark.parametrize(("query", "expected"), SETS)
def test_sets(query: str, expected: list[Any], run: Run) -> None:
    assert sorted(column(run(query)), key=repr) == sorted(expected, key=repr)


CONVERSIONS = [
    ("CAST(2.5 AS INTEGER)", 2),
    ("CAST('2.5' AS INTEGER)", 3),
    ("CAST(' 12 ' AS SMALLINT)", 12),
    ("CAST('9223372036854775807' AS BIGINT)", 2**63 - 1),
    ("CAST('9007199254740993' AS BIGINT)", 2**53 + 1),
    ("CAST(-32768 AS SMALLINT)", -32768),
    ("CAST('-1e3' AS DOUBLE PRECISION)", -1000.0),
    ("CAST(1 AS CHAR(3)) || '|'", "1|"),
    ("CAST('abcdef' AS VARCHAR(3))", "abc"),
    ("CAST(CAST('2020-01-01' AS TIMESTAMP) AS VARCHAR)", "2020-01-01T00:00:00"),
    ("CAST(CAST('2020-01-01T12:13:10.00012' AS TIMESTAMP) AS VARCHAR)", "2020-01-01T12:13:10.00012"),
    ("9223372036854775807", 2**63 - 1),
    ("COALESCE(CAST(NULL AS REAL), 16777217)", 16777217),
    ("nvl(CAST(NULL AS REAL), 16777217)", 16777217),
    (" || ".join(f"'{number}'" for number in range(500)), "".join(map(str, range(500)))),
    ("-9223372036854775808", -(2**63)),
    ("-(-3)", 3),
    ("2 * -3", -6),
    (".5 + 1.", 1.5),
    ("5e-324", 5e-324),
    ("1.7976931348623157E308", 1.7976931348623157e308),
    ("NULL + 1", None),
    ("-NULL", None),
    ("NULL * NULL", None),
    ("'a' || NULL", None),
    ("ABS(NULL)", None),
    ("EXP(-1000)", 0.0),
    ("COALESCE(NULL, NULL)", None),
]


@pytest.mark.parametrize(("expression", "expected"), CONVERSIONS)
def test_values(expression: str, expected: Any, run: Run) -> None:
    assert run(f"SELECT {expression} FROM targets WHERE id = 1") == [(expected,)]


REFUSED = [
    ("SELECT id FROM targets ORDER BY 2", 33, "one column"),
    ("SELECT id FROM targets ORDER BY 0", 33, "one column"),
    ("SELECT ra AS a, dec AS A FROM bright ORDER BY a", 47, "ambiguous"),
    ("SELECT * FROM bright AS a, targets AS b ORDER BY ra", 50, "ambiguous"),
    ("SELECT ra FROM bright ORDER BY MAX(dec)", 8, "many values"),
    ("SELECT DISTINCT ra FROM bright ORDER BY ra + 1", 41, "DISTINCT"),
    ("SELECT id FROM targets UNION SELECT field_id FROM fields ORDER BY field_id", 67, "columns of its result"),
    ("SELECT id AS size_ FROM targets UNION SELECT 1 FROM fields ORDER BY sise_", 69, "Did you mean size_"),
    ("SELECT id FROM targets UNION SELECT 1 FROM fields ORDER BY -id", 60, "columns of its result"),
    ("SELECT centre FROM fields UNION SELECT centre FROM fields ORDER BY centre", 68, "a point"),
    ("SELECT POINT(ra, dec) AS p FROM bright ORDER BY p", 49, "a point"),
    ("SELECT COUNT(*) AS n FROM bright HAVING n > 1", 41, "no column n"),
    ("SELECT -id AS n FROM targets WHERE n > 1", 36, "no column n"),
    ("SELECT variable FROM bright GROUP BY COUNT(*)", 38, "cannot stand in GROUP BY"),
    ("SELECT id FROM targets GROUP BY 2", 33, "no such item"),
    ("SELECT * FROM bright GROUP BY ra", 8, "many values"),
    ("SELECT centre FROM fields GROUP BY centre", 36, "GROUP BY does not take"),
    ("SELECT t.id FROM targets t WHERE EXISTS (SELECT MAX(t.id) FROM bright)", 53, "its own query"),
    (
        "SELECT t.ra FROM targets t GROUP BY t.ra HAVING EXISTS (SELECT 1 FROM bright b WHERE b.ra = t.dec)",
        93,
        "GROUP BY",
    ),
    ("SELECT x.ra FROM (SELECT a.ra, b.ra FROM bright a, targets b) AS x", 8, "ambiguous"),
    ("SELECT a.id FROM targets a LEFT JOIN fields f", 38, "ON a.id = b.id"),
    ("SELECT f.field_id FROM targets a, fields f JOIN bright b ON b.source_id = a.id", 75, "no table a"),
    ("SELECT t.id FROM targets t JOIN (SELECT t.id FROM bright) AS x ON 1 = 1", 41, "no table t"),
    ("SELECT targets.id FROM targets AS t", 8, "no table targets"),
    ("SELECT id FROM targets, targets", 25, "alias"),
    ("SELECT t.id FROM targets AS t, fields AS T", 42, "Two tables"),
    ("SELECT id FROM targets JOIN fields USING (id)", 43, "does not exist"),
    ('SELECT "Id" FROM targets', 8, "Did you mean id"),
    ("SELECT mixed_case FROM targets", 8, 'Did you mean "Mixed Case"'),
    ('SELECT "mixed case" FROM targets', 8, 'Did you mean "Mixed Case"'),
    ("SELECT sise FROM tap_schema.columns", 8, 'Did you mean "size"'),
    ("SELECT t.rra FROM targets AS t", 8, "Did you mean t.ra"),
    ("SELECT id FROM tragets", 16, "Did you mean targets"),
    ("SELECT ra FROM gaia_dr3.brihgt", 16, "Did you mean gaia_dr3.bright"),
    ("SELECT ABSS(ra) FROM bright", 8, "Did you mean ABS"),
    ("WITH b AS (SELECT id FROM a), a AS (SELECT id FROM targets) SELECT id FROM b", 27, "no table a"),
    ('WITH "A" AS (SELECT id FROM targets) SELECT id FROM "a"', 53, "no table a"),
    ("SELECT name || 1 FROM bright", 16, "CAST(x AS VARCHAR)"),
    ("SELECT seen || 'a' FROM bright", 8, "CAST(x AS VARCHAR)"),
    ("SELECT id FROM targets WHERE id LIKE '1%'", 30, "CAST(x AS VARCHAR)"),
    ("SELECT name + 1 FROM bright", 8, "CAST"),
    ("SELECT seen + 1 FROM bright", 8, "a timestamp"),
    ("SELECT seen - seen FROM bright", 8, "a timestamp"),
    ("SELECT -name FROM bright", 9, "CAST"),
    ("SELECT id FROM targets WHERE id BETWEEN '1' AND 5", 41, "CAST"),
    ("SELECT id FROM targets WHERE id = 'a'", 35, "cannot compare"),
    ("SELECT ra FROM bright WHERE seen > 2020", 36, "in quotes"),
    ("SELECT ra FROM bright WHERE variable = 2", 40, "'true'"),
    ("SELECT ra FROM bright WHERE variable = name", 40, "'true'"),
    ("SELECT ra FROM bright WHERE variable", 37, "too early"),
    ("SELECT ra FROM bright WHERE ra", 31, "too early"),
    ("SELECT ra FROM bright WHERE NOT NOT ra = 1", 33, "NOT"),
    ("SELECT MIN(variable) FROM bright", 12, "a boolean"),
    ("SELECT AVG(name) FROM bright", 12, "a string"),
    ("SELECT spectrum FROM bright UNION SELECT place FROM fields", 35, "differ"),
    ("SELECT seen FROM bright UNION SELECT '2020-01-01' FROM bright", 31, "CAST"),
    ("SELECT ra, dec FROM bright EXCEPT SELECT ra FROM bright", 35, "2 and 1 columns"),
    ("SELECT COALESCE(ra, 'a') FROM bright", 21, "another type"),
    ("SELECT variable, COUNT(*) AS n FROM bright GROUP BY variable ORDER BY MAX(n)", 75, "no column n"),
    ("SELECT MOC('3/4') AS m, COUNT(*) AS n FROM bright GROUP BY m", 8, "a MOC"),
    ("SELECT COUNT(*) AS n FROM (SELECT DISTINCT MOC('3/4') AS m FROM bright) AS x", 44, "CAST(m AS VARCHAR)"),
    ("SELECT MOC('3/4') AS m FROM bright UNION SELECT MOC('3/5') FROM bright", 1, "UNION ALL"),
    ("SELECT a.ra FROM fields AS a NATURAL JOIN fields AS b", 43, "NATURAL JOIN"),
    ("SELECT 2147483647 + 1 FROM bright", 8, "out of range"),
    ("SELECT 2147483647 + 1 - 3000000000 FROM bright", 8, "out of range"),
    ("SELECT 1e308 * 10 FROM bright", 8, "too large"),
    ("SELECT 1e-300 * 1e-300 FROM bright", 8, "too small"),
    ("SELECT ra / (1 - 1) FROM bright", 14, "zero"),
    ("SELECT CAST(32768 AS SMALLINT) FROM bright", 13, "32768 is not a value"),
    ("SELECT CAST(32768 AS SMALLINT) FROM bright", 13, "from -32768 to 32767"),
    ("SELECT CAST('9223372036854775808' AS BIGINT) FROM bright", 13, "not a value"),
    ("SELECT CAST('1_000' AS INTEGER) FROM bright", 13, "not a value"),
    ("SELECT CAST('\u0663' AS INTEGER) FROM bright", 13, "not a value"),
    ("SELECT CAST('nan' AS DOUBLE PRECISION) FROM bright", 13, "not a value"),
    ("SELECT CAST(1e39 AS REAL) FROM bright", 13, "not a value"),
]


@pytest.mark.parametrize(("query", "place", "part"), REFUSED)
def test_refused_with_a_place_and_a_way_out(query: str, place: int, part: str, catalogue: Catalogue) -> None:
    with pytest.raises(ADQLError) as caught:
        translate(query, catalogue)
    assert caught.value.column == place
    assert part in caught.value.text()


def test_warnings(catalogue: Catalogue) -> None:
    found = translate("SELECT ra FROM bright WHERE DISTANCE(ra, dec, 1, 2) < 5 / 60 ORDER BY 'ra'", catalogue)
    assert "5/60 is 0: write 5/60.0 to keep the fraction." in found.warnings
    assert any("ORDER BY a constant" in warning for warning in found.warnings)
    assert not translate("SELECT ra FROM bright WHERE ra < 6 / 3 ORDER BY ra", catalogue).warnings
