"""Asynchronous jobs: one small job, many at once, a large result, clients that wait, and a long list."""

from __future__ import annotations

import asyncio
import http.client
import re
import resource
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import psycopg2

from bench.report import Figure, median
from bench.server import Bench

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
SMALL = "SELECT TOP 1 source_id FROM demo.big"
AT_ONCE = 50
CLIENTS = 10
WAITERS = 1000
WAIT_SECONDS = 60
LISTED = 100_000
ACTIVE = (b"PENDING", b"QUEUED", b"EXECUTING")
MIB = 2**20


class Client:
    """One kept connection to the service."""

    def __init__(self, bench: Bench, *, address_of_client: str | None = None) -> None:
        address = urlsplit(bench.tap)
        self._headers = {} if address_of_client is None else {"X-Forwarded-For": address_of_client}
        self._connection = http.client.HTTPConnection(address.netloc)
        self._path = address.path

    def ask(self, path: str, parameters: dict[str, str] | None = None, method: str = "") -> tuple[bytes, str]:
        """Send a request; return the body and the path of the Location."""
        body = urlencode(parameters) if parameters else None
        target = path if path.startswith(("/tap", "/tasks")) else self._path + path
        self._connection.request(
            method or ("POST" if body else "GET"), target, body, {**self._headers, **(FORM if body else {})}
        )
        answer = self._connection.getresponse()
        content = answer.read()
        if answer.status not in (200, 303):
            raise RuntimeError(f"{answer.status}: {content[-300:]!r}")
        return content, urlsplit(answer.headers.get("Location", "")).path

    def submit(self, query: str, **parameters: str) -> str:
        """Create a job; return its path."""
        return self.ask("/async", {"LANG": "ADQL", "QUERY": query, **parameters})[1]

    def finish(self, job: str) -> None:
        """Wait until a job has ended, and make sure that it has ended well."""
        while True:
            document, _ = self.ask(f"{job}?WAIT=-1")
            phase = re.findall(rb"phase>(\w+)<", document)[0]
            if phase not in ACTIVE:
                break
        if phase != b"COMPLETED":
            raise RuntimeError(document.decode())


def seconds(call: Callable[[], object]) -> float:
    """Return how long a call takes."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def measure(bench: Bench) -> Iterator[Figure]:
    """Measure all of it."""
    client = Client(bench)
    client.finish(client.submit(SMALL, PHASE="RUN"))
    yield from one_job(client)
    yield many_at_once(bench)
    yield large_result(bench, client)
    yield from waiting(bench, client)
    yield from long_list(bench, client)


def one_job(client: Client) -> Iterator[Figure]:
    """Measure a trivial query from its submission to COMPLETED, against the same query asked directly."""
    alone = [seconds(lambda: client.finish(client.submit(SMALL, PHASE="RUN"))) for _ in range(50)]
    direct = [seconds(lambda: client.ask("/sync", {"LANG": "ADQL", "QUERY": SMALL})) for _ in range(50)]
    typical = median(alone) * 1000
    yield Figure("small job: median; limit: /sync", typical, "ms", median(direct) * 1000, "≤ 150 ms", typical <= 150)
    yield Figure("small job: slowest of 50", max(alone) * 1000, "ms")


def many_at_once(bench: Bench) -> Figure:
    """Measure the rate of many small jobs that are sent together."""
    jobs: list[str] = []

    def send() -> None:
        client = Client(bench)
        jobs.extend(client.submit(SMALL, PHASE="RUN") for _ in range(AT_ONCE // CLIENTS))

    threads = [threading.Thread(target=send) for _ in range(CLIENTS)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    client = Client(bench)
    for job in jobs:
        client.finish(job)
    rate = len(jobs) / (time.perf_counter() - started)
    return Figure(
        f"{AT_ONCE} small jobs at once", rate, "/s", target="≥ 40 /s", good=len(jobs) == AT_ONCE and rate >= 40
    )


def large_result(bench: Bench, client: Client) -> Figure:
    """Measure a job of a million rows, stored as BINARY2, against psql's COPY."""
    query = "SELECT source_id, ra, dec, phot_g_mean_mag, parallax FROM demo.big WHERE random_index < 1000000"
    ours, limit = [], []
    for _ in range(3):
        limit.append(bench.psql(f"COPY ({query}) TO STDOUT (FORMAT binary)"))
        ours.append(seconds(lambda: client.finish(client.submit(query, PHASE="RUN"))))
    return Figure("job of 1,000,000 rows x 5; limit: psql COPY", median(ours), "s", median(limit))


