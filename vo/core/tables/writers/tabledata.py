"""Rows in VOTable's TABLEDATA serialisation."""

from __future__ import annotations

import pyarrow as pa

from vo.core.tables.columns import Column
from vo.core.tables.writers.base import Chunk
from vo.core.tables.writers.text import Spelling, join_rows, texts
from vo.core.tables.writers.xml import escape_cells

SPELLING = Spelling(true="T", false="F", infinity="+Inf", minus_infinity="-Inf", null_element="?", declares_null=True)
_BETWEEN_CELLS = pa.scalar("</TD><TD>")
_BETWEEN_ROWS = pa.scalar("</TD></TR>\n<TR><TD>")


def rows(columns: tuple[Column, ...], arrays: list[pa.Array]) -> list[Chunk]:
    """Return the TR elements of a piece of a table; null is an empty TD (VOTable 1.5, section 5.1)."""
    written = [
        escape_cells(array) if pa.types.is_string(array.type) else texts(column, array, SPELLING)
        for column, array in zip(columns, arrays, strict=True)
    ]
    return [b"<TR><TD>", *join_rows(written, _BETWEEN_CELLS, _BETWEEN_ROWS), b"</TD></TR>\n"]
