"""A service whose processes are killed, frozen and cut off, and the record of what became of its jobs."""

from __future__ import annotations

import http.client
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode

import psycopg2
from lxml import etree

from tests.conftest import Service, make_home, wait_until
from tests.tap.asking import FORM, Answer, ask

UWS = "{http://www.ivoa.net/xml/UWS/v1.0}"
RECOVERY_SECONDS = 10.0
"""A service has to complete new jobs again so soon after a fault is over."""
SHORT = "SELECT COUNT(*) AS n FROM tap_schema.schemas WHERE schema_name = 'tap_schema'"
FAILING = "SELECT 1 / (COUNT(*) - COUNT(*)) AS n FROM tap_schema.tables"


def joined(tables: int) -> str:
    """Return a FROM clause of 32 rows to the power of `tables`."""
    return "FROM " + ", ".join(f"tap_schema.columns AS {name}" for name in "abcdefgh"[:tables])


MEDIUM = f"SELECT COUNT(*) AS n {joined(5)} WHERE a.column_name < b.column_name"
"""Runs for half a second."""
SECONDS = f"SELECT COUNT(*) AS n {joined(5)}, tap_schema.tables AS t WHERE t.table_name < 'tap_schema.s'"
"""Runs for some three seconds."""
LONG = f"SELECT COUNT(*) AS n {joined(8)} WHERE a.column_name <> b.column_name"
"""Runs longer than any test."""
SORTED_ROWS = 30_000
SORTED = (
    f"SELECT TOP {SORTED_ROWS} a.table_name, a.column_name, b.table_name AS table_2, b.column_name AS column_2, "
    f"c.table_name AS table_3, c.column_name AS column_3 {joined(3)} "
    "ORDER BY a.table_name, a.column_name, b.table_name, b.column_name, c.table_name, c.column_name"
)
"""Always the same rows in the same order."""
BIG_ROWS = 900_000
BIG = f"SELECT TOP {BIG_ROWS} a.column_name, b.column_name AS other, c.description {joined(4)}"
"""Writes for some seconds."""
ENDLESS = f"SELECT a.column_name, b.column_name AS other {joined(7)}"
"""Writes longer than any test."""

_RECORD = """
    CREATE TABLE public.changes (
        number bigserial PRIMARY KEY, job_id text, before text, after text, attempt integer, moment timestamptz);
    GRANT SELECT ON public.changes TO PUBLIC;
    CREATE FUNCTION public.note_change() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
    BEGIN
        INSERT INTO public.changes (job_id, before, after, attempt, moment)
        VALUES (NEW.job_id, OLD.phase, NEW.phase, NEW.attempt, clock_timestamp());
        RETURN NULL;
    END $$;
    CREATE TRIGGER note_change AFTER UPDATE ON uws.jobs
        FOR EACH ROW WHEN (OLD.phase <> NEW.phase) EXECUTE FUNCTION public.note_change();
"""
"""What was committed, unlike what was logged, has happened."""


