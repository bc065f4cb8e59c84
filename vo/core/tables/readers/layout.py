"""What an operator says about a file that does not describe itself, and which rows of a file are wanted.

A layout is part of a catalogue description (YAML). Its `kind` tells what the file is::

    kind: table         a self-describing file: only `nulls` and `keep` can be said (the default)
    kind: records       binary records of one length, perhaps behind a header
    kind: fixed-width   text with columns at fixed bytes, as the byte-by-byte descriptions of CDS give them
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, TypeAdapter, model_validator

from vo.core.tables.columns import TEXT, Column, Datatype

Value: TypeAlias = int | float | str


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Keep(_Model):
    """Keep the rows whose value in one column lies between two limits, both included; rows without a value go."""

    column: str
    """Name of a scalar column."""
    minimum: Value | None = None
    """The smallest value kept."""
    maximum: Value | None = None
    """The largest value kept."""

    @model_validator(mode="after")
    def _has_limit(self) -> Self:
        if self.minimum is None and self.maximum is None:
            raise ValueError("minimum or maximum is needed")
        return self


class _Rows(_Model):
    nulls: dict[str, Value] = {}
    """By column name, the value that means "no value"."""
    keep: tuple[Keep, ...] = ()
    """Conditions that a row must meet, all of them."""


class TableLayout(_Rows):
    """A file that describes itself."""

    kind: Literal["table"] = "table"


class RecordType(StrEnum):
    """Types of a number in a binary record: a letter for the kind and the bytes it takes."""

    I1 = "i1"
    I2 = "i2"
    I4 = "i4"
    I8 = "i8"
    U1 = "u1"
    U2 = "u2"
    U4 = "u4"
    U8 = "u8"
    F4 = "f4"
    F8 = "f8"


class RecordColumn(_Model):
    """One number of a record."""

    name: str
    type: RecordType
    null_value: int | float | None = None
    """The value that means "no value"."""


class RecordCount(_Model):
    """Where the header says how many records follow."""

    offset: int = Field(ge=0)
    """Bytes before the number."""
    type: RecordType = RecordType.U8


class RecordsLayout(_Rows):
    """Binary records of one length."""

    kind: Literal["records"]
    header_bytes: int = Field(default=0, ge=0)
    """Bytes before the first record."""
    magic: str | None = None
    """The characters that the header begins with."""
    count: RecordCount | None = None
    """Where the number of records stands; it is checked against the length of the file."""
    byte_order: Literal["little", "big"] = "little"
    columns: tuple[RecordColumn, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        _refuse_duplicates(column.name for column in self.columns)
        if self.count is not None and self.count.offset + int(self.count.type[1]) > self.header_bytes:
            raise ValueError("the count lies outside the header")
        if self.count is not None and self.count.type[0] == "f":
            raise ValueError("the count is an integer")
        return self


class FixedWidthColumn(_Model):
    """Columns of bytes in each line; a blank field means "no value"."""

    name: str
    first: int = Field(ge=1)
    """First byte, counted from 1."""
    last: int = Field(ge=1)
    """Last byte, included."""
    type: Datatype
    """Type of a value; `char` or `unicodeChar` is text."""
    length: int | None = Field(default=None, ge=1)
    """Number of values of equal width in the field (15 for ``15F7.2``), an array; none for a single value."""
    null_value: Value | None = None
    """A value that means "no value", beside the blank."""

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.last < self.first:
            raise ValueError(f"column {self.name}: last comes before first")
        if (self.last - self.first + 1) % (self.length or 1):
            raise ValueError(f"column {self.name}: {self.last - self.first + 1} bytes do not hold {self.length} values")
        if self.type in {Datatype.FLOAT_COMPLEX, Datatype.DOUBLE_COMPLEX, Datatype.BIT}:
            raise ValueError(f"column {self.name}: {self.type} has no text form of fixed width")
        if self.length is not None and self.type in TEXT:
            raise ValueError(f"column {self.name}: text has no length; its bytes say it")
        if isinstance(self.null_value, str) != (self.type in TEXT) and self.null_value is not None:
            raise ValueError(f"column {self.name}: {self.null_value!r} is no {self.type}")
        return self

    def column(self) -> Column:
        """Return the column as the stack describes it."""
        if self.type in TEXT:
            return Column(self.name, self.type, arraysize="*")
        return Column(self.name, self.type, arraysize=None if self.length is None else str(self.length))


class FixedWidthLayout(_Rows):
    """Text with columns at fixed bytes."""

    kind: Literal["fixed-width"]
    header_lines: int = Field(default=0, ge=0)
    """Lines before the first row."""
    columns: tuple[FixedWidthColumn, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        _refuse_duplicates(column.name for column in self.columns)
        return self


def _refuse_duplicates(names: Any) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ValueError(f"column {name} is described twice")
        seen.add(name)


def _kind(value: Any) -> str | None:
    return value.get("kind", "table") if isinstance(value, dict) else getattr(value, "kind", None)


Layout: TypeAlias = Annotated[
    Annotated[TableLayout, Tag("table")]
    | Annotated[RecordsLayout, Tag("records")]
    | Annotated[FixedWidthLayout, Tag("fixed-width")],
    Discriminator(_kind),
]
"""Any of the three, for a field of a pydantic model."""

_LAYOUT: TypeAdapter[TableLayout | RecordsLayout | FixedWidthLayout] = TypeAdapter(Layout)


def parse_layout(value: object) -> TableLayout | RecordsLayout | FixedWidthLayout:
    """Check a layout given as plain data (from YAML or JSON).

    Raises
    ------
    pydantic.ValidationError
        If it is none.
    """
    return _LAYOUT.validate_python(value)
