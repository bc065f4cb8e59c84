"""The metadata of result columns: the table of rules, construct by construct.

What is not named in a rule must be empty: a unit or a UCD that is wrong is worse than none.
"""

from __future__ import annotations

from typing import Any

import psycopg2.extensions
import pytest

from tap.adql import Catalogue, translate
from vo.core.tables import Column, Datatype

from .test_fuzz import wanted_type

RA = Column("ra", Datatype.DOUBLE, unit="deg", ucd="pos.eq.ra;meta.main", utype="stc:ra", description="Right ascension")
MAG = Column("phot_g_mean_mag", Datatype.FLOAT, unit="mag", ucd="phot.mag;em.opt")
ID = Column("source_id", Datatype.LONG, ucd="meta.id;meta.main", description="Identifier")
SEEN = Column("seen", Datatype.CHAR, "*", "timestamp")
GREEK = "\u03a9" * 64
"""More than 63 bytes."""


def number(name: str, datatype: str, unit: str | None = None, ucd: str | None = None) -> Column:
    """Return a column of numbers."""
    return Column(name, Datatype(datatype), unit=unit, ucd=ucd)


def text(name: str, arraysize: str = "*", datatype: str = "char", **rest: Any) -> Column:
    """Return a column of strings."""
    return Column(name, Datatype(datatype), arraysize, **rest)


def shape(name: str, xtype: str, arraysize: str, ucd: str | None = None) -> Column:
    """Return a column of geometries."""
    return Column(name, Datatype.DOUBLE, arraysize, xtype, "deg", ucd)


def like(column: Column, name: str) -> Column:
    """Return a column under another name."""
    return Column(name, *(getattr(column, field) for field in Column.__slots__ if field != "name"))


