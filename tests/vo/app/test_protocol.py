"""Heads of requests that never end, or come too slowly."""

from __future__ import annotations

import socket
import time
from contextlib import suppress

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from tests.conftest import Service
from tests.vo.app.running import running
from vo.app import protocol


@pytest.mark.parametrize(
    ("begin", "more"),
    [(b"GET /", b"a"), (b"GET / HTTP/1.1\r\nX-A: ", b"a"), (b"GET / HTTP/1.1\r\n", b"a:b\r\n")],
    ids=["address", "header", "headers"],
)
def test_a_head_without_end(service: Service, begin: bytes, more: bytes) -> None:
    with socket.create_connection(("127.0.0.1", service.port), timeout=30) as connection:
        connection.sendall(begin)
        with pytest.raises(OSError, match=r"reset|pipe"):
            connection.sendall(more * 20_000_000)
        with suppress(ConnectionResetError):
            assert b"too large" in connection.recv(10_000)


def test_headers_after_a_body_without_end(service: Service) -> None:
    head = b"POST /tap/sync HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
    with socket.create_connection(("127.0.0.1", service.port), timeout=30) as connection:
        connection.sendall(head)
        with pytest.raises(OSError, match=r"reset|pipe"):
            connection.sendall(b"a:b\r\n" * 20_000_000)


@pytest.mark.parametrize("begin", [b"", b"GET / HTTP/1.1\r\nHost:", b"GET / HTTP/1.1\r\n\r\nGET / HTT"])
def test_a_head_that_does_not_come(monkeypatch: pytest.MonkeyPatch, begin: bytes) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.5)
    app = Starlette(routes=[Route("/", lambda _: PlainTextResponse("here"))])
    with running(app) as port, socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        started = time.monotonic()
        connection.sendall(begin)
        answer = b""
        while block := connection.recv(10_000):
            answer += block
        assert time.monotonic() - started > 0.4
        assert answer.endswith(b"here") == begin.endswith(b"GET / HTT")
