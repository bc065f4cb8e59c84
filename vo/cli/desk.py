"""What the commands on jobs work with: the database of the service that the settings name, on this host or another."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

from tap.query.jobs import SERVICE
from uws.models import Job
from uws.overview import Overview
from uws.queue import Queue
from uws.service import Jobs
from uws.store import JobStore
from vo.app.parts import WORKER_SILENCE, tap_jobs
from vo.cli.environment import database
from vo.core.callers import OPERATOR
from vo.core.cluster import Cluster
from vo.core.database import owner_engine
from vo.core.errors import ConfigurationError
from vo.core.settings import Settings, load_settings

SHORT = 8
"""Characters of an id that are enough for people."""


@dataclass
class Desk:
    """What the commands work with."""

    settings: Settings
    overview: Overview
    store: JobStore
    queue: Queue

    @cached_property
    def jobs(self) -> Jobs:
        """The rules of the job list; they need the folder of results."""
        return tap_jobs(self.settings, self.store)

    def find(self, beginning: str) -> Job:
        """Return the one job whose id begins so."""
        return self.jobs.get(OPERATOR, self.overview.find(beginning))

    @property
    def worked(self) -> bool:
        """Whether a worker lives."""
        return any(worker.silent < WORKER_SILENCE for worker in self.overview.workers())


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
            yield Desk(settings, Overview(engine, SERVICE, about="QUERY"), JobStore(engine), Queue(engine))
        finally:
            engine.dispose()
