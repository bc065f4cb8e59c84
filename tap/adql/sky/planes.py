"""Constant polygons in the plane that touches the sky at their middle.

Seen from the centre of the sphere, great circles are straight lines of that plane, so that PostgreSQL's own test of a
point in a plane polygon decides: for any shape and any number of vertices, many times as fast as pgSphere's. Where an
outline crosses itself, what it winds around is inside.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

Vector = tuple[float, float, float]
Place = tuple[float, float]
Coordinates = tuple[Place, ...]

MAX_RADIUS = 89.5
"""Degrees; a polygon must lie in less than a hemisphere."""

# PostgreSQL compares coordinates of its plane with a tolerance of 1e-6. In this unit that is far below a double's last
# digit, so that its comparisons are exact.
_UNIT = 1e9

# Radians. The outline is moved outward by so much, that what lies on it is inside in spite of rounding.
_RIM = 1e-12
_LONGEST_TIP = 10


@dataclass(frozen=True, slots=True)
class Plane:
    """A polygon around the middle of its plane.

    Attributes
    ----------
    lon, lat : float
        The point where the plane touches the sky, in degrees.
    radius : float
        Degrees; of a circle around this point that holds the polygon.
    coordinates : tuple of tuple of float
        The polygon's vertices in degrees, without repetitions.
    vertices : tuple of Vector
        Their directions.
    literal : str
        The polygon as PostgreSQL reads it.
    """

    lon: float
    lat: float
    radius: float
    coordinates: Coordinates
    vertices: tuple[Vector, ...]
    literal: str

    @property
    def central(self) -> bool:
        """Whether the polygon lies in the hemisphere around the mean of its vertices."""
        mean = _direction([sum(part) for part in zip(*self.vertices, strict=True)])
        return all(dot(vertex, mean) > 0 for vertex in self.vertices)

    @property
    def simple(self) -> bool:
        """Whether no two sides have a point in common but for the vertex between neighbours."""
        return _simple(self)

    def test(self, lon: str, lat: str) -> str:
        """Return the condition, in SQL, that a point of the sky is in the polygon or on its edge."""
        sine, cosine = math.sin(math.radians(self.lat)), math.cos(math.radians(self.lat))
        sin_lat, cos_lat = f"pg_catalog.sind({lat})", f"pg_catalog.cosd({lat})"
        east = f"({lon} - {self.lon!r})" if self.lon else lon
        sin_lon, cos_lon = f"pg_catalog.sind({east})", f"pg_catalog.cosd({east})"
        ahead = f"({sine!r} * {sin_lat} + {cosine!r} * {cos_lat} * {cos_lon})"
        x = f"{_UNIT!r} * {cos_lat} * {sin_lon} / {ahead}"
        y = f"({_UNIT * cosine!r} * {sin_lat} - {_UNIT * sine!r} * {cos_lat} * {cos_lon}) / {ahead}"
        # Far points are told by one cosine; NaN is greater than every number.
        far = math.cos(math.radians(min(self.radius * (1 + 1e-9) + 1e-9, 90))) - 1e-15
        return (
            f"(CASE WHEN {ahead} < {far!r} THEN FALSE WHEN {ahead} < 2 THEN "
            f"pg_catalog.poly_contain_pt('{self.literal}', pg_catalog.point({x}, {y})) END)"
        )


def unit_vector(lon: float, lat: float) -> Vector:
    """Return the direction of a point given in degrees."""
    a, d = math.radians(lon), math.radians(lat)
    return math.cos(d) * math.cos(a), math.cos(d) * math.sin(a), math.sin(d)


def angle(first: Vector, second: Vector) -> float:
    """Return the angle between two directions in degrees; exact for small ones."""
    return math.degrees(2 * math.asin(min(1.0, math.dist(first, second) / 2)))


def cap(radius: float) -> float:
    """Return which part of the sky a circle of a radius in degrees covers."""
    return (1 - math.cos(math.radians(min(radius, 180.0)))) / 2


def cross(a: Vector, b: Vector) -> Vector:
    """Return the normal of a great circle through two directions."""
    return a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]


def dot(a: Vector, b: Vector) -> float:
    """Return the cosine of the angle between two directions."""
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@lru_cache(maxsize=16)
def plane(coordinates: Coordinates) -> Plane | None:
    """Return a polygon, given by its vertices in degrees, in its plane; None if no hemisphere holds it.

    Raises
    ------
    ValueError
        If it has fewer than three different vertices.
    """
    vectors = [unit_vector(*pair) for pair in coordinates]
    kept = [i for i, vector in enumerate(vectors) if math.dist(vectors[i - 1], vector) > 1e-15]
    vertices = [vectors[i] for i in kept]
    if len(vertices) < 3:
        raise ValueError
    middle, radius = enclosing(vertices)
    if radius >= MAX_RADIUS:
        return None
    lon = round(math.degrees(math.atan2(middle[1], middle[0])), 6)
    lat = round(math.degrees(math.atan2(middle[2], math.hypot(middle[0], middle[1]))), 6)
    middle = unit_vector(lon, lat)
    radius = max(angle(middle, vertex) for vertex in vertices)
    points = ",".join(f"({x!r},{y!r})" for x, y in _projected(_widened(vertices, middle), lon, lat))
    return Plane(lon, lat, radius, tuple(coordinates[i] for i in kept), tuple(vertices), f"({points})")


@lru_cache(maxsize=16)
def _simple(flat: Plane) -> bool:
    """Compare every side with the others; a polygon that turns one way, and once around, need not be."""
    points = _projected(flat.vertices, flat.lon, flat.lat)
    steps = [(c - a, d - b) for (a, b), (c, d) in zip(points, [*points[1:], points[0]], strict=True)]
    turns = [a * d - b * c for (a, b), (c, d) in zip([steps[-1], *steps], steps, strict=False)]
    if all(turn > 0 for turn in turns) or all(turn < 0 for turn in turns):
        directions = [math.atan2(y, x) for x, y in steps]
        pairs = zip([directions[-1], *directions], directions, strict=False)
        if abs(sum((new - old + math.pi) % (2 * math.pi) - math.pi for old, new in pairs)) < 7:
            return True
    sides = list(zip(points, [*points[1:], points[0]], strict=True))
    return not any(
        _touch(one, other) for i, one in enumerate(sides) for other in (sides[i + 2 : -1] if i == 0 else sides[i + 2 :])
    )


def _touch(one: tuple[Place, Place], other: tuple[Place, Place]) -> bool:
    """Whether two sides in the plane cross or touch."""
    (a, b), (c, d) = one, other

    def side(p: Place, q: Place, r: Place) -> float:
        return (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0])

    return side(a, b, c) * side(a, b, d) <= 0 and side(c, d, a) * side(c, d, b) <= 0


def enclosing(vectors: Sequence[Vector]) -> tuple[Vector, float]:
    """Return centre and radius of a circle around directions: the smallest one, nearly, where it is large."""
    centre = _direction([sum(part) for part in zip(*vectors, strict=True)])
    radius = max(angle(centre, vector) for vector in vectors)
    if radius < 45:
        return centre, radius
    best = centre, radius
    for step in range(1, 50):  # towards the farthest, less and less (Badoiu & Clarkson 2003)
        farthest = min(vectors, key=lambda vector: dot(vector, centre))
        weight = 1 / (step + 1)
        centre = _direction([(1 - weight) * a + weight * b for a, b in zip(centre, farthest, strict=True)])
        radius = max(angle(centre, vector) for vector in vectors)
        if radius < best[1]:
            best = centre, radius
    return best


def _direction(sums: Sequence[float]) -> Vector:
    length = math.hypot(*sums)
    return (sums[0] / length, sums[1] / length, sums[2] / length) if length > 1e-9 else (0.0, 0.0, 1.0)


def _widened(vertices: Sequence[Vector], middle: Vector) -> list[Vector]:
    """Return the vertices of the outline moved outward by the width of the rim."""
    after = [*vertices[1:], vertices[0]]
    normals = [cross(a, b) for a, b in zip(vertices, after, strict=True)]
    # What the outline encloses, seen from the middle, is left of it or right.
    around = sum(dot(normal, middle) for normal in normals)
    side = math.copysign(1.0, around)
    unit = [_direction([side * part for part in normal]) for normal in normals]
    moved = []
    for vertex, before, behind in zip(vertices, [unit[-1], *unit[:-1]], unit, strict=True):
        tip = _RIM / max(1 + dot(before, behind), 1 / _LONGEST_TIP)
        x, y, z = (part - tip * (one + other) for part, one, other in zip(vertex, before, behind, strict=True))
        moved.append((x, y, z))
    return moved


def _projected(vertices: Sequence[Vector], lon: float, lat: float) -> list[tuple[float, float]]:
    """Return directions as points of the plane that touches the sky at a point."""
    a, d = math.radians(lon), math.radians(lat)
    east = (-math.sin(a), math.cos(a), 0.0)
    north = (-math.sin(d) * math.cos(a), -math.sin(d) * math.sin(a), math.cos(d))
    ahead = unit_vector(lon, lat)
    sizes = [_UNIT / dot(vertex, ahead) for vertex in vertices]
    return [(dot(v, east) * size, dot(v, north) * size) for v, size in zip(vertices, sizes, strict=True)]
