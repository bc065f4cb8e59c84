"""The nominal Sun: the direction that the scanning law follows, which is a formula and not the true Sun."""

from __future__ import annotations

import numpy as np

from gaia.scanning.arrays import Floats

_J2000 = 51544.5


def longitude(tdb: Floats) -> Floats:
    """Return the ecliptic longitude of the nominal Sun, in radians without jumps at 2 pi."""
    days, anomaly = _anomaly(tdb)
    degrees = 280.4609350 + 0.9856090455 * days + 1.914824864 * np.sin(anomaly) + 0.01999771102 * np.sin(2 * anomaly)
    return np.asarray(np.radians(degrees), dtype=np.float64)


def speed(tdb: Floats) -> Floats:
    """Return how fast the longitude grows, in radians a day."""
    _, anomaly = _anomaly(tdb)
    rate = np.radians(0.9856002122)
    degrees = 0.9856090455 + rate * (1.914824864 * np.cos(anomaly) + 2 * 0.01999771102 * np.cos(2 * anomaly))
    return np.asarray(np.radians(degrees), dtype=np.float64)


def _anomaly(tdb: Floats) -> tuple[Floats, Floats]:
    days = tdb - _J2000
    return days, np.radians(357.5291498 + 0.9856002122 * days)
