"""Processes that are killed, frozen or cut off in the middle of jobs: nothing is lost, nothing is done twice."""

from __future__ import annotations

import io
import json
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from itertools import chain
from pathlib import Path

import pytest
import pyvo
from pyarrow import csv

from tests.conftest import make_home, wait_until
from tests.tap.asking import adql, ask
from tests.uws.processes import (
    BIG,
    BIG_ROWS,
    MEDIUM,
    RECOVERY_SECONDS,
    SECONDS,
    SHORT,
    JobService,
    alive,
    end,
    frozen,
    kill,
    steadily,
    worker_of,
)
from uws.queue import LEASE_LOCK
from vo.core.database import FROZEN_SECONDS, owner_engine

RUNNING = 20
"""Jobs under which PostgreSQL crashes."""


@pytest.fixture(scope="module")
def own() -> Iterator[JobService]:
    """A service whose processes may be killed."""
    with JobService(VO_DRAIN_TIME="2") as running:
        yield running


def test_a_worker_killed_while_it_writes(own: JobService) -> None:
    job_id = own.submit(BIG, FORMAT="csv")
    wait_until(lambda: own.files(job_id), "it writes")
    assert own.files(job_id)[0].startswith("1/.tap_schema-columns.csv")
    kill(own.runner(job_id))
    fault = time.monotonic()
    own.recovers(fault)
    own.until(job_id, "COMPLETED", "ERROR")
    took = time.monotonic() - fault
    print(f"taken over and completed after {took:.1f} s")
    assert own.changes(job_id) == [("QUEUED", 0), ("EXECUTING", 1), ("QUEUED", 1), ("EXECUTING", 2), ("COMPLETED", 2)]
    own.assert_kept([job_id])  # nothing of the first attempt is left either
    assert rows(own.result(job_id)) == BIG_ROWS


def test_two_workers_on_one_lease(own: JobService) -> None:
    other = own.worker()
    job_id = own.submit(BIG, FORMAT="csv")
    wait_until(lambda: own.files(job_id), "it writes")
    first = own.runner(job_id)
    freeze = time.monotonic()
    with frozen(first):
        own.until(job_id, "COMPLETED", "ERROR")
        print(f"taken over and completed after {time.monotonic() - freeze:.1f} s")
        assert first not in own.worker_pids()
    wait_until(lambda: first in own.worker_pids(), "it works again, under another name")
    assert own.changes(job_id)[2:] == [("QUEUED", 1), ("EXECUTING", 2), ("COMPLETED", 2)]
    own.assert_kept([job_id])
    end(other)
    assert rows(own.result(job_id)) == BIG_ROWS


def test_a_frozen_transaction_does_not_stop_the_queue(own: JobService) -> None:
    """A worker that freezes while it holds the lock of all that lease would keep everybody else from it."""
    engine = owner_engine(own.settings, short_transactions=True)
    with engine.connect() as connection:
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LEASE_LOCK})")
        begun = time.monotonic()
        job_id = own.submit()
        own.until(job_id, "COMPLETED")
        assert FROZEN_SECONDS - 1 < time.monotonic() - begun < FROZEN_SECONDS + 3
        connection.invalidate()
    engine.dispose()


