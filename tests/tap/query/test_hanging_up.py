"""Clients that go away, that take nothing, and that come in crowds: the database works for nobody in vain."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from urllib.parse import urlencode

import psycopg2
import pytest

from tests.conftest import Service
from tests.tap.asking import SLOW, TABLES, adql, ask, eventually, log_lines

BIG = "SELECT * FROM gaia_dr3.bright"
STREAM = "SELECT a.ra, b.dec FROM demo.big AS a, demo.big AS b"
"""Would give four hundred million rows."""


@pytest.fixture
def owner(service: Service) -> Iterator[psycopg2.extensions.cursor]:
    connection = service.connect()
    with connection.cursor() as cursor:
        yield cursor
    connection.close()


@contextmanager
def request(service: Service, query: str, identifier: str, **parameters: str) -> Iterator[socket.socket]:
    """Send a query and leave its answer to whoever has the socket; closed in the rudest way."""
    target = "/tap/sync?" + urlencode({"LANG": "ADQL", "QUERY": query, **parameters})
    connection = socket.create_connection(("127.0.0.1", service.port), timeout=60)
    try:
        connection.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\nX-Request-Id: {identifier}\r\n\r\n".encode())
        yield connection
    finally:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()


def working(owner: psycopg2.extensions.cursor, identifier: str) -> list[int]:
    """Return the backends that work for requests with an id like this."""
    owner.execute(
        "SELECT pid FROM pg_stat_activity WHERE application_name LIKE %s AND state = 'active'", (f"vo:{identifier}",)
    )
    return [pid for (pid,) in owner.fetchall()]


def waits_for_client(owner: psycopg2.extensions.cursor, identifier: str) -> bool:
    owner.execute("SELECT wait_event FROM pg_stat_activity WHERE application_name = %s", (f"vo:{identifier}",))
    return owner.fetchall() == [("ClientWrite",)]


def has_both(lines: list[dict[str, object]]) -> dict[str, dict[str, object]] | None:
    found = {str(line["event"]): line for line in lines}
    return found if {"tap.query", "http.request"} <= set(found) else None


def test_a_query_in_execution_is_cancelled(service: Service, owner: psycopg2.extensions.cursor) -> None:
    with request(service, SLOW, "hang-up-early"):
        eventually(lambda: working(owner, "hang-up-early"))
    eventually(lambda: not working(owner, "hang-up-early"), 10)
    [line] = eventually(lambda: log_lines(service.home, event="http.request", request="hang-up-early"))
    assert line["status"] == 499


def test_a_query_in_mid_stream_is_cancelled(service: Service, owner: psycopg2.extensions.cursor) -> None:
    with request(service, STREAM, "hang-up-late", MAXREC="50000000") as connection:
        received = 0
        while received < 3_000_000:
            received += len(some := connection.recv(1_000_000))
            assert some
        assert working(owner, "hang-up-late")
    eventually(lambda: not working(owner, "hang-up-late"), 10)
    [line] = eventually(lambda: log_lines(service.home, event="tap.query", request="hang-up-late"))
    assert line["outcome"] == "abandoned"


def test_more_hang_ups_than_connections(service: Service, owner: psycopg2.extensions.cursor) -> None:
    connections = service.settings.connections * service.settings.processes
    for number in range(connections + 8):
        query, bytes_read = (SLOW, 0) if number % 2 else (STREAM, 1_000)
        with request(service, query, f"crowd-{number}") as connection:
            if bytes_read:
                connection.recv(bytes_read)
            else:
                time.sleep(0.02)
    for _ in range(2 * service.settings.processes):
        assert adql(service, TABLES).status == 200
    eventually(lambda: not working(owner, "crowd-%"), 10)


def test_a_client_that_reads_nothing_disturbs_nobody(service: Service, owner: psycopg2.extensions.cursor) -> None:
    with request(service, STREAM, "reads-nothing", MAXREC="50000000") as connection:
        assert connection.recv(12).startswith(b"HTTP/1.1 200")
        backends = eventually(lambda: working(owner, "reads-nothing"))
        assert len(backends) == 1
        for _ in range(10):
            assert adql(service, TABLES).status == 200
        # The backend waits for the client: nothing piles up in the service.
        eventually(lambda: waits_for_client(owner, "reads-nothing"))
    eventually(lambda: not working(owner, "reads-nothing"), 10)


def test_a_client_that_reads_late_gets_everything(service: Service) -> None:
    expected = adql(service, BIG, FORMAT="csv").body
    with request(service, BIG, "reads-late", FORMAT="csv") as connection:
        time.sleep(2)
        received = bytearray()
        while not received.endswith(b"\r\n0\r\n\r\n"):
            received += (some := connection.recv(1_000_000))
            assert some
    assert sum(len(row) for row in expected.splitlines()) < len(received)
    assert expected.splitlines()[-1] in bytes(received[-200:])


def test_more_queries_than_connections(service: Service) -> None:
    query = "SELECT COUNT(*) AS n FROM gaia_dr3.bright WHERE phot_g_mean_mag + {} > 0"
    clients = 3 * service.settings.connections * service.settings.processes
    with ThreadPoolExecutor(clients) as executor:
        answers = list(executor.map(lambda number: adql(service, query.format(number), FORMAT="csv"), range(clients)))
    assert {tuple(map(tuple, answer.csv())) for answer in answers} == {(("482106",),)}


def test_the_request_id_reaches_database_and_log(service: Service, owner: psycopg2.extensions.cursor) -> None:
    with request(service, SLOW, "night.run_42-a"):
        [backend] = eventually(lambda: working(owner, "night.run_42-a"))
        owner.execute("SELECT usename FROM pg_stat_activity WHERE pid = %s", (backend,))
        assert owner.fetchone() == ("vo_tap",)
    query = "SELECT TOP 1 table_name FROM tap_schema.tables"
    target = "/tap/sync?" + urlencode({"LANG": "ADQL", "QUERY": query, "RUNID": "run 7"})
    answer = ask(service, target, headers={"X-Request-Id": "night.run_42-b"})
    assert answer.headers["X-Request-Id"] == "night.run_42-b"
    assert [info.attrib["value"] for info in answer.infos("request_id")] == ["night.run_42-b"]
    lines = eventually(lambda: has_both(log_lines(service.home, request="night.run_42-b")))
    ran, answered = lines["tap.query"], lines["http.request"]
    assert (ran["query"], ran["rows"], ran["run_id"], ran["outcome"]) == (query, 1, "run 7", "completed")
    assert (answered["path"], answered["status"], answered["method"]) == ("/tap/sync", 200, "GET")
