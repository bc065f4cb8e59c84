"""Tables of people's own on the query page, in a real browser: run, explained, downloaded, sent along with a job."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import urlencode

import pyarrow.parquet as pq
import pytest
from astropy.table import Table

from tests.clients.browser import DESKTOP, PHONE, Browser
from tests.conftest import Service
from tests.tap.asking import Answer, ask, eventually
from tests.tap.upload.sending import form, parquet

QUERY = "SELECT id, k * 2 AS twice FROM TAP_UPLOAD.mytable ORDER BY id"
JOIN = """SELECT g.source_id FROM TAP_UPLOAD.mytable AS m
JOIN gaia_dr3.bright AS g ON DISTANCE(m.ra, m.dec, g.ra, g.dec) < 1"""


@pytest.fixture
def table(tmp_path: Path) -> Path:
    file = tmp_path / "mine.fits"
    rows = {"id": [1, 2, 3], "ra": [56.0, 57.0, 58.0], "dec": [24.0, 24.5, 25.0], "k": [0.5, 1.0, 1.5]}
    Table({**rows, "odd name": ["a", "b", "c"]}).write(file)
    return file


def fill(browser: Browser, service: Service, query: str, file: Path | None) -> None:
    """Open the page with a query and choose a file, as a person does in a dialogue."""
    browser.open(f"{service.url}/query?{urlencode({'QUERY': query})}")
    choose(browser, file)


def choose(browser: Browser, file: Path | None) -> None:
    if file is not None:
        root = browser.call("DOM.getDocument")["root"]["nodeId"]
        field = browser.call("DOM.querySelector", nodeId=root, selector="#mytable")["nodeId"]
        browser.call("DOM.setFileInputFiles", nodeId=field, files=[str(file)])


def page(service: Service, fields: dict[str, str], files: dict[str, bytes]) -> Answer:
    """Post the form as it is without any script."""
    body, headers = form({"LANG": "ADQL", **fields}, files)
    return ask(service, "/query", method="POST", body=body, headers=headers)


def test_run_and_explain(service: Service, browser: Browser, table: Path) -> None:
    fill(browser, service, QUERY, table)
    browser.click("button", "Run")
    browser.reads("3 rows, 5 columns, positions in ra and dec", "choose it again", "twice")
    assert browser.value("[...document.querySelectorAll('.result tbody td')].map(e => e.innerText).join()") == (
        "1,1,2,2,3,3"
    )
    assert '"odd name"' in browser.value("document.querySelector('.uploaded details').textContent")
    browser.value(f"document.getElementById('adql').value = {json.dumps(JOIN)}")
    choose(browser, table)
    browser.click("button", "Explain")
    browser.reads("What it would do", "3 rows of tap_upload.mytable", "looks up gaia_dr3.bright by its sky index")


@pytest.mark.parametrize("with_table", [True, False], ids=["uploaded", "published"])
def test_download(service: Service, browser: Browser, table: Path, with_table: bool) -> None:
    query = QUERY if with_table else "SELECT TOP 3 hip AS id FROM hipparcos.hip2 ORDER BY hip"
    fill(browser, service, query, table if with_table else None)
    browser.click("button", "Parquet")
    [file] = eventually(lambda: list(browser.downloads.glob("*.parquet")))
    eventually(lambda: file.stat().st_size)
    assert pq.read_table(file)["id"].to_pylist() == [1, 2, 3]
    file.unlink()
    browser.reads("Examples")  # the page is still there


def test_a_job_gets_the_table(service: Service, browser: Browser, table: Path) -> None:
    fill(browser, service, QUERY, table)
    browser.click("button", "Run as a job")
    browser.reads("COMPLETED", "TAP_UPLOAD.mytable", "mytable,param:mytable")


def test_a_job_needs_none(service: Service, browser: Browser) -> None:
    fill(browser, service, "SELECT TOP 3 hip FROM hipparcos.hip2", None)
    browser.click("button", "Run as a job")
    browser.reads("COMPLETED")
    assert "UPLOAD" not in browser.value("document.body.innerText")


def test_what_is_wrong_is_told_on_the_page(service: Service) -> None:
    good, fields = parquet(id=[1, 2], ra=[400.0, 1.0], dec=[99.0, 2.0]), {"QUERY": "SELECT idd FROM TAP_UPLOAD.mytable"}
    answer = page(service, {**fields, "ACTION": "run"}, {"mytable": good})
    assert (answer.status, 'data-line="1" data-column="8"' in answer.text) == (400, True)
    assert "2 rows, 3 columns, positions that are not all on the sky" in answer.text
    for more in ({"ACTION": "run"}, {"ACTION": "explain"}, {"RESPONSEFORMAT": "csv"}):
        answer = page(service, {**fields, **more}, {"mytable": b"PAR1 and no more"})
        assert (answer.status, "It cannot be answered" in answer.text, "mytable" in answer.text) == (400, True, True)
        assert "SELECT idd FROM" in answer.text
    answer = page(service, {**fields, "RESPONSEFORMAT": "dance"}, {"mytable": good})
    assert (answer.status, "there is no format" in answer.text) == (400, True)


def test_a_table_without_positions(service: Service) -> None:
    answer = page(service, {"QUERY": QUERY, "ACTION": "run"}, {"mytable": parquet(id=[1], k=[1.0])})
    assert "1 row, 2 columns, no columns with positions" in answer.text


def test_no_file_chosen(service: Service) -> None:
    """Browsers send an empty part then."""
    body, headers = form({"LANG": "ADQL", "QUERY": QUERY, "ACTION": "run"}, {"mytable": b""})
    body = body.replace(b'filename="mytable"', b'filename=""')
    answer = ask(service, "/query", method="POST", body=body, headers=headers)
    assert (answer.status, "There is no table TAP_UPLOAD.mytable" in answer.text) == (400, True)


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_nothing_is_wider_than_the_window(
    service: Service, browser: Browser, tmp_path: Path, size: tuple[int, int]
) -> None:
    file = tmp_path / ("long_name" * 20 + ".csv")
    file.write_text(f"{'x' * 300},b\n1,2\n")
    browser.resize(size)
    fill(browser, service, "SELECT b FROM TAP_UPLOAD.mytable", file)
    browser.click("button", "Run")
    browser.reads("1 row, 2 columns")
    browser.value("document.querySelectorAll('details').forEach(each => each.open = true)")
    choose(browser, file)
    assert browser.value("document.documentElement.scrollWidth") <= size[0]
