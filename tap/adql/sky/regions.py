"""Tests of polygons that vary from row to row, in SQL, from the array of their vertices.

pgSphere and Q3C raise errors for polygons that are large, have a vertex twice or cross themselves, and one such row
would end the whole query. Here every array has an answer: NULL where it is no polygon, which includes those that do not
lie in the hemisphere around the mean of their vertices. Directions are unit vectors; what is small is computed from
differences of them, so that it keeps its digits.
"""

# ruff: noqa: S608  (the package writes SQL: names come from the catalogue, literals are encoded anew)
from __future__ import annotations

# Radians: what is nearer to an edge is on it.
_RIM = 1e-12

_PI = "pg_catalog.pi()"


def contains_point(array: str, lon: str, lat: str) -> str:
    """Return the condition that a point is in a polygon or on its edge."""
    return _tested("inside", array, lon, lat)


def meets_circle(array: str, lon: str, lat: str, radius: str) -> str:
    """Return the condition that a polygon and a circle have a point in common."""
    return _tested(f"CASE WHEN {radius} BETWEEN 0 AND 180 THEN inside OR nearest <= {radius} END", array, lon, lat)


def contains_circle(array: str, lon: str, lat: str, radius: str) -> str:
    """Return the condition that a circle is in a polygon."""
    return _tested(
        f"CASE WHEN {radius} BETWEEN 0 AND 180 THEN inside AND nearest >= {radius} - 1e-11 END", array, lon, lat
    )


def in_circle(array: str, lon: str, lat: str, radius: str) -> str:
    """Return the condition that a polygon is in a circle: beyond 90 degrees that it keeps off the opposite one."""
    small = _tested(f"farthest <= {radius} + 1e-11", array, lon, lat)
    all_ = _tested("farthest IS NOT NULL", array, lon, lat)
    large = _tested(f"NOT inside AND nearest >= 180 - {radius} - 1e-11", array, f"({lon} + 180)", f"(-{lat})")
    return (
        f"(CASE WHEN {radius} BETWEEN 0 AND 90 THEN {small} WHEN {radius} > 90 AND {radius} < 180 THEN {large}"
        f" WHEN {radius} = 180 THEN {all_} END)"
    )


def meets_polygon(first: str, second: str) -> str:
    """Return the condition that two polygons have a point in common."""
    return (
        f"(SELECT CASE WHEN {_sound('o.a')} AND {_sound('o.b')} THEN "
        f"pg_catalog.bool_or({contains_point('o.b', 'v.lon', 'v.lat')}) OR (SELECT "
        f"pg_catalog.bool_or({contains_point('o.a', 'w.lon', 'w.lat')}) FROM {_vertices('o.b')} AS w)"
        f" OR {_crossing('o.a', 'o.b')} END FROM {_pair(first, second)}, LATERAL {_vertices('o.a')} AS v"
        " GROUP BY o.a, o.b)"
    )


def contains_polygon(outer: str, inner: str) -> str:
    """Return the condition that a polygon is in another."""
    return (
        f"(SELECT CASE WHEN {_sound('o.a')} AND {_sound('o.b')} THEN "
        f"pg_catalog.bool_and({contains_point('o.b', 'v.lon', 'v.lat')}) AND NOT {_crossing('o.a', 'o.b')} END"
        f" FROM {_pair(inner, outer)}, LATERAL {_vertices('o.a')} AS v GROUP BY o.a, o.b)"
    )


def _sound(array: str) -> str:
    return _tested("TRUE", array, "0", "0")


def _pair(first: str, second: str) -> str:
    return f"(SELECT {first} AS a, {second} AS b OFFSET 0) AS o"


def _vertices(array: str) -> str:
    """Return the vertices of an array: their numbers, coordinates (NULL where they are none) and directions."""
    return (
        "(SELECT k, lon, lat, pg_catalog.cosd(lat) * pg_catalog.cosd(lon) AS x, pg_catalog.cosd(lat) * "
        "pg_catalog.sind(lon) AS y, pg_catalog.sind(lat) AS z FROM (SELECT k, "
        "CASE WHEN g.a[k] BETWEEN -1e6 AND 1e6 THEN g.a[k] END AS lon, "
        "CASE WHEN g.a[k + 1] BETWEEN -90 AND 90 THEN g.a[k + 1] END AS lat "
        f"FROM (SELECT {array} AS a OFFSET 0) AS g, pg_catalog.generate_series(1, pg_catalog.cardinality(g.a), 2) AS k"
        " OFFSET 0) AS c)"
    )


def edges(array: str) -> str:
    """Return the edges of an array from a to b, with the sum m of all vertices."""
    ends = ", ".join(
        f"{part} AS a{part}, COALESCE(pg_catalog.lead({part}) OVER w, pg_catalog.first_value({part}) OVER w) AS b{part}"
        for part in "xyz"
    )
    middle = ", ".join(f"pg_catalog.sum({part}) OVER () AS m{part}" for part in "xyz")
    return f"(SELECT {ends}, {middle} FROM {_vertices(array)} AS v WINDOW w AS (ORDER BY k))"


