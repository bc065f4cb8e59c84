"""Limits of jobs: who may have how much, and that every refusal names the limit, the use, and what to do."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from tests.conftest import wait_until
from tests.uws.database import MIB, Database, limits, stored
from tests.uws.test_races import Executor
from tests.uws.working import working
from uws.executor import DISK_EVERY, JobContext
from uws.models import Job, Phase
from uws.service import Jobs
from vo.core.callers import Caller
from vo.core.dali.parameters import Parameters
from vo.core.errors import LimitError, QuotaError, ServiceError
from vo.core.files import FileStore
from vo.core.limits import Limits, time_reached
from vo.core.settings import load_settings

VERA = Caller("vera", address="192.0.2.7")
CALLERS = [
    VERA,
    Caller("wilhelmina", address="192.0.2.7"),
    Caller(address="192.0.2.7"),
    Caller(address="192.0.2.8"),
    Caller(address="2001:db8:1:2::7"),
    Caller(address="2001:db8:1:3::7"),
]
"""Nobody of them shares an account with another one."""
RUN = Parameters([("PHASE", "RUN")])
NOTHING = Parameters([])


@pytest.fixture
def rules(database: Database, tmp_path: Path) -> Callable[..., Jobs]:
    """Makes the rules of a job list with limits of one's own."""

    def make(max_parameters: int = 1000, **changes: int) -> Jobs:
        files = FileStore(tmp_path / "results")
        return Jobs("tap", database.store, files, limits(**changes), max_parameters=max_parameters)

    return make


def refusal(call: Callable[[], object], kind: type[ServiceError] = QuotaError) -> str:
    """Return the words in which something is refused."""
    with pytest.raises(ServiceError) as refused:
        call()
    assert type(refused.value) is kind
    assert refused.value.hint
    return str(refused.value)


def test_waiting_jobs(database: Database, rules: Callable[..., Jobs]) -> None:
    jobs = rules(waiting_jobs=2)
    first, second = jobs.create(VERA, NOTHING), jobs.create(VERA, RUN)
    for parameters in (NOTHING, RUN):
        assert refusal(partial(jobs.create, VERA, parameters)) == (
            "You have 2 jobs that wait to run, and one caller may have 2. "
            "Wait until some of them have run, or delete those that you do not need."
        )
    # The last that was taken can be run, and each of the remedies helps.
    jobs.change_phase(VERA, first.job_id, RUN)
    assert database.lease().job_id == second.job_id
    jobs.delete(VERA, first.job_id)
    for _ in range(2):
        jobs.create(VERA, RUN)
    refusal(lambda: jobs.create(VERA, RUN))


def test_each_caller_has_limits_of_his_own_and_nobody_shares_one_pool(
    database: Database, rules: Callable[..., Jobs]
) -> None:
    jobs = rules(waiting_jobs=1)
    for caller in CALLERS:
        jobs.create(caller, RUN)
    for caller in CALLERS:
        assert "one caller may have 1" in refusal(partial(jobs.create, caller, RUN))
    # Addresses of one IPv6 network are one caller, and so is IPv4 whichever way it comes.
    for address in ("2001:db8:1:2:ffff::1", "::ffff:192.0.2.8"):
        refusal(partial(jobs.create, Caller(address=address), RUN))


def test_running_jobs_of_one_caller_do_not_keep_others_out(database: Database, rules: Callable[..., Jobs]) -> None:
    jobs = rules()
    for caller in CALLERS:
        for _ in range(3):
            jobs.create(caller, RUN)
    running = [database.lease(running_jobs=2).account for _ in range(2 * len(CALLERS))]
    assert sorted(running) == sorted(2 * [caller.account for caller in CALLERS])
    assert database.queue.lease("w1", ["tap"], 2) is None


def test_space_of_results(database: Database, tmp_path: Path) -> None:
    job = database.new()
    database.queue.complete(database.lease(), [stored(1001 * MIB)])
    late, other = database.new(), database.new(account="user:other")
    with working(database, tmp_path, Executor(), slots=2):
        wait_until(lambda: database.phase(late) is Phase.ERROR, "the job has failed for want of space")
        wait_until(lambda: database.phase(other) is Phase.COMPLETED, "another caller's job is done")
        error = database.job(late).error
        assert error is not None
        assert error.message.split("\n") == [
            "Your stored results take 1,001 MiB of the 1,000 MiB that one caller may have.",
            "Delete jobs that you do not need any more.",
        ]
        assert (error.type, error.code) == ("transient", "quota")
        database.store.mark_deleted(job.job_id)
        database.store.forget(job.job_id)
        again = database.new()
        wait_until(lambda: database.phase(again) is Phase.COMPLETED, "there is room again")


