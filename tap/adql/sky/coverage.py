"""MOC as a function, and coverage maps beside points and shapes."""

# ruff: noqa: S608  (the package writes SQL: names come from the catalogue, literals are encoded anew)
from __future__ import annotations

import math
from dataclasses import replace

from tap.adql.errors import ADQLError
from tap.adql.operands import Value, combined
from tap.adql.scopes import Scope, Translate
from tap.adql.sky.geometry import (
    Circle,
    Coverage,
    Membership,
    Point,
    Polygon,
    Test,
    as_circle,
    as_point,
    coordinates_of,
    number,
    plane_of,
    sound,
)
from tap.adql.sky.mocs import MAX_ORDER, Moc, MocError, cell_radius, read_moc
from tap.adql.sky.pgsphere import is_spherical, spherical
from tap.adql.syntax import ast
from tap.adql.types import GEOMETRIES, Kind
from vo.core.tables import Column, Datatype

MAX_SHAPE_ORDER = 10
"""The finest order of the cells by which a shape is compared with a MOC."""


def moc(node: ast.Call, scope: Scope, translate: Translate) -> Value:
    """Translate MOC('3/4-7 5/900') and MOC(order, geometry), which are no part of ADQL but of many services."""
    column = Column("moc", Datatype.CHAR, "*", "moc")
    if len(node.arguments) == 1:
        argument = node.arguments[0]
        if not isinstance(argument, ast.String):
            raise ADQLError("MOC takes a string, or an order and a geometry.", argument.position)
        try:
            known = read_moc(argument.value)
        except MocError as error:
            raise ADQLError(str(error), argument.position + 1 + error.offset) from None
        literal = f"'{known.text}'::public.smoc"
        return replace(combined(literal, column, "smoc", Kind.MOC, node.position, []), geometry=known)
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
    bound = _bound_of_cells(given, order.constant)
    limit = _finest_order(bound)
    if order.constant > limit and given.kind is not Kind.POINT:
        raise ADQLError(f"The order of the MOC of this shape is at most {limit} here.", order.position)
    made = combined(_smoc(given, str(order.constant)), column, "smoc", Kind.MOC, node.position, [given])
    return replace(made, geometry=Coverage(bound), frame=given.frame)


def _finest_order(bound: Circle | None) -> int:
    """Return the order at which the edge of a shape has some ten thousand cells, so that nobody waits for millions."""
    radius = 180.0 if bound is None else max(float(bound.radius.constant or 0), 1e-6)
    return max(8, min(MAX_ORDER, int(math.log2(58.6 * 3000 / radius))))


def _bound_of_cells(part: Value, order: int) -> Circle | None:
    """Return a circle that holds all cells of an order that a constant shape touches; None for other shapes."""
    if isinstance(part.geometry, Polygon):
        flat = plane_of(part.geometry)
        if flat is None:
            return None
        centre, radius = Point(number(flat.lon, part.position), number(flat.lat, part.position)), flat.radius
    elif isinstance(part.geometry, Circle) and part.geometry.radius.constant is not None:
        centre, radius = part.geometry.centre, float(part.geometry.radius.constant)
    elif isinstance(part.geometry, Point):
        centre, radius = part.geometry, 0.0
    else:
        return None
    wide = radius + 4 * math.degrees(cell_radius(min(order, MAX_ORDER)))
    return Circle(centre, number(min(wide, 180.0), part.position))


# ---- tests ----------------------------------------------------------------------------------------------------------


def with_moc(function: str, first: Value, second: Value) -> tuple[Test | None, str]:
    """Test a MOC and something else: a point by itself, a shape by the cells of the MOC's order that it touches."""
    if first.kind is Kind.POINT:
        point = as_point(first)
        exact = _in_moc(point, second.sql)
        if isinstance(second.geometry, Moc):
            return Membership(point, second.geometry, exact), exact
        bound = second.geometry.bound if isinstance(second.geometry, Coverage) else None
        return (Membership(point, bound, exact) if bound is not None else None), exact
    moc = second if second.kind is Kind.MOC else first
    if isinstance(moc.geometry, Moc):
        order = str(min(moc.geometry.order, MAX_SHAPE_ORDER))
    else:
        order = f"LEAST(public.max_order({moc.sql}), {MAX_SHAPE_ORDER})"
    one, other = (part.sql if part.kind is Kind.MOC else _smoc(part, order) for part in (first, second))
    return None, f"({one} OPERATOR(public.{'<@' if function == 'CONTAINS' else '&&'}) {other})"


def _smoc(part: Value, order: str) -> str:
    """Return the MOC of the cells of an order that a geometry touches."""
    if part.kind is Kind.POLYGON and not is_spherical(part):
        constant = isinstance(part.geometry, Polygon) and coordinates_of(part.geometry) is not None
        if not constant:
            hint = "Polygons of numbers can, such as POLYGON(10, 20, 11, 20, 11, 21)."
            raise ADQLError("A polygon that differs from row to row cannot become a MOC.", part.position, hint=hint)
    if part.kind is Kind.CIRCLE and not is_spherical(part):
        circle = as_circle(part)
        if circle.radius.constant is None:
            radius = circle.radius.sql
            bounded = replace(circle.radius, sql=f"(CASE WHEN {radius} BETWEEN 0 AND 90 THEN {radius} END)")
            part = replace(part, geometry=Circle(circle.centre, bounded))
        elif float(circle.radius.constant) > 90:
            raise ADQLError("A circle of more than 90 degrees cannot become a MOC.", part.position)
    return f"public.smoc({order}, {spherical(part)})"


def _in_moc(point: Point, moc: str) -> str:
    """Return the condition that a point is in a MOC of the database.

    pgSphere 1.2 moves points within 0.2 mas of longitude 0 onto it. North of 41.8 degrees it gives those on a meridian
    at a multiple of 90, and those within 3 mas of the pole, the number of a cell far away. So points are moved 4e-9
    arcseconds to the east, and out to 7 mas from the poles; those at longitude 0 are looked up on the next quarter of
    the sky, whose cells are the same but for the number of their face.
    """
    lon, lat = sound(point)
    lat = f"(CASE WHEN {lat} > 89.999998 THEN 89.999998 WHEN {lat} < -89.999998 THEN -89.999998 ELSE {lat} END)"
    east = f"{lon} + 1e-12 / pg_catalog.cosd({lat})"
    place, turned = (
        f"public.spoint(pg_catalog.radians({x}), pg_catalog.radians({lat}))" for x in (east, f"{east} + 90")
    )
    number = f"CASE WHEN (h.n >> 58) & 3 = 0 THEN h.n + {3 << 58} ELSE h.n - {1 << 58} END"
    looked_up = f"(SELECT public.healpix_nest(29, {turned}) AS n OFFSET 0) AS h"
    return (
        f"(CASE WHEN {lon} BETWEEN 1e-7 AND 359.9999999 THEN {place} OPERATOR(public.<@) {moc} "
        f"ELSE (SELECT ({number}) OPERATOR(public.<@) {moc} FROM {looked_up}) END)"
    )
