"""The pages in a real browser, headless Chromium: as text, as pictures, and the form when it is sent."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.browser import DESKTOP, PHONE, QUIET
from tests.conftest import Service
from tests.tap.asking import log_lines

DARK, LIGHT = "--blink-settings=preferredColorScheme=0", "--blink-settings=preferredColorScheme=1"


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder of the browser's own, short enough for its sockets."""
    path = Path(tempfile.mkdtemp(prefix="vo-browser-"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


def browse(folder: Path, url: str, *arguments: str) -> str:
    """Open a page with a fresh profile and return what the browser prints."""
    profile = tempfile.mkdtemp(dir=folder)
    command = ["chromium", *QUIET, f"--user-data-dir={profile}", *arguments, url]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout


def page(folder: Path, url: str) -> str:
    return browse(folder, url, "--dump-dom")


def scripted(folder: Path, service: Service, path: str, script: str) -> Path:
    """Save a page of the service as the browser sees it, with a script at its end."""
    text = page(folder, f"{service.url}{path}").replace("<head>", f'<head><base href="{service.url}{path}">', 1)
    saved = folder / "saved.html"
    saved.write_text(text.replace("</body>", f"<script>{script}</script></body>", 1))
    return saved


def test_front_page(service: Service, folder: Path) -> None:
    text = page(folder, f"{service.url}/")
    for words in ("gaia_dr3.bright", "482,106", "hipparcos.hip2", service.tap, "Run</button>"):
        assert words in text


def test_table_page(service: Service, folder: Path) -> None:
    text = page(folder, f"{service.url}/tables/hipparcos.hip2")
    for words in ("117,955 rows", "double[15]", "van Leeuwen", "J1991.25"):
        assert words in text


def test_documents_open_in_the_browser(service: Service, folder: Path) -> None:
    text = page(folder, f"{service.tap}/examples")
    assert "Example queries" in text
    assert "parsererror" not in text


def send(service: Service, folder: Path, query: str) -> str:
    """Fill in the form of the front page, press its button, and return the page that the browser shows then."""
    script = f"""
        document.forms[0].elements.QUERY.value = {query!r};
        document.querySelector("form button").click();"""
    saved = scripted(folder, service, "/", script)
    return browse(folder, saved.as_uri(), "--timeout=3000", "--dump-dom")


def test_the_form_runs_a_query(service: Service, folder: Path) -> None:
    query = "SELECT TOP 17 hip, plx FROM hipparcos.hip2 WHERE hip > 4711"
    send(service, folder, query)  # a file to save: the page stays
    [line] = log_lines(service.home, event="tap.query", query=query)
    assert (line["rows"], line["outcome"]) == (17, "completed")


def test_the_form_shows_an_error_in_words(service: Service, folder: Path) -> None:
    text = send(service, folder, "SELECT raa FROM demo.big")
    assert "There is no column raa" in text
    assert "VOTABLE" not in text


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
@pytest.mark.parametrize("path", ["/", "/tables/hipparcos.hip2"])
def test_nothing_is_wider_than_the_window(service: Service, folder: Path, path: str, size: tuple[int, int]) -> None:
    script = "document.title = `${document.documentElement.scrollWidth} of ${window.innerWidth}`"
    saved = scripted(folder, service, path, f"window.onload = () => {{ {script} }}")
    text = browse(folder, saved.as_uri(), f"--window-size={size[0]},{size[1]}", "--dump-dom")
    wide, window = text.split("<title>")[1].split("</title>")[0].split(" of ")
    assert int(wide) <= int(window) == size[0]


def test_light_and_dark(service: Service, folder: Path) -> None:
    brightness = {}
    for scheme in (LIGHT, DARK):
        picture = folder / "page.png"
        browse(folder, f"{service.url}/", "--window-size=800,600", scheme, f"--screenshot={picture}")
        command = [
            "convert",
            str(picture),
            "-colorspace",
            "Gray",
            "-format",
            "%[fx:mean] %[fx:standard_deviation]",
            "info:",
        ]
        text = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
        mean, spread = (float(number) for number in text.split())
        assert spread > 0.02  # there is something to read
        brightness[scheme] = mean
    assert brightness[LIGHT] > 0.8
    assert brightness[DARK] < 0.25
