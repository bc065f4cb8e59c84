"""A TAP service somewhere else, asked synchronously: bytes as they come, errors as it says them."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPException, HTTPResponse
from urllib.parse import urlencode, urlsplit

from lxml import etree

from vo import __version__
from vo.core.errors import QueryError, ServiceError, UnavailableError, UsageError

BLOCK_BYTES = 1 << 20
PATIENCE = 3600.0
"""Seconds without a byte after which a service is given up."""
_LONGEST_ERROR = 1 << 16


def sync_url(url: str) -> str:
    """Return the address for synchronous queries of a service, of which its base or that address itself is given.

    Raises
    ------
    UsageError
        If it is no address of the web.
    """
    if urlsplit(url).scheme not in {"http", "https"} or not urlsplit(url).hostname:
        raise UsageError(f"{url!r} is not the address of a TAP service.", hint="Such as https://example.org/tap.")
    return f"{url.rstrip('/').removesuffix('/sync')}/sync"


@contextmanager
def asked(url: str, parameters: Sequence[tuple[str, str]]) -> Iterator[HTTPResponse]:
    """Send a query and hold the answer, which has begun.

    Raises
    ------
    QueryError
        What the service says against the query.
    UnavailableError
        If it cannot be reached.
    """
    request = urllib.request.Request(  # noqa: S310  (its scheme was looked at)
        sync_url(url), urlencode(parameters).encode(), {"User-Agent": f"vo-stack/{__version__}"}
    )
    host = urlsplit(url).netloc.rpartition("@")[2]
    try:
        response: HTTPResponse = urllib.request.urlopen(request, timeout=PATIENCE)  # noqa: S310
    except urllib.error.HTTPError as error:
        with error:
            raise _refusal(host, error) from None
    except (OSError, HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise UnavailableError(f"{host} cannot be asked: {reason}.") from None
    with response:
        yield response


def blocks_of(response: HTTPResponse) -> Iterator[bytes]:
    """Yield an answer as it comes.

    Raises
    ------
    UnavailableError
        If it breaks off.
    """
    while block := _read(response):
        yield block
    if response.length:
        raise UnavailableError(f"The answer broke off, {response.length:,} bytes before its end.")


def _read(response: HTTPResponse) -> bytes:
    try:
        return response.read1(BLOCK_BYTES)
    except (OSError, HTTPException) as error:
        raise UnavailableError(f"The answer broke off: {error}.") from None


def _refusal(host: str, error: urllib.error.HTTPError) -> ServiceError:
    """Return what a service says against a query: the reason in its VOTable, or its text."""
    body = error.read(_LONGEST_ERROR)
    text = ""
    if b"VOTABLE" in body:
        parser = etree.XMLParser(resolve_entities=False, no_network=True, recover=True)
        root = etree.fromstring(body, parser)
        statuses = root.iterfind(".//{*}INFO[@name='QUERY_STATUS']") if root is not None else ()
        text = "\n".join(status.text or "" for status in statuses)
    elif error.headers.get_content_type() == "text/plain":
        text = body.decode("utf-8", "replace")
    return QueryError(text.strip() or f"{host} answers {error.code} {error.reason}.")
