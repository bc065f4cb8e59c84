"""Processes that are killed, a database that goes away, and how the service ends: on a service of these tests' own."""

from __future__ import annotations

import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.conftest import Service, make_home, wait_until
from tests.tap.asking import log_lines
from vo.core.cluster import Cluster
from vo.core.database import fetch_value

SMALL = "SELECT COUNT(*) AS n FROM tap_schema.schemas WHERE schema_name = 'tap_schema'"
LONG = "SELECT a.column_name, b.column_name AS other FROM " + ", ".join(
    f"tap_schema.columns AS {name}" for name in "abcde"
)
"""Some fifty million rows: a result that never ends while a test runs."""


@pytest.fixture(scope="module")
def own() -> Iterator[Service]:
    """A service with two processes that may be killed; it publishes TAP_SCHEMA alone."""
    running = Service(make_home(), prepare=False, VO_PROCESSES="2", VO_CONNECTIONS="4")
    running.start()
    yield running
    running.stop()
    shutil.rmtree(running.home)


def processes(service: Service, module: bytes = b"vo.app.process") -> set[int]:
    """Return the processes that answer HTTP, or those of another module, by /proc."""
    assert service.process is not None
    supervisor = service.process.pid
    children = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()
    return {int(pid) for pid in children if module in command_line(int(pid))}


def command_line(pid: int) -> bytes:
    """Return how a process was called; empty once it ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def of_home(home: Path) -> list[int]:
    """Return the processes that name a data folder in their command line or environment and are not this one."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                text = (entry / "cmdline").read_bytes() + b"\0" + (entry / "environ").read_bytes()
            except OSError:
                continue
            if str(home).encode() in text:
                found.append(int(entry.name))
    return found


def postmaster(service: Service) -> int:
    """Return the process id of the private PostgreSQL; 0 while there is none."""
    try:
        return int((service.home / "postgres" / "postmaster.pid").read_text().split()[0])
    except (OSError, IndexError):
        return 0


def ask(service: Service, query: str = SMALL) -> tuple[int, str]:
    """Send a query on a connection of its own; return the status and the body. What breaks raises OSError."""
    url = f"{service.tap}/sync?" + urllib.parse.urlencode({"LANG": "ADQL", "FORMAT": "csv", "QUERY": query})
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except http.client.HTTPException as error:
        raise ConnectionError(str(error)) from error


def stream(service: Service) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse, int]:
    """Begin to read an endless result; return the connection, the answer and the process that sends it."""
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=60)
    form = urllib.parse.urlencode({"LANG": "ADQL", "FORMAT": "csv", "QUERY": LONG, "MAXREC": "50000000"})
    connection.request("POST", "/tap/sync", form, {"Content-Type": "application/x-www-form-urlencoded"})
    answer = connection.getresponse()
    assert answer.status == 200
    assert answer.read(100_000).startswith(b"column_name,other\n")
    assert isinstance(connection.sock, socket.socket)
    return connection, answer, owner_of(service, connection.sock.getsockname()[1])


def owner_of(service: Service, client_port: int) -> int:
    """Return the process that holds the server's end of a connection."""
    ends = (f":{service.port:04X}", f":{client_port:04X}")
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    established = [row for row in rows if row[1].endswith(ends[0]) and row[2].endswith(ends[1]) and row[3] == "01"]
    (inode,) = {row[9] for row in established}  # while others come and go, the file may have a line twice
    for pid in processes(service):
        for file in Path(f"/proc/{pid}/fd").iterdir():
            if file.is_symlink() and os.readlink(file) == f"socket:[{inode}]":
                return pid
    raise AssertionError("no process of the service holds the connection")


def works_again(service: Service) -> None:
    """Wait until the service says so, then see that every one of many queries works."""
    service.wait()
    assert {ask(service) for _ in range(20)} == {(200, "n\n1\n")}


