"""The cell in which a task runs: all that is taken from it here, and what could not be."""

from __future__ import annotations

import json
import os
import signal
import tempfile
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

from uws.tasks import isolation

_REMARKS = {
    "processes": "Tasks see the other processes of the machine, and theirs are ended one by one",
    "network": "Tasks have the network",
    "files": "Tasks see the files that their user may read, and can use the database's Unix sockets",
    "proc": "Tasks see which other processes there are",
    "read-only": "Tasks can write wherever their user may",
    "shared memory": "Tasks share /dev/shm with others",
    "user": "Tasks run as root",
    "rights": "Tasks keep the capabilities of their user",
    "code": "Tasks cannot import what they have not imported at the start",
}
ALWAYS_HIDDEN = (Path("/tmp"), Path("/var/tmp"), Path("/run/postgresql"), Path("/run/secrets"))  # noqa: S108
HIDDEN_WITHOUT_NETWORK = (Path("/run"),)
"""With the network a task needs it: names of hosts are resolved by files there."""


class Cell:
    """What a task's processes are shut into.

    Parameters
    ----------
    hide : sequence of pathlib.Path
        Folders and files that no task may see.
    lord : bool
        Whether this process has a namespace of users of its own.
    """

    def __init__(self, hide: Sequence[Path], *, lord: bool) -> None:
        self.refused: dict[str, str] = {}
        self.user = isolation.unprivileged()
        self.lord = lord
        self._code: tuple[Path, ...] = ()
        self._hide = tuple(hide)
        self._probing = False

    @property
    def own_processes(self) -> bool:
        """Whether a run has a namespace of processes, which ends as a whole with its first one."""
        return "processes" not in self.refused

    @property
    def work_is_shown(self) -> bool:
        """Whether the task finds its folder at `isolation.WORK`, not where it really is."""
        return "files" not in self.refused

    def remarks(self) -> tuple[str, ...]:
        """Return what is not possible here, for the operator."""
        return tuple(f"{_REMARKS[step]}: {reason}." for step, reason in self.refused.items())

    def probe(self) -> None:
        """Try all steps in a process that is thrown away, and remember those that are refused; import all before."""
        self._code = isolation.code_paths()
        closed = isolation.closed_to_others(self._code) if self.user else ()
        home = () if self.user else _home()
        self._hide = tuple(sorted({path.resolve() for path in (*self._hide, *ALWAYS_HIDDEN, *closed, *home)}))
        own = os.open("/proc/self/ns/pid", os.O_RDONLY)
        try:
            isolation.unshare(isolation.CLONE_NEWPID)
        except OSError as error:
            self.refused["processes"] = _reason(error)
        reading, writing = os.pipe()
        with tempfile.TemporaryDirectory() as folder:
            pid = os.fork()
            if not pid:
                ending(lambda: self._try(Path(folder), writing))
            os.close(writing)
            if self.own_processes:
                isolation.return_to(own, isolation.CLONE_NEWPID)
            with os.fdopen(reading, "rb") as file:
                told = file.read()
            os.waitpid(pid, 0)
        os.close(own)
        if not told:
            raise RuntimeError("the process that tries the isolation ended without a word")
        self.refused |= json.loads(told)

    def furnish(self, work: Path, *, network: bool, shared_memory: int) -> None:
        """Take from this process, the first one of a run, what no task may have; it still has all rights.

        Parameters
        ----------
        work : pathlib.Path
            The task's folder.
        network : bool
            Whether it keeps the network.
        shared_memory : int
            Most bytes in /dev/shm.
        """
        isolation.step_back()
        if not network:
            self._step("network", lambda: isolation.unshare(isolation.CLONE_NEWNET))
        if not self._step("files", lambda: self._furnish_files(work, network=network)):
            if not self._probing and self.user is not None and (closed := isolation.closed_to_others([work])):
                raise PermissionError(f"{closed[0]} is closed to the user {isolation.USER}: VO_SCRATCH names another")
            return
        if self.own_processes:
            self._step("proc", isolation.mount_proc)
        self._step("read-only", isolation.protect_files)
        self._step("shared memory", lambda: isolation.mount_shared_memory(shared_memory))

    def lock(self, *, file_size: int) -> None:
        """Give up this process's user and rights, for good."""
        isolation.limit_resources(file_size=file_size, processes=bool(self.user or self.lord))
        if self.user is not None:
            user, group = self.user
            self._step("user", lambda: isolation.become(user, group))
        self._step("rights", isolation.drop_rights)

    def _furnish_files(self, work: Path, *, network: bool) -> None:
        isolation.separate_files()
        os.chdir("/")
        descriptor = os.open(work, os.O_PATH)
        for path in (*self._hide, *(() if network else HIDDEN_WITHOUT_NETWORK)):
            isolation.cover(path, self._code)
        isolation.show(isolation.WORK, descriptor)
        os.close(descriptor)

    def _step(self, name: str, action: Callable[[], None]) -> bool:
        """Do what is possible here; what was possible at the start and is refused now is an error."""
        if name in self.refused:
            return False
        try:
            action()
        except OSError as error:
            if not self._probing:
                raise
            self.refused[name] = _reason(error)
            return False
        return True

    def _try(self, folder: Path, writing: int) -> None:
        self._probing = True
        self.furnish(folder, network=False, shared_memory=2**20)
        self.lock(file_size=2**20)
        closed = [path for path in self._code if not os.access(path, os.R_OK)]
        if closed:
            self.refused["code"] = f"their user cannot read {closed[0]}"
        os.write(writing, json.dumps(self.refused).encode())


def _home() -> tuple[Path, ...]:
    """Return the user's own folder, in which keys and passwords are; containers may have users without one."""
    try:
        return (Path.home(),)
    except RuntimeError:
        return ()


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


def ending(action: Callable[[], None], *, quiet: bool = False) -> None:
    """Do what a forked process is there for, and let it never return to what its parent does."""
    status = 1
    try:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        action()
        status = 0
    except BaseException:
        if not quiet:
            traceback.print_exc()
    finally:
        os._exit(status)
