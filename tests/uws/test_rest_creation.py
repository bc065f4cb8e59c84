"""Jobs that are created, their parameters and their documents (UWS 1.1, section 2.2.3.1; TAP 1.1, section 2.4)."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode

import pytest
from pydantic import ConfigDict
from pydantic_xml import element
from vo_models.uws import JobSummary, Parameter, Parameters

from tests.conftest import Service
from tests.schema import faults
from tests.tap.asking import FORM, Answer, ask, multipart
from tests.uws.asking import (
    JOBS,
    QUERY,
    UWS,
    abort,
    create,
    delete,
    document,
    ended,
    id_of,
    job_parameters,
    listed,
    location,
    phase,
    post,
    refused,
    run,
    text,
    value,
)

FIELDS = [
    "jobId",
    "runId",
    "ownerId",
    "phase",
    "quote",
    "creationTime",
    "startTime",
    "endTime",
    "executionDuration",
    "destruction",
    "parameters",
    "results",
]


class QueryParameters(Parameters):
    """The parameters of these tests' jobs, which vo-models wants declared."""

    model_config = ConfigDict(alias_generator=str.upper)

    lang: Parameter = element(tag="parameter")
    query: Parameter = element(tag="parameter")
    runid: Parameter = element(tag="parameter")


def test_a_new_job_is_pending_and_says_all_about_itself(service: Service, shared_folder: Path | None) -> None:
    job = create(service, RUNID="my run")
    answer = ask(service, job)
    assert faults(answer.body, shared_folder) == []
    assert answer.headers["Cache-Control"] == "no-store"
    root = document(service, job)
    assert [child.tag.removeprefix(UWS) for child in root] == FIELDS
    assert value(root, "jobId") == id_of(job)
    assert value(root, "runId") == "my run"
    assert value(root, "phase") == phase(service, job) == "PENDING"
    for unknown in ("ownerId", "quote", "startTime", "endTime"):
        assert value(root, unknown) is None
    assert text(service, f"{job}/owner") == text(service, f"{job}/quote") == ""
    assert text(service, f"{job}/executionduration") == value(root, "executionDuration") == "3600"
    assert text(service, f"{job}/destruction") == value(root, "destruction")
    created, destruction = (datetime.fromisoformat(value(root, name) or "") for name in ("creationTime", "destruction"))
    assert destruction - created == timedelta(days=7)
    assert (value(root, "creationTime") or "").endswith("Z")
    read = JobSummary[QueryParameters].from_xml(answer.body)
    assert read.run_id == "my run"
    assert read.parameters is not None
    assert read.parameters.query.value == QUERY


def test_started_in_the_same_request(service: Service) -> None:
    job = create(service, PHASE="RUN")
    assert phase(service, job) in ("QUEUED", "EXECUTING", "COMPLETED")
    assert ended(service, job) == "COMPLETED"
    assert "PHASE" not in dict(job_parameters(service, job))


def test_names_in_any_case_and_both_kinds_of_body(service: Service) -> None:
    pairs = [("lang", "ADQL"), ("Query", QUERY), ("phase", "run")]
    body, headers = multipart(pairs)
    for job in (
        location(ask(service, JOBS, method="POST", body=body, headers=headers)),
        location(ask(service, JOBS, method="POST", body=urlencode(pairs).encode(), headers=FORM)),
        location(ask(service, f"{JOBS}?{urlencode(pairs)}", method="POST")),
    ):
        assert ended(service, job) == "COMPLETED"
        assert job_parameters(service, job) == [("LANG", "ADQL"), ("QUERY", QUERY)]


