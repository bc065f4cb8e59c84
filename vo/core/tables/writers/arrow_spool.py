"""Record batches that wait in a temporary file, for formats whose beginning depends on the last row."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from typing import BinaryIO

import pyarrow as pa

from vo.core.errors import LimitError


class ArrowSpool:
    """Keeps batches of one schema in a file without a name, as Arrow IPC messages; they can be read repeatedly.

    Parameters
    ----------
    schema : pyarrow.Schema
        Of all batches.

    Attributes
    ----------
    size : int
        Bytes of the file.
    """

    def __init__(self, schema: pa.Schema) -> None:
        self.size = 0
        self._schema = schema
        self._file: BinaryIO | None = None
        self._messages: list[tuple[int, int]] = []

    def append(self, arrays: list[pa.Array]) -> None:
        """Keep one batch.

        Raises
        ------
        LimitError
            If the disk is full.
        """
        message = pa.RecordBatch.from_arrays(arrays, schema=self._schema).serialize()
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115  (it lives until `close`)
            written = 0
            while written < message.size:
                written += os.pwrite(self._file.fileno(), message.slice(written), self.size + written)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise LimitError(
                "The result is larger than the space that the service has for temporary files.",
                hint="Ask for fewer rows or columns, or for a format that needs none, such as VOTable.",
            ) from None
        self._messages.append((self.size, message.size))
        self.size += message.size

    def batches(self) -> Iterator[list[pa.Array]]:
        """Yield the columns of each batch in the order in which they came."""
        if self._file is None:
            return
        for start, size in self._messages:
            message = pa.py_buffer(os.pread(self._file.fileno(), size, start))
            yield pa.ipc.read_record_batch(message, self._schema).columns

    def close(self) -> None:
        """Remove the file; also repeatedly."""
        self.size = 0
        self._messages.clear()
        if self._file is not None:
            self._file.close()
            self._file = None
