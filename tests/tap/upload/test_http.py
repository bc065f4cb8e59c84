"""Uploads over HTTP: every way to say it, every format, and addresses."""

from __future__ import annotations

import gzip
import http.client
import io
import json
import select
import socket
import subprocess
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
import pyarrow as pa
import pytest

from tests.conftest import Service, wait_until
from tests.tap.asking import adql, ask, assert_error
from tests.tap.elsewhere import Elsewhere
from tests.tap.upload.conftest import MIB
from tests.tap.upload.sending import parquet, send
from tests.uws.processes import JobService
from tests.vo.core.tables.writers.samples import ARRAYS, SCALARS, batch_of, columns_of_sample, write
from vo.core.fetch import agent_of
from vo.core.settings import Settings
from vo.core.tables import Column, Datatype, schema_of

BOTH = "SELECT COUNT(*) AS n FROM TAP_UPLOAD.a AS a JOIN TAP_UPLOAD.b AS b ON a.id = b.id"
FORMS: list[list[str]] = [
    ["UPLOAD=a,param:one;b,param:two"],
    ["UPLOAD=a,param:one", "UPLOAD=b,param:two"],
    ["upload= a , param:one ;", "Upload=B,PARAM:two"],
    ["UPLOAD=TAP_UPLOAD.a,param:one;b,param:two;"],
    ["UPLOAD=b,param:two;a,param:one", "UPLOAD=b,param:two"],
]
FRONTIER = "frontier"
COLUMNS = (Column("id", Datatype.LONG), Column("x", Datatype.DOUBLE, unit="deg"), Column("name", Datatype.CHAR, "*"))


def curl(service: Service, *forms: str) -> tuple[int, str]:
    command = ["curl", "-s", "-w", "\n%{http_code}", f"{service.tap}/sync"]
    for form in forms:
        command += ["-F", form]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    body, _, status = done.stdout.rpartition("\n")
    return int(status), body


@pytest.mark.parametrize("uploads", FORMS)
def test_every_way_to_say_it(service: Service, tmp_path: Path, uploads: list[str]) -> None:
    (tmp_path / "one.csv").write_text("id,x\n1,0.5\n2,1.5\n")
    (tmp_path / "two.csv").write_text("id\n2\n3\n")
    # curl takes a semicolon for the end of a value unless it is in quotes.
    said = [f'{form.partition("=")[0]}="{form.partition("=")[2]}"' for form in uploads]
    files = [f"one=@{tmp_path}/one.csv", f"two=@{tmp_path}/two.csv;type=text/csv"]
    assert curl(service, "LANG=ADQL", f'QUERY="{BOTH}"', "FORMAT=csv", *said, *files) == (200, "n\n1\n")
    assert curl(service, *files, *said, "format=csv", f'query="{BOTH}"', "lang=ADQL")[0] == 200


def table(form: str) -> bytes:
    """Return a table of two rows in a format."""
    batch = pa.RecordBatch.from_pydict(
        {"id": [1, 2], "x": [0.25, None], "name": ["a", "b c"]}, schema=schema_of(COLUMNS)
    )
    return write(form, COLUMNS, [batch])


@pytest.mark.parametrize(
    "form", ["votable", "votable/b", "votable/td", "fits", "parquet", "arrow", "csv", "tsv", "ecsv"]
)
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_every_format(service: Service, form: str, packed: bool) -> None:
    content = gzip.compress(table(form)) if packed else table(form)
    name = f"t.{form}{'.gz' * packed}"
    answer = send(service, "SELECT * FROM TAP_UPLOAD.t", {name: content}, FORMAT="votable/td")
    assert answer.status == 200, answer.text
    found = [[cell if cell != "NaN" else None for cell in row] for row in answer.rows()]
    assert found == [["1", "0.25", "a"], ["2", None, "b c"]]
    assert [field["name"] for field in answer.fields()] == ["id", "x", "name"]


def test_every_type(service: Service) -> None:
    """What comes back is what was sent, metadata included; arrays in the database have no unknown elements."""
    sample = [(column, cells) for column, cells in (*SCALARS, *ARRAYS) if _can_be_stored(cells)]
    assert len(sample) > 15
    columns = columns_of_sample(sample)
    sent = batch_of(sample)
    answer = send(service, "SELECT * FROM TAP_UPLOAD.t", {"t": write("votable", columns, [sent])}, FORMAT="arrow")
    assert answer.status == 200, answer.text
    found = pa.ipc.open_stream(io.BytesIO(answer.body)).read_all()
    returned = tuple(Column.from_field(field) for field in found.schema)
    assert [column.name for column in returned] == [column.name for column in columns]
    for column, back in zip(columns, returned, strict=True):
        assert (back.unit, back.ucd, back.xtype, back.description) == (
            column.unit, column.ucd, column.xtype, column.description
        )  # fmt: skip
        cells = found.column(column.name).to_pylist()
        assert [repr(cell) for cell in cells] == [repr(cell) for cell in sent.column(column.name).to_pylist()], column


