"""Points and regions, and how Q3C and pgSphere test them.

Two rules decide the SQL. First, an index on ``q3c_ang2ipix`` serves only comparisons of that very expression with
values that do not depend on the row, so that every index condition here is a set of ranges of it. PostgreSQL expands
some functions of Q3C into these ranges (``q3c_join``, ``q3c_radial_query``, ``q3c_poly_query``), but their bodies name
Q3C's other functions without schema: under the search path of an ADQL session (pg_catalog alone) they do not run, and
what PostgreSQL declines to expand is evaluated row by row. We write the ranges ourselves.
Second, the ranges cover slightly more than the region; an exact test beside them decides, the region's edge inside.
"""

# ruff: noqa: S608  (the package writes SQL: names come from the catalogue, literals are encoded anew)
from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

from tap.adql.errors import ADQLError
from tap.adql.scopes import Value
from tap.adql.types import DOUBLE, Kind, number_column, number_literal

MAX_INDEX_RADIUS = 30.0
"""Degrees; for larger circles a scan with an exact test is cheaper than the index."""

FINE_COVER_RADIUS = 5.0
"""Degrees; from here on a hundred narrow ranges (longer to plan) pay off against four wide ones."""

MAX_POLYGON_DIAMETER = 20.0
"""Degrees; Q3C refuses polygons of more than about 23."""

MAX_POLYGON_VERTICES = 100
"""Q3C's memory for a polygon; it does not check this."""

# Q3C's cover of a polygon is a long text to plan (5 ms): only for polygons that are simple, and large enough to gain.
_MAX_RANGED_VERTICES = 12
_MIN_RANGED_RADIUS = 0.5
_BOUNDS = 100


@dataclass(frozen=True, slots=True)
class Point:
    """A point by its coordinates in degrees."""

    lon: Value
    lat: Value


@dataclass(frozen=True, slots=True)
class Circle:
    """A circle by its centre and its radius in degrees."""

    centre: Point
    radius: Value


@dataclass(frozen=True, slots=True)
class Polygon:
    """A polygon by its vertices."""

    vertices: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Stored:
    """A geometry as the database has it: `sql` is an spoint, scircle, spoly, or double precision[] in DALI's order."""

    kind: Kind
    sql: str
    sql_type: str


Geometry: TypeAlias = Point | Circle | Polygon | Stored


@dataclass(frozen=True, slots=True)
class Proximity:
    """The condition that two points are within a radius of each other (`strict`: nearer than the radius)."""

    first: Point
    second: Point
    radius: Value
    strict: bool


@dataclass(frozen=True, slots=True)
class Membership:
    """The condition that a point is in a polygon; `exact` is its test in SQL."""

    point: Point
    polygon: Polygon
    exact: str


Test: TypeAlias = Proximity | Membership


def number(value: float, position: int) -> Value:
    """Return a constant double."""
    sql = number_literal(value)
    return Value(sql, number_column(DOUBLE), DOUBLE, Kind.NUMBER, position, constant=value)


def computed(sql: str, like: Value) -> Value:
    """Return a double computed from another value."""
    return Value(sql, number_column(DOUBLE), DOUBLE, Kind.NUMBER, like.position, sources=like.sources, free=like.free)


def constant_coordinates(point: Point) -> tuple[float, float] | None:
    """Return a point's coordinates where they are known."""
    lon, lat = point.lon.constant, point.lat.constant
    return (float(lon), float(lat)) if lon is not None and lat is not None else None


def check_point(point: Point) -> Point:
    """Refuse a constant latitude beyond the poles, for which Q3C raises an error."""
    latitude = point.lat.constant
    if latitude is not None and abs(float(latitude)) > 90:
        raise ADQLError(f"The latitude {latitude} is not between -90 and 90 degrees.", point.lat.position)
    return point


def check_radius(radius: Value) -> Value:
    """Refuse a constant radius that no circle on the sky has."""
    if radius.constant is not None and not 0 <= float(radius.constant) <= 180:
        raise ADQLError(f"The radius {radius.constant} is not between 0 and 180 degrees.", radius.position)
    return radius


def stored_point(stored: Stored, like: Value) -> Point:
    """Return the coordinates of a stored point."""
    if stored.sql_type == "spoint":
        lon, lat = (f"pg_catalog.degrees(public.{name}({stored.sql}))" for name in ("long", "lat"))
    else:
        lon, lat = (f"({stored.sql})[{place}]" for place in (1, 2))
    return Point(computed(lon, like), computed(lat, like))


