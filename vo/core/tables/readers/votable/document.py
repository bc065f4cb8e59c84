"""A VOTable document read from start to end: its head by lxml, the data of its tables as plain bytes.

The head is looked through for the start tag of a table's data. What comes before it, and what comes behind the data,
goes to one lxml parser, which so sees a well-formed document without the data. The data never become a tree.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from enum import Enum
from typing import cast

from lxml import etree

from vo.core.errors import TableError
from vo.core.tables.readers.limits import TableLimits
from vo.core.tables.readers.votable.markup import plain_blocks

_MAX_HEAD = 32 << 20
_MOST_ELEMENTS = 200_000
"""Bytes and elements of markup that are not data; more than any real description of tables needs."""

_PEEK = 1024
_DATA_TAG = re.compile(rb"""<((?:[\w.-]+:)?(?:TABLEDATA|STREAM))(?=[\s/>])(?:[^<>"']|"[^"<]*"|'[^'<]*')*>""")


class Kind(Enum):
    """How the data of a table are written."""

    NONE = "none"
    TABLEDATA = "TABLEDATA"
    BINARY = "BINARY"
    BINARY2 = "BINARY2"


class Document:
    """A document of which one table is read.

    Parameters
    ----------
    file : io.BufferedReader
        Read once, from start to end.
    limits : TableLimits
        What may be in it.
    """

    def __init__(self, file: io.BufferedReader, limits: TableLimits) -> None:
        self.limits = limits
        self.by_astropy = b"Produced with astropy.io.votable" in file.peek(_PEEK)[:_PEEK]
        """Whether Astropy wrote the document, which counts variable arrays in a way of its own."""
        self._blocks = plain_blocks(file)
        self._buffer = b""
        self._fed = 0
        self._parser = etree.XMLPullParser(
            events=("start",), encoding="utf-8", resolve_entities=False, load_dtd=False, no_network=True, huge_tree=True
        )
        self._closed = False
        self._count = 0
        self._data_tags = 0
        self._root: etree._Element | None = None
        self._last: etree._Element | None = None
        self._tables: list[etree._Element] = []
        self._infos: list[etree._Element] = []
        self.kind = Kind.NONE
        self.data: etree._Element | None = None
        """The TABLEDATA or STREAM of the table that was found, its content not yet read; None if it has no data."""

    @property
    def root(self) -> etree._Element:
        """The VOTABLE element, as far as it was read."""
        if self._root is None:
            raise TableError("The document has no VOTABLE element.")
        return self._root

    def find_table(self, wanted: str | int | None) -> etree._Element:
        """Read up to the data of a table and return its TABLE element.

        Parameters
        ----------
        wanted : str or int, optional
            ``name`` or ``ID``, or the number from 0; by default the first table that has data, else the first.

        Raises
        ------
        TableError
            If there is no such table, or a service's error stands in the place of one.
        """
        seen = 0
        while (data := self._next_data()) is not None:
            if not self._tables:
                raise TableError("The document has data outside a TABLE.")
            found = self._tables[-1] if wanted is None else self._find(wanted, seen)
            seen = len(self._tables)
            if found is not None:
                self._refuse_error()
                if found is self._tables[-1]:  # else one without data, before the table whose data begin here
                    self.data, self.kind = data, _kind(data)
                return found
            for _ in self.content():
                pass
        self._refuse_error()
        found = self._find(0 if wanted is None else wanted, 0)
        if found is None:
            names = ", ".join(repr(table.get("name") or table.get("ID") or "") for table in self._tables[:20])
            which = "" if wanted is None else f" {wanted!r}"
            raise TableError(f"The document has no TABLE{which}" + (f"; its tables: {names}." if names else "."))
        return found

    def content(self) -> Iterator[bytes]:
        """Yield the bytes of the data whose start tag was read last, in blocks that cut no tag.

        Raises
        ------
        TableError
            If the document ends before the data do.
        """
        name = etree.QName(self._last).localname
        end_tag = re.compile(rf"</(?:[\w.-]+:)?{name}\s*>".encode())
        word = name.encode()  # a fixed text is found much faster than a pattern
        while word not in self._buffer or (end := end_tag.search(self._buffer)) is None:
            yield self._buffer
            self._buffer = next(self._blocks, b"")
            if not self._buffer:
                raise TableError("The document ends inside the data of a table: it is truncated.")
        block, self._buffer = self._buffer[: end.start()], self._buffer[end.start() :]
        yield block

    def finish(self) -> None:
        """Read the rest of the document: it must be well-formed, and a service's late error is an error here."""
        while self._next_data() is not None:
            for _ in self.content():
                pass
        self._refuse_error()

    def _next_data(self) -> etree._Element | None:
        """Feed the parser up to and including the next start tag of data; None at the end of the document."""
        while (tag := _DATA_TAG.search(self._buffer)) is None:
            self._feed(self._buffer)
            self._buffer = next(self._blocks, b"")
            if not self._buffer:
                self._close()
                return None
        before, markup = self._buffer[: tag.start()], tag.group()
        self._buffer = self._buffer[tag.end() :]
        if markup.endswith(b"/>"):  # written as a pair of tags, which `content` can end with
            markup = markup[:-2] + b">"
            self._buffer = b"</" + tag.group(1) + b">" + self._buffer
        self._feed(before + markup, data=True)
        return self._last

    def _feed(self, markup: bytes, *, data: bool = False) -> None:
        """Give markup to the parser; `data` tells whether it ends with the start tag of data."""
        expected = self._data_tags + data
        self._fed += len(markup)
        if self._fed > _MAX_HEAD or self._count > _MOST_ELEMENTS:
            raise TableError("The document has too much markup beside the data of its tables.")
        if not markup:
            return
        try:
            self._parser.feed(markup)
        except etree.XMLSyntaxError as error:
            raise TableError(f"The document is not well-formed XML: {error.msg}.") from error
        for _, element in cast("Iterator[tuple[str, etree._Element]]", self._parser.read_events()):
            self._count += 1
            self._last = element
            name = etree.QName(element).localname
            if self._root is None:
                if name != "VOTABLE":
                    raise TableError(f"The document is no VOTable: its root is {name!r}.")
                self._root = element
            if name == "TABLE":
                self._tables.append(element)
            elif name == "INFO":
                self._infos.append(element)
            elif name in {"TABLEDATA", "STREAM"}:
                self._data_tags += 1
        if self._data_tags != expected:  # else rows could be taken for markup and be lost
            raise TableError("The document writes the tags of its data in a way that is not read.")

    def _close(self) -> None:
        if self._closed:
            return
        self._closed = True
        try:
            self._parser.close()
        except etree.XMLSyntaxError as error:
            raise TableError(f"The document is not well-formed XML, or truncated: {error.msg}.") from error

    def _find(self, wanted: str | int, first: int) -> etree._Element | None:
        for number, table in enumerate(self._tables[first:], first):
            if wanted == number or (isinstance(wanted, str) and wanted in (table.get("name"), table.get("ID"))):
                return table
        return None

    def _refuse_error(self) -> None:
        """Raise the error that a service wrote in place of, or behind, a result (DALI 1.1, section 4.4)."""
        for info in self._infos:
            if info.get("name", "").upper() == "QUERY_STATUS" and info.get("value", "").upper() == "ERROR":
                reason = " ".join((info.text or "").split())[:500]
                raise TableError(f"The document reports that its service failed: {reason or 'no reason given'}")


def _kind(data: etree._Element) -> Kind:
    if etree.QName(data).localname == "TABLEDATA":
        return Kind.TABLEDATA
    parent = data.getparent()
    serialization = "" if parent is None else etree.QName(parent).localname
    if serialization == "FITS":
        raise TableError(
            "The table is a FITS stream inside the VOTable, which is not read.", hint="Give the FITS file itself."
        )
    if serialization not in {Kind.BINARY.value, Kind.BINARY2.value}:
        raise TableError(f"The table's STREAM stands in {serialization!r} instead of BINARY or BINARY2.")
    return Kind(serialization)
