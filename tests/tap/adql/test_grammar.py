"""ADQL 2.1 rule by rule: what its grammar derives, and what it does not.

A line is a query, with line ends and tabs as Python writes them. Contested points are elsewhere (test_parser).
"""

from __future__ import annotations

import pytest

from tap.adql import ADQLError, Catalogue, translate
from tap.adql.syntax.parser import parse

VALID = {
    "words": r"""
SELECT(1)FROM t
SELECT*FROM t
SELECT"a"FROM"t"
SELECT'a'FROM t
SELECT TOP 5*FROM t
SELECT TOP 5"a"FROM t
SELECT TOP 5 -a FROM t
SELECT TOP 5(a)FROM t
SELECT a FROM t WHERE a<-1
SELECT a FROM t WHERE a<>-1
SELECT a FROM t WHERE a=-1
SELECT a--1\nFROM t
SELECT a FROM t WHERE a=1--
SELECT a FROM t --x
SELECT a FROM t ------
SELECT a FROM t -- it's "odd"
SELECT '--' FROM t
SELECT "--" FROM t
SELECT a\r\nFROM\r\nt\r\n
SELECT a -- c\r\nFROM t
SELECT a -- c\rFROM t
SELECT\ta\tFROM\tt
SELECT 1., .5, 1E5, 1e+5, 1.e-5, .5E3, 0, 007, 1.5 FROM t
SELECT a count_ FROM t
SELECT a "count" FROM t
SELECT a AS "select" FROM t
SELECT a AS "a""b'c--d/*" FROM t
SELECT a AS "\n" FROM t
""",
    "names": r"""
SELECT "s"."t"."a" FROM "s"."t"
SELECT c.s.t.a FROM c.s.t
SELECT c . s . t . a FROM c . s . t
SELECT c.s.t.* FROM c.s.t
SELECT t.* FROM t
SELECT "t".* FROM t
SELECT a.*, b.* FROM a, b
""",
    "select list": r"""
SELECT ALL a FROM t
SELECT DISTINCT TOP 3 a FROM t
SELECT ALL TOP 3 a FROM t
SELECT TOP 0 a FROM t
SELECT TOP 007 a FROM t
SELECT NULL FROM t
SELECT NULL AS a FROM t
SELECT COUNT(*) FROM t
SELECT COUNT(*)n FROM t
SELECT COUNT ( * ) FROM t
SELECT COUNT(ALL a), COUNT(DISTINCT a), COUNT(1), COUNT(a + 1), COUNT(DISTINCT a || b) FROM t
SELECT AVG(DISTINCT a), SUM(ALL a), MIN(DISTINCT a), MAX(ALL a) FROM t
SELECT MAX(POINT(a, b)) FROM t
""",
    "values": r"""
SELECT MAX(a) - MIN(a) FROM t
SELECT (((a))) FROM t
SELECT a + b - c * d / e FROM t
SELECT -a * -b FROM t
SELECT a - -b FROM t
SELECT a*-1 FROM t
SELECT a/-1 FROM t
SELECT +1 FROM t
SELECT a || 'x' || LOWER(b) FROM t
SELECT (a + 1) || 'x' FROM t
SELECT a || CAST(1 AS VARCHAR) FROM t
""",
    "functions": r"""
SELECT f() FROM t
SELECT f(1, 'a', b, NULL, POINT(1,2)) FROM t
SELECT f(g(h(1))) FROM t
SELECT f(a) + g(b) FROM t
SELECT f ( a ) FROM t
SELECT ABS(a), CEILING(a), DEGREES(a), EXP(a), FLOOR(a), LOG(a), LOG10(a), MOD(a, b), PI(), POWER(a, b) FROM t
SELECT RADIANS(a), RAND(), RAND(1), ROUND(a), ROUND(a, 2), ROUND(a, -2), ROUND(a, +2), SQRT(a) FROM t
SELECT TRUNCATE(a), TRUNCATE(a, 2), TRUNCATE(a, -2) FROM t
SELECT ACOS(a), ASIN(a), ATAN(a), ATAN2(a, b), COS(a), COT(a), SIN(a), TAN(a) FROM t
SELECT cot FROM t
SELECT abs(A), Abs(a) FROM t
""",
    "optional functions": r"""
SELECT LOWER(a), UPPER(a), LOWER('x' || b), UPPER(LOWER(a)) FROM t
SELECT COALESCE(a), COALESCE(a, b), COALESCE(a, b, 1), COALESCE(NULL, 'x') FROM t
SELECT COALESCE(a, 0) + 1 FROM t
SELECT COALESCE(POINT(1, 2), p) FROM t
SELECT IN_UNIT(a, 'km/s'), IN_UNIT(a * 2, 'mas.yr**-1'), IN_UNIT(a + b, 'deg') FROM t
SELECT CAST(a AS CHAR), CAST(a AS CHAR(5)), CAST(a AS VARCHAR), CAST(a AS VARCHAR(5)) FROM t
SELECT CAST(a AS SMALLINT), CAST(a AS INTEGER), CAST(a AS BIGINT), CAST(a AS REAL) FROM t
SELECT CAST(a AS DOUBLE PRECISION), CAST(a AS double\nprecision), CAST('2020-01-01' AS TIMESTAMP) FROM t
SELECT CAST('1 2' AS POINT), CAST('1 2 3' AS CIRCLE), CAST('1 2 3 4 5 6' AS POLYGON) FROM t
SELECT CAST(NULL AS INTEGER), CAST(CAST(a AS REAL) AS INTEGER) + 1 FROM t
SELECT CAST ( a AS CHAR ( 5 ) ) FROM t
""",
    "geometry": r"""
SELECT AREA(CIRCLE(1, 2, 3)), AREA(a), CENTROID(p), COORD1(p), COORD2(POINT(1, 2)), COORDSYS(p) FROM t
SELECT COORD1(CENTROID(CIRCLE(1,2,3))), COORD1(f(a)) FROM t
SELECT POINT('ICRS', a, b), POINT(a, b), POINT('', a + 1, -b), POINT('ICRS GEOCENTER', 1, 2) FROM t
SELECT CIRCLE('ICRS', a, b, 1), CIRCLE(a, b, 1), CIRCLE(p, 1), CIRCLE('ICRS', p, 1), CIRCLE(POINT(1,2), r) FROM t
SELECT CIRCLE(t.p, 1), CIRCLE(CENTROID(x), 1), CIRCLE(f(1), 1) FROM t
SELECT BOX('ICRS', a, b, 1, 2), BOX(a, b, 1, 2), BOX(p, 1, 2), BOX('ICRS', POINT(1, 2), 1, 2) FROM t
SELECT POLYGON('ICRS', 1, 2, 3, 4, 5, 6), POLYGON(1, 2, 3, 4, 5, 6, 7, 8) FROM t
SELECT POLYGON(p, q, r), POLYGON(POINT(1, 2), p, CENTROID(x), f(1)) FROM t
SELECT REGION('CIRCLE ICRS 1 2 3') FROM t
SELECT DISTANCE(p, q), DISTANCE(POINT(1, 2), p), DISTANCE(a, b, c, d), DISTANCE(CENTROID(x), f(1)) FROM t
SELECT CONTAINS(a, b), INTERSECTS(CIRCLE(1, 2, 3), BOX(1, 2, 3, 4)) FROM t
SELECT CONTAINS(f(a), REGION('x')) FROM t
SELECT a FROM t WHERE 1 = CONTAINS(POINT(a, b), CIRCLE(1, 2, 3))
SELECT a FROM t WHERE CONTAINS(POINT(a, b), CIRCLE(1, 2, 3)) = 1 AND NOT 0 = INTERSECTS(a, b)
""",
    "conditions": r"""
SELECT a FROM t WHERE a = 1 OR b = 2 AND NOT (c = 3 OR d <> 4)
SELECT a FROM t WHERE ((a = 1))
SELECT a FROM t WHERE ((a) = (1))
SELECT a FROM t WHERE (a + 1) * 2 > 3
SELECT a FROM t WHERE NOT (NOT a = 1)
SELECT a FROM t WHERE NOT(a = 1)
SELECT a FROM t WHERE(a = 1)
SELECT a FROM t WHERE a != 1 AND a <= 2 AND a >= 3 AND a < 4 AND a > 5
SELECT a FROM t WHERE a!=1 AND a<=2
SELECT a FROM t WHERE 'a' = b
SELECT a FROM t WHERE a = NULL
SELECT a FROM t WHERE a BETWEEN 1 AND 2
SELECT a FROM t WHERE a NOT BETWEEN 1 AND 2 AND b = 3
SELECT a FROM t WHERE a BETWEEN b + 1 AND c * 2 OR d = 1
SELECT a FROM t WHERE a BETWEEN 'x' AND 'y' || 'z'
SELECT a FROM t WHERE NOT a BETWEEN -1 AND +1
SELECT a FROM t WHERE a + 1 BETWEEN (1) AND (2)
SELECT a FROM t WHERE a IN (1)
SELECT a FROM t WHERE a IN (1, 2.5, -3, b, c + 1, 'x', NULL)
SELECT a FROM t WHERE a NOT IN ('x', 'y')
SELECT a FROM t WHERE a IN ((1), (2))
SELECT a FROM t WHERE a IN(SELECT a FROM t)
SELECT a FROM t WHERE a + 1 NOT IN (SELECT TOP 5 a FROM t ORDER BY a OFFSET 2)
SELECT a FROM t WHERE a IN (SELECT a FROM t UNION SELECT a FROM u)
SELECT a FROM t WHERE a IN ((SELECT a FROM t) UNION (SELECT a FROM u))
SELECT a FROM t WHERE 1 IN (a, b)
SELECT a FROM t WHERE a LIKE 'x%'
SELECT a FROM t WHERE a NOT LIKE b
SELECT a FROM t WHERE LOWER(a) LIKE 'x' || '%'
SELECT a FROM t WHERE a || b ILIKE UPPER(c) || '_'
SELECT a FROM t WHERE a NOT ILIKE 'X%'
SELECT a FROM t WHERE a IS NULL AND b IS NOT NULL
SELECT a FROM t WHERE NOT a IS NULL
SELECT a FROM t WHERE s.t.a IS NULL
SELECT a FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.x = t.x)
SELECT a FROM t WHERE NOT EXISTS(SELECT * FROM u)
SELECT a FROM t WHERE EXISTS (SELECT 1 FROM u) AND EXISTS (SELECT 1 FROM v)
""",
    "tables": r"""
SELECT a FROM t AS u
SELECT a FROM t u
SELECT a FROM t AS "my table"
SELECT a FROM s.t "u"
SELECT a FROM t, u AS v, (SELECT b FROM w) AS x
SELECT a FROM (SELECT a FROM t) u
SELECT a FROM (SELECT a FROM t ORDER BY a OFFSET 1) AS u
SELECT a FROM ((SELECT a FROM t)) AS u
SELECT a FROM ((SELECT a FROM t) UNION SELECT a FROM v) AS u
SELECT a FROM t JOIN u ON t.x = u.x
SELECT a FROM t INNER JOIN u USING (x)
SELECT a FROM t JOIN u USING (x, "y")
SELECT a FROM t LEFT JOIN u ON t.x = u.x RIGHT OUTER JOIN v ON u.x = v.x FULL OUTER JOIN w USING (x)
SELECT a FROM t FULL JOIN u USING(x)
SELECT a FROM t NATURAL JOIN u
SELECT a FROM t NATURAL LEFT OUTER JOIN u
SELECT a FROM t NATURAL INNER JOIN u NATURAL FULL JOIN v
SELECT a FROM t JOIN u
SELECT a FROM (t JOIN u ON t.x = u.x)
SELECT a FROM ((t JOIN u ON t.x = u.x))
SELECT a FROM (t JOIN u ON t.x = u.x) JOIN v ON t.y = v.y
SELECT a FROM t JOIN (u JOIN v ON u.x = v.x) ON t.x = u.x
SELECT a FROM (t AS p JOIN u AS q USING (x)), v
SELECT a FROM t JOIN (SELECT b FROM u) AS v ON t.a = v.b
SELECT a FROM (SELECT a FROM t) AS x NATURAL JOIN (SELECT a FROM t) AS y
SELECT a FROM (t JOIN u ON t.x = u.x) AS j
SELECT a FROM t JOIN u ON (t.x = u.x AND t.y > u.y OR NOT t.z IS NULL)
""",
    "groups and order": r"""
SELECT a, COUNT(*) FROM t GROUP BY a
SELECT a, COUNT(*) FROM t GROUP BY a, t.b, s.t.c HAVING COUNT(*) > 1
SELECT COUNT(*) FROM t GROUP BY FLOOR(a / 10), b || 'x'
SELECT COUNT(*) FROM t HAVING COUNT(*) > 1
SELECT a FROM t ORDER BY a
SELECT a FROM t ORDER BY a ASC, b DESC, 1, 2 DESC, t.c, a + b, ABS(a) DESC, COUNT(*)
SELECT a FROM t ORDER BY "a" OFFSET 10
SELECT a FROM t OFFSET 10
SELECT TOP 5 a FROM t OFFSET 0
SELECT a FROM t WHERE a=1 GROUP BY a HAVING a=1 ORDER BY a OFFSET 1
""",
    "set operations": r"""
SELECT a FROM t UNION SELECT a FROM u
SELECT a FROM t UNION ALL SELECT a FROM u EXCEPT SELECT a FROM v INTERSECT ALL SELECT a FROM w
SELECT a FROM t UNION SELECT a FROM u ORDER BY a OFFSET 2
(SELECT a FROM t)
((SELECT a FROM t))
(SELECT a FROM t) UNION (SELECT a FROM u)
(SELECT a FROM t ORDER BY a OFFSET 1) EXCEPT ALL (SELECT a FROM u ORDER BY a) ORDER BY 1 OFFSET 3
(SELECT a FROM t UNION SELECT a FROM u) INTERSECT SELECT a FROM v
(SELECT a FROM t) ORDER BY a
((SELECT a FROM t ORDER BY a) OFFSET 5)
SELECT TOP 5 a FROM t UNION SELECT TOP 3 a FROM u
SELECT a FROM t INTERSECT (SELECT a FROM u UNION SELECT a FROM v)
""",
    "common tables": r"""
WITH w AS (SELECT a FROM t) SELECT a FROM w
WITH w AS (SELECT a FROM t), x AS (SELECT a FROM w ORDER BY a OFFSET 1) SELECT a FROM w NATURAL JOIN x
WITH "my w" AS (SELECT a FROM t) SELECT a FROM "my w"
WITH w AS (SELECT a FROM t UNION SELECT a FROM u) SELECT a FROM w UNION SELECT a FROM w ORDER BY a
WITH w AS ((SELECT a FROM t)) (SELECT a FROM w)
with w as(select a from t)select a from w
""",
    "mixed": r"""
SELECT a FROM t;
SELECT *, a FROM t
SELECT a AS b, a b FROM t
SELECT a "b" FROM t
SELECT 1 one FROM t
SELECT 'x' x FROM t
SELECT '''' FROM t
SELECT '' FROM t
SELECT 'a''b' FROM t
SELECT 'a\nb' FROM t
SELECT 'é' FROM t
SELECT "é" FROM t
SELECT a -- é\nFROM t
SELECT a_1, A1b, a__b_ FROM t
SELECT IN_UNIT(IN_UNIT(a, 'km'), 'm') FROM t
SELECT ROUND(CAST(a AS DOUBLE PRECISION), 2) FROM t
SELECT MOD(CAST(a AS INTEGER), COALESCE(b, 2)) FROM t
SELECT SUM(a) * COUNT(*) FROM t
SELECT a FROM t WHERE COALESCE(a, 0) IN (1, 2) AND CAST(a AS INTEGER) BETWEEN 1 AND 2
SELECT a FROM t WHERE f(a) = 1 AND 1 = f(a)
SELECT a FROM t WHERE POINT(1, 2) IS NULL
SELECT POINT(1,2) FROM t GROUP BY POINT(1,2)
SELECT MAX(ABS(a)) FROM t ORDER BY MAX(ABS(a)) DESC
SELECT TOP 5 DISTINCT_ FROM t
SELECT size_ FROM t
SELECT CIRCLE('ICRS',POINT('ICRS',1,2),1) FROM t
SELECT a FROM t AS t1 INNER JOIN t AS t2 ON t1.a=t2.a INNER JOIN t AS t3 ON t2.a=t3.a
SELECT a FROM (t LEFT JOIN u ON t.a=u.a) NATURAL JOIN (v JOIN w USING(b))
""",
}

