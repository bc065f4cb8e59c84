"""Small cone searches through TAP against bare SQL."""

from __future__ import annotations

import http.client
import math
import random
import re
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from bench.report import Figure, median, percentile
from bench.server import Bench

RADIUS = 0.1
CLIENTS = 16
_LIMIT = f"""\
\\set longitude random(0, 359999999)
\\set z random(-1000000, 1000000)
SELECT * FROM demo.big
WHERE q3c_join(:longitude / 1000000.0::float8, degrees(asin(:z / 1000000.0::float8)), ra, dec, {RADIUS});
"""


def paths(bench: Bench, count: int, seed: int) -> list[str]:
    """Return requests for cones at places spread evenly over the sky."""
    generator = random.Random(seed)
    found = []
    for _ in range(count):
        ra, dec = generator.uniform(0, 360), math.degrees(math.asin(generator.uniform(-1, 1)))
        query = (
            "SELECT * FROM demo.big "
            f"WHERE 1 = CONTAINS(POINT('ICRS', ra, dec), CIRCLE('ICRS', {ra:.6f}, {dec:.6f}, {RADIUS}))"
        )
        found.append(f"{urlsplit(bench.tap).path}/sync?{urlencode({'LANG': 'ADQL', 'QUERY': query})}")
    return found


def ask(bench: Bench, requests: list[str]) -> list[float]:
    """Send requests one after the other on one kept connection; return the seconds of each."""
    connection = http.client.HTTPConnection(urlsplit(bench.tap).netloc)
    seconds = []
    for path in requests:
        started = time.perf_counter()
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
        seconds.append(time.perf_counter() - started)
        if answer.status != 200 or b"</VOTABLE>" not in body:
            raise RuntimeError(f"{answer.status}: {body[-300:]!r}")
    connection.close()
    return seconds


def ask_together(bench: Bench, requests: list[str]) -> float:
    """Send requests from `CLIENTS` connections at once; return the requests a second."""
    failures: list[Exception] = []

    def work(mine: list[str]) -> None:
        try:
            ask(bench, mine)
        except (RuntimeError, OSError, http.client.HTTPException) as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(requests[number::CLIENTS],)) for number in range(CLIENTS)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return len(requests) / (time.perf_counter() - started)


def bare(bench: Bench, clients: int, transactions: int) -> tuple[float, float]:
    """Return PostgreSQL's own median latency (s) and rate (1/s) for such cones, by pgbench."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "cone.sql"
        script.write_text(_LIMIT)
        done = subprocess.run(
            [
                *(
                    bench.program("pgbench"),
                    "-n",
                    "-l",
                    "-c",
                    str(clients),
                    "-j",
                    "2",
                    "-t",
                    str(transactions // clients),
                ),
                *("-f", str(script), bench.settings.conninfo()),
            ],
            capture_output=True,
            text=True,
            check=True,
            cwd=folder,
        )
        logged = [line.split() for log in Path(folder).glob("pgbench_log*") for line in log.read_text().splitlines()]
    found = re.search(r"tps = ([\d.]+)", done.stdout)
    if found is None:
        raise RuntimeError(done.stdout)
    return median([int(line[2]) / 1e6 for line in logged]), float(found[1])


def measure(bench: Bench) -> Iterator[Figure]:
    """Measure one client's latency and many clients' rate."""
    ask(bench, paths(bench, 50, 1))
    seconds = ask(bench, paths(bench, 500, 2))
    latency, _ = bare(bench, 1, 500)
    p50 = median(seconds) * 1000
    yield Figure(f"cone of {RADIUS} deg: median; limit: bare SQL", p50, "ms", latency * 1000, "≤ 5 ms", p50 <= 5)
    yield Figure(f"cone of {RADIUS} deg: 99th percentile", percentile(seconds, 99) * 1000, "ms")
    rate = ask_together(bench, paths(bench, 4000, 3))
    _, limit = bare(bench, CLIENTS, 4000)
    yield Figure(f"cones from {CLIENTS} clients; limit: bare SQL", rate, "/s", limit, "≥ 250 /s", rate >= 250)
