"""Stored files over HTTP: every case of the headers, clients that hang up or read nothing, files that go."""

from __future__ import annotations

import hashlib
import http.client
import os
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route

from tests.conftest import wait_until
from tests.tap.asking import Answer, ask
from tests.vo.app.running import running
from vo.app.errors import HANDLERS
from vo.app.middleware import RequestMiddleware
from vo.core.files import FileStore
from vo.core.stored import BLOCK_BYTES, StoredFileResponse, asked_part, content_disposition, result_name

MADE = datetime(2026, 3, 29, 4, 30, 0, 750_000, tzinfo=timezone(timedelta(hours=2)))
MODIFIED = "Sun, 29 Mar 2026 02:30:00 GMT"
TAG = '"job-7.result"'
CONTENT = bytes(range(256)) * 40
LARGE = 64_000_000
"""More than the kernel and the server keep for a client that reads nothing."""
SLOW = 12_000_000
PATIENT, IMPATIENT = 60.0, 1.0
"""Seconds for which the server waits for a client that takes nothing."""


@dataclass(frozen=True)
class Site:
    """A service of stored files only."""

    port: int
    folder: Path

    def get(self, path: str, method: str = "GET", **headers: str) -> Answer:
        return ask(self.port, f"/{path}", method=method, headers={k.replace("_", "-"): v for k, v in headers.items()})

    def open_files(self) -> int:
        """Files of the folder that this process, which serves, holds open."""
        return sum(link.startswith(str(self.folder)) for link in map(_target, os.listdir("/proc/self/fd")))

    def begin(self, path: str) -> socket.socket:
        """Ask for a file and read the first bytes only; the kernel keeps few more for this client."""
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        client.settimeout(30)
        client.connect(("127.0.0.1", self.port))
        client.sendall(f"GET /{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        assert client.recv(12) == b"HTTP/1.1 200"
        return client


def _target(descriptor: str) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}")
    except FileNotFoundError:  # closed since it was listed
        return ""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("files")
    store = FileStore(folder)
    for path, content in (("result", CONTENT), ("empty", b""), ("block", os.urandom(BLOCK_BYTES))):
        with store.write(path) as writer:
            writer.write(content)
    with store.write("large") as writer:
        for _ in range(LARGE // 1_000_000):
            writer.write(os.urandom(1_000_000))
    executor = ThreadPoolExecutor(2)

    async def answer(request: Request) -> StoredFileResponse:
        return StoredFileResponse(
            store,
            request.path_params["path"],
            content_type="application/x-votable+xml",
            filename="Séléné.vot",
            etag="job-7.result",
            last_modified=None if "undated" in request.query_params else MADE,
            executor=executor,
            idle=IMPATIENT if "impatient" in request.query_params else PATIENT,
        )

    app = Starlette(routes=[Route("/{path:path}", answer, methods=["GET"])], exception_handlers=HANDLERS)
    app.add_middleware(RequestMiddleware)
    with running(app) as port:
        yield Site(port, folder)
    executor.shutdown()


def test_the_whole_file(site: Site) -> None:
    answer = site.get("result")
    assert (answer.status, answer.body) == (200, CONTENT)
    expected = {
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-cache",
        "Content-Disposition": "inline; filename=\"Selene.vot\"; filename*=UTF-8''S%C3%A9l%C3%A9n%C3%A9.vot",
        "Content-Length": str(len(CONTENT)),
        "Content-Type": "application/x-votable+xml",
        "ETag": TAG,
        "Last-Modified": MODIFIED,
    }
    assert {name: answer.headers[name] for name in expected} == expected
    assert site.get("result?undated").headers["Last-Modified"] is None


@pytest.mark.parametrize("path", ["result", "empty", "block", "large"])
def test_sizes_and_head(site: Site, path: str) -> None:
    stored = (site.folder / path).read_bytes()
    got, head = site.get(path), site.get(path, "HEAD")
    assert (got.status, head.status) == (200, 200)
    assert hashlib.sha256(got.body).digest() == hashlib.sha256(stored).digest()
    assert head.body == b""
    changing = {"date", "x-request-id"}
    assert {n.lower(): v for n, v in got.headers.items() if n.lower() not in changing} == {
        n.lower(): v for n, v in head.headers.items() if n.lower() not in changing
    }


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [
        ("bytes=0-99", 0, 100),
        ("bytes=100-100", 100, 101),
        ("bytes=10000-", 10_000, 10_240),
        ("bytes=0-", 0, 10_240),
        ("bytes=-240", 10_000, 10_240),
        ("bytes=10000-99999999999999999999999", 10_000, 10_240),
        ("Bytes= 5-9 ,", 5, 10),
    ],
)
def test_a_range(site: Site, asked: str, start: int, stop: int) -> None:
    answer = site.get("result", Range=asked)
    if stop - start == len(CONTENT):
        assert (answer.status, answer.headers["Content-Range"]) == (200, None)
    else:
        assert (answer.status, answer.headers["Content-Range"]) == (206, f"bytes {start}-{stop - 1}/{len(CONTENT)}")
    assert answer.body == CONTENT[start:stop]
    assert answer.headers["Content-Length"] == str(stop - start)
    assert answer.headers["ETag"] == TAG


