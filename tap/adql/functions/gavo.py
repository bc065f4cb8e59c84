"""Functions of GAVO's services (DaCHS), as queries written in TOPCAT for them use them."""

from __future__ import annotations

import math
import re
from dataclasses import replace

from tap.adql.errors import ADQLError
from tap.adql.functions.astrometry import ASTROMETRY, constant_point, stored
from tap.adql.functions.catalogue import STATISTICS, TIMES
from tap.adql.functions.declaration import (
    DOUBLES,
    INTEGERS,
    LONGS,
    TEXTS,
    Called,
    Example,
    Function,
    number,
    real,
    renamed,
    text,
)
from tap.adql.functions.motion import Motion, moved
from tap.adql.operands import Value, combined
from tap.adql.sky.geometry import Point, indexed
from tap.adql.types import DOUBLE, Kind, number_literal
from tap.adql.units import spectral_conversion

_MAX_PATTERN = 200
_REPETITION = re.compile(r"\{(\d+)(?:,(\d*))?\}", re.ASCII)
_MAX_REPEATED = 255
_BACK_REFERENCE = re.compile(r"\\[0-9]")
_SAME = {
    "gavo_to_jd": "ivo_to_jd",
    "gavo_to_mjd": "ivo_to_mjd",
    "gavo_histogram": "ivo_histogram",
    "gavo_normal_random": "ivo_normal_random",
    "gavo_transform": "ivo_geom_transform",
    "gavo_epoch_prop": "ivo_epoch_prop",
    "gavo_epoch_prop_pos": "ivo_epoch_prop_pos",
    "gavo_simbadpoint": "ivo_simbadpoint",
}
_SHARED = {function.name: function for function in (*ASTROMETRY, *TIMES, *STATISTICS)}


def pixel(called: Called) -> Value:
    """Return the pixel of Q3C that holds a position, in the form that an index has where there is one."""
    lon, lat = called.arguments
    column = called.function.column
    sql = f"public.q3c_ang2ipix({called.sql[0]}, {called.sql[1]})"
    if not indexed(Point(lon, lat)):
        known = f"pg_catalog.abs({called.sql[0]}) < 1e15 AND {called.sql[1]} BETWEEN -90 AND 90"
        sql = f"(CASE WHEN {known} THEN {sql} END)"
    return combined(sql, column, "bigint", Kind.NUMBER, called.position, called.arguments)


def _match(called: Called) -> Value:
    """Return whether a string matches a regular expression.

    References to what matched before and products of repetitions are refused: with these PostgreSQL's time grows beyond
    what a pattern may take.
    """
    pattern, string = called.arguments
    written = str(pattern.constant)
    repeated = math.prod(max(1, int(number)) for pair in _REPETITION.findall(written) for number in pair if number)
    if len(written) > _MAX_PATTERN or repeated > _MAX_REPEATED or _BACK_REFERENCE.search(written):
        hint = f"It has at most {_MAX_PATTERN} characters, few repetitions {{m,n}} and no references such as \\1."
        raise ADQLError("The regular expression is not offered.", pattern.position, hint=hint)
    condition = f"({called.sql[1]} ~ {called.sql[0]})"
    column = called.function.column
    made = combined(f"({condition})::integer", column, "integer", Kind.NUMBER, called.position, [string])
    return replace(made, condition=condition)


def _apply_pm(called: Called) -> Value:
    """Return a position after some years; it moves on a great circle, as a star infinitely far would."""
    if all(part.constant is not None for part in called.arguments):
        ra, dec, pmra, pmde, years = (float(part.constant or 0) for part in called.arguments)
        found = moved(Motion(ra, dec, 0, pmra * 3.6e6, pmde * 3.6e6, 0), years)
        if found is not None:
            return constant_point(called, (found.ra, found.dec))
    ra_sql, dec_sql, pmra_sql, pmde_sql, years_sql = called.sql
    motion = ", ".join(
        f"CASE WHEN pg_catalog.abs({sql}) < 1e-20 THEN 0 WHEN pg_catalog.abs({sql}) < 1e5 THEN {sql} * 3600000 END"
        for sql in (pmra_sql, pmde_sql)
    )
    sql = f"(vo_udf.space_motion({ra_sql}, {dec_sql}, 0, {motion}, 0, {years_sql}))[1:2]"
    return stored(called, Kind.POINT, sql)


