"""Running queries: translate, execute, encode; cut at the limit, and say exactly what was cut."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import islice
from typing import Any, NamedTuple

import pyarrow as pa
import structlog

from tap.adql import Catalogue, Dialect, Translation, translate
from tap.query.explain import EXPLAIN, Explanation, document, explanation_of
from tap.query.models import QueryRequest
from tap.schema.service import SchemaService
from vo.core import metrics
from vo.core.callers import OPERATOR, Caller
from vo.core.database import (
    BATCH_BYTES,
    ArrowPool,
    ArrowStream,
    ConnectionLostError,
    ReadAhead,
    StaleCatalogueError,
    TimeReachedError,
)
from vo.core.errors import LimitError, ServiceError
from vo.core.limits import Limits, time_reached
from vo.core.streaming import CANCEL_EVERY
from vo.core.tables.writers import Chunk, Outcome, ResultMetadata, Writer, find_format

log = structlog.get_logger()


PLANNING_SECONDS = 10.0
"""Most time that a plan may take: a query of many joins has more plans than PostgreSQL can look at."""


ENDING_CHUNKS = 4
"""Chunks of a document's end that are made at once: some formats have all their rows there."""


class Opened(NamedTuple):
    """A query that PostgreSQL has begun to answer."""

    translation: Translation
    stream: ArrowStream
    catalogue: Catalogue


class QueryService:
    """Runs queries of callers against what is published.

    Parameters
    ----------
    schema : SchemaService
        The published tables.
    pool : ArrowPool
        Connections as the role that may read them and nothing else.
    dialect : Dialect
        How contested points of ADQL are ruled.
    limits : Limits
        What one query may use.
    """

    def __init__(self, schema: SchemaService, pool: ArrowPool, dialect: Dialect, limits: Limits) -> None:
        self._schema = schema
        self._pool = pool
        self._dialect = dialect
        self.limits = limits
        self._readers = ThreadPoolExecutor(pool.size, thread_name_prefix="reader")

    @property
    def time_limit(self) -> int:
        """Seconds that a query may take."""
        return self._pool.statement_time

    def read_ahead(self, stream: ArrowStream) -> ReadAhead:
        """Read a stream in another thread from now on, while the caller encodes."""
        return ReadAhead(stream, self._readers)

    def warm_up(self) -> None:
        """Do once what the first query would otherwise wait for: the parser's tables and a connection."""
        request = QueryRequest("SELECT TOP 1 table_name FROM tap_schema.tables", 1, *find_format(None))
        running = self.query(request, OPERATOR, "warm-up")
        try:
            running.begin()
        finally:
            running.close()

    def query(self, request: QueryRequest, caller: Caller, request_id: str) -> RunningQuery:
        """Return a query that is ready to run, or to be explained."""
        kind = RunningQuery if request.explain is None else RunningExplanation
        return kind(self, request, caller, request_id)

    def open(self, request: QueryRequest, running: RunningQuery) -> Opened:
        """Translate and execute or plan; once more if a table was replaced or the database restarted in between.

        Raises
        ------
        ServiceError
            What is wrong with the query, or with the database.
        """
        snapshot = self._schema.current()
        for attempt in (1, 2):
            # One row more than may be sent tells whether the result was cut.
            limit = request.maxrec and request.maxrec + 1
            translation = translate(request.query, snapshot.catalogue, limit=limit, dialect=self._dialect)
            stream = self._pool.stream()
            running.stream = stream
            try:
                label = f"vo:{running.request_id}"
                if request.explain is None:
                    stream.start(translation.sql, label)
                else:
                    stream.start(EXPLAIN + translation.sql, label, copy=False)
            except (StaleCatalogueError, ConnectionLostError) as error:
                stream.close()
                if attempt == 2:
                    raise
                if isinstance(error, ConnectionLostError):
                    self._pool.forget()
                snapshot = self._schema.refresh()
            except BaseException:
                stream.close()
                raise
            else:
                return Opened(translation, stream, snapshot.catalogue)
        raise AssertionError("the loop returns or raises")


