"""Cells written as text become typed Arrow arrays: TABLEDATA, CSV, ECSV and fixed-width files share this.

A whole column of a batch is converted by one Arrow cast. Only when that fails is the text tidied (blanks, ``+``, a
``Z`` behind a time), and only when it fails again is the cell looked for that is to blame.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vo.core.errors import TableError
from vo.core.tables.columns import FLOATING, INTEGER, Column, Datatype

_PART = {Datatype.FLOAT_COMPLEX: Datatype.FLOAT, Datatype.DOUBLE_COMPLEX: Datatype.DOUBLE}
_TRUE = ("t", "true", "1")
_FALSE = ("f", "false", "0")
_BOOLEANS = pa.array([*_TRUE, *_FALSE])
_BOOLEAN_VALUES = pa.array([True] * len(_TRUE) + [False] * len(_FALSE))
_BEYOND = r"[\x{10000}-\x{10FFFF}]"


def parse_column(
    cells: pa.Array,
    column: Column,
    *,
    row: int = 0,
    place: str = "row",
    nulls: Collection[str] = (),
    null: int | float | None = None,
    split: Callable[[pa.Array], pa.Array] | None = None,
) -> pa.Array:
    """Convert the text of a column's cells into its canonical Arrow type.

    Parameters
    ----------
    cells : pyarrow.StringArray
        One string a row, null where the cell has no value.
    column : Column
        What the text stands for.
    row : int
        Number of rows before the first of `cells`, for error messages.
    place : str
        What is counted by `row`: ``row`` or ``line``.
    nulls : collection of str
        Texts that mean "no value", none of which reads as a number; blanks around them do not count.
    null : int or float, optional
        The number that means "no value", however it is spelt; in an array it makes an element null.
    split : callable, optional
        Turns the strings of an array column into lists of strings; by default at white space (VOTable 1.5,
        section 5.1).

    Returns
    -------
    pyarrow.Array of type ``column.arrow_type``

    Raises
    ------
    TableError
        If a cell does not hold such a value; names the column, the row (from 1) and the text.
    """
    if column.is_text and column.xtype != "timestamp":
        return checked_text(_without(cells, nulls), column)
    split = split or _split_blanks

    def convert(part: pa.Array) -> pa.Array:
        return _lists(part, column, nulls, null, split) if column.is_array else _scalars(part, column, nulls, null)

    try:
        return convert(cells)
    except pa.ArrowInvalid:
        raise _blame(cells, column, convert, row, place) from None


def checked_text(cells: pa.Array, column: Column) -> pa.Array:
    """Return a text column unchanged if it is valid UTF-8 without NUL, which no PostgreSQL text can hold."""
    try:
        cells.validate(full=True)
    except pa.ArrowInvalid:
        raise TableError(f"Column {column.name!r} holds text that is not UTF-8.") from None
    data = cells.buffers()[2]
    # The bytes around a slice may hold a NUL that the cells do not: only then are the cells searched one by one.
    if data is not None and data.size and not np.frombuffer(data, np.uint8).all() and _any(cells, "\0"):
        raise TableError(f"Column {column.name!r} holds text with a NUL character.")
    return cells


def text_width(column: Column) -> int | None:
    """Return how long the texts of a column are; None if they vary, are arrays of texts or of another type."""
    return column.length if column.is_text and column.arraysize is not None and "x" not in column.arraysize else None


def longest_text(cells: pa.Array, column: Column) -> int:
    """Return the length of the longest text as the column's datatype counts: in bytes or in units of UTF-16."""
    if column.datatype is Datatype.CHAR:
        lengths = pc.binary_length(cells)
    else:  # UTF-16 has two units for each character beyond the first 65,536
        lengths = pc.add(pc.utf8_length(cells), pc.count_substring_regex(cells, _BEYOND))
    return pc.max(lengths).as_py() or 0


def check_width(cells: pa.Array, column: Column, row: int) -> None:
    """Raise an error if a text is longer than its column declares; nothing is ever cut."""
    width = text_width(column)
    if width is not None and (longest := longest_text(cells, column)) > width:
        raise TableError(
            f"Column {column.name!r}: behind row {row} is a text of {longest} characters, "
            f"but its arraysize is {column.arraysize!r}."
        )


def nulled(values: pa.Array, null: int | float | str | None) -> pa.Array:
    """Return `values` without those that equal `null`; unchanged if it is None or no value of their type."""
    if null is None:
        return values
    try:
        scalar = pa.scalar(null).cast(values.type)
    except pa.ArrowException:
        return values
    return pc.if_else(pc.equal(values, scalar), pa.scalar(None, values.type), values)


