"""Requests that nobody should send: every one gets its status, and none tells anything of the server's."""

from __future__ import annotations

import pytest

from tests.conftest import Service
from tests.tap.asking import ask
from tests.uws.asking import JOBS, create, delete, post, refused, run

METHODS = {
    "": "GET, HEAD, POST",
    "/JOB": "DELETE, GET, HEAD, POST",
    "/JOB/phase": "GET, HEAD, POST",
    "/JOB/executionduration": "GET, HEAD, POST",
    "/JOB/destruction": "GET, HEAD, POST",
    "/JOB/parameters": "GET, HEAD, POST",
    "/JOB/quote": "GET, HEAD",
    "/JOB/owner": "GET, HEAD",
    "/JOB/error": "GET, HEAD",
    "/JOB/results": "GET, HEAD",
    "/JOB/results/result": "GET, HEAD",
}


@pytest.fixture(scope="module")
def job(service: Service) -> str:
    """A job that no test of this module changes."""
    return create(service)


@pytest.mark.parametrize("resource", METHODS)
def test_other_methods_are_refused_with_those_that_there_are(service: Service, job: str, resource: str) -> None:
    target = JOBS + resource.replace("/JOB", job.removeprefix(JOBS))
    for method in ("PUT", "DELETE", "PATCH", "POST", "TRACE", "OPTIONS"):
        if method not in METHODS[resource]:
            answer = ask(service, target, method=method)
            refused(answer, 405, f"does not take {method}.", f"It takes {METHODS[resource]}.")
            assert answer.headers["Allow"] == METHODS[resource]


@pytest.mark.parametrize("resource", METHODS)
def test_head_is_get_without_the_body(service: Service, job: str, resource: str) -> None:
    target = JOBS + resource.replace("/JOB", job.removeprefix(JOBS))
    head, got = ask(service, target, method="HEAD"), ask(service, target)
    assert head.body == b""
    assert (head.status, head.type) == (got.status, got.type)


NO_JOBS = [
    "x",
    "0" * 32,
    "%00",
    "0%00",
    "%FF%FE",
    "a" * 5000,
    "..",
    "%2e%2e",
    "'%20OR%201=1--",
    "%F0%9F%98%80",
    "a%0d%0aX-Injected:%20y",
    "%3Cscript%3E",
    "jobs;DROP",
    "%25s",
    "%7B0%7D",
]


@pytest.mark.parametrize("job_id", NO_JOBS, ids=lambda name: name[:20])
def test_jobs_that_there_are_not(service: Service, job_id: str) -> None:
    target = f"{JOBS}/{job_id}"
    for child in ("", "?WAIT=-1", "/phase", "/parameters", "/results", "/results/result", "/error", "/destruction"):
        answer = ask(service, target + child)
        assert len(refused(answer, 404, "There is no job")) < 300
        assert "X-Injected" not in answer.headers
    refused(delete(service, target), 404)
    refused(run(service, target), 404)
    for child in ("parameters", "destruction", "executionduration"):
        sent = {"DESTRUCTION": "2030-01-01", "EXECUTIONDURATION": "5"}
        refused(post(service, f"{target}/{child}", sent), 404)


@pytest.mark.parametrize(
    "child",
    [
        "foo",
        "PHASE",
        "phase/x",
        "phase%00",
        "results/a/b",
        "parameters/QUERY",
        "%2e%2e/%2e%2e/sync/x",
        "x" * 5000,
    ],
    ids=lambda name: name[:20],
)
def test_children_that_there_are_not(service: Service, job: str, child: str) -> None:
    for method in ("GET", "POST", "DELETE"):
        refused(ask(service, f"{job}/{child}", method=method), 404, "There is nothing at /tap/async/")


@pytest.mark.parametrize("job_id", [name for name in NO_JOBS if "/" not in name][:5], ids=lambda name: name[:20])
def test_browsers_get_a_page_for_a_missing_job_too(service: Service, job_id: str) -> None:
    answer = ask(service, f"{JOBS}/{job_id}", headers={"Accept": "text/html,application/xhtml+xml"})
    assert answer.status == 404
    assert "There is no job" in answer.text


def test_a_proxy_s_encoded_slash_leads_to_the_same_resources(service: Service, job: str) -> None:
    assert ask(service, job.replace("/tap/async/", "/tap%2Fasync/") + "%2Fphase").text == "PENDING"


def test_a_trailing_slash_is_taken_off(service: Service, job: str) -> None:
    answer = ask(service, f"{job}/phase/")
    assert answer.status == 307
    assert answer.headers["Location"] == f"{service.url}{job}/phase"
