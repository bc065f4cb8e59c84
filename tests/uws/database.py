"""A real database of jobs for tests, with short words for what they do to it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from sqlalchemy import text

from uws.models import Job, Phase, Result
from uws.queue import Queue
from uws.store import JobStore
from vo.core.database import owner_engine
from vo.core.limits import Limits
from vo.core.settings import Settings

MIB = 2**20
SERVICES = ("tap",)
LIMITS = Limits(
    job_time=600,
    max_job_time=3600,
    retention=86_400,
    max_retention=7 * 86_400,
    running_jobs=100,
    waiting_jobs=1000,
    max_result=100 * MIB,
    results_space=1000 * MIB,
    max_upload=100 * MIB,
    max_upload_rows=1_000_000,
    max_upload_columns=100,
    upload_space=1000 * MIB,
    min_disk=0,
)


class Database:
    """The tables of jobs, emptied at the beginning, and one worker, ``w1``.

    Parameters
    ----------
    settings : Settings
        Of a migrated database.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.engine = owner_engine(settings, connections=16)
        self.store = JobStore(self.engine)
        self.queue = Queue(self.engine)
        self._numbers = itertools.count(1)

    def __enter__(self) -> Self:
        self.run("TRUNCATE uws.jobs, uws.accounts, uws.workers")
        self.run("UPDATE uws.figures SET expired_leases = 0")
        self.worker("w1")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.engine.dispose()

    def run(self, statement: str, **values: Any) -> list[Any]:
        """Run a statement of SQL in a transaction of its own and return its rows."""
        with self.engine.begin() as connection:
            result = connection.execute(text(statement), values)
            return list(result.all()) if result.returns_rows else []

    def value(self, statement: str, **values: Any) -> Any:
        """Return the one value that a statement gives."""
        [[value]] = self.run(statement, **values)
        return value

    def new(
        self,
        *,
        account: str = "user:a",
        service: str = "tap",
        run: bool = True,
        limits: Limits = LIMITS,
        parameters: Sequence[tuple[str, str]] = (),
    ) -> Job:
        """Create a job as the API does."""
        return self.store.create(
            job_id=f"{next(self._numbers):032x}",
            service=service,
            owner=account.removeprefix("user:"),
            account=account,
            run_id=None,
            parameters=parameters,
            limits=limits,
            run=run,
        )

    def flood(self, account: str, jobs: int, *, prefix: str = "flood") -> None:
        """Queue many jobs of an account at once, in the order of their ids."""
        self.run(
            "INSERT INTO uws.jobs (job_id, service, account, execution_duration, destruction) "
            "SELECT :prefix || to_char(i, 'FM00000'), 'tap', :account, 60, now() + interval '1 day' "
            "FROM generate_series(1, :jobs) AS i",
            prefix=prefix,
            account=account,
            jobs=jobs,
        )
        self.run("UPDATE uws.jobs SET phase = 'QUEUED' WHERE phase = 'PENDING' AND account = :account", account=account)

    def worker(self, worker_id: str, *, machine: str = "another", pid: int = 1) -> str:
        """Register a worker."""
        self.queue.register(worker_id, host="here", machine=machine, pid=pid, slots=4, services=SERVICES)
        return worker_id

    def lease(self, worker_id: str = "w1", *, running_jobs: int = 100, services: Sequence[str] = SERVICES) -> Job:
        """Lease a job that there must be."""
        job = self.queue.lease(worker_id, services, running_jobs)
        assert job is not None
        return job

    def leased(self, **wanted: Any) -> Job:
        """Create a job and lease it."""
        job = self.new(**wanted)
        found = self.lease()
        assert found.job_id == job.job_id
        return found

    def job(self, job: Job | str) -> Job:
        """Return a job as it is now."""
        found = self.store.read("tap", job if isinstance(job, str) else job.job_id)
        assert found is not None
        return found

    def phase(self, job: Job) -> Phase | None:
        """Return a job's phase whether it is hidden or not; None when it is gone."""
        rows = self.run("SELECT phase FROM uws.jobs WHERE job_id = :job_id", job_id=job.job_id)
        return Phase(rows[0].phase) if rows else None


def stored(size: int = 10, path: str = "ab/job/1/result.vot") -> Result:
    """Return a result of some size."""
    return Result("result", "application/x-votable+xml", size, path, "result.vot")


def limits(**changes: int) -> Limits:
    """Return the limits of the tests with changes."""
    return replace(LIMITS, **changes)
