"""Column keywords of a FITS header become columns (FITS Standard 4.0, sections 7.2.1, 7.3.1 and 7.3.2)."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from vo.core.errors import TableError
from vo.core.tables.columns import COMPLEX, INTEGER, TEXT, Column, Datatype
from vo.core.tables.readers.cells import WIRE
from vo.core.tables.readers.layout import FixedWidthColumn
from vo.core.tables.readers.rows import cell_size
from vo.core.tables.readers.slices import Integers

_DATATYPES = {
    "L": Datatype.BOOLEAN,
    "X": Datatype.BIT,
    "B": Datatype.UNSIGNED_BYTE,
    "I": Datatype.SHORT,
    "J": Datatype.INT,
    "K": Datatype.LONG,
    "A": Datatype.CHAR,
    "E": Datatype.FLOAT,
    "D": Datatype.DOUBLE,
    "C": Datatype.FLOAT_COMPLEX,
    "M": Datatype.DOUBLE_COMPLEX,
}
_POINTERS = {"P": ">i4", "Q": ">i8"}
_BINARY_FORM = re.compile(
    r"(?P<repeat>\d*)(?:(?P<pointer>[PQ])(?P<item>[LXBIJKAEDCM])|(?P<type>[LXBIJKAEDCM]))(?P<rest>.*)"
)
_ASCII_FORM = re.compile(r"(?P<type>[AIFED])(?P<width>\d+)(\.\d+)?")
_NUMBER = re.compile(r"[-+]?\d+(\.\d*)?([ED][-+]?\d+)?")
_SHAPE = re.compile(r"\(\s*\d+(\s*,\s*\d+)*\s*\)")
_SHIFTED: dict[tuple[Datatype, float], Datatype] = {
    (Datatype.UNSIGNED_BYTE, -128.0): Datatype.SHORT,
    (Datatype.SHORT, 2.0**15): Datatype.INT,
    (Datatype.INT, 2.0**31): Datatype.LONG,
    (Datatype.LONG, 2.0**63): Datatype.LONG,
}
"""Integers of the other signedness, stored with an offset (section 5.2.5), and the types that hold them."""


@dataclass(frozen=True, slots=True)
class BinaryField:
    """A column of a binary table.

    Attributes
    ----------
    column : Column
        What it becomes.
    stored : Datatype
        Type of an element in the file.
    offset : int
        Bytes of the row before the cell.
    count : int
        Elements in the cell; 2 numbers for each complex one. For a variable array, of each unit of its length.
    pointer : str, optional
        For a variable array, NumPy's type of the two numbers in the row: its length and its place in the heap.
    null : int, optional
        TNULL.
    scale, zero : float
        TSCAL and TZERO: value = zero + scale * stored number.
    """

    column: Column
    stored: Datatype
    offset: int
    count: int
    pointer: str | None = None
    null: int | None = None
    scale: float = 1.0
    zero: float = 0.0

    @property
    def size(self) -> int:
        """Bytes that the cell takes in the row."""
        return 2 * np.dtype(self.pointer).itemsize if self.pointer else cell_size(self.stored, self.count)

    def pointers(self, block: Any, rows: int, width: int) -> tuple[Integers, Integers]:
        """Return the lengths of a variable array in some rows and their places in the heap."""
        wire = np.dtype(self.pointer or ">i4")
        pairs = np.ndarray((rows, 2), wire, block, self.offset, (width, wire.itemsize)).astype(np.int64)
        return pairs[:, 0], pairs[:, 1]

    def heap_bytes(self, block: Any, rows: int, width: int, heap_size: int) -> Integers:
        """Return the bytes that the arrays of some rows take in the heap.

        Raises
        ------
        TableError
            If one of them does not lie inside the heap.
        """
        lengths, places = self.pointers(block, rows, width)
        # A length beyond the heap is refused before it is multiplied, lest the product overflows.
        wrong = (lengths < 0) | (lengths > 8 * heap_size) | (places < 0) | (places > heap_size)
        bits = 1 if self.stored is Datatype.BIT else 8 * np.dtype(WIRE[self.stored]).itemsize * self.count
        sizes = (np.where(wrong, 0, lengths) * bits + 7) // 8
        wrong |= (sizes > 0) & (places + sizes > heap_size)
        if wrong.any():
            raise TableError(f"Column {self.column.name!r} has an array outside the heap of the FITS table.")
        return sizes

    def values(self, elements: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Return stored numbers as the numbers that they stand for.

        Raises
        ------
        TableError
            For an unsigned number that no long holds.
        """
        if self.scale == 1.0 and self.zero == 0.0:
            return elements
        if self.scale == 1.0 and (shifted := _SHIFTED.get((self.stored, self.zero))):
            if self.stored is Datatype.LONG:
                # 2^63 is added by flipping the sign bit; what was not negative becomes too large.
                wrong = elements >= 0 if self.null is None else (elements >= 0) & (elements != self.null)
                if wrong.any():
                    raise TableError(f"Column {self.column.name!r} holds a number larger than a long, 2^63 - 1.")
                return elements ^ np.int64(-(1 << 63))
            return elements.astype(WIRE[shifted]) + int(self.zero)
        return elements.astype(np.float64) * self.scale + self.zero

    def null_value(self) -> int | float | None:
        """Return what TNULL has become by `values`."""
        if self.null is None or self.stored not in INTEGER:
            return None
        wire = np.dtype(WIRE[self.stored])
        limits = np.iinfo(wire)
        if not limits.min <= self.null <= limits.max:
            return None
        value = self.values(np.array([self.null], wire))[0]
        return float(value) if value.dtype.kind == "f" else int(value)


