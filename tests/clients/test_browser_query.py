"""The query page in a real browser, headless Chromium: with its script, and as plain HTML."""

from __future__ import annotations

import html
from urllib.parse import urlencode

import pytest

from tests.clients.browser import DESKTOP, PHONE, Browser
from tests.conftest import Service
from tests.tap.asking import FORM, Answer, ask, eventually, log_lines

HOSTILE = "<script>document.title = 'owned'</script>"
TABLE = "SELECT TOP 3 hip, ra, plx FROM hipparcos.hip2 WHERE plx > 500 ORDER BY hip"


def page(service: Service, query: str, action: str = "run", *, method: str = "POST") -> Answer:
    """Ask for the page as a browser's form does."""
    fields = urlencode({"LANG": "ADQL", "QUERY": query, "ACTION": action})
    if method == "POST":
        return ask(service, "/query", method="POST", body=fields.encode(), headers=FORM)
    return ask(service, f"/query?{fields}")


def test_from_the_front_page_to_the_rows(service: Service, browser: Browser) -> None:
    browser.open(f"{service.url}/")
    browser.click("nav a", "Query")
    browser.reads("Examples", "Run as a job")
    browser.click("li a", "The nearest stars")
    browser.reads("The nearest stars")
    browser.holds("document.getElementById('adql').value.includes('hipparcos.hip2')")
    assert browser.value("document.querySelector('#answer')") is None  # a link runs nothing
    browser.click("button", "Run")
    browser.holds("document.querySelectorAll('.result tbody tr').length > 3")
    assert "mas" in browser.value("document.querySelector('.result thead').innerText")
    assert "pos.parallax" in browser.value("document.querySelector('.result thead').innerHTML")
    browser.click("button", "Explain")
    browser.reads("What it would do", "reads all 117,955 rows of hipparcos.hip2", "under a second")
    browser.click("button", "CSV")
    file = browser.downloads / "hipparcos-hip2.csv"
    eventually(file.exists)


def test_the_cursor_goes_to_the_place_of_an_error(service: Service, browser: Browser) -> None:
    browser.open(f"{service.url}/query")
    browser.value(
        "document.getElementById('adql').value = \"SELECT hip, '\U0001f52d' AS t,\\n raa\\nFROM hipparcos.hip2\""
    )
    browser.value(
        "document.getElementById('adql').dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter', ctrlKey: true}))"
    )
    browser.reads("It cannot be answered", "line 2, column 2: There is no column raa.", "Did you mean ra?")
    text = "document.getElementById('adql')"
    assert browser.value(f"{text}.value.slice({text}.selectionStart)") == "raa\nFROM hipparcos.hip2"
    assert browser.value(f"document.activeElement === {text}")


def test_a_click_puts_a_name_into_the_query(service: Service, browser: Browser) -> None:
    browser.open(f"{service.url}/query")
    text = "document.getElementById('adql')"
    browser.value(f"{text}.value = 'SELECT'; {text}.setSelectionRange(6, 6)")
    browser.value("document.querySelectorAll('details').forEach(each => each.open = true)")
    browser.value("""document.querySelector('[data-insert="e_plx"]').click()""")
    assert browser.value(f"{text}.value") == "SELECT e_plx"


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_nothing_is_wider_than_the_window(service: Service, browser: Browser, size: tuple[int, int]) -> None:
    browser.resize(size)
    for query, action in (
        ("SELECT TOP 3 * FROM hipparcos.hip2", "run"),
        (f"SELECT {'x' * 300} FROM gaia_dr3.bright", "run"),
        ("SELECT a.hip FROM hipparcos.hip2 AS a, hipparcos.hip2 AS b WHERE a.ra < b.dec", "explain"),
    ):
        browser.open(f"{service.url}/query?{urlencode({'QUERY': query, 'ACTION': action})}")
        eventually(lambda: browser.value("!!document.querySelector('#answer')"))
        browser.value("document.querySelectorAll('details').forEach(each => each.open = true)")
        assert browser.value("document.documentElement.scrollWidth") <= size[0], query


def test_what_a_query_says_is_text(service: Service, browser: Browser) -> None:
    query = f"SELECT TOP 1 '{HOSTILE.replace(chr(39), chr(39) * 2)}' AS \"</th>{HOSTILE}\" FROM hipparcos.hip2"
    browser.open(f"{service.url}/query?{urlencode({'QUERY': query, 'ACTION': 'run'})}")
    eventually(lambda: browser.value("document.querySelectorAll('.result td').length") == 1)
    assert browser.value("document.querySelector('.result td').innerText") == HOSTILE
    assert browser.value("document.querySelector('.result th').innerText") == f"</th>{HOSTILE}"
    assert browser.value("document.getElementById('adql').value") == query
    browser.open(f"{service.url}/query?{urlencode({'QUERY': f'</textarea>{HOSTILE}', 'ACTION': 'run'})}")
    browser.reads("It cannot be answered")
    assert "owned" not in browser.value("document.title")


def test_the_page_is_whole_without_a_script(service: Service) -> None:
    answer = page(service, TABLE)
    assert (answer.status, answer.headers["Cache-Control"]) == (200, "no-store")
    assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
    assert answer.text.count("<script") == 1
    assert answer.text.count("<tr>") == 4
    assert "<h2>3 rows</h2>" in page(service, TABLE, method="GET").text
    [line] = log_lines(service.home, event="tap.query", request=answer.headers["X-Request-Id"])
    assert (line["rows"], line["outcome"]) == (3, "completed")
    cut = page(service, "SELECT ra FROM gaia_dr3.bright").text
    assert "The first 200 rows" in cut
    assert cut.count("<tr>") == 201


def test_the_page_shows_the_one_error(service: Service) -> None:
    wrong = "SELECT hip,\r\n  raa FROM hipparcos.hip2"
    answer = page(service, wrong)
    assert answer.status == 400
    assert 'data-line="2" data-column="3"' in answer.text
    told = ask(service, "/tap/sync?" + urlencode({"LANG": "ADQL", "FORMAT": "csv", "QUERY": wrong.replace("\r", "")}))
    assert told.text.rstrip("\n") in html.unescape(answer.text)
    assert page(service, "").status == 200
    assert page(service, TABLE, "dance").status == 200
