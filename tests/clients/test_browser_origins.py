"""A page of another origin in a real browser: it queries, makes a job, follows it and reads the result."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from starlette.applications import Starlette
from starlette.responses import HTMLResponse
from starlette.routing import Route

from tests.clients.browser import Browser
from tests.conftest import Service
from tests.vo.app.running import running

SCRIPT = """
const tap = %s, told = {};
async function tell() {
    const form = pairs => new URLSearchParams({LANG: "ADQL", ...pairs});
    const query = "SELECT TOP 3 hip, plx FROM hipparcos.hip2 ORDER BY hip";
    let answer = await fetch(`${tap}/sync`, {method: "POST", body: form({QUERY: query, FORMAT: "csv"})});
    told.rows = (await answer.text()).trim().split("\\n").length;
    told.name = answer.headers.get("Content-Disposition");
    told.id = answer.headers.get("X-Request-Id");

    const files = new FormData();
    for (const [name, value] of form({QUERY: query, FORMAT: "csv"})) files.append(name, value);
    const own = {"X-Request-Id": "from-a-page"};  // asks first: a preflight
    answer = await fetch(`${tap}/sync`, {method: "POST", body: files, headers: own});
    told.preflight = answer.headers.get("X-Request-Id");

    answer = await fetch(`${tap}/async`, {method: "POST", body: form({QUERY: query, FORMAT: "csv", PHASE: "RUN"})});
    const job = answer.url;  // where the redirection led
    told.job = job.startsWith(`${tap}/async/`);
    do {
        answer = await fetch(`${job}/phase`);
        told.phase = await answer.text();
    } while (["QUEUED", "EXECUTING"].includes(told.phase));
    answer = await fetch(`${job}/results/result`, {headers: {Range: "bytes=0-6"}});
    told.part = [answer.status, await answer.text(), answer.headers.get("Content-Range").split("/")[0]];
    told.tag = answer.headers.get("ETag") !== null;
    answer = await fetch(job, {method: "DELETE"});
    told.deleted = answer.status;

    answer = await fetch(`${tap}/sync`, {method: "POST", body: form({QUERY: "SELECT wrong FROM nowhere"})});
    told.error = [answer.status, (await answer.text()).includes("nowhere")];
    told.metrics = await fetch(tap.replace("/tap", "/metrics")).then(() => "read", () => "refused");
}
tell().then(() => told.done = true, error => told.failed = String(error))
      .then(() => document.title = JSON.stringify(told));
"""


@pytest.fixture
def portal(service: Service) -> Iterator[str]:
    """Somebody else's page."""
    page = f"<!doctype html><title></title><script>{SCRIPT % json.dumps(service.tap)}</script>"

    async def show(_: object) -> HTMLResponse:
        return HTMLResponse(page)

    with running(Starlette(routes=[Route("/", show)])) as port:
        yield f"http://localhost:{port}/"


def test_a_page_of_another_origin(service: Service, chromium: Browser, portal: str) -> None:
    chromium.open(portal)
    chromium.holds("document.title !== ''")
    told = json.loads(chromium.value("document.title"))
    chromium.open("about:blank")
    assert told.pop("name").startswith("inline; filename=")
    assert len(told.pop("id")) == 12
    assert told == {
        "rows": 4,
        "preflight": "from-a-page",
        "job": True,
        "phase": "COMPLETED",
        "part": [206, "hip,plx", "bytes 0-6"],
        "tag": True,
        "deleted": 200,
        "error": [400, True],
        "metrics": "refused",
        "done": True,
    }
