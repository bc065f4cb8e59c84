"""Frames: how a task's process and its parent talk through pipes.

A frame is two lengths, a header in JSON and a payload, mostly an Arrow batch in its IPC form, that is copied once on
each side. Nothing of a frame is believed: what a process sends that has run wild must not harm who reads it.
"""

from __future__ import annotations

import fcntl
import json
import os
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

import pyarrow as pa

from vo.core.tables import Column
from vo.core.tables.writers.canonical import Canonical

PIPE_SIZE = 2**20
"""Bytes that a pipe holds, the most that Linux gives to everybody."""
MAX_HEADER = 2**20
MAX_PAYLOAD = 2**28
"""Bytes that whoever reads a frame holds in memory, whatever the sender may use."""
BATCH_SIZE = 4 * 2**20
"""Bytes of Arrow data that are sent in one frame, unless a single row has more."""

_LENGTHS = struct.Struct("!IQ")
_EMPTY = pa.py_buffer(b"")


class FrameError(Exception):
    """What was read is no frame, or not one that was expected."""


class TruncatedError(FrameError):
    """A frame ends early: who sent it has ended."""


def make_pipe() -> tuple[int, int]:
    """Return the ends for reading and for writing of a large pipe."""
    reading, writing = os.pipe2(os.O_CLOEXEC)
    with suppress(OSError):  # who has many of them gets small ones
        fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, PIPE_SIZE)
    return reading, writing


class FrameWriter:
    """Writes frames to a pipe, from any thread.

    Parameters
    ----------
    descriptor : int
        For writing; it stays the caller's.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lock = threading.Lock()

    def write(self, header: Mapping[str, Any], payload: Any = b"") -> None:
        """Write one frame; waits while the pipe is full.

        Raises
        ------
        BrokenPipeError
            If nobody reads any more.
        """
        text = json.dumps(header).encode()
        content = memoryview(payload).cast("B")
        if len(text) > MAX_HEADER or len(content) > MAX_PAYLOAD:
            raise FrameError("a frame that is too large")
        with self._lock:
            _write_all(self._descriptor, _LENGTHS.pack(len(text), len(content)) + text, content)


class FrameReader:
    """Reads frames from a pipe.

    Parameters
    ----------
    descriptor : int
        For reading; it stays the caller's.
    wait : callable, optional
        Waits until something can be read or nobody can write any more; false for the end.
    """

    def __init__(self, descriptor: int, wait: Callable[[], bool] | None = None) -> None:
        self._descriptor = descriptor
        self._wait = wait

    def read(self) -> tuple[dict[str, Any], pa.Buffer] | None:
        """Return the next frame's header and payload, None at the end.

        Raises
        ------
        FrameError
            If what comes is none.
        """
        lengths = bytearray(_LENGTHS.size)
        got = self._fill(memoryview(lengths))
        if got == 0:
            return None
        header_size, size = _LENGTHS.unpack(lengths)
        if got < len(lengths):
            raise TruncatedError("lengths that end early")
        if header_size > MAX_HEADER or size > MAX_PAYLOAD:
            raise FrameError("no frame, or one that is too large")
        text = bytearray(header_size)
        payload = pa.allocate_buffer(size) if size else _EMPTY
        if self._fill(memoryview(text)) < header_size or (size and self._fill(memoryview(payload)) < size):
            raise TruncatedError("a frame that ends early")
        try:
            header = json.loads(text)
        except (ValueError, RecursionError):
            raise FrameError("a header that is no JSON") from None
        if not isinstance(header, dict):
            raise FrameError("a header that is no object")
        return header, payload

    def _fill(self, view: memoryview) -> int:
        """Read until the view is full or all is read; return the bytes read."""
        got = 0
        while got < len(view):
            if self._wait is not None and not self._wait():
                break
            count = os.readv(self._descriptor, [view[got:]])
            if not count:
                break
            got += count
        return got


class Normal:
    """Brings batches to the canonical types of their columns, and to sizes that fit a frame.

    Parameters
    ----------
    columns : tuple of Column
        As declared; batches follow them by position.
    """

    def __init__(self, columns: tuple[Column, ...]) -> None:
        self._columns = columns
        self._casts = [Canonical((column,)) for column in columns]
        self.schema = pa.schema([pa.field(column.name, column.arrow_type) for column in columns])

    def batches(self, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a batch, none for one without rows.

        Raises
        ------
        TableError
            If a value does not fit its column, or there is another number of columns.
        """
        if batch.num_columns != len(self._columns):
            next(Canonical(self._columns).pieces(batch))  # says so
        if not batch.num_rows:
            return
        arrays = [
            array if array.type == field.type else _cast(cast, array)
            for array, field, cast in zip(batch.columns, self.schema, self._casts, strict=True)
        ]
        normal = pa.RecordBatch.from_arrays(arrays, schema=self.schema)
        rows = normal.num_rows
        step = max(1, min(rows, rows * BATCH_SIZE // max(1, normal.nbytes)))
        for start in range(0, rows, step):
            yield normal.slice(start, step)


def _cast(cast: Canonical, array: pa.Array) -> pa.Array:
    pieces = [piece for [piece] in cast.pieces(pa.RecordBatch.from_arrays([array], ["column"]))]
    return pa.concat_arrays(pieces)


def _write_all(descriptor: int, first: bytes, second: memoryview) -> None:
    views = [memoryview(first), second]
    while views:
        count = os.writev(descriptor, views)
        while views and count >= len(views[0]):
            count -= len(views.pop(0))
        if views:
            views[0] = views[0][count:]