def test_processes_killed_while_jobs_are_submitted(own: JobService) -> None:
    accepted: list[str] = []
    over = threading.Event()

    def submit() -> None:
        while not over.is_set():
            job_id = steadily(own.submit)
            if job_id is not None:
                accepted.append(job_id)

    with ThreadPoolExecutor(4) as threads:
        work = [threads.submit(submit) for _ in range(4)]
        for _ in range(6):
            before = len(accepted)
            wait_until(lambda n=before: len(accepted) > n + 5, "some jobs are taken")  # type: ignore[misc]
            kill(own.children("vo.app.process").pop())
        fault = time.monotonic()
        over.set()
        for item in work:
            item.result()
    own.recovers(fault)
    # What was answered is there, and what was not answered is there as a whole or not at all.
    wait_until(lambda: not own.fetch("SELECT 1 FROM uws.jobs WHERE phase IN ('QUEUED', 'EXECUTING')"), "all ended")
    jobs = dict(own.fetch("SELECT job_id, parameters FROM uws.jobs WHERE phase = 'COMPLETED'"))
    assert set(accepted) <= set(jobs)
    assert ["QUERY", SHORT] in jobs[accepted[0]]
    assert all(
        len(parameters) == len(jobs[accepted[0]]) for parameters in jobs.values() if ["QUERY", SHORT] in parameters
    )
    twice = own.fetch("SELECT job_id FROM changes WHERE after = 'COMPLETED' GROUP BY job_id HAVING count(*) > 1")
    assert not twice


def test_postgresql_crashes_under_twenty_jobs(own: JobService) -> None:
    expected = adql(own, MEDIUM, FORMAT="csv").csv()
    other = own.worker(slots=RUNNING)
    jobs = [own.submit(MEDIUM) for _ in range(RUNNING)]
    executing = "SELECT count(*) FROM uws.jobs WHERE phase = 'EXECUTING'"
    wait_until(lambda: own.fetch(executing)[0][0] == RUNNING, "all run")
    own.crash_database()
    fault = time.monotonic()
    own.recovers(fault)
    own.assert_kept(jobs)
    print(f"all {RUNNING} have ended after {time.monotonic() - fault:.1f} s")
    assert {own.phase(job_id) for job_id in jobs} == {"COMPLETED"}
    tables = [pyvo.dal.AsyncTAPJob(f"{own.tap}/async/{job_id}").fetch_result() for job_id in jobs]
    assert {str(table["n"][0]) for table in tables} == {expected[0][0]}
    assert sum(own.counts(job_id, "EXECUTING") == 2 for job_id in jobs) > RUNNING // 2
    end(other)


def test_the_database_is_away_for_a_while(own: JobService) -> None:
    assert own.process is not None
    other = own.worker()  # which is started again when the driver aborts it, unlike those of a frozen supervisor
    job_id = own.submit(SECONDS)
    own.runs(job_id)
    lines = len(log(own))
    with frozen(own.process.pid):  # which would start PostgreSQL again
        own.crash_database()
        begun = time.monotonic()
        while time.monotonic() - begun < 15:
            answer = ask(own, "/tap/async")
            assert answer.status == 503, answer.text
            time.sleep(0.5)
        said = log(own)[lines:]
        assert any(line["event"] == "worker.database" for line in said)
        assert len(said) < 60 + 2 * 30, [line["event"] for line in said]  # of which two for each of our requests
    fault = time.monotonic()
    own.recovers(fault)
    own.assert_kept([job_id])
    assert own.phase(job_id) == "COMPLETED"
    assert any(line["event"] == "worker.database_back" for line in log(own)[lines:])
    end(other)


def test_a_worker_that_is_told_to_leave(own: JobService) -> None:
    """What ends in time ends there; the rest goes to another worker, without counting as an attempt in vain."""
    leaving = own.worker(slots=20)
    long = own.submit(SECONDS)
    others = [own.submit(MEDIUM) for _ in range(3)]
    wait_until(lambda: own.runner(long), "it runs")
    pid = own.runner(long)
    begun = time.monotonic()
    kill(pid, signal.SIGTERM)
    wait_until(lambda: not alive(pid), "the worker is gone")
    assert time.monotonic() - begun < 2 + 3  # the drain time, and the time to stop
    own.assert_kept([long, *others])
    assert {own.phase(job_id) for job_id in others} == {"COMPLETED"}
    assert own.phase(long) == "COMPLETED"
    assert own.counts(long, "EXECUTING") == 2
    assert own.fetch("SELECT vain_attempts FROM uws.jobs WHERE job_id = %s", long) == [(0,)]
    end(leaving)