class JobService(Service):
    """A service of one test module's own that publishes TAP_SCHEMA alone and records its jobs' phases.

    Parameters
    ----------
    variables : str
        Settings as in the environment.
    """

    def __init__(self, **variables: str) -> None:
        usual = {"VO_PROCESSES": "2", "VO_WORKERS": "1", "VO_WORKER_SLOTS": "4", "VO_RUNNING_JOBS": "100"}
        super().__init__(make_home(), prepare=False, **{**usual, "VO_MIN_DISK": "0", **variables})
        self._workers: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        self.start()
        with closing(psycopg2.connect(self.settings.conninfo("postgres"))) as connection:
            connection.cursor().execute(_RECORD)
            connection.commit()
        wait_until(self.worker_pids, "a worker is there")
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            kill(worker.pid, signal.SIGTERM)
        for worker in self._workers:
            worker.wait(30)
        self.stop()
        shutil.rmtree(self.home)

    # Processes

    def worker(self, *wrapper: str, slots: int = 4, **variables: str) -> subprocess.Popen[bytes]:
        """Start ``vo worker`` beside the service's own; `worker_of` names the process that works."""
        before = self.worker_pids()
        with (self.home / "worker.out").open("ab") as output:
            process = subprocess.Popen(
                [*wrapper, sys.executable, "-m", "vo.cli", "worker", "--slots", str(slots)],
                env={**self.environment, **variables},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._workers.append(process)
        wait_until(lambda: worker_of(process) in self.worker_pids() - before or process.poll() is not None, "it works")
        assert process.poll() is None, (self.home / "worker.out").read_text()[-2000:]
        return process

    def children(self, module: str) -> set[int]:
        """Return the supervisor's processes that run a module."""
        assert self.process is not None
        return children(self.process.pid, module)

    def beside(self) -> set[int]:
        """Return the processes that work for the ``vo worker`` that were started."""
        return {worker_of(process) for process in self._workers} - {0}

    def postmaster(self) -> int:
        """Return the process id of the private PostgreSQL; 0 while there is none."""
        try:
            return int((self.home / "postgres" / "postmaster.pid").read_text().split()[0])
        except (OSError, IndexError):
            return 0

    def crash_database(self) -> None:
        """Make PostgreSQL quit at once, as ``pg_ctl stop --mode immediate`` does, and wait until it is gone."""
        pid = self.postmaster()
        kill(pid, signal.SIGQUIT)
        wait_until(lambda: not alive(pid), "PostgreSQL is gone")

    # The database's view

    def fetch(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Run a query as the owner, on a connection of its own."""
        with closing(self.connect()) as connection, connection.cursor() as cursor:
            cursor.execute(query, values)
            return cursor.fetchall()

    def worker_pids(self) -> set[int]:
        """Return the processes of the workers that are not buried."""
        return {pid for (pid,) in self.fetch("SELECT pid FROM uws.workers")}

    def runner(self, job_id: str) -> int:
        """Return the process of the worker that runs a job."""
        found = self.fetch("SELECT pid FROM uws.workers JOIN uws.jobs USING (worker_id) WHERE job_id = %s", job_id)
        return int(found[0][0]) if found else 0

    def backends(self, job_id: str) -> int:
        """Return the number of PostgreSQL's processes for a job."""
        query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s"
        return int(self.fetch(query, f"vo:{job_id}")[0][0])

    def changes(self, job_id: str) -> list[tuple[str, int]]:
        """Return the phases that a job went to, each with the number of the attempt."""
        return self.fetch("SELECT after, attempt FROM public.changes WHERE job_id = %s ORDER BY number", job_id)

    def counts(self, job_id: str, after: str = "COMPLETED") -> int:
        """Return how often a job went to a phase."""
        return sum(phase == after for phase, _ in self.changes(job_id))

    # Clients' view

    def submit(self, query: str = SHORT, **parameters: str) -> str:
        """Create a job and run it; return its id."""
        answer = self.post("/tap/async", {"LANG": "ADQL", "QUERY": query, "PHASE": "RUN", **parameters})
        assert answer.status == 303, answer.text[:1000]
        return str(answer.headers["Location"]).rpartition("/")[2]

    def post(self, target: str, parameters: Mapping[str, str]) -> Answer:
        """Send a form."""
        return ask(self, target, method="POST", body=urlencode(parameters).encode(), headers=FORM)

    def job(self, job_id: str) -> etree._Element:
        """Return the job's document."""
        answer = ask(self, f"/tap/async/{job_id}")
        assert answer.status == 200, answer.text[:1000]
        return answer.xml()

    def phase(self, job_id: str) -> str:
        """Return a job's phase."""
        answer = ask(self, f"/tap/async/{job_id}/phase")
        assert answer.status == 200, answer.text[:1000]
        return answer.text.strip()

    def reason(self, job_id: str) -> str:
        """Return the message of a job's errorSummary."""
        return (self.job(job_id).findtext(f"{UWS}errorSummary/{UWS}message") or "").strip()

    def result(self, job_id: str) -> bytes:
        """Return what a job has stored."""
        answer = ask(self, f"/tap/async/{job_id}/results/result")
        assert answer.status == 200, answer.text[:1000]
        return answer.body

    def folder(self, job_id: str) -> Path:
        """Return the folder of a job's files."""
        return Path(self.environment.get("VO_RESULTS") or self.home / "results") / job_id[:2] / job_id

    def files(self, job_id: str) -> list[str]:
        """Return the files of a job, below its folder."""
        folder = self.folder(job_id)
        return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())

    def until(self, job_id: str, *phases: str, seconds: float = 60.0) -> None:
        """Wait until a job is in one of these phases."""
        wait_until(lambda: steadily(lambda: self.phase(job_id)) in phases, f"it is {' or '.join(phases)}", seconds)

    def runs(self, job_id: str) -> None:
        """Wait until a job's query runs in the database."""
        query = "SELECT 1 FROM pg_stat_activity WHERE application_name = %s AND state = 'active'"
        wait_until(lambda: self.fetch(query, f"vo:{job_id}"), "the query runs")

    def recovers(self, fault: float) -> float:
        """Submit short jobs until one is completed; return the seconds since `fault`, which must not be too many."""
        while time.monotonic() - fault < 3 * RECOVERY_SECONDS:
            job_id = steadily(self.submit)
            if job_id is None:
                time.sleep(0.05)
                continue
            self.until(job_id, "COMPLETED", "ERROR", seconds=3 * RECOVERY_SECONDS)
            took = time.monotonic() - fault
            print(f"recovered {took:.1f} s after the fault")
            assert took < RECOVERY_SECONDS
            assert self.phase(job_id) == "COMPLETED"
            return took
        raise AssertionError("the service takes no job any more")

    def assert_kept(self, jobs: Iterable[str]) -> None:
        """Check that no job is lost, each has ended, none is completed twice, and errors have a reason."""
        for job_id in jobs:
            self.until(job_id, "COMPLETED", "ERROR", "ABORTED")
            phase = self.phase(job_id)
            assert self.counts(job_id) == (phase == "COMPLETED"), self.changes(job_id)
            if phase == "ERROR":
                assert len(self.reason(job_id)) > 20
            if phase == "COMPLETED":
                stored, attempt = self.files(job_id), self.changes(job_id)[-1][1]
                wanted = [f"{attempt}/{name}" for name in self._names(job_id)]
                assert stored == wanted, f"{job_id}: {stored}, not {wanted}; {self.changes(job_id)}"

    def _names(self, job_id: str) -> list[str]:
        rows = self.fetch("SELECT jsonb_path_query(results, '$[*].file_name') #>> '{}' FROM uws.jobs "
                          "WHERE job_id = %s", job_id)  # fmt: skip
        return [name for (name,) in rows]


def children(pid: int, module: str) -> set[int]:
    """Return the processes that another one has started and that run a module."""
    try:
        found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return set()
    return {int(child) for child in found if module.encode() in command_line(int(child))}


def worker_of(process: subprocess.Popen[bytes]) -> int:
    """Return the process that ``vo worker`` keeps running; 0 while there is none."""
    return max(children(process.pid, "vo.app.worker"), default=0)


def steadily(call: Any) -> Any:
    """Call, and return None where the service did not answer, or said that it cannot at present."""
    try:
        return call()
    except (OSError, http.client.HTTPException, psycopg2.OperationalError):
        return None
    except AssertionError as error:
        if "at present" in str(error) or "does not answer" in str(error) or "Try again" in str(error):
            return None
        raise


def kill(pid: int, number: int = signal.SIGKILL) -> None:
    """Send a signal; a process that is gone is fine."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def alive(pid: int) -> bool:
    """Return whether a process runs; one that nobody waited for yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def end(process: subprocess.Popen[bytes], number: int = signal.SIGTERM, seconds: float = 30.0) -> int:
    """Send a signal and return the exit status."""
    if process.poll() is None:
        process.send_signal(number)
    return process.wait(seconds)


def command_line(pid: int) -> bytes:
    """Return how a process was called; empty once it ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    """Freeze a process for the time of a ``with`` block."""
    kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        kill(pid, signal.SIGCONT)
