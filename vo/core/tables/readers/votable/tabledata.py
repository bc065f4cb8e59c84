"""TABLEDATA: rows of TR and TD elements (VOTable 1.5, section 5.1), taken apart as bytes, not as a tree.

In almost all documents every row is the same sequence of tags, so the positions of ``<`` in a block, found by NumPy,
form a matrix of one row of tags a table row; its columns are the bounds of the cells. A block that is written in
another way (attributes, blanks in tags, character references) is brought into this form by lxml first.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from lxml import etree

from vo.core.errors import TableError
from vo.core.tables.columns import schema_of
from vo.core.tables.readers.slices import Integers, content, gather, strings
from vo.core.tables.readers.source import BLOCK
from vo.core.tables.readers.text import check_width, longest_text, parse_column, text_width
from vo.core.tables.readers.votable.document import Document
from vo.core.tables.readers.votable.fields import Field

_BLOCK = 2 * BLOCK
"""Bytes taken apart at a time: the numbers in them need about a fourth of the room."""

_ROW_END = re.compile(rb"</TR\s*>|<TR\s*/>")
_REFERENCES = (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&apos;", "'"), ("&#13;", "\r"), ("&amp;", "&"))
_OTHER_REFERENCE = re.compile(rb"&(?!(?:lt|gt|quot|apos|amp|#13);)")
_ATTRIBUTES = re.compile(rb"<(T[RD])\s[^>]*?(/?)>")  # as lxml writes them: no ">" in a value
_BLANKS = b" \t\r\n"


def tabledata_batches(document: Document, fields: tuple[Field, ...]) -> Iterator[pa.RecordBatch]:
    """Decode the rows of the table at whose data the document stands.

    Raises
    ------
    TableError
        For a row with more cells than there are FIELDs, or a cell that is no value of its FIELD's type. Cells that are
        missing at the end of a row are null.
    """
    schema = schema_of(field.column for field in fields)
    row = 0
    for block in _whole_rows(document):
        markup, positions = _regular(block, len(fields), row)
        if not len(positions):
            continue
        arrays = [
            _column(markup, positions[:, 2 * index + 1] + 4, positions[:, 2 * index + 2], field, row)
            for index, field in enumerate(fields)
        ]
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)
        row += len(positions)


def fitted_fields(document: Document, fields: tuple[Field, ...]) -> tuple[Field, ...]:
    """Return the fields, those of fixed texts variable where a text of the first rows is longer than declared.

    Writers forget the arraysize, or let it be too small, more often than not; here the markup tells where a text ends.
    """
    fixed = [index for index, field in enumerate(fields) if text_width(field.column) is not None]
    block = next(_whole_rows(document), b"") if fixed else b""
    markup, positions = _regular(block, len(fields), 0)
    fitted = list(fields)
    for index in fixed:
        column = fields[index].column
        cells = _texts(markup, positions[:, 2 * index + 1] + 4, positions[:, 2 * index + 2], fields[index])
        if longest_text(cells, column) > (text_width(column) or 0):
            fitted[index] = replace(fields[index], column=replace(column, arraysize="*"))
    return tuple(fitted)


def _whole_rows(document: Document) -> Iterator[bytes]:
    """Yield the data in blocks of whole rows, their tags without namespace prefix."""
    data = document.data
    prefix = f"{data.prefix}:".encode() if data is not None and data.prefix else b""
    rest = b""
    for chunk in document.content():
        block = chunk.replace(b"<" + prefix, b"<").replace(b"</" + prefix, b"</") if prefix else chunk
        rest = rest + block if rest else block
        if len(rest) < _BLOCK:
            continue
        cut = rest.rfind(b"</TR>") + 5
        if cut < 5:
            cut = max((end.end() for end in _ROW_END.finditer(rest)), default=0)
        if cut:
            yield rest[:cut]
            rest = rest[cut:]
        document.limits.check_row(len(rest))
    if rest:
        yield rest  # whole rows, or else the XML parser will say what is wrong


def _regular(block: bytes, columns: int, row: int) -> tuple[bytes, Integers]:
    """Return the block in regular form and where its tags begin, shape (rows, 2 * columns + 2)."""
    if b"\r" in block:
        block = block.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    forms: tuple[Callable[[], bytes], ...] = (
        lambda: block,
        lambda: block.replace(b"<TD/>", b"<TD></TD>"),
        lambda: _rewritten(block, columns, row),
    )
    has_references = b"&" in block and _OTHER_REFERENCE.search(block) is not None
    for form in forms[2:] if has_references else forms:
        markup = form()
        positions = _positions(markup, columns)
        if positions is not None:
            return markup, positions
    raise TableError(f"Behind row {row} of the table stands something else than TR and TD elements.")


def _positions(markup: bytes, columns: int) -> Integers | None:
    """Return the positions of all tags if each row has the expected ones and nothing but blanks between them."""
    data = np.frombuffer(markup, np.uint8)
    tags = np.flatnonzero(data == ord("<"))
    width = 2 * columns + 2
    if not len(tags) or len(tags) % width or len(markup) < 4:
        return np.empty((0, width), np.int64) if not markup.strip(_BLANKS) else None
    positions = tags.reshape(-1, width)
    heads = np.ndarray((len(data) - 3,), "<u4", markup, strides=(1,))[positions]
    expected = np.frombuffer(b"<TR>" + b"<TD></TD" * columns + b"</TR", "<u4")
    if not (heads == expected).all():
        return None
    closing = np.concatenate((positions[:, 2:-1:2], positions[:, -1:]), axis=1)
    if closing[-1, -1] + 4 >= len(data) or not (data[closing + 4] == ord(">")).all():
        return None
    # The gaps lie behind <TR>, behind each </TD> and behind </TR>, up to the next tag or the end.
    starts = np.concatenate((positions[:, :1] + 4, positions[:, 2::2][:, :columns] + 5, positions[:, -1:] + 5), axis=1)
    ends = np.concatenate((positions[:, 1::2], np.append(positions[1:, 0], len(data))[:, None]), axis=1)
    gaps, _ = content(gather(markup, starts.ravel(), ends.ravel()))
    if gaps.tobytes().strip(_BLANKS) or markup[: positions[0, 0]].strip(_BLANKS):
        return None
    return positions


def _rewritten(block: bytes, columns: int, row: int) -> bytes:
    """Parse a block of rows and write it in regular form: no attributes, no blanks in tags, few references."""
    parser = etree.XMLParser(resolve_entities=False, load_dtd=False, no_network=True, huge_tree=True)
    try:
        rows = etree.fromstring(b'<T xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">' + block + b"</T>", parser)
    except etree.XMLSyntaxError as error:
        raise TableError(f"Behind row {row} the table is not well-formed XML: {error.msg}.") from error
    if rows.find(".//*[@encoding]") is not None:
        raise TableError("The table has TD elements with an encoding of their own, which is not read.")
    for wrong in cast("list[etree._Element]", rows.xpath(f"TR[count(TD) != {columns}]")):
        if len(wrong) > columns:
            number = row + 1 + rows.index(wrong)
            raise TableError(f"Row {number} of the table has {len(wrong)} cells where the table has {columns} columns.")
        wrong.extend([etree.Element("TD") for _ in range(columns - len(wrong))])
    written = etree.tostring(rows, encoding="utf-8", xml_declaration=False)
    inner = _ATTRIBUTES.sub(rb"<\1\2>", written[written.index(b">") + 1 : written.rindex(b"<")])
    return inner.replace(b"<TD/>", b"<TD></TD>")


def _column(markup: bytes, starts: Integers, ends: Integers, field: Field, row: int) -> pa.Array:
    cells = _texts(markup, starts, ends, field)
    check_width(cells, field.column, row)
    null = field.null
    if isinstance(null, str):
        return parse_column(cells, field.column, row=row, nulls=(null,))
    return parse_column(cells, field.column, row=row, null=null)


def _texts(markup: bytes, starts: Integers, ends: Integers, field: Field) -> pa.Array:
    data, offsets = content(gather(markup, starts, ends))
    absent = starts == ends  # an empty TD is null for every type
    cells: Any = strings(data, offsets, absent if absent.any() else None)
    if field.column.is_text and b"&" in markup:
        for reference, character in _REFERENCES:
            cells = pc.replace_substring(cells, reference, character)
    return cells
