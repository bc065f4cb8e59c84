"""Putting rows in order on the sky in bounded memory: sorted runs in a temporary file, merged while they are read."""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa

from tap.tables.sky import Integers, q3c_ipix
from vo.core.errors import LimitError

RUN_BYTES = 32 << 20
"""Size of what is sorted at once. More needs fresh memory from the system again and again, which is slower."""
CHUNK_BYTES = 1 << 20
"""Size of the batches that come out: small enough that merging happens in the processor's cache."""
NOWHERE = np.iinfo(np.int64).max
"""Sort key of rows without a position: they come last."""
KEY = "q3c_ang2ipix"


@contextmanager
def sky_ordered(
    batches: Iterator[pa.RecordBatch], position: tuple[str, str], folder: Path
) -> Iterator[Iterator[pa.RecordBatch]]:
    """Read all batches and give them back in sky order, rows without a position last.

    Parameters
    ----------
    batches : iterator of pyarrow.RecordBatch
        In any order.
    position : tuple of str
        Names of the columns with right ascension and declination in degrees; what is no position has no place.
    folder : pathlib.Path
        Where the temporary file is; it has no name there, so that nothing is left whatever happens.

    Raises
    ------
    LimitError
        If the folder has no room.
    """
    # While one run is sorted and written, the next one is read.
    with _temporary_file(folder) as file, ThreadPoolExecutor(1) as executor:
        spool = _Spool(file)
        newest: _Run | None = None  # never spooled if it remains the only one
        writing: Future[None] | None = None
        for gathered in _gather(_keyed(batch, position) for batch in batches):
            if writing is not None:
                writing.result()
            if newest is not None:
                writing = executor.submit(spool.write, newest)
            newest = _Run(gathered)
        if writing is not None:
            writing.result()
        runs = [*spool.read(), *([iter(newest)] if newest is not None else [])]
        yield (_without_key(batch) for batch in _merge(runs))


@contextmanager
def _temporary_file(folder: Path) -> Iterator[IO[bytes]]:
    file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  (its own closing would complain of a full disk again)
    try:
        yield file
    finally:
        with suppress(OSError):
            file.close()


def _keyed(batch: pa.RecordBatch, position: tuple[str, str]) -> pa.RecordBatch:
    """Append the column to sort by."""
    ra, dec = (batch.column(name).fill_null(np.nan).to_numpy() for name in position)
    nowhere = ~(np.isfinite(ra) & (np.abs(dec) <= 90))
    if nowhere.any():
        ra, dec = np.where(nowhere, 0.0, ra), np.where(nowhere, 0.0, dec)
    keys = q3c_ipix(ra, dec)
    keys[nowhere] = NOWHERE
    return pa.RecordBatch.from_arrays(
        [*batch.columns, pa.array(keys)], schema=batch.schema.append(pa.field(KEY, pa.int64()))
    )


def _without_key(batch: pa.RecordBatch) -> pa.RecordBatch:
    columns = batch.columns[:-1]
    return pa.RecordBatch.from_arrays(columns, schema=pa.schema(list(batch.schema)[:-1]))


def _keys(batch: pa.RecordBatch) -> Integers:
    keys: Integers = batch.column(batch.num_columns - 1).to_numpy()
    return keys


def _gather(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Join batches to larger ones of about `RUN_BYTES`."""
    gathered: list[pa.RecordBatch] = []
    size = 0
    for batch in batches:
        gathered.append(batch)
        size += batch.nbytes
        if size >= RUN_BYTES:
            yield pa.concat_batches(gathered)
            gathered, size = [], 0
    if gathered:
        yield pa.concat_batches(gathered)


class _Run:
    """Some of the rows, given out in order, chunk by chunk."""

    def __init__(self, rows: pa.RecordBatch) -> None:
        self._rows = rows
        self.schema = rows.schema

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        order = np.argsort(_keys(self._rows))
        step = max(1, CHUNK_BYTES * len(order) // max(1, self._rows.nbytes))
        for start in range(0, len(order), step):
            yield self._rows.take(pa.array(order[start : start + step]))


class _Spool:
    """Runs in one file, each as an Arrow stream."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._ends = [0]

    def write(self, run: _Run) -> None:
        """Append a run."""
        try:
            with pa.ipc.new_stream(self._file, run.schema) as stream:
                for chunk in run:
                    stream.write_batch(chunk)
            self._file.flush()
        except OSError as error:
            reason = error.strerror or str(error)
            raise LimitError(f"The data folder has no room to sort the rows: {reason}; nothing was changed.") from error
        self._ends.append(self._file.tell())

    def read(self) -> list[Iterator[pa.RecordBatch]]:
        """Return the runs, each to be read from its place; a mapped file would count as memory of the process."""
        places = zip(self._ends, self._ends[1:], strict=False)
        return [iter(pa.ipc.open_stream(_Part(self._file.fileno(), start, end))) for start, end in places]


class _Part(io.RawIOBase):
    """A part of a file, read without moving the file's own position."""

    def __init__(self, descriptor: int, start: int, end: int) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._place = start
        self._end = end

    def readable(self) -> bool:
        """Return true."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read the next bytes."""
        wanted = min(len(buffer), self._end - self._place)
        count = os.preadv(self._descriptor, [memoryview(buffer)[:wanted]], self._place)
        self._place += count
        return count


class _Head:
    """What was read of a run and is not yet merged."""

    def __init__(self, run: Iterator[pa.RecordBatch]) -> None:
        self._run = run
        self._rows: pa.RecordBatch
        self.keys: Integers = np.empty(0, np.int64)

    def until(self, last: int) -> pa.RecordBatch:
        """Take the rows with keys up to and including `last`."""
        count = int(np.searchsorted(self.keys, last, side="right"))
        taken = self._rows.slice(0, count)
        self._rows, self.keys = self._rows.slice(count), self.keys[count:]
        return taken

    def filled(self) -> bool:
        """Read on if nothing is left; return whether there are rows."""
        while not len(self.keys):
            batch = next(self._run, None)
            if batch is None:
                return False
            self._rows, self.keys = batch, _keys(batch)
        return True


def _merge(runs: list[Iterator[pa.RecordBatch]]) -> Iterator[pa.RecordBatch]:
    """Merge sorted runs, a range of keys at a time: up to the smallest key at which what was read of a run ends."""
    heads = [_Head(run) for run in runs]
    while heads := [head for head in heads if head.filled()]:
        last = min(int(head.keys[-1]) for head in heads)
        parts = [part for head in heads if (part := head.until(last)).num_rows]
        if len(parts) == 1:
            yield parts[0]
            continue
        rows = pa.concat_batches(parts)
        yield rows.take(pa.array(np.argsort(_keys(rows))))
