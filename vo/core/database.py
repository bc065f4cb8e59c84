"""PostgreSQL as Arrow: a pool of ADBC connections and the stream of one query's result.

Small statements go through SQLAlchemy and psycopg2 (`vo.core.migrations.connect`, the stores); bulk rows come and go
through ADBC here, in COPY's binary format.
"""

from __future__ import annotations

import queue
import re
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, wait
from contextlib import suppress
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode

import adbc_driver_manager
import adbc_driver_postgresql.dbapi
import psycopg2
import pyarrow as pa
import structlog
from adbc_driver_manager import dbapi
from adbc_driver_postgresql import StatementOptions
from psycopg2.sql import Composed
from sqlalchemy import Engine, create_engine
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import PoolProxiedConnection, QueuePool

from vo.core.errors import LimitError, NotFoundError, QueryError, ServiceError, UnavailableError
from vo.core.settings import OWNER_ROLE, Settings

BATCH_BYTES = 2_000_000
"""Size of the batches asked from the driver: enough to encode at full speed, small enough for a quick first byte."""

AHEAD = 3
"""Batches that are read before they are wanted: enough that neither side waits for the other, little memory."""

DatabaseError: tuple[type[BaseException], ...] = (adbc_driver_manager.Error, OSError, pa.ArrowException)
"""What ADBC raises: its own errors from statements, OSError and Arrow's from a stream that breaks."""

KEEPALIVE: dict[str, Any] = {
    "keepalives_idle": 3,
    "keepalives_interval": 1,
    "keepalives_count": 3,
    "tcp_user_timeout": 6000,
}
"""libpq's words for: a network that is cut is noticed within six seconds. Unix sockets ignore them."""

_SERVER_MESSAGE = re.compile(r"ERROR:\s+(?P<message>[^\n]*)")
_LOST = re.compile(
    r"server closed the connection|terminating connection|no connection to the server|connection to server|"
    r"could not receive data|could not send data|starting up|shutting down|recovery mode|too many clients|"
    r"not connected|SSL connection has been closed|connection is closed|Broken pipe",
    re.IGNORECASE,
)

_OF_NAMES = re.compile(
    r"permission denied|does not exist|syntax error|must appear in|is not unique|cannot be matched|cache lookup|"
    r"could not (?:open|find|identify|determine|convert|read)|"
    r"(?:relation|column|table|schema|function|operator|file) \S"
)
"""Messages about the service's own text or the names in it, which are nobody else's business."""

_TOO_LARGE = re.compile(r"Cannot enlarge string buffer|invalid memory alloc request|requested length too large")

_WAYS_OUT = {
    "22003": "Convert to a larger type before: CAST(x AS BIGINT), or DOUBLE PRECISION.",
    "22012": "Leave out the rows whose divisor is 0 by a condition in WHERE.",
    "2201E": "Leave out the rows whose value has no logarithm by a condition in WHERE.",
    "2201F": "Leave out the rows whose value has no such root or power by a condition in WHERE.",
}
"""What to write instead, by SQLSTATE."""

log = structlog.get_logger()


def connect(settings: Settings, role: str = OWNER_ROLE) -> psycopg2.extensions.connection:
    """Open one psycopg2 connection as a role, for statements outside the pools.

    Raises
    ------
    UnavailableError
        If the database cannot be reached or does not let the role in.
    """
    try:
        connection: psycopg2.extensions.connection = psycopg2.connect(
            settings.conninfo(role), connect_timeout=10, application_name="vo", **KEEPALIVE
        )
        return connection
    except psycopg2.OperationalError as error:
        reason = str(error).strip().splitlines()[0]
        raise UnavailableError(f"The database does not answer: {reason}.", hint="Run: vo doctor") from None


def fetch_value(connection: psycopg2.extensions.connection, query: Composed | str, values: Sequence[Any] = ()) -> Any:
    """Run a query and return the one value of its one row."""
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        row = cursor.fetchone()
    if row is None:
        raise LookupError(f"no row from: {query}")
    return row[0]


FROZEN_SECONDS = 3
"""A transaction of small statements in which nothing is asked for so long is ended by PostgreSQL: its process is frozen
or cut off, and would keep the locks that others wait for."""


def owner_engine(settings: Settings, *, connections: int = 6, short_transactions: bool = False) -> Engine:
    """Return SQLAlchemy's engine for the owner's small statements.

    Parameters
    ----------
    settings : Settings
        With the database.
    connections : int
        Most connections; two of them stay open.
    short_transactions : bool
        Whether PostgreSQL ends transactions that do nothing for `FROZEN_SECONDS`.
    """
    url = settings.url(OWNER_ROLE).set(drivername="postgresql+psycopg2")
    options = {}
    if short_transactions:
        options["options"] = f"-c idle_in_transaction_session_timeout={FROZEN_SECONDS}s"
    return create_engine(
        url,
        pool_size=2,
        max_overflow=connections - 2,
        pool_pre_ping=True,
        connect_args={"connect_timeout": 5, "application_name": "vo", **options, **KEEPALIVE},
    )


