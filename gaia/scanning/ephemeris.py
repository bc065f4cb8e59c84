"""Where Gaia was and how fast it moved, relative to the barycentre of the solar system.

Daily states, with Hermite's cubic between them: JPL Horizons to 2022-12-19 12:00 TDB, later an orbit that was solved
from the light times of forecasts. How exact both are stands in the decision on Gaia's ephemeris.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np

from gaia.scanning.arrays import Floats
from gaia.scanning.law import TO_ICRS
from gaia.scanning.times import DAY, MJD

_DATA = Path(__file__).parent / "data" / "ephemeris.npz"
AU: Final = 149_597_870.7
"""Kilometres."""
LIGHT: Final = 299_792.458 * DAY / AU
"""Speed of light, astronomical units a day."""
SOLVED_FROM: Final = 2459932.0 - MJD
"""From here on the orbit is not JPL's but solved."""


@dataclass(frozen=True, slots=True)
class Orbit:
    """Gaia's orbit.

    Attributes
    ----------
    first : float
        Day of the first state, modified Julian day of TDB.
    pieces : numpy.ndarray
        Coefficients of 1, x, x^2, x^3 for x from 0 to 1 over each day, in astronomical units, shape (days, 4, 3).
    """

    first: float
    pieces: Floats

    def position(self, time: Floats) -> Floats:
        """Return positions at times (TDB), ecliptic, in astronomical units, shape (n, 3)."""
        pieces, x = self._pieces(time)
        total = pieces[:, 3]
        for power in (2, 1, 0):
            total = total * x + pieces[:, power]
        return total

    def state(self, time: Floats) -> tuple[Floats, Floats]:
        """Return positions, and velocities in astronomical units a day."""
        pieces, x = self._pieces(time)
        position = ((pieces[:, 3] * x + pieces[:, 2]) * x + pieces[:, 1]) * x + pieces[:, 0]
        velocity = (3 * pieces[:, 3] * x + 2 * pieces[:, 2]) * x + pieces[:, 1]
        return position, velocity

    def _pieces(self, time: Floats) -> tuple[Floats, Floats]:
        place = time - self.first
        day = np.clip(np.floor(place).astype(np.int64), 0, len(self.pieces) - 1)
        return self.pieces[day], (place - day)[:, None]


@cache
def orbit() -> Orbit:
    """Return the orbit, read once in a process."""
    with np.load(_DATA) as data:
        early = _hermite(data["horizons_position"], data["horizons_velocity"])
        late = _hermite(data["solved_position"], data["solved_velocity"])
        first = float(data["horizons_first"]) - MJD
        kept = round(float(data["solved_first"]) - MJD - first)
    return Orbit(first, np.concatenate([early[:kept], late]) @ TO_ICRS)


def _hermite(position: Floats, velocity: Floats) -> Floats:
    """Return the coefficients between daily states."""
    slope = velocity.astype(np.float64)
    before, after, leaving, arriving = position[:-1], position[1:], slope[:-1], slope[1:]
    way = after - before
    return np.stack([before, leaving, 3 * way - 2 * leaving - arriving, leaving + arriving - 2 * way], axis=1)
