"""Builds the parts of a worker: what runs queries and tasks as jobs."""

from __future__ import annotations

from dataclasses import dataclass

from tap.query.jobs import QueryJobs
from tap.query.service import QueryService
from tap.schema.service import SchemaService
from uws.cleaning import Cleaner
from uws.queue import Queue
from uws.tasks.catalogue import TaskCatalogue
from uws.worker import Worker
from vo.app.parts import dialect, uploads
from vo.app.tasks import TaskParts, task_parts
from vo.core.arrow import ArrowPool
from vo.core.database import owner_engine
from vo.core.files import FileStore
from vo.core.limits import Limits
from vo.core.scratch import ScratchBooks
from vo.core.settings import TAP_ROLE, Settings


@dataclass(frozen=True)
class WorkerParts:
    """What a worker process needs."""

    worker: Worker
    schema: SchemaService
    queries: QueryService
    tasks: TaskParts


def build_worker(settings: Settings, *, slots: int) -> WorkerParts:
    """Build the parts of a worker process; nothing is connected yet."""
    engine = owner_engine(settings, connections=slots + 6, short_transactions=True)
    files = FileStore(settings.results_location)
    limits = Limits.of(settings)
    schema = SchemaService(engine, settings.conninfo())
    # The worker itself ends a job in time; PostgreSQL does it for a worker that is gone.
    pool = ArrowPool(
        settings.conninfo(TAP_ROLE),
        size=slots,
        wait=settings.queue_time,
        statement_time=settings.max_job_time + 60,
    )
    catalogue = TaskCatalogue.installed()
    tables = uploads(settings, engine, catalogue, ScratchBooks(limits))
    rulings = dialect(settings)
    queries = QueryService(schema, pool, rulings, limits, tables)
    tasks = task_parts(settings, catalogue, schema=schema, tables=tables, rulings=rulings, slots=slots)
    worker = Worker(
        Queue(engine),
        [QueryJobs(queries, settings), *tasks.executors(settings)],
        files,
        Cleaner(engine, files, archive_time=settings.archive_time),
        limits,
        conninfo=settings.conninfo(),
        slots=slots,
        drain_time=settings.drain_time,
    )
    return WorkerParts(worker, schema, queries, tasks)
