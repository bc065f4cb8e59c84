"""Rows of selections: published tables, queries, files of every format."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pyarrow as pa
import pytest
import yaml

from tap.tables.sky import q3c_ipix
from tests.conftest import BIG_ROWS
from tests.tap.asking import FORM, adql, ask, eventually
from tests.tap.elsewhere import Elsewhere
from tests.tap.selection.asking import Desk, file, whole
from tests.tap.upload.sending import parquet
from uws.tasks.declaration import Rows
from vo.core.errors import LimitError, ParameterError, TableError, UnavailableError
from vo.core.tables import Datatype

TEN = "SELECT TOP 10 * FROM demo.big ORDER BY random_index"
FORMATS = ["votable", "votable/td", "votable/b", "votable/b2", "fits", "parquet", "arrow", "ecsv", "csv", "tsv"]
NAN = float("nan")


def publish(desk: Desk, folder: Path, name: str, **columns: Any) -> None:
    path, described = folder / f"{name}.parquet", folder / f"{name}.yaml"
    path.write_bytes(parquet(**columns))
    # Other tests of the service ask that schemas, tables and columns say what they are.
    told = [{"name": column, "description": "A column of a test"} for column in columns]
    tables = [{"name": name, "description": "Rows of a test", "columns": told}]
    about = {"name": "selections", "description": "Tables of a test", "tables": tables}
    described.write_text(yaml.safe_dump(about))
    desk.service.vo("ingest", str(path), "--description", str(described), "--table", f"selections.{name}")


def physical(desk: Desk, name: str) -> str:
    query = "SELECT physical_schema || '.' || physical_name FROM vo.published_tables WHERE table_name = %s"
    return str(desk.fetch(query, name)[0][0])


def execute(desk: Desk, statement: str) -> None:
    connection = desk.service.connect()
    with connection.cursor() as cursor:
        cursor.execute(statement)
    connection.close()


def test_a_published_table_as_it_is_stored(desk: Desk) -> None:
    """Row by row in the order of its pages, which is that of the sky; other readers' connections stay as they were."""
    rows = desk.read({"1": "=demo.big"}, Rows("1", ("random_index", "dec", "ra"), stored_order=True))
    assert rows.column_names == ["random_index", "dec", "ra"]
    stored = desk.fetch(f"SELECT random_index FROM {physical(desk, 'demo.big')} ORDER BY ctid")
    assert rows["random_index"].to_pylist() == [number for (number,) in stored]
    cells = q3c_ipix(rows["ra"].to_numpy(), rows["dec"].to_numpy())
    assert (np.diff(cells) >= 0).mean() > 0.999
    for setting, value in (("max_parallel_workers_per_gather", "2"), ("synchronize_seqscans", "on")):
        with desk.pool.stream() as stream:
            stream.start(f"SHOW {setting}", "vo:looking", copy=False)
            assert [shown for batch in stream for shown in batch.column(0).to_pylist()] == [value]


def test_all_rows_come(desk: Desk) -> None:
    """There is no MAXREC."""
    rows = desk.read({"": "SELECT a.random_index FROM demo.big AS a JOIN demo.big AS b ON a.ra <= 180 AND b.ra < 3"})
    [[wanted]] = desk.fetch(
        f"SELECT count(*) FILTER (WHERE ra <= 180) * count(*) FILTER (WHERE ra < 3) FROM {physical(desk, 'demo.big')}"
    )
    assert len(rows) == wanted > 1_000_000


@pytest.mark.parametrize("format_", FORMATS)
def test_formats(desk: Desk, tmp_path: Path, format_: str) -> None:
    """A file gives the rows that it was made of, whole and by a query, with names, units and UCDs where it has them."""
    path = tmp_path / "ten"
    path.write_bytes(adql(desk.service, TEN, RESPONSEFORMAT=format_).body)
    wanted = desk.read({"": TEN})
    whole_ = desk.read({"": None}, None, "t,param:f", f=file(path, _media_type(format_)))
    by_query = desk.read({"": "SELECT * FROM TAP_UPLOAD.t"}, None, "t,param:f", f=file(path, _media_type(format_)))
    assert whole_.column_names == by_query.column_names == wanted.column_names
    for name in wanted.column_names:
        numbers = wanted[name].cast(pa.float64()).to_numpy()
        np.testing.assert_allclose(whole_[name].cast(pa.float64()).to_numpy(), numbers, rtol=1e-6)
        np.testing.assert_array_equal(by_query[name].to_pylist(), whole_[name].to_pylist())


