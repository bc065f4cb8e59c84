"""Fetching from real servers, good and bad; and that nothing which is not public can be reached by any spelling."""

from __future__ import annotations

import gzip
import io
import os
import socket
import socketserver
import ssl
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from vo.core.errors import ConfigurationError, LimitError, TooLargeError, UsageError
from vo.core.fetch import FetchCancelledError, Fetched, FetchPolicy, agent_of, fetch
from vo.core.hosts import AllowedHosts
from vo.core.settings import Settings

CONTENT = os.urandom(3_000_000)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-votable+xml\r\n"


class Server(socketserver.ThreadingTCPServer):
    """Answers each path by what a test puts there: bytes, or a function of the connection."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.port: int = self.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.replies: dict[str, bytes | Callable[[socket.socket], None]] = {}
        self.requests: list[bytes] = []
        self.context: ssl.SSLContext | None = None
        self.released = threading.Event()
        """Servers that say nothing go on when this is set."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that go away."""


class Handler(socketserver.BaseRequestHandler):
    server: Server

    def handle(self) -> None:
        connection = self.request
        if self.server.context is not None:
            connection = self.server.context.wrap_socket(connection, server_side=True)
        request = b""
        while b"\r\n\r\n" not in request:
            if not (block := connection.recv(65536)):
                return
            request += block
            if request.startswith(b"\x16"):  # TLS, which this server does not speak
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                return
        self.server.requests.append(request)
        reply = self.server.replies.get(request.split()[1].decode(), b"HTTP/1.1 404 Not Found\r\n\r\n")
        if callable(reply):
            reply(connection)
        else:
            connection.sendall(reply)
        connection.close()


@contextmanager
def serving() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server
    finally:
        server.released.set()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as server:
        yield server


def allowing(*hosts: str, **more: Any) -> FetchPolicy:
    return FetchPolicy(**{"max_bytes": 10_000_000, "total_seconds": 20.0, **more}, hosts=AllowedHosts.parse(hosts))


LOCAL = allowing("127.0.0.0/8")


def get(url: str, policy: FetchPolicy = LOCAL) -> tuple[bytes, Fetched]:
    with tempfile.TemporaryFile() as file:
        fetched = fetch(url, file, policy=policy, cancelled=lambda: False)
        file.seek(0)
        return file.read(), fetched


def refused(url: str, policy: FetchPolicy = LOCAL) -> str:
    file = io.BytesIO()
    with pytest.raises(UsageError, match="could not be fetched") as caught:
        fetch(url, file, policy=policy, cancelled=lambda: False)
    assert caught.value.hint
    assert "param:" in caught.value.hint
    return caught.value.message


def chunked(*chunks: bytes) -> bytes:
    body = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
    return HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + body


def test_a_file(server: Server) -> None:
    server.replies["/t?a=%20b&c=d"] = HEAD + b"Content-Length: %d\r\n\r\n" % len(CONTENT) + CONTENT
    server.replies["/chunked"] = chunked(CONTENT[:70_000], CONTENT[70_000:], b"")
    server.replies["/until-it-closes"] = HEAD + b"\r\n" + CONTENT
    for path in ("/t?a=%20b&c=d", "/chunked", "/until-it-closes#fragment"):
        content, fetched = get(server.url + path)
        assert content == CONTENT
        assert fetched == Fetched("application/x-votable+xml", len(CONTENT), server.url + path)
    sent = server.requests[0].decode()
    assert f"Host: 127.0.0.1:{server.port}\r\n" in sent
    assert "User-Agent: vo-stack/" in sent
    assert "Cookie" not in sent
    assert "Authorization" not in sent


