"""Rows that a run has made, kept until its job has ended: whoever goes on with it need not make them again.

Rows go to files of the job's checkpoint as they come, each the Arrow IPC stream of one table. A commit closes these
files and then replaces the state that names them, so that the task's own state, its counts and its rows are always of
one moment. They are not compressed: that would make floating-point numbers no smaller, and take three times as long.
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from hashlib import blake2b
from typing import Any, Protocol, TypeAlias

import pyarrow as pa
import structlog

from uws.checkpoints import Checkpoint
from uws.tasks.events import Progressed
from uws.tasks.given import Counts
from vo.core.errors import NotFoundError
from vo.core.files import StoredWriter
from vo.core.limits import Limits

BUFFER_BYTES = 64 * 2**20
"""Rows that wait to be written; whoever makes more of them waits too."""
COMMIT_SECONDS = 1.0
"""A checkpoint that is saved sooner after the last one is left out: no more work than that can be lost by it."""
LOOK_BYTES = 64 * 2**20
"""Bytes written between two looks at the room left on the disk."""
OUTPUT = b"output"
"""Key of a table's name in the metadata of its schema."""

log = structlog.get_logger()


class BeginAnewError(Exception):
    """What was kept does not fit: the run has to begin anew, without it."""


class JournalStore(Protocol):
    """Where a job's checkpoint and its files are (a `uws.executor.JobContext`)."""

    limits: Limits

    @property
    def attempt(self) -> str: ...  # noqa: D102
    def load_checkpoint(self) -> Checkpoint | None: ...  # noqa: D102
    def save_checkpoint(self, checkpoint: Checkpoint) -> None: ...  # noqa: D102
    def keep_file(self, number: int) -> StoredWriter: ...  # noqa: D102
    def kept_file(self, path: str) -> pa.NativeFile: ...  # noqa: D102
    def check_disk(self) -> None: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Told:
    """What a task has told besides its rows.

    Attributes
    ----------
    counts : Counts
        Its items.
    notes : mapping of str to str
        Facts about the result.
    progress : Progressed
        How far it is.
    """

    counts: Counts
    notes: Mapping[str, str]
    progress: Progressed


@dataclass(frozen=True, slots=True)
class _Rows:
    output: str
    batch: pa.RecordBatch

    @property
    def size(self) -> int:
        return int(self.batch.nbytes)


@dataclass(frozen=True, slots=True)
class _Commit:
    state: bytes
    about: Mapping[str, Any]

    @property
    def size(self) -> int:
        return len(self.state)


_Item: TypeAlias = _Rows | _Commit
_Batches: TypeAlias = Iterator[tuple[str, pa.RecordBatch]]


class Kept:
    """What an earlier attempt has kept.

    Attributes
    ----------
    state : bytes
        The task's own.
    told : Told
        As it was then.
    """

    def __init__(self, state: bytes, told: Told, rows: Counter[str], files: Iterator[_Batches]) -> None:
        self.state = state
        self.told = told
        self._rows = rows
        self._files = files

    def batches(self) -> _Batches:
        """Yield the rows with the names of their tables, in their order; nothing of them is held.

        Raises
        ------
        BeginAnewError
            If they are not whole.
        """
        found: Counter[str] = Counter()
        for batches in self._files:
            for output, batch in batches:
                found[output] += batch.num_rows
                yield output, batch
        if found != self._rows:
            raise BeginAnewError("rows are missing")


