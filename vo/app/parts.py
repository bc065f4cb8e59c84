"""Builds the parts of one process; the only place that knows how they hang together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError

from gaia.gost.handlers import GostHandlers
from tap.adql import Dialect
from tap.adql.functions import SHIPPED
from tap.adql.functions.operators import read_functions
from tap.adql.functions.simbad import Simbad
from tap.adql.syntax.words import FREEABLE
from tap.examples import examples
from tap.handlers import DescriptionHandlers
from tap.query import SERVICE as TAP_JOBS
from tap.query.handlers import QueryHandlers
from tap.query.pages import QueryPages
from tap.query.service import QueryService
from tap.schema.service import SchemaService
from tap.selection import SelectionService
from tap.upload.loading import UploadService
from tap.upload.results import OwnResults
from tap.upload.sources import Sources
from tap.upload.store import TableBooks
from uws.handlers import JobHandlers
from uws.pages import JobPages
from uws.queue import Queue
from uws.service import Estimator, Jobs
from uws.statistics import WORKER_SILENCE
from uws.store import JobStore
from uws.tasks.catalogue import TaskCatalogue, service_of
from uws.tasks.declaration import Recovery, Task
from uws.tasks.handlers import PLANS, TaskHandlers, TaskRules
from uws.tasks.planning import estimator
from uws.tasks.selections import Selections
from uws.tasks.sync import sync_limits
from uws.waiting import Waiting
from vo.app.gost import gost
from vo.core.arrow import ArrowPool
from vo.core.database import owner_engine
from vo.core.errors import ConfigurationError, UnavailableError
from vo.core.fetch import FetchPolicy
from vo.core.files import FileStore
from vo.core.limits import Limits
from vo.core.pages import page_environment
from vo.core.scratch import ScratchBooks
from vo.core.settings import TAP_ROLE, Settings
from vo.core.vosi import Check, check_disk


@dataclass(frozen=True)
class Parts:
    """What the web application needs."""

    settings: Settings
    schema: SchemaService
    pool: ArrowPool
    probe: ArrowPool
    tables: UploadService
    queries: QueryHandlers
    descriptions: DescriptionHandlers
    jobs: JobHandlers
    tasks: TaskHandlers
    gost: GostHandlers
    planning: ArrowPool
    queue: Queue

    def close(self) -> None:
        """Close the connections that are kept open."""
        self.pool.close()
        self.probe.close()
        self.planning.close()
        self.tables.connections.close()


def build(settings: Settings) -> Parts:
    """Build the parts of a process that answers HTTP; nothing is connected yet."""
    engine = owner_engine(settings, short_transactions=True)
    schema = SchemaService(engine, settings.conninfo())
    pool = ArrowPool(
        settings.conninfo(TAP_ROLE),
        size=settings.connections,
        wait=settings.queue_time,
        statement_time=settings.sync_time,
    )
    queue = Queue(engine)
    store = JobStore(engine)
    rulings = dialect(settings)
    limits = Limits.of(settings)
    tasks = TaskCatalogue.installed()
    scratch = ScratchBooks(limits)
    tables = uploads(settings, engine, tasks, scratch)
    probe = ArrowPool(settings.conninfo(TAP_ROLE), size=1, wait=5, statement_time=5)
    checks = _checks(settings, engine, queue, probe)
    waiting = Waiting(store, settings.conninfo())
    # What a run would be given is described in the web's processes; a task has one or two inputs.
    planning = ArrowPool(settings.conninfo(TAP_ROLE), size=2 * PLANS, wait=settings.queue_time, statement_time=30)
    selections = SelectionService(schema, planning, rulings, tables)
    return Parts(
        settings=settings,
        schema=schema,
        pool=pool,
        probe=probe,
        tables=tables,
        queries=QueryHandlers(
            QueryService(schema, pool, rulings, limits, tables),
            QueryPages(page_environment(settings, "tap"), schema, examples),
            settings,
            scratch,
        ),
        descriptions=DescriptionHandlers(schema, settings, rulings, checks),
        jobs=JobHandlers(
            job_list(settings, store, TAP_JOBS),
            waiting,
            JobPages(page_environment(settings, "uws")),
            settings,
            scratch,
            path="/tap/async",
            title="Queries",
        ),
        tasks=TaskHandlers(
            tasks,
            _task_rules(settings, store, tasks, selections),
            selections,
            waiting=waiting,
            environment=page_environment(settings, "uws"),
            tables=lambda: _table_names(schema),
            settings=settings,
            scratch=scratch,
            checks=[replace(check, vital=True) for check in checks],  # tasks run in workers only
        ),
        gost=gost(settings),
        planning=planning,
        queue=queue,
    )


@contextmanager
def build_queries(settings: Settings) -> Iterator[QueryService]:
    """Build what runs one query at a time, as a synchronous one; its connections are closed at the end."""
    engine = owner_engine(settings)
    pool = ArrowPool(settings.conninfo(TAP_ROLE), size=1, wait=settings.queue_time, statement_time=settings.sync_time)
    scratch = ScratchBooks(Limits.of(settings))
    tables = uploads(settings, engine, TaskCatalogue.installed(), scratch)
    try:
        yield QueryService(
            SchemaService(engine, settings.conninfo()),
            pool,
            dialect(settings),
            Limits.of(settings),
            tables,
        )
    finally:
        tables.connections.close()
        pool.close()
        engine.dispose()


def job_list(
    settings: Settings,
    store: JobStore,
    service: str,
    estimate: Estimator | None = None,
    *,
    continues: bool | None = None,
) -> Jobs:
    """Build the rules of one service's jobs."""
    return Jobs(
        service,
        store,
        FileStore(settings.results_location),
        Limits.of(settings),
        max_parameters=settings.max_body,
        estimate=estimate,
        continues=continues,
    )


