"""Reading a request's parameters and files from its query string and body, within bounds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import parse_qsl

from python_multipart.multipart import parse_options_header
from starlette.requests import ClientDisconnect, Request

from vo.core.dali.multipart import MAX_FIELDS, MultipartReader, SentFiles
from vo.core.dali.parameters import Parameters
from vo.core.errors import ServiceError, TooLargeError, UnavailableError, UsageError
from vo.core.scratch import unlimited

URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"
BLOCK_BYTES = 1 << 20
"""So much of a body is gathered before a thread reads it and writes its files."""
INLINE_BYTES = 1 << 16
"""So much text is decoded within milliseconds."""
FRAME_BYTES = 1 << 20
"""What boundaries and headers of parts may have in all, beside parameters and files."""
HELD_BYTES = 256 << 20
"""What long bodies, those beyond `INLINE_BYTES`, may take of the memory of one process at the same time."""
IDLE_SECONDS = 120.0
"""A client that sends nothing for this long is given up."""
DRAINED_BYTES, DRAINED_SECONDS = 64 << 20, 10.0
"""What is still taken from a client that wants the connection closed, when its request is refused."""


@dataclass(frozen=True)
class Received:
    """What came with a request.

    Attributes
    ----------
    parameters : Parameters
        Of the query string and the body.
    files : SentFiles
        By the names of their parts; open while the context of `received` lasts.
    """

    parameters: Parameters
    files: SentFiles


class Bounds(NamedTuple):
    """How large a body may be, in bytes, and in words."""

    most: int
    words: str

    def check(self, size: int) -> None:
        """Raise an error when a body is too large."""
        if size > self.most:
            raise TooLargeError(f"The request body is larger than the limit of {self.words}.")


async def read_parameters(request: Request, *, max_body: int) -> Parameters:
    """Return the parameters of a GET or POST request.

    Parameters
    ----------
    request : starlette.requests.Request
        POST bodies may be urlencoded or multipart (DALI 1.1, section 2.3); files in them are read and forgotten.
    max_body : int
        Largest query string or body, in bytes.

    Raises
    ------
    TooLargeError
        If the query string or the body is larger than `max_body`.
    UsageError
        If the body is of another type or malformed.
    """
    async with received(request, max_body=max_body, max_upload=max_body) as found:
        return found.parameters


class _Memory:
    """Counts what bodies take of the memory; of use in the event loop alone.

    Parameters
    ----------
    most : int
        Bytes.
    """

    def __init__(self, most: int) -> None:
        self._left = most

    @contextmanager
    def held(self) -> Iterator[Callable[[int], None]]:
        """Count what one body takes while the ``with`` block lasts; what is yielded is told how much that is by now.

        Raises
        ------
        UnavailableError
            From what is yielded, when all bodies together take too much.
        """
        mine = 0

        def hold(size: int) -> None:
            nonlocal mine
            more = size - mine if size > INLINE_BYTES else 0
            if more > self._left:
                raise UnavailableError(
                    "Too many long requests are on their way at the same time.", hint="Try again in a moment."
                )
            self._left -= more
            mine += more

        try:
            yield hold
        finally:
            self._left += mine


_memory = _Memory(HELD_BYTES)


@asynccontextmanager
async def received(
    request: Request, *, max_body: int, max_upload: int, take: Callable[[int], None] = unlimited
) -> AsyncIterator[Received]:
    """Read a request with its files, which are written to the disk as they arrive and are deleted at the end.

    Parameters
    ----------
    request : starlette.requests.Request
        GET or POST; files are parts with a file name, or of another type than plain text.
    max_body : int
        Most bytes of the query string, and of the parameters in the body.
    max_upload : int
        Most bytes of all files.
    take : callable
        Told the size of each piece of a file before it is written; what it raises ends the request.

    Raises
    ------
    TooLargeError
        As soon as one of them is passed, or announced.
    LimitError
        If the disk for temporary files is full.
    UsageError
        If the body is of another type, malformed, or ends early.
    """
    query = request.scope["query_string"]
    if len(query) > max_body:
        raise TooLargeError(f"The query string has {len(query)} bytes, the limit is {max_body}.")
    pairs = await _decoded(query, "query string")
    files = SentFiles()
    with _memory.held() as hold:
        try:
            if request.method == "POST":
                try:
                    more, files = await _read_body(request, max_body, max_upload, take, hold)
                except ServiceError:
                    await _let_the_client_finish(request)
                    raise
                pairs += more
            yield Received(Parameters(pairs), files)
        finally:
            await _close(files)


async def _close(files: SentFiles) -> None:
    """Close files; giving a large one back to the disk takes a while."""
    if files:
        await asyncio.shield(asyncio.get_running_loop().run_in_executor(None, files.close))


async def _read_body(
    request: Request, max_body: int, max_upload: int, take: Callable[[int], None], hold: Callable[[int], None]
) -> tuple[list[tuple[str, str]], SentFiles]:
    if (coding := request.headers.get("content-encoding", "identity").strip().lower()) not in ("", "identity"):
        raise UsageError(
            f"A body with the Content-Encoding {coding[:40]!r} is not understood.",
            hint="Send the body as it is; the tables inside may be packed.",
        )
    encoded_type, options = parse_options_header(request.headers.get("content-type"))
    media_type = encoded_type.decode("latin-1").strip()
    if media_type == MULTIPART:
        reader = MultipartReader(options, max_text=max_body, max_upload=max_upload, take=take)
        bounds = Bounds(
            max_body + max_upload + FRAME_BYTES, f"{max_body} bytes of parameters and {max_upload} bytes of files"
        )
        try:
            await _read_multipart(request, reader, bounds, hold)
        except BaseException:
            await _close(reader.files)
            raise
        return reader.pairs, reader.files
    if media_type in (URLENCODED, ""):
        bounds = Bounds(max_body, f"{max_body} bytes")
        body = b"".join([block async for block in _blocks(request, bounds, hold)])
        return await _decoded(body, "body"), SentFiles()
    raise UsageError(
        f"A body of type {media_type[:80]!r} is not understood.", hint=f"Send {URLENCODED} or {MULTIPART}."
    )


async def _decoded(encoded: bytes, where: str) -> list[tuple[str, str]]:
    """Decode a text, a long one in a thread: millions of escapes take half a second."""
    if len(encoded) <= INLINE_BYTES:
        return _decode(encoded, where)
    return await asyncio.to_thread(_decode, encoded, where)


def _decode(encoded: bytes, where: str) -> list[tuple[str, str]]:
    if not encoded:
        return []
    try:
        text = encoded.decode("ascii")
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
    except UnicodeDecodeError:
        raise UsageError(f"The {where} is not percent-encoded UTF-8 text.") from None
    except ValueError:
        raise UsageError(f"The {where} has more than {MAX_FIELDS} parameters.") from None
    if any("\0" in name or "\0" in value for name, value in pairs):
        raise UsageError(f"The {where} contains a NUL character.")
    return pairs


async def _read_multipart(
    request: Request, reader: MultipartReader, bounds: Bounds, hold: Callable[[int], None]
) -> None:
    """Let a thread read and write one block while the next one arrives."""
    loop = asyncio.get_running_loop()
    reading: asyncio.Future[None] | None = None

    def hold_block(size: int) -> None:
        """Count two blocks, one that is read and one that arrives, and the parameters."""
        hold(min(size, 2 * BLOCK_BYTES) + reader.text_bytes)

    try:
        async for block in _blocks(request, bounds, hold_block):
            if reading is not None:
                await asyncio.wait({reading})
                reading.result()
            reading = loop.run_in_executor(None, reader.feed, block)
        if reading is not None:
            await asyncio.wait({reading})
            reading.result()
    finally:
        if reading is not None:
            await asyncio.wait({reading})  # its files are closed next
            reading.exception()  # seen: what went wrong before matters more
    reader.end()


async def _blocks(request: Request, bounds: Bounds, hold: Callable[[int], None]) -> AsyncGenerator[bytes, None]:
    """Yield the body in blocks of some size; `hold` is told how much of it has come."""
    announced = request.headers.get("content-length", "")
    if announced.isascii() and announced.isdigit():
        bounds.check(int(announced[:20]))
    gathered = bytearray()  # a list would hold each byte of a client that sends them one by one as an object
    size = 0
    stream = request.stream()
    try:
        while True:
            async with asyncio.timeout(IDLE_SECONDS):
                piece = await anext(stream, None)
            if piece is None:
                break
            gathered += piece
            size += len(piece)
            bounds.check(size)
            hold(size)
            if len(gathered) >= BLOCK_BYTES:
                yield bytes(gathered)
                gathered.clear()
    except ClientDisconnect:
        raise UsageError("The client went away while it sent the body.") from None
    except TimeoutError:
        raise UsageError(f"Nothing of the body came for {IDLE_SECONDS:g} s.") from None
    if gathered:
        yield bytes(gathered)


async def _let_the_client_finish(request: Request) -> None:
    """Take what a client still sends before it is told that its request is refused.

    Else it is reset while it sends, and never reads why. The server itself does so for as long as the client keeps the
    connection; where it closes that after the answer, it reads nothing more.
    """
    closes = "close" in request.headers.get("connection", "").lower() or request.scope["http_version"] == "1.0"
    if not closes or "expect" in request.headers:  # who expects to be told does not send before
        return
    size = 0
    with suppress(TimeoutError):
        async with asyncio.timeout(DRAINED_SECONDS):
            while size < DRAINED_BYTES:
                message = await request.receive()
                size += len(message.get("body", b""))
                if not message.get("more_body", False):
                    return
