"""HTTP for one job list: the resources of UWS 1.1."""

from __future__ import annotations

import asyncio
import inspect
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import ParamSpec, TypeAlias, TypeVar
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response, StreamingResponse
from starlette.routing import Route

from uws import xml
from uws.models import ACTIVE, Job, JobFilter, Phase
from uws.negotiation import wants_html
from uws.pages import JobPages
from uws.service import Jobs, read_filter, read_phase, read_time
from uws.waiting import Waiting, Watch
from vo.core.callers import Caller
from vo.core.dali.parameters import Parameters
from vo.core.dali.request import Received, read_parameters, received
from vo.core.errors import ForbiddenError, NotFoundError, ParameterError
from vo.core.scratch import ScratchBooks
from vo.core.settings import Settings
from vo.core.stored import StoredFileResponse
from vo.core.tables.writers import error_document

XML = "text/xml"
VOTABLE = "application/x-votable+xml"
NO_STORE = {"Cache-Control": "no-store"}
NEGOTIATED = {"Cache-Control": "no-store", "Vary": "Accept"}
PAGE_ROWS = 100
"""Jobs on one page for people."""
STOP_WAIT = 5.0
"""Seconds that the answer to ABORT or DELETE waits until the job has really stopped."""
IDLE_SECONDS = 120.0
THREADS = 4

SHORT_JOB = 0.15
"""Seconds that the news of a job's beginning is kept back: if it ends within them, the client hears of that instead.
Clients that pause between two requests, as pyvo does for a second, have the result of a small job at once."""

_WAIT = re.compile(r"-1|\d+", re.ASCII)

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")
Endpoint: TypeAlias = Callable[[Request], Awaitable[Response]]


RESOURCES = {
    "": {"GET": "job_list", "POST": "create"},
    "/": {"GET": "job_list", "POST": "create"},
    "/{job_id}": {"GET": "job", "POST": "act", "DELETE": "delete"},
    "/{job_id}/phase": {"GET": "phase", "POST": "change_phase"},
    "/{job_id}/executionduration": {"GET": "execution_duration", "POST": "set_execution_duration"},
    "/{job_id}/destruction": {"GET": "destruction", "POST": "set_destruction"},
    "/{job_id}/quote": {"GET": "quote"},
    "/{job_id}/owner": {"GET": "owner"},
    "/{job_id}/parameters": {"GET": "parameters", "POST": "add_parameters"},
    "/{job_id}/error": {"GET": "error"},
    "/{job_id}/results": {"GET": "results"},
    "/{job_id}/results/{result_id}": {"GET": "result"},
}
"""The resources of a job list below its path, and the method of `JobHandlers` that answers each method of HTTP."""


def _pool(name: str) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(THREADS, thread_name_prefix=name)


@dataclass(frozen=True)
class JobThreads:
    """Threads of job lists.

    Attributes
    ----------
    store : ThreadPoolExecutor
        Ask the database.
    files : ThreadPoolExecutor
        Read results.
    """

    store: ThreadPoolExecutor = field(default_factory=lambda: _pool("jobs"))
    files: ThreadPoolExecutor = field(default_factory=lambda: _pool("results"))

    def shutdown(self) -> None:
        """End them; what waits is not begun."""
        self.store.shutdown(wait=False, cancel_futures=True)
        self.files.shutdown(wait=False, cancel_futures=True)