def task_list(settings: Settings, store: JobStore, task: Task[Any], estimate: Estimator) -> Jobs:
    """Build the rules of the jobs of a task."""
    continues = task.recovery is Recovery.RESUME
    return job_list(settings, store, service_of(task), estimate, continues=continues)


def _task_rules(
    settings: Settings, store: JobStore, tasks: TaskCatalogue, selections: Selections
) -> dict[str, TaskRules]:
    """Return the rules of the jobs of each task, by name."""
    return {
        task.name: TaskRules(
            jobs=task_list(settings, store, task, estimator(task, selections, settings)),
            sync=Jobs(
                service_of(task),
                store,
                FileStore(settings.results_location),
                sync_limits(settings),
                max_parameters=settings.max_body,
            ),
        )
        for task in tasks
    }


def _table_names(schema: SchemaService) -> Sequence[tuple[str, str]]:
    """Return name and title of each published table, for forms."""
    return [
        (table.name, table.curation.get("title") or table.description or "")
        for table in schema.current().tableset.tables.values()
        if table.schema_name != "tap_schema"
    ]


def uploads(settings: Settings, engine: Engine, tasks: TaskCatalogue, scratch: ScratchBooks) -> UploadService:
    """Build what loads the tables that come with queries; they may be results of all our jobs."""
    store = JobStore(engine)
    lists = {f"{settings.public_url}/tap/async": job_list(settings, store, TAP_JOBS)}
    for task in tasks:
        lists[f"{settings.public_url}/tasks/{task.name}/async"] = job_list(settings, store, service_of(task))
    limits = Limits.of(settings)
    sources = Sources(FetchPolicy.of(settings), OwnResults(lists).open, scratch)
    return UploadService(settings, TableBooks(engine, limits), sources, limits)


def dialect(settings: Settings) -> Dialect:
    """Return how the settings rule ADQL's contested points.

    Raises
    ------
    ConfigurationError
        Naming what is wrong with the free words or with an entry of the file of functions.
    """
    # The settings adql_… bear the names of the dialect's fields.
    rulings = {
        name.removeprefix("adql_"): getattr(settings, name)
        for name in Settings.model_fields
        if name.startswith("adql_") and name != "adql_free_words"
    }
    if wrong := [word for word in settings.adql_free_words if word.upper() not in FREEABLE]:
        raise ConfigurationError(
            f"VO_ADQL_FREE_WORDS: {', '.join(wrong)} cannot be set free.",
            hint="It takes reserved words of ADQL that its grammar can do without, such as distance, size or public.",
        )
    own = read_functions(settings.functions) if settings.functions is not None else ()
    return Dialect(
        **rulings,
        free_words=frozenset(word.lower() for word in settings.adql_free_words),
        functions=SHIPPED.extended(own),
        simbad=Simbad() if settings.simbad else None,
    )


def _checks(settings: Settings, engine: Engine, queue: Queue, probe: ArrowPool) -> list[Check]:
    """Return what availability tests."""

    def check_metadata() -> None:
        try:
            with engine.connect() as connection:
                connection.execute(text("SELECT 1 FROM vo.catalogue"))
        except SQLAlchemyError as error:
            raise UnavailableError("the database does not answer.") from error

    def check_queries() -> None:
        for attempt in (1, 2):
            with probe.stream() as stream:
                try:
                    stream.start("SELECT 1 AS c0", "vo:availability")
                    stream.next_batch()
                    stream.next_batch()
                except UnavailableError:
                    if attempt == 2:
                        raise
                    probe.forget()
                else:
                    return

    def check_workers() -> str:
        figures = queue.statistics()
        if figures.last_seen is None or figures.last_seen > WORKER_SILENCE:
            raise UnavailableError(
                f"no worker runs; {figures.queued} asynchronous jobs wait, the oldest for {figures.queue_age:.0f} s."
            )
        return (
            f"{figures.workers} with {figures.slots} slots; {figures.executing} jobs run, {figures.queued} wait, "
            f"the oldest for {figures.queue_age:.0f} s; {figures.expired_leases} leases expired so far"
        )

    return [
        Check("metadata", check_metadata),
        Check("queries", check_queries),
        Check("disk", lambda: check_disk(settings.home, settings.min_disk)),
        # Without a worker synchronous queries still work: the service is available, and says what waits.
        Check("workers", check_workers, vital=False),
    ]
