"""The geometrical functions of ADQL (section 4.2): constructors, tests and measures."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

from tap.adql.errors import ADQLError
from tap.adql.limits import MAX_VERTICES
from tap.adql.operands import combined
from tap.adql.scopes import Scope, Value
from tap.adql.sky import polygons
from tap.adql.sky.frames import common_frame, read_frame
from tap.adql.sky.geometry import (
    Circle,
    Coverage,
    Geometry,
    Point,
    Polygon,
    Stored,
    as_circle,
    as_point,
    check_point,
    check_radius,
    computed,
    constant_coordinates,
    dali_array,
    distance,
    number,
    plane_of,
    polygon_array,
    sound,
)
from tap.adql.sky.mocs import MAX_ORDER, Moc, MocError, read_moc
from tap.adql.sky.overlaps import bound_of_cells, smoc, test
from tap.adql.syntax import ast
from tap.adql.types import DOUBLE, GEOMETRIES, Kind, number_literal, string_literal, text_column
from vo.core.tables import Column, Datatype

Translate: TypeAlias = Callable[[ast.Value, Scope], Value]

_LITERALS = ("POSITION", "CIRCLE", "BOX", "POLYGON")
_ARRAYSIZES = {Kind.POINT: "2", Kind.CIRCLE: "3", Kind.POLYGON: "*"}
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?", re.ASCII)


def shape(kind: Kind, geometry: Geometry, position: int, operands: Sequence[Value], frame: str | None = None) -> Value:
    """Return a computed geometry as a value."""
    name = kind.name.lower()
    column = Column(name, Datatype.DOUBLE, _ARRAYSIZES[kind], name, "deg", "pos" if kind is Kind.POINT else None)
    return replace(combined("", column, f"{DOUBLE}[]", kind, position, operands), geometry=geometry, frame=frame)


# ---- constructors ---------------------------------------------------------------------------------------------------


def _arguments(
    node: ast.Call, scope: Scope, translate: Translate, counts: Callable[[int], bool]
) -> tuple[list[Value], str | None]:
    """Translate the arguments of a constructor, the coordinate system being taken off; return its frame too."""
    arguments = node.arguments
    first = arguments[0] if arguments else None
    frame = None
    if isinstance(first, ast.String):
        frame = read_frame(first.value, scope.context, first.position)
        arguments = arguments[1:]
    elif not counts(len(arguments)) and counts(len(arguments) - 1):
        if not isinstance(first, ast.Null):
            hint = "It may be left out: all coordinates are ICRS."
            raise ADQLError("The coordinate system must be a string.", node.position, hint=hint)
        arguments = arguments[1:]
    if not counts(len(arguments)):
        raise ADQLError(f"{node.function} does not take {len(node.arguments)} arguments.", node.position)
    values = [translate(argument, scope) for argument in arguments]
    named = common_frame(values)  # points bring their own
    if frame is not None and named is not None and frame != named:
        common_frame([replace(values[0], frame=frame), *values])
    return values, frame or named


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
    if part.sql_type in (DOUBLE, "real"):
        return part
    column = replace(part.column, datatype=Datatype.DOUBLE)
    return replace(part, sql=f"({part.sql})::{DOUBLE}", sql_type=DOUBLE, column=column, origin=None)


def _point(node: ast.Call, scope: Scope, translate: Translate) -> Value:
    values, frame = _arguments(node, scope, translate, lambda count: count == 2)
    lon, lat = _numbers(node, values)
    return shape(Kind.POINT, check_point(Point(lon, lat)), node.position, values, frame)


def _centred(node: ast.Call, values: Sequence[Value], sizes: int) -> tuple[Point, list[Value]]:
    """Split centre and sizes of a circle or box, the centre being a point or two numbers."""
    if len(values) == sizes + 1:
        return as_point(values[0]), _numbers(node, values[1:])
    lon, lat, *rest = _numbers(node, values)
    return check_point(Point(lon, lat)), rest


def _circle(node: ast.Call, scope: Scope, translate: Translate) -> Value:
    values, frame = _arguments(node, scope, translate, lambda count: count in (2, 3))
    centre, (radius,) = _centred(node, values, 1)
    return shape(Kind.CIRCLE, Circle(centre, check_radius(radius)), node.position, values, frame)


def _box(node: ast.Call, scope: Scope, translate: Translate) -> Value:
    values, frame = _arguments(node, scope, translate, lambda count: count in (3, 4))
    centre, (width, height) = _centred(node, values, 2)
    return shape(Kind.POLYGON, _box_polygon(centre, width, height), node.position, values, frame)


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
    centre_lon, centre_lat = sound(centre)
    sine, cosine = (f"pg_catalog.{name}({centre_lat})" for name in ("sind", "cosd"))  # type: ignore[assignment]
    across, along = (
        f"(CASE WHEN {size.sql} > 0 AND {size.sql} < 180 THEN {size.sql} / 2 END)" for size in (width, height)
    )
    points = []
    for right, up in corners:
        east_sql = f"({right} * pg_catalog.tand({across}))"
        up_sql = f"({up} * pg_catalog.tand({along}))"
        ahead_sql = f"({cosine} - {up_sql} * {sine})"
        lon_sql = f"({centre_lon} + pg_catalog.atan2d({east_sql}, {ahead_sql}))"
        lat_sql = (
            f"pg_catalog.atan2d({sine} + {up_sql} * {cosine}, "
            f"pg_catalog.sqrt(pg_catalog.power({east_sql}, 2) + pg_catalog.power({ahead_sql}, 2)))"
        )
        points.append(Point(computed(lon_sql, like), computed(lat_sql, like)))
    return Polygon(tuple(points))


def _polygon(node: ast.Call, scope: Scope, translate: Translate) -> Value:
    values, frame = _arguments(node, scope, translate, lambda count: count >= 3)
    if values[0].kind is Kind.NULL and len(values) % 2 == 1:
        values = values[1:]
    if values[0].kind is Kind.POINT:
        vertices = tuple(map(as_point, values))
    else:
        coordinates = _numbers(node, values)
        if len(coordinates) % 2 or len(coordinates) < 6:
            raise ADQLError("POLYGON takes at least three points, or as many pairs of coordinates.", node.position)
        pairs = zip(coordinates[::2], coordinates[1::2], strict=True)
        vertices = tuple(check_point(Point(*pair)) for pair in pairs)
    return shape(Kind.POLYGON, Polygon(vertices), node.position, values, frame)


def _region(node: ast.Call, scope: Scope, translate: Translate) -> Value:  # noqa: ARG001  (it takes no expression)
    argument = node.arguments[0] if len(node.arguments) == 1 else None
    if not isinstance(argument, ast.String):
        raise ADQLError("REGION takes one string.", node.position, hint="Such as 'CIRCLE ICRS 10 20 1'.")
    words = argument.value.split()
    name = words[0].upper() if words else ""
    if name not in _LITERALS:
        hint = f"{', '.join(_LITERALS)} are."
        raise ADQLError(f"The region {name[:40]!r} is not offered.", argument.position, hint=hint)
    first = next((i for i, word in enumerate(words) if i and _NUMBER.fullmatch(word)), len(words))
    frame = read_frame(" ".join(words[1:first]), scope.context, argument.position)
    return replace(_literal_shape(name, words[first:], argument.position), frame=frame)


_ELEMENT = r"[-+]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][-+]?[0-9]{1,2})?"
_COUNTS = {"POINT": "{1}", "CIRCLE": "{2}", "POLYGON": "{5,}"}


def cast_shape(node: ast.Cast, operand: Value) -> Value:
    """Convert a string in DALI's form, such as ``'10 20 1'``, to a geometry; other strings of a column become NULL."""
    if isinstance(operand.constant, str):
        return _literal_shape(node.type_name, operand.constant.split(), operand.position)
    kind = Kind[node.type_name]
    if operand.kind is kind:
        return operand
    if operand.kind not in (Kind.TEXT, Kind.NULL):
        raise ADQLError(f"CAST to {node.type_name} takes a string, not {operand.kind.value}.", operand.position)
    pattern = string_literal(f"^\\s*{_ELEMENT}(\\s+{_ELEMENT}){_COUNTS[node.type_name]}\\s*$")
    text = f"({operand.sql})::text"
    blank = string_literal("\\s+")
    array = (
        f"(CASE WHEN {text} OPERATOR(pg_catalog.~) {pattern} THEN "
        f"pg_catalog.regexp_split_to_array(pg_catalog.btrim({text}, E' \\t\\r\\n'), {blank})::{DOUBLE}[] END)"
    )
    return replace(shape(kind, Stored(kind, array, f"{DOUBLE}[]"), node.position, [operand]), sql=array)


