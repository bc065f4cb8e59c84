"""Answers of the database that are lost, and jobs that come back at once: a worker in this process, step by step."""

from __future__ import annotations

import os
import resource
import subprocess
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from tests.conftest import wait_until
from tests.uws.database import LIMITS, Database
from tests.uws.working import working
from uws.checkpoints import Checkpoint
from uws.cleaning import Cleaner
from uws.executor import JobContext, Stop, StoppedError
from uws.models import NO_FACTS, Facts, Job, Phase, Result
from uws.queue import Queue
from uws.undertaker import LEASE_SECONDS, machine
from vo.core.errors import UnavailableError
from vo.core.files import FileStore
from vo.core.listening import Listener


class Executor:
    """Stores a short text, after what a test wants done first."""

    service = "tap"
    attempts = 3

    def __init__(self, first: Callable[[Job, JobContext], object] = lambda _job, _context: None) -> None:
        self._first = first

    def run(self, job: Job, context: JobContext) -> None:
        self._first(job, context)
        with context.result("result", "text/plain", "result.txt") as result:
            result.write(b"done")


def lost(error: Exception, times: int = 1) -> Callable[[], None]:
    """Return what raises an error the first times that it is called."""
    left = [error] * times

    def call() -> None:
        if left:
            raise left.pop()

    return call


class Lossy(Queue):
    """What is done is done, and nobody hears of it: as when the database goes away after it has committed."""

    def __init__(self, database: Database, method: str) -> None:
        super().__init__(database.engine)
        original, lose = getattr(self, method), lost(UnavailableError("The database does not answer."))

        def call(*values: Any, **named: Any) -> Any:
            result = original(*values, **named)
            if result:
                lose()
            return result

        setattr(self, method, call)


@pytest.mark.parametrize("method", ["complete", "lease", "register"])
def test_an_answer_is_lost(database: Database, tmp_path: Path, method: str) -> None:
    job = database.new()
    with working(database, tmp_path, Executor(), Lossy(database, method), slots=2):
        wait_until(lambda: database.phase(job) is Phase.COMPLETED, "it is completed", 10)
    [result] = database.job(job).results
    assert (tmp_path / result.path).read_bytes() == b"done"
    assert database.job(job).vain_attempts == 0
    assert database.job(job).attempt == (2 if method == "lease" else 1)


@pytest.mark.parametrize("aim", [Phase.QUEUED, Phase.EXECUTING])
def test_a_job_that_is_aborted_while_its_phase_changes(database: Database, aim: Phase) -> None:
    """The wish meets a job that is just begun, or just handed back because its worker died; it is never lost."""
    job = database.leased() if aim is Phase.QUEUED else database.new()
    found: list[Phase | None] = []
    with database.engine.begin() as changing:
        changing.execute(
            text("UPDATE uws.jobs SET phase = :aim WHERE job_id = :job_id"), {"aim": aim, "job_id": job.job_id}
        )
        thread = threading.Thread(target=lambda: found.append(database.store.abort(job.job_id)))
        thread.start()
        wait_until(lambda: database.run("SELECT FROM pg_locks WHERE NOT granted"), "the wish waits for the change", 10)
    thread.join(10)
    assert found == [Phase.ABORTED if aim is Phase.QUEUED else Phase.EXECUTING]
    assert database.job(job).abort_asked is (aim is Phase.EXECUTING)


def test_a_handed_back_job_returns_at_once(database: Database, tmp_path: Path) -> None:
    """The same worker runs the next attempt before the last one has quite ended, and keeps it in sight."""
    begun = threading.Event()

    class Slow(Queue):
        def hand_back(self, job: Job, *, counts: bool) -> bool:
            done = super().hand_back(job, counts=counts)
            assert begun.wait(10)
            return done

    def first(job: Job, context: JobContext) -> None:
        if job.attempt == 1:
            raise UnavailableError("The database went away.")
        begun.set()
        while True:
            threading.Event().wait(0.02)
            context.check()

    job = database.new()
    with working(database, tmp_path, Executor(first), Slow(database.engine), slots=2) as worker:
        assert begun.wait(10)
        wait_until(lambda: worker.running == 1, "the first attempt is out of the way")
        assert database.store.abort(job.job_id) is Phase.EXECUTING
        wait_until(lambda: database.phase(job) is Phase.ABORTED, "it is stopped", 10)
    assert database.job(job).attempt == 2


