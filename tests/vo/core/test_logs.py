"""Logs: one JSON object a line, with the request's id, into a file that may be moved away."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.conftest import Service, environment, wait_until
from vo.core.context import new_request_id

SCRIPT = """
import logging, sys
from pathlib import Path
import structlog
from vo.core.context import request_id
from vo.core.logs import configure_logs
from vo.core.settings import load_settings

configure_logs(load_settings())
log = structlog.get_logger()
log.info("first", rows=3)
log.debug("hidden")
request_id.set("abc")
logging.getLogger("library").warning("of a %s", "library")
if len(sys.argv) > 1:
    Path(sys.argv[1]).rename(sys.argv[1] + ".1")
try:
    1 / 0
except ZeroDivisionError:
    log.exception("second")
"""


def run(home: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Log some events in a process of their own."""
    return subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments],
        env=environment(home, **variables),
        capture_output=True,
        text=True,
        check=False,
    )


def test_lines_are_json_with_the_request_and_follow_a_moved_file(tmp_path: Path) -> None:
    file = tmp_path / "log" / "vo.log"
    assert run(tmp_path, str(file)).stderr == ""
    first, library = map(json.loads, Path(f"{file}.1").read_text().splitlines())
    assert (first["event"], first["rows"], first["level"]) == ("first", 3, "info")
    assert "request" not in first
    assert (library["event"], library["logger"], library["request"]) == ("of a library", "library", "abc")
    (second,) = map(json.loads, file.read_text().splitlines())
    assert second["request"] == "abc"
    assert "ZeroDivisionError" in second["exception"]
    assert second["timestamp"].endswith("Z")


def test_standard_error_and_the_level(tmp_path: Path) -> None:
    lines = run(tmp_path, VO_LOG_FILE="-", VO_LOG_LEVEL="error").stderr.splitlines()
    assert [json.loads(line)["event"] for line in lines] == ["second"]
    assert not (tmp_path / "log").exists()


def test_what_cannot_be_logged_to_is_told(tmp_path: Path) -> None:
    said = run(tmp_path, VO_LOG_LEVEL="loud").stderr
    assert "VO_LOG_LEVEL=loud is not one of debug, info, warning, error." in said
    said = run(tmp_path, VO_LOG_FILE="/proc/vo/log").stderr
    assert "The log /proc/vo/log cannot be written" in said


def test_a_request_can_be_followed_by_the_id_that_the_client_sent(service: Service) -> None:
    request = urllib.request.Request(f"{service.tap}/capabilities", headers={"X-Request-Id": "follow-me.1"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.headers["X-Request-Id"] == "follow-me.1"

    def logged() -> list[dict[str, object]]:
        lines = map(json.loads, (service.home / "log" / "vo.log").read_text().splitlines())
        return [line for line in lines if line.get("request") == "follow-me.1"]

    wait_until(logged, "the request is in the log", seconds=10)
    (line,) = logged()
    assert (line["event"], line["path"], line["status"]) == ("http.request", "/tap/capabilities", 200)


@pytest.mark.parametrize("offered", [None, "", "two words", "x" * 41, 'quote"', "line\nbreak"])
def test_ids_that_could_do_harm_are_replaced(offered: str | None) -> None:
    given = new_request_id(offered)
    assert given != offered
    assert len(given) == 12
    assert given != new_request_id(offered)
