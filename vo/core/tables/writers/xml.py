"""Text that is legal in XML 1.0: single strings for the document, whole columns for its cells."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from vo.core.tables.writers.text import has_any, replaced

# XML 1.0, production 2: what is not a Char cannot be written at all, not even escaped, and is left out.
_NOT_A_CHARACTER = [*range(0x09), 0x0B, 0x0C, *range(0x0E, 0x20), *range(0xD800, 0xE000), 0xFFFE, 0xFFFF]
_DROPPED: dict[int, str | None] = dict.fromkeys(_NOT_A_CHARACTER)
# A parser turns a bare CR into LF, and any white space in an attribute into a space.
_CONTENT: dict[int, str | None] = _DROPPED | {38: "&amp;", 60: "&lt;", 62: "&gt;", 13: "&#13;"}
_ATTRIBUTE: dict[int, str | None] = _CONTENT | {34: "&quot;", 9: "&#9;", 10: "&#10;"}

_NOT_A_CHARACTER_IN_CELLS = r"[\x00-\x08\x0B\x0C\x0E-\x1F\x{FFFE}\x{FFFF}]"
_SUSPECT = bytes([*range(0x09), *range(0x0B, 0x20), 0x26, 0x3C, 0x3E, 0xEF])
"""Bytes of UTF-8 that call for a closer look; 0xEF opens U+FFFE and U+FFFF, among others."""
_REFERENCES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"}


def content(value: str) -> str:
    """Return `value` as the content of an element."""
    return value.translate(_CONTENT)


def attribute(name: str, value: str | None) -> str:
    """Return an attribute with the space before it; nothing when there is no value."""
    return "" if value is None else f' {name}="{value.translate(_ATTRIBUTE)}"'


def element(name: str, value: str | None, attributes: str = "") -> str:
    """Return an element on a line of its own; nothing when it would be empty and has no attributes."""
    if not value:
        return f"<{name}{attributes}/>\n" if attributes else ""
    return f"<{name}{attributes}>{content(value)}</{name}>\n"


def escape_cells(array: pa.StringArray) -> pa.StringArray:
    """Return the texts of a column as contents of elements; nulls stay."""
    if not has_any(array, _SUSPECT):
        return array
    return replaced(pc.replace_substring_regex(array, _NOT_A_CHARACTER_IN_CELLS, ""), _REFERENCES)