class Journal:
    """What one attempt keeps, written by a thread of its own.

    Parameters
    ----------
    store : JournalStore
        Where it is kept.
    identity : mapping of str to str
        What the run is of: a journal of anything else is none.
    """

    def __init__(self, store: JournalStore, identity: Mapping[str, str]) -> None:
        self._store = store
        self._identity = dict(identity)
        self._schemas: Mapping[str, pa.Schema] = {}
        self._before: tuple[tuple[str, int], ...] = ()
        self._rows: Counter[str] = Counter()
        self._waiting: deque[_Item] = deque()
        self._held = 0
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closing = False
        self._error: Exception | None = None
        self._committed = float("-inf")
        self._open: dict[str, tuple[pa.ipc.RecordBatchStreamWriter, StoredWriter]] = {}
        self._stack = ExitStack()
        self._number = 0
        self._size = 0
        self._looked = 0
        self._over = False

    def resume(self, schemas: Mapping[str, pa.Schema]) -> Kept | None:
        """Return what an earlier attempt has kept, None if there is nothing that fits; what is kept now comes after it.

        Parameters
        ----------
        schemas : mapping of str to pyarrow.Schema
            Of the tables, by their names.
        """
        self._schemas = schemas
        written = "".join(f"{name}\n{schema.to_string()}\n" for name, schema in schemas.items())
        self._identity["tables"] = blake2b(written.encode(), digest_size=16).hexdigest()
        checkpoint = self._store.load_checkpoint()
        if checkpoint is None:
            return None
        head, _, state = checkpoint.state.partition(b"\n")
        try:
            about = json.loads(head)
            told = Told(Counts(**about["counts"]), dict(about["notes"]), Progressed(**about["progress"]))
            rows = Counter({str(name): int(count) for name, count in about["rows"].items()})
            fits = about["identity"] == self._identity
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            fits = False
        if not fits:
            raise BeginAnewError("it is of another computation")
        self._before, self._size, self._rows = checkpoint.parts, checkpoint.size, Counter(rows)
        return Kept(state, told, rows, map(self._read, checkpoint.paths))

    def _read(self, path: str) -> _Batches:
        """Yield the rows of a file."""
        try:
            with self._store.kept_file(path) as file, pa.ipc.open_stream(file) as reader:
                output = (reader.schema.metadata or {}).get(OUTPUT, b"").decode()
                schema = self._schemas.get(output)
                if schema is None or not reader.schema.equals(schema):
                    raise BeginAnewError("other columns than there were")
                for batch in reader:
                    batch.validate(full=True)
                    yield output, pa.RecordBatch.from_arrays(batch.columns, schema=schema)
        except (pa.ArrowException, OSError, NotFoundError, UnicodeDecodeError) as error:
            raise BeginAnewError(f"a file that is not whole: {type(error).__name__}") from None

    def rows(self, output: str, batch: pa.RecordBatch) -> None:
        """Keep rows of a table; they count with the next commit.

        Raises
        ------
        LimitError
            If there is no room for them.
        """
        self._put(_Rows(output, batch))

    def commit(self, state: bytes, told: Told) -> None:
        """Make all that was kept before count, with the task's own state."""
        now = time.monotonic()
        if now - self._committed >= COMMIT_SECONDS:
            self._committed = now
            progress = asdict(told.progress)
            about = {"counts": asdict(told.counts), "notes": dict(told.notes), "progress": progress}
            self._put(_Commit(state, about))

    def close(self, *, finish: bool) -> None:
        """End the thread.

        Parameters
        ----------
        finish : bool
            Whether the last commit is waited for; else what waits is dropped.
        """
        with self._changed:
            while self._waiting and not (finish and isinstance(self._waiting[-1], _Commit)):
                self._held -= self._waiting.pop().size
            self._closing = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()

    def _put(self, item: _Item) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._held < BUFFER_BYTES or self._error is not None)
            if self._error is not None:
                raise self._error
            self._waiting.append(item)
            self._held += item.size
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="journal", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    # In its thread

    def _work(self) -> None:
        try:
            while True:
                with self._changed:
                    self._changed.wait_for(lambda: self._waiting or self._closing)
                    if not self._waiting:
                        return
                    item = self._waiting.popleft()
                if not self._over:
                    self._keep(item)
                with self._changed:
                    self._held -= item.size
                    self._changed.notify_all()
        except Exception as error:  # told to whoever keeps more
            with self._changed:
                self._error = error
                self._waiting.clear()
                self._changed.notify_all()
        finally:
            self._drop()

    def _keep(self, item: _Item) -> None:
        if isinstance(item, _Commit):
            self._save(item)
            return
        if self._size > self._store.limits.max_result:  # the run goes on, and the last commit stays what it was
            log.warning("journal.full", size=self._size)
            self._over = True
            self._drop()
            return
        if self._size - self._looked >= LOOK_BYTES:
            self._store.check_disk()
            self._looked = self._size
        stream, file = self._open.get(item.output) or self._begin(item.output)
        before = file.size
        stream.write_batch(item.batch)
        self._size += file.size - before
        self._rows[item.output] += item.batch.num_rows

    def _begin(self, output: str) -> tuple[pa.ipc.RecordBatchStreamWriter, StoredWriter]:
        """Begin the next file."""
        file = self._stack.enter_context(self._store.keep_file(self._number))
        self._number += 1
        schema = self._schemas[output].with_metadata({OUTPUT: output.encode()})
        stream = pa.ipc.new_stream(pa.PythonFile(_Sink(file), "w"), schema)
        self._open[output] = stream, file
        return self._open[output]

    def _save(self, commit: _Commit) -> None:
        for stream, file in self._open.values():
            before = file.size
            stream.close()
            self._size += file.size - before
        self._open.clear()
        self._stack.close()
        head = {"identity": self._identity, "rows": dict(self._rows), **commit.about}
        state = b"\n".join((json.dumps(head).encode(), commit.state))
        own = ((self._store.attempt, self._number),) if self._number else ()
        self._store.save_checkpoint(Checkpoint(state, (*self._before, *own), self._size))

    def _drop(self) -> None:
        """Leave nothing of the files that are open."""
        self._open.clear()
        dropped = _DroppedError()
        self._stack.__exit__(type(dropped), dropped, None)


class _DroppedError(Exception):
    """Makes what is being stored go away."""


class _Sink:
    """A stored file as Arrow writes to files."""

    closed = False

    def __init__(self, file: StoredWriter) -> None:
        self._file = file

    def write(self, block: pa.Buffer) -> int:
        self._file.write(block)
        return len(block)

    def flush(self) -> None:
        """Do nothing: it is flushed when it is complete."""

    def close(self) -> None:
        """Do nothing: the stored file is closed by whoever opened it."""
