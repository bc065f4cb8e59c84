"""Whose jobs these are: everybody has a list of one's own, and nobody else's job opens to any request."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlencode

import pytest
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.conftest import Service
from tests.tap.asking import FORM, Answer, ask, eventually
from tests.uws.asking import JOBS, QUERY, UWS, id_of, location, references, refused
from tests.vo.app.running import running
from vo.app.main import create_app
from vo.core.callers import OPERATOR, Caller

ADA, BOB = {"X-Caller": "ada"}, {"X-Caller": "bob"}
HERE, THERE = {"X-Address": "192.0.2.1"}, {"X-Address": "192.0.2.2"}
SIX, SAME_NET, OTHER_NET = ({"X-Address": address} for address in ("2001:db8::1", "2001:db8::ffff", "2001:db8:0:1::1"))
RUNS_IT = {"X-Caller": "operator"}


class AsCaller:
    """Takes the caller from headers, in place of an authentication that there is not yet (ASGI)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            sent = {name.decode(): value.decode() for name, value in scope["headers"]}
            identity, address = sent.get("x-caller"), sent.get("x-address", "127.0.0.1")
            caller = OPERATOR if identity == OPERATOR.identity else Caller(identity=identity, address=address)
            scope["state"]["caller"] = caller
        await self._app(scope, receive, send)


@pytest.fixture(scope="module")
def port(service: Service) -> Iterator[int]:
    """The same service once more, in this process, where everybody may say who one is."""
    app = create_app(service.settings)
    app.user_middleware.append(Middleware(AsCaller))
    with running(app) as port:
        yield port


def send(port: int, target: str, who: dict[str, str], method: str = "POST", **parameters: str) -> Answer:
    return ask(port, target, method=method, body=urlencode(parameters).encode(), headers=FORM | who)


def create(port: int, who: dict[str, str], **parameters: str) -> str:
    return location(send(port, JOBS, who, LANG="ADQL", QUERY=QUERY, **parameters))


def ids(port: int, who: dict[str, str], query: str = "") -> set[str]:
    return {reference.id for reference in references(ask(port, JOBS + query, headers=who))}


def test_everybody_lists_ones_own_jobs_and_the_operator_all(port: int) -> None:
    callers = [ADA, BOB, HERE, THERE, SIX, OTHER_NET]
    jobs = [id_of(create(port, who)) for who in callers]
    for who, job in zip(callers, jobs, strict=True):
        assert ids(port, who) & set(jobs) == {job}
        assert ids(port, who, "?PHASE=PENDING&AFTER=2020&LAST=1") == {job}
    assert ids(port, SAME_NET) == ids(port, SIX)  # an address of the same network is the same caller
    assert ids(port, ADA | {"X-Address": "192.0.2.1"}) == ids(port, ADA)
    assert ids(port, {"X-Caller": "ADA"}) == set()
    assert ids(port, {"X-Caller": "address:192.0.2.1"}) == set()
    assert set(jobs) <= ids(port, RUNS_IT)
    page = ask(port, JOBS, headers=BOB | {"Accept": "text/html,application/xhtml+xml"}).text
    assert jobs[1] in page
    assert jobs[0] not in page


def test_the_owner_is_told(port: int) -> None:
    job = create(port, ADA)
    assert ask(port, f"{job}/owner", headers=ADA).text == "ada"
    assert ask(port, job, headers=ADA).xml().findtext(f"{UWS}ownerId") == "ada"
    assert [found.owner for found in references(ask(port, f"{JOBS}?LAST=1", headers=ADA))] == ["ada"]
    anonymous = create(port, HERE)
    assert ask(port, f"{anonymous}/owner", headers=HERE).text == ""


REQUESTS = [
    *(("GET", f"/{child}") for child in ("phase", "executionduration", "destruction", "quote", "owner", "parameters")),
    *(("GET", f"/{child}") for child in ("error", "results", "results/result", "results/other")),
    *(("GET", ""), ("GET", "?WAIT=-1"), ("GET", "?WAIT=5&PHASE=COMPLETED"), ("DELETE", ""), ("POST", "")),
    *(("POST", f"/{child}") for child in ("phase", "executionduration", "destruction", "parameters")),
]
EVERYTHING = {
    "ACTION": "DELETE",
    "PHASE": "ABORT",
    "EXECUTIONDURATION": "5",
    "DESTRUCTION": "2000-01-01",
    "QUERY": "SELECT stolen FROM x",
}


@pytest.mark.parametrize("phase", ["PENDING", "COMPLETED"])
def test_nobody_else_s_job_opens_to_any_request(port: int, phase: str) -> None:
    job = create(port, ADA, **({"PHASE": "RUN"} if phase == "COMPLETED" else {}))
    eventually(lambda: ask(port, f"{job}/phase", headers=ADA).text == phase)
    before = ask(port, job, headers=ADA).body
    for who in (BOB, HERE, {}, {"X-Caller": "ada "}, {"X-Caller": "user:ada"}):
        for method, child in REQUESTS:
            sent = EVERYTHING if method == "POST" else {}
            answer = send(port, job + child, who, method=method, **sent)
            message = refused(answer, 403, "belongs to somebody else")
            assert "ada" not in message.replace(id_of(job), "")
    assert ask(port, job, headers=ADA).body == before
    assert ask(port, job, headers=RUNS_IT).body == before
    location(send(port, job, RUNS_IT, method="DELETE"))
    refused(ask(port, job, headers=ADA), 404)


def test_an_anonymous_job_is_open_to_whoever_knows_its_id(port: int) -> None:
    job = create(port, HERE)
    for who in (THERE, ADA):
        assert ask(port, f"{job}/phase", headers=who).text == "PENDING"
        assert id_of(job) not in ids(port, who)
    location(send(port, f"{job}/phase", THERE, PHASE="ABORT"))
    assert ask(port, f"{job}/phase", headers=HERE).text == "ABORTED"
