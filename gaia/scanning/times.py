"""Time scales of the forecast, as modified Julian days, and revolutions of the on-board clock."""

from __future__ import annotations

import numpy as np

from gaia.scanning.arrays import Floats

DAY = 86400.0
"""Seconds of a day."""
MJD = 2_400_000.5
"""Julian day of the first modified Julian day."""

_L_B = 1.550519768e-8
_TDB_0 = -6.55e-5 / DAY
_EPOCH = 43144.0003725
"""1977 January 1, where TCB and TDB were set (IAU 2006, resolution B3)."""
_RATE = _L_B / (1 - _L_B)

_TT_OF_TAI = 32.184 / DAY
_LEAP_SECONDS = ((56109.0, 35), (57204.0, 36), (57754.0, 37))
"""TAI − UTC from these days (UTC) on, as far as the scanning law reaches; the table is that of IERS Bulletin C.

None came from 2017 until Gaia ended its work in January 2025; one that comes later changes nothing here.
"""

_OBMT_DAY = 2457023.75 - MJD
_OBMT = 1717.6256


def tcb(tdb: Floats) -> Floats:
    """Return the TCB of times in TDB."""
    return tdb + (_RATE * (tdb - _EPOCH) - _TDB_0 * (1 + _RATE))


def tdb(tcb: Floats) -> Floats:
    """Return the TDB of times in TCB."""
    return tcb - _L_B * (tcb - _EPOCH) + _TDB_0


def utc(tdb: Floats) -> Floats:
    """Return the UTC of times in TDB.

    A day with a leap second is 86,401 seconds long, and fractions of it are fractions of that, as in ERFA and astropy.
    """
    tai = tdb - _tdb_of_tt(tdb) - _TT_OF_TAI
    changes = [day + seconds / DAY for day, seconds in _LEAP_SECONDS[1:]]
    offsets = np.array([seconds for _, seconds in _LEAP_SECONDS]) / DAY
    made = tai - offsets[np.searchsorted(changes, tai, side="right")]
    for (day, _), change in zip(_LEAP_SECONDS[1:], changes, strict=True):
        longer = (made >= day - 1) & (tai < change)
        made = np.where(longer, day - 1 + (made - (day - 1)) * (DAY / (DAY + 1)), made)
    return made


def obmt(tcb: Floats) -> Floats:
    """Return the revolutions of the on-board mission timeline at times in TCB at Gaia."""
    return _OBMT + 4.0 * (tcb - _OBMT_DAY)


def julian_year(year: float | Floats) -> float | Floats:
    """Return the modified Julian day of an epoch in Julian years, or of several."""
    return 51544.5 + (year - 2000.0) * 365.25


def _tdb_of_tt(tdb: Floats) -> Floats:
    """Return TDB − TT at the centre of the Earth, in days; exact to 10 microseconds (USNO Circular 179, eq. 2.6)."""
    centuries = (tdb - 51544.5) / 36525.0
    terms = (
        (0.001657, 628.3076, 6.2401),
        (0.000022, 575.3385, 4.2970),
        (0.000014, 1256.6152, 6.1969),
        (0.000005, 606.9777, 4.0212),
        (0.000005, 52.9691, 0.4444),
        (0.000002, 21.3299, 5.5431),
    )
    seconds = sum(size * np.sin(rate * centuries + phase) for size, rate, phase in terms)
    return np.asarray(seconds, dtype=np.float64) / DAY
