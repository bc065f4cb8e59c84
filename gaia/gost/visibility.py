"""The rows of /gost/query: one for each time that a position crosses the focal plane."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from gaia.gost.columns import VISIBILITY
from gaia.gost.request import FACILITY, ForecastRequest
from gaia.scanning import law, provenance, transits
from gaia.scanning.arrays import Booleans, Bytes, Floats
from gaia.scanning.ephemeris import LIGHT, orbit
from gaia.scanning.focal_plane import ccd_row
from gaia.scanning.gaps import gaps
from gaia.scanning.times import DAY, tdb
from vo.core.tables import schema_of

STEP = 4.85532
"""Seconds from one CCD of a row to the next."""
STEPS = np.array([0, 8, 8, 8, 7, 8, 8, 8])
"""From the first CCD of the astrometric field to the last, in each row: row 4 has one less, for a wavefront sensor."""
G_BAND = (330e-9, 1050e-9)
"""Metres."""


@dataclass(frozen=True, slots=True)
class Visibility:
    """What is answered.

    Attributes
    ----------
    batch : pyarrow.RecordBatch
        All rows, in the order of time.
    infos : tuple of (name, value, text)
        What is to be said of them.
    """

    batch: pa.RecordBatch
    infos: tuple[tuple[str, str, str], ...]


def visibility(wanted: ForecastRequest) -> Visibility:
    """Return when Gaia saw a position; ranges of time end where its scanning law does."""
    begin, end = max(wanted.begin, transits.BEGIN), min(wanted.end, transits.END)
    if begin > end or wanted.elsewhere:
        begin = end = transits.BEGIN
    found = transits.forecast(np.array([wanted.ra]), np.array([wanted.dec]), begin, end)
    steps, stretch = _steps(wanted, found)
    t_stop = found.time_bary_tcb + steps * STEP * stretch / DAY
    duration = steps * STEP
    names = np.array([segment.name for segment in law.SEGMENTS])
    count = len(found)
    made = {
        "t_validity": np.full(count, transits.END),
        "t_start": found.time_bary_tcb,
        "t_stop": t_stop,
        "t_visibility": duration,
        "t_observability": duration,
        "pos_angle": found.scan_angle,
        "em_min": np.full(count, G_BAND[0]),
        "em_max": np.full(count, G_BAND[1]),
        "facility": np.full(count, FACILITY),
        "fov": np.where(found.following, "F", "P"),
        "ccd_row": found.ccd_row.astype(np.int16),
        "zeta": found.zeta,
        "parallax_factor_al": found.parallax_factor_al,
        "parallax_factor_ac": found.parallax_factor_ac,
        "t_gaia": found.time_gaia_tcb,
        "obmt": found.obmt,
        "in_gap": pa.array(found.in_gap, mask=found.obmt > gaps().end),
        "segment": names[found.segment],
    }
    schema = schema_of(VISIBILITY)
    kept = duration >= wanted.least
    arrays = [pa.array(made[field.name], field.type).filter(pa.array(kept)) for field in schema]
    return Visibility(pa.RecordBatch.from_arrays(arrays, schema=schema), _infos(wanted))


def _steps(wanted: ForecastRequest, found: transits.Transits) -> tuple[Floats, Floats]:
    """Return how many CCDs each crossing reaches after the first, and how much longer they take at the barycentre.

    The spin axis goes on meanwhile, so that sources drift across the scan and may leave their row of CCDs.
    """
    alpha, delta = np.radians(wanted.ra), np.radians(wanted.dec)
    direction = np.array([np.cos(delta) * np.cos(alpha), np.cos(delta) * np.sin(alpha), np.sin(delta)])
    time = tdb(found.time_gaia_tcb)
    velocity = orbit().state(time)[1] @ law.TO_ICRS.T / LIGHT
    seen = direction + velocity
    seen /= np.linalg.norm(seen, axis=1, keepdims=True)
    reached: Floats = np.zeros(len(found))
    inside: Booleans = np.ones(len(found), dtype=bool)
    for step in range(1, int(STEPS.max()) + 1):
        axis = law.axes(np.minimum(time + step * STEP / DAY, np.nextafter(law.END, 0)))[:, 2]
        zeta = np.arcsin(np.einsum("nk,nk->n", axis, seen))
        row: Bytes = ccd_row(zeta, found.following)
        inside &= (row == found.ccd_row) & (step <= STEPS[found.ccd_row])
        reached += inside
    return reached, 1 + velocity @ direction


def _infos(wanted: ForecastRequest) -> tuple[tuple[str, str, str], ...]:
    infos = [
        (
            "T_MIN_HARD_LIMIT",
            f"{transits.BEGIN:.10g}",
            "Beginning of the nominal scanning law, MJD (barycentric TCB)",
        ),
        ("T_MAX_HARD_LIMIT", f"{transits.END:.10g}", "Its end"),
        *((name, value, "") for name, value in provenance.facts().items()),
    ]
    if (np.isfinite(wanted.begin) and wanted.begin < transits.BEGIN) or wanted.begin > transits.END:
        infos.append(("warning", "TIME", "The range begins outside of the nominal scanning law."))
    if (np.isfinite(wanted.end) and wanted.end > transits.END) or wanted.end < transits.BEGIN:
        infos.append(("warning", "TIME", "The range ends outside of the nominal scanning law."))
    return tuple(infos)
