"""HTTP for queries: /sync."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from tap.query.models import QueryRequest, wants_text
from tap.query.service import QueryService
from vo.core.callers import Caller
from vo.core.context import request_id
from vo.core.dali.request import read_parameters
from vo.core.errors import ServiceError, UnavailableError
from vo.core.fairness import FairSlots
from vo.core.settings import Settings
from vo.core.streaming import SourceResponse, run_watched

IDLE_SECONDS = 120.0
"""A client that takes no byte for this long is given up."""


class QueryHandlers:
    """The endpoint /sync of one process.

    Parameters
    ----------
    service : QueryService
        Runs the queries.
    settings : Settings
        Limits.
    """

    def __init__(self, service: QueryService, settings: Settings) -> None:
        self._service = service
        self._settings = settings
        self._executor = ThreadPoolExecutor(settings.connections, thread_name_prefix="query")
        self._slots = FairSlots(settings.connections)

    async def sync(self, request: Request) -> Response:
        """Answer a query directly (TAP 1.1, section 2.1)."""
        parameters = await read_parameters(request, max_body=self._settings.max_body)
        request.state.text_format = wants_text(parameters)
        wanted = QueryRequest.from_parameters(parameters, self._settings)
        caller: Caller = request.state.caller
        running = self._service.query(wanted, caller, request_id.get())
        await self._admit(caller)
        handed_over = False
        try:
            first = await run_watched(request.receive, self._executor, running.begin, running.cancel)
            headers = {
                "Cache-Control": "no-store",
                "Content-Disposition": f'inline; filename="result{wanted.format.extension}"',
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
