"""The service as processes: one supervisor, several processes that answer HTTP on one listening socket.

The supervisor owns the socket, starts the processes again when they die, keeps the private PostgreSQL running, and ends
everything it started when it is told to stop. A process whose supervisor is killed ends too.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from tap.ingest.sweep import sweep
from tap.upload.store import sweep_uploads
from vo.core import metrics
from vo.core.cluster import Cluster
from vo.core.errors import ConfigurationError, ServiceError
from vo.core.settings import Settings

STOP_SECONDS = 10.0
"""Time that processes have to finish their answers before they are killed; workers also have their drain time."""
EARLY_SECONDS = 5.0
"""A process that exits with an error this soon after its start is in trouble that a restart may not mend."""
EARLY_DEATHS = 3
"""So many of them in a row in one place and the supervisor gives up; what ends all processes at once counts once."""
TCP_NOTSENT_LOWAT = 25
"""Linux's number of the option, which Python 3.11 has no name for."""
CHECK_SECONDS = 0.25
SWEEP_SECONDS = 60.0

WORKER = "vo.app.worker"
WORKER_REST = 10.0
"""Pause before a worker that cannot start is started again."""

log = structlog.get_logger()


def listen(settings: Settings) -> socket.socket:
    """Return the listening socket.

    Raises
    ------
    ConfigurationError
        If the address is taken or not ours.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Accepted sockets inherit this; without it an answer in two writes waits 40 ms for a delayed acknowledgement.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    # The kernel takes little ahead of what the client has read, so that a slow reader is seen to be alive.
    listener.setsockopt(socket.IPPROTO_TCP, TCP_NOTSENT_LOWAT, 1 << 17)
    # A client that takes nothing any more loses its connection, and with it what the kernel holds for it.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 150_000)
    try:
        listener.bind((settings.host, settings.port))
        listener.listen(2048)
    except OSError as error:
        listener.close()
        raise ConfigurationError(
            f"Cannot listen on {settings.host}:{settings.port}: {error.strerror}.",
            hint="VO_HOST and VO_PORT choose the address.",
        ) from None
    listener.set_inheritable(True)
    return listener


@dataclass
class Supervisor:
    """Runs the processes of the service until `stop` is called.

    Attributes
    ----------
    settings : Settings
        Handed to the processes through their environment.
    cluster : Cluster, optional
        The private PostgreSQL to look after.
    """

    settings: Settings
    cluster: Cluster | None
    _stop: threading.Event = field(default_factory=threading.Event)
    _modules: list[str] = field(default_factory=list)
    _processes: list[subprocess.Popen[bytes] | None] = field(default_factory=list)
    _rest_until: dict[int, float] = field(default_factory=dict)
    _started_at: dict[int, float] = field(default_factory=dict)
    _early_deaths: Counter[int] = field(default_factory=Counter)

    def run(self, listener: socket.socket) -> None:
        """Serve until told to stop."""
        metrics.prepare_folder(self._metrics)
        environment = {
            **os.environ,
            metrics.FOLDER_VARIABLE: str(self._metrics),
            "VO_LISTENER": str(listener.fileno()),
            "VO_SUPERVISOR": str(os.getpid()),
        }
        self._modules = ["vo.app.process"] * self.settings.processes + [WORKER] * self.settings.workers
        self._processes = [self._start(module, listener, environment) for module in self._modules]
        watch = threading.Thread(target=self._look_after_database, name="database", daemon=True)
        watch.start()
        try:
            while not self._stop.wait(CHECK_SECONDS):
                for number, module in enumerate(self._modules):
                    process = self._processes[number]
                    if process is not None and process.poll() is not None:
                        self._rest_until[number] = time.monotonic() + self._note_death(number, process)
                        self._processes[number] = None
                    if self._processes[number] is None and time.monotonic() >= self._rest_until[number]:
                        self._processes[number] = self._start(module, listener, environment)
        finally:
            self._stop.set()
            self._end()
            watch.join()

    def _note_death(self, number: int, process: subprocess.Popen[bytes]) -> float:
        """Record that the process in a place ended by itself; return the seconds until the next one may start.

        Raises
        ------
        ConfigurationError
            If processes that answer HTTP end as soon as they start. Without workers the rest of the service goes on.
        """
        metrics.forget_process(process.pid, self._metrics)
        log.warning("process.ended", pid=process.pid, status=process.returncode)
        age = time.monotonic() - self._started_at.pop(process.pid)
        # One that a signal ended was killed or crashed: however often that happens, the next may live.
        early = process.returncode > 0 and age < EARLY_SECONDS
        self._early_deaths[number] = self._early_deaths[number] + 1 if early else 0
        if self._early_deaths[number] < EARLY_DEATHS:
            return 0.0
        if self._modules[number] != WORKER:
            raise ConfigurationError(
                "The processes of the service end as soon as they start.",
                hint=f"The reason stands above or in the log, {self.settings.log_path or 'standard error'}.",
            )
        log.error("worker.fails", hint="The reason stands in the lines above.", next_in=WORKER_REST)
        return WORKER_REST

    @property
    def _metrics(self) -> Path:
        return self.settings.home / "run" / "metrics"

    def stop(self) -> None:
        """End `run`."""
        self._stop.set()

    @property
    def stopping(self) -> bool:
        """Whether the end was asked for."""
        return self._stop.is_set()

    def _start(self, module: str, listener: socket.socket, environment: dict[str, str]) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-m", "vo.app", module],
            env=environment,
            pass_fds=[listener.fileno()],
            stdin=subprocess.DEVNULL,
            # Ctrl-C in the terminal reaches the supervisor only; it stops the processes in order.
            start_new_session=True,
        )
        self._started_at[process.pid] = time.monotonic()
        return process

    def _end(self) -> None:
        processes = [process for process in self._processes if process is not None]
        for process in processes:
            process.send_signal(signal.SIGTERM)
        end = time.monotonic() + STOP_SECONDS + (self.settings.drain_time if self.settings.workers else 0.0)
        for process in processes:
            try:
                process.wait(max(0.0, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _look_after_database(self) -> None:
        """Start the private PostgreSQL again when it is gone; drop replaced table versions."""
        swept = 0.0
        while not self._stop.wait(1.0):
            try:
                if self.cluster is not None and not self.cluster.running:
                    log.warning("database.gone")
                    self.cluster.start()
                    log.warning("database.started")
                if time.monotonic() - swept > SWEEP_SECONDS:
                    swept = time.monotonic()
                    sweep(self.settings)
                    sweep_uploads(self.settings)
            except ServiceError as error:
                log.warning("database.trouble", reason=str(error))
