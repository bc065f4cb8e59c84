"""Transits of targets over the focal plane: what ESA's observation forecast tool tells of them."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from gaia.scanning import law, times
from gaia.scanning.arrays import Booleans, Bytes, Floats, Integers
from gaia.scanning.ephemeris import LIGHT
from gaia.scanning.gaps import gaps
from gaia.scanning.parallax import factors, scan_angle
from gaia.scanning.search import Crossings, crossings
from gaia.scanning.targets import targets
from vo.core.errors import ParameterError

_LIGHT_TIME = 0.006
"""Days: from Gaia to the barycentre and a little more."""
BEGIN = round(float(times.tcb(np.array([law.BEGIN]))[0]), 4)
END = round(float(times.tcb(np.array([law.END]))[0]), 4)
"""Range of the law: modified Julian days of TCB, barycentric within a light time of 0.006."""
EPOCH = 2016.0
"""Julian year of positions that move, unless another one is given: that of Gaia DR3."""


@dataclass(frozen=True, slots=True)
class Transits:
    """Transits, ordered by target and time.

    Attributes
    ----------
    target : numpy.ndarray
        Row of the target.
    time_gaia_tcb, time_gaia_utc : numpy.ndarray
        When it crossed the meridian of the field, at Gaia; modified Julian days.
    time_bary_tcb : numpy.ndarray
        When the same wavefront was at the barycentre of the solar system.
    obmt : numpy.ndarray
        The first as revolutions of the on-board mission timeline.
    following : numpy.ndarray
        Whether it was the following field of view; else the preceding one.
    ccd_row : numpy.ndarray
        Row of CCDs, 1 to 7.
    zeta : numpy.ndarray
        Elevation above the plane that is scanned, degrees.
    scan_angle : numpy.ndarray
        Position angle of the direction of scanning, from north by east, degrees from -180 to 180.
    parallax_factor_al, parallax_factor_ac : numpy.ndarray
        Displacement along and across the scan for a parallax of one.
    in_gap : numpy.ndarray
        Whether astrometric data of this time were lost, as the list of Gaia DR3 says, which ends in May 2017.
    segment : numpy.ndarray
        Index in `gaia.scanning.law.SEGMENTS`.
    """

    target: Integers
    time_gaia_tcb: Floats
    time_gaia_utc: Floats
    time_bary_tcb: Floats
    obmt: Floats
    following: Booleans
    ccd_row: Bytes
    zeta: Floats
    scan_angle: Floats
    parallax_factor_al: Floats
    parallax_factor_ac: Floats
    in_gap: Booleans
    segment: Bytes

    def __len__(self) -> int:
        return len(self.target)


def forecast(
    ra: Floats,
    dec: Floats,
    begin: float = BEGIN,
    end: float = END,
    *,
    pmra: Floats | None = None,
    pmdec: Floats | None = None,
    parallax: Floats | None = None,
    epoch: float | Floats = EPOCH,
) -> Transits:
    """Forecast the transits of targets.

    Parameters
    ----------
    ra, dec : numpy.ndarray
        Positions in degrees, ICRS. What is not a position has no transits.
    begin, end : float
        Range of times, modified Julian days of TCB at the barycentre; `end` is not in it.
    pmra, pmdec : numpy.ndarray, optional
        Proper motions in mas a year, along the great circle as in Gaia's catalogues; NaN is none.
    parallax : numpy.ndarray, optional
        In mas.
    epoch : float or numpy.ndarray, optional
        Of the positions, if they move: Julian year, of all or of each.

    Raises
    ------
    ParameterError
        If the range is not one of the law's.
    """
    first, last = gaia_range(begin, end)
    aims = targets(ra, dec, pmra=pmra, pmdec=pmdec, parallax=parallax, epoch=times.julian_year(epoch))
    made = [_transits(found, begin, end) for found in crossings(aims, first, last)]
    if not made:
        nothing = np.zeros(0)
        kinds = {"Integers": np.int64, "Booleans": np.bool_, "Bytes": np.int8}
        return Transits(*(nothing.astype(kinds.get(str(field.type), np.float64)) for field in fields(Transits)))
    return Transits(*(np.concatenate([getattr(part, field.name) for part in made]) for field in fields(Transits)))


def gaia_range(begin: float, end: float) -> tuple[float, float]:
    """Return the times at Gaia (TDB) that may belong to a range at the barycentre (TCB).

    Raises
    ------
    ParameterError
        If the law does not tell of the range.
    """
    for name, time in (("TIME_MIN", begin), ("TIME_MAX", end)):
        if not BEGIN - _LIGHT_TIME <= time <= END + _LIGHT_TIME:
            raise ParameterError(
                name,
                f"{time:.10g} is outside the nominal scanning law, which is known from MJD {BEGIN} to {END} "
                "(TCB; 2014-07-25 to 2025-01-15).",
            )
    if end < begin:
        raise ParameterError("TIME_MAX", f"{end:.10g} is before TIME_MIN, {begin:.10g}.")
    first, last = times.tdb(np.array([begin, end]))
    return float(first) - _LIGHT_TIME, float(last) + _LIGHT_TIME


def barycentric(found: Crossings) -> Floats:
    """Return when the wavefronts that Gaia saw were at the barycentre, modified Julian days of TCB."""
    return times.tcb(found.time + np.einsum("nk,nk->n", found.position, found.direction) / LIGHT)


def _transits(found: Crossings, begin: float, end: float) -> Transits:
    tcb = times.tcb(found.time)
    bary = barycentric(found)
    along, across = factors(found.axis, found.direction, found.position, found.velocity)
    obmt = times.obmt(tcb)
    made = Transits(
        target=found.target,
        time_gaia_tcb=tcb,
        time_gaia_utc=times.utc(found.time),
        time_bary_tcb=bary,
        obmt=obmt,
        following=found.following,
        ccd_row=found.row,
        zeta=np.degrees(found.zeta),
        scan_angle=np.degrees(scan_angle(found.axis, found.seen)),
        parallax_factor_al=along,
        parallax_factor_ac=across,
        in_gap=gaps().contain(obmt, found.row),
        segment=found.segment,
    )
    inside = (bary >= begin) & (bary < end)
    return made if inside.all() else Transits(*(getattr(made, field.name)[inside] for field in fields(Transits)))
