"""Runs of tasks as jobs of a real service, with tasks of another distribution, some of which misbehave."""

from __future__ import annotations

import csv
import io
import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.conftest import wait_until
from tests.tap.asking import FORM, LEAK, Answer, ask
from tests.uws.processes import JobService, alive, kill
from uws.tasks.given import Counts

PLUGIN = Path(__file__).resolve().parents[2] / "plugin"
CALLERS = ("192.0.2.1", "192.0.2.2", "192.0.2.3")
MIB = 2**20


class TaskService(JobService):
    """A service with the tasks of the plug-in."""

    def run(self, task: str, address: str = "", **parameters: str) -> str:
        """Create a job and queue it; return its path."""
        headers = {**FORM, **({"X-Forwarded-For": address} if address else {})}
        asked = {"PHASE": "RUN", "RESPONSEFORMAT": "csv", **parameters}
        body = urlencode({name: value for name, value in asked.items() if value}).encode()
        answer = ask(self, f"/tasks/{task}/async", method="POST", body=body, headers=headers)
        assert answer.status == 303, answer.text[:1000]
        return str(answer.headers["Location"]).partition(str(self.port))[2]

    def document(self, job: str) -> str:
        return ask(self, job, headers={"Accept": "text/xml"}).text

    def phase_of(self, job: str) -> str:
        return ask(self, f"{job}/phase").text.strip()

    def ends(self, job: str, seconds: float = 30.0) -> str:
        """Wait until a job has ended; return the phase."""
        wait_until(lambda: self.phase_of(job) in ("COMPLETED", "ERROR", "ABORTED"), "it ends", seconds)
        print(self.document(job).partition("<uws:errorSummary")[2][:500])
        return self.phase_of(job)

    def rows(self, job: str, result: str = "result") -> list[list[str]]:
        return self.answer(job, result).csv()

    def answer(self, job: str, result: str = "result") -> Answer:
        return ask(self, f"{job}/results/{result}")

    def counts_of(self, job: str) -> Counts:
        document = self.document(job)
        failed = dict(re.findall(r'failed reason="([^"]+)">(\d+)<', document))
        numbers = dict(re.findall(r"progress:(requested|found)>(\d+)<", document))
        requested, found = (int(numbers.get(name, 0)) for name in ("requested", "found"))
        return Counts(requested, found, {reason: int(number) for reason, number in failed.items()})

    def makes_rows(self, job: str) -> None:
        """Wait until a job has made rows."""
        wait_until(lambda: re.search(r"progress:rows>[1-9]", self.document(job)), "it makes rows")


@pytest.fixture(scope="module")
def service() -> Iterator[TaskService]:
    more = {"VO_TASK_MEMORY": str(400 * MIB), "VO_TASK_DISK": str(50 * MIB), "VO_RUNNING_JOBS": "3"}
    with TaskService(PYTHONPATH=str(PLUGIN), **more) as running:
        running.ends(running.run("misbehave"))  # from here on its worker is warm
        yield running


def processes(service: TaskService) -> list[int]:
    """Return the processes of runs: descendants of workers that are not the fork server."""
    found: list[int] = []
    todo = list(service.worker_pids())
    while todo:
        pid = todo.pop()
        for task in Path(f"/proc/{pid}/task").glob("*"):
            try:
                children = [int(child) for child in (task / "children").read_text().split()]
            except OSError:
                continue
            todo += children
            found += children
    return [pid for pid in found if alive(pid)]


def idle(service: TaskService) -> int:
    """Return how many processes there are when nothing runs."""
    wait_until(lambda: len(processes(service)) <= 1, "nothing runs", 10)
    return len(processes(service))


def test_a_task_of_another_distribution(service: TaskService) -> None:
    query = "SELECT column_index, principal FROM tap_schema.columns WHERE table_name = 'tap_schema.tables'"
    job = service.run("column-statistics", QUERY=query)
    assert service.ends(job) == "COMPLETED"
    expected = ask(service, f"/tap/sync?{urlencode({'LANG': 'ADQL', 'FORMAT': 'csv', 'QUERY': query})}").csv()
    known = [int(row[0]) for row in expected]
    rows = {row[0]: row for row in service.rows(job)}
    assert [float(value) for value in rows["column_index"][-5:]] == [
        len(known), 0, min(known), max(known), sum(known) / len(known)
    ]  # fmt: skip
    assert "task.run" in (service.home / "log" / "vo.log").read_text()
    assert 'vo_task_runs_total{outcome="completed",task="column-statistics"}' in ask(service, "/metrics").text


