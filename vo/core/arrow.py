"""PostgreSQL as Arrow: a pool of ADBC connections and the stream of one query's result, in COPY's binary format."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor, wait
from contextlib import suppress
from types import TracebackType
from typing import Self
from urllib.parse import urlencode

import adbc_driver_postgresql.dbapi
import pyarrow as pa
from adbc_driver_manager import dbapi
from adbc_driver_postgresql import StatementOptions
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import PoolProxiedConnection, QueuePool

from vo.core.database import KEEPALIVE, ConnectionLostError, DatabaseError, translate
from vo.core.errors import LimitError, UnavailableError

BATCH_BYTES = 2_000_000
"""Size of the batches asked from the driver: enough to encode at full speed, small enough for a quick first byte."""

AHEAD = 3
"""Batches that are read before they are wanted: enough that neither side waits for the other, little memory."""


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
        self._own_session = False
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

    def start(self, sql: str, label: str, *, copy: bool = True, session: Mapping[str, str] | None = None) -> None:
        """Send the query; its backend carries `label` as its application_name from here on.

        Parameters
        ----------
        sql : str
            One statement.
        label : str
            Name of the work.
        copy : bool
            Whether the rows come by COPY, which is fast and takes SELECT only.
        session : mapping of str to str, optional
            Settings of PostgreSQL for this statement; its connection is not used again.

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
            self._own_session = bool(session)
            for setting, value in {"application_name": label, **(session or {})}.items():
                with driver.cursor() as cursor:
                    cursor.adbc_statement.set_sql_query(f"SET {setting} = '{value}'")
                    cursor.adbc_statement.execute_update()
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
        if self._finished and not self._own_session:
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
