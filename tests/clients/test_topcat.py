"""TOPCAT on a virtual screen: tables, queries and jobs, as a person uses them with mouse and keys."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.conftest import Service
from tests.tap.asking import FORM, ask, eventually, log_lines

QUERY = "SELECT TOP 123 hip, ra, dec FROM hipparcos.hip2 WHERE plx > 50"
LONG = "SELECT COUNT(*) AS n FROM demo.big AS a, demo.big AS b, demo.big AS c WHERE a.ra + b.ra < a.dec - c.dec"
"""Runs for hours; whoever sends it aborts it."""
DOCUMENTS = ("/tap/capabilities", "/tap/tables", "/tap/examples")
SYNCHRONOUS, ASYNCHRONOUS = 0, 1
"""Places in TOPCAT's list of modes."""

MAIN_WINDOW, TAP_WINDOW, LOAD_WINDOW, LOAD_ERROR = "TOPCAT", "Table Access Protocol", "Load New Table", "Load Error"
REGISTRY_ERROR = "Service search error"
"""Title of the box that tells that no registry can be reached: there may be no internet here."""


class Screen:
    """A screen that nobody sees, with TOPCAT on it; no window manager, so windows stay where TOPCAT puts them."""

    def __init__(self, display: str, folder: Path) -> None:
        self._folder = folder
        self._environment = {
            **os.environ,
            "DISPLAY": display,
            "HOME": str(folder),
            "JAVA_TOOL_OPTIONS": f"-Duser.home={folder} -Xmx256m",
        }

    def run(self, *command: str, check: bool = True) -> str:
        """Run a program in the screen's folder; return what it prints."""
        return subprocess.run(
            command, env=self._environment, cwd=self._folder, capture_output=True, text=True, check=check, timeout=60
        ).stdout

    @contextmanager
    def topcat(self) -> Iterator[None]:
        quiet = subprocess.DEVNULL
        process = subprocess.Popen(
            ["topcat", "-nohub", "-memory"],
            env=self._environment,
            cwd=self._folder,
            stdout=quiet,
            stderr=quiet,
            start_new_session=True,
        )
        try:
            yield
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def find(self, title: str) -> tuple[int, int, int, int] | None:
        """Return place and size of the window with a title."""
        for window in self.run("xdotool", "search", "--onlyvisible", "--name", f"^{title}", check=False).split():
            shell = self.run("xdotool", "getwindowgeometry", "--shell", window, check=False)
            values = dict(line.split("=") for line in shell.splitlines())
            if values:
                return int(values["X"]), int(values["Y"]), int(values["WIDTH"]), int(values["HEIGHT"])
        return None

    def lift(self, title: str) -> None:
        """Bring a window to the front."""

        def lifted() -> bool:
            try:
                self.run("xdotool", "search", "--onlyvisible", "--name", f"^{title}", "windowraise", "sleep", "0.2")
            except subprocess.CalledProcessError:  # another window went away while it looked at all of them
                return False
            return True

        eventually(lifted)

    def click(self, x: int, y: int) -> None:
        """Click as slowly as Java wants it."""
        self.run("xdotool", "mousemove", str(x), str(y), "sleep", "0.2", "click", "1", "sleep", "0.3")

    def write(self, text: str) -> None:
        """Replace what stands where the last click went."""
        self.run("xdotool", "key", "ctrl+a")
        self.run("xdotool", "type", "--delay", "10", text)

    def look(self, x: int, y: int, width: int, height: int) -> tuple[int, str]:
        """Return the number of colours in a part of the screen, and what differs when anything in it does."""
        self.run("import", "-window", "root", "-crop", f"{width}x{height}+{x}+{y}", "+repage", "png:seen.png")
        colours, _, signature = self.run("identify", "-format", "%k %#", "png:seen.png").partition(" ")
        return int(colours), signature


