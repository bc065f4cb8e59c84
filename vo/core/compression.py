"""Answers packed with gzip, for clients that take it, while they are made (RFC 9110, sections 8.4 and 12.5.3)."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from concurrent.futures import Executor
from typing import Any

from isal import isal_zlib
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LEVEL = 1
"""Of isal's 0 to 3: the ratio of zlib's level 1 at ten times its speed; 0 is hardly faster and packs base64 not at all,
2 and 3 are slower for a hundredth."""
GZIP_WINDOW = 31
"""What zlib calls a gzip file with the largest window."""
LEAST_BYTES = 1000
"""A smaller answer is one packet, packed or not."""
INLINE_BYTES = 1 << 15
"""So much is packed in 0.1 ms: less than it takes to hand it to a thread."""
BODILESS = frozenset({204, 206, 304})
"""Statuses without a body, or with a part of the unpacked one."""
ETAG_MARK = "-gzip"
MARKED_END = f'{ETAG_MARK}"'.encode()

_TYPES = re.compile(
    r"text/.*|application/(json|javascript|xml|xhtml|x-votable|.*\+json|.*\+xml|x-ndjson)|image/svg\+xml", re.IGNORECASE
)


class Compression:
    """Pack the answers that are text, blocks as they come, outside of the event loop (ASGI middleware).

    An answer that has a coding already, a part of a file, and any answer to a request for a part stay as they are.

    Parameters
    ----------
    app : ASGIApp
        What answers.
    executor : concurrent.futures.Executor
        Where blocks are packed.
    """

    def __init__(self, app: ASGIApp, executor: Executor) -> None:
        self._app = app
        self._executor = executor

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection's scope."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        wanted = Headers(scope=scope)
        packing = takes_gzip(wanted.getlist("accept-encoding")) and "range" not in wanted
        answer = _Answer(send, self._executor, head=scope["method"] == "HEAD", packing=packing)
        _ask_for_the_unpacked(scope, answer)
        await self._app(scope, receive, answer.send)


class _Answer:
    """One answer on its way out.

    Attributes
    ----------
    known_packed : bool
        Whether the client asked if the packed form that it has is still the right one.
    """

    def __init__(self, send: Send, executor: Executor, *, head: bool, packing: bool) -> None:
        self._send = send
        self._executor = executor
        self._head = head
        self._packing = packing
        self._start: Message | None = None
        self._packer: Any = None
        self.known_packed = False

    async def send(self, message: Message) -> None:
        """Take a message from the application; the start waits for the first block, which decides."""
        if message["type"] == "http.response.start":
            self._start = message
            return
        if message["type"] == "http.response.body":
            if self._start is not None:
                message = await self._begin(self._start, message)
                self._start = None
            elif self._packer is not None:
                message = {**message, "body": await self._pack(message)}
        await self._send(message)

    async def _begin(self, start: Message, first: Message) -> Message:
        """Send the start, and return the first block as it has to be sent."""
        headers = MutableHeaders(raw=list(start["headers"]))
        if start["status"] == 304:  # says so without the media type
            headers.add_vary_header("Accept-Encoding")
            if self.known_packed:
                _mark_etag(headers)
        if is_compressible(headers):
            headers.add_vary_header("Accept-Encoding")
            if self._packing and start["status"] not in BODILESS:
                first = await self._begin_packing(headers, first)
        await self._send({**start, "headers": headers.raw})
        return first

    async def _begin_packing(self, headers: MutableHeaders, first: Message) -> Message:
        whole = not first.get("more_body", False)
        size = len(memoryview(first.get("body", b"")).cast("B"))
        if whole and (size or not self._head):
            if size < LEAST_BYTES:
                return first
            self._packer = _new_packer()
            body = await self._pack(first)
            if len(body) >= size:
                return first
            first = {**first, "body": body}
            headers["content-length"] = str(len(body))
        else:  # a stream, or the head of an answer whose body nobody made
            length = headers.get("content-length")
            if length is not None and int(length) < LEAST_BYTES:
                return first
            del headers["content-length"]
            if not whole:
                self._packer = _new_packer()
                first = {**first, "body": await self._pack(first)}
        headers["content-encoding"] = "gzip"
        del headers["accept-ranges"]  # parts are those of the unpacked form
        _mark_etag(headers)
        return first

    async def _pack(self, message: Message) -> bytes:
        body, last = message.get("body", b""), not message.get("more_body", False)
        if len(body) <= INLINE_BYTES:
            return _packed(self._packer, body, last)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, _packed, self._packer, body, last)


def takes_gzip(accepted: Iterable[str]) -> bool:
    """Return whether the client takes gzip, and likes nothing better that we have.

    Parameters
    ----------
    accepted : iterable of str
        Values of Accept-Encoding headers.
    """
    qualities: dict[str, float] = {}
    for item in ",".join(accepted).split(","):
        name, *parameters = (part.strip().lower() for part in item.split(";"))
        quality = 1.0
        for parameter in parameters:
            if parameter.startswith("q="):
                quality = _quality(parameter[2:])
        if name:
            qualities[name] = quality
    gzip = qualities.get("gzip", qualities.get("x-gzip", qualities.get("*", 0.0)))
    return gzip > 0 and gzip >= qualities.get("identity", 0.0)


def is_compressible(headers: Headers) -> bool:
    """Return whether an answer with these headers is text that has no coding yet."""
    media_type = headers.get("content-type", "").partition(";")[0].strip()
    transformed = "content-encoding" in headers or "no-transform" in headers.get("cache-control", "")
    return bool(_TYPES.fullmatch(media_type)) and not transformed


def _quality(text: str) -> float:
    """Return a quality between 0 and 1; what is none counts as 0."""
    try:
        quality = float(text)
    except ValueError:
        return 0.0
    return quality if 0 <= quality <= 1 else 0.0


def _ask_for_the_unpacked(scope: Scope, answer: _Answer) -> None:
    """Turn the tags of packed forms in a request into those that the application gave.

    If-Range stays as it is: a part of the packed form cannot be answered, and the tag that nobody knows says so.
    """
    for place, (name, value) in enumerate(scope["headers"]):
        if name == b"if-none-match" and MARKED_END in value:
            scope["headers"][place] = name, value.replace(MARKED_END, b'"')
            answer.known_packed = True


def _mark_etag(headers: MutableHeaders) -> None:
    """Give the packed form a tag of its own: its bytes are others."""
    if tag := headers.get("etag"):
        headers["etag"] = f'{tag[:-1]}{ETAG_MARK}"'


def _new_packer() -> Any:
    return isal_zlib.compressobj(LEVEL, isal_zlib.DEFLATED, GZIP_WINDOW)


def _packed(packer: Any, body: Any, last: bool) -> bytes:
    """Pack a block so that the client can unpack all of it now."""
    packed: bytes = packer.compress(body)
    rest: bytes = packer.flush(isal_zlib.Z_FINISH if last else isal_zlib.Z_SYNC_FLUSH)
    return packed + rest
