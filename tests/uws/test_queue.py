"""The queue: whose turn it is, who holds a lease, and what becomes of lost ones. With real connections in threads."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from itertools import pairwise

import psycopg2
import pytest
from sqlalchemy import text

from tests.conftest import wait_until
from tests.uws.database import SERVICES, Database, stored
from uws.models import ErrorSummary, Job, Phase, Progress
from uws.store import change_phase
from vo.core.settings import TAP_ROLE

FLOOD, OTHER = "user:flood", "user:other"
WORK = "SELECT count(*) FROM generate_series(1, 99999) AS a, generate_series(1, 99999) AS b"
"""Minutes of it."""
NO = ErrorSummary("It failed.", "fatal", "query")


def accounts(database: Database, number: int, *, running_jobs: int = 100) -> list[str]:
    """Lease, complete at once, and return whose jobs these were."""
    found = []
    for _ in range(number):
        job = database.lease(running_jobs=running_jobs)
        assert database.queue.complete(job, [])
        found.append(job.account)
    return found


# Whose turn it is


@pytest.mark.parametrize(("workers", "slots"), [(1, 1), (1, 4), (2, 3), (4, 2)])
def test_a_flood_delays_anothers_next_job_by_at_most_one(database: Database, workers: int, slots: int) -> None:
    database.flood(FLOOD, 500)
    places = random.Random(workers * slots)
    done = threading.Event()
    begun = Counter[str]()
    for number in range(workers):
        database.worker(f"worker-{number}")

    def reached(account: str, number: int) -> bool:
        return begun[account] >= number

    def work(worker_id: str, seed: int) -> None:
        pause = random.Random(seed)
        while not done.is_set():
            job = database.queue.lease(worker_id, SERVICES, 100)
            if job is None:
                continue
            begun[job.account] += 1
            done.wait(pause.random() / 100)
            assert database.queue.complete(job, [])

    with ThreadPoolExecutor(workers * slots) as threads:
        works = [threads.submit(work, f"worker-{n % workers}", n) for n in range(workers * slots)]
        try:
            for turn in range(1, 7):
                seen = begun[FLOOD] + places.randrange(2, 20)
                wait_until(partial(reached, FLOOD, seen), "some jobs of the flood ran")
                job = database.new(account=OTHER)
                asked = database.value("SELECT clock_timestamp()")
                wait_until(partial(reached, OTHER, turn), "the other's job was begun")
                started = database.job(job).started
                assert started is not None
                between = database.value(
                    "SELECT count(*) FROM uws.jobs WHERE account = :flood AND started > :asked AND started < :started",
                    flood=FLOOD,
                    asked=asked,
                    started=started,
                )
                assert between <= 1
        finally:
            done.set()
        for one in works:
            one.result()
    assert database.value("SELECT count(*) FROM uws.jobs WHERE phase = 'QUEUED'") > 0  # it was a flood to the end


def test_three_callers_take_turns(database: Database) -> None:
    for account, jobs in (("user:a", 30), ("user:b", 10), ("user:c", 10)):
        database.flood(account, jobs, prefix=account)
    order = accounts(database, 50)
    rounds = [set(order[start : start + 3]) for start in range(0, 30, 3)]
    assert rounds == [{"user:a", "user:b", "user:c"}] * 10
    assert set(order[30:]) == {"user:a"}


def test_who_has_fewer_running_jobs_comes_first(database: Database) -> None:
    for account in (FLOOD, OTHER):
        database.flood(account, 10, prefix=account)
    running = [database.lease() for _ in range(6)]
    assert Counter(job.account for job in running) == {FLOOD: 3, OTHER: 3}
    for job in running:
        if job.account == OTHER:
            database.queue.complete(job, [])
    assert [database.lease().account for _ in range(3)] == [OTHER] * 3


def test_jobs_of_one_caller_keep_their_order(database: Database) -> None:
    jobs = [database.new(account=account) for account in (FLOOD, OTHER, FLOOD, FLOOD, OTHER)]
    leased = [database.lease() for _ in jobs]
    for account in (FLOOD, OTHER):
        assert [job.job_id for job in leased if job.account == account] == [
            job.job_id for job in jobs if job.account == account
        ]


def test_who_deletes_his_jobs_gains_nothing(database: Database) -> None:
    for account in (FLOOD, OTHER):
        database.flood(account, 12, prefix=account)
    order = []
    for _ in range(24):
        job = database.lease()
        assert database.queue.complete(job, [])
        if job.account == FLOOD:
            database.store.mark_deleted(job.job_id)
            database.store.forget(job.job_id)
        order.append(job.account)
    assert all(before != after for before, after in pairwise(order))


@pytest.mark.parametrize("seed", range(4))
def test_every_lease_of_a_random_life_follows_the_rule(database: Database, seed: int) -> None:
    """Fewest running jobs, then not served longest, then the oldest job; nobody above the limit of running jobs."""
    chance = random.Random(seed)
    names = [f"user:{letter}" for letter in "abcde"]
    waiting: dict[str, list[str]] = {name: [] for name in names}
    running: dict[str, list[Job]] = {name: [] for name in names}
    served = dict.fromkeys(names, 0)
    for step in range(1, 150):
        name = chance.choice(names)
        match chance.choice(["new", "lease", "lease", "complete", "hand back", "abort", "delete"]):
            case "new":
                waiting[name].append(database.new(account=name).job_id)
            case "lease":
                ready = [one for one in names if waiting[one] and len(running[one]) < 2]
                job = database.queue.lease("w1", SERVICES, 2)
                if not ready:
                    assert job is None
                    continue
                first = min(ready, key=lambda one: (len(running[one]), served[one]))
                assert job is not None
                assert (job.account, job.job_id) == (first, waiting[first].pop(0))
                running[first].append(job)
                served[first] = step
            case "complete" if running[name]:
                assert database.queue.complete(running[name].pop(), [])
            case "hand back" if running[name]:
                job = running[name].pop()
                assert database.queue.hand_back(job, counts=False)
                waiting[name].append(job.job_id)
                waiting[name].sort()  # the ids count up: it keeps its place
            case "abort" if waiting[name]:
                database.store.abort(waiting[name].pop())
            case "delete" if waiting[name]:
                database.store.mark_deleted(waiting[name].pop(0))


def test_the_limit_of_running_jobs_is_exact_under_concurrent_workers(database: Database) -> None:
    database.flood(FLOOD, 60)
    database.flood(OTHER, 60, prefix="other")
    together = threading.Barrier(8)
    most = Counter[str]()
    left = Counter({FLOOD: 60, OTHER: 60})

    def work(_: int) -> None:
        together.wait()
        while sum(left.values()) > 20:
            job = database.queue.lease("w1", SERVICES, 3)
            if job is None:
                continue
            running = database.value(
                "SELECT count(*) FROM uws.jobs WHERE account = :account AND phase = 'EXECUTING'", account=job.account
            )
            most[job.account] = max(most[job.account], running)
            left[job.account] -= 1
            time.sleep(0.01)  # it works
            assert database.queue.complete(job, [])

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(work, range(8)))
    assert most == {FLOOD: 3, OTHER: 3}  # never more, and as many as there may be


def test_eight_workers_at_one_job_begin_it_once(database: Database) -> None:
    together = threading.Barrier(8)
    ids = [database.new().job_id for _ in range(10)]

    def take(_: int) -> list[str]:
        together.wait()
        found = [database.queue.lease("w1", SERVICES, 100) for _ in range(4)]
        return [job.job_id for job in found if job is not None]

    with ThreadPoolExecutor(8) as threads:
        taken = [job_id for part in threads.map(take, range(8)) for job_id in part]
    assert sorted(taken) == ids


def test_jobs_of_other_services_are_left(database: Database) -> None:
    other = database.new(service="cutouts")
    mine = database.new()
    assert database.lease().job_id == mine.job_id
    assert database.queue.lease("w1", SERVICES, 100) is None
    assert database.phase(other) is Phase.QUEUED
    assert database.lease(services=["cutouts", "tap"]).job_id == other.job_id


@pytest.mark.parametrize("locked", ["first", "account"])
def test_somebody_elses_open_transaction_stops_nobody(database: Database, locked: str) -> None:
    held = database.new(account=FLOOD)
    following = database.new(account=FLOOD)
    last = database.new(account=OTHER)
    with database.engine.connect() as connection:
        connection.execute(text("SET idle_in_transaction_session_timeout = 0"))
        assert change_phase(connection, held.job_id, Phase.ABORTED)
        if locked == "account":
            assert change_phase(connection, following.job_id, Phase.ABORTED)
        begun = time.monotonic()
        found = [database.queue.lease("w1", SERVICES, 100) for _ in range(3)]
        assert time.monotonic() - begun < 2
        expected = {last.job_id} if locked == "account" else {last.job_id, following.job_id}
        assert {job.job_id for job in found if job} == expected
        connection.rollback()
    # What was not aborted in the end is there for the next one.
    assert database.lease().job_id == held.job_id


def test_abort_and_lease_at_the_same_time_lose_no_wish(database: Database) -> None:
    together = threading.Barrier(2)

    def abort(job: Job) -> Phase | None:
        together.wait()
        return database.store.abort(job.job_id)

    with ThreadPoolExecutor(1) as thread:
        for _ in range(40):
            job = database.new()
            aborted = thread.submit(abort, job)
            together.wait()
            leased = database.queue.lease("w1", SERVICES, 100)
            assert aborted.result() in (Phase.ABORTED, Phase.EXECUTING)
            if leased is None:
                assert database.phase(job) is Phase.ABORTED
            else:
                assert database.job(job).abort_asked
                assert database.queue.complete(leased, [stored()]) is False
                assert database.queue.stopped(leased)
                assert database.phase(job) is Phase.ABORTED


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
    database.flood(FLOOD, 20)
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
    told = {
        (mine.job_id, 1): Progress(rows=1, size=2, fraction=0.5, stage="reading"),
        (aborted.job_id, 2): Progress(rows=3),
        (other.job_id, 1): Progress(rows=4),
    }
    database.store.abort(aborted.job_id)
    database.store.mark_deleted(deleted.job_id)
    database.store.abort(other.job_id)
    asked = database.queue.beat("w1", draining=True, progress=told)
    assert asked == frozenset({aborted.job_id, deleted.job_id})
    assert database.job(mine).progress == told[mine.job_id, 1]
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
