"""What the commands on jobs work with: the database of the service that the settings name, on this host or another."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

from tap.query import SERVICE as TAP
from uws.models import Job
from uws.overview import Overview, WorkerSummary
from uws.queue import Queue
from uws.service import Jobs
from uws.statistics import WORKER_SILENCE
from uws.store import JobStore
from vo.cli.environment import database
from vo.core.callers import OPERATOR
from vo.core.cluster import Cluster
from vo.core.database import owner_engine
from vo.core.errors import ConfigurationError, NotFoundError
from vo.core.files import FileStore
from vo.core.limits import Limits
from vo.core.settings import Settings, load_settings

SHORT = 8
"""Characters of an id that are enough for people."""
TASKS = "task."
"""What the names of tasks' job lists begin with."""
ABOUT = {TAP: "QUERY"}
"""The parameter that says most about a job, by services."""


@dataclass
class Desk:
    """What the commands work with."""

    settings: Settings
    overview: Overview
    store: JobStore
    queue: Queue

    def find(self, beginning: str) -> Job:
        """Return the one job whose id begins so."""
        service, job_id = self.overview.find(beginning)
        return self.jobs_of(service).get(OPERATOR, job_id)

    def jobs_of(self, service: str) -> Jobs:
        """Return the rules of a service's job list, as far as commands need them: nothing is created by them."""
        settings = self.settings
        return Jobs(service, self.store, self._files, Limits.of(settings), max_parameters=settings.max_body)

    def read(self, job: Job) -> Job:
        """Return a job as it is now.

        Raises
        ------
        NotFoundError
            If it was deleted.
        """
        now = self.store.read(job.service, job.job_id)
        if now is None:
            raise NotFoundError(f"The job {job.job_id[:SHORT]} was deleted.")
        return now

    def url_of(self, job: Job) -> str:
        """Return a job's address."""
        return f"{self.settings.public_url}/{path_of(job.service)}/{job.job_id}"

    def alive(self) -> list[WorkerSummary]:
        """Return the workers that live."""
        return [worker for worker in self.overview.workers() if worker.silent < WORKER_SILENCE]

    @property
    def worked(self) -> bool:
        """Whether a worker lives that begins jobs."""
        return any(not worker.rests and not worker.draining for worker in self.alive())

    @cached_property
    def _files(self) -> FileStore:
        return FileStore(self.settings.results_location)


def path_of(service: str) -> str:
    """Return where a service's job list is below the address of all."""
    return f"tasks/{service.removeprefix(TASKS)}/async" if service.startswith(TASKS) else f"{service}/async"


@contextmanager
def desk() -> Iterator[Desk]:
    """Reach the database of the service that the settings name, which must exist."""
    settings = load_settings()
    if settings.private_cluster and not Cluster(settings).created:
        raise ConfigurationError(
            f"There is no service in VO_HOME={settings.home}.",
            hint="Name its data folder in VO_HOME or its database in VO_DATABASE_URL.",
        )
    with database() as settings:
        engine = owner_engine(settings)
        try:
            yield Desk(settings, Overview(engine, about=ABOUT), JobStore(engine), Queue(engine))
        finally:
            engine.dispose()
