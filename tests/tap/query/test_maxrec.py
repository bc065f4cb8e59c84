"""How many rows: MAXREC, TOP and the exact mark of what was cut."""

from __future__ import annotations

import pytest

from tests.conftest import BIG_ROWS, Service
from tests.tap.asking import COLUMNS, TEXT_TYPE, adql, assert_error

STANDARD_COLUMNS = 32
"""Columns by which TAP_SCHEMA 1.1 describes itself."""


@pytest.mark.parametrize(
    ("maxrec", "rows", "statuses"),
    [
        ("0", 0, ["OK", "OVERFLOW"]),
        ("1", 1, ["OK", "OVERFLOW"]),
        (str(STANDARD_COLUMNS - 1), STANDARD_COLUMNS - 1, ["OK", "OVERFLOW"]),
        (str(STANDARD_COLUMNS), STANDARD_COLUMNS, ["OK"]),
        (str(STANDARD_COLUMNS + 1), STANDARD_COLUMNS, ["OK"]),
        ("999999999999999999", STANDARD_COLUMNS, ["OK"]),
        ("+5", 5, ["OK", "OVERFLOW"]),
        (" 5 ", 5, ["OK", "OVERFLOW"]),
        ("", STANDARD_COLUMNS, ["OK"]),
    ],
)
def test_rows_and_overflow(service: Service, maxrec: str, rows: int, statuses: list[str]) -> None:
    answer = adql(service, COLUMNS, MAXREC=maxrec, RESPONSEFORMAT="votable/td")
    assert len(answer.rows()) == rows
    assert answer.statuses() == statuses
    assert [field["name"] for field in answer.fields()] == ["table_name", "column_name"]


def test_the_overflow_comes_after_the_table(service: Service) -> None:
    answer = adql(service, COLUMNS, MAXREC="2")
    [resource] = answer.elements("RESOURCE")
    names = [child.tag.split("}")[1] + ":" + child.attrib.get("value", "") for child in resource]
    assert names[0] == "INFO:OK"
    assert names[-2:] == ["TABLE:", "INFO:OVERFLOW"]
    assert "2 returned" in (answer.infos("QUERY_STATUS")[1].text or "")


def test_top_is_no_overflow(service: Service) -> None:
    top = COLUMNS.replace("SELECT", "SELECT TOP 5")
    assert adql(service, top, MAXREC="5").statuses() == ["OK"]
    assert adql(service, top, MAXREC="4").statuses() == ["OK", "OVERFLOW"]
    assert adql(service, top, MAXREC="6").statuses() == ["OK"]


@pytest.mark.parametrize("maxrec", [BIG_ROWS - 1, BIG_ROWS, BIG_ROWS + 1])
def test_overflow_of_a_streamed_result(service: Service, maxrec: int) -> None:
    answer = adql(service, "SELECT * FROM demo.big", MAXREC=str(maxrec), RESPONSEFORMAT="votable/td")
    assert answer.headers["Transfer-Encoding"] == "chunked"
    assert len(answer.rows()) == min(maxrec, BIG_ROWS)
    assert answer.statuses() == (["OK", "OVERFLOW"] if maxrec < BIG_ROWS else ["OK"])


@pytest.mark.parametrize("maxrec", ["-1", "many", "1.5", "1e3", "0x10", "5 rows", "9" * 19, "9" * 5000, "٣", "NaN"])
def test_not_a_number_of_rows(service: Service, maxrec: str) -> None:
    reason = "is too large" if set(maxrec) == {"9"} else "not an integer of at least 0"
    message = assert_error(adql(service, COLUMNS, MAXREC=maxrec), 400, "MAXREC", reason)
    assert len(message) < 200
    assert_error(adql(service, COLUMNS, MAXREC=maxrec, FORMAT="csv"), 400, "MAXREC", media_type=TEXT_TYPE)


def test_maxrec_zero_in_every_format(service: Service) -> None:
    for form in ("votable", "votable/b", "votable/td"):
        answer = adql(service, COLUMNS, MAXREC="0", RESPONSEFORMAT=form)
        assert len(answer.fields()) == 2
        assert answer.statuses() == ["OK", "OVERFLOW"]
    assert adql(service, COLUMNS, MAXREC="0", FORMAT="csv").text.splitlines() == ["table_name,column_name"]
    assert adql(service, COLUMNS, MAXREC="0", FORMAT="tsv").text.splitlines() == ["table_name\tcolumn_name"]


def test_no_rows_is_a_result(service: Service) -> None:
    answer = adql(service, f"{COLUMNS} AND 1 = 0")
    assert answer.statuses() == ["OK"]
    assert len(answer.fields()) == 2
    assert adql(service, f"{COLUMNS} AND 1 = 0", FORMAT="csv").csv() == []
