"""BINARY and BINARY2: rows of big-endian cells in base64 (VOTable 1.5, sections 5.3 and 5.4)."""

from __future__ import annotations

import binascii
import math
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from vo.core.errors import TableError
from vo.core.tables.columns import Datatype, schema_of
from vo.core.tables.readers.cells import WIRE, column_array, unpacked_bits
from vo.core.tables.readers.rows import FixedCell, FixedRows
from vo.core.tables.readers.slices import Bytes, Integers, content, gather
from vo.core.tables.readers.source import BLOCK, MAX_ROW
from vo.core.tables.readers.votable.document import Document, Kind
from vo.core.tables.readers.votable.fields import Field

_BLANKS = b" \t\r\n"
_COUNT = struct.Struct(">i")


def binary_batches(document: Document, fields: tuple[Field, ...]) -> Iterator[pa.RecordBatch]:
    """Decode the rows of the table at whose STREAM the document stands.

    Raises
    ------
    TableError
        For a stream that is not in the document, damaged base64 or gzip data, and rows that do not end.
    """
    flags = (len(fields) + 7) // 8 if document.kind is Kind.BINARY2 else 0
    chunks = _decoded(document)
    if any(field.length is None for field in fields):
        return _VariableRows([_Cell.of(field, document.by_astropy) for field in fields], flags).batches(chunks)
    cells = []
    offset = flags
    for field in fields:
        cell = FixedCell(field.column, offset, (field.length or 0) * field.parts, field.null)
        cells.append(cell)
        offset += cell.size
    return FixedRows(cells, offset, flags=flags > 0).batches(chunks)


def _decoded(document: Document) -> Iterator[bytes]:
    """Yield the bytes that the STREAM holds, in blocks cut anywhere."""
    stream = document.data
    if stream is None:
        return iter(())
    if stream.get("href"):
        raise TableError("The table's STREAM points to another place (href), which is not fetched.")
    encoding = stream.get("encoding", "none").lower().replace("+", " ").split()
    if unknown := set(encoding) - {"base64", "gzip"}:
        raise TableError(f"The table's STREAM has the encoding {' '.join(sorted(unknown))!r}, which is not read.")
    chunks = _from_base64(document.content())
    return _unpacked(chunks) if "gzip" in encoding else chunks


