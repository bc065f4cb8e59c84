"""Passbands of one's own: against published photometry, against numerical integrals, and against drawn spectra."""

from __future__ import annotations

import numpy as np
import pytest

from gaia.xp.calibration import Calibration
from gaia.xp.filters import LIGHT, Counting, Passband, ZeroPoint
from gaia.xp.model import XpModel
from gaia.xp.photometry import Photometry, per_wavelength
from gaia.xp.spectra import Spectra
from gaia.xp.systems import PER_FREQUENCY, PER_WAVELENGTH
from tests.gaia.xp.conftest import perturbed, without
from vo.core.errors import ParameterError

RP1 = (
    0.000, 0.001, 0.003, 0.011, 0.062, 0.242, 0.469, 0.556, 0.578, 0.588, 0.592, 0.586, 0.586, 0.612, 0.616, 0.609,
    0.623, 0.624, 0.641, 0.649, 0.654, 0.656, 0.648, 0.642, 0.646, 0.641, 0.662, 0.663, 0.681, 0.687, 0.683, 0.684,
    0.684, 0.679, 0.669, 0.663, 0.662, 0.652, 0.633, 0.595, 0.428, 0.255, 0.084, 0.021, 0.006, 0.002, 0.001,
)  # fmt: skip
"""The curve of Pan-STARRS1 r (Tonry et al. 2012, ApJ 750, 99), every fourth of its points: 528 to 712 nm."""


def top_hat(name: str, first: float, last: float, **words: object) -> Passband:
    return Passband(name, np.array([first, last]), np.ones(2), **words)  # type: ignore[arg-type]


def test_a_published_curve_gives_the_magnitude_of_its_system(model: XpModel, anchor: Spectra) -> None:
    curve = Passband("rp", np.arange(528.0, 713.0, 4.0), np.array(RP1))
    narrow = top_hat("hat", 656.3 - 2.5, 656.3 + 2.5)
    photometry = Photometry(model, ["PanSTARRS1", "Halpha_Custom_AB"], [curve, narrow])
    found = photometry.generate(anchor)
    mag = dict(zip(photometry.columns, found.mag[0], strict=True))
    error = dict(zip(photometry.columns, found.flux_error[0], strict=True))
    assert mag["User", "rp"] == pytest.approx(mag["Panstarrs1", "rp"], abs=0.001)
    assert error["User", "rp"] == pytest.approx(error["Panstarrs1", "rp"], rel=0.01)
    assert mag["User", "hat"] == pytest.approx(mag["HalphaCustomAb", "Halpha05nm"], abs=0.001)
    assert curve.mean_wavelength == pytest.approx(
        photometry.wavelengths[photometry.columns.index(("Panstarrs1", "rp"))], abs=0.1
    )
    assert photometry.units[-2:] == (PER_FREQUENCY, PER_FREQUENCY)


@pytest.mark.parametrize(("first", "last"), [(345.0, 355.0), (500.0, 700.0), (636.0, 642.0), (330.0, 1050.0)])
def test_a_top_hat_is_the_integral_of_the_calibrated_spectrum(
    model: XpModel, anchor: Spectra, first: float, last: float
) -> None:
    grid = np.union1d(np.linspace(first, last, 8001), [635.0, 643.0])
    grid = grid[(grid >= first) & (grid <= last)]
    flux = Calibration(model, grid).flux(anchor)[0]
    frequency = LIGHT / grid**2
    for counting, weight in ((Counting.PHOTON, grid), (Counting.ENERGY, np.ones_like(grid))):
        passbands = [top_hat(zero.name, first, last, zero_point=zero, counting=counting) for zero in ZeroPoint]
        found = Photometry(model, [], passbands).generate(anchor)
        integral = np.trapezoid(flux * weight, grid)
        expected = [integral / np.trapezoid(weight * frequency, grid), integral / np.trapezoid(weight, grid)]
        np.testing.assert_allclose(found.flux[0], expected, rtol=2e-6)
        np.testing.assert_allclose(found.mag[0], -2.5 * np.log10(expected) - [56.10, 26.10], atol=1e-5)


