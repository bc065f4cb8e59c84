"""Uploaded tables on their way into the database, and out of it again when their query has ended."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from adbc_driver_postgresql import dbapi

from tap.adql.catalogue import CatalogueTable
from tap.tables.conversion import convert, database_schema
from tap.tables.footprints import with_bound_fields, with_bounds
from tap.tables.models import PlannedColumn
from tap.tables.sorting import sky_ordered
from tap.tables.store import Connections, NewTable
from tap.upload.models import SentFiles, Upload
from tap.upload.plan import ROW_NUMBER, UploadPlan
from tap.upload.sources import Sources
from tap.upload.store import LOCK_SPACE, LOCK_TIMEOUT, TableBooks, physical_name
from vo.core.callers import Caller
from vo.core.database import DatabaseError, translate
from vo.core.errors import LimitError, ServiceError, TableError, UnavailableError
from vo.core.limits import Limits, time_reached
from vo.core.scratch import free_scratch
from vo.core.settings import Settings
from vo.core.tables import Column, Datatype, TableStream
from vo.core.tables.readers import open_table
from vo.core.tables.readers.limits import TableLimits

BOOKED_EVERY = 64 * 2**20
"""Bytes loaded between two looks at what the caller and the disk have left."""
SAMPLE = 20
"""Of an upload's rows the planner has to know how many there are, and little else (unit: 300 rows)."""
MARK = "a table that came with a query"

_ROW_NUMBERS = PlannedColumn(Column(ROW_NUMBER, Datatype.LONG), -1, ROW_NUMBER)


class UploadService:
    """Loads the tables that come with queries.

    Parameters
    ----------
    settings : Settings
        With the database.
    books : TableBooks
        Where tables are entered.
    sources : Sources
        Where tables that do not come with the request itself are fetched.
    limits : Limits
        What callers may use.
    """

    def __init__(self, settings: Settings, books: TableBooks, sources: Sources, limits: Limits) -> None:
        self.settings = settings
        self.connections = Connections(settings.conninfo())
        self.books = books
        self.sources = sources
        self.limits = limits

    def tables(self, uploads: Sequence[Upload], files: SentFiles, caller: Caller, *, seconds: int) -> UploadedTables:
        """Return the tables of one query, not yet loaded; they must be closed."""
        return UploadedTables(self, uploads, files, caller, seconds)