def test_parameters_are_kept_as_they_came(service: Service, shared_folder: Path | None) -> None:
    odd = [("QUERY", " <a> & 'b'\n\t%41+ ü 😀 "), ("X", ""), ("X", "2"), ("UNKNOWN", "]]>"), ("MAXREC", "1e9")]
    job = location(post(service, JOBS, [*odd, ("X", "2"), ("", "nameless")]))
    assert job_parameters(service, job) == [("QUERY", odd[0][1]), ("X", ""), ("X", "2"), *odd[3:]]
    assert faults(ask(service, f"{job}/parameters").body, shared_folder) == []
    in_document = [(item.attrib["id"], item.text or "") for item in document(service, job).iter(f"{UWS}parameter")]
    assert in_document == job_parameters(service, job)


def test_what_xml_cannot_hold_shows_as_replaced(service: Service, shared_folder: Path | None) -> None:
    job = location(post(service, JOBS, [("QUERY", "a\x01b\x0bc\ufffe"), ("RUNID", "r\x02")]))
    assert dict(job_parameters(service, job))["QUERY"] == "a\ufffdb\ufffdc\ufffd"
    assert value(document(service, job), "runId") == "r\ufffd"
    assert faults(ask(service, job).body, shared_folder) == []
    assert ask(service, f"{JOBS}?LAST=5").xml() is not None


def test_parameters_accumulate_until_it_runs(service: Service) -> None:
    job = location(post(service, JOBS, LANG="ADQL"))
    assert location(post(service, f"{job}/parameters", QUERY=QUERY, RUNID="first")) == job
    assert location(post(service, f"{job}/parameters", MAXREC="2", RUNID="second")) == job
    assert location(post(service, f"{job}/parameters", LANG="ADQL")) == job
    body, headers = multipart([("FORMAT", "csv")])
    assert location(ask(service, f"{job}/parameters", method="POST", body=body, headers=headers)) == job
    assert sorted(job_parameters(service, job)) == sorted(
        [("LANG", "ADQL"), ("QUERY", QUERY), ("MAXREC", "2"), ("FORMAT", "csv"), ("RUNID", "second")]
    )
    assert value(document(service, job), "runId") == "second"
    run(service, job)
    assert ended(service, job) == "COMPLETED"
    assert len(ask(service, f"{job}/results/result").csv()) == 2
    refused(post(service, f"{job}/parameters", MAXREC="3"), 403, "COMPLETED", "PENDING only")
    assert ("MAXREC", "3") not in job_parameters(service, job)


def test_twice_the_same_is_once_and_two_queries_are_an_error_when_it_runs(service: Service) -> None:
    job = create(service)
    post(service, f"{job}/parameters", QUERY=QUERY)
    run(service, job)
    assert ended(service, job) == "COMPLETED"
    job = create(service)
    post(service, f"{job}/parameters", QUERY="SELECT 1 AS a FROM tap_schema.schemas")
    run(service, job)
    assert ended(service, job) == "ERROR"
    message = document(service, job).findtext(f"{UWS}errorSummary/{UWS}message", "")
    assert message.startswith("QUERY: given 2 times")


@pytest.mark.parametrize(
    ("parameters", "phrase"),
    [
        ({}, "LANG"),
        ({"LANG": "ADQL"}, "QUERY"),
        ({"QUERY": QUERY}, "LANG"),
        ({"QUERY": QUERY, "LANG": "SQL-92"}, "LANG"),
        ({"QUERY": QUERY, "LANG": "ADQL", "MAXREC": "many"}, "MAXREC"),
        ({"QUERY": QUERY, "LANG": "ADQL", "RESPONSEFORMAT": "image/gif"}, "image/gif"),
        ({"QUERY": "SELECT * FROM", "LANG": "ADQL"}, "line 1"),
    ],
)
def test_wrong_parameters_are_told_when_it_runs_not_before(
    service: Service, parameters: dict[str, str], phrase: str
) -> None:
    job = location(post(service, JOBS, parameters))
    assert phase(service, job) == "PENDING"
    run(service, job)
    assert ended(service, job) == "ERROR"
    root = document(service, job)
    assert value(root, "startTime") is not None
    assert value(root, "endTime") is not None
    [summary] = root.iter(f"{UWS}errorSummary")
    assert (summary.attrib["type"], summary.attrib["hasDetail"]) == ("fatal", "true")
    message = summary.findtext(f"{UWS}message", "")
    assert phrase in message
    error = ask(service, f"{job}/error")
    assert error.status == 200
    assert error.statuses() == ["ERROR"]
    assert error.infos("QUERY_STATUS")[0].text == message


