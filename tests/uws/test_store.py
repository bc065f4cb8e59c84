"""The table of jobs as clients see it: creating, listing, changing, deleting; and what each statement reads."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from tests.uws.database import SERVICES, Database, limits, stored
from uws.cleaning import Cleaner
from uws.models import ErrorSummary, JobFilter, JobReference, Phase
from uws.store import JobStore
from vo.core.database import owner_engine
from vo.core.errors import QuotaError, UnavailableError
from vo.core.files import FileStore

OLD_JOBS = 20_000


def listed(database: Database, wanted: JobFilter | None = None, *, limit: int = 100) -> list[JobReference]:
    return database.store.references("tap", "user:a", wanted or JobFilter(), limit=limit)


def test_a_job_is_read_as_it_was_created(database: Database) -> None:
    parameters = [("QUERY", "SELECT 'é', \"x\" -- \\ % :name"), ("LANG", "ADQL"), ("EMPTY", "")]
    job = database.store.create(
        job_id="one",
        service="tap",
        owner="vera",
        account="user:vera",
        run_id="night 7",
        parameters=parameters,
        limits=limits(job_time=77, retention=1000),
        run=False,
    )
    assert database.store.read("tap", "one") == job
    assert (job.owner, job.account, job.run_id, job.execution_duration) == ("vera", "user:vera", "night 7", 77)
    assert list(job.parameters) == parameters
    assert job.destruction - job.created == pytest.approx(timedelta(seconds=1000), abs=timedelta(seconds=5))
    assert (job.phase, list(job.results), job.error, job.attempt) == (Phase.PENDING, [], None, 0)
    assert database.store.read("cutouts", "one") is None
    assert database.store.read("tap", "two") is None


def test_a_job_that_is_not_taken_leaves_nothing(database: Database) -> None:
    with pytest.raises(QuotaError):
        database.new(limits=limits(waiting_jobs=0))
    assert database.run("SELECT * FROM uws.jobs") == []


def test_results_and_error_come_back(database: Database) -> None:
    done = database.leased()
    result = stored(12)
    database.queue.complete(done, [result])
    assert list(database.job(done).results) == [result]
    failed = database.leased()
    error = ErrorSummary("Line one.\nLine two: é \\ %.", "fatal", "query")
    database.queue.fail(failed, error)
    assert database.job(failed).error == error
    assert list(database.job(failed).results) == []


def test_the_list_is_the_callers_newest_first_page_by_page(database: Database) -> None:
    mine = [database.new(run=False) for _ in range(7)]
    database.new(account="user:b")
    database.new(service="cutouts")
    hidden = database.new()
    database.store.mark_deleted(hidden.job_id)
    same = [job.job_id for job in mine[2:5]]
    database.run("UPDATE uws.jobs SET created = '2026-01-01' WHERE job_id = ANY(:ids)", ids=same)
    found: list[JobReference] = []
    before = None
    while page := database.store.references("tap", "user:a", JobFilter(), limit=2, before=before):
        found += page
        before = page[-1].created, page[-1].job_id
    # Those created at the same moment come in an order of their own, none twice and none left out.
    assert [job.job_id for job in found] == [mine[number].job_id for number in (6, 5, 1, 0, 4, 3, 2)]
    assert len(database.store.references("tap", None, JobFilter(), limit=100)) == 8


def test_filters(database: Database) -> None:
    pending = database.new(run=False)
    done = database.leased()
    database.queue.complete(done, [])
    queued = database.new()
    database.run(
        "INSERT INTO uws.jobs (job_id, service, account, phase, execution_duration, destruction) "
        "VALUES ('archived', 'tap', 'user:a', 'ARCHIVED', 60, now() + interval '1 d')"
    )
    assert {job.job_id for job in listed(database)} == {pending.job_id, done.job_id, queued.job_id}
    for phases, expected in (
        ({Phase.PENDING}, {pending.job_id}),
        ({Phase.COMPLETED, Phase.QUEUED}, {done.job_id, queued.job_id}),
        ({Phase.ARCHIVED}, {"archived"}),
        ({Phase.ARCHIVED, Phase.PENDING}, {"archived", pending.job_id}),
        ({Phase.HELD}, set()),
    ):
        assert {job.job_id for job in listed(database, JobFilter(frozenset(phases)))} == expected
    assert {job.job_id for job in listed(database, JobFilter(after=pending.created))} == {done.job_id, queued.job_id}
    assert listed(database, JobFilter(after=queued.created)) == []
    assert [job.job_id for job in listed(database, limit=1)] == [queued.job_id]


def test_parameters_are_added_while_it_waits_to_be_run(database: Database) -> None:
    job = database.new(run=False, parameters=[("QUERY", "a"), ("RUNID", "old")])
    assert database.store.add_parameters(job.job_id, [("QUERY", "b"), ("RUNID", "new")], "new")
    assert list(database.job(job).parameters) == [("QUERY", "a"), ("QUERY", "b"), ("RUNID", "new")]
    assert database.job(job).run_id == "new"
    assert database.store.add_parameters(job.job_id, [("LANG", "ADQL")], None)
    assert database.job(job).run_id == "new"
    database.store.queue(job.job_id)
    assert not database.store.add_parameters(job.job_id, [("LANG", "PQL")], None)
    assert [name for name, _ in database.job(job).parameters] == ["QUERY", "QUERY", "RUNID", "LANG"]


@pytest.mark.parametrize("run", [False, True])
def test_what_waits_is_aborted_at_once(database: Database, run: bool) -> None:
    job = database.new(run=run)
    assert database.store.abort(job.job_id) is Phase.ABORTED
    assert database.store.abort(job.job_id) is Phase.ABORTED
    assert database.store.queue(job.job_id) is False
    assert database.queue.lease("w1", SERVICES, 10) is None


def test_what_has_ended_cannot_be_aborted(database: Database) -> None:
    job = database.leased()
    database.queue.complete(job, [])
    assert database.store.abort(job.job_id) is Phase.COMPLETED
    assert not database.job(job).abort_asked
    assert database.store.abort("nothing") is None


def test_a_deleted_job_is_hidden_at_once_and_gone_when_nothing_runs(database: Database) -> None:
    job = database.leased()
    assert database.store.mark_deleted(job.job_id) is Phase.EXECUTING
    assert database.store.mark_deleted(job.job_id) is None
    assert database.store.read("tap", job.job_id) is None
    assert listed(database) == []
    assert database.store.phases([job.job_id]) == {}
    assert database.store.abort(job.job_id) is None
    assert not database.store.forget(job.job_id)
    assert not database.store.deletable(job.job_id)
    assert database.store.exists(job.job_id)
    assert database.queue.stopped(job)
    assert database.store.deletable(job.job_id)
    assert database.store.forget(job.job_id)
    assert not database.store.exists(job.job_id)


def test_nobody_who_is_not_deleted_is_forgotten(database: Database) -> None:
    job = database.new()
    assert not database.store.deletable(job.job_id)
    assert not database.store.forget(job.job_id)
    assert database.store.exists(job.job_id)


def test_the_space_of_an_account_follows_its_results(database: Database) -> None:
    for size in (5, 7):
        database.queue.complete(database.leased(), [stored(size), stored(1)])
    database.queue.complete(database.leased(account="user:b"), [stored(100)])
    database.queue.fail(database.leased(), ErrorSummary("no", "fatal", "limit"))

    def space() -> dict[str, int]:
        return {row.account: row.stored_bytes for row in database.run("SELECT * FROM uws.accounts")}

    assert space() == {"user:a": 14, "user:b": 100}
    first = database.run("SELECT job_id FROM uws.jobs WHERE stored_bytes = 6")[0].job_id
    database.store.mark_deleted(first)
    assert space()["user:a"] == 14  # its files are still there
    database.store.forget(first)
    assert space() == {"user:a": 8, "user:b": 100}


def test_the_quota_is_exact_when_many_come_at_once(database: Database) -> None:
    together = threading.Barrier(8)
    narrow = limits(waiting_jobs=5)

    def create(number: int) -> bool:
        together.wait()
        try:
            database.store.create(
                job_id=f"job{number}",
                service="tap",
                owner=None,
                account="address:192.0.2.7",
                run_id=None,
                parameters=[],
                limits=narrow,
                run=bool(number % 2),
            )
        except QuotaError:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(create, range(8))) == 5
    assert database.value("SELECT count(*) FROM uws.jobs") == 5


def test_a_database_that_is_away_is_told(database: Database) -> None:
    gone = database.settings.model_copy(update={"database_url": "postgresql://vo@/nothing?host=/nowhere"})
    with pytest.raises(UnavailableError, match="The database does not answer"):
        JobStore(owner_engine(gone)).read("tap", "one")


def jobs_read(plan: dict[str, Any]) -> int:
    """Return how many rows of uws.jobs, or entries of its indexes, a plan has looked at."""
    found = 0
    if plan.get("Relation Name") == "jobs":
        rows = sum(plan.get(f"Rows Removed by {why}", 0) for why in ("Filter", "Index Recheck"))
        found = int((plan["Actual Rows"] + rows) * plan["Actual Loops"])
    return found + sum(map(jobs_read, plan.get("Plans", [])))


def test_finished_jobs_slow_nothing(database: Database, tmp_path: Path) -> None:
    """Each statement that serves a client or a worker is explained just before it is run."""
    database.run(
        "INSERT INTO uws.jobs (job_id, service, account, phase, created, execution_duration, destruction, parameters) "
        "SELECT 'old' || i, 'tap', CASE WHEN i % 20 = 0 THEN 'user:b' ELSE 'user:a' END, 'COMPLETED', "
        "now() - i * interval '1 min', 60, now() + interval '1 d', '[[\"QUERY\", \"SELECT 1\"]]' "
        "FROM generate_series(1, :jobs) AS i",
        jobs=OLD_JOBS,
    )
    database.run("INSERT INTO uws.accounts SELECT DISTINCT account FROM uws.jobs")
    database.run("SELECT setval('uws.turns', 5000)")
    database.run("ANALYZE uws.jobs")
    read: dict[str, int] = {}

    def explain(connection: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        with connection.connection.cursor() as other:
            other.execute("SAVEPOINT before")
            other.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", parameters)
            [[[plan]]] = other.fetchall()
            other.execute("ROLLBACK TO before")
        told = statement.replace("%(phases)s", str(parameters.get("phases")))
        read[told] = max(read.get(told, 0), jobs_read(plan["Plan"]))

    event.listen(database.engine, "before_cursor_execute", explain)
    for run in (False, True):
        database.new(run=run)
    listed(database)
    for phases in ({Phase.COMPLETED, Phase.QUEUED}, {Phase.PENDING}, {Phase.EXECUTING}):
        listed(database, JobFilter(frozenset(phases)))
    listed(database, JobFilter(after=datetime.now(UTC)))
    job = database.lease()
    database.queue.beat("w1", draining=False, progress={})
    database.queue.take_over({"tap": 3})
    database.queue.statistics()
    database.queue.complete(job, [stored()])
    Cleaner(database.engine, FileStore(tmp_path), archive_time=0).clean()
    event.remove(database.engine, "before_cursor_execute", explain)
    assert len(read) > 15
    assert {statement: rows for statement, rows in read.items() if rows > 500} == {}
