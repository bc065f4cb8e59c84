"""Cells as text, shared by TABLEDATA, CSV and TSV."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from vo.core.errors import TableError
from vo.core.tables.columns import FLOATING, INTEGER, Column, Datatype
from vo.core.tables.writers import cells

NOT_A_NUMBER = "NaN"
CHUNK = 1 << 20
_SPACE = pa.scalar(" ")


@dataclass(frozen=True, slots=True)
class Spelling:
    """How a format spells what formats spell differently.

    Attributes
    ----------
    true, false : str
        Booleans.
    null_element : str
        A null among the elements of an array of booleans, and of integers where no number is declared for it.
    infinity, minus_infinity : str
        Infinite floats. NaN is ``NaN`` everywhere.
    declares_null : bool
        Whether the document declares `cells.null_integer` for null elements of integer arrays.
    """

    true: str
    false: str
    null_element: str
    infinity: str
    minus_infinity: str
    declares_null: bool


def texts(column: Column, array: pa.Array, spelling: Spelling) -> pa.StringArray:
    """Return one text a cell, null where the cell is null; the texts of text columns are not escaped.

    Floats have the fewest digits that read back as the same value; an array's elements are separated by spaces.

    Raises
    ------
    TableError
        If a null element of an integer array has no spelling in VOTable.
    """
    if pa.types.is_timestamp(array.type):
        return timestamps(array)
    if column.is_text:
        return array
    if not column.is_array:
        return _scalars(column.datatype, array, spelling)
    lengths, values = cells.ragged(array)
    items = _scalars(column.datatype, values, spelling)
    if items.null_count:
        items = items.fill_null(_null_element(column, spelling))
    joined = pc.binary_join(_lists(lengths, items), _SPACE)
    return joined if array.null_count == 0 else pc.if_else(array.is_valid(), joined, None)


def timestamps(array: pa.TimestampArray) -> pa.StringArray:
    """Return times as DALI writes them, ``YYYY-MM-DDThh:mm:ss[.ffffff]``, without zeros at the end of the fraction."""
    written = pc.replace_substring(array.cast(pa.string()), " ", "T", max_replacements=1)
    return pc.utf8_rtrim(pc.utf8_rtrim(written, characters="0"), characters=".")


def _scalars(datatype: Datatype, array: pa.Array, spelling: Spelling) -> pa.StringArray:
    if datatype is Datatype.BOOLEAN:
        return pc.if_else(array, spelling.true, spelling.false)
    if datatype is Datatype.BIT:
        return pc.if_else(array, "1", "0")
    written = array.cast(pa.string())
    if datatype not in FLOATING or np.isfinite(cells.numbers(array, cells.NATIVE[datatype])).all():
        return written
    written = pc.if_else(pc.is_nan(array), NOT_A_NUMBER, written)
    written = pc.if_else(pc.equal(array, float("inf")), spelling.infinity, written)
    return pc.if_else(pc.equal(array, float("-inf")), spelling.minus_infinity, written)


def _null_element(column: Column, spelling: Spelling) -> str:
    if column.datatype in FLOATING:
        return NOT_A_NUMBER
    if column.datatype is Datatype.BIT:
        return "0"
    if column.datatype is Datatype.BOOLEAN or not spelling.declares_null:
        return spelling.null_element
    null = cells.null_integer(column)
    if column.datatype in INTEGER and null is None:
        raise TableError(f"Column {column.name!r}: an array of {column.datatype} cannot have null elements in VOTable.")
    return str(null)


def join_rows(columns: list[pa.StringArray], between_cells: pa.Scalar, between_rows: pa.Scalar) -> list[pa.Buffer]:
    """Return the text of whole rows, null as nothing, in chunks of at most `CHUNK` bytes.

    The separators come as Arrow scalars: making one from a Python string costs more than joining a few rows.
    """
    rows = pc.binary_join_element_wise(*columns, between_cells, null_handling="replace")
    text = pc.binary_join(_lists(np.array([len(rows)]), rows), between_rows).buffers()[2]
    return [text.slice(start, min(CHUNK, text.size - start)) for start in range(0, text.size, CHUNK)]


def _lists(lengths: NDArray[np.int64], items: pa.Array) -> pa.ListArray:
    """Return a list array of cells of these lengths."""
    offsets = pa.py_buffer(cells.offsets_of_lengths(lengths))
    return pa.Array.from_buffers(pa.list_(items.type), len(lengths), [None, offsets], children=[items])
