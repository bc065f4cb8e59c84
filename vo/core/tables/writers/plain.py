"""Plain text in aligned columns, for people.

The widths are those of the first batch, at most `WIDEST`: a wider cell pushes what stands right of it. Null is blank.
Line ends, tabs and other control characters are blanks too. A last line tells how many rows there are, and whether that
is all.
"""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.compute as pc

from vo.core.tables.columns import TEXT, Column
from vo.core.tables.writers.base import Chunk, Outcome, ResultMetadata, Writer
from vo.core.tables.writers.canonical import Canonical
from vo.core.tables.writers.text import Spelling, has_any, join_rows, texts

WIDEST = 40
"""Characters that a column is wide at most; few texts are longer, and one that is should not widen all rows."""

SPELLING = Spelling(null_float="null", null_bit="null", brackets=("[", "]"))
_BETWEEN_CELLS = pa.scalar(" | ")
_LINE_END = pa.scalar("\n")
_CONTROL = bytes([*range(0x20), 0x7F])
_CONTROLS = r"[\x00-\x1f\x7f]"


class PlainWriter(Writer):
    """Writes plain text.

    Parameters
    ----------
    columns : tuple of Column
        Declared columns, at least one.
    metadata : ResultMetadata
        Name and description are written.
    """

    def __init__(self, columns: tuple[Column, ...], metadata: ResultMetadata) -> None:
        self._columns = columns
        self._metadata = metadata
        self._canonical = Canonical(columns)
        self._widths: list[int] = []

    def begin(self) -> bytes:
        """Return what is said of the table; the column names come with the first rows, which decide their widths."""
        lines = [_line(text) for text in (self._metadata.name, self._metadata.description) if text]
        return "".join(f"{line}\n" for line in [*lines, ""] if lines).encode()

    def batch(self, batch: pa.RecordBatch) -> list[Chunk]:
        """Return the rows of a batch."""
        chunks: list[Chunk] = []
        for arrays in self._canonical.pieces(batch):
            written = [_cells(column, array) for column, array in zip(self._columns, arrays, strict=True)]
            if not self._widths:
                chunks.append(self._head([pc.max(pc.utf8_length(cells)).as_py() or 0 for cells in written]))
            *most, last = [
                pc.utf8_rpad(cells, width) if column.is_text else pc.ascii_lpad(cells, width)
                for column, cells, width in zip(self._columns, written, self._widths, strict=True)
            ]
            last = pc.utf8_rtrim(last, " ")
            chunks += [b" ", *join_rows([*most, last], _BETWEEN_CELLS, pa.scalar("\n ")), b"\n"]
        return chunks

    def end(self, outcome: Outcome) -> list[Chunk]:
        """Return the line that tells how many rows there are and how they ended."""
        head = b"" if self._widths else self._head([0] * len(self._columns))
        rows = f"{outcome.rows:,} row{'' if outcome.rows == 1 else 's'}"
        if outcome.error is not None:
            rows = f"ERROR after {rows}: {_line(outcome.error)}"
        elif outcome.overflow:
            rows = f"OVERFLOW: {rows}, and there are more"
        return [head + f"({rows})\n".encode()]

    def _head(self, widest: list[int]) -> bytes:
        """Return the lines of column names and units, whose widths are from now on those of the columns."""
        heads = [[_line(column.name) for column in self._columns]]
        if any(column.unit for column in self._columns):
            heads.append([_line(column.unit or "") for column in self._columns])
        self._widths = [
            max(min(width, WIDEST), *(len(text) for text in texts))
            for width, *texts in zip(widest, *heads, strict=True)
        ]
        lines = [
            " | ".join(text.center(width) for text, width in zip(head, self._widths, strict=True)).rstrip()
            for head in heads
        ]
        ruler = "-+-".join("-" * width for width in self._widths)
        return "".join([*(f" {line}\n" for line in lines), f"-{ruler}-\n"]).encode()


def _cells(column: Column, array: pa.Array) -> pa.StringArray:
    written = texts(column, array, SPELLING).fill_null("")
    if column.datatype in TEXT and has_any(written, _CONTROL):
        return pc.replace_substring_regex(written, _CONTROLS, " ")
    return written


def _line(text: str) -> str:
    """Return a text without control characters."""
    return re.sub(_CONTROLS, " ", text)
