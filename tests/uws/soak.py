"""Clients and random faults for some minutes: ``scripts/soak [MINUTES] [--seed NUMBER]``.

It stands beside the tests of single faults because it asks for the same promises by the same means: no job is lost,
none is completed twice, every result is whole, the service recovers by itself, and nothing is left behind.
"""

from __future__ import annotations

import argparse
import random
import secrets
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.tap.asking import adql, ask
from tests.uws.processes import (
    BIG,
    FAILING,
    LONG,
    MEDIUM,
    RECOVERY_SECONDS,
    SHORT,
    SORTED,
    UWS,
    JobService,
    alive,
    children,
    kill,
    steadily,
)
from uws.cleaning import Cleaner
from vo.core.database import owner_engine
from vo.core.files import FileStore

CLIENTS = 6
LOST_SECONDS = 90.0
"""A job that has not ended so long after the last fault is lost."""
PAUSE = (2.0, 6.0)
"""Seconds between a recovery and the next fault."""
MEMORY_GROWTH = 50 * 2**20
"""What the supervisor may grow by; other processes die too often to grow."""
KINDS = {"short": (SHORT, 40), "medium": (MEDIUM, 15), "sorted": (SORTED, 15), "big": (BIG, 4), "failing": (FAILING, 8),
         "abort": (LONG, 8), "delete": (LONG, 8), "abandon": (BIG, 2)}  # fmt: skip
"""What clients ask for: the query, and how often."""
ENDED = {"COMPLETED", "ERROR", "ABORTED"}
PROMISES = ("lost jobs", "completed twice", "wrong results", "errors without a cause", "recoveries that took too long",
            "files that belong to no result", "queries that run for nobody", "processes left over",
            "supervisor grown too much")  # fmt: skip

console = Console()


@dataclass
class Tally:
    """What has happened so far."""

    asked: Counter[str] = field(default_factory=Counter)
    ended: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    recoveries: list[tuple[float, str]] = field(default_factory=list)
    broken: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    refused: int = 0
    given_up: int = 0
    last_fault: float = field(default_factory=time.monotonic)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def breaks(self, promise: str, words: str) -> None:
        """Note a promise that was not kept."""
        with self.lock:
            self.broken[promise] += 1
            self.problems.append(f"{promise}: {words}")


class Client:
    """Submits one job after the other and checks what becomes of each.

    Parameters
    ----------
    service : JobService
        Where.
    tally : Tally
        What is noted.
    expected : dict of str to bytes
        The result of each kind.
    chance : random.Random
        What decides.
    """

    def __init__(self, service: JobService, tally: Tally, expected: dict[str, bytes], chance: random.Random) -> None:
        self._service = service
        self._tally = tally
        self._expected = expected
        self._chance = chance

    def run(self, over: threading.Event) -> None:
        """Go on until it is over."""
        names = list(KINDS)
        weights = [weight for _, weight in KINDS.values()]
        while not over.is_set():
            [kind] = self._chance.choices(names, weights)
            patience, keep = self._chance.uniform(0, 3), self._chance.random() < 0.3
            job_id = steadily(lambda kind=kind: self._service.submit(KINDS[kind][0], FORMAT="csv"))
            if job_id is None:
                with self._tally.lock:
                    self._tally.refused += 1
                time.sleep(0.2)
                continue
            with self._tally.lock:
                self._tally.asked[kind] += 1
            try:
                self._follow(job_id, kind, patience)
                if kind != "delete" and not keep:
                    self._delete(job_id)
            except Exception as error:
                self._tally.breaks("lost jobs", f"{job_id} ({kind}): {error!r}"[:600])

    def _follow(self, job_id: str, kind: str, patience: float) -> None:
        if kind in ("abort", "delete", "abandon"):
            time.sleep(patience)
            if kind != "abort":
                if kind == "delete":
                    self._delete(job_id)
                return
            self._insist(lambda: self._service.post(f"/tap/async/{job_id}/phase", {"PHASE": "ABORT"}))
        phase = self._end_of(job_id)
        with self._tally.lock:
            self._tally.ended[phase] += 1
        reason = self._insist(lambda: self._service.reason(job_id)) if phase == "ERROR" else ""
        if phase == "COMPLETED":
            table = self._insist(lambda: self._service.result(job_id))
            if table != self._expected.get(kind):
                self._tally.breaks("wrong results", f"{job_id} ({kind}) has {len(table)} bytes")
        elif phase == "ERROR" and "times in vain" in reason:
            with self._tally.lock:
                self._tally.given_up += 1
        elif (phase, kind) not in {("ERROR", "failing"), ("ABORTED", "abort")} or (kind == "failing") != (
            "zero" in reason
        ):
            self._tally.breaks("errors without a cause", f"{job_id} ({kind}) is {phase}: {reason}")

    def _end_of(self, job_id: str) -> str:
        """Wait until a job has ended, as clients do, and return its phase."""
        while True:
            document = steadily(lambda: ask(self._service, f"/tap/async/{job_id}?WAIT=3"))
            if document is not None and document.status == 200:
                phase = document.xml().findtext(f"{UWS}phase")
                if phase in ENDED:
                    return str(phase)
            elif document is not None and document.status != 503:
                raise AssertionError(f"its document is answered {document.status}")
            else:
                time.sleep(0.2)
            if time.monotonic() - self._tally.last_fault > LOST_SECONDS:
                raise AssertionError("it does not end")

    def _delete(self, job_id: str) -> None:
        self._insist(lambda: ask(self._service, f"/tap/async/{job_id}", method="DELETE"))

    def _insist(self, call: Callable[[], Any]) -> Any:
        """Call until there is an answer that is not an excuse."""
        while True:
            answer = steadily(call)
            if answer is not None and getattr(answer, "status", 200) != 503:
                return answer
            if time.monotonic() - self._tally.last_fault > LOST_SECONDS:
                raise AssertionError("the service does not answer")
            time.sleep(0.2)