class RunningQuery:
    """One query from its text to the last byte of its result (a `vo.core.streaming.Source`).

    Attributes
    ----------
    done : bool
        Whether the last block was returned.
    rows : int
        Rows encoded so far.
    error : ServiceError, optional
        What ended the rows early, written into the result.
    overflow : bool
        Whether the result was cut, at the end.
    warnings : tuple of str
        Remarks on the query, after `begin`.
    """

    def __init__(self, service: QueryService, request: QueryRequest, caller: Caller, request_id: str) -> None:
        self.request = request
        self.request_id = request_id
        self.caller = caller
        self.stream: ArrowStream | None = None
        self.done = False
        self.rows = 0
        self.overflow = False
        self._service = service
        self._writer: Writer | None = None
        self.error: ServiceError | None = None
        self.warnings: tuple[str, ...] = ()
        self._ahead: ReadAhead | None = None
        self._ending: Iterator[Chunk] | None = None
        self._begun = False
        self._cancelled = False
        self._started = time.perf_counter()
        self._bytes = 0
        self._outcome = "abandoned"

    def begin(self) -> Sequence[Any]:
        """Execute the query and return the result's beginning; a small result is `done` then.

        Raises
        ------
        ServiceError
            Before anything was sent, so that the answer can be an error document.
        """
        self._begun = True
        metrics.RUNNING.inc()
        try:
            translation, stream, _ = self._service.open(self.request, self)
            self.warnings = translation.warnings
            metadata = ResultMetadata(name="result", infos=self._infos())
            self._writer = writer = self.request.format.writer(translation.columns, metadata)
            head = writer.begin()
            first = stream.next_batch()
            if first is None:
                return self._count([head, *self._end(writer)])
            blocks = self._encode(writer, first)
            # A batch well below the size asked for is the last one: the answer is complete and can leave in one piece.
            if self._ending is None and first.nbytes < BATCH_BYTES // 2:
                more = stream.next_batch()
                blocks += self._end(writer) if more is None else self._encode(writer, more)
            return self._count([head, *blocks])
        except TimeReachedError as error:
            self._outcome = error.code
            raise self._too_slow() from error
        except ServiceError as error:
            self._outcome = error.code
            raise

    def begin_sending(self) -> Sequence[Any]:
        """Begin, and of a format that holds its rows back go on to where it need not: until then errors are raised."""
        blocks = list(self.begin())
        if self._writer is not None and self._writer.holds_back:
            while self._ending is None:
                blocks += self.more() or ()
        return blocks

    def more(self) -> Sequence[Any] | None:
        """Return the next blocks; errors from here on are written into the result, as DALI has it.

        Raises
        ------
        ServiceError
            If the format cannot tell errors: what was sent so far must be cut off.
        """
        if self.done:
            return None
        if self.stream is None or self._writer is None:
            raise RuntimeError("the query was not begun")
        try:
            if self._ending is not None:
                return self._count(self._rest(self._ending))
            if self._ahead is None:
                self._ahead = self._service.read_ahead(self.stream)
            batch = self._ahead.next_batch()
            if batch is None:
                return self._count(self._end(self._writer))
            return self._count(self._encode(self._writer, batch))
        except ServiceError as error:
            self._outcome = error.code
            self.error = self._too_slow() if isinstance(error, TimeReachedError) else error
            if self._ending is not None or not self._writer.tells_errors:
                raise self.error from error
            return self._end(self._writer, error=self.error)

    def finish(self) -> None:
        """Run to the end, for a format whose writer keeps what it is given.

        Raises
        ------
        ServiceError
            Whatever ended it early.
        """
        self.begin()
        while self.more() is not None:
            pass
        if self.error is not None:
            raise self.error

    def cancel(self) -> None:
        """Stop the query in the database."""
        self._cancelled = True
        if self.stream is not None:
            self.stream.cancel()

    def close(self) -> None:
        """Give the connection back and record what happened."""
        if self._begun:
            metrics.RUNNING.dec()
        if self.stream is not None:
            self._finish_reading(self.stream)
            self.stream.close()
        if self._writer is not None:
            self._writer.close()
        if self._cancelled:
            self._outcome = "abandoned"
        elif self.done and self._outcome == "abandoned":
            self._outcome = "completed"
        metrics.QUERIES.labels(self._outcome).inc()
        metrics.QUERY_ROWS.inc(self.rows)
        metrics.QUERY_BYTES.inc(self._bytes)
        log.info(
            "tap.query",
            request=self.request_id,  # worker threads do not know the request otherwise
            outcome=self._outcome,
            caller=self.caller.name,
            rows=self.rows,
            bytes=self._bytes,
            seconds=round(time.perf_counter() - self._started, 4),
            run_id=self.request.run_id,
            explain=self.request.explain,
            query=self.request.query[:2000],
        )

    def _finish_reading(self, stream: ArrowStream) -> None:
        """Leave the stream to `close` alone; at its end, where the limit was reached, so that its connection lives."""
        if self._ahead is not None:
            self._ahead.stop()
        elif self.done and self._outcome == "abandoned":
            with suppress(ServiceError):
                stream.next_batch()

    def _infos(self) -> tuple[tuple[str, str, str], ...]:
        infos = [("standardID", "ivo://ivoa.net/std/TAP", ""), ("request_id", self.request_id, "")]
        if self.request.run_id:
            infos.append(("RUNID", self.request.run_id, ""))
        infos.append(("QUERY", self.request.query[:10_000], ""))
        return (*infos, *(("warning", warning, "") for warning in self.warnings))

    def _encode(self, writer: Writer, batch: pa.RecordBatch) -> list[Any]:
        left = self.request.maxrec - self.rows
        if batch.num_rows > left:
            self.rows += left
            return [*writer.batch(batch.slice(0, left)), *self._end(writer, overflow=True)]
        self.rows += batch.num_rows
        return list(writer.batch(batch))

    def _end(self, writer: Writer, *, overflow: bool = False, error: ServiceError | None = None) -> list[Any]:
        # MAXREC=0 asks for metadata only and is answered as cut (DALI 1.1, section 3.4.4).
        self.overflow = overflow or self.request.maxrec == 0
        outcome = Outcome(rows=self.rows, overflow=self.overflow, error=error.text() if error else None)
        self._ending = iter(writer.end(outcome))
        return self._rest(self._ending)

    def _rest(self, ending: Iterator[Chunk]) -> list[Any]:
        blocks = list(islice(ending, ENDING_CHUNKS))
        self.done = len(blocks) < ENDING_CHUNKS
        return blocks

    def _count(self, blocks: list[Any]) -> list[Any]:
        self._bytes += sum(len(block) if isinstance(block, bytes) else memoryview(block).nbytes for block in blocks)
        held = 0 if self._writer is None else self._writer.held
        self._service.limits.check_result(max(self._bytes, held))
        return blocks

    def _too_slow(self) -> ServiceError:
        return time_reached(self._service.time_limit, self._service.limits.max_job_time)