@dataclass(frozen=True, slots=True)
class AsciiField:
    """A column of an ASCII table: its place in the row, what it becomes, and the texts that mean null."""

    place: FixedWidthColumn
    column: Column
    nulls: tuple[str, ...]


def binary_fields(header: Any) -> tuple[BinaryField, ...]:
    """Return the columns of a BINTABLE extension in order.

    Raises
    ------
    TableError
        For a TFORM that is none; names the column.
    """
    fields = []
    offset = 0
    for number in range(1, int(header["TFIELDS"]) + 1):
        field = _binary_field(header, number, offset)
        fields.append(field)
        offset += field.size
    return tuple(fields)


def ascii_fields(header: Any) -> tuple[AsciiField, ...]:
    """Return the columns of a TABLE extension in order."""
    return tuple(_ascii_field(header, number) for number in range(1, int(header["TFIELDS"]) + 1))


def _binary_field(header: Any, number: int, offset: int) -> BinaryField:
    name = _name(header, number)
    text = str(header.get(f"TFORM{number}", "")).strip()
    form = _BINARY_FORM.fullmatch(text)
    if form is None:
        raise TableError(f"Column {name!r} has the TFORM {text!r}, which is none.")
    letter = form["item"] or form["type"]
    stored = _DATATYPES[letter]
    parts = 2 if stored in COMPLEX else 1
    repeat = int(form["repeat"] or 1)
    scalable = stored not in {*TEXT, Datatype.BOOLEAN, Datatype.BIT}
    scale = float(header.get(f"TSCAL{number}", 1.0)) if scalable else 1.0
    zero = float(header.get(f"TZERO{number}", 0.0)) if scalable else 0.0
    null = header.get(f"TNULL{number}")
    datatype = stored
    if scale != 1.0 or zero != 0.0:
        if parts == 2:
            raise TableError(f"Column {name!r} holds complex numbers that are scaled, which is not read.")
        datatype = _SHIFTED.get((stored, zero), Datatype.DOUBLE) if scale == 1.0 else Datatype.DOUBLE
    if form["pointer"]:
        arraysize: str | None = "*"
    else:
        arraysize = _arraysize(_sizes(header, number, stored, repeat, form["rest"]), stored)
    return BinaryField(
        column=_column(header, number, name, datatype, arraysize),
        stored=stored,
        offset=offset,
        count=parts if form["pointer"] and repeat else repeat * parts,
        pointer=_POINTERS[form["pointer"]] if form["pointer"] and repeat else None,
        null=null if isinstance(null, int) else None,
        scale=scale,
        zero=zero,
    )


