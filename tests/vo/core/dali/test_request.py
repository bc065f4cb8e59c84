"""Requests with files: what real clients send, what nobody should send, and what becomes of the files."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import resource
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.conftest import wait_until
from tests.tap.asking import Answer, ask, assert_error, multipart
from tests.vo.app.running import running
from vo.app.errors import HANDLERS
from vo.app.middleware import RequestMiddleware
from vo.core.dali import request as module
from vo.core.dali.request import read_parameters, received

MAX_BODY, MAX_UPLOAD = 10_000, 30_000_000
TABLE = os.urandom(3_000_000) + b"\r\n--frontier\r\r\n--frontie\r\n--"
OPEN = b'--frontier\r\nContent-Disposition: form-data; name="t"; filename="t.vot"\r\n'
CLOSE = b"\r\n--frontier--\r\n"
TYPE = {"Content-Type": "multipart/form-data; boundary=frontier"}
HEAD = f"POST /tap/sync HTTP/1.1\r\nHost: x\r\nContent-Type: {TYPE['Content-Type']}\r\n"
CONTENT = b"\0\r\n\r\n--fron\xff"


def body(name: str, *, headers: bytes = b"", content: bytes = CONTENT) -> bytes:
    """Return a part with a file."""
    head = f'--frontier\r\nContent-Disposition: form-data; name="{name}"; filename="x"\r\n'.encode()
    return head + headers + b"\r\n" + content + b"\r\n"


END = b"--frontier--\r\n"


async def show(request: Request) -> Response:
    async with received(request, max_body=MAX_BODY, max_upload=MAX_UPLOAD) as found:
        files = {}
        for name, file in found.files.items():
            content = file.file.read()
            again = Path(file.path).read_bytes()
            assert content == again
            assert len(content) == file.size
            files[name] = [file.file_name, file.media_type, file.size, hashlib.sha256(content).hexdigest()]
        part = request.query_params.get("part", "")
        found_by = found.files[part].part if part in found.files else None
        return JSONResponse({"parameters": found.parameters.pairs(), "files": files, "part": found_by})


async def show_parameters(request: Request) -> Response:
    return JSONResponse((await read_parameters(request, max_body=MAX_BODY)).pairs())


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where temporary files are, for this module."""
    folder = tmp_path_factory.mktemp("scratch")
    before, tempfile.tempdir = tempfile.tempdir, str(folder)
    yield folder
    tempfile.tempdir = before


@pytest.fixture(scope="module")
def port(scratch: Path) -> Iterator[int]:
    routes = [Route("/tap/sync", show, methods=["GET", "POST"]), Route("/tap/plain", show_parameters, methods=["POST"])]
    app = Starlette(routes=routes, exception_handlers=HANDLERS)
    app.add_middleware(RequestMiddleware)
    with running(app) as port:
        yield port


@pytest.fixture(autouse=True)
def nothing_is_left(port: int, scratch: Path) -> Iterator[None]:
    """Whatever a test sends, the service answers afterwards and has no open file."""
    yield
    assert ask(port, "/tap/sync?A=b").status == 200
    wait_until(lambda: not open_files(scratch), "the files are closed")
    assert list(scratch.iterdir()) == []


def open_files(folder: Path) -> list[str]:
    links = []
    for descriptor in os.listdir("/proc/self/fd"):
        try:
            links.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        except FileNotFoundError:  # closed since it was listed
            continue
    return [link for link in links if link.startswith(str(folder))]


def post(port: int, content: Any, path: str = "/tap/sync", **headers: str) -> Answer:
    more = {name.replace("_", "-"): value for name, value in headers.items()}
    return ask(port, path, method="POST", body=content, headers=TYPE | more)


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_requests_as_pyvo_sends_them(port: int) -> None:
    url = f"http://127.0.0.1:{port}/tap/sync?RUNID=7"
    answer = requests.post(url, data={"UPLOAD": "t,param:t", "QUERY": "SELÉCT"}, files={"t": TABLE}, timeout=60)
    assert answer.json() == {
        "parameters": [["RUNID", "7"], ["UPLOAD", "t,param:t"], ["QUERY", "SELÉCT"]],
        "files": {"t": ["t", None, len(TABLE), digest(TABLE)]},
        "part": None,
    }


