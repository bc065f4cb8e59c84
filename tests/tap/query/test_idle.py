"""A client that takes nothing for too long is given up, and its connection to the database comes free."""

from __future__ import annotations

import socket
from urllib.parse import urlencode

import pytest

from tap.query import handlers
from tests.conftest import Service
from tests.tap.asking import TABLES, adql, eventually
from tests.vo.app.running import running
from vo.app.main import create_app


def test_given_up(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handlers, "IDLE_SECONDS", 0.5)
    query = "SELECT a.ra, b.dec FROM demo.big AS a, demo.big AS b"
    target = "/tap/sync?" + urlencode({"LANG": "ADQL", "QUERY": query, "MAXREC": "50000000"})
    owner = service.connect()
    settings = service.settings.model_copy(update={"connections": 1, "queue_time": 30.0})
    with (
        running(create_app(settings)) as port,
        socket.create_connection(("127.0.0.1", port), timeout=30) as connection,
        owner.cursor() as cursor,
    ):
        connection.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\nX-Request-Id: idle\r\n\r\n".encode())
        assert connection.recv(12) == b"HTTP/1.1 200"
        # The only connection of this process is taken until the client is given up.
        assert adql(port, TABLES).status == 200

        def gone() -> bool:
            cursor.execute("SELECT FROM pg_stat_activity WHERE application_name = 'vo:idle' AND state = 'active'")
            return not cursor.fetchall()

        eventually(gone)
    owner.close()
