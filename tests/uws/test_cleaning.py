"""Cleaning: old jobs, their files, files of nobody, accounts of nobody. With a real database and real files."""

from __future__ import annotations

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.uws.database import LIMITS, Database
from uws.cleaning import AT_ONCE, ORPHAN_AGE, Cleaner
from uws.folders import folder_of
from uws.models import ErrorSummary, Job, JobFilter, JobReference, Phase, Result
from uws.service import Jobs
from vo.core.callers import Caller
from vo.core.errors import NotFoundError
from vo.core.files import FileStore

CALLER = Caller("a")


class Cleaning:
    """Jobs with files, and what cleans them."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self.folder = folder
        self.files = FileStore(folder)
        self.jobs = Jobs("tap", database.store, self.files, LIMITS, max_parameters=10_000)

    def cleaner(self, archive_time: int = 0) -> Cleaner:
        return Cleaner(self.database.engine, self.files, archive_time=archive_time)

    def write(self, path: str, *, age: float = 0.0) -> Path:
        """Write a file below the folder of results; its job's folder was changed `age` seconds ago."""
        with self.files.write(path) as file:
            file.write(b"0123456789")
        prefix, job_id, *_ = path.split("/")
        changed = time.time() - age
        os.utime(self.folder / prefix / job_id, (changed, changed))
        return self.folder / path

    def completed(self, account: str = "user:a") -> Job:
        """Run a job with one result."""
        job = self.database.leased(account=account)
        path = f"{folder_of(job.job_id)}/{job.attempt}/result.vot"
        self.write(path)
        assert self.database.queue.complete(job, [Result("result", "text/csv", 10, path, "result.csv")])
        return self.database.job(job)

    def due(self, *jobs: Job) -> None:
        """Let the destruction time of jobs pass."""
        self.database.run(
            "UPDATE uws.jobs SET destruction = now() - interval '1 s' WHERE job_id = ANY(:ids)",
            ids=[job.job_id for job in jobs],
        )

    def stored(self) -> set[str]:
        """Return the paths of all files."""
        return {str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if path.is_file()}

    def space(self) -> int:
        """Return the bytes of all results, as accounts have them."""
        return int(self.database.value("SELECT coalesce(sum(stored_bytes), 0) FROM uws.accounts"))

    def listed(self, *phases: Phase) -> list[JobReference]:
        return [job for page in self.jobs.list_pages(CALLER, JobFilter(frozenset(phases))) for job in page]


@pytest.fixture
def cleaning(database: Database, tmp_path: Path) -> Cleaning:
    return Cleaning(database, tmp_path / "results")


def test_destruction_removes_rows_and_files_of_what_is_due_and_nothing_else(cleaning: Cleaning) -> None:
    due, kept = cleaning.completed(), cleaning.completed()
    pending, queued = cleaning.database.new(run=False), cleaning.database.new()
    cleaning.due(due, pending, queued)
    assert cleaning.space() == 20
    cleaning.cleaner().clean()
    assert [cleaning.database.phase(job) for job in (due, pending, queued)] == [None, None, None]
    assert cleaning.database.phase(kept) is Phase.COMPLETED
    assert cleaning.stored() == {kept.results[0].path}
    assert cleaning.space() == 10
    assert not (cleaning.folder / folder_of(due.job_id)).exists()


def test_a_running_job_is_stopped_before_it_goes(cleaning: Cleaning) -> None:
    database = cleaning.database
    job = database.leased()
    part = cleaning.write(f"{folder_of(job.job_id)}/1/result.vot")
    cleaning.due(job)
    for _ in range(2):
        cleaning.cleaner().clean()
        assert database.phase(job) is Phase.EXECUTING
        assert part.exists()
    assert cleaning.listed() == []
    assert database.queue.beat("w1", draining=False, progress={}) == frozenset({job.job_id})
    assert database.queue.stopped(job)
    cleaning.cleaner().clean()
    assert database.phase(job) is None
    assert cleaning.stored() == set()


