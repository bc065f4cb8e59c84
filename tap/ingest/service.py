"""Publishing a table: load the next version beside the current one, then move the name over in one transaction."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

import psycopg2
import pyarrow as pa
import structlog
from psycopg2 import extensions

from tap.ingest import store
from tap.ingest.description import SchemaDescription, TableDescription
from tap.ingest.models import IngestReport
from tap.ingest.plan import find_position, plan_columns
from tap.ingest.sweep import sweep
from tap.schema import store as schema_store
from tap.tables.conversion import convert, database_schema, with_checked_positions
from tap.tables.footprints import footprints, with_bound_fields, with_bounds
from tap.tables.models import PlannedColumn, TableName
from tap.tables.sorting import sky_ordered
from tap.tables.store import Connections, NewTable, commit, executing
from vo.core.database import connect, owner_engine
from vo.core.errors import ServiceError, TableError
from vo.core.settings import Settings
from vo.core.tables import Column, Datatype, TableStream

Progress = Callable[[str, int], None]
"""Told the current stage and how many rows went through it so far."""

log = structlog.get_logger()


class IngestService:
    """Publishes tables into the database of the settings."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def publish(
        self,
        stream: TableStream,
        name: TableName,
        schema: SchemaDescription,
        table: TableDescription,
        *,
        progress: Progress = lambda _stage, _rows: None,
    ) -> IngestReport:
        """Publish a table under a name, replacing what the name stood for.

        Queries that run go on with the version they began with. Whatever fails changes nothing.

        Raises
        ------
        TableError
            What is wrong with the data or its description.
        ServiceError
            What the database refused.
        """
        planned, remarks = plan_columns(stream, table)
        position = find_position(planned, table)
        if position is None:
            remarks.append("no position found: no sky index is built, cone searches read the whole table")
        indexes = further_indexes(table, planned)
        report = IngestReport(str(name), remarks=remarks)
        connection = connect(self._settings)
        connection.autocommit = True
        try:
            store.lock_name(connection, name)
            report.version = store.next_version(connection)
            target = TableName(name.schema, store.physical_name(name.table, report.version))
            version = _Version(self._settings, connection, target, planned, position, indexes, report, progress)
            with store.version_lock(connection, report.version):
                try:
                    version.make(stream)
                    version.publish(name, schema, table)
                except BaseException:
                    version.undo()
                    raise
            version.tidy()
        except psycopg2.Error as error:
            reason = str(error).strip().splitlines()
            raise ServiceError(f"The database refused: {reason[0] if reason else type(error).__name__}.") from error
        finally:
            connection.close()
        log.info("ingest.published", table=str(name), version=report.version, rows=report.rows, seconds=report.seconds)
        return report


