"""How an answer ended, as it says itself: whole, cut at a limit, or failed on the way (DALI 1.1, section 4.4)."""

from __future__ import annotations

import html
import json
import re
import struct
from collections import deque
from collections.abc import Callable, Iterator

from vo.core.errors import QueryError, UnavailableError

CUT = "The result was cut: there are more rows (--maxrec)."
LOOKED_AT = 4096
"""Bytes at the end and at the beginning of a text where its status stands."""
KEPT = 1 << 20
"""Bytes of the beginning and of the end that are kept: binary formats describe all their columns there."""
FITS_BLOCK = 2880

Status = tuple[str, str]
"""OVERFLOW or ERROR, in capitals, and the reason."""

_INFO = re.compile(rb"<(?:\w+:)?INFO\b([^<>]*)>([^<]*)")
_STATUS_NAME = re.compile(rb"""\bname\s*=\s*["']QUERY_STATUS["']""")
_STATUS_VALUE = re.compile(rb"""\bvalue\s*=\s*["'](\w+)["']""")
_VOTABLE = re.compile(rb"<(?:\w+:)?VOTABLE\b")
_VOTABLE_END = re.compile(rb"</(?:\w+:)?VOTABLE\s*>")
_CSV = re.compile(rb"^# (ERROR) (.*)\s*\Z", re.MULTILINE)
_PLAIN = re.compile(rb"^\((ERROR|OVERFLOW)[^:\n]*: (.*)\)\s*\Z", re.MULTILINE)
_HTML = re.compile(rb"""<p class="(error|overflow)"[^>]*>([^<]*)</p>\s*</body>\s*</html>\s*\Z""")
_JSON = re.compile(rb"""\],?\s*"(error|overflow)": (true|"(?:[^"\\]|\\.)*")\s*\}\s*\Z""")
_CONTINUATION = b"\xff\xff\xff\xff"
"""Each message of an Arrow stream begins with it."""


class Ending:
    """What an answer says of itself besides its rows: that it was cut or failed.

    Parameters
    ----------
    media_type : str
        Of the answer; of types that are not known here nothing is found.
    """

    def __init__(self, media_type: str) -> None:
        self._look = next((look for name, look in _LOOKS if name in media_type), _nowhere)
        self._head = b""
        self._tail: deque[bytes] = deque()
        self._tail_bytes = self._bytes = 0

    def see(self, block: bytes) -> None:
        """Take the next piece of the answer."""
        self._bytes += len(block)
        if len(self._head) < KEPT:
            self._head += block[: KEPT - len(self._head)]
        self._tail.append(block)
        self._tail_bytes += len(block)
        while self._tail_bytes - len(self._tail[0]) >= KEPT:
            self._tail_bytes -= len(self._tail.popleft())

    def remarks(self) -> tuple[str, ...]:
        """Return what to tell of the whole answer.

        Raises
        ------
        QueryError
            If the service failed on the way, in its words.
        UnavailableError
            If the end is missing.
        """
        found = list(self._look(self._head, b"".join(self._tail)[-KEPT:], self._bytes))
        failures = [reason for status, reason in found if status == "ERROR"]
        if failures:
            reason = " ".join(failures[-1].split())
            raise QueryError(f"The service failed: {reason or 'it gives no reason.'}")
        return (CUT,) if any(status == "OVERFLOW" for status, _ in found) else ()


def _nowhere(head: bytes, tail: bytes, size: int) -> Iterator[Status]:
    del head, tail, size
    yield from ()


def _votable(head: bytes, tail: bytes, size: int) -> Iterator[Status]:
    del size
    head, tail = head[:LOOKED_AT], tail[-LOOKED_AT:]
    if _VOTABLE.search(head) and not _VOTABLE_END.search(tail):
        raise _broken_off()
    yield from _infos(head)
    yield from _infos(tail)


def _fits(head: bytes, tail: bytes, size: int) -> Iterator[Status]:
    """Look into the VOTable in the primary HDU, which our own files have."""
    del tail
    if size % FITS_BLOCK:
        raise _broken_off()
    yield from _infos(head)


