"""Tables that were sent: read from their files, and loaded into the database where a query names them."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Generator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa

from tap.adql import CatalogueTable
from tap.adql.names import unique_names
from tap.selection.errors import cancelled
from tap.upload.loading import UploadedTables, UploadService, reading_limits, told_of
from tap.upload.models import INLINE, SentFile, SentFiles, Upload
from tap.upload.plan import UploadPlan
from tap.upload.store import physical_name
from vo.core.callers import Caller
from vo.core.tables import Column, TableStream, schema_of
from vo.core.tables.readers import open_table
from vo.core.tables.writers.canonical import Canonical

CELL_BYTES = 12
"""What a cell takes in a file that does not say how many rows it has: the digits of a number, or a short text."""
PACKED = 3
"""How much more a file becomes that is packed."""
_GZIP = b"\x1f\x8b"


@dataclass(slots=True)
class SentTable:
    """A table that was sent.

    Attributes
    ----------
    upload : Upload
        As the client calls it.
    file : SentFile
        Where it is now.
    columns : tuple of Column
        Under names of which no two are equal.
    rows : int
        As the file says, or about so many.
    as_loaded : CatalogueTable
        As queries will see it; nothing is loaded yet.
    stream : TableStream, optional
        The file, opened and not yet read.
    """

    upload: Upload
    file: SentFile
    columns: tuple[Column, ...]
    rows: int
    as_loaded: CatalogueTable
    stream: TableStream | None

    def state(self) -> str:
        """Return in words which contents the file has."""
        with open(self.file.path, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            return f"{os.fstat(file.fileno()).st_size:,} bytes, sha256 {digest}"


class SentTables:
    """The tables that came with one request.

    Parameters
    ----------
    service : UploadService
        Loads tables.
    uploads : sequence of Upload
        What the client says of them.
    files : mapping of str to SentFile
        What came along, by the names of parts.
    caller : Caller
        Whose limits they take.
    seconds : int
        How long loading may take.
    """

    def __init__(
        self, service: UploadService, uploads: Sequence[Upload], files: SentFiles, caller: Caller, seconds: int
    ) -> None:
        self._service = service
        self._uploads = uploads
        self._files = files
        self._caller = caller
        self._seconds = seconds
        self._stack = ExitStack()
        self._cancelled = threading.Event()
        self._tables: dict[str, SentTable] | None = None
        self._loaded: list[UploadedTables] = []
        self._named: UploadedTables | None = None

    @property
    def tables(self) -> dict[str, SentTable]:
        """All of them, by their names in queries.

        Raises
        ------
        ServiceError
            What is wrong with one of them.
        """
        if self._tables is None:
            self._tables = {upload.full_name: self._describe(upload) for upload in self._uploads}
        return self._tables

    def rows(self, name: str, places: Sequence[int]) -> Generator[pa.RecordBatch, None, None]:
        """Yield the rows of a table from its file, some of its columns."""
        table = self.tables[name]
        stream, table.stream = table.stream, None
        if stream is None:
            stream = self._open(table.upload, table.file)
        columns = tuple(table.columns[place] for place in places)
        schema, cast = schema_of(columns), Canonical(columns)
        for batch in stream.batches:
            self.check()
            for arrays in cast.pieces(batch.select(list(places))):
                yield pa.RecordBatch.from_arrays(arrays, schema=schema)
        self.check()

    def loaded(self, names: frozenset[str]) -> UploadedTables | None:
        """Return tables that queries name as they are in the database; those of all queries are loaded at once.

        Raises
        ------
        ServiceError
            What is wrong with one of them, or which limit was reached.
        """
        if self._named is None and names:
            wanted = [table for name, table in self.tables.items() if name in names]
            uploads = [replace(table.upload, uri=f"{INLINE}{table.upload.name}") for table in wanted]
            self._named = self.load(uploads, {table.upload.name: table.file for table in wanted})
        return self._named

    def load(self, uploads: Sequence[Upload], files: SentFiles) -> UploadedTables:
        """Load tables; they are dropped when all is closed, or by their own `close`."""
        uploaded = self._service.tables(uploads, files, self._caller, seconds=self._seconds)
        self._loaded.append(uploaded)
        self.check()
        uploaded.load()
        self.check()
        return uploaded

    @property
    def folder(self) -> Path:
        """Where temporary files are."""
        return self._service.settings.scratch_folder

    def check(self) -> None:
        """Raise an error if nobody wants them any more."""
        if self._cancelled.is_set():
            raise cancelled()

    def check_disk(self, free: int) -> None:
        """Raise an error if too little of the disk is free."""
        self._service.limits.check_disk(free)

    def cancel(self) -> None:
        """Make what is under way end soon; called from any thread, also repeatedly."""
        self._cancelled.set()
        for uploaded in list(self._loaded):
            uploaded.cancel()

    def close(self) -> None:
        """Drop what was loaded, and let go of the files."""
        for uploaded in self._loaded:
            uploaded.close()
        self._loaded.clear()
        self._tables = None
        self._stack.close()

    def _describe(self, upload: Upload) -> SentTable:
        service = self._service
        file = self._stack.enter_context(service.sources.open(upload, self._files, self._caller, self.check))
        stream = self._open(upload, file)
        with told_of(upload):
            plan = UploadPlan.of(upload.full_name, physical_name(0), stream.columns)
        plan.rows = stream.metadata.rows if stream.metadata.rows is not None else _rows_by_size(file, stream.columns)
        names = unique_names([column.name for column in stream.columns])
        columns = tuple(replace(column, name=name) for column, name in zip(stream.columns, names, strict=True))
        return SentTable(upload, file, columns, plan.rows, plan.table(), stream)

    def _open(self, upload: Upload, file: SentFile) -> TableStream:
        self.check()
        with told_of(upload):
            stream = open_table(
                Path(file.path),
                name=file.file_name,
                media_type=file.media_type,
                limits=reading_limits(self._service.limits, os.stat(file.path).st_size, self.check),
            )
        return replace(stream, batches=_telling(stream, upload))


def _telling(stream: TableStream, upload: Upload) -> Generator[pa.RecordBatch, None, None]:
    with told_of(upload):
        yield from stream.batches


def _rows_by_size(file: SentFile, columns: Sequence[Column]) -> int:
    size = os.stat(file.path).st_size
    with open(file.path, "rb") as head:
        if head.read(2) == _GZIP:
            size *= PACKED
    return max(1, size // (CELL_BYTES * max(1, len(columns))))
