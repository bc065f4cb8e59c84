"""What a task costs besides its work: one small job, its synchronous form, and many jobs of several callers."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import psycopg2

from bench.jobs import SMALL, Client, seconds
from bench.report import Figure, median
from bench.server import Bench

TINY = {
    "QUERY_1": "SELECT TOP 1 source_id, ra, dec FROM demo.big",
    "QUERY_2": "SELECT TOP 1 source_id, ra, dec FROM demo.big",
    "ENGINE": "stream",
}
TURNS = 30
MANY = 1000
CALLERS = ("192.0.2.1", "192.0.2.2", "192.0.2.3")
FLOOD = 60


def measure(bench: Bench) -> Iterator[Figure]:
    """Measure all of it."""
    client = Client(bench)
    run(client)  # the first one waits until the worker is warm
    alone = [seconds(lambda: run(client)) for _ in range(TURNS)]
    query = [seconds(lambda: client.finish(client.submit(SMALL, PHASE="RUN"))) for _ in range(TURNS)]
    yield Figure(
        "smallest job of a task: median; limit: of TAP",
        median(alone),
        "s",
        median(query),
        "≤ 0.3 s",
        median(alone) <= 0.3,
    )
    at_once = [seconds(lambda: client.ask("/tasks/crossmatch/sync", TINY)) for _ in range(TURNS)]
    yield Figure("the same by /sync: median", median(at_once), "s")
    yield from _flood(bench, median(alone))
    yield from _many(bench)


def run(client: Client) -> None:
    """Run the smallest job."""
    client.finish(submit(client))


def submit(client: Client) -> str:
    """Create and queue the smallest job; return its path."""
    return client.ask("/tasks/crossmatch/async", {**TINY, "PHASE": "RUN"})[1]


def _flood(bench: Bench, alone: float) -> Iterator[Figure]:
    """Measure the first job of a caller beside the many that another one has just sent."""
    flooder, other = (Client(bench, address_of_client=address) for address in CALLERS[:2])
    waits = []
    for _ in range(5):
        jobs = [submit(flooder) for _ in range(FLOOD)]
        waits.append(seconds(lambda: run(other)))
        for job in jobs:
            flooder.finish(job)
    # Three of the flooder's jobs run at the same time; on two cores one of them takes this long.
    length = _longest(bench)
    yield Figure(
        f"first job beside {FLOOD} of another caller: median; limit: alone and one job's length",
        median(waits),
        "s",
        alone + length,
        "ratio ≤ 1",
        median(waits) <= alone + length,
    )


def _longest(bench: Bench) -> float:
    """Return how long the flooder's jobs ran, the longest of most of them."""
    query = (
        "SELECT percentile_cont(0.95) WITHIN GROUP (ORDER BY extract(epoch FROM ended - started)) FROM uws.jobs "
        "WHERE account = %s AND phase = 'COMPLETED'"
    )
    with psycopg2.connect(bench.settings.conninfo()) as connection, connection.cursor() as cursor:
        cursor.execute(query, [f"address:{CALLERS[0]}"])
        return float((cursor.fetchone() or (0,))[0])


def _many(bench: Bench) -> Iterator[Figure]:
    """Measure a thousand queued jobs of three callers, and how even their turns are."""
    clients = [Client(bench, address_of_client=address) for address in CALLERS]
    jobs: list[list[str]] = [[] for _ in clients]

    def send(number: int) -> None:
        jobs[number] += [submit(clients[number]) for _ in range(MANY // len(CALLERS) + (number < MANY % len(CALLERS)))]

    since = time.time()
    started = time.perf_counter()
    threads = [threading.Thread(target=send, args=(number,)) for number in range(len(clients))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for client, mine in zip(clients, jobs, strict=True):
        for job in mine:
            client.finish(job)
    rate = MANY / (time.perf_counter() - started)
    yield Figure(f"{MANY:,} queued jobs of three callers", rate, "/s")
    ahead = unevenness(bench, since)
    yield Figure("most turns that one caller was ahead of another", ahead, "", None, "≤ 4", ahead <= 4)


def unevenness(bench: Bench, since: float) -> int:
    """Return by how many jobs one caller was ahead of another at most, while all of them had jobs waiting."""
    query = (
        "SELECT account FROM uws.jobs WHERE service = 'task.crossmatch' AND created > to_timestamp(%s) "
        "AND account = ANY(%s) AND started > %s ORDER BY started"
    )
    accounts = [f"address:{address}" for address in CALLERS]
    with psycopg2.connect(bench.settings.conninfo()) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT max(queued) FROM uws.jobs WHERE created > to_timestamp(%s)", [since])
        last = (cursor.fetchone() or (None,))[0]
        cursor.execute(query, [since, accounts, last])
        order = [row[0] for row in cursor.fetchall()]
    turns = dict.fromkeys(accounts, 0)
    worst = 0
    left = {account: order.count(account) for account in accounts}
    for account in order:
        turns[account] += 1
        left[account] -= 1
        if not all(left.values()):
            break
        worst = max(worst, max(turns.values()) - min(turns.values()))
    return worst
