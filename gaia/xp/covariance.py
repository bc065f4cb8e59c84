"""Errors of linear functions of the coefficients, of many sources at once.

A spectrum at one wavelength, like a flux in a passband, is a sum of the 55 coefficients times numbers that are the same
for all sources. Its variance is a quadratic form of those numbers with the covariances of the coefficients, and for
many sources that is one product of matrices: the covariances of each source in a row (55 variances, 1485 others) times
the products of the numbers in columns. It needs a quarter of the multiplications of ``D.T @ C @ D`` with its diagonal
taken, and no matrix of 55 × 55 a source.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gaia.xp.spectra import BASES, Band

COLUMNS = np.repeat(np.arange(BASES), np.arange(BASES))
ROWS = np.concatenate([np.arange(column) for column in range(BASES)])
"""Of each of the 1485 correlations, where it belongs in the matrix."""

BLOCK = 256
"""Sources at a time: their covariances take 3 MB a band, which stays in a core's cache."""


class QuadraticForm:
    """Variances of linear functions of the coefficients of one band.

    Parameters
    ----------
    design : numpy.ndarray
        The functions, shape (55, m).
    """

    def __init__(self, design: NDArray[np.float64]) -> None:
        self.size = design.shape[1]
        self._squares = design**2
        self._products = design[ROWS]
        self._products *= design[COLUMNS]
        self._products *= 2.0

    def variances(self, band: Band) -> NDArray[np.float64]:
        """Return the variances, shape (n, m); rounding may make one that should be 0 slightly negative."""
        count = len(band.errors)
        found = np.empty((count, self.size))
        packed = np.empty((min(count, BLOCK), len(ROWS)))
        for first in range(0, count, BLOCK):
            errors = band.errors[first : first + BLOCK]
            covariances = packed[: len(errors)]
            np.multiply(band.correlations[first : first + BLOCK], errors.take(ROWS, axis=1), out=covariances)
            covariances *= errors.take(COLUMNS, axis=1)
            block = np.matmul(covariances, self._products, out=found[first : first + BLOCK])
            block += errors**2 @ self._squares
        return found


def covariances(band: Band) -> NDArray[np.float64]:
    """Return the covariance matrices of the coefficients in units of the fit's variance, shape (n, 55, 55).

    With the square of the standard deviation they are the covariances; so GaiaXPy defines them.
    """
    found = np.zeros((len(band.errors), BASES, BASES))
    found[:, ROWS, COLUMNS] = band.correlations
    found[:, COLUMNS, ROWS] = band.correlations
    found[:, np.arange(BASES), np.arange(BASES)] = 1.0
    deviation = np.where(band.present, band.standard_deviation, 1.0)
    errors = band.errors / deviation[:, None]
    found *= errors[:, :, None]
    found *= errors[:, None, :]
    return found


def correlation_matrix(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the correlations that a covariance matrix tells in its lower triangle, shape (m, m).

    Where a covariance is 0 so is the correlation, though a variance may be 0 too.
    """
    deviations = np.sqrt(np.diag(covariance))
    with np.errstate(invalid="ignore", divide="ignore"):
        found = covariance / deviations
        found /= deviations[:, None]
    found[covariance == 0] = 0.0
    found = np.tril(found, -1)
    found += found.T
    np.fill_diagonal(found, np.where(np.isnan(deviations), np.nan, 1.0))
    return found
