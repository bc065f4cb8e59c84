"""Calibration against GaiaXPy run beside it, against its reference solutions, and against ESA's own product.

Where a flux crosses zero nobody has it to a relative accuracy: a flux is the sum of 55 terms, each rounded. So a flux
agrees to 1e-12 of itself or to 1e-14 of the sum of its terms' magnitudes, whichever is more.
"""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from gaia.xp.calibration import Calibration
from gaia.xp.model import XpModel
from gaia.xp.spectra import Spectra
from tests.gaia.xp.conftest import archive_product, frame_of, numbers, perturbed, read_rows, spectra_of, without
from vo.core.errors import ParameterError

GRIDS = {
    "default": None,
    "wide": np.arange(330.0, 1050.1, 7.5),
    "coarse": np.array([500.0, 800.0]),
    "edges": np.array([330.0, 400.0, 634.999, 635.0, 639.0, 643.0, 643.001, 1020.0, 1050.0]),
    "below": np.array([330.0, 400.0, 500.5]),
    "above": np.array([700.0, 1049.75]),
}


@pytest.fixture
def some(real: Spectra) -> Spectra:
    """Real sources and replicas; three lack BP and one lacks RP."""
    return without(perturbed(real, 12, seed=1), bp=[3], rp=[4])


@pytest.mark.parametrize("truncation", [False, True])
@pytest.mark.parametrize("grid", GRIDS)
def test_equals_gaiaxpy(model: XpModel, gaiaxpy: ModuleType, some: Spectra, grid: str, truncation: bool) -> None:
    calibration = Calibration(model, GRIDS[grid])
    theirs, positions = gaiaxpy.calibrate(
        frame_of(some), sampling=GRIDS[grid], truncation=truncation, with_correlation=True, save_file=False
    )
    np.testing.assert_array_equal(calibration.wavelength, positions)

    flux, errors = np.stack(theirs["flux"]), np.stack(theirs["flux_error"])
    ours = calibration.flux(some, truncation)
    np.testing.assert_array_equal(np.isnan(ours), np.isnan(flux))
    terms = _magnitudes(model, some, positions, truncation)
    assert np.nanmax(np.abs(ours - flux) - np.maximum(1e-12 * np.abs(flux), 1e-14 * terms), initial=-1.0) <= 0
    np.testing.assert_allclose(calibration.errors(some, truncation), errors, rtol=1e-13)

    lower = np.tril_indices(len(positions), -1)
    correlations = calibration.correlations(some, truncation)
    np.testing.assert_allclose(correlations[:, *lower], np.stack(theirs["correlation"]), rtol=0, atol=1e-13)
    np.testing.assert_array_equal(correlations, correlations.transpose(0, 2, 1))


def test_default_grid_and_missing_bands_are_as_in_the_reference_solutions(model: XpModel, shared: Path) -> None:
    calibration = Calibration(model)
    for source, reference in (
        ("RAW", "calibrator_solution_default"),
        ("RAW_with_missing_BP", "with_missing_calibrator_solution"),
    ):
        given = spectra_of(read_rows(shared / f"data/xp/XP_CONTINUOUS_{source}.csv.gz"))
        rows = read_rows(shared / f"data/xp/reference/{reference}.csv.gz")
        assert [int(row["source_id"]) for row in rows] == given.source_id.tolist()
        flux = np.stack([numbers(row["flux"]) for row in rows])
        errors = np.stack([numbers(row["flux_error"]) for row in rows])
        np.testing.assert_allclose(calibration.flux(given), flux, rtol=1e-12)
        np.testing.assert_allclose(calibration.errors(given), errors, rtol=1e-12)


def test_equals_esas_sampled_spectrum_to_its_single_precision(model: XpModel, anchor: Spectra) -> None:
    product = archive_product("XP_SAMPLED")
    calibration = Calibration(model)
    assert calibration.wavelength.tolist() == [float(row["wavelength"]) for row in product]
    for ours, column, tolerance in (
        (calibration.flux(anchor), "flux", 5e-6),
        (calibration.errors(anchor), "flux_error", 2e-6),
    ):
        np.testing.assert_allclose(ours[0], [float(row[column]) for row in product], rtol=tolerance)