def test_errors_are_the_scatter_of_spectra_drawn_from_their_covariances(model: XpModel, anchor: Spectra) -> None:
    wide = Passband("wide", np.array([400.0, 550.0, 640.0, 700.0, 900.0]), np.array([0.0, 1.0, 0.3, 1.0, 0.0]))
    photometry = Photometry(model, [], [wide, top_hat("narrow", 655.0, 658.0, zero_point=ZeroPoint.ST)])
    drawn = photometry.generate(perturbed(anchor, 4000, seed=4)).flux
    stated = photometry.generate(anchor)
    np.testing.assert_allclose(drawn.std(axis=0), stated.flux_error[0], rtol=0.05)  # 4.5 times its own error
    assert np.all(np.abs(drawn.mean(axis=0) - stated.flux[0]) < 4.5 * stated.flux_error[0] / np.sqrt(4000))


def test_a_passband_needs_only_the_bands_that_it_reaches(model: XpModel, anchor: Spectra) -> None:
    passbands = [top_hat("blue", 400, 600), top_hat("both", 600, 640), top_hat("red", 700, 800)]
    photometry = Photometry(model, ["SDSS"], passbands)
    whole = photometry.generate(anchor)
    for words, missing in (({"bp": [0]}, ["blue", "both"]), ({"rp": [0]}, ["both", "red"])):
        found = photometry.generate(without(anchor, **words), error_correction=True)
        gone = np.array([system == "Sdss" or band in missing for system, band in photometry.columns])
        np.testing.assert_array_equal(np.isnan(found.flux[0]), gone)
        np.testing.assert_array_equal(np.isnan(found.flux_error[0]), gone)
        np.testing.assert_array_equal(found.flux[0, ~gone], whole.flux[0, ~gone])
    truncated = photometry.generate(anchor, truncation=True)
    assert np.all(truncated.flux_error[0] < 0.999 * whole.flux_error[0])


def test_fluxes_of_frequency_become_fluxes_of_wavelength(model: XpModel, anchor: Spectra) -> None:
    narrow = [top_hat(zero.name, 549.9, 550.1, zero_point=zero) for zero in ZeroPoint]
    photometry = Photometry(model, [], narrow)
    flux = per_wavelength(photometry.generate(anchor).flux, photometry.units, photometry.wavelengths)
    assert photometry.units == (PER_FREQUENCY, PER_WAVELENGTH)
    assert flux[0, 0] == pytest.approx(flux[0, 1], rel=1e-6)
    assert flux[0, 1] == pytest.approx(Calibration(model, np.array([550.0])).flux(anchor)[0, 0], rel=1e-4)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"name": "a b"}, "'a b' is no name"),
        ({"wavelength": [400, 500, 450]}, "450.0 nm after 500.0 nm"),
        ({"transmission": [0, np.nan, 0]}, "not a number"),
        ({"transmission": [0, -1, 0]}, "none below zero"),
        ({"transmission": [0, 0, 0]}, "positive"),
        ({"transmission": [0, 1]}, "one transmission for each wavelength"),
        ({"wavelength": [500], "transmission": [1]}, "2 to 10000 points"),
        ({"wavelength": [1000, 1050, 1100]}, "lies to 50.0% outside of 330 to 1050 nm"),
        ({"wavelength": [2000, 2100, 2200]}, "lies to 100.0% outside"),
    ],
)
def test_what_is_no_passband_is_refused(words: dict[str, object], message: str) -> None:
    given = {"name": "x", "wavelength": [400, 500, 600], "transmission": [0, 1, 0]} | words
    with pytest.raises(ParameterError, match=message):
        Passband(str(given["name"]), np.array(given["wavelength"], float), np.array(given["transmission"], float))


def test_two_passbands_do_not_have_one_name(model: XpModel) -> None:
    with pytest.raises(ParameterError, match="two passbands have the name 'v'"):
        Photometry(model, [], [top_hat("V", 500, 600), top_hat("v", 500, 590)])
