"""Computations with Gaia's data by real clients: pyvo, STILTS, ``vo run`` and a browser."""

from __future__ import annotations

import csv
import subprocess
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
import pytest
import pyvo
import requests
from astropy.table import Table
from numpy.testing import assert_allclose, assert_array_equal

from gaia.scanning.transits import BEGIN, forecast
from gaia.xp.calibration import Calibration
from gaia.xp.conversion import Conversion
from gaia.xp.model import load
from gaia.xp.photometry import Photometry
from gaia.xp.spectra import Spectra
from tests.clients.browser import PHONE, Browser
from tests.conftest import Service
from tests.gaia.xp.conftest import archive_product, read_rows, spectra_of
from tests.tap.asking import ask

TABLE = "gaia_dr3.xp_continuous_mean_spectrum"


@pytest.fixture(scope="module")
def demo() -> Spectra:
    """The spectrum that the demonstration catalogue has."""
    return spectra_of(archive_product("XP_CONTINUOUS"))


@pytest.fixture
def archive(shared_folder: Path | None, demo: Spectra, service: Service) -> tuple[bytes, Spectra]:
    """A VOTable of spectra as ESA's archive gives it, and what is in it; else the demonstration catalogue's."""
    if shared_folder is not None:
        folder = shared_folder / "data/xp"
        rows = read_rows(folder / "XP_CONTINUOUS_RAW.csv.gz")
        return (folder / "XP_CONTINUOUS_RAW.xml").read_bytes(), spectra_of(rows)
    answer = requests.get(f"{service.tap}/sync", {"LANG": "ADQL", "QUERY": f"SELECT * FROM {TABLE}"}, timeout=60)
    return answer.content, demo


def test_pyvo_calibrates_an_uploaded_table(
    service: Service, session: requests.Session, archive: tuple[bytes, Spectra]
) -> None:
    document, spectra = archive
    form = {"UPLOAD": "mine,param:file", "SAMPLING": "400,550,700", "RESULTS": "result", "PHASE": "RUN"}
    answer = session.post(f"{service.url}/tasks/xp-calibrate/async", form, files={"file": ("mine.vot", document)})
    answer.raise_for_status()
    job = pyvo.dal.AsyncTAPJob(answer.url, session=session)
    job.wait(phases={"COMPLETED", "ERROR", "ABORTED"}, timeout=60)
    job.raise_if_error()
    result = job.fetch_result()
    made = result.to_table()
    made.sort("source_id")
    order = np.argsort(spectra.source_id)
    calibration = Calibration(load(), np.array([400.0, 550.0, 700.0]))
    assert_array_equal(made["source_id"], spectra.source_id[order])
    assert_allclose(made["flux"], calibration.flux(spectra)[order], rtol=1e-12)
    # Errors of coefficients are single numbers in the VOTable, and rounded texts in the CSV that is read here.
    assert_allclose(made["flux_error"], calibration.errors(spectra)[order], rtol=1e-7)
    assert str(made["flux"].unit) == "W / (nm m2)"
    infos = {info.name: info.value for info in result.votable.resources[0].infos}
    assert "batch kernel" in infos["engine"]
    assert "GaiaXPy" in infos["calibration"]
    assert "CC BY-NC 3.0 IGO" in infos["licence"]
    assert infos["reference_epoch"] == "J2016.0"
    assert "DPAC" in infos["acknowledgement"]
    job.delete()


def test_pyvo_converts_at_once(service: Service, session: requests.Session, demo: Spectra) -> None:
    convert = pyvo.dal.DALService(f"{service.url}/tasks/xp-convert/sync", session=session)
    made = convert.search(TABLE=TABLE, SAMPLING="10,30,50").to_table()
    conversion = Conversion(load(), np.array([10.0, 30.0, 50.0]))
    wanted = [conversion.flux(demo, "bp")[0], conversion.flux(demo, "rp")[0]]
    assert_allclose(made["flux"], wanted, rtol=1e-12)


def test_stilts_reads_photometry(service: Service, demo: Spectra) -> None:
    url = f"{service.url}/tasks/xp-photometry/sync?" + urlencode({"TABLE": TABLE, "SYSTEMS": "SDSS"})
    command = ["stilts", "tpipe", f"in={url}", "ifmt=votable", "cmd=keepcols 'Sdss_mag_*'", "ofmt=csv"]
    text = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout
    (row,) = csv.DictReader(text.splitlines())
    photometry = Photometry(load(), ["SDSS"])
    wanted = photometry.generate(demo, truncation=False, error_correction=False).mag[0]
    assert list(row) == [f"Sdss_mag_{band}" for band in "ugriz"]
    assert_allclose([float(value) for value in row.values()], wanted, rtol=1e-12)


def test_the_command_makes_a_file_of_transits(service: Service, tmp_path: Path) -> None:
    file = tmp_path / "transits.fits"
    command = ["run", "transit-forecast", "--url", service.url, "RA=86.8212", "DEC=-51.0665", "TIME_MAX=57100"]
    service.vo(*command, "RESULTS=result", "-o", str(file))
    made = Table.read(file)
    found = forecast(np.array([86.8212]), np.array([-51.0665]), BEGIN, 57100)
    assert_array_equal(made["time_bary_tcb"], found.time_bary_tcb)
    assert_array_equal(made["ccd_row"], found.ccd_row)
    assert made["fov"].tolist() == ["F" if following else "P" for following in found.following]


def test_pages_lead_to_pictures(service: Service, browser: Browser) -> None:
    browser.open(f"{service.url}/")
    browser.click("a", "transits of Gaia")
    browser.reads("When Gaia saw targets", "TARGET=HIP 27321", "ccd_row")
    browser.click("a", "TARGET=HIP 27321 TIME_MIN=56900 TIME_MAX=57900")
    browser.holds("document.getElementById('TARGET').value === 'HIP 27321'")
    browser.click("button", "Run as a job")
    browser.reads("COMPLETED", "timeline.png", "sky.png")
    pictures = "[...document.querySelectorAll('img')]"
    browser.holds(f"{pictures}.length === 2 && {pictures}.every(each => each.naturalWidth > 500 && each.alt)")
    browser.resize(PHONE)
    browser.holds(f"document.documentElement.scrollWidth <= {PHONE[0]}")
    assert ask(service, str(browser.value("location.pathname")), method="DELETE").status == 303
    browser.open(f"{service.url}/gost")
    browser.reads("When did Gaia see a position?", "The answer")
