"""A database of its own for the tests of ingests, so that they change nothing that other tests query."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
import pyarrow as pa
import pytest
from psycopg2 import sql
from psycopg2.extras import DictCursor

from sql import read_sql
from tap.ingest.description import SchemaDescription, TableDescription
from tap.ingest.models import IngestReport
from tap.ingest.plan import table_name
from tap.ingest.service import IngestService, Progress
from tests.commands import run_vo
from tests.conftest import environment, make_home
from vo.core.database import connect
from vo.core.migrations import migrate
from vo.core.settings import Settings, load_settings
from vo.core.tables import TableMetadata, TableStream, columns_of
from vo.core.tables.readers import open_table

_DATABASE = "ingest_trial"


@dataclass(frozen=True)
class Trial:
    """The database, and what tests do with it."""

    settings: Settings

    def rows(self, query: str, *values: Any) -> list[Any]:
        """Run a query as the owner; each row can be read by place and by name."""
        with connect(self.settings) as connection, connection.cursor(cursor_factory=DictCursor) as cursor:
            cursor.execute(query, values)  # type: ignore[no-untyped-call]
            found: list[Any] = cursor.fetchall()
        connection.close()
        return found

    def value(self, query: str, *values: Any) -> Any:
        """Run a query of one value."""
        [[value]] = self.rows(query, *values)
        return value

    def execute(self, statement: str) -> None:
        """Run a statement as the owner."""
        with connect(self.settings) as connection, connection.cursor() as cursor:
            cursor.execute(statement)
        connection.close()

    def publish(
        self,
        name: str,
        batches: Iterable[pa.RecordBatch],
        schema: pa.Schema,
        *,
        progress: Progress = lambda _stage, _rows: None,
        **description: Any,
    ) -> IngestReport:
        """Publish batches; `description` is that of the table."""
        qualified = table_name(name)
        table = TableDescription.model_validate({"name": qualified.table, **description})
        stream = TableStream(columns_of(schema), iter(batches), TableMetadata())
        described = SchemaDescription(name=qualified.schema)
        return IngestService(self.settings).publish(stream, qualified, described, table, progress=progress)

    def publish_columns(self, name: str, columns: Mapping[str, Any], /, **description: Any) -> IngestReport:
        """Publish values by column, in the Arrow types that they have."""
        batch = pa.record_batch(dict(columns))
        return self.publish(name, [batch], batch.schema, **description)

    def publish_file(self, name: str, path: Path, **description: Any) -> IngestReport:
        """Publish a file."""
        stream = open_table(path)
        return self.publish(name, stream.batches, pa.schema([c.field() for c in stream.columns]), **description)

    def vo(self, *arguments: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a ``vo`` command on this database."""
        variables = environment(self.settings.home, VO_DATABASE_URL=self.settings.database_url)
        return run_vo(*map(str, arguments), environment=variables, check=check)

    def relations(self, schema: str) -> list[tuple[str, str]]:
        """Return the kind and name of everything in a schema but its indexes."""
        found = self.rows(
            "SELECT relkind, relname FROM pg_class WHERE relnamespace = to_regnamespace(%s) AND relkind <> 'i'"
            " ORDER BY relname",
            schema,
        )
        return [(kind, name) for kind, name in found]

    def physical(self, name: str) -> str:
        """Return the qualified name of the version that a name stands for."""
        found: str = self.value(
            "SELECT format('%%I.%%I', physical_schema, physical_name) FROM vo.published_tables WHERE table_name = %s",
            name,
        )
        return found

    def everything(self) -> list[Any]:
        """Return all that a failed ingest must leave as it was."""
        return [
            self.rows("SELECT * FROM tap_schema.schemas ORDER BY 1"),
            self.rows("SELECT * FROM tap_schema.tables ORDER BY 2"),
            self.rows("SELECT * FROM tap_schema.columns ORDER BY 1, 2"),
            self.rows("SELECT * FROM vo.published_tables ORDER BY 1"),
            self.rows("SELECT * FROM vo.catalogue"),
            self.rows("SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' ORDER BY 1"),
            self.rows(
                "SELECT oid FROM pg_class WHERE relnamespace NOT IN ('pg_catalog'::regnamespace,"
                " 'pg_toast'::regnamespace, 'information_schema'::regnamespace) ORDER BY 1"
            ),
        ]


@pytest.fixture(scope="package")
def trial(cluster: Settings) -> Iterator[Trial]:
    """A migrated database in the session's cluster, with a data folder of its own."""
    admin = psycopg2.connect(cluster.url("postgres").set(database="postgres").render_as_string(hide_password=False))
    admin.autocommit = True
    with admin.cursor() as cursor:
        cursor.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(_DATABASE)))
    superuser = cluster.url("postgres").set(database=_DATABASE).render_as_string(hide_password=False)
    with psycopg2.connect(superuser) as connection, connection.cursor() as cursor:
        cursor.execute(read_sql("setup.sql"))
    connection.close()
    home = make_home()
    owner = cluster.url().set(database=_DATABASE).render_as_string(hide_password=False)
    settings = load_settings(home=home, database_url=owner)
    migrate(settings)
    yield Trial(settings)
    with admin.cursor() as cursor:
        cursor.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(_DATABASE)))
    admin.close()
    shutil.rmtree(home)
