"""CONTAINS and INTERSECTS: which test two geometries take, and whether an index may serve it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

from tap.adql.errors import ADQLError
from tap.adql.operands import combined
from tap.adql.scopes import Scope, Value
from tap.adql.sky import regions
from tap.adql.sky.frames import common_frame
from tap.adql.sky.geometry import (
    Circle,
    Coverage,
    Membership,
    Point,
    Polygon,
    Proximity,
    Stored,
    Test,
    as_circle,
    as_point,
    circle_of_bound,
    computed,
    constant_coordinates,
    coordinates_of,
    in_moc,
    number,
    plane_of,
    polygon_array,
    sound,
    spherical,
    within,
)
from tap.adql.sky.mocs import MAX_ORDER, Moc, cell_radius
from tap.adql.syntax import ast
from tap.adql.types import DOUBLE, GEOMETRIES, Kind
from vo.core.tables import Column, Datatype

Translate: TypeAlias = Callable[[ast.Value, Scope], Value]

MAX_SHAPE_ORDER = 10
"""The finest order of the cells by which a shape is compared with a MOC."""


def test(node: ast.Call, scope: Scope, translate: Translate) -> Value:
    """Translate CONTAINS and INTERSECTS."""
    if len(node.arguments) != 2:
        raise ADQLError(f"{node.function} takes 2 arguments, not {len(node.arguments)}.", node.position)
    first, second = (translate(argument, scope) for argument in node.arguments)
    for part in (first, second):
        if part.kind not in GEOMETRIES and part.kind is not Kind.MOC:
            hint = "Build one by POINT, CIRCLE or POLYGON."
            raise ADQLError(f"{node.function} takes geometries, not {part.kind.value}.", part.position, hint=hint)
    common_frame((first, second), scope.context)
    if node.function == "INTERSECTS" and second.kind is Kind.POINT:
        first, second = second, first  # a point intersects what contains it
    found, condition = _tested(node, first, second, scope)
    near = _bounds_touch(first, second) if scope.context.dialect.pgsphere else None
    if near is not None:
        condition = f"({near} AND {condition})"
    column = Column(node.function.lower(), Datatype.INT)
    translated = combined(f"({condition})::integer", column, "integer", Kind.NUMBER, node.position, (first, second))
    return replace(translated, condition=condition, test=found)


def _tested(node: ast.Call, first: Value, second: Value, scope: Scope) -> tuple[Test | None, str]:
    """Return the test that an index may serve, and the condition that is always right."""
    kinds = (first.kind, second.kind)
    if second.kind is Kind.POINT:
        if first.kind is not Kind.POINT:
            raise ADQLError("A point does not contain a region.", node.position, hint="Swap the arguments.")
        near = Proximity(as_point(first), as_point(second), number(0.0, node.position), strict=False)
        return near, within(near)
    if Kind.MOC in kinds:
        _need_pgsphere(node, scope)
        return _with_moc(node, first, second)
    if kinds == (Kind.POINT, Kind.CIRCLE):
        return _point_in_circle(first, second)
    if kinds == (Kind.POINT, Kind.POLYGON):
        return _point_in_polygon(first, second)
    if kinds == (Kind.CIRCLE, Kind.CIRCLE):
        return _two_circles(node, first, second)
    if scope.context.dialect.pgsphere and _both_spherical(first, second):
        return None, _spherical_test("<@" if node.function == "CONTAINS" else "&&", first, second)
    return _regions(node.function, first, second)


def _bounds_touch(first: Value, second: Value) -> str | None:
    """Return the condition, which an index serves, that the circles around stored regions touch something else.

    A region has no such circle where it is NULL or no region; so this may stand beside the exact test everywhere.
    """
    stored = [part.geometry.bound if isinstance(part.geometry, Stored) else None for part in (first, second)]
    if stored == [None, None]:
        return None
    sides = [
        circle_of_bound(bound) if bound is not None else _around(part)
        for bound, part in zip(stored, (first, second), strict=True)
    ]
    if None in sides:
        return None
    if Kind.POINT in (first.kind, second.kind):
        point, region = sides if first.kind is Kind.POINT else sides[::-1]
        return f"{region} OPERATOR(public.@>) {point}"
    return f"{sides[0]} OPERATOR(public.&&) {sides[1]}"


def _around(part: Value) -> str | None:
    """Return a point, or a circle around a constant region, as pgSphere's type."""
    if part.kind is Kind.POINT:
        return spherical(part)
    bound = None
    if isinstance(part.geometry, Polygon) and (flat := plane_of(part.geometry)) is not None:
        bound = (flat.lon, flat.lat, flat.radius)
    if isinstance(part.geometry, Circle):
        centre, radius = constant_coordinates(part.geometry.centre), part.geometry.radius.constant
        bound = (*centre, float(radius)) if centre is not None and radius is not None else None
    if bound is None or bound[2] > 89:
        return None
    lon, lat, radius = bound
    return f"'<({lon!r}d,{lat!r}d),{radius * (1 + 1e-9) + 1e-9!r}d>'::public.scircle"


# ---- points ---------------------------------------------------------------------------------------------------------


