"""WAIT: how long it takes, what ends it, and what many who wait cost (UWS 1.1, section 2.2.1.1)."""

from __future__ import annotations

import http.client
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path

import pytest
from lxml import etree

from tests.conftest import Service
from tests.tap.asking import Answer, ask
from tests.uws.asking import UWS, abort, create, delete, document, ended, executing, id_of, phase, refused, run, value
from uws.models import Phase

AT_ONCE = 2.0
"""Seconds in which an answer counts as immediate: clients that measure allow two."""
WAITERS = 300


def seconds(call: Callable[[], Answer], status: int = 200) -> float:
    """How long an answer takes."""
    begun = time.monotonic()
    answer = call()
    taken = time.monotonic() - begun
    assert answer.status == status, answer.text
    return taken


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as executor:
        yield executor


def waits(request: Future[Answer]) -> bool:
    """Whether a request that was sent is not answered at once."""
    with pytest.raises(TimeoutError):
        request.result(timeout=0.3)
    return True


def tell(service: Service, statement: str, *values: object) -> None:
    with closing(service.connect()) as connection, connection.cursor() as cursor:
        cursor.execute(statement, values)


def test_as_long_as_asked_and_no_longer_than_the_service_allows(service: Service) -> None:
    job = create(service)
    asked = {
        "?WAIT=1": 1,
        "?WAIT=3": 3,
        "?WAIT=3&PHASE=PENDING": 3,
        "?wait=3&phase=pending": 3,
        "?WAIT=+3": 3,
        "?WAIT=-1": 8,
        "?WAIT=-1&PHASE=PENDING": 8,
        "?WAIT=120": 8,
        "?WAIT=" + "9" * 5000: 8,
    }
    with ThreadPoolExecutor(len(asked)) as threads:
        taken = threads.map(lambda query: seconds(lambda: ask(service, job + query)), asked)
    for (query, wanted), found in zip(asked.items(), taken, strict=True):
        assert wanted <= found < wanted + AT_ONCE, query[:40]
    assert phase(service, job) == "PENDING"


def test_no_wait_for_a_job_that_has_ended(service: Service) -> None:
    aborted, completed, failed = (
        create(service),
        create(service, PHASE="RUN"),
        create(service, LANG="none", PHASE="RUN"),
    )
    abort(service, aborted)
    assert (ended(service, completed), ended(service, failed)) == ("COMPLETED", "ERROR")
    for job in (aborted, completed, failed):
        for query in ("?WAIT=100", "?WAIT=-1", f"?WAIT=5&PHASE={phase(service, job)}", "?WAIT=5&PHASE=EXECUTING"):
            assert seconds(partial(ask, service, job + query)) < AT_ONCE


@pytest.mark.parametrize("other", [name for name in Phase if name != "PENDING"])
def test_no_wait_when_the_phase_is_another_than_the_client_knows(service: Service, other: Phase) -> None:
    job = create(service)
    assert seconds(lambda: ask(service, f"{job}?WAIT=10&PHASE={other}")) < AT_ONCE


@pytest.mark.parametrize(
    "query", ["?WAIT=0", "?WAIT=", "?WAIT=0&PHASE=PENDING", "?PHASE=PENDING", "/phase?WAIT=8", "/results?WAIT=8"]
)
def test_no_wait_where_none_is_asked_for(service: Service, query: str) -> None:
    job = create(service)
    assert seconds(lambda: ask(service, job + query)) < AT_ONCE


@pytest.mark.parametrize(
    "query",
    [
        *(
            "WAIT=abc",
            "WAIT=-2",
            "WAIT=1e3",
            "WAIT=1.5",
            "WAIT=-",
            "WAIT=--1",
            "WAIT=%C2%B2",
            "WAIT=1&WAIT=2",
            "WAIT=5s",
        ),
        *("WAIT=1&PHASE=RUNNING", "WAIT=1&PHASE=PENDING,QUEUED", "WAIT=1&PHASE=PENDING&PHASE=QUEUED"),
    ],
)
def test_waits_that_cannot_be_read(service: Service, query: str) -> None:
    job = create(service)
    message = refused(ask(service, f"{job}?{query}"), 400)
    assert message.startswith(("WAIT: ", "PHASE: "))


