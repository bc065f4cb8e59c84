"""BP/RP mean spectra in their continuous representation, many of them as arrays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

BASES = 55
"""Basis functions of each band (Gaia DR3, xp_continuous_mean_spectrum)."""
PAIRS = BASES * (BASES - 1) // 2
"""Correlations of each band: 1485."""


@dataclass(frozen=True, slots=True)
class Band:
    """One band, BP or RP, of n sources.

    Attributes
    ----------
    coefficients : numpy.ndarray
        Of the basis functions, shape (n, 55); 0 where the band is missing.
    errors : numpy.ndarray
        Formal errors of the coefficients, which include the standard deviation, shape (n, 55).
    correlations : numpy.ndarray
        Of the coefficients, shape (n, 1485): the upper triangle without the diagonal, column after column (r01, r02,
        r12, r03 …), as the archive has it.
    standard_deviation : numpy.ndarray
        Of the fit, shape (n,).
    relevant : numpy.ndarray
        How many of the basis functions are significant (n_relevant_bases), shape (n,); 55 where nobody knows.
    present : numpy.ndarray
        Whether the source has this band, shape (n,).
    """

    coefficients: NDArray[np.float64]
    errors: NDArray[np.float64]
    correlations: NDArray[np.float64]
    standard_deviation: NDArray[np.float64]
    relevant: NDArray[np.int64]
    present: NDArray[np.bool_]

    def part(self, first: int, stop: int) -> Band:
        """Return the sources from `first` to before `stop`."""
        return Band(*(getattr(self, field.name)[first:stop] for field in fields(self)))

    def chosen(self, mask: NDArray[np.bool_]) -> Band:
        """Return the sources for which `mask` is true."""
        return Band(*(getattr(self, field.name)[mask] for field in fields(self)))

    def truncated(self) -> Band:
        """Return the band with the basis functions that are not significant left out, for each source by itself.

        A number that is not positive leaves nothing out, as in GaiaXPy. With its error a coefficient's covariances
        become zero too, so the correlations may stay.
        """
        kept = (np.arange(BASES) < self.relevant[:, None]) | (self.relevant[:, None] <= 0)
        return replace(self, coefficients=self.coefficients * kept, errors=self.errors * kept)


@dataclass(frozen=True, slots=True)
class Spectra:
    """The spectra of n sources.

    Attributes
    ----------
    source_id : numpy.ndarray
        Shape (n,).
    bp, rp : Band
        Of the same sources.
    """

    source_id: NDArray[np.int64]
    bp: Band
    rp: Band

    def __len__(self) -> int:
        return len(self.source_id)

    def part(self, first: int, stop: int) -> Spectra:
        """Return the sources from `first` to before `stop`."""
        return Spectra(self.source_id[first:stop], self.bp.part(first, stop), self.rp.part(first, stop))

    def chosen(self, mask: NDArray[np.bool_]) -> Spectra:
        """Return the sources for which `mask` is true."""
        return Spectra(self.source_id[mask], self.bp.chosen(mask), self.rp.chosen(mask))

    def truncated(self) -> Spectra:
        """Return the spectra with both bands truncated."""
        return Spectra(self.source_id, self.bp.truncated(), self.rp.truncated())

    def parts(self, size: int) -> Iterator[tuple[slice, Spectra]]:
        """Yield the sources in parts of at most `size`, each with its place."""
        for first in range(0, len(self), size):
            place = slice(first, min(first + size, len(self)))
            yield place, self.part(place.start, place.stop)
