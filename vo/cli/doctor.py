"""``vo doctor``: check everything the service needs, one line each, with what to do about it."""

from __future__ import annotations

import re
import shlex
import shutil
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import psycopg2
from psycopg2 import extensions
from rich.markup import escape

from sql import read_sql
from vo.cli.progress import console
from vo.core import migrations
from vo.core.cluster import Cluster
from vo.core.database import connect, fetch_value
from vo.core.errors import ServiceError
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
    """The outcome of one check."""

    good: bool
    what: str
    advice: str = ""


def run() -> bool:
    """Run all checks and print them; return whether all are good."""
    good = True
    for finding in findings():
        good &= finding.good
        mark = "[green]✓[/]" if finding.good else "[bold red]✗[/]"
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
        yield service(settings)


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
    reader.close()
    missing = sorted(LIMITS.difference(fetch_value(owner, _SETTINGS_OF_ROLE, (TAP_ROLE,))))
    yield Finding(
        not missing,
        "ADQL's role has its limits" if not missing else f"ADQL's role has no limit for {', '.join(missing)}",
        setup,
    )
    yield from published_checks(owner)


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


def service(settings: Settings) -> Finding:
    """Check whether the service answers, which it need not."""
    url = f"{settings.local_url}/tap/availability"
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310  (our own address)
            body = answer.read().decode()
    except OSError:
        return Finding(True, f"no service answers at {settings.local_url} now; start it with: vo serve")
    return Finding(
        "<available>true" in body,
        f"the service at {settings.local_url} answers",
        f"It calls itself not available: {url}",
    )