@dataclass
class _Version:
    """One new version of a table on its way to being published."""

    settings: Settings
    connection: extensions.connection
    target: TableName
    planned: list[PlannedColumn]
    position: tuple[str, str] | None
    indexes: list[list[str]]
    report: IngestReport
    progress: Progress
    schema_is_new: bool = False

    def make(self, stream: TableStream) -> None:
        """Order the rows on the sky, load them and build the indexes."""
        batches = convert(stream, self.planned)
        with ExitStack() as stack:
            if self.position is not None:
                batches = with_checked_positions(batches, self.position)
                with self._stage("sort"):
                    unordered = self._counted("sort", batches)
                    batches = stack.enter_context(sky_ordered(unordered, self.position, self.settings.home))
            with self._stage("load"):
                self.schema_is_new = store.make_schema(self.connection, self.target.schema)
                connections = stack.enter_context(closing(Connections(self.settings.conninfo())))
                # One transaction: with wal_level = minimal, what it loads into its own table skips the write-ahead log.
                connection = stack.enter_context(connections.connected())
                table = NewTable(self.target, executing(connection))
                bounds = footprints(self.planned)
                table.create(self.planned, bounds, comment=store.MARK)
                schema = with_bound_fields(database_schema(self.planned), bounds)
                table.load(connection, schema, with_bounds(self._counted("load", batches), bounds))
            with self._stage("index"):
                table.build_indexes(self.position, self._unique, self.indexes)
                table.index_regions(bounds)
                table.finish()
                commit(connection)

    def _counted(self, stage: str, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        self.report.rows = 0
        for batch in batches:
            yield batch
            self.report.rows += batch.num_rows
            self.progress(stage, self.report.rows)

    @property
    def _unique(self) -> list[str]:
        return [item.column.name for item in self.planned if item.unique]

    def publish(self, name: TableName, schema: SchemaDescription, table: TableDescription) -> None:
        """Point the name at the new version, describe it, and tell all processes, in one transaction."""
        for item in self.planned:
            item.column = self._final(item)
        indexed = {*(self.position or ()), *self._unique, *(names[0] for names in self.indexes)}
        ra, dec = self.position or (None, None)
        engine = owner_engine(self.settings)
        with self._stage("publish"), engine.begin() as connection:
            schema_store.upsert_schema(
                connection,
                schema_name=name.schema,
                utype=schema.utype,
                description=schema.description,
                schema_index=schema.schema_index,
            )
            schema_store.replace_table(
                connection,
                {
                    "schema_name": name.schema,
                    "table_name": str(name),
                    "utype": table.utype,
                    "description": table.description,
                    "table_index": table.table_index,
                },
                [column_row(str(name), number, item, indexed) for number, item in enumerate(self.planned, 1)],
                {
                    "table_name": str(name),
                    "physical_schema": self.target.schema,
                    "physical_name": self.target.table,
                    "version": self.report.version,
                    "row_count": self.report.rows,
                    "position_ra": ra,
                    "position_dec": dec,
                    "unique_columns": self._unique,
                    "curation": json.dumps(table.curation()),
                },
            )
            schema_store.announce_change(connection)
        engine.dispose()

    def tidy(self) -> None:
        """Do what readers need not wait for."""
        with self._stage("tidy"):
            sweep(self.settings)

    def undo(self) -> None:
        """Drop what was made; if even that fails, the next sweep does it."""
        with suppress(psycopg2.Error):
            store.drop(self.connection, self.target)
            if self.schema_is_new:
                store.drop_schema(self.connection, self.target.schema)

    def _final(self, item: PlannedColumn) -> Column:
        """Return a text column with the type that its content needs."""
        column = item.column
        if not column.is_text or not item.by_content or column.xtype is not None:
            return column
        if item.ascii:
            return replace(column, datatype=Datatype.CHAR)
        if column.datatype is Datatype.CHAR:
            self.report.remarks.append(f"{column.name} holds more than ASCII and is published as unicodeChar")
        return replace(column, datatype=Datatype.UNICODE_CHAR)

    @contextmanager
    def _stage(self, name: str) -> Iterator[None]:
        self.progress(name, self.report.rows)
        started = time.perf_counter()
        yield
        self.report.seconds[name] = self.report.seconds.get(name, 0.0) + time.perf_counter() - started


def further_indexes(table: TableDescription, planned: list[PlannedColumn]) -> list[list[str]]:
    """Return the columns of each index that the description asks for (Felis: ``indexes``).

    Raises
    ------
    TableError
        If an index names a column that is not there.
    """
    known = {item.column.name for item in planned}
    wanted = []
    for index in table.indexes:
        names = [str(name).rpartition(".")[2].removeprefix("#") for name in index.get("columns", [])]
        unknown = [name for name in names if name not in known]
        if unknown or not names:
            raise TableError(f"The index {index.get('name', '')} names no column {', '.join(unknown)}.")
        wanted.append(names)
    return wanted


def column_row(table_name: str, number: int, item: PlannedColumn, indexed: set[str]) -> dict[str, Any]:
    """Return a column as TAP_SCHEMA has it."""
    column = item.column
    size = (column.arraysize or "").rstrip("*")
    return {
        "table_name": table_name,
        "column_name": item.query_name,
        "datatype": column.datatype.value,
        "arraysize": column.arraysize,
        "xtype": column.xtype,
        "size": int(size) if size.isdigit() else None,
        "description": column.description,
        "utype": column.utype,
        "unit": column.unit,
        "ucd": column.ucd,
        "indexed": int(column.name in indexed),
        "principal": int(item.principal),
        "std": int(item.std),
        "column_index": number,
    }
