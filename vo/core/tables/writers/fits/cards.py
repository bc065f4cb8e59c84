"""Headers of FITS files (FITS 4.0, section 4)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

BLOCK = 2880
"""Headers and data are filled up to a multiple of this."""

_CARD = 80
_TEXT = 68
"""Characters that a text may have on one card, where each quote counts twice."""

_NOT_PRINTABLE_ASCII = re.compile(r"[^ -~]")


class Card(NamedTuple):
    """A keyword and its value; without a value the comment is the text of a COMMENT card."""

    keyword: str
    value: str | int | bool | None
    comment: str = ""


def header(cards: Iterable[Card]) -> bytes:
    """Return a whole header: the cards, END, and spaces to the end of the block."""
    text = "".join(map(_written, cards)) + f"{'END':{_CARD}}"
    return (text + " " * padding(len(text))).encode("ascii")


def padding(length: int) -> int:
    """Return how many bytes are missing to whole blocks."""
    return -length % BLOCK


def ascii_text(text: str) -> str:
    """Return text as headers can have it: what is not printable ASCII becomes a question mark."""
    return _NOT_PRINTABLE_ASCII.sub("?", " ".join(text.split()) if "\n" in text else text)


def on_one_card(text: str) -> str:
    """Return as much of a text as one card holds, without the spaces at its end, which have no meaning."""
    kept, room = "", _TEXT
    for character in text:
        room -= 2 if character == "'" else 1
        if room < 0:
            break
        kept += character
    return kept.rstrip(" ")


def _written(card: Card) -> str:
    keyword, value, comment = card
    if value is None:
        return f"{keyword:8}{comment:72}"[:_CARD]
    match value:
        case bool():
            written = f"{'T' if value else 'F':>20}"
        case int():
            written = f"{value:>20}"
        case str():
            text = ascii_text(value)
            if on_one_card(text) != text.rstrip(" "):
                return _continued(keyword, text)
            written = f"{_quoted(text.rstrip(' ')):20}"
    line = f"{keyword:8}= {written}"
    return f"{f'{line} / {comment}' if comment else line:{_CARD}}"[:_CARD]


def _continued(keyword: str, text: str) -> str:
    """Return a text too long for one card, over several (FITS 4.0, section 4.2.1.2)."""
    lines, rest = [], text.rstrip(" ")
    opening = f"{keyword:8}= "
    while rest:
        piece, room = "", _TEXT - 1
        while rest and (needed := 2 if rest[0] == "'" else 1) <= room:
            piece, rest, room = piece + rest[0], rest[1:], room - needed
        lines.append(f"{opening}{_quoted(piece + '&' if rest else piece)}")
        opening = "CONTINUE  "
    return "".join(f"{line:{_CARD}}" for line in lines)


def _quoted(text: str) -> str:
    escaped = text.replace("'", "''")
    return f"'{escaped:8}'"
