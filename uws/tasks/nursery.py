"""The nursery: keeps a fork server alive, from which runs of tasks are born."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

import uws
from uws.tasks.forkserver import MAX_REQUEST
from vo.core.errors import UnavailableError

READY_SECONDS = 120.0
"""How long a run waits for the modules to be imported."""
AGAIN_SECONDS, MOST_SECONDS = 0.5, 30.0
"""Pause before a fork server that ended is started again; it doubles while the servers end before they are ready."""
LOOK_SECONDS = 0.2
"""Pause between two looks whether a run that waits for the modules is still wanted."""
BIRTH_SECONDS = 30.0
"""How long a run's birth may take before the fork server is given up."""
PATIENCE_SECONDS = 1.0
"""What a keeper has to end its processes in, before it is killed and the fork server does it."""
ENVIRONMENT = (
    "PATH",
    "LANG",
    "LANGUAGE",
    "TZ",
    "PYTHONPATH",
    "PYTHONHOME",
    "LD_LIBRARY_PATH",
    "VIRTUAL_ENV",
    "ASTROPY_SKIP_CONFIG_UPDATE",
)
"""Variables that tasks get, beside those of the locale; all others may hold secrets."""
KEEP_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": str(32 * 2**20),
    "MALLOC_TRIM_THRESHOLD_": str(128 * 2**20),
    "MALLOC_TOP_PAD_": str(16 * 2**20),
}
"""Arrays of some MB come and go: memory that goes back to the system each time has to be zeroed each time."""
ONE_THREAD = ("OPENBLAS", "OMP", "MKL", "BLIS", "NUMEXPR", "VECLIB_MAXIMUM", "NUMBA")
"""Libraries that would otherwise start a thread for each core: before the fork, and then for each run."""

log = structlog.get_logger()


@dataclass(slots=True)
class Born:
    """The keeper of a run, as its parent sees it.

    Attributes
    ----------
    pid : int
        For people; signals go by the descriptor.
    process : int
        Descriptor of the process, which can be read when it has ended.
    whole : bool
        Whether all processes of the run end with it, by a namespace.
    """

    pid: int
    process: int
    whole: bool
    _killed: float | None = None

    def kill(self) -> None:
        """End all processes of the run; called again it insists."""
        now = time.monotonic()
        self._killed = self._killed or now
        number = signal.SIGKILL if self.whole or now - self._killed > PATIENCE_SECONDS else signal.SIGTERM
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.process, number)