def test_a_single_wavelength_which_gaiaxpy_refuses(model: XpModel, gaiaxpy: ModuleType, anchor: Spectra) -> None:
    with pytest.raises(ValueError, match="non-decreasing"):
        gaiaxpy.calibrate(frame_of(anchor), sampling=np.array([656.3]), save_file=False)
    one, two = (Calibration(model, np.array(grid)) for grid in ([656.3], [656.3, 700.0]))
    np.testing.assert_allclose(one.flux(anchor)[:, 0], two.flux(anchor)[:, 0], rtol=1e-13)
    np.testing.assert_allclose(one.errors(anchor)[:, 0], two.errors(anchor)[:, 0], rtol=1e-13)
    assert one.correlations(anchor).tolist() == [[[1.0]]]


def test_a_source_without_bands_is_nan_and_the_others_stay(model: XpModel, anchor: Spectra) -> None:
    three = without(perturbed(anchor, 3, seed=5), bp=[1], rp=[1])
    calibration = Calibration(model)
    for values in (calibration.flux(three), calibration.errors(three), calibration.correlations(three)):
        assert np.isnan(values[1]).all()
        assert np.isfinite(values[[0, 2]]).all()


def test_many_sources_are_as_each_by_itself(model: XpModel, anchor: Spectra) -> None:
    many = without(perturbed(anchor, 300, seed=6), bp=[7, 299], rp=[11])
    calibration = Calibration(model, np.array([400.0, 640.0, 900.0]))
    flux, errors = calibration.flux(many), calibration.errors(many)
    for number in (0, 7, 11, 255, 256, 299):
        alone = many.part(number, number + 1)
        np.testing.assert_allclose(flux[number], calibration.flux(alone)[0], rtol=1e-12)
        np.testing.assert_allclose(errors[number], calibration.errors(alone)[0], rtol=1e-12)
    assert len(calibration.flux(many.part(0, 0))) == len(calibration.errors(many.part(0, 0))) == 0


def test_errors_and_correlations_are_the_scatter_of_replicas(model: XpModel, anchor: Spectra) -> None:
    """GaiaXPy's correlations are, too, but for those with a wavelength where the bands overlap."""
    calibration = Calibration(model, np.array([400.0, 600.0, 630.0, 637.0, 641.0, 645.0, 900.0]))
    replicas = calibration.flux(perturbed(anchor, 10_000, seed=7))
    np.testing.assert_allclose(calibration.errors(anchor)[0], replicas.std(axis=0), rtol=0.04)
    scatter = np.corrcoef(replicas.T)
    np.testing.assert_allclose(calibration.correlations(anchor, exact=True)[0], scatter, rtol=0, atol=0.04)
    package = np.abs(calibration.correlations(anchor)[0] - scatter)
    apart = np.ix_([0, 1, 2, 5, 6], [0, 1, 2, 5, 6])
    assert package[apart].max() < 0.04
    assert package.max() > 0.1


def test_a_wrong_sampling_is_refused_before_anything_is_computed(model: XpModel) -> None:
    with pytest.raises(ParameterError, match="value 3, 1200 nm, is not within 330 to 1050 nm"):
        Calibration(model, np.array([400.0, 500.0, 1200.0]))


def _magnitudes(model: XpModel, spectra: Spectra, grid: np.ndarray, truncation: bool) -> np.ndarray:
    """Return the sums of the magnitudes of the terms that the fluxes are summed from."""
    sampled = model.default if len(grid) == len(model.default.wavelength) else model.sampled(grid)
    given = spectra.truncated() if truncation else spectra
    bands = ((given.bp, sampled.bp), (given.rp, sampled.rp))
    bp, rp = (np.abs(band.coefficients) @ np.abs(bases.design) for band, bases in bands)
    sums: np.ndarray = np.add(bp, rp)
    return sums
