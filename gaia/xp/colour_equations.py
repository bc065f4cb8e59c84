"""Corrections of the ultraviolet band of two standardised systems, which depend on a colour."""

from __future__ import annotations

from ast import literal_eval
from configparser import ConfigParser
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from gaia.xp.model import distribution_folder

MAGNITUDE = 2.5 / np.log(10)
"""Error of a magnitude for a relative error of flux."""


@dataclass(frozen=True, slots=True)
class ColourEquation:
    """A polynomial of a colour, linear beyond the range in which it was fitted.

    Attributes
    ----------
    band : str
        To which the correction is added, in mag.
    colour : tuple of str
        The bands of the colour.
    coefficients : numpy.ndarray
        Of the polynomial, the highest power first.
    limits : tuple of float
        The range of the colour.
    """

    band: str
    colour: tuple[str, str]
    coefficients: NDArray[np.float64]
    limits: tuple[float, float]

    def correction(self, colour: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what is added to the magnitude."""
        inside = np.clip(colour, *self.limits)
        slope = np.polyval(np.polyder(self.coefficients), inside)
        value: NDArray[np.float64] = np.polyval(self.coefficients, inside) + slope * (colour - inside)
        return value

    def apply(
        self,
        bands: tuple[str, ...],
        zero_points: NDArray[np.float64],
        magnitudes: NDArray[np.float64],
        fluxes: NDArray[np.float64],
        errors: NDArray[np.float64],
    ) -> None:
        """Correct a system's magnitudes, fluxes and their errors in place, shapes (n, k).

        The flux of the corrected band is that of its magnitude, so there is none where the magnitude or the colour is
        unknown. The error of the colour takes the slope of the polynomial itself, also beyond its range (as GaiaXPy).
        """
        corrected, blue, red = (bands.index(band) for band in (self.band, *self.colour))
        relative = MAGNITUDE * errors / fluxes
        colour = magnitudes[:, blue] - magnitudes[:, red]
        slope = np.polyval(np.polyder(self.coefficients), colour)
        error = np.hypot(relative[:, corrected], np.hypot(relative[:, blue], relative[:, red]) * slope)
        magnitude = magnitudes[:, corrected] + self.correction(colour)
        flux = 10 ** (-0.4 * (magnitude - zero_points[corrected]))
        magnitudes[:, corrected] = magnitude
        fluxes[:, corrected] = flux
        errors[:, corrected] = error * flux / MAGNITUDE


@lru_cache(maxsize=64)
def colour_equation(label: str) -> ColourEquation | None:
    """Return the equation of a system by its label; None where there is none."""
    file = distribution_folder() / "config" / "colour_eq_files" / f"{label}_colour_eq.ini"
    if not file.is_file():
        return None
    parser = ConfigParser()
    parser.read(file)
    section = parser[label]
    blue, red = section["COLOUR_INDEX"].split("-")
    low, high = literal_eval(section["COLOUR_RANGE"])
    return ColourEquation(
        section["FILTER"], (blue, red), np.array(literal_eval(section["POLY_COEFFICIENTS"])[::-1]), (low, high)
    )
