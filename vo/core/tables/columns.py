"""Column metadata: VOTable's words, carried in the fields of an Arrow schema."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import pyarrow as pa


class Datatype(StrEnum):
    """The primitive types of VOTable 1.5, section 2.1, that a table of the stack can hold."""

    BOOLEAN = "boolean"
    BIT = "bit"
    UNSIGNED_BYTE = "unsignedByte"
    SHORT = "short"
    INT = "int"
    LONG = "long"
    CHAR = "char"
    UNICODE_CHAR = "unicodeChar"
    FLOAT = "float"
    DOUBLE = "double"
    FLOAT_COMPLEX = "floatComplex"
    DOUBLE_COMPLEX = "doubleComplex"


TEXT = frozenset({Datatype.CHAR, Datatype.UNICODE_CHAR})
INTEGER = frozenset({Datatype.UNSIGNED_BYTE, Datatype.SHORT, Datatype.INT, Datatype.LONG})
FLOATING = frozenset({Datatype.FLOAT, Datatype.DOUBLE})
COMPLEX = frozenset({Datatype.FLOAT_COMPLEX, Datatype.DOUBLE_COMPLEX})

_ELEMENT: dict[Datatype, pa.DataType] = {
    Datatype.BOOLEAN: pa.bool_(),
    Datatype.BIT: pa.bool_(),
    Datatype.UNSIGNED_BYTE: pa.uint8(),
    Datatype.SHORT: pa.int16(),
    Datatype.INT: pa.int32(),
    Datatype.LONG: pa.int64(),
    Datatype.CHAR: pa.string(),
    Datatype.UNICODE_CHAR: pa.string(),
    Datatype.FLOAT: pa.float32(),
    Datatype.DOUBLE: pa.float64(),
    Datatype.FLOAT_COMPLEX: pa.float32(),
    Datatype.DOUBLE_COMPLEX: pa.float64(),
}
ARRAYSIZE = re.compile(r"(\d{1,9}x)*(\d{1,9}\*?|\*)")
"""What VOTable allows, with sizes that an integer holds."""

_METADATA = ("datatype", "arraysize", "xtype", "unit", "ucd", "utype", "description")


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table, described as a VOTable FIELD describes it.

    Attributes
    ----------
    name : str
        Any text; the name that the client sees.
    datatype : Datatype
        Type of one element.
    arraysize : str, optional
        VOTable array size (``"*"``, ``"5"``, ``"2x3"``, ``"2x*"``); None for a scalar. Text columns always have one.
    xtype : str, optional
        DALI extended type: ``timestamp``, ``point``, ``circle``, ``polygon``, ``interval``, ``moc`` …
    unit, ucd, utype, description : str, optional
        As in VOTable; unit in VOUnits syntax, ucd as UCD1+.
    """

    name: str
    datatype: Datatype
    arraysize: str | None = None
    xtype: str | None = None
    unit: str | None = None
    ucd: str | None = None
    utype: str | None = None
    description: str | None = None

    @property
    def is_text(self) -> bool:
        """Whether a cell is one string (``char`` and ``unicodeChar`` columns that are not arrays of strings)."""
        return self.datatype in TEXT

    @property
    def is_array(self) -> bool:
        """Whether a cell is several numbers or booleans: of an array, or the two parts of a complex number."""
        return (self.arraysize is not None and not self.is_text) or self.datatype in COMPLEX

    @property
    def parts(self) -> int:
        """How many numbers an element is: real and imaginary part of a complex one, else 1."""
        return 2 if self.datatype in COMPLEX else 1

    @property
    def length(self) -> int | None:
        """Number of numbers or booleans (characters for text) of a cell, `parts` an element; None when it varies."""
        if self.arraysize is None:
            return self.parts
        if self.arraysize.endswith("*"):
            return None
        return self.parts * math.prod(int(size) for size in self.arraysize.split("x"))

    @property
    def arrow_type(self) -> pa.DataType:
        """The Arrow type of the column's canonical form.

        Text is ``string``, a timestamp ``timestamp[us]``, an array a ``list`` of its elements in VOTable's order
        (a 2-d array flattened, its shape only in `arraysize`), a complex number a ``list`` of its two parts, an array
        of them one of all parts in order.
        """
        if self.xtype == "timestamp":
            return pa.timestamp("us")
        element = _ELEMENT[self.datatype]
        return pa.list_(element) if self.is_array else element

    def field(self) -> pa.Field:
        """Return the Arrow field that carries this column's metadata."""
        metadata = {key: value for key in _METADATA if (value := getattr(self, key)) is not None}
        return pa.field(self.name, self.arrow_type, nullable=True, metadata=metadata)

    @classmethod
    def from_field(cls, field: pa.Field) -> Column:
        """Read a column from an Arrow field; where it has no metadata of ours, derive them from the Arrow type."""
        stored = {key.decode(): value.decode() for key, value in (field.metadata or {}).items()}
        known: dict[str, Any] = {key: stored[key] for key in _METADATA if key in stored}
        if "datatype" in known:
            known["datatype"] = Datatype(known["datatype"])
        else:
            datatype, arraysize, xtype = votable_type(field.type)
            known["datatype"] = datatype
            known.setdefault("arraysize", arraysize)
            known.setdefault("xtype", xtype)
        return cls(name=field.name, **known)


