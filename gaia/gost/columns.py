"""Columns of the answers of /gost/query."""

from __future__ import annotations

from vo.core.tables import Column, Datatype
from vo.core.tables.writers import TimeSystem

DOUBLE, SHORT, BOOLEAN = Datatype.DOUBLE, Datatype.SHORT, Datatype.BOOLEAN
CHAR = Datatype.CHAR


def _double(name: str, unit: str | None, ucd: str, description: str) -> Column:
    return Column(name, DOUBLE, unit=unit, ucd=ucd, description=description)


FOV = Column("fov", CHAR, "*", ucd="meta.code;instr", description="Field of view: P preceding, F following")
CCD_ROW = Column("ccd_row", SHORT, ucd="meta.number;instr.det", description="CCD row that it crosses, 1 to 7")
ZETA = _double("zeta", "deg", "pos;instr.fov", "Field angle across the scan, from the plane that is scanned")
OBMT = _double("obmt", None, "time.epoch", "Onboard mission timeline, in revolutions of six hours")
PARALLAX_FACTOR_AL = _double("parallax_factor_al", None, "arith.factor;pos.parallax", "Parallax factor along scan")
PARALLAX_FACTOR_AC = _double("parallax_factor_ac", None, "arith.factor;pos.parallax", "Parallax factor across scan")
IN_GAP = Column(
    "in_gap",
    BOOLEAN,
    ucd="meta.code",
    description="Whether astrometric data of this time are missing in Gaia DR3; empty later",
)
SEGMENT = Column("segment", CHAR, "*", ucd="meta.code", description="Segment of the nominal scanning law: EPSL, A to E")

SYSTEMS = (
    TimeSystem("TCB", "BARYCENTER", ("t_start", "t_stop")),
    TimeSystem("TCB", "TOPOCENTER", ("t_gaia",)),
)
"""The topocentre is where the instrument is: Gaia."""
VISIBILITY = (
    _double("t_validity", "d", "time.validity", "MJD until which this forecast is made; it will not change"),
    _double("t_start", "d", "time.start", "The position crosses the field's first CCD: barycentric MJD in TCB"),
    _double("t_stop", "d", "time.end", "It crosses the last CCD that it reaches: barycentric MJD in TCB"),
    _double("t_visibility", "s", "time.duration", "How long it crosses the astrometric field (ObjVisSAP)"),
    _double("t_observability", "s", "time.duration", "The same, by its name in ObjObsSAP"),
    _double("pos_angle", "deg", "pos.posAng", "Scan angle: position angle of the direction in which the field moves"),
    _double("em_min", "m", "em.wl;stat.min", "Shortest wavelength of the G band"),
    _double("em_max", "m", "em.wl;stat.max", "Longest wavelength of the G band"),
    Column("facility", CHAR, "*", ucd="meta.id;instr.tel", description="Who observes"),
    FOV,
    CCD_ROW,
    ZETA,
    PARALLAX_FACTOR_AL,
    PARALLAX_FACTOR_AC,
    _double("t_gaia", "d", "time.start", "The same as t_start at Gaia itself: MJD in TCB"),
    OBMT,
    IN_GAP,
    SEGMENT,
)
"""Those that the drafts demand, those that they know, and ours."""