def shape_text(operand: Value) -> str:
    """Return a geometry in DALI's form as a string."""
    if operand.kind is Kind.MOC:
        return f"({operand.sql})::text"
    return f"pg_catalog.array_to_string({dali_array(operand)}, ' ')"


def first_known(node: ast.Coalesce, shapes: Sequence[Value]) -> Value:
    """Return the first geometry of some that is not NULL."""
    kind = shapes[0].kind
    if kind is Kind.MOC:
        sql = f"COALESCE({', '.join(part.sql for part in shapes)})"
        return combined(sql, replace(shapes[0].column, name="coalesce"), "smoc", kind, node.position, shapes)
    sql = f"COALESCE({', '.join(map(dali_array, shapes))})"
    found = shape(kind, Stored(kind, sql, f"{DOUBLE}[]"), node.position, shapes, common_frame(shapes))
    return replace(found, sql=sql, column=replace(shapes[0].column, name="coalesce", utype=None))


def _literal_shape(name: str, words: Sequence[str], position: int) -> Value:
    """Return the constant geometry of a name and its numbers."""
    if len(words) > 2 * MAX_VERTICES:
        raise ADQLError(f"A polygon has at most {MAX_VERTICES} vertices.", position)
    if not all(_NUMBER.fullmatch(word) for word in words):
        raise ADQLError("A geometry is written as numbers in degrees with blanks between.", position)
    values = [number(float(word), position) for word in words]
    if not all(math.isfinite(float(value.constant or 0)) for value in values):
        raise ADQLError("A number of the geometry is too large for a double.", position)
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
    common_frame((part for part in values if part.kind is Kind.POINT), scope.context)
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
    argument = _one_geometry(node, scope, translate, (*GEOMETRIES, Kind.MOC))
    name = string_literal(argument.frame or "ICRS")
    return combined(name, text_column("coordsys"), "text", Kind.TEXT, node.position, [argument])


