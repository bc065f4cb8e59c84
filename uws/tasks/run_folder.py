"""The folder of one run: the task's own part, what is taken out of its reach, and what it printed."""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from uws.tasks import isolation
from uws.tasks.frames import FrameError

PREFIX = "task-"
YOUNG_SECONDS = 60.0
"""A folder that is just being made has no lock yet."""
PRINTED = 4000
"""Bytes of what a task printed that are logged when it dies."""


class RunFolder:
    """A folder that is there for one run.

    Attributes
    ----------
    path : pathlib.Path
        With the folders ``work``, which is the task's, and ``kept``, where it cannot go.

    Parameters
    ----------
    scratch : pathlib.Path
        Where it is made.
    """

    def __init__(self, scratch: Path) -> None:
        made = Path(tempfile.mkdtemp(prefix=f".{PREFIX}", dir=scratch)).resolve()
        # Whoever holds the lock lives; it gets the name that the sweep looks for when it has it.
        self._lock = os.open(made, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self.path = made.rename(made.with_name(made.name[1:]))
        for name in ("work", "kept"):
            (self.path / name).mkdir(mode=0o700)
        if (user := isolation.unprivileged()) is not None:
            with suppress(OSError):  # then it runs as root, as the nursery's remarks say
                os.chown(self.path / "work", *user)
            self.path.chmod(0o711)  # where it has no view of its own, it goes through here

    def open_printed(self) -> int:
        """Return a descriptor of the file for what the task prints."""
        return os.open(self.path / "printed", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def printed(self) -> str:
        """Return the end of what the task printed."""
        with (self.path / "printed").open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - PRINTED))
            return file.read().decode(errors="replace")

    def take(self, name: str) -> Path:
        """Move a file out of the task's reach; it may be a link to one that is nobody's business.

        Raises
        ------
        FrameError
            If it is no file.
        """
        target = self.path / "kept" / name
        try:
            (self.path / "work" / name).rename(target)
            found = target.lstat()
        except OSError as error:
            raise FrameError(f"a file that cannot be taken: {error.strerror}") from None
        if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
            target.unlink()
            raise FrameError("a link where a file is needed")
        return target

    def remove(self) -> None:
        """Remove all of it."""
        shutil.rmtree(self.path, ignore_errors=True)
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def sweep_folders(scratch: Path) -> int:
    """Remove the folders of runs whose process was killed; return how many."""
    swept = 0
    for path in (*scratch.glob(f"{PREFIX}*"), *scratch.glob(f".{PREFIX}*")):
        try:
            lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:  # gone meanwhile
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            young = path.name.startswith(".") and time.time() - os.fstat(lock).st_mtime < YOUNG_SECONDS
            if not young:
                shutil.rmtree(path, ignore_errors=True)
                swept += 1
        except BlockingIOError:  # its run lives
            continue
        finally:
            os.close(lock)
    return swept