def test_a_range_of_many_blocks(site: Site) -> None:
    stored = (site.folder / "large").read_bytes()
    for start, stop in ((1, LARGE), (BLOCK_BYTES - 1, 3 * BLOCK_BYTES + 1), (LARGE - BLOCK_BYTES, LARGE)):
        answer = site.get("large", Range=f"bytes={start}-{stop - 1}")
        assert answer.status == 206
        assert answer.headers["Content-Range"] == f"bytes {start}-{stop - 1}/{LARGE}"
        assert hashlib.sha256(answer.body).digest() == hashlib.sha256(stored[start:stop]).digest()


@pytest.mark.parametrize("asked", ["bytes=10240-", "bytes=10240-10300", "bytes=99999999999999999999-", "bytes=-0"])
def test_a_range_that_is_not_there(site: Site, asked: str) -> None:
    answer = site.get("result", Range=asked)
    assert (answer.status, answer.headers["Content-Range"]) == (416, "bytes */10240")
    assert "10240 bytes" in answer.text
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    "asked",
    [
        "bytes=0-1,5-6",
        "bytes=9-5",
        "bytes=-",
        "bytes=",
        "bytes=a-b",
        "bytes 0-5",
        "rows=0-5",
        "bytes=1",
        "",
        "bytes=١-٢",
    ],
)
def test_what_is_no_single_range_means_all(site: Site, asked: str) -> None:
    assert asked_part(asked, len(CONTENT)) == range(len(CONTENT))
    if asked.isascii():
        answer = site.get("result", Range=asked)
        assert (answer.status, answer.headers["Content-Range"], answer.body) == (200, None, CONTENT)


@pytest.mark.parametrize("asked", ["bytes=0-", "bytes=-5", "bytes=7-9"])
def test_an_empty_file_has_no_parts(site: Site, asked: str) -> None:
    answer = site.get("empty", Range=asked)
    assert (answer.status, answer.headers["Content-Length"], answer.body) == (200, "0", b"")


def test_head_knows_no_ranges(site: Site) -> None:
    answer = site.get("result", "HEAD", Range="bytes=0-9")
    assert (answer.status, answer.headers["Content-Length"]) == (200, "10240")


