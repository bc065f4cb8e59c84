"""Functions that users of ESA's Gaia archive know, under the names that they have there.

The archive offers most of them with the prefix ``esdc_`` too; those whose plain names ADQL reserves only so.
"""

from __future__ import annotations

from dataclasses import replace

from tap.adql.errors import ADQLError
from tap.adql.functions.astrometry import ASTROMETRY
from tap.adql.functions.declaration import (
    AS_IT_IS,
    DOUBLES,
    INTEGERS,
    LONGS,
    TEXTS,
    Called,
    Example,
    Function,
    Parameter,
    Unit,
    number,
    renamed,
    text,
    whole,
)
from tap.adql.limits import MAX_PATTERN
from tap.adql.operands import Value, combined
from tap.adql.types import DOUBLE, Kind, kind_of, number_column
from vo.core.tables import Column, Datatype

_MAX_DIMENSIONS = 6
_ARRAY = Parameter("array", "ARRAY", (Kind.ARRAY,), AS_IT_IS)
_MOTION = {function.name: function for function in ASTROMETRY}

# ---- identifiers ----------------------------------------------------------------------------------------------------

# A source_id begins with the pixel of order 12; the rest counts the sources of it.
_PIXEL_BITS = 59


def _source_pixel(called: Called) -> Value:
    """Return the pixel of a source, which is its identifier without the last bits."""
    order, source = called.arguments
    column = called.function.column
    known = isinstance(order.constant, int)
    bits = str(_PIXEL_BITS - 2 * int(order.constant or 0)) if known else f"({_PIXEL_BITS} - 2 * {called.sql[0]})"
    sql = f"({called.sql[1]} >> {bits})"
    if not known:
        sql = f"(CASE WHEN {called.sql[0]} BETWEEN 0 AND 12 THEN {sql} END)"
    made = combined(sql, column, "bigint", Kind.NUMBER, called.position, called.arguments)
    return replace(made, prefix=(source.sql, int(bits))) if known and source.kind is not Kind.NULL else made


_IDENTIFIERS = (
    Function(
        "gaia_healpix_index",
        (whole("order", "integer", low=0, high=12), whole("source_id")),
        "",
        replace(LONGS, ucd="pos.healpix"),
        "bigint",
        "BIGINT",
        "The index, in the NESTED scheme, of the HEALPix pixel of an order up to 12 in which a Gaia source lies, taken "
        "from its source_id; compared with constants by = or BETWEEN it uses the index on source_id.",
        form=_source_pixel,
        examples=(
            Example("gaia_healpix_index(4, 2060294888487267584)", 914),
            Example("gaia_healpix_index(8, 539853444666465792)", 61374),
            Example("gaia_healpix_index(8, 1678668421246394624)", 190842),
        ),
    ),
)

# ---- numbers --------------------------------------------------------------------------------------------------------

_NUMBERS = (
    Function(
        "cbrt",
        (number("x"),),
        "pg_catalog.cbrt({0})",
        description="The cube root.",
        examples=(Example("cbrt(27)", 3.0), Example("cbrt(-8)", -2.0)),
    ),
    Function(
        "sign",
        (number("x"),),
        "pg_catalog.sign({0})",
        description="-1, 0 or 1, as a number is negative, zero or positive.",
        examples=(Example("sign(-0.001)", -1.0),),
    ),
    Function(
        "div",
        (number("y"), number("x")),
        "(CASE WHEN pg_catalog.abs({0}) < pg_catalog.abs({1}) THEN 0 WHEN pg_catalog.abs({0}) <= 1e150 "
        "AND pg_catalog.abs({1}) >= 1e-150 THEN pg_catalog.trunc({0} / {1}) END)",
        description="The quotient of two numbers without its fraction.",
        examples=(Example("div(7, 2)", 3.0), Example("div(7, 0)", None)),
    ),
    Function(
        "width_bucket",
        (number("operand"), number("min"), number("max"), whole("buckets", "integer", low=1, high=2**31 - 2)),
        # PostgreSQL gives any number where the difference of the limits overflows.
        "(CASE WHEN {0} < {1} THEN 0 WHEN {3} = 2147483647 THEN NULL WHEN {0} >= {2} AND {0} < 'NaN' THEN {3} + 1 "
        "WHEN {1} < {2} AND {1} > -8e307 AND {2} < 8e307 AND {3} > 0 AND {0} < 'NaN' "
        "THEN pg_catalog.width_bucket({0}, {1}, {2}, {3}) END)",
        INTEGERS,
        "integer",
        "INTEGER",
        "The number of the bucket, of some equal ones between two limits, in which a number is; 0 below them, one more "
        "than there are above.",
        examples=(Example("width_bucket(5.35, 0.024, 10.06, 5)", 3), Example("width_bucket(10, 0, 10, 5)", 6)),
    ),
)


