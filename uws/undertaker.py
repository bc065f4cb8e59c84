"""Finding workers that are dead, and queueing again what they held."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import structlog

from uws.queue import Queue, WorkerRow

LEASE_SECONDS = 5.0
"""A worker whose beat stands still for so long, by the clock of whoever looks, is taken for dead."""
STALL_SECONDS = 3.0
"""When so much lies between two looks, whoever looks or the database stood still, and nobody is dead for that."""

log = structlog.get_logger()


class Undertaker:
    """Compares beats with its own monotonic clock, and buries workers whose beat stands still.

    Of a worker on the same machine the kernel knows at once that it is gone.

    Parameters
    ----------
    queue : Queue
        Where workers and jobs are.
    attempts : mapping of str to int
        For each service how often one of its jobs may be begun in vain.
    discard : callable
        Removes what a lost attempt, given by job and number, has stored.
    """

    def __init__(self, queue: Queue, attempts: Mapping[str, int], discard: Callable[[str, int], object]) -> None:
        self._queue = queue
        self._attempts = attempts
        self._discard = discard
        self._machine = machine()
        self._seen: dict[str, tuple[int, float]] = {}
        self._looked = time.monotonic()

    def forget(self) -> None:
        """Begin to watch anew: while the database was away nobody could beat."""
        self._seen.clear()

    def look(self, own: str) -> None:
        """Bury the dead, but never the worker `own`, and take over their leases."""
        rows = self._queue.workers()
        now = time.monotonic()
        if now - self._looked > STALL_SECONDS:
            self.forget()
        self._looked = now
        seen: dict[str, tuple[int, float]] = {}
        for row in rows:
            beat, since = self._seen.get(row.worker_id, (row.beat, now))
            seen[row.worker_id] = (row.beat, since if beat == row.beat else now)
            silent = now - seen[row.worker_id][1] > LEASE_SECONDS
            dead = row.worker_id != own and (silent or self._is_gone(row))
            if dead and self._queue.bury(row.worker_id, row.beat):
                log.warning("worker.dead", worker=row.worker_id, host=row.host, pid=row.pid)
        self._seen = seen
        lost = self._queue.take_over(self._attempts, lost=self._discard)
        if lost:
            log.warning("leases.expired", jobs=lost)

    def _is_gone(self, row: WorkerRow) -> bool:
        """Return whether a worker's process is known not to exist; one that took its number only delays the news."""
        if row.machine != self._machine:
            return False
        try:
            os.kill(row.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            return False
        return False


def machine() -> str:
    """Return what processes share that know each other by number: a kernel since its start, and a namespace of it."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{boot}:{Path('/proc/self/ns/pid').stat().st_ino}"
