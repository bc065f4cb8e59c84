"""POINT, CIRCLE, BOX and POLYGON: geometries made of numbers and points (ADQL 2.1, section 4.2)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from tap.adql.errors import ADQLError
from tap.adql.operands import Value, combined, double, typed_null
from tap.adql.scopes import Scope, Translate
from tap.adql.sky.frames import common_frame, read_frame
from tap.adql.sky.geometry import (
    Circle,
    Geometry,
    Point,
    Polygon,
    as_point,
    check_point,
    check_radius,
    computed,
    constant_coordinates,
    number,
    sound,
)
from tap.adql.syntax import ast
from tap.adql.syntax.checks import without_system
from tap.adql.types import DOUBLE, Kind
from vo.core.tables import Column, Datatype

_ARRAYSIZES = {Kind.POINT: "2", Kind.CIRCLE: "3", Kind.POLYGON: "*"}


def shape(kind: Kind, geometry: Geometry, position: int, operands: Sequence[Value], frame: str | None = None) -> Value:
    """Return a computed geometry as a value."""
    name = kind.name.lower()
    column = Column(name, Datatype.DOUBLE, _ARRAYSIZES[kind], name, "deg", "pos" if kind is Kind.POINT else None)
    return replace(combined("", column, f"{DOUBLE}[]", kind, position, operands), geometry=geometry, frame=frame)


# ---- functions ------------------------------------------------------------------------------------------------------


def point(node: ast.Call, scope: Scope, translate: Translate) -> Value:
    """Translate POINT."""
    values, frame = _arguments(node, scope, translate)
    lon, lat = numbers(node, values)
    return shape(Kind.POINT, check_point(Point(lon, lat)), node.position, values, frame)


def circle(node: ast.Call, scope: Scope, translate: Translate) -> Value:
    """Translate CIRCLE."""
    values, frame = _arguments(node, scope, translate)
    centre, (radius,) = _centred(node, values, 1)
    return shape(Kind.CIRCLE, Circle(centre, check_radius(radius)), node.position, values, frame)


def box(node: ast.Call, scope: Scope, translate: Translate) -> Value:
    """Translate BOX."""
    values, frame = _arguments(node, scope, translate)
    centre, (width, height) = _centred(node, values, 2)
    return shape(Kind.POLYGON, box_polygon(centre, width, height), node.position, values, frame)


def polygon(node: ast.Call, scope: Scope, translate: Translate) -> Value:
    """Translate POLYGON."""
    values, frame = _arguments(node, scope, translate)
    if values[0].kind is Kind.NULL and len(values) % 2 == 1:
        values = values[1:]
    if values[0].kind is Kind.POINT:
        vertices = tuple(map(as_point, values))
    else:
        coordinates = numbers(node, values)
        if len(coordinates) % 2 or len(coordinates) < 6:
            raise ADQLError("POLYGON takes at least three points, or as many pairs of coordinates.", node.position)
        pairs = zip(coordinates[::2], coordinates[1::2], strict=True)
        vertices = tuple(check_point(Point(*pair)) for pair in pairs)
    return shape(Kind.POLYGON, Polygon(vertices), node.position, values, frame)


# ---- arguments ------------------------------------------------------------------------------------------------------


def _arguments(node: ast.Call, scope: Scope, translate: Translate) -> tuple[list[Value], str | None]:
    """Translate the arguments of a constructor, the coordinate system being taken off; return its frame too."""
    first = node.arguments[0]
    frame = read_frame(first.value, scope.context, first.position) if isinstance(first, ast.String) else None
    values = [translate(argument, scope) for argument in without_system(node)]
    named = common_frame(values)  # points bring their own
    if frame is not None and named is not None and frame != named:
        common_frame([replace(values[0], frame=frame), *values])
    return values, frame or named


def _centred(node: ast.Call, values: Sequence[Value], sizes: int) -> tuple[Point, list[Value]]:
    """Split centre and sizes of a circle or box, the centre being a point or two numbers."""
    if len(values) == sizes + 1:
        return as_point(values[0]), numbers(node, values[1:])
    lon, lat, *rest = numbers(node, values)
    return check_point(Point(lon, lat)), rest


def numbers(node: ast.Call, values: Sequence[Value]) -> list[Value]:
    """Return arguments as floating numbers.

    Raises
    ------
    ADQLError
        If one of them is no number.
    """
    for part in values:
        if part.kind not in (Kind.NUMBER, Kind.NULL):
            raise ADQLError(f"{node.function} takes a number here, not {part.kind.value}.", part.position)
    return list(map(floating, values))


def floating(part: Value) -> Value:
    """Return a number as a floating one; a column of such a type stays one, for an index may stand on it."""
    if part.kind is Kind.NULL:
        return typed_null(part, DOUBLE)
    if part.constant is not None:
        return number(float(part.constant), part.position)
    if part.sql_type in (DOUBLE, "real"):
        return part
    column = replace(part.column, datatype=Datatype.DOUBLE)
    return replace(part, sql=double(part), sql_type=DOUBLE, column=column, origin=None)


# ---- boxes ----------------------------------------------------------------------------------------------------------

_CORNERS = ((-1, -1), (1, -1), (1, 1), (-1, 1))


def box_polygon(centre: Point, width: Value, height: Value) -> Polygon:
    """Return the polygon whose sides are great circles at right angles to the arms of a cross at the centre.

    In the plane that touches the sphere at the centre such a box is a rectangle with the half sides' tangents.

    Raises
    ------
    ADQLError
        If a constant side is not between 0 and 180 degrees.
    """
    for size in (width, height):
        if size.constant is not None and not 0 < float(size.constant) < 180:
            raise ADQLError(f"The size {size.constant} is not between 0 and 180 degrees.", size.position)
    known = constant_coordinates(centre)
    if known is not None and width.constant is not None and height.constant is not None:
        corners = _box_corners(*known, float(width.constant), float(height.constant))
        position = centre.lon.position
        return Polygon(tuple(Point(number(lon, position), number(lat, position)) for lon, lat in corners))
    operands = (centre.lon, centre.lat, width, height)
    written = _box_corners_in_sql(*sound(centre), width.sql, height.sql)
    return Polygon(tuple(Point(computed(lon, *operands), computed(lat, *operands)) for lon, lat in written))


def _box_corners(lon: float, lat: float, width: float, height: float) -> Iterator[tuple[float, float]]:
    """Yield longitude and latitude of the corners of a box, all of it in degrees."""
    x, y = (math.tan(math.radians(size / 2)) for size in (width, height))
    sine, cosine = math.sin(math.radians(lat)), math.cos(math.radians(lat))
    for right, up in _CORNERS:
        east, north, ahead = right * x, sine + up * y * cosine, cosine - up * y * sine
        yield (
            (lon + math.degrees(math.atan2(east, ahead))) % 360,
            math.degrees(math.atan2(north, math.hypot(east, ahead))),
        )


def _box_corners_in_sql(lon: str, lat: str, width: str, height: str) -> Iterator[tuple[str, str]]:
    """Yield the same in SQL; NULL where a side is none of a box."""
    x, y = (f"pg_catalog.tand((CASE WHEN {size} > 0 AND {size} < 180 THEN {size} / 2 END))" for size in (width, height))
    sine, cosine = (f"pg_catalog.{name}({lat})" for name in ("sind", "cosd"))
    for right, up in _CORNERS:
        east, along = f"({right} * {x})", f"({up} * {y})"
        ahead = f"({cosine} - {along} * {sine})"
        yield (
            f"({lon} + pg_catalog.atan2d({east}, {ahead}))",
            f"pg_catalog.atan2d({sine} + {along} * {cosine}, "
            f"pg_catalog.sqrt(pg_catalog.power({east}, 2) + pg_catalog.power({ahead}, 2)))",
        )
