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
from functools import lru_cache
from typing import TypeAlias

from tap.adql.errors import ADQLError
from tap.adql.scopes import Value
from tap.adql.sky.mocs import Moc
from tap.adql.sky.planes import Coordinates, Plane, plane, unit_vector
from tap.adql.types import DOUBLE, Kind, number_column, number_literal

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
    """A geometry as the database has it: `sql` is an spoint, scircle, spoly, or double precision[] in DALI's order.

    `bound` is an array with an indexed circle around it, where there is one.
    """

    kind: Kind
    sql: str
    sql_type: str
    bound: str | None = None


@dataclass(frozen=True, slots=True)
class Coverage:
    """A MOC that the database computes; `bound` is a constant circle that holds it, where one is known."""

    bound: Circle | None


Geometry: TypeAlias = Point | Circle | Polygon | Stored | Moc | Coverage
Region: TypeAlias = Circle | Polygon | Moc


@dataclass(frozen=True, slots=True)
class Proximity:
    """The condition that two points are within a radius of each other (`strict`: nearer than the radius)."""

    first: Point
    second: Point
    radius: Value
    strict: bool


@dataclass(frozen=True, slots=True)
class Membership:
    """The condition that a point is in a constant region; `exact` is its test in SQL."""

    point: Point
    region: Region
    exact: str

    @property
    def share(self) -> float:
        """About which part of the sky the region covers."""
        if isinstance(self.region, Moc):
            return self.region.fraction
        if isinstance(self.region, Polygon):
            flat = plane_of(self.region)
            radius = 180.0 if flat is None else flat.radius
        else:
            radius = float(self.region.radius.constant or 0)
        return (1 - math.cos(math.radians(radius))) / 2


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


def sound(point: Point) -> tuple[str, str]:
    """Return the coordinates of a point, NULL where they are none of the sky: Q3C raises errors for some of these."""
    if constant_coordinates(point) is not None or indexed(point):
        return point.lon.sql, point.lat.sql
    lon, lat = point.lon.sql, point.lat.sql
    if point.lon.constant is None:
        lon = f"(CASE WHEN {lon} BETWEEN -1e6 AND 1e6 THEN {lon} END)"
    if point.lat.constant is None:
        lat = f"(CASE WHEN {lat} BETWEEN -90 AND 90 THEN {lat} END)"
    return lon, lat


def distance(first: Point, second: Point) -> str:
    """Return the angular distance of two points in degrees."""
    return f"public.q3c_dist({', '.join((*sound(first), *sound(second)))})"


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
    place = ", ".join(sound(centre))
    if radius.constant is None:
        return _ranges(point, f"public.q3c_nearby_it({place}, {radius.sql} * 1.000000001 + 1e-9")
    wide = float(radius.constant) * (1 + 1e-9) + 1e-9
    if wide > MAX_INDEX_RADIUS:
        return None
    known = constant_coordinates(centre)
    if wide < FINE_COVER_RADIUS or known is None:
        return _ranges(point, f"public.q3c_nearby_it({place}, {number_literal(wide)}")
    ranges = _circle_cover(*known, wide)
    return None if ranges is None else _between(point, ranges)


def polygon_ranges(point: Point, polygon: Polygon) -> str | None:
    """Return the index condition for a point in a constant polygon; None where an index does not pay."""
    flat = plane_of(polygon)
    if flat is None or point.lon.origin is None:
        return None
    rows = point.lon.origin[0].relation.rows * (1 - math.cos(math.radians(flat.radius))) / 2
    if rows > _COVERED_ROWS or flat.radius >= FINE_COVER_RADIUS:
        ranges = _polygon_cover(flat)
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
    ranges = _moc_cover(region)
    return None if ranges is None else _between(point, ranges)


@lru_cache(maxsize=16)
def _circle_cover(lon: float, lat: float, radius: float) -> tuple[tuple[int, int], ...] | None:
    from tap.adql.sky import covers  # noqa: PLC0415  (NumPy, for large regions alone)

    size = math.radians(radius)
    return covers.cover(covers.in_circle(unit_vector(lon, lat), size), ranges=_COVER_RANGES, smallest=size / 16)


@lru_cache(maxsize=16)
def _polygon_cover(flat: Plane) -> tuple[tuple[int, int], ...] | None:
    from tap.adql.sky import covers  # noqa: PLC0415

    smallest = math.radians(flat.radius) / 16
    return covers.cover(covers.in_polygon(flat.vertices), ranges=_COVER_RANGES, smallest=smallest)


@lru_cache(maxsize=16)
def _moc_cover(moc: Moc) -> tuple[tuple[int, int], ...] | None:
    from tap.adql.sky import covers  # noqa: PLC0415

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


def coordinates_of(polygon: Polygon) -> Coordinates | None:
    """Return the vertices of a constant polygon."""
    pairs = [constant_coordinates(vertex) for vertex in polygon.vertices]
    return None if None in pairs else tuple(pair for pair in pairs if pair is not None)


def plane_of(polygon: Polygon) -> Plane | None:
    """Return a constant polygon in its plane; None for polygons that are not constant.

    Raises
    ------
    ADQLError
        If it encloses nothing, or does not fit into a hemisphere.
    """
    coordinates = coordinates_of(polygon)
    if coordinates is None:
        return None
    position = polygon.vertices[0].lon.position
    try:
        flat = plane(coordinates)
    except ValueError:
        raise ADQLError("A polygon needs three different vertices.", position) from None
    if flat is None:
        hint = "Split it: its inside would not be known."
        raise ADQLError("The polygon does not fit into a hemisphere.", position, hint=hint)
    return flat


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


def in_moc(point: Point, moc: str) -> str:
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


def circle_of_bound(bound: str) -> str:
    """Return the circle around a stored region as its index has it."""
    lon, lat, radius = (f"pg_catalog.radians({bound}[{place}])" for place in (1, 2, 3))
    return f"public.scircle(public.spoint({lon}, {lat}), {radius})"


def _spoint(point: Point) -> str:
    lon, lat = sound(point)
    return f"public.spoint(pg_catalog.radians({lon}), pg_catalog.radians({lat}))"
