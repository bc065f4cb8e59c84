"""The keeper: the first process of a run. It watches what the task uses, and with it the whole run ends."""

from __future__ import annotations

import json
import os
import signal
import stat
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

LOOK_SECONDS = 0.1
"""Time between two looks at the memory."""
DISK_SECONDS = 1.0
"""Time between two looks at the disk."""
DEEPEST = 100
"""Folders inside each other in which the task's files are looked for."""
END_SECONDS = 5.0
"""What processes that have been killed have to be gone in."""

_SIGNALS = {signal.SIGCHLD, signal.SIGTERM}


@dataclass(frozen=True, slots=True)
class Bounds:
    """What all processes of a run may use together: bytes of memory and of disk, and how many there may be.

    Where /dev/shm is their own, the files there count as memory.
    """

    memory: int
    disk: int
    processes: int
    own_shared_memory: bool


def prepare() -> None:
    """Hold back the signals that `Keeper.run` waits for; call it before the task is forked."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)


def release() -> None:
    """Take signals again; call it in the task."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)


class Keeper:
    """Watches a task until it ends.

    Parameters
    ----------
    task : int
        Its process, a child of this one.
    bounds : Bounds
        What it may use.
    folder : int
        Open folder of its files.
    status : int
        Pipe on which is told how it ended, as lines of JSON.
    """

    def __init__(self, task: int, bounds: Bounds, folder: int, status: int) -> None:
        self._task = task
        self._bounds = bounds
        self._folder = folder
        self._status = status
        self._own = itself()
        self._looked_at_disk = 0.0

    def run(self) -> None:
        """Return when the task and all its processes have ended, by themselves or because of a limit or a signal."""
        while True:
            received = signal.sigtimedwait(_SIGNALS, LOOK_SECONDS)
            if received is not None and received.si_signo == signal.SIGTERM:
                break
            ended = self._reap()
            if ended is not None:
                self._tell(exit=os.waitstatus_to_exitcode(ended))
                break
            over = self._over()
            if over is not None:
                self._tell(limit=over)
                break
        self._end_all()

    def _reap(self) -> int | None:
        """Collect what has ended; return the task's status if it is among that."""
        found = None
        with suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if not pid:
                    break
                if pid == self._task:
                    found = status
        return found

    def _over(self) -> str | None:
        """Return which limit is exceeded."""
        processes = descendants(self._own)
        if len(processes) > self._bounds.processes:
            return "processes"
        on_disk, in_memory = nameless_files(processes)
        files = in_memory + (shared_files() if self._bounds.own_shared_memory else 0)
        if any(count(processes, files) <= self._bounds.memory for count in (quick_memory, exact_memory)):
            return self._over_disk(on_disk)
        return "memory"

    def _over_disk(self, nameless: int) -> str | None:
        now = time.monotonic()
        if now - self._looked_at_disk > DISK_SECONDS:
            self._looked_at_disk = now
            if nameless + disk_usage(self._folder) > self._bounds.disk:
                return "disk"
        return None

    def _end_all(self) -> None:
        """Kill what is left."""
        if os.getpid() == 1:
            return  # then the kernel does that when this process ends
        end = time.monotonic() + END_SECONDS
        while (left := descendants(self._own)) and time.monotonic() < end:
            for pid in left:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            signal.sigtimedwait(_SIGNALS, 0.01)
            self._reap()

    def _tell(self, **what: Any) -> None:
        with suppress(OSError):
            os.write(self._status, json.dumps(what).encode() + b"\n")


def itself() -> int:
    """Return the number of this process as /proc has it, which may be the one of an outer namespace."""
    return int(os.readlink("/proc/self"))


