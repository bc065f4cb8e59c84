"""Fetching what a client names by a URL, from public hosts only, and without becoming a tool against others.

A name is resolved once, its addresses are checked, and one of those that were checked is connected to: a second look
at the name could give another address. Each redirection is a new URL and is checked like the first. What a client is
told does not say whether a host that is not public exists, or what it does.
"""

from __future__ import annotations

import errno
import http.client
import io
import re
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import IO, Any, Self
from urllib.parse import quote, urljoin, urlsplit

from vo import __version__
from vo.core.errors import ConfigurationError, LimitError, ServiceError, TooLargeError, UnavailableError, UsageError
from vo.core.hosts import HOST_NAME, AllowedHosts, is_public
from vo.core.scratch import unlimited
from vo.core.settings import Settings

REDIRECTIONS = 5
REDIRECTING = frozenset({301, 302, 303, 307, 308})
PORTS = frozenset({80, 443})
FREE_PORTS = 1024
"""From here on ports are for everybody's services; below, beside `PORTS`, for those that HTTP has no business with."""
CONNECT_SECONDS = 15.0
"""For one address, TLS included."""
IDLE_SECONDS = 60.0
"""A server that sends nothing for this long is given up."""
LOOK_SECONDS = 0.2
"""How often a fetch that waits looks whether it is still wanted."""
BLOCK_BYTES = 1 << 20
HOW_ELSE = "Send the table itself: UPLOAD=name,param:part, and a part of that name with the file."

_UNSAFE = re.compile(r"[\x00-\x20\x7f\\]")


class FetchCancelledError(ServiceError):
    """Nobody wants any more what was being fetched."""


