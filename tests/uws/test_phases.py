"""Phases: what may follow what, whoever asks; the times of the changes, and who hears of them."""

from __future__ import annotations

import itertools
import re
import select
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg2
import pytest
from sqlalchemy import text

from tests.uws.database import Database, stored
from uws.models import ACTIVE, WAITING, ErrorSummary, Facts, Job, Phase, Progress
from uws.store import change_phase
from vo.core.settings import Settings

LEGAL = {
    ("PENDING", "QUEUED"),
    ("PENDING", "ABORTED"),
    ("QUEUED", "EXECUTING"),
    ("QUEUED", "ABORTED"),
    ("EXECUTING", "COMPLETED"),
    ("EXECUTING", "ERROR"),
    ("EXECUTING", "ABORTED"),
    ("EXECUTING", "QUEUED"),
    ("COMPLETED", "ARCHIVED"),
    ("ERROR", "ARCHIVED"),
    ("ABORTED", "ARCHIVED"),
}
UNUSED = {"HELD", "SUSPENDED", "UNKNOWN"}
"""Phases of the standard that this service never gives."""
PAIRS = list(itertools.product(Phase, Phase))


class Ear:
    """What is notified on the three channels."""

    def __init__(self, settings: Settings) -> None:
        self.connection = psycopg2.connect(settings.conninfo())
        self.connection.autocommit = True
        with self.connection.cursor() as cursor:
            for channel in ("vo_job_phase", "vo_job_queued", "vo_job_stop"):
                cursor.execute(f"LISTEN {channel}")

    def heard(self, number: int) -> list[tuple[str, str]]:
        """Return so many notifications, in the order they came; and make sure that there are no others."""
        end = time.monotonic() + 20
        while len(self.connection.notifies) < number and time.monotonic() < end:
            select.select([self.connection], [], [], 0.2)
            self.connection.poll()
        with self.connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        found = [(item.channel, item.payload) for item in self.connection.notifies]
        self.connection.notifies.clear()
        assert len(found) == number, found
        return found


@pytest.fixture
def ear(database: Database) -> Iterator[Ear]:
    made = Ear(database.settings)
    with closing(made.connection):
        yield made


def put(database: Database, phase: str) -> str:
    """Make a job that is in a phase, as if it had come there."""
    job_id = f"job-{phase.lower()}"
    database.run(
        "INSERT INTO uws.jobs (job_id, service, account, phase, execution_duration, destruction) "
        "VALUES (:job_id, 'tap', 'user:a', :phase, 60, now())",
        job_id=job_id,
        phase=phase,
    )
    return job_id


def test_the_table_of_changes(database: Database) -> None:
    rows = database.run("SELECT before, after, cause FROM uws.phase_changes")
    assert {(row.before, row.after) for row in rows} == LEGAL
    assert all(row.cause for row in rows)
    used = {phase for pair in LEGAL for phase in pair}
    assert used == set(Phase) - UNUSED
    # What is waited for can still change by itself, what waits has not begun.
    assert {after for _, after in LEGAL} >= ACTIVE - WAITING
    assert {before for before, after in LEGAL if after == "EXECUTING"} <= WAITING


def test_the_documentation_explains_the_phases_that_are_used() -> None:
    page = (Path(__file__).parents[2] / "docs/user/jobs.md").read_text()
    explained = re.findall(r"^\| ([A-Z]+) \| \S", page, re.MULTILINE)
    assert sorted(explained) == sorted(set(Phase) - UNUSED)


@pytest.mark.parametrize("role", ["owner", "superuser"])
def test_the_database_refuses_all_other_changes_whoever_asks(database: Database, cluster: Settings, role: str) -> None:
    for phase in Phase:
        put(database, phase)
    name = database.value("SELECT current_database()")
    url = cluster.url("postgres").set(database=name).render_as_string(hide_password=False)
    refused = {}
    with closing(psycopg2.connect(database.settings.conninfo() if role == "owner" else url)) as connection:
        for before, after in PAIRS:
            with connection.cursor() as cursor:
                try:
                    cursor.execute("UPDATE uws.jobs SET phase = %s WHERE job_id = %s", (after, f"job-{before.lower()}"))
                    assert cursor.rowcount == 1
                except psycopg2.errors.CheckViolation as error:
                    refused[str(before), str(after)] = error.diag.message_primary
            connection.rollback()
    illegal = {(str(before), str(after)) for before, after in PAIRS if before != after} - LEGAL
    assert refused == {(before, after): f"a job cannot go from {before} to {after}" for before, after in illegal}