RULES: dict[str, Column] = {
    # A column keeps all, whatever it is called by and through.
    "SELECT ra FROM bright": RA,
    "SELECT RA FROM bright": RA,
    'SELECT "ra" FROM bright': RA,
    "SELECT b.ra FROM bright AS b": RA,
    "SELECT gaia_dr3.bright.ra FROM gaia_dr3.bright": RA,
    "SELECT (ra) FROM bright": RA,
    "SELECT ra AS Alpha FROM bright": like(RA, "Alpha"),
    'SELECT ra AS "\u03b1 (\u00b0)" FROM bright': like(RA, "\u03b1 (\u00b0)"),
    "SELECT DISTINCT ra FROM bright": RA,
    "SELECT ra FROM bright GROUP BY ra": RA,
    "SELECT x.ra FROM (SELECT ra FROM bright) AS x": RA,
    "SELECT x.y FROM (SELECT ra AS y FROM bright) AS x": like(RA, "y"),
    "SELECT * FROM (SELECT ra AS y FROM bright) AS x": like(RA, "y"),
    "WITH w AS (SELECT ra AS y FROM bright) SELECT y FROM w": like(RA, "y"),
    "WITH v AS (SELECT ra AS y FROM bright), w AS (SELECT y AS z FROM v) SELECT z FROM w": like(RA, "z"),
    "SELECT b.ra FROM bright AS a LEFT JOIN bright AS b ON a.ra = b.ra": RA,
    "SELECT ra FROM (SELECT ra FROM bright) AS a JOIN (SELECT ra FROM targets) AS b USING (ra)": RA,
    "SELECT ra FROM (SELECT ra FROM bright) AS a FULL JOIN (SELECT ra FROM targets) AS b USING (ra)": RA,
    "SELECT seen FROM bright": SEEN,
    "SELECT variable FROM bright": Column("variable", Datatype.BOOLEAN),
    "SELECT quality FROM bright": number("quality", "unsignedByte"),
    "SELECT spectrum FROM bright": Column("spectrum", Datatype.FLOAT, "3"),
    "SELECT centre FROM fields": shape("centre", "point", "2"),
    "SELECT outline FROM fields": shape("outline", "polygon", "*"),
    "SELECT table_name FROM tap_schema.columns": text("table_name", "64*"),
    # Set operations: the names and metadata of the first; types that hold both.
    "SELECT ra FROM bright UNION SELECT dec FROM bright": RA,
    "SELECT phot_g_mean_mag FROM bright UNION ALL SELECT ra FROM bright": Column(
        "phot_g_mean_mag", Datatype.DOUBLE, unit="mag", ucd="phot.mag;em.opt"
    ),
    "SELECT phot_g_mean_mag FROM bright EXCEPT SELECT source_id FROM bright": Column(
        "phot_g_mean_mag", Datatype.DOUBLE, unit="mag", ucd="phot.mag;em.opt"
    ),
    "SELECT quality FROM bright INTERSECT SELECT CAST(300 AS SMALLINT) FROM bright": number("quality", "short"),
    "SELECT quality FROM bright UNION SELECT quality FROM bright": number("quality", "unsignedByte"),
    "SELECT quality FROM bright UNION SELECT source_id FROM bright": number("quality", "long"),
    "SELECT table_name FROM tap_schema.columns UNION SELECT 'a' FROM bright": text("table_name"),
    "SELECT table_name FROM tap_schema.columns UNION SELECT column_name FROM tap_schema.columns": text(
        "table_name", "64*"
    ),
    "SELECT 'a' AS a FROM bright UNION SELECT '\u03a9' FROM bright": text("a", datatype="unicodeChar"),
    "SELECT NULL AS n FROM bright UNION SELECT phot_g_mean_mag FROM bright": like(MAG, "n"),
    "SELECT phot_g_mean_mag FROM bright UNION SELECT NULL FROM bright": MAG,
    "SELECT NULL AS n FROM bright UNION SELECT NULL FROM bright UNION SELECT seen FROM bright": like(SEEN, "n"),
    "SELECT NULL AS n FROM fields UNION SELECT centre FROM fields": shape("n", "point", "2"),
    "SELECT centre FROM fields UNION SELECT POINT(1, 2) FROM fields": shape("centre", "point", "2"),
    # Literals: the names of what has none are regular identifiers.
    "SELECT 1 FROM bright": number("column_1", "int"),
    "SELECT 2147483647 AS n FROM bright": number("n", "int"),
    "SELECT 2147483648 AS n FROM bright": number("n", "long"),
    "SELECT -2147483648 AS n FROM bright": number("n", "int"),
    "SELECT -2147483649 AS n FROM bright": number("n", "long"),
    "SELECT 9223372036854775807 AS n FROM bright": number("n", "long"),
    "SELECT -9223372036854775808 AS n FROM bright": number("n", "long"),
    "SELECT 9223372036854775808 AS n FROM bright": number("n", "double"),
    "SELECT 1. AS n FROM bright": number("n", "double"),
    "SELECT 1e0 AS n FROM bright": number("n", "double"),
    "SELECT 'a' AS a FROM bright": text("a"),
    "SELECT '' AS a FROM bright": text("a"),
    "SELECT '\u03a9' AS a FROM bright": text("a", datatype="unicodeChar"),
    "SELECT NULL AS n FROM bright": text("n"),
    "SELECT x.n + 1 AS n FROM (SELECT NULL AS n FROM bright) AS x": number("n", "int"),
    # Arithmetic: a unit where it is certain, no UCD; the types of PostgreSQL.
    "SELECT ra + dec AS n FROM bright": number("n", "double", "deg"),
    "SELECT ra - phot_g_mean_mag AS n FROM bright": number("n", "double"),
    "SELECT ra + 1 AS n FROM bright": number("n", "double"),
    "SELECT ra * 2 AS n FROM bright": number("n", "double", "deg"),
    "SELECT 2 * ra AS n FROM bright": number("n", "double", "deg"),
    "SELECT ra / 2 AS n FROM bright": number("n", "double", "deg"),
    "SELECT ra * source_id AS n FROM bright": number("n", "double"),
    "SELECT ra * dec AS n FROM bright": number("n", "double", "deg**2"),
    "SELECT ra / dec AS n FROM bright": number("n", "double", "deg/deg"),
    "SELECT -ra AS n FROM bright": number("n", "double", "deg"),
    "SELECT -phot_g_mean_mag AS n FROM bright": number("n", "float", "mag"),
    "SELECT -quality AS n FROM bright": number("n", "short"),
    "SELECT quality + quality AS n FROM bright": number("n", "short"),
    "SELECT quality + 1 AS n FROM bright": number("n", "int"),
    "SELECT quality / 2 AS n FROM bright": number("n", "int"),
    "SELECT quality * source_id AS n FROM bright": number("n", "long"),
    "SELECT source_id / 2. AS n FROM bright": number("n", "double"),
    "SELECT phot_g_mean_mag + phot_g_mean_mag AS n FROM bright": number("n", "float", "mag"),
    "SELECT phot_g_mean_mag * 2 AS n FROM bright": number("n", "double", "mag"),
    "SELECT phot_g_mean_mag + NULL AS n FROM bright": number("n", "float"),
    "SELECT 5 / 60 AS n FROM bright": number("n", "int"),
    "SELECT name || 'x' AS s FROM bright": text("s"),
    "SELECT table_name || column_name AS s FROM tap_schema.columns": text("s"),
    "SELECT name || '\u03a9' AS s FROM bright": text("s", datatype="unicodeChar"),
    # Functions of the language: doubles but for strings; units from the argument where it stays a quantity.
    "SELECT ABS(phot_g_mean_mag) AS n FROM bright": number("n", "double", "mag"),
    "SELECT ROUND(source_id) AS n FROM bright": number("n", "double"),
    "SELECT ROUND(ra, 2) AS n FROM bright": number("n", "double", "deg"),
    "SELECT FLOOR(quality) AS n FROM bright": number("n", "double"),
    "SELECT RADIANS(ra) AS n FROM bright": number("n", "double", "rad"),
    "SELECT DEGREES(ra) AS n FROM bright": number("n", "double", "deg"),
    "SELECT COS(ra) AS n FROM bright": number("n", "double"),
    "SELECT ATAN2(ra, dec) AS n FROM bright": number("n", "double", "rad"),
    "SELECT PI() AS n FROM bright": number("n", "double"),
    "SELECT UPPER(name) AS s FROM bright": text("s"),
    # Conversions keep what the value is.
    "SELECT CAST(phot_g_mean_mag AS DOUBLE PRECISION) AS n FROM bright": number(
        "n", "double", "mag", "phot.mag;em.opt"
    ),
    "SELECT CAST(phot_g_mean_mag AS INTEGER) FROM bright": number(
        "phot_g_mean_mag", "int", "mag", "phot.mag;em.opt"
    ),
    "SELECT CAST('12' AS SMALLINT) AS n FROM bright": number("n", "short"),
    "SELECT CAST(source_id AS VARCHAR) AS s FROM bright": text("s", ucd="meta.id;meta.main", description="Identifier"),
    "SELECT CAST(quality AS VARCHAR(3)) AS s FROM bright": text("s", "3*"),
    "SELECT CAST(quality AS CHAR(3)) AS s FROM bright": text("s", "3"),
    "SELECT CAST('2020-01-01' AS TIMESTAMP) AS t FROM bright": like(SEEN, "t"),
    "SELECT CAST(seen AS VARCHAR) AS s FROM bright": text("s"),
    "SELECT CAST('1 2' AS POINT) AS p FROM bright": shape("p", "point", "2", "pos"),
    "SELECT IN_UNIT(ra, 'arcsec') AS n FROM bright": number("n", "double", "arcsec", "pos.eq.ra;meta.main"),
    "SELECT IN_UNIT(ra, 'rad') FROM bright": number("ra", "double", "rad", "pos.eq.ra;meta.main"),
    # COALESCE: the type that holds all; unit, UCD and description if all columns have them.
    "SELECT COALESCE(phot_g_mean_mag, 99) AS n FROM bright": number("n", "double", "mag", "phot.mag;em.opt"),
    "SELECT COALESCE(phot_g_mean_mag, phot_g_mean_mag) AS n FROM bright": number(
        "n", "float", "mag", "phot.mag;em.opt"
    ),
    "SELECT COALESCE(phot_g_mean_mag, ra) AS n FROM bright": number("n", "double"),
    "SELECT COALESCE(quality, quality) AS n FROM bright": number("n", "short"),
    "SELECT COALESCE(NULL, quality, 1) AS n FROM bright": number("n", "int"),
    "SELECT COALESCE(name, '?') AS s FROM bright": text("s"),
    "SELECT COALESCE(table_name, '?') AS s FROM tap_schema.columns": text("s"),
    "SELECT COALESCE(seen, seen) AS t FROM bright": like(SEEN, "t"),
    # Aggregates: sums of integers are long, of others double; the extremes keep their type.
    "SELECT COUNT(*) FROM bright": number("count_all", "long", None, "meta.number"),
    "SELECT COUNT(ra) FROM bright": number("count_ra", "long", None, "meta.number"),
    "SELECT COUNT(DISTINCT ra) FROM bright": number("count_ra", "long", None, "meta.number"),
    "SELECT SUM(quality) AS n FROM bright": number("n", "long"),
    "SELECT SUM(quality + 0.5) AS n FROM bright": number("n", "double"),
    "SELECT AVG(quality) AS n FROM bright": number("n", "double"),
    "SELECT AVG(quality) FROM bright": number("avg_quality", "double"),
    "SELECT MAX(quality) FROM bright": number("max_quality", "unsignedByte"),
    "SELECT MAX(phot_g_mean_mag) FROM bright": number(
        "max_phot_g_mean_mag", "float", "mag", "phot.mag;stat.max;em.opt"
    ),
    "SELECT AVG(phot_g_mean_mag) AS n FROM bright": number("n", "double", "mag", "phot.mag;stat.mean;em.opt"),
    "SELECT SUM(source_id) AS n FROM bright": number("n", "long", None, "meta.id;meta.main"),
    "SELECT MIN(name) FROM bright": text("min_name"),
    "SELECT MAX(seen) FROM bright": like(SEEN, "max_seen"),
    "SELECT COUNT(*) + 1 AS n FROM bright": number("n", "long"),
    "SELECT MAX(x.n) AS m FROM (SELECT COUNT(*) AS n FROM bright) AS x": number(
        "m", "long", None, "meta.number;stat.max"
    ),
    # Geometry: DALI's arrays.
    "SELECT POINT(ra, dec) AS p FROM bright": shape("p", "point", "2", "pos"),
    "SELECT CIRCLE(ra, dec, 1) AS p FROM bright": shape("p", "circle", "3"),
    "SELECT BOX(ra, dec, 1, 1) AS p FROM bright": shape("p", "polygon", "*"),
    "SELECT CONTAINS(POINT(ra, dec), CIRCLE(1, 2, 3)) AS n FROM bright": number("n", "int"),
    "SELECT DISTANCE(ra, dec, 1, 2) AS n FROM bright": number("n", "double", "deg", "pos.angDistance"),
    "SELECT AREA(CIRCLE(1, 2, 3)) AS n FROM bright": number("n", "double", "deg**2", "phys.angArea"),
    "SELECT COORDSYS(POINT(ra, dec)) AS s FROM bright": text("s"),
    "SELECT x.p FROM (SELECT POINT(ra, dec) AS p FROM bright) AS x": shape("p", "point", "2", "pos"),
}  # fmt: skip


