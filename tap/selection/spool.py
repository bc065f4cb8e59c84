"""Rows that are kept in a temporary file, and taken from there by their numbers."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from vo.core.errors import LimitError

BLOCK_BYTES = 16 << 20
"""Size of what is written, and mapped, at once."""


class Spool:
    """Rows in a file that has no name: nothing of it is left whatever happens.

    Parameters
    ----------
    folder : pathlib.Path
        Where it is.
    schema : pyarrow.Schema
        Of the rows.

    Attributes
    ----------
    rows : int
        How many there are so far.
    """

    def __init__(self, folder: Path, schema: pa.Schema) -> None:
        self.rows = 0
        self._file: IO[bytes] = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
        self._schema = schema
        self._writer = pa.ipc.new_file(self._file, schema)
        self._gathered: list[pa.RecordBatch] = []
        self._size = 0
        self._blocks: list[pa.RecordBatch] = []
        self._ends: npt.NDArray[np.int64] = np.empty(0, np.int64)

    @property
    def path(self) -> str:
        """Where this process can open it, once it is `finished`."""
        return f"/proc/self/fd/{self._file.fileno()}"

    def add(self, batch: pa.RecordBatch) -> bool:
        """Append rows; return whether some were written to the disk just now.

        Raises
        ------
        LimitError
            If there is no room.
        """
        self.rows += batch.num_rows
        if not batch.num_columns:
            return False
        self._gathered.append(batch)
        self._size += batch.nbytes
        if self._size < BLOCK_BYTES:
            return False
        self._write()
        return True

    def finish(self) -> None:
        """Append no more rows: from now on they can be taken."""
        self._write()
        try:
            self._writer.close()
            self._file.flush()
        except OSError as error:
            raise _no_room(error) from error
        reader = pa.ipc.open_file(pa.memory_map(self.path))
        self._blocks = [reader.get_batch(number) for number in range(reader.num_record_batches)]
        self._ends = np.cumsum([block.num_rows for block in self._blocks], dtype=np.int64)

    def take(self, rows: npt.NDArray[np.int64]) -> list[pa.Array]:
        """Return the columns of rows, given by their numbers from 0."""
        if not self._schema.names:
            return []
        places = np.searchsorted(self._ends, rows, side="right")
        order = np.argsort(places, kind="stable")
        parts = []
        for place in np.unique(places):
            first = self._ends[place] - self._blocks[place].num_rows
            parts.append(self._blocks[place].take(pa.array(rows[order][places[order] == place] - first)))
        if not parts:
            return [pa.array([], field.type) for field in self._schema]
        if len(parts) == 1:
            return list(parts[0].columns)
        back = np.empty(len(order), np.int64)
        back[order] = np.arange(len(order))
        return list(pa.concat_batches(parts).take(pa.array(back)).columns)

    def _write(self) -> None:
        gathered, self._gathered, self._size = self._gathered, [], 0
        if gathered:
            try:
                self._writer.write_batch(pa.concat_batches(gathered))
            except OSError as error:
                raise _no_room(error) from error

    def close(self) -> None:
        """Let go of the file."""
        self._blocks.clear()
        self._gathered.clear()
        with suppress(OSError):  # a full disk is not complained of twice
            self._file.close()


def _no_room(error: OSError) -> LimitError:
    return LimitError(f"The data folder has no room for the rows of an input: {error.strerror or error}.")