def test_a_killed_supervisor(own: JobService) -> None:
    """All it started ends with it, except PostgreSQL; another one takes up the work on the same port."""
    assert own.process is not None
    job_id = own.submit(SECONDS)
    own.runs(job_id)
    children = own.children("vo.app")
    kill(own.process.pid)
    own.process.wait()
    fault = time.monotonic()
    wait_until(lambda: steadily(lambda: restart(own)), "it can be started")
    own.recovers(fault)
    wait_until(lambda: not any(alive(pid) for pid in children), "the old processes have left")
    own.assert_kept([job_id])
    assert own.phase(job_id) == "COMPLETED"


def rows(table: bytes) -> int:
    """Return the number of rows of a CSV file."""
    return int(csv.read_csv(io.BytesIO(table), parse_options=csv.ParseOptions(newlines_in_values=True)).num_rows)


def restart(own: JobService) -> bool:
    """Start the service again and say whether it came up."""
    own.start()
    return True


def log(own: JobService) -> list[dict[str, str]]:
    """Return the lines of the service's log."""
    return [json.loads(line) for line in (own.home / "log" / "vo.log").read_text().splitlines()]


def test_a_full_disk() -> None:
    folder = make_home()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)], check=False, capture_output=True, text=True
    )
    if mounted.returncode:
        folder.rmdir()
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.strip()}")
    try:
        with JobService(VO_RESULTS=str(folder), VO_PROCESSES="1") as own:
            big = [own.submit(BIG) for _ in range(2)]
            fault = time.monotonic()
            own.assert_kept(big)
            assert [own.phase(job_id) for job_id in big] == ["ERROR", "ERROR"]
            assert "disk for results is full" in own.reason(big[0])
            assert [own.files(job_id) for job_id in big] == [[], []]
            own.recovers(fault)
            # Filled by others to the last byte, it takes no result; room comes back and so does the service.
            with (folder / "other").open("wb") as other, pytest.raises(OSError, match="No space"):
                other.write(bytes(9 << 20))
            small = own.submit()
            own.assert_kept([small])
            assert "disk for results is full" in own.reason(small)
            (folder / "other").unlink()
            own.recovers(time.monotonic())
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
        folder.rmdir()


@pytest.fixture
def cable(own: JobService) -> Iterator[tuple[str, str]]:
    """A network namespace that reaches the service's PostgreSQL by one cable; yields its name and the cable's."""
    name, outside, inside = f"vo{own.port}", f"vo{own.port}a", f"vo{own.port}b"
    if not shutil.which("ip"):
        pytest.skip("needs ip, of the Debian package iproute2")
    made = subprocess.run(["ip", "netns", "add", name], check=False, capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"network namespaces are not allowed here: {made.stderr.strip()}")
    network = f"10.231.{own.port % 250}"
    try:
        for command in (
            f"ip link add {outside} type veth peer name {inside} netns {name}",
            f"ip address add {network}.1/24 dev {outside}",
            f"ip link set {outside} up",
            f"ip -n {name} address add {network}.2/24 dev {inside}",
            f"ip -n {name} link set {inside} up",
        ):
            subprocess.run(command.split(), check=True)
        hosts = own.home / "postgres" / "hosts.conf"
        hosts.write_text(f"local all all peer map=vo\nhost vo vo,vo_tap {network}.2/32 trust\n")
        shutil.chown(hosts, *owner(own.home / "postgres"))
        with closing(own.connect("postgres")) as connection:
            connection.cursor().execute("ALTER SYSTEM SET listen_addresses = %s", [f"{network}.1"])
            connection.cursor().execute("ALTER SYSTEM SET hba_file = %s", [str(hosts)])
        before = own.postmaster()
        kill(before, signal.SIGINT)  # the supervisor starts it again
        wait_until(lambda: own.postmaster() not in (0, before), "it starts again")
        own.recovers(time.monotonic())
        yield name, f"postgresql://{{}}@{network}.1/vo"
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=False)


