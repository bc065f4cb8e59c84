"""BP/RP mean spectra in their continuous representation, many of them as arrays."""

from __future__ import annotations

from dataclasses import dataclass, fields

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
