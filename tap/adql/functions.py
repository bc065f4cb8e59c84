"""The functions of the language, each declared once: arguments, SQL, result and description.

What a service declares about its language (TAPRegExt languageFeatures) derives from these declarations.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum

from tap.adql.dialect import Dialect
from tap.adql.types import DOUBLE, Kind
from vo.core.tables import Column, Datatype

_DOUBLE = Column("", Datatype.DOUBLE)
_INTEGER = Column("", Datatype.INT)
_TEXT = Column("", Datatype.CHAR, "*")


class Unit(Enum):
    """Where the unit of a result comes from."""

    NONE = None
    OF_ARGUMENT = "argument"
    RADIAN = "rad"
    DEGREE = "deg"


@dataclass(frozen=True, slots=True)
class Parameter:
    """An argument: its name and type as a signature shows them, and the kinds that it takes."""

    name: str
    type: str
    kinds: tuple[Kind, ...]


@dataclass(frozen=True, slots=True)
class Function:
    """A function of values.

    Attributes
    ----------
    name : str
        Upper case for the reserved names of ADQL, lower case for functions of the service.
    parameters : tuple of Parameter
        In order; numbers arrive in SQL as double precision.
    sql : str
        Its text in PostgreSQL with the arguments as ``{0}``, ``{1}`` …; a condition if `condition` is set.
    result : Column
        Type of the result, and what is always so of its metadata.
    sql_type : str
        The same in PostgreSQL.
    returns : str
        The same in the signature.
    description : str
        One sentence for users.
    unit : Unit
        The unit of the result.
    fold : callable, optional
        Its value for constant numbers.
    condition : bool
        Whether `sql` is a condition, of which the function is 1 or 0: compared with 1 it stands alone, so that indexes
        serve it.
    aggregate : bool
        Whether it takes a group of rows.
    pgsphere : bool
        Whether it needs pgSphere.
    """

    name: str
    parameters: tuple[Parameter, ...]
    sql: str
    result: Column = _DOUBLE
    sql_type: str = DOUBLE
    returns: str = "DOUBLE"
    description: str = ""
    unit: Unit = Unit.NONE
    fold: Callable[..., float] | None = None
    condition: bool = False
    aggregate: bool = False
    pgsphere: bool = False

    @property
    def signature(self) -> str:
        """The signature as TAPRegExt declares user-defined functions."""
        arguments = ", ".join(f"{parameter.name} {parameter.type}" for parameter in self.parameters)
        return f"{self.name}({arguments}) -> {self.returns}"


def _number(name: str) -> Parameter:
    return Parameter(name, "DOUBLE", (Kind.NUMBER,))


def _text(name: str) -> Parameter:
    return Parameter(name, "TEXT", (Kind.TEXT,))


def _real(name: str) -> Parameter:
    return Parameter(name, "REAL", (Kind.NUMBER,))


def _maths(
    name: str, sql: str, arguments: str = "x", unit: Unit = Unit.NONE, fold: Callable[..., float] | None = None
) -> Function:
    """Declare a mathematical function; all of them yield a double (ADQL 2.1, section 2.3.1)."""
    return Function(name, tuple(map(_number, arguments.split())), sql, unit=unit, fold=fold)


_MATHS = (
    _maths("ABS", "pg_catalog.abs({0})", unit=Unit.OF_ARGUMENT, fold=abs),
    _maths("CEILING", "pg_catalog.ceil({0})", unit=Unit.OF_ARGUMENT, fold=math.ceil),
    _maths("DEGREES", "pg_catalog.degrees({0})", unit=Unit.DEGREE, fold=math.degrees),
    _maths("EXP", "pg_catalog.exp({0})", fold=math.exp),
    _maths("FLOOR", "pg_catalog.floor({0})", unit=Unit.OF_ARGUMENT, fold=math.floor),
    _maths("LOG", "pg_catalog.ln({0})", fold=math.log),
    _maths("LOG10", "pg_catalog.log({0})", fold=math.log10),
    _maths("MOD", f"pg_catalog.mod(({{0}})::numeric, ({{1}})::numeric)::{DOUBLE}", "x y", Unit.OF_ARGUMENT, math.fmod),
    _maths("PI", "pg_catalog.pi()", "", fold=lambda: math.pi),
    _maths("POWER", "pg_catalog.power({0}, {1})", "x y", fold=math.pow),
    _maths("RADIANS", "pg_catalog.radians({0})", unit=Unit.RADIAN, fold=math.radians),
    _maths("SQRT", "pg_catalog.sqrt({0})", fold=math.sqrt),
    _maths("RAND", "pg_catalog.random()", ""),
    _maths("RAND", "pg_catalog.random()"),
    _maths("ROUND", "pg_catalog.round({0})", unit=Unit.OF_ARGUMENT),
    _maths("ROUND", f"pg_catalog.round(({{0}})::numeric, ({{1}})::integer)::{DOUBLE}", "x n", Unit.OF_ARGUMENT),
    _maths("TRUNCATE", "pg_catalog.trunc({0})", unit=Unit.OF_ARGUMENT, fold=math.trunc),
    _maths("TRUNCATE", f"pg_catalog.trunc(({{0}})::numeric, ({{1}})::integer)::{DOUBLE}", "x n", Unit.OF_ARGUMENT),
    _maths("ACOS", "pg_catalog.acos({0})", unit=Unit.RADIAN, fold=math.acos),
    _maths("ASIN", "pg_catalog.asin({0})", unit=Unit.RADIAN, fold=math.asin),
    _maths("ATAN", "pg_catalog.atan({0})", unit=Unit.RADIAN, fold=math.atan),
    _maths("ATAN2", "pg_catalog.atan2({0}, {1})", "y x", Unit.RADIAN, math.atan2),
    _maths("COS", "pg_catalog.cos({0})", fold=math.cos),
    _maths("COT", "pg_catalog.cot({0})"),
    _maths("SIN", "pg_catalog.sin({0})", fold=math.sin),
    _maths("TAN", "pg_catalog.tan({0})", fold=math.tan),
)
_STRINGS = (
    Function("LOWER", (_text("s"),), "pg_catalog.lower({0})", _TEXT, "text"),
    Function("UPPER", (_text("s"),), "pg_catalog.upper({0})", _TEXT, "text"),
)

_INSTANT = (Kind.TIMESTAMP, Kind.TEXT)
_EPOCH = "EXTRACT(epoch FROM ({0})::timestamp without time zone) / 86400"

# Semantics and signatures are those of the Catalogue of ADQL User Defined Functions 1.2.
UDFS = (
    Function(
        "ivo_nocasematch",
        (_text("value"), _text("pattern")),
        "({0} ILIKE {1})",
        _INTEGER,
        "integer",
        "INTEGER",
        "1 if the value matches the LIKE pattern, upper and lower case being equal; else 0.",
        condition=True,
    ),
    Function(
        "ivo_hasword",
        (_text("haystack"), _text("needle")),
        "(pg_catalog.to_tsvector('english'::regconfig, {0}) @@ pg_catalog.plainto_tsquery('english'::regconfig, {1}))",
        _INTEGER,
        "integer",
        "INTEGER",
        "1 if all words of the needle are in the haystack, case and endings of words being ignored; else 0.",
        condition=True,
    ),
    Function(
        "ivo_hashlist_has",
        (_text("hashlist"), _text("item")),
        "(pg_catalog.lower({1}) = ANY (pg_catalog.string_to_array(pg_catalog.lower({0}), '#')))",
        _INTEGER,
        "integer",
        "INTEGER",
        "1 if the item is one of the words, joined by #, of the hashlist, upper and lower case being equal; else 0.",
        condition=True,
    ),
    Function(
        "ivo_string_agg",
        (_text("expression"), _text("delimiter")),
        "COALESCE(pg_catalog.string_agg(({0})::text, ({1})::text), '')",
        _TEXT,
        "text",
        "TEXT",
        "The strings of a group joined by the delimiter; NULLs are left out, an empty group gives an empty string.",
        aggregate=True,
    ),
    Function(
        "ivo_to_jd",
        (Parameter("d", "TIMESTAMP", _INSTANT),),
        f"({_EPOCH} + 2440587.5)::{DOUBLE}",
        Column("", Datatype.DOUBLE, unit="d", ucd="time.epoch"),
        returns="REAL",
        description="The Julian date of a timestamp, no time scale being applied.",
    ),
    Function(
        "ivo_to_mjd",
        (Parameter("d", "TIMESTAMP", _INSTANT),),
        f"({_EPOCH} + 40587)::{DOUBLE}",
        Column("", Datatype.DOUBLE, unit="d", ucd="time.epoch"),
        returns="REAL",
        description="The modified Julian date of a timestamp, no time scale being applied.",
    ),
    Function(
        "ivo_healpix_index",
        (Parameter("order", "INTEGER", (Kind.NUMBER,)), _real("long"), _real("lat")),
        "public.healpix_nest(({0})::integer, public.spoint(pg_catalog.radians({1}), pg_catalog.radians({2})))",
        Column("", Datatype.LONG, ucd="pos.healpix"),
        "bigint",
        "BIGINT",
        "The index, in the NESTED scheme, of the HEALPix pixel of an order that holds a position in degrees.",
        pgsphere=True,
    ),
    Function(
        "ivo_healpix_index",
        (Parameter("order", "INTEGER", (Kind.NUMBER,)), Parameter("p", "POINT", (Kind.POINT,))),
        "public.healpix_nest(({0})::integer, {1})",
        Column("", Datatype.LONG, ucd="pos.healpix"),
        "bigint",
        "BIGINT",
        "The index, in the NESTED scheme, of the HEALPix pixel of an order that holds a point.",
        pgsphere=True,
    ),
)

FUNCTIONS: dict[str, tuple[Function, ...]] = {}
for _function in (*_MATHS, *_STRINGS, *UDFS):
    FUNCTIONS[_function.name] = (*FUNCTIONS.get(_function.name, ()), _function)


@dataclass(frozen=True, slots=True)
class Feature:
    """One form of a language feature, as TAPRegExt declares it."""

    form: str
    description: str | None = None


_TYPE = "ivo://ivoa.net/std/tapregext#features-"
_GEOMETRY = "AREA BOX CENTROID CIRCLE CONTAINS COORD1 COORD2 COORDSYS DISTANCE INTERSECTS POINT POLYGON REGION"


def features(dialect: Dialect) -> dict[str, tuple[Feature, ...]]:
    """Return the optional features of the language by their type in TAPRegExt (ADQL 2.1, section 4)."""
    forms = {
        "adqlgeo": _GEOMETRY.split(),
        "adql-string": ["LOWER", "UPPER", "ILIKE"],
        "adql-common-table": ["WITH"],
        "adql-sets": ["UNION", "EXCEPT", "INTERSECT"],
        "adql-type": ["CAST"],
        "adql-conditional": ["COALESCE"],
        "adql-unit": ["IN_UNIT"],
        "adql-offset": ["OFFSET"],
    }
    declared = {_TYPE + name: tuple(map(Feature, names)) for name, names in forms.items()}
    offered = (function for function in UDFS if dialect.pgsphere or not function.pgsphere)
    declared[_TYPE + "udf"] = tuple(Feature(function.signature, function.description) for function in offered)
    return declared


FEATURES = features(Dialect())
"""The features of the default dialect."""


def result_column(function: Function, unit: str | None) -> Column:
    """Return the metadata of a call, given the unit of its first argument."""
    column = replace(function.result, name=function.name.lower())
    if function.unit is Unit.NONE:
        return column
    return replace(column, unit=unit if function.unit is Unit.OF_ARGUMENT else function.unit.value)