@pytest.mark.parametrize("query", RULES)
def test_rule(query: str, catalogue: Catalogue) -> None:
    assert translate(query, catalogue).columns[0] == RULES[query]


def test_rows_have_the_types_of_the_rules(connection: psycopg2.extensions.connection, catalogue: Catalogue) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT oid, typname FROM pg_type")
        names = dict(cursor.fetchall())
        for query, column in RULES.items():
            cursor.execute(translate(query, catalogue, limit=1).sql)
            assert cursor.description is not None
            assert names[cursor.description[0].type_code] == wanted_type(column), query


NAMES = [
    ("SELECT ra, RA, b.ra FROM bright AS b", ["ra", "ra_2", "ra_3"]),
    ("SELECT ra AS Alpha, ra AS ALPHA FROM bright", ["Alpha", "ALPHA_2"]),
    ('SELECT ra AS "A b", ra AS "a B" FROM bright', ["A b", "a B_2"]),
    ("SELECT ra, ra AS ra_2, ra FROM bright", ["ra", "ra_2", "ra_3"]),
    ("SELECT ra AS ra_2, ra, ra FROM bright", ["ra_2", "ra", "ra_3"]),
    ("SELECT id, * FROM targets", ["id", "id_2", "ra", "dec", "radius", "Mixed Case"]),
    ("SELECT a.id, b.id FROM targets AS a, targets AS b", ["id", "id_2"]),
    ("SELECT x.* FROM (SELECT a.id, b.id FROM targets AS a, targets AS b) AS x", ["id", "id_2"]),
    ("SELECT id, -id, 'a', id + 1, ABS(id), MOD(id, 2) FROM targets",
     ["id", "column_2", "column_3", "column_4", "abs_5", "mod_6"]),
    ("SELECT MIN(id), MIN(id + 1), COUNT(*), COUNT(DISTINCT ra), AVG(ra) FROM targets",
     ["min_id", "min_2", "count_all", "count_ra", "avg_ra"]),
    ("SELECT CAST(id AS REAL), COALESCE(id, 1), IN_UNIT(radius, 'rad'), POINT(ra, dec) FROM targets",
     ["id", "coalesce_2", "radius", "point_4"]),
    ("SELECT DISTANCE(ra, dec, 1, 2), DISTANCE(ra, dec, 3, 4) FROM targets", ["distance_1", "distance_2"]),
    ("SELECT a.id FROM targets AS a UNION SELECT b.field_id FROM fields AS b", ["id"]),
    ("SELECT a.id, a.id FROM targets AS a UNION SELECT 1, 2 FROM fields", ["id", "id_2"]),
    ('SELECT ra AS "\u03a9\u2009\U0001f600", dec AS " " FROM bright', ["\u03a9\u2009\U0001f600", " "]),
    (f"SELECT ra AS {'n' * 200}, dec AS {'n' * 200} FROM bright", ["n" * 200, "n" * 200 + "_2"]),
    (f'SELECT x."{GREEK}" FROM (SELECT ra AS "{GREEK}" FROM bright) AS x', [GREEK]),
    ("SELECT *, * FROM (SELECT 1 AS a FROM bright) AS x", ["a", "a_2"]),
]  # fmt: skip


@pytest.mark.parametrize(("query", "names"), NAMES)
def test_names(query: str, names: list[str], catalogue: Catalogue) -> None:
    assert [column.name for column in translate(query, catalogue).columns] == names


def test_a_thousand_equal_names_stay_different(catalogue: Catalogue) -> None:
    found = translate(f"SELECT {', '.join(['ra'] * 1500)} FROM bright", catalogue).columns
    assert len({column.name for column in found}) == 1500