def test_a_packed_file_stays_packed(server: Server) -> None:
    packed = gzip.compress(b"<VOTABLE/>")
    for coding in (b"gzip", b"x-gzip", b"identity"):
        server.replies["/t"] = (
            HEAD + b"Content-Encoding: %s\r\nContent-Length: %d\r\n\r\n" % (coding, len(packed)) + packed
        )
        assert get(server.url + "/t")[0] == packed
    server.replies["/t"] = HEAD + b"Content-Encoding: br\r\n\r\nx"
    assert "'br'" in refused(server.url + "/t")


def test_other_letters(server: Server) -> None:
    server.replies["/S%C3%A9l%C3%A9n%C3%A9%22?%E6%98%9F"] = HEAD + b"\r\nx"
    assert get(f'{server.url}/Séléné"?星')[0] == b"x"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirections(server: Server, status: int) -> None:
    server.replies["/a/b"] = b"HTTP/1.1 %d Elsewhere\r\nLocation: ../c?d\r\n\r\n" % status
    server.replies["/c?d"] = HEAD + b"\r\nfound"
    content, fetched = get(f"{server.url}/a/b")
    assert (content, fetched.final_url) == (b"found", f"{server.url}/c?d")


def test_redirections_without_end_or_aim(server: Server) -> None:
    for number in range(7):
        server.replies[f"/{number}"] = b"HTTP/1.1 302 Found\r\nLocation: /%d\r\n\r\n" % (number + 1)
    server.replies["/7"] = HEAD + b"\r\nfound"
    assert get(f"{server.url}/2")[0] == b"found"
    assert "more than 5 times" in refused(f"{server.url}/1")
    server.replies["/lost"] = b"HTTP/1.1 302 Found\r\n\r\n"
    assert "302" in refused(f"{server.url}/lost")
    for aim in (
        b"file:///etc/passwd",
        b"ftp://127.0.0.1/x",
        b"http://a:b@127.0.0.1/",
        b"http://[::1]/",
        b"//localhost:1/",
    ):
        server.replies["/away"] = b"HTTP/1.1 302 Found\r\nLocation: %s\r\n\r\n" % aim
        refused(f"{server.url}/away", allowing(f"127.0.0.1:{server.port}"))


