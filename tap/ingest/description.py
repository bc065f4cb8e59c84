"""Descriptions of catalogues: Felis-compatible YAML, with keys of our own (``vo:…``) for what Felis cannot say.

Felis is the schema description of the Rubin Observatory: a schema with tables with columns, datatypes in words of its
own and metadata under the prefixes ``ivoa:``, ``votable:``, ``tap:`` and ``fits:``. Keys with other prefixes are other
programs' business and are passed over; keys without a prefix that nobody knows are refused, since they are mistakes.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from vo.core.errors import TableError
from vo.core.tables import Column, Datatype
from vo.core.tables.readers.layout import Layout, TableLayout

MAX_BYTES = 5_000_000

FELIS_TYPES: dict[str, tuple[Datatype, str | None, str | None]] = {
    "boolean": (Datatype.BOOLEAN, None, None),
    "byte": (Datatype.UNSIGNED_BYTE, None, None),
    "short": (Datatype.SHORT, None, None),
    "int": (Datatype.INT, None, None),
    "long": (Datatype.LONG, None, None),
    "float": (Datatype.FLOAT, None, None),
    "double": (Datatype.DOUBLE, None, None),
    "char": (Datatype.CHAR, "*", None),
    "string": (Datatype.CHAR, "*", None),
    "text": (Datatype.CHAR, "*", None),
    "unicode": (Datatype.UNICODE_CHAR, "*", None),
    "timestamp": (Datatype.CHAR, "*", "timestamp"),
}
"""Felis' datatypes as VOTable's (datatype, arraysize, xtype)."""

IDENTIFIER = re.compile(r"[^{}]*[^{}\s][^{}]*\{([^{}]+)\}[^{}]*")
"""What objects are called, with the name of a column in braces."""

PREFIXES = ("mysql:", "postgresql:", "fits:", "ivoa:", "votable:", "tap:", "vo:")


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", populate_by_name=False)

    @model_validator(mode="before")
    @classmethod
    def _know_keys(cls, values: Any) -> Any:
        """Pass over foreign prefixes; name the nearest key where one is unknown."""
        if not isinstance(values, dict):
            return values
        known = {field.alias or name for name, field in cls.model_fields.items()}
        kept = {}
        for key, value in values.items():
            if key in known:
                kept[key] = value
            elif not isinstance(key, str) or not (key.startswith("@") or (":" in key and not key.startswith("vo:"))):
                near = get_close_matches(str(key), known, 1)
                raise ValueError(f"unknown key {key!r}" + (f", did you mean {near[0]!r}?" if near else ""))
        return kept


class ColumnDescription(_Model):
    """A column of a table."""

    name: str
    id: str | None = Field(default=None, alias="@id")
    datatype: str | None = None
    length: int | None = None
    precision: int | None = None
    scale: int | None = None
    nullable: bool = True
    value: Any = None
    autoincrement: bool | None = None
    description: str | None = None
    unit: str | None = Field(default=None, alias="ivoa:unit")
    fits_unit: str | None = Field(default=None, alias="fits:tunit")
    ucd: str | None = Field(default=None, alias="ivoa:ucd")
    utype: str | None = Field(default=None, alias="votable:utype")
    votable_datatype: Datatype | None = Field(default=None, alias="votable:datatype")
    arraysize: str | None = Field(default=None, alias="votable:arraysize", coerce_numbers_to_str=True)
    xtype: str | None = Field(default=None, alias="votable:xtype")
    principal: bool = Field(default=False, alias="tap:principal")
    std: bool = Field(default=False, alias="tap:std")
    column_index: int | None = Field(default=None, alias="tap:column_index")
    source_name: str | None = Field(default=None, alias="vo:source")
    """Name of the column in the file, where it is another one."""
    source_unit: str | None = Field(default=None, alias="vo:source_unit")
    """Unit of the values in the file, where it is another one: they are converted."""
    unique: bool = Field(default=False, alias="vo:unique")
    """Whether no two rows have the same value: an index then makes sure of it."""

    @model_validator(mode="after")
    def _type_known(self) -> Self:
        if self.datatype is not None and self.datatype not in FELIS_TYPES:
            raise ValueError(f"column {self.name}: datatype {self.datatype!r} is none of {', '.join(FELIS_TYPES)}")
        return self

    def column(self) -> Column | None:
        """Return the column described; None where the type is left to the file."""
        if self.votable_datatype is not None:
            datatype, arraysize, xtype = self.votable_datatype, None, None
            if datatype in (Datatype.CHAR, Datatype.UNICODE_CHAR):
                arraysize = "*"
        elif self.datatype is not None:
            datatype, arraysize, xtype = FELIS_TYPES[self.datatype]
        else:
            return None
        return Column(
            name=self.name,
            datatype=datatype,
            arraysize=self.arraysize or arraysize,
            xtype=self.xtype or xtype,
            unit=self.unit or self.fits_unit,
            ucd=self.ucd,
            utype=self.utype,
            description=self.description,
        )


class Position(_Model):
    """The table's main position: what cone searches and cross-matches use."""

    ra: str
    dec: str
    frame: str = "ICRS"
    epoch: str | None = None


