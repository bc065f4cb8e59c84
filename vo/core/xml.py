"""Strings as text that is legal in XML 1.0."""

from __future__ import annotations

# XML 1.0, production 2: what is not a Char cannot be written at all, not even escaped, and is left out.
_NOT_A_CHARACTER = [*range(0x09), 0x0B, 0x0C, *range(0x0E, 0x20), *range(0xD800, 0xE000), 0xFFFE, 0xFFFF]
_DROPPED: dict[int, str | None] = dict.fromkeys(_NOT_A_CHARACTER)
# A parser turns a bare CR into LF, and any white space in an attribute into a space.
_CONTENT: dict[int, str | None] = _DROPPED | {38: "&amp;", 60: "&lt;", 62: "&gt;", 13: "&#13;"}
_ATTRIBUTE: dict[int, str | None] = _CONTENT | {34: "&quot;", 9: "&#9;", 10: "&#10;"}


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
