"""The calibration of BP/RP spectra of Gaia DR3, read from the files that GaiaXPy distributes.

GaiaXPy itself is not imported: that takes 4 s and 200 MB. Its files are data of DPAC's: basis functions of the
continuous representation, the same sampled in wavelength, dispersion and response of the instrument.
"""

from __future__ import annotations

import csv
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path

import numpy as np
from lxml import etree
from numpy.typing import NDArray

from vo.core.errors import ConfigurationError

PACKAGE = "gaiaxpy"
MODELS = {"bp": "v375wi", "rp": "v142r"}
"""Versions of the instrument's model that DR3 was calibrated with."""
BP_RANGE = (330.0, 643.0)
RP_RANGE = (635.0, 1020.0)
"""Wavelengths of the bands (nm). Where they overlap, their weights go linearly from one to the other."""

PUPIL_AREA = 0.7278
"""Of one telescope (m²), as GaiaXPy has it."""
LIGHT = 2.99792458e8
PLANCK = 6.62607004e-34
"""In SI; the value of 2014, which the calibration was made with."""


@dataclass(frozen=True, slots=True)
class SampledBand:
    """The basis functions of a band on a grid of wavelengths.

    Attributes
    ----------
    design : numpy.ndarray
        Their values (W m-2 nm-1 for a coefficient of 1), shape (55, m).
    weight : numpy.ndarray
        What the band counts in a spectrum of both, shape (m,).
    """

    design: NDArray[np.float64]
    weight: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Sampled:
    """The basis functions of both bands on a grid of m wavelengths (nm), or in m passbands of a mean wavelength."""

    wavelength: NDArray[np.float64]
    bp: SampledBand
    rp: SampledBand


