"""What holds for every request: HEAD, CORS, ids, logs and metrics."""

from __future__ import annotations

import http.client
import re
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlencode

import pytest

from tests.conftest import Service
from tests.tap.asking import TABLES, adql, ask, eventually, log_lines

QUERY = "/tap/sync?" + urlencode({"LANG": "ADQL", "QUERY": TABLES})
STREAM = "/tap/sync?" + urlencode({"LANG": "ADQL", "QUERY": "SELECT * FROM gaia_dr3.bright"})
DOCUMENTS = [
    "/",
    "/tables/demo.big",
    "/tap",
    "/tap/",
    "/tap/capabilities",
    "/tap/tables",
    "/tap/examples",
    "/static/vo.css",
]


@pytest.mark.parametrize("target", [*DOCUMENTS, "/tap/availability", "/metrics", QUERY])
def test_head_answers_as_get_without_a_body(service: Service, target: str) -> None:
    got, head = ask(service, target), ask(service, target, method="HEAD")
    assert (got.status, head.status) == (200, 200)
    assert head.body == b""
    assert head.type == got.type
    if target in DOCUMENTS:
        assert head.headers["Content-Length"] == str(len(got.body))


def test_head_of_a_stream_claims_no_length(service: Service) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=60)
    for _ in range(2):  # the connection stays in step
        connection.request("HEAD", STREAM)
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (200, b"")
        assert answer.headers["Content-Length"] is None
        assert answer.headers["Content-Disposition"] == 'inline; filename="gaia_dr3-bright.vot"'
    connection.request("GET", QUERY)
    assert connection.getresponse().status == 200
    connection.close()


def test_every_answer_names_software_and_request(service: Service) -> None:
    for target in (*DOCUMENTS, QUERY, "/nowhere", "/tap/nowhere"):
        answer = ask(service, target)
        assert re.fullmatch(r"vo-stack/\d+\.\d+\.\d+", answer.headers["Server"])
        assert re.fullmatch(r"[0-9a-f]{12}", answer.headers["X-Request-Id"])
        assert len(answer.headers.get_all("Server") or []) == 1
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_results_that_are_pages_run_nothing(service: Service) -> None:
    assert "default-src 'none'" in ask(service, f"{QUERY}&FORMAT=html").headers["Content-Security-Policy"]
    assert ask(service, f"{QUERY}&FORMAT=csv").headers["Content-Security-Policy"] is None


def test_pages_of_other_origins_may_ask(service: Service) -> None:
    origin = {"Origin": "https://portal.example.org"}
    for target in (QUERY, "/tap/tables", "/tap/sync", "/tap/nowhere"):
        answer = ask(service, target, headers=origin)
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert "X-Request-Id" in answer.headers["Access-Control-Expose-Headers"]
    wanted = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type, x-request-id"}
    preflight = ask(service, "/tap/sync", method="OPTIONS", headers=origin | wanted)
    assert preflight.status == 200
    assert preflight.headers["Access-Control-Allow-Origin"] == "*"
    assert {"GET", "POST"} <= set(preflight.headers["Access-Control-Allow-Methods"].split(", "))
    assert "content-type" in preflight.headers["Access-Control-Allow-Headers"]
    assert "Access-Control-Allow-Credentials" not in preflight.headers


def test_a_request_id_is_kept_when_it_is_harmless(service: Service) -> None:
    for offered in ("a", "proxy-7.b_2", "x" * 40):
        assert ask(service, QUERY, headers={"X-Request-Id": offered}).headers["X-Request-Id"] == offered


@pytest.mark.parametrize("offered", ["", "x" * 41, "a b", "a'; DROP TABLE x; --", "<b>", "a\tb", "é"])
def test_a_request_id_that_is_not_is_replaced(service: Service, offered: str) -> None:
    answer = ask(service, QUERY, headers={"X-Request-Id": offered})
    assert answer.status == 200
    assert re.fullmatch(r"[0-9a-f]{12}", answer.headers["X-Request-Id"])


def test_every_request_is_logged_with_its_id(service: Service) -> None:
    answer = ask(service, "/tap/no-such-thing", headers={"X-Request-Id": "logged-404"})
    assert answer.status == 404
    [line] = eventually(lambda: log_lines(service.home, request="logged-404"))
    assert line["event"] == "http.request"
    assert (line["method"], line["path"], line["status"]) == ("GET", "/tap/no-such-thing", 404)
    assert line["client"] == "127.0.0.1"
    assert line["seconds"] >= 0
    assert {"level", "timestamp"} <= set(line)


def test_a_line_break_cannot_forge_a_log_line(service: Service) -> None:
    adql(service, 'SELECT ra\n{"event": "forged"}\nFROM demo.big', RUNID='x\n{"event": "forged"}')
    assert not log_lines(service.home, event="forged")


def value(service: Service, sample: str) -> float:
    """Return the value of a sample in /metrics, 0 when it is not there yet."""
    answer = ask(service, "/metrics")
    assert answer.type.startswith("text/plain")
    assert answer.headers["Cache-Control"] == "no-store"
    for line in answer.text.splitlines():
        if line.startswith(f"{sample} "):
            return float(line.rpartition(" ")[2])
    return 0.0


def test_metrics_sum_all_processes(service: Service) -> None:
    requests = 'vo_http_requests_total{endpoint="/tap/sync",method="GET",status="200"}'
    samples = [requests, "vo_tap_rows_total", 'vo_tap_queries_total{outcome="completed"}']
    query = "/tap/sync?" + urlencode({"LANG": "ADQL", "QUERY": "SELECT TOP 7 ra FROM demo.big"})
    before = [value(service, sample) for sample in samples]
    with ThreadPoolExecutor(12) as executor:
        answers = list(executor.map(lambda _: ask(service, query), range(60)))
    assert {answer.status for answer in answers} == {200}

    def grown() -> list[float]:
        return [value(service, sample) - old for sample, old in zip(samples, before, strict=True)]

    # The figures are taken when an answer is on its way; all are there a moment later, whichever process is asked.
    eventually(lambda: grown() == [60, 420, 60])
    assert {tuple(grown()) for _ in range(10)} == {(60, 420, 60)}
    folder = service.home / "run" / "metrics"
    assert len({file.stem.split("_")[-1] for file in folder.glob("counter_*.db")}) >= service.settings.processes
    assert eventually(lambda: value(service, "vo_tap_queries_running") == 0)


def test_unknown_paths_make_no_new_metrics(service: Service) -> None:
    for number in range(5):
        ask(service, f"/tap/guess-{number}")
        ask(service, f"/guess-{number}")
        ask(service, f"/tap/tables/guess_{number}")
    assert "guess" not in ask(service, "/metrics").text