REFUSED: list[tuple[list[tuple[str, str]], int, str]] = [
    ([("PHASE", "ABORT")], 400, "Send RUN"),
    ([("PHASE", "COMPLETED")], 400, "Send RUN"),
    ([("PHASE", "RUN"), ("PHASE", "ABORT")], 400, "given 2 times"),
    ([("RUNID", "x" * 65)], 400, "65 characters, the limit is 64"),
    ([("RUNID", "a"), ("RUNID", "b")], 400, "given 2 times"),
    ([("QUERY", "nul \0")], 400, "NUL"),
    ([(f"P{number}", "x") for number in range(5000)], 400, "more than 1000 parameters"),
    ([("QUERY", "x" * 5_000_000)], 413, "larger than the limit"),
]


@pytest.mark.parametrize(("pairs", "status", "phrase"), REFUSED, ids=lambda item: str(item)[:20])
def test_a_refused_creation_leaves_no_job(
    service: Service, pairs: list[tuple[str, str]], status: int, phrase: str
) -> None:
    before = listed(service)
    refused(post(service, JOBS, [("MARK", "refused"), *pairs]), status, phrase)
    assert [found for found in listed(service) if found not in before and found.phase == "PENDING"] == []


@pytest.mark.parametrize(
    ("body", "media_type", "phrase"),
    [
        (b"PHASE=RUN", "text/plain", "'text/plain' is not understood"),
        (b"{}", "application/json", "Send application/x-www-form-urlencoded"),
        (b"PHASE=%ff", "application/x-www-form-urlencoded", "UTF-8"),
        (b"PHASE=\xff", "application/x-www-form-urlencoded", "UTF-8"),
        (b"--x\r\nnonsense", "multipart/form-data", "multipart"),
    ],
)
def test_bodies_that_cannot_be_read(service: Service, body: bytes, media_type: str, phrase: str) -> None:
    job = create(service)
    for target in (JOBS, job, f"{job}/phase", f"{job}/parameters", f"{job}/destruction", f"{job}/executionduration"):
        answer = ask(service, target, method="POST", body=body, headers={"Content-Type": media_type})
        refused(answer, 400, phrase)
    assert phase(service, job) == "PENDING"


def test_large_parameters_up_to_the_limit_over_all_requests(service: Service) -> None:
    job = location(post(service, JOBS, QUERY="x" * 2_500_000))
    refused(post(service, f"{job}/parameters", Y="y" * 2_500_000), 400, "and may have 4194304", "Send less")
    assert len(ask(service, job).body) > 2_500_000
    delete(service, job)


def test_a_get_never_creates_or_changes(service: Service) -> None:
    job = create(service)
    answers: list[Answer] = [
        ask(service, f"{job}/phase?PHASE=RUN"),
        ask(service, f"{job}/destruction?DESTRUCTION=2000-01-01"),
        ask(service, f"{job}/executionduration?EXECUTIONDURATION=1"),
        ask(service, f"{job}/parameters?QUERY=x"),
        ask(service, f"{job}?ACTION=DELETE"),
        ask(service, f"{job}/phase", body=b"PHASE=RUN", headers=FORM),
    ]
    assert {answer.status for answer in answers} == {200}
    assert phase(service, job) == "PENDING"
    assert job_parameters(service, job) == [("LANG", "ADQL"), ("QUERY", QUERY)]
    assert text(service, f"{job}/executionduration") == "3600"
    abort(service, job)
