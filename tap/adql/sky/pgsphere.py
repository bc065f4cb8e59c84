"""Geometries as pgSphere has them, and its tests of them."""

# ruff: noqa: S608  (the package writes SQL: names come from the catalogue, literals are encoded anew)
from __future__ import annotations

from tap.adql.errors import ADQLError
from tap.adql.limits import MAX_SIDES
from tap.adql.operands import Value
from tap.adql.sky.geometry import (
    Circle,
    Point,
    Polygon,
    Stored,
    as_circle,
    as_point,
    constant_coordinates,
    coordinates_of,
    plane_of,
    polygon_array,
    sound,
)
from tap.adql.types import Kind


def spherical(value: Value) -> str:
    """Return a geometry as pgSphere's type."""
    if isinstance(value.geometry, Stored) and not value.geometry.sql_type.endswith("[]"):
        return value.geometry.sql
    if value.kind is Kind.POINT:
        return _spoint(as_point(value))
    if value.kind is Kind.CIRCLE:
        circle = as_circle(value)
        return f"public.scircle({_spoint(circle.centre)}, pg_catalog.radians({circle.radius.sql}))"
    if isinstance(value.geometry, Polygon):
        flat = plane_of(value.geometry)
        if flat is not None:
            if len(flat.vertices) > MAX_SIDES:
                raise ADQLError(f"A polygon has at most {MAX_SIDES} vertices here.", value.position)
            if not flat.simple:
                hint = "Give the vertices in the order of the outline."
                raise ADQLError("The sides of the polygon cross each other.", value.position, hint=hint)
            vertices = ",".join(f"({lon!r}d,{lat!r}d)" for lon, lat in flat.coordinates)
            return f"'{{{vertices}}}'::public.spoly"
    vertex = "public.spoint(pg_catalog.radians(p.a[i]), pg_catalog.radians(p.a[i + 1]))"
    return (
        f"(SELECT public.spoly({vertex} ORDER BY i) FROM "
        f"(SELECT {polygon_array(value)} AS a) AS p, "
        "pg_catalog.generate_series(1, pg_catalog.array_length(p.a, 1), 2) AS i)"
    )


def _spoint(point: Point) -> str:
    lon, lat = sound(point)
    return f"public.spoint(pg_catalog.radians({lon}), pg_catalog.radians({lat}))"


def spherical_test(operator: str, first: Value, second: Value) -> str:
    """Test two geometries by pgSphere."""
    return f"({spherical(first)} OPERATOR(public.{operator}) {spherical(second)})"


def is_spherical(part: Value) -> bool:
    """Whether a geometry is stored as pgSphere's type, on which an index of the kind GiST may stand."""
    return isinstance(part.geometry, Stored) and not part.geometry.sql_type.endswith("[]")


def both_spherical(first: Value, second: Value) -> bool:
    """Whether pgSphere can test two regions: one is of its type, the other too or a constant that it takes."""
    stored = [is_spherical(part) for part in (first, second)]
    if all(stored) or not any(stored):
        return all(stored)
    other = second if stored[0] else first
    if other.kind is Kind.CIRCLE:
        return is_small(other)
    return isinstance(other.geometry, Polygon) and coordinates_of(other.geometry) is not None


def is_small(part: Value) -> bool:
    """Whether a circle is constant and not too large for pgSphere."""
    return (
        isinstance(part.geometry, Circle)
        and part.geometry.radius.constant is not None
        and float(part.geometry.radius.constant) < 90
    )


# ---- circles around stored regions --------------------------------------------------------------------------------


def bounds_touch(first: Value, second: Value) -> str | None:
    """Return the condition, which an index serves, that the circles around stored regions touch something else.

    A region has no such circle where it is NULL or no region; so this may stand beside the exact test everywhere.
    """
    stored = [part.geometry.bound if isinstance(part.geometry, Stored) else None for part in (first, second)]
    if stored == [None, None]:
        return None
    sides = [
        _circle_of_bound(bound) if bound is not None else _around(part)
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


def _circle_of_bound(bound: str) -> str:
    """Return the circle around a stored region as its index has it."""
    lon, lat, radius = (f"pg_catalog.radians({bound}[{place}])" for place in (1, 2, 3))
    return f"public.scircle(public.spoint({lon}, {lat}), {radius})"
