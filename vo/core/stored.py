"""The HTTP answer that is one stored file: all of it, a range, or only the word that the client has it (RFC 9110)."""

from __future__ import annotations

import asyncio
import re
import unicodedata
from collections.abc import Sequence
from concurrent.futures import Executor
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from urllib.parse import quote

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from vo.core.dali.errors import error_response
from vo.core.errors import ServiceError, UnavailableError
from vo.core.files import FileStore, translated
from vo.core.streaming import SourceResponse

BLOCK_BYTES = 1 << 20
"""Size of one reading."""
PIECE_BYTES = 1 << 16
"""Size of one sending: a client that takes so much within the idle time, beside what the kernel keeps, is alive."""
NAMING_CHARACTERS = 20_000
"""So much of a query is looked at for the name of its result."""
NAME_CHARACTERS = 60
CACHING = "private, no-cache"
"""A result never changes, but it is deleted one day and may belong to one user: a browser keeps it and asks each time
whether it may show it still, which the ETag makes cheap."""

PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
"""Of results that browsers show as pages or drawings. Cells are escaped; should one not be, nothing of it runs."""

_RANGE = re.compile(r"bytes=[ \t,]*([0-9]{0,30})-([0-9]{0,30})[ \t,]*", re.IGNORECASE)
_QUOTED = re.compile(r"""'[^']*'|"(?:[^"]|"")*"|--[^\n]*""")
_TABLE = re.compile(r"""\b(?:FROM|JOIN)\s+((?:\w+|"(?:[^"]|"")*")(?:\s*\.\s*(?:\w+|"(?:[^"]|"")*"))*)""", re.IGNORECASE)
_TAG = re.compile(r'"[^"]*"')