def _sizes(header: Any, number: int, stored: Datatype, repeat: int, rest: str) -> list[int]:
    """Return the shape of a cell: by TDIM where it fits, for text also by the old ``rAw``, else the repeat count."""
    shape = str(header.get(f"TDIM{number}", "")).strip()
    if _SHAPE.fullmatch(shape):
        sizes = [int(size) for size in shape.strip("()").split(",")]
        if math.prod(sizes) == repeat:
            return sizes
    if stored is Datatype.CHAR and rest.isdigit() and 0 < int(rest) < repeat and repeat % int(rest) == 0:
        return [int(rest), repeat // int(rest)]
    return [repeat]


def _arraysize(sizes: list[int], stored: Datatype) -> str | None:
    if sizes == [1] and stored is not Datatype.CHAR:
        return None
    return "x".join(str(size) for size in sizes)


def _ascii_field(header: Any, number: int) -> AsciiField:
    name = _name(header, number)
    text = str(header.get(f"TFORM{number}", "")).strip()
    form = _ASCII_FORM.fullmatch(text)
    if form is None or int(form["width"]) == 0:
        raise TableError(f"Column {name!r} has the TFORM {text!r}, which is none of an ASCII table.")
    if header.get(f"TSCAL{number}", 1) != 1 or header.get(f"TZERO{number}", 0) != 0:
        raise TableError(f"Column {name!r} of an ASCII table is scaled, which is not read.")
    first = int(header[f"TBCOL{number}"])
    last = first + int(form["width"]) - 1
    if first < 1 or last > int(header["NAXIS1"]):
        raise TableError(f"Column {name!r} lies outside the rows of the FITS table.")
    datatype = {"A": Datatype.CHAR, "I": Datatype.LONG}.get(form["type"], Datatype.DOUBLE)
    null = str(header.get(f"TNULL{number}", "")).strip()
    number_null = None
    if datatype is not Datatype.CHAR and _NUMBER.fullmatch(null):
        number_null, null = float(null.replace("D", "E")), ""
    place = FixedWidthColumn(name=name, first=first, last=last, type=datatype, null_value=number_null)
    arraysize = form["width"] if datatype is Datatype.CHAR else None
    return AsciiField(place, _column(header, number, name, datatype, arraysize), (null,) if null else ())


def _name(header: Any, number: int) -> str:
    return str(header.get(f"TTYPE{number}", "")).strip() or f"col{number}"


def _column(header: Any, number: int, name: str, datatype: Datatype, arraysize: str | None) -> Column:
    def text(*keywords: str) -> str | None:
        values = (str(header.get(f"{keyword}{number}", "")).strip() for keyword in keywords)
        return next((value for value in values if value), None)

    xtype = text("TXTYP")
    if xtype == "timestamp" and datatype not in TEXT:
        xtype = None
    return Column(
        name=name,
        datatype=datatype,
        arraysize=arraysize,
        xtype=xtype,
        unit=text("TUNIT"),
        ucd=text("TUCD"),
        utype=text("TUTYP", "TUTYPE"),
        description=text("TCOMM") or _comment(header, number),
    )


def _comment(header: Any, number: int) -> str | None:
    """Return the comment of the card TTYPE, unless it only says that this is a label, as many writers do."""
    comment = str(header.comments[f"TTYPE{number}"]).strip() if f"TTYPE{number}" in header else ""
    return None if not comment or comment.lower().startswith("label for") else comment
