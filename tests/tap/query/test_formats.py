"""Formats of results, and columns of every type in each of them."""

from __future__ import annotations

import csv
import io
from typing import Any

import numpy as np
import pytest
from astropy.io.votable import parse_single_table

from tests.conftest import Service
from tests.tap.asking import TABLES, TEXT_TYPE, VOTABLE_TYPE, Answer, adql, ask, assert_error
from vo.core.tables.writers import FORMATS

CASTS = {
    "small": ("CAST(hip AS SMALLINT)", "1"),
    "normal": ("CAST(hip AS INTEGER)", "1"),
    "big": ("CAST(hip AS BIGINT) * 9007199254740993", "9007199254740993"),
    "single": ("CAST(0.1 AS REAL)", "0.1"),
    "twice": ("CAST(0.1 AS DOUBLE PRECISION)", "0.1"),
    "fixed": ("CAST('ab' AS CHAR(2))", "ab"),
    "word": ("CAST('a,\"b\"' AS VARCHAR(20))", 'a,"b"'),
    "moment": ("CAST('2016-01-01T12:00:00' AS TIMESTAMP)", "2016-01-01T12:00:00"),
    "place": ("POINT(10, 20)", "10 20"),
    "disc": ("CIRCLE(10, 20, 1.5)", "10 20 1.5"),
    "patch": ("POLYGON(10, 10, 11, 10, 10.5, 11)", "10 10 11 10 10.5 11"),
}
"""Values of every type that ADQL can make."""
EVERY_TYPE = (
    "SELECT "
    + ", ".join(f"{text} AS {name}" for name, (text, _) in CASTS.items())
    + " FROM hipparcos.hip2 WHERE hip = 1"
)
FIELDS = {
    "small": ("short", None, None),
    "normal": ("int", None, None),
    "big": ("long", None, None),
    "single": ("float", None, None),
    "twice": ("double", None, None),
    "moment": ("char", "*", "timestamp"),
    "place": ("double", "2", "point"),
    "disc": ("double", "3", "circle"),
    "patch": ("double", "*", "polygon"),
}


def table(answer: Answer) -> Any:
    """Read a VOTable as astropy does; its warnings are errors in the tests."""
    assert answer.status == 200, answer.text[:1000]
    return parse_single_table(io.BytesIO(answer.body), verify="exception")


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.name)
def test_every_declared_name_of_a_format(service: Service, form: Any) -> None:
    for asked in (form.name, form.media_type, *form.aliases):
        answer = adql(service, TABLES, RESPONSEFORMAT=asked, MAXREC="1")
        assert answer.status == 200
        if "/" in asked and asked.split("/")[0] in ("text", "application"):
            assert answer.type.removesuffix(";charset=utf-8").startswith(asked)
        else:
            assert answer.type == form.content_type
        assert f'filename="tap_schema-tables{form.extension}"' in answer.headers["Content-Disposition"]


@pytest.mark.parametrize(
    ("asked", "answered", "element"),
    [
        ("", VOTABLE_TYPE, "BINARY2"),
        ("votable", VOTABLE_TYPE, "BINARY2"),
        ("VOTable/TD", f"{VOTABLE_TYPE};serialization=tabledata", "TABLEDATA"),
        ("text/xml", "text/xml", "BINARY2"),
        ("application/x-votable+xml", VOTABLE_TYPE, "BINARY2"),
        ("application/x-votable+xml;serialization=BINARY", f"{VOTABLE_TYPE};serialization=BINARY", "BINARY"),
        ("application/x-votable+xml; serialization=tabledata", f"{VOTABLE_TYPE};serialization=tabledata", "TABLEDATA"),
        ("application/x-votable xml", VOTABLE_TYPE, "BINARY2"),
    ],
)
def test_the_answer_has_the_type_that_was_asked_for(service: Service, asked: str, answered: str, element: str) -> None:
    answer = adql(service, TABLES, RESPONSEFORMAT=asked)
    assert answer.type == answered
    assert len(answer.elements(element)) == 1


@pytest.mark.parametrize(
    "asked", ["hdf5", "latex", "application/xml", "votable/xy", "votable;;", "../../etc/passwd", "a" * 9000]
)
def test_unknown_formats_are_refused(service: Service, asked: str) -> None:
    message = assert_error(adql(service, TABLES, RESPONSEFORMAT=asked), 400, "RESPONSEFORMAT", "votable/td", "csv")
    assert len(message) < 600


def test_an_unknown_text_format_is_refused_in_text(service: Service) -> None:
    assert_error(adql(service, TABLES, FORMAT="text/latex"), 400, "RESPONSEFORMAT", media_type=TEXT_TYPE)


