"""Prometheus metrics, summed over all processes of one service by files that the processes share."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Metric,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"

REQUESTS = Counter("vo_http_requests_total", "HTTP requests answered", ["endpoint", "method", "status"])
REQUEST_SECONDS = Histogram(
    "vo_http_request_seconds",
    "Time from a request's arrival to the end of its answer",
    ["endpoint"],
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 30, 120, 600),
)
QUERIES = Counter("vo_tap_queries_total", "ADQL queries by outcome", ["outcome"])
QUERY_ROWS = Counter("vo_tap_rows_total", "Rows sent in query results")
QUERY_BYTES = Counter("vo_tap_bytes_total", "Bytes sent in query results")
TASK_RUNS = Counter("vo_task_runs_total", "Runs of tasks by outcome", ["task", "outcome"])
RUNNING = Gauge("vo_tap_queries_running", "Queries that run now", multiprocess_mode="livesum")
CATALOGUE_VERSION = Gauge(
    "vo_catalogue_version", "Oldest catalogue version that a process holds", multiprocess_mode="livemin"
)


def prepare_folder(folder: Path) -> None:
    """Empty the folder that the processes of one service share; called once before they start."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def forget_process(pid: int, folder: Path) -> None:
    """Take a process that ended out of the gauges of a service."""
    mark_process_dead(pid, str(folder))


class _Gathered(Collector):
    """Figures that are asked for when they are shown."""

    def __init__(self, figures: Mapping[str, tuple[str, float]]) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        for name, (meaning, value) in self._figures.items():
            yield GaugeMetricFamily(name, meaning, value=value)


def render(gather: Callable[[], Mapping[str, tuple[str, float]]] = dict) -> tuple[bytes, str]:
    """Return the metrics of all processes in Prometheus' text format, and its media type.

    Parameters
    ----------
    gather : callable
        Returns further figures by name, each with its meaning.
    """
    registry = CollectorRegistry()
    if FOLDER_VARIABLE in os.environ:
        MultiProcessCollector(registry)
    else:
        registry = REGISTRY
    more = CollectorRegistry()
    more.register(_Gathered(gather()))
    return generate_latest(registry) + generate_latest(more), CONTENT_TYPE_LATEST
