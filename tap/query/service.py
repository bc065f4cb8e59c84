"""Running queries: what is published, and the connections through which it is read."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import structlog

from tap.adql import Catalogue, Dialect, Translation, translate
from tap.query.explain import EXPLAIN
from tap.query.explaining import RunningExplanation
from tap.query.models import QueryRequest
from tap.query.running import RunningQuery
from tap.schema.service import SchemaService
from tap.upload.loading import UploadService
from tap.upload.models import SentFiles
from vo.core.arrow import ArrowPool, ArrowStream, ReadAhead
from vo.core.callers import OPERATOR, Caller
from vo.core.database import ConnectionLostError, StaleCatalogueError
from vo.core.limits import Limits
from vo.core.tables.writers import find_format

log = structlog.get_logger()


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
    uploads : UploadService
        Loads the tables that come with queries.
    """

    def __init__(
        self, schema: SchemaService, pool: ArrowPool, dialect: Dialect, limits: Limits, uploads: UploadService
    ) -> None:
        self._schema = schema
        self._pool = pool
        self._dialect = dialect
        self.limits = limits
        self.uploads = uploads
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

    def query(
        self, request: QueryRequest, caller: Caller, request_id: str, files: SentFiles | None = None
    ) -> RunningQuery:
        """Return a query that is ready to run, or to be explained; `files` must be there until it has begun."""
        kind = RunningQuery if request.explain is None else RunningExplanation
        return kind(self, request, caller, request_id, files or {})

    def open(self, request: QueryRequest, running: RunningQuery) -> Opened:
        """Translate and execute or plan; once more if a table was replaced or the database restarted in between.

        Raises
        ------
        ServiceError
            What is wrong with the query, or with the database.
        """
        snapshot = self._schema.current()
        uploads = running.uploads
        for attempt in (1, 2):
            catalogue = snapshot.catalogue if uploads is None else snapshot.catalogue.extended(uploads.tables)
            # One row more than may be sent tells whether the result was cut.
            limit = request.maxrec and request.maxrec + 1
            translation = translate(request.query, catalogue, limit=limit, dialect=self._dialect)
            stream = self._pool.stream()
            running.stream = stream
            try:
                label = f"vo:{running.request_id}"
                if request.explain is None:
                    stream.start(translation.sql, label)
                else:
                    stream.start(EXPLAIN + translation.sql, label, copy=False)
                if uploads is not None:
                    uploads.check()
            except (StaleCatalogueError, ConnectionLostError) as error:
                stream.close()
                if attempt == 2:
                    raise
                if isinstance(error, ConnectionLostError):
                    self._pool.forget()
                    if uploads is not None:  # a database that restarted since then has emptied its tables
                        uploads.check()
                snapshot = self._schema.refresh()
            except BaseException:
                stream.close()
                raise
            else:
                return Opened(translation, stream, catalogue)
        raise AssertionError("the loop returns or raises")