class RunningExplanation(RunningQuery):
    """One query that is planned and not run, from its text to what is said of it.

    Attributes
    ----------
    explanation : Explanation, optional
        After `begin`.
    """

    explanation: Explanation | None = None

    def begin(self) -> Sequence[Any]:
        """Plan the query and return the whole answer.

        Raises
        ------
        ServiceError
            What is wrong with the query, or with the database.
        """
        self._begun = True
        metrics.RUNNING.inc()
        ended, late = threading.Event(), threading.Event()
        threading.Thread(target=self._watch, args=(ended, late), name="planning").start()
        try:
            translation, stream, catalogue = self._service.open(self.request, self)
            plan = "".join(text for batch in stream for text in batch.column(0).to_pylist())
        except ServiceError as error:
            self._outcome = error.code
            if late.is_set():
                raise LimitError(
                    f"Planning the query took longer than {PLANNING_SECONDS:g} s and was given up.",
                    hint="Join fewer tables.",
                ) from error
            raise
        finally:
            ended.set()
        service = self._service
        self.warnings = translation.warnings
        self.explanation = explanation_of(
            plan,
            translation,
            catalogue,
            maxrec=self.request.maxrec,
            sync_time=service.time_limit,
            limits=service.limits,
        )
        self.done = True
        return self._count([document(self.explanation, self.request, self._infos())])

    def _watch(self, ended: threading.Event, late: threading.Event) -> None:
        """Cancel the planning when it takes too long, again and again until it has ended."""
        if ended.wait(PLANNING_SECONDS):
            return
        late.set()
        while not ended.wait(CANCEL_EVERY):
            if self.stream is not None:
                self.stream.cancel()
