"""UWS documents: by the schema, by the reader that others use, and with what XML cannot hold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree
from pydantic import ConfigDict
from pydantic_xml import element
from vo_models.uws import Jobs, JobSummary, Parameter, Parameters, Results

from tests.uws.samples import COMPLETED, EXECUTING, FAILED, JOBS, LIST_URL, PENDING, QUERY, QUEUED, job_url, reference
from uws.models import ErrorSummary, Job, JobReference, Phase, Progress
from uws.xml import (
    PROGRESS,
    job_document,
    jobs_beginning,
    jobs_end,
    jobs_references,
    legal,
    moment,
    parameters_document,
    results_document,
)

UWS = "{http://www.ivoa.net/xml/UWS/v1.0}"
XLINK = "{http://www.w3.org/1999/xlink}"
XSI = "{http://www.w3.org/2001/XMLSchema-instance}"


class QueryParameters(Parameters):
    """The parameters of the sample jobs, which vo-models wants declared."""

    model_config = ConfigDict(alias_generator=str.upper)

    lang: Parameter = element(tag="parameter")
    query: Parameter = element(tag="parameter")
    format: Parameter = element(tag="parameter")


def job_list(references: list[JobReference]) -> bytes:
    return jobs_beginning() + jobs_references(references, LIST_URL) + jobs_end()


@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.phase)
def test_valid_by_schema(shared: Path, validate: Callable[[bytes], list[str]], job: Job) -> None:
    assert validate(b"<uws:job xmlns:uws='http://www.ivoa.net/xml/UWS/v1.0'/>") != []  # the check itself
    for document in (job_document(job, job_url(job)), parameters_document(job), results_document(job, job_url(job))):
        assert validate(document) == []


def test_a_list_is_valid_by_schema(shared: Path, validate: Callable[[bytes], list[str]]) -> None:
    assert validate(job_list([])) == []
    assert validate(job_list([reference(job) for job in JOBS])) == []
    assert validate(job_list([reference(PENDING, owner="a & b", run_id='<">\r\n\x00')])) == []


@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.phase)
def test_read_back(job: Job) -> None:
    read = JobSummary[QueryParameters].from_xml(job_document(job, job_url(job)))
    assert read.version is not None
    assert read.version.value == "1.1"
    assert (read.job_id, read.run_id, read.owner_id) == (job.job_id, job.run_id, job.owner)
    assert (read.phase.value, read.execution_duration) == (job.phase, job.execution_duration)
    assert read.parameters is not None
    given = (read.parameters.lang, read.parameters.query, read.parameters.format)
    assert [(parameter.id, parameter.value) for parameter in given] == list(job.parameters)
    assert read.results is not None
    assert [(result.id, result.href, result.size, result.mime_type) for result in read.results.results or []] == [
        (result.id, f"{job_url(job)}/results/{result.id}", result.size, result.media_type) for result in job.results
    ]
    assert (read.error_summary is None) == (job.error is None)
    if read.error_summary is not None and job.error is not None:
        assert (read.error_summary.message, read.error_summary.has_detail) == (job.error.message, True)
        assert read.error_summary.type.value == job.error.type
    times = (read.quote, read.creation_time, read.start_time, read.end_time, read.destruction)
    for found, true in zip(times, (job.quote, job.created, job.started, job.ended, job.destruction), strict=True):
        assert (found is None) == (true is None)
        if found is not None and true is not None:
            assert abs(found - true) < timedelta(milliseconds=1)


def test_read_back_a_list_in_parts() -> None:
    references = [reference(job, job_id=f"job-{number}") for number, job in enumerate(JOBS)]
    parts = b"".join(jobs_references([each], LIST_URL) for each in references)
    read = Jobs.from_xml(jobs_beginning() + parts + jobs_end())
    assert read.version is not None
    assert read.version.value == "1.1"
    assert [
        (job.job_id, job.href, job.phase.value, job.run_id, job.owner_id, job.creation_time)
        for job in read.jobref or []
    ] == [
        (each.job_id, f"{LIST_URL}/{each.job_id}", each.phase, each.run_id, each.owner, each.created)
        for each in references
    ]


def test_read_back_results() -> None:
    [result] = Results.from_xml(results_document(COMPLETED, job_url(COMPLETED))).results or []
    assert result.href == f"{job_url(COMPLETED)}/results/result"


def test_nil_says_that_something_is_not_known() -> None:
    root = etree.fromstring(job_document(PENDING, job_url(PENDING)))
    nil = [child.tag.removeprefix(UWS) for child in root if child.get(f"{XSI}nil") == "true"]
    assert nil == ["ownerId", "quote", "startTime", "endTime"]
    assert root.find(f"{UWS}runId") is None
    listed = etree.fromstring(job_list([reference(PENDING)]))
    assert [child.get(f"{XSI}nil") for child in listed[0]] == [None, "true", None]
    assert listed[0].get(f"{XLINK}type") == "simple"


def test_times_are_utc_to_the_millisecond() -> None:
    assert moment(datetime(2026, 1, 1, tzinfo=UTC)) == "2026-01-01T00:00:00.000Z"
    assert moment(datetime(2026, 1, 1, 1, 2, 3, 999_999, timezone(timedelta(hours=2)))) == "2025-12-31T23:02:03.999Z"


def test_progress_is_told_while_it_says_something() -> None:
    def told(job: Job) -> dict[str, str | None] | None:
        info = etree.fromstring(job_document(job, job_url(job))).find(f"{UWS}jobInfo")
        return None if info is None else {child.tag.removeprefix(f"{{{PROGRESS}}}"): child.text for child in info}

    assert told(EXECUTING) == {
        "rows": "1234567",
        "bytes": "98765432",
        "fraction": "0.25",
        "stage": "writing the result",
        "attempt": "2",
    }
    assert told(replace(EXECUTING, attempt=1, progress=Progress(rows=0))) == {"rows": "0"}
    assert told(replace(EXECUTING, attempt=1, progress=Progress())) is None
    assert told(replace(EXECUTING, attempt=1, progress=None)) is None
    assert told(QUEUED) is None


def test_parameters_come_back_as_they_were_sent() -> None:
    parameters = (("QUERY", QUERY), ("UPLOAD", "a,param:b"), ("upload", " <&>\r\n\t]]>'\"é𝔸 "), ("EMPTY", ""))
    root = etree.fromstring(parameters_document(replace(PENDING, parameters=parameters)))
    assert [(child.get("id"), child.text or "") for child in root] == list(parameters)


TEXTS = st.text(st.characters(exclude_categories=()))  # surrogates too


@given(name=TEXTS, value=TEXTS, run_id=TEXTS)
def test_no_text_breaks_a_document(name: str, value: str, run_id: str) -> None:
    job = replace(
        FAILED,
        owner=value,
        run_id=run_id,
        parameters=((name, value),),
        error=ErrorSummary(value, "fatal", "internal"),
        progress=Progress(stage=value),
    )
    root = etree.fromstring(job_document(job, job_url(job)))
    parameter = root.find(f"{UWS}parameters/{UWS}parameter")
    assert parameter is not None
    assert (parameter.get("id"), parameter.text or "") == (legal(name), legal(value))
    assert root.findtext(f"{UWS}runId") == legal(run_id)
    assert root.findtext(f"{UWS}errorSummary/{UWS}message") == legal(value)
    [listed] = etree.fromstring(job_list([reference(job)]))
    assert listed.findtext(f"{UWS}runId") == legal(run_id)
    assert listed.findtext(f"{UWS}ownerId") == legal(value)


def test_what_xml_cannot_hold_leaves_a_mark() -> None:
    assert legal("SELECT\x00\x1b1\ud800\ufffe\uffff\t\r\n\x7f𝔸") == "SELECT\ufffd\ufffd1\ufffd\ufffd\ufffd\t\r\n\x7f𝔸"


def test_phases_are_those_of_the_standard(shared: Path) -> None:
    schema = etree.parse(str(shared / "schemas" / "UWS-v1.1.xsd"))
    named = schema.xpath("//*[@name='ExecutionPhase']//@value")
    assert isinstance(named, list)
    assert {phase.value for phase in Phase} == set(named)