def test_results_several_and_counts(service: TaskService) -> None:
    job = service.run("misbehave", MODE="file")
    assert service.ends(job) == "COMPLETED"
    assert service.answer(job, "diary").text == "a day like any other"
    assert service.answer(job, "diary").type.startswith("text/plain")
    assert len(service.rows(job)) == 1
    counted = service.run("misbehave", MODE="progress", ROWS="5")
    assert service.ends(counted) == "COMPLETED"
    assert service.counts_of(counted) == Counts(5, 2, {"odd": 3})


def test_maxrec(service: TaskService) -> None:
    job = service.run("misbehave", ROWS="1000", MAXREC="150", RESPONSEFORMAT="votable")
    assert service.ends(job) == "COMPLETED"
    assert b'value="OVERFLOW"' in service.answer(job).body
    assert "cut at 150 rows" in service.document(job)


@pytest.mark.parametrize("mode", ["spin", "deaf", "slow-rows"])
def test_abort_within_two_seconds(service: TaskService, mode: str) -> None:
    before = idle(service)
    job = service.run("misbehave", MODE=mode, SECONDS="300", ROWS="100000")
    service.makes_rows(job)
    assert len(processes(service)) > before
    begun = time.monotonic()
    body = urlencode({"PHASE": "ABORT"}).encode()
    assert ask(service, f"{job}/phase", method="POST", body=body, headers=FORM).status == 303
    assert service.phase_of(job) == "ABORTED"
    assert len(processes(service)) == before
    assert time.monotonic() - begun < 2
    assert not list((service.home / "scratch").iterdir())
    assert service.answer(job).status == 404  # who aborts wants nothing of it


def test_time_is_over_and_what_was_made_is_kept(service: TaskService) -> None:
    job = service.run("misbehave", MODE="slow-rows", ROWS="10000", SECONDS="100", PHASE="")
    for path, value in (("executionduration", "EXECUTIONDURATION=2"), ("phase", "PHASE=RUN")):
        assert ask(service, f"{job}/{path}", method="POST", body=value.encode(), headers=FORM).status == 303
    assert service.ends(job) == "ABORTED"
    assert "longer than the 2 s" in service.document(job)
    *rows, error = service.rows(job)
    assert [row[0] for row in rows] == [str(number) for number in range(len(rows))]
    assert len(rows) >= 100
    assert error[0].startswith("# ERROR")
    assert f'remark="incomplete, {len(rows):,} rows: ' in service.document(job)


def test_a_failure_keeps_what_was_made(service: TaskService) -> None:
    job = service.run("misbehave", MODE="service-error", ROWS="250", RESPONSEFORMAT="votable")
    assert service.ends(job) == "ERROR"
    document = service.document(job)
    assert "It cannot be done.\nDo something else." in document
    assert 'remark="incomplete, 250 rows: It cannot be done."' in document
    assert b'value="ERROR"' in service.answer(job).body
    assert service.answer(job, "diary").status == 404


def test_words_that_the_database_cannot_hold_harm_nobody(service: TaskService) -> None:
    lasting = service.run("misbehave", MODE="strange-words", SECONDS="600")
    wait_until(lambda: "a\ufffdstage" in service.document(lasting), "its worker tells that it lives, and how far it is")
    ask(service, lasting, method="DELETE")
    job = service.run("misbehave", MODE="strange-words")
    assert service.ends(job) == "ERROR"
    assert "It is\ufffdwrong." in service.document(job)


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("memory", "VO_TASK_MEMORY"),
        ("disk", "VO_TASK_DISK"),
        ("crash", "signal|crash|SIGSEGV"),
        ("raise", "failed in a way that it should not"),
        ("bad-batch", "failed in a way that it should not"),
        ("parameter-error", "ROWS: there are too many"),
    ],
)
def test_what_fails_says_why(service: TaskService, mode: str, words: str) -> None:
    before = idle(service)
    job = service.run("misbehave", MODE=mode, SECONDS="60")
    assert service.ends(job) == "ERROR"
    document = service.document(job)
    reason = document.partition("<uws:message>")[2].partition("</uws:message>")[0]
    assert re.search(words, reason), reason
    assert not LEAK.search(reason)
    wait_until(lambda: len(processes(service)) == before, "its processes are gone", 5)
    assert not list((service.home / "scratch").iterdir())


def test_a_worker_is_killed_and_the_job_begins_again(service: TaskService) -> None:
    job = service.run("misbehave", MODE="slow-rows", ROWS="2000", SECONDS="4")
    service.makes_rows(job)
    born = processes(service)
    [worker] = service.worker_pids()
    kill(worker)
    wait_until(lambda: not any(alive(pid) for pid in born), "nothing of it runs on", 2)
    assert service.ends(job, 60) == "COMPLETED"
    assert [row[0] for row in service.rows(job)] == [str(number) for number in range(2000)]
    assert "attempt>2<" in service.document(job)


