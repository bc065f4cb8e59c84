"""Answers to questions about the sky by plain NumPy, and the stars that they are asked about.

Nothing here is shared with the translator: vectors, winding numbers and distances to arcs, over all stars.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import psycopg2.extensions
import pyarrow as pa
from numpy.typing import NDArray

from vo.core.tables.readers import open_table
from vo.demo.catalogues import GAIA, demo_description

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Vertices = Sequence[tuple[float, float]]

EDGE = 1e-9
"""Degrees: what is nearer to an edge is left undecided."""


@dataclass(frozen=True)
class Stars:
    """Stars by number, position (NaN where it is NULL) and magnitude."""

    id: NDArray[np.int64]
    ra: Array
    dec: Array
    g: Array

    @property
    def known(self) -> Mask:
        """Which stars have a position."""
        return np.isfinite(self.ra)


@cache
def stars(count: int = 30_000, seed: int = 1) -> Stars:
    """Return real stars of Gaia, the same ones every time, and some hundred at special places.

    These are the poles, right ascensions of 0 and nearly 360, whole degrees, the same place twice, and no place at all.
    """
    layout = demo_description(GAIA.description).table(GAIA.name.table).layout
    table = pa.Table.from_batches(open_table(GAIA.path(), layout=layout).batches)
    random = np.random.default_rng(seed)
    # Whole neighbourhoods beside a thin sample of everything: tiny regions shall find something.
    ra, dec, g = (table.column(name).to_numpy() for name in ("ra", "dec", "phot_g_mean_mag"))
    near = np.minimum(separation(ra, dec, 56.75, 24.12), separation(ra, dec, 0.0, 0.0)) < 4
    near |= np.abs(dec) > 87
    drawn = np.union1d(np.flatnonzero(near), random.choice(len(ra), count, replace=False))
    ra, dec, g = ra[drawn], dec[drawn], g[drawn].astype(np.float64)
    special = [(lon, lat) for lon in (0.0, 90.0, 180.0, 360 - 1e-9) for lat in (-90.0, -45.0, 0.0, 1e-10, 45.0, 90.0)]
    special += [(float(lon), float(lat)) for lon in range(0, 21, 5) for lat in range(-20, 21, 5)]
    special += [(10.0, 10.0)] * 3 + [(np.nan, np.nan)] * 20
    lon, lat = np.array(special).T
    ra, dec = np.append(ra, lon), np.append(dec, lat)
    g = np.append(g, random.uniform(3, 15, len(special))).astype(np.float32).astype(np.float64)
    return Stars(np.arange(len(ra), dtype=np.int64), ra, dec, g)


def load_stars(cursor: psycopg2.extensions.cursor, found: Stars, table: str = "data.bright__v7") -> None:
    """Make a table with the columns that the tests' catalogue has for ``gaia_dr3.bright``, indexed as ingest does."""
    schema = table.partition(".")[0]
    cursor.execute(
        f"CREATE SCHEMA IF NOT EXISTS {schema}; CREATE TABLE {table} (source_id bigint PRIMARY KEY, "
        "ra double precision, dec double precision, g real, name text, seen timestamp, variable boolean, "
        "quality smallint, spectrum real[])"
    )
    rows = io.StringIO()
    for i, ra, dec, g in zip(*(part.tolist() for part in (found.id, found.ra, found.dec, found.g)), strict=True):
        place = "\\N\t\\N" if math.isnan(ra) else f"{ra!r}\t{dec!r}"
        rows.write(f"{i}\t{place}\t{g!r}\tstar {i}\t2020-01-01\t{'tf'[i % 2]}\t{i % 200}\t{{1,2,3}}\n")
    rows.seek(0)
    cursor.copy_expert(f"COPY {table} FROM STDIN", rows)
    cursor.execute(
        f"CREATE INDEX ON {table} (public.q3c_ang2ipix(ra, dec)); CREATE INDEX ON {table} (g); ANALYZE {table}; "
        f"GRANT USAGE ON SCHEMA {schema} TO vo_tap; GRANT SELECT ON {table} TO vo_tap"
    )


# ---- points ---------------------------------------------------------------------------------------------------------