class StoredFileResponse(Response):
    """Answer GET and HEAD with a stored file.

    The file is opened when the answer is sent. That it is missing or cannot be read is raised then, before anything is
    sent, and answered like the same error of a handler.

    Parameters
    ----------
    store : FileStore
        Where the file is.
    path : str
        Its path there.
    content_type : str
        Media type.
    filename : str
        Name under which a client may save it, in any script.
    etag : str
        Stands for this content for ever; visible ASCII, without quotes around it or inside.
    executor : concurrent.futures.Executor
        Where the file is read.
    idle : float
        Seconds after which a client that takes nothing is given up.
    last_modified : datetime.datetime, optional
        When the file was made, with a time zone.
    """

    def __init__(
        self,
        store: FileStore,
        path: str,
        *,
        content_type: str,
        filename: str,
        etag: str,
        executor: Executor,
        idle: float,
        last_modified: datetime | None = None,
    ) -> None:
        self.status_code = 200
        self.background = None
        self.init_headers(
            {
                "Accept-Ranges": "bytes",
                "Cache-Control": CACHING,
                "ETag": f'"{etag}"',
                **result_headers(content_type, filename),
            }
        )
        # The dates of HTTP have whole seconds.
        self._modified = last_modified.astimezone(UTC).replace(microsecond=0) if last_modified else None
        if self._modified:
            self.headers["Last-Modified"] = format_datetime(self._modified, usegmt=True)
        self._store = store
        self._path = path
        self._executor = executor
        self._idle = idle

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer (ASGI)."""
        loop = asyncio.get_running_loop()
        answer = await loop.run_in_executor(self._executor, self._answer, scope["method"], Headers(scope=scope))
        await answer(scope, receive, send)

    def _answer(self, method: str, wanted: Headers) -> Response:
        source = _FileSource(self._store, self._path)
        handed_over = False
        try:
            if self._client_has_it(wanted):
                kept = {name: value for name, value in self.headers.items() if not name.startswith("content-")}
                return Response(status_code=304, headers=kept)
            if method == "HEAD":  # which has no ranges
                return Response(headers={**self.headers, "content-length": str(source.size)})
            part = self._part(wanted, source.size)
            if not part and source.size:
                return _unsatisfiable(source.size)
            source.part = part
            headers = dict(self.headers)
            if len(part) < source.size:
                self.status_code = 206
                headers["content-range"] = f"bytes {part.start}-{part.stop - 1}/{source.size}"
            first = source.read()
            if not source.part:
                # One write: header and body of a small file leave together.
                return Response(first, self.status_code, headers)
            headers["content-length"] = str(len(part))
            answer = SourceResponse(
                source, _pieces(first), executor=self._executor, idle=self._idle, headers=headers, finished=_nothing
            )
            answer.status_code = self.status_code
            handed_over = True
            return answer
        finally:
            if not handed_over:
                source.close()

    def _client_has_it(self, wanted: Headers) -> bool:
        tags = ",".join(wanted.getlist("if-none-match"))
        if tags:
            return tags.strip() == "*" or self.headers["etag"] in _TAG.findall(tags)
        since = _date(wanted.get("if-modified-since"))
        return since is not None and self._modified is not None and self._modified <= since

    def _part(self, wanted: Headers, size: int) -> range:
        condition = wanted.get("if-range")
        if condition in (None, self.headers["etag"]) or (self._modified and _date(condition) == self._modified):
            return asked_part(",".join(wanted.getlist("range")), size)
        return range(size)


class _FileSource:
    """Reads a part of a stored file block by block."""

    def __init__(self, store: FileStore, path: str) -> None:
        self._file = store.open(path)
        with translated():
            self.size = int(self._file.size())
        self.part = range(self.size)

    def read(self) -> bytes:
        """Return the next block of the part."""
        wanted = self.part[:BLOCK_BYTES]
        with translated():
            block = bytes(self._file.read_at(len(wanted), wanted.start))
        if len(block) < len(wanted):
            raise UnavailableError("The file ended before its size.")
        self.part = self.part[BLOCK_BYTES:]
        return block

    def more(self) -> Sequence[memoryview] | None:
        """Return the next block in pieces, None at the end."""
        return _pieces(self.read()) if self.part else None

    def cancel(self) -> None:
        """Let a running reading end by itself: it is short."""

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def asked_part(header: str, size: int) -> range:
    """Return the part of a file that a Range header asks for.

    Several ranges, other units and malformed headers mean the whole file (RFC 9110, section 14.2). An empty part of a
    file that is not empty cannot be answered. An empty file has no parts: it is answered whole.
    """
    found = _RANGE.fullmatch(header.strip())
    if not found or not size:
        return range(size)
    match found.groups():
        case ("", ""):
            return range(size)
        case ("", suffix):
            return range(max(size - int(suffix), 0), size)
        case (first, ""):
            return range(min(int(first), size), size)
        case (first, last) if int(first) <= int(last):
            return range(min(int(first), size), min(int(last) + 1, size))
    return range(size)


def result_headers(content_type: str, filename: str) -> dict[str, str]:
    """Return the headers that say what a result is.

    Parameters
    ----------
    content_type : str
        Media type.
    filename : str
        Name under which a client may save it, in any script.
    """
    headers = {"Content-Disposition": content_disposition(filename), "Content-Type": content_type}
    if content_type.startswith(("text/html", "image/svg+xml")):
        headers["Content-Security-Policy"] = PAGE_POLICY
    return headers


def content_disposition(filename: str) -> str:
    """Return the header that names a file which a browser may show (RFC 6266).

    Names that are not plain ASCII come twice: once as near as ASCII can, once exactly (RFC 8187).
    """
    plain = unicodedata.normalize("NFKD", filename).encode("ascii", "ignore").decode()
    plain = re.sub(r"[^ -~]|[\\\"%/]", "_", plain)
    if plain == filename:
        return f'inline; filename="{plain}"'
    return f"inline; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"


def result_name(query: str, extension: str) -> str:
    """Return a name for the file with a query's result, plain ASCII: after the first published table that it names.

    Parameters
    ----------
    query : str
        ADQL, or anything: what names no table is called ``result``.
    extension : str
        With its dot.
    """
    bare = _QUOTED.sub(lambda found: found[0] if found[0].startswith('"') else " ", query[:NAMING_CHARACTERS])
    # What WITH has named, TAP_UPLOAD and subqueries tell less than the tables that are published.
    tables = [found[1] for found in _TABLE.finditer(bare)]
    chosen = next((table for table in tables if "." in table and not table.upper().startswith("TAP_UPLOAD")), None)
    words = re.findall(r"[A-Za-z0-9_]+", chosen or next(iter(tables), ""))
    return ("-".join(words)[:NAME_CHARACTERS] or "result") + extension


def _unsatisfiable(size: int) -> Response:
    error = ServiceError(f"The file has {size} bytes, none of which are in the range.", hint="Ask for all of it.")
    answer = error_response(error, as_text=True)
    answer.status_code = 416
    answer.headers["Content-Range"] = f"bytes */{size}"
    return answer


def _date(text: str | None) -> datetime | None:
    try:
        date = parsedate_to_datetime(text or "")
    except (ValueError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def _pieces(block: bytes) -> list[memoryview]:
    view = memoryview(block)
    return [view[start : start + PIECE_BYTES] for start in range(0, len(view), PIECE_BYTES)]


async def _nothing() -> None:
    pass
