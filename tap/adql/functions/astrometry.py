"""Functions of the catalogue that give positions and geometries.

What is made of constants is computed here: a cone around it reaches an index. The rest is a body in the database.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tap.adql.errors import ADQLError
from tap.adql.functions.declaration import (
    DOUBLES,
    Called,
    Example,
    Function,
    Parameter,
    real,
    text,
)
from tap.adql.functions.motion import Motion, moved
from tap.adql.functions.rotations import FRAMES, Matrix, rotated, rotation
from tap.adql.operands import Value, combined
from tap.adql.sky.constructors import shape
from tap.adql.sky.frames import common_frame, read_frame
from tap.adql.sky.geometry import Circle, Point, Polygon, Stored, constant_coordinates, dali_array, number
from tap.adql.types import DOUBLE, GEOMETRIES, Kind


def constant_point(called: Called, place: tuple[float, float], frame: str | None = None) -> Value:
    """Return a point whose coordinates are known."""
    where = Point(number(place[0], called.position), number(place[1], called.position))
    return shape(Kind.POINT, where, called.position, called.arguments, frame)


def stored(called: Called, kind: Kind, sql: str, frame: str | None = None) -> Value:
    """Return a geometry that a function of the database makes, as an array in DALI's order."""
    made = shape(kind, Stored(kind, sql, f"{DOUBLE}[]"), called.position, called.arguments, frame)
    return replace(made, sql=sql)


# ---- motion ---------------------------------------------------------------------------------------------------------

_NEEDED = (0, 1, 6, 7)


def known_motion(called: Called) -> tuple[list[float | None], float] | None:
    """Return the six parameters of a star and the years between the epochs, where all are constants.

    Raises
    ------
    ADQLError
        If NULL is written for the position or an epoch.
    """
    for place in _NEEDED:
        if called.arguments[place].kind is Kind.NULL:
            name = called.function.parameters[place].name
            raise ADQLError(f"{called.function.name} needs {name}.", called.arguments[place].position)
    if any(part.constant is None and part.kind is not Kind.NULL for part in called.arguments):
        return None
    values = [None if part.constant is None else float(part.constant) for part in called.arguments]
    return values[:6], (values[7] or 0) - (values[6] or 0)


def _propagated(called: Called, values: Sequence[float | None], years: float) -> Motion:
    """Return a star's parameters after some years, what is unknown being zero."""
    found = moved(Motion(*(value or 0.0 for value in values)), years)
    if found is None:
        raise ADQLError(f"{called.function.name} is not defined for these numbers.", called.position)
    return found


def _epoch_prop_pos(called: Called) -> Value:
    known = known_motion(called)
    if known is None:
        return stored(called, Kind.POINT, f"vo_udf.epoch_prop_pos({', '.join(called.sql)})")
    found = _propagated(called, *known)
    return constant_point(called, (found.ra, found.dec))


def _epoch_prop(called: Called) -> Value:
    known_motion(called)
    column = called.function.column
    sql = f"vo_udf.epoch_prop({', '.join(called.sql)})"
    return combined(sql, column, f"{DOUBLE}[]", Kind.ARRAY, called.position, called.arguments)


_STAR = tuple(map(real, ("ra", "dec", "parallax", "pmra", "pmdec", "radial_velocity", "ref_epoch", "out_epoch")))
_MOVING = (
    "positions are in degrees, parallax in mas, proper motions in mas/yr (that in ra times cos(dec)), radial velocity "
    "in km/s, epochs in Julian years. An unknown parallax is zero, and so are unknown motions; ra, dec and the epochs "
    "must not be NULL."
)

# ---- frames ---------------------------------------------------------------------------------------------------------


def _transform(called: Called) -> Value:
    """Return a geometry in another frame."""
    start, end, geometry = called.arguments
    for part in (start, end):
        if part.constant not in FRAMES:
            hint = f"{', '.join(FRAMES)} are."
            raise ADQLError(f"The frame {str(part.constant)[:40]!r} is not offered.", part.position, hint=hint)
    if geometry.kind is Kind.NULL:
        raise ADQLError(f"{called.function.name} takes a point, a circle or a polygon, not NULL.", geometry.position)
    context = called.scope.context
    common_frame((replace(geometry, frame=read_frame(str(start.constant), context, start.position)), geometry))
    frame = read_frame(str(end.constant), context, end.position)
    matrix = rotation(str(start.constant), str(end.constant))
    if matrix == rotation("ICRS", "ICRS"):
        return replace(geometry, frame=frame)
    inner = geometry.geometry
    if isinstance(inner, Circle):
        centre = _turned(inner.centre, matrix)
        if centre is not None:
            circle = Circle(centre, inner.radius)
            return shape(Kind.CIRCLE, circle, called.position, called.arguments, frame)
    elif isinstance(inner, Point | Polygon):
        corners = inner.vertices if isinstance(inner, Polygon) else (inner,)
        turned = [corner for part in corners if (corner := _turned(part, matrix)) is not None]
        if len(turned) == len(corners):
            made = Polygon(tuple(turned)) if isinstance(inner, Polygon) else turned[0]
            return shape(geometry.kind, made, called.position, called.arguments, frame)
    numbers = ", ".join(map(repr, matrix))
    sql = f"vo_udf.rotated({dali_array(geometry)}, ARRAY[{numbers}]::{DOUBLE}[])"
    return stored(called, geometry.kind, sql, frame)