def _statistic(name: str, sql: str, description: str, prefix: str, unit: Unit) -> Function:
    return Function(name, (number("n"),), sql, description=description, unit=unit, ucd_prefix=prefix, aggregate=True)


_AGGREGATES = (
    _statistic(
        "stddev", "pg_catalog.stddev_samp({0})", "The standard deviation of a sample.", "stat.stdev", Unit.OF_ARGUMENT
    ),
    _statistic("variance", "pg_catalog.var_samp({0})", "The variance of a sample.", "stat.variance", Unit.SQUARE),
)

# ---- conversions ----------------------------------------------------------------------------------------------------

_LIMITS = {"smallint": (15, "SMALLINT"), "integer": (31, "INTEGER"), "bigint": (63, "BIGINT")}


def _conversion(name: str, sql_type: str, datatype: Datatype) -> Function:
    """Declare a conversion; a number beyond the type's range gives NULL."""
    bits, type_name = _LIMITS[sql_type]
    sql = f"(CASE WHEN {{0}} >= -{2.0**bits!r} AND {{0}} < {2.0**bits - 0.5!r} THEN ({{0}})::{sql_type} END)"
    return Function(
        name,
        (Parameter("n", "NUMERIC", (Kind.NUMBER,), AS_IT_IS),),
        sql,
        Column("", datatype),
        sql_type,
        type_name,
        "The number rounded to a whole one; NULL beyond the range of the type.",
        unit=Unit.OF_ARGUMENT,
    )


_PLAIN = Parameter("n", "NUMERIC", (Kind.NUMBER,), AS_IT_IS)
_CONVERSIONS = (
    _conversion("to_smallint", "smallint", Datatype.SHORT),
    _conversion("to_integer", "integer", Datatype.INT),
    _conversion("to_bigint", "bigint", Datatype.LONG),
    Function(
        "to_real",
        (_PLAIN,),
        "(CASE WHEN pg_catalog.abs({0}) BETWEEN 1e-37 AND 3e38 OR {0} = 0 THEN ({0})::real END)",
        Column("", Datatype.FLOAT),
        "real",
        "REAL",
        "The number in single precision; NULL beyond its range.",
        unit=Unit.OF_ARGUMENT,
    ),
    Function("to_double", (number("n"),), "{0}", description="The number in double precision.", unit=Unit.OF_ARGUMENT),
    Function(
        "to_char",
        (_PLAIN,),
        "({0})::text",
        TEXTS,
        "text",
        "TEXT",
        "The number as a string.",
        examples=(Example("to_char(12)", "12"),),
    ),
    Function(
        "to_boolean",
        (_PLAIN,),
        "({0} <> 0)",
        Column("", Datatype.BOOLEAN),
        "boolean",
        "BOOLEAN",
        "Whether a number is not zero.",
        examples=(Example("to_boolean(1)", True),),
    ),
)

# ---- arrays ---------------------------------------------------------------------------------------------------------


def _element(called: Called) -> Value:
    """Return an element of an array, with the metadata of the array."""
    array, *places = called.arguments
    if len(places) > _MAX_DIMENSIONS:
        raise ADQLError(f"An array has at most {_MAX_DIMENSIONS} dimensions.", places[_MAX_DIMENSIONS].position)
    sql = "".join((f"({called.sql[0]})", *(f"[{place}]" for place in called.sql[1:])))
    sql_type = array.sql_type.removesuffix("[]") if array.kind is Kind.ARRAY else DOUBLE
    column = replace(array.column, name=called.function.name, arraysize=None, utype=None, xtype=None)
    kind = kind_of(column, sql_type)
    if kind is Kind.NUMBER:
        column = replace(column, datatype=number_column(sql_type).datatype)
    elif kind is Kind.TEXT:
        column = replace(column, arraysize="*")
    return combined(sql, column, sql_type, kind, called.position, called.arguments)


def _measure(name: str, sql: str, description: str, *parameters: Parameter, **rest: str) -> Function:
    returns = rest.get("returns", "INTEGER")
    column = TEXTS if returns == "TEXT" else INTEGERS
    return Function(name, (_ARRAY, *parameters), sql, column, returns.lower(), returns, description)


def _over(name: str, aggregate: str, description: str, unit: Unit = Unit.OF_ARGUMENT) -> Function:
    """Declare what an aggregate makes of the elements of an array."""
    sql = f"(SELECT pg_catalog.{aggregate}(e.v) FROM pg_catalog.unnest(({{0}})::{DOUBLE}[]) AS e(v))"  # noqa: S608  (our own names)
    return Function(name, (_ARRAY,), sql, description=description, unit=unit)


