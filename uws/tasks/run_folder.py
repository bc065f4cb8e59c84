"""The folder of one run: the task's own part, what is taken out of its reach, and what it printed."""

from __future__ import annotations

import errno
import fcntl
import itertools
import os
import secrets
import stat
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import structlog

from uws.tasks import isolation
from uws.tasks.frames import FrameError
from vo.core.errors import LimitError, UnavailableError

PREFIX = "task-"
YOUNG_SECONDS = 60.0
"""A folder that is just being made has no lock yet."""
PRINTED = 4000
"""Bytes of what a task printed that are logged when it dies."""


log = structlog.get_logger()


def no_room() -> LimitError:
    """Return the error of a run for whose files the disk has no room."""
    return LimitError("There is no room left on the disk for temporary files.", hint="Try again later.")


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

    Raises
    ------
    LimitError
        If the disk is full.
    UnavailableError
        If it cannot be made for another reason.
    """

    def __init__(self, scratch: Path) -> None:
        self._lock = -1
        self.path = scratch
        try:
            self._make(scratch)
        except OSError as error:
            if self.path != scratch:
                self.remove()
            log.error("task.folder", reason=str(error))
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise no_room() from error
            raise UnavailableError("The folder for temporary files cannot be used.", hint="Try again later.") from error

    def _make(self, scratch: Path) -> None:
        self.path = made = Path(tempfile.mkdtemp(prefix=f".{PREFIX}", dir=scratch)).resolve()
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
        remove_folder(self.path)
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def remove_folder(path: Path) -> None:
    """Remove a folder that a task has filled, however deep it is and whomever it is closed to; or as much as goes.

    Nothing here goes as deep as the folder is: inner folders are moved to its top before they are removed.
    """
    with suppress(OSError):
        top = _opened(str(path))
        try:
            numbers = itertools.count()
            prefix = secrets.token_hex(8)
            while names := os.listdir(top):
                for name in names:
                    if _unlinked(name, top):
                        continue
                    folder = _opened(name, top)
                    try:
                        for inner in os.listdir(folder):
                            if not _unlinked(inner, folder):
                                os.close(_opened(inner, folder))  # only one that is open to its owner can be moved
                                new = f"{prefix}-{next(numbers)}"
                                os.rename(inner, new, src_dir_fd=folder, dst_dir_fd=top)
                    finally:
                        os.close(folder)
                    os.rmdir(name, dir_fd=top)
        finally:
            os.close(top)
        path.rmdir()


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
                remove_folder(path)
                swept += 1
        except BlockingIOError:  # its run lives
            continue
        finally:
            os.close(lock)
    return swept


def _unlinked(name: str, folder: int) -> bool:
    """Remove what is no folder; return whether it was none."""
    if stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
        return False
    os.unlink(name, dir_fd=folder)
    return True


def _opened(name: str, folder: int | None = None) -> int:
    """Open a folder, and have its owner, who we are if not root, go into it."""
    found = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
    try:
        os.chmod(f"/proc/self/fd/{found}", 0o700)
        return os.open(f"/proc/self/fd/{found}", os.O_RDONLY | os.O_DIRECTORY)
    finally:
        os.close(found)
