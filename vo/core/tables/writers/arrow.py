"""Arrow IPC streams: the batches as they are, described by the Arrow schema and by a VOTable without rows in it."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

from vo.core.tables.columns import Column, schema_of
from vo.core.tables.writers.base import Chunk, Outcome, ResultMetadata, Writer
from vo.core.tables.writers.canonical import Canonical
from vo.core.tables.writers.votable import header_document

VERSION_KEY = "IVOA.VOTable-Parquet.version"
CONTENT_KEY = "IVOA.VOTable-Parquet.content"
CONVENTION = "1.0"
"""Version of the VOParquet convention, whose keys an Arrow schema carries as well as a Parquet file."""

_CHUNK = 1 << 20
_END_OF_STREAM = b"\xff\xff\xff\xff\0\0\0\0"
_MESSAGE_WITHOUT_END = b"\xff\xff\xff\xff\x08\0\0\0"


class ArrowWriter(Writer):
    """Writes an Arrow IPC stream of `Column.arrow_type` columns.

    The schema's metadata hold the VOTable, its fields' metadata the words of each column. How the rows ended is told by
    a last batch without rows, whose own metadata have ``QUERY_STATUS`` and ``message``. After an error the stream
    breaks off in a message, because readers that look at rows only would take it for whole.

    Parameters
    ----------
    columns : tuple of Column
        Declared columns, at least one.
    metadata : ResultMetadata
        What the VOTable says.
    """

    def __init__(self, columns: tuple[Column, ...], metadata: ResultMetadata) -> None:
        header = header_document(columns, metadata)
        self._schema = schema_of(columns).with_metadata({VERSION_KEY: CONVENTION, CONTENT_KEY: header})
        self._canonical = Canonical(columns)

    def begin(self) -> bytes:
        """Return the schema."""
        return bytes(self._schema.serialize())

    def batch(self, batch: pa.RecordBatch) -> list[Chunk]:
        """Return the rows of a batch."""
        return [
            chunk
            for arrays in self._canonical.pieces(batch)
            for chunk in in_chunks(pa.RecordBatch.from_arrays(arrays, schema=self._schema).serialize())
        ]

    def end(self, outcome: Outcome) -> Iterable[Chunk]:
        """Return the batch that tells how the rows ended, unless they all are there, and the end of the stream."""
        if outcome.error is not None:
            return [self._told("ERROR", outcome.error), _MESSAGE_WITHOUT_END]
        if outcome.overflow:
            message = f"There are more rows than the {outcome.rows} returned."
            return [self._told("OVERFLOW", message), _END_OF_STREAM]
        return [_END_OF_STREAM]

    def _told(self, status: str, message: str) -> bytes:
        sink = pa.BufferOutputStream()
        empty = pa.RecordBatch.from_pylist([], self._schema)
        with pa.ipc.new_stream(sink, self._schema) as stream:
            stream.write_batch(empty, custom_metadata={"QUERY_STATUS": status, "message": message})
        schema_bytes = self._schema.serialize().size
        return bytes(sink.getvalue()[schema_bytes : -len(_END_OF_STREAM)])


def in_chunks(data: pa.Buffer) -> list[Chunk]:
    """Return the bytes of a buffer, not copied, in chunks of at most 1 MiB."""
    return [data.slice(start, min(_CHUNK, data.size - start)) for start in range(0, data.size, _CHUNK)]
