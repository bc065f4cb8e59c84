"""A million rows by /sync in every format, against psql's COPY in binary."""

from __future__ import annotations

from collections.abc import Iterator

from bench.bulk import download
from bench.memory import Growth
from bench.report import Figure, median
from bench.server import Bench
from vo.core.tables.writers import FORMATS

ROWS = 1_000_000
TARGETS = {
    "votable": 1.4, "votable/b": 1.5, "votable/td": 3.0, "csv": 2.8, "fits": 2.5, "parquet": 4.0, "arrow": 1.4
}  # fmt: skip
"""Seconds divided by those of COPY."""
FIRST_BYTE = 0.1
WHOLE_FIRST = ("fits",)
"""Formats that know their first byte last."""
GROWTH = 200 * 2**20
"""Bytes that the service's processes may grow by during a download."""


def measure(bench: Bench, rows: int, runs: int) -> Iterator[Figure]:
    """Measure each format, the limit right before it each time; then the memory, for a million and for all rows."""
    copy = f"COPY (SELECT * FROM demo.big LIMIT {ROWS}) TO STDOUT (FORMAT binary)"
    before = bench.memory()
    for form in FORMATS:
        query = {"QUERY": f"SELECT TOP {ROWS} * FROM demo.big", "MAXREC": str(ROWS), "FORMAT": form.name}
        download(bench, query)
        limits, downloads = [], []
        for _ in range(runs):
            limits.append(bench.psql(copy))
            downloads.append(download(bench, query))
        ratio = median([one.total / limit for one, limit in zip(downloads, limits, strict=True)])
        target = TARGETS.get(form.name)
        name = f"{ROWS:,} rows, {form.name}"
        yield Figure(
            f"{name} ({downloads[0].size / 1e6:.0f} MB); limit: psql COPY binary",
            median([one.total for one in downloads]),
            "s",
            median(limits),
            f"ratio ≤ {target}" if target else "",
            ratio <= target if target else None,
        )
        first = median([one.first_byte for one in downloads])
        told = form.name not in WHOLE_FIRST
        yield Figure(
            f"{name}: first byte",
            first * 1000,
            "ms",
            None,
            f"< {FIRST_BYTE * 1000:g} ms" if told else "",
            first < FIRST_BYTE if told else None,
        )
        for count in sorted({ROWS, rows}):
            every = {**query, "QUERY": f"SELECT TOP {count} * FROM demo.big", "MAXREC": str(count)}
            with (growth := Growth(bench, before)):
                download(bench, every)
            what = f"{count:,} rows, {form.name}: memory growth since the start"
            yield Figure(what, growth.bytes / 2**20, "MiB", None, "< 200 MiB", growth.bytes < GROWTH)