def _parquet(head: bytes, tail: bytes, size: int) -> Iterator[Status]:
    del head, size
    if not tail.endswith(b"PAR1"):
        raise _broken_off()
    footer_bytes = struct.unpack_from("<I", tail, len(tail) - 8)[0] + 8 if len(tail) >= 8 else 0
    yield from _infos(tail[-footer_bytes:])


def _arrow(head: bytes, tail: bytes, size: int) -> Iterator[Status]:
    """Look at the metadata of a last batch without rows, where our streams tell it."""
    del head, size
    start = tail.rfind(_CONTINUATION, 0, max(0, tail.rfind(b"QUERY_STATUS")))
    if start >= 0:
        facts = _arrow_metadata(tail[start + 8 :])
        if "QUERY_STATUS" in facts:
            yield facts["QUERY_STATUS"], facts.get("message", "")


def _arrow_metadata(message: bytes) -> dict[str, str]:
    """Return the custom metadata of an Arrow message, which is a table of Google's FlatBuffers."""

    def number(form: str, where: int) -> int:
        return int(struct.unpack_from(form, message, where)[0])

    def target(where: int) -> int:
        return where + number("<I", where)

    def field(table: int, place: int) -> int:
        return table + number("<H", table - number("<i", table) + 4 + 2 * place)

    def text(where: int) -> str:
        start = target(where)
        return message[start + 4 : start + 4 + number("<I", start)].decode("utf-8", "replace")

    try:
        pairs = target(field(target(0), 4))
        entries = [target(pairs + 4 + 4 * place) for place in range(number("<I", pairs))]
        return {text(field(entry, 0)): text(field(entry, 1)) for entry in entries}
    except struct.error:  # something else that has these letters
        return {}


def _json(head: bytes, tail: bytes, size: int) -> Iterator[Status]:
    del size
    if head.lstrip()[:1] == b"{" and not tail.rstrip().endswith(b"}"):
        raise _broken_off()
    for status, value in _JSON.findall(tail[-LOOKED_AT:]):
        yield status.decode().upper(), "" if value == b"true" else json.loads(value)


def _html(head: bytes, tail: bytes, size: int) -> Iterator[Status]:
    del head, size
    for status, reason in _HTML.findall(tail[-LOOKED_AT:]):
        yield status.decode().upper(), _unescaped(reason)


def _csv(head: bytes, tail: bytes, size: int) -> Iterator[Status]:
    del head, size
    yield from _marks(_CSV, tail)


def _plain(head: bytes, tail: bytes, size: int) -> Iterator[Status]:
    del head, size
    yield from _marks(_PLAIN, tail)


_LOOKS: tuple[tuple[str, Callable[[bytes, bytes, int], Iterator[Status]]], ...] = (
    ("xml", _votable),
    ("text/html", _html),
    ("text/csv", _csv),
    ("text/tab-separated-values", _csv),
    ("text/plain", _plain),
    ("json", _json),
    ("fits", _fits),
    ("parquet", _parquet),
    ("arrow", _arrow),
)
"""How it is found, by what is in the media type; the first counts."""


def _infos(text: bytes) -> Iterator[Status]:
    """Yield the statuses of a VOTable."""
    for attributes, reason in _INFO.findall(text):
        value = _STATUS_VALUE.search(attributes)
        if value is not None and _STATUS_NAME.search(attributes):
            yield value[1].decode().upper(), _unescaped(reason)


def _marks(mark: re.Pattern[bytes], tail: bytes) -> Iterator[Status]:
    for status, reason in mark.findall(tail[-LOOKED_AT:]):
        yield status.decode(), reason.decode("utf-8", "replace")


def _unescaped(text: bytes) -> str:
    return html.unescape(text.decode("utf-8", "replace"))


def _broken_off() -> UnavailableError:
    return UnavailableError("The answer broke off: its end is missing.")
