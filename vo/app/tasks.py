"""Builds what runs tasks, in workers and in commands; web processes only describe and plan them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from sqlalchemy import Engine

from tap.adql import Dialect
from tap.schema.service import SchemaService
from tap.selection import SelectionService
from tap.upload.loading import UploadService
from uws.service import Jobs
from uws.store import JobStore
from uws.tasks.catalogue import TaskCatalogue
from uws.tasks.jobs import TaskJobs
from uws.tasks.nursery import Nursery
from uws.tasks.planning import estimator
from uws.tasks.running import TaskRunner
from vo.app.parts import dialect, task_list, uploads
from vo.core.arrow import ArrowPool
from vo.core.database import owner_engine
from vo.core.limits import Limits
from vo.core.scratch import ScratchBooks
from vo.core.settings import TAP_ROLE, Settings

INPUTS = 3
"""Connections that one run may need at the same time."""


@dataclass(frozen=True)
class TaskParts:
    """What runs tasks."""

    catalogue: TaskCatalogue
    runner: TaskRunner
    nursery: Nursery
    pool: ArrowPool

    def executors(self, settings: Settings) -> Sequence[TaskJobs]:
        """Return what runs the jobs of each task."""
        return [TaskJobs(task, self.runner, settings) for task in self.catalogue]

    def close(self) -> None:
        """End the processes from which tasks are born, and the connections."""
        self.nursery.close()
        self.pool.close()


def task_parts(
    settings: Settings,
    tasks: TaskCatalogue,
    *,
    schema: SchemaService,
    tables: UploadService,
    rulings: Dialect,
    slots: int,
) -> TaskParts:
    """Build what runs so many tasks at the same time; nothing is started yet."""
    pool = ArrowPool(
        settings.conninfo(TAP_ROLE),
        size=slots * INPUTS,
        wait=settings.queue_time,
        statement_time=settings.max_job_time + 60,
    )
    modules = [name for task in tasks for name in (type(task).__module__, *task.preload)]
    nursery = Nursery(modules, hide=hidden(settings))
    runner = TaskRunner(SelectionService(schema, pool, rulings, tables), nursery, settings)
    return TaskParts(tasks, runner, nursery, pool)


def hidden(settings: Settings) -> list[Path]:
    """Return the folders and files that no task may see: ours, and where PostgreSQL's sockets are."""
    found = [settings.home, settings.scratch_folder, Path("/run/postgresql"), Path("/var/run/postgresql")]
    location = urlsplit(settings.results_location)
    if location.scheme in ("", "file"):
        found.append(Path(unquote(location.path) if location.scheme else settings.results_location).absolute())
    if settings.log_path is not None:  # it names jobs, whose ids are all that protects them
        found.append(settings.log_path.absolute())
    return found


@dataclass(frozen=True)
class TasksHere:
    """The tasks of this installation, for commands.

    Attributes
    ----------
    parts : TaskParts
        What runs them in this process.
    """

    parts: TaskParts
    settings: Settings
    engine: Engine

    def jobs(self, name: str) -> Jobs:
        """Return the rules of a task's jobs."""
        task = self.parts.catalogue.get(name)
        estimate = estimator(task, self.parts.runner.selections, self.settings)
        return task_list(self.settings, JobStore(self.engine), task, estimate)

    def executor(self, name: str) -> TaskJobs:
        """Return what runs a task in this process."""
        return TaskJobs(self.parts.catalogue.get(name), self.parts.runner, self.settings)


@contextmanager
def build_tasks(settings: Settings) -> Iterator[TasksHere]:
    """Build what runs one task at a time; all of it is ended at the end."""
    engine = owner_engine(settings)
    tasks = TaskCatalogue.installed()
    tables = uploads(settings, engine, tasks, ScratchBooks(Limits.of(settings)))
    schema = SchemaService(engine, settings.conninfo())
    parts = task_parts(settings, tasks, schema=schema, tables=tables, rulings=dialect(settings), slots=1)
    try:
        yield TasksHere(parts, settings, engine)
    finally:
        parts.close()
        tables.connections.close()
        engine.dispose()
