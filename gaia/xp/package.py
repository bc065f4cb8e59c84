"""GaiaXPy itself on arrays: what ENGINE=package runs, and what our kernels are tested against.

GaiaXPy takes a string for a query, a file or an address in the network, evaluates text in columns, writes files unless
told not to, prints, and changes the settings of warnings, NumPy and matplotlib. So it is given nothing of a client's
but arrays and names that were checked, and what it does to the process is undone. It holds 105 kB a source: call it
with about a thousand sources at a time, and in a process without threads that care for standard output.
"""

from __future__ import annotations

import importlib
import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gaia.xp.conversion import DEFAULT
from gaia.xp.model import load as load_model
from gaia.xp.photometry import Magnitudes
from gaia.xp.sampling import pseudo_wavelengths, wavelengths
from gaia.xp.spectra import BASES, Band, Spectra
from gaia.xp.systems import known, load
from vo.core.errors import ParameterError

NAME = "GaiaXPy"
"""Of its distribution."""


@dataclass(frozen=True, slots=True)
class Sampled:
    """Sampled spectra of n sources at m positions; NaN where there is none.

    Attributes
    ----------
    positions : numpy.ndarray
        Wavelengths in nm, or pseudo-wavelengths, shape (m,).
    flux, error : numpy.ndarray
        Shape (n, m).
    correlation : numpy.ndarray or None
        Of the fluxes of a source, shape (n, m, m).
    """

    positions: NDArray[np.float64]
    flux: NDArray[np.float64]
    error: NDArray[np.float64]
    correlation: NDArray[np.float64] | None


def preload() -> None:
    """Import GaiaXPy, which takes seconds."""
    with _gaiaxpy():
        pass


def calibrate(
    spectra: Spectra,
    sampling: NDArray[np.float64] | None = None,
    truncation: bool = False,
    with_correlation: bool = False,
) -> Sampled:
    """Return externally calibrated spectra.

    Raises
    ------
    ParameterError
        If the sampling is none, or is a single wavelength, which GaiaXPy refuses.
    """
    positions = load_model().default.wavelength if sampling is None else wavelengths(sampling)
    if len(positions) < 2:
        raise ParameterError("SAMPLING", "GaiaXPy needs at least two wavelengths.", hint="Try ENGINE=batch.")
    some = _some(spectra)
    if not some.any():
        return _sampled(None, positions, np.flatnonzero(some), len(spectra), with_correlation)
    with _gaiaxpy() as package:
        table, _ = package.calibrate(
            _frame(spectra.chosen(some)),
            sampling=None if sampling is None else positions,
            truncation=truncation,
            with_correlation=with_correlation,
            save_file=False,
        )
    return _sampled(table, positions, np.flatnonzero(some), len(spectra), with_correlation)


def convert(
    spectra: Spectra,
    sampling: NDArray[np.float64] | None = None,
    truncation: bool = False,
    with_correlation: bool = False,
) -> tuple[Sampled, Sampled]:
    """Return internal spectra of BP and of RP.

    Raises
    ------
    ParameterError
        If the sampling is none.
    """
    positions = DEFAULT if sampling is None else pseudo_wavelengths(sampling)
    some = _some(spectra)
    if not some.any():
        nothing = _sampled(None, positions, np.flatnonzero(some), len(spectra), with_correlation)
        return nothing, nothing
    with _gaiaxpy() as package:
        table, _ = package.convert(
            _frame(spectra.chosen(some)),
            sampling=positions,
            truncation=truncation,
            with_correlation=with_correlation,
            save_file=False,
        )
    bands = []
    for name in ("BP", "RP"):
        rows = table[table["xp"] == name]
        there = rows["flux"].notna().to_numpy()
        bands.append(_sampled(rows[there], positions, np.flatnonzero(some)[there], len(spectra), with_correlation))
    return bands[0], bands[1]


