"""Area and centroid of spherical polygons in SQL, from the array of their vertices."""

# ruff: noqa: S608  (the package writes SQL: names come from the catalogue, literals are encoded anew)
from __future__ import annotations

# One row an edge, with the unit vectors of its ends (a*, b*) and of the first vertex (f*).
_EDGES = (
    "(SELECT v.x AS ax, v.y AS ay, v.z AS az, n.x AS bx, n.y AS by, n.z AS bz, f.x AS fx, f.y AS fy, f.z AS fz"
    " FROM vertices AS v JOIN vertices AS n ON n.i = v.i % v.n + 1 JOIN vertices AS f ON f.i = 1) AS e"
)
_TRIPLE = "(fx * (ay * bz - az * by) + fy * (az * bx - ax * bz) + fz * (ax * by - ay * bx))"
_DOTS = "(1 + (fx * ax + fy * ay + fz * az) + (ax * bx + ay * by + az * bz) + (bx * fx + by * fy + bz * fz))"


def area(array: str) -> str:
    """Return the area in square degrees of a polygon smaller than a hemisphere.

    The sum of the signed areas of the triangles of the first vertex and each edge (van Oosterom and Strackee 1983).
    """
    return (
        f"({_vertices(array)} SELECT pg_catalog.abs(pg_catalog.sum(2 * pg_catalog.atan2({_TRIPLE}, {_DOTS})))"
        f" * pg_catalog.power(180 / pg_catalog.pi(), 2) FROM {_EDGES})"
    )


def centroid(array: str) -> tuple[str, str]:
    """Return longitude and latitude, in degrees, of the centre of mass of a polygon smaller than a hemisphere.

    The integral of the position over the area is half the sum over the edges of their normals times their lengths.
    """
    normals = (
        f"{_vertices(array)}, normals AS (SELECT ay * bz - az * by AS x, az * bx - ax * bz AS y,"
        f" ax * by - ay * bx AS z, ax * bx + ay * by + az * bz AS cosine, {_TRIPLE} AS triple FROM {_EDGES}),"
        " sized AS (SELECT *, pg_catalog.sqrt(x * x + y * y + z * z) AS size FROM normals),"
        " weighted AS (SELECT x, y, z, triple,"
        " CASE WHEN size = 0 THEN 0 ELSE pg_catalog.atan2(size, cosine) / size END AS w FROM sized),"
        " total AS (SELECT pg_catalog.sum(x * w) AS x, pg_catalog.sum(y * w) AS y, pg_catalog.sum(z * w) AS z,"
        " pg_catalog.sign(pg_catalog.sum(triple)) AS s FROM weighted)"
    )
    lon = (
        f"({normals} SELECT pg_catalog.degrees(pg_catalog.atan2(s * y, s * x))"
        " + CASE WHEN s * y < 0 THEN 360 ELSE 0 END FROM total)"
    )
    lat = f"({normals} SELECT pg_catalog.degrees(pg_catalog.atan2(s * z, pg_catalog.sqrt(x * x + y * y))) FROM total)"
    return lon, lat


def _vertices(array: str) -> str:
    """Return the WITH clause that makes unit vectors of an array of coordinates."""
    return (
        f"WITH given AS MATERIALIZED (SELECT {array} AS a), vertices AS (SELECT (k + 1) / 2 AS i,"
        " pg_catalog.array_length(a, 1) / 2 AS n, pg_catalog.cosd(a[k + 1]) * pg_catalog.cosd(a[k]) AS x,"
        " pg_catalog.cosd(a[k + 1]) * pg_catalog.sind(a[k]) AS y, pg_catalog.sind(a[k + 1]) AS z"
        f" FROM given, pg_catalog.generate_series(1, pg_catalog.array_length(a, 1), 2) AS k)"
    )