@pytest.mark.parametrize(
    ("asked", "given"), [("1", 1), ("60", 60), ("3600", 3600), ("3601", 3600), ("999999999", 3600), ("0", 3600)]
)
def test_execution_duration_is_clipped(rules: Callable[..., Jobs], asked: str, given: int) -> None:
    jobs = rules(job_time=600, max_job_time=3600)
    job = jobs.create(VERA, NOTHING)
    assert job.execution_duration == 600
    jobs.set_execution_duration(VERA, job.job_id, Parameters([("EXECUTIONDURATION", asked)]))
    assert jobs.get(VERA, job.job_id).execution_duration == given


@pytest.mark.parametrize(("days", "given"), [(1, 1), (6, 6), (8, 7), (100_000, 7), (-1, -1)])
def test_destruction_is_clipped(rules: Callable[..., Jobs], days: int, given: int) -> None:
    jobs = rules(retention=86_400, max_retention=7 * 86_400)
    job = jobs.create(VERA, NOTHING)
    asked = datetime.now(UTC) + timedelta(days=days)
    jobs.set_destruction(VERA, job.job_id, Parameters([("DESTRUCTION", asked.strftime("%Y-%m-%dT%H:%M:%SZ"))]))
    expected = datetime.now(UTC) + timedelta(days=given)
    assert abs(jobs.get(VERA, job.job_id).destruction - expected) < timedelta(seconds=30)


def test_size_of_parameters(rules: Callable[..., Jobs]) -> None:
    jobs = rules(max_parameters=100)
    job = jobs.create(VERA, Parameters([("QUERY", "x" * 50)]))
    more = Parameters([("UPLOAD", "y" * 40)])
    assert refusal(lambda: jobs.add_parameters(VERA, job.job_id, more), LimitError) == (
        "The job's parameters would have 101 characters, and may have 100. Send less."
    )
    assert [name for name, _ in jobs.get(VERA, job.job_id).parameters] == ["QUERY"]
    jobs.add_parameters(VERA, job.job_id, Parameters([("UPLOAD", "y" * 39)]))


# While it runs


@pytest.fixture
def job(database: Database) -> Job:
    return database.leased()


def write(context: JobContext, blocks: int, size: int) -> None:
    with context.result("result", "text/csv", "result.csv") as result:
        for _ in range(blocks):
            result.write(bytes(size))


def test_size_of_a_result(job: Job, tmp_path: Path) -> None:
    files = FileStore(tmp_path)
    write(JobContext(job, files, limits(max_result=20 * MIB)), 20, MIB)
    path = f"{job.job_id[:2]}/{job.job_id}/1/result.csv"
    assert files.size(path) == 20 * MIB
    context = JobContext(job, files, limits(max_result=20 * MIB - 1))
    files.delete_folder(context.folder)
    assert refusal(lambda: write(context, 20, MIB), LimitError) == (
        "The result grew beyond 20 MiB, the most that one result may have. "
        "Select fewer rows or columns, or fetch the table in parts."
    )
    assert context.results == []
    assert files.size(path) is None
    assert not any(entry.is_file() for entry in tmp_path.rglob("*"))


def test_room_on_the_disk(job: Job, tmp_path: Path) -> None:
    files = FileStore(tmp_path)
    much = shutil.disk_usage(tmp_path).total * 2
    words = refusal(lambda: write(JobContext(job, files, limits(min_disk=much)), 1, 1), LimitError)
    assert f"{much / MIB:,.0f} MiB have to stay free" in words
    assert "are free on the disk for results" in words
    assert words.endswith("Delete jobs that you do not need any more, ask for less, or try again later.")
    assert not any(entry.is_file() for entry in tmp_path.rglob("*"))


def test_the_disk_is_looked_at_while_a_result_grows(job: Job, tmp_path: Path) -> None:
    """The room just suffices in the beginning, and what the result itself takes makes it too little."""
    files = FileStore(tmp_path)
    free = shutil.disk_usage(tmp_path).free
    context = JobContext(job, files, limits(max_result=10 * DISK_EVERY, min_disk=free - DISK_EVERY // 2))
    assert "MiB have to stay free" in refusal(lambda: write(context, 3, DISK_EVERY), LimitError)
    assert not any(entry.is_file() for entry in tmp_path.rglob("*"))


def test_time() -> None:
    assert str(time_reached(60, 3600)) == (
        "It took longer than the 60 s that it may take and was stopped. Ask for fewer rows or a smaller region, "
        "or run it as an asynchronous job with an EXECUTIONDURATION of up to 3600 s."
    )
    assert str(time_reached(3600, 3600)).endswith("Ask for fewer rows or a smaller region.")


def test_defaults_never_exceed_what_can_be_asked_for(tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path, job_time=100, max_job_time=50, job_retention=100, max_job_retention=60)
    found = Limits.of(settings)
    assert (found.job_time, found.max_job_time, found.retention, found.max_retention) == (50, 50, 60, 60)
