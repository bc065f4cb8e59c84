"""What tests share: one data folder with a private PostgreSQL and one running service for the whole session."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import psycopg2
import pytest
from psycopg2 import sql

from sql import read_sql
from tests.commands import run_vo
from tests.schema import faults
from vo.core.cluster import Cluster
from vo.core.settings import Settings, load_settings

SHARED = Path(__file__).resolve().parents[2] / "shared"
"""Real input and the standards' schemas, beside the repository where they exist."""
BIG_ROWS = 20_000

WAITING = ("uws", "vo/app", "vo/cli")
"""Folders of tests that wait for services most of the time; the others compute."""

_numbers = itertools.count(1)
_without_shared: list[str] = []


@pytest.fixture(scope="session")
def shared_folder() -> Path | None:
    """The folder ../shared; None on a machine that has only the repository."""
    return SHARED if SHARED.is_dir() else None


@pytest.fixture
def shared(request: pytest.FixtureRequest, shared_folder: Path | None) -> Path:
    """The folder ../shared; a test that needs it is skipped, and counted, where it is missing."""
    if shared_folder is None:
        _without_shared.append(request.node.nodeid)
        pytest.skip("needs ../shared")
    return shared_folder


@pytest.fixture(scope="session")
def validate(shared_folder: Path | None) -> Callable[[bytes], list[str]]:
    """Check a document against the IVOA's schemas; gives what is wrong."""
    return partial(faults, folder=shared_folder)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mix files whose tests wait with files whose tests compute, so that not all processes wait at the same time."""
    root = Path(__file__).parent
    files = {path: list(tests) for path, tests in itertools.groupby(items, key=lambda item: item.path)}
    groups: tuple[list[Path], list[Path]] = ([], [])
    for path in files:
        groups[str(path.relative_to(root)).startswith(WAITING)].append(path)
    places = {path: (place + 0.5) / len(group) for group in groups for place, path in enumerate(group)}
    items[:] = [item for path in sorted(files, key=lambda path: places[path]) for item in files[path]]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how much was not tested for want of ../shared."""
    if _without_shared:
        terminalreporter.write_line(
            f"{len(_without_shared)} tests were skipped: they need ../shared, which is not here."
        )


def free_port() -> int:
    """Return a TCP port that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def make_home() -> Path:
    """Make a data folder that the database's user can reach; pytest's own folders are closed to others."""
    home = Path(tempfile.mkdtemp(prefix="vo-test-", dir="/tmp"))
    home.chmod(0o755)
    return home


def environment(home: Path, **variables: str) -> dict[str, str]:
    """Return an environment that knows nothing of the machine's own service, nor of plug-ins of another test.

    Services have one process that answers, to start soon; tests of several ask for them.
    """
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("VO_", "PYTHONPATH"))}
    return {**clean, "VO_HOME": str(home), "VO_PROCESSES": "1", **variables}


def wait_until(condition: Callable[[], object], what: str, seconds: float = 60.0) -> None:
    """Wait until a condition holds; fail, saying what was awaited, when it does not come true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited {seconds:g} s in vain until {what}"
        time.sleep(0.05)


class Service:
    """A running service: ``vo serve`` as an operator starts it, on its own data folder and port.

    Parameters
    ----------
    home : pathlib.Path
        Data folder.
    variables : str
        Further settings as in the environment.
    """

    def __init__(self, home: Path, *, prepare: bool = True, **variables: str) -> None:
        self.home = home
        self.port = int(variables.get("VO_PORT") or free_port())
        self.url = f"http://127.0.0.1:{self.port}"
        self.tap = f"{self.url}/tap"
        self.environment = environment(home, **{**variables, "VO_PORT": str(self.port)})
        self._prepare = ["--prepare"] if prepare else []
        self.process: subprocess.Popen[bytes] | None = None
        self.output = home / "serve.out"

    @property
    def settings(self) -> Settings:
        """The service's settings."""
        return load_settings(home=self.home, port=self.port)

    def start(self) -> None:
        """Start it and wait until it answers."""
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "vo.cli", "serve", *self._prepare],
                env=self.environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.wait()

    def wait(self, seconds: float = 90.0) -> None:
        """Wait until the service answers."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            assert self.process is not None
            if self.process.poll() is not None:
                break
            try:
                with urllib.request.urlopen(f"{self.tap}/availability", timeout=5) as answer:
                    if b"<available>true" in answer.read():
                        return
            except OSError:
                pass
            time.sleep(0.05)
        raise AssertionError(f"the service does not answer:\n{self.output.read_text()[-3000:]}")

    def stop(self) -> int:
        """Stop it as Ctrl-C does; return its exit status."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        return self.process.wait(60)

    def vo(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a ``vo`` command on the same data folder."""
        return run_vo(*arguments, environment=self.environment, check=check)

    def connect(self, role: str = "vo") -> psycopg2.extensions.connection:
        """Open a connection to its database."""
        connection = psycopg2.connect(self.settings.conninfo(role))
        connection.autocommit = True
        return connection


@pytest.fixture(scope="session")
def home() -> Iterator[Path]:
    """The session's data folder."""
    folder = make_home()
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def cluster(home: Path) -> Iterator[Settings]:
    """The session's private PostgreSQL, running."""
    settings = load_settings(home=home)
    with Cluster(settings).held():
        yield settings


@pytest.fixture
def scratch_database(cluster: Settings) -> Iterator[str]:
    """The libpq URL of an empty database with the extensions, as superuser."""
    name = f"scratch_{next(_numbers)}"
    maintenance = cluster.url("postgres").set(database="postgres").render_as_string(hide_password=False)
    admin = psycopg2.connect(maintenance)
    admin.autocommit = True
    with admin.cursor() as cursor:
        cursor.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    url = cluster.url("postgres").set(database=name).render_as_string(hide_password=False)
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(read_sql("setup.sql"))
    connection.close()
    yield url
    with admin.cursor() as cursor:
        cursor.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
    admin.close()


@pytest.fixture(scope="session")
def service(home: Path, cluster: Settings) -> Iterator[Service]:
    """The running service with the demonstration catalogues and a small demo.big."""
    running = Service(home, VO_PROCESSES="2")
    running.start()
    running.vo("demo", "--rows", str(BIG_ROWS))
    yield running
    running.stop()
