"""Index conditions on the sky: ranges of the pixels of Q3C in which a point must be.

An index on ``q3c_ang2ipix`` serves only comparisons of that very expression with values that do not depend on the row,
so that every index condition here is a set of ranges of it. PostgreSQL expands some functions of Q3C into these ranges
(``q3c_join``, ``q3c_radial_query``, ``q3c_poly_query``), but their bodies name Q3C's other functions without schema:
under the search path of an ADQL session (pg_catalog alone) they do not run, and what PostgreSQL declines to expand is
evaluated row by row. The ranges cover slightly more than the region; the exact test beside them decides, the region's
edge inside.
"""

from __future__ import annotations

import math
from functools import lru_cache

from tap.adql.operands import Value
from tap.adql.sky import covers
from tap.adql.sky.geometry import (
    Circle,
    Membership,
    Point,
    Polygon,
    Region,
    Test,
    constant_coordinates,
    indexed,
    number,
    plane_of,
    sound,
)
from tap.adql.sky.mocs import Moc
from tap.adql.sky.planes import Plane, cap, unit_vector
from tap.adql.types import number_literal

MAX_INDEX_RADIUS = 30.0
"""Degrees; for larger circles a scan with an exact test is cheaper than the index."""

FINE_COVER_RADIUS = 5.0
"""Degrees; from here on many narrow ranges, which take a millisecond or two to find, pay off against four wide ones."""

# A cover of a polygon by cells takes a millisecond or two to find and to plan. It reads half the rows or less of the
# four ranges around a circle, which pays off where these are many.
_COVERED_ROWS = 20_000
_COVER_RANGES = 24
_MOC_RANGES = 600
_MOC_CELLS = 1000
_COST, _COST_OF_MOC = 1.5, 15.0
"""Milliseconds that it takes to find a cover."""


def circle_ranges(point: Point, centre: Point, radius: Value) -> str | None:
    """Return the index condition for a point within a radius of a centre; None where an index does not pay.

    The centre and the radius may be columns of tables that are read before.
    """
    place = ", ".join(sound(centre))
    if radius.constant is None:
        return _ranges(point, f"public.q3c_nearby_it({place}, {radius.sql} * 1.000000001 + 1e-9")
    wide = float(radius.constant) * (1 + 1e-9) + 1e-9
    if wide > MAX_INDEX_RADIUS:
        return None
    known = constant_coordinates(centre)
    if wide < FINE_COVER_RADIUS or known is None:
        return _ranges(point, f"public.q3c_nearby_it({place}, {number_literal(wide)}")
    ranges = _circle_cover(*known, wide) if _affords(point, _COST) else None
    return None if ranges is None else _between(point, ranges)


def polygon_ranges(point: Point, polygon: Polygon) -> str | None:
    """Return the index condition for a point in a constant polygon; None where an index does not pay."""
    flat = plane_of(polygon)
    if flat is None or point.lon.origin is None:
        return None
    rows = point.lon.origin[0].relation.rows * cap(flat.radius)
    if rows > _COVERED_ROWS or flat.radius >= FINE_COVER_RADIUS:
        ranges = _polygon_cover(flat) if _affords(point, _COST) else None
        return None if ranges is None else _between(point, ranges)
    position = polygon.vertices[0].lon.position
    centre = Point(number(flat.lon, position), number(flat.lat, position))
    return circle_ranges(point, centre, number(flat.radius, position))


def region_ranges(point: Point, region: Region) -> str | None:
    """Return the index condition for a point in a constant region; None where an index does not pay."""
    if isinstance(region, Polygon):
        return polygon_ranges(point, region)
    if isinstance(region, Circle):
        return circle_ranges(point, region.centre, region.radius)
    ranges = _moc_cover(region) if _affords(point, _COST_OF_MOC) else None
    return None if ranges is None else _between(point, ranges)


def _affords(point: Point, cost: float) -> bool:
    """Whether the query has not asked for too many covers yet."""
    context = None if point.lon.origin is None else point.lon.origin[0].context
    return context is None or context.afford(cost)


@lru_cache(maxsize=16)
def _circle_cover(lon: float, lat: float, radius: float) -> tuple[tuple[int, int], ...] | None:
    size = math.radians(radius)
    return covers.cover(covers.in_circle(unit_vector(lon, lat), size), ranges=_COVER_RANGES, smallest=size / 16)


@lru_cache(maxsize=16)
def _polygon_cover(flat: Plane) -> tuple[tuple[int, int], ...] | None:
    smallest = math.radians(flat.radius) / 16
    return covers.cover(covers.in_polygon(flat.vertices), ranges=_COVER_RANGES, smallest=smallest)


@lru_cache(maxsize=16)
def _moc_cover(moc: Moc) -> tuple[tuple[int, int], ...] | None:
    if not moc.ranges:
        return ()
    centres, radii = covers.healpix_circles(moc.about(_MOC_CELLS))
    smallest = float(radii.min()) / 2
    return covers.cover(covers.near_any(centres, radii), ranges=_MOC_RANGES, smallest=smallest)


def constant_ranges(test: Test) -> str | None:
    """Return the index condition of a test against constants; None where there is no such index or it does not pay."""
    if isinstance(test, Membership):
        return region_ranges(test.point, test.region) if indexed(test.point) else None
    if test.radius.constant is None:
        return None
    for point, centre in ((test.first, test.second), (test.second, test.first)):
        if indexed(point) and constant_coordinates(centre) is not None:
            return circle_ranges(point, centre, test.radius)
    return None


def _ranges(point: Point, bound: str) -> str:
    """Return the condition that the pixel of a point is in one of the four ranges that surround a circle."""
    pixel = f"public.q3c_ang2ipix({point.lon.sql}, {point.lat.sql})"
    tests = (f"{pixel} >= {bound}, {i}) AND {pixel} <= {bound}, {i + 1})" for i in range(0, 8, 2))
    return f"({' OR '.join(tests)})"


def _between(point: Point, ranges: tuple[tuple[int, int], ...]) -> str:
    """Return the condition that the pixel of a point is in one of some ranges."""
    pixel = f"public.q3c_ang2ipix({point.lon.sql}, {point.lat.sql})"
    return f"({' OR '.join(f'{pixel} BETWEEN {first} AND {last}' for first, last in ranges) or 'FALSE'})"