_ARRAYS = (
    Function(
        "array_element",
        (_ARRAY, whole("i", "integer")),
        "",
        DOUBLES,
        returns="ANY",
        description="An element of an array by its place, from 1; further places for further dimensions.",
        form=_element,
        variadic=True,
        examples=(
            Example(
                "array_element(ivo_epoch_prop(7.606083572, 11.79044105, 125, 300, -428.8, 52.51, 2016, 1992.25), 2)",
                11.793270382827929,
            ),
        ),
    ),
    _measure(
        "array_length", "pg_catalog.array_length({0}, {1})", "The length of a dimension.", whole("dim", "integer")
    ),
    _measure("array_ndims", "pg_catalog.array_ndims({0})", "The number of dimensions of an array."),
    _measure("array_dims", "pg_catalog.array_dims({0})", "The dimensions of an array as a string.", returns="TEXT"),
    _measure("cardinality", "pg_catalog.cardinality({0})", "The number of elements of an array."),
    _over("arr_avg", "avg", "The mean of the elements of an array."),
    _over("arr_max", "max", "The largest element of an array."),
    _over("arr_min", "min", "The smallest element of an array."),
    _over("arr_sum", "sum", "The sum of the elements of an array."),
    _over("arr_stddev", "stddev_samp", "The standard deviation of the elements of an array."),
    renamed(_measure("cardinality", "pg_catalog.cardinality({0})", ""), "arr_count"),
)

# ---- strings --------------------------------------------------------------------------------------------------------


def _string(name: str, sql: str, description: str, *parameters: Parameter, example: Example) -> Function:
    return Function(name, (text("string"), *parameters), sql, TEXTS, "text", "TEXT", description, examples=(example,))


_COUNT = whole("n", "integer")
_STRINGS = (
    _string(
        "esdc_left",
        "pg_catalog.left({0}, {1})",
        "The first n characters; all but the last -n where n is negative.",
        _COUNT,
        example=Example("esdc_left('Gaia', 2)", "Ga"),
    ),
    _string(
        "esdc_right",
        "pg_catalog.right({0}, {1})",
        "The last n characters; all but the first -n where n is negative.",
        _COUNT,
        example=Example("esdc_right('Gaia', 3)", "aia"),
    ),
    _string(
        "esdc_substring",
        "pg_catalog.substr({0}, {1})",
        "The characters from a place, counted from 1, on.",
        whole("start_position", "integer"),
        example=Example("esdc_substring('Gaia', 2)", "aia"),
    ),
    _string(
        "esdc_substring",
        "pg_catalog.substr({0}, {1}, GREATEST({2}, 0))",
        "Some characters from a place, counted from 1, on.",
        whole("start_position", "integer"),
        whole("length", "integer"),
        example=Example("esdc_substring('Gaia', 2, 2)", "ai"),
    ),
    _string(
        "esdc_trim",
        "pg_catalog.btrim({0})",
        "The string without blanks at its ends.",
        example=Example("esdc_trim(' Gaia ')", "Gaia"),
    ),
    _string(
        "esdc_translate",
        f"pg_catalog.translate({{0}}, CASE WHEN pg_catalog.length({{1}}) <= {MAX_PATTERN} THEN {{1}} END, {{2}})",
        "The string with each character of the second argument replaced by that of the third at its place.",
        text("from"),
        text("to"),
        example=Example("esdc_translate('Gaia', 'ai', 'eo')", "Geoe"),
    ),
    Function(
        "esdc_length",
        (text("string"),),
        "pg_catalog.length({0})",
        INTEGERS,
        "integer",
        "INTEGER",
        "The number of characters.",
        examples=(Example("esdc_length('Gaia')", 4),),
    ),
    Function(
        "esdc_position",
        (text("substring"), text("string")),
        f"pg_catalog.strpos({{1}}, CASE WHEN pg_catalog.length({{0}}) <= {MAX_PATTERN} THEN {{0}} END)",
        INTEGERS,
        "integer",
        "INTEGER",
        "The place, from 1, at which a string is found in another; 0 where it is not in it.",
        examples=(Example("esdc_position('ia', 'Gaia')", 3),),
    ),
)

_OWN = (
    *_IDENTIFIERS,
    renamed(_MOTION["ivo_epoch_prop"], "epoch_prop"),
    renamed(_MOTION["ivo_epoch_prop_pos"], "epoch_prop_pos"),
    *_NUMBERS,
    *_AGGREGATES,
    *_CONVERSIONS,
    *_ARRAYS,
    *_STRINGS,
)
_WITH_PREFIX = (
    *("epoch_prop", "epoch_prop_pos", "stddev", "array_element", "array_length", "array_ndims", "array_dims"),
    *("cardinality", "to_smallint", "to_integer", "to_bigint", "to_real", "to_double", "to_char", "to_boolean"),
)
FUNCTIONS = (*_OWN, *(renamed(function, f"esdc_{function.name}") for function in _OWN if function.name in _WITH_PREFIX))
