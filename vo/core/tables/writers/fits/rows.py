"""The rows of a FITS binary table and the heap behind them (FITS 4.0, sections 7.3.3 and 7.3.5).

Null is NaN among floats, the field's number among integers, NUL among booleans and 0 among bits; a null text is empty,
a null array of variable length too, one of fixed length is full of nulls.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from vo.core.tables.columns import INTEGER, Datatype
from vo.core.tables.writers import cells
from vo.core.tables.writers.cells import NATIVE
from vo.core.tables.writers.fits.layout import Field


class RowEncoder:
    """Encodes rows, piece by piece in their order, for the heap follows the same order.

    Parameters
    ----------
    fields : list of Field
        The columns.
    """

    def __init__(self, fields: list[Field]) -> None:
        self._fields = fields
        self._dtype = np.dtype([(str(index), *field.dtype) for index, field in enumerate(fields)])
        self._heap = 0

    @property
    def row_bytes(self) -> int:
        """Bytes of a row."""
        return self._dtype.itemsize

    def rows(self, arrays: list[pa.Array]) -> memoryview:
        """Return the rows of a piece."""
        block = np.zeros(len(arrays[0]), self._dtype)
        for index, (field, array) in enumerate(zip(self._fields, arrays, strict=True)):
            target = block[str(index)]
            if field.variable:
                self._describe(target, field, array)
            elif field.column.is_text:
                _fill_texts(target, array)
            elif field.column.is_array:
                _fill_arrays(target, field, array)
            else:
                values = _elements(field, array)
                target[...] = values << 7 if field.column.datatype is Datatype.BIT else values
        return block.view(np.uint8).data

    def heap(self, arrays: list[pa.Array]) -> list[memoryview]:
        """Return what a piece has in the heap."""
        return [
            _variable_cells(field, array)[2].data
            for field, array in zip(self._fields, arrays, strict=True)
            if field.variable
        ]

    def _describe(self, target: NDArray[Any], field: Field, array: pa.Array) -> None:
        """Write how many elements each cell has in the heap, and where."""
        counts, lengths, data = _variable_cells(field, array)
        target[:, 0] = counts
        target[:, 1] = self._heap + np.cumsum(lengths) - lengths
        self._heap += len(data)


def _elements(field: Field, array: pa.Array) -> NDArray[Any]:
    """Return values, in native byte order, with what stands for null."""
    datatype = field.column.datatype
    if datatype in INTEGER:
        if field.null is None:
            return cells.numbers(array, NATIVE[_datatype_of(array)])
        values = cells.numbers(array, NATIVE[_datatype_of(array)]).astype(NATIVE[datatype])
        if (null := cells.nulls(array)) is not None:
            values[null] = field.null
        return values
    values = cells.elements(array, datatype)
    if datatype is Datatype.BOOLEAN and array.null_count:
        values[cells.nulls(array)] = 0
    return values


_DATATYPES = {
    pa.uint8(): Datatype.UNSIGNED_BYTE,
    pa.int16(): Datatype.SHORT,
    pa.int32(): Datatype.INT,
    pa.int64(): Datatype.LONG,
}


def _datatype_of(array: pa.Array) -> Datatype:
    """Return the datatype that an integer column had before it was made wider."""
    return _DATATYPES[array.type]


def _fill_texts(target: NDArray[np.uint8], array: pa.StringArray) -> None:
    """Write texts, filled up with NUL, which keeps the spaces at the end of a text."""
    width = target.shape[1]
    if array.null_count:
        array = array.fill_null("")
    padded = pc.ascii_rpad(array, width, padding="\0")  # counts bytes, whatever its name
    _, data = cells.text_bytes(padded)
    target[...] = data.reshape(-1, width)


def _fill_arrays(target: NDArray[Any], field: Field, array: pa.Array) -> None:
    length = field.column.length
    if not length:
        return
    null = cells.nulls(array)
    flat = _elements(field, array.flatten()).reshape(-1, length)
    if field.column.datatype is Datatype.BIT:
        flat = np.packbits(flat, axis=1)
    if null is None:
        target[...] = flat
        return
    target[~null] = flat
    if field.column.datatype is not Datatype.BIT:
        target[null] = _elements(field, pa.nulls(1, array.type.value_type))[0]


def _variable_cells(field: Field, array: pa.Array) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint8]]:
    """Return the counts of numbers, the lengths in bytes, and the bytes of the cells."""
    if field.column.is_text:
        lengths, data = cells.text_bytes(array)
        return lengths, lengths, data
    items, flat = cells.ragged(array)
    values = _elements(field, flat)
    data = values.astype(values.dtype.newbyteorder(">"), copy=False).view(np.uint8)
    return items, items * values.itemsize, data