class StaleCatalogueError(NotFoundError):
    """A physical table that the catalogue named is gone: it was replaced; read the catalogue anew and try again."""

    code = "stale"


class TimeReachedError(LimitError):
    """PostgreSQL stopped the statement after the time that its session allows."""


class ConnectionLostError(UnavailableError):
    """The database went away; a new connection may work."""


def translate(error: BaseException) -> ServiceError:
    """Turn an error of the driver into one of ours, with PostgreSQL's own message and nothing else of its text."""
    text = str(error)
    state = getattr(error, "sqlstate", None) or ""
    found = _SERVER_MESSAGE.search(text)
    message = found["message"].strip() if found else ""
    if state == "42P01" or re.search(r'relation "[^"]*" does not exist', message):
        return StaleCatalogueError("A table of the query was just replaced by a newer version.", hint="Send it again.")
    if "statement timeout" in message:
        return TimeReachedError("The query took longer than it may and was stopped.")
    if state.startswith("57014") or "canceling statement" in message:
        return LimitError("The query was cancelled.")
    if "temporary file size exceeds" in message:
        return LimitError(
            "The query needs more temporary disk space than one query may use.",
            hint="Select fewer columns or rows, or sort less.",
        )
    if _TOO_LARGE.search(text):
        return LimitError(
            "A value or a row of the query is larger than the gigabyte that the database holds.",
            hint="Aggregate fewer rows, or select fewer columns.",
        )
    if message.startswith("out of memory"):
        return LimitError(
            "The query needs more memory than it can get.",
            hint="Select fewer rows or shorter values, or group by less.",
        )
    if state.startswith("53") or "No space left" in message:
        return UnavailableError("The database is short of resources.", hint="Try again later, or with a smaller query.")
    if state.startswith(("08", "57P")) or _LOST.search(text):
        return ConnectionLostError("The database is restarting or cannot be reached.", hint="Try again in a moment.")
    if message and _OF_NAMES.search(message) and not state.startswith("22"):
        log.error("database.refused", state=state, message=message)
        return ServiceError("The database does not take the query as the service wrote it.", hint="Please report it.")
    if message:
        return QueryError(f"The database could not evaluate the query: {message}.", hint=_WAYS_OUT.get(state))
    return ServiceError("The database driver failed.")


