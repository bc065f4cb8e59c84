"""Area and centroid of spherical polygons in SQL, from the array of their vertices."""

# ruff: noqa: S608  (the package writes SQL: names come from the catalogue, literals are encoded anew)
from __future__ import annotations

from tap.adql.sky.regions import determinant, differences, dot, edges

# Radians; smaller polygons are as good as flat, and what is exact loses its digits.
_FLAT = 1e-4


def area(array: str) -> str:
    """Return the area in square degrees of a polygon; NULL where an array is none."""
    return (
        f"(SELECT CASE WHEN {_SOUND} THEN pg_catalog.abs(pg_catalog.sum(size)) * "
        f"pg_catalog.power(180 / pg_catalog.pi(), 2) END FROM {_triangles(array)} AS s)"
    )


def centroid(array: str) -> tuple[str, str]:
    """Return longitude and latitude, in degrees, of the centre of mass of a polygon; NULL where an array is none.

    The integral of the position over the area is half the sum over the edges of their normals times their lengths.
    """
    exact = ", ".join(f"pg_catalog.sum({part} * weight) AS x{part}" for part in ("nx", "ny", "nz"))
    flat = ", ".join(f"pg_catalog.sum((p{part} + a{part} + b{part}) * size) AS y{part}" for part in "xyz")
    sums = (
        f"(SELECT {_SOUND} AS sound, pg_catalog.sign(pg_catalog.sum(size)) AS sign, {exact}, {flat}, "
        f"pg_catalog.max({dot('f', 'f')}) < {_FLAT**2} AS small FROM {_triangles(array)} AS s)"
    )
    x, y, z = (f"sign * CASE WHEN small THEN y{part} ELSE xn{part} END" for part in "xyz")
    chosen = f"(SELECT {x} AS x, {y} AS y, {z} AS z FROM {sums} AS t WHERE sound OFFSET 0) AS c"
    # What rounding puts a hair below 0 is 0.
    lon = (
        "(SELECT CASE WHEN l < -1e-11 THEN l + 360 WHEN l < 0 THEN 0 ELSE l END "
        f"FROM (SELECT pg_catalog.atan2d(y, x) AS l FROM {chosen} OFFSET 0) AS a)"
    )
    lat = f"(SELECT pg_catalog.atan2d(z, pg_catalog.sqrt(x * x + y * y)) FROM {chosen})"
    return lon, lat


_SOUND = "pg_catalog.bool_and(COALESCE(sound, FALSE)) AND pg_catalog.count(*) > 2"


def _triangles(array: str) -> str:
    """Return the triangles of each edge with the middle: signed areas (van Oosterom & Strackee 1983), normals, lengths.

    `weight` is the edge's length over that of its normal.
    """
    length = f"pg_catalog.sqrt({dot('m', 'm')})"
    middle = ", ".join(f"m{part} / NULLIF({length}, 0) AS p{part}" for part in "xyz")
    normal = (
        f"ay * ({_step('z')}) - az * ({_step('y')}) AS nx, az * ({_step('x')}) - ax * ({_step('z')}) AS ny, "
        f"ax * ({_step('y')}) - ay * ({_step('x')}) AS nz"
    )
    size = (
        f"2 * pg_catalog.atan2({determinant('p', 'f', 't')}, 1 + {dot('p', 'a')} + {dot('a', 'b')} + {dot('b', 'p')})"
    )
    from_middle = f"{differences('f', 'a', 'p')}, {differences('t', 'b', 'p')}"
    located = f"(SELECT *, {middle} FROM {edges(array)} AS e OFFSET 0) AS l"
    measured = f"(SELECT *, {from_middle}, {normal} FROM {located} OFFSET 0) AS d"
    weight = (
        f"CASE WHEN {dot('n', 'n')} > 0 THEN "
        f"pg_catalog.atan2(pg_catalog.sqrt({dot('n', 'n')}), {dot('a', 'b')}) / pg_catalog.sqrt({dot('n', 'n')}) "
        "ELSE 0 END"
    )
    return f"(SELECT *, {size} AS size, {dot('a', 'm')} > 0 AS sound, {weight} AS weight FROM {measured} OFFSET 0)"


def _step(part: str) -> str:
    return f"b{part} - a{part}"