@dataclass(frozen=True, slots=True)
class HermiteBases:
    """Linear combinations of Hermite functions over pseudo-wavelength.

    Attributes
    ----------
    range, normalised : tuple of float
        A range of pseudo-wavelengths, and what it becomes as argument of the Hermite functions.
    combinations : tuple of numpy.ndarray
        The matrices that are multiplied with the functions, from the right to the left.
    """

    range: tuple[float, float]
    normalised: tuple[float, float]
    combinations: tuple[NDArray[np.float64], ...]

    def at(self, positions: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the values of the bases, shape (55, number of positions)."""
        scale = (self.normalised[1] - self.normalised[0]) / (self.range[1] - self.range[0])
        offset = self.normalised[0] - self.range[0] * scale
        values = hermite_functions(positions * scale + offset, self.combinations[0].shape[1])
        for matrix in self.combinations:
            values = matrix @ values
        return values


@dataclass(frozen=True, slots=True)
class Instrument:
    """How a band of the mean instrument maps wavelengths.

    Attributes
    ----------
    dispersion : numpy.ndarray
        Wavelengths (nm) and their pseudo-wavelengths, shape (2, k).
    response : numpy.ndarray
        Wavelengths (nm) and the response at them, shape (2, l).
    inverse : HermiteBases
        What a basis function of the internal spectrum becomes in the absolute one, over pseudo-wavelength.
    """

    dispersion: NDArray[np.float64]
    response: NDArray[np.float64]
    inverse: HermiteBases

    def design(self, wavelength: NDArray[np.float64], weight: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the basis functions at the wavelengths, shape (55, m); zero where the band does not count."""
        values = np.zeros((self.inverse.combinations[-1].shape[0], len(wavelength)))
        counts = weight > 0
        if not counts.any():
            return values
        where = wavelength[counts]
        response = spline(self.response, where)
        power = np.divide(1e9 * LIGHT * PLANCK, PUPIL_AREA * response * where, where=response > 0, out=0 * where)
        values[:, counts] = self.inverse.at(spline(self.dispersion, where)) * power
        return values


@dataclass(frozen=True)
class XpModel:
    """The calibration of BP/RP spectra.

    Attributes
    ----------
    version : str
        Of the distribution that its files are from.
    folder : pathlib.Path
        Where they are.
    default : Sampled
        The grid of the archive's sampled spectra: 336 to 1020 nm by 2 nm.
    bases : dict of str to HermiteBases
        Of the internal spectra, by ``bp`` and ``rp``.
    instruments : dict of str to Instrument
        The mean instrument, by band.
    dispersion : dict of str to numpy.ndarray
        Wavelengths (nm) and their pseudo-wavelengths, shape (2, k), by band.
    """

    version: str
    folder: Path
    default: Sampled
    bases: dict[str, HermiteBases]
    instruments: dict[str, Instrument]
    dispersion: dict[str, NDArray[np.float64]]

    def sampled(self, wavelength: NDArray[np.float64]) -> Sampled:
        """Return the basis functions at wavelengths of one's own (nm)."""
        rp = np.clip((wavelength - RP_RANGE[0]) / (BP_RANGE[1] - RP_RANGE[0]), 0.0, 1.0)
        weights = {"bp": np.where(wavelength > BP_RANGE[1], 0.0, 1.0 - rp), "rp": rp}
        bands = (
            SampledBand(self.instruments[band].design(wavelength, weight), weight) for band, weight in weights.items()
        )
        return Sampled(wavelength, *bands)

    def wavelengths(self, band: str, positions: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the wavelengths (nm) of pseudo-wavelengths of ``bp`` or ``rp``; NaN outside the table."""
        table = self.dispersion[band][:, np.argsort(self.dispersion[band][1])]
        found: NDArray[np.float64] = np.interp(positions, table[1], table[0], left=np.nan, right=np.nan)
        return found


@cache
def load() -> XpModel:
    """Return the model; its files are read once in a process.

    Raises
    ------
    ConfigurationError
        If GaiaXPy is not installed, or is another one than we know.
    """
    folder = distribution_folder() / "config"
    try:
        return XpModel(
            version(PACKAGE),
            folder,
            read_sampled(folder / "filters" / f"XpFilter_{''.join(MODELS.values())}.xml"),
            _read_bases(folder / "OptimisedCalibratedBases_BpId32_RpId37_withNormalisation.xml"),
            {band: _read_instrument(folder, f"{band}C03_{model}") for band, model in MODELS.items()},
            _read_dispersion(folder / "TabulatedDispersionFunction-DR3-v375wiv142r_20200610.csv"),
        )
    except (OSError, ValueError, LookupError, etree.XMLSyntaxError) as error:
        raise ConfigurationError(
            f"The calibration of BP/RP spectra cannot be read from GaiaXPy {version(PACKAGE)}: {error!r}.",
            hint="Install the version that the project names: pip install vo-stack.",
        ) from error


def distribution_folder() -> Path:
    """Return the folder of GaiaXPy, which is not imported.

    Raises
    ------
    ConfigurationError
        If it is not installed.
    """
    found = importlib.util.find_spec(PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise ConfigurationError(
            "GaiaXPy, whose files calibrate BP/RP spectra, is not installed.", hint="pip install gaiaxpy"
        )
    return Path(next(iter(found.submodule_search_locations)))


def read_sampled(path: Path) -> Sampled:
    """Read basis functions that were sampled beforehand: of the default grid, or of a photometric system."""
    root = etree.parse(path).getroot()
    bands = []
    for band in MODELS:
        path_of_bases = f"XpSampling/{band}SampledBases"
        dimension = int(child(root, path_of_bases).attrib["dimension"])
        design = numbers(root, path_of_bases).reshape(-1, dimension).T
        bands.append(SampledBand(np.ascontiguousarray(design), numbers(root, f"XpMerge/{band}Weights")))
    return Sampled(numbers(root, "XpMerge/sampleMeanWavelengths"), *bands)


def numbers(root: etree._Element, path: str) -> NDArray[np.float64]:
    """Return the numbers in the children of an element, which have blanks between them."""
    text = etree.tostring(child(root, path), method="text", encoding="unicode", with_tail=False)
    return np.array(text.split(), dtype=np.float64)


def child(root: etree._Element, path: str) -> etree._Element:
    """Return an element of a file that must have it."""
    found = root.find(path)
    if found is None:
        raise LookupError(f"no {path} in {root.tag}")
    return found


def hermite_functions(positions: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Return the first Hermite functions (orthonormal), shape (count, number of positions)."""
    values = np.empty((count, len(positions)))
    values[0] = np.pi**-0.25 * np.exp(-(positions**2) / 2.0)
    if count > 1:
        values[1] = values[0] * np.sqrt(2.0) * positions
    for n in range(2, count):
        values[n] = np.sqrt(2.0 / n) * positions * values[n - 1] - np.sqrt((n - 1) / n) * values[n - 2]
    return values


def spline(table: NDArray[np.float64], positions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Interpolate a table of places and values by a cubic spline."""
    from scipy.interpolate import splev, splrep  # noqa: PLC0415  (half a second, seldom needed)

    values: NDArray[np.float64] = splev(positions, splrep(table[0], table[1], s=0))
    return values


def _read_bases(path: Path) -> dict[str, HermiteBases]:
    root = etree.parse(path).getroot()
    bases = {}
    for band in MODELS:
        config = child(root, f"hermiteFunction/{band}Config")
        dimension = int(numbers(config, "dimension")[0])
        matrix = numbers(config, "transformationMatrix").reshape(dimension, -1)
        bases[band] = HermiteBases(_range(config, "range"), _range(config, "normalizedRange"), (matrix,))
    return bases


def _range(config: etree._Element, path: str) -> tuple[float, float]:
    ends = child(config, path).attrib
    return float(ends["from"]), float(ends["to"])


def _read_instrument(folder: Path, name: str) -> Instrument:
    with (folder / f"{name}_bases.csv").open(newline="") as file:
        row = next(csv.DictReader(file))
    count = int(row["nBases"])
    combinations = (_array(row["inverseBasesCoefficients"], count), _array(row["transformationMatrix"], count))
    ranges = [(float(row[f"{kind}RangeMin"]), float(row[f"{kind}RangeMax"])) for kind in ("pwl", "norm")]
    dispersion, response = (
        np.loadtxt(folder / f"{name}_{kind}.csv", delimiter=",") for kind in ("dispersion", "response")
    )
    return Instrument(dispersion, response, HermiteBases(ranges[0], ranges[1], combinations))


def _array(text: str, rows: int) -> NDArray[np.float64]:
    return np.array(text.strip("()").split(","), dtype=np.float64).reshape(rows, -1)


def _read_dispersion(path: Path) -> dict[str, NDArray[np.float64]]:
    with path.open(newline="") as file:
        rows: Sequence[dict[str, str]] = list(csv.DictReader(file))
    return {
        band: np.array([(row["wl_nm"], row[f"{band}_pwl"]) for row in rows if row[f"{band}_pwl"]], dtype=np.float64).T
        for band in MODELS
    }
