"""Pictures of spectra: a few one by one, many as a distribution."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from gaia.plots import style

WAVELENGTH = "Wavelength (nm)"
PSEUDO_WAVELENGTH = "Pseudo-wavelength"
ABSOLUTE = "W m$^{-2}$ nm$^{-1}$"
INTERNAL = "e$^-$ s$^{-1}$"
FEW_POINTS = 40
"""So few are marked."""
SPREAD = 30.0
"""When the brightest sources have so many times the flux of the faintest, the axis is logarithmic."""


def draw(
    path: Path,
    wavelength: NDArray[np.float64],
    flux: NDArray[np.float64],
    error: NDArray[np.float64] | None,
    names: Sequence[str],
    *,
    title: str = "BP/RP spectra",
    source: str = "Gaia DR3",
    horizontal: str = WAVELENGTH,
    unit: str = ABSOLUTE,
) -> None:
    """Draw spectra: up to twelve as lines with their errors, more as median and the range of the middle 68 %.

    Parameters
    ----------
    path : pathlib.Path
        The PNG file.
    wavelength : numpy.ndarray
        Shape (m,).
    flux, error : numpy.ndarray
        Shape (n, m); NaN where there is none. No error bands without `error`.
    names : sequence of str
        Of the n sources.
    title, source : str
        What is shown, and what it comes from.
    horizontal, unit : str
        Label of the positions, and unit of the fluxes, for internal spectra.
    """
    picture = style.figure()
    axes = picture.add_subplot()
    known = np.isfinite(flux).any(axis=1)
    few = len(flux) <= style.MANY
    logarithmic = _spread(flux[known], few) > SPREAD
    power = 0 if logarithmic else style.exponent([flux])
    values = flux / 10.0**power
    style.prepare(axes, title, horizontal, f"Flux {style.unit(unit, power)}")
    if not known.any():
        style.nothing(axes, "No flux is known.")
    else:
        scale = _Scale(values[known], few, logarithmic)
        scale.apply(axes)
        if few:
            _lines(axes, scale, wavelength, values, error=None if error is None else error / 10.0**power, names=names)
        else:
            _distribution(axes, scale, wavelength, values[known])
    style.write(picture, path, source)


class _Scale:
    """The vertical axis, chosen by fluxes and not by their errors, which may be many times larger.

    Parameters
    ----------
    flux : numpy.ndarray
        What is shown of each source that has some.
    few : bool
        Whether every source is shown.
    logarithmic : bool
        Whether the axis is.
    """

    def __init__(self, flux: NDArray[np.float64], few: bool, logarithmic: bool) -> None:
        self.logarithmic = logarithmic
        known = flux[np.isfinite(flux)]
        if logarithmic:
            self.low, self.high = (
                float(np.percentile(_brightness(flux), 0 if few else 1)) / 10,
                float(known.max()) * 1.5,
            )
            return
        low, high = (float(end) for end in np.percentile(known, (0.0, 100.0) if few else (0.5, 99.5)))
        room = 0.12 * ((high - low) or abs(high) or 1.0)
        self.low, self.high = low - room, high + room

    def apply(self, axes: Axes) -> None:
        """Set up the axis."""
        if self.logarithmic:
            axes.set_yscale("log")
        elif self.low < 0 < self.high:
            axes.axhline(0.0, color=style.DIM, linewidth=0.8)
        axes.set_ylim(self.low, self.high)
        axes.margins(x=0.02)

    def line(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return values of a line, with gaps where the axis has no place for them."""
        return np.where(values > 0, values, np.nan) if self.logarithmic else values

    def edge(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the edge of an area, which ends at the axis where the axis has no place for it."""
        return np.where(values < self.low / 10, self.low / 10, values) if self.logarithmic else values


def _lines(
    axes: Axes,
    scale: _Scale,
    wavelength: NDArray[np.float64],
    flux: NDArray[np.float64],
    *,
    error: NDArray[np.float64] | None,
    names: Sequence[str],
) -> None:
    for number, (values, name) in enumerate(zip(flux, names, strict=True)):
        look = style.line(number)
        known = np.isfinite(values).any()
        label = style.plain(name if known else f"{name} (no flux)")
        axes.plot(wavelength, scale.line(values), label=label, **look, **_mark(wavelength))
        if error is not None and known:
            _area(
                axes, scale, wavelength, low=values - error[number], high=values + error[number], colour=look["color"]
            )
    style.legend(axes, len(flux))


def _distribution(axes: Axes, scale: _Scale, wavelength: NDArray[np.float64], flux: NDArray[np.float64]) -> None:
    known = np.isfinite(flux).any(axis=0)
    low, middle, high = np.full((3, len(wavelength)), np.nan)
    low[known], middle[known], high[known] = np.nanpercentile(flux[:, known], (16, 50, 84), axis=0)
    _area(axes, scale, wavelength, low=low, high=high, colour=style.COLOURS[0], label="16 to 84 %")
    label = f"median of {len(flux):,} sources"
    axes.plot(wavelength, scale.line(middle), label=label, **style.line(0), **_mark(wavelength))
    style.legend(axes, 2)


def _area(
    axes: Axes,
    scale: _Scale,
    wavelength: NDArray[np.float64],
    *,
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    colour: str,
    label: str | None = None,
) -> None:
    """Fill what is between two lines; at few points, which may be one, draw bars too."""
    low, high = scale.edge(low), scale.edge(high)
    axes.fill_between(wavelength, low, high, color=colour, alpha=0.25, linewidth=0, label=label)
    if len(wavelength) <= FEW_POINTS:
        axes.vlines(wavelength, low, high, color=colour, linewidth=1.2)


def _brightness(flux: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the median flux of each source that has a positive one."""
    found: NDArray[np.float64] = np.nanmedian(flux, axis=1)
    return found[found > 0]


def _spread(flux: NDArray[np.float64], few: bool) -> float:
    """Return how many times the flux of the faintest sources the brightest have; of many without the extremes."""
    brightness = _brightness(flux)
    if not len(brightness):
        return 1.0
    low, high = np.percentile(brightness, (0, 100) if few else (10, 90))
    return float(high / low)


def _mark(wavelength: NDArray[np.float64]) -> dict[str, Any]:
    """Return how points are marked, if they are few."""
    return {"marker": "o", "markersize": 3.5} if len(wavelength) <= FEW_POINTS else {}