@dataclass(frozen=True)
class FetchPolicy:
    """What may be fetched.

    Attributes
    ----------
    max_bytes : int
        Largest file, as it is sent.
    total_seconds : float
        Longest time for all of it.
    idle_seconds : float
        Longest time without a byte.
    hosts : AllowedHosts
        Where addresses may be other than public.
    agent : str
        What the service calls itself.
    """

    max_bytes: int
    total_seconds: float
    idle_seconds: float = IDLE_SECONDS
    hosts: AllowedHosts = field(default_factory=AllowedHosts)
    agent: str = f"vo-stack/{__version__}"

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Take it from the settings.

        Raises
        ------
        ConfigurationError
            If an entry of VO_UPLOAD_HOSTS is wrong.
        """
        try:
            hosts = AllowedHosts.parse(settings.upload_hosts)
        except ValueError as error:
            raise ConfigurationError(
                f"VO_UPLOAD_HOSTS: {error}.", hint='It is a list such as ["archive.local:8000", "10.1.0.0/16"].'
            ) from None
        return cls(
            max_bytes=settings.max_upload, total_seconds=settings.fetch_time, hosts=hosts, agent=agent_of(settings)
        )


def agent_of(settings: Settings) -> str:
    """Return what a service calls itself when it fetches, by which it knows itself again."""
    return f"vo-stack/{__version__} (UPLOAD of {settings.public_url})"


@dataclass(frozen=True)
class Fetched:
    """What was fetched.

    Attributes
    ----------
    media_type : str or None
        What the server calls it, with parameters.
    size : int
        Bytes written; still packed where the server sent it packed (Content-Encoding: gzip).
    final_url : str
        Where it was in the end.
    """

    media_type: str | None
    size: int
    final_url: str


def fetch(
    url: str,
    into: IO[bytes],
    *,
    policy: FetchPolicy,
    cancelled: Callable[[], bool],
    take: Callable[[int], None] = unlimited,
) -> Fetched:
    """Write what a URL names into a file; blocks.

    Parameters
    ----------
    url : str
        Of http or https.
    into : file object
        Open for writing.
    policy : FetchPolicy
        What may be fetched.
    cancelled : callable
        Asked from time to time; true ends the fetch soon. Only a name server that does not answer is waited for.
    take : callable
        Told the size of each piece before it is written; what it raises ends the fetch.

    Raises
    ------
    UsageError
        If the URL may not be fetched, or cannot.
    TooLargeError
        If there is more than the policy allows.
    LimitError
        If it takes too long, or the disk is full.
    FetchCancelledError
        If it was cancelled.
    """
    watch = _Watch(url, policy, cancelled)
    current = url
    for _ in range(REDIRECTIONS + 1):
        target = _Target.parse(current, watch)
        connection = _Connection(target, watch)
        try:
            try:
                answer = connection.ask()
                watch.check_on_time()
                if answer.status not in REDIRECTING:
                    return _save(answer, into, current, watch, take)
                location = answer.getheader("Location")
            except (OSError, http.client.HTTPException) as error:
                raise watch.failed(_trouble(error)) from None
        finally:
            connection.end()
        if not location:
            raise watch.failed(f"the server answered {answer.status} without saying where it is")
        current = urljoin(current, location)
    raise watch.failed(f"it was redirected more than {REDIRECTIONS} times")


class _Watch:
    """Knows for how long one fetch may go on, and says for all of it what went wrong."""

    def __init__(self, url: str, policy: FetchPolicy, cancelled: Callable[[], bool]) -> None:
        self.policy = policy
        self._url = url if len(url) <= 200 else url[:200] + "…"
        self._cancelled = cancelled
        self._end = time.monotonic() + policy.total_seconds

    def failed(self, reason: str, *, hint: str = HOW_ELSE) -> UsageError:
        """Return the error for the client."""
        return UsageError(f"{self._url} could not be fetched: {reason}.", hint=hint)

    def check_on_time(self) -> None:
        """Raise what ends the fetch, if it has to end."""
        if self._cancelled():
            raise FetchCancelledError(f"Fetching {self._url} was cancelled.")
        if time.monotonic() > self._end:
            raise LimitError(f"{self._url} could not be fetched within {self.policy.total_seconds:g} s.", hint=HOW_ELSE)

    def check_size(self, size: int) -> None:
        """Raise an error when there is too much."""
        if size > self.policy.max_bytes:
            raise TooLargeError(f"{self._url} is larger than the limit of {self.policy.max_bytes} bytes.")

    def left(self, most: float) -> float:
        """Return the seconds that a step may take, not more than `most`."""
        return max(0.01, min(most, self._end - time.monotonic()))


@dataclass(frozen=True)
class _Target:
    """A URL that was found to be harmless in itself."""

    secure: bool
    host: str
    port: int
    path: str

    @classmethod
    def parse(cls, url: str, watch: _Watch) -> Self:
        if _UNSAFE.search(url):
            raise watch.failed("it holds blanks, control characters or backslashes")
        try:
            parts = urlsplit(url)
            port = parts.port
            host = (parts.hostname or "").encode("idna").decode("ascii").lower()
        except (ValueError, UnicodeError):
            raise watch.failed("it is not a URL") from None
        if parts.scheme not in ("http", "https"):
            raise watch.failed("it is not of http or https")
        if "@" in parts.netloc:
            raise watch.failed("it holds a user's name")
        if not HOST_NAME.fullmatch(host):
            raise watch.failed("it names no host")
        if port is None:
            port = _default_port(parts.scheme)
        if port not in PORTS and port < FREE_PORTS and not watch.policy.hosts.names_port(host, port):
            raise watch.failed(f"port {port} is not one of {', '.join(map(str, sorted(PORTS)))}, {FREE_PORTS} and up")
        path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
        if parts.query:
            path += "?" + quote(parts.query, safe="/%:@!$&'()*+,;=~-._?")
        return cls(secure=parts.scheme == "https", host=host.rstrip("."), port=port, path=path)


class _Connection(http.client.HTTPConnection):
    """A connection to an address that was checked."""

    def __init__(self, target: _Target, watch: _Watch) -> None:
        super().__init__(target.host, target.port)
        self._target = target
        self._watch = watch
        self._connected: socket.socket | None = None
        self.default_port = _default_port("https" if target.secure else "http")  # what the header Host leaves out

    def ask(self) -> http.client.HTTPResponse:
        """Send the request and return the beginning of the answer."""
        headers = {"Accept": "*/*", "Accept-Encoding": "gzip", "User-Agent": self._watch.policy.agent}
        self.request("GET", self._target.path, headers=headers)
        return self.getresponse()

    def connect(self) -> None:
        """Resolve, check, connect."""
        self._connected = connected = self._reach()
        if self._target.secure:
            connected.settimeout(self._watch.left(CONNECT_SECONDS))
            context = ssl.create_default_context()
            self._connected = connected = context.wrap_socket(connected, server_hostname=self._target.host)
        self.sock: Any = _WatchedSocket(connected, self._watch)

    def end(self) -> None:
        """Close all of it."""
        self.close()
        if self._connected is not None:
            self._connected.close()

    def _reach(self) -> socket.socket:
        host, port = self._target.host, self._target.port
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
        except (OSError, UnicodeError):
            found = []
        for family, kind, protocol, _, where in found:
            address = ip_address(str(where[0]).partition("%")[0])
            allowed = self._watch.policy.hosts.has(host, port, address)
            if not allowed and not is_public(address):
                continue
            self._watch.check_on_time()
            connected = socket.socket(family, kind, protocol)
            try:
                connected.settimeout(self._watch.left(CONNECT_SECONDS))
                connected.connect(where)
                # This machine's own public address leads behind its firewall.
                if allowed or connected.getsockname()[0] != where[0]:
                    return connected
            except OSError:
                pass  # the next address may answer
            connected.close()
        # One text for all of it: it must not tell a name that does not exist from one that is not public.
        raise self._watch.failed(f"{host} is not a public host, or does not answer at port {port}")


class _WatchedSocket:
    """What `http.client` needs of a socket.

    It closes one while the answer is still being read, as sockets that have files allow; here `_Connection.end` does.
    """

    def __init__(self, connected: socket.socket, watch: _Watch) -> None:
        self._socket = connected
        self._watch = watch

    def sendall(self, data: bytes) -> None:
        """Send a request, which is short."""
        self._socket.settimeout(self._watch.left(self._watch.policy.idle_seconds))
        self._socket.sendall(data)

    def makefile(self, *_: Any) -> io.BufferedReader:
        """Return the answer as a file."""
        return io.BufferedReader(_Reading(self._socket, self._watch), BLOCK_BYTES)

    def close(self) -> None:
        """Leave it to its owner."""


class _Reading(io.RawIOBase):
    """Reads from a socket for as long as the watch allows."""

    def __init__(self, connected: socket.socket, watch: _Watch) -> None:
        self._socket = connected
        self._watch = watch

    def readable(self) -> bool:
        """Be a file for reading."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read what comes, looking from time to time whether it is still wanted."""
        idle_end = time.monotonic() + self._watch.policy.idle_seconds
        while True:
            self._watch.check_on_time()
            self._socket.settimeout(self._watch.left(LOOK_SECONDS))
            try:
                return self._socket.recv_into(buffer)
            except TimeoutError:
                if time.monotonic() > idle_end:
                    raise self._watch.failed(
                        f"the server sent nothing for {self._watch.policy.idle_seconds:g} s"
                    ) from None


