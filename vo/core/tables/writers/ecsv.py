"""ECSV 1.0: CSV below a YAML header in comment lines (Astropy Proposal for Enhancement 6).

The delimiter is a comma, the text UTF-8. Null is an empty cell and the empty text is ``""``; astropy and STIL take both
for null. Arrays are JSON lists in a column of texts, with ``null``, and with ``NaN`` and ``Infinity`` as Python's JSON
has them. Bits are booleans; complex numbers, which ECSV does not know, are pairs of floats. An array of several
dimensions of which the last in VOTable's order varies (``2x*``) is written flat, because astropy reads it no other way.
Where that happens, the column's `meta` has VOTable's `datatype` and `arraysize`.

ECSV has no place for how the rows ended: a comment line behind them is passed over by astropy, and STIL takes it for a
row. So an overflow cannot be marked, and after an error the answer is cut off.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pyarrow as pa

from vo.core.tables.columns import COMPLEX, Column, Datatype
from vo.core.tables.writers.base import Chunk, Outcome, ResultMetadata, Writer
from vo.core.tables.writers.canonical import Canonical
from vo.core.tables.writers.csv import NEEDS_QUOTES, SPECIAL, quoted
from vo.core.tables.writers.text import Spelling, join_rows, texts

SPELLING = Spelling(true="True", false="False")
ELEMENT_SPELLING = Spelling(null_float="null", null_bit="null", brackets=('"[', ']"'))
_DATATYPES = {
    Datatype.BOOLEAN: "bool",
    Datatype.UNSIGNED_BYTE: "uint8",
    Datatype.SHORT: "int16",
    Datatype.INT: "int32",
    Datatype.LONG: "int64",
    Datatype.CHAR: "string",
    Datatype.UNICODE_CHAR: "string",
    Datatype.FLOAT: "float32",
    Datatype.DOUBLE: "float64",
}
# What Python's `splitlines` takes for the end of a line, so that astropy does; in quotes it goes on behind it.
_SEPARATORS = r"[\x0b\x0c\x1c-\x1e\x{85}\x{2028}\x{2029}]"
_SEPARATOR_BYTES = b"\x0b\x0c\x1c\x1d\x1e\xc2\xe2"  # the last two open U+0085, U+2028 and U+2029, among others
_COMMA = pa.scalar(",")
_LINE_END = pa.scalar("\n")
_NOT_ASCII = re.compile(r"[^\x20-\x7e]")


class ECSVWriter(Writer):
    """Writes ECSV.

    Parameters
    ----------
    columns : tuple of Column
        Declared columns, at least one.
    metadata : ResultMetadata
        Name, description and infos become the table's `meta`.
    """

    tells_errors = False

    def __init__(self, columns: tuple[Column, ...], metadata: ResultMetadata) -> None:
        self._columns = columns
        self._forms = tuple(_form(column) for column in columns)
        self._metadata = metadata
        self._canonical = Canonical(columns)

    def begin(self) -> bytes:
        """Return the header and the line of column names."""
        lines = ["%ECSV 1.0", "---", "delimiter: ','", "datatype:"]
        lines += [f"- {_header(column, form)}" for column, form in zip(self._columns, self._forms, strict=True)]
        facts: dict[str, str | None] = {"name": self._metadata.name, "description": self._metadata.description}
        for name, value, text in self._metadata.infos:
            facts[name] = "\n".join(filter(None, (facts.get(name), value, text)))  # there may be several warnings
        if any(facts.values()):
            lines.append(f"meta: {_yaml(facts)}")
        names = ",".join(_quoted(pa.array([column.name for column in self._columns])).to_pylist())
        return "".join([*(f"# {line}\n" for line in lines), names, "\n"]).encode()

    def batch(self, batch: pa.RecordBatch) -> list[Chunk]:
        """Return the rows of a batch."""
        chunks: list[Chunk] = []
        for arrays in self._canonical.pieces(batch):
            written = [_cells(form, array) for form, array in zip(self._forms, arrays, strict=True)]
            if len(written) == 1:
                written = [written[0].fill_null('""')]  # a blank line is no row
            chunks += [*join_rows(written, _COMMA, _LINE_END), b"\n"]
        return chunks

    def end(self, outcome: Outcome) -> list[Chunk]:
        """Return nothing."""
        del outcome
        return []


def _form(column: Column) -> Column:
    """Return a column as ECSV can have it: without bits, complex numbers, and dimensions behind one that varies."""
    datatype, arraysize = column.datatype, column.arraysize
    if datatype is Datatype.BIT:
        datatype = Datatype.BOOLEAN
    elif datatype in COMPLEX:
        datatype = Datatype.FLOAT if datatype is Datatype.FLOAT_COMPLEX else Datatype.DOUBLE
        arraysize = f"{column.parts}x{arraysize}" if arraysize else str(column.parts)
    if column.is_array and column.length is None:
        arraysize = "*"
    return replace(column, datatype=datatype, arraysize=arraysize)


def _header(column: Column, form: Column) -> str:
    """Return a column's entry of the header, with what `form` cannot say in its `meta`."""
    entry: dict[str, Any] = {"name": column.name, "unit": column.unit}
    if form.is_array:
        sizes = (form.arraysize or "").split("x")
        shape = ",".join("null" if size == "*" else size for size in reversed(sizes))
        entry |= {"datatype": "string", "subtype": f"{_DATATYPES[form.datatype]}[{shape}]"}
    else:
        entry["datatype"] = _DATATYPES[form.datatype]
    meta = {"ucd": column.ucd, "utype": column.utype, "xtype": column.xtype}
    if form.datatype is not column.datatype:
        meta["datatype"] = str(column.datatype)
    if form.is_array and form.arraysize != column.arraysize:
        meta["arraysize"] = column.arraysize
    return _yaml(
        entry | {"description": column.description, "meta": {key: value for key, value in meta.items() if value}}
    )


def _cells(form: Column, array: pa.Array) -> pa.StringArray:
    if form.is_array:
        return texts(form, array, ELEMENT_SPELLING)
    written = texts(form, array, SPELLING)
    return _quoted(written) if pa.types.is_string(array.type) else written


def _quoted(array: pa.StringArray) -> pa.StringArray:
    return quoted(array, special=SPECIAL + _SEPARATOR_BYTES, pattern=f"{NEEDS_QUOTES}|{_SEPARATORS}")


def _yaml(facts: Mapping[str, Any]) -> str:
    """Return a mapping as YAML in one line of ASCII, which is what STIL takes ECSV for."""
    line = json.dumps({key: value for key, value in facts.items() if value}, ensure_ascii=False)
    return _NOT_ASCII.sub(lambda match: _escape(ord(match[0])), line)


def _escape(code: int) -> str:
    # Unlike JSON, YAML wants one escape for a character beyond the Basic Multilingual Plane.
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