INVALID = {
    "words": r"""
SELECT 1.FROM t
SELECT 1.5FROM t
SELECT 1a FROM t
SELECT 1.2.3 FROM t
SELECT 1..2 FROM t
SELECT 1E FROM t
SELECT 1E+ FROM t
SELECT 1E1.5 FROM t
SELECT 0xFF FROM t
SELECT . FROM t
SELECT _a FROM t
SELECT 2mass FROM t
SELECT a$ FROM t
SELECT #a FROM t
SELECT @a FROM t
SELECT a? FROM t
SELECT é FROM t
SELECT 'a FROM t
SELECT a' FROM t
SELECT "a FROM t
SELECT "" FROM t
SELECT `a` FROM t
SELECT [a] FROM t
SELECT a[1] FROM t
SELECT a::REAL FROM t
SELECT E'a' FROM t WHERE
SELECT $$a$$ FROM t
SELECT a /* c */ FROM t
SELECT a // c\n FROM t
""",
    "names": r"""
SELECT a.b.c.d.e FROM t
SELECT a. FROM t
SELECT .a FROM t
SELECT a..b FROM t
SELECT *.a FROM t
SELECT t.*.a FROM t
SELECT t.* AS u FROM t
SELECT * AS u FROM t
SELECT size FROM t
SELECT a AS distance FROM t
SELECT a AS value FROM t
SELECT a FROM public.t
SELECT a FROM table
SELECT t.date FROM t
SELECT a FROM t AS order
SELECT a FROM t user
""",
    "select list": r"""
SELECT
SELECT a
SELECT a FROM
SELECT FROM t
SELECT a, FROM t
SELECT ,a FROM t
SELECT a b c FROM t
SELECT a AS FROM t
SELECT a AS 'b' FROM t
SELECT a AS b.c FROM t
SELECT a AS 1 FROM t
SELECT TOP a FROM t
SELECT TOP -1 a FROM t
SELECT TOP 1.5 a FROM t
SELECT TOP 1e3 a FROM t
SELECT TOP (5) a FROM t
SELECT TOP 5 DISTINCT a FROM t
SELECT TOP 5 ALL a FROM t
SELECT DISTINCT ALL a FROM t
SELECT a FROM t TOP 5
SELECT a FROM t LIMIT 5
""",
    "values": r"""
SELECT a + FROM t
SELECT * a FROM t
SELECT a * FROM t
SELECT a b * FROM t
SELECT / a FROM t
SELECT a ** b FROM t
SELECT a + * b FROM t
SELECT a + + + b FROM t
SELECT - - a FROM t
SELECT a % b FROM t
SELECT a & b FROM t
SELECT a | b FROM t
SELECT a ^ b FROM t
SELECT ~a FROM t
SELECT a || FROM t
SELECT || a FROM t
SELECT a + b || c FROM t
SELECT 'a' + POINT(1, 2) FROM t
SELECT a > 1 FROM t
SELECT a AND b FROM t
SELECT NOT a FROM t
SELECT a IS NULL FROM t
SELECT () FROM t
SELECT (a FROM t
SELECT a) FROM t
SELECT (a, b) FROM t
""",
    "functions": r"""
SELECT COUNT() FROM t
SELECT COUNT(DISTINCT *) FROM t
SELECT COUNT(t.*) FROM t
SELECT COUNT(a, b) FROM t
SELECT SUM(*) FROM t
SELECT SUM() FROM t
SELECT AVG(DISTINCT) FROM t
SELECT MAX(a, b) FROM t
SELECT ABS() FROM t
SELECT ABS(a, b) FROM t
SELECT ABS FROM t
SELECT PI FROM t
SELECT PI(1) FROM t
SELECT MOD(a) FROM t
SELECT ROUND(a, b) FROM t
SELECT ROUND(a, 1.5) FROM t
SELECT ROUND(a, 1, 2) FROM t
SELECT TRUNCATE(a, '1') FROM t
SELECT ATAN2(a) FROM t
SELECT RAND(1, 2) FROM t
SELECT CASE WHEN a = 1 THEN 2 END FROM t
SELECT EXTRACT(YEAR FROM a) FROM t
SELECT SUBSTRING(a FROM 1) FROM t
SELECT TRIM(a) FROM t
SELECT NULLIF(a, 1) FROM t
SELECT CURRENT_TIMESTAMP FROM t
SELECT COUNT(*) OVER (PARTITION BY a) FROM t
SELECT COUNT(*) FILTER (WHERE a = 1) FROM t
SELECT s.f(1) FROM t
SELECT "f"(1) FROM t
SELECT f(DISTINCT a) FROM t
SELECT f(*) FROM t
SELECT f(,) FROM t
SELECT f(a,) FROM t
SELECT f(SELECT 1 FROM t) FROM t
SELECT f(a = 1) FROM t
""",
    "optional functions": r"""
SELECT LOWER() FROM t
SELECT LOWER(1) FROM t
SELECT UPPER(a, b) FROM t
SELECT COALESCE() FROM t
SELECT COALESCE FROM t
SELECT IN_UNIT(a) FROM t
SELECT IN_UNIT(a, b) FROM t
SELECT IN_UNIT(a, 'm', 'k') FROM t
SELECT IN_UNIT(a, 'k' || 'm') FROM t
SELECT CAST(a, INTEGER) FROM t
SELECT CAST(a AS) FROM t
SELECT CAST(a AS INT) FROM t
SELECT CAST(a AS FLOAT) FROM t
SELECT CAST(a AS DOUBLE) FROM t
SELECT CAST(a AS INTEGER(4)) FROM t
SELECT CAST(a AS CHAR()) FROM t
SELECT CAST(a AS CHAR(-1)) FROM t
SELECT CAST(a AS CHAR(x)) FROM t
SELECT CAST(a AS CHAR(1.5)) FROM t
SELECT CAST(a AS DATE) FROM t
SELECT CAST(a AS BOX) FROM t
SELECT CAST(a AS REGION) FROM t
SELECT CAST(a AS foo) FROM t
SELECT CAST(a AS TIMESTAMP(3)) FROM t
SELECT CAST(a AS POINT(1,2)) FROM t
SELECT CAST(a AS "INTEGER") FROM t
""",
    "geometry": r"""
SELECT POINT(a) FROM t
SELECT POINT() FROM t
SELECT POINT('ICRS', a) FROM t
SELECT POINT(a, b, c) FROM t
SELECT POINT(c || 'x', a, b) FROM t
SELECT CIRCLE(a, b) FROM t WHERE CIRCLE(1, 2) = 1
SELECT CIRCLE(1, 2) FROM t
SELECT CIRCLE(a) FROM t
SELECT CIRCLE(1, 2, 3, 4) FROM t
SELECT BOX(1, 2, 3) FROM t
SELECT POLYGON(1, 2, 3, 4) FROM t
SELECT POLYGON(1, 2, 3, 4, 5, 6, 7) FROM t
SELECT POLYGON(p, q) FROM t
SELECT POLYGON(POINT(1, 2), 3, 4, 5, 6) FROM t
SELECT REGION(a) FROM t
SELECT REGION() FROM t
SELECT DISTANCE(p) FROM t
SELECT DISTANCE(1, 2) FROM t
SELECT DISTANCE(a, b, c) FROM t
SELECT DISTANCE(CIRCLE(1,2,3), p) FROM t
SELECT CONTAINS(p) FROM t
SELECT CONTAINS(p, q, r) FROM t
SELECT CONTAINS(POINT(1, 2), 3) FROM t
SELECT a FROM t WHERE CONTAINS(p, q)
SELECT AREA() FROM t
SELECT AREA(1) FROM t
SELECT COORD1(CIRCLE(1,2,3)) FROM t
SELECT COORD3(p) FROM t WHERE
""",
    "conditions": r"""
SELECT a FROM t WHERE
SELECT a FROM t WHERE a
SELECT a FROM t WHERE 1
SELECT a FROM t WHERE (a)
SELECT a FROM t WHERE NOT a
SELECT a FROM t WHERE a =
SELECT a FROM t WHERE = a
SELECT a FROM t WHERE a == 1
SELECT a FROM t WHERE a = = 1
SELECT a FROM t WHERE a < > 1
SELECT a FROM t WHERE a => 1
SELECT a FROM t WHERE a =! 1
SELECT a FROM t WHERE a < b < c
SELECT a FROM t WHERE a = 1 = 2
SELECT a FROM t WHERE a = 1 b = 2
SELECT a FROM t WHERE a = 1 AND
SELECT a FROM t WHERE AND a = 1
SELECT a FROM t WHERE a = 1 AND OR b = 2
SELECT a FROM t WHERE NOT NOT a = 1
SELECT a FROM t WHERE a NOT = 1
SELECT a FROM t WHERE (a = 1
SELECT a FROM t WHERE a = 1)
SELECT a FROM t WHERE (a = 1) = (b = 2)
SELECT a FROM t WHERE a BETWEEN 1
SELECT a FROM t WHERE a BETWEEN 1 OR 2
SELECT a FROM t WHERE a BETWEEN (1 AND 2)
SELECT a FROM t WHERE a IN ()
SELECT a FROM t WHERE a IN 1
SELECT a FROM t WHERE a IN (1,)
SELECT a FROM t WHERE a IN (,1)
SELECT a FROM t WHERE a IN u
SELECT a FROM t WHERE a IS 1
SELECT a FROM t WHERE a IS
SELECT a FROM t WHERE a IS NOT
SELECT a FROM t WHERE a NOT NULL
SELECT a FROM t WHERE a ISNULL
SELECT a FROM t WHERE a LIKE
SELECT a FROM t WHERE a LIKE 'x' ESCAPE '!'
SELECT a FROM t WHERE a SIMILAR 'x'
SELECT a FROM t WHERE EXISTS u
SELECT a FROM t WHERE EXISTS (u)
SELECT a FROM t WHERE EXISTS SELECT 1 FROM u
SELECT a FROM t WHERE EXISTS (1)
SELECT a FROM t WHERE a = (SELECT b FROM u)
SELECT a FROM t WHERE a = ANY (SELECT b FROM u)
SELECT a FROM t WHERE a > ALL (SELECT b FROM u)
SELECT (SELECT b FROM u) FROM t
SELECT a FROM t WHERE TRUE
SELECT a FROM t WHERE a IS TRUE
SELECT a FROM t WHERE (a, b) = (1, 2)
SELECT a FROM t WHERE (a, b) IN ((1, 2))
""",
    "tables": r"""
SELECT a FROM (SELECT a FROM t)
SELECT a FROM (t)
SELECT a FROM (t) AS u
SELECT a FROM (t, u)
SELECT a FROM t,
SELECT a FROM ,t
SELECT a FROM t AS
SELECT a FROM t AS u v
SELECT a FROM t AS s.u
SELECT a FROM a.b.c.d
SELECT a FROM 't'
SELECT a FROM 1
SELECT a FROM f(1)
SELECT a FROM t t.x
SELECT a FROM t JOIN
SELECT a FROM t JOIN u ON
SELECT a FROM t JOIN u ON a
SELECT a FROM t JOIN u USING x
SELECT a FROM t JOIN u USING ()
SELECT a FROM t JOIN u USING (t.x)
SELECT a FROM t JOIN u USING (x) ON t.x = u.x
SELECT a FROM t JOIN u ON t.x = u.x USING (x)
SELECT a FROM t OUTER JOIN u ON t.x = u.x
SELECT a FROM t LEFT INNER JOIN u ON t.x = u.x
SELECT a FROM t LEFT u ON t.x = u.x
SELECT a FROM t INNER OUTER JOIN u USING (x)
SELECT a FROM t INNER NATURAL JOIN u
SELECT a FROM t CROSS JOIN u
SELECT a FROM t UNION JOIN u
SELECT a FROM t JOIN u JOIN v ON u.x = v.x ON t.x = u.x
SELECT a FROM JOIN u ON t.x = u.x
SELECT a FROM t ON t.x = 1
""",
    "groups and order": r"""
SELECT a FROM t OFFSET
SELECT a FROM t OFFSET -1
SELECT a FROM t OFFSET 1.5
SELECT a FROM t OFFSET a
SELECT a FROM t OFFSET 5 ROWS
SELECT a FROM t OFFSET 5 ORDER BY a
SELECT a FROM t ORDER BY
SELECT a FROM t ORDER BY a,
SELECT a FROM t ORDER BY a ASC DESC
SELECT a FROM t ORDER a
SELECT a FROM t GROUP BY
SELECT a FROM t GROUP a
SELECT a FROM t HAVING
SELECT a FROM t HAVING a > 1 GROUP BY a
SELECT a FROM t ORDER BY a WHERE a = 1
SELECT a FROM t ORDER BY a NULLS LAST
""",
    "set operations": r"""
SELECT a FROM t UNION
SELECT a FROM t UNION u
SELECT a FROM t UNION DISTINCT SELECT a FROM u
SELECT a FROM t MINUS SELECT a FROM u
SELECT a FROM t ORDER BY a UNION SELECT a FROM u
SELECT a FROM t OFFSET 1 UNION SELECT a FROM u
UNION SELECT a FROM t
SELECT a FROM t SELECT a FROM u
SELECT a FROM t; SELECT a FROM u
SELECT a FROM t;;
;
""",
    "common tables": r"""
WITH w AS SELECT a FROM t SELECT a FROM w
WITH w (SELECT a FROM t) SELECT a FROM w
WITH w(a) AS (SELECT a FROM t) SELECT a FROM w
WITH w AS (SELECT a FROM t)
WITH w AS (SELECT a FROM t), SELECT a FROM w
WITH RECURSIVE w AS (SELECT a FROM t) SELECT a FROM w
WITH s.w AS (SELECT a FROM t) SELECT a FROM w
WITH w AS (WITH x AS (SELECT a FROM t) SELECT a FROM x) SELECT a FROM w
SELECT a FROM (WITH x AS (SELECT a FROM t) SELECT a FROM x) AS y
SELECT a FROM t UNION WITH x AS (SELECT a FROM t) SELECT a FROM x
(WITH x AS (SELECT a FROM t) SELECT a FROM x)
WITH w AS (t) SELECT a FROM w
""",
    "other languages": r"""
SELECT a INTO u FROM t
SELECT a FROM t FOR UPDATE
SELECT a FROM ONLY t
SELECT a FROM t TABLESAMPLE (1)
SELECT a FROM LATERAL (SELECT 1 FROM t) AS x
SELECT a FROM t AS u(b)
VALUES (1)
TABLE t
INSERT INTO t VALUES (1)
DELETE FROM t
UPDATE t SET a = 1
DROP TABLE t
EXPLAIN SELECT a FROM t
SELECTa FROM t
SELECT a FROMt
SELECT DISTINCT ON (a) a FROM t
SELECT a FROM t WHERE a = 'x' 'y' z
SELECT a FROM t WHERE a = 'it's'
SELECT a FROM t GROUP BY ROLLUP(a) WITH
SELECT a FROM t WHERE a IN (SELECT a FROM t, 1)
SELECT a FROM t NATURAL u
SELECT a FROM t WHERE a BETWEEN SYMMETRIC 1 AND 2
SELECT POINT(1, 2).x FROM t
SELECT IN_UNIT('5', 'm') + FROM t
""",
}

