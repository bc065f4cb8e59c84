"""Names: what they mean, what is refused with which hint, and what the dialect rules otherwise."""

from __future__ import annotations

import gc
from dataclasses import replace
from weakref import ref

import pytest

from tap.adql import FEATURES, ADQLError, Catalogue, Dialect, features, translate

from .conftest import STARS


def test_a_star_keeps_all_metadata(catalogue: Catalogue) -> None:
    published = tuple(column.column for column in STARS.columns)
    assert translate("SELECT * FROM gaia_dr3.bright", catalogue).columns == published


def test_tables_are_reported(catalogue: Catalogue) -> None:
    found = translate("SELECT b.ra FROM BRIGHT b, tap_upload.targets, tap_schema.COLUMNS", catalogue)
    assert found.tables == {"gaia_dr3.bright", "tap_upload.targets", "TAP_SCHEMA.columns"}


def test_the_limit_is_the_smaller_one(catalogue: Catalogue) -> None:
    assert translate("SELECT TOP 5 ra FROM bright", catalogue, limit=10).sql.endswith("LIMIT 5")
    assert translate("SELECT TOP 50 ra FROM bright OFFSET 3", catalogue, limit=10).sql.endswith("LIMIT 10 OFFSET 3")
    assert translate("SELECT ra FROM bright UNION SELECT dec FROM bright", catalogue, limit=7).sql.endswith("LIMIT 7")


def test_tables_of_a_query_are_forgotten_with_it(catalogue: Catalogue) -> None:
    extended = catalogue.extended([replace(STARS, name="tap_upload.mine")])
    seen = ref(extended.tables[-1])
    assert translate("SELECT * FROM TAP_UPLOAD.mine", extended).tables == {"tap_upload.mine"}
    del extended
    gc.collect()
    assert seen() is None


ERRORS = [
    ("SELECT raa FROM bright", "Did you mean ra"),
    ("SELECT ra FROM brihgt", "Did you mean bright"),
    ("SELECT b.ra FROM bright", "no table b"),
    ("SELECT ra FROM bright, targets", "ambiguous"),
    ("SELECT ra FROM bright, bright", "Two tables"),
    ("SELECT ivo_haswrd(name, 'x') FROM bright", "ivo_hasword"),
    ("SELECT SQRT(1, 2) FROM bright", "2 arguments"),
    ("SELECT size FROM TAP_SCHEMA.columns", '"size"'),
    ('SELECT "RA" FROM bright', "no column RA"),
    ("SELECT ra FROM bright WHERE name = 5", "cannot compare"),
    ("SELECT ra FROM bright WHERE ra LIKE 'a'", "LIKE takes"),
    ('SELECT ra FROM bright WHERE name = "x"', "single quotes"),
    ("SELECT ra FROM bright WHERE ra BETWEEN 'a' AND 'b'", "cannot compare"),
    ("SELECT ra FROM bright WHERE ra IN (1, 'b')", "cannot compare"),
    ("SELECT ra + name FROM bright", "Arithmetic takes"),
    ("SELECT ra || name FROM bright", "|| takes"),
    ("SELECT POINT(ra, dec) + 1 FROM bright", "a point"),
    ("SELECT ra FROM bright WHERE POINT(ra, dec) = POINT(1, 2)", "CONTAINS"),
    ("SELECT ra FROM bright WHERE COUNT(*) > 1", "HAVING"),
    ("SELECT MAX(MIN(ra)) FROM bright", "cannot stand in an aggregate"),
    ("SELECT ra, COUNT(*) FROM bright", "many values"),
    ("SELECT ra, dec FROM bright GROUP BY ra", "column dec"),
    ("SELECT ra FROM bright GROUP BY ra ORDER BY dec", "column dec"),
    ("SELECT ra FROM bright GROUP BY ra HAVING dec > 1", "column dec"),
    ("SELECT ra FROM bright ORDER BY 2", "one column"),
    ("SELECT DISTINCT ra FROM bright ORDER BY dec", "DISTINCT"),
    ("SELECT ra FROM bright UNION SELECT ra, dec FROM bright", "1 and 2 columns"),
    ("SELECT ra FROM bright UNION SELECT name FROM bright", "differ"),
    ("SELECT ra FROM bright UNION SELECT dec FROM bright ORDER BY dec", "columns of its result"),
    ("SELECT 1/0 FROM bright", "Division by zero"),
    ("SELECT 2000000000 + 2000000000 FROM bright", "out of range"),
    ("SELECT LOG(-1) FROM bright", "not defined"),
    ("SELECT IN_UNIT(source_id, 'deg') FROM bright", "not known"),
    ("SELECT IN_UNIT(ra, 'furlongs_') FROM bright", "not a unit"),
    ("SELECT IN_UNIT(ra, 'kg') FROM bright", "cannot be converted"),
    ("SELECT CAST('abc' AS INTEGER) FROM bright", "not a value"),
    ("SELECT CAST('2020-13-01' AS TIMESTAMP) FROM bright", "not a timestamp"),
    ("SELECT CAST(70000 AS SMALLINT) FROM bright", "not a value"),
    ("SELECT ra FROM bright WHERE seen > 'yesterday'", "not a timestamp"),
    ("SELECT ra FROM bright WHERE variable = 'maybe'", "boolean"),
    ("SELECT ra FROM bright WHERE spectrum = 1", "an array"),
    ("SELECT CONTAINS(POINT('GALACTIC', ra, dec), CIRCLE('ICRS', 1, 2, 3)) FROM bright", "ivo_geom_transform"),
    ("SELECT POINT('From ' || 'here', ra, dec) FROM bright", "coordinate system"),
    ("SELECT POINT(name, ra, dec) FROM bright", "coordinate system"),
    ("SELECT POINT(1, 95) FROM bright", "latitude"),
    ("SELECT CIRCLE(1, 2, 181) FROM bright", "radius"),
    ("SELECT ra FROM bright WHERE DISTANCE(ra, dec, 1, 2) < -1", "radius"),
    ("SELECT POLYGON(1, 2, 3, 4) FROM bright", "three points"),
    ("SELECT REGION('Union ICRS (Circle 1 2 3)') FROM bright", "UNION"),
    ("SELECT REGION(name) FROM bright", "literal string"),
    ("SELECT CONTAINS(CIRCLE(1, 2, 3), POINT(1, 2)) FROM bright", "Swap"),
    ("SELECT CONTAINS(ra, CIRCLE(1, 2, 3)) FROM bright", "takes geometries"),
    ("SELECT b.ra FROM bright b FULL JOIN targets t ON DISTANCE(b.ra, b.dec, t.ra, t.dec) < 1", "FULL JOIN"),
    ("SELECT id FROM bright b JOIN targets t USING (source_id)", "USING"),
    ("SELECT a.ra FROM bright a LEFT JOIN targets b", "needs ON"),
    ("SELECT a.ra FROM bright a, targets t JOIN fields f ON a.ra = f.field_id", "no table a"),
    ("SELECT ra FROM bright WHERE ra IN (SELECT ra, dec FROM bright)", "one column"),
    ("SELECT ra FROM bright WHERE seen IN (SELECT name FROM bright)", "CAST"),
    ("SELECT COUNT(DISTINCT POINT(ra, dec)) FROM bright", "computed"),
    ("SELECT ROUND(ra, dec) FROM bright", "literal integer"),
    ("SELECT ivo_healpix_index(30, 1, 1) FROM bright", "0 to 29"),
    ("WITH a AS (SELECT ra FROM bright), A AS (SELECT ra FROM bright) SELECT ra FROM a", "Two queries"),
]