class UploadedTables:
    """The tables that came with one query.

    Attributes
    ----------
    tables : tuple of CatalogueTable
        As queries see them, once they are loaded.
    rows : int
        Rows read so far.
    """

    def __init__(
        self, service: UploadService, uploads: Sequence[Upload], files: SentFiles, caller: Caller, seconds: int
    ) -> None:
        self.tables: tuple[CatalogueTable, ...] = ()
        self.rows = 0
        self._service = service
        self._uploads = uploads
        self._files = files
        self._caller = caller
        self._seconds = seconds
        self._deadline = time.monotonic() + seconds
        self._held = ExitStack()
        self._connection: dbapi.Connection | None = None
        self._entered: list[int] = []
        self._cancelled = threading.Event()

    def load(self) -> None:
        """Load all of them.

        Raises
        ------
        ServiceError
            What is wrong with one of them, which limit was reached, or what the database refused. `close` is wanted
            then too.
        """
        service = self._service
        numbers = service.books.numbers(len(self._uploads))
        connection = self._held.enter_context(service.connections.connected())
        self._connection = connection
        try:
            self._hold(connection, numbers)
            service.books.enter(numbers, self._uploads, self._caller)
            self._entered = numbers
            plans = []
            for number, upload in zip(numbers, self._uploads, strict=True):
                with _told_of(upload):
                    plans.append(self._load_one(connection, number, upload))
            connection.commit()
        except DatabaseError as error:
            raise translate(error) from error
        for number, plan in zip(numbers, plans, strict=True):
            service.books.measure(number, self._caller.account, rows=plan.rows)
        self.tables = tuple(plan.table() for plan in plans)

    def check(self) -> None:
        """Raise an UnavailableError if the database restarted since the tables were loaded: it has emptied them."""
        if self._connection is not None:
            try:
                _run(self._connection, "SELECT 1")
            except DatabaseError as error:
                raise UnavailableError("The database restarted.", hint="Send the query again.") from error

    def cancel(self) -> None:
        """Make a running `load` end soon; called from any thread, also repeatedly."""
        self._cancelled.set()
        connection = self._connection
        if connection is not None:
            with suppress(*DatabaseError):
                connection.adbc_cancel()

    def close(self) -> None:
        """Drop the tables; what does not go at once, the next sweep drops."""
        connection, self._connection = self._connection, None
        if connection is not None and self._entered:
            with suppress(*DatabaseError, ServiceError):
                connection.rollback()
                if self.tables:
                    names = ", ".join(str(physical_name(number)) for number in self._entered)
                    _run(connection, f"SET lock_timeout = '{LOCK_TIMEOUT}'")
                    _run(connection, f"DROP TABLE IF EXISTS {names}")
                    connection.commit()
                self._service.books.forget(self._entered)
        self._held.close()

    def _hold(self, connection: dbapi.Connection, numbers: Sequence[int]) -> None:
        for number in numbers:
            _run(connection, f"SELECT pg_advisory_lock({LOCK_SPACE}, {number})")
        _run(connection, f"SET statement_timeout = '{self._seconds}s'")
        connection.commit()

    def _load_one(self, connection: dbapi.Connection, number: int, upload: Upload) -> UploadPlan:
        limits = self._service.limits
        with ExitStack() as stack:
            file = stack.enter_context(self._service.sources.open(upload, self._files, self._caller, self._check))
            stream = open_table(
                Path(file.path),
                name=file.file_name,
                media_type=file.media_type,
                limits=TableLimits(
                    columns=limits.max_upload_columns,
                    rows=limits.max_upload_rows,
                    unpacked_bytes=limits.upload_space,
                ),
            )
            plan = UploadPlan.of(upload.full_name, physical_name(number), stream.columns)
            batches = self._counted(number, plan, stream)
            planned = plan.planned
            if plan.position is not None:
                planned = [*planned, _ROW_NUMBERS]
                numbered = _numbered(_seen_on_sky(batches, plan))
                folder = self._service.settings.scratch_folder
                batches = stack.enter_context(sky_ordered(numbered, plan.position, folder))
            table = NewTable(connection, plan.target)
            table.create(planned, plan.bounds, comment=MARK, lasting=False)
            schema = with_bound_fields(database_schema(planned), plan.bounds)
            table.load(schema, self._checked(with_bounds(batches, plan.bounds)))
            self._check()
            table.build_indexes(plan.position if plan.on_sky else None, (), ())
            table.index_regions(plan.bounds)
            table.finish(sample=SAMPLE)
        return plan

    def _counted(self, number: int, plan: UploadPlan, stream: TableStream) -> Iterator[pa.RecordBatch]:
        """Yield the rows in the database's types, within the limits."""
        limits, books = self._service.limits, self._service.books
        size = booked = 0
        for batch in self._checked(convert(stream, plan.planned, nan_is_null=False)):
            plan.rows += batch.num_rows
            self.rows += batch.num_rows
            size += batch.nbytes
            if size - booked >= BOOKED_EVERY:
                booked = size
                books.grow(number, self._caller.account, size=size, rows=plan.rows)
                limits.check_disk(free_scratch())
            yield batch

    def _checked(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            self._check()
            yield batch

    def _check(self) -> None:
        if self._cancelled.is_set():
            raise LimitError("The query was cancelled.")
        if time.monotonic() > self._deadline:
            raise time_reached(self._seconds, self._service.limits.max_job_time)


@contextmanager
def _told_of(upload: Upload) -> Iterator[None]:
    """Say which table an error is about."""
    try:
        yield
    except TableError as error:
        raise TableError(f"Upload {upload.name}: {error.message}", hint=error.hint) from error
    except LimitError as error:
        raise type(error)(f"Upload {upload.name}: {error.message}", hint=error.hint) from error


def _numbered(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Append the numbers of the rows, from 1."""
    first = 1
    for batch in batches:
        numbers = pa.array(np.arange(first, first + batch.num_rows))
        yield batch.append_column(pa.field(ROW_NUMBER, pa.int64()), numbers)
        first += batch.num_rows


def _seen_on_sky(batches: Iterator[pa.RecordBatch], plan: UploadPlan) -> Iterator[pa.RecordBatch]:
    """Note whether all positions are on the sky: others stay as they are, and the table goes without its index."""
    for batch in batches:
        ra, dec = (batch.column(name) for name in plan.position or ())
        known = pc.and_(pc.is_finite(ra), pc.less_equal(pc.abs(dec), 90.0))
        if plan.on_sky and pc.all(known).as_py() is False:
            plan.on_sky = False
        yield batch


def _run(connection: dbapi.Connection, statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        if statement.startswith("SELECT"):
            cursor.fetchall()
