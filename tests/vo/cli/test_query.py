"""``vo query``: on the service's own machine and over the network, for people and for programs."""

from __future__ import annotations

import gzip
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests.conftest import Service
from tests.tap.asking import SLOW, adql, eventually
from tests.vo.cli.test_jobs import begin, in_terminal
from vo.cli.remote import asked, blocks_of, sync_url
from vo.core.errors import ServiceError, UnavailableError, UsageError
from vo.core.tables.writers import error_document

QUERY = "SELECT TOP 60 hip, ra, plx FROM hipparcos.hip2 WHERE plx > 20 ORDER BY hip"
WRONG = "SELECT hip,\n  raa FROM hipparcos.hip2"
PLACED = "line 2, column 3: There is no column raa.\n    raa FROM hipparcos.hip2\n    ^\nDid you mean ra?"
EVIL = "SELECT TOP 1 'a\033]0;owned\007b [red]c[/red]' AS \"na\033[5mme\" FROM hipparcos.hip2"


def plain(text: str) -> str:
    """Return what a terminal shows, without colours and the line that moved."""
    return re.sub(r"\033\[[0-9;?]*[A-Za-z]", "", text.replace("\r\n", "\n").rpartition("\033[2K")[2])


@pytest.fixture(params=["here", "elsewhere"])
def options(request: pytest.FixtureRequest, service: Service) -> list[str]:
    """How the same service is asked: by its database, or by HTTP."""
    return [] if request.param == "here" else ["--url", service.tap]


def test_in_a_pipe_it_is_csv(service: Service, options: list[str]) -> None:
    done = service.vo("query", QUERY, *options)
    assert done.stdout == adql(service, QUERY, FORMAT="csv").text
    assert done.stderr == ""


def test_in_a_terminal_it_is_a_table(service: Service, options: list[str]) -> None:
    lines = plain(in_terminal(service, 80, "query", QUERY, "--maxrec", "50", *options)).splitlines()
    assert lines[0].split() == ["hip", "ra", "plx"]
    assert lines[1].split() == ["deg", "mas"]
    rows = adql(service, QUERY, FORMAT="csv").csv()
    assert [line.split() for line in lines[2:42]] == rows[:40]
    assert re.fullmatch(r"the first 40 of 50 rows \(there are more: --maxrec\), [\d.]+ s", lines[42])


def test_an_error_points_at_its_place(service: Service, options: list[str]) -> None:
    done = service.vo("query", WRONG, *options, check=False)
    assert done.returncode == 1
    assert done.stderr.rstrip() == f"vo: {PLACED}"
    assert done.stdout == ""


def test_a_plan(service: Service, options: list[str]) -> None:
    done = service.vo("query", "--explain", QUERY, *options)
    assert done.stdout == adql(service, QUERY, EXPLAIN="1").text


