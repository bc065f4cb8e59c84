"""The geometrical functions of ADQL (section 4.2): constructors, tests and measures."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

from tap.adql import ast, polygons
from tap.adql.errors import ADQLError
from tap.adql.geometry import (
    MAX_POLYGON_DIAMETER,
    MAX_POLYGON_VERTICES,
    Circle,
    Geometry,
    Membership,
    Point,
    Polygon,
    Proximity,
    Stored,
    Test,
    as_circle,
    as_point,
    bounding_circle,
    check_point,
    check_radius,
    computed,
    constant_coordinates,
    distance,
    number,
    parts_of,
    polygon_array,
    spherical,
    within,
)
from tap.adql.operands import combined
from tap.adql.scopes import Scope, Value
from tap.adql.types import DOUBLE, GEOMETRIES, Kind, string_literal, text_column
from vo.core.tables import Column, Datatype

Translate: TypeAlias = Callable[[ast.Value, Scope], Value]

_FRAMES = {"", "ICRS", "FK5", "J2000", "EQUATORIAL", "UNKNOWN", "UNKNOWNFRAME"}
_REFERENCE = {"GEOCENTER", "BARYCENTER", "HELIOCENTER", "TOPOCENTER", "RELOCATABLE", "UNKNOWNREFPOS", "J2000"}
_REFERENCE |= {"SPHERICAL2", "CARTESIAN2"}
_LITERALS = ("POSITION", "CIRCLE", "BOX", "POLYGON")
_ARRAYSIZES = {Kind.POINT: "2", Kind.CIRCLE: "3", Kind.POLYGON: "*"}
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?", re.ASCII)


def shape(kind: Kind, geometry: Geometry, position: int, operands: Sequence[Value]) -> Value:
    """Return a computed geometry as a value."""
    name = kind.name.lower()
    column = Column(name, Datatype.DOUBLE, _ARRAYSIZES[kind], name, "deg", "pos" if kind is Kind.POINT else None)
    return replace(combined("", column, f"{DOUBLE}[]", kind, position, operands), geometry=geometry)


# ---- constructors ---------------------------------------------------------------------------------------------------


def _arguments(node: ast.Call, scope: Scope, translate: Translate, counts: Callable[[int], bool]) -> list[Value]:
    """Translate the arguments of a constructor, the coordinate system being taken off."""
    arguments = node.arguments
    first = arguments[0] if arguments else None
    if isinstance(first, ast.String):
        _check_frame(first.value, first.position)
        arguments = arguments[1:]
    elif not counts(len(arguments)) and counts(len(arguments) - 1):
        if not isinstance(first, ast.Null):
            hint = "It may be left out: all coordinates are ICRS."
            raise ADQLError("The coordinate system must be a string.", node.position, hint=hint)
        arguments = arguments[1:]
    if not counts(len(arguments)):
        raise ADQLError(f"{node.function} does not take {len(node.arguments)} arguments.", node.position)
    return [translate(argument, scope) for argument in arguments]


def _check_frame(text: str, position: int) -> None:
    """Refuse coordinate systems that are not equatorial: nothing here converts coordinates."""
    words = text.upper().split() or [""]
    if words[0] not in _FRAMES | _REFERENCE or any(word not in _REFERENCE for word in words[1:]):
        hint = "All coordinates are ICRS; leave the argument out."
        raise ADQLError(f"The coordinate system {text[:40]!r} is not offered.", position, hint=hint)


def _numbers(node: ast.Call, values: Sequence[Value]) -> list[Value]:
    """Refuse arguments that are not numbers."""
    for part in values:
        if part.kind not in (Kind.NUMBER, Kind.NULL):
            raise ADQLError(f"{node.function} takes a number here, not {part.kind.value}.", part.position)
    return [replace(part, sql=f"NULL::{DOUBLE}") if part.kind is Kind.NULL else _as_double(part) for part in values]


def _as_double(part: Value) -> Value:
    """Return constants folded, and numbers that are not floating as double precision."""
    if part.constant is not None:
        return number(float(part.constant), part.position)
    return part if part.sql_type in (DOUBLE, "real") else replace(part, sql=f"({part.sql})::{DOUBLE}", origin=None)


def _point(node: ast.Call, scope: Scope, translate: Translate) -> Value:
    values = _arguments(node, scope, translate, lambda count: count == 2)
    lon, lat = _numbers(node, values)
    return shape(Kind.POINT, check_point(Point(lon, lat)), node.position, values)


def _centred(node: ast.Call, values: Sequence[Value], sizes: int) -> tuple[Point, list[Value]]:
    """Split centre and sizes of a circle or box, the centre being a point or two numbers."""
    if len(values) == sizes + 1:
        return as_point(values[0]), _numbers(node, values[1:])
    lon, lat, *rest = _numbers(node, values)
    return check_point(Point(lon, lat)), rest


def _circle(node: ast.Call, scope: Scope, translate: Translate) -> Value:
    values = _arguments(node, scope, translate, lambda count: count in (2, 3))
    centre, (radius,) = _centred(node, values, 1)
    return shape(Kind.CIRCLE, Circle(centre, check_radius(radius)), node.position, values)


def _box(node: ast.Call, scope: Scope, translate: Translate) -> Value:
    values = _arguments(node, scope, translate, lambda count: count in (3, 4))
    centre, (width, height) = _centred(node, values, 2)
    return shape(Kind.POLYGON, _box_polygon(centre, width, height), node.position, values)


def _box_polygon(centre: Point, width: Value, height: Value) -> Polygon:
    """Return the polygon whose sides are great circles at right angles to the arms of a cross at the centre.

    In the plane that touches the sphere at the centre such a box is a rectangle with the half sides' tangents.
    """
    for size in (width, height):
        if size.constant is not None and not 0 < float(size.constant) < 180:
            raise ADQLError(f"The size {size.constant} is not between 0 and 180 degrees.", size.position)
    corners = ((-1, -1), (1, -1), (1, 1), (-1, 1))
    known = constant_coordinates(centre)
    if known is not None and width.constant is not None and height.constant is not None:
        lon, lat = known
        x, y = (math.tan(math.radians(float(size) / 2)) for size in (width.constant, height.constant))
        sine, cosine = math.sin(math.radians(lat)), math.cos(math.radians(lat))
        points = []
        for right, up in corners:
            east, north, ahead = right * x, sine + up * y * cosine, cosine - up * y * sine
            corner_lon = (lon + math.degrees(math.atan2(east, ahead))) % 360
            corner_lat = math.degrees(math.atan2(north, math.hypot(east, ahead)))
            position = centre.lon.position
            points.append(Point(number(corner_lon, position), number(corner_lat, position)))
        return Polygon(tuple(points))
    like = combined("", Column("", Datatype.DOUBLE), DOUBLE, Kind.NUMBER, centre.lon.position, [
        centre.lon, centre.lat, width, height
    ])  # fmt: skip
    sine, cosine = (f"pg_catalog.{name}({centre.lat.sql})" for name in ("sind", "cosd"))  # type: ignore[assignment]
    points = []
    for right, up in corners:
        east_sql = f"({right} * pg_catalog.tand({width.sql} / 2))"
        up_sql = f"({up} * pg_catalog.tand({height.sql} / 2))"
        ahead_sql = f"({cosine} - {up_sql} * {sine})"
        lon_sql = f"({centre.lon.sql} + pg_catalog.atan2d({east_sql}, {ahead_sql}))"
        lat_sql = (
            f"pg_catalog.atan2d({sine} + {up_sql} * {cosine}, "
            f"pg_catalog.sqrt(pg_catalog.power({east_sql}, 2) + pg_catalog.power({ahead_sql}, 2)))"
        )
        points.append(Point(computed(lon_sql, like), computed(lat_sql, like)))
    return Polygon(tuple(points))


def _polygon(node: ast.Call, scope: Scope, translate: Translate) -> Value:
    values = _arguments(node, scope, translate, lambda count: count >= 3)
    if values[0].kind is Kind.NULL and len(values) % 2 == 1:
        values = values[1:]
    if values[0].kind is Kind.POINT:
        return shape(Kind.POLYGON, Polygon(tuple(map(as_point, values))), node.position, values)
    coordinates = _numbers(node, values)
    if len(coordinates) % 2 or len(coordinates) < 6:
        raise ADQLError("POLYGON takes at least three points, or as many pairs of coordinates.", node.position)
    pairs = zip(coordinates[::2], coordinates[1::2], strict=True)
    return shape(Kind.POLYGON, Polygon(tuple(check_point(Point(*pair)) for pair in pairs)), node.position, values)


def _region(node: ast.Call, scope: Scope, translate: Translate) -> Value:  # noqa: ARG001
    argument = node.arguments[0] if len(node.arguments) == 1 else None
    if not isinstance(argument, ast.String):
        raise ADQLError("REGION takes one string.", node.position, hint="Such as 'CIRCLE ICRS 10 20 1'.")
    words = argument.value.split()
    name = words[0].upper() if words else ""
    if name not in _LITERALS:
        hint = f"{', '.join(_LITERALS)} are."
        raise ADQLError(f"The region {name[:40]!r} is not offered.", argument.position, hint=hint)
    first = next((i for i, word in enumerate(words) if i and _NUMBER.fullmatch(word)), len(words))
    _check_frame(" ".join(words[1:first]), argument.position)
    return _literal_shape(name, words[first:], argument.position)


def cast_shape(node: ast.Cast, operand: Value) -> Value:
    """Convert a string in DALI's form, such as ``'10 20 1'``, to a geometry."""
    if not isinstance(operand.constant, str):
        raise ADQLError(f"CAST to {node.type_name} takes a literal string.", operand.position)
    return _literal_shape(node.type_name, operand.constant.split(), operand.position)


