"""A worker: leases jobs, runs them in threads, stops them when asked, and looks after what other workers left."""

from __future__ import annotations

import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

import structlog

from uws.cleaning import Cleaner
from uws.executor import Executor, JobContext, Stop
from uws.inputs import discard as discard_inputs
from uws.models import ErrorSummary, Job, Progress, Result
from uws.patience import Patience
from uws.queue import Queue, given_up
from uws.undertaker import Undertaker, machine
from vo.core.errors import LimitError, ServiceError, UnavailableError
from vo.core.files import FileStore
from vo.core.limits import Limits, time_reached
from vo.core.listening import Listener

BEAT_SECONDS = 1.0
"""How often a worker proves that it lives."""
POLL_SECONDS = 1.0
"""How often the queue is looked at although no notification came."""
STOP_EVERY = 0.1
"""Seconds between two attempts to stop a job, and between two looks at execution durations."""
END_SECONDS = 5.0
"""What jobs have to end in after they were told to; then their leases are left to expire."""

log = structlog.get_logger()


@dataclass
class Running:
    """A job that this worker runs."""

    job: Job
    context: JobContext
    deadline: float | None = field(init=False)

    def __post_init__(self) -> None:
        duration = self.job.execution_duration
        self.deadline = self.context.begun + duration if duration else None