def stored_circle(stored: Stored, like: Value) -> Circle:
    """Return centre and radius of a stored circle."""
    if stored.sql_type == "scircle":
        centre = stored_point(Stored(Kind.POINT, f"public.center({stored.sql})", "spoint"), like)
        return Circle(centre, computed(f"pg_catalog.degrees(public.radius({stored.sql}))", like))
    lon, lat, radius = (computed(f"({stored.sql})[{place}]", like) for place in (1, 2, 3))
    return Circle(Point(lon, lat), radius)


def as_point(value: Value) -> Point:
    """Return the point that a value is."""
    match value.geometry:
        case Point() as point:
            return point
        case Stored(kind=Kind.POINT) as stored:
            return stored_point(stored, value)
        case _:
            raise ADQLError(f"A point is needed here, not {value.kind.value}.", value.position)


def as_circle(value: Value) -> Circle:
    """Return the circle that a value of kind CIRCLE is."""
    if isinstance(value.geometry, Circle):
        return value.geometry
    assert isinstance(value.geometry, Stored)  # noqa: S101  (a circle has no third form)
    return stored_circle(value.geometry, value)


def parts_of(geometry: Geometry | None) -> list[Value]:
    """Return the numbers of which a computed geometry consists; none for stored ones."""
    match geometry:
        case Point(lon, lat):
            return [lon, lat]
        case Circle(centre, radius):
            return [centre.lon, centre.lat, radius]
        case Polygon(vertices):
            return [part for vertex in vertices for part in (vertex.lon, vertex.lat)]
        case _:
            return []


def polygon_array(value: Value) -> str:
    """Return a polygon as an array of its vertices' coordinates in degrees."""
    match value.geometry:
        case Polygon(vertices):
            coordinates = ", ".join(f"{vertex.lon.sql}, {vertex.lat.sql}" for vertex in vertices)
            return f"ARRAY[{coordinates}]::{DOUBLE}[]"
        case Stored(sql=sql, sql_type="spoly"):
            # pgSphere has no function that gives the vertices; its text form is a list of numbers in radians.
            return (
                f"(SELECT pg_catalog.array_agg(pg_catalog.degrees(v.m[1]::{DOUBLE}) ORDER BY v.n) FROM "
                f"pg_catalog.regexp_matches(({sql})::text, '[-+0-9.eE]+', 'g') WITH ORDINALITY AS v(m, n))"
            )
        case Stored(sql=sql):
            return sql
        case _:
            raise ADQLError(f"A polygon is needed here, not {value.kind.value}.", value.position)


def dali_array(value: Value) -> str:
    """Return a geometry as the client gets it: an array of degrees (DALI 1.1, section 3.3)."""
    if isinstance(value.geometry, Stored) and value.geometry.sql_type.endswith("[]"):
        return f"({value.geometry.sql})::{DOUBLE}[]"
    if value.kind is Kind.POLYGON:
        return polygon_array(value)
    parts = parts_of(as_circle(value) if value.kind is Kind.CIRCLE else as_point(value))
    known = [part.sql for part in parts]
    # A geometry of which a part is unknown is unknown.
    array = f"ARRAY[{', '.join(known)}]::{DOUBLE}[]"
    if all(part.constant is not None for part in parts):
        return array
    return f"CASE WHEN {' AND '.join(f'{part} IS NOT NULL' for part in known)} THEN {array} END"


def distance(first: Point, second: Point) -> str:
    """Return the angular distance of two points in degrees."""
    return f"public.q3c_dist({first.lon.sql}, {first.lat.sql}, {second.lon.sql}, {second.lat.sql})"


def within(near: Proximity) -> str:
    """Return the exact test of a proximity."""
    return f"{distance(near.first, near.second)} {'<' if near.strict else '<='} {near.radius.sql}"


def indexed(point: Point) -> bool:
    """Whether both coordinates are the columns under a Q3C index."""
    if point.lon.origin is None or point.lat.origin is None:
        return False
    source, lon = point.lon.origin
    other, lat = point.lat.origin
    return source is other and (lon, lat) in source.relation.positions


