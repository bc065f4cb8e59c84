"""Reading a request's parameters from its query string and body, within bounds."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from urllib.parse import parse_qsl

from starlette.datastructures import Headers
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from vo.core.dali.parameters import Parameters
from vo.core.errors import TooLargeError, UsageError

MAX_FIELDS = 1000
URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"


async def read_parameters(request: Request, *, max_body: int) -> Parameters:
    """Return the parameters of a GET or POST request.

    Parameters
    ----------
    request : starlette.requests.Request
        POST bodies may be urlencoded or multipart (DALI 1.1, section 2.3).
    max_body : int
        Largest query string or body, in bytes.

    Raises
    ------
    TooLargeError
        If the query string or the body is larger than `max_body`.
    UsageError
        If the body is of another type or malformed.
    """
    query = request.scope["query_string"]
    if len(query) > max_body:
        raise TooLargeError(f"The query string has {len(query)} bytes, the limit is {max_body}.")
    pairs = _decode(query, "query string")
    if request.method == "POST":
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type == MULTIPART:
            pairs += await _read_multipart(request, max_body)
        elif media_type in (URLENCODED, ""):
            body = b"".join([chunk async for chunk in _bounded(request, max_body)])
            pairs += _decode(body, "body")
        else:
            raise UsageError(
                f"A body of type {media_type[:80]!r} is not understood.", hint=f"Send {URLENCODED} or {MULTIPART}."
            )
    return Parameters(pairs)


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


async def _bounded(request: Request, max_body: int) -> AsyncGenerator[bytes, None]:
    size = 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size > max_body:
                raise TooLargeError(f"The request body is larger than the limit of {max_body} bytes.")
            yield chunk
    except ClientDisconnect:
        raise UsageError("The client went away while it sent the body.") from None


async def _read_multipart(request: Request, max_body: int) -> list[tuple[str, str]]:
    try:
        parser = MultiPartParser(
            Headers(raw=request.headers.raw),
            _bounded(request, max_body),
            max_files=MAX_FIELDS,
            max_fields=MAX_FIELDS,
            max_part_size=max_body,
        )
        form = await parser.parse()
    except (MultiPartException, KeyError, UnicodeDecodeError, LookupError, ValueError) as error:
        reason = error.message.rstrip(".") if isinstance(error, MultiPartException) else "no usable boundary or charset"
        raise UsageError(f"The multipart body cannot be read: {reason}.") from None
    pairs = [(name, value) for name, value in form.multi_items() if isinstance(value, str)]
    await form.close()
    if any("\0" in name or "\0" in value for name, value in pairs):
        raise UsageError("The multipart body contains a NUL character.")
    return pairs
