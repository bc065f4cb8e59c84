"""The fork server: a process that has imported what tasks need, and of which a run is a copy within milliseconds.

It is started by `uws.tasks.nursery` with its end of a socket, has one thread, and ends with who started it. For each
run it is sent a request with the ends of the run's pipes, and forks the run's keeper, which forks the task.
"""

from __future__ import annotations

import array
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import types
from contextlib import suppress
from pathlib import Path
from typing import Any

from uws.tasks import isolation, keeper
from uws.tasks.cell import Cell, ending

MAX_REQUEST = 65536
MAX_DESCRIPTORS = 64
ALWAYS = ("numpy", "scipy.spatial", "pyarrow.compute", "uws.tasks.child")
"""Modules that are imported whatever the tasks are."""
FIXED = ("status", "errors", "told", "orders")
"""The pipes of every run, by what they carry; those of its inputs follow."""


class ForkServer:
    """Forks runs until its socket is closed.

    Parameters
    ----------
    connection : socket.socket
        To the nursery; it keeps the limits of messages.
    lord : bool
        Whether this process has a namespace of users of its own.
    """

    def __init__(self, connection: socket.socket, *, lord: bool) -> None:
        self._connection = connection
        self._keepers: dict[int, int] = {}
        wishes = json.loads(connection.recv(MAX_REQUEST))
        self._cell = Cell([Path(path) for path in wishes["hide"]], lord=lord)
        isolation.adopt_orphans()
        remarks = _preload([*ALWAYS, *wishes["preload"]])
        self._cell.probe()
        self._own_processes = os.open("/proc/self/ns/pid", os.O_RDONLY)
        gc.collect()
        gc.freeze()  # what no collection touches stays shared with the runs
        connection.send(json.dumps({"remarks": [*remarks, *self._cell.remarks()]}).encode())

    def run(self) -> None:
        """Serve."""
        poll = select.poll()
        poll.register(self._connection, select.POLLIN)
        while True:
            for descriptor, _ in poll.poll(1000):
                if descriptor != self._connection.fileno():
                    poll.unregister(descriptor)
                    os.waitpid(self._keepers.pop(descriptor), 0)
                    os.close(descriptor)
                    continue
                message, descriptors, _, _ = socket.recv_fds(self._connection, MAX_REQUEST, MAX_DESCRIPTORS)
                if not message:
                    return
                born = self._fork(json.loads(message), descriptors)
                if born is not None:
                    poll.register(born, select.POLLIN)
            self._end_strays()

    def _fork(self, request: dict[str, Any], descriptors: list[int]) -> int | None:
        """Fork the keeper of a run, and tell the nursery by a descriptor of its process; None if the machine is full.

        That must not end this process, and with it the runs that there are.
        """
        own = self._cell.own_processes
        try:
            if own:
                isolation.unshare(isolation.CLONE_NEWPID)
            try:
                pid = os.fork()
                if not pid:
                    ending(lambda: self._keep(request, descriptors))
            finally:
                if own:
                    isolation.return_to(self._own_processes, isolation.CLONE_NEWPID)
        except OSError as error:
            with suppress(BrokenPipeError):
                self._connection.send(json.dumps({"full": str(error)}).encode())
            return None
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        process = os.pidfd_open(pid)
        self._keepers[process] = pid
        answer = json.dumps({"pid": pid, "whole": own}).encode()
        with suppress(BrokenPipeError):  # then the next look at the socket ends this process
            rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [process]))
            self._connection.sendmsg([answer], [rights])
        return process

    def _keep(self, request: dict[str, Any], descriptors: list[int]) -> None:
        """Be the keeper of a run."""
        server = os.getppid()
        isolation.die_with_parent(signal.SIGKILL if self._cell.own_processes else signal.SIGTERM)
        if not self._cell.own_processes and os.getppid() != server:
            return
        os.setsid()
        isolation.call_itself("vo-keeper")
        isolation.adopt_orphans()
        pipes = dict(zip(FIXED, descriptors, strict=False))
        inputs = descriptors[len(FIXED) :]
        _redirect(pipes["errors"])
        _close_others({0, 1, 2, *descriptors} - {pipes["errors"]})
        work = Path(request["folder"]) / "work"
        folder = os.open(work.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            self._cell.furnish(work, network=request["network"], shared_memory=request["memory"])
        except OSError as error:  # what was possible at the start
            os.write(pipes["status"], json.dumps({"refused": str(error)}).encode() + b"\n")
            return
        if self._cell.work_is_shown:
            work = isolation.WORK
        keeper.prepare()
        pid = os.fork()
        if not pid:
            os.close(folder)
            os.close(pipes["status"])
            ending(lambda: self._run_task(request, work, pipes["orders"], pipes["told"], inputs))
        for descriptor in (pipes["orders"], pipes["told"], *inputs):
            os.close(descriptor)
        bounds = keeper.Bounds(
            request["memory"], request["disk"], request["processes"], "shared memory" not in self._cell.refused
        )
        keeper.Keeper(pid, bounds, folder, pipes["status"]).run()

    def _run_task(self, request: dict[str, Any], work: Path, orders: int, told: int, inputs: list[int]) -> None:
        """Be the task's process."""
        keeper.release()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        os.setsid()
        self._cell.lock(file_size=request["disk"])
        isolation.die_with_parent(signal.SIGKILL)  # after it became another user, which would undo this
        isolation.call_itself(f"vo-task {request['label']}")
        # Else processes that the task starts would import this module as theirs.
        sys.modules["__main__"] = types.ModuleType("__main__")
        from uws.tasks.child import main  # noqa: PLC0415  # it was preloaded

        main(work, orders, told, inputs)

    def _end_strays(self) -> None:
        """Kill what outlived its keeper; with a namespace of processes nothing can."""
        if self._cell.own_processes:
            return
        known = set(self._keepers.values())
        for name in Path(f"/proc/self/task/{keeper.itself()}/children").read_text().split():
            if int(name) not in known:
                with suppress(OSError):
                    os.kill(int(name), signal.SIGKILL)
                    os.waitpid(int(name), 0)


def main() -> None:
    """Serve whoever started this process, at the other end of the socket that it was given."""
    isolation.die_with_parent(signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    connection = socket.socket(fileno=int(sys.argv[1]))
    lord = os.geteuid() != 0 and _become_lord()
    if _cannot_return():
        _become_first(connection)
    ForkServer(connection, lord=lord).run()


def _become_lord() -> bool:
    """Get, as an ordinary user, a namespace of users in which this process may make others."""
    try:
        isolation.enter_user_namespace()
    except OSError:
        return False  # what follows from it is said of each step
    return True


def _cannot_return() -> bool:
    """Return whether this process could have children in a new namespace of processes, but then no others.

    That is so when its own namespace belongs to users who are not its own.
    """
    pid = os.fork()
    if not pid:
        own = os.open("/proc/self/ns/pid", os.O_RDONLY)
        try:
            isolation.unshare(isolation.CLONE_NEWPID)
        except OSError:
            os._exit(0)
        ending(lambda: isolation.return_to(own, isolation.CLONE_NEWPID), quiet=True)
    return os.waitpid(pid, 0)[1] != 0


def _become_first(connection: socket.socket) -> None:
    """Go on as the first process of a namespace of processes that is this one's own."""
    isolation.unshare(isolation.CLONE_NEWPID)
    pid = os.fork()
    if pid:
        connection.close()
        _, status = os.waitpid(pid, 0)
        os._exit(max(0, os.waitstatus_to_exitcode(status)))
    isolation.die_with_parent(signal.SIGKILL)


def _preload(names: list[str]) -> list[str]:
    """Import modules; return remarks about those that cannot be, or must not be here."""
    remarks = []
    for name in names:
        try:
            importlib.import_module(name)
        except Exception as error:  # a module of somebody else's may fail in any way
            remarks.append(f"The module {name} cannot be preloaded: {type(error).__name__}: {error}")
            continue
        threads = len(os.listdir("/proc/self/task"))
        if threads > 1:
            remarks.append(f"The module {name} starts threads when it is imported: it must not be preloaded.")
            break
    return remarks


def _redirect(errors: int) -> None:
    """Give this process no input, and let what is printed go to a file of the run."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    for descriptor, number in ((nothing, 0), (errors, 1), (errors, 2)):
        os.dup2(descriptor, number)
    os.close(nothing)
    os.close(errors)


def _close_others(keep: set[int]) -> None:
    """Close all that is open but these descriptors."""
    for name in os.listdir("/proc/self/fd"):
        if int(name) not in keep:
            with suppress(OSError):
                os.close(int(name))


if __name__ == "__main__":
    main()