def test_curl(port: int, tmp_path: Path) -> None:
    (tmp_path / "my table.vot").write_bytes(TABLE)
    (tmp_path / "query").write_text("SELECT\n1")
    upload = f"T={tmp_path}/my table.vot"
    command = ["curl", "-s", "-F", "UPLOAD=t,param:T", "-F", f"QUERY=<{tmp_path}/query", "-F"]
    for more in ([], ["--http1.0"], ["-H", "Transfer-Encoding: chunked"], ["-H", "Expect: 100-continue"]):
        form = f"{upload.replace('=', '=@', 1)};type=application/x-votable+xml;serialization=binary2"
        url = f"http://127.0.0.1:{port}/tap/sync?part=t"
        answer = json.loads(subprocess.run([*command, form, *more, url], capture_output=True, check=True).stdout)
        assert answer["parameters"] == [["PART", "t"], ["UPLOAD", "t,param:T"], ["QUERY", "SELECT\n1"]]
        kind = "application/x-votable+xml;serialization=binary2"
        assert answer["files"] == {"T": ["my table.vot", kind, len(TABLE), digest(TABLE)]}
        assert answer["part"] == "T"


def test_stilts(port: int, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n" + "1,2.5\n" * 1000)
    seen: list[dict[str, Any]] = []

    async def keep(request: Request) -> Response:
        async with received(request, max_body=MAX_BODY, max_upload=MAX_UPLOAD) as found:
            files = {name: (file.media_type, file.file.read()) for name, file in found.files.items()}
            seen.append({"parameters": dict(found.parameters.pairs()), "files": files})
        return Response(status_code=500)

    with running(Starlette(routes=[Route("/sync", keep, methods=["POST"])])) as other:
        arguments = ["nupload=2", "ufmt1=csv", "upname1=one", "ufmt2=csv", "upname2=two", "sync=true", "parse=false"]
        tables = [f"upload{number}={tmp_path}/t.csv" for number in (1, 2)]
        query = ["adql=SELECT * FROM tap_upload.one", f"tapurl=http://127.0.0.1:{other}"]
        subprocess.run(["stilts", "tapquery", *arguments, *tables, *query], capture_output=True, check=False)
    [request] = seen
    assert request["parameters"]["QUERY"] == "SELECT * FROM tap_upload.one"
    named = [pair.split(",param:") for pair in request["parameters"]["UPLOAD"].split(";")]
    assert [name for name, _ in named] == ["one", "two"]
    for _, part in named:
        kind, content = request["files"][part]
        assert kind.startswith("application/x-votable+xml")
        assert content.startswith(b"<?xml")
        assert content.rstrip().endswith(b"</VOTABLE>")


def test_what_is_a_file_and_what_a_parameter(port: int) -> None:
    def part(about: str, content: str = "x", headers: str = "") -> str:
        return f"--frontier\r\nContent-Disposition: form-data; {about}\r\n{headers}\r\n{content}\r\n"

    sent = "".join(
        [
            part('name="QUERY"', "SELECT", "Content-Type: text/plain; charset=UTF-8\r\n"),
            part(
                'name="latin"',
                "\u00e9",
                "Content-Type: text/plain ; charset=UTF-8\r\nContent-Transfer-Encoding: 8bit\r\n",
            ),
            part("name=bare", "y"),
            part('name="a"; filename="a.csv"', "x", "Content-Type: text/plain\r\n"),
            part('name="b"', "x", "content-type: TEXT/XML\r\n"),
            part('name="c"; filename=""', "x"),
            part('name="none"; filename=""', "", "Content-Type: application/octet-stream\r\n"),
            part('name="A"; filename="C:\\x\\y.fits"', "x"),
            part('name="packed"; filename=p', "x", "Content-Encoding: gzip\r\n"),
        ]
    )
    found = json.loads(post(port, (sent + "--frontier--\r\n").encode(), "/tap/sync?part=b").body)
    assert found["parameters"] == [["PART", "b"], ["QUERY", "SELECT"], ["LATIN", "é"], ["BARE", "y"]]
    assert {name: file[:3] for name, file in found["files"].items()} == {
        "a": ["a.csv", "text/plain", 1],
        "b": [None, "TEXT/XML", 1],
        "c": [None, None, 1],
        "A": ["y.fits", None, 1],
        "packed": ["p", None, 1],
    }


def test_the_case_of_names_matters_where_it_tells_files_apart(port: int) -> None:
    for part, found in (("t", "t"), ("T", "T"), ("tt", None), ("X", "x")):
        answer = post(port, body("t") + body("T") + body("x") + END, f"/tap/sync?part={part}")
        assert json.loads(answer.body)["part"] == found
    answer = post(port, body("aB") + body("Ab") + END, "/tap/sync?part=ab")
    assert json.loads(answer.body)["part"] is None
    assert_error(post(port, body("t") + body("t") + END), 400, "Two parts", "'t'")


@pytest.mark.parametrize("cut", [1, 2, 3, 7, 64, 1000])
def test_any_cut_of_the_stream_gives_the_same_file(port: int, cut: int) -> None:
    content = TABLE[-200 * cut :]
    sent = body("t", content=content) + END
    answer = post(port, (sent[start : start + cut] for start in range(0, len(sent), cut)))
    assert json.loads(answer.body)["files"]["t"][2:] == [len(content), digest(content)]


@pytest.mark.parametrize(
    ("content", "phrase"),
    [
        (body("t"), "before its last boundary"),
        (body("t")[:-10], "before its last boundary"),
        (OPEN, "before its last boundary"),
        (b"", "before its last boundary"),
        (b"junk", "boundaries"),
        (b"--frontierjunk" + CLOSE, "boundaries"),
        (body("t", headers=b"Content-Transfer-Encoding: base64\r\n") + END, "Content-Transfer-Encoding 'base64'"),
        (body("t", headers=b"X: y\r\n" * 100) + END, "headers"),
        (body("t", headers=b"X: " + b"y" * 9000 + b"\r\n") + END, "headers"),
        (body("t", headers=b"X" * 9000 + b"\r\n") + END, "headers"),
        (body("t", headers=b"\xff: y\r\n") + END, "header"),
        (body("\xff\xfe").replace("\xff\xfe".encode(), b"\xff\xfe") + END, "utf-8"),
        (body("a\0b") + END, "NUL"),
        (body("t").replace(b'"x"', b'"x\0"') + END, "file 't' contains a NUL"),
        (body("t", headers=b"Content-Type: text/csv\0\r\n") + END, "file 't' contains a NUL"),
        (b"--frontier\r\n\r\nx" + CLOSE, "Content-Disposition"),
        (b"--frontier\r\nContent-Disposition: attachment; name=x\r\n\r\nx" + CLOSE, "Content-Disposition"),
        (b"--frontier\r\nContent-Disposition: form-data; name=x\r\n\r\n\xff" + CLOSE, "'x' is not utf-8"),
        (
            b"--frontier\r\nContent-Disposition: form-data; name=x\r\nContent-Type: text/plain; charset=zip\r\n\r\nx"
            + CLOSE,
            "charset 'zip'",
        ),
        (b"".join(body(f"t{number}") for number in range(101)) + END, "more than 100 files"),
    ],
)
def test_what_nobody_should_send(port: int, content: bytes, phrase: str) -> None:
    assert_error(post(port, content), 400, phrase)


def test_too_much(port: int) -> None:
    at_most = TABLE[:1000] * (MAX_UPLOAD // 1000)
    assert post(port, body("t", content=at_most) + END).status == 200
    assert_error(post(port, body("t", content=at_most + b"x") + END), 413, str(MAX_UPLOAD), "'t'")
    two = body("one", content=at_most[: MAX_UPLOAD // 2]) + body("two", content=at_most[: MAX_UPLOAD // 2 + 1]) + END
    assert_error(post(port, two), 413, str(MAX_UPLOAD), "'two'")
    text, _ = multipart([("QUERY", "x" * (MAX_BODY + 1))])
    assert_error(post(port, text), 413, str(MAX_BODY), "file")
    assert_error(post(port, body("t") + END + bytes(MAX_UPLOAD + 2_000_000)), 413, "30000000")
    assert_error(post(port, body("t", content=bytes(MAX_BODY + 1)) + END, "/tap/plain"), 413, str(MAX_BODY))
    assert (
        post(port, body("t", content=bytes(MAX_BODY)) + multipart([("a", "b")])[0], "/tap/plain").body == b'[["A","b"]]'
    )


def test_too_much_is_refused_before_it_is_sent(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
        client.sendall(f"{HEAD}Content-Length: 99999999999\r\nExpect: 100-continue\r\n\r\n".encode())
        assert client.recv(65536).startswith(b"HTTP/1.1 413 ")
    with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
        client.sendall(f"{HEAD}Content-Length: {'9' * 5000}\r\n\r\n".encode())
        assert client.recv(65536)[:13] in (b"HTTP/1.1 413 ", b"HTTP/1.1 400 ")


@pytest.mark.parametrize("connection", ["keep-alive", "close"])
@pytest.mark.parametrize("length", [True, False], ids=["length", "chunked"])
def test_who_sends_too_much_reads_why(port: int, connection: str, length: bool) -> None:
    """Also who looks for the answer only after the last byte, as most clients do."""
    sent = body("t", content=bytes(MAX_UPLOAD + 20_000_000)) + END
    content = sent if length else (sent[start : start + 65536] for start in range(0, len(sent), 65536))
    assert_error(post(port, content, Connection=connection), 413, str(MAX_UPLOAD))


def test_a_packed_body(port: int) -> None:
    assert_error(post(port, body("t") + END, Content_Encoding="gzip"), 400, "'gzip'", "tables inside")
    assert post(port, body("t") + END, Content_Encoding="identity").status == 200


def test_a_full_disk(port: int) -> None:
    """A limit on the size of files stands for the disk."""
    with limited(resource.RLIMIT_FSIZE, 1_000_000):
        assert_error(post(port, body("t", content=TABLE) + END), 400, "disk for uploads is full")
        assert post(port, body("t") + END).status == 200


@contextmanager
def limited(kind: int, limit: int) -> Iterator[None]:
    before = resource.getrlimit(kind)
    resource.setrlimit(kind, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(kind, before)


def test_who_hangs_up_leaves_nothing(port: int, scratch: Path) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
        client.sendall(f"{HEAD}Content-Length: 9000000\r\n\r\n".encode() + body("t", content=TABLE))
        wait_until(lambda: bool(open_files(scratch)), "the file is open")
    wait_until(lambda: not open_files(scratch), "the file is closed")


def test_who_sends_nothing_any_more_is_given_up(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "IDLE_SECONDS", 0.3)
    with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
        client.sendall(f"{HEAD}Content-Length: 9000000\r\n\r\n".encode() + body("t", content=TABLE))
        answer = client.recv(65536)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"Nothing of the body came" in answer


def test_a_request_that_is_cancelled_waits_for_its_thread(scratch: Path) -> None:
    """Its files are closed after the thread has written the block that it has."""

    async def cancel() -> None:
        blocks = [body("t", content=TABLE), b""]

        async def receive() -> dict[str, Any]:
            if blocks:
                return {"type": "http.request", "body": blocks.pop(0), "more_body": True}
            await asyncio.Event().wait()
            raise AssertionError("nothing sets it")

        headers = [(b"content-type", TYPE["Content-Type"].encode())]
        scope = {"type": "http", "method": "POST", "query_string": b"", "headers": headers, "http_version": "1.1"}
        task = asyncio.create_task(show(Request(scope, receive)))
        while not open_files(scratch):
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel())


@pytest.mark.parametrize("media_type", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=frontier"])
def test_long_bodies_do_not_fill_the_memory(port: int, monkeypatch: pytest.MonkeyPatch, media_type: str) -> None:
    monkeypatch.setattr(module, "_memory", module._Memory(15_000))
    monkeypatch.setattr(module, "INLINE_BYTES", 1000)
    begin = f"POST /tap/sync HTTP/1.1\r\nHost: x\r\nContent-Type: {media_type}\r\nContent-Length: 9900\r\n\r\n".encode()
    if "multipart" in media_type:
        begin += b'--frontier\r\nContent-Disposition: form-data; name="A"\r\n\r\n'
    begin += b"A=" + b"b" * 8000
    with socket.create_connection(("127.0.0.1", port), timeout=60) as first:
        first.sendall(begin)
        wait_until(lambda: module._memory._left < 15_000, "it has come")
        with socket.create_connection(("127.0.0.1", port), timeout=60) as second:
            second.sendall(begin)
            assert b" 503 " in second.recv(10_000)
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        assert ask(port, "/tap/sync", method="POST", body=b"A=b", headers=form).status == 200
    wait_until(lambda: module._memory._left == 15_000, "all of it is free")