class Faults:
    """Makes one fault after the other and measures how long the service takes to recover."""

    def __init__(self, service: JobService, tally: Tally, chance: random.Random) -> None:
        self._service = service
        self._tally = tally
        self._chance = chance
        self._kinds = {
            "worker killed": (self._kill_worker, 4),
            "worker frozen": (self._freeze_worker, 3),
            "web process killed": (self._kill_web, 3),
            "PostgreSQL crashed": (self._crash, 2),
            "connections ended": (self._end_connections, 2),
            "a query's backend killed": (self._kill_backend, 1),
            "worker and PostgreSQL": (self._both, 1),
        }

    def run(self, seconds: float) -> None:
        """Go on for so long."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(self._chance.uniform(*PAUSE))
            [name] = self._chance.choices(list(self._kinds), [weight for _, weight in self._kinds.values()])
            self._kinds[name][0]()
            fault = self._tally.last_fault = time.monotonic()
            with self._tally.lock:
                self._tally.faults[name] += 1
            took = self._recovery(fault)
            with self._tally.lock:
                self._tally.recoveries.append((took, name))
            if took > RECOVERY_SECONDS:
                self._tally.breaks("recoveries that took too long", f"{took:.1f} s after: {name}")

    def _recovery(self, fault: float) -> float:
        """Return the seconds until a job that was submitted after the fault is completed."""
        while time.monotonic() - fault < LOST_SECONDS:
            job_id = steadily(self._service.submit)
            if job_id is not None:
                while time.monotonic() - fault < LOST_SECONDS:
                    phase = steadily(lambda job_id=job_id: self._service.phase(job_id))
                    if phase == "COMPLETED":
                        return time.monotonic() - fault
                    if phase in ENDED:
                        break
                    time.sleep(0.05)
            time.sleep(0.05)
        return time.monotonic() - fault

    def _workers(self) -> list[int]:
        return sorted(self._service.children("vo.app.worker") | self._service.beside())

    def _kill_worker(self) -> None:
        if workers := self._workers():
            kill(self._chance.choice(workers))

    def _kill_web(self) -> None:
        if processes := sorted(self._service.children("vo.app.process")):
            kill(self._chance.choice(processes))

    def _crash(self) -> None:
        self._service.crash_database()

    def _end_connections(self) -> None:
        """Those of workers and web processes, again and again: statements end before and after they have worked."""
        ending = (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE usename = 'vo' AND application_name = 'vo' AND pid <> pg_backend_pid()"
        )
        for _ in range(40):
            steadily(lambda: self._service.fetch(ending))
            time.sleep(self._chance.uniform(0, 0.1))

    def _kill_backend(self) -> None:
        """As the kernel does when memory is short: PostgreSQL then ends all the others and starts anew."""
        active = "SELECT pid FROM pg_stat_activity WHERE usename = 'vo_tap' AND state = 'active'"
        if backends := steadily(lambda: self._service.fetch(active)):
            kill(self._chance.choice(sorted(backends))[0])

    def _both(self) -> None:
        self._kill_worker()
        self._crash()

    def _freeze_worker(self) -> None:
        """Long enough that others take over, or shorter."""
        if workers := self._workers():
            pid = self._chance.choice(workers)
            kill(pid, signal.SIGSTOP)
            threading.Timer(self._chance.uniform(1, 9), kill, (pid, signal.SIGCONT)).start()


def main() -> int:
    """Run it; the exit status says whether every promise was kept."""
    parser = argparse.ArgumentParser(
        prog="scripts/soak", description="Clients and random faults on a service of its own."
    )
    parser.add_argument("minutes", nargs="?", type=float, default=10.0, help="how long faults happen; default: 10")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6), help="repeats the choices of another run")
    arguments = parser.parse_args()
    console.print(f"{arguments.minutes:g} minutes, seed {arguments.seed}")
    tally = Tally()
    settings = {"VO_WORKERS": "2", "VO_DRAIN_TIME": "2", "VO_RUNNING_JOBS": "8", "VO_WAITING_JOBS": "10000"}
    with JobService(**settings) as service:
        service.worker()
        assert service.process is not None
        memory = resident(service.process.pid)
        expected = {kind: result_of(service, KINDS[kind][0]) for kind in ("short", "medium", "sorted", "big")}
        over = threading.Event()
        with ThreadPoolExecutor(CLIENTS) as threads:
            clients = [
                Client(service, tally, expected, random.Random(f"{arguments.seed} {number}"))
                for number in range(CLIENTS)
            ]
            work = [threads.submit(client.run, over) for client in clients]
            watch = threading.Thread(target=show_progress, args=(service, tally, over, arguments.minutes), daemon=True)
            watch.start()
            try:
                Faults(service, tally, random.Random(arguments.seed)).run(arguments.minutes * 60)
            finally:
                over.set()
                settle(work)
        examine(service, tally, memory)
        shown = report(tally)
        left = children(service.process.pid, "")
    for pid in [*left, service.postmaster()]:
        if pid and alive(pid):
            tally.breaks("processes left over", f"{pid} runs after the service has ended")
    for problem in tally.problems[:20]:
        console.print(problem, style="red", markup=False)
    console.print(shown)
    verdict = "every promise was kept" if not tally.broken else f"broken: {', '.join(sorted(tally.broken))}"
    console.print(f"seed {arguments.seed}: {verdict}", style="green" if not tally.broken else "red")
    return bool(tally.broken)


def settle(work: list[Future[None]]) -> None:
    """Wait for the clients, whose own patience is bounded."""
    for item in work:
        item.result()


def result_of(service: JobService, query: str) -> bytes:
    """Return what a query gives while all is well."""
    answer = adql(service, query, FORMAT="csv")
    assert answer.status == 200, answer.text[:500]
    return answer.body


def resident(pid: int) -> int:
    """Return the bytes of a process in memory."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096