def descendants(ancestor: int) -> set[int]:
    """Return the processes that come from another one, as /proc numbers them."""
    parents: dict[int, int] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with suppress(OSError, IndexError, ValueError):
                parents[int(name)] = int(_read(f"/proc/{name}/stat").rpartition(b")")[2].split()[1])
    children: dict[int, list[int]] = {}
    for pid, parent in parents.items():
        children.setdefault(parent, []).append(pid)
    found: set[int] = set()
    waiting = [ancestor]
    while waiting:
        new = [child for child in children.get(waiting.pop(), ()) if child not in found]
        found.update(new)
        waiting += new
    return found


def quick_memory(processes: Iterable[int], files: int) -> int:
    """Return the memory of processes and of files in it: more than they have, where they share some."""
    anonymous = shared = 0
    for pid in processes:
        fields = _fields(f"/proc/{pid}/status")
        anonymous += fields.get("RssAnon", 0)
        shared += fields.get("RssShmem", 0)
    return anonymous + max(shared, files)


def exact_memory(processes: Iterable[int], files: int) -> int:
    """Return the memory of processes and of files in it, what they share counted once."""
    anonymous = shared = 0
    for pid in processes:
        fields = _fields(f"/proc/{pid}/smaps_rollup")
        if "Pss_Anon" not in fields:  # it has ended, or the kernel is old or does not let us
            fields = {f"Pss_{kind}": size for kind, size in _resident(pid).items()}
        anonymous += fields.get("Pss_Anon", 0)
        shared += fields.get("Pss_Shmem", 0)
    return anonymous + max(shared, files)


def disk_usage(folder: int, deepest: int = DEEPEST) -> int:
    """Return the bytes that files of an open folder take; folders that are too deep to look into take all there are."""
    if not deepest:
        return sys.maxsize
    total = 0
    for name in os.listdir(folder):
        with suppress(FileNotFoundError, NotADirectoryError):
            found = os.stat(name, dir_fd=folder, follow_symlinks=False)
            total += found.st_blocks * 512
            if stat.S_ISDIR(found.st_mode):
                inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
                try:
                    total += disk_usage(inner, deepest - 1)
                finally:
                    os.close(inner)
    return total


def nameless_files(processes: Iterable[int]) -> tuple[int, int]:
    """Return what open files that have no name take of the disk and of the memory, which nothing else shows."""
    on_disk: dict[tuple[int, int], int] = {}
    in_memory: dict[tuple[int, int], int] = {}
    shared = os.stat("/dev/shm").st_dev  # noqa: S108  # what is there is counted with it
    for pid in processes:
        with suppress(OSError):  # it has ended, or the kernel does not let us
            for name in os.listdir(f"/proc/{pid}/fd"):
                path = f"/proc/{pid}/fd/{name}"
                with suppress(FileNotFoundError):
                    found = os.stat(path)
                    if stat.S_ISREG(found.st_mode) and not found.st_nlink and found.st_dev != shared:
                        kind = in_memory if os.readlink(path).startswith("/memfd:") else on_disk
                        kind[found.st_dev, found.st_ino] = found.st_blocks * 512
    return sum(on_disk.values()), sum(in_memory.values())


def _resident(pid: int) -> dict[str, int]:
    fields = _fields(f"/proc/{pid}/status")
    return {"Anon": fields.get("RssAnon", 0), "Shmem": fields.get("RssShmem", 0)}


def shared_files() -> int:
    """Return what files in /dev/shm take."""
    found = os.statvfs("/dev/shm")  # noqa: S108
    return (found.f_blocks - found.f_bfree) * found.f_frsize


def _fields(path: str) -> dict[str, int]:
    """Read the sizes, in bytes, of a file of /proc; nothing of a process that has ended."""
    try:
        lines = _read(path).decode().splitlines()
    except OSError:
        return {}
    pairs = (line.partition(":") for line in lines)
    return {name: int(value.split()[0]) * 1024 for name, _, value in pairs if value.endswith(" kB")}


def _read(path: str) -> bytes:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return os.read(descriptor, 65536)
    finally:
        os.close(descriptor)