def _media_type(format_: str) -> str:
    return {"csv": "text/csv", "tsv": "text/tab-separated-values"}.get(format_, "application/octet-stream")


def test_whole_files_never_go_through_the_database(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "t.parquet").write_bytes(
        parquet(x=pa.array([1, None, 3], pa.uint8()), X=["ab", "ü", None], y=[NAN] * 3)
    )
    with desk.of({"1": None, "2": "=TAP_UPLOAD.t"}, "s,param:f;t,param:f", f=file(tmp_path / "t.parquet")) as opened:
        streams = [opened.open(Rows(name), {}) for name in ("1", "2", "2")]
        assert desk.loaded() == []
        tables = [whole(stream) for stream in streams]
        some = whole(opened.open(Rows("1", ("y", "X_2")), {}))
    assert [table.to_pydict().items() for table in tables] != []
    for table in tables:
        assert table["x"].to_pylist() == [1, None, 3]
        assert table["X_2"].to_pylist() == ["ab", "ü", None]
    assert some.column_names == ["y", "X_2"]
    assert streams[0].columns[0].datatype is Datatype.UNSIGNED_BYTE


def test_types_of_queries(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "t.parquet").write_bytes(
        parquet(b=pa.array([200, None], pa.uint8()), a=[[1.0, 2.0], None], t=["ü", "x"])
    )
    query = """
        SELECT b, a, t, POINT(10, 20) AS p, CIRCLE(1, 2, 3) AS c, CAST('2026-01-31T12:00:00' AS TIMESTAMP) AS m,
        COUNT(*) AS n, AVG(b) AS mean_ FROM TAP_UPLOAD.t GROUP BY b, a, t
    """
    rows = desk.read({"": query}, None, "t,param:f", f=file(tmp_path / "t.parquet"))
    first = rows.filter(pa.compute.equal(rows["t"], "ü")).to_pylist()
    assert [(row["b"], row["a"], row["p"], row["c"], row["n"], row["mean_"]) for row in first] == [
        (200, [1.0, 2.0], [10.0, 20.0], [1.0, 2.0, 3.0], 1, 200.0)
    ]
    assert rows.schema.field("b").type == pa.uint8()
    assert rows.schema.field("m").type == pa.timestamp("us")


def test_what_came_along_beside_what_is_published(desk: Desk, tmp_path: Path) -> None:
    some = desk.read({"": "SELECT TOP 40 ra, dec, random_index FROM demo.big WHERE random_index < 40"})
    (tmp_path / "t.parquet").write_bytes(
        parquet(n=some["random_index"].to_pylist(), ra=some["ra"].to_pylist(), dec=some["dec"].to_pylist())
    )
    joined = (
        "SELECT t.n, b.random_index FROM TAP_UPLOAD.mine AS t JOIN demo.big AS b "
        "ON DISTANCE(t.ra, t.dec, b.ra, b.dec) < 0.1 / 3600"
    )
    inputs = {"1": joined, "2": "SELECT MAX(n) AS most FROM mine", "3": "=demo.big", "4": None}
    with desk.of(inputs, "mine,param:f", "rest,param:f", f=file(tmp_path / "t.parquet")) as opened:
        streams = {name: opened.open(Rows(name), {}) for name in inputs}
        assert [name for (name,) in desk.loaded() if "." in name] == ["tap_upload.mine"]
        tables = {name: whole(stream) for name, stream in streams.items()}
    assert tables["1"]["n"].to_pylist() == tables["1"]["random_index"].to_pylist()
    assert len(tables["1"]) == 40
    assert tables["2"]["most"].to_pylist() == [39]
    assert (len(tables["3"]), len(tables["4"])) == (BIG_ROWS, 40)
    assert desk.loaded() == []


