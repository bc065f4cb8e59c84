"""Functions that an operator declares in a file, as docs/operator/functions.md describes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from string import Formatter
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tap.adql.functions import SHIPPED
from tap.adql.functions.declaration import AS_IT_IS, Function, FunctionSet, Parameter
from tap.adql.syntax.words import RESERVED
from tap.adql.types import DOUBLE, TIMESTAMP, Kind
from vo.core.errors import ConfigurationError
from vo.core.tables import Column, Datatype

_SIGNATURE = re.compile(
    r"\s*([A-Za-z][A-Za-z0-9_]*)\s*\((.*)\)\s*->\s*([A-Za-z ]+?(?:\[\d*\])?)\s*", re.ASCII | re.DOTALL
)
_PARAMETER = re.compile(r"\s*([A-Za-z][A-Za-z0-9_]*)\s+([A-Za-z ]+?(?:\[\])?)\s*", re.ASCII)
_MAX_NAME = 60

# By the name of the type in a signature: what an argument may be, the type in which it arrives, the type of a result.
_NUMBERS = {
    "SMALLINT": ("integer", "smallint", Datatype.SHORT),
    "INTEGER": ("integer", "integer", Datatype.INT),
    "BIGINT": ("bigint", "bigint", Datatype.LONG),
    "REAL": (DOUBLE, "real", Datatype.FLOAT),
    "DOUBLE": (DOUBLE, DOUBLE, Datatype.DOUBLE),
    "DOUBLE PRECISION": (DOUBLE, DOUBLE, Datatype.DOUBLE),
}
_TEXTS = ("TEXT", "VARCHAR", "CHAR")
_GEOMETRIES = {"POINT": (Kind.POINT, "2"), "CIRCLE": (Kind.CIRCLE, "3"), "POLYGON": (Kind.POLYGON, "*")}


class _Entry(BaseModel):
    """One function of the file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    signature: str
    sql: Annotated[str, Field(min_length=1, max_length=10_000)]
    description: Annotated[str, Field(min_length=1)]
    unit: str | None = None
    ucd: str | None = None
    xtype: str | None = None
    condition: bool = False
    aggregate: bool = False


