"""``vo doctor``: check everything the service needs, one line each, with what to do about it."""

from __future__ import annotations

import re
import secrets
import shlex
import shutil
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import psycopg2
from psycopg2 import extensions
from rich.markup import escape
from structlog.testing import capture_logs

from sql import read_sql
from tap.adql.functions.operators import check_function_sql, read_functions
from uws.overview import Overview
from uws.pages import duration, size
from uws.queue import Queue
from uws.statistics import WORKER_SILENCE
from uws.tasks.catalogue import TaskCatalogue
from uws.tasks.nursery import Nursery
from vo.app.tasks import INPUTS, hidden
from vo.cli.desk import ABOUT
from vo.cli.progress import console
from vo.core import migrations
from vo.core.cluster import Cluster
from vo.core.database import connect, fetch_value, owner_engine
from vo.core.errors import ConfigurationError, ServiceError
from vo.core.files import FileStore
from vo.core.settings import TAP_ROLE, Settings, load_settings, make_home

REQUIRED = {
    "the extension Q3C works": "SELECT public.q3c_version() IS NOT NULL",
    "the extension pgSphere works": "SELECT public.pg_sphere_version() IS NOT NULL",
    "Q3C may run in parallel": "SELECT bool_and(proparallel = 's') FROM pg_proc WHERE proname = 'q3c_ang2ipix'",
    "the owner may cancel queries": "SELECT pg_has_role('pg_signal_backend', 'member')",
    "ADQL's role may read TAP_SCHEMA": "SELECT has_table_privilege('vo_tap', 'tap_schema.tables', 'SELECT')",
}
"""What the database must be able to do, and a query that is true when it is."""

FORBIDDEN = {
    "wait in a query": "SELECT pg_sleep(0)",
    "take locks": "SELECT pg_try_advisory_lock(1)",
    "change settings by a function": "SELECT set_config('work_mem', '1GB', true)",
    "read the server's files": "SELECT pg_read_file('PG_VERSION')",
    "run SQL hidden in text": "SELECT query_to_xml('SELECT 1', true, true, '')",
    "make large objects": "SELECT lo_create(0)",
    "read passwords": "SELECT * FROM pg_authid",
    "see other sessions": "SELECT * FROM pg_stat_activity",
    "read internal tables": "SELECT * FROM vo.published_tables",
    "make temporary tables": "CREATE TEMPORARY TABLE t (a integer)",
    "make tables": "CREATE TABLE public.t (a integer)",
    "change TAP_SCHEMA": "DELETE FROM tap_schema.tables",
    "run code blocks": "DO $$ BEGIN NULL; END $$",
    "cancel other queries": "SELECT pg_cancel_backend(0)",
}
"""What ADQL's role must not be able to do, and a statement that tries."""

_CONNECTIONS = """
    SELECT current_setting('max_connections')::integer
           - current_setting('superuser_reserved_connections')::integer
           - coalesce(current_setting('reserved_connections', true)::integer, 0),
           (SELECT rolconnlimit FROM pg_roles WHERE rolname = %s)
"""
READER_CONNECTIONS = 3, 2
"""What a process that answers HTTP, and a worker, open as ADQL's role beside one connection a query, or what a task
reads: each pool's first connection, which is only cloned, and the one that availability tests."""
OWNER_CONNECTIONS = 8, 8
"""What they open as the owner at most, a worker one a slot besides: pools for small statements, and two that listen."""

