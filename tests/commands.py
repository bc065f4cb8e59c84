"""``vo`` commands in processes of their own that need not import everything anew: one that has is forked for each.

A command takes most of a second of the processor until it begins to work, all of it imports, and the tests run hundreds
of them. What the command line makes of its arguments, environment, folder and streams is the same. Tests of signals,
terminals and imports start whole processes.
"""

from __future__ import annotations

import array
import atexit
import json
import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from functools import cache
from importlib import import_module, invalidate_caches
from pathlib import Path
from typing import Any

PRELOADED = ("vo.app.parts", "tap.ingest.service", "vo.core.tables.readers", "rich.progress", "rich.table", "typer")
"""They read nothing of the environment when they are imported; ``vo.cli`` does, for its terminal."""


def run_vo(
    *arguments: str,
    environment: Mapping[str, str],
    folder: Path | None = None,
    check: bool = False,
    timeout: float = 300.0,
) -> subprocess.CompletedProcess[str]:
    """Run a ``vo`` command to its end, as `subprocess.run` does that captures its output as text."""
    command = ["vo", *arguments]
    with ExitStack() as stack:
        streams = [stack.enter_context(tempfile.TemporaryFile()) for _ in ("stdout", "stderr")]
        connection = stack.enter_context(socket.socket(socket.AF_UNIX))
        connection.settimeout(timeout)
        connection.connect(_address())
        rights = array.array("i", [stream.fileno() for stream in streams])
        connection.sendmsg([b"\n"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
        order = {"arguments": arguments, "environment": dict(environment), "folder": str(folder or Path.cwd())}
        connection.sendall(json.dumps(order).encode() + b"\n")
        try:
            status = json.loads(connection.makefile().readline())
        except TimeoutError:
            raise subprocess.TimeoutExpired(command, timeout) from None
        told = []
        for stream in streams:
            stream.seek(0)
            told.append(stream.read().decode())
    done = subprocess.CompletedProcess(command, status, *told)
    if check:
        done.check_returncode()
    return done


@cache
def _address() -> str:
    """Start the process that forks, once for this one, and return where it listens."""
    folder = tempfile.mkdtemp(prefix="vo-commands-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    address = f"{folder}/socket"
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("VO_", "PYTHONPATH"))}
    root = Path(__file__).resolve().parents[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.commands", address], stdout=subprocess.PIPE, env=clean, cwd=root
    )
    atexit.register(server.terminate)
    assert server.stdout is not None
    assert server.stdout.readline() == b"ready\n"
    return address


def main(address: str) -> None:
    """Fork for each command that is asked for; return in what was forked, with its command to run."""
    from vo.core.lean import without_pandas  # noqa: PLC0415  (this process imports nothing before)

    with without_pandas():
        import pyarrow as pa  # noqa: PLC0415

        for name in PRELOADED:
            import_module(name)
        pa.scalar("")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen(16)
    woken, waker = socket.socketpair()
    waker.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    signal.set_wakeup_fd(waker.fileno())
    waiting: dict[int, socket.socket] = {}
    print("ready", flush=True)
    with selectors.DefaultSelector() as selector:
        for each in (listener, woken):
            selector.register(each, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is woken:
                    woken.recv(4096)
                    _reap(waiting)
                    continue
                connection, _ = listener.accept()
                _, rights, _, _ = connection.recvmsg(1, socket.CMSG_SPACE(8))
                streams = array.array("i", rights[0][2])
                order = json.loads(connection.makefile().readline())
                if pid := os.fork():
                    waiting[pid] = connection
                    for stream in streams:
                        os.close(stream)
                    continue
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                for each in (listener, woken, waker, connection, *waiting.values()):
                    each.close()
                _become(order, streams)
                return


def _reap(waiting: dict[int, socket.socket]) -> None:
    """Tell of the commands that have ended."""
    while waiting:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        if (connection := waiting.pop(pid, None)) is not None:
            with connection:
                connection.sendall(json.dumps(os.waitstatus_to_exitcode(status)).encode() + b"\n")


def _become(order: dict[str, Any], streams: array.array[int]) -> None:
    """Take the environment, folder, streams and arguments of a command."""
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    for number, stream in enumerate(streams, start=1):
        os.dup2(stream, number)
        os.close(stream)
    os.environ.clear()
    os.environ.update(order["environment"])
    os.chdir(order["folder"])
    sys.path[0] = order["folder"]
    sys.path[1:1] = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    invalidate_caches()
    sys.argv = ["vo", *order["arguments"]]


if __name__ == "__main__":
    main(sys.argv[1])
    import_module("vo.cli").main()
