"""HTTP for queries: /sync, and the page for people."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from functools import partial

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from tap.query.cells import Cells
from tap.query.explaining import RunningExplanation
from tap.query.models import ExplainAs, QueryRequest, wants_json, wants_text
from tap.query.pages import Answered, QueryPages
from tap.query.service import QueryService
from vo.core.callers import Caller
from vo.core.context import request_id
from vo.core.dali.errors import RETRY_SECONDS
from vo.core.dali.request import Received, read_parameters, received
from vo.core.errors import ServiceError, UnavailableError
from vo.core.fairness import FairSlots
from vo.core.settings import Settings
from vo.core.stored import content_disposition, result_name
from vo.core.streaming import SourceResponse, run_watched

IDLE_SECONDS = 120.0
"""A client that takes no byte for this long is given up."""
PAGE_ROWS = 200
"""Rows that the query page shows."""
ACTIONS = frozenset({"run", "explain"})
"""What the query page does with a query; without one it only shows it, so that links to queries run nothing."""
PAGE_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src data:; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
}
"""Cells and names are escaped; should one not be, nothing of it runs."""


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
    """

    def __init__(self, service: QueryService, pages: QueryPages, settings: Settings) -> None:
        self._service = service
        self._pages = pages
        self._settings = settings
        self._executor = ThreadPoolExecutor(settings.connections, thread_name_prefix="query")
        self._slots = FairSlots(settings.connections)

    async def sync(self, request: Request) -> Response:
        """Answer a query directly (TAP 1.1, section 2.1); EXPLAIN=1 explains it instead."""
        settings = self._settings
        async with received(request, max_body=settings.max_body, max_upload=settings.max_upload) as sent:
            return await self._answer_query(request, sent)

    async def _answer_query(self, request: Request, sent: Received) -> Response:
        """Answer a query whose files, if it has any, are there until it has begun."""
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
                "Content-Disposition": content_disposition(result_name(wanted.query, wanted.extension)),
                "Content-Type": wanted.content_type,
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
        """Answer the page where people write queries: ACTION=run shows the first rows, ACTION=explain the plan."""
        parameters = await read_parameters(request, max_body=self._settings.max_body)
        query = (parameters.one("QUERY") or "").replace("\r\n", "\n")  # as browsers send line ends
        action = parameters.one("ACTION") or ""
        status, headers = 200, dict(PAGE_HEADERS)
        answered = Answered()
        if action in ACTIONS and query.strip():
            try:
                answered = await self._answer(request, query, explain=action == "explain")
            except ServiceError as error:
                answered, status = Answered(error=error), error.status
                if isinstance(error, UnavailableError):
                    headers["Retry-After"] = RETRY_SECONDS
        html = await asyncio.to_thread(self._pages.query, query, answered)
        return HTMLResponse(html, status, headers)

    async def _answer(self, request: Request, query: str, *, explain: bool) -> Answered:
        """Run or explain a query for the page."""
        started = time.perf_counter()
        cells = Cells(PAGE_ROWS)
        wanted = QueryRequest(
            query=query,
            maxrec=self._settings.default_maxrec if explain else PAGE_ROWS,
            format=cells.format,
            content_type="text/html",
            explain=ExplainAs.TEXT if explain else None,
        )
        caller: Caller = request.state.caller
        running = self._service.query(wanted, caller, request_id.get())
        await self._admit(caller)
        try:
            await run_watched(request.receive, self._executor, running.finish, running.cancel)
        finally:
            await asyncio.get_running_loop().run_in_executor(self._executor, running.close)
            self._slots.release(caller.account)
        explanation = running.explanation if isinstance(running, RunningExplanation) else None
        return Answered(
            cells=None if explain else cells,
            explanation=explanation,
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
