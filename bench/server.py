"""A service of its own for the measurement: fresh data folder, free port, gone at the end."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from vo.core.cluster import Cluster
from vo.core.settings import Settings, load_settings

PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Bench:
    """The running service and its database."""

    settings: Settings
    process: subprocess.Popen[bytes]
    environment: dict[str, str]

    @property
    def tap(self) -> str:
        """Base URL of the TAP service."""
        return f"{self.settings.public_url}/tap"

    def vo(self, *arguments: str) -> str:
        """Run a ``vo`` command and return what it says."""
        done = subprocess.run(
            [sys.executable, "-m", "vo.cli", *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout + done.stderr

    def program(self, name: str) -> str:
        """Return the path of one of PostgreSQL's programs."""
        return Cluster(self.settings).program(name)

    def psql(self, sql: str) -> float:
        """Return the seconds that one psql call takes, its output thrown away."""
        command = [self.program("psql"), self.settings.conninfo(), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-c", sql]
        started = time.perf_counter()
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        return time.perf_counter() - started

    def memory(self) -> int:
        """Return the resident bytes of the service's processes, without PostgreSQL."""
        total = 0
        todo = [self.process.pid]
        while todo:
            pid = todo.pop()
            try:
                total += int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE
                for task in Path(f"/proc/{pid}/task").iterdir():
                    todo += [int(child) for child in (task / "children").read_text().split()]
            except (OSError, IndexError):
                continue  # ended while we looked
        return total


@contextmanager
def running() -> Iterator[Bench]:
    """Start a service with the demonstration catalogues and remove it afterwards."""
    home = Path(tempfile.mkdtemp(prefix="vo-bench-", dir="/var/tmp"))
    home.chmod(0o755)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("VO_")}
    environment = {**clean, "VO_HOME": str(home), "VO_PORT": str(port)}
    process = subprocess.Popen([sys.executable, "-m", "vo.cli", "serve", "--prepare"], env=environment)
    bench = Bench(load_settings(home=home, port=port), process, environment)
    try:
        wait(bench)
        yield bench
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()
        shutil.rmtree(home)


def wait(bench: Bench) -> None:
    """Wait until the service answers."""
    while bench.process.poll() is None:
        try:
            with urllib.request.urlopen(f"{bench.tap}/availability") as answer:
                if b"<available>true" in answer.read():
                    return
        except OSError:
            pass
        time.sleep(0.1)
    raise RuntimeError("the service ended while it was started")
