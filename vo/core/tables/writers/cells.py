"""Arrow's buffers as NumPy arrays, and what stands for null where VOTable has no other way to say it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from vo.core.errors import TableError
from vo.core.tables.columns import COMPLEX, FLOATING, INTEGER, Column, Datatype

NULL_INTEGER = {
    Datatype.UNSIGNED_BYTE: 255,
    Datatype.SHORT: -(2**15),
    Datatype.INT: -(2**31),
    Datatype.LONG: -(2**63),
}
"""The integer that stands for null, declared in VALUES: the least of its type, and the greatest unsigned byte."""

NATIVE: dict[Datatype, np.dtype[Any]] = {
    Datatype.BOOLEAN: np.dtype("u1"),
    Datatype.BIT: np.dtype("u1"),
    Datatype.UNSIGNED_BYTE: np.dtype("u1"),
    Datatype.SHORT: np.dtype("i2"),
    Datatype.INT: np.dtype("i4"),
    Datatype.LONG: np.dtype("i8"),
    Datatype.FLOAT: np.dtype("f4"),
    Datatype.DOUBLE: np.dtype("f8"),
    Datatype.FLOAT_COMPLEX: np.dtype("f4"),
    Datatype.DOUBLE_COMPLEX: np.dtype("f8"),
}

TRUE, FALSE, UNKNOWN = b"TF?"


def null_integer(column: Column) -> int | None:
    """Return the integer that stands for a null element in an array column, None where there is none.

    Arrays of unsigned bytes have none: 255 is an ordinary value there and nulls are unheard of.
    """
    if column.is_array and column.datatype is Datatype.UNSIGNED_BYTE:
        return None
    return NULL_INTEGER.get(column.datatype)


def nulls(array: pa.Array) -> NDArray[np.bool_] | None:
    """Return where `array` is null, one flag a row; None when it is nowhere."""
    if array.null_count == 0:
        return None
    return np.asarray(array.is_null().to_numpy(zero_copy_only=False))


def numbers(array: pa.Array, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return the values of a primitive Arrow array without a copy; what stands at nulls is undefined."""
    data = array.buffers()[1]
    if data is None:
        return np.zeros(len(array), dtype)
    return np.frombuffer(data, dtype, len(array), array.offset * dtype.itemsize)


def elements(array: pa.Array, datatype: Datatype) -> NDArray[Any]:
    """Return the values of a primitive Arrow array as VOTable's binary serialisations spell them.

    Nulls become NaN, `NULL_INTEGER`, the unknown boolean, or a zero bit.

    Returns
    -------
    ndarray
        Of dtype ``NATIVE[datatype]`` in native byte order: booleans as the characters T, F and ?, bits as 0 and 1.
    """
    null = nulls(array)
    if datatype in INTEGER or datatype in FLOATING or datatype in COMPLEX:
        values = numbers(array, NATIVE[datatype])
        if null is not None:
            values = values.copy()
            values[null] = NULL_INTEGER.get(datatype, np.nan)
        return values
    flags = (array.fill_null(False) if null is not None else array).to_numpy(zero_copy_only=False)
    if datatype is Datatype.BIT:
        return np.asarray(flags.view(np.uint8))
    values = np.where(flags, np.uint8(TRUE), np.uint8(FALSE))
    if null is not None:
        values[null] = UNKNOWN
    return values


def ragged(array: pa.ListArray) -> tuple[NDArray[np.int64], pa.Array]:
    """Return the lengths of the cells of a list column and their elements in one array; a null cell has length 0."""
    offsets = numbers_of_offsets(array)
    lengths = np.diff(offsets)
    null = nulls(array)
    if null is not None:
        lengths[null] = 0  # Arrow allows a null cell to have elements; flatten drops them
    return lengths, array.flatten()


def check_lengths(column: Column, array: pa.ListArray) -> None:
    """Refuse cells that are not of the fixed length of their column.

    Raises
    ------
    TableError
        If there is one that is not null.
    """
    lengths, _ = ragged(array)
    null = nulls(array)
    present = lengths if null is None else lengths[~null]
    if (present != column.length).any():
        wrong = present[present != column.length][0]
        raise TableError(f"Column {column.name!r}: an array of {wrong} elements where arraysize is {column.arraysize}.")


def numbers_of_offsets(array: pa.Array) -> NDArray[np.int64]:
    """Return the offsets of a list, string or binary array of 32-bit offsets, one more than it has rows."""
    return np.frombuffer(array.buffers()[1], np.int32, len(array) + 1, array.offset * 4).astype(np.int64)


def offsets_of_lengths(lengths: NDArray[np.int64]) -> NDArray[np.int32]:
    """Return the 32-bit offsets, from 0, of cells of these lengths that follow each other."""
    offsets = np.zeros(len(lengths) + 1, np.int32)
    np.cumsum(lengths, out=offsets[1:])
    return offsets


def text_bytes(array: pa.StringArray) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Return the lengths in bytes and the joined UTF-8 bytes of a text column; null as empty."""
    if array.null_count:
        array = array.fill_null("")
    offsets = numbers_of_offsets(array)
    data = array.buffers()[2]
    if data is None:
        return np.diff(offsets), np.zeros(0, np.uint8)
    return np.diff(offsets), np.frombuffer(data, np.uint8)[offsets[0] : offsets[-1]]


def utf16_units(lengths: NDArray[np.int64], data: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Return lengths in UTF-16 code units and big-endian UTF-16 of texts given as UTF-8.

    Characters outside the Basic Multilingual Plane become surrogate pairs, two units each.
    """
    encoded = np.frombuffer(data.tobytes().decode("utf-8").encode("utf-16-be"), np.uint8)
    if len(encoded) == 2 * len(data):
        return lengths, encoded
    # A byte opens a character unless it is 10xxxxxx; the four-byte characters are those that need a pair.
    units = np.zeros(len(data) + 1, np.int64)
    np.cumsum(((data & 0xC0) != 0x80).astype(np.int8) + (data >= 0xF0), out=units[1:])
    ends = np.cumsum(lengths)
    return units[ends] - units[ends - lengths], encoded
