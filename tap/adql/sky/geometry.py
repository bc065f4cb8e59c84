"""Points and regions: what is known of them, the tests between them, and how they are written in SQL.

An exact test decides in every condition on the sky; `tap.adql.sky.pixels` says where an index may serve it.
"""

# ruff: noqa: S608  (the package writes SQL: names come from the catalogue, literals are encoded anew)
from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from tap.adql.errors import ADQLError
from tap.adql.operands import Value, combined
from tap.adql.sky.mocs import Moc
from tap.adql.sky.planes import Coordinates, Plane, plane
from tap.adql.types import DOUBLE, Kind, number_column, number_literal


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


Test: TypeAlias = Proximity | Membership


def number(value: float, position: int) -> Value:
    """Return a constant double."""
    sql = number_literal(value)
    return Value(sql, number_column(DOUBLE), DOUBLE, Kind.NUMBER, position, constant=value)


def computed(sql: str, *operands: Value) -> Value:
    """Return a double computed from other values."""
    return combined(sql, number_column(DOUBLE), DOUBLE, Kind.NUMBER, operands[0].position, operands)


def constant_coordinates(point: Point) -> tuple[float, float] | None:
    """Return a point's coordinates where they are known."""
    lon, lat = point.lon.constant, point.lat.constant
    return (float(lon), float(lat)) if lon is not None and lat is not None else None


def check_point(point: Point) -> Point:
    """Refuse a constant latitude beyond the poles, for which Q3C raises an error."""
    latitude = point.lat.constant
    if latitude is not None and abs(float(latitude)) > 90:
        message = f"The latitude {float(latitude):.12g} is not between -90 and 90 degrees."
        raise ADQLError(message, point.lat.position, hint="The longitude comes first, the latitude second.")
    return point


def check_radius(radius: Value) -> Value:
    """Refuse a constant radius that no circle on the sky has."""
    if radius.constant is not None and not 0 <= float(radius.constant) <= 180:
        message = f"The radius {float(radius.constant):.12g} is not between 0 and 180 degrees."
        raise ADQLError(message, radius.position, hint="An arcminute is 1 / 60., an arcsecond 1 / 3600. of a degree.")
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


def known_with(value: Value) -> str:
    """Return an expression that is NULL exactly when a value is: the sum of a geometry's parts where it is computed."""
    return value.sql or f"({' + '.join(part.sql for part in parts_of(value.geometry))})"


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
