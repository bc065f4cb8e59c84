"""Making one physical table: its columns, its rows by COPY, its indexes, in one transaction."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from urllib.parse import urlencode

import pyarrow as pa
import pyarrow.compute as pc
from adbc_driver_postgresql import dbapi

from tap.adql.types import string_literal
from tap.tables.footprints import Footprints
from tap.tables.models import PlannedColumn, TableName, sql_type
from vo.core.database import KEEPALIVE, DatabaseError, translate
from vo.core.errors import LimitError, QueryError, ServiceError, TableError
from vo.core.settings import TAP_ROLE
from vo.core.tables.columns import FLOATING

INDEX_MEMORY = "256MB"
UNIQUE_VIOLATION = "23505"
DISK_FULL = "53100"
TOO_LARGE = "54000"


class Connections:
    """Opens connections for making tables; thread-safe.

    Parameters
    ----------
    conninfo : str
        libpq URL of the owner.
    """

    def __init__(self, conninfo: str) -> None:
        # Without these a network that is cut leaves a load waiting for ever.
        self._conninfo = conninfo + ("&" if "?" in conninfo else "?") + urlencode(KEEPALIVE)
        self._first: dbapi.Connection | None = None
        self._lock = threading.Lock()

    @contextmanager
    def connected(self) -> Iterator[dbapi.Connection]:
        """Hold a connection, which begins a transaction with its first statement.

        Raises
        ------
        ServiceError
            If the database does not let it in.
        """
        try:
            # The first one reads PostgreSQL's types, which takes ten times as long as to connect, and is only cloned.
            with self._lock:
                if self._first is None:
                    self._first = dbapi.connect(self._conninfo, autocommit=True)
                connection = self._first.adbc_clone()
        except DatabaseError as error:
            raise translate(error) from error
        try:
            yield connection
        finally:
            connection.close()

    def close(self) -> None:
        """Close what is kept open."""
        with self._lock:
            if self._first is not None:
                self._first.close()
                self._first = None


class NewTable:
    """A table while it is being made.

    Parameters
    ----------
    target : TableName
        The physical table.
    execute : callable
        Runs a statement as the owner, in a transaction, and raises a ServiceError where the database refuses it.
    """

    def __init__(self, target: TableName, execute: Callable[[str], None]) -> None:
        self._target = target
        self._execute = execute
        self._name = f"{_quoted(target.schema)}.{_quoted(target.table)}"

    def create(
        self, planned: Sequence[PlannedColumn], bounds: Iterable[Footprints] = (), *, comment: str, lasting: bool = True
    ) -> None:
        """Create it, empty, with columns for the circles around regions.

        Its rows never change: the first autovacuum, about a minute after the commit, may freeze them for good.

        Parameters
        ----------
        planned : sequence of PlannedColumn
            Its columns.
        bounds : iterable of Footprints
            Circles to make room for.
        comment : str
            By which its maker knows it again.
        lasting : bool
            Whether it outlives a crash of PostgreSQL; what need not is written faster, and emptied then.
        """
        written = [f"{_quoted(item.column.name)} {sql_type(item.column)}" for item in planned]
        written += [f"{_quoted(item.bound)} double precision[]" for item in bounds]
        columns = ", ".join(written)
        kind = "TABLE" if lasting else "UNLOGGED TABLE"
        self._execute(f"CREATE {kind} {self._name} ({columns}) WITH (autovacuum_freeze_min_age = 0)")
        self._execute(f"COMMENT ON TABLE {self._name} IS {string_literal(comment)}")
        # Digits of measurements do not compress, and trying takes three times as long as storing them as they are.
        arrays = [item.column for item in planned if item.column.is_array and item.column.datatype in FLOATING]
        if arrays:
            stored = ", ".join(f"ALTER {_quoted(column.name)} SET STORAGE EXTERNAL" for column in arrays)
            self._execute(f"ALTER TABLE {self._name} {stored}")

    def load(self, connection: dbapi.Connection, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> None:
        """Stream batches into it by COPY in binary, in the connection's transaction.

        Raises
        ------
        ServiceError
            What the iterator raised, or what the database refused.
        """
        failure: BaseException | None = None

        def watched() -> Iterator[pa.RecordBatch]:
            nonlocal failure
            try:
                yield from map(_as_the_driver_reads, batches)
            except BaseException as error:
                failure = error  # it goes through the driver's C code and loses its type there
                raise

        reader = pa.RecordBatchReader.from_batches(schema, watched())
        try:
            with connection.cursor() as cursor:
                cursor.adbc_ingest(self._target.table, reader, mode="append", db_schema_name=self._target.schema)
        except DatabaseError as error:
            if failure is not None:
                raise failure from None
            raise explained(error) from error

    def build_indexes(
        self, position: tuple[str, str] | None, unique: Iterable[str], further: Iterable[Iterable[str]]
    ) -> None:
        """Build the Q3C index, the unique ones and those that the description asks for.

        Raises
        ------
        TableError
            If a column that should be unique is not.
        """
        self._execute(f"SET LOCAL maintenance_work_mem = '{INDEX_MEMORY}'")
        if position is not None:
            ra, dec = map(_quoted, position)
            self._execute(f"CREATE INDEX ON {self._name} (public.q3c_ang2ipix({ra}, {dec}))")
        for name in unique:
            self._execute(f"CREATE UNIQUE INDEX ON {self._name} ({_quoted(name)})")
        for names in further:
            self._execute(f"CREATE INDEX ON {self._name} ({', '.join(map(_quoted, names))})")

    def index_regions(self, bounds: Iterable[Footprints]) -> None:
        """Build the indexes on the circles around regions; drop what would not find every region."""
        for item in bounds:
            name = _quoted(item.bound)
            if item.too_large:
                self._execute(f"ALTER TABLE {self._name} DROP COLUMN {name}")
                continue
            lon, lat, radius = (f"pg_catalog.radians({name}[{place}])" for place in (1, 2, 3))
            circle = f"public.scircle(public.spoint({lon}, {lat}), {radius})"  # as tap.adql.sky.geometry writes it
            self._execute(f"CREATE INDEX ON {self._name} USING gist (({circle}))")

    def finish(self, *, sample: int = 100) -> None:
        """Give the planner its statistics, and let ADQL's role read it.

        Parameters
        ----------
        sample : int
            How much of it is looked at, in units of 300 rows.
        """
        self._execute(f"SET LOCAL default_statistics_target = {sample}")
        self._execute(f"ANALYZE {self._name}")
        self._execute(f"GRANT SELECT ON {self._name} TO {_quoted(TAP_ROLE)}")


def executing(connection: dbapi.Connection) -> Callable[[str], None]:
    """Return what runs statements on a connection, in its transaction."""

    def execute(statement: str) -> None:
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement)
        except DatabaseError as error:
            raise explained(error) from error

    return execute


def commit(connection: dbapi.Connection) -> None:
    """Keep what a connection's transaction has done.

    Raises
    ------
    ServiceError
        Why it cannot be kept.
    """
    try:
        connection.commit()
    except DatabaseError as error:
        raise explained(error) from error


def _as_the_driver_reads(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return a batch with its arrays in a form that the driver does not misread.

    It takes the lists of a slice from the beginning of what was sliced, and unknown elements for 0.
    """
    for place, column in enumerate(batch.columns):
        if not pa.types.is_list(column.type):
            continue
        whole = pa.concat_arrays([column]) if column.offset else column
        if whole.values.null_count and pa.types.is_floating(whole.type.value_type):
            elements = pc.fill_null(whole.values, float("nan"))
            whole = pa.ListArray.from_arrays(whole.offsets, elements, type=whole.type, mask=whole.is_null())
        if whole is not column:
            batch = batch.set_column(place, batch.schema.field(place), whole)
    return batch


def _quoted(name: str) -> str:
    """Return a name as an identifier of PostgreSQL."""
    return '"' + name.replace('"', '""') + '"'


def explained(error: BaseException) -> ServiceError:
    """Return what the database refused, in words for whoever sent the data."""
    text = str(error)
    state = getattr(error, "sqlstate", None)
    if state == UNIQUE_VIOLATION:
        detail = re.search(r"DETAIL:\s+(.*)", text)
        return TableError(f"A column that should be unique is not: {detail[1] if detail else text}")
    if state == DISK_FULL or "No space left" in text:
        return LimitError("The disk of the database is full; nothing was changed.")
    if state == TOO_LARGE and "row is too big" in text:
        return TableError(
            "A row is too large for the database, which gives it 8 kB: 8 bytes for each number, 18 for a long text.",
            hint="Leave columns out, or divide the table in two.",
        )
    translated = translate(error)
    if isinstance(translated, QueryError):
        return TableError(f"The database refused the data: {translated.message}")
    return translated  # cancelled, restarted, short of memory: not the data's fault
