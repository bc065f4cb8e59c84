"""Uploaded tables in queries: what they are called, NaN, the order of rows."""

from __future__ import annotations

import random

import numpy as np
import pyarrow as pa
import pytest

from tests.conftest import Service
from tests.tap.asking import assert_error
from tests.tap.upload.sending import ask_with, parquet, send

NAN = float("nan")
NUMBERS = parquet(
    k=pa.array([1, 2, 3, 4, 5]), x=pa.array([1.5, NAN, None, -2.0, NAN]), y=pa.array([NAN, 1, 2, None, 5], pa.float32())
)


def rows(service: Service, query: str, **tables: bytes) -> list[list[str]]:
    return ask_with(service, query, tables or {"t": NUMBERS}).csv()


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        # For the client NaN and null are two things …
        ("SELECT k, x FROM TAP_UPLOAD.t", [["1", "1.5"], ["2", "NaN"], ["3", ""], ["4", "-2"], ["5", "NaN"]]),
        ("SELECT q.x FROM (SELECT x, k FROM TAP_UPLOAD.t) AS q WHERE q.k = 2", [["NaN"]]),
        ("WITH q AS (SELECT x, k FROM TAP_UPLOAD.t) SELECT q.x FROM q WHERE q.k = 5", [["NaN"]]),
        # … and conditions, expressions and aggregates know neither.
        ("SELECT k FROM TAP_UPLOAD.t WHERE x > 0", [["1"]]),
        ("SELECT k FROM TAP_UPLOAD.t WHERE x <> 1.5", [["4"]]),
        ("SELECT k FROM TAP_UPLOAD.t WHERE x IS NULL", [["2"], ["3"], ["5"]]),
        ("SELECT q.k FROM (SELECT x, k FROM TAP_UPLOAD.t) AS q WHERE q.x > 0", [["1"]]),
        ("SELECT k, x + 1 AS z FROM TAP_UPLOAD.t WHERE k < 4", [["1", "2.5"], ["2", ""], ["3", ""]]),
        ("SELECT COUNT(x) AS n, MAX(x) AS m, AVG(x) AS a FROM TAP_UPLOAD.t", [["2", "1.5", "-0.25"]]),
        ("SELECT k FROM TAP_UPLOAD.t ORDER BY x, k", [["4"], ["1"], ["2"], ["3"], ["5"]]),
        ("SELECT x, COUNT(*) AS n FROM TAP_UPLOAD.t GROUP BY x ORDER BY n, x", [["-2", "1"], ["1.5", "1"], ["", "3"]]),
        ("SELECT DISTINCT x FROM TAP_UPLOAD.t ORDER BY x", [["-2"], ["1.5"], [""]]),
        ("SELECT COUNT(*) AS n FROM TAP_UPLOAD.t AS a JOIN TAP_UPLOAD.t AS b ON a.x = b.x", [["2"]]),
        ("SELECT COUNT(*) AS n FROM TAP_UPLOAD.t AS a JOIN TAP_UPLOAD.t AS b USING (x)", [["2"]]),
        ("SELECT k FROM TAP_UPLOAD.t WHERE x IN (SELECT x FROM TAP_UPLOAD.t) ORDER BY k", [["1"], ["4"]]),
        ("SELECT COALESCE(x, 0) AS z FROM TAP_UPLOAD.t WHERE k = 2", [["0"]]),
        ("SELECT k FROM TAP_UPLOAD.t WHERE y > x", []),
        # Nor does a query around a union of which only a later part has NaN, or around shapes with NaN in them.
        (
            "SELECT z FROM (SELECT 3.5 AS z FROM TAP_UPLOAD.t UNION ALL SELECT x FROM TAP_UPLOAD.t) AS q WHERE z > 1 "
            "GROUP BY z ORDER BY z",
            [["1.5"], ["3.5"]],
        ),
        (
            "SELECT MAX(z) AS m FROM (SELECT k AS z FROM TAP_UPLOAD.t UNION ALL SELECT x FROM TAP_UPLOAD.t) AS q",
            [["5"]],
        ),
        (
            "SELECT k FROM (SELECT k, POINT(x, y) AS p FROM TAP_UPLOAD.t) AS q WHERE COORD1(p) > -9 ORDER BY k",
            [["1"], ["4"]],
        ),
        (
            "SELECT k FROM (SELECT k, CIRCLE(1, 2, y) AS c FROM TAP_UPLOAD.t) AS q WHERE AREA(c) > 0 ORDER BY k",
            [["2"], ["3"], ["5"]],
        ),
    ],
)
def test_nan_is_kept_and_is_unknown_to_conditions(service: Service, query: str, expected: list[list[str]]) -> None:
    assert rows(service, query) == expected


def test_a_null_stays_null_and_nan_nan_through_unions(service: Service) -> None:
    query = "SELECT x FROM TAP_UPLOAD.t WHERE k IN (2, 3) UNION ALL SELECT x FROM TAP_UPLOAD.t WHERE k = 1"
    assert sorted(rows(service, query)) == [[""], ["1.5"], ["NaN"]]


def stars(count: int) -> tuple[list[int], bytes]:
    """Rows in an order that is not that of the sky, positions without place among them."""
    numbers = list(range(count))
    random.Random(5).shuffle(numbers)
    ra = [NAN if number % 97 == 0 else number * 359.9 / count for number in numbers]
    dec = [None if number % 89 == 0 else 100.0 if number % 83 == 0 else number * 180 / count - 90 for number in numbers]
    return numbers, parquet(n=pa.array(numbers), ra=pa.array(ra), dec=pa.array(dec))


