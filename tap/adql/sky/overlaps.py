"""CONTAINS and INTERSECTS: which test two geometries take, and whether an index may serve it."""

from __future__ import annotations

from dataclasses import replace

from tap.adql.errors import ADQLError
from tap.adql.operands import Value, combined
from tap.adql.scopes import Scope, Translate
from tap.adql.sky import regions
from tap.adql.sky.coverage import with_moc
from tap.adql.sky.frames import common_frame
from tap.adql.sky.geometry import (
    Circle,
    Membership,
    Point,
    Polygon,
    Proximity,
    Test,
    as_circle,
    as_point,
    computed,
    number,
    plane_of,
    polygon_array,
    sound,
    within,
)
from tap.adql.sky.pgsphere import both_spherical, bounds_touch, is_small, is_spherical, spherical_test
from tap.adql.syntax import ast
from tap.adql.types import GEOMETRIES, Kind
from vo.core.tables import Column, Datatype


def test(node: ast.Call, scope: Scope, translate: Translate) -> Value:
    """Translate CONTAINS and INTERSECTS.

    Raises
    ------
    ADQLError
        If an argument is no geometry, both are in different frames, or the question has no answer.
    """
    first, second = (translate(argument, scope) for argument in node.arguments)
    for part in (first, second):
        if part.kind not in GEOMETRIES and part.kind is not Kind.MOC:
            hint = "Build one by POINT, CIRCLE or POLYGON."
            raise ADQLError(f"{node.function} takes geometries, not {part.kind.value}.", part.position, hint=hint)
    common_frame((first, second), scope.context)
    if node.function == "INTERSECTS" and second.kind is Kind.POINT:
        first, second = second, first  # a point intersects what contains it
    found, condition = _tested(node, first, second)
    near = bounds_touch(first, second)
    if near is not None:
        condition = f"({near} AND {condition})"
    column = Column(node.function.lower(), Datatype.INT)
    translated = combined(f"({condition})::integer", column, "integer", Kind.NUMBER, node.position, (first, second))
    return replace(translated, condition=condition, test=found)


def _tested(node: ast.Call, first: Value, second: Value) -> tuple[Test | None, str]:
    """Return the test that an index may serve, and the condition that is always right."""
    kinds = (first.kind, second.kind)
    if second.kind is Kind.POINT:
        if first.kind is not Kind.POINT:
            raise ADQLError("A point does not contain a region.", node.position, hint="Swap the arguments.")
        near = Proximity(as_point(first), as_point(second), number(0.0, node.position), strict=False)
        return near, within(near)
    if Kind.MOC in kinds:
        return with_moc(node.function, first, second)
    if kinds == (Kind.POINT, Kind.CIRCLE):
        return _point_in_circle(first, second)
    if kinds == (Kind.POINT, Kind.POLYGON):
        return _point_in_polygon(first, second)
    if kinds == (Kind.CIRCLE, Kind.CIRCLE):
        return _two_circles(node, first, second)
    if both_spherical(first, second):
        return None, spherical_test("<@" if node.function == "CONTAINS" else "&&", first, second)
    return _regions(node.function, first, second)


# ---- points ---------------------------------------------------------------------------------------------------------


def _point_in_circle(first: Value, second: Value) -> tuple[Test | None, str]:
    circle = as_circle(second)
    near = Proximity(as_point(first), circle.centre, circle.radius, strict=False)
    exact = within(near)
    if circle.radius.constant is None:  # every distance is less than NaN
        exact = within(replace(near, radius=replace(circle.radius, sql=f"NULLIF({circle.radius.sql}, 'NaN')")))
    if is_spherical(second) or (is_spherical(first) and is_small(second)):
        return None, f"({spherical_test('<@', first, second)} AND {exact})"
    return near, exact


def _point_in_polygon(first: Value, second: Value) -> tuple[Test | None, str]:
    point = as_point(first)
    if is_spherical(second):
        return None, spherical_test("<@", first, second)
    polygon = second.geometry
    flat = plane_of(polygon) if isinstance(polygon, Polygon) else None
    if flat is None or not isinstance(polygon, Polygon):
        return None, regions.contains_point(polygon_array(second), *sound(point))
    exact = flat.test(*sound(point))
    return Membership(point, polygon, exact), exact