@pytest.fixture(scope="module")
def screen() -> Iterator[Screen]:
    folder = Path(tempfile.mkdtemp(prefix="vo-topcat-"))
    reading, writing = os.pipe()
    command = ["Xvfb", "-displayfd", str(writing), "-screen", "0", "1400x1000x24", "-nolisten", "tcp"]
    with subprocess.Popen(command, pass_fds=[writing], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as xvfb:
        os.close(writing)
        with os.fdopen(reading) as number:
            display = f":{number.readline().strip()}"
        try:
            yield Screen(display, folder)
        finally:
            xvfb.terminate()
    shutil.rmtree(folder, ignore_errors=True)


def requests(service: Service, path: str) -> list[dict[str, Any]]:
    return log_lines(service.home, event="http.request", path=path)


def until(action: Any, condition: Any, attempts: int = 10) -> Any:
    """Do something again and again until it had its effect: windows and boxes open when they like."""
    for _ in range(attempts):
        action()
        end = time.monotonic() + 4
        while time.monotonic() < end:
            if found := condition():
                return found
            time.sleep(0.1)
    raise AssertionError("TOPCAT did not do it")


class Tap:
    """TOPCAT's TAP window, where the service is in use. Places are counted from its upper left corner."""

    def __init__(self, screen: Screen, box: tuple[int, int, int, int]) -> None:
        self.screen = screen
        self._x, self._y, self._width, self._height = box

    def use(self, service: Service) -> None:
        """Tell it the service's address."""
        if box := self.screen.find(REGISTRY_ERROR):
            self.screen.click(box[0] + box[2] * 27 // 100, box[1] + box[3] * 83 // 100)
        self.screen.click(self._x + self._width // 2, self._y + self._height - 100)
        self.screen.write(service.tap)
        self.screen.click(self._x + self._width - 80, self._y + self._height - 71)

    def click(self, x: int, y: int) -> None:
        self.screen.lift(TAP_WINDOW)
        self.screen.click(self._x + x, self._y + y)

    def tables(self) -> int:
        """Count the colours of the tree of tables."""
        return self.screen.look(self._x + 20, self._y + 155, 180, 240)[0]

    def query(self, mode: int, text: str) -> None:
        """Run a query from the tab "Use Service"."""
        self.click(170, 82)
        self.click(130, 510)
        self.screen.run("xdotool", "key", "Home", *["Down"] * mode, "Return", "sleep", "0.2")
        self.click(self._width // 2, 620)
        self.screen.write(text)
        self.click(self._width // 2, self._height - 28)

    def shown_phase(self) -> str:
        """Return what differs with the phase that the tab "Running Jobs" shows; empty while it shows none."""
        self.screen.lift(TAP_WINDOW)
        colours, signature = self.screen.look(self._x + 145, self._y + 307, 200, 20)
        return signature if colours > 1 else ""

    def abort(self) -> None:
        self.click(241, self._height - 72)

    def delete(self) -> None:
        self.click(328, self._height - 72)

    def load_result(self, url: str) -> None:
        """Enter a job's address in the tab "Resume Job", look at the job, and load its result."""
        self.click(285, 82)
        self.click(380, 130)
        self.screen.write(url)
        self.click(667, 155)
        self.click(408, self._height - 65)

    def loaded(self) -> str:
        """Return what differs with the list of tables that TOPCAT has loaded."""
        eventually(lambda: not self.screen.find(LOAD_WINDOW))
        self.screen.lift(MAIN_WINDOW)
        return self.screen.look(18, 90, 170, 180)[1]


@pytest.fixture(scope="module")
def tap(service: Service, screen: Screen) -> Iterator[Tap]:
    """TOPCAT with the service in use, once for all tests."""
    before = {path: len(requests(service, path)) for path in DOCUMENTS}
    with screen.topcat():
        eventually(lambda: screen.find(MAIN_WINDOW), 180)
        # The toolbar's picture of a SELECT opens the TAP window.
        tap = Tap(screen, until(lambda: screen.click(649, 40), lambda: screen.find(TAP_WINDOW)))
        until(lambda: tap.use(service), lambda: requests(service, "/tap/tables")[before["/tap/tables"] :])
        for path, number in before.items():
            assert all(line["status"] == 200 for line in eventually(lambda: requests(service, path)[number:]))  # noqa: B023
        eventually(lambda: tap.tables() > 10)
        yield tap


def newest_job(service: Service) -> str:
    """Return the path of the newest job."""
    [reference] = ask(service, "/tap/async?LAST=1").xml()
    return f"/tap/async/{reference.attrib['id']!s}"


def phase(service: Service, job: str) -> str:
    return ask(service, f"{job}/phase").text


def test_a_synchronous_query(service: Service, tap: Tap) -> None:
    before = tap.loaded()
    tap.query(SYNCHRONOUS, QUERY)
    [ran] = eventually(lambda: log_lines(service.home, event="tap.query", query=QUERY))
    assert (ran["rows"], ran["outcome"]) == (123, "completed")
    eventually(lambda: tap.loaded() != before)


def test_an_asynchronous_query(service: Service, tap: Tap) -> None:
    query = QUERY.replace("123", "77")
    before = tap.loaded()
    tap.query(ASYNCHRONOUS, query)
    [ran] = eventually(lambda: log_lines(service.home, event="tap.query", query=query))
    assert (ran["rows"], ran["outcome"]) == (77, "completed")
    eventually(lambda: tap.loaded() != before)
    job = newest_job(service)
    assert ran["request"] in job
    assert phase(service, job) == "COMPLETED"
    tap.delete()
    eventually(lambda: ask(service, job).status == 404)


def test_a_running_job_is_shown_aborted_and_deleted(service: Service, tap: Tap) -> None:
    tap.query(ASYNCHRONOUS, LONG)
    eventually(lambda: log_lines(service.home, event="uws.phase", job=newest_job(service)[-32:], phase="EXECUTING"))
    job = newest_job(service)
    executing = eventually(tap.shown_phase)
    tap.abort()
    eventually(lambda: phase(service, job) == "ABORTED")
    x, y, width, height = eventually(lambda: tap.screen.find(LOAD_ERROR))
    tap.screen.lift(LOAD_ERROR)
    tap.screen.click(x + width * 30 // 100, y + height * 83 // 100)
    eventually(lambda: tap.shown_phase() != executing)
    tap.delete()
    eventually(lambda: ask(service, job).status == 404)


def test_the_result_of_a_job_by_its_address(service: Service, tap: Tap) -> None:
    body = urlencode({"LANG": "ADQL", "QUERY": QUERY, "PHASE": "RUN"}).encode()
    url = ask(service, "/tap/async", method="POST", body=body, headers=FORM).headers["Location"]
    job = url.removeprefix(service.url)
    eventually(lambda: phase(service, job) == "COMPLETED")
    before = tap.loaded()
    tap.load_result(url)
    [fetched] = eventually(lambda: requests(service, f"{job}/results/result"))
    assert fetched["status"] == 200
    eventually(lambda: tap.loaded() != before)
    ask(service, job, method="DELETE")