def _area(node: ast.Call, scope: Scope, translate: Translate) -> Value:
    argument = _one_geometry(node, scope, translate, (*GEOMETRIES, Kind.MOC))
    column = Column("area", Datatype.DOUBLE, unit="deg**2", ucd="phys.angArea")
    constant = None
    if argument.kind is Kind.POINT:
        sql = f"0::{DOUBLE}"
    elif argument.kind is Kind.CIRCLE:
        # The cap's solid angle, 4 pi sin(r/2)**2 steradian, keeps its digits for small radii.
        radius = as_circle(argument).radius.sql
        sql = f"(129600 / pg_catalog.pi() * pg_catalog.power(pg_catalog.sind(({radius}) / 2), 2))"
    elif isinstance(argument.geometry, Moc):
        constant = argument.geometry.fraction * 129600 / math.pi
        sql = number_literal(constant)
    elif argument.kind is Kind.MOC:
        sql = f"(public.area({argument.sql}) * pg_catalog.power(180 / pg_catalog.pi(), 2))"
    else:
        sql = polygons.area(polygon_array(_checked(argument)))
    return combined(sql, column, DOUBLE, Kind.NUMBER, node.position, [argument], constant=constant)


def _checked(polygon: Value) -> Value:
    """Refuse a constant polygon that has no inside."""
    if isinstance(polygon.geometry, Polygon):
        plane_of(polygon.geometry)
    return polygon


