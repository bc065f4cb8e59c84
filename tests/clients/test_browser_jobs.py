"""Jobs in a real browser, headless Chromium, with its buttons and links; and by curl as users write it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.clients.browser import DESKTOP, PHONE, Browser
from tests.conftest import Service
from tests.tap.asking import FORM, adql, ask, eventually

QUERY = "SELECT TOP 40 hip, ra, plx FROM hipparcos.hip2 WHERE plx > 100 ORDER BY hip"
LONG = "SELECT COUNT(*) AS n FROM demo.big AS a, demo.big AS b, demo.big AS c WHERE a.ra + b.ra < a.dec - c.dec"
"""Runs for hours; whoever sends it aborts it."""


@pytest.fixture
def create(service: Service) -> Iterator[Callable[..., str]]:
    """Create a job and return its path; it is deleted with the test."""
    paths = []

    def create(query: str, **parameters: str) -> str:
        body = urlencode({"LANG": "ADQL", "QUERY": query, "PHASE": "RUN", **parameters}).encode()
        answer = ask(service, "/tap/async", method="POST", body=body, headers=FORM)
        paths.append(answer.headers["Location"].removeprefix(service.url))
        return paths[-1]

    yield create
    for path in paths:
        ask(service, path, method="DELETE")


def test_from_the_form_to_the_file(service: Service, browser: Browser) -> None:
    browser.open(f"{service.url}/")
    browser.value(f"document.querySelector('[name=QUERY]').value = {QUERY!r}")
    browser.click("button", "Run as a job")
    browser.reads("COMPLETED", "hipparcos-hip2.csv", QUERY)
    address = browser.value("location.href")
    assert address.startswith(f"{service.tap}/async/")
    browser.click("a", "hipparcos-hip2.csv")
    file = browser.downloads / "hipparcos-hip2.csv"
    eventually(file.exists)
    lines = file.read_text().splitlines()
    assert (lines[0], len(lines)) == ("hip,ra,plx", 41)
    browser.click("button", "Delete")
    eventually(lambda: browser.value("location.href") == f"{service.tap}/async")
    assert ask(service, address.removeprefix(service.url)).status == 404


def test_a_running_job_is_followed_and_aborted(service: Service, browser: Browser, create: Callable[..., str]) -> None:
    path = create(LONG, RUNID="a long way")
    eventually(lambda: ask(service, f"{path}/phase").text == "EXECUTING")
    browser.open(service.url + path)
    browser.reads("a long way", "EXECUTING", "It runs, since")
    seen = browser.value("document.body.innerText")
    eventually(lambda: (browser.value("document.body.innerText") or seen) != seen)  # the time goes on, with no click
    browser.click("button", "Abort")
    browser.reads("ABORTED")
    assert ask(service, f"{path}/phase").text == "ABORTED"
    assert browser.value("document.querySelector('[http-equiv=refresh]')") is None
    assert "Abort" not in browser.value("[...document.querySelectorAll('button')].map(b => b.innerText).join()")


def test_a_job_is_kept_longer(service: Service, browser: Browser, create: Callable[..., str]) -> None:
    path = create(QUERY)
    eventually(lambda: ask(service, f"{path}/phase").text == "COMPLETED")
    before = ask(service, f"{path}/destruction").text
    browser.open(service.url + path)
    browser.click("button", "Keep longer")
    eventually(lambda: ask(service, f"{path}/destruction").text[:10] > before[:10])
    browser.reads(ask(service, f"{path}/destruction").text[:10])


def test_the_list_leads_to_the_reason(service: Service, browser: Browser, create: Callable[..., str]) -> None:
    failed, good = create("SELECT raa FROM demo.big", RUNID="in vain"), create(QUERY)
    eventually(lambda: ask(service, f"{failed}/phase").text == "ERROR")
    eventually(lambda: ask(service, f"{good}/phase").text == "COMPLETED")
    browser.open(f"{service.tap}/async")
    browser.reads("COMPLETED", "in vain")
    browser.click("nav a", "ERROR")
    eventually(lambda: browser.value("location.search") == "?PHASE=ERROR")
    browser.reads("in vain")
    assert good.rpartition("/")[2] not in browser.value("document.body.innerHTML")
    browser.click(f"a[href$='{failed}']")
    browser.reads("There is no column raa", "Did you mean ra?")


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_nothing_is_wider_than_the_window(
    service: Service, browser: Browser, create: Callable[..., str], size: tuple[int, int]
) -> None:
    path = create(f"SELECT '{'x' * 300}' AS long_word FROM hipparcos.hip2", RUNID="w" * 64)
    eventually(lambda: ask(service, f"{path}/phase").text == "COMPLETED")
    browser.resize(size)
    for page in (path, "/tap/async"):
        browser.open(service.url + page)
        assert browser.value("document.documentElement.scrollWidth") <= size[0]


def curl(*arguments: str) -> str:
    return subprocess.run(["curl", "-sS", *arguments], capture_output=True, text=True, check=True, timeout=60).stdout


def test_curl(service: Service, tmp_path: Path) -> None:
    """As in a shell script: make a job, wait for it, save the result under its name, delete the job."""
    written = ["-d", "PHASE=RUN", "-d", "LANG=ADQL", "-d", "FORMAT=csv", "--data-urlencode", f"QUERY={QUERY}"]
    job = curl("-o", os.devnull, "-w", "%{redirect_url}", *written, f"{service.tap}/async")
    curl(f"{job}?WAIT=60&PHASE=QUEUED")
    assert "<uws:phase>COMPLETED</uws:phase>" in curl(f"{job}?WAIT=60&PHASE=EXECUTING")
    curl("-OJ", "--output-dir", str(tmp_path), f"{job}/results/result")
    assert (tmp_path / "hipparcos-hip2.csv").read_text() == adql(service, QUERY, FORMAT="csv").text
    curl("-X", "DELETE", job)
    assert "There is no job" in curl(job)


def test_curl_follows_to_the_job(service: Service) -> None:
    """With -L, curl shows the job that it has made; a multipart form does as well."""
    document = curl("-L", "-F", "LANG=ADQL", "-F", f"QUERY={QUERY}", f"{service.tap}/async")
    assert "<uws:phase>PENDING</uws:phase>" in document
    job = document.split("<uws:jobId>")[1].split("<")[0]
    assert curl(f"{service.tap}/async/{job}/phase") == "PENDING"
    curl("-d", "ACTION=DELETE", f"{service.tap}/async/{job}")
