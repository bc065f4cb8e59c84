"""Tidy up behind ingests: point the plain views at the newest versions, drop what nobody needs any more.

The name ``schema.table`` that queries use is resolved by the catalogue. For people with psql there is a view of the
same name; it follows a little later, since replacing a view waits for everybody who reads it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psycopg2
from psycopg2 import extensions, sql

from tap.ingest.store import LOCK_SPACE, MARK
from vo.core.database import connect, fetch_value
from vo.core.settings import Settings

LOCK_TIMEOUT = "500ms"
NO_VERSION = 0
"""Versions begin at 1: the lock of this number is the sweeps' own."""

_POINTERS = """
    SELECT p.table_name, p.physical_schema, p.physical_name, c.relkind, pg_get_viewdef(c.oid)
    FROM vo.published_tables AS p
    LEFT JOIN pg_namespace AS n ON n.nspname = split_part(p.table_name, '.', 1)
    LEFT JOIN pg_class AS c ON c.relnamespace = n.oid AND c.relname = split_part(p.table_name, '.', 2)
    WHERE p.version > 0
"""
_ORPHANS = r"""
    SELECT n.nspname, c.relname, substring(c.relname FROM '__v(\d+)$')::integer AS version
    FROM pg_class AS c
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND c.relname ~ '__v\d{1,9}$' AND pg_get_userbyid(c.relowner) = current_user
      AND obj_description(c.oid, 'pg_class') = %s
      AND NOT EXISTS (SELECT FROM vo.published_tables AS p
                      WHERE p.physical_schema = n.nspname AND p.physical_name = c.relname)
    ORDER BY version
"""


def sweep(settings: Settings) -> int:
    """Bring views up to date and drop replaced versions and the leavings of ingests that were killed.

    Nothing waits long for readers: what is in use now is left for the next time.

    Returns
    -------
    int
        Number of tables dropped.
    """
    connection = connect(settings)
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute(f"SET lock_timeout = '{LOCK_TIMEOUT}'")
        # The service and an ingest may sweep at the same time: the second would make a view that is just being made.
        with suppress(psycopg2.errors.LockNotAvailable), _alone(connection):
            _follow_pointers(connection)
        return _drop_orphans(connection)
    finally:
        connection.close()


@contextmanager
def _alone(connection: extensions.connection) -> Iterator[None]:
    """Keep other sweeps waiting; waits no longer than `LOCK_TIMEOUT` for them."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s, %s)", (LOCK_SPACE, NO_VERSION))
        try:
            yield
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s, %s)", (LOCK_SPACE, NO_VERSION))


def _follow_pointers(connection: extensions.connection) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_POINTERS)
        for table_name, schema, physical, kind, definition in cursor.fetchall():
            # The definition names the version it reads, with its closing quote or end: nothing to do when it agrees.
            if kind == "v" and f"{physical};" in definition.replace('"', ""):
                continue
            view = sql.Identifier(*table_name.split("."))
            try:
                cursor.execute(
                    sql.SQL("DROP VIEW IF EXISTS {0}; CREATE VIEW {0} AS SELECT * FROM {1}").format(
                        view, sql.Identifier(schema, physical)
                    )
                )
            except (psycopg2.errors.LockNotAvailable, psycopg2.errors.WrongObjectType, psycopg2.errors.UndefinedTable):
                continue  # read just now, a table of the operator's own, or replaced since we looked


def _drop_orphans(connection: extensions.connection) -> int:
    dropped = 0
    with connection.cursor() as cursor:
        cursor.execute(_ORPHANS, (MARK,))
        for schema, name, version in cursor.fetchall():
            if not fetch_value(connection, "SELECT pg_try_advisory_lock(%s, %s)", (LOCK_SPACE, version)):
                continue  # an ingest is making it
            try:
                cursor.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier(schema, name)))
                dropped += 1
            except (psycopg2.errors.LockNotAvailable, psycopg2.errors.DependentObjectsStillExist):
                pass
            finally:
                cursor.execute("SELECT pg_advisory_unlock(%s, %s)", (LOCK_SPACE, version))
    return dropped
