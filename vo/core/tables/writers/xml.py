"""Columns of text as cells of an XML document: text that is legal in XML 1.0."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from vo.core.tables.writers.text import has_any, replaced

_NOT_A_CHARACTER_IN_CELLS = r"[\x00-\x08\x0B\x0C\x0E-\x1F\x{FFFE}\x{FFFF}]"
_SUSPECT = bytes([*range(0x09), *range(0x0B, 0x20), 0x26, 0x3C, 0x3E, 0xEF])
"""Bytes of UTF-8 that call for a closer look; 0xEF opens U+FFFE and U+FFFF, among others."""
_REFERENCES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"}


def escape_cells(array: pa.StringArray) -> pa.StringArray:
    """Return the texts of a column as contents of elements; nulls stay."""
    if not has_any(array, _SUSPECT):
        return array
    return replaced(pc.replace_substring_regex(array, _NOT_A_CHARACTER_IN_CELLS, ""), _REFERENCES)