def generate(
    spectra: Spectra, systems: Sequence[str], truncation: bool = False, error_correction: bool = False
) -> Magnitudes:
    """Return synthetic photometry in the columns that `gaia.xp.photometry.Photometry` has for the same systems."""
    chosen = [load(name) for name in dict.fromkeys(known(name) for name in systems)]
    some = _some(spectra)
    found = Magnitudes(*np.full((3, len(spectra), sum(len(system.bands) for system in chosen)), np.nan))
    if not some.any():
        return found
    with _gaiaxpy() as package:
        table = package.generate(
            _frame(spectra.chosen(some)),
            photometric_system=[package.PhotometricSystem[system.name] for system in chosen],
            truncation=truncation,
            error_correction=error_correction,
            save_file=False,
        )
    for quantity in ("mag", "flux", "flux_error"):
        names = [f"{system.label}_{quantity}_{band}" for system in chosen for band in system.bands]
        getattr(found, quantity)[some] = table[names].to_numpy(dtype=np.float64)
    return found


class _Nowhere(io.TextIOBase):
    """A standard output that forgets: GaiaXPy keeps the one it found when it was imported."""

    def write(self, text: str) -> int:
        return len(text)


_NOWHERE = _Nowhere()


@contextmanager
def _gaiaxpy() -> Iterator[Any]:
    """Import GaiaXPy for a block that calls it."""
    printing = np.get_printoptions()
    with (
        warnings.catch_warnings(),
        importlib.import_module("matplotlib").rc_context(),  # whose texts it would have made by LaTeX
        redirect_stdout(_NOWHERE),
        redirect_stderr(_NOWHERE),
        np.errstate(all="ignore"),
    ):
        warnings.simplefilter("ignore")
        try:
            importlib.import_module("tqdm").tqdm.monitor_interval = 0  # else a thread watches its progress bars
            yield importlib.import_module("gaiaxpy")  # 4 s, and only where it is to run
        finally:
            np.set_printoptions(**printing)


def _some(spectra: Spectra) -> NDArray[np.bool_]:
    """Return which sources have a band: GaiaXPy fails for all if one has none."""
    return np.logical_or(spectra.bp.present, spectra.rp.present)


def _frame(spectra: Spectra) -> Any:
    """Return a pandas DataFrame with the columns of the archive, arrays in its cells."""
    import pandas as pd  # noqa: PLC0415  (half a second)

    columns: dict[str, Any] = {"source_id": spectra.source_id}
    for name, band in (("bp", spectra.bp), ("rp", spectra.rp)):
        columns |= {f"{name}_{column}": values for column, values in _cells(band).items()}
    return pd.DataFrame(columns)


def _cells(band: Band) -> dict[str, Any]:
    """Return the columns of a band; NaN, also in place of arrays, where it is missing."""

    def arrays(values: NDArray[np.float64]) -> NDArray[np.object_]:
        cells = np.empty(len(values), dtype=object)
        cells[:] = [row if there else np.nan for row, there in zip(values, band.present, strict=True)]
        return cells

    return {
        "n_parameters": np.where(band.present, float(BASES), np.nan),
        "standard_deviation": np.where(band.present, band.standard_deviation, np.nan),
        "coefficients": arrays(band.coefficients),
        "coefficient_errors": arrays(band.errors),
        "coefficient_correlations": arrays(band.correlations),
        "n_relevant_bases": np.where(band.present, band.relevant, np.nan),
    }


def _sampled(
    table: Any, positions: NDArray[np.float64], places: NDArray[np.intp], count: int, with_correlation: bool
) -> Sampled:
    """Return the rows of a table, if any, at their places among `count` sources."""
    samples = len(positions)
    flux, error = np.full((2, count, samples), np.nan)
    correlation = np.full((count, samples, samples), np.nan) if with_correlation else None
    if len(places):
        flux[places] = np.stack(table["flux"].to_list())
        error[places] = np.stack(table["flux_error"].to_list())
    if correlation is not None and len(places):
        below = np.tril_indices(samples, k=-1)
        for place, values in zip(places, table["correlation"], strict=True):
            correlation[place, below[0], below[1]] = correlation[place, below[1], below[0]] = values
            correlation[place, range(samples), range(samples)] = np.where(np.isnan(flux[place]), np.nan, 1.0)
    return Sampled(positions, flux, error, correlation)
