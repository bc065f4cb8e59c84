"""Uploaded tables on their way into the database, and out of it again when their query has ended."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from traceback import clear_frames

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from adbc_driver_postgresql import dbapi

from tap.adql.catalogue import CatalogueTable
from tap.tables.conversion import convert, database_schema
from tap.tables.footprints import with_bound_fields, with_bounds
from tap.tables.models import PlannedColumn
from tap.tables.sorting import sky_ordered
from tap.tables.store import Connections, NewTable, commit
from tap.upload.models import SentFiles, Upload
from tap.upload.plan import ROW_NUMBER, UploadPlan
from tap.upload.session import Session
from tap.upload.sources import Sources
from tap.upload.store import LOCK_SPACE, LOCK_TIMEOUT, TableBooks, physical_name
from vo.core.callers import Caller
from vo.core.database import DatabaseError
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
UNPACKED_ALWAYS = 512 * 2**20
UNPACKED_TIMES = 200
"""A file may become so many bytes, or so many times its own: tables pack ten times, bombs a thousand times."""
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
        self._deadline = float("inf")
        self._session: Session | None = None
        self._copying: dbapi.Connection | None = None
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
        self._deadline = time.monotonic() + self._seconds
        self._session = session = Session(service.settings)
        for number in numbers:
            session.execute(f"SELECT pg_advisory_lock({LOCK_SPACE}, {number})")
        session.execute(f"SET statement_timeout = '{self._seconds}s'")
        session.commit()
        service.books.enter(numbers, self._uploads, self._caller)
        self._entered = numbers
        plans = []
        for number, upload in zip(numbers, self._uploads, strict=True):
            with told_of(upload):
                plans.append(self._load_one(session, number, upload))
        self.tables = tuple(plan.table() for plan in plans)
        for number, upload, plan in zip(numbers, self._uploads, plans, strict=True):
            with told_of(upload):
                service.books.measure(number, self._caller.account, rows=plan.rows)

    def check(self) -> None:
        """Raise an UnavailableError if the database restarted since the tables were loaded: it has emptied them."""
        if self._session is not None and not self._session.alive:
            raise UnavailableError("The database restarted.", hint="Send the query again.")

    def cancel(self) -> None:
        """Make a running `load` end soon; called from any thread, also repeatedly."""
        self._cancelled.set()
        if (session := self._session) is not None:
            session.cancel()
        if (copying := self._copying) is not None:
            with suppress(*DatabaseError):
                copying.adbc_cancel()

    def close(self) -> None:
        """Drop the tables; what does not go at once, the next sweep drops."""
        session, self._session = self._session, None
        if session is None:
            return
        if self._entered:
            with suppress(ServiceError):
                session.rollback()
                names = ", ".join(str(physical_name(number)) for number in self._entered)
                session.execute(f"SET lock_timeout = '{LOCK_TIMEOUT}'")
                session.execute(f"DROP TABLE IF EXISTS {names}")
                session.commit()
                self._service.books.forget(self._entered)
        session.close()

    def _load_one(self, session: Session, number: int, upload: Upload) -> UploadPlan:
        limits = self._service.limits
        with ExitStack() as stack:
            file = stack.enter_context(self._service.sources.open(upload, self._files, self._caller, self._check))
            stream = open_table(
                Path(file.path),
                name=file.file_name,
                media_type=file.media_type,
                limits=reading_limits(limits, os.stat(file.path).st_size, self._check),
            )
            plan = UploadPlan.of(upload.full_name, physical_name(number), stream.columns)
            batches = self._counted(number, plan, stream)
            planned = plan.planned
            if plan.position is not None:
                planned = [*planned, _ROW_NUMBERS]
                numbered = _numbered(_seen_on_sky(batches, plan))
                folder = self._service.settings.scratch_folder
                batches = stack.enter_context(sky_ordered(numbered, plan.position, folder))
            table = NewTable(plan.target, session.execute)
            table.create(planned, plan.bounds, comment=MARK, lasting=False)
            session.commit()
            self._copy(table, planned, plan, batches)
            self._check()
            table.build_indexes(plan.position if plan.on_sky else None, (), ())
            table.index_regions(plan.bounds)
            table.finish(sample=SAMPLE)
            session.commit()
        return plan

    def _copy(
        self, table: NewTable, planned: list[PlannedColumn], plan: UploadPlan, batches: Iterator[pa.RecordBatch]
    ) -> None:
        schema = with_bound_fields(database_schema(planned), plan.bounds)
        with self._service.connections.connected() as connection:
            self._copying = connection
            try:
                table.load(connection, schema, self._checked(with_bounds(batches, plan.bounds)))
                commit(connection)
            finally:
                self._copying = None

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


@dataclass(frozen=True, slots=True)
class _ReadingLimits(TableLimits):
    """Limits of a file that is unpacked on the disk of temporary files, by somebody who may not want it any more."""

    least_free: Limits | None = None
    check: Callable[[], None] | None = None

    def check_rows(self, count: int) -> None:
        """Raise an error if a table has too many rows, or nobody wants it any more."""
        TableLimits.check_rows(self, count)
        if self.check is not None:
            self.check()

    def check_unpacked(self, size: int) -> None:
        """Raise an error if a file has become too much, for itself or for the disk."""
        TableLimits.check_unpacked(self, size)
        if self.least_free is not None:
            self.least_free.check_disk(free_scratch())


def reading_limits(limits: Limits, size: int, check: Callable[[], None]) -> TableLimits:
    """Return the limits of an uploaded file of `size` bytes; `check` is called now and then and may raise."""
    return _ReadingLimits(
        columns=limits.max_upload_columns,
        rows=limits.max_upload_rows,
        unpacked_bytes=min(limits.upload_space, max(UNPACKED_ALWAYS, UNPACKED_TIMES * size)),
        least_free=limits,
        check=check,
    )


@contextmanager
def told_of(upload: Upload) -> Iterator[None]:
    """Say which table an error is about."""
    try:
        yield
    except TableError as error:
        clear_frames(error.__traceback__)  # they hold files open that nobody reads any more
        raise TableError(f"Upload {upload.name}: {error.message}", hint=error.hint) from error
    except LimitError as error:
        clear_frames(error.__traceback__)
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
