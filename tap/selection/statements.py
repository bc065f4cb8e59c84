"""Queries of one run: each on its own connection, as the role that reads what is published, under the run's label."""

# ruff: noqa: S608  (columns of translations are called c0, c1 …)
from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

import pyarrow as pa

from tap.adql import Catalogue, CatalogueTable, Dialect, Translation, translate
from tap.query.explain import EXPLAIN
from tap.query.explaining import PLANNING_SECONDS
from tap.query.plans import read_plan
from tap.schema.service import SchemaService
from tap.selection.errors import cancelled
from tap.upload.loading import UploadedTables
from vo.core.arrow import ArrowPool, ArrowStream
from vo.core.database import ConnectionLostError, StaleCatalogueError, TimeReachedError
from vo.core.errors import UnavailableError
from vo.core.tables import Column, schema_of
from vo.core.tables.writers.canonical import Canonical

STORED_ORDER = {"max_parallel_workers_per_gather": "0", "synchronize_seqscans": "off"}
"""With these a table is read from its first page to its last."""
_PLANNING = {"statement_timeout": f"{PLANNING_SECONDS:g}s"}
_MOST_ROWS = 10**18


class Statements:
    """What one run asks the database; opened by one thread, cancelled by any.

    Parameters
    ----------
    schema : SchemaService
        What is published.
    pool : ArrowPool
        Connections as the role that may read it and nothing else.
    dialect : Dialect
        Of the queries.
    label : str
        Name of the run, which its backends carry.
    """

    def __init__(self, schema: SchemaService, pool: ArrowPool, dialect: Dialect, label: str) -> None:
        self.dialect = dialect
        self._schema = schema
        self._pool = pool
        self._label = f"vo:{label}"
        self._streams: list[ArrowStream] = []
        self._lock = threading.Lock()
        self._cancelled = False

    @property
    def seconds(self) -> int:
        """How long a statement may take."""
        return self._pool.statement_time

    @property
    def catalogue(self) -> Catalogue:
        """What is published now."""
        return self._schema.current().catalogue

    def rows_of(self, query: str) -> int | None:
        """Return how many rows the database expects of a query, None if it cannot tell soon."""
        try:
            stream = self._begin(query, _explained, copy=False, session=_PLANNING)
        except TimeReachedError:
            return None
        plan = "".join(text for batch in stream for text in batch.column(0).to_pylist())
        self.end(stream)
        physical = {table.physical: table for table in self.catalogue.tables}
        root = read_plan(plan, lambda schema, name: physical.get((schema or "", name or "")))
        return round(min(root.estimate.rows, _MOST_ROWS))

    def has_rows(self, query: str) -> bool:
        """Return whether a query finds anything, that is quick if it finds anything."""
        stream = self._begin(query, _first, session=_PLANNING)
        try:
            return any(batch.num_rows for batch in stream)
        finally:
            self.end(stream)

    def translated(self, query: str, uploaded: UploadedTables | None = None) -> Translation:
        """Translate a query as the catalogue is now."""
        tables = () if uploaded is None else uploaded.tables
        return translate(query, self.catalogue.extended(tables), dialect=self.dialect)

    def begin(
        self,
        query: str,
        *,
        described: Sequence[Column],
        places: Sequence[int] | None = None,
        uploaded: UploadedTables | None = None,
        stored_order: bool = False,
    ) -> ArrowStream:
        """Execute a query; once more if a table was replaced or the database restarted since it was looked up.

        Parameters
        ----------
        query : str
            ADQL.
        described : sequence of Column
            What columns it had when it was looked at before.
        places : sequence of int, optional
            The columns of its result that are read, in this order; None for all.
        uploaded : UploadedTables, optional
            Tables that it may name beside the published ones.
        stored_order : bool
            Whether rows come as they are stored.

        Returns
        -------
        ArrowStream
            With the first rows; `end` is wanted for it.

        Raises
        ------
        ServiceError
            What is wrong with the query, or with the database, or that the columns are not those any more.
        """
        session = STORED_ORDER if stored_order else None
        return self._begin(
            query, partial(_only, described=described, places=places), uploaded=uploaded, session=session
        )

    def _begin(
        self,
        query: str,
        write: Callable[[Translation], str],
        *,
        copy: bool = True,
        uploaded: UploadedTables | None = None,
        session: Mapping[str, str] | None = None,
    ) -> ArrowStream:
        snapshot = self._schema.current()
        tables: tuple[CatalogueTable, ...] = () if uploaded is None else uploaded.tables
        if session is STORED_ORDER:
            tables = tuple(replace(table, row_number=None) for table in tables)
        for attempt in (1, 2):
            translation = translate(query, snapshot.catalogue.extended(tables), dialect=self.dialect)
            stream = self._checked_out()
            try:
                stream.start(write(translation), self._label, copy=copy, session=session)
                if uploaded is not None:
                    uploaded.check()
            except (StaleCatalogueError, ConnectionLostError) as error:
                self.end(stream)
                if attempt == 2:
                    raise
                if isinstance(error, ConnectionLostError):
                    self._pool.forget()
                    if uploaded is not None:  # a database that restarted since then has emptied its tables
                        uploaded.check()
                snapshot = self._schema.refresh()
            except BaseException:
                self.end(stream)
                raise
            else:
                return stream
        raise AssertionError("the loop returns or raises")

    def end(self, stream: ArrowStream) -> None:
        """Give the connection of a statement back."""
        stream.close()
        with self._lock:
            if stream in self._streams:
                self._streams.remove(stream)

    def cancel(self) -> None:
        """Make all statements end soon; called from any thread, also repeatedly."""
        with self._lock:
            self._cancelled = True
            streams = list(self._streams)
        for stream in streams:
            stream.cancel()

    def close(self) -> None:
        """Give all connections back; nobody reads any more."""
        for stream in list(self._streams):
            self.end(stream)

    def _checked_out(self) -> ArrowStream:
        stream = self._pool.stream()
        with self._lock:
            self._streams.append(stream)
            too_late = self._cancelled
        if too_late:
            self.end(stream)
            raise cancelled()
        return stream


def canonical(stream: ArrowStream, columns: tuple[Column, ...]) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a statement in the canonical types of its columns, under their names."""
    schema, cast = schema_of(columns), Canonical(columns)
    for batch in stream:
        for arrays in cast.pieces(batch):
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def _first(translation: Translation) -> str:
    return f"SELECT c0 FROM ({translation.sql}) AS q LIMIT 1"


def _explained(translation: Translation) -> str:
    return EXPLAIN + translation.sql


def _only(translation: Translation, described: Sequence[Column], places: Sequence[int] | None) -> str:
    """Return a query with some of its columns: PostgreSQL computes no others, where the query lets it."""
    if _shape(described) != _shape(translation.columns):
        raise UnavailableError("A table was just replaced by one with other columns.", hint="Send it again.")
    if places is None or list(places) == list(range(len(translation.columns))):
        return translation.sql
    return f"SELECT {', '.join(f'q.c{place}' for place in places)} FROM ({translation.sql}) AS q"


def _shape(columns: Sequence[Column]) -> list[tuple[str, pa.DataType]]:
    return [(column.name, column.arrow_type) for column in columns]
