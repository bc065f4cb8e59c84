"""Arrow IPC, streams and files; metadata as in Parquet."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import pyarrow as pa

from vo.core.errors import LimitError, TableError
from vo.core.tables.readers.columnar import Columns, read_schema, slices
from vo.core.tables.readers.csv import refuse_table
from vo.core.tables.readers.limits import TableLimits
from vo.core.tables.readers.source import Source
from vo.core.tables.stream import TableStream

_MAGIC = b"ARROW1"
_CONTINUATION = b"\xff\xff\xff\xff"
_STREAM_START = 8
"""Bytes before the stream that is the content of a file."""


def is_arrow(head: bytes) -> bool:
    """Return whether a file with these first bytes is an Arrow IPC stream or file."""
    return head.startswith((_MAGIC, _CONTINUATION))


def open_arrow(source: Source, table: str | int | None = None) -> TableStream:
    """Open an Arrow IPC stream or file (Feather 2). A file is read as the stream that it holds.

    Raises
    ------
    TableError
        For columns that no VOTable type holds: names them.
    LimitError
        For more columns than the limits allow.
    """
    refuse_table(table)
    source = source.unpacked()
    with pa.ipc.open_stream(_stream(source)) as reader:
        columns = read_schema(reader.schema, "Arrow", source.limits)
    return TableStream(columns.shown, _batches(source, columns), columns.metadata)


def _stream(source: Source) -> pa.BufferReader:
    """Return the stream, its bytes only mapped into memory: record batches of any size are read slice by slice."""
    content = source.mapped()
    if content[: len(_MAGIC)].to_pybytes() == _MAGIC:
        if content.size < 2 * _STREAM_START or content[-len(_MAGIC) :].to_pybytes() != _MAGIC:
            raise TableError("The Arrow file has no end: it is truncated.")
        content = content[_STREAM_START:]
    return pa.BufferReader(content)


def _batches(source: Source, columns: Columns) -> Iterator[pa.RecordBatch]:
    row = 0
    messages = pa.ipc.MessageReader.open_stream(_stream(source))
    with pa.ipc.open_stream(_stream(source)) as reader:
        while _next_is_good(messages, source.limits):
            batch = reader.read_next_batch()
            batch.validate(full=True)
            for part in slices(batch):
                yield columns.batch(part, row)
                row += len(part)


def _next_is_good(messages: pa.ipc.MessageReader, limits: TableLimits) -> bool:
    """Look at the messages up to the next record batch before they are unpacked; whether there is one."""
    while True:
        try:
            message = messages.read_next_message()
        except StopIteration:
            return False
        if message.type == "schema":
            continue
        size = _unpacked_size(message)
        if size > limits.row_bytes:
            raise LimitError(
                f"A compressed record batch unpacks to {size} bytes; it may have {limits.row_bytes}.",
                hint="Write the table in smaller batches.",
            )
        if message.type == "record batch":
            return True


def _unpacked_size(message: pa.ipc.Message) -> int:
    """Return what the buffers of a compressed record batch say that they unpack to; 0 if it is not compressed.

    Arrow gives the whole batch or nothing, so the message (a FlatBuffer, Message.fbs of Arrow's format) is read here
    as far as is needed to find the size before each buffer.
    """
    metadata = message.metadata.to_pybytes()
    record = _field(metadata, _follow(metadata, 0), 2)
    if record and message.type == "dictionary":
        record = _field(metadata, _follow(metadata, record), 1)
    batch = _follow(metadata, record) if record else 0
    if not batch or not _field(metadata, batch, 3):
        return 0
    buffers = _follow(metadata, _field(metadata, batch, 2))
    (count,) = struct.unpack_from("<I", metadata, buffers)
    body = message.body
    total = 0
    for number in range(count):
        offset, length = struct.unpack_from("<qq", metadata, buffers + 4 + 16 * number)
        if length >= 8 and 0 <= offset <= body.size - 8:
            (size,) = struct.unpack("<q", body[offset : offset + 8].to_pybytes())
            total += max(size, length if size == -1 else 0)
    return total


def _follow(content: bytes, place: int) -> int:
    """Return where the table or vector begins to which an offset leads."""
    offset: int = struct.unpack_from("<I", content, place)[0]
    return place + offset


def _field(content: bytes, table: int, number: int) -> int:
    """Return where a field of a table is; 0 if it is absent."""
    distance: int = struct.unpack_from("<i", content, table)[0]
    vtable = table - distance
    size: int = struct.unpack_from("<H", content, vtable)[0]
    if 4 + 2 * number + 2 > size:
        return 0
    offset: int = struct.unpack_from("<H", content, vtable + 4 + 2 * number)[0]
    return table + offset if offset else 0