def test_a_killed_process_breaks_its_answer_and_is_replaced(own: Service) -> None:
    before = processes(own)
    connection, answer, pid = stream(own)
    with closing(connection):
        os.kill(pid, signal.SIGKILL)
        # Never what looks like a complete table: the last chunk is missing.
        with pytest.raises((http.client.IncompleteRead, ConnectionError)):
            answer.read()
    wait_until(lambda: len(processes(own)) == 2 and pid not in processes(own), "the process is replaced")
    assert len(processes(own) & before) == 1
    works_again(own)
    # Its query runs no more, neither in the figures nor in the database.
    wait_until(lambda: b"vo_tap_queries_running 0.0" in metrics(own), "the gauge forgets the process")
    running = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'vo_tap' AND state = 'active'"
    with closing(own.connect()) as database:
        wait_until(lambda: fetch_value(database, running) == 0, "PostgreSQL ends the query")


def metrics(service: Service) -> bytes:
    """Return the metrics page."""
    with urllib.request.urlopen(f"{service.url}/metrics", timeout=30) as answer:
        return bytes(answer.read())


def test_all_processes_killed(own: Service) -> None:
    before = processes(own)
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: len(processes(own)) == 2 and not processes(own) & before, "both are replaced")
    works_again(own)


def test_postgres_restarts_under_load(own: Service) -> None:
    stop = threading.Event()
    strange: list[object] = []
    good, bad = [0], [0]

    def client() -> None:
        while not stop.is_set():
            try:
                status, body = ask(own)
            except OSError:
                bad[0] += 1  # the answer broke
                continue
            if status == 503:
                bad[0] += 1
                if "Traceback" in body or "psycopg2" in body or str(own.home) in body:
                    strange.append(body)
            elif (status, body) == (200, "n\n1\n"):
                good[0] += 1
            else:
                strange.append((status, body))

    clients = [threading.Thread(target=client) for _ in range(4)]
    for thread in clients:
        thread.start()
    try:
        connection, answer, _ = stream(own)
        wait_until(lambda: good[0] > 10, "the clients get answers")
        cluster = Cluster(own.settings)
        user = "postgres" if os.geteuid() == 0 else None
        restart = [cluster.program("pg_ctl"), "restart", "-D", str(cluster.data), "-l", str(cluster.log)]
        subprocess.run(  # the supervisor may start it first: the exit status does not matter
            [*restart, "-m", "immediate", "-s"],
            user=user,
            group=user,
            extra_groups=[] if user else None,
            cwd="/",
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        own.wait()
        answered = good[0]
        wait_until(lambda: good[0] > answered + 20, "the clients get answers again")
    finally:
        stop.set()
        for thread in clients:
            thread.join()
    assert strange == []
    with closing(connection):
        try:
            end = answer.read()[-200:]
        except (http.client.IncompleteRead, ConnectionError):
            end = b"# ERROR: broken"  # a statement that had just begun: the driver ended its process
    assert b"# ERROR" in end
    works_again(own)


def test_postgres_killed_is_started_again_and_news_reach_every_process(own: Service) -> None:
    before, old = processes(own), postmaster(own)
    os.kill(old, signal.SIGKILL)
    wait_until(lambda: postmaster(own) not in (0, old), "PostgreSQL is started again")
    works_again(own)
    assert processes(own) == before
    table = own.home / "few.csv"
    table.write_text("name,ra,dec\na,10.0,20.0\nb,11.0,21.0\n")
    said = own.vo("ingest", str(table), "--table", "news.few").stderr
    assert said.startswith("✓ news.few: 2 rows in ")  # no progress bars where nobody looks
    # Each connection is taken by one process or the other; soon both have heard of the table.
    news = "SELECT COUNT(*) AS n FROM news.few"
    wait_until(lambda: {ask(own, news) for _ in range(20)} == {(200, "n\n2\n")}, "all processes know the table", 20)


def test_processes_end_with_a_killed_supervisor_and_the_next_adopts_postgres(own: Service) -> None:
    assert own.process is not None
    orphans, database = processes(own), postmaster(own)
    own.process.kill()
    own.process.wait()
    wait_until(lambda: not any(map(command_line, orphans)), "the processes end by themselves", seconds=20)
    assert command_line(database)
    own.start()
    assert postmaster(own) == database
    works_again(own)


def test_a_second_service_on_the_same_folder_is_refused(own: Service) -> None:
    refused = own.vo("serve", check=False)
    assert refused.returncode == 1
    assert f"A service runs already on {own.home}: {own.url}." in refused.stderr
    assert "Traceback" not in refused.stderr
    works_again(own)


def test_a_port_that_is_taken(own: Service) -> None:
    other = Service(make_home(), VO_PORT=str(own.port))
    refused = other.vo("serve", check=False)
    assert refused.returncode == 1
    assert f"Cannot listen on 127.0.0.1:{own.port}: Address already in use." in refused.stderr
    assert "VO_PORT" in refused.stderr
    assert of_home(other.home) == []
    shutil.rmtree(other.home)


def test_two_services_side_by_side(own: Service, service: Service) -> None:
    assert own.home != service.home
    assert ask(own, "SELECT COUNT(*) AS n FROM gaia_dr3.bright")[0] == 400
    assert ask(service, "SELECT COUNT(*) AS n FROM gaia_dr3.bright") == (200, "n\n482106\n")


def test_processes_that_cannot_start_end_the_service_with_a_reason(own: Service) -> None:
    assert own.process is not None
    wrong = own.home / "vo.toml"
    wrong.write_text("sync_time = 'long'\n")
    try:
        for pid in processes(own):
            os.kill(pid, signal.SIGKILL)
        assert own.process.wait(60) == 1
    finally:
        wrong.unlink()
    said = own.output.read_text()
    assert "VO_SYNC_TIME: Input should be a valid integer" in said
    assert "The processes of the service end as soon as they start." in said
    assert "Traceback" not in said
    assert of_home(own.home) == []
    own.start()
    works_again(own)


def test_a_worker_that_cannot_start_does_not_end_the_service(own: Service) -> None:
    """It is tried again after a rest, while synchronous queries go on."""
    before = len(log_lines(own.home, event="worker.fails"))
    with closing(own.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("ALTER TABLE uws.workers ADD CONSTRAINT nobody CHECK (slots < 0) NOT VALID")
        try:
            for pid in processes(own, b"vo.app.worker"):
                os.kill(pid, signal.SIGKILL)
            wait_until(lambda: len(log_lines(own.home, event="worker.fails")) > before, "the supervisor lets it rest")
            works_again(own)
        finally:
            cursor.execute("ALTER TABLE uws.workers DROP CONSTRAINT nobody")
        wait_until(lambda: fetch_value(connection, "SELECT count(*) FROM uws.workers") == 1, "a worker lives again")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_end_leaves_no_process(own: Service, number: signal.Signals) -> None:
    assert own.process is not None
    own.process.send_signal(number)
    assert own.process.wait(60) == 0
    assert of_home(own.home) == []
    assert not (own.home / "postgres" / "postmaster.pid").exists()
    began = time.monotonic()
    own.start()
    print(f"a second start takes {time.monotonic() - began:.1f} s")
    assert time.monotonic() - began < 20


def test_the_end_does_not_wait_for_ever_for_a_client(own: Service) -> None:
    connection, answer, _ = stream(own)
    assert own.stop() == 0
    assert of_home(own.home) == []
    with closing(connection), pytest.raises((http.client.IncompleteRead, ConnectionError)):
        answer.read()
    own.start()


def test_postgres_stays_for_another_command_until_that_is_done(own: Service) -> None:
    hold = """
import sys
from vo.cli.environment import database
with database():
    print("held", flush=True)
    sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", hold],
        env=own.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[3],
    ) as command:
        assert command.stdin is not None
        assert command.stdout is not None
        assert command.stdout.readline() == b"held\n"
        assert own.stop() == 0
        with closing(own.connect()) as database:
            assert fetch_value(database, "SELECT 1") == 1
        command.stdin.close()
    assert of_home(own.home) == []
    own.start()


def test_terminated_while_it_prepares(tmp_path: Path) -> None:
    starting = Service(make_home())
    with (tmp_path / "out").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "vo.cli", "serve", "--prepare"],
            env=starting.environment,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        wait_until(lambda: postmaster(starting), "PostgreSQL starts")
        process.terminate()
        assert process.wait(60) == 128 + signal.SIGTERM
    assert of_home(starting.home) == []
    assert "Traceback" not in (tmp_path / "out").read_text()
    shutil.rmtree(starting.home)