class JobHandlers:
    """The job list of one service, and its jobs.

    Parameters
    ----------
    jobs : Jobs
        The rules.
    waiting : Waiting
        For requests with WAIT.
    pages : JobPages
        Pages for people.
    settings : Settings
        Limits and addresses.
    scratch : ScratchBooks
        Counts what uploads take on their way.
    path : str
        Of the job list, such as ``/tap/async``.
    title : str
        What the service is called on pages.
    threads : JobThreads, optional
        Shared with other job lists; its own by default.
    service_url : str, optional
        Of the page from which people send jobs to this list.
    captions : mapping of str to str
        What results show, by their ids; for pictures.
    """

    def __init__(
        self,
        jobs: Jobs,
        waiting: Waiting,
        pages: JobPages,
        settings: Settings,
        scratch: ScratchBooks,
        *,
        path: str,
        title: str,
        threads: JobThreads | None = None,
        service_url: str | None = None,
        captions: Mapping[str, str] | None = None,
    ) -> None:
        self._captions = captions or {}
        self._jobs = jobs
        self._waiting = waiting
        self._pages = pages
        self._settings = settings
        self._scratch = scratch
        self._path = path
        self._url = f"{settings.public_url}{path}"
        self._title = title
        self._service_url = service_url
        self._threads = threads or JobThreads()

    @property
    def routes(self) -> list[Route]:
        """All resources."""
        return job_routes(self._path, lambda _request: self)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Hold what the handlers need for the life of the process."""
        self._waiting.start()
        yield
        await asyncio.to_thread(self._waiting.stop)
        self._threads.shutdown()

    def answer_waiting(self) -> None:
        """Answer all requests that wait, so that the process can end."""
        self._waiting.answer_all()

    async def job_list(self, request: Request) -> Response:
        """List the caller's jobs, filtered by PHASE, AFTER and LAST, the newest first (UWS 1.1, section 2.2.2.1)."""
        parameters = await self._read(request)
        wanted = read_filter(parameters)
        if self._of_an_unknown_page(request):
            return Response(xml.jobs_beginning() + xml.jobs_end(), headers=NEGOTIATED, media_type=XML)
        if wants_html(request.headers.get("accept")):
            return await self._list_page(request, parameters, wanted)
        pages = self._jobs.list_pages(_caller(request), wanted)
        first = await self._call(next, pages, ())
        if len(first) < PAGE_ROWS:
            body = xml.jobs_beginning() + xml.jobs_references(first, self._url) + xml.jobs_end()
            return Response(body, headers=NEGOTIATED, media_type=XML)

        async def document() -> AsyncIterator[bytes]:
            yield xml.jobs_beginning()
            page = first
            while page:
                yield await self._call(xml.jobs_references, page, self._url)
                page = await self._call(next, pages, ())
            yield xml.jobs_end()

        return StreamingResponse(document(), headers=NEGOTIATED, media_type=XML)

    async def create(self, request: Request) -> Response:
        """Create a job; PHASE=RUN in the same request queues it (UWS 1.1, section 2.2.3.1)."""
        async with self._received(request) as sent:
            job = await self._call(self._jobs.create, _caller(request), sent.parameters, sent.files)
        return self._see(job)

    async def job(self, request: Request) -> Response:
        """Show a job; WAIT blocks until its phase changes (UWS 1.1, section 2.2.1.1)."""
        arrived = time.monotonic()
        parameters = await self._read(request)
        seconds, phase = self._read_wait(parameters)
        job_id = request.path_params["job_id"]
        with self._waiting.watch(job_id) as watch:
            job = await self._get(request)
            if seconds > 0 and phase in (None, job.phase):
                job = await self._wait(request, watch, job.phase, until=arrived + seconds) or job
        if job.phase is Phase.QUEUED:
            job = await self._call(self._jobs.with_turn, job)
        if wants_html(request.headers.get("accept")):
            page = self._pages.job(
                job,
                self._url_of(job),
                self._url,
                self._title,
                service_url=self._service_url,
                captions=self._captions,
                continuable=await self._call(self._jobs.can_go_on, job),
            )
            return HTMLResponse(page, headers=NEGOTIATED)
        return Response(xml.job_document(job, self._url_of(job)), headers=NEGOTIATED, media_type=XML)

    async def act(self, request: Request) -> Response:
        """Take ACTION=DELETE, for clients that have no other way to delete."""
        parameters = await self._read(request)
        action = parameters.one("ACTION")
        if action is None:
            raise ForbiddenError(
                "A job takes ACTION=DELETE here and nothing else.",
                hint="Parameters go to its /parameters, PHASE to /phase, DESTRUCTION to /destruction.",
            )
        if action.strip().upper() != "DELETE":
            raise ParameterError("ACTION", f"{action[:40]!r} is not DELETE.")
        return await self.delete(request)

    async def delete(self, request: Request) -> Response:
        """Delete a job with all that belongs to it, stopping it if it runs."""
        job_id = request.path_params["job_id"]
        with self._waiting.watch(job_id) as watch:
            gone = await self._call(self._jobs.delete, _caller(request), job_id)
            end = time.monotonic() + STOP_WAIT
            while not gone and time.monotonic() < end:
                # The worker tells when it has stopped, then removes files and row; of the latter nobody tells.
                await watch.wait(Phase.EXECUTING, 0.05)
                gone = await self._call(self._jobs.gone, job_id)
        return Response(status_code=303, headers={"Location": self._url, **NO_STORE})

    async def phase(self, request: Request) -> Response:
        """Show a job's phase as text."""
        return _text((await self._get(request)).phase)

    async def change_phase(self, request: Request) -> Response:
        """Take PHASE=RUN or PHASE=ABORT (UWS 1.1, section 2.2.3.5)."""
        parameters = await self._read(request)
        job_id = request.path_params["job_id"]
        with self._waiting.watch(job_id) as watch:
            job, now = await self._call(self._jobs.change_phase, _caller(request), job_id, parameters)
            asked = (parameters.one("PHASE") or "").strip().upper()
            if asked == "ABORT":  # the answer leads to a job that has really stopped
                await self._wait(request, watch, now, until=time.monotonic() + STOP_WAIT)
        return self._see(job)

    async def execution_duration(self, request: Request) -> Response:
        """Show for how many seconds a job may run."""
        return _text(str((await self._get(request)).execution_duration))

    async def set_execution_duration(self, request: Request) -> Response:
        """Set EXECUTIONDURATION, within the service's limit."""
        parameters = await self._read(request)
        job_id = request.path_params["job_id"]
        return self._see(await self._call(self._jobs.set_execution_duration, _caller(request), job_id, parameters))

    async def destruction(self, request: Request) -> Response:
        """Show when a job will be destroyed."""
        return _text(xml.moment((await self._get(request)).destruction))

    async def set_destruction(self, request: Request) -> Response:
        """Set DESTRUCTION, within the service's limit."""
        parameters = await self._read(request)
        job_id = request.path_params["job_id"]
        return self._see(await self._call(self._jobs.set_destruction, _caller(request), job_id, parameters))

    async def quote(self, request: Request) -> Response:
        """Show when a job is expected to end; empty where nobody knows."""
        quote = (await self._get(request)).quote
        return _text("" if quote is None else xml.moment(quote))

    async def owner(self, request: Request) -> Response:
        """Show a job's owner; empty for anonymous ones."""
        return _text((await self._get(request)).owner or "")

    async def parameters(self, request: Request) -> Response:
        """List a job's parameters."""
        return Response(xml.parameters_document(await self._get(request)), headers=NO_STORE, media_type=XML)

    async def add_parameters(self, request: Request) -> Response:
        """Add parameters while a job is PENDING."""
        job_id = request.path_params["job_id"]
        async with self._received(request) as sent:
            job = await self._call(self._jobs.add_parameters, _caller(request), job_id, sent.parameters, sent.files)
        return self._see(job)

    async def error(self, request: Request) -> Response:
        """Show why a job failed, as the same document that a synchronous request would get."""
        job = await self._get(request)
        if job.error is None:
            raise NotFoundError(f"The job is {job.phase} and has no error.")
        body = error_document(job.error.message, infos=(("request_id", job.job_id, ""),))
        return Response(body, headers=NO_STORE, media_type=VOTABLE)

    async def results(self, request: Request) -> Response:
        """List a job's results."""
        job = await self._get(request)
        return Response(xml.results_document(job, self._url_of(job)), headers=NO_STORE, media_type=XML)

    async def result(self, request: Request) -> Response:
        """Answer a result's file, or a range of it."""
        job_id, result_id = request.path_params["job_id"], request.path_params["result_id"]
        result = await self._call(self._jobs.result, _caller(request), job_id, result_id)
        return StoredFileResponse(
            self._jobs.files,
            result.path,
            content_type=result.media_type,
            filename=result.file_name,
            etag=f"{job_id[:16]}-{result_id}-{result.size}",
            executor=self._threads.files,
            idle=IDLE_SECONDS,
        )

    def _of_an_unknown_page(self, request: Request) -> bool:
        """Whether the script of a page of elsewhere asks, which may know jobs that it made and no others.

        Anonymous jobs are listed by the visitor's address, and their ids are all that protects them.
        """
        return "origin" in request.headers and "*" in self._settings.cors_origins

    async def _list_page(self, request: Request, parameters: Parameters, wanted: JobFilter) -> Response:
        before = parameters.one("BEFORE")
        last = None
        if before is not None:
            moment, _, job_id = before.partition(",")
            last = read_time("BEFORE", moment), job_id
        rows = PAGE_ROWS if wanted.last is None else min(PAGE_ROWS, wanted.last)
        page = await self._call(self._jobs.page, _caller(request), wanted, last, rows)
        older = None
        if len(page) == PAGE_ROWS:
            older = self._page_url(parameters, ("BEFORE", f"{xml.moment(page[-1].created)},{page[-1].job_id}"))
        text = self._pages.job_list(
            self._url,
            self._title,
            page,
            phases=wanted.phases,
            older_url=older,
            newer_url=None if before is None else self._page_url(parameters),
            service_url=self._service_url,
        )
        return HTMLResponse(text, headers=NEGOTIATED)

    def _page_url(self, parameters: Parameters, *more: tuple[str, str]) -> str:
        """Return the address of a page of the same list."""
        again = [(name, value) for name, value in parameters.pairs() if name in ("PHASE", "AFTER")]
        query = urlencode([*again, *more])
        return f"{self._url}?{query}" if query else self._url

    def _read_wait(self, parameters: Parameters) -> tuple[float, Phase | None]:
        wait, phase = parameters.one("WAIT"), parameters.one("PHASE")
        if wait is None:
            return 0.0, None
        text = wait.strip()
        if not _WAIT.fullmatch(text):
            raise ParameterError(
                "WAIT", f"{wait[:40]!r} is not a number of seconds.", hint="-1 waits as long as it can."
            )
        known = None
        if phase is not None:
            known = read_phase(phase)
        longest = self._settings.max_wait
        # Python refuses to read thousands of digits; so many seconds are more than the longest anyway.
        return (longest if text == "-1" or len(text) > 9 else min(float(text), longest)), known

    async def _get(self, request: Request) -> Job:
        return await self._call(self._jobs.get, _caller(request), request.path_params["job_id"])

    async def _wait(self, request: Request, watch: Watch, phase: Phase, *, until: float) -> Job | None:
        """Wait until a job has left a phase or the time has come; return the job as it is then, None without a wait."""
        job = None
        while phase in ACTIVE and not self._waiting.full and (left := until - time.monotonic()) > 0:
            await watch.wait(phase, left)
            job = await self._get(request)
            if job.phase is not phase:
                break
        if phase is Phase.QUEUED and job is not None and job.phase is Phase.EXECUTING:
            await watch.wait(job.phase, min(SHORT_JOB, max(0.0, until - time.monotonic())))
            job = await self._get(request)
        return job

    async def _read(self, request: Request) -> Parameters:
        return await read_parameters(request, max_body=self._settings.max_body)

    @asynccontextmanager
    async def _received(self, request: Request) -> AsyncIterator[Received]:
        """Hold a request with its files."""
        settings = self._settings
        with self._scratch.taking(_caller(request).account) as take:
            async with received(
                request, max_body=settings.max_body, max_upload=settings.max_upload, take=take
            ) as found:
                yield found

    async def _call(
        self, call: Callable[Arguments, Result], *arguments: Arguments.args, **more: Arguments.kwargs
    ) -> Result:
        """Call what asks the database or reads files in a thread."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads.store, partial(call, *arguments, **more))

    def _url_of(self, job: Job) -> str:
        return f"{self._url}/{job.job_id}"

    def _see(self, job: Job) -> Response:
        """Lead the client to the job."""
        return Response(status_code=303, headers={"Location": self._url_of(job), **NO_STORE})


def job_routes(path: str, list_of: Callable[[Request], JobHandlers]) -> list[Route]:
    """Return the routes of a job list, or of several whose path has parameters.

    Parameters
    ----------
    path : str
        Of the list, as Starlette writes paths: ``/tasks/{task}/async``.
    list_of : callable
        Gives the list that a request means.
    """

    def route(end: str, **by_method: str) -> Route:
        """Return one route for all methods of a resource, so that the answer to any other method names them all."""

        async def endpoint(request: Request) -> Response:
            call: Endpoint = getattr(list_of(request), by_method["GET" if request.method == "HEAD" else request.method])
            return await call(request)

        endpoint.__doc__ = " ".join(
            f"{method}: {inspect.getdoc(getattr(JobHandlers, name))}" for method, name in by_method.items()
        )
        return Route(f"{path}{end}", endpoint, methods=list(by_method))

    return [route(end, **by_method) for end, by_method in RESOURCES.items()]


def _caller(request: Request) -> Caller:
    caller: Caller = request.state.caller
    return caller


def _text(value: str) -> Response:
    return Response(value, headers=NO_STORE, media_type="text/plain; charset=utf-8")