def test_a_name_that_leads_to_two_places_is_looked_up_once(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS rebinding: the address that was checked is the one that is connected to."""
    looks: list[str] = []
    look_up = socket.getaddrinfo

    def rebinding(host: str, port: int, **more: Any) -> Any:
        looks.append(host)
        return look_up("127.0.0.2" if len(looks) > 1 else "127.0.0.1", port, **more)

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    server.replies["/t"] = HEAD + b"\r\nfound"
    assert get(f"http://rebinding.example:{server.port}/t", allowing("127.0.0.1"))[0] == b"found"
    assert looks == ["rebinding.example"]
    assert b"Host: rebinding.example:" in server.requests[0]
    refused(f"http://rebinding.example:{server.port}/t", allowing("127.0.0.1"))
    assert len(server.requests) == 1


SPELLINGS = [
    *("127.0.0.1", "localhost", "LOCALHOST", "localhost.", "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.1"),
    *("017700000001", "0177.0.0.1", "0", "0.0.0.0", "127.255.255.254", "169.254.169.254", "10.0.0.1", "192.168.0.1"),
    *("[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:0:0:1]", "[::127.0.0.1]", "[fd00::1]"),
    *("[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[fe80::1]", "[fe80::1%25lo]"),
    *("①②⑦.0.0.1", "１２７．０．０．１", "ⓛocalhost"),
]


@pytest.mark.parametrize("host", SPELLINGS)
def test_nothing_local_by_any_spelling(server: Server, host: str) -> None:
    server.replies["/t"] = HEAD + b"\r\nsecret"
    refused(f"http://{host}:{server.port}/t", allowing())
    away = f"HTTP/1.1 302 Found\r\nLocation: http://{host}:{server.port}/t\r\n\r\n".encode()
    with serving() as allowed:
        allowed.replies["/away"] = away
        refused(f"{allowed.url}/away", allowing(f"127.0.0.1:{allowed.port}"))
        assert len(allowed.requests) == 1
    assert server.requests == []


def test_one_text_for_all_that_is_not_public(server: Server) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        closed = free.getsockname()[1]
        told = [
            refused(f"http://{host}:{port}/", policy).replace(host, "HOST").replace(str(port), "PORT")
            for host, port, policy in [
                ("127.0.0.1", server.port, allowing()),
                ("127.0.0.1", closed, allowing()),
                ("127.0.0.1", closed, LOCAL),
                ("localhost", server.port, allowing()),
                ("no-such-name.invalid", 8080, allowing()),
                ("10.255.255.1", 8080, allowing()),
            ]
        ]
    assert len(set(told)) == 1


@pytest.mark.parametrize(
    "url",
    [
        "",
        "x",
        "file:///etc/passwd",
        "ftp://example.org/x",
        "gopher://127.0.0.1/x",
        "http:",
        "http://",
        "http:///x",
        "http://a:b@127.0.0.1/",
        "http://@127.0.0.1/",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1:x/",
        "http://127.0.0.1:22/",
        "http://127.0.0.1:25/",
        "http://127.0.0.1:0/",
        "http://[::1/",
        "http://a b/",
        "http://127.0.0.1\\@example.org/",
        "http://127.0.0.1/\r\nX: y",
        "http://127.0.0.1/\tx",
        "http://exa\x00mple.org/",
        "http://-x/",
        "http://a..b/",
        f"http://{'a' * 300}.org/",
        f"http://127.0.0.1:1/{'x' * 100_000}",
    ],
)
def test_urls_that_are_none(url: str) -> None:
    assert len(refused(url)) < 500


def test_a_port_that_an_operator_names(server: Server) -> None:
    refused("http://127.0.0.1:81/", allowing("127.0.0.1"))
    assert "does not answer" in refused("http://127.0.0.1:81/", allowing("127.0.0.1:81"))  # nobody is there


@pytest.mark.parametrize(
    "reply",
    [
        HEAD + b"Content-Length: 100\r\n\r\nshort",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nab",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n",
        b"",
        b"HTTP/1.1",
        b"220 ftp.example.org ready\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000 + b"\r\nx",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000,
        b"HTTP/1.1 500 Oops\r\n\r\nx",
        b"HTTP/1.1 206 Part\r\n\r\nx",
        b"HTTP/1.1 204 Nothing\r\n\r\n",
        b"no answer of HTTP " * 300,
    ],
)
def test_answers_that_are_cut_or_wrong(server: Server, reply: bytes) -> None:
    server.replies["/t"] = reply
    refused(f"{server.url}/t")


def test_more_than_may_be(server: Server) -> None:
    policy = allowing("127.0.0.1", max_bytes=100_000)

    def endless(connection: socket.socket) -> None:
        connection.sendall(HEAD + b"\r\n")
        for _ in range(1000):
            connection.sendall(bytes(1_000_000))

    server.replies["/exact"] = HEAD + b"\r\n" + bytes(100_000)
    server.replies["/announced"] = HEAD + b"Content-Length: 100001\r\n\r\n"
    server.replies["/chunked"] = chunked(bytes(60_000), bytes(60_000), b"")
    server.replies["/endless"] = endless
    assert get(f"{server.url}/exact", policy)[1].size == 100_000
    for path in ("/announced", "/chunked", "/endless"):
        with pytest.raises(TooLargeError, match="limit of 100000 bytes"):
            get(server.url + path, policy)


def test_servers_that_take_their_time(server: Server) -> None:
    def silent(connection: socket.socket) -> None:
        connection.sendall(HEAD + b"\r\nx")
        server.released.wait(30)

    def dripping(connection: socket.socket) -> None:
        connection.sendall(HEAD)
        while not server.released.wait(0.05):
            connection.sendall(b"X: y\r\n" if len(server.requests) == 1 else b"\r\nx")

    server.replies["/silent"], server.replies["/dripping"] = silent, dripping
    began = time.monotonic()
    for _ in range(2):  # in the header, then in the body
        with pytest.raises(LimitError, match=r"within 0\.5 s"):
            get(f"{server.url}/dripping", allowing("127.0.0.1", total_seconds=0.5))
    assert "sent nothing for 0.3 s" in refused(f"{server.url}/silent", allowing("127.0.0.1", idle_seconds=0.3))
    assert time.monotonic() - began < 10


def test_a_fetch_that_nobody_wants_any_more(server: Server) -> None:
    def silent(_: socket.socket) -> None:
        server.released.wait(30)

    server.replies["/silent"] = silent
    wanted_until = time.monotonic() + 0.3
    with pytest.raises(FetchCancelledError):
        fetch(f"{server.url}/silent", io.BytesIO(), policy=LOCAL, cancelled=lambda: time.monotonic() > wanted_until)
    assert time.monotonic() - wanted_until < 5


def test_a_full_disk(server: Server) -> None:
    server.replies["/t"] = HEAD + b"\r\n" + CONTENT
    with Path("/dev/full").open("wb", buffering=0) as full, pytest.raises(LimitError, match="disk"):
        fetch(f"{server.url}/t", full, policy=LOCAL, cancelled=lambda: False)


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate for localhost that nobody has signed, and its key."""
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    names = ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*command.split(), *names], check=True, capture_output=True)
    return certificate, key