_WITH_KEYS = re.compile(r"://[^/@\s]*@")
_SETTINGS_OF_ROLE = """
    SELECT coalesce(array_agg(lower(split_part(setting, '=', 1))), '{}')
    FROM pg_roles, unnest(rolconfig) AS setting
    WHERE rolname = %s
"""
_UNREADABLE = """
    SELECT table_name, format('%I.%I', physical_schema, physical_name) AS physical, quote_ident(physical_schema)
    FROM vo.published_tables
    WHERE (has_schema_privilege('vo_tap', to_regnamespace(quote_ident(physical_schema)), 'USAGE')
           AND has_table_privilege('vo_tap', to_regclass(format('%I.%I', physical_schema, physical_name)), 'SELECT'))
          IS NOT TRUE
"""
LIMITS = frozenset(re.findall(r"ALTER ROLE vo_tap SET (\w+)", read_sql("setup.sql")))
"""Settings that ADQL's role begins its sessions with."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check.

    Attributes
    ----------
    good : bool
        Whether all is as it should be.
    what : str
        What was found.
    advice : str
        What to do where it is not good.
    grave : bool
        Whether what is not good has to be mended; else the service lives with it.
    """

    good: bool
    what: str
    advice: str = ""
    grave: bool = True


def run() -> bool:
    """Run all checks and print them; return whether all are good."""
    good = True
    for finding in findings():
        good &= finding.good or not finding.grave
        mark = "[green]✓[/]" if finding.good else "[bold red]✗[/]" if finding.grave else "[yellow]![/]"
        console.print(f"{mark} {escape(finding.what)}", soft_wrap=True)
        if not finding.good and finding.advice:
            console.print(f"  {escape(finding.advice)}", style="yellow", soft_wrap=True)
    console.print("All is well." if good else "Something has to be mended, see above.", style="bold")
    return good


def findings() -> Iterator[Finding]:
    """Yield the findings; what stands on something that is broken is not checked."""
    try:
        settings = load_settings()
    except ServiceError as error:
        yield Finding(False, error.message, error.hint or "")
        return
    yield Finding(True, f"settings are readable; data folder {settings.home}")
    with ExitStack() as stack:
        if settings.private_cluster:
            cluster = Cluster(settings)
            try:
                cluster.prepare_home()
                if not cluster.created:
                    programs = cluster.program("postgres")
                    yield Finding(True, f"no private PostgreSQL yet; vo serve makes it ({programs})")
                    return
                stack.enter_context(cluster.held())
                yield Finding(True, f"private PostgreSQL runs ({cluster.program('postgres')})")
            except ServiceError as error:
                yield Finding(False, error.message, error.hint or "")
                return
        try:
            make_home(settings)
            yield disk(settings)
        except ServiceError as error:
            yield Finding(False, error.message, error.hint or "")
        try:
            owner = connect(settings)
        except ServiceError as error:
            yield Finding(
                False, error.message, "Check VO_DATABASE_URL, and that the server runs and lets the role vo in."
            )
            return
        stack.callback(owner.close)
        yield Finding(True, "the owner's role can connect")
        yield from database_checks(settings, owner)
        yield results(settings)
        yield from tasks(settings)
        answers, finding = service(settings)
        yield finding
        yield from work(settings, owner, answers=answers)


def disk(settings: Settings) -> Finding:
    """Check the free space of the data folder."""
    free = shutil.disk_usage(settings.home).free
    return Finding(
        free >= settings.min_disk,
        f"{free / 2**30:.1f} GiB free on the disk of the data folder",
        f"At least {settings.min_disk / 2**30:.1f} GiB are needed (VO_MIN_DISK): make room, or move VO_HOME.",
    )


