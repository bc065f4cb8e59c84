"""Packed answers: who gets them, that they are the same, when they come, and what they do to HEAD, tags and ranges."""

from __future__ import annotations

import asyncio
import gzip
import http.client
import os
import socket
import subprocess
import threading
import zlib
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from tests.tap.asking import Answer, ask
from tests.vo.app.running import running
from vo.core.compression import LEAST_BYTES, Compression, takes_gzip
from vo.core.files import FileStore
from vo.core.stored import StoredFileResponse

VOTABLE = "application/x-votable+xml;serialization=BINARY2"
TEXT = b"<TR><TD>4295806720</TD><TD>44.99615537864534</TD></TR>\n" * 40_000
TAG, PACKED_TAG = '"result-1"', '"result-1-gzip"'
GZIP = {"Accept-Encoding": "gzip, deflate"}
SIZES = {"nothing": 0, "small": LEAST_BYTES - 1, "page": LEAST_BYTES, "large": len(TEXT)}


class Site:
    """An application with answers of many kinds, packed."""

    def __init__(self, folder: Path) -> None:
        self.store = FileStore(folder)
        with self.store.write("result") as writer:
            writer.write(TEXT)
        self.executor = ThreadPoolExecutor(2)
        self.go_on = threading.Event()
        self.threads: set[str] = set()
        routes = [
            Route("/whole/{size}", self.whole),
            Route("/stream", self.stream),
            Route("/steps", self.steps),
            Route("/broken", self.broken),
            Route("/stored", self.stored),
        ]
        self.app = Starlette(routes=routes)
        self.app.add_middleware(Compression, executor=self.executor)
        self.port = 0

    async def whole(self, request: Request) -> Response:
        content = TEXT[: SIZES[request.path_params["size"]]]
        if "random" in request.query_params:
            content = os.urandom(len(content))
        headers = {"Vary": "Accept"}
        for name in ("Content-Encoding", "Cache-Control"):
            if name in request.query_params:
                headers[name] = request.query_params[name]
        return Response(content, headers=headers, media_type=request.query_params.get("type", VOTABLE))

    async def stream(self, request: Request) -> Response:
        async def blocks() -> AsyncIterator[bytes | memoryview]:
            for start in range(0, len(TEXT), 100_000):
                yield memoryview(TEXT)[start : start + 100_000]
            yield b""

        return StreamingResponse(blocks(), media_type=request.query_params.get("type", "text/csv"))

    async def steps(self, request: Request) -> Response:
        async def blocks() -> AsyncIterator[bytes]:
            yield b"first"
            await asyncio.to_thread(self.go_on.wait, 30)
            yield b"second"

        return StreamingResponse(blocks(), media_type="text/csv")

    async def broken(self, request: Request) -> Response:
        async def blocks() -> AsyncIterator[bytes]:
            yield TEXT[:100_000]
            raise RuntimeError("in mid answer")

        return StreamingResponse(blocks(), media_type="text/csv")

    async def stored(self, request: Request) -> Response:
        return StoredFileResponse(
            self.store,
            "result",
            content_type="text/csv",
            filename="result.csv",
            etag=TAG[1:-1],
            executor=self.executor,
            idle=30,
        )

    def get(self, target: str, method: str = "GET", **headers: str) -> Answer:
        return ask(self.port, target, method=method, headers={k.replace("_", "-"): v for k, v in headers.items()})

    def packed(self, target: str, method: str = "GET", **headers: str) -> Answer:
        return self.get(target, method, Accept_Encoding="gzip, deflate", **headers)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = Site(tmp_path_factory.mktemp("files"))
    with running(site.app) as site.port:
        yield site
    site.executor.shutdown()


@pytest.mark.parametrize("target", ["/whole/large", "/whole/page", "/stream", "/stored"])
def test_the_same_content(site: Site, target: str) -> None:
    plain, packed = site.get(target), site.packed(target)
    assert (plain.headers["Content-Encoding"], packed.headers["Content-Encoding"]) == (None, "gzip")
    assert gzip.decompress(packed.body) == plain.body
    assert len(packed.body) < len(plain.body) * 0.6
    assert packed.type == plain.type
    assert packed.headers["Content-Length"] in (None, str(len(packed.body)))
    for answer in (plain, packed):
        assert "Accept-Encoding" in answer.headers["Vary"]


def test_clients_unpack_it(site: Site) -> None:
    url = f"http://127.0.0.1:{site.port}"
    for target in ("/whole/large", "/stream"):
        assert requests.get(url + target, timeout=30).content == TEXT
        curl = subprocess.run(["curl", "-s", "--compressed", url + target], capture_output=True, check=True)
        assert curl.stdout == TEXT


def test_who_did_not_ask_gets_it_plain(site: Site) -> None:
    for accepted in ("", "identity", "br", "gzip;q=0"):
        assert site.get("/whole/large", Accept_Encoding=accepted).body == TEXT


@pytest.mark.parametrize("size", ["nothing", "small"])
def test_what_is_small_stays_plain(site: Site, size: str) -> None:
    answer = site.packed(f"/whole/{size}")
    assert (answer.headers["Content-Encoding"], len(answer.body)) == (None, SIZES[size])
    assert answer.headers["Vary"] == "Accept, Accept-Encoding"


BINARY = [
    *("application/fits", "application/vnd.apache.parquet", "application/vnd.apache.arrow.stream", "image/png"),
    *("application/octet-stream", "application/gzip"),
]
PACKED = [
    *("text/html;charset=utf-8", "text/csv;header=present", "text/xml", "application/json", "application/xhtml+xml"),
    *("image/svg+xml", "application/x-votable+xml", "application/vnd.ivoa.x+json", "application/javascript"),
]