class Worker:
    """Runs jobs until it is told to leave; start it with `run`.

    Parameters
    ----------
    queue : Queue
        Where jobs come from.
    executors : sequence of Executor
        One for each service whose jobs it can run.
    files : FileStore
        Where results are stored.
    cleaner : Cleaner
        What removes old jobs.
    limits : Limits
        What callers may use.
    conninfo : str
        For the connection that listens.
    slots : int
        Jobs that run at the same time.
    drain_time : float
        Seconds that jobs may go on when the worker is told to leave.
    """

    def __init__(
        self,
        queue: Queue,
        executors: Sequence[Executor],
        files: FileStore,
        cleaner: Cleaner,
        limits: Limits,
        *,
        conninfo: str,
        slots: int,
        drain_time: float,
    ) -> None:
        self.worker_id = ""
        self._queue = queue
        self._executors = {executor.service: executor for executor in executors}
        self._attempts = {executor.service: executor.attempts for executor in executors}
        self._files = files
        self._cleaner = cleaner
        self._limits = limits
        self._slots = slots
        self._drain_time = drain_time
        self._running: dict[tuple[str, int], Running] = {}
        self._lock = threading.Lock()
        self._stops: set[str] = set()
        self._doubtful = False
        self._wake = threading.Event()
        self._leaving = threading.Event()
        self._ended = threading.Event()
        self._patience = Patience(self._ended)
        self._undertaker = Undertaker(queue, self._attempts, cleaner.discard)
        self._threads = ThreadPoolExecutor(slots, thread_name_prefix="job")
        self._listener = Listener(
            conninfo,
            ["vo_job_queued", "vo_job_stop", "vo_job_phase"],
            heard=self._hear,
            missed=self._wake.set,
            name="worker",
        )

    @property
    def running(self) -> int:
        """Number of jobs that run now."""
        return len(self._running)

    def leave(self) -> None:
        """Make `run` return: nothing new is begun, jobs finish within the drain time or are handed back."""
        self._leaving.set()
        self._wake.set()

    def run(self) -> None:
        """Work until `leave` is called."""
        self._patience.insist(self._register, self._leaving.is_set)
        log.info("worker.started", worker=self.worker_id, slots=self._slots, services=sorted(self._executors))
        self._listener.start()
        helpers = [
            threading.Thread(target=target, name=target.__name__.strip("_"), daemon=True)
            for target in (self._beat, self._watch, self._stop_jobs, self._tidy)
        ]
        for thread in helpers:
            thread.start()
        while not self._leaving.is_set():
            self._patience.insist(self._fill, self._leaving.is_set)
            self._wake.wait(POLL_SECONDS)
            self._wake.clear()
        self._drain()
        self._ended.set()
        self._listener.stop()
        for thread in helpers:
            thread.join(END_SECONDS)
        self._patience.once(lambda: self._queue.leave(self.worker_id))  # else its silence says it
        self._threads.shutdown(wait=False, cancel_futures=True)
        log.info("worker.left", worker=self.worker_id)

    def _register(self) -> None:
        worker_id = secrets.token_hex(8)
        self._queue.register(
            worker_id,
            host=socket.gethostname(),
            machine=machine(),
            pid=os.getpid(),
            slots=self._slots,
            services=sorted(self._executors),
        )
        self.worker_id = worker_id

    def _fill(self) -> None:
        """Lease jobs while there are free slots."""
        if self._doubtful:
            self._return_unknown()
        while len(self._running) < self._slots and not self._leaving.is_set():
            self._stops.clear()
            self._doubtful = True
            job = self._queue.lease(self.worker_id, sorted(self._executors), self._limits.running_jobs)
            self._doubtful = False
            if job is None:
                return
            running = Running(job, JobContext(job, self._files, self._limits))
            with self._lock:
                self._running[job.job_id, job.attempt] = running
            if job.job_id in self._stops:  # asked before it was among those that run
                running.context.stopping = Stop.ASKED
            self._threads.submit(self._work, running)

    def _return_unknown(self) -> None:
        """Hand back leases that this worker has without knowing: the database went away before it answered."""
        for job in self._queue.held(self.worker_id):
            if (job.job_id, job.attempt) not in self._running:
                log.warning("lease.unknown", job=job.job_id, attempt=job.attempt)
                self._queue.hand_back(job, counts=False)
        self._doubtful = False

    def _work(self, running: Running) -> None:
        """Run one job in this thread and report how it ended; nothing escapes from here."""
        job, context = running.job, running.context
        kept: object = None
        try:
            report = self._execute(job, context)
            try:
                kept = self._patience.insist(report, self._ended.is_set)
            except Exception:
                log.exception("job.bug", job=job.job_id)
                failed = partial(self._queue.fail, job, summary(_bug(job)))
                kept = self._patience.insist(lambda: not failed(), self._ended.is_set)
        except Exception:
            log.exception("job.bug", job=job.job_id)
        finally:
            with self._lock:
                self._running.pop((job.job_id, job.attempt), None)
            # Without an answer it may be COMPLETED: then its files stay, or the search for orphans finds them.
            if kept is False:
                self._clean(context)
            elif kept:
                self._forget_inputs(job)
            self._wake.set()

    def _execute(self, job: Job, context: JobContext) -> Callable[[], bool | None]:
        """Do the work; return what reports its end, which is true when the results are to be kept."""
        try:
            context.check()
            self._limits.check_space(self._queue.stored_bytes(job.account))
            self._executors[job.service].run(job, context)
        except ServiceError as error:
            return self._report(job, context, error)
        except Exception:
            if context.stopping is None:
                log.exception("job.bug", job=job.job_id)
            return self._report(job, context, _bug(job))

        def completed() -> bool:
            if self._queue.complete(job, context.results, context.facts):
                return True
            self._queue.stopped(job)
            return False

        return completed

    def _report(self, job: Job, context: JobContext, error: ServiceError) -> Callable[[], bool | None]:
        """Return what reports that a job did not complete; it is False when nothing of it is to be kept."""
        queue, facts, kept = self._queue, context.facts, context.kept
        results = context.results if context.keeps_partial else []
        match context.stopping:
            case Stop.LOST:
                return lambda: False
            case Stop.ASKED:
                return lambda: queue.stopped(job, kept=kept) and False
            case Stop.DRAIN:
                return lambda: queue.hand_back(job, counts=False) and False
            case Stop.TIME:
                limit = time_reached(job.execution_duration, self._limits.max_job_time)
                return lambda: _partly(queue.stopped(job, summary(limit), results, facts, kept), results)
        if isinstance(error, UnavailableError):
            if job.vain_attempts + 1 < self._attempts[job.service]:
                log.warning("job.interrupted", job=job.job_id, reason=str(error))
                return lambda: queue.hand_back(job, counts=True) and False
            given = given_up(job.vain_attempts + 1, error.message)
            return lambda: queue.fail(job, given, kept=kept) and False
        return lambda: _partly(queue.fail(job, summary(error), results, facts, kept), results)

    def _forget_inputs(self, job: Job) -> None:
        """Remove what came with a job that is completed."""
        try:
            discard_inputs(self._files, job)
        except ServiceError as error:  # they go with the job
            log.warning("job.cleaning", job=job.job_id, reason=str(error))

    def _clean(self, context: JobContext) -> None:
        """Remove what a job stored that did not complete, and all of it if it was deleted meanwhile."""
        try:
            context.discard()
            self._cleaner.forget(context.job.job_id)
        except ServiceError as error:  # the cleaning that goes on all the time finds it later
            log.warning("job.cleaning", job=context.job.job_id, reason=str(error))

    def _hear(self, channel: str, payload: str) -> None:
        if channel == "vo_job_stop":
            self._stops.add(payload)
            with self._lock:
                jobs = [running for running in self._running.values() if running.job.job_id == payload]
            for running in jobs:
                running.context.stopping = running.context.stopping or Stop.ASKED
        else:
            self._wake.set()

    def _stop_jobs(self) -> None:
        """Stop the jobs that are to stop, again and again until they have."""
        while not self._ended.wait(STOP_EVERY):
            now = time.monotonic()
            with self._lock:
                jobs = list(self._running.values())
            for running in jobs:
                late = running.deadline is not None and now > running.deadline
                reason = Stop.TIME if late else running.context.stopping
                if reason is not None:
                    try:
                        running.context.stop(reason)
                    except Exception:
                        log.exception("worker.bug", thread="_stop_jobs")

    def _beat(self) -> None:
        """Prove that this worker lives; nothing that may take long happens in this thread."""
        while not self._ended.wait(BEAT_SECONDS):
            self._patience.once(self._beat_once)

    def _watch(self) -> None:
        """Bury the workers that do not live."""
        while not self._ended.wait(BEAT_SECONDS):
            if not self._patience.once(lambda: self._undertaker.look(self.worker_id)):
                self._undertaker.forget()

    def _beat_once(self) -> None:
        with self._lock:
            jobs = list(self._running.values())
        progress = {
            (item.job.job_id, item.job.attempt): (item.context.progress, item.context.facts)
            for item in jobs
            if item.context.progress != Progress() or item.context.facts != item.job.facts
        }
        asked = self._queue.beat(self.worker_id, draining=self._leaving.is_set(), progress=progress)
        if asked is None:
            log.warning("worker.buried", worker=self.worker_id, jobs=len(jobs))
            for item in jobs:
                item.context.stopping = item.context.stopping or Stop.LOST
            self._register()
            return
        for item in jobs:
            if item.job.job_id in asked:
                item.context.stopping = item.context.stopping or Stop.ASKED

    def _tidy(self) -> None:
        while not self._ended.wait(self._cleaner.pause):
            try:
                self._cleaner.clean()
            except ServiceError as error:
                if not self._patience.away:  # then the other threads have said it already
                    log.warning("cleaning.failed", reason=str(error))
            except Exception:
                log.exception("worker.bug", thread="_tidy")

    def _drain(self) -> None:
        end = time.monotonic() + self._drain_time
        while self._running and time.monotonic() < end:
            self._wake.wait(0.05)
            self._wake.clear()
        with self._lock:
            jobs = list(self._running.values())
        for running in jobs:
            running.context.stopping = running.context.stopping or Stop.DRAIN
        end = time.monotonic() + END_SECONDS
        while self._running and time.monotonic() < end:
            time.sleep(0.02)


def _partly(reported: bool, results: Sequence[Result]) -> bool | None:
    """Return None for a job that failed and keeps what it made before, False for any other that failed."""
    return None if reported and results else False


def _bug(job: Job) -> ServiceError:
    return ServiceError(
        "The service failed in a way that it should not.", hint=f"Tell its operator the job id {job.job_id}."
    )


def summary(error: ServiceError) -> ErrorSummary:
    """Return an error as a job keeps it."""
    kind = "transient" if isinstance(error, UnavailableError) else "fatal"
    if isinstance(error, LimitError) and error.code == "quota":
        kind = "transient"
    return ErrorSummary(error.text(), kind, error.code)