MISTAKES = [
    ("SELECT a FROM t ORDER BY a LIMIT 10", "SELECT TOP 10"),
    ("SELECT a FROM t LIMIT 7", "SELECT TOP 7"),
    ("SELECT TOP (5) a FROM t", "without parentheses"),
    ("SELECT a, TOP 5 b FROM t", "behind SELECT"),
    ("SELECT TOP 5 DISTINCT a FROM t", "DISTINCT TOP 10"),
    ("SELECT a WHERE a = 1", "FROM and a table"),
    ("SELECT a, b t WHERE a = 1", "FROM and a table"),
    ("SELECT a, b s.t", "comma or FROM"),
    ("SELECT a FORM s.t", "mean FROM"),
    ("SELECT a FROM t WERE a = 1", "mean WHERE"),
    ("SELCT a FROM t", "mean SELECT"),
    ("SELECT a FROM t GROUPBY a", "mean GROUP BY"),
    ("SHOW TABLES", "tap_schema.tables"),
    ("DROP TABLE t", "begins with SELECT"),
    ("SELECT a FROM t WHERE f(a)", "compares values"),
    ("SELECT a FROM t WHERE CONTAINS(p, q) AND a = 1", "1 = CONTAINS"),
    ("SELECT a FROM t JOIN u ON a", "compares values"),
    ("SELECT a FROM t WHERE a > 1 || b < 2", "joined by OR"),
    ("SELECT a FROM t WHERE 1 < a < 2", "BETWEEN"),
    ("SELECT a FROM t WHERE a > 1 AND < 2", "AND x < 2"),
    ("SELECT a FROM t WHERE a =< 1", "Write <="),
    ("SELECT a FROM t WHERE a => 1", "Write >="),
    ("SELECT a FROM t WHERE a ISNULL", "IS NULL"),
    ("SELECT a FROM t WHERE a IS NOT 3", "IS NOT NULL"),
    ("SELECT a FROM t WHERE a NOT NULL", "IS NOT NULL"),
    ("SELECT a FROM t WHERE a IN 1, 2", "parentheses"),
    ("SELECT a FROM t WHERE a IN [1, 2]", "parentheses"),
    ("SELECT a FROM t WHERE a BETWEEN 1, 2", "low AND high"),
    ("SELECT a FROM t WHERE a BETWEEN (1, 2)", "low AND high"),
    ("SELECT a FROM t WHERE a > 1,5", "1.5"),
    ("SELECT a FROM t WHERE a > 1 b < 2", "AND or OR"),
    ("SELECT IF(a > 1, 2, 3) FROM t", "not a value"),
    ("SELECT a ** 2 FROM t", "POWER"),
    ("SELECT a FROM t // x", "--"),
    ("SELECT a FROM t # x", "--"),
    ("SELECT CAST(a AS TEXT) FROM t", "VARCHAR"),
    ("SELECT CAST(a AS DOUBLE) FROM t", "DOUBLE PRECISION"),
    ("SELECT CAST(a AS x) FROM t", "SMALLINT"),
    ("SELECT a AS 'x' FROM t", '"x"'),
    ("SELECT a AS right FROM t", '"right"'),
    ("SELECT a FROM t MINUS SELECT a FROM u", "EXCEPT"),
    ("SELECT a FROM (SELECT a FROM t)", "AS t"),
    ("SELECT ROW_NUMBER() OVER (ORDER BY a) FROM t", "window"),
    ("SELECT SUBSTRING(a, 1, 2) FROM t", "esdc_substring"),
    ("SELECT substring FROM t", '"substring"'),
    ("SELECT PI FROM t", "PI()"),
    ("SELECT LOG(10, a) FROM t", "LOG10"),
    ("SELECT a FROM t WHERE a = :x", "no parameters"),
    ("SELECT CIRCLE('03:47:00', '24:07:00', 1) FROM t", "ivo_hms_to_degrees"),
    ("SELECT CIRCLE(3h47m, 2, 1) FROM t", "degrees"),
    ("SELECT a FROM t WHERE a < 5'", "degrees"),
    ("SELECT 2mass FROM t", '"2mass"'),
    ("SELECT 0xFF FROM t", "hexadecimal"),
    ("SELECT a FROM t WHERE a = \u2018M31\u2019", "single quotes"),
    ("SELECT a \u2212 b FROM t", "Write -"),
    ("SELECT a FROM t WHERE a \u2264 b", "Write <="),
    ("SELECT a FROM t ORDER BY a, DESC", "Remove the comma"),
]


