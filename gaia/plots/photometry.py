"""Pictures of synthetic photometry: the fluxes of passbands on the spectrum they were made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from gaia.plots import style
from gaia.plots.spectra import ABSOLUTE, WAVELENGTH

NAMED = 15
"""So many points have the names of their passbands."""


@dataclass(frozen=True, slots=True)
class Points:
    """The photometry of one source in one system of k passbands.

    Attributes
    ----------
    system : str
        Its name.
    bands : sequence of str
        Names of the passbands.
    wavelength : numpy.ndarray
        Their mean wavelengths in nm, shape (k,).
    flux, error : numpy.ndarray
        Of a wavelength, in W m-2 nm-1 (`gaia.xp.photometry.per_wavelength`); NaN where there is none, shape (k,).
    """

    system: str
    bands: Sequence[str]
    wavelength: NDArray[np.float64]
    flux: NDArray[np.float64]
    error: NDArray[np.float64]


def draw(
    path: Path,
    wavelength: NDArray[np.float64],
    flux: NDArray[np.float64],
    error: NDArray[np.float64] | None,
    points: Sequence[Points],
    *,
    title: str,
    source: str = "Gaia DR3",
) -> None:
    """Draw the photometry of a source on its spectrum.

    Parameters
    ----------
    path : pathlib.Path
        The PNG file.
    wavelength, flux, error : numpy.ndarray
        The calibrated spectrum: nm, W m-2 nm-1, shapes (m,); NaN where there is none.
    points : sequence of Points
        The photometry, system by system.
    title, source : str
        What is shown, which names the source of light, and what it comes from.
    """
    picture = style.figure()
    axes = picture.add_subplot()
    fluxes = np.concatenate([np.empty(0), *(one.flux for one in points)])
    values = flux if np.isfinite(flux).any() else fluxes
    power = style.exponent([values])
    scale = 10.0**power
    style.prepare(axes, title, WAVELENGTH, f"Flux {style.unit(ABSOLUTE, power)}")
    if not np.isfinite(values).any():
        style.nothing(axes, "No flux is known.")
        style.write(picture, path, source)
        return
    axes.plot(wavelength, flux / scale, color=style.DIM, linewidth=1.1, label="BP/RP spectrum")
    if error is not None:
        low, high = (flux - error) / scale, (flux + error) / scale
        axes.fill_between(wavelength, low, high, color=style.DIM, alpha=0.25, linewidth=0)
    named = len(fluxes) <= NAMED
    for number, one in enumerate(points):
        _points(axes, number, one, scale, named)
    low_end, high_end = _ends(values[np.isfinite(values)], fluxes)
    axes.set_ylim(low_end / scale, high_end / scale)
    if low_end < 0 < high_end:
        axes.axhline(0.0, color=style.DIM, linewidth=0.8)
    style.legend(axes, len(points) + 1)
    style.write(picture, path, source)


def _points(axes: Axes, number: int, one: Points, scale: float, named: bool) -> None:
    """Draw the photometry in one system."""
    label = one.system if np.isfinite(one.flux).any() else f"{one.system} (no flux)"
    look: dict[str, Any] = {"linestyle": "none", "markersize": 6, "markeredgecolor": "white", "markeredgewidth": 0.5}
    look |= style.marker(number) | {"label": style.plain(label), "elinewidth": 1.2, "zorder": 3}
    axes.errorbar(one.wavelength, one.flux / scale, one.error / scale, **look)
    for band, where, height in zip(one.bands, one.wavelength, one.flux / scale, strict=True):
        if named and np.isfinite(height):
            text = axes.annotate(style.plain(band), (where, height), (5, 6), textcoords="offset points", zorder=4)
            text.set(fontsize=style.SMALL, color=style.INK, path_effects=style.outlined())


def _ends(known: NDArray[np.float64], fluxes: NDArray[np.float64]) -> tuple[float, float]:
    """Return the ends of the vertical axis: of the spectrum, and of photometry that is not far out of it."""
    low, high = float(known.min()), float(known.max())
    span = (high - low) or abs(high) or 1.0
    near = fluxes[(fluxes > low - span) & (fluxes < high + span)]
    return min(low, near.min(initial=low)) - 0.12 * span, max(high, near.max(initial=high)) + 0.12 * span