def _turned(point: Point, matrix: Matrix) -> Point | None:
    """Return a constant point in another frame; None for others."""
    known = constant_coordinates(point)
    if known is None:
        return None
    lon, lat = rotated(*known, matrix)
    return Point(number(lon, point.lon.position), number(lat, point.lat.position))


# ---- names ----------------------------------------------------------------------------------------------------------


def _simbad_point(called: Called) -> Value:
    """Return the place of an object."""
    name = called.arguments[0]
    resolve = called.scope.context.dialect.simbad
    place = resolve(str(name.constant)) if resolve is not None else None
    if place is None:
        raise ADQLError(f"Simbad does not know {str(name.constant)[:60]!r}.", name.position)
    return constant_point(called, place)


ASTROMETRY = (
    Function(
        "ivo_epoch_prop_pos",
        _STAR,
        "",
        DOUBLES,
        f"{DOUBLE}[]",
        "POINT",
        f"The position of a star at another epoch, moving uniformly through space: {_MOVING}",
        form=_epoch_prop_pos,
        examples=(
            Example(
                "ivo_epoch_prop_pos(7.606083572, 11.79044105, 125, 300, -428.8, 52.51, 2016.0, 1992.25)",
                [7.604061404627978, 11.7932703828279],
            ),
            Example(
                "ivo_epoch_prop_pos(7.606083572, 11.79044105, 125, 300, -428.8, 52.51, 2016.0, 1875.0)",
                [7.594068213694308, 11.807251375203935],
            ),
            Example(
                "ivo_epoch_prop_pos(7.606083572, 11.79044105, 125, 300, -428.8, NULL, 2016.0, 1875.0)",
                [7.594079587029898, 11.807235464326332],
            ),
            Example(
                "ivo_epoch_prop_pos(7.606083572, 11.79044105, 125, 300, NULL, NULL, 2016.0, 1875.0)",
                [7.594080321498365, 11.790440798509207],
            ),
            Example(
                "ivo_epoch_prop_pos(7.606083572, 11.79044105, NULL, 300, -428.8, 52.51, 2016.0, 1875.0)",
                [7.594079587020846, 11.807235464339055],
            ),
        ),
    ),
    Function(
        "ivo_epoch_prop",
        _STAR,
        "",
        replace(DOUBLES, arraysize="6"),
        f"{DOUBLE}[]",
        "REAL[6]",
        "Position, parallax, proper motion and radial velocity of a star at another epoch, moving uniformly through "
        f"space: {_MOVING} What was NULL stays so, both proper motions if one is, the radial velocity is the old one "
        "without a parallax.",
        form=_epoch_prop,
        examples=(
            Example(
                "ivo_epoch_prop(7.606083572, 11.79044105, 125, 300, -428.8, 52.51, 2016.0, 1992.25)",
                [
                    *(7.6040614046279735, 11.793270382827929, 125.01993165584682),
                    *(300.09877325973605, -428.934593565712, 52.50880381775256),
                ],
            ),
            Example(
                "ivo_epoch_prop(7.606083572, 11.79044105, 125, NULL, NULL, NULL, 2016.0, 1992.25)",
                [7.606083572, 11.79044105, 125.0, None, None, None],
            ),
            Example(
                "ivo_epoch_prop(7.606083572, 11.79044105, NULL, 300, -428.8, 52.51, 2016.0, 1992.25)",
                [7.604061727024453, 11.79326993174991, None, 300.0030911918108, -428.79783514643105, 52.51],
            ),
            Example(
                "ivo_epoch_prop(7.606083572, 11.79044105, 125, 21, NULL, NULL, 2016.0, 1992.25)",
                [7.606083572000001, 11.79044105, 125.0, None, None, None],
            ),
            Example(
                "ivo_epoch_prop(7.606083572, 11.79044105, 125, 300, -428.8, NULL, 2016.0, 1992.25)",
                [
                    7.604061727024712,
                    11.793269931749549,
                    124.9999997730655,
                    300.0030911152833,
                    -428.79783503705033,
                    None,
                ],
            ),
        ),
    ),
    Function(
        "ivo_geom_transform",
        (text("from_sys", literal=True), text("to_sys", literal=True), Parameter("geo", "GEOMETRY", GEOMETRIES)),
        "",
        DOUBLES,
        f"{DOUBLE}[]",
        "GEOMETRY",
        f"A point, circle or polygon in another frame, by a rotation. The frames are {', '.join(FRAMES)}; FK5 counts "
        "as ICRS, FK4 is that of B1950, the ecliptic that of J2000.",
        form=_transform,
        examples=(
            Example("ivo_geom_transform('ICRS', 'GALACTIC', POINT(120, -23))", [241.121831182, 3.62785788087]),
            Example(
                "ivo_geom_transform('FK4', 'GALACTIC', CIRCLE(189.70303055, 22.96240006, 3))",
                [275.00025405, 84.99996154, 3],
            ),
            Example(
                "ivo_geom_transform('GALACTIC', 'FK5', POLYGON(5, 3, 4, 4, 4.5, 2))",
                [266.44721, -23.107310, 264.95088, -23.434037, 267.09936, -24.051919],
            ),
        ),
    ),
    Function(
        "ivo_simbadpoint",
        (text("identifier", literal=True),),
        "",
        DOUBLES,
        f"{DOUBLE}[]",
        "POINT",
        "The position of an object by its name, a literal string, which Simbad resolves.",
        form=_simbad_point,
        simbad=True,
    ),
)
