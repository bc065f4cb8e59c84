"""``vo query --upload``: tables that go with a query, here and over the network; and answers in all formats."""

from __future__ import annotations

import gzip
import json
import re
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.table import Table

from tests.conftest import Service
from tests.tap.asking import adql
from tests.vo.cli.test_jobs import in_terminal
from tests.vo.cli.test_query import answering
from vo.cli.endings import CUT, KEPT, Ending
from vo.cli.remote import asked, blocks_of
from vo.cli.uploads import MultipartBody, uploads_of
from vo.core.errors import QueryError, ServiceError, UnavailableError, UsageError
from vo.core.tables import Column, Datatype
from vo.core.tables.writers import Outcome, ResultMetadata, find_format

BOTH = "SELECT m.id, o.name FROM TAP_UPLOAD.mine AS m JOIN TAP_UPLOAD.other AS o USING (id) ORDER BY id"
FORMATS = ["votable", "votable/td", "csv", "ecsv", "fits", "parquet", "arrow", "json", "html", "text"]
MARKED = {"votable", "votable/td", "fits", "parquet", "arrow", "json", "html", "text"}
"""Formats that say when rows are missing."""


@pytest.fixture(params=["here", "elsewhere"])
def options(request: pytest.FixtureRequest, service: Service) -> list[str]:
    """How the same service is asked: by its database, or by HTTP."""
    return [] if request.param == "here" else ["--url", service.tap]


@pytest.fixture
def tables(tmp_path: Path) -> list[str]:
    """Options with two tables, one of them gzipped and called otherwise than it is."""
    Table({"id": [1, 2, 3], "ra": [10.0, 20.0, 30.0], "dec": [0.0, 1.0, 2.0]}).write(tmp_path / "mine.fits")
    (tmp_path / 'odd "name" é.dat').write_bytes(gzip.compress(b"id,name\n3,c\n2,b\n9,z\n"))
    return ["--upload", f"mine={tmp_path}/mine.fits", "--upload", f'other={tmp_path}/odd "name" é.dat']


def test_two_tables(service: Service, options: list[str], tables: list[str]) -> None:
    done = service.vo("query", BOTH, *tables, *options)
    assert (done.stdout, done.stderr) == ("id,name\n2,b\n3,c\n", "")


def test_in_a_terminal(service: Service, options: list[str], tables: list[str]) -> None:
    assert "2 rows" in in_terminal(service, 80, "query", BOTH, *tables, *options)


def test_a_plan_knows_the_tables(service: Service, options: list[str], tables: list[str]) -> None:
    done = service.vo("query", "--explain", BOTH, *tables, *options)
    assert "all 3 rows of tap_upload.mine" in done.stdout


def test_a_result_by_its_address(service: Service) -> None:
    """The service reads its own jobs' results where they are."""
    url = f"{service.tap}/async/0123456789abcdef/results/result"
    done = service.vo("query", "SELECT * FROM TAP_UPLOAD.mine", "--upload", f"mine={url}", check=False)
    assert (done.returncode, "job" in done.stderr) == (1, True)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("mine", "is not NAME=FILE"),
        ("mine=nothing.fits", "nothing.fits cannot be read: No such file"),
        ("mine=/", "cannot be read: Is a directory"),
        ("select=README.md", "cannot be the name of a table"),
        ("mine=ftp://x.org/a.fits", "cannot be read"),
    ],
)
def test_what_is_no_table_is_told_before_anything_is_asked(value: str, words: str) -> None:
    with pytest.raises(ServiceError, match=words):
        uploads_of([value])


def test_what_is_wrong_with_a_table_is_told(service: Service, options: list[str], tmp_path: Path) -> None:
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(b"PAR1 and no more")
    done = service.vo("query", "SELECT 1", "--upload", f"mine={broken}", *options, check=False)
    assert (done.returncode, done.stdout, "mine" in done.stderr) == (1, "", True)


