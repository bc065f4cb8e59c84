"""Jobs in a real browser, headless Chromium, with its buttons and links; and by curl as users write it."""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.clients.test_browser import DESKTOP, PHONE, QUIET
from tests.conftest import Service
from tests.tap.asking import FORM, adql, ask, eventually

QUERY = "SELECT TOP 40 hip, ra, plx FROM hipparcos.hip2 WHERE plx > 100 ORDER BY hip"
LONG = "SELECT COUNT(*) AS n FROM demo.big AS a, demo.big AS b, demo.big AS c WHERE a.ra + b.ra < a.dec - c.dec"
"""Runs for hours; whoever sends it aborts it."""


class Browser:
    """A page of Chromium, driven through the pipe of its DevTools protocol.

    Parameters
    ----------
    folder : pathlib.Path
        For its profile and what it downloads.
    """

    def __init__(self, folder: Path) -> None:
        self.downloads = folder / "downloads"
        self.addresses: list[str] = []
        """What it asked for so far."""
        self._profile = folder / "profile"
        self._number = 0
        self._session: str | None = None
        self._received = b""

    @contextmanager
    def running(self) -> Iterator[None]:
        theirs_in, self._out = os.pipe()
        self._in, theirs_out = os.pipe()
        chromium = ["chromium", *QUIET, f"--user-data-dir={self._profile}", "--remote-debugging-pipe", "about:blank"]
        # Chromium reads its commands from descriptor 3 and answers on 4.
        shell = ["bash", "-c", f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}', "bash", *chromium]
        quiet = subprocess.DEVNULL
        process = subprocess.Popen(
            shell, pass_fds=[theirs_in, theirs_out], stdout=quiet, stderr=quiet, start_new_session=True
        )
        os.close(theirs_in)
        os.close(theirs_out)
        try:
            target = self.call("Target.createTarget", url="about:blank")["targetId"]
            self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            for domain in ("Page", "Network"):
                self.call(f"{domain}.enable")
            self.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(self.downloads))
            yield
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            os.close(self._in)
            os.close(self._out)

    def call(self, method: str, **parameters: Any) -> Any:
        """Send a command and return its result, taking notice of what happens meanwhile."""
        answer = self._answer(method, parameters)
        assert "error" not in answer, answer
        return answer["result"]

    def _answer(self, method: str, parameters: dict[str, Any]) -> dict[str, Any]:
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None and not method.startswith(("Target.", "Browser.")):
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while (answer := self._read()).get("id") != self._number:
            if answer.get("method") == "Network.requestWillBeSent":
                self.addresses.append(answer["params"]["request"]["url"])
        return answer

    def _read(self) -> dict[str, Any]:
        end = time.monotonic() + 60
        while b"\0" not in self._received:
            assert select.select([self._in], [], [], end - time.monotonic())[0], "Chromium does not answer"
            self._received += os.read(self._in, 2**16)
        message, _, self._received = self._received.partition(b"\0")
        found: dict[str, Any] = json.loads(message)
        return found

    def value(self, script: str) -> Any:
        """Return the value of an expression on the page; None while a page is being replaced."""
        answer = self._answer("Runtime.evaluate", {"expression": script, "returnByValue": True})
        # A page that goes while its script runs is an error: "Inspected target navigated or closed", "Cannot find …".
        return answer["result"]["result"].get("value") if "error" not in answer else None

    def holds(self, script: str) -> None:
        """Wait until an expression is true on the page."""
        assert eventually(lambda: self.value(script)) is True, script

    def open(self, url: str) -> None:
        self.call("Page.navigate", url=url)
        eventually(lambda: self.value("document.readyState") == "complete")

    def reads(self, *words: str) -> None:
        """Wait until the page shows these words."""
        try:
            eventually(lambda: all(word in (self.value("document.body.innerText") or "") for word in words))
        except AssertionError:
            raise AssertionError(f"{words} not in:\n{self.value('document.body.innerText')}") from None

    def click(self, element: str, words: str = "") -> None:
        """Click the one element that a selector finds and that has these words."""
        script = f"""(() => {{
            const fitting = e => [e.innerText.trim(), ""].includes({json.dumps(words)});
            const found = [...document.querySelectorAll({json.dumps(element)})].filter(fitting);
            if (found.length === 1) found[0].click();
            return found.length;
        }})()"""
        assert eventually(lambda: self.value(script)) == 1

    def resize(self, size: tuple[int, int]) -> None:
        self.call(
            "Emulation.setDeviceMetricsOverride", width=size[0], height=size[1], deviceScaleFactor=1, mobile=False
        )


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    folder = Path(tempfile.mkdtemp(prefix="vo-browser-"))
    browser = Browser(folder)
    try:
        with browser.running():
            yield browser
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def browser(chromium: Browser, service: Service) -> Iterator[Browser]:
    """The browser; it must never ask anybody but the service."""
    chromium.addresses.clear()
    chromium.resize(DESKTOP)
    yield chromium
    chromium.open("about:blank")
    assert not [address for address in chromium.addresses if not address.startswith((service.url, "data:", "about:"))]
    assert service.url in "".join(chromium.addresses)


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
    browser.reads("COMPLETED", "result.csv", QUERY)
    address = browser.value("location.href")
    assert address.startswith(f"{service.tap}/async/")
    browser.click("a", "result.csv")
    file = browser.downloads / "result.csv"
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
    assert (tmp_path / "result.csv").read_text() == adql(service, QUERY, FORMAT="csv").text
    curl("-X", "DELETE", job)
    assert "There is no job" in curl(job)


def test_curl_follows_to_the_job(service: Service) -> None:
    """With -L, curl shows the job that it has made; a multipart form does as well."""
    document = curl("-L", "-F", "LANG=ADQL", "-F", f"QUERY={QUERY}", f"{service.tap}/async")
    assert "<uws:phase>PENDING</uws:phase>" in document
    job = document.split("<uws:jobId>")[1].split("<")[0]
    assert curl(f"{service.tap}/async/{job}/phase") == "PENDING"
    curl("-d", "ACTION=DELETE", f"{service.tap}/async/{job}")