def test_a_worker_is_killed_and_the_job_goes_on(service: TaskService) -> None:
    wait_until(service.worker_pids, "a worker is there")
    job = service.run("resumable", MODE="resume", ROWS="5000", SECONDS="5")
    wait_until(lambda: "fraction>0.4" in service.document(job) or "fraction>0.6" in service.document(job), "it goes on")
    [worker] = service.worker_pids()
    kill(worker)
    assert service.ends(job, 60) == "COMPLETED"
    resumed = int(re.findall(r'name="resumed_at">(\d+)<', service.document(job))[0])
    assert resumed in (2000, 3000, 4000)
    assert [int(row[0]) for row in service.rows(job)] == list(range(5000))
    assert service.counts_of(job) == Counts(5000, 5000)
    folder = service.folder(job.rpartition("/")[2])
    assert not (folder / "checkpoint").exists()


def test_the_command_goes_on_with_a_job(service: TaskService, tmp_path: Path) -> None:
    job = service.run("resumable", MODE="resume", ROWS="3000", SECONDS="3")
    wait_until(lambda: "fraction>0.3" in service.document(job), "it has kept rows")
    ask(service, f"{job}/phase", method="POST", body=b"PHASE=ABORT", headers=FORM)
    saved = tmp_path / "rows.csv"
    service.vo("run", "resumable", f"CONTINUE={job.rpartition('/')[2]}", "-o", str(saved))
    rows = csv.reader(io.StringIO(saved.read_text()))
    assert [row[0] for row in rows] == ["number", *map(str, range(3000))]


def test_turns(service: TaskService) -> None:
    """A caller that runs as many jobs as it may waits; in the place that is left the others take turns."""
    wait_until(service.worker_pids, "a worker is there")
    blockers = [service.run("misbehave", CALLERS[0], MODE="sleep", SECONDS="120") for _ in range(3)]
    wait_until(lambda: [service.phase_of(job) for job in blockers] == ["EXECUTING"] * 3, "one place is left")
    [(worker,)] = service.fetch("SELECT worker_id FROM uws.workers")
    service.vo("jobs", "drain", worker)
    jobs = {address: [service.run("misbehave", address, ROWS="1") for _ in range(20)] for address in CALLERS}
    service.vo("jobs", "drain", worker, "--undo")
    for job in (*jobs[CALLERS[1]], *jobs[CALLERS[2]]):
        assert service.ends(job, 60) == "COMPLETED"
    assert {service.phase_of(job) for job in jobs[CALLERS[0]]} == {"QUEUED"}
    for job in blockers:
        ask(service, f"{job}/phase", method="POST", body=b"PHASE=ABORT", headers=FORM)
    for job in jobs[CALLERS[0]]:
        assert service.ends(job, 60) == "COMPLETED"
    owner = {job.rpartition("/")[2]: address for address, mine in jobs.items() for job in mine}
    query = "SELECT job_id FROM uws.jobs WHERE started IS NOT NULL ORDER BY started"
    started = [owner[job_id] for (job_id,) in service.fetch(query) if job_id in owner]
    first, second = started[:2]
    assert {first, second} == set(CALLERS[1:])
    assert started == [first, second] * 20 + [CALLERS[0]] * 20


def test_a_worker_that_is_told_to_leave_hands_back(service: TaskService) -> None:
    wait_until(service.worker_pids, "a worker is there")
    job = service.run("misbehave", MODE="slow-rows", ROWS="3000", SECONDS="14")
    service.makes_rows(job)
    [worker] = service.worker_pids()
    os.kill(worker, signal.SIGTERM)
    assert service.ends(job, 90) == "COMPLETED"
    assert len(service.rows(job)) == 3000
    [(vain,)] = service.fetch("SELECT vain_attempts FROM uws.jobs WHERE job_id = %s", job.rpartition("/")[2])
    assert vain == 0


def test_sync(service: TaskService) -> None:
    answer = ask(service, "/tasks/misbehave/sync?ROWS=3&RESPONSEFORMAT=csv")
    assert [row[0] for row in csv.reader(io.StringIO(answer.text))] == ["number", "0", "1", "2"]
    wrong = ask(service, "/tasks/misbehave/sync?MODE=service-error")
    assert (wrong.status, wrong.type.partition(";")[0]) == (400, "application/x-votable+xml")
    assert "It cannot be done." in wrong.text
    wait_until(lambda: not service.fetch("SELECT 1 FROM uws.jobs WHERE phase = 'EXECUTING'"), "nothing is left")
