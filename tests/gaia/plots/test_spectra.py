"""Pictures of spectra and photometry: PNG files whose pixels tell what was drawn."""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image

from gaia.plots import photometry, spectra, style

WAVELENGTH = np.arange(336.0, 1021.0, 2.0)


def seen(path: Path, colour: str) -> np.ndarray:
    """Return which pixels have a colour."""
    with Image.open(path) as picture:
        values = np.asarray(picture.convert("RGB")).astype(int)
    wanted = np.round(255 * np.array(to_rgb(colour)))
    return np.asarray(np.abs(values - wanted).max(axis=2) <= 3)


def pixels(path: Path, colour: str) -> int:
    """Count the pixels of a colour."""
    return int(seen(path, colour).sum())


def settings() -> dict[str, object]:
    """Return matplotlib's settings, without the one that is chosen when it is asked for."""
    return {name: mpl.rcParams[name] for name in mpl.rcParams if name != "backend"}


def some(count: int) -> np.ndarray:
    """Fluxes of some sources, the first a little negative."""
    return 1e-17 * (np.sin(WAVELENGTH / 90) + np.arange(count)[:, None])


def test_two_spectra_are_two_lines_with_source_and_credit(tmp_path: Path) -> None:
    path = tmp_path / "two.png"
    before = settings()
    spectra.draw(path, WAVELENGTH, some(2), 0.1 * np.abs(some(2)), ["Gaia DR3 1", "x$y_{"], source="DR3 & $ours")
    with Image.open(path) as picture:
        assert (picture.format, picture.size) == ("PNG", (960, 600))
        assert (picture.info["Source"], picture.info["Copyright"]) == ("DR3 & $ours", "ESA/Gaia/DPAC, CC BY-NC 3.0 IGO")
    drawn = [pixels(path, colour) for colour in style.COLOURS[:3]]
    assert min(drawn[:2]) > 800
    assert drawn[2] == 0
    assert settings() == before
    pyplot = sys.modules.get("matplotlib.pyplot")  # others may have imported it
    assert pyplot is None or not pyplot.get_fignums()


@pytest.mark.parametrize(("count", "colours"), [(12, 6), (13, 1), (1000, 1)])
def test_more_than_twelve_are_a_distribution(tmp_path: Path, count: int, colours: int) -> None:
    path = tmp_path / "many.png"
    spectra.draw(path, WAVELENGTH, some(count), None, [str(number) for number in range(count)])
    assert [pixels(path, colour) > 0 for colour in style.COLOURS] == [number < colours for number in range(6)]


def test_sources_of_very_different_brightness_are_all_seen(tmp_path: Path) -> None:
    path = tmp_path / "different.png"
    flux = np.outer([1e-18, 1e-14], 2 + np.sin(WAVELENGTH / 20))
    flux[0, 100:120] *= -1
    spectra.draw(path, WAVELENGTH, flux, 0.5 * np.abs(flux), ["faint", "bright"])
    heights = [int(seen(path, colour).any(axis=1).sum()) for colour in style.COLOURS[:2]]
    assert min(heights) > 30  # on a linear axis the faint one is flat


@pytest.mark.parametrize("samples", [1, 343])
def test_missing_fluxes_are_left_out_and_none_at_all_is_said(tmp_path: Path, samples: int) -> None:
    flux = some(3)[:, :samples]
    flux[1] = np.nan
    flux[2, samples // 2 :] = np.nan
    wavelength = WAVELENGTH[:samples]
    spectra.draw(tmp_path / "some.png", wavelength, flux, np.abs(flux), ["1", "2", "3"])
    spectra.draw(tmp_path / "none.png", wavelength, np.full_like(flux, np.nan), None, ["1", "2", "3"])
    spectra.draw(tmp_path / "nobody.png", wavelength, flux[:0], None, [])
    assert pixels(tmp_path / "some.png", style.COLOURS[0]) > 20
    assert pixels(tmp_path / "none.png", style.COLOURS[0]) == 0
    assert (tmp_path / "nobody.png").stat().st_size > 5000


def test_photometry_is_points_on_its_spectrum(tmp_path: Path) -> None:
    sound = photometry.Points(
        "SDSS", ["g", "r", "i"], np.array([470.0, 620.0, 750.0]), np.array([2e-17, np.nan, 1.5e-17]), np.full(3, 1e-18)
    )
    absurd = photometry.Points("odd", ["Ha"], np.array([656.0]), np.array([1e60]), np.array([1e59]))
    flux = some(3)[2]
    photometry.draw(tmp_path / "both.png", WAVELENGTH, flux, 0.1 * flux, [sound, absurd], title="Gaia DR3 1")
    assert pixels(tmp_path / "both.png", style.DIM) > 1000  # the spectrum, which the absurd point does not flatten
    assert pixels(tmp_path / "both.png", style.COLOURS[0]) > 60
    missing = np.full_like(flux, np.nan)
    photometry.draw(tmp_path / "points.png", WAVELENGTH, missing, None, [sound], title="Gaia DR3 1")
    photometry.draw(tmp_path / "none.png", WAVELENGTH, missing, missing, [], title="Gaia DR3 1")
    assert pixels(tmp_path / "points.png", style.COLOURS[0]) > 60
    assert pixels(tmp_path / "none.png", style.COLOURS[0]) == 0