def owner(path: Path) -> tuple[str, str]:
    """Return the user and the group of a file."""
    return path.owner(), path.group()


def test_a_network_cut_between_worker_and_database(own: JobService, cable: tuple[str, str]) -> None:
    namespace, address = cable
    far = own.worker(
        *("ip", "netns", "exec", namespace),
        slots=20,
        VO_HOME=str(own.home / "far"),
        VO_RESULTS=str(own.home / "results"),
        VO_DATABASE_URL=address.format("vo"),
    )
    pid = worker_of(far)
    with frozen(min(own.children("vo.app.worker"))):
        jobs = [own.submit(SECONDS) for _ in range(2)]
        wait_until(lambda: all(own.runner(job_id) == pid for job_id in jobs), "the far worker runs them")
    plug = ["ip", "link", "set", f"{namespace}a"]
    subprocess.run([*plug, "down"], check=True)
    fault = time.monotonic()
    own.recovers(fault)
    wait_until(lambda: pid not in own.worker_pids(), "the far worker is given up")
    print(f"the far worker was given up after {time.monotonic() - fault:.1f} s")
    own.assert_kept(jobs)
    assert {own.phase(job_id) for job_id in jobs} == {"COMPLETED"}
    assert all(own.counts(job_id, "EXECUTING") == 2 for job_id in jobs)
    subprocess.run([*plug, "up"], check=True)
    fault = time.monotonic()
    wait_until(lambda: worker_of(far) in own.worker_pids(), "the far worker is back")
    print(f"the far worker is back after {time.monotonic() - fault:.1f} s")
    assert time.monotonic() - fault < RECOVERY_SECONDS
    with frozen(min(own.children("vo.app.worker"))):
        last = own.submit()
        own.until(last, "COMPLETED")  # the far one did it
    own.assert_kept([*jobs, last])
    assert end(far) == 0


def test_clocks_that_jump() -> None:
    """The time of day of all processes, PostgreSQL too, jumps by an hour in the middle of a job, forth and back."""
    library = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
    if library is None:
        pytest.skip("needs the Debian package libfaketime")
    folder = make_home()
    clock = folder / "clock"
    clock.write_text("+0")
    faked = {"LD_PRELOAD": str(library), "FAKETIME_TIMESTAMP_FILE": str(clock), "FAKETIME_CACHE_DURATION": "1"}
    forget_faketime()
    try:
        with JobService(**faked, FAKETIME_DONT_FAKE_MONOTONIC="1", DONT_FAKE_MONOTONIC="1") as own:
            own.worker(LD_PRELOAD="")  # its clock is right all the time
            for hours in (1, -1):
                job_id = own.submit(SECONDS)
                own.runs(job_id)
                clock.write_text(f"{hours:+}h")
                fault = time.monotonic()
                wait_until(lambda hours=hours: round(ahead(own) / 3600) == hours, "the clock jumps")  # type: ignore[misc]
                own.recovers(fault)
                own.assert_kept([job_id])
                assert own.phase(job_id) == "COMPLETED"
                assert own.counts(job_id, "EXECUTING") == 1
            assert own.fetch("SELECT expired_leases FROM uws.figures") == [(0,)]
            assert len(own.worker_pids()) == 2
    finally:
        shutil.rmtree(folder)
        forget_faketime()


def forget_faketime() -> None:
    """Remove what libfaketime leaves in the shared memory for processes that were killed.

    It names it by the number of the process. One of the same number that belongs to another user ends at its start when
    it meets it: initdb, where the service is root's and its database is not.
    """
    for file in chain(*(Path("/dev/shm").glob(f"{what}_*") for what in ("sem.faketime_sem", "faketime_shm"))):
        with suppress(FileNotFoundError, PermissionError):
            file.unlink()


def ahead(own: JobService) -> float:
    """Return the seconds by which PostgreSQL's clock is ahead of ours."""
    return float(own.fetch("SELECT extract(epoch FROM clock_timestamp())")[0][0]) - time.time()