def _specconv(called: Called) -> Value:
    """Return a wavelength, frequency, wave number or energy in another unit."""
    value, *units = called.arguments
    unit, wanted = value.column.unit, str(units[-1].constant)
    if len(units) == 2:
        given = str(units[0].constant)
        if unit is not None and unit != given:
            called.scope.context.warn(f"{called.function.name} takes a value in {unit} for one in {given}.")
        unit = given
    factor, inverse = spectral_conversion(unit, wanted, called.position)
    constant = None
    if value.constant is not None:
        size = float(value.constant)
        if inverse and size == 0:
            raise ADQLError(f"{called.function.name} is not defined for 0.", value.position)
        constant = factor / size if inverse else factor * size
    size_sql = f"pg_catalog.abs({called.sql[0]})"
    sql = f"{number_literal(factor)} {'/' if inverse else '*'} {called.sql[0]}"
    zero = "" if inverse else f"WHEN {called.sql[0]} = 0 THEN 0 "
    sql = f"(CASE {zero}WHEN {size_sql} BETWEEN 1e-200 AND 1e200 THEN {sql} END)"
    column = replace(called.function.column, unit=wanted, ucd="em")
    return combined(sql, column, DOUBLE, Kind.NUMBER, called.position, [value], constant=constant)


FUNCTIONS = (
    *(renamed(_SHARED[own], name) for name, own in _SAME.items()),
    Function(
        "gavo_apply_pm",
        tuple(map(number, ("ra", "dec", "pmra", "pmde", "epdist"))),
        "",
        DOUBLES,
        f"{DOUBLE}[]",
        "POINT",
        "The position, in degrees, of an object after epdist years; proper motions in degrees per year, that in ra "
        "times cos(dec). ivo_epoch_prop_pos regards distance and radial velocity too.",
        form=_apply_pm,
        examples=(Example("gavo_apply_pm(10, 0, 0.1, 0, 0)", [10.0, 0.0]),),
    ),
    Function(
        "gavo_ipix",
        (real("long"), real("lat")),
        "",
        LONGS,
        "bigint",
        "BIGINT",
        "The number of the pixel of Q3C that holds a position in degrees.",
        form=pixel,
        examples=(Example("gavo_ipix(10, 5)", 2024902647303782244),),
    ),
    Function(
        "gavo_match",
        (text("pattern", literal=True), text("string")),
        "",
        INTEGERS,
        "integer",
        "INTEGER",
        "1 if a POSIX regular expression, a literal string, matches anything in a string; else 0.",
        form=_match,
        examples=(Example("gavo_match('^HD [0-9]+$', 'HD 10')", 1), Example("gavo_match('b+c', 'abd')", 0)),
    ),
    Function(
        "gavo_getauthority",
        (text("ivoid"),),
        "pg_catalog.substring({0}, '^[^:]+://([^/?#]*)')",
        TEXTS,
        "text",
        "TEXT",
        "The authority of an IVOA identifier or another URI.",
        examples=(Example("gavo_getauthority('ivo://org.gavo.dc/foo/bar#baz')", "org.gavo.dc"),),
    ),
    Function(
        "gavo_specconv",
        (number("expr"), text("dest_unit", literal=True)),
        "",
        description="A wavelength, frequency, wave number or energy, whose unit is known, in another unit of any of "
        "these.",
        form=_specconv,
    ),
    Function(
        "gavo_specconv",
        (number("expr"), text("expr_unit", literal=True), text("dest_unit", literal=True)),
        "",
        description="A wavelength, frequency, wave number or energy, given in the unit of the second argument, in "
        "another unit of any of these.",
        form=_specconv,
        examples=(Example("gavo_specconv(500, 'nm', 'THz')", 599.584916), Example("gavo_specconv(2, 'm', 'cm')", 200)),
    ),
)