def circle_ranges(point: Point, centre: Point, radius: Value) -> str | None:
    """Return the index condition for a point within a radius of a centre; None where an index does not pay.

    The centre and the radius may be columns of tables that are read before.
    """
    place = f"{centre.lon.sql}, {centre.lat.sql}"
    if radius.constant is None:
        return _ranges(point, f"public.q3c_nearby_it({place}, {radius.sql} * 1.000000001 + 1e-9")
    wide = float(radius.constant) * (1 + 1e-9) + 1e-9
    if wide > MAX_INDEX_RADIUS:
        return None
    if wide < FINE_COVER_RADIUS or constant_coordinates(centre) is None:
        return _ranges(point, f"public.q3c_nearby_it({place}, {number_literal(wide)}")
    return _covers(point, f"public.q3c_radial_query_it({place}, {number_literal(wide)}")


def polygon_ranges(point: Point, polygon: Polygon) -> str | None:
    """Return the index condition for a point in a constant polygon; None where an index does not pay."""
    bound = bounding_circle(polygon)
    if bound is None:
        return None
    centre, radius = bound
    size = float(radius.constant or 0)
    few = len(polygon.vertices) <= _MAX_RANGED_VERTICES
    if few and _MIN_RANGED_RADIUS <= size <= MAX_POLYGON_DIAMETER / 2:
        coordinates = ", ".join(
            f"{part.constant!r}" for vertex in polygon.vertices for part in (vertex.lon, vertex.lat)
        )
        return _covers(point, f"public.q3c_poly_query_it(ARRAY[{coordinates}]::{DOUBLE}[]")
    return circle_ranges(point, centre, radius)


def constant_ranges(test: Test) -> str | None:
    """Return the index condition of a test against constants; None where there is no such index or it does not pay."""
    if isinstance(test, Membership):
        return polygon_ranges(test.point, test.polygon) if indexed(test.point) else None
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


def _covers(point: Point, bound: str) -> str:
    """Return the condition for Q3C's covers of whole pixels (1) and of pixels at the edge (0), upper ends excluded."""
    pixel = f"public.q3c_ang2ipix({point.lon.sql}, {point.lat.sql})"
    tests = (
        f"{pixel} >= {bound}, {i}, {whole}) AND {pixel} < {bound}, {i + 1}, {whole})"
        for whole in (1, 0)
        for i in range(0, _BOUNDS, 2)
    )
    return f"({' OR '.join(tests)})"


def bounding_circle(polygon: Polygon) -> tuple[Point, Value] | None:
    """Return a circle around a constant polygon that is smaller than a hemisphere; None for others."""
    vectors = []
    for vertex in polygon.vertices:
        coordinates = constant_coordinates(vertex)
        if coordinates is None:
            return None
        vectors.append(unit_vector(*coordinates))
    x, y, z = (sum(parts) for parts in zip(*vectors, strict=True))
    length = math.hypot(x, y, z)
    if length < 1e-6:
        return None
    middle = (x / length, y / length, z / length)
    radius = max(angle(middle, vector) for vector in vectors)
    if radius >= 89:
        return None
    position = polygon.vertices[0].lon.position
    lon, lat = math.degrees(math.atan2(y, x)) % 360, math.degrees(math.asin(max(-1.0, min(1.0, middle[2]))))
    return Point(number(lon, position), number(lat, position)), number(radius, position)


def unit_vector(lon: float, lat: float) -> tuple[float, float, float]:
    """Return the direction of a point given in degrees."""
    a, d = math.radians(lon), math.radians(lat)
    return math.cos(d) * math.cos(a), math.cos(d) * math.sin(a), math.sin(d)


def angle(first: tuple[float, float, float], second: tuple[float, float, float]) -> float:
    """Return the angle between two directions in degrees; exact for small ones."""
    return math.degrees(2 * math.asin(min(1.0, math.dist(first, second) / 2)))


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
        constants = [constant_coordinates(vertex) for vertex in value.geometry.vertices]
        if None not in constants:
            vertices = ",".join(f"({pair[0]!r}d,{pair[1]!r}d)" for pair in constants if pair)
            return f"'{{{vertices}}}'::public.spoly"
    vertex = "public.spoint(pg_catalog.radians(p.a[i]), pg_catalog.radians(p.a[i + 1]))"
    return (
        f"(SELECT public.spoly({vertex} ORDER BY i) FROM "
        f"(SELECT {polygon_array(value)} AS a) AS p, "
        "pg_catalog.generate_series(1, pg_catalog.array_length(p.a, 1), 2) AS i)"
    )


def _spoint(point: Point) -> str:
    return f"public.spoint(pg_catalog.radians({point.lon.sql}), pg_catalog.radians({point.lat.sql}))"