def _literal_shape(name: str, words: Sequence[str], position: int) -> Value:
    """Return the constant geometry of a name and its numbers."""
    if not all(_NUMBER.fullmatch(word) for word in words):
        raise ADQLError("A geometry is written as numbers in degrees with blanks between.", position)
    values = [number(float(word), position) for word in words]
    if name in ("POINT", "POSITION") and len(values) == 2:
        return shape(Kind.POINT, check_point(Point(values[0], values[1])), position, ())
    if name == "CIRCLE" and len(values) == 3:
        circle = Circle(check_point(Point(values[0], values[1])), check_radius(values[2]))
        return shape(Kind.CIRCLE, circle, position, ())
    if name == "BOX" and len(values) == 4:
        centre = check_point(Point(values[0], values[1]))
        return shape(Kind.POLYGON, _box_polygon(centre, values[2], values[3]), position, ())
    if name == "POLYGON" and len(values) >= 6 and len(values) % 2 == 0:
        vertices = tuple(check_point(Point(lon, lat)) for lon, lat in zip(values[::2], values[1::2], strict=True))
        return shape(Kind.POLYGON, Polygon(vertices), position, ())
    raise ADQLError(f"{name} does not have {len(values)} numbers.", position)


# ---- tests ----------------------------------------------------------------------------------------------------------


