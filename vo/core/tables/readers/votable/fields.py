"""FIELD elements become columns, TABLE and INFO elements the metadata of the table."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lxml import etree

from vo.core.errors import TableError
from vo.core.tables.columns import COMPLEX, FLOATING, TEXT, Column, Datatype
from vo.core.tables.readers.limits import TableLimits
from vo.core.tables.stream import TableMetadata

_ARRAYSIZE = re.compile(r"(\d+x)*(\d+\*?|\*)")
_LONGEST_NUMBER = 18
_OTHER_NAMES = {
    "string": Datatype.CHAR,
    "unicodestring": Datatype.UNICODE_CHAR,
    "bool": Datatype.BOOLEAN,
    "int16": Datatype.SHORT,
    "int32": Datatype.INT,
    "integer": Datatype.INT,
    "int64": Datatype.LONG,
    "float32": Datatype.FLOAT,
    "float64": Datatype.DOUBLE,
}
"""Datatypes that are none, as services have written them, and what they mean."""
_DATATYPES = {datatype.lower(): datatype for datatype in Datatype}
_ISO_TIME = {"timestamp", "adql:timestamp"}


@dataclass(frozen=True, slots=True)
class Field:
    """A FIELD of a table.

    Attributes
    ----------
    column : Column
        What it becomes.
    null : int or float or str, optional
        VALUES null: the value that stands for null; text for text columns.
    """

    column: Column
    null: int | float | str | None = None


def read_fields(table: etree._Element, limits: TableLimits) -> tuple[Field, ...]:
    """Return the FIELDs of a TABLE in order.

    Raises
    ------
    TableError
        If there is none, or one has no valid datatype or arraysize; names the FIELD.
    LimitError
        If there are too many.
    """
    elements = table.findall("{*}FIELD")
    if not elements:
        raise TableError("The TABLE has no FIELD.")
    limits.check_columns(len(elements))
    return tuple(_read_field(element, number) for number, element in enumerate(elements, 1))


def read_metadata(root: etree._Element, table: etree._Element) -> TableMetadata:
    """Return what the document says about a TABLE and, by INFO elements, about itself."""
    rows = table.get("nrows", "")
    return TableMetadata(
        name=table.get("name") or table.get("ID"),
        description=_description(table),
        utype=table.get("utype"),
        rows=int(rows) if rows.isascii() and rows.isdigit() and len(rows) <= _LONGEST_NUMBER else None,
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
    datatype, arraysize = _read_type(element, name)
    if arraysize == "1" and datatype not in TEXT:
        arraysize = None  # many writers say so for a scalar, and readers take it as one
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
    return Field(column, _null(element, column))


def _read_type(element: etree._Element, name: str) -> tuple[Datatype, str | None]:
    written = element.get("datatype", "").strip()
    arraysize = "".join((element.get("arraysize") or "").split()) or None
    datatype = _DATATYPES.get(written.lower())
    if datatype is None:
        datatype = _OTHER_NAMES.get(written.lower())
        if datatype in TEXT and arraysize is None:
            arraysize = "*"
    if datatype is None:
        raise TableError(f"FIELD {name[:100]!r} has the datatype {element.get('datatype', '')[:40]!r}, which is none.")
    sizes = [] if arraysize is None else arraysize.rstrip("*").split("x")
    if arraysize is not None and (not _ARRAYSIZE.fullmatch(arraysize) or max(map(len, sizes)) > _LONGEST_NUMBER):
        raise TableError(f"FIELD {name[:100]!r} has the arraysize {arraysize[:40]!r}, which is none.")
    return datatype, arraysize


def _null(element: etree._Element, column: Column) -> int | float | str | None:
    values = element.find("{*}VALUES")
    text = None if values is None else values.get("null")
    if not text or column.datatype in TEXT | COMPLEX:
        return text if text and column.datatype in TEXT else None
    try:
        return float(text) if column.datatype in FLOATING else int(text, 0)
    except ValueError:
        return None  # a null that is no value of the type marks nothing


def _description(element: etree._Element) -> str | None:
    text = element.findtext("{*}DESCRIPTION")
    return " ".join(text.split()) or None if text else None