def test_rows_come_back_in_the_order_in_which_they_were_sent(service: Service) -> None:
    numbers, table = stars(3000)
    assert [int(row[0]) for row in rows(service, "SELECT n FROM TAP_UPLOAD.t", t=table)] == numbers
    found = rows(service, "SELECT TOP 5 * FROM TAP_UPLOAD.t WHERE n > 1000", t=table)
    assert [int(row[0]) for row in found] == [number for number in numbers if number > 1000][:5]
    assert [len(row) for row in found] == [3] * 5  # and nothing of how that is done is seen
    cut = ask_with(service, "SELECT n FROM TAP_UPLOAD.t", {"t": table}, MAXREC="7").csv()
    assert [int(row[0]) for row in cut] == numbers[:7]


def test_positions_off_the_sky_are_kept_and_match_nothing(service: Service) -> None:
    _, table = stars(3000)
    back = rows(service, "SELECT n, ra, dec FROM TAP_UPLOAD.t", t=table)
    kinds = {int(n): (ra, dec) for n, ra, dec in back}
    assert kinds[97][0] == "NaN"
    assert kinds[89][1] == ""
    assert kinds[83][1] == "100"
    inside = rows(service, "SELECT n FROM TAP_UPLOAD.t WHERE 1 = CONTAINS(POINT(ra, dec), CIRCLE(180, 0, 20))", t=table)
    ra, dec = (
        np.radians([n * 359.9 / 3000 for n in range(3000)]),
        np.radians([n * 180 / 3000 - 90 for n in range(3000)]),
    )
    near = np.cos(dec) * np.cos(ra - np.pi) > np.cos(np.radians(20))
    expected = {n for n in np.flatnonzero(near).tolist() if n % 97 and n % 89 and n % 83}
    assert {int(row[0]) for row in inside} == expected


ODD = {
    "select": [1],
    "My Name": [2],
    'a"b': [3],
    "x": [4],
    "X": [5],
    "": [6],
    "é✓": [7],
    "n" * 200: [8],
    "ctid": [9],
    "c1": [10],
    "row_number": [11],
}


@pytest.mark.parametrize(
    ("name", "value"),
    [(name, values[0]) for name, values in ODD.items() if name],
)
def test_odd_column_names_work_quoted(service: Service, name: str, value: int) -> None:
    quoted = name.replace('"', '""')
    query = f'SELECT "{quoted}" FROM TAP_UPLOAD.t WHERE t."{quoted}" = {value}'
    assert rows(service, query, t=parquet(**ODD)) == [[str(value)]]


def test_all_columns_of_odd_names_come_back(service: Service) -> None:
    answer = ask_with(service, "SELECT * FROM tap_upload.T", {"t": parquet(**ODD)}, RESPONSEFORMAT="votable/td")
    assert [field["name"] for field in answer.fields()][:5] == [*list(ODD)[:4], "X_2"]
    assert answer.rows() == [[str(number) for number in range(1, 12)]]


def test_an_uploaded_table_can_be_called_without_its_schema_and_is_only_there_for_its_query(service: Service) -> None:
    assert rows(service, "SELECT COUNT(*) AS n FROM t") == [["5"]]
    assert_error(
        ask_with(service, "SELECT * FROM TAP_UPLOAD.t", {}, RESPONSEFORMAT="votable"), 400, "no table TAP_UPLOAD.t"
    )
    names = "SELECT table_name FROM tap_schema.tables WHERE table_name LIKE 'tap_upload%'"
    assert rows(service, names) == []


def test_several_tables_are_joined(service: Service) -> None:
    a = parquet(k=pa.array([1, 2, 3]), name=pa.array(["a", "b", "c"]))
    b = parquet(k=pa.array([3, 2, 5]), z=pa.array([True, None, False]))
    query = "SELECT a.name, b.z FROM TAP_UPLOAD.a AS a JOIN TAP_UPLOAD.b AS b ON a.k = b.k ORDER BY a.k"
    assert rows(service, query, a=a, b=b) == [["b", ""], ["c", "true"]]


def test_types_round_trip(service: Service) -> None:
    table = parquet(
        u=pa.array([0, 255, None], pa.uint8()),
        i=pa.array([-(2**63), 2**63 - 1, None]),
        f=pa.array([float("inf"), -0.0, 1e-40], pa.float32()),
        b=pa.array([True, None, False]),
        s=pa.array(["", None, 'é"✓\n']),
        l=pa.array([[1.5, NAN], [], None], pa.list_(pa.float64())),
        m=pa.array([[1, -2], [3], None], pa.list_(pa.int16())),
        o=pa.array([[True, False], [], None], pa.list_(pa.bool_())),
        d=pa.array([0, 1, None], pa.timestamp("us")),
    )
    answer = ask_with(service, "SELECT * FROM TAP_UPLOAD.t", {"t": table}, RESPONSEFORMAT="votable/td")
    assert [(field["datatype"], field.get("arraysize"), field.get("xtype")) for field in answer.fields()] == [
        ("unsignedByte", None, None),
        ("long", None, None),
        ("float", None, None),
        ("boolean", None, None),
        ("unicodeChar", "*", None),
        ("double", "*", None),
        ("short", "*", None),
        ("boolean", "*", None),
        ("char", "*", "timestamp"),
    ]
    first, second, third = answer.rows()
    assert first == ["0", str(-(2**63)), "+Inf", "T", None, "1.5 NaN", "1 -2", "T F", "1970-01-01T00:00:00"]
    assert second[0] == "255"
    assert third[4] == 'é"✓\n'
    assert third[5:] == [None] * 4


def test_a_row_that_the_database_cannot_hold(service: Service) -> None:
    table = parquet(**{f"c{number}": ["some text"] for number in range(900)})
    answer = send(service, "SELECT COUNT(*) AS n FROM TAP_UPLOAD.t", {"t": table})
    assert_error(answer, 400, "Upload t: A row is too large", "Leave columns out")