def _test(node: ast.Call, scope: Scope, translate: Translate) -> Value:
    """Translate CONTAINS and INTERSECTS."""
    if len(node.arguments) != 2:
        raise ADQLError(f"{node.function} takes 2 arguments, not {len(node.arguments)}.", node.position)
    first, second = (translate(argument, scope) for argument in node.arguments)
    for part in (first, second):
        if part.kind not in GEOMETRIES:
            hint = "Build one by POINT, CIRCLE or POLYGON."
            raise ADQLError(f"{node.function} takes geometries, not {part.kind.value}.", part.position, hint=hint)
    if node.function == "INTERSECTS" and second.kind is Kind.POINT:
        first, second = second, first  # a point intersects what contains it
    test, condition = _tested(node, first, second, scope)
    column = Column(node.function.lower(), Datatype.INT)
    translated = combined(f"({condition})::integer", column, "integer", Kind.NUMBER, node.position, (first, second))
    return replace(translated, condition=condition, test=test)


def _tested(node: ast.Call, first: Value, second: Value, scope: Scope) -> tuple[Test | None, str]:
    """Return the test that an index may serve, and the condition that is always right."""
    kinds = (first.kind, second.kind)
    if second.kind is Kind.POINT:
        if first.kind is not Kind.POINT:
            raise ADQLError("A point does not contain a region.", node.position, hint="Swap the arguments.")
        one, other = as_point(first), as_point(second)
        return None, f"({distance(one, other)} = 0)"
    if kinds == (Kind.POINT, Kind.CIRCLE):
        circle = as_circle(second)
        small = circle.radius.constant is not None and float(circle.radius.constant) <= 90  # pgSphere takes no others
        if _is_spherical(second) or (_is_spherical(first) and small):
            return None, _spherical_test("<@", first, second)
        near = Proximity(as_point(first), circle.centre, circle.radius, strict=False)
        return near, within(near)
    if kinds == (Kind.POINT, Kind.POLYGON):
        return _point_in_polygon(node, first, second, scope)
    if kinds == (Kind.CIRCLE, Kind.CIRCLE):
        one_circle, other_circle = as_circle(first), as_circle(second)
        sign = "+" if node.function == "INTERSECTS" else "-"
        radii = (other_circle.radius, one_circle.radius)
        if all(radius.constant is not None for radius in radii):
            sizes = [float(radius.constant or 0) for radius in radii]
            limit = number(sizes[0] + sizes[1] if sign == "+" else sizes[0] - sizes[1], node.position)
        else:
            limit = computed(f"({radii[0].sql} {sign} {radii[1].sql})", combined(
                "", Column("", Datatype.DOUBLE), DOUBLE, Kind.NUMBER, node.position, radii
            ))  # fmt: skip
        near = Proximity(one_circle.centre, other_circle.centre, limit, strict=False)
        return (near if limit.constant is None or float(limit.constant) >= 0 else None), within(near)
    _need_pgsphere(node, scope)
    operator = "<@" if node.function == "CONTAINS" else "&&"
    return None, _spherical_test(operator, first, second)