def vectors(lon: Any, lat: Any) -> Array:
    """Return unit vectors; the last axis has x, y and z."""
    a, d = np.radians(lon), np.radians(lat)
    return np.stack([np.cos(d) * np.cos(a), np.cos(d) * np.sin(a), np.sin(d) + 0 * a], axis=-1)


def angles(first: Array, second: Array) -> Array:
    """Return angles between vectors in degrees; exact for small and for large ones."""
    across = np.linalg.norm(np.cross(first, second), axis=-1)
    return np.asarray(np.degrees(np.arctan2(across, np.sum(first * second, axis=-1))))


def separation(ra: Any, dec: Any, lon: Any, lat: Any) -> Array:
    """Return angular distances in degrees by the haversine formula."""
    a, d, l, b = map(np.radians, (ra, dec, lon, lat))  # noqa: E741
    half = np.sin((d - b) / 2) ** 2 + np.cos(d) * np.cos(b) * np.sin((a - l) / 2) ** 2
    return np.asarray(np.degrees(2 * np.arcsin(np.sqrt(np.minimum(half, 1)))))


def ring(lon: float, lat: float, radius: Any, angle: Any) -> list[tuple[float, float]]:
    """Return points at distances from a centre and at position angles, all in degrees."""
    ahead, east, north = frame(lon, lat)
    r, turned = np.broadcast_arrays(np.radians(radius), np.radians(angle))
    out = np.outer(np.cos(turned), north) + np.outer(np.sin(turned), east)
    return coordinates(np.cos(r)[:, None] * ahead + np.sin(r)[:, None] * out)


def frame(lon: float, lat: float) -> tuple[Array, Array, Array]:
    """Return a direction, and those to the east and to the north of it."""
    a, d = np.radians(lon), np.radians(lat)
    east = np.array([-np.sin(a), np.cos(a), 0.0])
    return vectors(lon, lat), east, np.array([-np.sin(d) * np.cos(a), -np.sin(d) * np.sin(a), np.cos(d)])


def coordinates(directions: Array) -> list[tuple[float, float]]:
    """Return directions in degrees."""
    x, y, z = directions.T
    lon, lat = np.degrees(np.arctan2(y, x)) % 360, np.degrees(np.arctan2(z, np.hypot(x, y)))
    return [(float(one), float(other)) for one, other in zip(lon, lat, strict=True)]


# ---- polygons -------------------------------------------------------------------------------------------------------


def to_edges(vertices: Vertices, ra: Any, dec: Any) -> Array:
    """Return the distances of points to the outline of a polygon, in degrees."""
    corners, points = vectors(*np.transpose(vertices)), vectors(np.atleast_1d(ra), np.atleast_1d(dec))
    nearest = np.full(len(points), np.inf)
    for a, b in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        normal = np.cross(a, b)
        length = np.linalg.norm(normal)
        nearest = np.minimum(nearest, np.minimum(angles(points, a), angles(points, b)))
        if length > 0:
            beside = (points @ np.cross(normal, a) >= 0) & (points @ np.cross(b, normal) >= 0)
            across = np.degrees(np.arcsin(np.clip(np.abs(points @ normal) / length, 0, 1)))
            nearest = np.where(beside, np.minimum(nearest, across), nearest)
    return nearest


def inside(vertices: Vertices, ra: Any, dec: Any) -> Mask:
    """Return which points are in a polygon that fits into the hemisphere around the mean of its vertices.

    The outline winds around a point inside; it winds around the antipodes of these too, which are in the other half.
    """
    corners, points = vectors(*np.transpose(vertices)), vectors(np.atleast_1d(ra), np.atleast_1d(dec))
    middle = corners.sum(axis=0)
    assert np.all(corners @ middle > 0), "the polygon is not in one hemisphere"
    turned = np.zeros(len(points))
    for a, b in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        one, other = a - points, b - points  # small polygons keep their digits
        along = np.sum(one * other, axis=1) - np.sum(one * points, axis=1) * np.sum(other * points, axis=1)
        turned += np.arctan2(np.sum(points * np.cross(one, other), axis=1), along)
    return np.asarray((np.abs(turned) > np.pi) & (points @ middle > 0))


