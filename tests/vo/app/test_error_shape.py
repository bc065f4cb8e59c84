"""Errors have one shape on the wire, at every endpoint (`assert_error` states it)."""

from __future__ import annotations

import http.client
from collections.abc import AsyncIterator, Iterator

import pytest
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from tests.conftest import Service
from tests.tap.asking import TEXT_TYPE, ask, assert_error
from tests.vo.app.running import running
from vo.app.main import create_app
from vo.core.settings import Settings

WRONG = [
    ("GET", "/tap/sync", 400, "LANG"),
    ("GET", "/tap/sync?LANG=ADQL&QUERY=SELECT", 400, "line 1"),
    ("GET", "/tap/sync?LANG=ADQL&QUERY=%ff", 400, "UTF-8"),
    ("PUT", "/tap/sync", 405, "GET, HEAD, POST"),
    ("DELETE", "/tap/tables", 405, "GET, HEAD"),
    ("POST", "/tap/capabilities", 405, "GET, HEAD"),
    ("POST", "/tap/availability", 405, "GET, HEAD"),
    ("PATCH", "/tap/examples", 405, "GET, HEAD"),
    ("PUT", "/tap/tables/demo.big", 405, "GET, HEAD"),
    ("GET", "/tap/tables?DETAIL=much", 400, "DETAIL"),
    ("GET", "/tap/tables?DETAIL=%00", 400, "NUL"),
    ("GET", "/tap/tables/demo.bigg", 404, "demo.bigg"),
    ("GET", "/tap/tables/", 404, "table"),
    ("GET", "/tap/async?LAST=-1", 400, "LAST"),
    ("GET", "/tap/async?PHASE=DREAMING", 400, "DREAMING"),
    ("GET", "/tap/async/none", 404, "none"),
    ("GET", "/tap/async/none/phase", 404, "none"),
    ("GET", "/tap/async/none/nothing", 404, "/tap/async/none/nothing"),
    ("PUT", "/tap/async/none", 405, "DELETE, GET, HEAD, POST"),
    ("DELETE", "/tap/async", 405, "GET, HEAD, POST"),
    ("GET", "/tap/no/such/thing", 404, "/tap/no/such/thing"),
    ("GET", "/no-such-page", 404, "/no-such-page"),
    ("GET", "/tables/demo.bigg", 404, "demo.bigg"),
    ("POST", "/tables/demo.big", 405, "GET, HEAD"),
    ("POST", "/", 405, "GET, HEAD"),
    ("POST", "/metrics", 405, "GET, HEAD"),
    ("GET", "/static/none.css", 404, "/static/none.css"),
    ("GET", "/static/", 404, "/static/"),
    ("POST", "/static/vo.css", 405, "GET, HEAD"),
]


@pytest.mark.parametrize(("method", "target", "status", "phrase"), WRONG)
def test_one_shape(service: Service, method: str, target: str, status: int, phrase: str) -> None:
    answer = ask(service, target, method=method)
    if target.startswith("/tap") and not target.startswith("/tap/async"):
        assert_error(answer, status, phrase)
    else:
        assert_error(answer, status, phrase, media_type=TEXT_TYPE)
    if status == 405:
        assert answer.headers["Allow"] == phrase


def test_a_long_path_is_not_told_in_full(service: Service) -> None:
    assert len(assert_error(ask(service, "/tap/" + "x" * 20_000), 404)) < 300


async def fail(request: Request) -> Response:
    raise RuntimeError("a secret of the house at /var/lib/vo/secret.py")


async def fail_late(request: Request) -> Response:
    async def rows() -> AsyncIterator[bytes]:
        yield b"row,row\n"
        raise RuntimeError("a secret of the house")

    return StreamingResponse(rows(), media_type="text/csv")


@pytest.fixture(scope="module")
def port(service: Service) -> Iterator[int]:
    """An application with two endpoints that have bugs."""
    app = create_app(service.settings)
    app.router.routes[:0] = [Route("/tap/bug", fail), Route("/bug", fail), Route("/tap/late", fail_late)]
    with running(app) as port:
        yield port


def test_a_bug_has_the_same_shape_and_tells_nothing_but_its_id(port: int) -> None:
    answer = ask(port, "/tap/bug", headers={"X-Request-Id": "bug-1"})
    message = assert_error(answer, 500, "request id bug-1")
    assert "secret" not in message
    assert_error(ask(port, "/bug", headers={"X-Request-Id": "bug-2"}), 500, "bug-2", media_type=TEXT_TYPE)


def test_a_bug_in_mid_answer_cuts_the_connection(port: int) -> None:
    with pytest.raises(http.client.IncompleteRead) as caught:
        ask(port, "/tap/late")
    assert caught.value.partial == b"row,row\n"


def test_no_database_is_told_as_such(service: Service) -> None:
    nowhere = Settings(
        home=service.home,
        database_url="postgresql://vo@127.0.0.1:1/vo",
        tap_database_url="postgresql://vo_tap@127.0.0.1:1/vo",
    )
    with running(create_app(nowhere)) as port:
        for target in ("/tap/sync?LANG=ADQL&QUERY=SELECT+1+FROM+x", "/tap/tables", "/tap/examples"):
            answer = ask(port, target)
            assert_error(answer, 503, "database", "Try again")
            assert int(answer.headers["Retry-After"]) > 0
        assert_error(ask(port, "/"), 503, "database", media_type=TEXT_TYPE)
        assert ask(port, "/tap/capabilities").status == 200
        answer = ask(port, "/tap/availability")
        assert answer.status == 200
        assert b"<available>false" in answer.body
        assert b"127.0.0.1:1" not in answer.body
