"""The functions of the Catalogue of ADQL User Defined Functions 1.2, with its signatures and semantics."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from tap.adql.errors import ADQLError
from tap.adql.functions import healpix, sexagesimal
from tap.adql.functions.astrometry import ASTROMETRY, constant_point, stored
from tap.adql.functions.declaration import (
    DOUBLES,
    INSTANT,
    INTEGERS,
    LONGS,
    TEXTS,
    Called,
    Example,
    Function,
    Parameter,
    literal,
    numeric,
    point,
    real,
    text,
    whole,
)
from tap.adql.limits import MAX_PATTERN
from tap.adql.operands import Value, combined
from tap.adql.sky.geometry import as_point, constant_coordinates
from tap.adql.types import DOUBLE, Kind, number_literal

MAX_BINS = 10_000

# ---- HEALPix --------------------------------------------------------------------------------------------------------


def _order(name: str = "order") -> Parameter:
    return whole(name, "integer", low=0, high=healpix.MAX_ORDER)


def _index(called: Called) -> Value:
    """Return the pixel of a position, which is two numbers or a point."""
    order, *place = called.arguments
    if len(place) == 1 and place[0].kind is Kind.NULL:
        lon_sql = lat_sql = f"NULL::{DOUBLE}"
        known = None
    elif len(place) == 1:
        of = as_point(place[0])
        lon_sql, lat_sql, known = of.lon.sql, of.lat.sql, constant_coordinates(of)
    else:
        lon_sql, lat_sql = called.sql[1:]
        constants = [part.constant for part in place]
        known = (float(constants[0] or 0), float(constants[1] or 0)) if None not in constants else None
    column = called.function.column
    sql = f"vo_udf.healpix_index({called.sql[0]}, {lon_sql}, {lat_sql})"
    index = None
    if known is not None and isinstance(order.constant, int) and abs(known[1]) <= 90:
        index = healpix.index(order.constant, *known)
        sql = f"{index}::bigint"
    return combined(sql, column, "bigint", Kind.NUMBER, called.position, called.arguments, constant=index)


def _centre(called: Called) -> Value:
    """Return the centre of a pixel."""
    order, pixel = (part.constant for part in called.arguments)
    if isinstance(order, int) and isinstance(pixel, int):
        if not 0 <= pixel < healpix.pixels(order):
            raise ADQLError(f"Order {order} has pixels from 0 to {healpix.pixels(order) - 1}.", called.position)
        return constant_point(called, healpix.centre(order, pixel))
    return stored(called, Kind.POINT, f"vo_udf.healpix_center({', '.join(called.sql)})")


_PIXEL = replace(LONGS, ucd="pos.healpix")
_HEALPIX = (
    Function(
        "ivo_healpix_index",
        (_order(), real("long"), real("lat")),
        "",
        _PIXEL,
        "bigint",
        "BIGINT",
        "The index, in the NESTED scheme, of the HEALPix pixel of an order that holds a position in degrees.",
        form=_index,
        examples=(
            Example("ivo_healpix_index(0, 1, 1)", 4),
            Example("ivo_healpix_index(17, 1, 1)", 81609757711),
            Example("ivo_healpix_index(17, 359, -1)", 73009064944),
        ),
    ),
    Function(
        "ivo_healpix_index",
        (_order(), point("p")),
        "",
        _PIXEL,
        "bigint",
        "BIGINT",
        "The index, in the NESTED scheme, of the HEALPix pixel of an order that holds a point.",
        form=_index,
        examples=(
            Example("ivo_healpix_index(0, POINT(1, 1))", 4),
            Example("ivo_healpix_index(17, POINT('ICRS', 1, 1))", 81609757711),
            Example("ivo_healpix_index(17, CENTROID(CIRCLE(359, -1, 3)))", 73009064944),
        ),
    ),
    Function(
        "ivo_healpix_center",
        (_order(), whole("idx")),
        "",
        DOUBLES,
        f"{DOUBLE}[]",
        "POINT",
        "The centre of the HEALPix pixel with an index, in the NESTED scheme, of an order.",
        form=_centre,
        examples=(
            Example("ivo_healpix_center(0, 6)", [180.0, 0.0]),
            Example(
                "ivo_healpix_center(17, ivo_healpix_index(17, 23.4, 56.7))", [23.399843462947466, 56.70016214363192]
            ),
        ),
    ),
)

# ---- text -----------------------------------------------------------------------------------------------------------

_TEXT = (
    Function(
        "ivo_nocasematch",
        (text("value"), text("pattern")),
        f"({{0}} ILIKE CASE WHEN pg_catalog.length({{1}}) <= {MAX_PATTERN} THEN {{1}} END ESCAPE '')",
        INTEGERS,
        "integer",
        "INTEGER",
        "1 if the value matches the LIKE pattern, upper and lower case being equal; else 0.",
        condition=True,
        examples=(
            Example("ivo_nocasematch('abcabc', 'ab%')", 1),
            Example("ivo_nocasematch('ABcabc', 'ab__bc')", 1),
            Example("ivo_nocasematch('abcabc', '%BC')", 1),
            Example("ivo_nocasematch('abcabc', 'ABCABC')", 1),
            Example("ivo_nocasematch('abcabc', 'abcab')", 0),
        ),
    ),
    Function(
        "ivo_hasword",
        (text("haystack"), text("needle")),
        "(pg_catalog.to_tsvector('english'::regconfig, {0}) @@ pg_catalog.plainto_tsquery('english'::regconfig, {1}))",
        INTEGERS,
        "integer",
        "INTEGER",
        "1 if all words of the needle are in the haystack, case and endings of words being ignored; else 0.",
        condition=True,
        examples=(
            Example("ivo_hasword('Miller and Urey have', 'miller')", 1),
            Example("ivo_hasword('Big galaxies', 'galaxy')", 1),
            Example("ivo_hasword('shown that a primordial', 'soup')", 0),
            Example("ivo_hasword('shown that a primordial', 'shown primordial')", 1),
            Example("ivo_hasword('shown that a primordial', 'shown soup')", 0),
        ),
    ),
    Function(
        "ivo_hashlist_has",
        (text("hashlist"), text("item")),
        "(pg_catalog.lower({1}) = ANY (pg_catalog.string_to_array(pg_catalog.lower({0}), '#')))",
        INTEGERS,
        "integer",
        "INTEGER",
        "1 if the item is one of the words, joined by #, of the hashlist, upper and lower case being equal; else 0.",
        condition=True,
        examples=(
            Example("ivo_hashlist_has('red#green#blue', 'red')", 1),
            Example("ivo_hashlist_has('Red#green#blue', 'RED')", 1),
            Example("ivo_hashlist_has('red#green#blue', 're')", 0),
            Example("ivo_hashlist_has('red#green#blue', 'red#green')", 0),
        ),
    ),
    Function(
        "ivo_string_agg",
        (text("expression"), text("delimiter")),
        "COALESCE(pg_catalog.string_agg(({0})::text, ({1})::text), '')",
        TEXTS,
        "text",
        "TEXT",
        "The strings of a group joined by the delimiter; NULLs are left out, an empty group gives an empty string.",
        aggregate=True,
    ),
)

# ---- times ----------------------------------------------------------------------------------------------------------

_INSTANT = Parameter("d", "TIMESTAMP", INSTANT)
_EPOCH = "EXTRACT(epoch FROM ({0})::timestamp without time zone) / 86400"
_DAYS = replace(DOUBLES, unit="d", ucd="time.epoch")
TIMES = (
    Function(
        "ivo_to_jd",
        (_INSTANT,),
        f"({_EPOCH} + 2440587.5)::{DOUBLE}",
        _DAYS,
        returns="REAL",
        description="The Julian date of a timestamp, no time scale being applied.",
        examples=(
            Example("ivo_to_jd(CAST('2000-01-02T12:00:00' AS TIMESTAMP))", 2451546.0),
            Example("ivo_to_jd('1910-12-31T06:00:00')", 2419036.75),
            Example("ivo_to_jd(NULL)", None),
        ),
    ),
    Function(
        "ivo_to_mjd",
        (_INSTANT,),
        f"({_EPOCH} + 40587)::{DOUBLE}",
        _DAYS,
        returns="REAL",
        description="The modified Julian date of a timestamp, no time scale being applied.",
        examples=(
            Example("ivo_to_mjd(CAST('2000-01-02T12:00:00' AS TIMESTAMP))", 51545.5),
            Example("ivo_to_mjd('1910-12-31T06:00:00')", 19036.25),
            Example("ivo_to_mjd(NULL)", None),
        ),
    ),
)

# ---- statistics -----------------------------------------------------------------------------------------------------


def _histogram(called: Called) -> Value:
    """Count by a bin's number, which is computed here: the function of the database only counts."""
    values, low, high, bins = called.arguments
    lower, upper, count = (float(part.constant or 0) for part in (low, high, bins))
    if lower >= upper:
        raise ADQLError("The lower limit of a histogram is less than its upper limit.", low.position)
    if math.isinf(upper - lower):
        raise ADQLError("The limits of a histogram are too far from each other.", low.position)
    size, (value, start, end) = int(count), called.sql[:3]
    number = (
        f"CASE WHEN {value} >= {start} AND {value} < 'NaN' THEN CASE WHEN {value} >= {end} THEN {size + 1} "
        f"ELSE pg_catalog.width_bucket({value}, {start}, {end}, {size}) END ELSE 0 END"
    )
    empty = f"pg_catalog.array_fill(0, ARRAY[{size + 2}])"
    sql = f"COALESCE(vo_udf.histogram({number}, {size + 2}), {empty})"
    column = replace(called.function.column, arraysize=str(size + 2), ucd="meta.number")
    return combined(sql, column, "integer[]", Kind.ARRAY, called.position, [values])


