"""Pages of other origins: who may ask what, and what they may read."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import Service
from tests.tap.asking import FORM, ask, assert_error, sync
from tests.vo.app.running import running
from vo.app.main import create_app

ORIGIN = "https://portal.example.org"
ASKING = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}
ENDPOINTS = [
    ("GET", "/", 200),
    ("GET", "/tap", 200),
    ("GET", "/tap/capabilities", 200),
    ("GET", "/tap/availability", 200),
    ("GET", "/tap/tables", 200),
    ("GET", "/tap/examples", 200),
    ("GET", "/tap/sync", 400),
    ("GET", "/tap/async", 200),
    ("POST", "/tap/async", 303),
    ("GET", "/tap/async/none", 404),
    ("PUT", "/tap/sync", 405),
    ("OPTIONS", "/tap/sync", 405),
    ("GET", "/nowhere", 404),
    ("GET", "/static/vo.css", 200),
]


@pytest.mark.parametrize(("method", "target", "status"), ENDPOINTS)
def test_everything_may_be_read(service: Service, method: str, target: str, status: int) -> None:
    headers = FORM | {"Origin": ORIGIN}
    body = b"LANG=ADQL&QUERY=SELECT+1+AS+x+FROM+demo.big" if method == "POST" else None
    for given in (headers, FORM):  # what is cached for one may be shown to another
        answer = ask(service, target, method=method, body=body, headers=given)
        assert answer.status == status
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        exposed = set(answer.headers["Access-Control-Expose-Headers"].split(", "))
        assert {"Location", "Content-Disposition", "ETag", "Content-Range", "Content-Length", "X-Request-Id"} <= exposed
        assert answer.headers["Access-Control-Allow-Credentials"] is None
        assert "Origin" not in (answer.headers["Vary"] or "")


@pytest.mark.parametrize("accept", ["*/*", "text/html"])
def test_the_jobs_of_the_visitors_address_are_not_listed_for_a_page(service: Service, accept: str) -> None:
    """Who knows the id of an anonymous job may delete it."""
    job = (
        ask(service, "/tap/async", method="POST", body=b"LANG=ADQL", headers=FORM)
        .headers["Location"]
        .rpartition("/")[2]
    )
    assert job in ask(service, "/tap/async").text
    assert job not in ask(service, "/tap/async", headers={"Origin": ORIGIN, "Accept": accept}).text
    ask(service, f"/tap/async/{job}", method="DELETE")


def test_what_is_the_operators_may_not(service: Service) -> None:
    assert ask(service, "/metrics", headers={"Origin": ORIGIN}).headers["Access-Control-Allow-Origin"] is None
    answer = ask(service, "/metrics", method="OPTIONS", headers=ASKING)
    assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (405, None)


@pytest.mark.parametrize("target", ["/tap/sync", "/tap/async", "/tap/async/none/phase", "/nowhere"])
def test_preflight(service: Service, target: str) -> None:
    wanted = ASKING | {"Access-Control-Request-Headers": "authorization,x-request-id"}
    answer = ask(service, target, method="OPTIONS", headers=wanted)
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.headers["Access-Control-Allow-Methods"] == "GET, HEAD, POST, DELETE"
    assert answer.headers["Access-Control-Allow-Headers"] == "authorization,x-request-id"
    assert int(answer.headers["Access-Control-Max-Age"]) > 0
    assert answer.headers["Access-Control-Allow-Credentials"] is None
    assert answer.headers["X-Request-Id"]


def test_other_options_are_refused_as_ever(service: Service) -> None:
    for headers in ({}, {"Origin": ORIGIN}, {"Access-Control-Request-Method": "POST"}):
        answer = ask(service, "/tap/sync", method="OPTIONS", headers=headers)
        assert_error(answer, 405)
        assert answer.headers["Allow"] == "GET, HEAD, POST"


@pytest.fixture(scope="module")
def choosy(service: Service) -> Iterator[int]:
    """The same service, for pages of two origins only."""
    origins = (ORIGIN, "http://localhost:8000/")
    with running(create_app(service.settings.model_copy(update={"cors_origins": origins}))) as port:
        yield port


def test_some_origins_only(choosy: int) -> None:
    for origin, allowed in (
        (ORIGIN, True),
        ("http://localhost:8000", True),
        ("https://evil.org", False),
        ("null", False),
    ):
        answer = ask(choosy, "/tap/availability", headers={"Origin": origin})
        assert answer.status == 200
        assert answer.headers["Access-Control-Allow-Origin"] == (origin if allowed else None)
        assert "Origin" in answer.headers["Vary"]
        preflight = ask(choosy, "/tap/sync", method="OPTIONS", headers=ASKING | {"Origin": origin})
        assert preflight.status == (200 if allowed else 403)
        assert preflight.headers["Access-Control-Allow-Origin"] == (origin if allowed else None)
    assert sync(choosy, {"LANG": "ADQL", "QUERY": "SELECT 1 AS x FROM demo.big"}).headers["Vary"].count("Origin") == 1


def test_no_origin_at_all(service: Service) -> None:
    with running(create_app(service.settings.model_copy(update={"cors_origins": ()}))) as port:
        assert ask(port, "/tap/availability", headers={"Origin": ORIGIN}).headers["Access-Control-Allow-Origin"] is None
        assert ask(port, "/tap/sync", method="OPTIONS", headers=ASKING).status == 405