def examine(service: JobService, tally: Tally, memory: int) -> None:
    """Look for what is left behind once all is quiet."""
    active = "SELECT job_id, phase FROM uws.jobs WHERE phase IN ('QUEUED', 'EXECUTING') OR deleted"
    end = time.monotonic() + LOST_SECONDS
    while (rows := steadily(lambda: service.fetch(active)) or []) and time.monotonic() < end:
        time.sleep(0.2)
    for job_id, phase in rows:
        tally.breaks("lost jobs", f"{job_id} is {phase} for ever")
    twice = "SELECT job_id, count(*) FROM changes WHERE after = 'COMPLETED' GROUP BY job_id HAVING count(*) > 1"
    for job_id, times in service.fetch(twice):
        tally.breaks("completed twice", f"{job_id}, {times} times")
    results = service.home / "results"
    engine = owner_engine(service.settings)
    Cleaner(engine, FileStore(results), archive_time=0).remove_orphans()
    engine.dispose()
    stored = {str(path.relative_to(results)) for path in results.rglob("*") if path.is_file()}
    wanted = {path for (path,) in service.fetch("SELECT jsonb_path_query(results, '$[*].path') #>> '{}' FROM uws.jobs")}
    for path in stored - wanted:
        tally.breaks("files that belong to no result", path)
    for path in wanted - stored:
        tally.breaks("wrong results", f"{path} is missing")
    running = "SELECT application_name FROM pg_stat_activity WHERE usename = 'vo_tap' AND state <> 'idle'"
    for (name,) in service.fetch(running):
        tally.breaks("queries that run for nobody", name)
    assert service.process is not None
    grown = resident(service.process.pid) - memory
    if grown > MEMORY_GROWTH:
        tally.breaks("supervisor grown too much", f"by {grown / 2**20:.0f} MiB")


def show_progress(service: JobService, tally: Tally, over: threading.Event, minutes: float) -> None:
    """Say every few seconds how it goes; in a terminal in one line that changes."""
    begun = time.monotonic()
    with console.status("…") as status:
        while not over.wait(1 if console.is_terminal else 15):
            with tally.lock:
                text = (
                    f"{time.monotonic() - begun:5.0f} of {minutes * 60:.0f} s: {tally.asked.total()} jobs, "
                    f"{tally.ended.total()} ended, {tally.faults.total()} faults, "
                    f"longest recovery {max(tally.recoveries, default=(0.0, ''))[0]:.1f} s, "
                    f"{tally.broken.total()} promises broken"
                )
            if console.is_terminal:
                status.update(text)
            else:
                console.print(text)


def report(tally: Tally) -> Table:
    """Return the figures as a table."""
    table = Table("figure", "value", title="Soak")
    table.add_row("jobs submitted", ", ".join(f"{count} {kind}" for kind, count in tally.asked.most_common()))
    table.add_row("submissions refused while the database was away", str(tally.refused))
    table.add_row("jobs ended", ", ".join(f"{count} {phase}" for phase, count in tally.ended.most_common()))
    table.add_row("given up after several attempts in vain", str(tally.given_up))
    table.add_row("faults", ", ".join(f"{count} × {name}" for name, count in tally.faults.most_common()))
    longest = max(tally.recoveries, default=(0.0, "no fault"))
    table.add_row("longest recovery", f"{longest[0]:.1f} s after: {longest[1]}")
    for promise in PROMISES:
        table.add_row(promise, str(tally.broken[promise]))
    return table


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        sys.exit(main())
