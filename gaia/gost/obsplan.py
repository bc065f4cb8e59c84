"""The table ``ivoa.obsplan`` (ObsLocTAP 1.0): the strips of the sky that Gaia has swept, hour by hour.

The plan of a mission that is over changes no more: publishing it again makes the same rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.resources import as_file, files
from itertools import chain

import numpy as np
import pyarrow as pa

from gaia.scanning import focal_plane, law, times
from gaia.scanning.arrays import Booleans, Floats
from gaia.scanning.ephemeris import LIGHT, orbit
from tap.ingest.description import SchemaDescription, read_description
from tap.ingest.models import IngestReport
from tap.ingest.service import IngestService, Progress
from tap.tables.models import TableName
from vo.core.tables import TableMetadata, TableStream, columns_of

NAME = TableName("ivoa", "obsplan")
HOUR = 1 / 24
"""What one row covers, in days: 60 degrees."""
EDGE_POINTS = 7
"""Of a strip's long sides. Between two of them, ten degrees apart, it bulges beyond its polygon by five arcsec."""
BATCH_HOURS = 4000
CROSSING = 40.5
"""Seconds for which a source is in the astrometric field."""


def publish(service: IngestService, progress: Progress) -> IngestReport:
    """Publish the plan, or publish it again."""
    schema = description()
    stream = plan()
    return service.publish(stream, NAME, schema, schema.table(NAME.table), progress=progress)


def description() -> SchemaDescription:
    """Read the table's description."""
    with as_file(files("gaia.gost").joinpath("obsplan.yaml")) as path:
        return read_description(path)


def rows(segments: Sequence[law.Segment] = law.SEGMENTS) -> int:
    """Return how many rows the plan has."""
    return 2 * sum(len(begin) for _, begin, _ in _hours(segments))


def plan(segments: Sequence[law.Segment] = law.SEGMENTS) -> TableStream:
    """Return the plan's rows, of all the mission or of some segments of its law."""
    batches = _batches(segments)
    first = next(batches)
    return TableStream(columns_of(first.schema), chain([first], batches), TableMetadata(rows=rows(segments)))


def _hours(segments: Sequence[law.Segment]) -> Iterator[tuple[str, Floats, Floats]]:
    """Yield each segment of the law with the beginnings and ends of its hours, in TDB at Gaia."""
    for segment in segments:
        count = int(np.ceil((segment.end - segment.begin) / HOUR - 1e-6))
        edges = segment.begin + HOUR * np.arange(count + 1, dtype=np.float64)
        edges[-1] = segment.end
        yield segment.name, edges[:-1], edges[1:]


def _batches(segments: Sequence[law.Segment]) -> Iterator[pa.RecordBatch]:
    for name, begin, end in _hours(segments):
        for first in range(0, len(begin), BATCH_HOURS):
            part = slice(first, first + BATCH_HOURS)
            yield from (_batch(name, begin[part], end[part], following=following) for following in (False, True))


def _batch(segment: str, begin: Floats, end: Floats, *, following: bool) -> pa.RecordBatch:
    count = len(begin)
    field = "F" if following else "P"
    t_min, t_max = times.utc(begin), times.utc(end)
    whole = np.rint(begin * 1440).astype(np.int64)
    names = [f"{segment}-{minute // 1440}-{minute % 1440:04d}-{field}" for minute in whole.tolist()]
    middle, region = strips(begin, end, following=np.full(count, following))
    offsets = np.arange(count + 1, dtype=np.int32) * region.shape[1]
    once = pa.scalar
    same = {
        "target_name": once(None, pa.string()),
        "obs_collection": once("Gaia nominal scanning law"),
        "s_fov": once(float(np.degrees(2 * focal_plane.HALF_HEIGHT) + 360 * HOUR / law.TURN)),
        "s_resolution": once(0.1),
        "t_exptime": once(CROSSING),
        "t_resolution": once(4.42),
        "em_min": once(330e-9),
        "em_max": once(1050e-9),
        "em_res_power": once(None, pa.float64()),
        "o_ucd": once("phot.flux;em.opt"),
        "pol_states": once(None, pa.string()),
        "pol_xel": once(None, pa.int32()),
        "facility_name": once("Gaia"),
        "instrument_name": once("Gaia astrometric field"),
        "t_plan_exptime": once(CROSSING),
        "category": once("Fixed"),
        "priority": once(1, pa.int32()),
        "execution_status": once("Performed"),
        "tracking_type": once("Fixed-az-el-transit"),
        "fov": once(field),
        "segment": once(segment),
    }
    own = {
        "t_planning": pa.array(t_max),
        "obs_id": pa.array(names),
        "s_ra": pa.array(middle[:, 0]),
        "s_dec": pa.array(middle[:, 1]),
        "s_region": pa.ListArray.from_arrays(pa.array(offsets), pa.array(region.ravel())),
        "t_min": pa.array(t_min),
        "t_max": pa.array(t_max),
    }
    return pa.record_batch(own | {key: pa.repeat(value, count) for key, value in same.items()})


def strips(begin: Floats, end: Floats, *, following: Booleans) -> tuple[Floats, Floats]:
    """Return the middles of strips, and their outlines.

    Parameters
    ----------
    begin, end : numpy.ndarray
        Modified Julian days, TDB at Gaia, within one segment of the law.
    following : numpy.ndarray
        Which field of view sweeps.

    Returns
    -------
    middle : numpy.ndarray
        Right ascension and declination in degrees, shape (n, 2).
    region : numpy.ndarray
        The same for the vertices, one after the other, counter-clockwise as seen on the sky: (n, 4 * EDGE_POINTS).
    """
    # The end of a segment belongs to the next one, where the field may be elsewhere.
    last = np.nextafter(end, -np.inf)
    shares = np.linspace(0, 1, EDGE_POINTS)
    forward = begin[:, None] * (1 - shares) + last[:, None] * shares
    sides = [
        _directions(moments.ravel(), np.repeat(following, EDGE_POINTS), height)
        for moments, height in (
            (forward, focal_plane.HALF_HEIGHT),
            (forward[:, ::-1], -focal_plane.HALF_HEIGHT),
        )
    ]
    outline = np.concatenate([_angles(side).reshape(len(begin), -1) for side in sides], axis=1)
    middle = _directions((begin + last) / 2, following, 0.0)
    return _angles(middle), outline


def _directions(time: Floats, following: Booleans, height: float) -> Floats:
    """Return where points of the fields really look: without the aberration by Gaia's motion."""
    seen = focal_plane.directions(time, following, np.full(len(time), height))
    velocity = orbit().state(time)[1] @ law.TO_ICRS.T / LIGHT
    return seen - velocity


def _angles(direction: Floats) -> Floats:
    x, y, z = direction.T
    return np.stack([np.degrees(np.arctan2(y, x)) % 360, np.degrees(np.arctan2(z, np.hypot(x, y)))], axis=1)
