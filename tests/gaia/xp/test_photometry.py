"""Synthetic photometry against GaiaXPy run beside it, and against its reference solutions."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from gaia.xp.colour_equations import colour_equation
from gaia.xp.errors import Corrections, corrections
from gaia.xp.model import XpModel
from gaia.xp.photometry import Magnitudes, Photometry
from gaia.xp.spectra import Band, Spectra
from gaia.xp.systems import FAULTY, NAMES, PER_FREQUENCY, PER_WAVELENGTH, known, load
from tests.gaia.xp.conftest import frame_of, perturbed, read_rows, real_spectra, spectra_of, without
from vo.core.errors import ParameterError

QUANTITIES = ("mag", "flux", "flux_error")
CHANGED = ("ElsCustomW09S2", "HipparcosTycho", "Panstarrs1Std", "Sdss")
"""Systems whose files GaiaXPy has changed since its reference solutions were made."""


@pytest.fixture
def various(shared_folder: Path | None, anchor: Spectra) -> Spectra:
    """Sources from G of 2 to 23 mag, of all colours, and some with a band missing or negative fluxes."""
    replicas = perturbed(real_spectra(shared_folder) if shared_folder else anchor, 60, seed=2)
    brightness = 10 ** np.linspace(5.5, -3.5, 60)
    colour = 10 ** np.tile([-0.9, -0.4, 0.0, 0.0, 0.0, 0.4, 0.9], 9)[:60]
    bands = [
        replace(band, coefficients=band.coefficients * factor[:, None], errors=band.errors * factor[:, None])
        for band, factor in ((replicas.bp, brightness * colour), (replicas.rp, brightness / colour))
    ]
    negative = replace(bands[0], coefficients=np.where(np.arange(60)[:, None] % 11 == 7, -1, 1) * bands[0].coefficients)
    return without(Spectra(replicas.source_id, negative, bands[1]), bp=[0, 41], rp=[5])


@pytest.mark.parametrize(("truncation", "error_correction"), itertools.product([False, True], repeat=2))
def test_equals_gaiaxpy_in_every_system(
    model: XpModel, gaiaxpy: ModuleType, various: Spectra, truncation: bool, error_correction: bool
) -> None:
    photometry = Photometry(model, NAMES)
    ours = photometry.generate(various, truncation, error_correction)
    theirs = gaiaxpy.generate(
        frame_of(various),
        photometric_system=[gaiaxpy.PhotometricSystem[name] for name in NAMES],
        truncation=truncation,
        error_correction=error_correction,
        save_file=False,
    )
    assert theirs.columns[1:].tolist() == [
        f"{system.label}_{quantity}_{band}" for system in photometry.systems for quantity in QUANTITIES
        for band in system.bands
    ]  # fmt: skip
    g = theirs["GaiaDr3Vega_mag_G"]
    assert g.min() < 4
    assert g.max() > 21
    for quantity in QUANTITIES:
        expected = theirs[[f"{label}_{quantity}_{band}" for label, band in photometry.columns]].to_numpy(float)
        found = getattr(ours, quantity)
        np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
        if quantity == "flux":  # a flux may be a small difference of terms, known to no better than a part of its error
            np.testing.assert_array_less(
                np.nan_to_num(np.abs(found - expected)),
                1e-12 * np.nan_to_num(np.maximum(np.abs(expected), ours.flux_error)) + 1e-300,
            )
        else:
            np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_the_systems_are_gaiaxpys(gaiaxpy: ModuleType) -> None:
    assert tuple(member.name for member in gaiaxpy.PhotometricSystem) == NAMES
    for member in gaiaxpy.PhotometricSystem:
        system = load(member.name)
        assert (system.label, list(system.bands)) == (member.get_system_label(), member.get_bands())
        np.testing.assert_array_equal(system.zero_points, member.get_zero_points())
    assert {load(name).unit for name in ("SDSS", "PanSTARRS1_Std", "H_Custom")} == {PER_FREQUENCY}
    assert {load(name).unit for name in ("JKC_Std", "Gaia_DR3_Vega", "WFIRST")} == {PER_WAVELENGTH}
    for label, band in FAULTY:  # when GaiaXPy mends its file this should say so
        system = next(system for system in map(load, NAMES) if system.label == label)
        assert np.abs(system.rp[:, system.bands.index(band)]).max() > 1


@pytest.mark.parametrize("error_correction", [False, True])
def test_missing_bp_is_as_in_the_reference_solutions(model: XpModel, shared: Path, error_correction: bool) -> None:
    spectra = spectra_of(read_rows(shared / "data/xp/XP_CONTINUOUS_RAW_with_missing_BP.csv.gz"))
    kind = "_error_correction" if error_correction else ""
    rows = read_rows(shared / f"data/xp/reference/generator_solution_with_missing_BP{kind}.csv.gz")
    systems = [load(name) for name in NAMES if load(name).label not in CHANGED]
    photometry = Photometry(model, [each.name for each in systems if f"{each.label}_mag_{each.bands[0]}" in rows[0]])
    found = photometry.generate(spectra, error_correction=error_correction)
    assert len(photometry.systems) == 22
    assert np.isnan(found.flux[1]).all()
    for quantity in QUANTITIES:
        expected = [
            [float(row[f"{label}_{quantity}_{band}"] or "nan") for label, band in photometry.columns] for row in rows
        ]
        np.testing.assert_allclose(getattr(found, quantity), np.array(expected), rtol=1e-12)


@pytest.mark.usefixtures("shared")  # all colours are only there
def test_colour_equations_are_used_within_their_range_and_beyond(model: XpModel, various: Spectra) -> None:
    for name in ("JKC_Std", "SDSS_Std"):
        photometry = Photometry(model, [name])
        equation = colour_equation(load(name).label)
        assert equation is not None
        blue, red = (load(name).bands.index(band) for band in equation.colour)
        mag = photometry.generate(various).mag
        colour = (mag[:, blue] - mag[:, red])[np.isfinite(mag[:, blue] - mag[:, red])]
        assert colour.min() < equation.limits[0] < equation.limits[1] < colour.max()
        below, above = equation.correction(np.array([equation.limits[0] - 1e-9, equation.limits[1] + 1e-9]))
        assert [below, above] == pytest.approx(equation.correction(np.array(equation.limits)), abs=1e-7)


def test_error_corrections_go_from_the_middle_of_a_bin_to_the_edge_of_the_next() -> None:
    table = Corrections(np.array([4.0, 5.0, 6.0]), np.array([[1.0, 10.0], [3.0, 30.0]]))
    found = table.at(np.array([-1.0, 4.0, 4.5, 4.75, 5.0, 5.9, 6.0, 25.0, np.nan]))
    assert found[:, 0].tolist() == [1, 1, 1, 2, 3, 3, 3, 3, 3]
    np.testing.assert_array_equal(found[:, 1], 10 * found[:, 0])
    assert corrections("Lsst") is None


def test_systems_are_named_in_any_case_and_wrong_names_refused(model: XpModel, anchor: Spectra) -> None:
    assert known(" sdss_std ") == "SDSS_Std"
    assert Photometry(model, ["sdss", "SDSS", "Jkc"]).columns[4:6] == (("Sdss", "z"), ("Jkc", "U"))
    with pytest.raises(ParameterError, match=r"SYSTEMS: there is no photometric system 'SLOAN'.*SDSS_Std"):
        Photometry(model, ["SLOAN"])
    with pytest.raises(ParameterError, match="name a photometric system"):
        Photometry(model, [])
    nobody = Photometry(model, ["SDSS"]).generate(anchor.part(0, 0), error_correction=True)
    assert nobody.mag.shape == (0, 5)


def test_sources_do_not_depend_on_each_other(model: XpModel, various: Spectra) -> None:
    photometry = Photometry(model, ["JKC_Std", "Gaia_DR3_Vega"])

    def generate(spectra: Spectra) -> Magnitudes:
        return photometry.generate(spectra, truncation=True, error_correction=True)

    together = generate(various)
    order = np.random.default_rng(3).permutation(len(various))
    shuffled = generate(_taken(various, order))
    for quantity in QUANTITIES:
        np.testing.assert_allclose(getattr(shuffled, quantity), getattr(together, quantity)[order], rtol=1e-12)


def _taken(spectra: Spectra, order: Any) -> Spectra:
    bp, rp = (
        Band(*(getattr(band, name)[order] for name in Band.__dataclass_fields__)) for band in (spectra.bp, spectra.rp)
    )
    return Spectra(spectra.source_id[order], bp, rp)
