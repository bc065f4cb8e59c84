"""Metrics: one page for all processes, whichever of them answers."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.request
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from tests.conftest import Service, wait_until
from vo.core import metrics
from vo.core.database import fetch_value


def value(service: Service, name: str, **labels: str) -> float:
    """Return one figure of the metrics page, 0 where it is not there yet."""
    with urllib.request.urlopen(f"{service.url}/metrics", timeout=30) as answer:
        assert answer.headers["Content-Type"].startswith("text/plain")
        page = answer.read().decode()
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            if sample.name == name and labels.items() <= sample.labels.items():
                return float(sample.value)
    return 0.0


def test_requests_of_all_processes_are_summed(service: Service) -> None:
    labels = {"endpoint": "/tap/capabilities", "method": "GET", "status": "200"}
    before = value(service, "vo_http_requests_total", **labels)
    for _ in range(12):  # each on a connection of its own, so that both processes get some
        with urllib.request.urlopen(f"{service.tap}/capabilities", timeout=30) as answer:
            answer.read()
    assert value(service, "vo_http_requests_total", **labels) == before + 12
    assert value(service, "vo_http_request_seconds_count", endpoint="/tap/capabilities") >= 12


def test_a_process_that_died_leaves_its_counts_and_takes_its_gauges(tmp_path: Path) -> None:
    folder = tmp_path / "metrics"
    metrics.prepare_folder(folder)
    count = """
import os
from vo.core.metrics import QUERY_ROWS, RUNNING
RUNNING.inc()
QUERY_ROWS.inc(5)
print(os.getpid(), flush=True)
os._exit(9)
"""
    show = "from vo.core.metrics import render; print(render()[0].decode())"

    def run(script: str) -> str:
        return subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, metrics.FOLDER_VARIABLE: str(folder)},
            capture_output=True,
            text=True,
            check=False,
        ).stdout

    died = [int(run(count)) for _ in range(2)]
    page = run(show)
    assert "vo_tap_queries_running 2.0" in page
    assert "vo_tap_rows_total 10.0" in page
    metrics.forget_process(died[0], folder)
    page = run(show)
    assert "vo_tap_queries_running 1.0" in page
    assert "vo_tap_rows_total 10.0" in page
    metrics.prepare_folder(folder)
    assert list(folder.iterdir()) == []


def test_every_process_holds_the_present_catalogue(service: Service) -> None:
    connection = service.connect()
    version = fetch_value(connection, "SELECT version FROM vo.catalogue")
    connection.close()
    wait_until(lambda: value(service, "vo_catalogue_version") >= version, "both processes hold the catalogue")
    assert value(service, "vo_catalogue_version") >= version
