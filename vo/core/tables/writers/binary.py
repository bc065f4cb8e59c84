"""Rows in VOTable's BINARY and BINARY2 serialisations (VOTable 1.5, sections 5.3, 5.4 and 6).

A row is cut into *segments*: a run of cells of fixed width, which is one item of a NumPy structured array, and the
cell of variable length behind it, whose element count closes the run. A table without variable cells is one segment and
the structured array is the answer; otherwise Arrow joins the segments row by row.

Null in BINARY, which has no flags: floats are NaN, booleans ``?``, texts and variable arrays empty, bits 0, integers
`NULL_INTEGER`, which the FIELD declares. A value equal to it would be read as null and is refused. BINARY2 flags every
null cell, and an integer there is 0. Null *elements* of arrays have no flags in either: integers are `null_integer`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from vo.core.errors import TableError
from vo.core.tables.columns import INTEGER, Column, Datatype
from vo.core.tables.writers import cells
from vo.core.tables.writers.text import timestamps

_COUNT = "count"
_FLAGS = "flags"
_BIT = np.uint8(0x88)
"""A scalar bit that is set: the first bit of its byte, and the one that astropy (to 7.2 at least) looks at instead."""


@dataclass(slots=True)
class _Segment:
    fixed: list[tuple[int, Column]] = field(default_factory=list)
    variable: tuple[int, Column] | None = None
    dtype: np.dtype[Any] = field(default_factory=lambda: np.dtype([]))


class RowEncoder:
    """Encodes the rows of a table.

    Parameters
    ----------
    columns : tuple of Column
        Declared columns.
    null_flags : bool
        True for BINARY2, whose rows begin with one flag a column; False for BINARY.
    """

    def __init__(self, columns: tuple[Column, ...], *, null_flags: bool) -> None:
        self._null_flags = null_flags
        self._flag_bytes = (len(columns) + 7) // 8 if null_flags else 0
        self._segments = [_Segment()]
        for index, column in enumerate(columns):
            if column.length is None:
                self._segments[-1].variable = (index, column)
                self._segments.append(_Segment())
            else:
                self._segments[-1].fixed.append((index, column))
        if not self._segments[-1].fixed and len(self._segments) > 1:
            self._segments.pop()
        for number, segment in enumerate(self._segments):
            segment.dtype = self._dtype(segment, first=number == 0)

    def _dtype(self, segment: _Segment, *, first: bool) -> np.dtype[Any]:
        fields: list[tuple[Any, ...]] = []
        if first and self._null_flags:
            fields.append((_FLAGS, "u1", (self._flag_bytes,)))
        fields += [(str(index), *_fixed_field(column)) for index, column in segment.fixed]
        if segment.variable is not None:
            fields.append((_COUNT, ">i4"))
        return np.dtype(fields)

    def encode(self, arrays: list[pa.Array]) -> memoryview:
        """Return the rows of a piece of a table, at least one, as bytes.

        Raises
        ------
        TableError
            If a cell does not have the length that its column declares, or BINARY cannot tell a value from null.
        """
        null = [cells.nulls(array) for array in arrays]
        blocks = [self._fixed_cells(segment, arrays, null) for segment in self._segments]
        if self._null_flags:
            _set_flags(blocks[0][_FLAGS], null)
        if len(blocks) == 1 and self._segments[0].variable is None:
            return blocks[0].view(np.uint8).data
        parts: list[pa.BinaryArray] = []
        for segment, block in zip(self._segments, blocks, strict=True):
            if segment.variable is None:
                parts.append(_records(block))
                continue
            index, column = segment.variable
            counts, lengths, data = _variable_cells(column, arrays[index])
            block[_COUNT] = counts
            parts += [_records(block), _binary(lengths, data)]
        return memoryview(pc.binary_join_element_wise(*parts, b"").buffers()[2])

    def _fixed_cells(
        self, segment: _Segment, arrays: list[pa.Array], null: list[NDArray[np.bool_] | None]
    ) -> NDArray[Any]:
        block = np.zeros(len(arrays[0]), segment.dtype)
        for index, column in segment.fixed:
            target = block[str(index)]
            if column.is_array:
                _fill_arrays(target, column, arrays[index], null[index])
            elif column.is_text:
                _fill_texts(target, column, arrays[index])
            else:
                _fill_scalars(target, column, arrays[index])
            if column.datatype in INTEGER:
                if not self._null_flags:
                    _refuse_ambiguity(target, column, null[index])
                elif null[index] is not None:
                    target[null[index]] = 0
        return block


def _set_flags(flags: NDArray[np.uint8], null: list[NDArray[np.bool_] | None]) -> None:
    """Set the flag of every null cell; the first column has the most significant bit of the first byte."""
    for index, where in enumerate(null):
        if where is not None:
            flags[:, index >> 3] |= where * np.uint8(0x80 >> (index & 7))


def _fixed_field(column: Column) -> tuple[Any, ...]:
    """Return the NumPy type, and the shape where there is one, of a cell of fixed length."""
    length = column.length or 0
    match column.datatype:
        case Datatype.CHAR:
            return "u1", (length,)
        case Datatype.UNICODE_CHAR:
            return "u1", (2 * length,)
        case Datatype.BIT if column.is_array:
            return "u1", ((length + 7) // 8,)
        case datatype:
            element = cells.NATIVE[datatype].newbyteorder(">")
            return (element, (length,)) if column.is_array else (element,)


def _fill_scalars(target: NDArray[Any], column: Column, array: pa.Array) -> None:
    values = cells.elements(array, column.datatype)
    if column.datatype is Datatype.BIT:
        values = values * _BIT
    target[...] = values


def _refuse_ambiguity(target: NDArray[Any], column: Column, null: NDArray[np.bool_] | None) -> None:
    """Refuse integers that BINARY cannot tell from null, and nulls that it cannot tell from integers."""
    if column.is_array:
        if null is not None and cells.null_integer(column) is None:
            raise TableError(
                f"Column {column.name!r}: a null array of {column.datatype} cannot be written in BINARY.",
                hint="BINARY2 and TABLEDATA can do it.",
            )
        return
    stands_for_null = target == cells.NULL_INTEGER[column.datatype]
    if np.count_nonzero(stands_for_null) != (0 if null is None else np.count_nonzero(null)):
        raise TableError(
            f"Column {column.name!r}: the value {cells.NULL_INTEGER[column.datatype]} stands for null in BINARY.",
            hint="BINARY2 and TABLEDATA can tell them apart.",
        )


def _fill_arrays(target: NDArray[Any], column: Column, array: pa.Array, null: NDArray[np.bool_] | None) -> None:
    cells.check_lengths(column, array)
    present = len(array) if null is None else len(array) - np.count_nonzero(null)
    flat = _array_elements(column, array.flatten()).reshape(present, column.length or 0)
    if column.datatype is Datatype.BIT:
        flat = np.packbits(flat, axis=1)
    if null is None:
        target[...] = flat
        return
    target[~null] = flat
    filler = cells.elements(pa.nulls(1, array.type.value_type), column.datatype)
    target[null] = filler[0]


def _fill_texts(target: NDArray[np.uint8], column: Column, array: pa.Array) -> None:
    """Write texts, filled up with NUL characters, which end a shorter text (VOTable 1.5, section 6)."""
    lengths, data = _text(column, array)
    width = target.shape[1]
    if (lengths > width).any():
        raise TableError(f"Column {column.name!r}: a text is longer than its arraysize, {column.arraysize}.")
    target[np.arange(width) < lengths[:, np.newaxis]] = data


def _variable_cells(column: Column, array: pa.Array) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint8]]:
    """Return the counts that are written, the lengths in bytes, and the bytes of a column of variable cells.

    The count is of all primitives of a cell, a complex number being one, also for ``2x*`` (VOTable 1.5, section 5.3,
    and STIL; astropy takes it for the number of pairs there).
    """
    if column.is_text:
        lengths, data = _text(column, array)
        items = lengths // 2 if column.datatype is Datatype.UNICODE_CHAR else lengths
    else:
        items, elements = cells.ragged(array)
        values = _array_elements(column, elements)
        if column.datatype is Datatype.BIT:
            lengths, data = _packed_bits(items, values)
        else:
            lengths = items * values.itemsize
            data = values.astype(values.dtype.newbyteorder(">"), copy=False).view(np.uint8)
            items = items // column.parts
    return items, lengths, data


def _array_elements(column: Column, values: pa.Array) -> NDArray[Any]:
    if values.null_count and column.datatype in INTEGER and cells.null_integer(column) is None:
        raise TableError(f"Column {column.name!r}: an array of {column.datatype} cannot have null elements in VOTable.")
    return cells.elements(values, column.datatype)


def _text(column: Column, array: pa.Array) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Return lengths in bytes and bytes: UTF-8 for char, big-endian UTF-16 for unicodeChar."""
    lengths, data = cells.text_bytes(timestamps(array) if pa.types.is_timestamp(array.type) else array)
    if column.datatype is Datatype.CHAR:
        return lengths, data
    units, encoded = cells.utf16_units(lengths, data)
    return 2 * units, encoded


def _packed_bits(items: NDArray[np.int64], values: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Pack the bits of each cell into whole bytes, the first bit most significant, zeros at the end."""
    lengths = (items + 7) // 8
    padded = np.zeros(8 * int(lengths.sum()), np.uint8)
    starts = np.cumsum(8 * lengths) - 8 * lengths
    shift = starts - (np.cumsum(items) - items)
    padded[np.arange(len(values)) + np.repeat(shift, items)] = values
    return lengths, np.packbits(padded)


def _binary(lengths: NDArray[np.int64], data: NDArray[np.uint8]) -> pa.BinaryArray:
    offsets = cells.offsets_of_lengths(lengths)
    return pa.Array.from_buffers(pa.binary(), len(lengths), [None, pa.py_buffer(offsets), pa.py_buffer(data)])


def _records(block: NDArray[Any]) -> pa.BinaryArray:
    return _binary(np.full(len(block), block.itemsize, np.int64), block.view(np.uint8))