# Box and Muller's transformation of two uniform deviates; 1 - random() is never 0.
_NORMAL = (
    "({0} + {1} * pg_catalog.sqrt(-2 * pg_catalog.ln(1 - pg_catalog.random()))"
    " * pg_catalog.cos(2 * pg_catalog.pi() * pg_catalog.random()))"
)
STATISTICS = (
    Function(
        "ivo_histogram",
        (
            real("val"),
            literal(real("lower")),
            literal(real("upper")),
            literal(whole("nbins", "integer", low=1, high=MAX_BINS)),
        ),
        "",
        INTEGERS,
        "integer[]",
        "INTEGER[]",
        "How many values of a group are in each of nbins equal bins between two limits; the first element counts what "
        "is lower or NULL, the last what is not lower than the upper limit.",
        form=_histogram,
        aggregate=True,
    ),
    Function(
        "ivo_normal_random",
        (real("mu"), real("sigma")),
        _NORMAL,
        returns="REAL",
        description="A random number of the normal distribution with a mean and a standard deviation.",
    ),
)

# ---- intervals ------------------------------------------------------------------------------------------------------

_INTERVALS = (
    Function(
        "ivo_interval_overlaps",
        tuple(map(numeric, ("a1", "b1", "a2", "b2"))),
        "({0} <= {3} AND {2} <= {1} AND {0} <= {1} AND {2} <= {3})",
        INTEGERS,
        "integer",
        "INTEGER",
        "1 if the interval from a1 to b1 overlaps or touches that from a2 to b2; else 0.",
        condition=True,
        examples=(
            Example("ivo_interval_overlaps(-3, -2, 2, 3)", 0),
            Example("ivo_interval_overlaps(-2, 55.3, 2, 3)", 1),
            Example("ivo_interval_overlaps(2, 3, -2, 55.3)", 1),
            Example("ivo_interval_overlaps(-2, 55.3, 3, 2)", 0),
            Example("ivo_interval_overlaps(-2, 2, 2, 3)", 1),
        ),
    ),
    Function(
        "ivo_interval_has",
        (numeric("val"), Parameter("iv", "INTERVAL", (Kind.ARRAY,))),
        "({0} BETWEEN ({1})[1] AND ({1})[2])",
        INTEGERS,
        "integer",
        "INTEGER",
        "1 if a value is in an interval, which is an array of its two limits, both of them inside; else 0.",
        condition=True,
    ),
)