def _centroid(node: ast.Call, scope: Scope, translate: Translate) -> Value:
    argument = _one_geometry(node, scope, translate, tuple(GEOMETRIES))
    if argument.kind is Kind.POINT:
        return argument
    if argument.kind is Kind.CIRCLE:
        return shape(Kind.POINT, as_circle(argument).centre, node.position, [argument], argument.frame)
    lon, lat = (computed(sql, argument) for sql in polygons.centroid(polygon_array(_checked(argument))))
    return shape(Kind.POINT, Point(lon, lat), node.position, [argument], argument.frame)


# ---- coverage maps --------------------------------------------------------------------------------------------------


def _moc(node: ast.Call, scope: Scope, translate: Translate) -> Value:
    """Translate MOC('3/4-7 5/900') and MOC(order, geometry), which are no part of ADQL but of many services."""
    if not scope.context.dialect.pgsphere:
        raise ADQLError("MOC is not offered by this service.", node.position)
    column = Column("moc", Datatype.CHAR, "*", "moc")
    if len(node.arguments) == 1:
        argument = node.arguments[0]
        if not isinstance(argument, ast.String):
            raise ADQLError("MOC takes a string, or an order and a geometry.", argument.position)
        try:
            moc = read_moc(argument.value)
        except MocError as error:
            raise ADQLError(str(error), argument.position + 1 + error.offset) from None
        literal = f"'{moc.text}'::public.smoc"
        return replace(combined(literal, column, "smoc", Kind.MOC, node.position, []), geometry=moc)
    if len(node.arguments) != 2:
        raise ADQLError(f"MOC takes 1 or 2 arguments, not {len(node.arguments)}.", node.position)
    order, given = (translate(part, scope) for part in node.arguments)
    if not isinstance(order.constant, int) or not 0 <= order.constant <= MAX_ORDER:
        raise ADQLError(f"The order of a MOC is a whole number from 0 to {MAX_ORDER}.", order.position)
    if given.kind is Kind.MOC:
        sql = f"public.smoc_degrade({order.constant}, {given.sql})"
        return combined(sql, column, "smoc", Kind.MOC, node.position, [given])
    if given.kind not in GEOMETRIES:
        raise ADQLError(f"MOC takes a geometry, not {given.kind.value}.", given.position)
    bound = bound_of_cells(given, order.constant)
    limit = _finest_order(bound)
    if order.constant > limit and given.kind is not Kind.POINT:
        raise ADQLError(f"The order of the MOC of this shape is at most {limit} here.", order.position)
    made = combined(smoc(given, str(order.constant)), column, "smoc", Kind.MOC, node.position, [given])
    return replace(made, geometry=Coverage(bound), frame=given.frame)


def _finest_order(bound: Circle | None) -> int:
    """Return the order at which the edge of a shape has some ten thousand cells, so that nobody waits for millions."""
    radius = 180.0 if bound is None else max(float(bound.radius.constant or 0), 1e-6)
    return max(8, min(MAX_ORDER, int(math.log2(58.6 * 3000 / radius))))


SHAPES: dict[str, Callable[[ast.Call, Scope, Translate], Value]] = {
    "AREA": _area,
    "BOX": _box,
    "CENTROID": _centroid,
    "CIRCLE": _circle,
    "CONTAINS": test,
    "COORD1": _coordinate,
    "COORD2": _coordinate,
    "COORDSYS": _coordsys,
    "DISTANCE": _distance,
    "INTERSECTS": test,
    "POINT": _point,
    "POLYGON": _polygon,
    "REGION": _region,
    "moc": _moc,
}
