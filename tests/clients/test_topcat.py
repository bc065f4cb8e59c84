"""TOPCAT on a virtual screen: it loads the list of tables and runs a query, as a person does it with mouse and keys."""

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

import pytest

from tests.conftest import Service
from tests.tap.asking import eventually, log_lines

QUERY = "SELECT TOP 123 hip, ra, dec FROM hipparcos.hip2 WHERE plx > 50"
TAP_WINDOW = "Table Access Protocol"
REGISTRY_ERROR = "Service search error"
"""Title of the box that tells that no registry can be reached: there may be no internet here."""


class Screen:
    """A screen that nobody sees, with TOPCAT on it; no window manager, so windows stay where TOPCAT puts them."""

    def __init__(self, display: str, folder: Path) -> None:
        self._environment = {
            **os.environ,
            "DISPLAY": display,
            "HOME": str(folder),
            "JAVA_TOOL_OPTIONS": f"-Duser.home={folder} -Xmx256m",
        }

    def run(self, *command: str, check: bool = True) -> str:
        result = subprocess.run(command, env=self._environment, capture_output=True, text=True, check=check, timeout=60)
        return result.stdout

    @contextmanager
    def topcat(self) -> Iterator[None]:
        quiet = subprocess.DEVNULL
        process = subprocess.Popen(
            ["topcat", "-nohub", "-memory"], env=self._environment, stdout=quiet, stderr=quiet, start_new_session=True
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

    def click(self, x: int, y: int) -> None:
        """Click as slowly as Java wants it."""
        self.run("xdotool", "mousemove", str(x), str(y), "sleep", "0.2", "click", "1", "sleep", "0.3")

    def write(self, text: str) -> None:
        """Replace what stands where the last click went."""
        self.run("xdotool", "key", "ctrl+a")
        self.run("xdotool", "type", "--delay", "10", text)

    def colours(self, x: int, y: int, width: int, height: int) -> int:
        """Count the colours in a part of the screen: an empty list has one."""
        self.run("import", "-window", "root", "-crop", f"{width}x{height}+{x}+{y}", "+repage", "png:seen.png")
        return int(self.run("identify", "-format", "%k", "png:seen.png"))


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Iterator[Screen]:
    folder = Path(tempfile.mkdtemp(prefix="vo-topcat-"))
    monkeypatch.chdir(folder)
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


def asked_after(service: Service, path: str, lines: int) -> list[dict[str, Any]]:
    """Return the requests for a path beyond those that were there already."""
    return log_lines(service.home, event="http.request", path=path)[lines:]


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


def test_tables_are_listed_and_a_query_runs(service: Service, screen: Screen) -> None:
    before = {
        path: len(asked_after(service, path, 0)) for path in ("/tap/capabilities", "/tap/tables", "/tap/examples")
    }
    with screen.topcat():
        eventually(lambda: screen.find("TOPCAT"), 180)
        # The toolbar's picture of a SELECT opens the TAP window.
        x, y, width, height = until(lambda: screen.click(649, 40), lambda: screen.find(TAP_WINDOW))

        def use_service() -> None:
            if box := screen.find(REGISTRY_ERROR):
                screen.click(box[0] + box[2] * 27 // 100, box[1] + box[3] * 83 // 100)
            screen.click(x + width // 2, y + height - 100)
            screen.write(service.tap)
            screen.click(x + width - 80, y + height - 71)

        until(use_service, lambda: asked_after(service, "/tap/tables", before["/tap/tables"]))
        for path, lines in before.items():
            assert all(line["status"] == 200 for line in eventually(lambda: asked_after(service, path, lines)))  # noqa: B023

        def tree() -> int:
            return screen.colours(x + 20, y + 155, 180, 240)

        eventually(lambda: tree() > 10)
        screen.click(x + width // 2, y + 620)
        screen.write(QUERY)
        # Where the first entry of the list of tables begins, left of the TAP window: white until then.
        first_table = (18, 93, 38, 10)
        assert screen.colours(*first_table) == 1
        screen.click(x + width // 2, y + height - 28)
        [ran] = eventually(lambda: log_lines(service.home, event="tap.query", query=QUERY))
        assert (ran["rows"], ran["outcome"]) == (123, "completed")
        eventually(lambda: screen.colours(*first_table) > 1)