def test_https(server: Server, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    server.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.context.load_cert_chain(*certificate)
    server.replies["/t"] = HEAD + b"Content-Length: %d\r\n\r\n" % len(CONTENT) + CONTENT
    server.replies["/cut"] = HEAD + b"Content-Length: 100\r\n\r\nshort"
    secure = f"https://localhost:{server.port}"
    assert "certificate is not valid" in refused(f"{secure}/t")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    assert get(f"{secure}/t")[0] == CONTENT
    assert "before its end" in refused(f"{secure}/cut")
    assert "certificate is not valid" in refused(f"https://127.0.0.1:{server.port}/t")  # it has another name
    assert "refused" not in refused(f"{server.url}/t")
    refused(f"{secure}/t", allowing())
    with serving() as plain:
        assert "TLS" in refused(f"https://localhost:{plain.port}/t")


def test_proxies_of_the_environment_are_not_asked(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    server.replies["/t"] = HEAD + b"\r\nx"
    assert get(f"{server.url}/t")[0] == b"x"


def test_the_policy_of_the_settings(server: Server, tmp_path: Path) -> None:
    server.replies["/t"] = HEAD + b"\r\nx"
    own = Settings(home=tmp_path, port=server.port)
    refused(f"{server.url}/t", FetchPolicy.of(own))  # what it answers to itself, it need not answer to others
    refused(f"http://localhost:{server.port}/t", FetchPolicy.of(own))
    elsewhere = Settings(home=tmp_path, port=server.port, base_url="https://vo.example.org")
    refused(f"{server.url}/t", FetchPolicy.of(elsewhere))
    allowed = elsewhere.model_copy(update={"upload_hosts": ("localhost",)})
    assert get(f"http://localhost:{server.port}/t", FetchPolicy.of(allowed))[0] == b"x"
    assert f"User-Agent: {agent_of(elsewhere)}\r\n".encode() in server.requests[-1]
    with pytest.raises(ConfigurationError, match="VO_UPLOAD_HOSTS"):
        FetchPolicy.of(elsewhere.model_copy(update={"upload_hosts": ("http://x/",)}))


def test_this_machine_by_its_public_address(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A firewall may keep others from what listens there."""
    monkeypatch.setattr("vo.core.fetch.is_public", lambda _: True)
    assert "not a public host" in refused(f"{server.url}/t", allowing())
    assert server.requests == []
