"""Circles around the regions of a column, under whose index they are found: the regions themselves stay as given.

pgSphere has an index for circles. Around each region of a table it gets one, in a column that is not published; whether
a row that is found so is the right one, the region itself decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tap.adql.catalogue import BOUND_SUFFIX
from tap.tables.models import PlannedColumn

Floats = npt.NDArray[np.float64]

MAX_NAME = 63
"""Longest name that PostgreSQL keeps whole, in bytes."""

MAX_RADIUS = 89.0
"""Degrees; pgSphere has no circles of more than 90."""

_CIRCLES = pa.list_(pa.float64())


@dataclass(slots=True)
class Footprints:
    """The circles around one column's regions.

    Attributes
    ----------
    column, bound : str
        Names of the regions' column and of that of the circles.
    circle : bool
        Whether the regions are circles, rather than polygons.
    too_large : bool
        Whether there was a region for which there is no circle, so that the index would miss it.
    """

    column: str
    bound: str
    circle: bool
    too_large: bool = False


def footprints(planned: Iterable[PlannedColumn]) -> list[Footprints]:
    """Return what to make for the columns of circles and polygons."""
    columns = {item.column.name: item.column for item in planned}
    return [
        Footprints(name, name + BOUND_SUFFIX, column.xtype == "circle")
        for name, column in columns.items()
        if column.xtype in ("circle", "polygon") and pa.types.is_list(column.arrow_type)
        if name + BOUND_SUFFIX not in columns and len((name + BOUND_SUFFIX).encode()) <= MAX_NAME
    ]


def with_bounds(batches: Iterable[pa.RecordBatch], wanted: Iterable[Footprints]) -> Iterator[pa.RecordBatch]:
    """Yield batches with the circles as further columns."""
    for batch in batches:
        extended = batch
        for item in wanted:
            bounds, known = _bounds(batch.column(item.column), circle=item.circle)
            large = known & ~(bounds[:, 2] <= MAX_RADIUS)
            item.too_large = item.too_large or bool(large.any())
            usable = known & ~large
            offsets = np.append(0, np.cumsum(3 * usable)).astype(np.int32)
            values = pa.array(np.ascontiguousarray(bounds[usable]).ravel())
            circles = pa.ListArray.from_arrays(pa.array(offsets), values, type=_CIRCLES, mask=pa.array(~usable))
            extended = extended.append_column(pa.field(item.bound, _CIRCLES), circles)
        yield extended


def with_bound_fields(schema: pa.Schema, wanted: Iterable[Footprints]) -> pa.Schema:
    """Return the schema of such batches."""
    for item in wanted:
        schema = schema.append(pa.field(item.bound, _CIRCLES))
    return schema


def _bounds(regions: pa.ListArray, *, circle: bool) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Return longitude, latitude and radius of a circle around each region, and which regions are valid."""
    lengths = regions.value_lengths().fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
    values = regions.flatten().to_numpy(zero_copy_only=False).astype(np.float64)
    starts = np.append(0, np.cumsum(lengths))[:-1]
    found = np.zeros((len(regions), 3))
    shaped = lengths == 3 if circle else (lengths >= 6) & (lengths % 2 == 0)
    rows = np.flatnonzero(shaped)
    if not len(rows):
        return found, shaped
    if circle:
        found[rows] = values[starts[rows][:, None] + np.arange(3)]
        lon, lat, radius = found.T
        return found * [1, 1, 1 + 1e-9] + [0, 0, 1e-9], shaped & _on_sky(lon, lat) & (radius >= 0) & (radius <= 180)
    counts = lengths[rows] // 2
    owner = np.repeat(np.arange(len(rows)), counts)
    first = np.append(0, np.cumsum(counts))[:-1]
    places = np.repeat(starts[rows] - 2 * first, counts) + 2 * np.arange(len(owner))
    lon, lat = values[places], values[places + 1]
    valid = np.logical_and.reduceat(_on_sky(lon, lat), first)
    with np.errstate(invalid="ignore"):
        a, d = np.radians(lon), np.radians(lat)
        vertices = np.stack([np.cos(d) * np.cos(a), np.cos(d) * np.sin(a), np.sin(d)], axis=1)
        middle = np.add.reduceat(vertices, first)
        middle /= np.maximum(np.linalg.norm(middle, axis=1), 1e-12)[:, None]
        chord = np.maximum.reduceat(np.linalg.norm(vertices - middle[owner], axis=1), first)
        radius = np.degrees(2 * np.arcsin(np.minimum(chord / 2, 1)))
        found[rows, 0] = np.degrees(np.arctan2(middle[:, 1], middle[:, 0]))
        found[rows, 1] = np.degrees(np.arctan2(middle[:, 2], np.hypot(middle[:, 0], middle[:, 1])))
        found[rows, 2] = radius * (1 + 1e-9) + 1e-9
    known = shaped.copy()
    # A polygon beyond the hemisphere around its middle has no inside for us (tap.adql.sky.regions).
    known[rows] = valid & (radius < 90)
    return found, known


def _on_sky(lon: Floats, lat: Floats) -> npt.NDArray[np.bool_]:
    return (np.abs(lon) <= 1e6) & (np.abs(lat) <= 90)
