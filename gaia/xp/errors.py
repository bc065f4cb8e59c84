"""Factors by which errors of synthetic photometry are too small: by brightness, as GaiaXPy distributes them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from gaia.xp.model import distribution_folder


@dataclass(frozen=True, slots=True)
class Corrections:
    """The table of a system.

    Attributes
    ----------
    edges : numpy.ndarray
        Of the b bins of G in mag, shape (b + 1,).
    factors : numpy.ndarray
        Of the k bands, shape (b, k).
    """

    edges: NDArray[np.float64]
    factors: NDArray[np.float64]

    def at(self, magnitude: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the factors of n sources, shape (n, k).

        They are those of the bin up to its middle and go from there to those of the next bin at its edge, as in
        GaiaXPy. Sources beyond the ends have the factors of the first or last bin, those without a magnitude the last.
        """
        last = len(self.factors) - 1
        known = np.where(np.isnan(magnitude), np.inf, magnitude)
        place = np.clip(np.searchsorted(self.edges, known, side="right") - 1, 0, last)
        low, high = self.edges[place], self.edges[place + 1]
        middle = (low + high) / 2
        part = np.clip((known - middle) / (high - middle), 0.0, 1.0)
        part[place == last] = 0.0
        here = self.factors[place]
        return here + (self.factors[np.minimum(place + 1, last)] - here) * part[:, None]


@lru_cache(maxsize=64)
def corrections(label: str) -> Corrections | None:
    """Return the table of a system by its label; None where there is none."""
    file = distribution_folder() / "config" / "correction_tables" / f"DIDREQ-465-{label}-correction-factors.csv"
    if not file.is_file():
        return None
    table = np.genfromtxt(file, delimiter=",", skip_header=1, ndmin=2)
    return Corrections(np.append(table[:, 0], table[-1, 1]), table[:, 2:])