class ArrowStream:
    """The result of one query: its schema and its batches, each of about `BATCH_BYTES`.

    Must be closed, best by ``with``. One thread reads; any thread may call `cancel`.
    """

    def __init__(self, connection: PoolProxiedConnection) -> None:
        self._connection: PoolProxiedConnection | None = connection
        self._cursor: dbapi.Cursor | None = None
        self._reader: pa.RecordBatchReader | None = None
        self._finished = False
        self._cancelled = False
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def schema(self) -> pa.Schema:
        """Arrow schema as PostgreSQL's types give it."""
        return self._opened().schema

    def start(self, sql: str, label: str, *, copy: bool = True) -> None:
        """Send the query; its backend carries `label` as its application_name from here on.

        Parameters
        ----------
        sql : str
            One statement.
        label : str
            Name of the work.
        copy : bool
            Whether the rows come by COPY, which is fast and takes SELECT only.

        Raises
        ------
        ServiceError
            The database's refusal, translated.
        """
        if self._connection is None:
            raise RuntimeError("the stream is closed")
        driver: dbapi.Connection = self._connection.dbapi_connection  # type: ignore[assignment]
        try:
            # ADBC 1.8 aborts the whole process when a statement finds its connection lost before its first rows came.
            # These two, an empty transaction, tell it by an error instead, as far as it is lost already: 0.04 ms.
            driver.adbc_connection.set_autocommit(False)
            driver.adbc_connection.set_autocommit(True)
            with driver.cursor() as name:
                name.adbc_statement.set_sql_query(f"SET application_name = '{label}'")
                name.adbc_statement.execute_update()
            cursor = driver.cursor()
            with self._lock:
                self._cursor = cursor
                if self._cancelled:
                    raise LimitError("The query was cancelled.")
            cursor.adbc_statement.set_options(
                **{
                    StatementOptions.BATCH_SIZE_HINT_BYTES.value: str(BATCH_BYTES),
                    **({} if copy else {StatementOptions.USE_COPY.value: "false"}),
                }
            )
            cursor.execute(sql)
            self._reader = cursor.fetch_record_batch()
        except DatabaseError as error:
            translated = translate(error)
            # A refused statement leaves the connection fit for the next one.
            self._finished = not isinstance(translated, ConnectionLostError)
            raise translated from error

    def _opened(self) -> pa.RecordBatchReader:
        if self._reader is None:
            raise RuntimeError("the stream was not started")
        return self._reader

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        while (batch := self.next_batch()) is not None:
            yield batch

    def next_batch(self) -> pa.RecordBatch | None:
        """Return the next batch, None after the last one.

        Raises
        ------
        ServiceError
            What went wrong in the database, translated.
        """
        if self._finished:
            return None
        try:
            return self._opened().read_next_batch()
        except StopIteration:
            self._finished = True
            return None
        except DatabaseError as error:
            raise translate(error) from error

    def cancel(self) -> None:
        """Ask the backend to stop; the thread that reads sees an error. Safe to call at any time and again."""
        with self._lock:
            self._cancelled = True
            if self._cursor is None or self._finished:
                return
            with suppress(*DatabaseError):  # a backend that is gone is what was wanted
                self._cursor.adbc_cancel()

    def close(self) -> None:
        """Give the connection back, or discard it when the result was not read to its end."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if not self._finished:
            self.cancel()
        with self._lock:
            cursor, self._cursor = self._cursor, None
        self._reader = None
        try:
            if cursor is not None:
                cursor.close()  # the driver closes no connection with an open statement
        except DatabaseError:
            self._finished = False
        if self._finished:
            connection.close()
        else:
            # A half-read COPY would be drained before the connection works again: a new one is cheaper.
            connection.invalidate()


class ReadAhead:
    """Reads a stream in a thread of its own, a few batches ahead of whoever uses them.

    The driver decodes without Python's lock: while it does, another thread encodes what was read before.

    Parameters
    ----------
    stream : ArrowStream
        Nobody else may read it from now on.
    executor : concurrent.futures.Executor
        Where the reading runs.
    """

    def __init__(self, stream: ArrowStream, executor: Executor) -> None:
        self._stream = stream
        self._read: queue.Queue[pa.RecordBatch | BaseException | None] = queue.Queue(AHEAD)
        self._stopped = threading.Event()
        self._work = executor.submit(self._run)

    def next_batch(self) -> pa.RecordBatch | None:
        """Return the next batch, None after the last one; raises what the stream raised."""
        item = self._read.get()
        if not isinstance(item, pa.RecordBatch):
            self._read.put(item)  # whoever asks again hears the same
        if isinstance(item, BaseException):
            raise item
        return item

    def stop(self) -> None:
        """End the reading, in the middle of the result too; afterwards the stream can be closed."""
        self._stopped.set()
        while not self._work.done():
            with suppress(queue.Empty):
                while True:
                    self._read.get_nowait()
            wait([self._work], timeout=0.05)
            if not self._work.done():
                self._stream.cancel()

    def _run(self) -> None:
        item: pa.RecordBatch | BaseException | None
        while not self._stopped.is_set():
            try:
                item = self._stream.next_batch()
            except BaseException as error:  # raised again where it is waited for
                item = error
            self._read.put(item)
            if not isinstance(item, pa.RecordBatch):
                return


class ArrowPool:
    """ADBC connections of one role, kept open and handed out one query at a time.

    Parameters
    ----------
    conninfo : str
        libpq URL.
    size : int
        Most connections; further queries wait.
    wait : float
        Seconds that a query waits for a connection.
    statement_time : int
        Seconds after which PostgreSQL cancels a statement.
    """

    def __init__(self, conninfo: str, *, size: int, wait: float, statement_time: int) -> None:
        self._conninfo = conninfo + ("&" if "?" in conninfo else "?") + urlencode(KEEPALIVE)
        self.statement_time = statement_time
        self._base: dbapi.Connection | None = None
        self._lock = threading.Lock()
        self._wait = wait
        self.size = size
        self._pool = QueuePool(
            # ADBC's connection has all that the pool uses of DBAPI, under other types.
            self._connect,  # type: ignore[arg-type]
            pool_size=size,
            max_overflow=0,
            timeout=wait,
            reset_on_return=None,
            use_lifo=True,
        )

    def _connect(self) -> dbapi.Connection:
        # The first connection reads PostgreSQL's types and is only ever cloned, which is cheap.
        with self._lock:
            if self._base is None:
                self._base = adbc_driver_postgresql.dbapi.connect(self._conninfo, autocommit=True)
            connection = self._base.adbc_clone()
        connection.adbc_connection.set_autocommit(True)
        cursor = connection.cursor()
        cursor.adbc_statement.set_sql_query(f"SET statement_timeout = '{self.statement_time}s'")
        cursor.adbc_statement.execute_update()
        cursor.close()
        return connection

    @property
    def busy(self) -> int:
        """Number of connections in use."""
        return self._pool.checkedout()

    def stream(self) -> ArrowStream:
        """Check out a connection for one query.

        Raises
        ------
        UnavailableError
            If none comes free in time or the database does not answer.
        """
        try:
            return ArrowStream(self._pool.connect())
        except PoolTimeoutError:
            raise UnavailableError(
                f"All {self.size} connections of this process were busy for {self._wait:g} s.",
                hint="Try again in a moment.",
            ) from None
        except DatabaseError as error:
            raise translate(error) from error

    def forget(self) -> None:
        """Drop the idle connections, as after a restart of the database; those in use are dropped when they fail."""
        with self._lock:
            old, self._pool = self._pool, self._pool.recreate()
        old.dispose()

    def close(self) -> None:
        """Close the idle connections."""
        self._pool.dispose()
        with self._lock:
            if self._base is not None:
                self._base.close()
                self._base = None