def test_it_saves_a_file_from_a_file(service: Service, tmp_path: Path) -> None:
    query, result = tmp_path / "query.adql", tmp_path / "result.vot"
    query.write_text(QUERY)
    done = service.vo("query", "--file", str(query), "-o", str(result))
    assert (done.stdout, str(result) in done.stderr.replace("\n", "")) == ("", True)
    assert b'<FIELD ID="plx"' in result.read_bytes()
    again = service.vo("query", "--file", str(query), "-o", str(result), check=False)
    assert (again.returncode, "is there already" in again.stderr) == (1, True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["query.adql", "result.vot"]


def test_the_name_of_a_file_says_its_format(service: Service, tmp_path: Path) -> None:
    for name, options, begins in (
        ("a.json", ["--explain"], b"{"),
        ("a.txt", ["--explain"], b"Plan"),
        ("b.json", [], b"{"),
        ("b.any", [], b"<?xml"),
        ("b.tab", [], b"hip\t"),
    ):
        service.vo("query", *options, QUERY, "-o", str(tmp_path / name))
        assert (tmp_path / name).read_bytes().startswith(begins)


def test_it_reads_standard_input(service: Service) -> None:
    command = [sys.executable, "-m", "vo.cli", "query", "--format", "tsv", "--url", service.tap]
    done = subprocess.run(command, env=service.environment, input=QUERY, capture_output=True, text=True, check=True)
    assert done.stdout == adql(service, QUERY, FORMAT="tsv").text


def test_what_the_data_say_does_not_move_the_cursor(service: Service) -> None:
    shown = in_terminal(service, 80, "query", EVIL)
    assert "\033]" not in shown
    assert "\007" not in shown
    assert "\033[5m" not in shown
    assert "[red]c[/red]" in shown


def test_ctrl_c_stops_the_query_in_the_database(service: Service) -> None:
    connection = service.connect()
    with connection.cursor() as cursor:

        def running() -> bool:
            cursor.execute(
                "SELECT 1 FROM pg_stat_activity WHERE usename = 'vo_tap' AND state = 'active' AND query LIKE %s",
                ('%t1."ra" + t2."ra"%',),
            )
            return cursor.fetchone() is not None

        process = begin(service, "query", SLOW)
        eventually(running)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
        assert (process.returncode, errors) == (130, "Stopped.\n")
        assert not running()
    connection.close()


@contextmanager
def answering(answer: Callable[[BaseHTTPRequestHandler], None], *, read: int | None = None) -> Iterator[str]:
    """A service that answers every request so, after it read so much of it at most; gives its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            size = int(self.headers["Content-Length"])
            self.rfile.read(size if read is None else min(size, read))
            answer(self)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/tap"
    server.shutdown()
    thread.join()
    server.server_close()


def test_what_other_services_say_is_told() -> None:
    def refuse(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(400)
        handler.end_headers()
        handler.wfile.write(error_document("No <such> table \u20ac."))

    def fail(handler: BaseHTTPRequestHandler) -> None:
        handler.send_error(502)

    def cut(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "100")
        handler.end_headers()
        handler.wfile.write(b"a,b\n")

    for answer, words in (
        (refuse, r"^No <such> table \u20ac\.$"),
        (fail, "answers 502"),
        (cut, "96 bytes before its end"),
    ):
        with answering(answer) as url, pytest.raises(ServiceError, match=words), asked(url, []) as response:
            list(blocks_of(response))
    with pytest.raises(UnavailableError, match="refused"), asked(url, []):
        pass


def test_answers_that_are_packed_are_unpacked() -> None:
    content = b"a,b\n" + b"1,2\n" * 100_000
    sent = gzip.compress(content)

    def pack(handler: BaseHTTPRequestHandler, *, coding: str = "gzip") -> None:
        handler.send_response(200)
        handler.send_header("Content-Encoding", coding)
        handler.end_headers()
        handler.wfile.write(sent)

    with answering(pack) as url:
        with asked(url, []) as response:
            assert b"".join(blocks_of(response)) == content
        sent = sent[:-20]
        with pytest.raises(UnavailableError, match="broke off"), asked(url, []) as response:
            list(blocks_of(response))
        sent = content
        with pytest.raises(UnavailableError, match="cannot be unpacked"), asked(url, []) as response:
            list(blocks_of(response))
    other = answering(partial(pack, coding="br"))
    with other as url, pytest.raises(UnavailableError, match="'br'"), asked(url, []) as response:
        list(blocks_of(response))


@pytest.mark.parametrize("where", [[], ["--url"]], ids=["here", "elsewhere"])
def test_what_failed_on_the_way_is_no_result(service: Service, tmp_path: Path, where: list[str]) -> None:
    """The last star divides by zero when much of the result is written."""
    options = [*where, *([service.tap] if where else [])]
    last = adql(service, "SELECT hip FROM hipparcos.hip2", FORMAT="csv").text.split()[-1]
    query = f"SELECT h.*, 1 / (hip - {last}) AS k FROM hipparcos.hip2 AS h"
    for name in ("a.vot", "a.csv"):
        done = service.vo("query", query, "-o", str(tmp_path / name), *options, check=False)
        assert (done.returncode, "division by zero" in done.stderr) == (1, True)
        assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("where", [[], ["--url"]], ids=["here", "elsewhere"])
def test_a_cut_result_and_all_remarks_are_told(service: Service, tmp_path: Path, where: list[str]) -> None:
    options = [*where, *([service.tap] if where else [])]
    done = service.vo("query", QUERY, "--maxrec", "3", "-o", str(tmp_path / "a.vot"), *options)
    assert "there are more rows (--maxrec)" in " ".join(done.stderr.split())
    done = service.vo("query", QUERY, "-o", str(tmp_path / "b.vot"), *options)
    assert "more rows" not in done.stderr


def test_the_whole_error_comes_from_elsewhere_too(service: Service) -> None:
    query = "SELECT raa FROM hipparcos.hip2"
    for form in ("json", "text", "votable"):
        done = service.vo("query", "--url", service.tap, "--explain", "--format", form, query, check=False)
        assert (done.returncode, "line 1, column 8: There is no column raa." in done.stderr) == (1, True)


def test_addresses_of_services() -> None:
    for url in ("https://x.org/tap", "https://x.org/tap/", "https://x.org/tap/sync"):
        assert sync_url(url) == "https://x.org/tap/sync"
    for url in ("file:///etc/passwd", "ftp://x.org/tap", "x.org/tap", ""):
        with pytest.raises(UsageError, match="not the address"):
            sync_url(url)
