"""``vo run --url`` against services that are not like ours: of UWS 1.0, behind bad proxies, with bad intentions."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from uws.models import Job, Phase
from vo.cli.run import run
from vo.cli.runs import list_url, tasks_url
from vo.cli.uws_jobs import RemoteJob, job_of
from vo.core.errors import QueryError, UnavailableError, UsageError

JOB = """<?xml version="1.0"?>
<job xmlns="http://www.ivoa.net/xml/UWS/v1.0" xmlns:x="http://www.w3.org/1999/xlink">
  <jobId>7</jobId><phase>{phase}</phase><startTime>2026-01-01T00:00:00</startTime>
  <results>{results}</results>{more}
</job>"""
RESULT = '<result id="{name}" x:href="{href}"/>'


class Service:
    """A service that answers with what a test has put down, in turn; the last answer is repeated."""

    def __init__(self) -> None:
        self.answers: dict[str, list[tuple[int, dict[str, str], str]]] = {}
        self.asked: list[tuple[str, str, str]] = []
        self.url = ""

    def answer(self, place: str, *bodies: str, status: int = 200, **headers: str) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answers.setdefault(place, []).extend((status, named, body) for body in bodies)

    def job(self, *phases: str, results: str = "", more: str = "") -> None:
        self.answer("GET /elsewhere/7", *(JOB.format(phase=phase, results=results, more=more) for phase in phases))


@pytest.fixture
def service() -> Iterator[Service]:
    told = Service()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            path, _, query = self.path.partition("?")
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            told.asked.append((f"{self.command} {path}", query, body))
            answers = told.answers.get(f"{self.command} {path}") or [(404, {}, "nothing here")]
            status, headers, text = answers.pop(0) if len(answers) > 1 else answers[0]
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        do_GET = do_POST = do_DELETE = _answer  # noqa: N815  (its base's words)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    told.url = f"http://127.0.0.1:{server.server_port}"
    told.answer("POST /elsewhere/async", "", status=303, Location="/elsewhere/7")
    told.answer("DELETE /elsewhere/7", "", status=303, Location="/elsewhere/async")
    told.answer("POST /elsewhere/7/phase", "", status=303, Location="/elsewhere/7")
    yield told
    server.shutdown()
    thread.join()
    server.server_close()


def start(service: Service, *words: str, output: str | None = None) -> None:
    """Run a task of the service's one job list."""
    run(
        "anything",
        words,
        url=f"{service.url}/elsewhere/async",
        output=output,
        form=None,
        maxrec=None,
        uploads=(),
        local=False,
        detach=False,
        estimate=False,
        force=False,
    )


def test_a_service_of_uws_1_0(service: Service, tmp_path: Path) -> None:
    """It knows no WAIT, counts nothing, and gives relative addresses; a proxy before it fails once."""
    service.job("QUEUED", "EXECUTING")
    service.answer("GET /elsewhere/7", "<html>", status=502)
    service.job("COMPLETED", results=RESULT.format(name="result", href="table"))
    service.answer("GET /elsewhere/7/table", "a,b\n1,2\n", Content_Type="text/csv")
    start(service, "SPEED=3", output=str(tmp_path / "a.csv"))
    assert (tmp_path / "a.csv").read_text() == "a,b\n1,2\n"
    created = next(body for place, _, body in service.asked if place == "POST /elsewhere/async")
    assert created == "SPEED=3&RESPONSEFORMAT=csv&PHASE=RUN"
    waits = [query for place, query, _ in service.asked if place == "GET /elsewhere/7"]
    assert waits[:3] == ["", "WAIT=1&PHASE=QUEUED", "WAIT=1&PHASE=EXECUTING"]
    assert service.asked[-1][0] == "DELETE /elsewhere/7"


def test_names_that_lead_out_of_the_folder(service: Service, tmp_path: Path) -> None:
    names = ("../../evil.csv", "..", "evil.csv")
    service.job(
        "COMPLETED",
        results="".join(RESULT.format(name=f"../r{number}", href=f"/r/{number}") for number, _ in enumerate(names)),
    )
    for number, name in enumerate(names):
        service.answer(f"GET /r/{number}", str(number), Content_Disposition=f'attachment; filename="{name}"')
    folder = tmp_path / "in" / "side"
    start(service, output=f"{folder}/")
    assert all(path.parent == folder for path in tmp_path.rglob("*") if path.is_file())
    assert len(list(folder.iterdir())) == len(names)
    start(service, output=str(tmp_path / "first.csv"))
    assert {path.name for path in tmp_path.iterdir()} == {"in", "first.csv", "first-r1", "first-r2.csv"}


def test_results_are_not_files_of_this_machine(service: Service, tmp_path: Path) -> None:
    service.job("COMPLETED", results=RESULT.format(name="result", href="file:///etc/hostname"))
    with pytest.raises(UnavailableError, match="no address of the web"):
        start(service, output=str(tmp_path / "a.csv"))
    assert list(tmp_path.iterdir()) == []


def test_what_a_service_says_against_a_job(service: Service) -> None:
    service.answers["POST /elsewhere/async"] = [(400, {"Content-Type": "text/plain"}, "SPEED: too fast.")]
    with pytest.raises(QueryError, match=r"^SPEED: too fast\.$"):
        start(service)
    service.answers["POST /elsewhere/async"] = [(303, {"Location": "/elsewhere"}, "")]
    service.answer("GET /elsewhere", "<html>a proxy's page</html>")
    with pytest.raises(UnavailableError, match="does not answer with a job of UWS"):
        RemoteJob(f"{service.url}/elsewhere").read()


def test_documents_of_jobs() -> None:
    error = '<errorSummary type="fatal"><message>No &lt;luck&gt;</message></errorSummary>'
    info = '<jobInfo><p:fraction xmlns:p="urn:x">0.5</p:fraction><a><b/></a><failed reason="r">3</failed></jobInfo>'

    def read(document: str) -> Job:
        return job_of(document.encode(), "http://x.org/jobs/7")

    job = read(JOB.format(phase="error", results=RESULT.format(name="r", href="r"), more=error + info))
    assert (job.phase, job.error.message if job.error else "") == (Phase.ERROR, "No <luck>")
    assert (job.progress.fraction if job.progress else 0, job.facts.failed) == (0.5, {"r": 3})
    assert job.results[0].path == "http://x.org/jobs/7/r"
    assert read(JOB.format(phase="WONDERING", results="", more="")).phase is Phase.UNKNOWN
    entity = '<!DOCTYPE job [<!ENTITY e SYSTEM "file:///etc/passwd">]>'
    assert "root:" not in (read(entity + "<job><jobId>&e;</jobId><phase>QUEUED</phase></job>").job_id)
    for wrong in ("", "<html/>", "rubbish", "<jobs/>"):
        with pytest.raises(UnavailableError, match="does not answer with a job"):
            read(wrong)


def test_addresses() -> None:
    for url in ("https://x.org", "https://x.org/", "https://x.org/tasks", "https://x.org/tasks/"):
        assert tasks_url(url) == "https://x.org/tasks"
    for url in ("https://x.org", "https://x.org/tasks", "https://x.org/tasks/a", "https://x.org/tasks/a/async"):
        assert list_url(url, "a") == "https://x.org/tasks/a/async"
    assert list_url("https://x.org/vo/a", "a") == "https://x.org/vo/a/tasks/a/async"
    assert list_url("https://x.org/uws/async", "a") == "https://x.org/uws/async"
    with pytest.raises(UsageError, match="not the address"):
        tasks_url("file:///etc")
