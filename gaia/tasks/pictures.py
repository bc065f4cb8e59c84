"""What is kept of a run's rows for the pictures that are drawn at its end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gaia.releases import DR3
from gaia.tasks.photometry_columns import Group
from gaia.xp.calibration import Calibration
from gaia.xp.photometry import Magnitudes, per_wavelength
from gaia.xp.spectra import Spectra

DRAWN = 1000
"""Spectra in a picture, at most: a random sample of more."""
SEED = 20220613
"""So that a repeated run draws the same ones."""


class SpectraSample:
    """A random sample of spectra, drawn at the end.

    Parameters
    ----------
    path : pathlib.Path
        Of the picture.
    positions : numpy.ndarray
        Wavelengths in nm, or pseudo-wavelengths, shape (m,).
    title : str
        What the picture shows.
    internal : bool
        Whether they are pseudo-wavelengths, and fluxes in electron/s.
    """

    def __init__(self, path: Path, positions: NDArray[np.float64], *, title: str, internal: bool = False) -> None:
        self._path = path
        self._positions = positions
        self._title = title
        self._internal = internal
        self._random = np.random.default_rng(SEED)
        self._seen = 0
        self._kept: list[tuple[str, NDArray[np.float64], NDArray[np.float64]]] = []

    def add(self, names: NDArray[np.int64], flux: NDArray[np.float64], error: NDArray[np.float64] | None) -> None:
        """Take some of these spectra; all have an equal chance, whenever they come (Vitter's algorithm R)."""
        places = np.arange(self._seen, self._seen + len(names))
        self._seen += len(names)
        drawn = np.where(places < DRAWN, places, self._random.integers(0, places + 1))
        missing = np.full(flux.shape[1], np.nan)
        for row in np.flatnonzero(drawn < DRAWN):
            one = (str(names[row]), flux[row].copy(), missing if error is None else error[row].copy())
            self._kept[drawn[row] : drawn[row] + 1] = [one]

    def draw(self) -> None:
        """Draw it, if there is anything."""
        if not self._kept:
            return
        from gaia.plots import spectra  # noqa: PLC0415  (Matplotlib takes a second)

        names, flux, error = zip(*self._kept, strict=True)
        words = {"title": self._title}
        if self._internal:
            words |= {"horizontal": spectra.PSEUDO_WAVELENGTH, "unit": spectra.INTERNAL}
        spectra.draw(self._path, self._positions, np.array(flux), np.array(error), names, **words)


class PhotometrySample:
    """The photometry of the first source that has any, drawn on its spectrum.

    Parameters
    ----------
    path : pathlib.Path
        Of the picture.
    groups : sequence of Group
        Systems, in the order of the columns.
    calibration : Calibration
        Makes the spectrum.
    """

    def __init__(self, path: Path, groups: Sequence[Group], calibration: Calibration) -> None:
        self._path = path
        self._groups = groups
        self._calibration = calibration
        self._shown: tuple[Spectra, Magnitudes] | None = None

    def add(self, spectra: Spectra, made: Magnitudes) -> None:
        """Take the first source that has photometry."""
        if self._shown is None and (found := np.flatnonzero(np.isfinite(made.flux).any(axis=1))).size:
            row = int(found[0])
            one = slice(row, row + 1)
            self._shown = (
                spectra.part(row, row + 1),
                Magnitudes(made.mag[one], made.flux[one], made.flux_error[one]),
            )

    def draw(self) -> None:
        """Draw it, if there is one."""
        if self._shown is None:
            return
        from gaia.plots import photometry  # noqa: PLC0415  (Matplotlib takes a second)

        source, made = self._shown
        points, first = [], 0
        for group in self._groups:
            place = slice(first, first + len(group.bands))
            first = place.stop
            wavelength = np.array(group.wavelengths)
            flux, error = (
                per_wavelength(values[0, place], [group.unit] * len(wavelength), wavelength)
                for values in (made.flux, made.flux_error)
            )
            points.append(photometry.Points(group.label, group.bands, wavelength, flux, error))
        photometry.draw(
            self._path,
            self._calibration.wavelength,
            self._calibration.flux(source)[0],
            self._calibration.errors(source)[0],
            points,
            title=f"Synthetic photometry of {DR3.name} {source.source_id[0]}",
        )