def test_a_change_that_is_not_legal_is_none_and_no_error(database: Database) -> None:
    for phase in Phase:
        put(database, phase)
    for before, after in PAIRS:
        with database.engine.connect() as connection:
            job = change_phase(connection, f"job-{before.lower()}", after)
            assert (job is not None) == ((before, after) in LEGAL)
            assert job is None or job.phase == after
            connection.rollback()


def now(database: Database) -> datetime:
    found: datetime = database.value("SELECT clock_timestamp()")
    return found


def test_times_of_a_life(database: Database) -> None:
    before = now(database) - timedelta(milliseconds=1)
    job = database.new(run=False)
    assert (job.phase, job.queued, job.started, job.ended) == (Phase.PENDING, None, None, None)
    assert database.store.queue(job.job_id)
    queued = database.job(job)
    assert (queued.started, queued.ended) == (None, None)
    running = database.lease()
    assert running.ended is None
    assert database.queue.complete(running, [stored()])
    done = database.job(job)
    assert done.queued is not None
    assert done.started is not None
    assert done.ended is not None
    assert before <= done.created <= done.queued <= done.started <= done.ended <= now(database)
    assert (done.queued, done.started) == (queued.queued, running.started)
    # To the millisecond, as UWS writes it: what a client reads is what AFTER compares with.
    for moment in (done.created, done.queued, done.started, done.ended, done.destruction):
        assert moment.microsecond % 1000 == 0
        assert moment.astimezone(UTC).utcoffset() == timedelta(0)


def test_handed_back_it_keeps_its_place_and_forgets_the_rest(database: Database) -> None:
    first, second = database.new(), database.new()
    leased = database.lease()
    database.queue.beat("w1", draining=False, progress={(leased.job_id, 1): (Progress(rows=7), Facts())})
    assert database.job(first).progress == Progress(rows=7)
    assert database.queue.hand_back(leased, counts=True)
    again = database.job(first)
    assert again.phase is Phase.QUEUED
    assert (again.queued, again.started, again.progress, again.worker_id) == (leased.queued, None, None, None)
    assert [database.lease().job_id for _ in range(2)] == [first.job_id, second.job_id]


@pytest.mark.parametrize("end", ["complete", "fail", "stopped"])
def test_an_end_leaves_no_progress_and_no_worker(database: Database, end: str) -> None:
    job = database.leased()
    database.queue.beat("w1", draining=False, progress={(job.job_id, 1): (Progress(rows=7), Facts())})
    match end:
        case "complete":
            assert database.queue.complete(job, [])
        case "fail":
            assert database.queue.fail(job, ErrorSummary("no", "fatal", "limit"))
        case "stopped":
            assert database.queue.stopped(job)
    ended = database.job(job)
    assert ended.ended is not None
    assert (ended.progress, ended.worker_id) == (None, None)


def changes(job: Job, *phases: str) -> list[tuple[str, str]]:
    return [("vo_job_phase", f"{job.job_id} {phase}") for phase in phases]


def test_who_waits_hears_of_every_change(database: Database, ear: Ear) -> None:
    job = database.new(run=False)
    assert ear.heard(0) == []
    database.store.queue(job.job_id)
    assert sorted(ear.heard(2)) == [*changes(job, "QUEUED"), ("vo_job_queued", "tap")]
    leased = database.lease()
    assert ear.heard(1) == changes(job, "EXECUTING")
    database.queue.hand_back(leased, counts=False)
    assert sorted(ear.heard(2)) == [*changes(job, "QUEUED"), ("vo_job_queued", "tap")]
    database.queue.complete(database.lease(), [])
    assert ear.heard(2) == changes(job, "EXECUTING", "COMPLETED")
    assert database.store.mark_deleted(job.job_id) is Phase.COMPLETED
    assert sorted(ear.heard(2)) == [*changes(job, "DELETED"), ("vo_job_stop", job.job_id)]


def test_a_worker_hears_once_that_its_job_is_to_stop(database: Database, ear: Ear) -> None:
    job = database.leased()
    ear.heard(3)
    assert database.store.abort(job.job_id) is Phase.EXECUTING
    assert ear.heard(1) == [("vo_job_stop", job.job_id)]
    assert database.store.abort(job.job_id) is Phase.EXECUTING
    assert ear.heard(0) == []
    assert database.queue.stopped(job)
    assert ear.heard(1) == changes(job, "ABORTED")


def test_what_is_rolled_back_is_not_told(database: Database, ear: Ear) -> None:
    job = database.new(run=False)
    with database.engine.connect() as connection:
        assert change_phase(connection, job.job_id, Phase.QUEUED)
        connection.execute(text("SELECT 1"))
        connection.rollback()
    assert ear.heard(0) == []
    assert database.job(job).phase is Phase.PENDING
