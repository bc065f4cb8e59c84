"""CSV and TSV.

CSV is RFC 4180 with LF as line end and UTF-8: a text is quoted when it has a quote, a comma, a line end, white space
around it, or a ``#`` in front; null is an empty cell and the empty text or array is ``""``. TSV (IANA
text/tab-separated-values) has no quoting: tabs and line ends in a text become spaces, and null and the empty text look
alike. Arrays are their elements separated by spaces (of complex numbers both parts of each), infinite floats are
``Infinity`` and ``-Infinity``, booleans ``true`` and ``false``.

A row with one empty cell would be a blank line, which readers skip; CSV writes null as ``""`` in tables of one column.

Neither format can mark an overflow. An error in mid-stream is a last line that begins with ``# ERROR``.
"""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vo.core.tables.columns import Column
from vo.core.tables.writers import cells
from vo.core.tables.writers.base import Chunk, Outcome, ResultMetadata, Writer
from vo.core.tables.writers.canonical import Canonical
from vo.core.tables.writers.text import Spelling, enclosed, has_any, join_rows, replaced, texts

SPELLING = Spelling()
NEEDS_QUOTES = r'[",\r\n]|^#|^\s|\s$|^$'
SPECIAL = b'",\r\n'
_ODD_EDGE = np.zeros(256, np.bool_)
_ODD_EDGE[list(b"# \t\f\r\n")] = True
_COMMA = pa.scalar(",")
_TAB = pa.scalar("\t")
_LINE_END = pa.scalar("\n")
_BREAKS_TSV = r"[\t\r\n]"


class DelimitedWriter(Writer):
    """Writes CSV or TSV.

    Parameters
    ----------
    columns : tuple of Column
        Declared columns.
    metadata : ResultMetadata
        Not used: these formats have no place for it.
    tabs : bool
        True for TSV.
    header : bool
        Whether the first line names the columns.
    """

    def __init__(
        self, columns: tuple[Column, ...], metadata: ResultMetadata, *, tabs: bool = False, header: bool = True
    ) -> None:
        del metadata
        self._columns = columns
        self._canonical = Canonical(columns)
        self._tabs = tabs
        self._delimiter = _TAB if tabs else _COMMA
        self._header = header

    def begin(self) -> bytes:
        """Return the header line, or nothing."""
        if not self._header:
            return b""
        names = [column.name for column in self._columns]
        if self._tabs:
            line = "\t".join(re.sub(_BREAKS_TSV, " ", name) for name in names)
        else:
            line = ",".join(quoted_name(name) for name in names)
        return f"{line}\n".encode()

    def batch(self, batch: pa.RecordBatch) -> list[Chunk]:
        """Return the rows of a batch."""
        chunks: list[Chunk] = []
        for arrays in self._canonical.pieces(batch):
            written = [self._cells(column, array) for column, array in zip(self._columns, arrays, strict=True)]
            if len(written) == 1 and not self._tabs:
                written = [written[0].fill_null('""')]
            chunks += [*join_rows(written, self._delimiter, _LINE_END), b"\n"]
        return chunks

    def end(self, outcome: Outcome) -> list[Chunk]:
        """Return nothing, or the line of the error."""
        if outcome.error is None:
            return []
        return [f"# ERROR {' '.join(outcome.error.split())}\n".encode()]

    def _cells(self, column: Column, array: pa.Array) -> pa.StringArray:
        """Return the cells of a column; nulls stay."""
        written = texts(column, array, SPELLING)
        if self._tabs:
            return pc.replace_substring_regex(written, _BREAKS_TSV, " ") if column.is_text else written
        can_be_empty = column.is_text or (column.is_array and not column.length)
        return quoted(written) if can_be_empty else written


def quoted(array: pa.StringArray, *, special: bytes = SPECIAL, pattern: str = NEEDS_QUOTES) -> pa.StringArray:
    """Return texts as cells of CSV, in quotes where they need them; nulls stay.

    Parameters
    ----------
    array : pyarrow.StringArray
        The texts.
    special : bytes
        One of these bytes is in every text, not empty and without white space or ``#`` at its ends, that needs quotes.
    pattern : str
        The regular expression of all that need them.
    """
    if not has_any(array, special) and not _has_odd_edges(array):
        return array
    doubled = enclosed(replaced(array, {'"': '""'}), '"', '"')
    return pc.if_else(pc.match_substring_regex(array, pattern), doubled, array)


def _has_odd_edges(array: pa.StringArray) -> bool:
    """Return whether a text is empty, or begins or ends with a character that calls for quotes there."""
    lengths, data = cells.text_bytes(array)
    if array.null_count:
        lengths = lengths[np.asarray(array.is_valid())]
    if not lengths.all():
        return True
    ends = np.cumsum(lengths)
    return bool(_ODD_EDGE[data[ends - lengths]].any() or _ODD_EDGE[data[ends - 1]].any())


def quoted_name(name: str) -> str:
    """Return a column's name as a cell of CSV: in Python, for `quoted` takes longer to start."""
    return '"' + name.replace('"', '""') + '"' if re.search(NEEDS_QUOTES, name) else name