@pytest.mark.parametrize(
    ("condition", "status"),
    [
        (TAG, 206),
        (MODIFIED, 206),
        ("Sunday, 29-Mar-26 02:30:00 GMT", 206),
        (f"W/{TAG}", 200),
        ('"other"', 200),
        ("Sun, 29 Mar 2026 02:30:01 GMT", 200),
        ("Sun, 29 Mar 2026 02:29:59 GMT", 200),
        ("yesterday", 200),
    ],
)
def test_a_range_of_what_the_client_began_to_read(site: Site, condition: str, status: int) -> None:
    answer = site.get("result", Range="bytes=5-", If_Range=condition)
    assert (answer.status, answer.body) == (status, CONTENT[5:] if status == 206 else CONTENT)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"If_None_Match": TAG}, 304),
        ({"If_None_Match": f'"a", W/{TAG} , "b"'}, 304),
        ({"If_None_Match": "*"}, 304),
        ({"If_None_Match": '"other"'}, 200),
        ({"If_None_Match": "job-7.result"}, 200),
        ({"If_None_Match": '"other"', "If_Modified_Since": MODIFIED}, 200),
        ({"If_None_Match": TAG, "If_Modified_Since": "Thu, 01 Jan 1970 00:00:00 GMT"}, 304),
        ({"If_None_Match": TAG, "Range": "bytes=0-9"}, 304),
        ({"If_Modified_Since": MODIFIED}, 304),
        ({"If_Modified_Since": "Fri, 01 Jan 2027 00:00:00 GMT"}, 304),
        ({"If_Modified_Since": "Sun, 29 Mar 2026 02:29:59 GMT"}, 200),
        ({"If_Modified_Since": "Sun, 29 Mar 99999999999999999999 02:30:00 GMT"}, 200),
        ({"If_Modified_Since": "soon"}, 200),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_what_the_client_has_is_not_sent_again(site: Site, method: str, headers: dict[str, str], status: int) -> None:
    answer = site.get("result", method, **headers)
    assert answer.status == status
    assert answer.headers["ETag"] == TAG
    assert answer.headers["Cache-Control"] == "private, no-cache"
    if status == 304:
        assert answer.body == b""
        assert [name for name in answer.headers if name.lower().startswith(("content-", "transfer-"))] == []
    undated = site.get("result?undated", method, **headers)
    assert undated.status == (status if "If_None_Match" in headers else 200)


def test_a_missing_file_is_an_error_of_the_usual_shape(site: Site) -> None:
    for method in ("GET", "HEAD"):
        answer = site.get("missing", method, Range="bytes=0-9", If_None_Match=TAG)
        assert (answer.status, answer.headers["ETag"]) == (404, None)
        assert answer.headers["Cache-Control"] == "no-store"
    assert "deleted" in site.get("missing").text


def test_a_file_that_is_deleted_meanwhile_is_sent_to_its_end(site: Site) -> None:
    content = os.urandom(LARGE)
    (site.folder / "leaving").write_bytes(content)
    with site.begin("leaving") as client:
        (site.folder / "leaving").unlink()
        received = _read(client)
    assert received.endswith(content)
    assert site.get("leaving").status == 404


def test_a_file_that_is_cut_meanwhile_ends_the_connection(site: Site) -> None:
    (site.folder / "cut").write_bytes(bytes(LARGE))
    with site.begin("cut") as client:
        os.truncate(site.folder / "cut", 100)
        assert len(_read(client)) < LARGE
    wait_until(lambda: site.open_files() == 0, "the file is closed")


def test_clients_that_hang_up_leave_no_open_file(site: Site) -> None:
    clients = [site.begin("large") for _ in range(5)]
    wait_until(lambda: site.open_files() == 5, "only these five are open")
    for client in clients:
        client.close()
    wait_until(lambda: site.open_files() == 0, "the files are closed")
    assert site.get("result").status == 200


def test_a_client_that_reads_nothing_is_given_up(site: Site) -> None:
    with site.begin("large?impatient") as client:
        wait_until(lambda: site.open_files() == 1, "only this one is open")
        wait_until(lambda: site.open_files() == 0, "the file is closed")
        assert len(_read(client)) < LARGE


def test_a_client_that_reads_slowly_is_waited_for(site: Site) -> None:
    (site.folder / "slow").write_bytes(bytes(SLOW))
    pause, received, began = threading.Event(), 0, time.monotonic()
    with site.begin("slow?impatient") as client:
        while block := client.recv(1 << 16):
            received += len(block)
            pause.wait(IMPATIENT / 100)
    assert received > SLOW
    assert time.monotonic() - began > IMPATIENT