def database_checks(settings: Settings, owner: extensions.connection) -> Iterator[Finding]:
    """Check migrations, extensions and the rights of ADQL's role."""
    setup = "Run: vo database migrate"
    if not settings.private_cluster:
        setup = "As the database's superuser run: vo database setup-sql | psql DATABASE"
    owner.autocommit = True
    for what, statement in REQUIRED.items():
        try:
            yield Finding(bool(fetch_value(owner, statement)), what, setup)
        except psycopg2.Error as error:
            yield Finding(False, f"{what}: no ({str(error).splitlines()[0]})", setup)
    try:
        migrations.check(settings)
        yield Finding(True, f"the database is at migration {migrations.head()}")
    except ServiceError as error:
        yield Finding(False, error.message, error.hint or "")
        return
    try:
        reader = connect(settings, TAP_ROLE)
    except ServiceError as error:
        yield Finding(
            False, f"ADQL's role cannot connect: {error.message}", f"{setup}; for a password set VO_TAP_DATABASE_URL."
        )
        return
    # What has to be refused must be refused to a session that writes; if it is not, the rollback undoes it.
    reader.set_session(readonly=False)
    with reader.cursor() as cursor:
        cursor.execute("SELECT current_user, session_user")
        yield Finding(
            cursor.fetchone() == (TAP_ROLE, TAP_ROLE),
            f"ADQL's role is {TAP_ROLE}",
            f"VO_TAP_DATABASE_URL must name the role {TAP_ROLE}.",
        )
        for what, statement in FORBIDDEN.items():
            reader.rollback()
            try:
                cursor.execute(statement)
                yield Finding(False, f"ADQL's role can {what}", setup)
            except psycopg2.Error:
                yield Finding(True, f"ADQL's role cannot {what}")
    reader.rollback()
    yield from function_checks(settings, reader)
    reader.close()
    missing = sorted(LIMITS.difference(fetch_value(owner, _SETTINGS_OF_ROLE, (TAP_ROLE,))))
    yield Finding(
        not missing,
        "ADQL's role has its limits" if not missing else f"ADQL's role has no limit for {', '.join(missing)}",
        setup,
    )
    yield from published_checks(owner)


def function_checks(settings: Settings, reader: extensions.connection) -> Iterator[Finding]:
    """Check that the functions which the operator declares run under ADQL's role."""
    if settings.functions is None:
        return
    try:
        functions = read_functions(settings.functions)
    except ConfigurationError as error:
        yield Finding(False, error.message, error.hint or "Mend the file, or unset VO_FUNCTIONS.")
        return
    with reader.cursor() as cursor:
        for function in functions:
            try:
                cursor.execute(check_function_sql(function))
                yield Finding(True, f"the function {function.name} runs")
            except psycopg2.Error as error:
                yield Finding(
                    False, f"the function {function.name}: {str(error).splitlines()[0]}", "Mend it in VO_FUNCTIONS."
                )
            reader.rollback()


def published_checks(owner: extensions.connection) -> Iterator[Finding]:
    """Check that ADQL's role can read what is published."""
    with owner.cursor() as cursor:
        cursor.execute(_UNREADABLE)
        unreadable = cursor.fetchall()
    for name, physical, schema in unreadable:
        grants = f"GRANT USAGE ON SCHEMA {schema} TO {TAP_ROLE}; GRANT SELECT ON {physical} TO {TAP_ROLE}"
        yield Finding(
            False,
            f"ADQL's role cannot read {name}",
            f'Ingest it again, or run: echo {shlex.quote(grants)} | psql "$(vo database url)"',
        )
    if not unreadable:
        yield Finding(True, "ADQL's role can read every published table")


def results(settings: Settings) -> Finding:
    """Check that results of jobs can be stored, by storing something."""
    place = _WITH_KEYS.sub("://…@", settings.results_location)
    probe = f"doctor-{secrets.token_hex(8)}"
    try:
        files = FileStore(settings.results_location)
        try:
            with files.write(f"{probe}/probe") as stored:
                stored.write(b"written by vo doctor")
        finally:
            files.delete_folder(probe)
        free = files.free()
    except ServiceError as error:
        return Finding(False, f"results cannot be stored in {place}: {error.message}", error.hint or "")
    if free is None:
        return Finding(True, f"results can be stored in {place}")
    disk = Path(settings.results_location.removeprefix("file://")).resolve()
    while not disk.is_mount():
        disk = disk.parent
    return Finding(
        free >= settings.min_disk,
        f"results can be stored in {place}; {free / 2**30:.1f} GiB free on the disk at {disk}",
        f"No result is stored below {size(settings.min_disk)} (VO_MIN_DISK): make room, delete jobs "
        "(vo jobs list, vo jobs delete), or move VO_RESULTS to another disk.",
    )


