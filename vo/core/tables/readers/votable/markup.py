"""The bytes of an XML document as blocks that a search for tags can trust: UTF-8, no comment, no CDATA, no cut tag."""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator
from typing import IO, cast

from vo.core.errors import TableError
from vo.core.tables.readers.source import BLOCK

_DECLARED = re.compile(rb"""<\?xml[^>]*?\sencoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")
_ACCEPTED = re.compile(r"utf-?(8|16|32)([-_]?[lb]e)?|(us-)?ascii|iso-?8859-\d+|latin-?\d|(windows|cp)-?125\d")
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark begins alike
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_BY_ZEROS = {
    b"\0\0\0\1": "utf-32-be",
    b"\1\0\0\0": "utf-32-le",
    b"\0\1\0\1": "utf-16-be",
    b"\1\0\1\0": "utf-16-le",
}
"""Without a mark: by which bytes of the first characters, which are ASCII, are zero."""
_SPECIAL = re.compile(rb"<!--|<!\[CDATA\[|<\?")
_ENDS = {b"<!--": b"-->", b"<![CDATA[": b"]]>", b"<?": b"?>"}
_PLAIN_DOCTYPE = re.compile(rb"""<!DOCTYPE\s+VOTABLE(?:[^<>\[\]"']|"[^"<>]*"|'[^'<>]*')*>""")
_DECLARATION = re.compile(rb"<!(?![-\[])")
_LONGEST_SPECIAL = 16 << 20
_LONGEST_TAG = 4096


def as_utf8(file: io.BufferedReader) -> IO[bytes]:
    """Return the document's characters in UTF-8 without a byte order mark.

    Raises
    ------
    TableError
        If the declared encoding is none of those in use for XML.
    """
    head = file.peek(200)[:200]
    if head.startswith(codecs.BOM_UTF8):
        file.read(len(codecs.BOM_UTF8))
        return file
    zeros = bytes(byte and 1 for byte in head[:4])
    encoding = next((name for mark, name in _MARKS if head.startswith(mark)), _BY_ZEROS.get(zeros))
    if encoding is None:
        declared = _DECLARED.match(head)
        encoding = "utf-8" if declared is None else declared.group(1).decode().lower()
    if encoding in {"utf-8", "utf8", "ascii", "us-ascii"}:
        return file
    if not _ACCEPTED.fullmatch(encoding):
        raise TableError(f"The document is in the encoding {encoding!r}, which is not read.")
    return cast("IO[bytes]", codecs.EncodedFile(file, "utf-8", encoding))


def plain_blocks(file: io.BufferedReader) -> Iterator[bytes]:
    """Yield the document in blocks of about `BLOCK` bytes.

    Comments and processing instructions are left out and CDATA sections are written as escaped text, so that ``<``
    always begins a tag. No tag is cut by the end of a block.

    Raises
    ------
    TableError
        For a document type declaration that declares something (it could be entities), or an end of the file inside of
        markup. That of VOTable 1.0, which only names a DTD, is left out, and the DTD is not read.
    """
    text = as_utf8(file)
    buffer = unfinished = b""
    started = False
    while chunk := text.read(BLOCK):
        buffer += chunk
        unfinished = b""
        if b"!" in buffer or b"?" in buffer:  # one byte is found much faster than two
            buffer, unfinished = _plain(buffer)
            if not started:
                buffer = _PLAIN_DOCTYPE.sub(b"", buffer, count=1)
            if _DECLARATION.search(buffer):
                raise TableError("The document has a document type declaration (DTD), which is refused.")
            if len(unfinished) > _LONGEST_SPECIAL:
                raise TableError("The document has a comment or CDATA section without an end.")
        cut = len(buffer)
        last = buffer.rfind(b"<")
        if last >= 0 and (cut - last < _LONGEST_TAG or b">" not in buffer[last:]):
            cut = last
        if len(buffer) - cut > _LONGEST_SPECIAL:
            raise TableError("The document has a tag without an end.")
        if cut:
            started = True
            yield buffer[:cut]
        buffer = buffer[cut:] + unfinished
    if unfinished:
        raise TableError("The document ends inside a comment or CDATA section: it is truncated.")
    yield buffer


def _plain(buffer: bytes) -> tuple[bytes, bytes]:
    """Drop comments, write CDATA as escaped text; return that and what begins with a comment … without its end."""
    parts = []
    done = 0
    while (opening := _SPECIAL.search(buffer, done)) is not None:
        closing = _ENDS[opening.group()]
        parts.append(buffer[done : opening.start()])
        end = buffer.find(closing, opening.end())
        if end < 0:
            return b"".join(parts), buffer[opening.start() :]
        if closing == b"]]>":
            text = buffer[opening.end() : end]
            parts.append(text.replace(b"&", b"&amp;").replace(b"<", b"&lt;").replace(b">", b"&gt;"))
        done = end + len(closing)
    return b"".join((*parts, buffer[done:])), b""
