"""Functions of Q3C under their own names, as services that stand on it offer them; all angles are in degrees.

Q3C's own functions do not run in a session of ADQL (see `tap.adql.sky.pixels`): these declare what they mean, and the
index serves them as it serves CONTAINS and DISTANCE.
"""

from __future__ import annotations

from dataclasses import replace

from tap.adql.functions.declaration import DOUBLES, INTEGERS, LONGS, Called, Example, Function, Parameter, number, whole
from tap.adql.functions.gavo import pixel
from tap.adql.operands import Value, combined
from tap.adql.sky.constructors import floating, shape
from tap.adql.sky.geometry import Point, Proximity, Test, check_point, check_radius, distance, sound, within
from tap.adql.sky.shapes import SHAPES
from tap.adql.syntax import ast
from tap.adql.types import DOUBLE, Kind


def _points(values: list[Value]) -> tuple[Point, Point]:
    return check_point(Point(values[0], values[1])), check_point(Point(values[2], values[3]))


def _dist(called: Called) -> Value:
    points = _points(list(map(floating, called.arguments)))
    column = called.function.column
    made = combined(distance(*points), column, DOUBLE, Kind.NUMBER, called.position, called.arguments)
    return replace(made, separation=points)


def _tested(called: Called, condition: str, test: Test) -> Value:
    """Return 1 or 0 for a condition."""
    column = called.function.column
    made = combined(f"({condition})::integer", column, "integer", Kind.NUMBER, called.position, called.arguments)
    return replace(made, condition=condition, test=test)


def _near(called: Called) -> Value:
    """Return whether two points are nearer than a radius."""
    values = list(map(floating, called.arguments))
    near = Proximity(*_points(values), check_radius(values[4]), strict=True)
    return _tested(called, within(near), near)


def _in_ellipse(called: Called) -> Value:
    """Return whether a point is in an ellipse; the circle around it is what an index serves."""
    values = list(map(floating, called.arguments))
    # The joining function has the place of the ellipse first.
    join = "join" in called.function.name
    one, other = _points(values)
    point, centre = (other, one) if join else (one, other)
    ellipse = ", ".join((*sound(point), *sound(centre), *called.sql[4:]))
    near = Proximity(point, centre, check_radius(values[4]), strict=False)
    return _tested(called, f"public.q3c_in_ellipse({ellipse})", near)


def _in_polygon(called: Called) -> Value:
    """Return whether a point is in a polygon, as CONTAINS does."""
    lon, lat = map(floating, called.arguments[:2])
    parts = iter((shape(Kind.POINT, check_point(Point(lon, lat)), lon.position, (lon, lat)), called.arguments[2]))
    node = ast.Call(called.position, "CONTAINS", (ast.Null(called.position), ast.Null(called.position)))
    made = SHAPES["CONTAINS"](node, called.scope, lambda *_: next(parts))
    return replace(made, column=replace(made.column, name=called.function.name))


def _moving(called: Called) -> Value:
    """Return the distance of a moving point from another; Q3C raises an error for an unknown position."""
    known = " AND ".join(f"{called.sql[place]} IS NOT NULL" for place in (0, 1, 5, 6, 7, 8))
    bounded = f"{called.sql[1]} BETWEEN -90 AND 90 AND {called.sql[7]} BETWEEN -90 AND 90"
    column = called.function.column
    sql = f"(CASE WHEN {known} AND {bounded} THEN public.q3c_dist_pm({', '.join(called.sql)}) END)"
    return combined(sql, column, DOUBLE, Kind.NUMBER, called.position, called.arguments)


_DISTANCE = replace(DOUBLES, unit="deg", ucd="pos.angDistance")
_POINT_AND_CENTRE = tuple(map(number, ("ra", "dec", "center_ra", "center_dec")))
_TWO_POINTS = tuple(map(number, ("ra1", "dec1", "ra2", "dec2")))
_ELLIPSE = tuple(map(number, ("semi_major_axis", "axis_ratio", "position_angle")))


def _condition(name: str, parameters: tuple[Parameter, ...], description: str, **rest: object) -> Function:
    return Function(name, parameters, "", INTEGERS, "integer", "INTEGER", description, **rest)  # type: ignore[arg-type]  # rest: fields


FUNCTIONS = (
    Function(
        "q3c_dist",
        _TWO_POINTS,
        "",
        _DISTANCE,
        description="The angular distance of two points; compared with a number by < or <= it uses the sky index.",
        form=_dist,
        examples=(Example("q3c_dist(10, 20, 10, 21)", 1.0),),
    ),
    Function(
        "q3c_dist_pm",
        (
            *map(number, ("ra1", "dec1", "pmra1", "pmdec1")),
            whole("cosdec_flag", "integer", low=0, high=1),
            *map(number, ("epoch1", "ra2", "dec2", "epoch2")),
        ),
        "",
        _DISTANCE,
        description="The angular distance of a point that moves, by mas/yr (in ra times cos(dec) where the flag is 1) "
        "since an epoch in years, from another at a second epoch.",
        form=_moving,
        examples=(Example("q3c_dist_pm(1, 2, 3600, 0, 1, 2000, 1, 2, 2010)", 0.01),),
    ),
    _condition(
        "q3c_join",
        (*_TWO_POINTS, number("radius")),
        "1 if two points are nearer to each other than a radius; else 0. It uses the sky index of either.",
        form=_near,
        examples=(Example("q3c_join(10, 20, 10, 20.5, 1)", 1), Example("q3c_join(10, 20, 10, 20.5, 0.4)", 0)),
    ),
    _condition(
        "q3c_radial_query",
        (*_POINT_AND_CENTRE, number("radius")),
        "1 if a point is nearer to a centre than a radius; else 0. It uses the sky index.",
        form=_near,
        examples=(Example("q3c_radial_query(10, 20, 10, 20.5, 1)", 1),),
    ),
    _condition(
        "q3c_ellipse_query",
        (*_POINT_AND_CENTRE, *_ELLIPSE),
        "1 if a point is in an ellipse around a centre, with its semi-major axis, the ratio of its axes and the angle "
        "of the major one from north through east; else 0. It uses the sky index.",
        form=_in_ellipse,
        examples=(
            Example("q3c_ellipse_query(10, 20.9, 10, 20, 1, 0.5, 0)", 1),
            Example("q3c_ellipse_query(10, 20.9, 10, 20, 1, 0.5, 90)", 0),
        ),
    ),
    _condition(
        "q3c_ellipse_join",
        (*_TWO_POINTS, *_ELLIPSE),
        "1 if the second point is in an ellipse around the first, with its semi-major axis, the ratio of its axes and "
        "the angle of the major one from north through east; else 0. It uses the sky index of either.",
        form=_in_ellipse,
        examples=(Example("q3c_ellipse_join(10, 20, 10, 20.9, 1, 0.5, 0)", 1),),
    ),
    _condition(
        "q3c_poly_query",
        (number("ra"), number("dec"), Parameter("poly", "POLYGON", (Kind.POLYGON,))),
        "1 if a point is in a polygon; else 0. It uses the sky index.",
        form=_in_polygon,
        examples=(Example("q3c_poly_query(0.2, 0.1, POLYGON(0, 0, 1, 0, 0, 1))", 1),),
    ),
    Function(
        "q3c_ang2ipix",
        (number("ra"), number("dec")),
        "",
        LONGS,
        "bigint",
        "BIGINT",
        "The number of the pixel of Q3C that holds a position.",
        form=pixel,
        examples=(Example("q3c_ang2ipix(10, 5)", 2024902647303782244),),
    ),
)
