"""Grids that spectra are sampled on, as clients give them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vo.core.errors import ParameterError

PARAMETER = "SAMPLING"
"""What errors call it."""
WAVELENGTHS = (330.0, 1050.0)
"""Where spectra can be calibrated (nm), as in GaiaXPy; the bands reach to 1020 nm."""
PSEUDO_WAVELENGTHS = (0.0, 60.0)
"""Where internal spectra can be sampled: the window of 60 samples."""
MOST_POINTS = 10_000
"""More would need over 120 MB for the products of basis functions; 720 nm by 0.1 nm are 7,201."""


def wavelengths(sampling: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
    """Return wavelengths (nm) to calibrate spectra at.

    Raises
    ------
    ParameterError
        If they do not ascend, or one is outside the range or not a number; the error names the value.
    """
    return _checked(sampling, WAVELENGTHS, " nm")


def pseudo_wavelengths(sampling: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
    """Return pseudo-wavelengths to sample internal spectra at; raises as `wavelengths`."""
    return _checked(sampling, PSEUDO_WAVELENGTHS, "")


def _checked(
    sampling: Sequence[float] | NDArray[np.float64], within: tuple[float, float], unit: str
) -> NDArray[np.float64]:
    values = np.atleast_1d(np.array(sampling, dtype=np.float64))
    hint = f"Send ascending values from {within[0]:g}{unit} to {within[1]:g}{unit}."
    if values.ndim != 1 or not len(values):
        raise ParameterError(PARAMETER, "it has no values.", hint=hint)
    if len(values) > MOST_POINTS:
        raise ParameterError(PARAMETER, f"{len(values):,} values are more than {MOST_POINTS:,}.")
    outside = np.flatnonzero(~((values >= within[0]) & (values <= within[1])))
    if len(outside):
        value = values[outside[0]]
        fault = "is not a number" if np.isnan(value) else f"is not within {within[0]:g} to {within[1]:g}{unit}"
        raise ParameterError(PARAMETER, f"value {outside[0] + 1}, {value:.12g}{unit}, {fault}.", hint=hint)
    falling = np.flatnonzero(np.diff(values) <= 0)
    if len(falling):
        before, value = values[falling[0]], values[falling[0] + 1]
        fault = f"value {falling[0] + 2}, {value:.12g}{unit}, does not ascend after {before:.12g}{unit}."
        raise ParameterError(PARAMETER, fault, hint=hint)
    return values