def _can_be_stored(cells: list[object]) -> bool:
    return not any(isinstance(cell, list) and None in cell for cell in cells)


def test_a_query_with_a_table_is_explained(service: Service) -> None:
    stars = parquet(id=np.arange(500), ra=np.linspace(0, 359, 500), dec=np.linspace(-80, 80, 500))
    query = (
        "SELECT COUNT(*) AS n FROM TAP_UPLOAD.t AS t "
        "JOIN gaia_dr3.bright AS g ON DISTANCE(t.ra, t.dec, g.ra, g.dec) < 0.1"
    )
    answer = send(service, query, {"t": stars}, EXPLAIN="1", FORMAT="json")
    assert answer.status == 200, answer.text
    said = json.dumps(json.loads(answer.text))
    assert "tap_upload.t" in said.lower()
    assert adql(service, query, EXPLAIN="1").status == 400


def test_an_address_elsewhere(own: JobService, elsewhere: Elsewhere) -> None:
    address = elsewhere.put("stars.parquet", parquet(id=[5, 6, 7]))
    query = {"LANG": "ADQL", "QUERY": "SELECT SUM(id) AS total FROM TAP_UPLOAD.t", "FORMAT": "csv"}
    assert own.post("/tap/sync", {**query, "UPLOAD": f"t,{address}"}).csv() == [["18"]]
    job_id = own.submit(query["QUERY"], UPLOAD=f"t,{address}", FORMAT="csv")
    own.until(job_id, "COMPLETED", "ERROR")
    assert own.result(job_id).split() == [b"total", b"18"]


def test_addresses_that_do_not_work(own: JobService, elsewhere: Elsewhere) -> None:
    def refusal(address: str, *phrases: str) -> None:
        parameters = {"LANG": "ADQL", "QUERY": "SELECT * FROM TAP_UPLOAD.t", "UPLOAD": f"t,{address}"}
        answer = own.post("/tap/sync", parameters)
        assert_error(answer, answer.status, *phrases)

    refusal(f"http://{elsewhere.host}/nothing.vot", "404")
    refusal("http://127.0.0.1:65000/stars.vot", "127.0.0.1 is not a public host")
    refusal(f"{own.url}/metrics", "is not a public host")  # its results are read where they are, without HTTP
    refusal(elsewhere.put("page.html", b"<html><body>no table</body></html>"), "Upload t: ")


def test_a_query_does_not_wait_for_one_that_it_has_sent(own: JobService) -> None:
    """Each would hold a slot and wait for another until none is left."""
    agent = agent_of(Settings(home=Path("/"), port=own.port))
    target = "/tap/sync?" + urlencode({"LANG": "ADQL", "QUERY": "SELECT 1 AS one FROM tap_schema.schemas"})
    assert ask(own, target).status == 200
    assert_error(ask(own, target, headers={"User-Agent": agent}), 400, "Run that one as a job")


def test_what_forms_send_is_counted(own: JobService) -> None:
    """Of three files on their way two come to the same process, and have no room there."""
    size = 40 * MIB
    content = part_of("mytable") + bytes(size)
    head = f"POST /query HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary={FRONTIER}\r\n"
    with ExitStack() as stack:
        connections = [
            stack.enter_context(socket.create_connection(("127.0.0.1", own.port), timeout=60)) for _ in range(3)
        ]
        for connection in connections:
            connection.sendall(f"{head}Content-Length: {len(content) + 1000}\r\n\r\n".encode() + content)
        answered, _, _ = select.select(connections, [], [], 60)
        answer = http.client.HTTPResponse(answered[0])
        answer.begin()
        assert (answer.status, "Your uploaded tables take" in answer.read().decode()) == (403, True)


def test_what_is_fetched_is_counted(own: JobService, elsewhere: Elsewhere) -> None:
    """A form on its way leaves no room for what is fetched by the same process."""
    address = elsewhere.put("large.csv", b"id\n" + b"1234567\n" * (5 * MIB))
    content = part_of("mytable") + bytes(40 * MIB)
    head = f"POST /query HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary={FRONTIER}\r\n"
    parameters = {"LANG": "ADQL", "QUERY": "SELECT TOP 1 id FROM TAP_UPLOAD.t", "UPLOAD": f"t,{address}"}
    with socket.create_connection(("127.0.0.1", own.port), timeout=60) as connection:
        connection.sendall(f"{head}Content-Length: {len(content) + 1000}\r\n\r\n".encode() + content)
        wait_until(lambda: "Your uploaded tables take" in own.post("/tap/sync", parameters).text, "it has no room")


def part_of(name: str) -> bytes:
    return f'--{FRONTIER}\r\nContent-Disposition: form-data; name="{name}"; filename="{name}"\r\n\r\n'.encode()


def test_a_part_that_did_not_come(service: Service) -> None:
    answer = send(service, "SELECT * FROM TAP_UPLOAD.t", {"u.csv": b"id\n1\n"}, UPLOAD="t,param:t")
    assert_error(answer, 400, "UPLOAD: the request has no part 't' with a file", "The parts with files: u.csv")
