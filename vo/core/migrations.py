"""Bring a database to the state that this version of the stack needs, or say that it is not."""

from __future__ import annotations

from contextlib import closing
from importlib.resources import as_file, files

import psycopg2
from sqlalchemy import create_engine
from sqlalchemy.exc import DBAPIError

from sql import read_sql
from vo.core.database import connect, fetch_value
from vo.core.errors import ConfigurationError
from vo.core.settings import DATABASE, OWNER_ROLE, Settings

SETUP_LOCK = 0x766F0001
"""Key of the advisory lock of whoever sets up the private cluster."""
MIGRATION_LOCK = 0x766F0002
"""Key of the advisory lock of whoever migrates."""


def head() -> str:
    """Return the newest migration's number, e.g. ``"0001"``."""
    names = (item.name for item in files("sql").joinpath("migrations").iterdir())
    return max(name[:4] for name in names if name.endswith(".sql"))


def current(settings: Settings) -> str | None:
    """Return the number of the last migration that the database has; None for an empty database."""
    connection = connect(settings)
    try:
        if not fetch_value(connection, "SELECT to_regclass('vo.alembic_version') IS NOT NULL"):
            return None
        found: str | None = fetch_value(connection, "SELECT max(version_num) FROM vo.alembic_version")
        return found
    finally:
        connection.close()


def check(settings: Settings) -> None:
    """Refuse a database that this version of the stack does not match.

    Raises
    ------
    ConfigurationError
        Naming the command that mends it.
    """
    have, need = current(settings), head()
    if have == need:
        return
    if have is not None and have > need:
        raise ConfigurationError(
            f"The database is at migration {have}, newer than this version of the stack knows ({need}).",
            hint="Upgrade the stack.",
        )
    raise ConfigurationError(
        f"The database is at migration {have or 'none'}, this version of the stack needs {need}.",
        hint="Run: vo database migrate",
    )


def migrate(settings: Settings) -> None:
    """Run the migrations that the database has not seen, all in one transaction.

    Raises
    ------
    ConfigurationError
        With the database's reason.
    """
    # alembic takes 0.3 s to import and is needed once a version
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    engine = create_engine(settings.url().set(drivername="postgresql+psycopg2"))
    try:
        with as_file(files("sql").joinpath("migrations")) as scripts, engine.begin() as connection:
            # Of two commands that begin together one waits, and finds the work done.
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})")
            config = Config()
            config.set_main_option("script_location", str(scripts))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except DBAPIError as error:
        reason = str(error.orig).strip().splitlines()[0]
        raise ConfigurationError(f"The database cannot be migrated: {reason}.", hint="Run: vo doctor") from error
    finally:
        engine.dispose()


def set_up_private(settings: Settings) -> None:
    """Make the private cluster's database, roles, extensions and grants; does nothing to what is there.

    The superuser comes in through the cluster's socket, as the owner of the cluster's data.
    """
    superuser = settings.url("postgres").set(database="postgres")
    with closing(psycopg2.connect(superuser.render_as_string(hide_password=False))) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            # Two commands that begin together would disturb each other; the lock goes with the connection.
            cursor.execute("SELECT pg_advisory_lock(%s)", (SETUP_LOCK,))
            if not fetch_value(connection, "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = %s)", (OWNER_ROLE,)):
                cursor.execute(f"CREATE ROLE {OWNER_ROLE} LOGIN")
            if not fetch_value(connection, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = %s)", (DATABASE,)):
                cursor.execute(f"CREATE DATABASE {DATABASE} OWNER {OWNER_ROLE}")
            cursor.execute("REVOKE CONNECT ON DATABASE postgres, template1 FROM PUBLIC")
        with closing(psycopg2.connect(settings.conninfo("postgres"))) as inside, inside, inside.cursor() as cursor:
            cursor.execute(read_sql("setup.sql"))