def _queries(lines: str) -> list[str]:
    return [line.encode("ascii", "backslashreplace").decode("unicode_escape") for line in lines.strip("\n").split("\n")]


@pytest.mark.parametrize("section", VALID)
def test_what_the_grammar_derives_is_taken(section: str) -> None:
    refused = []
    for query in _queries(VALID[section]):
        try:
            parse(query)
        except ADQLError as error:
            refused.append(f"{query}: {error}")
    assert refused == []


@pytest.mark.parametrize("section", INVALID)
def test_what_it_does_not_derive_is_refused_at_a_place(section: str) -> None:
    taken = []
    for query in _queries(INVALID[section]):
        try:
            parse(query)
            taken.append(query)
        except ADQLError as error:
            if error.position is None or not 0 <= error.position <= len(query):
                taken.append(f"without a place: {query}")
    assert taken == []


@pytest.mark.parametrize(("query", "hint"), MISTAKES)
def test_habits_from_elsewhere_are_answered_with_what_to_write(query: str, hint: str) -> None:
    with pytest.raises(ADQLError) as caught:
        parse(query)
    assert caught.value.hint is not None
    assert hint in caught.value.hint


def test_expected_words_are_few() -> None:
    """Words that the service does not take are not among them, and one word stands for all beginnings of a value."""
    with pytest.raises(ADQLError) as caught:
        parse("SELECT a + FROM t")
    assert caught.value.hint == "Expected here: a value."
    with pytest.raises(ADQLError) as caught:
        parse("SELECT a FROM t SORT BY a")
    assert "CROSS" not in str(caught.value.hint)
    assert "JOIN" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("query", "hint"),
    [
        ("SELECT phot_mag FROM bright", "phot_g_mean_mag"),
        ("SELECT nothing FROM bright", "source_id, ra, dec"),
        ("SELECT ra AS r FROM bright WHERE r < 1", "Aliases"),
        ("SELECT ra FROM gaia.bright", "gaia_dr3.bright"),
        ("SELECT ra FROM nowhere", "tap_schema.tables"),
        ("SELECT std FROM tap_schema.columns WHERE table_name = gaia_dr3.bright", "'gaia_dr3.bright'"),
        ("SELECT MEDIAN(ra) FROM bright", "capabilities"),
        ("SELECT ra FROM bright WHERE DISTANCE(ra, dec, 1, 2) < 3600", "3600. of a degree"),
        ("SELECT ra FROM bright WHERE 1 = CONTAINS(POINT(ra, dec), CIRCLE(1, 124, 1))", "longitude comes first"),
    ],
)
def test_wrong_names_and_angles_are_answered_with_what_to_write(query: str, hint: str, catalogue: Catalogue) -> None:
    with pytest.raises(ADQLError) as caught:
        translate(query, catalogue)
    assert caught.value.hint is not None
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("condition", "remark"),
    [
        ("name = NULL", "IS NULL"),
        ("SIN(dec) > 0.5", "SIN(RADIANS(dec))"),
        ("SIN(RADIANS(dec)) > 0.5", None),
        ("COS(dec * PI() / 180) > 0.5", None),
        ("name IS NULL", None),
    ],
)
def test_likely_slips_are_remarked_upon(condition: str, remark: str | None, catalogue: Catalogue) -> None:
    warnings = translate(f"SELECT ra FROM bright WHERE {condition}", catalogue).warnings
    assert bool(warnings) == (remark is not None)
    assert all(str(remark) in warning for warning in warnings)


def test_join_in_parentheses_may_have_a_name(catalogue: Catalogue) -> None:
    query = "SELECT j.id, j.source_id FROM (bright AS a JOIN targets AS b ON a.ra = b.ra) AS j WHERE j.radius < 1"
    assert [column.name for column in translate(query, catalogue).columns] == ["id", "source_id"]
    with pytest.raises(ADQLError, match="ambiguous"):
        translate(query.replace("j.id", "j.ra"), catalogue)
