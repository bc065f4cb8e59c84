"""Text with columns at fixed bytes, as the byte-by-byte descriptions of CDS give them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import IO, Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vo.core.errors import TableError
from vo.core.tables.columns import Column, schema_of
from vo.core.tables.readers.layout import FixedWidthColumn, FixedWidthLayout
from vo.core.tables.readers.limits import TableLimits
from vo.core.tables.readers.slices import content, gather, strings
from vo.core.tables.readers.source import BLOCK, Source
from vo.core.tables.readers.text import checked_text, parse_column
from vo.core.tables.stream import TableStream

Matrix: TypeAlias = np.ndarray[Any, np.dtype[np.uint8]]

_NEWLINE, _RETURN = b"\n\r"


def open_fixed_width(source: Source, layout: FixedWidthLayout) -> TableStream:
    """Open a text file whose columns a layout describes; errors name the line and the column."""
    columns = tuple(column.column() for column in layout.columns)
    return TableStream(columns, _batches(source, layout, columns))


def _batches(source: Source, layout: FixedWidthLayout, columns: tuple[Column, ...]) -> Iterator[pa.RecordBatch]:
    schema = schema_of(columns)
    width = max(column.last for column in layout.columns)
    line = layout.header_lines
    with source.opened() as file:
        for _ in range(layout.header_lines):
            file.readline(source.limits.row_bytes)
        for block in _whole_lines(file, width, source.limits):
            matrix = _matrix(block, width, line)
            arrays = [
                field_array(matrix, described, column, line=line)
                for described, column in zip(layout.columns, columns, strict=True)
            ]
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)
            line += len(matrix)


def field_array(
    matrix: Matrix,
    described: FixedWidthColumn,
    column: Column,
    *,
    line: int = 0,
    place: str = "line",
    nulls: tuple[str, ...] = (),
) -> pa.Array:
    """Convert one field of all lines.

    Parameters
    ----------
    matrix : numpy.ndarray of uint8, shape (lines, width)
        The lines without their ends.
    described : FixedWidthColumn
        Which bytes the field has.
    column : Column
        What they stand for.
    line : int
        Lines of the file before the first of `matrix`.
    place : str
        What a line is called in an error message.
    nulls : tuple of str
        Texts that mean "no value", besides the null value of the description.
    """
    data = np.ascontiguousarray(matrix[:, described.first - 1 : described.last])
    parts = described.length or 1
    count = len(data) * parts
    cells = strings(data, np.arange(count + 1, dtype=np.int64) * (data.shape[1] // parts))
    cells = pc.ascii_trim(checked_text(cells, column), characters=" \t\r")
    cells = pc.if_else(pc.equal(cells, ""), pa.scalar(None, pa.string()), cells)
    number = None
    if isinstance(described.null_value, str):
        nulls = (*nulls, described.null_value)
    else:
        number = described.null_value
    element = replace(column, arraysize=None) if described.length else column
    if described.length is None:
        return parse_column(cells, element, row=line, place=place, nulls=nulls, null=number)
    try:
        values = parse_column(cells, element, nulls=nulls, null=number)
    except TableError:
        # Now it is worth the time to find the line: the values are converted again, one of each line at a time.
        for part in range(parts):
            every = pa.array(np.arange(part, count, parts))
            parse_column(cells.take(every), element, row=line, place=place, nulls=nulls)
        raise
    return pa.ListArray.from_arrays(pa.array(np.arange(len(data) + 1, dtype=np.int32) * parts), values)


def _whole_lines(file: IO[bytes], width: int, limits: TableLimits) -> Iterator[bytes]:
    """Yield blocks that end with the end of a line; the last line may lack its end if it has all columns."""
    rest = b""
    while chunk := file.read(BLOCK):
        block = rest + chunk
        cut = block.rfind(b"\n") + 1
        if cut:
            yield block[:cut]
        rest = block[cut:]
        limits.check_row(len(rest))
    if rest:
        if len(rest) < width:
            raise TableError(f"The file ends inside a line: {len(rest)} of {width} bytes are there.")
        yield rest + b"\n"


def _matrix(block: bytes, width: int, line: int) -> Matrix:
    """Return the lines as rows of a matrix of at least `width` bytes; short lines are filled up with blanks."""
    data = np.frombuffer(block, np.uint8)
    ends = np.flatnonzero(data == _NEWLINE)
    length = int(ends[0]) + 1
    if len(data) == length * len(ends) and (ends % length == length - 1).all() and length > width:
        return data.reshape(-1, length)
    starts = np.concatenate(([0], ends[:-1] + 1))
    ends = ends - ((ends > starts) & (data[ends - 1] == _RETURN))
    if (empty := ends == starts).any():
        raise TableError(f"Line {line + int(empty.argmax()) + 1} is empty.")
    lines = strings(*content(gather(block, starts, np.minimum(ends, starts + width))))
    padded, _ = content(pc.ascii_rpad(lines, width=width))
    return padded.reshape(-1, width)