@pytest.mark.parametrize("form", ["votable", "votable/b", "votable/td"])
def test_every_type_in_votable(service: Service, form: str) -> None:
    answer = adql(service, EVERY_TYPE, RESPONSEFORMAT=form)
    fields = {field["name"]: field for field in answer.fields()}
    for name, (datatype, arraysize, xtype) in FIELDS.items():
        field = fields[name]
        assert (field["datatype"], field.get("arraysize"), field.get("xtype")) == (datatype, arraysize, xtype), name
    [row] = table(answer).array
    assert (row["small"], row["normal"], row["big"]) == (1, 1, 9007199254740993)
    assert row["single"] == np.float32(0.1)
    assert row["twice"] == 0.1
    assert (row["fixed"], row["word"]) == ("ab", 'a,"b"')
    assert row["moment"] == "2016-01-01T12:00:00"
    assert list(row["place"]) == [10, 20]
    assert list(row["disc"]) == [10, 20, 1.5]
    assert list(row["patch"]) == [10, 10, 11, 10, 10.5, 11]


@pytest.mark.parametrize(
    "text", ["'é★'", "LOWER('É★')", "'é' || '★'", "CAST('é★' AS VARCHAR(5))", "COALESCE(NULL, 'é★')"]
)
def test_strings_beyond_ascii_are_unicode(service: Service, text: str) -> None:
    answer = adql(service, f"SELECT TOP 1 {text} AS s FROM tap_schema.tables")
    assert [field["datatype"] for field in answer.fields()] == ["unicodeChar"]
    assert table(answer).array["s"][0] == "é★"


def test_a_set_operation_holds_the_strings_of_both_sides(service: Service) -> None:
    query = "SELECT 'a' AS s FROM tap_schema.tables UNION SELECT 'é' AS s FROM tap_schema.tables"
    answer = adql(service, query)
    assert [field["datatype"] for field in answer.fields()] == ["unicodeChar"]
    assert sorted(table(answer).array["s"]) == ["a", "é"]


@pytest.mark.parametrize(("form", "separator"), [("csv", ","), ("tsv", "\t")])
def test_every_type_in_text(service: Service, form: str, separator: str) -> None:
    answer = adql(service, EVERY_TYPE, RESPONSEFORMAT=form)
    reader = csv.reader(io.StringIO(answer.text), delimiter=separator, quoting=csv.QUOTE_MINIMAL)
    header, row = list(reader)
    assert header == list(CASTS)
    assert row == [value for _, value in CASTS.values()]


@pytest.mark.parametrize("form", ["votable", "votable/b", "votable/td"])
def test_nulls(service: Service, form: str) -> None:
    query = """
        SELECT column_name, unit, xtype, "size", column_index FROM tap_schema.columns
        WHERE table_name = 'hipparcos.hip2' AND column_name IN ('hip', 'uw') ORDER BY column_name"""
    rows = table(adql(service, query, RESPONSEFORMAT=form)).array
    assert list(rows["column_name"]) == ["hip", "uw"]
    assert rows["size"].mask.tolist() == [True, False]
    assert rows["size"][1] == 15
    assert [text or None for text in rows["xtype"].tolist()] == [None, None]
    assert rows["column_index"].mask.tolist() == [False, False]


@pytest.mark.parametrize("form", ["votable", "votable/b", "votable/td"])
def test_an_array_column(service: Service, form: str) -> None:
    answer = adql(service, "SELECT TOP 3 hip, uw FROM hipparcos.hip2 ORDER BY hip", RESPONSEFORMAT=form)
    field = answer.fields()[1]
    assert (field["datatype"], field["arraysize"], field["ucd"]) == ("double", "15", "stat.weight")
    rows = table(answer).array
    assert rows["uw"].shape == (3, 15)
    text = adql(service, "SELECT TOP 3 uw FROM hipparcos.hip2 ORDER BY hip", FORMAT="csv").csv()
    assert np.array_equal(rows["uw"], np.array([[float(number) for number in row[0].split()] for row in text]))


def test_metadata_of_plain_columns_and_names_of_others(service: Service) -> None:
    query = 'SELECT TOP 1 ra, dec AS d, ra + dec, AVG(plx) AS "My mean", COUNT(*) FROM hipparcos.hip2 GROUP BY ra, dec'
    ra, dec, total, mean, count = adql(service, query).fields()
    assert (ra["name"], ra["unit"], ra["ucd"]) == ("ra", "deg", "pos.eq.ra;meta.main")
    assert (dec["name"], dec["unit"], dec["ucd"]) == ("d", "deg", "pos.eq.dec;meta.main")
    assert total["name"].isidentifier()
    assert mean["name"] == "My mean"
    assert (count["name"].isidentifier(), count["datatype"]) == (True, "long")
    assert len({field["ID"] for field in (ra, dec, total, mean, count)}) == 5


def test_equal_names_are_told_apart(service: Service) -> None:
    fields = adql(service, "SELECT TOP 1 ra, ra, dec AS RA FROM hipparcos.hip2").fields()
    assert len({field["name"].lower() for field in fields}) == 3


def test_declared_formats_are_those_that_work(service: Service) -> None:
    document = ask(service, "/tap/capabilities").xml()
    declared = [element.text for element in document.iter("mime")]
    assert declared == [form.media_type for form in FORMATS]
