"""Jobs aborted, deleted or out of time, and clients that hang up: the database and the disk are free at once."""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from urllib.parse import urlencode

import pytest

from tests.conftest import wait_until
from tests.tap.asking import FORM, ask
from tests.uws.processes import ENDLESS, LONG, JobService

BOUND = 1.0
"""Seconds in which a job that is not wanted any more has to be gone from the database."""


@pytest.fixture(scope="module")
def own() -> Iterator[JobService]:
    """A service with room for two jobs."""
    with JobService(VO_RUNNING_JOBS="2", VO_PROCESSES="1") as running:
        yield running


def within(call: Callable[[], object], condition: Callable[[], object], bound: float = BOUND) -> None:
    """Call, and check that a condition holds in time."""
    begun = time.monotonic()
    call()
    wait_until(condition, "it is gone")
    took = time.monotonic() - begun
    print(f"gone after {took:.2f} s")
    assert took < bound


@pytest.mark.parametrize("query", [LONG, ENDLESS], ids=["computes", "writes"])
@pytest.mark.parametrize("how", ["abort", "delete"])
def test_running_jobs_stop_at_once(own: JobService, query: str, how: str) -> None:
    job_id = own.submit(query, MAXREC="50000000")
    own.runs(job_id)
    wait_until(lambda: query == LONG or own.files(job_id), "it writes")

    def stop() -> None:
        if how == "abort":
            answer = own.post(f"/tap/async/{job_id}/phase", {"PHASE": "ABORT"})
        else:
            answer = ask(own, f"/tap/async/{job_id}", method="DELETE")
        assert answer.status == 303

    within(stop, lambda: own.backends(job_id) == 0)
    if how == "abort":
        own.until(job_id, "ABORTED")
        wait_until(lambda: own.files(job_id) == [], "its files are gone")
    else:
        assert ask(own, f"/tap/async/{job_id}").status == 404
        wait_until(lambda: not own.folder(job_id).exists(), "its folder is gone")
        assert not own.fetch("SELECT 1 FROM uws.jobs WHERE job_id = %s", job_id)


def test_waiting_jobs_never_run(own: JobService) -> None:
    running = [own.submit(LONG) for _ in range(2)]
    for job_id in running:
        own.runs(job_id)
    aborted, deleted = own.submit(), own.submit()
    assert own.post(f"/tap/async/{aborted}/phase", {"PHASE": "ABORT"}).status == 303
    assert own.phase(aborted) == "ABORTED"
    assert ask(own, f"/tap/async/{deleted}", method="DELETE").status == 303
    assert ask(own, f"/tap/async/{deleted}").status == 404
    for job_id in running:
        ask(own, f"/tap/async/{job_id}", method="DELETE")
    last = own.submit()
    own.until(last, "COMPLETED")
    assert [own.counts(job_id, "EXECUTING") for job_id in (aborted, deleted)] == [0, 0]


def test_a_job_out_of_time(own: JobService) -> None:
    created = own.post("/tap/async", {"LANG": "ADQL", "QUERY": ENDLESS, "MAXREC": "50000000"})
    job_id = created.headers["Location"].rpartition("/")[2]
    assert own.post(f"/tap/async/{job_id}/executionduration", {"EXECUTIONDURATION": "1"}).status == 303
    assert own.post(f"/tap/async/{job_id}/phase", {"PHASE": "RUN"}).status == 303
    own.runs(job_id)
    within(lambda: None, lambda: own.backends(job_id) == 0, bound=1 + BOUND)
    own.until(job_id, "ABORTED")
    assert "longer than the 1 s" in own.reason(job_id)
    wait_until(lambda: own.files(job_id) == [], "its files are gone")


def test_a_client_that_hangs_up(own: JobService) -> None:
    name = "hung-up"
    with closing(http.client.HTTPConnection("127.0.0.1", own.port)) as connection:
        form = urlencode({"LANG": "ADQL", "QUERY": LONG})
        connection.request("POST", "/tap/sync", form, FORM | {"X-Request-Id": name})
        own.runs(name)
    within(lambda: None, lambda: own.backends(name) == 0)
