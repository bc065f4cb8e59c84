"""One query while it runs: execute, encode; cut at the limit, and say exactly what was cut."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import structlog

from tap.query.models import QueryRequest
from tap.upload.loading import UploadedTables
from tap.upload.models import SentFiles
from vo.core import metrics
from vo.core.arrow import BATCH_BYTES, ArrowStream, ReadAhead
from vo.core.callers import Caller
from vo.core.database import TimeReachedError
from vo.core.errors import ServiceError
from vo.core.limits import time_reached
from vo.core.tables.writers import Chunk, Outcome, ResultMetadata, Writer

if TYPE_CHECKING:
    from tap.query.service import QueryService

log = structlog.get_logger()

ENDING_CHUNKS = 4
"""Chunks of a document's end that are made at once: some formats have all their rows there."""


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
    uploads : UploadedTables, optional
        The tables that came with it.
    """

    def __init__(
        self, service: QueryService, request: QueryRequest, caller: Caller, request_id: str, files: SentFiles
    ) -> None:
        self.request = request
        self.request_id = request_id
        self.caller = caller
        self.stream: ArrowStream | None = None
        self.done = False
        self.rows = 0
        self.overflow = False
        self.uploads: UploadedTables | None = None
        if request.uploads:
            self.uploads = service.uploads.tables(request.uploads, files, caller, seconds=service.time_limit)
        self._service = service
        self._writer: Writer | None = None
        self.error: ServiceError | None = None
        self.warnings: tuple[str, ...] = ()
        self._ahead: ReadAhead | None = None
        self._ending: Iterator[Chunk] | None = None
        self._begun = False
        self._cancelled = False
        self._started = self._uploaded = time.perf_counter()
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
            self.load_uploads()
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

    def load_uploads(self) -> None:
        """Put the tables that came with the query into the database."""
        if self.uploads is not None:
            try:
                self.uploads.load()
            except TimeReachedError as error:
                raise self._too_slow() from error
            except ServiceError as error:
                self._outcome = error.code
                raise
            self._uploaded = time.perf_counter()

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
        if self.uploads is not None:
            self.uploads.cancel()
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
        if self.uploads is not None:
            self.uploads.close()
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
            **self._upload_facts(),
            seconds=round(time.perf_counter() - self._started, 4),
            run_id=self.request.run_id,
            explain=self.request.explain,
            query=self.request.query[:2000],
        )

    def _upload_facts(self) -> dict[str, Any]:
        if self.uploads is None:
            return {}
        return {"uploaded_rows": self.uploads.rows, "upload_seconds": round(self._uploaded - self._started, 4)}

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