def test_each_change_of_phase_ends_a_wait_at_once(service: Service, threads: ThreadPoolExecutor) -> None:
    job = create(service)
    pending = threads.submit(ask, service, f"{job}?WAIT=-1&PHASE=PENDING")
    assert waits(pending)
    time_out = time.monotonic() + AT_ONCE
    run(service, job)
    seen = [value(pending.result().xml(), "phase")]
    assert time.monotonic() < time_out
    while seen[-1] in ("QUEUED", "EXECUTING"):
        seen.append(value(document(service, job, f"?WAIT=-1&PHASE={seen[-1]}"), "phase"))
    assert time.monotonic() < time_out + AT_ONCE
    assert seen[-1] == "COMPLETED"
    assert len(set(seen)) == len(seen)


def test_abort_and_delete_end_a_wait(service: Service, threads: ThreadPoolExecutor) -> None:
    running, gone = executing(service), create(service)
    requests = [threads.submit(ask, service, f"{job}?WAIT=-1") for job in (running, gone)]
    assert all(map(waits, requests))
    begun = time.monotonic()
    abort(service, running)
    delete(service, gone)
    assert value(requests[0].result().xml(), "phase") == "ABORTED"
    refused(requests[1].result(), 404, id_of(gone))
    assert time.monotonic() - begun < 2 * AT_ONCE


def test_news_that_are_none_do_not_end_a_wait(service: Service, threads: ThreadPoolExecutor) -> None:
    """What is heard after the job was read may be how it came into that very phase."""
    job = create(service)
    taken = threads.submit(seconds, lambda: ask(service, f"{job}?WAIT=2"))
    while not taken.done():
        tell(service, "SELECT pg_notify('vo_job_phase', %s)", f"{id_of(job)} PENDING")
    assert 2 <= taken.result() < 2 + AT_ONCE


def test_a_lost_listening_connection_is_made_anew_and_nothing_is_missed(
    service: Service, threads: ThreadPoolExecutor
) -> None:
    job = create(service)
    request = threads.submit(ask, service, f"{job}?WAIT=-1")
    assert waits(request)
    tell(service, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'vo:jobs'")
    tell(service, "UPDATE uws.jobs SET phase = 'ABORTED' WHERE job_id = %s", id_of(job))
    begun = time.monotonic()
    assert value(request.result().xml(), "phase") == "ABORTED"
    assert time.monotonic() - begun < 4


def processes(service: Service) -> list[Path]:
    """The folders in /proc of the processes that answer HTTP."""
    assert service.process is not None
    children = Path(f"/proc/{service.process.pid}/task/{service.process.pid}/children").read_text().split()
    folders = [Path("/proc", pid) for pid in children]
    return [folder for folder in folders if b"vo.app.process" in (folder / "cmdline").read_bytes()]


def figures(service: Service) -> tuple[float, int, int]:
    """MiB and threads of the processes that answer HTTP, and connections to the database."""
    mib = threads = 0
    for folder in processes(service):
        found = re.search(r"^Pss:\s+(\d+) kB", (folder / "smaps_rollup").read_text(), re.MULTILINE)
        assert found is not None
        mib += int(found[1]) // 1024
        threads += len(list((folder / "task").iterdir()))
    with closing(service.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'")
        return mib, threads, int((cursor.fetchone() or [0])[0])


def test_hundreds_who_wait_cost_little_and_are_all_answered_when_it_changes(service: Service) -> None:
    jobs = [create(service) for _ in range(30)]
    for job in jobs:
        document(service, job, "?WAIT=0")
    mib, threads, connections = figures(service)
    with ExitStack() as stack:
        clients = []
        for number in range(WAITERS):
            client = http.client.HTTPConnection("127.0.0.1", service.port, timeout=30)
            stack.callback(client.close)
            client.request("GET", f"{jobs[number % len(jobs)]}?WAIT=-1&PHASE=PENDING")
            clients.append(client)
        end = time.monotonic() + 5
        while time.monotonic() < end:
            more_mib, more_threads, more_connections = figures(service)
            assert more_mib < mib + 60
            assert more_threads <= threads + 2 * 8 * len(processes(service))  # of pools, whose size is bounded
            assert more_connections <= connections + 2 * 4
        begun = time.monotonic()
        tell(service, "UPDATE uws.jobs SET phase = 'ABORTED' WHERE job_id = ANY(%s)", [id_of(job) for job in jobs])
        answers = [client.getresponse() for client in clients]
        phases = {etree.fromstring(answer.read()).findtext(f"{UWS}phase") for answer in answers}
        assert phases == {"ABORTED"}
        assert time.monotonic() - begun < 3
