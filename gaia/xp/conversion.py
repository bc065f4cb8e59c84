"""Internal spectra: flux over pseudo-wavelength, of each band by itself."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gaia.xp.covariance import QuadraticForm, correlation_matrix, covariances
from gaia.xp.model import XpModel
from gaia.xp.sampling import pseudo_wavelengths
from gaia.xp.spectra import Band, Spectra

DEFAULT = np.linspace(0.0, 60.0, 600)
"""The pseudo-wavelengths that GaiaXPy takes where none are given."""


BandName = Literal["bp", "rp"]
BANDS: tuple[BandName, ...] = ("bp", "rp")


class Conversion:
    """Samples internal spectra on one grid of pseudo-wavelengths.

    Parameters
    ----------
    model : XpModel
        Of the release.
    sampling : numpy.ndarray, optional
        Pseudo-wavelengths, ascending, from 0 to 60; without them 600 of them.

    Attributes
    ----------
    pseudo_wavelength : numpy.ndarray
        Shape (m,).

    Raises
    ------
    ParameterError
        If the sampling is not so.

    Notes
    -----
    All results have a row for each source; where the band is missing it is NaN.
    """

    def __init__(self, model: XpModel, sampling: NDArray[np.float64] | None = None) -> None:
        self.pseudo_wavelength = pseudo_wavelengths(DEFAULT if sampling is None else sampling)
        self._designs = {band: bases.at(self.pseudo_wavelength) for band, bases in model.bases.items()}
        self._forms: dict[str, QuadraticForm] = {}

    def flux(self, spectra: Spectra, band: BandName, truncation: bool = False) -> NDArray[np.float64]:
        """Return the flux of each source in a band (electron/s), shape (n, m).

        Parameters
        ----------
        spectra : Spectra
            Of n sources.
        band : str
            ``bp`` or ``rp``.
        truncation : bool
            Leave out the basis functions that are not significant.
        """
        given = _of(spectra, band, truncation)
        found = given.coefficients @ self._designs[band]
        found[~given.present] = np.nan
        return found

    def errors(self, spectra: Spectra, band: BandName, truncation: bool = False) -> NDArray[np.float64]:
        """Return the error of each flux (electron/s), shape (n, m)."""
        given = _of(spectra, band, truncation)
        if band not in self._forms:
            self._forms[band] = QuadraticForm(self._designs[band])
        found = self._forms[band].variances(given)
        found[~given.present] = np.nan
        with np.errstate(invalid="ignore"):
            return np.sqrt(found, out=found)

    def correlations(self, spectra: Spectra, band: BandName, truncation: bool = False) -> NDArray[np.float64]:
        """Return the correlations of the fluxes of each source, shape (n, m, m): 3 MB a source at 600 points."""
        given = _of(spectra, band, truncation)
        design = self._designs[band]
        size = len(self.pseudo_wavelength)
        found = np.full((len(spectra), size, size), np.nan)
        for row in np.flatnonzero(given.present).tolist():
            matrix = covariances(given.part(row, row + 1))[0]
            found[row] = correlation_matrix(design.T @ (matrix @ design))
        return found


def _of(spectra: Spectra, band: BandName, truncation: bool) -> Band:
    given = spectra.bp if band == "bp" else spectra.rp
    return given.truncated() if truncation else given
