"""The client of ESA's own GOST, as its web form and its ObjVisSAP endpoint are used by programs.

It asks one host, the one that the operator has named: it follows no redirection, and its cookies live as long as it
does. What it is answered is not trusted: it is bounded in time and size, and a page instead of a table is told as such.
Its errors are none of this service's being unavailable: then a job would begin again, ask for all targets once more,
and lose the rows that it has.
"""

from __future__ import annotations

import http.client
import re
import secrets
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlencode, urlsplit

from vo import __version__
from vo.core.errors import ConfigurationError, UsageError

SITE = "gost"
"""Name of its address among those that an operator gives (VO_TASK_SITES)."""
IDLE_SECONDS = 60.0
"""A server that sends nothing for so long is given up."""
TOTAL_SECONDS = 300.0
"""For one answer."""
MAX_BYTES = 64 << 20
BLOCK_BYTES = 1 << 16
SESSION = "JSESSIONID"
MOST_COOKIES = 20
_SUBMITTED = re.compile(rb"Submitted with id\s*:?\s*(\d{1,20})")
_PAGE = re.compile(rb"\s*(<!doctype html|<html|<\?xml[^>]*>\s*(<!doctype html|<html))", re.IGNORECASE)
_SAFE = re.compile(r"[A-Za-z0-9._-]{1,200}")


class EsaGost:
    """One session.

    Parameters
    ----------
    address : str
        Such as ``https://gaia.esac.esa.int/gost``.

    Raises
    ------
    ConfigurationError
        If that is no address.
    """

    def __init__(self, address: str) -> None:
        try:
            parts = urlsplit(address)
            port = parts.port
        except ValueError:
            parts, port = urlsplit(""), None
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigurationError(
                "VO_TASK_SITES: the address of gost is none of http or https.",
                hint='Write {"gost": "https://gaia.esac.esa.int/gost"}.',
            )
        self._secure = parts.scheme == "https"
        self._host, self._port = parts.hostname, port
        self._path = parts.path.rstrip("/")
        self._cookies: dict[str, str] = {}

    def transits(self, ra: float, dec: float, begin: str, end: str) -> bytes:
        """Return the CSV that the web form exports for a position (degrees) and a range of times (ISO 8601).

        Raises
        ------
        UsageError
            Why there is none.
        """
        if SESSION not in self._cookies:
            self._ask("GET", "/")
        # Names of targets are nobody else's business.
        fields = {"serviceCode": "1", "inputmode": "single", "srcname": "target", "srcra": f"{ra:.9f}"}
        fields |= {"srcdec": f"{dec:.9f}", "from": begin, "to": end}
        body, content_type = _form(fields)
        submitted = _SUBMITTED.search(self._ask("POST", "/GostServlet", body, content_type))
        if submitted is None:
            raise _failed("it did not take the request")
        session = self._cookies.get(SESSION, "")
        if not _SAFE.fullmatch(session):
            raise _failed("it opened no session")
        document = self._ask("GET", f"/export.jsp?id={session}/{submitted[1].decode()}&format=csv")
        return _table(document)

    def visibility(self, ra: float, dec: float, begin: float, end: float, most: int) -> bytes:
        """Return the VOTable of the ObjVisSAP endpoint for a position (degrees) and a range of times (MJD).

        Raises
        ------
        UsageError
            Why there is none.
        """
        query = urlencode({"s_ra": f"{ra:.9f}", "s_dec": f"{dec:.9f}", "t_min": begin, "t_max": end, "MAXREC": most})
        return _table(self._ask("GET", f"/ObjVisSAP/gaiaobjvisap?{query}"))

    def _ask(self, method: str, path: str, body: bytes | None = None, content_type: str | None = None) -> bytes:
        headers = {"User-Agent": f"vo-stack/{__version__}", "Accept": "*/*"}
        if content_type is not None:
            headers["Content-Type"] = content_type
        if self._cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
        connection = self._connection()
        try:
            connection.connect()
            with _in_time(connection.sock):
                connection.request(method, self._path + path, body, headers)
                answer = connection.getresponse()
                self._keep_cookies(answer)
                if answer.status != 200:
                    where = " and leads elsewhere" if 300 <= answer.status < 400 else ""
                    raise _failed(f"it answers {answer.status}{where}")
                return _read(answer)
        except TimeoutError:
            raise _failed(f"it sends nothing for {IDLE_SECONDS:g} s") from None
        except ssl.SSLCertVerificationError:
            raise _failed("its certificate is not valid") from None
        except (OSError, http.client.HTTPException) as error:
            raise _failed("it cannot be reached, or does not speak HTTP as it should") from error
        finally:
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        if self._secure:
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(self._host, self._port, timeout=IDLE_SECONDS, context=context)
        return http.client.HTTPConnection(self._host, self._port, timeout=IDLE_SECONDS)

    def _keep_cookies(self, answer: http.client.HTTPResponse) -> None:
        for header in answer.headers.get_all("Set-Cookie") or ():
            try:
                found: Mapping[str, object] = {name: morsel.value for name, morsel in SimpleCookie(header).items()}
            except CookieError:
                continue
            self._cookies |= {name: str(value) for name, value in found.items() if _is_safe(name, str(value))}
        self._cookies = dict(list(self._cookies.items())[-MOST_COOKIES:])


def _is_safe(name: str, value: str) -> bool:
    return _SAFE.fullmatch(name) is not None and _SAFE.fullmatch(value) is not None


@contextmanager
def _in_time(connected: socket.socket) -> Iterator[None]:
    """Within the ``with`` block an answer may take its time; whatever waits for it then ends: headers come slowly too.

    Raises
    ------
    UsageError
        If it took longer.
    """
    over = threading.Event()

    def end() -> None:
        over.set()
        with suppress(OSError):
            socket.socket.shutdown(connected, socket.SHUT_RDWR)  # that of TLS would wait

    timer = threading.Timer(TOTAL_SECONDS, end)
    timer.daemon = True
    timer.start()
    late = _failed(f"its answer takes longer than {TOTAL_SECONDS:g} s")
    try:
        yield
    except (OSError, ValueError, http.client.HTTPException):
        if over.is_set():
            raise late from None
        raise
    finally:
        timer.cancel()
    if over.is_set():  # the end that was read was made here
        raise late


def _read(answer: http.client.HTTPResponse) -> bytes:
    """Read an answer within bounds."""
    document = bytearray()
    while block := answer.read1(BLOCK_BYTES):
        document += block
        if len(document) > MAX_BYTES:
            raise _failed(f"its answer is larger than {MAX_BYTES >> 20} MiB")
    if answer.length:  # which http.client does not mind
        raise _failed("its answer ends early")
    return bytes(document)


def _table(document: bytes) -> bytes:
    """Return a document that is no page and not empty."""
    if not document.strip():
        raise _failed("it answers nothing; perhaps it was asked too often")
    if _PAGE.match(document):
        raise _failed("it answers a page instead of a table")
    return document


def _form(fields: Mapping[str, str]) -> tuple[bytes, str]:
    """Return a body as browsers send it, and its type."""
    boundary = secrets.token_hex(16)
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    return "".join([*parts, f"--{boundary}--\r\n"]).encode(), f"multipart/form-data; boundary={boundary}"


def _failed(reason: str) -> UsageError:
    return UsageError(
        f"ESA's GOST gives no forecast: {reason}.", hint="The task transit-forecast computes the same here."
    )
