"""Synthetic photometry: what a photometer would have measured through a passband, from BP/RP spectra."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gaia.xp.colour_equations import colour_equation
from gaia.xp.covariance import QuadraticForm
from gaia.xp.errors import corrections
from gaia.xp.filters import LABEL, LIGHT, Passband
from gaia.xp.model import XpModel
from gaia.xp.spectra import Band, Spectra
from gaia.xp.systems import GAIA, PER_FREQUENCY, System, known, load
from vo.core.errors import ParameterError


@dataclass(frozen=True, slots=True)
class Magnitudes:
    """Photometry of n sources in k bands; NaN where a band of the spectrum is missing.

    Attributes
    ----------
    mag : numpy.ndarray
        Shape (n, k); NaN also where the flux is not positive.
    flux, flux_error : numpy.ndarray
        In the units of the bands, shape (n, k).
    """

    mag: NDArray[np.float64]
    flux: NDArray[np.float64]
    flux_error: NDArray[np.float64]


class Photometry:
    """Synthetic photometry in some systems and in passbands of one's own.

    Parameters
    ----------
    model : XpModel
        The calibration, for passbands of one's own.
    systems : sequence of str
        Names as of GaiaXPy's PhotometricSystem, in any case; one named twice counts once.
    own : sequence of Passband
        Passbands of one's own, of one name each.

    Attributes
    ----------
    columns : tuple of (str, str)
        Label of the system and name of the band, in the order of the results; the label is ``User`` for one's own.
    units : tuple of str
        Of the fluxes.
    wavelengths : numpy.ndarray
        Mean wavelengths of the passbands in nm.

    Raises
    ------
    ParameterError
        If a system is unknown, or two passbands have the same name, or nothing is asked for.
    """

    def __init__(self, model: XpModel, systems: Sequence[str], own: Sequence[Passband] = ()) -> None:
        self.systems = tuple(load(name) for name in dict.fromkeys(known(name) for name in systems))
        if not self.systems and not own:
            raise ParameterError("SYSTEMS", "name a photometric system, or give a passband.")
        names = [passband.name for passband in own]
        folded = [name.casefold() for name in names]
        if repeated := [name for name in folded if folded.count(name) > 1]:
            raise ParameterError("FILTERS", f"two passbands have the name {repeated[0]!r}.")
        self.columns = tuple((system.label, band) for system in self.systems for band in system.bands) + tuple(
            (LABEL, name) for name in names
        )
        self.units = tuple(system.unit for system in self.systems for _ in system.bands) + tuple(
            passband.unit for passband in own
        )
        self.wavelengths = np.concatenate(
            [*(system.wavelengths for system in self.systems), [passband.mean_wavelength for passband in own]]
        )
        self._zero_points = np.concatenate(
            [*(system.zero_points for system in self.systems), [passband.zero_point.value for passband in own]]
        )
        functionals = [passband.functional(model) for passband in own]
        # GaiaXPy has no photometry without both bands; a passband of one's own needs those that it reaches
        published = np.arange(len(self.columns)) < len(self.columns) - len(own)
        self._bp = _Measure(
            np.column_stack([*(system.bp for system in self.systems), *(bp for bp, _ in functionals)]), published
        )
        self._rp = _Measure(
            np.column_stack([*(system.rp for system in self.systems), *(rp for _, rp in functionals)]), published
        )

    def generate(self, spectra: Spectra, truncation: bool = False, error_correction: bool = False) -> Magnitudes:
        """Return the photometry of n sources.

        Parameters
        ----------
        spectra : Spectra
            Of n sources.
        truncation : bool
            Leave out the basis functions that are not significant.
        error_correction : bool
            Enlarge the errors of the systems that have a table for it; the others', and those in passbands of one's
            own, stay as they come from the spectra.
        """
        spectra = spectra.truncated() if truncation else spectra
        flux = self._bp.flux(spectra.bp) + self._rp.flux(spectra.rp)
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            error = np.sqrt(self._bp.variances(spectra.bp) + self._rp.variances(spectra.rp))
            for system, place in self._places():
                if system.standardised:
                    shifted = flux[:, place] + system.offsets
                    error[:, place] *= np.abs(shifted / flux[:, place])
                    flux[:, place] = shifted
            found = Magnitudes(magnitudes(flux, self._zero_points), flux, error)
            for system, place in self._places():
                if equation := colour_equation(system.label):
                    equation.apply(
                        system.bands, system.zero_points, found.mag[:, place], flux[:, place], error[:, place]
                    )
        if error_correction:
            brightness = _brightness(spectra)
            for system, place in self._places():
                if table := corrections(system.label):
                    error[:, place] *= table.at(brightness)
        return found

    def _places(self) -> Iterator[tuple[System, slice]]:
        """Yield the systems and where their columns are."""
        first = 0
        for system in self.systems:
            yield system, slice(first, first + len(system.bands))
            first += len(system.bands)


def magnitudes(flux: NDArray[np.float64], zero_points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return magnitudes; NaN where the flux is not positive."""
    found: NDArray[np.float64] = -2.5 * np.log10(np.where(flux > 0, flux, np.nan)) + zero_points
    return found


def per_wavelength(
    flux: NDArray[np.float64], units: Sequence[str], wavelengths: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return fluxes or their errors in W m-2 nm-1, those of a frequency turned at the mean wavelength (nm)."""
    frequency = np.array([unit == PER_FREQUENCY for unit in units])
    return np.where(frequency, flux * LIGHT / wavelengths**2, flux)


def _brightness(spectra: Spectra) -> NDArray[np.float64]:
    """Return G in mag, on which the corrections of errors depend."""
    gaia = load(GAIA)
    flux = spectra.bp.coefficients @ gaia.bp[:, 0] + spectra.rp.coefficients @ gaia.rp[:, 0]
    flux[~(spectra.bp.present & spectra.rp.present)] = np.nan
    return magnitudes(flux, gaia.zero_points[0])


class _Measure:
    """What some passbands see of one band.

    Parameters
    ----------
    design : numpy.ndarray
        What each takes of the coefficients, shape (55, k).
    needed : numpy.ndarray
        Which need the band even if they see nothing of it, shape (k,).
    """

    def __init__(self, design: NDArray[np.float64], needed: NDArray[np.bool_]) -> None:
        self._design = design
        self._seen: NDArray[np.bool_] = np.asarray(design.any(axis=0))
        self._needed = needed | self._seen
        self._form = QuadraticForm(design[:, self._seen])

    def flux(self, band: Band) -> NDArray[np.float64]:
        """Return the part of the fluxes, shape (n, k)."""
        return self._marked(band.coefficients @ self._design, band)

    def variances(self, band: Band) -> NDArray[np.float64]:
        """Return the part of the variances, shape (n, k)."""
        found = np.zeros((len(band.errors), len(self._seen)))
        found[:, self._seen] = self._form.variances(band)
        return self._marked(found, band)

    def _marked(self, values: NDArray[np.float64], band: Band) -> NDArray[np.float64]:
        """Return the values with NaN where they are needed and missing."""
        missing: NDArray[np.bool_] = np.logical_not(band.present)
        values[missing[:, None] & self._needed] = np.nan
        return values