def votable_type(arrow: pa.DataType) -> tuple[Datatype, str | None, str | None]:
    """Return the VOTable (datatype, arraysize, xtype) that holds every value of an Arrow type.

    Raises
    ------
    TypeError
        If no VOTable type does (unsigned 64-bit integers, nested lists, structs …).
    """
    match arrow:
        case _ if pa.types.is_boolean(arrow):
            return Datatype.BOOLEAN, None, None
        case _ if pa.types.is_uint8(arrow):
            return Datatype.UNSIGNED_BYTE, None, None
        case _ if pa.types.is_int8(arrow) or pa.types.is_int16(arrow):
            return Datatype.SHORT, None, None
        case _ if pa.types.is_uint16(arrow) or pa.types.is_int32(arrow):
            return Datatype.INT, None, None
        case _ if pa.types.is_uint32(arrow) or pa.types.is_int64(arrow):
            return Datatype.LONG, None, None
        case _ if pa.types.is_float16(arrow) or pa.types.is_float32(arrow):
            return Datatype.FLOAT, None, None
        case _ if pa.types.is_float64(arrow) or pa.types.is_decimal(arrow):
            return Datatype.DOUBLE, None, None
        case _ if pa.types.is_string(arrow) or pa.types.is_large_string(arrow) or pa.types.is_string_view(arrow):
            return Datatype.UNICODE_CHAR, "*", None
        case _ if pa.types.is_dictionary(arrow):
            return votable_type(arrow.value_type)
        case _ if pa.types.is_timestamp(arrow) or pa.types.is_date(arrow):
            return Datatype.CHAR, "*", "timestamp"
        case _ if pa.types.is_null(arrow):
            return Datatype.CHAR, "*", None
        case _ if pa.types.is_fixed_size_list(arrow):
            element, arraysize, _ = votable_type(arrow.value_type)
            if arraysize is None:
                return element, str(arrow.list_size), None
        case _ if pa.types.is_list(arrow) or pa.types.is_large_list(arrow):
            element, arraysize, _ = votable_type(arrow.value_type)
            if arraysize is None:
                return element, "*", None
    raise TypeError(f"no VOTable type holds Arrow's {arrow}")


def schema_of(columns: Iterable[Column]) -> pa.Schema:
    """Return the Arrow schema of canonical types that carries the metadata of `columns`."""
    return pa.schema([column.field() for column in columns])


def columns_of(schema: pa.Schema) -> tuple[Column, ...]:
    """Return the columns that an Arrow schema describes."""
    return tuple(Column.from_field(field) for field in schema)
