from __future__ import annotations

import importlib.util
import subprocess
import sys
from types import ModuleType

import numpy as np
import pytest

from gaia.xp import model as module
from gaia.xp.model import MODELS, XpModel, hermite_functions, load
from vo.core.errors import ConfigurationError


def test_reads_the_files_of_gaiaxpy_without_importing_it() -> None:
    program = "import sys; from gaia.xp.model import load; load(); print({'gaiaxpy', 'scipy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
    assert load() is load()
    assert load().version == "2.1.5"


def test_without_gaiaxpy_the_operator_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match=r"GaiaXPy.*is not installed"):
        module.distribution_folder()


@pytest.mark.parametrize(
    "grid", [None, np.arange(330.0, 1050.1, 2.5), np.array([400.0, 634.9, 635.0, 639.0, 643.0, 643.1])]
)
def test_basis_functions_over_wavelength_are_gaiaxpys(
    model: XpModel, gaiaxpy: ModuleType, grid: np.ndarray | None
) -> None:
    from gaiaxpy.calibrator import calibrator  # noqa: PLC0415

    designs, weights = getattr(calibrator, "__generate_xp_matrices_and_merge")("calibrator", grid, *MODELS.values())
    ours = model.default if grid is None else model.sampled(grid)
    for band in MODELS:
        sampled, theirs = getattr(ours, band), designs[band].get_design_matrix()
        np.testing.assert_array_equal(ours.wavelength, designs[band].get_sampling_grid())
        np.testing.assert_allclose(sampled.weight, weights[band], rtol=0, atol=1e-16)
        np.testing.assert_allclose(sampled.design, theirs, rtol=0, atol=4e-16 * np.abs(theirs).max())


def test_basis_functions_over_pseudo_wavelength_are_gaiaxpys(model: XpModel, gaiaxpy: ModuleType) -> None:
    from gaiaxpy.config.paths import hermite_bases_file  # noqa: PLC0415
    from gaiaxpy.converter import converter  # noqa: PLC0415

    grid = np.linspace(0.0, 60.0, 61)
    theirs = converter.get_design_matrices(grid, converter.parse_config(hermite_bases_file))
    for band in MODELS:
        design = theirs[band].get_design_matrix()
        np.testing.assert_allclose(model.bases[band].at(grid), design, rtol=0, atol=2e-14 * np.abs(design).max())


def test_hermite_functions_are_orthonormal() -> None:
    grid = np.linspace(-20.0, 20.0, 4001)
    values = hermite_functions(grid, 55)
    np.testing.assert_allclose(values @ values.T * 0.01, np.eye(55), atol=1e-12)


def test_pseudo_wavelengths_have_gaiaxpys_wavelengths(model: XpModel, gaiaxpy: ModuleType) -> None:
    positions = np.linspace(5.0, 50.0, 10)
    for band in MODELS:
        np.testing.assert_allclose(model.wavelengths(band, positions), gaiaxpy.pwl_to_wl(band, positions), rtol=1e-14)
        assert np.isnan(model.wavelengths(band, np.array([-1000.0, 1000.0]))).all()
