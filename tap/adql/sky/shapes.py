"""The geometrical functions of ADQL (section 4.2): constructors, tests and measures."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from tap.adql.errors import ADQLError
from tap.adql.operands import Value, combined
from tap.adql.scopes import Scope, Translate
from tap.adql.sky import polygons
from tap.adql.sky.constructors import box, circle, numbers, point, polygon, shape
from tap.adql.sky.coverage import moc
from tap.adql.sky.frames import common_frame
from tap.adql.sky.geometry import (
    Point,
    Polygon,
    Stored,
    as_circle,
    as_point,
    check_point,
    computed,
    dali_array,
    distance,
    plane_of,
    polygon_array,
)
from tap.adql.sky.mocs import Moc
from tap.adql.sky.overlaps import test
from tap.adql.sky.strings import region
from tap.adql.syntax import ast
from tap.adql.types import DOUBLE, GEOMETRIES, Kind, number_literal, string_literal, text_column
from vo.core.tables import Column, Datatype

# ---- measures -------------------------------------------------------------------------------------------------------


def _distance(node: ast.Call, scope: Scope, translate: Translate) -> Value:
    values = [translate(argument, scope) for argument in node.arguments]
    if len(values) == 4:
        a, b, c, d = numbers(node, values)
        points = (check_point(Point(a, b)), check_point(Point(c, d)))
    else:
        points = (as_point(values[0]), as_point(values[1]))
    column = Column("distance", Datatype.DOUBLE, unit="deg", ucd="pos.angDistance")
    translated = combined(distance(*points), column, DOUBLE, Kind.NUMBER, node.position, values)
    common_frame((part for part in values if part.kind is Kind.POINT), scope.context)
    return replace(translated, separation=points)


def _one_geometry(node: ast.Call, scope: Scope, translate: Translate, kinds: Sequence[Kind]) -> Value:
    """Translate the only argument of a measure."""
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
    argument = _one_geometry(node, scope, translate, GEOMETRIES)
    if argument.kind is Kind.POINT:
        return argument
    if argument.kind is Kind.CIRCLE:
        return shape(Kind.POINT, as_circle(argument).centre, node.position, [argument], argument.frame)
    lon, lat = (computed(sql, argument) for sql in polygons.centroid(polygon_array(_checked(argument))))
    return shape(Kind.POINT, Point(lon, lat), node.position, [argument], argument.frame)


def first_known(node: ast.Coalesce, shapes: Sequence[Value]) -> Value:
    """Return the first geometry of some that is not NULL."""
    kind = shapes[0].kind
    if kind is Kind.MOC:
        sql = f"COALESCE({', '.join(part.sql for part in shapes)})"
        return combined(sql, replace(shapes[0].column, name="coalesce"), "smoc", kind, node.position, shapes)
    sql = f"COALESCE({', '.join(map(dali_array, shapes))})"
    found = shape(kind, Stored(kind, sql, f"{DOUBLE}[]"), node.position, shapes, common_frame(shapes))
    return replace(found, sql=sql, column=replace(shapes[0].column, name="coalesce", utype=None))


SHAPES: dict[str, Callable[[ast.Call, Scope, Translate], Value]] = {
    "AREA": _area,
    "BOX": box,
    "CENTROID": _centroid,
    "CIRCLE": circle,
    "CONTAINS": test,
    "COORD1": _coordinate,
    "COORD2": _coordinate,
    "COORDSYS": _coordsys,
    "DISTANCE": _distance,
    "INTERSECTS": test,
    "POINT": point,
    "POLYGON": polygon,
    "REGION": region,
    "moc": moc,
}
