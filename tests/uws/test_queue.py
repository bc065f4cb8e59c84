"""The queue: who holds a lease, and what becomes of lost ones. With real connections in threads."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import psycopg2
import pytest

from tests.conftest import wait_until
from tests.uws.database import SERVICES, Database, stored
from uws.models import ErrorSummary, Facts, Job, Phase, Progress
from vo.core.settings import TAP_ROLE

WORK = "SELECT count(*) FROM generate_series(1, 99999) AS a, generate_series(1, 99999) AS b"
"""Minutes of it."""
NO = ErrorSummary("It failed.", "fatal", "query")


# Leases: a worker speaks for its own only


ENDS: dict[str, Callable[[Database, Job], bool]] = {
    "complete": lambda database, job: database.queue.complete(job, [stored()]),
    "fail": lambda database, job: database.queue.fail(job, NO),
    "stopped": lambda database, job: database.queue.stopped(job, NO),
    "hand back": lambda database, job: database.queue.hand_back(job, counts=True),
}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("since", ["taken over", "begun by another", "begun again", "ended", "deleted and gone"])
def test_a_lost_lease_changes_nothing(database: Database, end: str, since: str) -> None:
    old = database.leased()
    match since:
        case "taken over":
            lose(database, old)
        case "begun by another":
            lose(database, old)
            database.worker("w2")
            assert database.lease("w2").attempt == 2
        case "begun again":
            assert database.queue.hand_back(old, counts=False)
            assert database.lease().attempt == 2
        case "ended":
            assert database.queue.fail(old, ErrorSummary("Another reason.", "fatal", "limit"))
        case "deleted and gone":
            database.store.mark_deleted(old.job_id)
            assert database.queue.stopped(old)
            assert database.store.forget(old.job_id)
    before = database.run("SELECT * FROM uws.jobs")
    assert ENDS[end](database, old) is False
    assert database.run("SELECT * FROM uws.jobs") == before


def test_completing_again_after_a_lost_answer_is_no_loss(database: Database) -> None:
    job = database.leased()
    assert database.queue.complete(job, [stored(5)])
    assert database.queue.complete(job, [stored(5)])
    assert database.value("SELECT stored_bytes FROM uws.accounts") == 5


@pytest.mark.parametrize("wish", ["abort", "delete"])
@pytest.mark.parametrize("end", ENDS)
def test_what_was_asked_to_stop_ends_aborted(database: Database, wish: str, end: str) -> None:
    job = database.leased()
    if wish == "abort":
        database.store.abort(job.job_id)
    else:
        database.store.mark_deleted(job.job_id)
    done = ENDS[end](database, job)
    assert done is (end != "complete")
    assert database.phase(job) is (Phase.EXECUTING if end == "complete" else Phase.ABORTED)
    assert database.value("SELECT results FROM uws.jobs") == []


def test_a_buried_worker_gets_no_lease(database: Database) -> None:
    database.new()
    database.queue.leave("w1")
    assert database.queue.lease("w1", SERVICES, 100) is None


# Workers, living and dead


def lose(database: Database, job: Job, *, attempts: int = 3) -> int:
    """Bury the worker of a job, let another one take its jobs over, and register it anew."""
    assert job.worker_id is not None
    beat = next(row.beat for row in database.queue.workers() if row.worker_id == job.worker_id)
    assert database.queue.bury(job.worker_id, beat)
    lost = database.queue.take_over({"tap": attempts})
    database.worker(job.worker_id)
    return lost


def test_a_worker_is_buried_only_with_the_beat_that_was_seen(database: Database) -> None:
    [seen] = database.queue.workers()
    assert database.queue.beat("w1", draining=False, progress={}) == frozenset()
    assert not database.queue.bury("w1", seen.beat)
    [living] = database.queue.workers()
    assert living.beat == seen.beat + 1
    assert database.queue.bury("w1", living.beat)
    assert not database.queue.bury("w1", living.beat)
    assert database.queue.workers() == []
    assert database.queue.beat("w1", draining=False, progress={}) is None


def test_jobs_of_the_living_are_not_taken_over(database: Database) -> None:
    job = database.leased()
    assert database.queue.take_over({"tap": 3}) == 0
    database.queue.leave("w1")
    assert database.queue.take_over({"cutouts": 3}) == 0
    assert database.phase(job) is Phase.EXECUTING
    assert database.queue.take_over({"tap": 3}) == 1
    assert database.phase(job) is Phase.QUEUED


def test_a_lost_job_is_begun_again_until_it_is_given_up(database: Database) -> None:
    job = database.new()
    for attempt in (1, 2):
        assert database.lease().attempt == attempt
        assert lose(database, database.job(job)) == 1
        again = database.job(job)
        assert (again.phase, again.attempt, again.vain_attempts) == (Phase.QUEUED, attempt, attempt)
    database.lease()
    lose(database, database.job(job))
    ended = database.job(job)
    assert ended.phase is Phase.ERROR
    assert ended.error is not None
    assert ended.error.type == "transient"
    assert "begun 3 times" in ended.error.message
    assert database.queue.statistics().expired_leases == 3


def test_handing_back_by_a_worker_that_leaves_is_not_in_vain(database: Database) -> None:
    job = database.new()
    for _ in range(5):
        assert database.queue.hand_back(database.lease(), counts=False)
    assert database.job(job).vain_attempts == 0
    assert database.queue.hand_back(database.lease(), counts=True)
    assert database.job(job).vain_attempts == 1


@pytest.mark.parametrize("wish", ["abort", "delete"])
def test_a_lost_job_that_was_to_stop_ends_aborted(database: Database, wish: str) -> None:
    job = database.leased()
    if wish == "abort":
        database.store.abort(job.job_id)
    else:
        database.store.mark_deleted(job.job_id)
    assert lose(database, job) == 1
    assert database.phase(job) is Phase.ABORTED


def test_the_backend_of_a_lost_job_ends_before_it_is_queued_again(database: Database) -> None:
    job, other = database.leased(), database.leased()
    database.queue.complete(other, [])
    backends = {}
    with ThreadPoolExecutor(2) as threads:
        for one in (job, other):
            backends[one.job_id] = psycopg2.connect(
                database.settings.conninfo(TAP_ROLE), application_name=f"vo:{one.job_id}"
            )
        with closing(backends[job.job_id]), closing(backends[other.job_id]) as unharmed:
            query = threads.submit(backends[job.job_id].cursor().execute, WORK)
            working = "SELECT state FROM pg_stat_activity WHERE application_name = :label"
            wait_until(lambda: database.run(working, label=f"vo:{job.job_id}")[0].state == "active", "it works")
            assert lose(database, job) == 1
            assert database.run(working, label=f"vo:{job.job_id}") == []
            with pytest.raises(psycopg2.OperationalError, match=r"terminating connection|closed the connection"):
                query.result(10)
            unharmed.cursor().execute("SELECT 1")
    assert database.phase(job) is Phase.QUEUED


def test_two_take_over_at_once_and_each_lease_expires_once(database: Database) -> None:
    database.flood("user:a", 20)
    for _ in range(20):
        database.lease()
    database.queue.leave("w1")
    settled: list[tuple[str, int]] = []
    together = threading.Barrier(2)

    def take(_: int) -> int:
        together.wait()
        return database.queue.take_over({"tap": 3}, lost=lambda job_id, attempt: settled.append((job_id, attempt)))

    with ThreadPoolExecutor(2) as threads:
        assert sum(threads.map(take, range(2))) == 20
    assert sorted(settled) == [(f"flood{number:05d}", 1) for number in range(1, 21)]
    figures = database.queue.statistics()
    assert (figures.expired_leases, figures.queued, figures.executing) == (20, 20, 0)
    assert database.value("SELECT sum(vain_attempts) FROM uws.jobs") == 20


def test_a_beat_tells_progress_of_its_own_attempt_and_hears_of_wishes(database: Database) -> None:
    database.worker("w2")
    mine, aborted, deleted = (database.leased() for _ in range(3))
    database.new()
    other = database.lease("w2")
    facts = Facts(requested=9, found=7, failed={"no position": 2}, notes=(("engine", "stream"),))
    told = {
        (mine.job_id, 1): (Progress(rows=1, size=2, fraction=0.5, stage="reading"), facts),
        (aborted.job_id, 2): (Progress(rows=3), facts),
        (other.job_id, 1): (Progress(rows=4), facts),
    }
    database.store.abort(aborted.job_id)
    database.store.mark_deleted(deleted.job_id)
    database.store.abort(other.job_id)
    asked = database.queue.beat("w1", draining=True, progress=told)
    assert asked == frozenset({aborted.job_id, deleted.job_id})
    assert (database.job(mine).progress, database.job(mine).facts) == told[mine.job_id, 1]
    assert database.job(other).facts == Facts()
    assert database.job(aborted).progress is None
    assert database.job(other).progress is None
    assert [(row.worker_id, row.draining) for row in database.queue.workers()] == [("w1", True), ("w2", False)]


def test_statistics_tell_what_waits_and_who_works(database: Database) -> None:
    empty = database.queue.statistics()
    assert (empty.workers, empty.slots, empty.queued, empty.executing, empty.queue_age) == (1, 4, 0, 0, 0)
    database.new(run=False)
    database.new()
    hidden = database.new()
    database.store.mark_deleted(hidden.job_id)
    database.lease()
    database.new()
    database.run("UPDATE uws.jobs SET queued = clock_timestamp() - interval '90 s' WHERE phase = 'QUEUED'")
    database.worker("w2")
    database.queue.beat("w2", draining=True, progress={})
    figures = database.queue.statistics()
    assert (figures.workers, figures.slots, figures.queued, figures.executing) == (2, 4, 1, 1)
    assert figures.queue_age == pytest.approx(90, abs=10)
    assert figures.last_seen == pytest.approx(0, abs=10)
