"""HTTP for queries: /sync, and the page for people."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from tap.query.cells import Cells
from tap.query.explaining import RunningExplanation
from tap.query.models import ExplainAs, QueryRequest, wants_text
from tap.query.pages import Answered, QueryPages
from tap.query.service import QueryService
from tap.upload.models import INLINE, read_uploads
from vo.core.callers import Caller
from vo.core.context import request_id
from vo.core.dali.errors import RETRY_SECONDS
from vo.core.dali.multipart import SentFiles
from vo.core.dali.parameters import Parameters, wants_json
from vo.core.dali.request import Received, received
from vo.core.errors import ServiceError, UnavailableError, UsageError
from vo.core.fairness import FairSlots
from vo.core.fetch import agent_of
from vo.core.pages import PAGE_HEADERS
from vo.core.scratch import ScratchBooks
from vo.core.settings import Settings
from vo.core.stored import result_headers, result_name
from vo.core.streaming import SourceResponse, run_watched

IDLE_SECONDS = 120.0
"""A client that takes no byte for this long is given up."""
PAGE_ROWS = 200
"""Rows that the query page shows."""
ACTIONS = frozenset({"run", "explain"})
"""What the query page does with a query; without one it only shows it, so that links to queries run nothing."""
JOB = "job"
"""The action that hands the form over to the job list."""


class QueryHandlers:
    """The endpoint /sync and the query page of one process.

    Parameters
    ----------
    service : QueryService
        Runs the queries.
    pages : QueryPages
        For people.
    settings : Settings
        Limits.
    scratch : ScratchBooks
        Counts what uploads take on their way.
    """

    def __init__(self, service: QueryService, pages: QueryPages, settings: Settings, scratch: ScratchBooks) -> None:
        self._service = service
        self._pages = pages
        self._settings = settings
        self._scratch = scratch
        self._agent = agent_of(settings)
        self._executor = ThreadPoolExecutor(settings.connections, thread_name_prefix="query")
        self._slots = FairSlots(settings.connections)

    async def sync(self, request: Request) -> Response:
        """Answer a query directly (TAP 1.1, section 2.1); EXPLAIN=1 explains it instead."""
        settings = self._settings
        with self._scratch.taking(request.state.caller.account) as take:
            async with received(request, max_body=settings.max_body, max_upload=settings.max_upload, take=take) as sent:
                return await self._answer_query(request, sent)

    async def _answer_query(self, request: Request, sent: Received) -> Response:
        """Answer a query whose files, if it has any, are there until it has begun."""
        if request.headers.get("user-agent") == self._agent:  # it would wait for a slot of ours while it holds one
            raise UsageError(
                "A query cannot bring along the answer of another query of the same service.",
                hint="Run that one as a job, and give the address of its result.",
            )
        parameters = sent.parameters
        request.state.text_format, request.state.json_format = wants_text(parameters), wants_json(parameters)
        wanted = QueryRequest.from_parameters(parameters, self._settings)
        caller: Caller = request.state.caller
        running = self._service.query(wanted, caller, request_id.get(), sent.files)
        await self._admit(caller)
        handed_over = False
        try:
            first = await run_watched(request.receive, self._executor, running.begin_sending, running.cancel)
            headers = {
                "Cache-Control": "no-store",
                **result_headers(wanted.content_type, result_name(wanted.query, wanted.extension)),
            }
            if running.done:
                # One write: header and body of a small answer leave together.
                return Response(b"".join(first), headers=headers)
            if request.method == "HEAD":
                response = Response(headers=headers)
                del response.headers["content-length"]  # nobody knows it yet
                return response
            handed_over = True
            return SourceResponse(
                running,
                first,
                executor=self._executor,
                idle=IDLE_SECONDS,
                headers=headers,
                finished=partial(self._release, caller),
            )
        finally:
            if not handed_over:
                await asyncio.get_running_loop().run_in_executor(self._executor, running.close)
                self._slots.release(caller.account)

    async def page(self, request: Request) -> Response:
        """Answer the page where people write queries.

        ACTION=run shows the first rows, ACTION=explain the plan, ACTION=job makes a job; RESPONSEFORMAT alone answers
        with the file of the result. A table in the form is uploaded under the name of its field.
        """
        sent = Received(Parameters(()), SentFiles())
        answered = Answered()
        async with AsyncExitStack() as stack:
            try:
                settings = self._settings
                take = stack.enter_context(self._scratch.taking(request.state.caller.account))
                sent = await stack.enter_async_context(
                    received(request, max_body=settings.max_body, max_upload=settings.max_upload, take=take)
                )
                if (response := await self._leave_page(request, sent)) is not None:
                    return response
                answered = await self._answer(request, sent)
            except ServiceError as error:
                answered = Answered(error=error)
        status, headers = 200, dict(PAGE_HEADERS)
        if answered.error is not None:
            status = answered.error.status
            if isinstance(answered.error, UnavailableError):
                headers["Retry-After"] = RETRY_SECONDS
        html = await asyncio.to_thread(self._pages.query, _query_of(sent), answered, self._settings.max_upload)
        return HTMLResponse(html, status, headers)

    async def _leave_page(self, request: Request, sent: Received) -> Response | None:
        """Return the answer of the form's buttons that lead to something else than the page; None for all others."""
        action, wanted = sent.parameters.one("ACTION"), sent.parameters.one("RESPONSEFORMAT")
        uploads = [("UPLOAD", upload) for upload in _uploads_of(sent)]
        if action == JOB:
            # The browser sends the form once more, to where its parts become a job.
            return RedirectResponse(f"tap/async?{urlencode([('PHASE', 'RUN'), *uploads])}", 307)
        if action is not None or wanted is None:
            return None
        completed = Received(Parameters([*sent.parameters.pairs(), *uploads]), sent.files)
        response = await self._answer_query(request, completed)
        shown = response.headers["Content-Disposition"]
        response.headers["Content-Disposition"] = shown.replace("inline", "attachment", 1)
        return response

    async def _answer(self, request: Request, sent: Received) -> Answered:
        """Run or explain a query for the page."""
        query, action = _query_of(sent), sent.parameters.one("ACTION")
        if action not in ACTIONS or not query.strip():
            return Answered()
        started = time.perf_counter()
        explain = action == "explain"
        cells = Cells(PAGE_ROWS)
        wanted = QueryRequest(
            query=query,
            maxrec=self._settings.default_maxrec if explain else PAGE_ROWS,
            format=cells.format,
            content_type="text/html",
            explain=ExplainAs.TEXT if explain else None,
            uploads=read_uploads(_uploads_of(sent)),
        )
        caller: Caller = request.state.caller
        running = self._service.query(wanted, caller, request_id.get(), sent.files)
        error = None
        await self._admit(caller)
        try:
            await run_watched(request.receive, self._executor, running.finish, running.cancel)
        except ServiceError as failure:
            error = failure
        finally:
            await asyncio.get_running_loop().run_in_executor(self._executor, running.close)
            self._slots.release(caller.account)
        explanation = running.explanation if isinstance(running, RunningExplanation) else None
        return Answered(
            cells=None if explain else cells,
            explanation=explanation,
            error=error,
            uploads=running.uploads.tables if running.uploads is not None else (),
            warnings=running.warnings,
            seconds=time.perf_counter() - started,
        )

    async def _admit(self, caller: Caller) -> None:
        try:
            await self._slots.acquire(caller.account, self._settings.queue_time)
        except TimeoutError:
            raise UnavailableError(
                f"{self._settings.connections} queries run in this process and none ended within "
                f"{self._settings.queue_time:g} s.",
                hint="Try again in a moment, or send it to /tap/async, where it waits for its turn.",
            ) from None

    async def _release(self, caller: Caller) -> None:
        self._slots.release(caller.account)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Hold the worker threads for the life of the process."""
        with suppress(ServiceError):  # the first query says it better
            await asyncio.get_running_loop().run_in_executor(self._executor, self._service.warm_up)
        yield
        self._executor.shutdown(wait=False, cancel_futures=True)


def _query_of(sent: Received) -> str:
    """Return the query of a form; browsers send line ends as CR and LF."""
    return (sent.parameters.all("QUERY") or [""])[0].replace("\r\n", "\n")


def _uploads_of(sent: Received) -> list[str]:
    """Return values of UPLOAD for the files of a form, whose fields are called as the tables."""
    return [f"{part},{INLINE}{part}" for part in sent.files]
