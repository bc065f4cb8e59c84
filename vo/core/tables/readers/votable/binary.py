"""BINARY and BINARY2: rows of big-endian cells in base64 (VOTable 1.5, sections 5.3 and 5.4)."""

from __future__ import annotations

import binascii
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pybase64
from isal import isal_zlib

from vo.core.errors import TableError
from vo.core.tables.columns import Datatype, schema_of
from vo.core.tables.readers.cells import WIRE, column_array, unpacked_bits
from vo.core.tables.readers.limits import TableLimits
from vo.core.tables.readers.rows import FixedCell, FixedRows
from vo.core.tables.readers.slices import Bytes, Integers, content, gather
from vo.core.tables.readers.source import BLOCK
from vo.core.tables.readers.votable.document import Document, Kind
from vo.core.tables.readers.votable.fields import Field
from vo.core.tables.readers.votable.walk import Rows, Stride

_BLANKS = b" \t\r\n"


def binary_batches(document: Document, fields: tuple[Field, ...]) -> Iterator[pa.RecordBatch]:
    """Decode the rows of the table at whose STREAM the document stands.

    Raises
    ------
    TableError
        For a stream that is not in the document, damaged base64 or gzip data, and rows that do not end.
    LimitError
        For rows that are too long, and gzip data that become too much.
    """
    flags = (len(fields) + 7) // 8 if document.kind is Kind.BINARY2 else 0
    chunks = _decoded(document)
    if any(field.column.length is None for field in fields):
        return _VariableRows(fields, flags, document.by_astropy, document.limits).batches(chunks)
    cells = []
    offset = flags
    for field in fields:
        cell = FixedCell(field.column, offset, field.column.length or 0, field.null)
        cells.append(cell)
        offset += cell.size
    document.limits.check_row(offset)
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
    return _unpacked(chunks, document.limits) if "gzip" in encoding else chunks


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
            yield pybase64.b64decode(memoryview(characters)[:whole], validate=True)
        except binascii.Error as error:
            raise TableError(f"The table's STREAM is no base64 text: {str(error).lower()}.") from error
    if rest:
        raise TableError("The table's STREAM ends inside a group of four base64 characters: it is truncated.")


def _unpacked(chunks: Iterator[bytes], limits: TableLimits) -> Iterator[bytes]:
    """Unpack gzip data, which may be several members one behind the other (RFC 1952, section 2.2)."""
    unpacker = isal_zlib.decompressobj(wbits=31)
    size = 0
    ended = False
    for chunk in chunks:
        packed = chunk
        while packed:
            if unpacker.eof:
                unpacker = isal_zlib.decompressobj(wbits=31)
            # A whole block may leave more behind than its input; only a smaller one has given all.
            while block := unpacker.decompress(packed, BLOCK):
                size += len(block)
                limits.check_unpacked(size)
                yield block
                packed = unpacker.unconsumed_tail
                if unpacker.eof or (len(block) < BLOCK and not packed):
                    break
            ended = unpacker.eof
            packed = unpacker.unused_data if ended else b""
    if not ended:
        raise TableError("The gzip data of the table's STREAM end too early.")


@dataclass(frozen=True, slots=True)
class _VariableCell:
    """How the cells of a FIELD lie that begin with their number of items.

    Attributes
    ----------
    field : Field
    index : int
        Number of the FIELD, from 0.
    numbers : int
        Numbers in an item: 2 for a complex one.
    bits : int
        Bits that an item takes.
    """

    field: Field
    index: int
    numbers: int
    bits: int

    @classmethod
    def of(cls, field: Field, index: int, by_astropy: bool) -> _VariableCell:
        column = field.column
        is_bit = column.datatype is Datatype.BIT
        numbers = column.parts
        bits = 1 if is_bit else 8 * numbers * np.dtype(WIRE[column.datatype]).itemsize
        if by_astropy and not column.is_text:
            # Astropy (7.2 and before) counts the items of the last dimension, not the elements ...
            items = math.prod(int(size) for size in (column.arraysize or "").split("x")[:-1])
            numbers *= items
            bits = 8 if is_bit else bits * items  # ... and writes each bit as a byte.
        return cls(field, index, numbers, bits)

    def array(self, block: bytes, starts: Integers, counts: Integers, absent: Any) -> pa.Array:
        """Return the cells of some rows: `counts` items each, from `starts` on."""
        values, _ = content(gather(block, starts, starts + ((counts * self.bits + 7) >> 3)))
        offsets = np.concatenate(([0], np.cumsum(counts * self.numbers)))
        elements = self._elements(values, counts)
        return column_array(self.field.column, elements, offsets, absent=absent, null=self.field.null)

    def _elements(self, values: Bytes, counts: Integers) -> np.ndarray[Any, Any]:
        datatype = self.field.column.datatype
        if datatype is not Datatype.BIT:
            return values.view(f">{WIRE[datatype]}")
        return values != 0 if self.bits == 8 else unpacked_bits(values, counts)


