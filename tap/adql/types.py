"""How values of the database appear to ADQL and to the client, and how they are written in SQL."""

from __future__ import annotations

import math
from enum import Enum

from vo.core.tables import Column, Datatype


class Kind(Enum):
    """What can be done with a value."""

    NUMBER = "a number"
    TEXT = "a string"
    TIMESTAMP = "a timestamp"
    BOOLEAN = "a boolean"
    POINT = "a point"
    CIRCLE = "a circle"
    POLYGON = "a polygon"
    MOC = "a MOC"
    ARRAY = "an array"
    OPAQUE = "a value without operators"
    NULL = "NULL"


GEOMETRIES = (Kind.POINT, Kind.CIRCLE, Kind.POLYGON)
_SPHERICAL = {"spoint": Kind.POINT, "scircle": Kind.CIRCLE, "spoly": Kind.POLYGON, "smoc": Kind.MOC}
_SHAPES = {"point": Kind.POINT, "circle": Kind.CIRCLE, "polygon": Kind.POLYGON}
INTEGER_RANGES = {"smallint": 2**15, "integer": 2**31, "bigint": 2**63}
"""The first numbers above those of each type; the least number of a type is the negative of it."""

_INTEGERS = tuple(INTEGER_RANGES)
_NUMBERS = (*_INTEGERS, "real", "double precision", "numeric")
SQL_TYPES = {
    Datatype.BOOLEAN: "boolean",
    Datatype.BIT: "boolean",
    Datatype.UNSIGNED_BYTE: "smallint",
    Datatype.SHORT: "smallint",
    Datatype.INT: "integer",
    Datatype.LONG: "bigint",
    Datatype.CHAR: "text",
    Datatype.UNICODE_CHAR: "text",
    Datatype.FLOAT: "real",
    Datatype.DOUBLE: "double precision",
    Datatype.FLOAT_COMPLEX: "real",
    Datatype.DOUBLE_COMPLEX: "double precision",
}
"""PostgreSQL's types that hold each VOTable type; a byte is unsigned, so it takes a smallint."""

_DATATYPES = {
    "smallint": Datatype.SHORT,
    "integer": Datatype.INT,
    "bigint": Datatype.LONG,
    "real": Datatype.FLOAT,
    "double precision": Datatype.DOUBLE,
    "numeric": Datatype.DOUBLE,
}
TIMESTAMP = "timestamp without time zone"
DOUBLE = "double precision"
UNKNOWN = "unknown"
"""PostgreSQL's type of a NULL of which nothing else is known."""

NULL_TYPES = {Kind.NUMBER: DOUBLE, Kind.TEXT: "text", Kind.TIMESTAMP: TIMESTAMP, Kind.BOOLEAN: "boolean"}
"""Types in which a NULL stands where a value of a kind is wanted."""


def kind_of(column: Column, sql_type: str) -> Kind:
    """Return the kind of a column that the database stores as `sql_type`."""
    if sql_type in _SPHERICAL:
        return _SPHERICAL[sql_type]
    if sql_type.endswith("[]"):
        return _SHAPES.get(column.xtype or "", Kind.ARRAY)
    if sql_type in _NUMBERS or sql_type.startswith("numeric"):
        return Kind.NUMBER
    if sql_type.startswith("timestamp") or sql_type == "date":
        return Kind.TIMESTAMP
    if sql_type in {"text", "name", "uuid"} or sql_type.startswith(("character", "varchar", "char")):
        return Kind.TEXT
    if sql_type == UNKNOWN:
        return Kind.NULL
    return Kind.BOOLEAN if sql_type == "boolean" else Kind.OPAQUE


def is_integer(sql_type: str) -> bool:
    """Whether arithmetic on the type stays within the integers."""
    return sql_type in _INTEGERS


def number_column(sql_type: str, name: str = "") -> Column:
    """Return a column of numbers of a type of PostgreSQL."""
    return Column(name, _DATATYPES.get(sql_type, Datatype.DOUBLE))


def text_column(name: str = "") -> Column:
    """Return a column of strings of any length."""
    return Column(name, Datatype.CHAR, "*")


def arithmetic_type(types: list[str]) -> str:
    """Return the type of a sum or product; as in PostgreSQL, real with anything but real is double precision."""
    distinct = set(types)
    if distinct <= set(_INTEGERS):
        return max(distinct, key=_INTEGERS.index)
    return "real" if distinct == {"real"} else DOUBLE


def client_type(column: Column) -> str | None:
    """Return the type that the client's rows must have in PostgreSQL; None where it stays as it is."""
    if column.xtype == "timestamp":
        return TIMESTAMP
    element = SQL_TYPES.get(column.datatype)
    return f"{element}[]" if element is not None and column.is_array else element


def identifier(name: str) -> str:
    """Write an identifier of the database."""
    return '"' + name.replace('"', '""') + '"'


def string_literal(value: str) -> str:
    """Write a string so that it is the same under every setting of the session."""
    quoted = value.replace("'", "''")
    return "E'" + quoted.replace("\\", "\\\\") + "'" if "\\" in quoted else f"'{quoted}'"


def number_literal(value: float) -> str:
    """Write a number as a double; negative ones in parentheses."""
    if not math.isfinite(value):
        return f"'{value!r}'::{DOUBLE}"
    return f"{value!r}::{DOUBLE}" if value >= 0 else f"({value!r}::{DOUBLE})"