def tasks(settings: Settings) -> Iterator[Finding]:
    """Check the tasks that are installed, and whether they are kept apart from all else where they compute."""
    with capture_logs():  # what is told here need not stand in between
        found = TaskCatalogue.installed()
        nursery = Nursery([name for task in found for name in (type(task).__module__, *task.preload)], hidden(settings))
        nursery.start()
        try:
            nursery.warm()
            remarks = nursery.remarks
            failure = None
        except ServiceError as error:
            failure = error
        finally:
            nursery.close()
    yield Finding(True, f"tasks: {', '.join(task.name for task in found) or 'none'}")
    for name, reason in found.broken.items():
        yield Finding(
            False, f"the task {name} cannot be served: {reason}", "Mend or uninstall the distribution that brings it."
        )
    if failure is not None:
        yield Finding(False, f"no task can run: {failure.message}", failure.hint or "The log says why.")
        return
    for remark in remarks:
        yield Finding(False, remark, "Let tasks that you trust be installed here, and no others.", grave=False)
    if not remarks:
        yield Finding(True, "tasks run apart: without network, database, other files, and under limits")


def service(settings: Settings) -> tuple[bool, Finding]:
    """Check whether the service answers, which it need not."""
    url = f"{settings.local_url}/tap/availability"
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310  (our own address)
            body = answer.read().decode()
    except OSError:
        return False, Finding(True, f"no service answers at {settings.local_url} now; start it with: vo serve")
    return True, Finding(
        "<available>true" in body,
        f"the service at {settings.local_url} answers",
        f"It calls itself not available: {url}",
    )


def work(settings: Settings, owner: extensions.connection, *, answers: bool) -> Iterator[Finding]:
    """Check the workers, where the database has jobs at all, and the connections that all processes may open."""
    try:
        migrations.check(settings)
    except ServiceError:
        return  # which was told above
    engine = owner_engine(settings)
    try:
        alive = [worker for worker in Overview(engine, about=ABOUT).workers() if worker.silent < WORKER_SILENCE]
        figures = Queue(engine).statistics()
    finally:
        engine.dispose()
    if alive:
        hosts = ", ".join(sorted({worker.host for worker in alive}))
        yield Finding(
            True,
            f"workers: {len(alive)} alive on {hosts}, with {sum(worker.slots for worker in alive)} slots; "
            f"{figures.executing} jobs run, {figures.queued} wait",
        )
    elif figures.queued or answers:
        oldest = duration(timedelta(seconds=figures.queue_age))
        yield Finding(
            False,
            "no worker runs" + (f", and {figures.queued} jobs wait, the oldest for {oldest}" if figures.queued else ""),
            "Start one with vo worker, or let vo serve start them: VO_WORKERS says how many "
            f"(it is {settings.workers}), and the log says why one ended.",
        )
    else:
        yield Finding(True, f"no worker runs now; vo serve starts {settings.workers}")
    yield connections(
        settings,
        owner,
        workers=max(settings.workers, len(alive)),
        slots=max(settings.workers * settings.worker_slots, sum(worker.slots for worker in alive)),
    )


def connections(settings: Settings, owner: extensions.connection, *, workers: int, slots: int) -> Finding:
    """Check that PostgreSQL takes the connections which all processes may open when they are busy."""
    with owner.cursor() as cursor:
        cursor.execute(_CONNECTIONS, (TAP_ROLE,))
        row = cursor.fetchone()
    most, of_role = row or (0, 0)
    web, worker = READER_CONNECTIONS
    readers = settings.processes * (settings.connections + web) + slots * (1 + INPUTS) + workers * worker
    web, worker = OWNER_CONNECTIONS
    all_together = readers + settings.processes * web + slots + workers * worker
    what = f"at most {all_together} connections, {readers} of them as ADQL's role"
    lower = "Lower VO_PROCESSES, VO_CONNECTIONS, VO_WORKERS or VO_WORKER_SLOTS"
    if 0 <= of_role < readers:
        return Finding(False, f"{what}; the role may have {of_role}", f"{lower}.")
    return Finding(
        all_together <= most,
        f"{what}; PostgreSQL takes {most}",
        f"{lower}; or as superuser run ALTER SYSTEM SET max_connections = {all_together + 10}, and restart PostgreSQL.",
    )