def test_downloads_run_side_by_side(site: Site) -> None:
    digest = hashlib.sha256((site.folder / "large").read_bytes()).digest()
    with ThreadPoolExecutor(4) as clients, site.begin("large"):  # one more that does not read takes no thread
        bodies = list(clients.map(lambda _: site.get("large").body, range(6)))
    assert [hashlib.sha256(body).digest() == digest for body in bodies] == [True] * 6
    wait_until(lambda: site.open_files() == 0, "the files are closed")


def test_one_connection_takes_many_answers(site: Site) -> None:
    with socket.create_connection(("127.0.0.1", site.port), timeout=30) as client:
        for headers, status, length in (
            (f"If-None-Match: {TAG}\r\n", 304, 0),
            ("Range: bytes=0-4\r\n", 206, 5),
            ("Range: bytes=0-1\r\nRange: bytes=3-4\r\n", 200, len(CONTENT)),
            ("", 200, len(CONTENT)),
        ):
            client.sendall(f"GET /result HTTP/1.1\r\nHost: x\r\n{headers}\r\n".encode())
            answer = http.client.HTTPResponse(client)
            answer.begin()
            assert (answer.status, len(answer.read())) == (status, length)


@pytest.mark.parametrize(
    ("filename", "header"),
    [
        ("result.vot", 'inline; filename="result.vot"'),
        ("my result.vot", 'inline; filename="my result.vot"'),
        ('a"b\\c.csv', "inline; filename=\"a_b_c.csv\"; filename*=UTF-8''a%22b%5Cc.csv"),
        ("x\r\nSet-Cookie: a", "inline; filename=\"x__Set-Cookie: a\"; filename*=UTF-8''x%0D%0ASet-Cookie%3A%20a"),
        ("../../x", "inline; filename=\".._.._x\"; filename*=UTF-8''..%2F..%2Fx"),
        ("星.fits", "inline; filename=\".fits\"; filename*=UTF-8''%E6%98%9F.fits"),
    ],
)
def test_file_names(filename: str, header: str) -> None:
    assert content_disposition(filename) == header


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("SELECT * FROM gaia_dr3.bright WHERE ra < 1", "gaia_dr3-bright.vot"),
        ("select 'FROM x.y' -- FROM a.b\n from\n\thipparcos . hip2 as h join demo.big on 1 = 1", "hipparcos-hip2.vot"),
        ("SELECT * FROM TAP_UPLOAD.mine AS m JOIN gaia_dr3.bright AS g ON m.ra = g.ra", "gaia_dr3-bright.vot"),
        ("SELECT * FROM tap_upload.mine", "tap_upload-mine.vot"),
        ("WITH x AS (SELECT 1 FROM a.b) SELECT * FROM x", "a-b.vot"),
        ('SELECT 1 FROM "../../etc/passwd"."-rf ""x"', "etc-passwd-rf-x.vot"),
        ('SELECT 1 FROM "--"', "result.vot"),
        ("SELECT 1 FROM é.星", "result.vot"),
        (f"SELECT 1 FROM {'a' * 500}.b", f"{'a' * 60}.vot"),
        ("SELECT 1", "result.vot"),
        ("", "result.vot"),
    ],
)
def test_names_of_results(query: str, name: str) -> None:
    assert result_name(query, ".vot") == name
    assert content_disposition(name) == f'inline; filename="{name}"'


def test_names_of_hostile_results_are_made_fast() -> None:
    began = time.process_time()
    for part in ("FROM ", "FROM x . ", '"', "'", "--", 'FROM "', "FROM a" + " " * 90_000, "a" * 90_000):
        assert result_name(part * (1_000_000 // len(part)), "").isascii()
    assert time.process_time() - began < 2


def _read(client: socket.socket) -> bytes:
    """Read what comes until the connection ends."""
    received = bytearray()
    with suppress(ConnectionResetError):
        while block := client.recv(1 << 20):
            received += block
    return bytes(received)
