"""GaiaXPy on our arrays: the same as called by hand, and nothing of it left behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from gaia.xp import package
from gaia.xp.calibration import Calibration
from gaia.xp.conversion import Conversion
from gaia.xp.model import XpModel
from gaia.xp.photometry import Photometry
from gaia.xp.spectra import Spectra
from tests.gaia.xp.conftest import frame_of, without
from vo.core.errors import ParameterError

PROGRAM = """
import os, sys, threading, warnings
import numpy as np
from gaia.xp import package
from gaia.xp.spectra import Band, Spectra
assert not {"gaiaxpy", "pandas", "scipy", "matplotlib"} & set(sys.modules)
import matplotlib
settings = dict(matplotlib.rcParams.copy(), backend=None)
before = warnings.filters[:], np.get_printoptions()
package.preload()
assert "gaiaxpy" in sys.modules
one = np.ones((1, 55))
band = Band(one, one, np.zeros((1, 1485)), np.ones(1), np.array([55]), np.array([True]))
spectra = Spectra(np.array([1]), band, band)
assert package.generate(spectra, ["SDSS", "LSST"], error_correction=True).flux.shape == (1, 11)
assert package.calibrate(spectra).flux.shape == (1, 343)
assert (warnings.filters, np.get_printoptions()) == before
assert dict(matplotlib.rcParams.copy(), backend=None) == settings
assert not os.listdir() and threading.active_count() == 1, threading.enumerate()
"""


@pytest.fixture
def some(anchor: Spectra) -> Spectra:
    """One source five times: whole, without BP, without RP, without both, and whole."""
    rows = np.zeros(5, dtype=int)
    bands = [type(band)(*(getattr(band, name)[rows] for name in band.__slots__)) for band in (anchor.bp, anchor.rp)]
    return without(Spectra(np.arange(1, 6), *bands), bp=[1, 3], rp=[2, 3])


def test_it_leaves_no_trace(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", "-c", PROGRAM]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, env=environment)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.usefixtures("gaiaxpy")
@pytest.mark.parametrize("truncation", [False, True])
def test_photometry_is_that_of_the_kernel(model: XpModel, some: Spectra, truncation: bool) -> None:
    systems = ["sdss_std", "JKC", "LSST", "jkc"]
    for error_correction in (False, True):
        theirs = package.generate(some, systems, truncation, error_correction)
        ours = Photometry(model, systems).generate(some, truncation, error_correction)
        assert np.isnan(theirs.flux).all(axis=1).tolist() == [False, True, True, True, False]
        for quantity in ("mag", "flux", "flux_error"):
            np.testing.assert_allclose(getattr(theirs, quantity), getattr(ours, quantity), rtol=1e-11)


@pytest.mark.parametrize("sampling", [None, np.array([400.0, 640.0, 800.0])])
def test_calibration_is_gaiaxpys_and_that_of_the_kernel(
    model: XpModel, gaiaxpy: ModuleType, some: Spectra, sampling: np.ndarray | None
) -> None:
    theirs = package.calibrate(some, sampling, truncation=True, with_correlation=sampling is not None)
    table, positions = gaiaxpy.calibrate(frame_of(some.part(0, 3)), sampling=sampling, truncation=True, save_file=False)
    np.testing.assert_array_equal(theirs.positions, positions)
    np.testing.assert_array_equal(theirs.flux[:3], np.stack(table["flux"]))
    np.testing.assert_array_equal(theirs.error[:3], np.stack(table["flux_error"]))
    calibration = Calibration(model, sampling)
    np.testing.assert_allclose(theirs.flux, calibration.flux(some, True), rtol=1e-10)
    np.testing.assert_allclose(theirs.error, calibration.errors(some, True), rtol=1e-10)
    if theirs.correlation is not None:
        np.testing.assert_allclose(theirs.correlation, calibration.correlations(some, True), rtol=0, atol=1e-12)


@pytest.mark.usefixtures("gaiaxpy")
def test_conversion_is_gaiaxpys_and_that_of_the_kernel(model: XpModel, some: Spectra) -> None:
    sampling = np.array([10.0, 20.0, 30.0, 45.5])
    conversion = Conversion(model, sampling)
    bands = package.convert(some, sampling, with_correlation=True)
    for name, theirs, missing in (("bp", bands[0], [1, 3]), ("rp", bands[1], [2, 3])):
        assert np.flatnonzero(np.isnan(theirs.flux).all(axis=1)).tolist() == missing
        np.testing.assert_allclose(theirs.flux, conversion.flux(some, name), rtol=1e-10)  # type: ignore[arg-type]
        np.testing.assert_allclose(theirs.error, conversion.errors(some, name), rtol=1e-10)  # type: ignore[arg-type]
        correlations = conversion.correlations(some, name)  # type: ignore[arg-type]
        assert theirs.correlation is not None
        np.testing.assert_allclose(theirs.correlation, correlations, rtol=0, atol=1e-12)
    assert package.convert(some.part(0, 1))[0].flux.shape == (1, 600)


@pytest.mark.usefixtures("gaiaxpy")
def test_sources_without_spectra_and_grids_that_are_none(some: Spectra) -> None:
    nobody = some.part(3, 4)
    assert np.isnan(package.generate(nobody, ["SDSS"]).mag).all()
    assert np.isnan(package.calibrate(nobody, with_correlation=True).flux).all()
    assert all(np.isnan(band.flux).all() for band in package.convert(nobody))
    assert package.calibrate(some.part(0, 0)).flux.shape == (0, 343)
    with pytest.raises(ParameterError, match="at least two wavelengths"):
        package.calibrate(some, np.array([500.0]))
    with pytest.raises(ParameterError, match="2000 nm"):
        package.calibrate(some, np.array([500.0, 2000.0]))
    with pytest.raises(ParameterError, match="no photometric system"):
        package.generate(some, ["select * from gaia_source"])