def test_empty_tables(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "e.parquet").write_bytes(parquet(ra=pa.array([], pa.float64()), s=pa.array([], pa.string())))
    inputs = {"1": None, "2": "SELECT * FROM TAP_UPLOAD.e", "3": "SELECT * FROM demo.big WHERE ra < -1"}
    with desk.of(inputs, "e,param:f;f,param:f", f=file(tmp_path / "e.parquet")) as opened:
        tables = [whole(opened.open(Rows(name), {})) for name in inputs]
    assert [len(table) for table in tables] == [0, 0, 0]
    assert tables[0].schema.types == tables[1].schema.types == [pa.float64(), pa.string()]


def test_a_table_elsewhere_is_fetched_once(desk: Desk, elsewhere: Elsewhere) -> None:
    url = elsewhere.put("t.parquet", parquet(x=[1, 2, 3]))
    with desk.of(
        {"1": None, "2": "SELECT x + 1 AS y FROM TAP_UPLOAD.t", "3": "=TAP_UPLOAD.t"}, f"t,{url};u,{url}"
    ) as o:
        assert o.describe("1").rows == 3
        (elsewhere.folder / "t.parquet").unlink()
        assert [whole(o.open(Rows(name), {})).column(0).to_pylist() for name in "123"] == [
            [1, 2, 3],
            [2, 3, 4],
            [1, 2, 3],
        ]


def test_a_result_of_a_job(desk: Desk) -> None:
    form = {"LANG": "ADQL", "QUERY": TEN, "PHASE": "RUN", "RESPONSEFORMAT": "parquet"}
    job = submit(desk, form)
    rows = desk.read({"": None}, None, f"t,{desk.service.settings.public_url}/tap/async/{job}/results/result")
    assert rows["random_index"].to_pylist() == list(range(10))


def submit(desk: Desk, form: dict[str, str]) -> str:
    answer = ask(desk.service, "/tap/async", method="POST", body=urlencode(form).encode(), headers=FORM)
    job = str(answer.headers["Location"]).rpartition("/")[2]
    eventually(lambda: ask(desk.service, f"/tap/async/{job}/phase").text.strip() == "COMPLETED")
    return job


def test_a_table_is_replaced_between_describing_and_reading(desk: Desk, tmp_path: Path) -> None:
    """By one with the same columns: it is read. By one with others: told so. Dropped: told so."""
    publish(desk, tmp_path, "replaced", ra=[1.0], dec=[2.0], old=[1])
    desk.schema.refresh()
    for columns, error in (({"ra": [3.0, 4.0], "dec": [5.0, 6.0], "old": [2, 3]}, None), ({"new": [1.0]}, "replaced")):
        with desk.of({"1": "=selections.replaced"}) as opened:
            opened.describe("1")
            before = physical(desk, "selections.replaced")
            publish(desk, tmp_path, "replaced", **columns)
            execute(desk, f"DROP TABLE IF EXISTS {before}")
            if error is None:
                assert whole(opened.open(Rows("1", ("old",)), {}))["old"].to_pylist() == [2, 3]
            else:
                with pytest.raises((UnavailableError, ParameterError), match=error):
                    whole(opened.open(Rows("1", ("old",)), {}))


def test_errors_while_rows_are_read_name_the_parameter(desk: Desk) -> None:
    with desk.of({"1": "SELECT random_index / (random_index - 19000) AS q FROM demo.big"}) as opened:
        stream = opened.open(Rows("1"), {})
        with pytest.raises(
            ParameterError, match=r"^QUERY_1: The database could not evaluate the query: division by zero"
        ):
            whole(stream)


def test_a_damaged_file(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_bytes(b"a,b\n1,2\n" * 3 + b"1,2,3\n")
    with (
        desk.of({"": None}, "d,param:f", f=file(tmp_path / "d.csv", "text/csv")) as opened,
        pytest.raises(TableError, match=r"^Upload d: "),
    ):
        opened.describe("")


def test_a_file_with_too_many_columns(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "w.csv").write_bytes(",".join(f"c{n}" for n in range(2000)).encode() + b"\n" + b"1," * 1999 + b"1\n")
    with (
        desk.of({"": None}, "w,param:f", f=file(tmp_path / "w.csv", "text/csv")) as opened,
        pytest.raises(LimitError, match=r"^Upload w: "),
    ):
        opened.describe("")
