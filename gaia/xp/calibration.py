"""Externally calibrated spectra: flux over wavelength from both bands."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from gaia.xp.covariance import QuadraticForm, correlation_matrix, covariances
from gaia.xp.model import BP_RANGE, RP_RANGE, SampledBand, XpModel
from gaia.xp.sampling import wavelengths
from gaia.xp.spectra import Band, Spectra

BLOCK = 16
"""Sources whose covariance matrices are made at a time."""


class Calibration:
    """Calibrates spectra on one grid of wavelengths.

    Parameters
    ----------
    model : XpModel
        Of the release.
    sampling : numpy.ndarray, optional
        Wavelengths in nm, ascending, from 330 to 1050; without them 336 to 1020 nm by 2 nm.

    Attributes
    ----------
    wavelength : numpy.ndarray
        Shape (m,).

    Raises
    ------
    ParameterError
        If the sampling is not so.

    Notes
    -----
    Where the bands overlap, from 635 to 643 nm, the flux goes linearly from one to the other. A source with one band
    has the flux of that band where it reaches (BP below 643 nm, RP above 635 nm) and NaN elsewhere; a source without
    any has NaN throughout.
    """

    def __init__(self, model: XpModel, sampling: NDArray[np.float64] | None = None) -> None:
        sampled = model.default if sampling is None else model.sampled(wavelengths(sampling))
        self.wavelength = sampled.wavelength
        # wavelengths ascend, so that those which a band reaches are the first ones (BP) or the last ones (RP)
        last = int(np.searchsorted(self.wavelength, BP_RANGE[1], side="left"))
        first = int(np.searchsorted(self.wavelength, RP_RANGE[0], side="right"))
        self._bp = _Reach(sampled.bp, slice(0, last))
        self._rp = _Reach(sampled.rp, slice(first, len(self.wavelength)))

    def flux(self, spectra: Spectra, truncation: bool = False) -> NDArray[np.float64]:
        """Return the flux of each source (W m-2 nm-1), shape (n, m).

        Parameters
        ----------
        spectra : Spectra
            Of n sources.
        truncation : bool
            Leave out the basis functions that are not significant.
        """
        return self._joined(spectra.truncated() if truncation else spectra, _Reach.flux, 1)

    def errors(self, spectra: Spectra, truncation: bool = False) -> NDArray[np.float64]:
        """Return the error of each flux (W m-2 nm-1), shape (n, m)."""
        found = self._joined(spectra.truncated() if truncation else spectra, _Reach.variances, 2)
        with np.errstate(invalid="ignore"):
            return np.sqrt(found, out=found)

    def correlations(self, spectra: Spectra, truncation: bool = False, *, exact: bool = False) -> NDArray[np.float64]:
        """Return the correlations of the fluxes of each source, shape (n, m, m): a megabyte a source at 343 points.

        They are GaiaXPy's, which joins the bands' covariances by their weights at the shorter of the two wavelengths
        and leaves out the standard deviations of the fits. That is right unless one of the wavelengths is where the
        bands overlap, from 635 to 643 nm; there it may be wrong by 0.3.

        Parameters
        ----------
        spectra : Spectra
            Of n sources.
        truncation : bool
            Leave out the basis functions that are not significant.
        exact : bool
            Join the bands by the weights at both wavelengths, as the errors are joined.
        """
        spectra = spectra.truncated() if truncation else spectra
        found = np.empty((len(spectra), len(self.wavelength), len(self.wavelength)))
        for place, part in spectra.parts(BLOCK):
            matrices = covariances(part.bp), covariances(part.rp)
            for number, row in enumerate(range(place.start, place.stop)):
                bp, rp = bool(part.bp.present[number]), bool(part.rp.present[number])
                joined = np.zeros(found.shape[1:])
                for reach, band, of_band, has, other in (
                    (self._bp, part.bp, matrices[0], bp, rp),
                    (self._rp, part.rp, matrices[1], rp, bp),
                ):
                    if has:
                        covariance = reach.covariance(of_band[number])
                        if other and exact:
                            covariance *= band.standard_deviation[number] ** 2 * reach.weight[:, None]
                        if other:
                            covariance *= reach.weight
                        joined[reach.where, reach.where] += covariance
                missing = self._missing(bp, rp)
                joined[missing, :] = np.nan
                joined[:, missing] = np.nan
                found[row] = correlation_matrix(joined)
        return found

    def _joined(
        self, spectra: Spectra, values: Callable[[_Reach, Band], NDArray[np.float64]], power: int
    ) -> NDArray[np.float64]:
        """Join what the bands give, with the power of their weights that it needs."""
        found = np.zeros((len(spectra), len(self.wavelength)))
        bp, rp = spectra.bp.present, spectra.rp.present
        for reach, band, alone in ((self._bp, spectra.bp, bp & ~rp), (self._rp, spectra.rp, rp & ~bp)):
            given = values(reach, band)
            given[~band.present] = 0.0
            unweighted = given[alone]
            given *= reach.weight**power
            given[alone] = unweighted
            found[:, reach.where] += given
        for has_bp, has_rp in ((True, False), (False, True), (False, False)):
            found[(bp == has_bp) & (rp == has_rp), self._missing(has_bp, has_rp)] = np.nan
        return found

    def _missing(self, bp: bool, rp: bool) -> slice:
        """Return the wavelengths that a source with these bands has no flux at."""
        return slice(0 if not bp else self._bp.where.stop, len(self.wavelength) if not rp else self._rp.where.start)


class _Reach:
    """A band at the wavelengths that it reaches.

    Parameters
    ----------
    sampled : SampledBand
        At all wavelengths.
    where : slice
        Those that it reaches.
    """

    def __init__(self, sampled: SampledBand, where: slice) -> None:
        self.where = where
        self.weight = sampled.weight[where]
        self.design = np.ascontiguousarray(sampled.design[:, where])
        self._form: QuadraticForm | None = None

    def flux(self, band: Band) -> NDArray[np.float64]:
        return band.coefficients @ self.design

    def variances(self, band: Band) -> NDArray[np.float64]:
        if self._form is None:
            self._form = QuadraticForm(self.design)
        return self._form.variances(band)

    def covariance(self, coefficients: NDArray[np.float64]) -> NDArray[np.float64]:
        return self.design.T @ (coefficients @ self.design)
