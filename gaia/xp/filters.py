"""Passbands of one's own: what a passband makes of the coefficients of a spectrum.

The flux of a source in a passband is an integral over its calibrated spectrum, and this a sum over coefficients. So the
integral is done once for each basis function, and then flux and error are exact for every source, its covariance
included: nothing is sampled.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from gaia.xp.model import BP_RANGE, RP_RANGE, XpModel
from gaia.xp.systems import PER_FREQUENCY, PER_WAVELENGTH
from vo.core.errors import ParameterError

LABEL = "User"
"""In place of a system's label in names of columns."""
RANGE = (330.0, 1050.0)
"""Wavelengths (nm) that calibrated spectra have."""
OUTSIDE = 0.02
"""The part of a passband's integral that may lie outside."""
MOST_POINTS = 10_000

LIGHT = 2.99792458e17
"""Speed of light in nm/s."""
STEP = 1.0
"""Widest interval (nm) over which the quadrature takes a product of passband and basis function for a polynomial."""
NODES, WEIGHTS = np.polynomial.legendre.leggauss(4)


class ZeroPoint(Enum):
    """Magnitude of the flux 1: 48.60 mag and 21.10 mag below zero in erg, cm and Å, here in W, m and nm."""

    AB = -56.10
    ST = -26.10


class Counting(Enum):
    """What the passband's transmission is a share of."""

    PHOTON = "photon"
    ENERGY = "energy"


@dataclass(frozen=True)
class Passband:
    """A passband, linear between its points and zero outside them.

    Parameters
    ----------
    name : str
        A letter, then letters, digits and underscores.
    wavelength : numpy.ndarray
        In nm, ascending.
    transmission : numpy.ndarray
        At these, in any unit; not negative.
    zero_point : ZeroPoint
        Of its magnitudes; it decides the flux too: of a frequency (AB) or of a wavelength (ST).
    counting : Counting
        Of photons (as today's curves are given) or of energy.

    Raises
    ------
    ParameterError
        If this is no passband, or it is not within 330 to 1050 nm.
    """

    name: str
    wavelength: NDArray[np.float64]
    transmission: NDArray[np.float64]
    zero_point: ZeroPoint = ZeroPoint.AB
    counting: Counting = Counting.PHOTON

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,30}", self.name):
            raise ParameterError("FILTERS", f"{self.name!r} is no name of a passband: a letter, then up to 30 others.")
        if self.wavelength.ndim != 1 or self.wavelength.shape != self.transmission.shape:
            raise self._error("must have one transmission for each wavelength.")
        if not 2 <= len(self.wavelength) <= MOST_POINTS:
            raise self._error(f"must have 2 to {MOST_POINTS} points.")
        if not (np.isfinite(self.wavelength).all() and np.isfinite(self.transmission).all()):
            raise self._error("has a point that is not a number.")
        if (fall := np.flatnonzero(np.diff(self.wavelength) <= 0)).size:
            raise self._error(f"has {self.wavelength[fall[0] + 1]} nm after {self.wavelength[fall[0]]} nm.")
        if self.transmission.min() < 0 or self.transmission.max() <= 0:
            raise self._error("must have positive transmissions, and none below zero.")
        whole = self._integral(-np.inf, np.inf)
        if not 0 < whole < np.inf:
            raise self._error("has no finite integral.")
        if (outside := 1 - self._integral(*RANGE) / whole) > OUTSIDE:
            raise self._error(
                f"lies to {outside:.1%} outside of {RANGE[0]:.0f} to {RANGE[1]:.0f} nm, which calibrated spectra have."
            )

    @property
    def unit(self) -> str:
        """The unit of its fluxes."""
        return PER_FREQUENCY if self.zero_point is ZeroPoint.AB else PER_WAVELENGTH

    @property
    def mean_wavelength(self) -> float:
        """The mean of the wavelengths (nm), each as often as it is transmitted."""
        where, weight = self.quadrature()
        return float(where @ weight / weight.sum())

    def quadrature(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return wavelengths (nm) and weights, by which a sum over a smooth function is its integral over the passband.

        The intervals end where the passband or the weights of BP and RP have corners.
        """
        first, last = max(self.wavelength[0], RANGE[0]), min(self.wavelength[-1], RANGE[1])
        corners = np.concatenate([self.wavelength, [RP_RANGE[0], BP_RANGE[1]], np.arange(RANGE[0], RANGE[1], STEP)])
        edges = np.unique(np.concatenate([[first], corners[(corners > first) & (corners < last)], [last]]))
        half = np.diff(edges)[:, None] / 2
        where = ((edges[1:] + edges[:-1])[:, None] / 2 + half * NODES).ravel()
        return where, (half * WEIGHTS).ravel() * np.interp(where, self.wavelength, self.transmission)

    def functional(self, model: XpModel) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return what the flux takes of each coefficient of BP and of RP, shapes (55,)."""
        where, weight = self.quadrature()
        power = 1 if self.counting is Counting.PHOTON else 0  # photons of a flux grow as the wavelength
        numerator = weight * where**power
        # a source of constant flux has this flux; constant in frequency it is c/λ² in wavelength
        denominator = LIGHT * (numerator / where**2).sum() if self.zero_point is ZeroPoint.AB else numerator.sum()
        share = numerator / denominator
        sampled = model.sampled(where)
        return (
            sampled.bp.design @ (sampled.bp.weight * share),
            sampled.rp.design @ (sampled.rp.weight * share),
        )

    def _integral(self, first: float, last: float) -> float:
        """Return the integral of the transmission between two wavelengths."""
        first, last = max(first, self.wavelength[0]), min(last, self.wavelength[-1])
        if first >= last:
            return 0.0
        inside = self.wavelength[(self.wavelength > first) & (self.wavelength < last)]
        where = np.concatenate([[first], inside, [last]])
        return float(np.trapezoid(np.interp(where, self.wavelength, self.transmission), where))

    def _error(self, message: str) -> ParameterError:
        return ParameterError("FILTERS", f"the passband {self.name} {message}")
