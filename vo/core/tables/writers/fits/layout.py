"""How the columns of a table become fields of a FITS binary table (FITS 4.0, section 7.3)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from vo.core.errors import TableError
from vo.core.tables.columns import INTEGER, Column, Datatype
from vo.core.tables.writers.cells import NATIVE, NULL_INTEGER
from vo.core.tables.writers.fits.cards import Card, ascii_text, on_one_card
from vo.core.tables.writers.fits.facts import Facts

MOST_FIELDS = 999

_LETTERS = {
    Datatype.BOOLEAN: "L",
    Datatype.BIT: "X",
    Datatype.UNSIGNED_BYTE: "B",
    Datatype.SHORT: "I",
    Datatype.INT: "J",
    Datatype.LONG: "K",
    Datatype.CHAR: "A",
    Datatype.UNICODE_CHAR: "A",
    Datatype.FLOAT: "E",
    Datatype.DOUBLE: "D",
    Datatype.FLOAT_COMPLEX: "C",
    Datatype.DOUBLE_COMPLEX: "M",
}
_WIDER = {
    Datatype.UNSIGNED_BYTE: Datatype.SHORT,
    Datatype.SHORT: Datatype.INT,
    Datatype.INT: Datatype.LONG,
}
# STIL takes the count of complex numbers in the heap for one of their parts, and would read half of them.
_IN_THE_HEAP = {Datatype.FLOAT_COMPLEX: Datatype.FLOAT, Datatype.DOUBLE_COMPLEX: Datatype.DOUBLE}
_PADDING = 256 << 20
"""Bytes of padding that texts of different lengths may have before the long ones go to the heap …"""
_PADDED = 8
"""… if they make the column so many times as large."""
_HEAP_OF_32_BITS = 2**31


@dataclass(frozen=True, slots=True)
class Field:
    """A column of a FITS table.

    Attributes
    ----------
    column : Column
        What is written: of a wider datatype than was declared if no integer was left to stand for null, and bits of
        variable length are booleans.
    null : int, optional
        The integer that stands for null.
    form : str
        TFORM.
    dtype : tuple
        NumPy's type, and shape where there is one, of the cell in the row.
    variable : bool
        Whether the values are in the heap, and in the row their number and place.
    heap : int
        Bytes of all values there.
    """

    column: Column
    null: int | None
    form: str
    dtype: tuple[Any, ...]
    variable: bool = False
    heap: int = 0

    def wide(self) -> Field:
        """Return the field for a heap that passes what 32 bits can count."""
        return replace(self, form=self.form.replace("P", "Q", 1), dtype=(">i8", (2,)))


def layout(columns: tuple[Column, ...], facts: list[Facts], rows: int) -> list[Field]:
    """Return the fields of a table of which all is known.

    Raises
    ------
    TableError
        If nulls of a column cannot be told from its values.
    """
    fields = []
    for column, known in zip(columns, facts, strict=True):
        if (column.is_array and column.length is None) or (column.is_text and _is_better_in_the_heap(known, rows)):
            fields.append(_variable_field(column, known))
        else:
            fields.append(_fixed_field(column, known))
    if sum(field.heap for field in fields) < _HEAP_OF_32_BITS:
        return fields
    return [field.wide() if field.variable else field for field in fields]


def _is_better_in_the_heap(known: Facts, rows: int) -> bool:
    fixed = known.longest * rows
    return fixed - known.size > _PADDING and fixed > _PADDED * known.size


def _variable_field(column: Column, known: Facts) -> Field:
    described, null = _with_null(column, known)
    if column.datatype is Datatype.BIT:
        described = replace(column, datatype=Datatype.BOOLEAN)  # astropy and STIL cannot read bits there
    heap = known.size
    if column.datatype in INTEGER:
        heap = heap // NATIVE[column.datatype].itemsize * NATIVE[described.datatype].itemsize
    letter = _LETTERS[_IN_THE_HEAP.get(described.datatype, described.datatype)]
    form = f"1P{letter}({known.longest})"
    return Field(described, null, form, (">i4", (2,)), variable=True, heap=heap)


def _fixed_field(column: Column, known: Facts) -> Field:
    described, null = _with_null(column, known)
    if column.is_text:
        width = max(1, known.longest)
        return Field(described, null, f"{width}A", ("u1", (width,)))
    length = column.length or 0
    form = f"{length // column.parts}{_LETTERS[described.datatype]}"
    if column.datatype is Datatype.BIT and column.is_array:
        return Field(described, null, form, ("u1", ((length + 7) // 8,)))
    element = NATIVE[described.datatype].newbyteorder(">")
    return Field(described, null, form, (element, (length,)) if column.is_array else (element,))


def _with_null(column: Column, known: Facts) -> tuple[Column, int | None]:
    """Return the column, and an integer that is none of its values, for which it may need a wider datatype."""
    datatype = column.datatype
    if datatype not in INTEGER or not known.has_null:
        return column, None
    while True:
        limits = np.iinfo(NATIVE[datatype])
        for candidate in (NULL_INTEGER[datatype], int(limits.min), int(limits.max)):
            if known.least is None or known.greatest is None or not known.least <= candidate <= known.greatest:
                return replace(column, datatype=datatype), candidate
        if datatype not in _WIDER:
            raise TableError(
                f"Column {column.name!r}: no number is left to stand for null in FITS.",
                hint="VOTable can tell them apart.",
            )
        datatype = _WIDER[datatype]


def cards(fields: list[Field]) -> Iterator[Card]:
    """Yield the cards that describe the fields; what STIL knows besides the standard is named as STIL names it."""
    names = _names([field.column.name for field in fields])
    for number, (field, name) in enumerate(zip(fields, names, strict=True), 1):
        column = field.column
        yield Card(f"TTYPE{number}", name)
        yield Card(f"TFORM{number}", field.form)
        if column.unit:
            yield Card(f"TUNIT{number}", on_one_card(ascii_text(column.unit)))
        if field.null is not None and not field.variable:  # where astropy cannot read the table if it is there
            yield Card(f"TNULL{number}", field.null)
        if _has_shape(field):
            yield Card(f"TDIM{number}", f"({str(column.arraysize).replace('x', ',')})")
        for keyword, text in (("TCOMM", column.description), ("TUCD", column.ucd), ("TUTYP", column.utype)):
            if text:
                yield Card(f"{keyword}{number}", text)


def _has_shape(field: Field) -> bool:
    """Return whether TFORM does not say all of the shape: for arrays of more dimensions, and of one element."""
    arraysize = field.column.arraysize
    if arraysize is None or field.variable or field.column.is_text or field.column.datatype is Datatype.BIT:
        return False
    return "x" in arraysize or arraysize == "1"


def _names(names: list[str]) -> list[str]:
    """Return names that FITS can have, each once: readers choose columns by them."""
    unique: dict[str, None] = {}
    for index, name in enumerate(names, 1):
        stem = on_one_card(ascii_text(name).replace("?", "_") if not name.isascii() else ascii_text(name))
        number, candidate = 1, stem or f"column_{index}"
        while candidate in unique:
            number += 1
            candidate = f"{stem[:60]}_{number}"
        unique[candidate] = None
    return list(unique)
