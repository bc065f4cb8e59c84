"""Bodies and query strings that nobody should send: each gets a clear refusal, and the service goes on."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest

from tests.conftest import Service
from tests.tap.asking import FORM, TABLES, TEXT_TYPE, adql, ask, assert_error, multipart, sync

LIMIT = 4 * 2**20


@pytest.fixture(autouse=True)
def alive(service: Service) -> Iterator[None]:
    """Whatever a test sends, the service answers afterwards."""
    yield
    assert adql(service, TABLES, MAXREC="1").status == 200


def raw(service: Service, request: bytes, *, finish: bool = True) -> tuple[int, bytes]:
    """Send bytes that no HTTP library would, then say that no more come; return status and all that comes back."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=30) as connection:
        connection.sendall(request)
        if finish:
            connection.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    return (int(answer.split(b" ", 2)[1]) if answer else 0), answer


def send(service: Service, body: bytes, content_type: str | None) -> str:
    """POST a body that is refused as a mistake of the client; return the reason."""
    headers = {} if content_type is None else {"Content-Type": content_type}
    return assert_error(ask(service, "/tap/sync", method="POST", body=body, headers=headers), 400)


def test_ten_megabytes_of_query(service: Service) -> None:
    query = f"SELECT ra FROM demo.big WHERE ra IN ({'1,' * 5_000_000}1)"
    assert_error(adql(service, query), 413, str(LIMIT))
    body, headers = multipart([("LANG", "ADQL"), ("QUERY", query)])
    assert_error(ask(service, "/tap/sync", method="POST", body=body, headers=headers), 413, str(LIMIT))
    chunks = (body[start : start + 65_536] for start in range(0, len(body), 65_536))
    assert_error(ask(service, "/tap/sync", method="POST", body=chunks, headers=headers), 413, str(LIMIT))


def test_a_long_query_below_the_limit_is_read(service: Service) -> None:
    query = f"SELECT COUNT(*) AS n FROM demo.big{' ' * 900_000}"
    body, headers = multipart([("LANG", "ADQL"), ("FORMAT", "csv"), ("QUERY", query)])
    answer = ask(service, "/tap/sync", method="POST", body=body, headers=headers)
    assert answer.status == 200


def test_binary_junk(service: Service) -> None:
    junk = os.urandom(100_000)
    for content_type in (FORM["Content-Type"], None, "multipart/form-data; boundary=frontier"):
        send(service, junk, content_type)


@pytest.mark.parametrize("encoded", ["%ff%fe", "%c3%28", "%ed%a0%80", "%f8%88%80%80%80"])
def test_text_that_is_not_utf8(service: Service, encoded: str) -> None:
    assert "UTF-8" in send(service, f"LANG=ADQL&QUERY={encoded}".encode(), FORM["Content-Type"])
    assert_error(ask(service, f"/tap/sync?LANG=ADQL&QUERY={encoded}"), 400, "UTF-8")
    assert_error(ask(service, f"/tap/sync?{encoded}=1&LANG=ADQL"), 400, "UTF-8")


def test_nul_characters(service: Service) -> None:
    query = "SELECT 'a\0b' AS x FROM demo.big"
    assert_error(adql(service, query), 400, "NUL")
    assert_error(adql(service, query, method="GET"), 400, "NUL")
    body, headers = multipart([("LANG", "ADQL"), ("QUERY", query)])
    assert_error(ask(service, "/tap/sync", method="POST", body=body, headers=headers), 400, "NUL")
    assert_error(sync(service, {"LANG": "ADQL", "QUERY": TABLES, "RUNID": "\0"}), 400, "NUL")


@pytest.mark.parametrize("character", ["\x01", "\x1b", "\x7f", "\ufffe", "\ud7ff", "\u202e", "\U0010ffff"])
def test_odd_characters(service: Service, character: str) -> None:
    """Nothing that a query holds makes the error, or the echo of the query, illegal XML."""
    assert_error(adql(service, f"SELECT {character} FROM demo.big"), 400)
    answer = adql(service, f"SELECT TOP 1 '{character}' AS x FROM demo.big", RESPONSEFORMAT="votable/td")
    if answer.status == 200:
        assert answer.statuses() == ["OK"]
    else:
        assert_error(answer, 400)