def in_polygon(vertices: Vertices, ra: Array, dec: Array) -> tuple[Mask, Mask]:
    """Return which points are in a polygon, and which are so near to its edge that this is open."""
    corners = vectors(*np.transpose(vertices))
    middle = corners.sum(axis=0)
    middle /= np.linalg.norm(middle)
    reach = np.min(corners @ middle)
    near = np.flatnonzero(vectors(ra, dec) @ middle >= reach - 1e-6)
    found, edge = np.zeros(len(ra), bool), np.zeros(len(ra), bool)
    found[near] = inside(vertices, ra[near], dec[near])
    edge[near] = to_edges(vertices, ra[near], dec[near]) < EDGE
    return found, edge


def box(lon: float, lat: float, width: float, height: float) -> list[tuple[float, float]]:
    """Return the corners of a box: its sides stand at right angles on the ends of a cross of great circles."""
    ahead, east, north = frame(lon, lat)
    x, y = np.tan(np.radians(width / 2)) * east, np.tan(np.radians(height / 2)) * north
    return coordinates(np.stack([ahead + i * x + j * y for i, j in ((-1, -1), (1, -1), (1, 1), (-1, 1))]))


def crossing(first: Vertices, second: Vertices) -> bool:
    """Whether the outlines of two polygons cross."""
    one, other = vectors(*np.transpose(first)), vectors(*np.transpose(second))
    for a, b in zip(one, np.roll(one, -1, axis=0), strict=True):
        n = np.cross(a, b)
        for c, d in zip(other, np.roll(other, -1, axis=0), strict=True):
            m = np.cross(c, d)
            x = np.cross(n, m)
            sides = np.stack([np.cross(n, a), np.cross(b, n), np.cross(m, c), np.cross(d, m)])
            if np.all(sides @ x > 0) or np.all(sides @ x < 0):
                return True
    return False


def polygons_meet(first: Vertices, second: Vertices) -> bool:
    """Whether two polygons have a point in common."""
    corners = (inside(second, *first[0])[0], inside(first, *second[0])[0])
    return bool(any(corners)) or crossing(first, second)


def polygon_in_polygon(inner: Vertices, outer: Vertices) -> bool:
    """Whether one polygon is inside another."""
    return bool(inside(outer, *np.transpose(inner)).all()) and not crossing(inner, outer)


# ---- HEALPix --------------------------------------------------------------------------------------------------------


def healpix(order: int, lon: Any, lat: Any) -> NDArray[np.int64]:
    """Return the numbers of the HEALPix cells, in the NESTED scheme, that hold points (Gorski et al. 2005)."""
    z, side = np.sin(np.radians(lat)), 1 << order
    quarter = np.mod(np.asarray(lon, np.float64), 360.0) / 90.0
    belt = np.abs(z) <= 2 / 3
    up, down = side * (0.5 + quarter) - side * z * 0.75, side * (0.5 + quarter) + side * z * 0.75
    jp, jm = np.floor(up).astype(np.int64), np.floor(down).astype(np.int64)
    ifp, ifm = jp >> order, jm >> order
    face = np.where(ifp == ifm, ifp & 3 | 4, np.where(ifp < ifm, ifp & 3, (ifm & 3) + 8))
    x, y = jm & (side - 1), side - (jp & (side - 1)) - 1
    # Near the poles sin(dec) has lost its digits: cos(dec) has them.
    part = np.minimum(np.floor(quarter), 3).astype(np.int64)
    t = quarter - part
    size = side * np.abs(np.cos(np.radians(lat))) * np.sqrt(3 / (1 + np.abs(z)))
    one = np.minimum(np.floor(t * size).astype(np.int64), side - 1)
    other = np.minimum(np.floor((1 - t) * size).astype(np.int64), side - 1)
    north = z >= 0
    face = np.where(belt, face, np.where(north, part, part + 8))
    x = np.where(belt, x, np.where(north, side - other - 1, one))
    y = np.where(belt, y, np.where(north, side - one - 1, other))
    number = np.zeros_like(x)
    for bit in range(order):
        number |= ((x >> bit) & 1) << (2 * bit) | ((y >> bit) & 1) << (2 * bit + 1)
    return np.asarray(face << (2 * order) | number)
