"""Results and errors of jobs: their list, the file itself with all that HTTP offers for it, and what clients read."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from astropy.io.votable import parse_single_table
from pyvo.io.uws import parse_job, parse_job_list
from vo_models.uws import Results

from tests.conftest import Service
from tests.schema import faults
from tests.tap.asking import VOTABLE_TYPE, ask, assert_error, sync
from tests.uws.asking import (
    JOBS,
    QUERY,
    UWS,
    XLINK,
    create,
    delete,
    document,
    ended,
    id_of,
    job_parameters,
    refused,
    run,
    text,
)

BROKEN = "SELECT 1 / (LENGTH(schema_name) * 0) AS x FROM tap_schema.schemas"


@pytest.fixture(scope="module")
def done(service: Service) -> str:
    """A job with a VOTable as its result."""
    job = create(service, PHASE="RUN")
    assert ended(service, job) == "COMPLETED"
    return job


def test_the_list_of_results_is_that_of_the_job(service: Service, done: str, shared_folder: Path | None) -> None:
    answer = ask(service, f"{done}/results")
    assert answer.type == "text/xml; charset=utf-8"
    assert faults(answer.body, shared_folder) == []
    [result] = answer.xml()
    [in_document] = document(service, done).iter(f"{UWS}result")
    assert sorted(result.attrib.items()) == sorted(in_document.attrib.items())
    assert result.attrib["id"] == "result"
    assert result.attrib[f"{XLINK}href"] == f"{service.url}{done}/results/result"
    assert result.attrib["mime-type"] == VOTABLE_TYPE
    assert int(str(result.attrib["size"])) == len(ask(service, f"{done}/results/result").body)
    assert [item.id for item in Results.from_xml(answer.body).results or []] == ["result"]


def test_the_file_is_what_the_same_query_answers_at_once(service: Service, done: str) -> None:
    answer = ask(service, f"{done}/results/result")
    assert answer.status == 200
    assert answer.type == VOTABLE_TYPE
    assert answer.headers["Content-Length"] == str(len(answer.body))
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert "tap_schema-tables.vot" in answer.headers["Content-Disposition"]
    at_once = sync(service, {"LANG": "ADQL", "QUERY": QUERY})
    tables = [parse_single_table(io.BytesIO(found.body)).to_table() for found in (answer, at_once)]
    assert tables[0].pformat() == tables[1].pformat()
    assert len(tables[0]) == 3


def test_head_ranges_and_etag(service: Service, done: str) -> None:
    target = f"{done}/results/result"
    whole = ask(service, target)
    head = ask(service, target, method="HEAD")
    assert (head.status, head.body) == (200, b"")
    for name in ("Content-Type", "Content-Length", "ETag", "Accept-Ranges"):
        assert head.headers[name] == whole.headers[name]
    part = ask(service, target, headers={"Range": "bytes=10-19"})
    assert (part.status, part.body) == (206, whole.body[10:20])
    assert part.headers["Content-Range"] == f"bytes 10-19/{len(whole.body)}"
    assert ask(service, target, headers={"Range": "bytes=-7"}).body == whole.body[-7:]
    assert ask(service, target, headers={"Range": f"bytes={len(whole.body)}-"}).status == 416
    etag = whole.headers["ETag"]
    same = ask(service, target, headers={"If-None-Match": etag})
    assert (same.status, same.body) == (304, b"")
    assert ask(service, target, headers={"Range": "bytes=0-0", "If-Range": etag}).status == 206
    assert ask(service, target, headers={"Range": "bytes=0-0", "If-Range": '"other"'}).status == 200


@pytest.mark.parametrize(
    ("wanted", "media_type", "file_name"),
    [
        ("csv", "text/csv;header=present;charset=utf-8", "tap_schema-tables.csv"),
        ("tsv", "text/tab-separated-values;charset=utf-8", "tap_schema-tables.tsv"),
        ("text/xml", "text/xml", "tap_schema-tables.vot"),
        ("application/x-votable+xml;serialization=TABLEDATA", None, "tap_schema-tables.vot"),
    ],
)
def test_types_are_those_that_were_asked_for(
    service: Service, wanted: str, media_type: str | None, file_name: str
) -> None:
    job = create(service, RESPONSEFORMAT=wanted, PHASE="RUN")
    assert ended(service, job) == "COMPLETED"
    answer = ask(service, f"{job}/results/result")
    assert answer.type == (media_type or wanted)
    assert file_name in answer.headers["Content-Disposition"]
    [result] = document(service, job).iter(f"{UWS}result")
    assert result.attrib["mime-type"] == answer.type
    assert sync(service, {"LANG": "ADQL", "QUERY": QUERY, "RESPONSEFORMAT": wanted}).type == answer.type


def test_no_rows_and_too_many_are_results_too(service: Service) -> None:
    for parameters, rows, statuses in (
        ({"MAXREC": "0"}, 0, ["OK", "OVERFLOW"]),
        ({"MAXREC": "2"}, 2, ["OK", "OVERFLOW"]),
        ({"MAXREC": "3"}, 3, ["OK"]),
        ({"QUERY": "SELECT table_name FROM tap_schema.tables WHERE 1 = 0"}, 0, ["OK"]),
    ):
        job = create(service, RESPONSEFORMAT="votable/td", PHASE="RUN", **parameters)
        assert ended(service, job) == "COMPLETED"
        answer = ask(service, f"{job}/results/result")
        assert len(answer.rows()) == rows
        assert answer.statuses() == statuses
        assert [field["name"] for field in answer.fields()] == ["table_name"]


def test_that_a_result_was_cut_is_said_beside_it_where_its_format_cannot(
    service: Service, shared_folder: Path | None
) -> None:
    job = create(service, PHASE="RUN", RESPONSEFORMAT="csv", MAXREC="2")
    assert ended(service, job) == "COMPLETED"
    answer = ask(service, f"{job}/results")
    [result] = answer.xml()
    assert result.attrib["{urn:uwscustom}remark"] == "cut at 2 rows, there are more (MAXREC)"
    assert faults(answer.body, shared_folder) == []
    assert "cut at 2 rows" in ask(service, job, headers={"Accept": "text/html"}).text


def test_an_error_says_the_same_as_a_synchronous_query(service: Service, shared_folder: Path | None) -> None:
    job = create(service, QUERY=BROKEN, PHASE="RUN")
    assert ended(service, job) == "ERROR"
    answer = ask(service, job)
    assert faults(answer.body, shared_folder) == []
    error = ask(service, f"{job}/error")
    assert error.status == 200
    assert error.type == VOTABLE_TYPE
    assert faults(error.body, shared_folder) == []
    assert not error.elements("TABLE")
    message = assert_error(sync(service, {"LANG": "ADQL", "QUERY": BROKEN}), 400)
    assert error.infos("QUERY_STATUS")[0].text == message
    assert answer.xml().findtext(f"{UWS}errorSummary/{UWS}message") == message
    refused(ask(service, f"{job}/results/result"), 404, "ERROR and has no results")
    assert list(ask(service, f"{job}/results").xml()) == []


def test_what_there_is_not(service: Service, done: str) -> None:
    pending = create(service)
    assert list(ask(service, f"{pending}/results").xml()) == []
    refused(ask(service, f"{pending}/results/result"), 404, "PENDING and has no results")
    refused(ask(service, f"{pending}/error"), 404, "PENDING and has no error")
    refused(ask(service, f"{done}/error"), 404, "COMPLETED and has no error")
    for name in ("other", "RESULT", "tap_schema-tables.vot", "%00", "r" * 5000, "%2e%2e"):
        refused(ask(service, f"{done}/results/{name}"), 404, "Its results: result.")
    for path in ("result/x", "%2e%2e/%2e%2e/result", "../../../../etc/passwd", "..%2f..%2fetc%2fpasswd"):
        assert ask(service, f"{done}/results/{path}").status == 404


def test_pyvo_reads_the_same_from_the_documents(service: Service, done: str) -> None:
    job = parse_job(io.BytesIO(ask(service, done).body))
    assert (job.jobid, job.phase, job.ownerid, job.version) == (id_of(done), "COMPLETED", None, "1.1")
    assert {parameter.id_: parameter.content for parameter in job.parameters} == dict(job_parameters(service, done))
    assert job.executionduration.to_value("s") == 3600
    assert job.creationtime <= job.starttime <= job.endtime < job.destruction
    [result] = job.results
    assert (result.id_, result.href) == ("result", f"{service.url}{done}/results/result")
    jobs = parse_job_list(io.BytesIO(ask(service, f"{JOBS}?PHASE=COMPLETED").body))
    assert id_of(done) in [item.jobid for item in jobs]
    failed = create(service, QUERY=BROKEN, PHASE="RUN")
    ended(service, failed)
    summary = parse_job(io.BytesIO(ask(service, failed).body)).errorsummary
    assert (summary.type_, summary.has_detail) == ("fatal", True)
    assert summary.message.content


def test_runid_is_echoed_and_logged_nowhere_else(service: Service) -> None:
    job = create(service, RUNID="x" * 64)
    assert dict(job_parameters(service, job))["RUNID"] == "x" * 64
    run(service, job)
    assert ended(service, job) == "COMPLETED"
    assert document(service, job).findtext(f"{UWS}runId") == "x" * 64
    assert text(service, f"{job}/quote") == ""
    delete(service, job)