class Nursery:
    """Keeps a fork server; it is safe to be used from several threads.

    Parameters
    ----------
    preload : sequence of str
        Modules that tasks need.
    hide : sequence of pathlib.Path
        What no task may see: the data folder, folders of the database's Unix sockets.

    Attributes
    ----------
    pid : int
        The fork server's process, for people; 0 while there is none.
    """

    def __init__(self, preload: Sequence[str], hide: Sequence[Path] = ()) -> None:
        self.pid = 0
        self._wishes = {"preload": list(dict.fromkeys(preload)), "hide": [str(path) for path in hide]}
        self._lock = threading.Lock()
        self._changed = threading.Condition()
        self._socket: socket.socket | None = None
        self._connection: socket.socket | None = None
        self._remarks: tuple[str, ...] = ()
        self._closing = False
        self._thread: threading.Thread | None = None

    @property
    def remarks(self) -> tuple[str, ...]:
        """What isolation is not possible here, and which modules cannot be imported; known when it is warm."""
        return self._remarks

    def start(self) -> None:
        """Begin to import in the background."""
        with self._changed:
            if self._thread is None:
                # The server ends with the thread that started it, so that one lives as long as the nursery.
                self._thread = threading.Thread(target=self._tend, name="nursery", daemon=True)
                self._thread.start()

    def warm(self) -> None:
        """Wait until runs can be born.

        Raises
        ------
        UnavailableError
            If that takes too long.
        """
        self._ready()

    def close(self) -> None:
        """End the fork server, and with it all runs."""
        with self._changed:
            self._closing = True
            self._hang_up()
            self._changed.notify_all()
            thread, self._thread = self._thread, None
        if thread is not None:
            thread.join()

    def birth(
        self, request: dict[str, Any], descriptors: Sequence[int], stopped: Callable[[], bool] = lambda: False
    ) -> Born:
        """Start a run.

        Parameters
        ----------
        request : dict
            As `uws.tasks.forkserver` reads it.
        descriptors : sequence of int
            The run's ends of its pipes, which stay open here.
        stopped : callable, optional
            Whether nobody waits for the run any more.

        Raises
        ------
        UnavailableError
            If there is no fork server, or it came too late.
        """
        for _ in range(2):
            connection = self._ready(stopped)
            with self._lock:
                try:
                    socket.send_fds(connection, [json.dumps(request).encode()], list(descriptors))
                    message, born, _, _ = socket.recv_fds(connection, MAX_REQUEST, 1)
                except OSError:
                    message, born = b"", []
            answer = json.loads(message) if message else {}
            if "full" in answer:
                log.error("nursery.full", reason=answer["full"])
                raise UnavailableError("This machine can start no more processes.", hint="Try again later.")
            if born:
                return Born(answer["pid"], born[0], answer["whole"])
            with self._changed:  # it died: the next one may do better
                if self._connection is connection:
                    self._hang_up()
        raise UnavailableError("The process from which tasks are started has died.", hint="Try again later.")

    def _ready(self, stopped: Callable[[], bool] = lambda: False) -> socket.socket:
        self.start()
        end = time.monotonic() + READY_SECONDS
        with self._changed:
            while self._connection is None and not (self._closing or stopped() or time.monotonic() > end):
                self._changed.wait(LOOK_SECONDS)
            if self._connection is None:
                raise UnavailableError("Tasks cannot be started now.", hint="Try again later.")
            return self._connection

    def _tend(self) -> None:
        """Start the server, and start it again when it has ended."""
        pause = AGAIN_SECONDS
        while not self._closing:
            try:
                pause = AGAIN_SECONDS if self._serve() else min(2 * pause, MOST_SECONDS)
            except Exception:
                log.exception("nursery.bug")
            with self._changed:
                self._hang_up()
                self._changed.wait_for(lambda: self._closing, pause)

    def _serve(self) -> bool:
        """Run one server until it ends; return whether it was ready before."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        begun = time.monotonic()
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "uws.tasks.forkserver", str(theirs.fileno())],
                env=_environment(),
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        with self._changed:
            self.pid = process.pid
            self._socket = ours
            if self._closing:
                self._hang_up()
        told = b""
        try:
            if told := _introduce(ours, self._wishes):
                log.info("nursery.ready", pid=process.pid, seconds=round(time.monotonic() - begun, 3))
                self._welcome(ours, told)
                while self._socket is ours:  # else it was given up
                    with suppress(subprocess.TimeoutExpired):
                        process.wait(1.0)
                        break
        finally:
            process.kill()
            status = process.wait()
            with self._changed:
                self.pid = 0
                self._hang_up()
            with self._lock:
                ours.close()
        if not self._closing:
            log.warning("nursery.ended", pid=process.pid, status=status)
        return bool(told)

    def _welcome(self, ours: socket.socket, told: bytes) -> None:
        """Let runs be born by a server that is ready."""
        self._remarks = tuple(json.loads(told)["remarks"])
        for remark in self._remarks:
            log.warning("task.isolation", remark=remark)
        ours.settimeout(BIRTH_SECONDS)
        with self._changed:
            if self._socket is ours:
                self._connection = ours
                self._changed.notify_all()

    def _hang_up(self) -> None:
        """Shut the socket, which ends the server; `_changed` is held."""
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
        self._socket = self._connection = None


def _introduce(connection: socket.socket, wishes: dict[str, list[str]]) -> bytes:
    """Tell a server what is wanted of it, and return what it says when it is ready; nothing if it has ended."""
    try:
        connection.send(json.dumps(wishes).encode())
        return connection.recv(MAX_REQUEST)
    except OSError:
        return b""


def _environment() -> dict[str, str]:
    """Return the variables of the fork server and of all tasks."""
    kept = {name: value for name, value in os.environ.items() if name in ENVIRONMENT or name.startswith("LC_")}
    # Tasks have another current folder.
    paths = [os.path.abspath(path) for path in kept.get("PYTHONPATH", "").split(os.pathsep) if path]
    return {
        **kept,
        "PYTHONPATH": os.pathsep.join([*paths, str(Path(uws.__file__).parents[1])]),
        "JE_ARROW_MALLOC_CONF": "background_thread:false",  # else pyarrow has a thread as soon as it is imported
        **{f"{library}_NUM_THREADS": "1" for library in ONE_THREAD},
        **KEEP_MEMORY,
    }
