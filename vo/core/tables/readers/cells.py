"""Cells written in binary become Arrow arrays: BINARY, BINARY2, FITS and fixed-length records share this."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vo.core.errors import TableError
from vo.core.tables.columns import Column, Datatype
from vo.core.tables.readers.slices import Integers, strings
from vo.core.tables.readers.text import checked_text, parse_column

WIRE: dict[Datatype, str] = {
    Datatype.BOOLEAN: "u1",
    Datatype.BIT: "u1",
    Datatype.UNSIGNED_BYTE: "u1",
    Datatype.SHORT: "i2",
    Datatype.INT: "i4",
    Datatype.LONG: "i8",
    Datatype.CHAR: "u1",
    Datatype.UNICODE_CHAR: "u2",
    Datatype.FLOAT: "f4",
    Datatype.DOUBLE: "f8",
    Datatype.FLOAT_COMPLEX: "f4",
    Datatype.DOUBLE_COMPLEX: "f8",
}
"""NumPy's type of one element in a file, of one part of a complex number; bits come unpacked to one byte each."""

_FALSE, _TRUE, _NULL, _WRONG = range(4)
_LOGICAL = np.full(256, _WRONG, np.uint8)
_LOGICAL[list(b"Ff0")] = _FALSE
_LOGICAL[list(b"Tt1")] = _TRUE
_LOGICAL[list(b"? \0")] = _NULL


def column_array(
    column: Column,
    elements: np.ndarray[Any, Any],
    offsets: Integers,
    *,
    absent: np.ndarray[Any, np.dtype[np.bool_]] | None = None,
    null: int | float | str | None = None,
) -> pa.Array:
    """Build a column of a batch from its elements.

    Parameters
    ----------
    column : Column
        What the elements are; its canonical type is returned.
    elements : numpy.ndarray, shape (m,)
        All elements of all cells, one after the other, in any byte order; see `WIRE`.
    offsets : numpy.ndarray of int64, shape (n + 1,)
        Where each cell begins and the last one ends; ``0, 1, 2 …`` for scalars.
    absent : numpy.ndarray of bool, shape (n,), optional
        True where the whole cell is null (flags of BINARY2).
    null : int, float or str, optional
        The value that stands for null (VALUES null, TNULL).

    Returns
    -------
    pyarrow.Array of length n and type ``column.arrow_type``

    Raises
    ------
    TableError
        For text or booleans that are none; names the column.
    """
    if column.is_text:
        return _text(column, elements, offsets, absent, null)
    if column.is_array:
        values = _numbers(column, elements, None, null)
        bounds = pa.array(offsets.astype(np.int32))
        return pa.ListArray.from_arrays(bounds, values, mask=None if absent is None else pa.array(absent))
    return _numbers(column, elements, absent, null)


def _numbers(
    column: Column,
    elements: np.ndarray[Any, Any],
    absent: np.ndarray[Any, np.dtype[np.bool_]] | None,
    null: int | float | str | None,
) -> pa.Array:
    if column.datatype is Datatype.BOOLEAN:
        codes = _LOGICAL[elements]
        wrong = codes == _WRONG
        if absent is not None:
            wrong &= ~absent
        if wrong.any():
            raise TableError(f"Column {column.name!r}: byte 0x{elements[wrong.argmax()]:02x} is not a boolean value.")
        missing = codes == _NULL
        return pa.array(codes == _TRUE, mask=missing if absent is None else missing | absent)
    native = elements.astype(elements.dtype.newbyteorder("="), copy=False)
    mask = absent
    if null is not None:
        equal = native == null
        mask = equal if mask is None else mask | equal
    if column.datatype is Datatype.BIT:
        native = native.astype(np.bool_)
    return pa.array(native, mask=mask if mask is not None and mask.any() else None)


def _text(
    column: Column,
    elements: np.ndarray[Any, Any],
    offsets: Integers,
    absent: np.ndarray[Any, np.dtype[np.bool_]] | None,
    null: int | float | str | None,
) -> pa.Array:
    if column.datatype is Datatype.UNICODE_CHAR and elements.dtype.itemsize == 2:
        elements, offsets = _utf8(column, elements, offsets)
    elif column.arraysize is not None and "x" in column.arraysize:
        elements = np.where(elements == 0, ord(" "), elements).astype(np.uint8)  # each text of an array is filled up
    cells = strings(elements, offsets, absent)
    # A fixed length is filled up with NUL or blanks; a variable one may end with the NUL of a C string.
    if column.length is not None:
        cells = pc.ascii_rtrim(cells, characters=" \0")
    elif len(elements) and not elements.all():
        cells = pc.ascii_rtrim(cells, characters="\0")
    cells = checked_text(cells, column)
    if null is None and column.xtype != "timestamp":
        return cells
    return parse_column(cells, column, nulls=() if null is None else (str(null),))


def _utf8(column: Column, units: np.ndarray[Any, Any], offsets: Integers) -> tuple[np.ndarray[Any, Any], Integers]:
    """Turn UTF-16 code units and cell offsets into UTF-8 bytes and cell offsets."""
    native = units.astype(np.uint16, copy=False)
    if not len(native) or native.max() < 0x80:
        return native.astype(np.uint8), offsets
    try:
        data = native.astype("<u2").tobytes().decode("utf-16-le").encode()
    except UnicodeDecodeError:
        raise TableError(f"Column {column.name!r} holds text that is not UTF-16.") from None
    # Bytes of UTF-8 a unit: 1, 2 or 3; each half of a surrogate pair stands for 2 of the pair's 4.
    sizes = 1 + (native >= 0x80).astype(np.int64) + (native >= 0x800) - ((native >= 0xD800) & (native < 0xE000))
    ends = np.concatenate(([0], np.cumsum(sizes)))
    return np.frombuffer(data, np.uint8), ends[offsets]


def unpacked_bits(packed: np.ndarray[Any, np.dtype[np.uint8]], counts: Integers) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Unpack bit arrays that each fill whole bytes, the most significant bit first, into one byte a bit.

    Parameters
    ----------
    packed : numpy.ndarray of uint8
        The bytes of all cells.
    counts : numpy.ndarray of int64, shape (n,)
        Bits in each cell.
    """
    bits = np.unpackbits(packed)
    spans = (counts + 7) // 8 * 8
    starts = np.cumsum(spans) - spans
    within = np.arange(len(bits)) - np.repeat(starts, spans)
    return bits[within < np.repeat(counts, spans)]
