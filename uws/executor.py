"""What a service hands in so that its jobs can be run, and what a running job is given."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from enum import Enum
from typing import Any, Protocol

import pyarrow as pa

from uws.checkpoints import Checkpoint, Checkpoints
from uws.folders import folder_of
from uws.inputs import OpenInput, opened
from uws.models import Facts, Job, Progress, Result
from vo.core.errors import ServiceError
from vo.core.files import FileStore, StoredWriter
from vo.core.limits import Limits

DISK_EVERY = 64 * 2**20
"""Bytes written between two looks at the room left on the disk."""


class Stop(Enum):
    """Why a running job is stopped."""

    ASKED = "the client aborts or deletes it"
    TIME = "its execution duration is over"
    DRAIN = "its worker is told to leave"
    LOST = "its worker lost the lease"


class StoppedError(ServiceError):
    """The job was stopped; the worker knows why."""

    code = "stopped"


class Executor(Protocol):
    """Runs the jobs of one service; called from several threads at the same time."""

    @property
    def service(self) -> str:
        """Name of the service, as in `Job.service`."""

    @property
    def attempts(self) -> int:
        """How often a job may be begun when workers go away; 1 for work that must not be repeated."""

    def run(self, job: Job, context: JobContext) -> None:
        """Do the work, storing results in the context.

        Raises
        ------
        UnavailableError
            If the database went away: the job is tried again.
        ServiceError
            Why the job failed, in words for the client.
        """


class ResultWriter:
    """Stores one result block by block, within the limits.

    Attributes
    ----------
    size : int
        Bytes so far.
    remark : str, optional
        What the owner should know of the result; to be set by whoever writes it.
    """

    def __init__(self, context: JobContext, write: Callable[[Any], None], limits: Limits, files: FileStore) -> None:
        self._context = context
        self._write = write
        self._limits = limits
        self._files = files
        self._checked = 0
        self.size = 0
        self.remark: str | None = None

    def check(self) -> None:
        """Raise a StoppedError if the job is to stop; between blocks after which a result that is kept may end."""
        if not self._context.closing:
            self._context.check()

    def write(self, block: Any) -> None:
        """Store bytes, or anything with the buffer protocol.

        Raises
        ------
        LimitError
            If the result or the disk has reached a limit.
        """
        size = len(block) if isinstance(block, bytes) else memoryview(block).nbytes
        self._limits.check_result(self.size + size)
        if self.size + size - self._checked >= DISK_EVERY:
            self._limits.check_disk(self._files.free())
            self._checked = self.size
        self._write(block)
        self.size += size


class JobContext:
    """A running job's way to the world: results, progress, and the wish to stop.

    Attributes
    ----------
    progress : Progress
        How far it is; to be set by whoever runs it.
    facts : Facts
        What it tells of itself; to be set likewise.
    keeps_partial : bool
        Whether results that are stored when it fails, or its time is over, are kept.
    closing : bool
        Whether only the ends of such results are still written, which a wish to stop does not prevent.
    resumable : bool
        Whether there can be another attempt, or a job that goes on with it.
    kept : int, optional
        Bytes of the checkpoint that stays with the job if it does not complete; None where nobody has looked.

    Parameters
    ----------
    job : Job
        As it was leased.
    files : FileStore
        Where results are stored.
    limits : Limits
        What one job may use.
    """

    def __init__(self, job: Job, files: FileStore, limits: Limits) -> None:
        self.job = job
        self.limits = limits
        self.folder = f"{folder_of(job.job_id)}/{job.attempt}"
        self.results: list[Result] = []
        self.progress = Progress()
        self.facts: Facts = job.facts
        self.keeps_partial = False
        self.closing = False
        self.begun = time.monotonic()
        self.stopping: Stop | None = None
        self.resumable = True
        self.kept: int | None = None
        self._files = files
        self._checkpoints = Checkpoints(files, job.job_id)
        self._cancel: Callable[[], None] | None = None
        self._lock = threading.Lock()

    @contextmanager
    def result(self, identifier: str, media_type: str, file_name: str) -> Iterator[ResultWriter]:
        """Store a result; it is kept when the ``with`` block ends without an error."""
        self.limits.check_disk(self._files.free())
        path = f"{self.folder}/{file_name}"
        with self._files.write(path) as stored:
            writer = ResultWriter(self, stored.write, self.limits, self._files)
            yield writer
        self.results.append(Result(identifier, media_type, writer.size, path, file_name, writer.remark))

    def inputs(self) -> AbstractContextManager[dict[str, OpenInput]]:
        """Hold the files that came with the job's parameters, by the names of their parts."""
        return opened(self._files, self.job.inputs)

    @contextmanager
    def cancelled_by(self, cancel: Callable[[], None]) -> Iterator[None]:
        """Within the ``with`` block a wish to stop calls `cancel`, from another thread and perhaps repeatedly.

        Raises
        ------
        StoppedError
            If the job is to stop already.
        """
        with self._lock:
            self.check()
            self._cancel = cancel
        try:
            yield
        finally:
            with self._lock:
                self._cancel = None

    def check(self) -> None:
        """Raise a StoppedError if the job is to stop; for work that goes on in steps."""
        if self.stopping is not None:
            raise StoppedError("The job was stopped.")

    def stop(self, reason: Stop) -> None:
        """Make the job end soon; the first reason counts, later calls only repeat the cancelling."""
        with self._lock:
            if self.stopping is None:
                self.stopping = reason
            if self._cancel is not None:
                self._cancel()

    @property
    def interrupted(self) -> bool:
        """Whether another attempt goes on with the job."""
        return self.stopping in (Stop.DRAIN, Stop.LOST)

    def load_checkpoint(self) -> Checkpoint | None:
        """Return what an earlier attempt, or the job that this one goes on with, saved last; None for nothing."""
        checkpoint = self._checkpoints.load()
        self._checkpoints.tidy(checkpoint)
        self.kept = 0 if checkpoint is None else checkpoint.size
        return checkpoint

    def save_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Replace what the next attempt is given; what is saved last is also what another job can go on with.

        Raises
        ------
        StoppedError
            If the lease is lost: the next attempt may have begun.
        """
        if self.stopping is Stop.LOST:
            self.check()
        self._checkpoints.save(checkpoint)
        self.kept = checkpoint.size

    def keep_file(self, number: int) -> StoredWriter:
        """Return a writer of a file that belongs to the next checkpoint, in the folder `attempt`."""
        return self._checkpoints.write(self.attempt, number)

    def kept_file(self, path: str) -> pa.NativeFile:
        """Open a file of the checkpoint that was loaded."""
        return self._checkpoints.open(path)

    def check_disk(self) -> None:
        """Raise a LimitError if there is too little room on the disk of results."""
        self.limits.check_disk(self._files.free())

    def forget_checkpoint(self) -> None:
        """Remove the checkpoint: of a job that has ended, or one that does not fit any more."""
        self._checkpoints.forget()
        self.kept = 0

    def begin_anew(self) -> None:
        """Remove all that was stored, as if the attempt had just begun.

        Raises
        ------
        StoppedError
            If the job is to stop: what is stored may be another attempt's.
        """
        self.check()
        self.results.clear()
        self.discard()
        self.forget_checkpoint()

    @property
    def attempt(self) -> str:
        """Name of the folder of this attempt's files among those that are kept."""
        return str(self.job.attempt)

    def discard(self) -> None:
        """Remove what this attempt has stored."""
        self._files.delete_folder(self.folder)
