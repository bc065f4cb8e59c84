"""One database of jobs for the tests in this folder, empty before each of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import psycopg2
import pytest

from sql import read_sql
from tests.uws.database import Database
from vo.core import migrations
from vo.core.settings import OWNER_ROLE, Settings


@pytest.fixture(scope="session")
def migrated(cluster: Settings) -> Iterator[Settings]:
    """Settings for a database of the owner's that migrations have made."""
    name = "jobs"
    urls = {
        database: cluster.url("postgres").set(database=database).render_as_string(hide_password=False)
        for database in ("postgres", name)
    }
    with closing(psycopg2.connect(urls["postgres"])) as admin:
        admin.autocommit = True
        with admin.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {name}")
            with closing(psycopg2.connect(urls[name])) as connection, connection, connection.cursor() as inside:
                inside.execute(read_sql("setup.sql"))
            owner = cluster.url(OWNER_ROLE).set(database=name).render_as_string(hide_password=False)
            settings = cluster.model_copy(update={"database_url": owner})
            migrations.migrate(settings)
            yield settings
            cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def database(migrated: Settings) -> Iterator[Database]:
    """The database of jobs without a job."""
    with Database(migrated) as made:
        yield made
