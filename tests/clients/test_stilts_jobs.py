"""STILTS tapquery and tapresume with jobs: what a script of an astronomer gets, and what it leaves behind."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import urlencode

import pytest

from tests.clients.test_stilts import QUERY
from tests.conftest import Service
from tests.tap.asking import FORM, adql, ask, eventually, log_lines

WRONG = "SELECT raa FROM demo.big"
LONG = "SELECT COUNT(*) AS n FROM demo.big AS a, demo.big AS b, demo.big AS c WHERE a.ra + b.ra < a.dec - c.dec"
"""Runs for hours; whoever sends it aborts it."""
SECONDS = "SELECT COUNT(*) AS n FROM demo.big AS a, demo.big AS b WHERE a.random_index < 2000 AND a.ra < b.dec"
"""Runs for a second or two."""

_JOB = re.compile(r"/tap/async/[0-9a-f]{32}")


def stilts(task: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["stilts", task, *arguments], capture_output=True, text=True, check=False, timeout=120)


def tapquery(service: Service, query: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return stilts("tapquery", "sync=false", f"tapurl={service.tap}", f"adql={query}", "parse=false", *arguments)


def create(service: Service, query: str) -> str:
    """Create a job that runs; return its path."""
    body = urlencode({"LANG": "ADQL", "QUERY": query, "PHASE": "RUN"}).encode()
    answer = ask(service, "/tap/async", method="POST", body=body, headers=FORM)
    [path] = _JOB.findall(answer.headers["Location"])
    return str(path)


def phase(service: Service, path: str) -> str:
    return ask(service, f"{path}/phase").text


@pytest.fixture
def long_job(service: Service) -> Iterator[str]:
    path = create(service, LONG)
    eventually(lambda: phase(service, path) == "EXECUTING")
    yield path
    ask(service, path, method="DELETE")


@pytest.mark.parametrize(("delete", "left"), [("finished", False), ("never", True), ("always", False)])
@pytest.mark.parametrize("query", [QUERY, WRONG], ids=["right", "wrong"])
def test_what_is_left(service: Service, query: str, delete: str, left: bool) -> None:
    """The fourth mode, ``delete=now``, ends in a NullPointerException of STILTS 3.4.7 right after the submission."""
    result = tapquery(service, query, f"delete={delete}", "ofmt=csv", "progress=true")
    [path] = _JOB.findall(result.stderr)
    words = [line for line in result.stderr.splitlines() if line.rstrip(" .").isupper()]
    assert words[0] == "SUBMITTED ..."
    assert ("DELETED" in words) == (not left)
    if query == WRONG:
        assert result.returncode != 0
        assert "ERROR" in words
        assert "There is no column raa" in result.stderr
        assert "Did you mean ra?" in result.stderr
    else:
        assert "COMPLETED" in words
        wanted = adql(service, query, FORMAT="csv").csv()
        rows = [line.split(",") for line in result.stdout.splitlines()[1:]]
        assert [[float(cell) for cell in row] for row in rows] == [[float(cell) for cell in row] for row in wanted]
    assert ask(service, path).status == (200 if left else 404)
    if left:
        assert ask(service, path, method="DELETE").status == 303


def test_quietly(service: Service) -> None:
    result = tapquery(service, QUERY, "progress=false", "poll=100", "omode=count")
    assert (result.stdout.strip(), result.stderr) == ("columns: 6   rows: 40", "")


def test_the_syntax_checker_of_stilts_takes_the_tables(service: Service) -> None:
    result = stilts("tapquery", f"tapurl={service.tap}", f"adql={QUERY}", "parse=true", "progress=false", "omode=count")
    assert (result.stdout.strip(), result.stderr) == ("columns: 6   rows: 40", "")


def test_limits_of_a_job(service: Service) -> None:
    limits = ("maxrec=3", "executionduration=33", "destruction=2096-01-02T03:04:05")
    result = tapquery(service, QUERY, *limits, "delete=never", "ofmt=csv-noheader")
    assert len(result.stdout.splitlines()) == 3
    [path] = _JOB.findall(result.stderr)
    assert ask(service, f"{path}/executionduration").text == "33"
    destruction = datetime.fromisoformat(ask(service, f"{path}/destruction").text)
    left = (destruction - datetime.now(UTC)).total_seconds()
    assert left == pytest.approx(service.settings.max_job_retention, abs=300)  # more cannot be had
    ask(service, path, method="DELETE")


def test_a_large_result(service: Service) -> None:
    """All rows arrive and none twice: STILTS sums what the service sums."""
    query = "SELECT source_id, phot_g_mean_mag FROM gaia_dr3.bright"
    result = tapquery(service, query, "compress=true", "progress=false", "ocmd=stats sum nGood", "ofmt=csv-noheader")
    [[_, identifiers], [magnitudes, _]] = [line.split(",") for line in result.stdout.splitlines()]
    sums = "SELECT COUNT(*) AS n, SUM(phot_g_mean_mag) AS s FROM gaia_dr3.bright"
    [[count, total]] = adql(service, sums, FORMAT="csv").csv()
    assert identifiers == count == "482106"
    assert float(magnitudes) == pytest.approx(float(total), rel=1e-5)


def test_resume_while_it_runs(service: Service) -> None:
    path = create(service, SECONDS)
    result = stilts("tapresume", f"joburl={service.url}{path}", "poll=100", "delete=never", "ofmt=csv-noheader")
    [[wanted]] = adql(service, SECONDS, FORMAT="csv").csv()
    assert result.stdout.strip() == wanted
    again = stilts("tapresume", f"joburl={service.url}{path}", "ofmt=csv-noheader")
    assert again.stdout.strip() == wanted
    assert "DELETED" in again.stderr
    gone = stilts("tapresume", f"joburl={service.url}{path}")
    assert "404 Not Found" in gone.stderr


def test_resume_a_job_that_is_aborted_meanwhile(service: Service, long_job: str) -> None:
    command = ["stilts", "tapresume", f"joburl={service.url}{long_job}", "delete=never"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as waiting:
        eventually(lambda: log_lines(service.home, event="http.request", path=long_job))
        ask(service, f"{long_job}/phase", method="POST", body=b"PHASE=ABORT", headers=FORM)
        _, told = waiting.communicate(timeout=60)
    assert "TAP query did not complete (ABORTED)" in told
    assert waiting.returncode != 0