@pytest.mark.parametrize(("query", "part"), ERRORS)
def test_errors(query: str, part: str, catalogue: Catalogue) -> None:
    with pytest.raises(ADQLError) as caught:
        translate(query, catalogue)
    assert part in caught.value.text()
    assert caught.value.line is not None


def test_accepted_forms(catalogue: Catalogue) -> None:
    for query in (
        "SELECT *, ra + 1 FROM bright;",
        "SELECT a.ra FROM bright a JOIN targets b WHERE a.ra = b.ra",
        "SELECT POINT(NULL, ra, dec), POINT('', ra, dec), CIRCLE('ICRS GEOCENTER', ra, dec, 1) FROM bright",
        "SELECT POINT('J2000', 1, 2) FROM bright",
        'SELECT "Mixed Case", mixed FROM (SELECT "Mixed Case", id AS mixed FROM targets) AS x',
        'SELECT "size" FROM tap_schema.columns WHERE std = 1',
        "SELECT ra FROM bright WHERE variable = 'true' OR variable = 0 OR seen > '2020-01-01'",
        "SELECT ra FROM bright b WHERE EXISTS (SELECT id FROM targets t WHERE t.ra = b.ra)",
        "SELECT phot_g_mean_mag AS m, COUNT(*) AS n FROM bright GROUP BY m ORDER BY n DESC, m",
    ):
        assert translate(query, catalogue).sql


def test_dialect_settings(catalogue: Catalogue) -> None:
    with pytest.raises(ADQLError, match="needs ON"):
        translate("SELECT a.ra FROM bright a JOIN targets b", catalogue, dialect=Dialect(join_without_condition=False))
    with pytest.raises(ADQLError, match="alone"):
        translate("SELECT *, ra FROM bright", catalogue, dialect=Dialect(star_among_items=False))


def test_features_name_every_optional_feature() -> None:
    types = {name.removeprefix("ivo://ivoa.net/std/tapregext#features-") for name in FEATURES}
    assert types == {
        "adqlgeo", "adql-string", "adql-common-table", "adql-sets", "adql-type", "adql-conditional", "adql-unit",
        "adql-offset", "udf", "ivo://org.gavo.dc/std/exts#extra-adql-keywords",
    }  # fmt: skip
    forms = [feature.form for feature in FEATURES["ivo://ivoa.net/std/tapregext#features-udf"]]
    assert "ivo_hasword(haystack TEXT, needle TEXT) -> INTEGER" in forms
    assert all(feature.description for feature in FEATURES["ivo://ivoa.net/std/tapregext#features-udf"])
    assert not any("simbad" in form for form in forms)
    asking = features(Dialect(simbad=lambda _: None))["ivo://ivoa.net/std/tapregext#features-udf"]
    assert any("ivo_simbadpoint" in feature.form for feature in asking)