@dataclass(frozen=True, slots=True)
class _FixedPart:
    """The cells between two variable ones, which lie alike in every row.

    Attributes
    ----------
    cells : sequence of (int, FixedCell)
        Each with the number of its FIELD.
    width : int
        Bytes that they take.
    """

    cells: Sequence[tuple[int, FixedCell]]
    width: int


class _VariableRows:
    """Rows in which some cells begin with their number of items: fixed parts and variable cells take turns."""

    def __init__(self, fields: Sequence[Field], flags: int, by_astropy: bool, limits: TableLimits) -> None:
        self._flags = flags
        self._limits = limits
        self._schema = schema_of(field.column for field in fields)
        self._parts: list[_FixedPart] = []
        self._variable: list[_VariableCell] = []
        cells: list[tuple[int, FixedCell]] = []
        width = flags  # the flags are the beginning of the first fixed part
        for index, field in enumerate(fields):
            if field.column.length is None:
                self._variable.append(_VariableCell.of(field, index, by_astropy))
                self._parts.append(_FixedPart(cells, width))
                cells, width = [], 0
            else:
                cell = FixedCell(field.column, width, field.column.length, field.null)
                cells.append((index, cell))
                width += cell.size
        self._parts.append(_FixedPart(cells, width))
        limits.check_row(sum(part.width for part in self._parts))
        steps = [(part.width, cell.bits) for part, cell in zip(self._parts, self._variable, strict=False)]
        self._stride = Stride(steps, width)

    def batches(self, chunks: Iterator[bytes]) -> Iterator[pa.RecordBatch]:
        done = 0
        waiting: list[bytes] = []
        size = 0
        wanted = 0
        for chunk in chunks:
            waiting.append(chunk)
            size += len(chunk)
            if size < wanted:
                continue
            block = b"".join(waiting) if len(waiting) > 1 else chunk
            rows = self._stride.rows(block, done)
            if len(rows.starts):
                yield self._batch(block, rows)
            done += len(rows.starts)
            rest = block[rows.end :]
            self._limits.check_row(len(rest), done + 1)
            waiting, size = [rest], len(rest)
            wanted = 2 * size  # a long row is not walked into again with each block that it fills
        if waiting and size:
            block = b"".join(waiting)
            rows = self._stride.rows(block, done)
            if len(rows.starts):
                yield self._batch(block, rows)
            if rows.end < len(block):
                row = done + len(rows.starts) + 1
                raise TableError(f"The data end inside row {row}: the table is truncated or damaged.")

    def _batch(self, block: bytes, rows: Rows) -> pa.RecordBatch:
        count = len(rows.starts)
        flags: Bytes | None = None
        arrays: list[pa.Array] = [None] * len(self._schema)
        position = rows.starts
        for number, part in enumerate(self._parts):
            if part.width:
                fixed, _ = content(gather(block, position, position + part.width))
                if number == 0 and self._flags:
                    flags = fixed.reshape(count, part.width)[:, : self._flags]
                for index, cell in part.cells:
                    arrays[index] = column_array(
                        cell.column,
                        cell.elements(fixed, count, part.width, ">"),
                        np.arange(count + 1) * cell.count,
                        absent=_absent(flags, index),
                        null=cell.null,
                    )
            if number < len(self._variable):
                variable = self._variable[number]
                starts, counts = rows.cells[:, number], rows.counts[:, number]
                arrays[variable.index] = variable.array(block, starts, counts, _absent(flags, variable.index))
                position = starts + ((counts * variable.bits + 7) >> 3)
        return pa.RecordBatch.from_arrays(arrays, schema=self._schema)


def _absent(flags: Bytes | None, index: int) -> Any:
    """Return which cells of a column are null by the flags of BINARY2; None if none is."""
    if flags is None:
        return None
    absent = (flags[:, index // 8] & (0x80 >> index % 8)) != 0
    return absent if absent.any() else None
