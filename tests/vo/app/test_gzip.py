"""Packed answers of the whole service: queries, documents, results of jobs, errors."""

from __future__ import annotations

import gzip
import http.client
from urllib.parse import urlencode

import pytest

from tests.conftest import Service
from tests.tap.asking import VOTABLE_TYPE, Answer, adql, ask, assert_error, eventually, sync

GZIP = {"Accept-Encoding": "gzip"}
STARS = "SELECT TOP 60000 source_id, ra, dec, phot_g_mean_mag FROM gaia_dr3.bright ORDER BY source_id"


def query(service: Service, **parameters: str) -> tuple[Answer, Answer]:
    """Run a query twice: plain, and packed."""
    wanted = {"LANG": "ADQL", "QUERY": STARS, **parameters}
    same = {"X-Request-Id": "same"}  # documents hold it
    return sync(service, wanted, **same), sync(service, wanted, **same, **GZIP)


@pytest.mark.parametrize("form", ["csv", "tsv", "json", "html", "text", "votable/td"])
def test_queries(service: Service, form: str) -> None:
    plain, packed = query(service, RESPONSEFORMAT=form, RUNID="x")
    assert (plain.status, packed.status, packed.headers["Content-Encoding"]) == (200, 200, "gzip")
    assert gzip.decompress(packed.body) == plain.body
    assert len(packed.body) < len(plain.body) * 0.6


def test_the_default_format(service: Service) -> None:
    plain, packed = query(service)
    assert packed.type == plain.type
    assert gzip.decompress(packed.body) == plain.body
    assert len(packed.body) < len(plain.body)
    assert packed.headers["Content-Disposition"] == plain.headers["Content-Disposition"]


@pytest.mark.parametrize("form", ["fits", "parquet"])
def test_binary_formats_stay_as_they_are(service: Service, form: str) -> None:
    answer = sync(service, {"LANG": "ADQL", "QUERY": STARS, "RESPONSEFORMAT": form}, **GZIP)
    if answer.status == 200:
        assert answer.headers["Content-Encoding"] is None


@pytest.mark.parametrize(
    "target", ["/", "/tap/capabilities", "/tap/tables", "/tap/examples", "/metrics", "/static/vo.css"]
)
def test_documents(service: Service, target: str) -> None:
    packed = ask(service, target, headers=GZIP)
    assert packed.headers["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in packed.headers["Vary"]
    if target != "/metrics":
        assert gzip.decompress(packed.body) == ask(service, target).body


def test_errors_and_small_answers_stay_plain(service: Service) -> None:
    answer = ask(
        service, "/tap/sync?" + urlencode({"LANG": "ADQL", "QUERY": "SELECT nothing FROM nowhere"}), headers=GZIP
    )
    assert answer.headers["Content-Encoding"] is None
    assert_error(answer, 400, "nowhere")
    assert sync(service, {"LANG": "ADQL", "QUERY": "SELECT TOP 1 ra FROM demo.big", "FORMAT": "csv"}, **GZIP).csv()


def test_results_of_jobs(service: Service) -> None:
    created = ask(
        service,
        "/tap/async",
        method="POST",
        body=urlencode({"LANG": "ADQL", "QUERY": STARS, "PHASE": "RUN", "FORMAT": "csv"}).encode(),
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )
    job = created.headers["Location"].removeprefix(service.url)
    assert eventually(lambda: b">COMPLETED<" in ask(service, f"{job}?WAIT=-1").body)
    plain = ask(service, f"{job}/results/result")
    packed = ask(service, f"{job}/results/result", headers=GZIP)
    assert gzip.decompress(packed.body) == plain.body
    assert packed.headers["ETag"] == plain.headers["ETag"][:-1] + '-gzip"'
    for tag in (plain.headers["ETag"], packed.headers["ETag"]):
        known = ask(service, f"{job}/results/result", headers=GZIP | {"If-None-Match": tag})
        assert (known.status, known.headers["ETag"], known.headers["Vary"]) == (304, tag, "Accept-Encoding")
    part = ask(service, f"{job}/results/result", headers=GZIP | {"Range": "bytes=10-19"})
    assert (part.status, part.body) == (206, plain.body[10:20])


def test_one_connection_takes_packed_and_plain_answers(service: Service) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=60)
    target = "/tap/sync?" + urlencode({"LANG": "ADQL", "QUERY": STARS, "FORMAT": "csv"})
    bodies = []
    for method, headers in (("GET", GZIP), ("HEAD", GZIP), ("GET", {}), ("HEAD", {}), ("GET", GZIP)):
        connection.request(method, target, headers=headers)
        answer = connection.getresponse()
        body = answer.read()
        assert (answer.status, answer.headers["Content-Encoding"]) == (200, "gzip" if headers else None)
        bodies.append(gzip.decompress(body) if headers and body else body)
    connection.close()
    assert bodies[0] == bodies[2] == bodies[4]
    assert bodies[1] == bodies[3] == b""
    assert adql(service, STARS).type.startswith(VOTABLE_TYPE)
