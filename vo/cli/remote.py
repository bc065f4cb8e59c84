"""Services somewhere else: bytes as they come, errors as they say them."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any, cast
from urllib.parse import urlencode, urljoin, urlsplit

from isal import isal_zlib
from lxml import etree

from vo import __version__
from vo.cli.uploads import MultipartBody
from vo.core.compression import GZIP_WINDOW
from vo.core.errors import QueryError, ServiceError, UnavailableError, UsageError

BLOCK_BYTES = 1 << 20
PATIENCE = 3600.0
"""Seconds without a byte after which a service is given up."""
NOT_NOW = frozenset({429, 502, 503, 504})
"""Statuses of a service, or of a proxy before it, that may answer later."""
_LONGEST_ERROR = 1 << 16
_DAMAGED = cast("type[Exception]", isal_zlib.error)


def sync_url(url: str) -> str:
    """Return the address for synchronous queries of a service, of which its base or that address itself is given.

    Raises
    ------
    UsageError
        If it is no address of the web.
    """
    return f"{web_address(url, 'a TAP service', 'https://example.org/tap').removesuffix('/sync')}/sync"


def web_address(url: str, what: str, example: str) -> str:
    """Return an address without slashes at its end.

    Raises
    ------
    UsageError
        If it is no address of the web.
    """
    if urlsplit(url).scheme not in {"http", "https"} or not urlsplit(url).hostname:
        raise UsageError(f"{url!r} is not the address of {what}.", hint=f"Such as {example}.")
    return url.rstrip("/")


class _Listening:
    """Of a connection: hear a service that answers before it has the whole request, a file that is too large say."""

    sock: Any

    def endheaders(self, *body: Any, **options: Any) -> None:
        try:
            super().endheaders(*body, **options)  # type: ignore[misc]  # of the connection that this is mixed into
        except (BrokenPipeError, ConnectionResetError):
            if self.sock is None:
                raise
            # The answer may be there.


class _Plain(_Listening, HTTPConnection):
    pass


class _Encrypted(_Listening, HTTPSConnection):
    pass


class _PlainHandler(urllib.request.HTTPHandler):
    def http_open(self, request: urllib.request.Request) -> HTTPResponse:
        return self.do_open(_Plain, request)


class _EncryptedHandler(urllib.request.HTTPSHandler):
    def https_open(self, request: urllib.request.Request) -> HTTPResponse:
        return self.do_open(_Encrypted, request)


class _Staying(urllib.request.HTTPRedirectHandler):
    """Answers with where one is led to instead of going there."""

    def redirect_request(self, *_arguments: Any) -> None:
        return None


@contextmanager
def asked(url: str, parameters: Sequence[tuple[str, str]], body: MultipartBody | None = None) -> Iterator[HTTPResponse]:
    """Send a query and hold the answer, which has begun; `body` has its parameters and its files, if it has any.

    Raises
    ------
    QueryError
        What the service says against the query.
    UnavailableError
        If it cannot be reached.
    """
    with requested(sync_url(url), urlencode(parameters).encode() if body is None else body) as response:
        yield response


@contextmanager
def requested(
    url: str, body: bytes | MultipartBody | None = None, *, accept: str | None = None, patience: float = PATIENCE
) -> Iterator[HTTPResponse]:
    """Send a request, POST where it has a body, and hold the answer, which has begun.

    Raises
    ------
    QueryError
        What the service says against it.
    UnavailableError
        If it cannot be reached, or not now.
    """
    opener = urllib.request.build_opener(_PlainHandler, _EncryptedHandler)
    try:
        response: HTTPResponse = opener.open(_request(url, body, accept), timeout=patience)
    except urllib.error.HTTPError as error:
        with error:
            raise _refusal(_host(url), error) from None
    except (OSError, HTTPException) as error:
        raise _unreachable(url, error) from None
    with response:
        yield response


def led(url: str, body: bytes | MultipartBody | None, *, method: str = "POST", patience: float = PATIENCE) -> str:
    """Send a request whose answer leads elsewhere, as UWS answers to all that changes something; return where to.

    Raises
    ------
    QueryError
        What the service says against it.
    UnavailableError
        If it cannot be reached, or not now.
    """
    opener = urllib.request.build_opener(_PlainHandler, _EncryptedHandler, _Staying)
    try:
        with opener.open(_request(url, body, None, method), timeout=patience) as response:
            return str(response.url)
    except urllib.error.HTTPError as error:
        with error:
            if 300 <= error.code < 400:
                return urljoin(url, error.headers.get("Location", ""))
            raise _refusal(_host(url), error) from None
    except (OSError, HTTPException) as error:
        raise _unreachable(url, error) from None


def _request(
    url: str, body: bytes | MultipartBody | None, accept: str | None, method: str | None = None
) -> urllib.request.Request:
    if urlsplit(url).scheme not in {"http", "https"}:  # documents of services elsewhere may name files of ours
        raise UnavailableError(f"The service leads to {url[:80]!r}, which is no address of the web.")
    headers = {"User-Agent": f"vo-stack/{__version__}", **({"Accept": accept} if accept else {})}
    headers |= body.headers if isinstance(body, MultipartBody) else {}
    return urllib.request.Request(url, body, headers, method=method)  # noqa: S310  (its scheme was looked at)


def _host(url: str) -> str:
    return urlsplit(url).netloc.rpartition("@")[2]


def _unreachable(url: str, error: Exception) -> UnavailableError:
    return UnavailableError(f"{_host(url)} cannot be asked: {getattr(error, 'reason', None) or error}.")


def blocks_of(response: HTTPResponse) -> Iterator[bytes]:
    """Yield an answer as it comes, unpacked; some services pack it without being asked.

    Raises
    ------
    UnavailableError
        If it breaks off.
    """
    unpacker = _unpacker(response)
    while block := _read(response):
        yield _unpacked(unpacker, block) if unpacker is not None else block
    if response.length:
        raise UnavailableError(f"The answer broke off, {response.length:,} bytes before its end.")
    if unpacker is not None and not unpacker.eof:
        raise UnavailableError("The answer broke off: the end of what was packed is missing.")


def _unpacker(response: HTTPResponse) -> Any:
    """Return what unpacks an answer, None if it is not packed."""
    coding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if coding in {"", "identity"}:
        return None
    if coding not in {"gzip", "x-gzip"}:
        raise UnavailableError(f"The answer is packed as {coding!r}, which nobody asked for.")
    return isal_zlib.decompressobj(GZIP_WINDOW)


def _unpacked(unpacker: Any, block: bytes) -> bytes:
    try:
        unpacked: bytes = unpacker.decompress(block)
    except _DAMAGED as error:
        raise UnavailableError(f"The answer cannot be unpacked: {error}.") from None
    return unpacked


def _read(response: HTTPResponse) -> bytes:
    try:
        return response.read1(BLOCK_BYTES)
    except (OSError, HTTPException) as error:
        raise UnavailableError(f"The answer broke off: {error}.") from None


def _refusal(host: str, error: urllib.error.HTTPError) -> ServiceError:
    """Return what a service says against a request: the reason in its VOTable, or its text."""
    body = error.read(_LONGEST_ERROR)
    text = ""
    if b"VOTABLE" in body:
        parser = etree.XMLParser(resolve_entities=False, no_network=True, recover=True)
        root = etree.fromstring(body, parser)
        statuses = root.iterfind(".//{*}INFO[@name='QUERY_STATUS']") if root is not None else ()
        text = "\n".join(status.text or "" for status in statuses)
    elif error.headers.get_content_type() == "text/plain":
        text = body.decode("utf-8", "replace")
    elif error.headers.get_content_type() == "application/json":
        with suppress(ValueError, KeyError, TypeError):  # JSON of another kind says nothing to us
            text = str(json.loads(body)["error"]["text"])
    words = text.strip() or f"{host} answers {error.code} {error.reason}."
    return UnavailableError(words) if error.code in NOT_NOW else QueryError(words)