def _point_in_circle(first: Value, second: Value) -> tuple[Test | None, str]:
    circle = as_circle(second)
    near = Proximity(as_point(first), circle.centre, circle.radius, strict=False)
    exact = within(near)
    if circle.radius.constant is None:  # every distance is less than NaN
        exact = within(replace(near, radius=replace(circle.radius, sql=f"NULLIF({circle.radius.sql}, 'NaN')")))
    small = circle.radius.constant is not None and float(circle.radius.constant) < 90  # pgSphere takes no others
    if _is_spherical(second) or (_is_spherical(first) and small):
        return None, f"({_spherical_test('<@', first, second)} AND {exact})"
    return near, exact


def _point_in_polygon(first: Value, second: Value) -> tuple[Test | None, str]:
    point = as_point(first)
    if _is_spherical(second):
        return None, _spherical_test("<@", first, second)
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
        radii = (other.radius, one.radius)
        like = combined("", Column("", Datatype.DOUBLE), DOUBLE, Kind.NUMBER, node.position, radii)
        inner, outer = one.radius.sql, other.radius.sql
        # No circle has a radius below 0; the whole sky contains everything.
        known = f"{inner} BETWEEN 0 AND 180 AND {outer} BETWEEN 0 AND 180"
        limit = computed(
            f"(CASE WHEN {known} AND {outer} < 180 THEN {outer} {'+' if sign > 0 else '-'} {inner} "
            f"WHEN {known} THEN 180 END)",
            like,
        )
    near = Proximity(one.centre, other.centre, limit, strict=False)
    exact = within(near)
    if _is_spherical(first) or _is_spherical(second):
        small_enough = all(_is_spherical(part) or _small(part) for part in (first, second))
        if small_enough:
            operator = "<@" if node.function == "CONTAINS" else "&&"
            return None, f"({_spherical_test(operator, first, second)} AND {exact})"
    return (near if limit.constant is None or float(limit.constant) >= 0 else None), exact


def _small(part: Value) -> bool:
    """Whether a circle is constant and not too large for pgSphere."""
    return (
        isinstance(part.geometry, Circle)
        and part.geometry.radius.constant is not None
        and float(part.geometry.radius.constant) < 90
    )


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


def _spherical_test(operator: str, first: Value, second: Value) -> str:
    """Test two geometries by pgSphere."""
    return f"({spherical(first)} OPERATOR(public.{operator}) {spherical(second)})"


def _is_spherical(part: Value) -> bool:
    """Whether a geometry is stored as pgSphere's type, on which an index of the kind GiST may stand."""
    return isinstance(part.geometry, Stored) and not part.geometry.sql_type.endswith("[]")


def _both_spherical(first: Value, second: Value) -> bool:
    """Whether pgSphere can test two regions: one is of its type, the other too or a constant that it takes."""
    stored = [_is_spherical(part) for part in (first, second)]
    if all(stored) or not any(stored):
        return all(stored)
    other = second if stored[0] else first
    if other.kind is Kind.CIRCLE:
        return _small(other)
    return isinstance(other.geometry, Polygon) and coordinates_of(other.geometry) is not None


def _need_pgsphere(node: ast.Call, scope: Scope) -> None:
    if not scope.context.dialect.pgsphere:
        raise ADQLError(f"{node.function} with a MOC is not offered by this service.", node.position)


# ---- coverage maps --------------------------------------------------------------------------------------------------


def _with_moc(node: ast.Call, first: Value, second: Value) -> tuple[Test | None, str]:
    """Test a MOC and something else: a point by itself, a shape by the cells of the MOC's order that it touches."""
    if first.kind is Kind.POINT:
        point = as_point(first)
        exact = in_moc(point, second.sql)
        if isinstance(second.geometry, Moc):
            return Membership(point, second.geometry, exact), exact
        bound = second.geometry.bound if isinstance(second.geometry, Coverage) else None
        return (Membership(point, bound, exact) if bound is not None else None), exact
    moc = second if second.kind is Kind.MOC else first
    if isinstance(moc.geometry, Moc):
        order = str(min(moc.geometry.order, MAX_SHAPE_ORDER))
    else:
        order = f"LEAST(public.max_order({moc.sql}), {MAX_SHAPE_ORDER})"
    one, other = (part.sql if part.kind is Kind.MOC else smoc(part, order) for part in (first, second))
    return None, f"({one} OPERATOR(public.{'<@' if node.function == 'CONTAINS' else '&&'}) {other})"


def smoc(part: Value, order: str) -> str:
    """Return the MOC of the cells of an order that a geometry touches."""
    if part.kind is Kind.POLYGON and not _is_spherical(part):
        constant = isinstance(part.geometry, Polygon) and coordinates_of(part.geometry) is not None
        if not constant:
            hint = "Polygons of numbers can, such as POLYGON(10, 20, 11, 20, 11, 21)."
            raise ADQLError("A polygon that differs from row to row cannot become a MOC.", part.position, hint=hint)
    if part.kind is Kind.CIRCLE and not _is_spherical(part):
        circle = as_circle(part)
        if circle.radius.constant is None:
            radius = circle.radius.sql
            bounded = replace(circle.radius, sql=f"(CASE WHEN {radius} BETWEEN 0 AND 90 THEN {radius} END)")
            part = replace(part, geometry=Circle(circle.centre, bounded))
        elif float(circle.radius.constant) > 90:
            raise ADQLError("A circle of more than 90 degrees cannot become a MOC.", part.position)
    return f"public.smoc({order}, {spherical(part)})"


def bound_of_cells(part: Value, order: int) -> Circle | None:
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