class _File(BaseModel):
    """The whole file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    functions: list[_Entry]


def read_functions(path: Path, shipped: FunctionSet = SHIPPED) -> tuple[Function, ...]:
    """Read a file of declarations.

    Raises
    ------
    ConfigurationError
        If the file cannot be read or an entry is wrong; it names both.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        entries = _File.model_validate(content).functions
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigurationError(f"The functions of {path} cannot be read: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        raise ConfigurationError(f"{path}, {place}: {first['msg']}.", hint=_HINT) from None
    found: list[Function] = []
    for i, entry in enumerate(entries):
        try:
            function = _declared(entry)
            _check_name(function, shipped, found)
        except ValueError as error:
            raise ConfigurationError(f"{path}, functions.{i} ({entry.signature[:60]}): {error}", hint=_HINT) from None
        found.append(function)
    return tuple(found)


_HINT = "docs/operator/functions.md shows how functions are declared."


def check_function_sql(function: Function) -> str:
    """Return a query that calls a function with NULLs: it runs if the declaration suits the database."""
    nulls = [f"NULL::{_null_type(parameter)}" for parameter in function.parameters]
    return f"SELECT {function.sql.format(*nulls)} AS c0"


def _null_type(parameter: Parameter) -> str:
    if parameter.kinds[0].name in _GEOMETRIES:
        return {"POINT": "public.spoint", "CIRCLE": "public.scircle"}.get(parameter.kinds[0].name, "public.spoly")
    if parameter.kinds[0] is Kind.ARRAY:
        return f"{_NUMBERS[parameter.type.removesuffix('[]')][1]}[]"
    return {Kind.TIMESTAMP: TIMESTAMP, Kind.BOOLEAN: "boolean"}.get(parameter.kinds[0], parameter.sql_type or "text")


# ---- entries --------------------------------------------------------------------------------------------------------


def _declared(entry: _Entry) -> Function:
    """Return the declaration that an entry makes."""
    found = _SIGNATURE.fullmatch(entry.signature)
    if found is None:
        raise ValueError("the signature is not of the form name(argument TYPE, ...) -> TYPE.")
    name, arguments, returns = found[1].lower(), found[2], found[3].upper()
    parameters = tuple(map(_parameter, arguments.split(","))) if arguments.strip() else ()
    if len({parameter.name for parameter in parameters}) < len(parameters):
        raise ValueError("two arguments have the same name.")
    column, sql_type = _result(returns, entry)
    if entry.condition and (returns != "INTEGER" or entry.aggregate):
        raise ValueError("a condition returns INTEGER and is no aggregate.")
    sql = _template(entry.sql, [parameter.name for parameter in parameters])
    return Function(
        name,
        parameters,
        f"({sql})" if entry.condition else f"({sql})::{sql_type}",
        column,
        sql_type,
        returns,
        entry.description,
        condition=entry.condition,
        aggregate=entry.aggregate,
    )


def _parameter(text: str) -> Parameter:
    """Return the parameter that a part of a signature declares."""
    found = _PARAMETER.fullmatch(text)
    if found is None:
        raise ValueError(f"the argument {text.strip()[:40]!r} is not of the form name TYPE.")
    name, wanted = found[1], " ".join(found[2].upper().split())
    if wanted in _NUMBERS:
        return Parameter(name, wanted, (Kind.NUMBER,), _NUMBERS[wanted][0])
    if wanted in _TEXTS:
        return Parameter(name, wanted, (Kind.TEXT,), "text")
    if wanted == "TIMESTAMP":
        return Parameter(name, wanted, (Kind.TIMESTAMP, Kind.TEXT), AS_IT_IS)
    if wanted == "BOOLEAN":
        return Parameter(name, wanted, (Kind.BOOLEAN,), AS_IT_IS)
    if wanted in _GEOMETRIES:
        return Parameter(name, wanted, (_GEOMETRIES[wanted][0],), "spherical")
    if wanted.endswith("[]") and wanted[:-2] in _NUMBERS:
        return Parameter(name, wanted, (Kind.ARRAY,), AS_IT_IS)
    raise ValueError(f"the type {wanted} of the argument {name} is not known.")


def _result(returns: str, entry: _Entry) -> tuple[Column, str]:
    """Return metadata and type in SQL of a result."""
    given = {"unit": entry.unit, "ucd": entry.ucd, "xtype": entry.xtype}
    element, _, size = returns.partition("[")
    if element in _NUMBERS:
        _, sql_type, datatype = _NUMBERS[element]
        if not size:
            return Column("", datatype, **given), sql_type
        return Column("", datatype, size.removesuffix("]") or "*", **given), f"{sql_type}[]"
    if returns in _TEXTS:
        return Column("", Datatype.CHAR, "*", **given), "text"
    if returns == "TIMESTAMP":
        return Column("", Datatype.CHAR, "*", **{**given, "xtype": "timestamp"}), TIMESTAMP
    if returns == "BOOLEAN":
        return Column("", Datatype.BOOLEAN, **given), "boolean"
    if returns in _GEOMETRIES:
        kind, arraysize = _GEOMETRIES[returns]
        shape = {**given, "unit": entry.unit or "deg", "xtype": kind.name.lower()}
        return Column("", Datatype.DOUBLE, arraysize, **shape), f"{DOUBLE}[]"
    raise ValueError(f"the type {returns} of the result is not known.")


def _template(sql: str, names: Sequence[str]) -> str:
    """Return a template with the places of the arguments for their names."""
    if ";" in sql or "--" in sql:
        raise ValueError("its SQL is one expression, without ; and comments.")
    written = []
    try:
        parts = list(Formatter().parse(sql.strip()))
    except ValueError as error:
        raise ValueError(f"its SQL is no template: {error}.") from None
    for text, name, form, conversion in parts:
        written.append(text.replace("{", "{{").replace("}", "}}"))
        if name is None:
            continue
        if name not in names or form or conversion:
            raise ValueError(f"its SQL has {{{name}}}, which is no argument; braces themselves are written twice.")
        written.append(f"{{{names.index(name)}}}")
    return "".join(written)


def _check_name(function: Function, shipped: FunctionSet, others: Sequence[Function]) -> None:
    """Refuse names that mean something else."""
    if function.name.upper() in RESERVED:
        raise ValueError(f"ADQL reserves the word {function.name.upper()}.")
    if function.name in shipped.by_name:
        raise ValueError(f"the stack has a function {function.name} already.")
    if function.name.startswith("ivo_"):
        raise ValueError("names that begin with ivo_ are the IVOA's.")
    if len(function.name) > _MAX_NAME:
        raise ValueError(f"the name is longer than {_MAX_NAME} characters.")
    same = [other for other in others if other.name == function.name]
    if any(other.aggregate != function.aggregate for other in same):
        raise ValueError("of functions with one name all are aggregates or none.")
    kinds = [tuple(parameter.kinds for parameter in other.parameters) for other in (*same, function)]
    if kinds[-1] in kinds[:-1]:
        raise ValueError(f"there is another {function.name} with the same arguments.")
