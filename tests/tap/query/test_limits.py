"""Limits and errors of a query: word for word the same whether it is sent to /sync or runs as a job."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping
from urllib.parse import urlencode, urlsplit

import pytest
from lxml import etree

from tests.conftest import Service, make_home
from tests.tap.asking import FORM, TABLES, Answer, ask, eventually, sync

UWS = "{http://www.ivoa.net/xml/UWS/v1.0}"
MAX_RESULT = 3_000_000
SECONDS = 2
LONG = "SELECT COUNT(*) AS n FROM " + ", ".join(f"tap_schema.columns AS {name}" for name in "abcdef")
"""Runs for minutes."""
WIDE = (
    "SELECT "
    + ", ".join(f"{table}.{name}" for table in "abc" for name in ("principal", "indexed", "std"))
    + (" FROM tap_schema.columns AS a, tap_schema.columns AS b, tap_schema.columns AS c")
)
"""Its first rows, as they come from the database, are much larger when they are written: too large at once."""
FLOOD = "SELECT a.description, b.description AS b, c.description AS c " + (
    "FROM tap_schema.columns AS a, tap_schema.columns AS b, tap_schema.columns AS c"
)
"""Becomes too large after a while."""

ENDED = ("COMPLETED", "ERROR", "ABORTED")
Asked = Mapping[str, str]


@pytest.fixture(scope="module")
def narrow() -> Iterator[Service]:
    """A service that allows little."""
    home = make_home()
    service = Service(
        home,
        prepare=False,
        VO_PROCESSES="1",
        VO_SYNC_TIME=str(SECONDS),
        VO_JOB_TIME=str(SECONDS),
        VO_MAX_JOB_TIME="77",
        VO_MAX_RESULT=str(MAX_RESULT),
        VO_WAITING_JOBS="3",
        VO_RESULTS_SPACE=str(10 * MAX_RESULT),
    )
    try:
        service.start()
        yield service
    finally:
        service.stop()
        shutil.rmtree(home, ignore_errors=True)


def job(service: Service, parameters: Asked) -> tuple[str, etree._Element]:
    """Run a query as a job and return its path and its document at the end."""
    body = urlencode({"PHASE": "RUN", **parameters}).encode()
    created = ask(service, "/tap/async", method="POST", body=body, headers=FORM)
    assert created.status == 303, created.text
    path = urlsplit(created.headers["Location"]).path

    eventually(lambda: ask(service, f"{path}?WAIT=5").xml().findtext(f"{UWS}phase") in ENDED, 60)
    return path, ask(service, path).xml()


def message(answer: Answer) -> str:
    """Return the text of an error document, or of the error at the end of a result."""
    return answer.infos("QUERY_STATUS")[-1].text or ""


def job_message(service: Service, parameters: Asked, *, phase: str = "ERROR") -> str:
    """Run a job that fails; return its reason, which stands in two places."""
    path, document = job(service, parameters)
    assert document.findtext(f"{UWS}phase") == phase
    said = document.findtext(f"{UWS}errorSummary/{UWS}message")
    answer = ask(service, f"{path}/error")
    assert answer.status == 200
    assert answer.statuses() == ["ERROR"]
    assert message(answer) == said
    assert document.findall(f"{UWS}results/{UWS}result") == []
    return said


ADQL = {"LANG": "ADQL", "QUERY": TABLES}


@pytest.mark.parametrize(
    "parameters",
    [
        pytest.param({**ADQL, "QUERY": "SELECT ra FROM nowhere"}, id="no such table"),
        pytest.param({**ADQL, "QUERY": "SELECT\n  *\nFRM tap_schema.tables"}, id="syntax"),
        pytest.param({**ADQL, "QUERY": "SELECT 1 / (table_index - table_index) FROM tap_schema.tables"}, id="database"),
        pytest.param({**ADQL, "QUERY": "SELECT '" + "x" * 3000 + "' FROM nowhere"}, id="a long text"),
        pytest.param({"LANG": "ADQL"}, id="no QUERY"),
        pytest.param({"LANG": "ADQL", "QUERY": " "}, id="empty QUERY"),
        pytest.param({"QUERY": TABLES}, id="no LANG"),
        pytest.param({**ADQL, "LANG": "PQL"}, id="LANG"),
        pytest.param({**ADQL, "FORMAT": "docx"}, id="FORMAT"),
        pytest.param({**ADQL, "RESPONSEFORMAT": "application/<what>"}, id="RESPONSEFORMAT"),
        pytest.param({**ADQL, "FORMAT": "csv", "RESPONSEFORMAT": "votable"}, id="both"),
        pytest.param({**ADQL, "MAXREC": "many"}, id="MAXREC"),
        pytest.param({**ADQL, "UPLOAD": "a,http://example.org/a.vot"}, id="UPLOAD"),
    ],
)
def test_what_is_wrong_with_a_query(narrow: Service, parameters: Asked) -> None:
    answer = sync(narrow, parameters)
    assert answer.status == 400
    assert job_message(narrow, parameters) == message(answer)


def test_repeated_parameters(narrow: Service) -> None:
    twice = [*ADQL.items(), ("QUERY", "SELECT 1")]
    answer = sync(narrow, twice)
    assert answer.status == 400
    body = urlencode([("PHASE", "RUN"), *twice]).encode()
    created = ask(narrow, "/tap/async", method="POST", body=body, headers=FORM)
    path = urlsplit(created.headers["Location"]).path
    eventually(lambda: ask(narrow, f"{path}/phase").text == "ERROR")
    assert message(ask(narrow, f"{path}/error")) == message(answer)


def test_time(narrow: Service) -> None:
    begun = time.monotonic()
    answer = sync(narrow, {**ADQL, "QUERY": LONG})
    assert time.monotonic() - begun < SECONDS + 5
    assert answer.status == 400
    said = message(answer)
    assert f"longer than the {SECONDS} s" in said
    assert "EXECUTIONDURATION of up to 77 s" in said
    begun = time.monotonic()
    assert job_message(narrow, {**ADQL, "QUERY": LONG}, phase="ABORTED") == said
    assert time.monotonic() - begun < SECONDS + 5
    with narrow.connect() as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%COPY%tap_schema%' "
            "AND pid <> pg_backend_pid()"
        )
        assert cursor.rowcount == 0
    connection.close()


@pytest.mark.parametrize("query", [WIDE, FLOOD], ids=["at once", "after a while"])
def test_size_of_a_result(narrow: Service, query: str) -> None:
    wanted = {**ADQL, "QUERY": query, "FORMAT": "votable/td", "MAXREC": "1000000"}
    answer = sync(narrow, wanted)
    assert answer.status == (400 if query == WIDE else 200)  # what was sent cannot be taken back
    said = job_message(narrow, wanted)
    assert said == (
        "The result grew beyond 3,000,000 bytes, the most that one result may have.\n"
        "Select fewer rows or columns, or fetch the table in parts."
    )
    assert message(answer).split() == said.split()
    for output in ("votable", "votable/b", "csv"):
        assert job_message(narrow, {**wanted, "QUERY": FLOOD, "FORMAT": output}) == said
    assert not any(path.is_file() for path in (narrow.home / "results").rglob("*"))


def test_a_refused_job_says_what_is_used_and_what_to_do(narrow: Service) -> None:
    pending = [ask(narrow, "/tap/async", method="POST", body=b"LANG=ADQL", headers=FORM) for _ in range(3)]
    assert [answer.status for answer in pending] == [303] * 3
    refused = ask(narrow, "/tap/async", method="POST", body=b"PHASE=RUN&LANG=ADQL", headers=FORM)
    assert refused.status == 403
    assert refused.text.startswith("You have 3 jobs that wait to run, and one caller may have 3.\nWait until")
    assert sync(narrow, ADQL).status == 200  # synchronous queries wait for nobody's jobs
    for answer in pending:
        path = urlsplit(answer.headers["Location"]).path
        assert ask(narrow, path, method="DELETE").status == 303
    _, document = job(narrow, ADQL)
    assert document.findtext(f"{UWS}phase") == "COMPLETED"
