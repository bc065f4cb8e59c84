"""CSV and TSV.

CSV is RFC 4180 with LF as line end and UTF-8: a text is quoted when it has a quote, a comma, a line end, white space
around it, or a ``#`` in front; null is an empty cell and the empty text is ``""``. TSV (IANA text/tab-separated-values)
has no quoting: tabs and line ends in a text become spaces, and null and the empty text look alike. Arrays are their
elements separated by spaces, infinite floats ``Infinity`` and ``-Infinity``, booleans ``true`` and ``false``.

A row with one empty cell would be a blank line, which readers skip; CSV writes null as ``""`` in tables of one column.

Neither format can mark an overflow. An error in mid-stream is a last line that begins with ``# ERROR``.
"""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.compute as pc

from vo.core.tables.columns import Column
from vo.core.tables.writers.base import Chunk, Outcome, ResultMetadata, Writer
from vo.core.tables.writers.canonical import Canonical
from vo.core.tables.writers.text import Spelling, join_rows, texts

SPELLING = Spelling(
    true="true",
    false="false",
    null_element="null",
    infinity="Infinity",
    minus_infinity="-Infinity",
    declares_null=False,
)
_NEEDS_QUOTES = r'[",\r\n]|^#|^\s|\s$|^$'
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
        names = (_legal_name(column.name, tabs=self._tabs) for column in self._columns)
        line = ("\t" if self._tabs else ",").join(names)
        return f"{line}\n".encode()

    def batch(self, batch: pa.RecordBatch) -> list[Chunk]:
        """Return the rows of a batch."""
        chunks: list[Chunk] = []
        for arrays in self._canonical.pieces(batch):
            written = [
                self._legal(array) if pa.types.is_string(array.type) else texts(column, array, SPELLING)
                for column, array in zip(self._columns, arrays, strict=True)
            ]
            if len(written) == 1 and not self._tabs:
                written = [written[0].fill_null('""')]
            chunks += [*join_rows(written, self._delimiter, _LINE_END), b"\n"]
        return chunks

    def end(self, outcome: Outcome) -> list[Chunk]:
        """Return nothing, or the line of the error."""
        if outcome.error is None:
            return []
        return [f"# ERROR {' '.join(outcome.error.split())}\n".encode()]

    def _legal(self, array: pa.StringArray) -> pa.StringArray:
        """Return texts as cells of the format; nulls stay."""
        if self._tabs:
            return pc.replace_substring_regex(array, _BREAKS_TSV, " ")
        quoted = pc.match_substring_regex(array, _NEEDS_QUOTES)
        if not pc.any(quoted).as_py():
            return array
        escaped = pc.binary_join_element_wise("", pc.replace_substring(array, '"', '""'), "", '"')
        return pc.if_else(quoted, escaped, array)


def _legal_name(name: str, *, tabs: bool) -> str:
    """Return a column's name as a cell: a line of its own in Python, for `_legal` takes longer to start."""
    if tabs:
        return re.sub(_BREAKS_TSV, " ", name)
    return '"' + name.replace('"', '""') + '"' if re.search(_NEEDS_QUOTES, name) else name
