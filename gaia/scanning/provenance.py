"""What results say of the forecast, so that it can be repeated and judged."""

from __future__ import annotations

from gaia.scanning import VERSION
from gaia.scanning.law import SPEED
from vo import __version__

ACCURACY = (
    "Nominal pointing, not the flown one, which may differ by 30 arcsec (0.5 s); of five transits one is lost on "
    "average. Times agree with those of ESA's tool to 0.5 ms in segments EPSL, B, C and D, 53 ms in A, 2 to 4 ms in E "
    "(standard deviations). After January 2020 only the times of one position have been checked against output that "
    "the constants were not made from."
)


def facts() -> dict[str, str]:
    """Return what results say, by names of INFOs."""
    return {
        "scanning_law": (
            "analytic nominal scanning law (Gaia Collaboration, Prusti et al. 2016, A&A 595, A1, eqs. 1 and 2), "
            f"S = {SPEED}, 59.9605 arcsec/s; kernel {VERSION} of vo-stack {__version__}"
        ),
        "ephemeris": "JPL Horizons -139479 to 2022-12-19, then an orbit solved from light times of forecasts",
        "gaps": "in_gap: data gaps of astrometry that DPAC published with Gaia DR3, to May 2017",
        "time_scales": "modified Julian days: crossing of the field's meridian, at Gaia in TCB and UTC; same wavefront "
        "at the barycentre in TCB; obmt in revolutions of six hours",
        "accuracy": ACCURACY,
    }
