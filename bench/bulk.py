"""A million rows by /sync against psql's COPY in binary."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from bench.report import Figure, median
from bench.server import Bench

ROWS = 1_000_000
FORMATS = {"BINARY2": "votable", "TABLEDATA": "votable/td", "CSV": "csv"}


@dataclass(frozen=True, slots=True)
class Download:
    """One answer, read and thrown away."""

    first_byte: float
    total: float
    size: int


def download(bench: Bench, parameters: dict[str, str]) -> Download:
    """Post a query and read its whole answer as fast as a socket gives it."""
    address = urlsplit(bench.tap)
    body = urlencode({"LANG": "ADQL", **parameters}).encode()
    head = (
        f"POST {address.path}/sync HTTP/1.1\r\nHost: {address.netloc}\r\nConnection: close\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode()
    buffer = bytearray(2**20)
    view = memoryview(buffer)
    tail = b""
    started = time.perf_counter()
    with socket.create_connection((address.hostname, address.port)) as connection:
        connection.sendall(head + body)
        size = connection.recv_into(buffer)
        first = time.perf_counter() - started
        status = bytes(view[:12])
        last = size
        while last:
            tail = (tail + bytes(view[max(0, last - 1000) : last]))[-1000:]
            last = connection.recv_into(buffer)
            size += last
    total = time.perf_counter() - started
    if status != b"HTTP/1.1 200" or not tail.endswith(b"\r\n0\r\n\r\n") or b"ERROR" in tail or b"OVERFLOW" in tail:
        raise RuntimeError(f"the answer is not whole: {status!r} … {tail[-300:]!r}")
    return Download(first, total, size)


def measure(bench: Bench, rows: int, runs: int) -> Iterator[Figure]:
    """Measure each format, the limit right before it each time; then the memory for all rows."""
    copy = f"COPY (SELECT * FROM demo.big LIMIT {ROWS}) TO STDOUT (FORMAT binary)"
    query = {"QUERY": f"SELECT TOP {ROWS} * FROM demo.big", "MAXREC": str(ROWS)}
    for name, form in FORMATS.items():
        download(bench, query | {"FORMAT": form})
        limits, downloads = [], []
        for _ in range(runs):
            limits.append(bench.psql(copy))
            downloads.append(download(bench, query | {"FORMAT": form}))
        ratio = median([one.total / limit for one, limit in zip(downloads, limits, strict=True)])
        target = 1.5 if name == "BINARY2" else None
        yield Figure(
            f"{ROWS:,} rows, {name}; limit: psql COPY binary",
            median([one.total for one in downloads]),
            "s",
            median(limits),
            f"ratio ≤ {target}" if target else "",
            ratio <= target if target else None,
        )
        first = median([one.first_byte for one in downloads]) * 1000
        yield Figure(f"{ROWS:,} rows, {name}: first byte", first, "ms", None, "< 100 ms", first < 100)
    for count in (ROWS, rows):
        growth = memory_growth(bench, {"QUERY": f"SELECT TOP {count} * FROM demo.big", "MAXREC": str(count)})
        yield Figure(
            f"{count:,} rows, BINARY2: memory growth", growth / 2**20, "MiB", None, "< 150 MiB", growth < 150 * 2**20
        )


def memory_growth(bench: Bench, query: dict[str, str]) -> int:
    """Return by how many bytes the service's processes grow at most during a download."""
    before = peak = bench.memory()
    done = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.02):
            peak = max(peak, bench.memory())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        download(bench, query)
    finally:
        done.set()
        watcher.join()
    return peak - before
