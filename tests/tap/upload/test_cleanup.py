"""Processes that die, databases that restart and clients that hang up in the middle of uploads: nothing stays."""

from __future__ import annotations

import socket
import struct
import threading
import time
from contextlib import suppress
from os import listdir, readlink

import numpy as np
import psycopg2
import pytest

from tap.upload.store import sweep_uploads
from tests.conftest import wait_until
from tests.tap.asking import Answer
from tests.tap.upload.conftest import left
from tests.tap.upload.sending import form, parquet, send
from tests.uws.processes import JobService, joined, kill, steadily
from vo.core.errors import UnavailableError

ROWS = 700_000
SLOW = "SELECT COUNT(*) AS n FROM {0} AS a, {0} AS b, {0} AS c WHERE a.ra < b.ra - c.dec".format("TAP_UPLOAD.t")
"""Runs until it is stopped."""
SUM = "SELECT COUNT(*) AS rows_, SUM(id) AS total FROM TAP_UPLOAD.t"
LATER = f"{SUM}, (SELECT COUNT(*) AS n {joined(5)}, tap_schema.tables AS g) AS pause WHERE pause.n > 1"
"""The same after a second or two."""
TOTAL = [str(ROWS), str(ROWS * (ROWS - 1) // 2)]
IDS = ["while it loads", "while it asks"]

_random = np.random.default_rng(3)
TABLE = parquet(id=np.arange(ROWS), ra=_random.uniform(0, 360, ROWS), dec=_random.uniform(-90, 90, ROWS))
"""Takes some seconds to be loaded: it is sorted, indexed and analyzed."""
SMALL = parquet(id=np.arange(2000), ra=_random.uniform(0, 360, 2000), dec=_random.uniform(-90, 90, 2000))


def loading(service: JobService) -> list[int]:
    """Return the backends that take rows of an upload."""
    found = service.fetch("SELECT pid FROM pg_stat_activity WHERE state = 'active' AND query ~ '^COPY .*vo_upload'")
    return [pid for (pid,) in found]


def asking(service: JobService) -> list[int]:
    """Return the backends that run a query with an upload."""
    found = service.fetch("SELECT pid FROM pg_stat_activity WHERE state = 'active' AND usename = 'vo_tap' "
                          "AND query ~ 'vo_upload'")  # fmt: skip
    return [pid for (pid,) in found]


def swept(service: JobService) -> bool:
    """Sweep, and return whether nothing is left: a backend whose client died holds its locks a little longer."""
    try:
        sweep_uploads(service.settings)
        return left(service) == []
    except (UnavailableError, psycopg2.OperationalError):
        return False


class Client(threading.Thread):
    """Sends a query with a table, and waits for the answer."""

    def __init__(self, service: JobService, query: str, table: bytes) -> None:
        super().__init__()
        self.answer: Answer | None = None
        self._request = service, query, {"t": table}
        self.start()

    def run(self) -> None:
        self.answer = steadily(lambda: send(*self._request, FORMAT="csv"))


@pytest.mark.parametrize(("query", "table", "phase"), [(SUM, TABLE, loading), (SLOW, SMALL, asking)], ids=IDS)
def test_a_process_is_killed(own: JobService, query: str, table: bytes, phase: object) -> None:
    assert callable(phase)
    client = Client(own, query, table)
    wait_until(lambda: phase(own), "it is at work")
    for pid in own.children("vo.app.process"):
        kill(pid)
    client.join()
    assert client.answer is None
    wait_until(lambda: swept(own), "all is swept")
    wait_until(lambda: steadily(lambda: send(own, SUM, {"t": SMALL}).status) == 200, "it goes on")


@pytest.mark.parametrize("phase", [loading, asking], ids=IDS)
def test_a_worker_is_killed(own: JobService, phase: object) -> None:
    """The job is tried again, with the table that came with it, and completes."""
    assert callable(phase)
    query = SUM if phase is loading else LATER
    answer = send(own, query, {"t": TABLE}, "/tap/async", PHASE="RUN", FORMAT="csv")
    job_id = answer.headers["Location"].rpartition("/")[2]
    wait_until(lambda: phase(own), "it is at work")
    kill(own.runner(job_id))
    own.until(job_id, "COMPLETED", "ERROR")
    assert own.changes(job_id)[-1] == ("COMPLETED", 2), own.reason(job_id)
    assert own.result(job_id).split()[1].decode().split(",") == TOTAL
    wait_until(lambda: swept(own), "all is swept")


@pytest.mark.parametrize("phase", [loading, asking], ids=IDS)
def test_the_database_crashes(own: JobService, phase: object) -> None:
    """Unlogged tables are empty afterwards: an error comes or the right answer, never that of an empty table."""
    assert callable(phase)
    client = Client(own, SUM if phase is loading else LATER, TABLE)
    wait_until(lambda: phase(own), "it is at work")
    own.crash_database()
    client.join()
    if client.answer is not None:
        assert client.answer.status >= 500 or client.answer.csv() == [TOTAL], client.answer.text[:500]
    wait_until(lambda: swept(own), "all is swept")
    wait_until(lambda: steadily(lambda: send(own, SUM, {"t": SMALL}).status) == 200, "it goes on")


def test_a_client_hangs_up(own: JobService) -> None:
    """In the middle of its file, and while it is loaded."""
    body, headers = form({"LANG": "ADQL", "QUERY": SUM, "UPLOAD": "t,param:t"}, {"t": TABLE})
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    for size, until in ((len(body) // 2, None), (len(body), loading)):
        connection = socket.create_connection(("127.0.0.1", own.port), timeout=60)
        request = f"POST /tap/sync HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n{head}\r\n".encode()
        connection.sendall(request + body[:size])
        if until is not None:
            wait_until(lambda: loading(own), "it is loaded")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
        gone = time.monotonic()
        wait_until(lambda: left(own) == [] and not loading(own), "nothing is left", 20)
        print(f"nothing is left {time.monotonic() - gone:.1f} s later")
        wait_until(lambda: not held(own), "no file is held", 10)


def held(service: JobService) -> list[str]:
    """Return the anonymous files that the HTTP processes have open."""
    found = []
    for pid in service.children("vo.app.process"):
        for handle in (f"/proc/{pid}/fd/{number}" for number in listdir(f"/proc/{pid}/fd")):
            with suppress(OSError):
                found.append(readlink(handle))
    return [path for path in found if path.startswith(str(service.home / "scratch"))]