# ---- sexagesimal numbers --------------------------------------------------------------------------------------------


def _angle(called: Called) -> Value:
    """Return the degrees of a string."""
    argument, hours = called.arguments[0], "hms" in called.function.name
    sql, constant = f"vo_udf.sexagesimal({called.sql[0]}, {str(hours).upper()})", None
    if isinstance(argument.constant, str):
        constant = sexagesimal.degrees(argument.constant, hours=hours)
        sql = f"NULL::{DOUBLE}" if constant is None else number_literal(constant)
    column = called.function.column
    return combined(sql, column, DOUBLE, Kind.NUMBER, called.position, called.arguments, constant=constant)


def _degrees(name: str, written: str, example: str, angle: Any, **rest: Any) -> Function:
    return Function(
        name,
        (text(written),),
        "",
        replace(DOUBLES, unit="deg"),
        returns="REAL",
        form=_angle,
        examples=(Example(f"{name}('{example}')", angle), Example(f"{name}('x')", None), *rest.pop("examples")),
        **rest,
    )


_ANGLES = (
    _degrees(
        "ivo_hms_to_degrees",
        "hms",
        "3:34:45.4",
        53.6891667,
        description="The degrees of a string of hours, minutes, seconds: '3:34:45.4', '3h34m45.4s' or '033445.4'; "
        "NULL for another string.",
        examples=(
            Example("ivo_hms_to_degrees('3h34m45.4s')", 53.6891667),
            Example("ivo_hms_to_degrees('3H34M45.4S')", 53.6891667),
            Example("ivo_hms_to_degrees('033445.4')", 53.6891667),
        ),
    ),
    _degrees(
        "ivo_dms_to_degrees",
        "dms",
        "42:9:6.768",
        42.15188,
        description="The degrees of a string of degrees, minutes, seconds: '-42:9:6.768', '42d9m6.768s' or "
        "'420906.768'; NULL for another string.",
        examples=(
            Example("ivo_dms_to_degrees('42d9m6.768s')", 42.15188),
            Example("ivo_dms_to_degrees('42D9M6.768S')", 42.15188),
            Example("ivo_dms_to_degrees('420906.768')", 42.15188),
            Example("ivo_dms_to_degrees('-00:15:00')", -0.25),
            Example("ivo_dms_to_degrees('+00:15:00')", 0.25),
            Example("ivo_dms_to_degrees('-0d15m0s')", -0.25),
            Example("ivo_dms_to_degrees('+0d15m0s')", 0.25),
        ),
    ),
)

FUNCTIONS = (*_HEALPIX, *ASTROMETRY, *_TEXT, *TIMES, *STATISTICS, *_INTERVALS, *_ANGLES)
