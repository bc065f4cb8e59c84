"""A TAP service somewhere else, asked synchronously: bytes as they come, errors as it says them."""

from __future__ import annotations

import html
import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
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


CUT = "The result was cut: there are more rows (--maxrec)."
LOOKED_AT = 4096
"""Bytes at the end and at the beginning of an answer where its status stands."""
_STATUS = re.compile(rb"""QUERY_STATUS["'][^>]*value\s*=\s*["'](\w+)["'][^>]*?(?:/>|>([^<]*))""")
_BROKEN_TEXT = re.compile(rb"^# ERROR (.*)\s*\Z", re.MULTILINE)


class Ending:
    """What an answer says of itself besides its rows: that it was cut or failed (DALI 1.1, section 4.4).

    Parameters
    ----------
    media_type : str
        Of the answer; only of VOTable and text is it known how they say it.
    """

    def __init__(self, media_type: str) -> None:
        self._is_xml = media_type.endswith("xml")
        self._is_text = media_type.startswith("text/") and not self._is_xml
        self._head = self._tail = b""

    def see(self, block: bytes) -> None:
        """Take the next piece of the answer."""
        if len(self._head) < LOOKED_AT:
            self._head += block[: LOOKED_AT - len(self._head)]
        self._tail = (self._tail + block[-LOOKED_AT:])[-LOOKED_AT:]

    def remarks(self) -> tuple[str, ...]:
        """Return what to tell of the whole answer.

        Raises
        ------
        QueryError
            If the service failed on the way, in its words.
        """
        found = [*_STATUS.findall(self._head), *_STATUS.findall(self._tail)] if self._is_xml else []
        failures = [text for status, text in found if status.upper() == b"ERROR"]
        failures += _BROKEN_TEXT.findall(self._tail) if self._is_text else []
        if failures:
            reason = " ".join(html.unescape(failures[-1].decode("utf-8", "replace")).split())
            raise QueryError(f"The service failed: {reason or 'it gives no reason.'}")
        return (CUT,) if any(status.upper() == b"OVERFLOW" for status, _ in found) else ()


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
    elif error.headers.get_content_type() == "application/json":
        with suppress(ValueError, KeyError, TypeError):  # JSON of another kind says nothing to us
            text = str(json.loads(body)["error"]["text"])
    return QueryError(text.strip() or f"{host} answers {error.code} {error.reason}.")