def _point_in_polygon(node: ast.Call, first: Value, second: Value, scope: Scope) -> tuple[Test | None, str]:
    """Test by Q3C where it can, else by pgSphere.

    Q3C reads no more than 100 vertices: with more it writes beyond its memory and takes the whole server down.
    """
    point = as_point(first)
    polygon = second.geometry
    if isinstance(polygon, Stored):
        if polygon.sql_type == "spoly":
            return None, _spherical_test("<@", first, second)
        return None, _point_in_array(first, polygon.sql, second, scope)
    array = polygon_array(second)
    exact = f"public.q3c_in_poly({point.lon.sql}, {point.lat.sql}, {array})"
    assert isinstance(polygon, Polygon)  # noqa: S101  (a polygon has no third form)
    few = len(polygon.vertices) <= MAX_POLYGON_VERTICES
    if not all(map(constant_coordinates, polygon.vertices)):
        if not few:
            _need_pgsphere(node, scope)
            return None, _spherical_test("<@", first, second)
        known = " AND ".join(f"{part.sql} IS NOT NULL" for part in parts_of(polygon) if part.constant is None)
        return None, f"(CASE WHEN {known} THEN {exact} END)"
    bound = bounding_circle(polygon)
    if not few or bound is None or 2 * float(bound[1].constant or 0) > MAX_POLYGON_DIAMETER:
        _need_pgsphere(node, scope)
        exact = _spherical_test("<@", first, second)
        if bound is not None:  # pgSphere takes 20 times as long as a distance
            exact = f"({distance(point, bound[0])} <= {bound[1].sql} * 1.000000001 AND {exact})"
    return Membership(point, polygon, exact), exact


def _point_in_array(first: Value, array: str, second: Value, scope: Scope) -> str:
    """Test a point against a stored array of vertices, of any length and content."""
    point = as_point(first)
    large = _spherical_test("<@", first, second) if scope.context.dialect.pgsphere else "NULL"
    size = f"pg_catalog.cardinality({array})"
    return (
        f"(CASE WHEN pg_catalog.array_position({array}, NULL) IS NOT NULL OR {size} < 6 THEN NULL"
        f" WHEN {size} > {2 * MAX_POLYGON_VERTICES} THEN {large}"
        f" ELSE public.q3c_in_poly({point.lon.sql}, {point.lat.sql}, {array}) END)"
    )


def _spherical_test(operator: str, first: Value, second: Value) -> str:
    """Test two geometries by pgSphere."""
    return f"({spherical(first)} OPERATOR(public.{operator}) {spherical(second)})"


def _is_spherical(part: Value) -> bool:
    """Whether a geometry is stored as pgSphere's type, on which an index of the kind GiST may stand."""
    return isinstance(part.geometry, Stored) and not part.geometry.sql_type.endswith("[]")


