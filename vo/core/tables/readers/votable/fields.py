"""FIELD elements become columns, TABLE and INFO elements the metadata of the table."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lxml import etree

from vo.core.errors import TableError
from vo.core.tables.columns import FLOATING, TEXT, Column, Datatype
from vo.core.tables.stream import TableMetadata

_ARRAYSIZE = re.compile(r"(\d+x)*(\d+\*?|\*)")
_COMPLEX = {Datatype.FLOAT_COMPLEX: Datatype.FLOAT, Datatype.DOUBLE_COMPLEX: Datatype.DOUBLE}
_ISO_TIME = {"timestamp", "adql:timestamp"}


@dataclass(frozen=True, slots=True)
class Field:
    """A FIELD of a table.

    Attributes
    ----------
    column : Column
        What it becomes. Complex numbers, which Arrow and PostgreSQL have not, become arrays of (real, imaginary)
        pairs: the same bytes and the same text.
    length : int or None
        Elements in a cell of the binary serializations; None where each cell says it.
    parts : int
        Numbers in an element: 2 for a complex one.
    null : int or float or str, optional
        VALUES null: the value that stands for null; text for text columns.
    """

    column: Column
    length: int | None
    parts: int = 1
    null: int | float | str | None = None


def read_fields(table: etree._Element) -> tuple[Field, ...]:
    """Return the FIELDs of a TABLE in order.

    Raises
    ------
    TableError
        If there is none, or one has no valid datatype or arraysize; names the FIELD.
    """
    fields = tuple(_read_field(element, number) for number, element in enumerate(table.iterfind("{*}FIELD"), 1))
    if not fields:
        raise TableError("The TABLE has no FIELD.")
    return fields


def read_metadata(root: etree._Element, table: etree._Element) -> TableMetadata:
    """Return what the document says about a TABLE and, by INFO elements, about itself."""
    rows = table.get("nrows", "")
    return TableMetadata(
        name=table.get("name") or table.get("ID"),
        description=_description(table),
        utype=table.get("utype"),
        rows=int(rows) if rows.isascii() and rows.isdigit() else None,
        infos=_infos(root),
    )


def _infos(root: etree._Element) -> dict[str, str]:
    """Return the values of INFO elements by name; those of one name have a line each."""
    values: dict[str, list[str]] = {}
    for info in root.iter("{*}INFO"):
        if name := info.get("name"):
            values.setdefault(name, []).append(info.get("value") or " ".join((info.text or "").split()))
    return {name: "\n".join(dict.fromkeys(lines)) for name, lines in values.items()}


def _read_field(element: etree._Element, number: int) -> Field:
    name = element.get("name") or element.get("ID") or f"col{number}"
    try:
        datatype = Datatype(element.get("datatype", ""))
    except ValueError:
        raise TableError(f"FIELD {name!r} has the datatype {element.get('datatype')!r}, which is none.") from None
    arraysize = (element.get("arraysize") or "").strip() or None
    if arraysize is not None and not _ARRAYSIZE.fullmatch(arraysize):
        raise TableError(f"FIELD {name!r} has the arraysize {arraysize!r}, which is none.")
    if arraysize == "1" and datatype not in TEXT:
        arraysize = None  # many writers say so for a scalar, and readers take it as one
    parts = 1
    if datatype in _COMPLEX:
        datatype, parts = _COMPLEX[datatype], 2
        arraysize = "2" if arraysize is None else f"2x{arraysize}"
    if datatype in TEXT and arraysize is None:
        arraysize = "1"
    xtype = element.get("xtype")
    if xtype is not None and xtype.lower() in _ISO_TIME:
        xtype = "timestamp" if datatype in TEXT else None
    column = Column(
        name=name,
        datatype=datatype,
        arraysize=arraysize,
        xtype=xtype,
        unit=element.get("unit") or None,
        ucd=element.get("ucd") or None,
        utype=element.get("utype") or None,
        description=_description(element),
    )
    length = None if column.length is None else column.length // parts
    return Field(column, length, parts, _null(element, column))


def _null(element: etree._Element, column: Column) -> int | float | str | None:
    values = element.find("{*}VALUES")
    text = None if values is None else values.get("null")
    if not text or column.datatype in TEXT:
        return text or None
    try:
        return float(text) if column.datatype in FLOATING else int(text, 0)
    except ValueError:
        return None  # a null that is no value of the type marks nothing


def _description(element: etree._Element) -> str | None:
    text = element.findtext("{*}DESCRIPTION")
    return " ".join(text.split()) or None if text else None
