"""What is known of selections before they are read, and what is wrong with them."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from tests.conftest import BIG_ROWS
from tests.tap.selection.asking import Desk, file
from tests.tap.upload.sending import parquet
from uws.tasks.selections import Described
from vo.core.errors import ParameterError, ServiceError, UsageError
from vo.core.tables import Datatype


def described(desk: Desk, text: str) -> Described:
    with desk.of({"1": text}, label="describing") as opened:
        return opened.describe("1")


@pytest.fixture
def stars(tmp_path: Path) -> Path:
    path = tmp_path / "stars.parquet"
    path.write_bytes(parquet(id=[1, 2, 3], RA=[1.0, 2.0, 3.0], DEC=[4.0, 5.0, 6.0]))
    return path


@pytest.mark.parametrize("name", ["demo.big", "DEMO.Big", '"demo"."big"', ' demo . "big" ', "big"])
def test_a_table(desk: Desk, name: str) -> None:
    known = described(desk, f"={name}")
    assert (known.rows, known.source, known.position) == (BIG_ROWS, "table demo.big", ("ra", "dec"))
    assert known.columns[0].name == "source_id"
    assert known.columns[0].datatype is Datatype.LONG
    assert known.columns[1].ucd == "pos.eq.ra;meta.main"


@pytest.mark.parametrize(
    ("query", "rows", "position"),
    [
        ("SELECT ra, dec, pmra FROM demo.big", BIG_ROWS, ("ra", "dec")),
        ('SELECT b."dec" AS y, b.ra AS x FROM demo.big AS b;', BIG_ROWS, ("x", "y")),
        ("SELECT b.*, ra AS again FROM demo.big AS b", BIG_ROWS, ("ra", "dec")),
        ("SELECT dec, pmra FROM demo.big", BIG_ROWS, None),
        ("SELECT ra + 1 AS ra, dec FROM demo.big", BIG_ROWS, None),
        ("SELECT ra, dec FROM demo.big WHERE random_index = 7", 1, None),
        ("SELECT TOP 10 ra, dec FROM demo.big", 10, None),
        ("SELECT TOP 999999999999 ra, dec FROM demo.big", BIG_ROWS, None),
        ("SELECT COUNT(*) AS n FROM demo.big", 1, None),
        ("SELECT DISTINCT ra, dec FROM demo.big", None, None),
        ("SELECT ra, dec FROM demo.big ORDER BY ra", BIG_ROWS, None),
        ("SELECT ra, dec FROM demo.big OFFSET 10", None, None),
        ("WITH b AS (SELECT * FROM demo.big) SELECT ra, dec FROM b", None, None),
        ("SELECT ra, dec FROM demo.big UNION ALL SELECT ra, dec FROM demo.big", 2 * BIG_ROWS, None),
        ("SELECT a.ra, a.dec FROM demo.big AS a, demo.big AS b", BIG_ROWS**2, None),
    ],
)
def test_a_query(desk: Desk, query: str, rows: int | None, position: tuple[str, str] | None) -> None:
    known = described(desk, query)
    assert known.position == position
    assert known.rows is not None
    assert rows is None or abs(known.rows - rows) <= 0.01 * rows
    assert known.source.startswith("query of demo.big")


def test_columns_of_one_name(desk: Desk) -> None:
    known = described(desk, "SELECT a.ra, b.ra, b.dec AS RA FROM demo.big AS a, demo.big AS b")
    assert [column.name for column in known.columns] == ["ra", "ra_2", "RA_3"]


def test_a_table_that_came_along(desk: Desk, stars: Path) -> None:
    with desk.of({"1": None, "2": "=TAP_UPLOAD.mine", "3": "=tap_upload.\"mine\""}, "mine,param:f;other,param:f",
                 f=file(stars)) as opened:  # fmt: skip
        known = [opened.describe(name) for name in "123"]
        assert desk.loaded() == []
    assert [one.source for one in known] == ["upload TAP_UPLOAD.other", *["upload TAP_UPLOAD.mine"] * 2]
    assert [(one.rows, one.position) for one in known] == [(3, None)] * 3
    assert [column.name for column in known[0].columns] == ["id", "RA", "DEC"]


def test_a_query_of_what_came_along(desk: Desk, stars: Path) -> None:
    queries = {
        "1": "SELECT m.id, b.* FROM TAP_UPLOAD.mine AS m JOIN demo.big AS b ON DISTANCE(m.ra, m.dec, b.ra, b.dec) < 1",
        "2": "SELECT TOP 2 * FROM mine",
        "3": None,
    }
    with desk.of(queries, "mine,param:f", "rest,param:f", f=file(stars)) as opened:
        assert [opened.describe(name).rows for name in queries] == [3, 2, 3]
        assert opened.describe("3").source == "upload TAP_UPLOAD.rest"
        assert desk.loaded() == []


def test_rows_of_a_file_that_does_not_say_them(desk: Desk, tmp_path: Path) -> None:
    text = "# %ECSV 1.0\n# ---\n# datatype:\n# - {name: a, datatype: float64}\n# - {name: b, datatype: int64}\na b\n"
    rows = "".join(f"{1000 / (i + 1):.9f} {i * 977}\n" for i in range(2000))
    for name, content in (("t.ecsv", (text + rows).encode()), ("t.ecsv.gz", gzip.compress((text + rows).encode()))):
        (tmp_path / name).write_bytes(content)
        with desk.of({"": None}, "t,param:t", t=file(tmp_path / name)) as opened:
            assert 500 < (opened.describe("").rows or 0) < 8000


HOSTILE = [
    "", " ", ".", "demo.", ".big", "demo..big", "demo.big.x.y.z", "demo.big;", "demo.big; DROP TABLE vo.catalogue",
    "demo.big AS b", "(SELECT 1)", '"demo.big', '"demo"".big"', "demo.big--", "demo.big\n--", "'demo'.'big'", "démo.b",
    "demo.big\0", "a" * 5000, '"' + "x" * 5000 + '"', "demo.big__v1", "tap_upload.t", "TAP_UPLOAD.mine", "vo.jobs",
    "uws.jobs", '"uws"."jobs"', "pg_catalog.pg_class", "vo_upload.t1", "information_schema.tables", "pg_authid", "*",
]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_table_that_is_none(desk: Desk, name: str) -> None:
    with pytest.raises(ParameterError) as raised:
        described(desk, f"={name}")
    assert raised.value.parameter == "TABLE_1"
    assert str(raised.value).startswith("TABLE_1: ")
    assert len(str(raised.value)) < 1500


@pytest.mark.parametrize(
    ("query", "phrase"),
    [
        ("SELECT * FROM vo.published_tables", "line 1, column 15: There is no table vo.published_tables"),
        ("SELECT * FROM pg_catalog.pg_authid", "There is no table"),
        ("SELECT ra,\n  dcc FROM demo.big", "line 2, column 3"),
        ("SELECT * FROM TAP_UPLOAD.t", "There is no table TAP_UPLOAD.t"),
        ("SELECT * FORM demo.big", "line 1, column 10"),
        ("", "The query is empty"),
        ("DROP TABLE demo.big", "line 1, column 1"),
    ],
)
def test_a_query_that_is_wrong(desk: Desk, query: str, phrase: str) -> None:
    with pytest.raises(ParameterError) as raised:
        described(desk, query)
    assert raised.value.parameter == "QUERY_1"
    assert str(raised.value).startswith("QUERY_1: ")
    assert phrase in str(raised.value)
    assert raised.value.text().startswith("QUERY_1: ")
    if "column" in phrase:
        assert "^" in raised.value.text()
        assert raised.value.as_dict()["line"] == (2 if "\n" in query else 1)


@pytest.mark.parametrize(
    ("inputs", "uploads", "phrase"),
    [
        ({"1": None, "2": None}, ["a,param:f"], "no table is left for input 2"),
        ({"1": None, "2": "=TAP_UPLOAD.a"}, ["a,param:f"], "no table is left for input 1"),
        ({"1": "=demo.big"}, ["a,param:f"], "no input uses TAP_UPLOAD.A"),
        ({"1": None}, ["a,param:g"], "no part 'g'"),
        ({"1": None}, ["a"], "not a name and a URI"),
        ({"1": None}, ["a,http://127.0.0.1:1/x"], "127.0.0.1"),
    ],
)
def test_uploads_that_do_not_fit(
    desk: Desk, stars: Path, inputs: dict[str, str | None], uploads: list[str], phrase: str
) -> None:
    with pytest.raises(UsageError, match=phrase), desk.of(inputs, *uploads, f=file(stars)) as opened:
        opened.describe("1")


def test_a_file_that_is_no_table(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_bytes(b"PAR1 and nothing else")
    with (
        pytest.raises(ServiceError, match="Upload t: "),
        desk.of({"": None}, "t,param:x", x=file(tmp_path / "x.parquet")) as opened,
    ):
        opened.describe("")
