"""``vo jobs`` and what ``vo doctor`` says of jobs, as an operator meets them."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.conftest import Service, make_home
from tests.tap.asking import FORM, SLOW, TABLES, ask, eventually

EVIL = "evil\033]0;owned\007\tname"


def submit(service: Service, query: str, **parameters: str) -> str:
    """Send a query as a job and return its id."""
    body = urlencode({"LANG": "ADQL", "FORMAT": "csv", "PHASE": "RUN", "QUERY": query, **parameters})
    answer = ask(service, "/tap/async", method="POST", body=body.encode(), headers=FORM)
    assert answer.status == 303, answer.text
    return str(answer.headers["Location"]).rpartition("/")[2]


def phase(service: Service, job_id: str) -> str:
    return ask(service, f"/tap/async/{job_id}/phase").text


def reach(service: Service, job_id: str, *phases: str) -> None:
    eventually(lambda: phase(service, job_id) in phases, 60)


def begin(service: Service, *arguments: str) -> subprocess.Popen[str]:
    """Start a ``vo`` command."""
    command = [sys.executable, "-m", "vo.cli", *arguments]
    return subprocess.Popen(
        command, env=service.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1
    )


def listed(service: Service, *arguments: str) -> list[dict[str, str]]:
    """Return what ``vo jobs list`` prints for programs."""
    names, *lines = service.vo("jobs", "list", *arguments).stdout.splitlines()
    return [dict(zip(names.split("\t"), line.split("\t"), strict=True)) for line in lines]


def in_terminal(service: Service, columns: int, *arguments: str) -> str:
    """Run a ``vo`` command in a terminal and return what it shows."""
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    with subprocess.Popen(
        [sys.executable, "-m", "vo.cli", *arguments],
        env={**service.environment, "TERM": "xterm", "COLUMNS": str(columns)},
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
    ):
        os.close(theirs)
        shown = b""
        try:
            while block := os.read(ours, 4096):
                shown += block
        except OSError:  # the other side is closed
            pass
    os.close(ours)
    return shown.decode()


@pytest.fixture(scope="module")
def done(service: Service) -> str:
    """A job that has completed."""
    job_id = submit(service, TABLES, RUNID=EVIL)
    reach(service, job_id, "COMPLETED")
    return job_id


@pytest.fixture
def slow(service: Service) -> Iterator[str]:
    """A job that runs."""
    job_id = submit(service, SLOW)
    reach(service, job_id, "EXECUTING")
    yield job_id
    ask(service, f"/tap/async/{job_id}", method="DELETE")


def test_a_list_for_programs(service: Service, done: str, slow: str) -> None:
    jobs = {job["job_id"]: job for job in listed(service, "--all")}
    assert jobs[done]["phase"] == "COMPLETED"
    assert jobs[done]["account"] == "address:127.0.0.1"
    assert jobs[done]["query"] == TABLES
    assert jobs[done]["run_id"] == "evil ]0;owned name"
    assert int(jobs[done]["bytes"]) == len(ask(service, f"/tap/async/{done}/results/result").body)
    assert jobs[slow]["phase"] == "EXECUTING"
    assert float(jobs[slow]["seconds"]) > 0


def test_a_list_is_narrowed(service: Service, done: str, slow: str) -> None:
    newest = listed(service, "--phase", "executing", "--phase", "ERROR", "--last", "1", "--account", "127.0.0.1")
    assert [job["job_id"] for job in newest] == [slow]
    assert listed(service, "--account", "somebody", "--after", "2000-01-01") == []
    wrong = service.vo("jobs", "list", "--phase", "RUNNING", check=False)
    assert wrong.returncode == 1
    assert "'RUNNING' is not a phase" in wrong.stderr


def test_a_list_for_people_fits_the_window(service: Service, done: str) -> None:
    shown = in_terminal(service, 60, "jobs", "list", "--all")
    lines = [re.sub(r"\033\[[0-9;]*m", "", line) for line in shown.splitlines()]
    [line] = [line for line in lines if line.startswith(done[:8])]
    assert lines[0].split()[:2] == ["job", "phase"]
    assert line.split()[1:4] == ["COMPLETED", "tap", "127.0.0.1"]
    assert max(map(len, lines)) <= 60
    assert "\033]" not in shown
    assert "\007" not in shown


def test_whoever_stops_reading_sees_no_trace(service: Service, done: str) -> None:
    listing = begin(service, "jobs", "fetch", done, "--output", "-")
    assert listing.stdout is not None
    listing.stdout.close()
    assert listing.stderr is not None
    assert listing.stderr.read() == ""
    listing.stderr.close()
    listing.wait(60)


def test_a_job_is_shown(service: Service, done: str) -> None:
    text = service.vo("jobs", "show", done[:12]).stdout
    file = "tap_schema-tables.csv"
    for words in (done, f"{service.tap}/async/{done}", "COMPLETED", file, TABLES, "destruction", "evil"):
        assert words in text
    assert "\033" not in text


def test_beginnings_of_ids(service: Service) -> None:
    twins = ["feedfeedfeed0", "feedfeedfeed00"]
    connection = service.connect()
    with connection.cursor() as cursor:
        for job_id in twins:
            cursor.execute(
                "INSERT INTO uws.jobs (job_id, service, account, execution_duration, destruction) "
                "VALUES (%s, 'tap', 'address:192.0.2.1', 1, now() + interval '1 hour')",
                [job_id],
            )
    several = service.vo("jobs", "show", "feedfeedfeed", check=False)
    assert (several.returncode, several.stdout) == (1, "")
    assert "Several jobs begin with 'feedfeedfeed': feedfeedfeed0, feedfeedfeed00" in several.stderr
    # A word that is wrong does nothing at all.
    wrong = service.vo("jobs", "delete", "feedfeedfeed00", "nothing", check=False)
    assert wrong.returncode == 1
    assert "There is no job 'nothing'." in wrong.stderr
    assert service.vo("jobs", "delete", *twins).stderr.count("deleted") == 2
    with connection.cursor() as cursor:
        cursor.execute("SELECT FROM uws.jobs WHERE job_id = ANY(%s)", [twins])
        assert cursor.rowcount == 0
    connection.close()


@pytest.fixture
def computed(service: Service) -> Iterator[str]:
    """A job of another service than TAP, with two results and much to tell, as a worker leaves it."""
    job_id = "c0ffee00c0ffee00c0ffee00c0ffee00"
    results = []
    for name in ("result", "rejected"):
        path = f"{job_id[:2]}/{job_id}/1/made-{name}.csv"
        file = service.home / "results" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{name}\n1\n")
        about = {"media_type": "text/csv", "size": file.stat().st_size, "path": path, "file_name": file.name}
        results.append({"id": name, **about, "remark": None})
    facts = {
        "plan": "as a stream",
        "requested": 1200,
        "found": 1197,
        "failed": {"no position": 3},
        "notes": [["engine", "sweep"]],
    }
    connection = service.connect()
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO uws.jobs (job_id, service, account, phase, execution_duration, destruction, parameters, "
            "results, facts, quote) VALUES (%s, 'task.made-up', 'address:192.0.2.2', 'COMPLETED', 1, "
            "now() + interval '1 hour', %s, %s, %s, now())",
            [job_id, json.dumps([["TABLE_1", "a.b"], ["RADIUS", "2"]]), json.dumps(results), json.dumps(facts)],
        )
    connection.close()
    yield job_id
    service.vo("jobs", "delete", job_id, check=False)


def test_jobs_of_all_services(service: Service, done: str, computed: str) -> None:
    jobs = {job["job_id"]: job for job in listed(service, "--all")}
    assert (jobs[done]["service"], jobs[computed]["service"]) == ("tap", "task.made-up")
    assert jobs[computed]["query"] == "TABLE_1=a.b RADIUS=2"
    for word in ("made-up", "task.made-up"):
        assert [job["job_id"] for job in listed(service, "--service", word)] == [computed]
    assert computed not in [job["job_id"] for job in listed(service, "--all", "--service", "tap")]


def test_what_a_job_tells_of_itself(service: Service, computed: str) -> None:
    text = service.vo("jobs", "show", computed[:10]).stdout
    assert f"{service.url}/tasks/made-up/async/{computed}" in text
    told = {" ".join(line.split()) for line in text.splitlines()}
    assert {"plan as a stream", "asked for 1,200", "found 1,197", "failed 3: no position"} <= told
    assert {"note engine: sweep", "RADIUS 2"} <= told
    assert "quote" in text


def test_fetching_several_results(service: Service, computed: str, tmp_path: Path) -> None:
    folder = tmp_path / "new"
    service.vo("jobs", "fetch", computed, "--output", str(folder))
    names = [f"{computed[:8]}-made-{name}.csv" for name in ("rejected", "result")]
    assert sorted(file.name for file in folder.iterdir()) == names
    assert (folder / names[0]).read_text() == "rejected\n1\n"
    again = service.vo("jobs", "fetch", computed, "--output", str(folder), check=False)
    assert (again.returncode, "is there already" in again.stderr) == (1, True)
    assert service.vo("jobs", "fetch", computed, "--result", "rejected", "--output", "-").stdout == "rejected\n1\n"
    torn = service.vo("jobs", "fetch", computed, "--output", "-", check=False)
    assert (torn.returncode, "several results: result, rejected" in torn.stderr) == (1, True)


def test_following_to_the_end(service: Service) -> None:
    job_id = submit(service, TABLES, PHASE="")
    following = begin(service, "jobs", "follow", job_id[:10])
    assert following.stderr is not None
    assert "PENDING waiting to be started" in following.stderr.readline()
    ask(service, f"/tap/async/{job_id}/phase", method="POST", body=b"PHASE=RUN", headers=FORM)
    _, told = following.communicate(timeout=60)
    assert following.returncode == 0
    assert f"✓ {job_id[:8]} COMPLETED after" in told
    assert "tap_schema-tables.csv" in told


def test_following_a_job_that_fails(service: Service) -> None:
    following = service.vo("jobs", "follow", submit(service, "SELECT raa FROM demo.big"), check=False)
    assert following.returncode == 1
    assert "ERROR" in following.stderr
    assert "There is no column raa." in following.stderr


def test_leaving_a_job_alone_then_aborting_it(service: Service, slow: str) -> None:
    following = begin(service, "jobs", "follow", slow)
    assert following.stderr is not None
    assert "EXECUTING running for" in following.stderr.readline()
    following.send_signal(signal.SIGINT)
    _, told = following.communicate(timeout=60)
    assert following.returncode == 130
    assert "The job goes on." in told
    assert phase(service, slow) == "EXECUTING"

    waiting = submit(service, TABLES, PHASE="")
    aborted = service.vo("jobs", "abort", slow[:10], waiting).stderr
    assert f"{slow[:8]} ABORTED, it has stopped" in aborted
    assert f"{waiting[:8]} ABORTED, it had not begun" in aborted
    connection = service.connect()
    with connection.cursor() as cursor:
        cursor.execute("SELECT FROM pg_stat_activity WHERE application_name = %s", [f"vo:{slow}"])
        assert cursor.rowcount == 0
    connection.close()
    assert "had ended before: ABORTED" in service.vo("jobs", "abort", slow).stderr


def test_fetching(service: Service, done: str, slow: str, tmp_path: Path) -> None:
    body = ask(service, f"/tap/async/{done}/results/result").body
    service.vo("jobs", "fetch", done[:12], "--output", str(tmp_path))
    [file] = tmp_path.iterdir()
    assert file.name == f"{done[:8]}-tap_schema-tables.csv"
    assert file.read_bytes() == body
    file.write_text("kept")
    refused = service.vo("jobs", "fetch", done, "--output", str(file), check=False)
    assert refused.returncode == 1
    assert "is there already" in refused.stderr
    assert file.read_text() == "kept"
    service.vo("jobs", "fetch", done, "--output", str(file), "--force")
    assert file.read_bytes() == body
    assert list(tmp_path.iterdir()) == [file]
    assert service.vo("jobs", "fetch", done, "--output", "-").stdout.encode() == body
    early = service.vo("jobs", "fetch", slow, check=False)
    assert early.returncode == 1
    assert "The job is EXECUTING and has no results." in early.stderr


def test_deleting(service: Service, slow: str) -> None:
    ended = submit(service, TABLES)
    reach(service, ended, "COMPLETED")
    folder = service.home / "results" / ended[:2] / ended
    assert folder.is_dir()
    told = service.vo("jobs", "delete", slow, ended).stderr
    assert f"{ended[:8]} deleted" in told
    assert f"{slow[:8]} deleted, it has stopped" in told
    assert not folder.exists()
    for job_id in (slow, ended):
        assert ask(service, f"/tap/async/{job_id}").status == 404


def test_workers(service: Service) -> None:
    names, line = (line.split("\t") for line in service.vo("jobs", "workers").stdout.splitlines())
    worker = dict(zip(names, line, strict=True))
    assert worker["state"] == "working"
    assert worker["slots"] == "4"
    assert b"vo.app.worker" in Path(f"/proc/{worker['pid']}/cmdline").read_bytes()


def test_a_worker_drains(service: Service, slow: str) -> None:
    """It runs what it has to the end, begins nothing meanwhile, and goes on when it is told to."""

    def states() -> dict[str, str]:
        names, *lines = service.vo("jobs", "workers").stdout.splitlines()
        workers = [dict(zip(names.split("\t"), line.split("\t"), strict=True)) for line in lines]
        return {worker["worker"]: worker["state"] for worker in workers}

    [worker] = states()
    try:
        told = service.vo("jobs", "drain", worker[:8]).stderr
        assert "begins no more jobs; 1 that it runs goes on" in told
        assert states() == {worker: "draining"}
        waiting = submit(service, TABLES)
        following = begin(service, "jobs", "follow", waiting)
        assert following.stderr is not None
        assert "and every worker rests" in following.stderr.readline()
        draining = begin(service, "jobs", "drain", worker, "--wait")
        service.vo("jobs", "abort", slow)
        assert "it runs none" in draining.communicate(timeout=60)[1]
        assert states() == {worker: "drained"}
        assert phase(service, waiting) == "QUEUED"
    finally:
        service.vo("jobs", "drain", worker, "--undo")
    following.communicate(timeout=60)
    assert following.returncode == 0
    wrong = service.vo("jobs", "drain", "nobody", check=False)
    assert (wrong.returncode, "There is no worker 'nobody'." in wrong.stderr) == (1, True)


def test_no_service_is_made_by_asking() -> None:
    home = make_home()
    lonely = Service(home).vo("jobs", "list", check=False)
    assert lonely.returncode == 1
    assert f"There is no service in VO_HOME={home}." in lonely.stderr
    assert list(home.iterdir()) == []
    shutil.rmtree(home)


@pytest.fixture(scope="module")
def idle() -> Iterator[Service]:
    """A service without workers."""
    running = Service(make_home(), prepare=False, VO_WORKERS="0", VO_PROCESSES="1")
    running.start()
    yield running
    running.stop()
    shutil.rmtree(running.home, ignore_errors=True)


def test_nobody_works(idle: Service) -> None:
    job_id = submit(idle, TABLES)
    following = begin(idle, "jobs", "follow", job_id)
    assert following.stderr is not None
    assert re.search("QUEUED waiting for a free place for .*, and no worker runs", following.stderr.readline())
    following.send_signal(signal.SIGINT)
    following.communicate(timeout=60)
    doctor = idle.vo("doctor", check=False)
    assert doctor.returncode == 1
    assert "✗ no worker runs, and 1 jobs wait, the oldest for" in doctor.stderr
    assert "vo worker" in doctor.stderr


@pytest.mark.parametrize(
    ("variables", "phrases"),
    [
        (
            {"VO_PROCESSES": "40", "VO_RESULTS": "/proc/nowhere"},
            [
                "✗ results cannot be stored in /proc/nowhere",
                "as ADQL's role; the role may have 150",
                "Lower VO_PROCESSES",
            ],
        ),
        ({"VO_PROCESSES": "10", "VO_CONNECTIONS": "10"}, ["; PostgreSQL takes 197", "max_connections ="]),
    ],
    ids=["of-role", "of-all"],
)
def test_doctor_on_settings_that_cannot_work(idle: Service, variables: dict[str, str], phrases: list[str]) -> None:
    changed = Service(idle.home, prepare=False, VO_PORT=str(idle.port), **variables)
    told = changed.vo("doctor", check=False).stderr
    for phrase in phrases:
        assert phrase in told


def test_doctor_tells_where_results_go(service: Service) -> None:
    told = service.vo("doctor").stderr
    assert f"✓ results can be stored in {service.home}/results;" in told
    assert "✓ workers: 1 alive on" in told
    assert "; PostgreSQL takes 197" in told
    assert not [folder for folder in (service.home / "results").iterdir() if folder.name.startswith("doctor")]
