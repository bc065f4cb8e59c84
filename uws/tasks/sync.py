"""A run that its client waits for: a job that the workers run, answered with its result and deleted afterwards."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TypeVar

import structlog
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from uws.handlers import IDLE_SECONDS, JobThreads
from uws.models import ACTIVE, WAITING, Job, Phase
from uws.service import CONTROL, Jobs
from uws.waiting import Waiting
from vo.core.callers import Caller
from vo.core.dali.parameters import Parameters
from vo.core.dali.request import Received
from vo.core.errors import LimitError, NotFoundError, ServiceError, UnavailableError, UsageError, error_of
from vo.core.limits import Limits
from vo.core.settings import Settings
from vo.core.stored import StoredFileResponse
from vo.core.streaming import ClientGoneError, disconnected

Result = TypeVar("Result")

SPARE_SECONDS = 300
"""A job of a synchronous run is destroyed so long after its time, should this process not live to delete it."""
_OF_THIS_REQUEST = frozenset({b"range", b"if-range", b"if-match", b"if-none-match", b"if-modified-since"})
"""Headers that ask for a part of what is stored, or whether it has changed."""

log = structlog.get_logger()


class SyncRuns:
    """Synchronous runs of all tasks in one process; each that waits costs a coroutine and a row of the queue.

    Parameters
    ----------
    waiting : Waiting
        Hears of phases.
    threads : JobThreads
        Ask the database and read results.
    settings : Settings
        Limits.
    """

    def __init__(self, waiting: Waiting, threads: JobThreads, settings: Settings) -> None:
        self._waiting = waiting
        self._threads = threads
        self._settings = settings

    async def begin(self, caller: Caller, jobs: Jobs, sent: Received, *, output: str) -> Job:
        """Queue the job of a run; it has files of its own then.

        Parameters
        ----------
        caller : Caller
            Whose turn it takes.
        jobs : Jobs
            Rules for the jobs of synchronous runs.
        sent : Received
            What came with the request.
        output : str
            The only result that is wanted.

        Raises
        ------
        ServiceError
            Why it is not taken.
        """
        pairs = [(name, value) for name, value in sent.parameters.pairs() if name not in {*CONTROL, "RESULTS"}]
        completed = Parameters([*pairs, ("RESULTS", output), ("PHASE", "RUN")])
        return await self._call(partial(jobs.create, caller, completed, sent.files))

    async def answer(self, request: Request, jobs: Jobs, job: Job, *, output: str, async_url: str) -> Response:
        """Wait for a job, answer one of its results and delete it.

        Parameters
        ----------
        request : starlette.requests.Request
            Its body has been read.
        jobs : Jobs
            Rules for the jobs of synchronous runs.
        job : Job
            As it began.
        output : str
            Id of the result.
        async_url : str
            Where runs that take longer belong.

        Raises
        ------
        ServiceError
            Why there is no result.
        ClientGoneError
            If the client hung up; the job is gone then.
        """
        caller: Caller = request.state.caller
        handed_over = False

        async def finished() -> None:
            await asyncio.shield(self._delete(jobs, caller, job.job_id))

        try:
            job = await self._ended(request, jobs, job, async_url)
            result = next((result for result in job.results if result.id == output), None)
            if job.phase is not Phase.COMPLETED or result is None:
                raise _why_not(job, output)
            answer = _OnceResponse(
                jobs.files,
                result.path,
                content_type=result.media_type,
                filename=result.file_name,
                etag=job.job_id,
                executor=self._threads.files,
                idle=IDLE_SECONDS,
            )
            answer.finished = finished
            handed_over = True
            return answer
        finally:
            if not handed_over:
                await finished()

    async def _ended(self, request: Request, jobs: Jobs, job: Job, async_url: str) -> Job:
        """Return the job when it has ended.

        Raises
        ------
        UnavailableError
            If it had to wait for its turn for too long.
        LimitError
            If it ran for too long.
        ClientGoneError
            If the client hung up.
        """
        caller: Caller = request.state.caller
        arrived = time.monotonic()
        gone = asyncio.ensure_future(disconnected(request.receive))
        try:
            with self._waiting.watch(job.job_id) as watch:
                while True:
                    try:
                        job = await self._call(partial(jobs.get, caller, job.job_id))
                    except NotFoundError:  # its owner has deleted it, by the job list
                        raise UsageError("The run was deleted while it was waited for.") from None
                    if job.phase not in ACTIVE:
                        return job
                    waits = job.phase in WAITING and not job.attempt  # not one whose worker was lost
                    longest = self._settings.queue_time if waits else self._settings.sync_time
                    left = arrived + longest - time.monotonic()
                    if left <= 0 or self._waiting.full:
                        raise self._given_up(waits, left <= 0, async_url)
                    changed = asyncio.ensure_future(watch.wait(job.phase, left))
                    try:
                        await asyncio.wait({changed, gone}, return_when=asyncio.FIRST_COMPLETED)
                    finally:
                        changed.cancel()
                    if gone.done():
                        raise ClientGoneError
        finally:
            gone.cancel()

    def _given_up(self, waits: bool, late: bool, async_url: str) -> ServiceError:
        hint = f"Send it to {async_url}, where it waits for its turn, and runs for up to "
        hint += f"{self._settings.max_job_time} s."
        if not late:
            return UnavailableError("Too many requests wait, or the service is about to end.", hint=hint)
        if waits:
            return UnavailableError(f"No worker was free within {self._settings.queue_time:g} s.", hint=hint)
        return LimitError(
            f"It took longer than the {self._settings.sync_time} s that it may take here and was stopped.", hint=hint
        )

    async def _delete(self, jobs: Jobs, caller: Caller, job_id: str) -> None:
        try:
            with suppress(NotFoundError):
                await self._call(partial(jobs.delete, caller, job_id))
        except ServiceError as error:  # its destruction time is near
            log.warning("task.sync-left", job=job_id, reason=error.message)

    async def _call(self, call: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._threads.store, call)


class _OnceResponse(StoredFileResponse):
    """A result that is deleted when it was sent: all of it, and not to be kept by anybody."""

    finished: Callable[[], Awaitable[None]]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer (ASGI)."""
        plain = {**scope, "headers": [pair for pair in scope["headers"] if pair[0] not in _OF_THIS_REQUEST]}

        async def send_once(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=list(message["headers"]))
                del headers["etag"], headers["accept-ranges"]
                headers["cache-control"] = "no-store"
                message = {**message, "headers": headers.raw}
            await send(message)

        try:
            await super().__call__(plain, receive, send_once)
        finally:
            await self.finished()


def sync_limits(settings: Settings) -> Limits:
    """Return the limits of the jobs of synchronous runs, which end and go by themselves should this process die."""
    limits = Limits.of(settings)
    retention = int(settings.queue_time) + settings.sync_time + SPARE_SECONDS
    return replace(limits, job_time=min(settings.sync_time, limits.max_job_time), retention=retention)


def _why_not(job: Job, output: str) -> ServiceError:
    if job.phase is Phase.COMPLETED:
        return UsageError(f"The run made no {output} of what it was given.", hint="Ask for another result.")
    if job.error is None:
        return UsageError(f"The run was {job.phase.lower()} while it was waited for, and has no result.")
    return error_of(job.error.code, job.error.message)