def test_archived_its_record_stays_for_a_time_and_its_results_go(cleaning: Cleaning) -> None:
    database = cleaning.database
    job = cleaning.completed()
    cleaning.due(job)
    cleaning.cleaner(archive_time=3600).clean()
    archived = cleaning.jobs.get(CALLER, job.job_id)
    assert archived.phase is Phase.ARCHIVED
    assert (archived.created, archived.started, archived.ended) == (job.created, job.started, job.ended)
    assert (archived.destruction - job.destruction).total_seconds() == pytest.approx(3600 - 86_400, abs=60)
    assert cleaning.stored() == set()
    assert cleaning.space() == 0
    with pytest.raises(NotFoundError, match="The job is ARCHIVED and has no results"):
        cleaning.jobs.result(CALLER, job.job_id, "result")
    assert cleaning.listed() == []
    assert [found.job_id for found in cleaning.listed(Phase.ARCHIVED)] == [job.job_id]
    assert cleaning.listed(Phase.COMPLETED) == []
    # Not for ever.
    cleaning.cleaner(archive_time=3600).clean()
    assert database.phase(job) is Phase.ARCHIVED
    cleaning.due(job)
    cleaning.cleaner(archive_time=3600).clean()
    assert database.phase(job) is None


@pytest.mark.parametrize("phase", [Phase.PENDING, Phase.QUEUED])
def test_what_never_ran_is_not_archived(cleaning: Cleaning, phase: Phase) -> None:
    job = cleaning.database.new(run=phase is Phase.QUEUED)
    cleaning.due(job)
    cleaning.cleaner(archive_time=3600).clean()
    assert cleaning.database.phase(job) is None


def test_files_of_no_job_go_when_they_are_old(cleaning: Cleaning) -> None:
    old = cleaning.write("ab/abandoned/1/result.vot", age=ORPHAN_AGE.total_seconds() + 60)
    young = cleaning.write("ab/abloom/1/result.vot", age=ORPHAN_AGE.total_seconds() - 60)
    job = cleaning.completed()
    assert cleaning.cleaner().remove_orphans() == 1
    assert cleaning.stored() == {str(young.relative_to(cleaning.folder)), job.results[0].path}
    assert not old.parent.parent.exists()


def test_files_of_attempts_that_did_not_win_go(cleaning: Cleaning) -> None:
    database = cleaning.database
    database.new()
    assert database.queue.hand_back(database.lease(), counts=True)
    job = database.lease()
    folder = folder_of(job.job_id)
    for attempt in (1, 2, 3):  # the third may have begun since the cleaner asked
        cleaning.write(f"{folder}/{attempt}/result.vot")
    assert cleaning.cleaner().remove_orphans() == 1
    assert cleaning.stored() == {f"{folder}/2/result.vot", f"{folder}/3/result.vot"}
    assert database.queue.complete(job, [])
    assert cleaning.cleaner().remove_orphans() == 0
    failed = database.leased()
    cleaning.write(f"{folder_of(failed.job_id)}/1/result.vot")
    assert database.queue.stopped(failed)
    assert cleaning.cleaner().remove_orphans() == 1


def test_results_that_a_failed_job_keeps_stay(cleaning: Cleaning) -> None:
    failed = cleaning.database.leased()
    path = f"{folder_of(failed.job_id)}/1/result.vot"
    cleaning.write(path)
    kept = Result("result", "application/x-votable+xml", 1, path, "result.vot", "incomplete")
    assert cleaning.database.queue.fail(failed, ErrorSummary("It failed.", "fatal", "limit"), [kept])
    assert cleaning.cleaner().remove_orphans() == 0
    assert cleaning.stored() == {path}


def test_orphans_are_looked_for_in_the_first_round(cleaning: Cleaning) -> None:
    cleaner = cleaning.cleaner()
    paths = [f"ab/abandoned{number}/1/result.vot" for number in (1, 2)]
    cleaning.write(paths[0], age=86_400)
    cleaner.clean()
    cleaning.write(paths[1], age=86_400)
    cleaner.clean()
    assert cleaning.stored() == {paths[1]}  # and then rarely: it reads all folders