def dot(first: str, second: str) -> str:
    """Return the product of two vectors by the prefixes of their columns."""
    return "(" + " + ".join(f"{first}{part} * {second}{part}" for part in "xyz") + ")"


def determinant(a: str, b: str, c: str) -> str:
    """Return the volume that three vectors span."""
    return (
        f"({a}x * ({b}y * {c}z - {b}z * {c}y) + {a}y * ({b}z * {c}x - {b}x * {c}z)"
        f" + {a}z * ({b}x * {c}y - {b}y * {c}x))"
    )


def differences(name: str, end: str, start: str) -> str:
    """Return the columns of the difference of two vectors."""
    return ", ".join(f"{end}{part} - {start}{part} AS {name}{part}" for part in "xyz")


def _tested(condition: str, array: str, lon: str, lat: str) -> str:
    """Return a condition on a polygon and a point p.

    It may use `inside`, and `nearest` and `farthest`, the distances in degrees to the nearest point of the outline and
    to the farthest vertex.
    """
    point = (
        "(SELECT pg_catalog.cosd(b) * pg_catalog.cosd(l) AS px, pg_catalog.cosd(b) * pg_catalog.sind(l) AS py, "
        f"pg_catalog.sind(b) AS pz FROM (SELECT {lon} AS l, {lat} AS b OFFSET 0) AS c OFFSET 0) AS p"
    )
    # From the point to both ends (f, t), and along the edge (d).
    between = ", ".join((differences("f", "a", "p"), differences("t", "b", "p"), differences("d", "b", "a")))
    whole = f"{dot('d', 'd')} * (1 - {dot('d', 'd')} / 4)"  # the square of the sine of the edge's length
    after = f"({dot('d', 'a')} * {dot('f', 'a')} - {dot('f', 'd')})"
    before = f"({dot('t', 'd')} - {dot('t', 'b')} * {dot('d', 'b')})"
    measured = (
        f"{determinant('p', 'f', 't')} AS across, {dot('f', 't')} - {dot('f', 'p')} * {dot('t', 'p')} AS along, "
        f"pg_catalog.sqrt(GREATEST({whole}, 0)) AS size, {after} AS after, {before} AS before, "
        f"pg_catalog.sqrt({dot('f', 'f')}) AS first, pg_catalog.sqrt({dot('t', 't')}) AS second, "
        f"{dot('a', 'm')} > 0 AS sound, {dot('p', 'm')} > 0 AS here"
    )
    beside = "size > 0 AND after >= 0 AND before >= 0"
    chord = f"CASE WHEN {{0}} < 2 THEN 2 * pg_catalog.asin({{0}} / 2) WHEN {{0}} >= 2 THEN {_PI} END"
    gathered = (
        "pg_catalog.bool_and(COALESCE(sound, FALSE)) AND pg_catalog.count(*) > 2 AS sound, "
        f"pg_catalog.bool_and(here) AND pg_catalog.abs(pg_catalog.sum(pg_catalog.atan2(across, along))) > {_PI} "
        f"OR pg_catalog.bool_or(LEAST(first, second) <= {_RIM} OR ({beside} AND pg_catalog.abs(across) <= "
        f"{_RIM} * size)) AS inside, "
        f"pg_catalog.degrees(pg_catalog.min(CASE WHEN {beside} THEN pg_catalog.asin(LEAST(pg_catalog.abs(across) / "
        f"NULLIF(size, 0), 1)) ELSE {chord.format('LEAST(first, second)')} END)) AS nearest, "
        f"pg_catalog.degrees(pg_catalog.max({chord.format('first')})) AS farthest"
    )
    return (
        f"(SELECT CASE WHEN sound THEN {condition} END FROM (SELECT {gathered} FROM (SELECT {measured} FROM "
        f"(SELECT *, {between} FROM {edges(array)} AS e, {point} OFFSET 0) AS q OFFSET 0) AS r) AS s)"
    )


def _crossing(first: str, second: str) -> str:
    """Return the condition that the outlines of two polygons cross."""
    sides = (
        f"{determinant('e.a', 'e.b', 'o.a')} AS oa, {determinant('e.a', 'e.b', 'o.b')} AS ob, "
        f"{determinant('o.a', 'o.b', 'e.a')} AS ea, {determinant('o.a', 'o.b', 'e.b')} AS eb"
    )
    return (
        "EXISTS (SELECT FROM (SELECT "
        f"{sides} FROM {edges(first)} AS e, {edges(second)} AS o OFFSET 0) AS c WHERE "
        "oa > 1e-14 AND eb > 1e-14 AND ob < -1e-14 AND ea < -1e-14"
        " OR oa < -1e-14 AND eb < -1e-14 AND ob > 1e-14 AND ea > 1e-14)"
    )
