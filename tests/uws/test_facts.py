"""What jobs tell of themselves, what is expected of them, what is kept of those that fail; and workers that rest."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from lxml import etree

from tests.uws.database import LIMITS, MIB, Database, stored
from uws.models import ErrorSummary, Estimate, Facts, Job, Phase, Progress
from uws.xml import PROGRESS, job_document

ERROR = ErrorSummary("It failed.", "fatal", "limit")
FACTS = Facts("reads both", 10, 8, {"no position": 2}, (("engine", "stream"),))


def create(database: Database, estimate: Estimate | None) -> Job:
    return database.store.create(
        job_id="f" * 32,
        service="tap",
        owner=None,
        account="user:a",
        run_id=None,
        parameters=(),
        limits=LIMITS,
        run=False,
        estimate=estimate,
    )


def test_an_estimate_is_the_quote(database: Database) -> None:
    job = create(database, Estimate(90.0, "reads both"))
    assert job.facts == Facts(plan="reads both")
    assert job.quote is not None
    assert abs(job.quote - datetime.now(UTC) - timedelta(seconds=90)) < timedelta(seconds=5)
    database.store.set_estimate(job.job_id, Estimate(None, "nobody knows"))
    again = database.job(job)
    assert (again.quote, again.facts.plan) == (None, "nobody knows")
    database.store.queue(job.job_id)
    database.store.set_estimate(job.job_id, Estimate(1.0, "too late"))
    assert database.job(job).facts.plan == "nobody knows"


def test_without_an_estimate(database: Database) -> None:
    job = create(database, None)
    assert (job.quote, job.facts) == (None, Facts())


@pytest.mark.parametrize("end", ["complete", "fail", "stopped"])
def test_facts_outlive_the_end(database: Database, end: str) -> None:
    job = database.leased()
    told = {(job.job_id, job.attempt): (Progress(rows=3), Facts(plan="first"))}
    database.queue.beat("w1", draining=False, progress=told)
    assert database.job(job).facts == Facts(plan="first")
    match end:
        case "complete":
            assert database.queue.complete(job, [], FACTS)
        case "fail":
            assert database.queue.fail(job, ERROR, (), FACTS)
        case _:
            assert database.queue.stopped(job, ERROR, (), FACTS)
    assert database.job(job).facts == FACTS


@pytest.mark.parametrize("end", ["fail", "stopped"])
def test_what_a_failed_job_made_is_kept_and_accounted_for(database: Database, end: str) -> None:
    job = database.leased()
    for _ in range(2):  # once more when the database went away before it answered
        if end == "fail":
            assert database.queue.fail(job, ERROR, [stored(MIB)], FACTS)
        else:
            assert database.queue.stopped(job, ERROR, [stored(MIB)], FACTS)
    ended = database.job(job)
    assert ended.phase is (Phase.ERROR if end == "fail" else Phase.ABORTED)
    assert [result.size for result in ended.results] == [MIB]
    assert database.queue.stored_bytes(job.account) == MIB


def test_nothing_is_kept_of_a_job_that_its_owner_aborts(database: Database) -> None:
    job = database.leased()
    database.store.abort(job.job_id)
    assert database.queue.fail(job, ERROR, [stored(MIB)], FACTS)
    assert (database.job(job).phase, list(database.job(job).results)) == (Phase.ABORTED, [])


def test_in_the_document(database: Database) -> None:
    job = database.leased()
    database.queue.complete(job, [], FACTS)
    root = etree.fromstring(job_document(database.job(job), "http://x/j"))
    told = [(etree.QName(e).localname, dict(e.attrib), e.text) for e in root.iter(f"{{{PROGRESS}}}*")]
    assert told == [
        ("requested", {}, "10"),
        ("found", {}, "8"),
        ("plan", {}, "reads both"),
        ("failed", {"reason": "no position"}, "2"),
        ("note", {"name": "engine"}, "stream"),
    ]


def test_a_worker_that_rests_begins_nothing(database: Database) -> None:
    running = database.leased()
    waiting = database.new()
    assert database.queue.rest("w1", rests=True)
    assert database.queue.lease("w1", ["tap"], 10) is None
    database.worker("w2")
    assert database.lease("w2").job_id == waiting.job_id
    assert database.queue.complete(running, [])  # what it runs goes on
    later = database.new()
    assert database.queue.rest("w1", rests=False)
    assert database.lease("w1").job_id == later.job_id
    assert not database.queue.rest("nobody", rests=True)
