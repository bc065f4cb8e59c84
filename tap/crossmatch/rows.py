"""Files of the columns that come into the result, from which rows are taken by their numbers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tap.crossmatch.places import room
from tap.crossmatch.separations import Integers

ROWS = 65_536
"""Rows of a batch in the file, fewer where they are wide."""
BYTES = 16 << 20
ELEMENT = 8
"""Bytes of an array's element, at most."""


class RowsFile:
    """A file of rows while it is written, and afterwards.

    Parameters
    ----------
    path : pathlib.Path
        Where it is made.
    schema : pyarrow.Schema
        Of the rows.

    Attributes
    ----------
    appended : int
        Rows so far, those included that are not written yet.
    widest : int
        Bytes that the texts and arrays of any row take, at most.
    """

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._path = path
        self.schema = schema
        self.appended = 0
        self.widest = 0
        self._waiting: list[pa.RecordBatch] = []
        self._ends = [0]
        with room():
            self._writer = pa.ipc.new_file(str(path), schema)

    def append(self, batch: pa.RecordBatch) -> None:
        """Add rows."""
        self.appended += batch.num_rows
        if batch.num_rows:
            self.widest = max(self.widest, sum(map(_longest, batch.columns)))
            self._waiting.append(batch)
            if sum(each.num_rows for each in self._waiting) >= ROWS or sum(map(_size, self._waiting)) >= BYTES:
                self._write()

    def done(self) -> None:
        """Close the file; rows can be taken from it now."""
        self._write()
        with room():
            self.close()

    def close(self) -> None:
        """Close the file, complete or not."""
        self._writer.close()

    def _write(self) -> None:
        if self._waiting:
            batch = pa.concat_batches(self._waiting)
            self._waiting = []
            with room():
                self._writer.write_batch(batch)
            self._ends.append(self._ends[-1] + batch.num_rows)

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return self._ends[-1]

    @property
    def row_bytes(self) -> float:
        """Bytes of a row, on the average."""
        return self._path.stat().st_size / max(1, self.rows)

    @cached_property
    def _batches(self) -> Sequence[pa.RecordBatch]:
        """The batches, mapped: nothing of them is read before it is needed."""
        reader = pa.ipc.open_file(pa.memory_map(str(self._path)))
        return [reader.get_batch(number) for number in range(reader.num_record_batches)]

    def take(self, numbers: Integers) -> list[pa.Array]:
        """Return the columns of rows with these numbers, in this order."""
        if not len(numbers):
            return [pa.array([], field.type) for field in self.schema]
        order: Any = None
        if np.any(numbers[1:] < numbers[:-1]):
            order = np.argsort(numbers, kind="stable")
            numbers = numbers[order]
        ends = np.asarray(self._ends)
        places = np.searchsorted(ends, numbers, side="right") - 1
        starts = np.r_[0, np.flatnonzero(np.diff(places)) + 1, len(numbers)]
        parts = [
            self._batches[places[start]].take(pa.array(numbers[start:stop] - ends[places[start]]))
            for start, stop in pairwise(starts.tolist())
        ]
        taken = parts[0] if len(parts) == 1 else pa.concat_batches(parts)
        if order is not None:
            back = np.empty_like(order)
            back[order] = np.arange(len(order))
            taken = taken.take(pa.array(back))
        columns: list[pa.Array] = taken.columns
        return columns


def _size(batch: pa.RecordBatch) -> int:
    size: int = batch.get_total_buffer_size()
    return size


def _longest(column: pa.Array) -> int:
    """Return the bytes of the longest text or array of a column, 0 where all values take the same."""
    kind = column.type
    if pa.types.is_string(kind):
        longest, times = pc.max(pc.binary_length(column)).as_py(), 1
    elif pa.types.is_list(kind):
        longest, times = pc.max(pc.list_value_length(column)).as_py(), ELEMENT
    else:
        return 0
    return times * (longest or 0)