# ---- regions --------------------------------------------------------------------------------------------------------


def _two_circles(node: ast.Call, first: Value, second: Value) -> tuple[Test | None, str]:
    """Compare the distance of the centres with the sum of the radii, or with their difference."""
    one, other = as_circle(first), as_circle(second)
    sign = 1 if node.function == "INTERSECTS" else -1
    sizes = [circle.radius.constant for circle in (one, other)]
    if None not in sizes:
        small, large = (float(size or 0) for size in sizes)
        limit = number(180.0 if large == 180 else large + sign * small, node.position)
    else:
        inner, outer = one.radius.sql, other.radius.sql
        # No circle has a radius below 0; the whole sky contains everything.
        known = f"{inner} BETWEEN 0 AND 180 AND {outer} BETWEEN 0 AND 180"
        limit = computed(
            f"(CASE WHEN {known} AND {outer} < 180 THEN {outer} {'+' if sign > 0 else '-'} {inner} "
            f"WHEN {known} THEN 180 END)",
            other.radius,
            one.radius,
        )
    near = Proximity(one.centre, other.centre, limit, strict=False)
    exact = within(near)
    sides = (first, second)
    if any(map(is_spherical, sides)) and all(is_spherical(part) or is_small(part) for part in sides):
        operator = "<@" if node.function == "CONTAINS" else "&&"
        return None, f"({spherical_test(operator, first, second)} AND {exact})"
    return (near if limit.constant is None or float(limit.constant) >= 0 else None), exact


def _regions(function: str, first: Value, second: Value) -> tuple[Test | None, str]:
    """Test two regions of which at least one is a polygon."""
    if first.kind is Kind.POLYGON and second.kind is Kind.POLYGON:
        arrays = _array(first), _array(second)
        if function == "INTERSECTS":
            return None, _unless_far(first, second, regions.meets_polygon(*arrays))
        return None, _unless_far(first, second, regions.contains_polygon(*arrays[::-1]))
    polygon, round_ = (first, second) if first.kind is Kind.POLYGON else (second, first)
    circle = as_circle(round_)
    place = (*sound(circle.centre), circle.radius.sql)
    if function == "INTERSECTS":
        exact = regions.meets_circle(_array(polygon), *place)
    elif first.kind is Kind.CIRCLE:
        exact = regions.contains_circle(_array(polygon), *place)
    else:
        exact = regions.in_circle(_array(polygon), *place)
    bound = _circle_around(polygon, circle.radius)
    return (Membership(circle.centre, bound, exact) if bound is not None else None), exact


def _unless_far(first: Value, second: Value, exact: str) -> str:
    """Return a test of two polygons that takes long only where one touches a circle around the other, constant one."""
    for one, other in ((first, second), (second, first)):
        flat = plane_of(one.geometry) if isinstance(one.geometry, Polygon) else None
        if flat is not None:
            near = regions.meets_circle(_array(other), repr(flat.lon), repr(flat.lat), repr(flat.radius + 1e-9))
            return f"(CASE {near} WHEN TRUE THEN {exact} WHEN FALSE THEN FALSE END)"
    return exact


def _circle_around(polygon: Value, radius: Value) -> Circle | None:
    """Return a circle in which the centres of all circles of a radius are that touch a constant polygon."""
    flat = plane_of(polygon.geometry) if isinstance(polygon.geometry, Polygon) else None
    if flat is None or radius.constant is None:
        return None
    place = Point(number(flat.lon, polygon.position), number(flat.lat, polygon.position))
    return Circle(place, number(min(flat.radius + float(radius.constant), 180.0), polygon.position))


def _array(polygon: Value) -> str:
    """Return the vertices of a polygon, those of a constant one being checked."""
    flat = plane_of(polygon.geometry) if isinstance(polygon.geometry, Polygon) else None
    if flat is not None and not flat.central:
        raise ADQLError("The polygon is too large to be compared with a region.", polygon.position)
    return polygon_array(polygon)
