"""Whose turn it is: the order in which jobs of several callers are leased, by real workers at the same time."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise

import pytest

from tests.conftest import wait_until
from tests.uws.database import SERVICES, Database, stored
from uws.models import Job, Phase
from uws.store import change_phase

FLOOD, OTHER = "user:flood", "user:other"


def accounts(database: Database, number: int, *, running_jobs: int = 100) -> list[str]:
    """Lease, complete at once, and return whose jobs these were."""
    found = []
    for _ in range(number):
        job = database.lease(running_jobs=running_jobs)
        assert database.queue.complete(job, [])
        found.append(job.account)
    return found


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
    assert set(most) == {FLOOD, OTHER}
    assert max(most.values()) <= 3
    # As many as there may be, which eight threads on a busy machine need not reach at any one moment.
    while database.queue.lease("w1", SERVICES, 3) is not None:
        pass
    running = database.run("SELECT account, count(*) FROM uws.jobs WHERE phase = 'EXECUTING' GROUP BY account")
    assert dict(map(tuple, running)) == {FLOOD: 3, OTHER: 3}


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