def _need_pgsphere(node: ast.Call, scope: Scope) -> None:
    if not scope.context.dialect.pgsphere:
        raise ADQLError(f"{node.function} of these two geometries is not offered by this service.", node.position)


# ---- measures -------------------------------------------------------------------------------------------------------


def _distance(node: ast.Call, scope: Scope, translate: Translate) -> Value:
    values = [translate(argument, scope) for argument in node.arguments]
    if len(values) == 4:
        a, b, c, d = _numbers(node, values)
        points = (check_point(Point(a, b)), check_point(Point(c, d)))
    elif len(values) == 2:
        points = (as_point(values[0]), as_point(values[1]))
    else:
        raise ADQLError(f"DISTANCE takes 2 points or 4 numbers, not {len(values)} arguments.", node.position)
    column = Column("distance", Datatype.DOUBLE, unit="deg", ucd="pos.angDistance")
    translated = combined(distance(*points), column, DOUBLE, Kind.NUMBER, node.position, values)
    return replace(translated, separation=points)


def _one_geometry(node: ast.Call, scope: Scope, translate: Translate, kinds: Sequence[Kind]) -> Value:
    """Translate the only argument of a measure."""
    if len(node.arguments) != 1:
        raise ADQLError(f"{node.function} takes 1 argument, not {len(node.arguments)}.", node.position)
    argument = translate(node.arguments[0], scope)
    if argument.kind not in kinds:
        wanted = " or ".join(kind.value for kind in kinds)
        raise ADQLError(f"{node.function} takes {wanted}, not {argument.kind.value}.", argument.position)
    return argument


def _coordinate(node: ast.Call, scope: Scope, translate: Translate) -> Value:
    argument = _one_geometry(node, scope, translate, (Kind.POINT,))
    point = as_point(argument)
    part = point.lon if node.function == "COORD1" else point.lat
    unit = part.column.unit or "deg"
    return replace(part, column=replace(part.column, name=node.function.lower(), unit=unit), position=node.position)


def _coordsys(node: ast.Call, scope: Scope, translate: Translate) -> Value:
    argument = _one_geometry(node, scope, translate, tuple(GEOMETRIES))
    return combined(string_literal("ICRS"), text_column("coordsys"), "text", Kind.TEXT, node.position, [argument])


def _area(node: ast.Call, scope: Scope, translate: Translate) -> Value:
    argument = _one_geometry(node, scope, translate, tuple(GEOMETRIES))
    column = Column("area", Datatype.DOUBLE, unit="deg**2", ucd="phys.angArea")
    if argument.kind is Kind.POINT:
        sql = f"0::{DOUBLE}"
    elif argument.kind is Kind.CIRCLE:
        # The cap's solid angle, 4 pi sin(r/2)**2 steradian, keeps its digits for small radii.
        radius = as_circle(argument).radius.sql
        sql = f"(129600 / pg_catalog.pi() * pg_catalog.power(pg_catalog.sind(({radius}) / 2), 2))"
    else:
        sql = polygons.area(polygon_array(argument))
    return combined(sql, column, DOUBLE, Kind.NUMBER, node.position, [argument])


def _centroid(node: ast.Call, scope: Scope, translate: Translate) -> Value:
    argument = _one_geometry(node, scope, translate, tuple(GEOMETRIES))
    if argument.kind is Kind.POINT:
        return argument
    if argument.kind is Kind.CIRCLE:
        return shape(Kind.POINT, as_circle(argument).centre, node.position, [argument])
    lon, lat = (computed(sql, argument) for sql in polygons.centroid(polygon_array(argument)))
    return shape(Kind.POINT, Point(lon, lat), node.position, [argument])


SHAPES: dict[str, Callable[[ast.Call, Scope, Translate], Value]] = {
    "AREA": _area,
    "BOX": _box,
    "CENTROID": _centroid,
    "CIRCLE": _circle,
    "CONTAINS": _test,
    "COORD1": _coordinate,
    "COORD2": _coordinate,
    "COORDSYS": _coordsys,
    "DISTANCE": _distance,
    "INTERSECTS": _test,
    "POINT": _point,
    "POLYGON": _polygon,
    "REGION": _region,
}