class Reference(_Model):
    """Something to read or to cite."""

    text: str
    url: str | None = None
    bibcode: str | None = None
    doi: str | None = None


class Licence(_Model):
    """Under which conditions the data may be used."""

    name: str
    url: str | None = None


class ExampleDescription(_Model):
    """A query to start from."""

    name: str
    query: str
    text: str = ""
    tables: tuple[str, ...] = ()


class TableDescription(_Model):
    """A table of a schema."""

    name: str
    id: str | None = Field(default=None, alias="@id")
    description: str | None = None
    columns: tuple[ColumnDescription, ...] = ()
    primary_key: str | list[str] | None = Field(default=None, alias="primaryKey")
    constraints: list[dict[str, Any]] = []
    indexes: list[dict[str, Any]] = []
    table_index: int | None = Field(default=None, alias="tap:table_index")
    utype: str | None = Field(default=None, alias="votable:utype")
    title: str | None = Field(default=None, alias="vo:title")
    position: Position | None = Field(default=None, alias="vo:position")
    identifiers: tuple[str, ...] = Field(default=(), alias="vo:identifier")
    """What rows are called, the column in braces: ``HIP {hip}``; one, or a list of them."""
    layout: Layout = Field(default_factory=TableLayout, alias="vo:layout")
    references: tuple[Reference, ...] = Field(default=(), alias="vo:references")
    licence: Licence | None = Field(default=None, alias="vo:licence")
    acknowledgement: str | None = Field(default=None, alias="vo:acknowledgement")
    synthetic: str | None = Field(default=None, alias="vo:synthetic")
    """How the values were made, for a table that holds no observations."""
    examples: tuple[ExampleDescription, ...] = Field(default=(), alias="vo:examples")

    @field_validator("identifiers", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _identifiers_lead_to_rows(self) -> Self:
        for pattern in self.identifiers:
            column = IDENTIFIER.fullmatch(pattern)
            if column is None:
                raise ValueError(f"table {self.name}: vo:identifier {pattern!r} is not like 'HIP {{hip}}'")
            if column[1] not in self.unique_columns:
                raise ValueError(f"table {self.name}: the column {column[1]} of vo:identifier is not vo:unique")
        return self

    @property
    def unique_columns(self) -> set[str]:
        """Names of the columns whose values identify a row."""
        unique = {column.name for column in self.columns if column.unique}
        keys = [self.primary_key] if isinstance(self.primary_key, str) else self.primary_key or []
        if len(keys) == 1:
            unique.add(keys[0].rpartition(".")[2].removeprefix("#"))
        return unique

    def curation(self) -> dict[str, Any]:
        """Return what TAP_SCHEMA has no place for, as plain data."""
        names = (
            "title",
            "position",
            "identifiers",
            "references",
            "licence",
            "acknowledgement",
            "synthetic",
            "examples",
        )
        return self.model_dump(include=set(names), exclude_none=True, mode="json")


class SchemaDescription(_Model):
    """A schema: catalogues that belong together."""

    name: str
    id: str | None = Field(default=None, alias="@id")
    description: str | None = None
    version: Any = None
    utype: str | None = Field(default=None, alias="votable:utype")
    schema_index: int | None = Field(default=None, alias="tap:schema_index")
    tables: tuple[TableDescription, ...] = ()

    def table(self, name: str | None) -> TableDescription:
        """Return the description of one table.

        Raises
        ------
        TableError
            If there is no such table, or several and none is named.
        """
        if name is None and len(self.tables) == 1:
            return self.tables[0]
        for table in self.tables:
            if table.name == name:
                return table
        names = ", ".join(table.name for table in self.tables)
        raise TableError(
            f"The description of schema {self.name} has the tables {names}.", hint="Name one with --table SCHEMA.TABLE."
        )


class _Loader(yaml.SafeLoader):
    """YAML's safe loader without anchors, by which a small file could grow without bounds."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.events.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(problem="aliases are not allowed", problem_mark=mark)
        return super().compose_node(parent, index)


def read_description(path: Path) -> SchemaDescription:
    """Read a description.

    Raises
    ------
    TableError
        Naming the file, the place in it and what is wrong.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise TableError(f"{path.name} is larger than {MAX_BYTES} bytes: that is no description.")
        with path.open(encoding="utf-8") as stream:
            content = yaml.load(stream, _Loader)  # noqa: S506  (a safe loader)
    except OSError as error:
        raise TableError(f"The description {path.name} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError as error:
        raise TableError(f"The description {path.name} cannot be read: {error}.") from None
    except yaml.YAMLError as error:
        raise TableError(f"The description {path.name} is not YAML: {_reason(error)}.") from None
    try:
        return SchemaDescription.model_validate(content)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(str(part) for part in item['loc']) or 'top level'}: {item['msg'].removeprefix('Value error, ')}"
            for item in error.errors()[:5]
        )
        raise TableError(f"The description {path.name} is wrong: {problems}.") from None


def _reason(error: yaml.YAMLError) -> str:
    """Return what YAML says is wrong, and where, on one line and without the file's path."""
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return " ".join(str(error).split())
    mark = error.problem_mark
    return f"line {mark.line + 1}, column {mark.column + 1}: {error.problem}"
