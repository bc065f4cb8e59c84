"""What a running task is given in its process: a `TaskContext` whose words go to the parent through a pipe."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from concurrent.futures import Executor
from pathlib import Path
from typing import Any, NoReturn

from uws.tasks.engines import ClusterExecutor, local_executor
from uws.tasks.events import MAX_CHECKPOINT, MAX_NOTES, MAX_TEXT
from uws.tasks.frames import FrameReader, FrameWriter
from uws.tasks.given import Counts
from uws.tasks.order import Order
from vo.core.errors import ConfigurationError

TELL_SECONDS = 0.2
"""Time between two reports of progress or counts."""


class TaskBugError(Exception):
    """The task did what its declaration does not allow."""


class Reporter:
    """Reports progress and counts, several times a second at most, and the last of them always.

    Parameters
    ----------
    told : FrameWriter
        To the parent.
    """

    def __init__(self, told: FrameWriter) -> None:
        self._told = told
        self._lock = threading.Lock()
        self._progress: dict[str, Any] = {}
        self._counts = Counts()
        self._last = 0.0
        self._timer: threading.Timer | None = None

    def progress(self, fraction: float | None, stage: str | None) -> None:
        """Note how far it is."""
        with self._lock:
            if fraction is not None:
                self._progress["fraction"] = float(fraction)
            if stage is not None:
                self._progress["stage"] = stage[:MAX_TEXT]
            self._soon()

    def count(self, counts: Counts) -> None:
        """Add to the counts."""
        with self._lock:
            self._counts = self._counts.plus(counts)
            self._soon()

    def flush(self) -> None:
        """Report what is not reported yet."""
        with self._lock:
            self._flush()

    def _soon(self) -> None:
        pause = self._last + TELL_SECONDS - time.monotonic()
        if pause <= 0:
            self._flush()
        elif self._timer is None:
            self._timer = threading.Timer(pause, self.flush)
            self._timer.daemon = True
            self._timer.start()

    def _flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._last = time.monotonic()
        if self._progress:
            self._told.write({"kind": "progress", **self._progress})
            self._progress = {}
        if self._counts != Counts():
            counts, self._counts = self._counts, Counts()
            failed = {str(reason): int(number) for reason, number in counts.failed.items()}
            self._told.write(
                {
                    "kind": "count",
                    "requested": int(counts.requested),
                    "found": int(counts.found),
                    "failed": failed,
                }
            )


PROCESS_BYTES = 256 * 2**20
"""Memory for each process of chunks: an interpreter with NumPy, and what it works on."""


class DroppedCheckpoint(BaseException):
    """Ends a run that is to begin anew; not an error, which a task might catch."""


class PipedCheckpoint:
    """A checkpoint that the parent keeps.

    Parameters
    ----------
    state : bytes, optional
        What was saved last before.
    told : FrameWriter
        To the parent.
    reporter : Reporter
        Tells what is to be kept with it.
    """

    def __init__(self, state: bytes | None, told: FrameWriter, reporter: Reporter) -> None:
        self._state = state
        self._given = state is not None
        self._told = told
        self._reporter = reporter

    def load(self) -> bytes | None:
        """Return what was saved last."""
        return self._state

    def save(self, state: bytes) -> None:
        """Replace it."""
        if len(state) > MAX_CHECKPOINT:
            raise TaskBugError(f"a checkpoint of {len(state):,} bytes; {MAX_CHECKPOINT:,} are allowed")
        self._reporter.flush()
        self._told.write({"kind": "saved"}, state)
        self._state = state

    def drop(self) -> NoReturn:
        """Begin anew, which the parent does."""
        if not self._given:
            raise TaskBugError("it drops a checkpoint, and was given none")
        self._told.write({"kind": "dropped"})
        raise DroppedCheckpoint


class PipedContext:
    """A `TaskContext` whose words go to the parent.

    Parameters
    ----------
    order : Order
        The run.
    scratch : pathlib.Path
        Its folder, as this process sees it.
    told : FrameWriter
        To the parent.
    orders : FrameReader
        From the parent, after the order.
    """

    def __init__(self, order: Order, scratch: Path, told: FrameWriter, orders: FrameReader) -> None:
        self.scratch = scratch
        self.memory = order.memory
        self.cores = max(1, min(order.cores, order.memory // PROCESS_BYTES))
        self.reporter = Reporter(told)
        self.checkpoint = PipedCheckpoint(order.checkpoint, told, self.reporter)
        self.executor_is_local = not order.cluster
        self._files = order.files
        self._wanted = order.wanted
        self._sites = order.sites
        self._kept: set[str] = set()
        self._noted: set[str] = set()
        self._told = told
        self._orders = orders
        self._executor: Executor | None = None

    @property
    def executor(self) -> Executor:
        """Processes here, or a cluster."""
        if self._executor is None:
            if self.executor_is_local:
                self._executor = local_executor(self.cores)
            else:
                self._executor = ClusterExecutor(self._told, self._orders)
        return self._executor

    def progress(self, *, fraction: float | None = None, stage: str | None = None) -> None:
        """Say how far it is."""
        self.reporter.progress(fraction, stage)

    def count(self, *, requested: int = 0, found: int = 0, failed: Mapping[str, int] | None = None) -> None:
        """Add to the counts."""
        self.reporter.count(Counts(requested, found, failed or {}))

    def info(self, name: str, value: str) -> None:
        """Say a fact."""
        name = str(name)[:MAX_TEXT]
        self._noted.add(name)
        if len(self._noted) > MAX_NOTES:
            raise TaskBugError(f"it says more than {MAX_NOTES} facts")
        self._told.write({"kind": "info", "name": name, "value": str(value)[:MAX_TEXT]})

    def wants(self, output: str) -> bool:
        """Return whether anybody gets an output."""
        return self._wanted is None or output in self._wanted

    def site(self, name: str) -> str:
        """Return the address of a service elsewhere."""
        return site_of(self._sites, name)

    def file(self, name: str) -> Path:
        """Return where a file is to be written."""
        if name not in self._files:
            raise TaskBugError(f"there is no file {name!r} among its outputs")
        return self.scratch / name

    def keep(self, name: str) -> None:
        """Hand over a file that is finished."""
        if not self.file(name).is_file():
            raise TaskBugError(f"the file {name!r} was not written")
        self._kept.add(name)
        self._told.write({"kind": "finished", "output": name})

    def end(self) -> None:
        """Hand over all that is left."""
        for name in self._files:
            if name not in self._kept and self.file(name).is_file():
                self.keep(name)
        self.reporter.flush()

    def close(self) -> None:
        """End the processes that were started."""
        if self._executor is not None:
            self._executor.shutdown(wait=True, cancel_futures=True)


def site_of(sites: Mapping[str, str], name: str) -> str:
    """Return the address of a service elsewhere.

    Raises
    ------
    ConfigurationError
        If the operator has given none.
    """
    if name not in sites:
        raise ConfigurationError(
            f"The address of the service {name} is not known here.", hint="The operator can give it by VO_TASK_SITES."
        )
    return sites[name]