def _from_base64(texts: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    ended = False
    for text in texts:
        characters = rest + text.translate(None, _BLANKS)
        whole = len(characters) // 4 * 4
        rest = characters[whole:]
        if not whole:
            continue
        if ended:
            raise TableError("The table's STREAM goes on behind the end of its base64 text.")
        ended = characters[whole - 1 : whole] == b"="
        try:
            yield binascii.a2b_base64(memoryview(characters)[:whole], strict_mode=True)
        except binascii.Error as error:
            raise TableError(f"The table's STREAM is no base64 text: {str(error).lower()}.") from error
    if rest:
        raise TableError("The table's STREAM ends inside a group of four base64 characters: it is truncated.")


def _unpacked(chunks: Iterator[bytes]) -> Iterator[bytes]:
    unpacker = zlib.decompressobj(wbits=31)
    for chunk in chunks:
        packed = chunk
        while packed and not unpacker.eof:
            yield unpacker.decompress(packed, BLOCK)
            packed = unpacker.unconsumed_tail
    if not unpacker.eof:
        raise TableError("The gzip data of the table's STREAM end too early.")


@dataclass(frozen=True, slots=True)
class _Cell:
    """How the cells of a FIELD lie in rows of varying length.

    Attributes
    ----------
    field : Field
    count : int, optional
        Items in the cell; None where the cell begins with their number.
    numbers : int
        Numbers in an item: 2 for a complex one.
    bits : int
        Bits that an item takes.
    """

    field: Field
    count: int | None
    numbers: int
    bits: int

    @classmethod
    def of(cls, field: Field, by_astropy: bool) -> _Cell:
        column = field.column
        numbers = field.parts
        bits = 1 if column.datatype is Datatype.BIT else 8 * numbers * np.dtype(WIRE[column.datatype]).itemsize
        if by_astropy and field.length is None and not column.is_text:
            # Astropy (7.2 and before) counts the items of the last dimension, not the elements ...
            numbers = math.prod(int(size) for size in (column.arraysize or "").split("x")[:-1])
            bits = bits // field.parts * numbers
            if column.datatype is Datatype.BIT:
                bits = 8  # ... and writes each bit as a byte.
        return cls(field, field.length, numbers, bits)

    def elements(self, values: Bytes, counts: Integers) -> np.ndarray[Any, Any]:
        """Return the elements that the bytes of all cells hold."""
        datatype = self.field.column.datatype
        if datatype is not Datatype.BIT:
            return values.view(f">{WIRE[datatype]}")
        return values != 0 if self.bits == 8 or self.count == 1 else unpacked_bits(values, counts)


class _VariableRows:
    """Rows in which some cells begin with their number of items.

    Where a row begins depends on all counts of the rows before it, so the counts have to be walked along one by one:
    the only step of the readers that Python does for each row (and only for its variable cells). All else follows
    from the positions found, by NumPy, for a block of rows at once.
    """

    def __init__(self, cells: Sequence[_Cell], flags: int) -> None:
        self._cells = cells
        self._flags = flags
        self._schema = schema_of(cell.field.column for cell in cells)
        # For each variable cell: the fixed bytes before its count, and the bits of an item.
        self._steps: list[tuple[int, int]] = []
        skip = flags
        for cell in cells:
            if cell.count is None:
                self._steps.append((skip, cell.bits))
                skip = 0
            else:
                skip += (cell.count * cell.bits + 7) // 8
        self._tail = skip

    def batches(self, chunks: Iterator[bytes]) -> Iterator[pa.RecordBatch]:
        done = 0
        rest = b""
        for chunk in chunks:
            block = rest + chunk if rest else chunk
            starts, cells, counts, end = self._walk(block, done)
            if len(starts):
                yield self._batch(block, starts, cells, counts)
            done += len(starts)
            rest = block[end:]
            if len(rest) > MAX_ROW:
                raise TableError(f"Row {done + 1} of the table is longer than {MAX_ROW} bytes.")
        if rest:
            raise TableError(f"The data end inside row {done + 1}: the table is truncated or damaged.")

    def _walk(self, block: bytes, done: int) -> tuple[Integers, Integers, Integers, int]:
        """Return where the whole rows of a block begin, where their variable cells begin, and their counts."""
        size = len(block)
        unpack = _COUNT.unpack_from
        starts: list[int] = []
        cells: list[int] = []
        counts: list[int] = []
        steps = self._steps
        tail = self._tail
        position = 0
        try:
            while True:
                start = position
                for skip, bits in steps:
                    position += skip
                    (count,) = unpack(block, position)
                    if count < 0:
                        raise TableError(f"Row {done + len(starts) + 1} has an array of {count} elements.")
                    position += 4
                    cells.append(position)
                    counts.append(count)
                    position += (count * bits + 7) >> 3
                position += tail
                if position > size:
                    break
                starts.append(start)
        except struct.error:
            pass  # the block ends in a count
        rows, variable = len(starts), len(steps)
        shape = (rows, variable)
        return (
            np.array(starts, np.int64),
            np.array(cells[: rows * variable], np.int64).reshape(shape),
            np.array(counts[: rows * variable], np.int64).reshape(shape),
            start,
        )

    def _batch(self, block: bytes, starts: Integers, cells: Integers, counts: Integers) -> pa.RecordBatch:
        data = np.frombuffer(block, np.uint8)
        position = starts + self._flags
        variable = 0
        arrays = []
        for index, cell in enumerate(self._cells):
            if cell.count is None:
                position = cells[:, variable]
                items = counts[:, variable]
                variable += 1
            else:
                items = np.full(len(starts), cell.count)
            ends = position + ((items * cell.bits + 7) >> 3)
            values, _ = content(gather(block, position, ends))
            offsets = np.concatenate(([0], np.cumsum(items * cell.numbers)))
            absent = None
            if self._flags:
                marked = (data[starts + index // 8] & (0x80 >> index % 8)) != 0
                absent = marked if marked.any() else None
            elements = cell.elements(values, items)
            arrays.append(column_array(cell.field.column, elements, offsets, absent=absent, null=cell.field.null))
            position = ends
        return pa.RecordBatch.from_arrays(arrays, schema=self._schema)