def _scalars(cells: pa.Array, column: Column, nulls: Collection[str], null: int | float | None) -> pa.Array:
    if column.datatype in {Datatype.BOOLEAN, Datatype.BIT}:
        return _booleans(cells, nulls)
    try:
        return nulled(cells.cast(column.arrow_type), null)
    except pa.ArrowInvalid:
        pass  # blanks, a null or another spelling: rare enough to pay for a second cast
    tidied = _without(pc.utf8_trim_whitespace(cells), ("", *nulls))
    if column.xtype == "timestamp":
        # ISO 8601 as DALI 1.1 (section 3.3.3) has it, brought to what Arrow reads: no Z, at most microseconds.
        tidied = pc.replace_substring_regex(tidied, r"^([-0-9]+(?:[T ][0-9:]+)?(?:\.\d{1,6})?)\d*Z?$", r"\1")
    elif column.datatype in INTEGER:
        tidied = pc.replace_substring_regex(tidied, r"^\+(\d)", r"\1")
    elif column.datatype in FLOATING and _any(tidied, "d", ignore_case=True):
        tidied = pc.replace_substring_regex(tidied, r"([0-9.])[dD]([-+0-9])", r"\1e\2")  # Fortran's double precision
    return nulled(tidied.cast(column.arrow_type), null)


def _booleans(cells: pa.Array, nulls: Collection[str]) -> pa.Array:
    words = _without(pc.ascii_lower(pc.utf8_trim_whitespace(cells)), ("", "?", *(null.lower() for null in nulls)))
    found = pc.index_in(words, value_set=_BOOLEANS)
    if found.null_count != words.null_count:
        raise pa.ArrowInvalid("not a boolean value")
    return _BOOLEAN_VALUES.take(found)


def _lists(
    cells: pa.Array,
    column: Column,
    nulls: Collection[str],
    null: int | float | None,
    split: Callable[[pa.Array], pa.Array],
) -> pa.Array:
    trimmed = _without(pc.utf8_trim_whitespace(cells), nulls)
    if column.datatype is Datatype.BIT:  # bits stand together or apart: "1011" or "1 0 1 1"
        trimmed = pc.utf8_trim_whitespace(pc.replace_substring_regex(trimmed, r"([01])\s*", r"\1 "))
    lists = split(trimmed)
    counts = pc.fill_null(pc.list_value_length(lists), 0)
    if column.length is not None and pc.any(pc.and_(lists.is_valid(), pc.not_equal(counts, column.length))).as_py():
        raise pa.ArrowInvalid("an array of another length")
    offsets = np.zeros(len(cells) + 1, np.int32)
    np.cumsum(counts.to_numpy(zero_copy_only=False), out=offsets[1:])
    datatype = _PART.get(column.datatype, column.datatype)
    values = _scalars(lists.flatten(), replace(column, datatype=datatype, arraysize=None), nulls, null)
    return pa.ListArray.from_arrays(pa.array(offsets), values, mask=lists.is_null() if lists.null_count else None)


def _split_blanks(cells: pa.Array) -> pa.Array:
    """Split trimmed strings at white space; an empty string is an absent array."""
    return pc.utf8_split_whitespace(_without(cells, ("",)))


def _without(cells: pa.Array, nulls: Collection[str]) -> pa.Array:
    """Return `cells` with the strings of `nulls` made null; the same array where there are none."""
    if not nulls:
        return cells
    absent = pc.is_in(cells, value_set=pa.array(list(nulls), pa.string()))
    return pc.if_else(absent, pa.scalar(None, pa.string()), cells) if pc.any(absent).as_py() else cells


def _any(cells: pa.Array, part: str, *, ignore_case: bool = False) -> bool:
    return bool(pc.any(pc.match_substring(cells, part, ignore_case=ignore_case)).as_py())


def _blame(
    cells: pa.Array, column: Column, convert: Callable[[pa.Array], pa.Array], row: int, place: str
) -> TableError:
    """Find the first cell that `convert` refuses, by halving, and return the error that names it."""
    low, high = 0, len(cells)
    while high - low > 1:
        middle = (low + high) // 2
        try:
            convert(cells.slice(low, middle - low))
            low = middle
        except pa.ArrowInvalid:
            high = middle
    text = str(cells[low].as_py())
    shown = text if len(text) <= 40 else f"{text[:40]}…"
    kind = "time (YYYY-MM-DD[Thh:mm:ss[.SSS]])" if column.xtype == "timestamp" else f"{column.datatype} value"
    if column.is_array:
        kind = f"{column.datatype}" + (f" array of arraysize={column.arraysize!r}" if column.arraysize else " number")
    return TableError(f"Column {column.name!r}, {place} {row + low + 1}: {shown!r} is not a {kind}.")
