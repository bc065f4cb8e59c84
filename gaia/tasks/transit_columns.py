"""Columns of forecasts of transits, and their rows from what the kernel makes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from gaia.scanning.gaps import gaps
from gaia.scanning.law import SEGMENTS
from gaia.scanning.transits import Transits
from vo.core.tables import Column, Datatype
from vo.core.tables.writers import CoordinateSystem, TimeSystem

TARGET = Column("target", Datatype.LONG, ucd="meta.id;meta.main", description="Number of the target's row, from 1")
HEALPIX = Column(
    "healpix", Datatype.LONG, ucd="pos.healpix;meta.main", description="Number of the HEALPix pixel, nested scheme"
)
RIGHT_ASCENSION = Column("ra", Datatype.DOUBLE, unit="deg", ucd="pos.eq.ra;meta.main", description="Right ascension")
DECLINATION = Column("dec", Datatype.DOUBLE, unit="deg", ucd="pos.eq.dec;meta.main", description="Declination")


TRANSIT = (
    Column(
        "time_gaia_tcb",
        Datatype.DOUBLE,
        unit="d",
        ucd="time.epoch",
        description="Time of the transit at Gaia, MJD in TCB",
    ),
    Column(
        "time_gaia_utc",
        Datatype.DOUBLE,
        unit="d",
        ucd="time.epoch",
        description="Time of the transit at Gaia, MJD in UTC",
    ),
    Column(
        "time_bary_tcb",
        Datatype.DOUBLE,
        unit="d",
        ucd="time.epoch;pos.barycenter",
        description="Time of the transit at the solar system's barycentre, MJD in TCB",
    ),
    Column(
        "obmt",
        Datatype.DOUBLE,
        ucd="time;instr",
        description="Time at Gaia as on-board mission timeline, in revolutions of six hours",
    ),
    Column(
        "fov",
        Datatype.CHAR,
        "*",
        ucd="meta.code;instr",
        description="Field of view: P preceding, F following",
    ),
    Column(
        "ccd_row",
        Datatype.SHORT,
        ucd="meta.number;instr.det",
        description="Row of CCDs, 1 to 7",
    ),
    Column(
        "zeta",
        Datatype.DOUBLE,
        unit="deg",
        ucd="pos;instr.fov",
        description="Field angle across the scan",
    ),
    Column(
        "scan_angle",
        Datatype.DOUBLE,
        unit="deg",
        ucd="pos.posAng",
        description="Direction of the scan, from north through east",
    ),
    Column(
        "parallax_factor_al",
        Datatype.DOUBLE,
        ucd="arith.factor;pos.parallax",
        description="Parallax factor along the scan",
    ),
    Column(
        "parallax_factor_ac",
        Datatype.DOUBLE,
        ucd="arith.factor;pos.parallax",
        description="Parallax factor across the scan",
    ),
    Column(
        "in_gap",
        Datatype.BOOLEAN,
        ucd="meta.code.qual",
        description="Whether astrometric data of this time are missing in Gaia DR3; empty later",
    ),
    Column(
        "segment",
        Datatype.CHAR,
        "*",
        ucd="meta.id.part",
        description="Segment of the scanning law: EPSL, A, B, C, D or E",
    ),
)
COUNTS = (
    Column(
        "transits",
        Datatype.INT,
        ucd="meta.number;obs",
        description="How many transits",
    ),
    Column(
        "preceding",
        Datatype.INT,
        ucd="meta.number;obs",
        description="How many of them in the preceding field of view",
    ),
    Column(
        "following",
        Datatype.INT,
        ucd="meta.number;obs",
        description="How many of them in the following field of view",
    ),
    Column(
        "in_gap",
        Datatype.INT,
        ucd="meta.number;obs",
        description="How many of them fall into known gaps of astrometric data",
    ),
    Column(
        "first_transit",
        Datatype.DOUBLE,
        unit="d",
        ucd="time.epoch;stat.min",
        description="Barycentric time of the first one, MJD in TCB",
    ),
    Column(
        "last_transit",
        Datatype.DOUBLE,
        unit="d",
        ucd="time.epoch;stat.max",
        description="Barycentric time of the last one, MJD in TCB",
    ),
)


SYSTEMS = (
    CoordinateSystem("ICRS", ("ra", "dec"), refposition="BARYCENTER"),
    TimeSystem("TCB", "TOPOCENTER", ("time_gaia_tcb",)),
    TimeSystem("UTC", "TOPOCENTER", ("time_gaia_utc",)),
    TimeSystem("TCB", "BARYCENTER", ("time_bary_tcb", "first_transit", "last_transit")),
)
"""The topocentre is where the instrument is: Gaia."""


def batch(columns: Sequence[pa.Array]) -> pa.RecordBatch:
    """Return columns as rows of a result, in which their places count."""
    return pa.RecordBatch.from_arrays(list(columns), names=[str(number) for number in range(len(columns))])


def transit_arrays(found: Transits) -> list[pa.Array]:
    """Return the columns `TRANSIT`."""
    unknown = found.obmt > gaps().end
    names = pa.array([segment.name for segment in SEGMENTS])
    return [
        *(pa.array(values) for values in (found.time_gaia_tcb, found.time_gaia_utc, found.time_bary_tcb, found.obmt)),
        pa.array(["P", "F"]).take(pa.array(found.following.astype(np.int8))),
        pa.array(found.ccd_row.astype(np.int16)),
        *(pa.array(values) for values in (found.zeta, found.scan_angle)),
        *(pa.array(values) for values in (found.parallax_factor_al, found.parallax_factor_ac)),
        pa.array(found.in_gap, mask=unknown),
        names.take(pa.array(found.segment)),
    ]


def count_arrays(found: Transits, targets: int) -> list[pa.Array]:
    """Return the columns `COUNTS`, a row for each of so many targets."""
    count = np.bincount(found.target, minlength=targets)
    following = np.bincount(found.target[found.following], minlength=targets)
    gaps = np.bincount(found.target[found.in_gap], minlength=targets)
    first, last = np.full(targets, np.inf), np.full(targets, -np.inf)
    np.minimum.at(first, found.target, found.time_bary_tcb)
    np.maximum.at(last, found.target, found.time_bary_tcb)
    return [
        *(pa.array(values.astype(np.int32)) for values in (count, count - following, following, gaps)),
        *(pa.array(values, mask=count == 0) for values in (first, last)),
    ]
