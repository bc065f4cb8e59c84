"""Cells with lists of numbers, ``[1.0, 2.0]`` or ``(1.0, 2.0)``, become arrays; nothing loops over them in Python.

The brackets and commas of all cells become ends of lines, and Arrow's CSV parser reads what is between them.
"""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

_OPENING, _CLOSING, _COMMA = b"[(", b"])", 0x2C
_LINES = bytes.maketrans(b"]),\n\r", b"\n\n\n  ")
_EMPTY = r"^[\[(]\s*[\])]$"
_NULLS = (b"null", b"None", b"NULL", b"--")
_BLANKS = re.compile(rb"[ \t]*\n[ \t]*")


def lists_of_numbers(cells: pa.Array, values: pa.DataType) -> pa.ListArray:
    """Parse cells that hold one list each, in square or round brackets.

    Parameters
    ----------
    cells : pyarrow.StringArray
        Without blanks around the lists; null where there is none.
    values : pyarrow.DataType
        Of the numbers.

    Returns
    -------
    pyarrow.ListArray
        Elements that are the word ``null`` are null.

    Raises
    ------
    pyarrow.ArrowInvalid
        If a cell is something else, or nested.
    """
    filled = pc.fill_null(pc.invert(pc.match_substring_regex(cells, _EMPTY)), fill_value=False)
    counts, lines = _divided(cells if pc.all(filled).as_py() else cells.filter(filled))
    numbers = _numbers(lines, values) if lines else pa.array([], values)
    of_cells = np.zeros(len(cells), np.int64)
    of_cells[filled.to_numpy(zero_copy_only=False)] = counts
    offsets = np.zeros(len(cells) + 1, np.int32)
    np.cumsum(of_cells, out=offsets[1:])
    return pa.ListArray.from_arrays(pa.array(offsets), numbers, mask=cells.is_null() if cells.null_count else None)


def _divided(cells: pa.Array) -> tuple[npt.NDArray[np.int64], bytes]:
    """Return how many elements each list has, and their text, one a line; none of them is empty."""
    if not len(cells):
        return np.zeros(0, np.int64), b""
    offsets = np.frombuffer(cells.buffers()[1], np.int32)[cells.offset : cells.offset + len(cells) + 1].astype(np.int64)
    first, last = int(offsets[0]), int(offsets[-1])
    data = cells.buffers()[2]
    text = b"" if data is None else bytes(memoryview(data)[first:last])
    codes, offsets = np.frombuffer(text, np.uint8), offsets - first
    if not np.diff(offsets).all():
        raise pa.ArrowInvalid("an empty cell is no list")
    starts, ends = codes[offsets[:-1]], codes[offsets[1:] - 1]
    if not (((starts == 0x5B) & (ends == 0x5D)) | ((starts == 0x28) & (ends == 0x29))).all():
        raise pa.ArrowInvalid("no list")
    if any(text.count(pair[:1]) + text.count(pair[1:]) != len(cells) for pair in (_OPENING, _CLOSING)):
        raise pa.ArrowInvalid("a list in a list")
    commas = np.flatnonzero(codes == _COMMA)
    counts = np.diff(np.searchsorted(commas, offsets)) + 1
    return counts, text.translate(_LINES, _OPENING)


def _numbers(lines: bytes, values: pa.DataType) -> pa.Array:
    """Return the numbers of lines. Arrow forgives blanks around numbers, but not around words for no value."""
    if pa.types.is_integer(values) and (b"x" in lines or b"X" in lines):
        raise pa.ArrowInvalid("an integer that is not decimal")
    try:
        return _parsed(lines, values)
    except pa.ArrowInvalid:
        if not any(word in lines for word in _NULLS):
            raise
    return _parsed(_BLANKS.sub(b"\n", lines.lstrip(b" \t")), values)


def _parsed(lines: bytes, values: pa.DataType) -> pa.Array:
    table = pa_csv.read_csv(
        pa.BufferReader(lines),
        read_options=pa_csv.ReadOptions(column_names=["number"], block_size=len(lines) + 1, use_threads=False),
        parse_options=pa_csv.ParseOptions(quote_char=False, delimiter="\1", ignore_empty_lines=False),
        convert_options=pa_csv.ConvertOptions(
            column_types={"number": values}, null_values=[word.decode() for word in _NULLS]
        ),
    )
    return table.column(0).combine_chunks()
