"""Binary records of one length that a layout describes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, Any

import numpy as np
import pyarrow as pa

from vo.core.errors import TableError
from vo.core.tables.columns import Column, Datatype, schema_of
from vo.core.tables.readers.layout import RecordColumn, RecordsLayout, RecordType
from vo.core.tables.readers.source import BLOCK, Source
from vo.core.tables.stream import TableMetadata, TableStream

_DATATYPE: dict[RecordType, Datatype] = {
    RecordType.I1: Datatype.SHORT,
    RecordType.I2: Datatype.SHORT,
    RecordType.I4: Datatype.INT,
    RecordType.I8: Datatype.LONG,
    RecordType.U1: Datatype.UNSIGNED_BYTE,
    RecordType.U2: Datatype.INT,
    RecordType.U4: Datatype.LONG,
    RecordType.U8: Datatype.LONG,
    RecordType.F4: Datatype.FLOAT,
    RecordType.F8: Datatype.DOUBLE,
}


def open_records(source: Source, layout: RecordsLayout) -> TableStream:
    """Open a file of records.

    Raises
    ------
    TableError
        If the header is another one, or its count and the length of the file do not agree.
    """
    columns = tuple(Column(column.name, _DATATYPE[column.type]) for column in layout.columns)
    record = _record(layout)
    source = source.unpacked()
    with source.path.open("rb") as file:
        rows = _count(file, layout, record.itemsize)
    return TableStream(columns, _batches(source, layout, columns, record), TableMetadata(rows=rows))


def _record(layout: RecordsLayout) -> np.dtype[np.void]:
    order = _order(layout)
    return np.dtype([(f"{index}", f"{order}{column.type}") for index, column in enumerate(layout.columns)])


def _order(layout: RecordsLayout) -> str:
    return "<" if layout.byte_order == "little" else ">"


def _count(file: IO[bytes], layout: RecordsLayout, width: int) -> int:
    """Return the number of records after checking the header and the length of the file."""
    header = file.read(layout.header_bytes)
    if len(header) < layout.header_bytes:
        raise TableError(f"The file has {len(header)} bytes, its header alone needs {layout.header_bytes}.")
    if layout.magic is not None and not header.startswith(layout.magic.encode()):
        raise TableError(f"The file does not begin with {layout.magic!r}: it is not what the layout describes.")
    size = file.seek(0, 2) - layout.header_bytes
    rows, rest = divmod(size, width)
    if layout.count is not None:
        wire = f"{_order(layout)}{layout.count.type}"
        declared = int(np.frombuffer(header, wire, 1, layout.count.offset)[0])
        if declared != rows or rest:
            raise TableError(
                f"The header announces {declared} records of {width} bytes, but {size} bytes follow it "
                f"({rows} records and {rest} bytes): the file is truncated or not what the layout describes."
            )
    elif rest:
        raise TableError(f"{size} bytes are not a whole number of records of {width} bytes: {rest} bytes are left.")
    return rows


def _batches(
    source: Source, layout: RecordsLayout, columns: tuple[Column, ...], record: np.dtype[np.void]
) -> Iterator[pa.RecordBatch]:
    schema = schema_of(columns)
    step = max(1, BLOCK // record.itemsize) * record.itemsize
    with source.path.open("rb") as file:
        file.seek(layout.header_bytes)
        while block := file.read(step):
            records = np.frombuffer(block, record)
            arrays = [
                _array(column, records[f"{index}"]).cast(schema.field(index).type)
                for index, column in enumerate(layout.columns)
            ]
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def _array(column: RecordColumn, values: np.ndarray[Any, Any]) -> pa.Array:
    native = values.astype(values.dtype.newbyteorder("="))
    if column.type is RecordType.U8 and len(native) and native.max() >= 1 << 63:
        raise TableError(f"Column {column.name!r} holds {native.max()}, more than the largest long, 2^63 - 1.")
    return pa.array(native, mask=None if column.null_value is None else native == column.null_value)