@pytest.mark.parametrize("kind", BINARY)
def test_what_is_not_text_stays_as_it_is(site: Site, kind: str) -> None:
    for target in ("/whole/large", "/stream"):
        answer = site.packed(f"{target}?type={kind}")
        assert (answer.headers["Content-Encoding"], answer.body) == (None, TEXT)
        assert "Accept-Encoding" not in (answer.headers["Vary"] or "")


@pytest.mark.parametrize("kind", PACKED)
def test_what_is_text_is_packed(site: Site, kind: str) -> None:
    target = f"/whole/large?type={kind.replace('+', '%2B').replace(';', '%3B')}"
    assert gzip.decompress(site.packed(target).body) == TEXT


def test_what_is_packed_or_must_not_be_changed_stays_so(site: Site) -> None:
    assert site.packed("/whole/large?Content-Encoding=br").body == TEXT
    assert site.packed("/whole/large?Cache-Control=no-transform").body == TEXT
    answer = site.packed("/whole/large?random")
    assert (answer.headers["Content-Encoding"], len(answer.body)) == (None, len(TEXT))


def test_the_first_bytes_come_at_once(site: Site) -> None:
    site.go_on.clear()
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=20)
    connection.request("GET", "/steps", headers=GZIP)
    answer = connection.getresponse()
    unpacker = zlib.decompressobj(31)
    found = b""
    while found != b"first":  # the rest is not made before this is read
        found += unpacker.decompress(answer.read1(65536))
    site.go_on.set()
    assert unpacker.decompress(answer.read()) == b"second"
    assert unpacker.eof
    connection.close()


def test_a_failure_in_mid_answer_is_seen(site: Site) -> None:
    with pytest.raises(http.client.IncompleteRead):
        site.packed("/broken")


def test_clients_that_hang_up(site: Site) -> None:
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", site.port), timeout=20) as client:
            client.sendall(b"GET /stream HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n")
            assert client.recv(12) == b"HTTP/1.1 200"
    assert gzip.decompress(site.packed("/stream").body) == TEXT


@pytest.mark.parametrize("target", ["/whole/large", "/whole/small", "/stream", "/stored"])
def test_head_says_what_get_does(site: Site, target: str) -> None:
    for headers in ({}, GZIP):
        got, head = ask(site.port, target, headers=headers), ask(site.port, target, method="HEAD", headers=headers)
        assert head.body == b""
        for name in ("Content-Encoding", "Vary", "ETag", "Accept-Ranges", "Content-Type"):
            assert head.headers[name] == got.headers[name]
        assert head.headers["Content-Length"] in (None, str(len(got.body)))


def test_tags(site: Site) -> None:
    plain, packed = site.get("/stored"), site.packed("/stored")
    assert (plain.headers["ETag"], packed.headers["ETag"]) == (TAG, PACKED_TAG)
    for tag in (TAG, PACKED_TAG, f'"x", W/{PACKED_TAG}', f"{TAG}, {PACKED_TAG}"):
        for answer in (site.get("/stored", If_None_Match=tag), site.packed("/stored", If_None_Match=tag)):
            assert (answer.status, answer.body) == (304, b"")
            assert answer.headers["ETag"] in tag
    for tag in ('"other"', '"other-gzip"', '"result-1-gzip'):
        assert site.packed("/stored", If_None_Match=tag).status == 200


def test_parts_are_those_of_the_plain_file(site: Site) -> None:
    assert site.get("/stored").headers["Accept-Ranges"] == "bytes"
    assert site.packed("/stored").headers["Accept-Ranges"] is None
    part = site.packed("/stored", Range="bytes=100000-300000")
    assert (part.status, part.body, part.headers["ETag"]) == (206, TEXT[100_000:300_001], TAG)
    assert part.headers["Content-Encoding"] is None
    assert part.headers["Content-Range"] == f"bytes 100000-300000/{len(TEXT)}"
    assert site.packed("/stored", Range="bytes=5-", If_Range=TAG).status == 206
    whole = site.packed("/stored", Range="bytes=5-", If_Range=PACKED_TAG)  # a part of that nobody can give
    assert (whole.status, whole.body, whole.headers["ETag"]) == (200, TEXT, TAG)
    assert site.packed("/stored", Range="bytes=99999999-").status == 416


@pytest.mark.parametrize(
    ("accepted", "taken"),
    [
        ("gzip", True),
        ("GZIP", True),
        ("x-gzip", True),
        ("gzip, deflate, br", True),
        ("br;q=1.0, gzip;q=0.8, *;q=0.1", True),
        ("gzip;q=0.001", True),
        ("deflate , gzip ; q=0.5", True),
        ("*", True),
        ("*;q=0.5", True),
        ("identity;q=0.5, gzip", True),
        ("identity;q=0, *", True),
        ("", False),
        ("deflate", False),
        ("gzip;q=0", False),
        ("gzip;q=0.0, *", False),
        ("*;q=0", False),
        ("identity", False),
        ("gzip;q=0.5, identity", False),
        ("gzip;q=x", False),
        ("gzip;q=nan", False),
        ("gzipped", False),
    ],
)
def test_what_accept_encoding_means(accepted: str, taken: bool) -> None:
    assert takes_gzip([accepted]) is taken
    assert takes_gzip(accepted.split(",")) is taken