def waiting(bench: Bench, client: Client) -> Iterator[Figure]:
    """Measure what clients cost that wait for a job: memory, connections, and how soon they hear."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    job = client.submit(SMALL)
    before = shared_memory(bench), connections(bench)
    during, heard = asyncio.run(_wait_together(bench, client, job))
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    memory = (during[0] - before[0]) / MIB
    more = during[1] - before[1]
    what = f"{WAITERS} clients on WAIT for {WAIT_SECONDS} s"
    yield Figure(f"{what}: memory", memory, "MiB", target="< 100 MiB", good=memory < 100)
    yield Figure(f"{what}: database connections more", more, "", target="≤ 4", good=more <= 4)
    yield Figure(f"{what}: all have heard after", heard * 1000, "ms")


async def _wait_together(bench: Bench, client: Client, job: str) -> tuple[tuple[int, int], float]:
    address = urlsplit(bench.tap)
    changed = 0.0
    last = 0.0

    async def wait() -> None:
        nonlocal last
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        while True:
            writer.write(f"GET {job}?WAIT=-1&PHASE=PENDING HTTP/1.1\r\nHost: {address.netloc}\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(re.findall(rb"content-length: (\d+)", head)[0])
            if b">PENDING<" not in await reader.readexactly(length):
                last = max(last, time.perf_counter())
                writer.close()
                return

    async with asyncio.TaskGroup() as group:
        for _ in range(WAITERS):
            group.create_task(wait())
        await asyncio.sleep(WAIT_SECONDS)
        during = await asyncio.to_thread(lambda: (shared_memory(bench), connections(bench)))
        changed = time.perf_counter()
        await asyncio.to_thread(client.ask, f"{job}/phase", {"PHASE": "ABORT"})
    return during, last - changed


def long_list(bench: Bench, client: Client) -> Iterator[Figure]:
    """Measure what a hundred thousand finished jobs of the same caller change."""

    def typical() -> dict[str, float]:
        job = client.submit(SMALL)
        calls: dict[str, Callable[[], object]] = {
            "list of the newest 10": lambda: client.ask("/async?LAST=10"),
            "creation": lambda: client.submit(SMALL),
            "one job's document": lambda: client.ask(job),
            "small job": lambda: client.finish(client.submit(SMALL, PHASE="RUN")),
        }
        return {what: median([seconds(call) for _ in range(30)]) for what, call in calls.items()}

    few = typical()
    bench.psql(
        "INSERT INTO uws.jobs (job_id, service, account, phase, execution_duration, destruction, ended, created) "
        "SELECT md5(n::text), 'tap', account, 'COMPLETED', 60, now() + interval '1 day', now(), "
        f"now() - n * interval '1 second' FROM generate_series(1, {LISTED}) AS n, "
        "(SELECT account FROM uws.jobs LIMIT 1) AS mine"
    )
    bench.psql("ANALYZE uws.jobs")
    many = typical()
    for what, duration in many.items():
        title = f"{what}, beside {LISTED:,} finished; limit: beside none"
        good = duration < 2 * few[what] + 0.005
        yield Figure(title, duration * 1000, "ms", few[what] * 1000, "≤ 2 x + 5 ms", good)
    whole = seconds(lambda: client.ask("/async"))
    yield Figure(f"list of {LISTED:,} jobs, whole", whole, "s")


def connections(bench: Bench) -> int:
    """Return the number of connections to the database."""
    with psycopg2.connect(bench.settings.conninfo()) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'")
        found: int = (cursor.fetchone() or (0,))[0]
    connection.close()
    return found


def shared_memory(bench: Bench) -> int:
    """Return the bytes of the service's processes, without PostgreSQL; what they share counts once."""
    total = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if b"vo.app.process" in (process / "cmdline").read_bytes():
                environment = (process / "environ").read_bytes()
                if f"VO_HOME={bench.settings.home}\0".encode() in environment:
                    found = re.findall(r"^Pss:\s+(\d+)", (process / "smaps_rollup").read_text(), re.MULTILINE)
                    total += int(found[0]) * 1024
        except OSError:
            continue
    return total
