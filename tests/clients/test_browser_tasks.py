"""Computations in a real browser, headless Chromium: from the front page to the result, with files, on any width."""

from __future__ import annotations

import csv
from pathlib import Path
from urllib.parse import urlencode

import pytest
from astropy.table import Table

from tests.clients.browser import DESKTOP, PHONE, Browser
from tests.conftest import Service
from tests.tap.asking import ask, eventually

TASK = "/tasks/crossmatch"
HOSTILE = "\"><script>document.title = 'owned'</script>"


def value(browser: Browser, name: str) -> object:
    return browser.value(f"document.getElementById('{name}').value")


def test_from_the_front_page_to_the_file(service: Service, browser: Browser) -> None:
    browser.open(f"{service.url}/")
    browser.click("nav a", "Computations")
    browser.click("h2 a", "Cross-match of two tables by position")
    browser.reads("First table", "Second table", "arcsec", "Read and cite")
    assert browser.value("document.scripts.length") == 0
    browser.click("a[href*='EPOCH_1']")
    eventually(lambda: value(browser, "TABLE_1") == "hipparcos.hip2")
    assert (value(browser, "TABLE_2"), value(browser, "EPOCH_1")) == ("gaia_dr3.bright", "1991.25")
    browser.click("button", "Estimate")
    browser.reads("What it would do", "It would take", "117,955 rows", "PMRA_1 is pmra")
    assert value(browser, "EPOCH") == "2016"
    browser.value("document.getElementById('RESPONSEFORMAT').value = 'csv'")
    browser.value("document.getElementById('RUNID').value = 'bright stars & more'")
    browser.click("button", "Run as a job")
    browser.reads(
        "bright stars & more", "COMPLETED", "Requested", "117,955", "Positions of table hipparcos.hip2 are moved"
    )
    address = browser.value("location.href")
    assert address.startswith(f"{service.url}{TASK}/async/")
    browser.click("a", "crossmatch.csv")
    file = browser.downloads / "crossmatch.csv"
    eventually(file.exists)
    found = browser.value("document.querySelector('.counts div:nth-child(2) dd').innerText").replace(",", "")
    with file.open() as lines:
        assert sum(1 for _ in csv.DictReader(lines)) == int(found) > 100_000
    browser.click("a", "Again, with changes")
    eventually(lambda: value(browser, "EPOCH_1") == "1991.25")
    assert value(browser, "RUNID") == "bright stars & more"
    assert ask(service, address.removeprefix(service.url), method="DELETE").status == 303


def test_a_file_and_a_query(service: Service, browser: Browser, tmp_path: Path) -> None:
    file = tmp_path / "mine.fits"
    Table({"star": [1, 2], "alpha": [56.871, 57.291], "delta": [24.105, 24.053]}).write(file)
    query = "SELECT source_id, ra, dec FROM gaia_dr3.bright\nWHERE DISTANCE(ra, dec, 57, 24) < 1"
    browser.open(f"{service.url}{TASK}?{urlencode({'QUERY_2': query, 'RADIUS': '20', 'RA_1': 'alpha'})}")
    assert browser.value("document.querySelector('details').open")
    root = browser.call("DOM.getDocument")["root"]["nodeId"]
    field = browser.call("DOM.querySelector", nodeId=root, selector="#mytable_1")["nodeId"]
    browser.call("DOM.setFileInputFiles", nodeId=field, files=[str(file)])
    browser.click("button", "Run as a job")
    browser.reads("It cannot be run so", "DEC_1", "choose them again")
    assert value(browser, "RA_1") == "alpha"
    browser.value("document.getElementById('DEC_1').value = 'delta'")
    root = browser.call("DOM.getDocument")["root"]["nodeId"]
    field = browser.call("DOM.querySelector", nodeId=root, selector="#mytable_1")["nodeId"]
    browser.call("DOM.setFileInputFiles", nodeId=field, files=[str(file)])
    browser.click("button", "Run as a job")
    browser.reads("COMPLETED", "TAP_UPLOAD.mytable_1", "crossmatch.vot")
    ask(service, str(browser.value("location.pathname")), method="DELETE")


def test_hostile_words_are_text(service: Service, browser: Browser) -> None:
    values = dict.fromkeys(["TABLE_1", "QUERY_2", "RADIUS", "COLUMNS_1", "RA_1", "RUNID"], HOSTILE)
    browser.open(f"{service.url}{TASK}?{urlencode({**values, 'ACTION': 'estimate'})}")
    browser.reads("It cannot be run so")
    assert browser.value("document.title").startswith("Cross-match")
    assert value(browser, "COLUMNS_1") == HOSTILE
    assert value(browser, "QUERY_2") == HOSTILE


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_nothing_is_wider_than_the_window(service: Service, browser: Browser, size: tuple[int, int]) -> None:
    browser.resize(size)
    long = urlencode({"RUNID": "w" * 64, "QUERY_1": "x" * 300, "TABLE_2": "y" * 300, "ACTION": "estimate"})
    example = "TABLE_1=hipparcos.hip2&TABLE_2=gaia_dr3.bright&ACTION=estimate"
    for page in ("/tasks", TASK, f"{TASK}?{example}", f"{TASK}?{long}", f"{TASK}/async", f"{TASK}/examples"):
        browser.open(service.url + page)
        browser.value("document.querySelectorAll('details').forEach(each => each.open = true)")
        assert browser.value("document.documentElement.scrollWidth") <= size[0], page