def test_a_folder_that_resists_does_not_stop_the_rest(cleaning: Cleaning) -> None:
    bad, good = cleaning.completed(), cleaning.completed()
    folder = cleaning.folder / folder_of(bad.job_id)
    aside = folder.rename(cleaning.folder / "aside")
    folder.write_text("a file where a folder was")
    cleaning.due(bad, good)
    cleaning.cleaner().clean()
    assert (cleaning.database.phase(bad), cleaning.database.phase(good)) == (Phase.COMPLETED, None)
    folder.unlink()
    aside.rename(folder)
    cleaning.cleaner().clean()
    assert cleaning.database.phase(bad) is None


def test_accounts_without_jobs_are_forgotten_when_they_have_no_turn_to_lose(cleaning: Cleaning) -> None:
    database = cleaning.database
    for account in ("address:192.0.2.7", "address:192.0.2.8"):
        cleaning.completed(account)
    kept, gone = database.run("SELECT account, last_turn FROM uws.accounts ORDER BY last_turn")
    [job] = database.run("SELECT job_id FROM uws.jobs WHERE account = :account", account=gone.account)
    assert database.store.mark_deleted(job.job_id)
    cleaner = cleaning.cleaner()
    cleaner.clean()
    assert database.value("SELECT count(*) FROM uws.accounts") == 2  # who deletes his jobs keeps his place
    database.run("SELECT setval('uws.turns', :turn)", turn=gone.last_turn + 1001)
    cleaner.clean()
    assert [row.account for row in database.run("SELECT account FROM uws.accounts")] == [kept.account]


@pytest.mark.parametrize("archive_time", [0, 3600])
def test_cleaners_at_the_same_time_do_not_disturb_each_other(cleaning: Cleaning, archive_time: int) -> None:
    database = cleaning.database
    # What one takes first goes up the accounts, what the other one takes goes down: their locks meet.
    database.run(
        "INSERT INTO uws.jobs (job_id, service, account, phase, attempt, stored_bytes, execution_duration,"
        " destruction) "
        "SELECT 'job' || i, 'tap', 'user:' || abs(:jobs / 3 - i) / 30, 'COMPLETED', 1, 10, 60, "
        "now() - (2 * :jobs - i) * interval '1 s' FROM generate_series(1, :jobs) AS i",
        jobs=3 * AT_ONCE,
    )
    for number in range(1, 3 * AT_ONCE + 1, 10):
        cleaning.write(f"{folder_of(f'job{number}')}/1/result.vot")
    together = threading.Barrier(2)

    def clean(_: int) -> None:
        cleaner = cleaning.cleaner(archive_time)
        together.wait()
        for _ in range(1 if archive_time else 3):
            cleaner.clean()

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(clean, range(2)))
    phases = database.run("SELECT phase, count(*) FROM uws.jobs GROUP BY phase")
    assert [tuple(row) for row in phases] == ([("ARCHIVED", 3 * AT_ONCE)] if archive_time else [])
    assert cleaning.stored() == set()
    assert cleaning.space() == 0


def test_thousands_of_due_jobs_are_hidden_in_one_round(cleaning: Cleaning) -> None:
    database = cleaning.database
    database.flood("user:a", 2000)
    database.run("UPDATE uws.jobs SET destruction = now() - interval '1 s'")
    cleaner = cleaning.cleaner()
    cleaner.clean()
    assert cleaning.listed() == []
    assert database.queue.lease("w1", ["tap"], 100) is None
    assert database.value("SELECT count(*) FROM uws.jobs") < 2000  # the rows go round by round, a part in each


def test_a_destruction_time_that_was_moved_is_kept(cleaning: Cleaning) -> None:
    job = cleaning.completed()
    cleaning.due(job)
    later = job.destruction
    cleaning.database.store.set_destruction(job.job_id, later, 7 * 86_400)
    cleaning.cleaner().clean()
    assert cleaning.jobs.get(CALLER, job.job_id).destruction == later
