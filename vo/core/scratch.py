"""Where temporary files are: on a disk that the operator has chosen, whatever library makes them."""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from vo.core.errors import ConfigurationError
from vo.core.limits import Limits
from vo.core.settings import Settings

LOOK_EVERY = 64 * 2**20
"""Bytes written between two looks at what is left of the disk."""

Take = Callable[[int], None]
"""Told of every piece of a file before it is written; raises when there is no room for it."""


def unlimited(size: int) -> None:
    """Take any piece of a file."""


def use_scratch(settings: Settings) -> None:
    """Have this process make its temporary files in the folder of the settings.

    The files have no names there, so that nothing of them is left whatever happens to the process.

    Raises
    ------
    ConfigurationError
        If the folder cannot be made.
    """
    folder = settings.scratch_folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"The folder for temporary files, {folder}, cannot be made: {error.strerror}.", hint="Set VO_SCRATCH."
        ) from None
    tempfile.tempdir = str(folder)


def free_scratch() -> int:
    """Return the free bytes of the disk with temporary files."""
    return shutil.disk_usage(tempfile.gettempdir()).free


class ScratchBooks:
    """Knows what the temporary files of each caller take in this process.

    Parameters
    ----------
    limits : Limits
        What callers may use.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._taken: Counter[str] = Counter()
        self._lock = threading.Lock()

    @contextmanager
    def taking(self, account: str) -> Iterator[Take]:
        """Count for an account what is written while the ``with`` block lasts.

        Raises
        ------
        QuotaError
            From what is yielded, when the account has as much as one may have.
        LimitError
            When too little of the disk would be left.
        """
        mine = looked = 0

        def take(size: int) -> None:
            nonlocal mine, looked
            mine += size
            with self._lock:
                self._taken[account] += size
                taken = self._taken[account]
            self._limits.check_upload_space(taken)
            if mine - looked >= LOOK_EVERY or not looked:
                looked = mine
                self._limits.check_disk(free_scratch())

        try:
            yield take
        finally:
            with self._lock:
                self._taken[account] -= mine
                if self._taken[account] <= 0:
                    del self._taken[account]
