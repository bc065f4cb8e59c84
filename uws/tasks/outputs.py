"""What a run makes, written: tables in the format that the client asks for, cut where it asks, and files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from uws.tasks.declaration import TaskOutput
from uws.tasks.request import TaskRequest
from vo.core.errors import ServiceError
from vo.core.tables import Column
from vo.core.tables.writers import CoordinateSystem, Outcome, ResultMetadata, TimeSystem, Writer

BLOCK_BYTES = 1 << 20


class Stored(Protocol):
    """A result while it is stored.

    Attributes
    ----------
    remark : str, optional
        What the owner should know of it.
    """

    remark: str | None

    @property
    def size(self) -> int: ...  # noqa: D102

    def check(self) -> None:
        """Raise if the run is to stop."""

    def write(self, block: Any) -> None: ...  # noqa: D102


class Store(Protocol):
    """Where results go; one is kept when its ``with`` block ends without an error."""

    def result(self, identifier: str, media_type: str, file_name: str) -> AbstractContextManager[Stored]:
        """Begin to store a result."""


Infos = Callable[[], tuple[tuple[str, str, str], ...]]
"""Tells what a table says about the run: asked when its first rows are there, and when all are, for what is new."""


class TableResult:
    """One table on its way into a result, begun with its first batch.

    Attributes
    ----------
    rows : int
        Written so far.
    overflow : bool
        Whether it was cut.
    """

    def __init__(self, output: TaskOutput, columns: tuple[Column, ...], request: TaskRequest, infos: Infos) -> None:
        self.rows = 0
        self.overflow = False
        self._output = output
        self._columns = columns
        self._request = request
        self._infos = infos
        self._told: tuple[tuple[str, str, str], ...] = ()
        self._writer: Writer | None = None
        self._stored: Stored | None = None
        self._can_end = False
        self._stack = ExitStack()

    @property
    def size(self) -> int:
        """Bytes so far, of which a format that holds its rows back has written none yet."""
        held = 0 if self._writer is None else self._writer.held
        return max(held, 0 if self._stored is None else self._stored.size)

    def begin(self, store: Store) -> None:
        """Open it, if it is not."""
        if self._writer is not None:
            return
        request = self._request
        name = file_name(request.task.name, self._output.name, request.format.extension)
        self._stored = self._stack.enter_context(store.result(self._output.name, request.content_type, name))
        self._told = self._infos()
        metadata = ResultMetadata(
            name=self._output.name,
            description=self._output.title,
            infos=self._told,
            coosys=tuple(each for each in self._output.systems if isinstance(each, CoordinateSystem)),
            timesys=tuple(each for each in self._output.systems if isinstance(each, TimeSystem)),
        )
        self._writer = writer = request.format.writer(self._columns, metadata)
        self._stack.callback(writer.close)
        self._write([writer.begin()])

    def batch(self, batch: pa.RecordBatch) -> None:
        """Write rows, as many as are asked for; all of them before it is looked again whether the run is to stop."""
        if self._writer is None or self._stored is None:
            raise RuntimeError("the table was not begun")
        self._stored.check()
        left = self._request.maxrec - self.rows
        if batch.num_rows > left:
            self.overflow = True
            batch = batch.slice(0, left)
        if batch.num_rows:
            self._write(self._writer.batch(batch))
            self.rows += batch.num_rows

    def end(self, error: ServiceError | None = None) -> None:
        """Write its end and keep it; after an error its remark, and its format where it can, tell of that.

        A table whose last rows could be written in part only is not kept, and one that has ended stays as it is.

        Raises
        ------
        ServiceError
            If it cannot be written.
        """
        if self._writer is None or self._stored is None or not self._can_end:
            return
        self._stored.check()
        # MAXREC=0 asks for metadata only and is answered as cut (DALI 1.1, section 3.4.4).
        self.overflow = self.overflow or self._request.maxrec == 0
        if self.overflow:
            self._stored.remark = f"cut at {self.rows:,} rows, there are more (MAXREC)"
        if error is not None:
            self._stored.remark = f"incomplete, {self.rows:,} rows: {error.message}"
        text = error.text() if error is not None and self._writer.tells_errors else None
        late = tuple(info for info in self._infos() if info not in self._told)
        self._write(self._writer.end(Outcome(self.rows, self.overflow, text, late)))
        self._can_end = False
        self._stack.close()

    def drop(self) -> None:
        """Keep nothing of it; after `end` this does nothing."""
        dropped = _DroppedError()
        self._stack.__exit__(type(dropped), dropped, None)

    def _write(self, blocks: Iterable[Any]) -> None:
        assert self._stored is not None  # noqa: S101  (begin has set it)
        self._can_end = False
        for block in blocks:
            self._stored.write(block)
        self._can_end = True


class _DroppedError(Exception):
    """Makes what is being stored go away."""


class Outputs:
    """All results of one run; what is not wanted of what it makes is dropped.

    Parameters
    ----------
    request : TaskRequest
        What is asked for.
    columns : mapping of str to tuple of Column
        Of each table.
    store : Store
        Where they go.
    infos : callable
        What tables say about the request.
    """

    def __init__(
        self, request: TaskRequest, columns: Mapping[str, tuple[Column, ...]], store: Store, infos: Infos
    ) -> None:
        self._store = store
        self._request = request
        outputs = {output.name: output for output in request.task.outputs if output.name in request.results}
        self._tables = {
            name: TableResult(outputs[name], columns[name], request, infos) for name in columns if name in outputs
        }
        self._files = {name: output for name, output in outputs.items() if output.media_type is not None}

    @property
    def rows(self) -> int:
        """Rows of all tables so far."""
        return sum(table.rows for table in self._tables.values())

    @property
    def size(self) -> int:
        """Bytes of all tables so far."""
        return sum(table.size for table in self._tables.values())

    @property
    def full(self) -> bool:
        """Whether nothing that still comes would be kept, so that the run can end."""
        return not self._files and all(table.overflow for table in self._tables.values())

    def batch(self, name: str, batch: pa.RecordBatch) -> bool:
        """Write rows of a table; return whether it is wanted."""
        if name not in self._tables:
            return False
        table = self._tables[name]
        table.begin(self._store)
        table.batch(batch)
        return True

    def file(self, name: str, path: Path) -> None:
        """Store a file."""
        if name not in self._files:
            return
        output = self._files[name]
        media_type = output.media_type or "application/octet-stream"
        extension = f".{name.rpartition('.')[2]}" if "." in name else _EXTENSIONS.get(media_type, "")
        with (
            path.open("rb") as source,
            self._store.result(name, media_type, file_name(self._request.task.name, name, extension)) as stored,
        ):
            while block := source.read(BLOCK_BYTES):
                stored.check()
                stored.write(block)

    def end(self) -> None:
        """End all tables; those without a row are written too."""
        for table in self._tables.values():
            table.begin(self._store)
            table.end()

    def end_early(self, error: ServiceError) -> None:
        """End the tables that have rows, and say in each why it is not whole."""
        for table in self._tables.values():
            if table.rows:
                table.end(error)

    def drop(self) -> None:
        """Keep nothing of the tables that were not ended."""
        for table in self._tables.values():
            table.drop()


_EXTENSIONS = {"image/png": ".png", "image/svg+xml": ".svg", "text/plain": ".txt", "application/json": ".json"}


def file_name(task: str, output: str, extension: str) -> str:
    """Return the name under which a result may be saved."""
    stem = output.rpartition(".")[0] or output
    return (task if stem == "result" else f"{task}-{stem}") + extension
