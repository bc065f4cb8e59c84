"""Answers that are made block by block in worker threads, and stop being made when nobody reads them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from typing import Any, Protocol, TypeVar

from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from vo.core.errors import ServiceError

Result = TypeVar("Result")

WATCH_AFTER = 0.05
"""Seconds after which a running call is worth watching for a client that hangs up."""
CANCEL_EVERY = 0.1
"""Seconds between two attempts to cancel: the first may come before the work has really begun."""


class ClientGoneError(Exception):
    """The client closed the connection before its answer was ready."""


class Source(Protocol):
    """Something that makes an answer block by block; `more` and `close` block and run in a worker thread."""

    def more(self) -> Sequence[Any] | None:
        """Return the next blocks of bytes, None at the end."""

    def cancel(self) -> None:
        """Make a running `more` end soon; called from any thread, also repeatedly."""

    def close(self) -> None:
        """Free what the source holds."""


async def run_watched(
    receive: Receive, executor: Executor, call: Callable[[], Result], cancel: Callable[[], None]
) -> Result:
    """Run a blocking call in a worker thread; cancel it when the client hangs up.

    Raises
    ------
    ClientGoneError
        After the call has really ended.
    """
    work = asyncio.get_running_loop().run_in_executor(executor, call)
    try:
        done, _ = await asyncio.wait({work}, timeout=WATCH_AFTER)
        if done:
            return work.result()
        gone = asyncio.ensure_future(disconnected(receive))
        either: set[asyncio.Future[Any]] = {work, gone}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
        if work.done():
            return work.result()
    except asyncio.CancelledError:
        await _end(work, cancel)
        raise
    await _end(work, cancel)
    raise ClientGoneError


async def disconnected(receive: Receive) -> None:
    """Return when the client has hung up; its body must have been read."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _end(work: asyncio.Future[Any], cancel: Callable[[], None]) -> None:
    while not work.done():
        cancel()
        await asyncio.wait({work}, timeout=CANCEL_EVERY)
    work.exception()  # seen: the client does not want it any more


class SourceResponse(Response):
    """Stream a source: the next blocks are made while the last ones are sent.

    Parameters
    ----------
    source : Source
        Closed at the end, whatever happens.
    first : sequence of bytes
        Blocks that are ready.
    executor : Executor
        Where the source's blocking methods run.
    idle : float
        Seconds without progress after which a client that reads nothing is given up.
    finished : callable
        Awaited after the source is closed.
    """

    def __init__(
        self,
        source: Source,
        first: Sequence[Any],
        *,
        executor: Executor,
        idle: float,
        headers: dict[str, str],
        finished: Callable[[], Awaitable[None]],
    ) -> None:
        self.status_code = 200
        self.background = None
        self.init_headers(headers)
        self._source = source
        self._first = first
        self._executor = executor
        self._idle = idle
        self._finished = finished

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Send the answer (ASGI)."""
        loop = asyncio.get_running_loop()
        sending = asyncio.ensure_future(self._send(send))
        gone = asyncio.ensure_future(disconnected(receive))
        try:
            await asyncio.wait({sending, gone}, return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                # An answer without an end, whose connection the server closes, for a client that took nothing for too
                # long, and where the source failed and its format cannot say so.
                with suppress(TimeoutError, ServiceError):
                    sending.result()
        finally:
            gone.cancel()
            if not sending.done():
                sending.cancel()
                await asyncio.wait({sending})
            await loop.run_in_executor(self._executor, self._source.close)
            await self._finished()

    async def _send(self, send: Send) -> None:
        loop = asyncio.get_running_loop()
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        blocks: Sequence[Any] | None = self._first
        self._first = ()  # sent once, not kept for the length of the answer
        ahead: asyncio.Future[Sequence[Any] | None] | None = None
        try:
            while blocks is not None:
                ahead = loop.run_in_executor(self._executor, self._source.more)
                for block in blocks:
                    await self._send_block(send, {"type": "http.response.body", "body": block, "more_body": True})
                blocks = await ahead
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        except BaseException:
            if ahead is not None:
                await asyncio.shield(_end(ahead, self._source.cancel))
            raise

    async def _send_block(self, send: Send, message: Message) -> None:
        async with asyncio.timeout(self._idle):
            await send(message)