def test_a_body_is_as_long_as_it_says(tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    file.write_bytes(b"a\n" * 2**20)
    taken: list[tuple[int, int]] = []
    uploads = uploads_of([f"mine={file}", "far=https://x.org/a;b.vot"])
    assert uploads.parameter == "mine,param:mine;far,https://x.org/a;b.vot"
    body = MultipartBody([("QUERY", "é")], [*uploads.files.values()], lambda *sizes: taken.append(sizes))
    sent = list(body)
    assert sum(map(len, sent)) == int(body.headers["Content-Length"]) == taken[-1][0] == taken[-1][1]
    assert max(map(len, sent)) <= 2**20
    file.write_bytes(b"a\n")
    with pytest.raises(UsageError, match="became shorter"):
        list(body)


def test_who_answers_before_the_end_is_heard(tmp_path: Path) -> None:
    """A service that refuses a large file need not take it whole."""
    file = tmp_path / "mine.csv"
    file.write_bytes(bytes(50 * 2**20))

    def refuse(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(413)
        handler.send_header("Content-Type", "text/plain")
        handler.send_header("Connection", "close")
        handler.end_headers()
        handler.wfile.write(b"Too large, says the service.")

    uploads = uploads_of([f"mine={file}"])
    body = MultipartBody([("UPLOAD", uploads.parameter)], [*uploads.files.values()], lambda *_: None)
    with (
        answering(refuse, read=2**20) as url,
        pytest.raises(QueryError, match="Too large, says the service"),
        asked(url, [], body) as response,
    ):
        list(blocks_of(response))


@pytest.mark.parametrize(
    ("name", "begins"),
    [
        ("a.fits", b"SIMPLE"),
        ("a.pq", b"PAR1"),
        ("a.arrows", b"\xff\xff\xff\xff"),
        ("a.ecsv", b"# %ECSV"),
        ("a.json", b"{"),
        ("a.htm", b"<!DOCTYPE html>"),
        ("a.txt", b"result"),
        ("a.xml", b"<?xml"),
    ],
)
def test_the_name_of_a_file_says_its_format(service: Service, tmp_path: Path, name: str, begins: bytes) -> None:
    service.vo("query", "SELECT TOP 2 hip FROM hipparcos.hip2", "-o", str(tmp_path / name))
    assert (tmp_path / name).read_bytes().startswith(begins)


@pytest.mark.parametrize("suffix", ["fits", "parquet", "arrow", "ecsv", "json", "html", "txt"])
def test_what_failed_on_the_way_is_no_result(service: Service, tmp_path: Path, suffix: str) -> None:
    """The last star divides by zero when much of the result is written."""
    last = adql(service, "SELECT hip FROM hipparcos.hip2", FORMAT="csv").text.split()[-1]
    query = f"SELECT h.*, 1 / (hip - {last}) AS k FROM hipparcos.hip2 AS h"
    for options, words in (([], "division by zero"), (["--url", service.tap], "division by zero|broke off")):
        done = service.vo("query", query, "-o", str(tmp_path / f"a.{suffix}"), *options, check=False)
        assert done.returncode == 1
        assert re.search(words, done.stderr)
        assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", FORMATS)
def test_a_cut_result_is_told(service: Service, tmp_path: Path, name: str) -> None:
    """Of the service's own, CSV and ECSV have no place for it."""
    query = "SELECT hip FROM hipparcos.hip2"
    where = ["--format", name, "-o", str(tmp_path / "a"), "--url", service.tap]
    done = service.vo("query", query, "--maxrec", "3", *where)
    assert ("there are more rows" in " ".join(done.stderr.split())) is (name in MARKED)


def test_here_a_cut_result_is_told_whatever_its_format(service: Service, tmp_path: Path) -> None:
    done = service.vo("query", "SELECT hip FROM hipparcos.hip2", "--maxrec", "3", "-o", str(tmp_path / "a.csv"))
    assert "there are more rows" in " ".join(done.stderr.split())


def ending(name: str, outcome: Outcome, columns: int = 2, *, left_out: int = 0) -> Ending:
    """Return what is known after a table of no rows was seen in small pieces."""
    fields = tuple(Column(f"column_{number}", Datatype.LONG) for number in range(columns))
    form, _ = find_format(name)
    writer = form.writer(fields, ResultMetadata())
    whole = writer.begin() + b"".join(map(bytes, writer.end(outcome)))
    writer.close()
    seen = Ending(form.media_type.partition(";")[0])
    for start in range(0, len(whole) - left_out, 1000):
        seen.see(whole[start : min(start + 1000, len(whole) - left_out)])
    return seen


@pytest.mark.parametrize("columns", [1, 900])
@pytest.mark.parametrize("name", FORMATS)
def test_endings(name: str, columns: int) -> None:
    assert ending(name, Outcome(0), columns).remarks() == ()
    assert ending(name, Outcome(0, overflow=True), columns).remarks() == ((CUT,) if name in MARKED else ())
    if find_format(name)[0].writer((Column("a", Datatype.LONG),), ResultMetadata()).tells_errors:
        with pytest.raises(QueryError, match='it <broke> "é"'):
            ending(name, Outcome(0, error='it <broke>\n"é"'), columns).remarks()


@pytest.mark.parametrize("name", ["votable", "fits", "parquet", "json"])
def test_what_has_no_end_broke_off(name: str) -> None:
    with pytest.raises(UnavailableError, match="broke off"):
        ending(name, Outcome(0), left_out=30).remarks()


def test_words_in_the_rows_are_no_marks(service: Service, tmp_path: Path) -> None:
    mark = '"],"overflow": true}'
    told = 'QUERY_STATUS" value="ERROR"/> # ERROR (ERROR after 1 row: x) </p>'
    query = f"SELECT TOP 1 '{told}' AS a, '{mark}' AS b FROM hipparcos.hip2"
    for name in FORMATS:
        done = service.vo("query", query, "--url", service.tap, "--format", name, "-o", str(tmp_path / "a"), "--force")
        assert "more rows" not in done.stderr


def test_little_is_kept_of_a_long_answer() -> None:
    seen = Ending("text/csv")
    for _ in range(100):
        seen.see(bytes(KEPT))
    seen.see(b"\n# ERROR no more\n")
    assert sum(map(len, seen._tail)) <= 2 * KEPT
    with pytest.raises(QueryError, match="no more"):
        seen.remarks()


def test_what_is_saved_can_be_read(service: Service, tmp_path: Path) -> None:
    query = "SELECT TOP 50 hip, plx FROM hipparcos.hip2 WHERE plx > 50 ORDER BY hip"
    wanted = [int(row[0]) for row in adql(service, query, FORMAT="csv").csv()]
    for suffix in ("fits", "parquet", "arrow", "json"):
        service.vo("query", query, "-o", f"{tmp_path}/a.{suffix}", "--url", service.tap)
    assert Table.read(tmp_path / "a.fits")["hip"].tolist() == wanted
    assert pq.read_table(tmp_path / "a.parquet")["hip"].to_pylist() == wanted
    assert pa.ipc.open_stream((tmp_path / "a.arrow").read_bytes()).read_all()["hip"].to_pylist() == wanted
    assert [row[0] for row in json.loads((tmp_path / "a.json").read_text())["data"]] == wanted
