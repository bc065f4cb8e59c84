"""Versions of published tables in PostgreSQL: their numbers, names, locks, and dropping."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from psycopg2 import extensions, sql

from tap.tables.models import TableName
from vo.core.database import fetch_value
from vo.core.errors import TableError
from vo.core.settings import TAP_ROLE

LOCK_SPACE = 0x766F  # "vo": first half of the advisory lock keys of ingests
NAME_LOCKS = LOCK_SPACE + 1
SCHEMA_LOCKS = LOCK_SPACE + 2
MARK = "a version made by vo ingest"
"""Comment by which the sweep knows the tables that it may drop."""


def next_version(connection: extensions.connection) -> int:
    """Reserve the number of a new version."""
    return int(fetch_value(connection, "SELECT nextval('vo.table_version')"))


def physical_name(table: str, version: int) -> str:
    """Return the name of a version of a table in the database."""
    return f"{table}__v{version}"


@contextmanager
def version_lock(connection: extensions.connection, version: int) -> Iterator[None]:
    """Hold the lock that marks a version as being made; it goes with the session, so a killed ingest holds nothing."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s, %s)", (LOCK_SPACE, version))
    try:
        yield
    finally:
        if not connection.closed:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s, %s)", (LOCK_SPACE, version))


def lock_name(connection: extensions.connection, name: TableName) -> None:
    """Take the session lock on a published name.

    Raises
    ------
    TableError
        If another ingest of the same table runs.
    """
    if not fetch_value(connection, "SELECT pg_try_advisory_lock(%s, hashtext(%s))", (NAME_LOCKS, str(name))):
        raise TableError(f"Another ingest of {name} is running.", hint="Wait for it to end.")


def make_schema(connection: extensions.connection, name: str) -> bool:
    """Make a schema that ADQL's role can enter; return whether it is new. In a transaction of its own: it is shared."""
    schema = sql.Identifier(name)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s, hashtext(%s))", (SCHEMA_LOCKS, name))
        try:
            cursor.execute("SELECT FROM pg_namespace WHERE nspname = %s", (name,))
            new = cursor.rowcount == 0
            if new:
                cursor.execute(sql.SQL("CREATE SCHEMA {}").format(schema))
            cursor.execute(sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(schema, sql.Identifier(TAP_ROLE)))
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s, hashtext(%s))", (SCHEMA_LOCKS, name))
    return new


def drop(connection: extensions.connection, target: TableName) -> None:
    """Drop a table if it exists."""
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier(target.schema, target.table)))


def drop_schema(connection: extensions.connection, name: str) -> None:
    """Drop a schema, which must be empty and not be in use."""
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL("SET lock_timeout = '1s'; DROP SCHEMA {}").format(sql.Identifier(name)))