def test_a_bug_ends_in_words(database: Database, tmp_path: Path) -> None:
    class Broken(Queue):
        def complete(self, job: Job, results: Sequence[Result], facts: Facts = NO_FACTS) -> bool:
            raise KeyError(job.job_id)

    job = database.new()
    with working(database, tmp_path, Executor(), Broken(database.engine), slots=2):
        wait_until(lambda: database.phase(job) is Phase.ERROR, "it ends", 10)
    error = database.job(job).error
    assert error is not None
    assert job.job_id in error.message
    assert not list(tmp_path.rglob("result.txt"))


def test_a_worker_that_was_buried(database: Database, tmp_path: Path) -> None:
    """It leases nothing under its old name, loses what it runs, and goes on under a new one."""
    assert database.queue.bury("w1", 0)
    job = database.new()
    assert database.queue.lease("w1", ["tap"], 100) is None
    released = threading.Event()

    def first(job: Job, context: JobContext) -> None:
        if job.attempt == 1:
            released.wait(20)
            with pytest.raises(StoppedError):
                context.check()

    with working(database, tmp_path, Executor(first), slots=2) as worker:
        wait_until(lambda: database.phase(job) is Phase.EXECUTING, "it runs")
        old = worker.worker_id
        database.run("DELETE FROM uws.workers WHERE worker_id = :old", old=old)
        wait_until(lambda: database.phase(job) is Phase.COMPLETED, "the next attempt completes it", 15)
        assert worker.worker_id != old
        released.set()
        wait_until(lambda: worker.running == 0, "the first attempt ends")
    assert database.job(job).attempt == 2
    assert [path.parent.name for path in tmp_path.rglob("result.txt")] == ["2"]


def test_orphans_are_what_is_over(database: Database, tmp_path: Path) -> None:
    """A later attempt may have begun after the search has asked; it is none of the orphans."""
    job = database.leased()
    cleaner = Cleaner(database.engine, FileStore(tmp_path), archive_time=0)
    folder = tmp_path / job.job_id[:2] / job.job_id
    for attempt in ("0", "1", "2"):
        (folder / attempt).mkdir(parents=True)
    assert cleaner.remove_orphans() == 1
    assert sorted(path.name for path in folder.iterdir()) == ["1", "2"]
    database.queue.hand_back(job, counts=True)  # now the attempt is over too
    assert cleaner.remove_orphans() == 1
    assert [path.name for path in folder.iterdir()] == ["2"]


def test_a_listener_beside_a_thousand_open_files(database: Database) -> None:
    """As in a process with as many clients that wait."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, before[1]), before[1]))
    files = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
    heard: list[str] = []
    ready = threading.Event()
    listener = Listener(
        database.settings.conninfo(),
        ["vo_job_phase"],
        heard=lambda _channel, payload: heard.append(payload),
        missed=ready.set,
        name="test",
    )
    try:
        listener.start()
        assert ready.wait(10)
        job = database.new()
        wait_until(lambda: heard, "it hears", 3)
        assert heard == [f"{job.job_id} QUEUED"]
    finally:
        listener.stop()
        for file in files:
            os.close(file)
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_process_that_is_gone_is_buried_at_once(database: Database, tmp_path: Path) -> None:
    """The kernel knows of those on the same machine; others are given the time of a lease."""
    gone = subprocess.Popen(["true"])
    gone.wait()
    near = database.new()
    database.lease(database.worker("near", machine=machine(), pid=gone.pid))
    far = database.new()
    database.lease(database.worker("far", machine="another", pid=gone.pid))
    alive = database.new()
    database.lease(database.worker("alive", machine=machine(), pid=os.getpid()))
    with working(database, tmp_path, Executor(), slots=2):
        wait_until(lambda: database.phase(near) is Phase.COMPLETED, "the job of the dead is done", LEASE_SECONDS)
        assert (database.phase(far), database.phase(alive)) == (Phase.EXECUTING, Phase.EXECUTING)


def test_a_worker_that_lost_a_job_leaves_its_checkpoint_to_the_next(database: Database, tmp_path: Path) -> None:
    files = FileStore(tmp_path)
    job = database.leased()
    late, next_one = JobContext(job, files, LIMITS), JobContext(job, files, LIMITS)
    late.save_checkpoint(Checkpoint(b"first"))
    late.stop(Stop.LOST)
    next_one.save_checkpoint(Checkpoint(b"second"))
    with pytest.raises(StoppedError):
        late.save_checkpoint(Checkpoint(b"third"))
    assert next_one.load_checkpoint() == Checkpoint(b"second")