def _save(
    answer: http.client.HTTPResponse, into: IO[bytes], url: str, watch: _Watch, take: Callable[[int], None]
) -> Fetched:
    if answer.status != 200:
        raise watch.failed(f"the server answered {answer.status} {answer.reason[:80]}".rstrip())
    coding = (answer.getheader("Content-Encoding") or "identity").strip().lower()
    if coding not in ("", "identity", "gzip", "x-gzip"):
        raise watch.failed(f"the server packed it as {coding[:40]!r}, which nobody asked for")
    if answer.length is not None:
        watch.check_size(answer.length)
    size = 0
    block = memoryview(bytearray(BLOCK_BYTES))
    while count := answer.readinto(block):
        size += count
        watch.check_size(size)
        take(count)
        try:
            into.write(block[:count])
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise UnavailableError("Temporary files cannot be written at present.") from error
            raise LimitError("The disk for uploads is full.", hint="Try again later.") from error
        watch.check_on_time()
    if answer.length:
        raise watch.failed(f"it ended {answer.length} bytes before its end")
    return Fetched(answer.getheader("Content-Type"), size, url)


def _default_port(scheme: str) -> int:
    return 443 if scheme == "https" else 80


def _trouble(error: OSError | http.client.HTTPException) -> str:
    """Say what went wrong with a server that was reached."""
    match error:
        case ssl.SSLCertVerificationError():
            return f"its certificate is not valid: {error.verify_message.rstrip('.')}"
        case ssl.SSLError():
            return "the server does not speak TLS as it should"
        case http.client.IncompleteRead():
            return "it ended before its end"
        case TimeoutError():
            return "the server is too slow"
        case OSError():
            return "the connection broke"
        case _:
            return "the server does not speak HTTP as it should"
