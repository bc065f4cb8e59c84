"""Cells as text, shared by TABLEDATA, CSV, TSV, ECSV, JSON, HTML and plain text."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from vo.core.errors import TableError
from vo.core.tables.columns import COMPLEX, FLOATING, INTEGER, Column, Datatype
from vo.core.tables.writers import cells

CHUNK = 1 << 20
_SPACE = pa.scalar(" ")
_COMMA = pa.scalar(",")
_EMPTY = pa.scalar("")
_NEGATIVE_ZERO: dict[int, tuple[np.dtype[Any], int]] = {
    4: (np.dtype(np.int32), -(2**31)),
    8: (np.dtype(np.int64), -(2**63)),
}
"""By the size of a float: an integer of that size, and the one that has the bits of -0.0."""


@dataclass(frozen=True, slots=True)
class Spelling:
    """How a format spells what formats spell differently.

    Attributes
    ----------
    true, false : str
        Booleans.
    nan, infinity, minus_infinity : str
        Floats that are no numbers.
    null_element : str
        A null among the elements of an array of booleans, and of integers where no number is declared for it.
    null_float, null_bit : str
        A null among the elements of an array of floats and of bits.
    declares_null : bool
        Whether the document declares `cells.null_integer` for null elements of integer arrays.
    brackets : tuple of str, optional
        What encloses an array whose elements are separated by commas, as JSON has it: several dimensions are lists of
        lists, the first one innermost, and a complex number is a list of its two parts. Where there is nothing, the
        elements stand in one row with spaces between them.
    """

    true: str = "true"
    false: str = "false"
    nan: str = "NaN"
    infinity: str = "Infinity"
    minus_infinity: str = "-Infinity"
    null_element: str = "null"
    null_float: str = "NaN"
    null_bit: str = "0"
    declares_null: bool = False
    brackets: tuple[str, str] | None = None


def texts(column: Column, array: pa.Array, spelling: Spelling) -> pa.StringArray:
    """Return one text a cell, null where the cell is null; the texts of text columns are not escaped.

    Floats have the fewest digits that read back as the same value.

    Raises
    ------
    TableError
        If a null element of an integer array has no spelling in VOTable, or a cell has not the shape of its column.
    """
    if pa.types.is_timestamp(array.type):
        return timestamps(array)
    if column.is_text:
        return array
    if not column.is_array:
        return _scalars(column.datatype, array, spelling)
    if column.length is not None:
        cells.check_lengths(column, array)
    lengths, values = cells.ragged(array)
    items = _scalars(column.datatype, values, spelling)
    if items.null_count:
        items = items.fill_null(_null_element(column, spelling))
    if spelling.brackets is None:
        joined = pc.binary_join(_lists(lengths, items), _SPACE)
    else:
        joined = _nested(column, lengths, items, spelling.brackets)
    return joined if array.null_count == 0 else pc.if_else(array.is_valid(), joined, None)


def timestamps(array: pa.TimestampArray) -> pa.StringArray:
    """Return times as DALI writes them, ``YYYY-MM-DDThh:mm:ss[.ffffff]``, without zeros at the end of the fraction."""
    written = pc.replace_substring(array.cast(pa.string()), " ", "T", max_replacements=1)
    return pc.utf8_rtrim(pc.utf8_rtrim(written, characters="0"), characters=".")


def has_any(array: pa.StringArray, suspects: bytes) -> bool:
    """Return whether any of these bytes is in the UTF-8 of a text column, much faster than a regular expression."""
    _, data = cells.text_bytes(array)
    plain = data.tobytes()
    return len(plain.translate(None, suspects)) < len(plain)


def replaced(array: pa.StringArray, replacements: Mapping[str, str]) -> pa.StringArray:
    """Return the texts of a column with ASCII characters replaced, one after the other in this order; nulls stay."""
    if not has_any(array, "".join(replacements).encode()):
        return array
    for character, text in replacements.items():
        if has_any(array, character.encode()):
            array = pc.replace_substring(array, character, text)
    return array


def enclosed(array: pa.StringArray, before: str, after: str) -> pa.StringArray:
    """Return the texts of a column with a text before and behind each; nulls stay."""
    return pc.binary_join_element_wise(before, array, after, _EMPTY)


def join_rows(
    columns: list[pa.StringArray], between_cells: pa.Scalar, between_rows: pa.Scalar, *, null: str = ""
) -> list[pa.Buffer]:
    """Return the text of whole rows, `null` where a cell is null, in chunks of at most `CHUNK` bytes.

    The separators come as Arrow scalars: making one from a Python string costs more than joining a few rows.
    """
    rows = pc.binary_join_element_wise(*columns, between_cells, null_handling="replace", null_replacement=null)
    text = pc.binary_join(_lists(np.array([len(rows)]), rows), between_rows).buffers()[2]
    return [text.slice(start, min(CHUNK, text.size - start)) for start in range(0, text.size, CHUNK)]


def _scalars(datatype: Datatype, array: pa.Array, spelling: Spelling) -> pa.StringArray:
    if datatype is Datatype.BOOLEAN:
        return pc.if_else(array, spelling.true, spelling.false)
    if datatype is Datatype.BIT:
        return pc.if_else(array, "1", "0")
    written = array.cast(pa.string())
    return _odd_floats(array, written, spelling) if datatype in FLOATING or datatype in COMPLEX else written


def _odd_floats(array: pa.Array, written: pa.StringArray, spelling: Spelling) -> pa.StringArray:
    """Put the floats right that Arrow writes as ``nan``, ``inf``, ``-inf`` and ``-0``, which reads as an integer."""
    values = cells.numbers(array, np.dtype(array.type.to_pandas_dtype()))
    integer, bits = _NEGATIVE_ZERO[values.itemsize]
    negative_zero = values.view(integer) == bits
    if negative_zero.any():
        written = pc.if_else(pa.array(negative_zero), "-0.0", written)
    if np.isfinite(values).all():
        return written
    for odd, text in (
        (np.isnan(values), spelling.nan),
        (values == math.inf, spelling.infinity),
        (values == -math.inf, spelling.minus_infinity),
    ):
        if odd.any():
            written = pc.if_else(pa.array(odd), text, written)
    return written if array.null_count == 0 else pc.if_else(array.is_valid(), written, None)


def _null_element(column: Column, spelling: Spelling) -> str:
    if column.datatype in FLOATING or column.datatype in COMPLEX:
        return spelling.null_float
    if column.datatype is Datatype.BIT:
        return spelling.null_bit
    if column.datatype is Datatype.BOOLEAN or not spelling.declares_null:
        return spelling.null_element
    null = cells.null_integer(column)
    if column.datatype in INTEGER and null is None:
        raise TableError(f"Column {column.name!r}: an array of {column.datatype} cannot have null elements in VOTable.")
    return str(null)


def _nested(
    column: Column, lengths: NDArray[np.int64], items: pa.StringArray, brackets: tuple[str, str]
) -> pa.StringArray:
    """Return arrays as lists of their elements, of several dimensions as lists of lists."""
    inner = (column.arraysize or "").split("x")[:-1]
    dimensions = [int(size) for size in inner]
    if column.parts > 1 and column.arraysize is not None:
        dimensions.insert(0, column.parts)
    if (lengths % math.prod(dimensions)).any():
        raise TableError(
            f"Column {column.name!r}: an array does not have the shape of its arraysize, {column.arraysize}."
        )
    for size in dimensions:
        groups = np.full(len(items) // size, size)
        items = enclosed(pc.binary_join(_lists(groups, items), _COMMA), "[", "]")
        lengths = lengths // size
    return enclosed(pc.binary_join(_lists(lengths, items), _COMMA), *brackets)


def _lists(lengths: NDArray[np.int64], items: pa.Array) -> pa.ListArray:
    """Return a list array of cells of these lengths."""
    offsets = pa.py_buffer(cells.offsets_of_lengths(lengths))
    return pa.Array.from_buffers(pa.list_(items.type), len(lengths), [None, offsets], children=[items])
