"""Conversion against GaiaXPy run beside it and against its reference solutions."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from gaia.xp.conversion import BANDS, DEFAULT, Conversion
from gaia.xp.model import XpModel
from gaia.xp.spectra import Spectra
from tests.gaia.xp.conftest import frame_of, numbers, perturbed, read_rows, spectra_of, without
from vo.core.errors import ParameterError

GRIDS = {
    "default": None,
    "samples": np.arange(0.0, 60.5),
    "one": np.array([30.25]),
    "edges": np.array([0.0, 0.5, 59.0, 60.0]),
}


@pytest.fixture
def some(real: Spectra) -> Spectra:
    """Real sources and replicas; two lack BP and one lacks RP."""
    return without(perturbed(real, 7, seed=1), bp=[3], rp=[4])


@pytest.mark.parametrize("truncation", [False, True])
@pytest.mark.parametrize("grid", GRIDS)
def test_equals_gaiaxpy(model: XpModel, gaiaxpy: ModuleType, some: Spectra, grid: str, truncation: bool) -> None:
    """To 1e-12 of the largest flux of the source: a flux is the sum of 55 terms, each rounded."""
    sampling = DEFAULT if GRIDS[grid] is None else GRIDS[grid]
    conversion = Conversion(model, GRIDS[grid])
    theirs, positions = gaiaxpy.convert(
        frame_of(some), sampling=sampling, truncation=truncation, with_correlation=True, save_file=False
    )
    np.testing.assert_array_equal(conversion.pseudo_wavelength, positions)
    lower = np.tril_indices(len(positions), -1)
    for band in BANDS:
        has = (some.bp if band == "bp" else some.rp).present
        rows = theirs[theirs["xp"] == band.upper()]
        assert rows["flux"].notna().tolist() == has.tolist()
        flux, errors = np.stack(rows["flux"][has]), np.stack(rows["flux_error"][has])
        ours, correlations = conversion.flux(some, band, truncation), conversion.correlations(some, band, truncation)
        assert (np.abs(ours[has] - flux) < 1e-12 * np.abs(flux).max(axis=1, keepdims=True)).all()
        np.testing.assert_allclose(conversion.errors(some, band, truncation)[has], errors, rtol=1e-12)
        expected = np.stack(rows["correlation"][has])
        np.testing.assert_allclose(correlations[has][:, *lower], expected, rtol=0, atol=1e-12)
        for values in (ours, conversion.errors(some, band), correlations):
            assert np.isnan(values[~has]).all()


def test_equals_the_reference_solutions(model: XpModel, shared: Path) -> None:
    for source, reference, error, tolerance in (
        ("RAW", "SampledMeanSpectrum", "error", 1e-6),  # the standard deviation was rounded to single precision
        ("RAW_with_missing_BP", "with_missing_converter_solution", "flux_error", 1e-12),
    ):
        given = spectra_of(read_rows(shared / f"data/xp/XP_CONTINUOUS_{source}.csv.gz"))
        rows = read_rows(shared / f"data/xp/reference/{reference}.csv.gz")
        conversion = Conversion(model, np.linspace(0.0, 60.0, len(numbers(rows[0]["flux"]))))
        for row in rows:
            number = given.source_id.tolist().index(int(row["source_id"]))
            band = BANDS[row["xp"] == "RP"]
            flux, errors = conversion.flux(given, band)[number], conversion.errors(given, band)[number]
            if row["flux"]:
                np.testing.assert_allclose(flux, numbers(row["flux"]), rtol=2e-12)
                np.testing.assert_allclose(errors, numbers(row[error]), rtol=tolerance)
            else:
                assert np.isnan(flux).all()


def test_a_wrong_sampling_is_refused(model: XpModel) -> None:
    with pytest.raises(ParameterError, match="value 2, 61, is not within 0 to 60"):
        Conversion(model, np.array([0.0, 61.0]))