def test_a_thousand_parameters_and_more(service: Service) -> None:
    some = [(f"p{number}", "x") for number in range(900)]
    assert sync(service, [("LANG", "ADQL"), ("QUERY", TABLES), *some]).status == 200
    many = [(f"p{number}", "x") for number in range(100_000)]
    assert_error(sync(service, [("LANG", "ADQL"), ("QUERY", TABLES), *many]), 400, "1000")
    assert_error(sync(service, many[:5_000], method="GET"), 400, "1000")
    body, headers = multipart([("LANG", "ADQL"), ("QUERY", TABLES), *many[:5_000]])
    assert_error(ask(service, "/tap/sync", method="POST", body=body, headers=headers), 400, "1000")


@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=other",
        'multipart/form-data; boundary="unclosed',
        "multipart/form-data; boundary=" + "x" * 5000,
        "multipart/form-data; boundary=frontier; charset=nothing-known",
        "multipart/form-data; charset=utf-16; boundary=",
    ],
)
def test_multipart_with_a_wrong_boundary(service: Service, content_type: str) -> None:
    body, _ = multipart([("QUERY", TABLES), ("FORMAT", "votable")])
    message = send(service, body, content_type)
    assert ".." not in message


@pytest.mark.parametrize("cut", [10, 40, 75, -1, -5, -20])
def test_multipart_cut_off(service: Service, cut: int) -> None:
    """A body that ends too early is refused, never half understood: the query that was cut is not run."""
    body, headers = multipart([("LANG", "ADQL"), ("FORMAT", "csv"), ("QUERY", f"{TABLES} WHERE 1 = 0")])
    answer = ask(service, "/tap/sync", method="POST", body=body[:cut], headers=headers)
    assert answer.status == 400 or (cut == -1 and answer.csv() == [])


def test_multipart_without_names(service: Service) -> None:
    for part in (b"Content-Disposition: form-data", b"Content-Disposition: form-data; filename=x", b"X: y", b""):
        send(
            service,
            b"--frontier\r\n" + part + b"\r\n\r\nADQL\r\n--frontier--\r\n",
            "multipart/form-data; boundary=frontier",
        )


@pytest.mark.parametrize("content_type", ["application/json", "text/xml", "nonsense", "multipart/mixed; boundary=a"])
def test_bodies_of_other_types(service: Service, content_type: str) -> None:
    message = send(service, b'{"LANG": "ADQL"}', content_type)
    assert "application/x-www-form-urlencoded or multipart/form-data" in message


def test_junk_in_the_path(service: Service) -> None:
    for path in (
        b"/%ff%fe",
        b"/%00",
        b"/tap/%2e%2e/%2e%2e/etc/passwd",
        b"/../../etc/passwd",
        b"//",
        b"/;",
        b"/static/%2e%2e/main.py",
    ):
        request = b"GET " + path + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        status, answer = raw(service, request, finish=False)
        assert status == 404, (path, answer)
        assert b"root:" not in answer
    assert_error(ask(service, "/tap/tables/%ff%00%f0"), 404)
    assert_error(ask(service, "/tables/%ff%00%f0"), 404, media_type=TEXT_TYPE)
    assert_error(ask(service, "/tap/tables/" + "x" * 5_000), 404)


def test_what_is_not_http(service: Service) -> None:
    for request in (
        os.urandom(2_000),
        b"\x16\x03\x01\x02\x00\x01",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET\r\n\r\n",
        b"\r\n" * 1_000,
    ):
        status, _ = raw(service, request)
        assert status in (0, 400)


def test_a_body_shorter_than_it_says(service: Service) -> None:
    head = "POST /tap/sync HTTP/1.1\r\nHost: x\r\nContent-Length: 999\r\n\r\n"
    status, _ = raw(service, f"{head}LANG=".encode())
    assert status in (0, 400)


def test_wrong_chunks(service: Service) -> None:
    head = b"POST /tap/sync HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    for chunks in (b"zz\r\nLANG\r\n", b"5\r\nLANG=ADQL\r\n", b"ffffffffffffffffff\r\n"):
        status, _ = raw(service, head + chunks)
        assert status in (0, 400)


def test_huge_headers(service: Service) -> None:
    answer = ask(service, "/tap/availability", headers={"X-Junk": "x" * 60_000})
    assert answer.status in (200, 400, 431)
