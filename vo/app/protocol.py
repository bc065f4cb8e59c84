"""HTTP as uvicorn speaks it, with bounds for what stands before a request's body: uvicorn keeps as much as comes."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_BYTES = 1 << 20
"""Of a request's first line and its headers; parameters that are longer belong into a body."""
HEADERS_BYTES = 1 << 17
"""Of the headers alone, and of those after a body."""
HEADER_COST = 100
"""Bytes that a header takes in memory beside its text."""
HEAD_SECONDS = 60.0
"""A client that has not sent the head of its first request, or the rest of one that it began, is given up."""


class _HeadersTooLargeError(Exception):
    """Ends the parsing of a request."""


class BoundedProtocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._patience: asyncio.TimerHandle | None = None
        self._head_bytes = self._headers_bytes = 0
        self._too_large = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first request."""
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._end_of_head()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what comes, as long as it is not too much."""
        if self._patience is not None:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES + len(data):  # of which some may be a body
                self._too_large = True
                self.send_400_response("")
                return
        super().data_received(data)

    def on_message_begin(self) -> None:
        """Wait for the head of a request that has begun."""
        self._headers_bytes = 0
        if self._patience is None:
            self._await_head()
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header."""
        self._headers_bytes += len(name) + len(value) + HEADER_COST
        if self._headers_bytes > HEADERS_BYTES:
            self._too_large = True
            raise _HeadersTooLargeError
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Begin to answer."""
        self._end_of_head()
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request."""
        self._end_of_head()
        super().send_400_response("The head of the request is too large." if self._too_large else msg)

    def _await_head(self) -> None:
        self._head_bytes = 0
        self._patience = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _end_of_head(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _give_up(self) -> None:
        self._patience = None
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()
        else:  # the answer to the request before is not yet sent
            self._await_head()
