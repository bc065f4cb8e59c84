"""Cross-match as a job of the service: selections of every kind, both engines, real stars, and what dies meanwhile."""

from __future__ import annotations

import csv
import io
import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path

import psycopg2
import pytest
import requests

from tests.conftest import Service, wait_until

HIP = "SELECT hip, ra, dec FROM hipparcos.hip2 WHERE plx > 20"
BRIGHT = "gaia_dr3.bright"
PAIRS = f"""
    SELECT h.hip, g.source_id FROM hipparcos.hip2 AS h
    JOIN {BRIGHT} AS g ON DISTANCE(h.ra, h.dec, g.ra, g.dec) <= 2 / 3600. WHERE h.plx > 20
"""
Files = dict[str, tuple[str, bytes]]


def submit(service: Service, files: Files | None = None, /, **parameters: str) -> str:
    """Create a job and queue it; return its address."""
    asked = {"PHASE": "RUN", "RESPONSEFORMAT": "csv", "RADIUS": "2", **parameters}
    url = f"{service.url}/tasks/crossmatch/async"
    answer = requests.post(url, data=asked, files=files, timeout=60, allow_redirects=False)
    assert answer.status_code == 303, answer.text[:1000]
    return answer.headers["Location"]


def document(job: str) -> str:
    return requests.get(job, headers={"Accept": "text/xml"}, timeout=30).text


def phase(job: str) -> str:
    return requests.get(f"{job}/phase", timeout=30).text.strip()


def finish(job: str, seconds: float = 90) -> list[dict[str, str]]:
    """Wait for a job and return its rows."""
    wait_until(lambda: phase(job) in ("COMPLETED", "ERROR", "ABORTED"), "it ends", seconds)
    assert phase(job) == "COMPLETED", document(job)[-2000:]
    answer = requests.get(f"{job}/results/result", timeout=60)
    return list(csv.DictReader(io.StringIO(answer.text)))


def match(service: Service, files: Files | None = None, /, **parameters: str) -> list[dict[str, str]]:
    return finish(submit(service, files, **parameters))


def ids(rows: Sequence[dict[str, str]]) -> list[tuple[str, str]]:
    return sorted((row["hip"], row["source_id"]) for row in rows)


def query(service: Service, adql: str, form: str = "csv") -> bytes:
    data = {"LANG": "ADQL", "QUERY": adql, "FORMAT": form}
    return requests.post(f"{service.tap}/sync", data=data, timeout=60).content


@pytest.fixture(scope="module")
def pairs(service: Service) -> list[tuple[str, str]]:
    """All pairs, as ADQL finds them."""
    rows = csv.DictReader(io.StringIO(query(service, PAIRS).decode()))
    found = ids(list(rows))
    assert len(found) > 500
    return found


@pytest.mark.parametrize("engine", ["stream", "database"])
def test_a_query_and_a_table(service: Service, pairs: list[tuple[str, str]], engine: str) -> None:
    rows = match(service, QUERY_1=HIP, TABLE_2=BRIGHT, MODE="all", ENGINE=engine)
    assert ids(rows) == pairs
    assert all(0 <= float(row["separation"]) <= 2 for row in rows)


@pytest.mark.parametrize("form", ["fits", "votable", "parquet"])
def test_an_upload_and_a_table(service: Service, pairs: list[tuple[str, str]], form: str) -> None:
    sent = {"mine": (f"mine.{form}", query(service, HIP, form))}
    assert ids(match(service, sent, UPLOAD="t,param:mine", TABLE_2=BRIGHT, MODE="all")) == pairs
    turned = match(service, sent, UPLOAD="t,param:mine", TABLE_1=BRIGHT, MODE="all")
    assert ids(turned) == pairs


def test_an_upload_in_a_query_and_a_query(service: Service, pairs: list[tuple[str, str]]) -> None:
    sent = {"mine": ("mine.fits", query(service, HIP, "fits"))}
    rows = match(
        service,
        sent,
        UPLOAD="t,param:mine",
        QUERY_1="SELECT * FROM TAP_UPLOAD.t",
        QUERY_2=f"SELECT source_id, ra, dec FROM {BRIGHT} WHERE phot_g_mean_mag < 99",
        MODE="all",
    )
    assert ids(rows) == pairs


def test_two_uploads_one_of_them_the_result_of_a_job(service: Service, pairs: list[tuple[str, str]]) -> None:
    first = submit(service, QUERY_1=HIP, TABLE_2=BRIGHT, MODE="all", RESPONSEFORMAT="votable")
    wait_until(lambda: phase(first) == "COMPLETED", "it ends")
    sent = {"mine": ("mine.csv", query(service, HIP))}
    rows = match(
        service, sent, UPLOAD=f"a,{first}/results/result;b,param:mine", RADIUS="0.01", RA_1="ra_1", DEC_1="dec_1"
    )
    assert len(rows) == len(pairs)
    assert all(row["hip_1"] == row["hip_2"] for row in rows)


def test_both_engines_agree_in_every_mode(service: Service) -> None:
    for mode in ("best", "all", "nearest", "unmatched"):
        parameters = {"QUERY_1": HIP, "TABLE_2": BRIGHT, "MODE": mode, "RADIUS": "60"}
        if mode != "unmatched":
            parameters["COLUMNS_2"] = "source_id"
        if mode == "nearest":
            parameters["K"] = "3"
        stream, database = (match(service, None, **parameters, ENGINE=engine) for engine in ("stream", "database"))
        key = lambda row: (int(row["hip"]), row.get("source_id", ""))  # noqa: E731
        assert sorted(stream, key=key) == sorted(database, key=key), mode
        assert stream


def test_hipparcos_at_the_epoch_of_gaia(service: Service) -> None:
    bright = "SELECT hip, ra, dec, plx, pmra, pmdec FROM hipparcos.hip2 WHERE hpmag < 8"
    still = match(service, QUERY_1=bright, TABLE_2=BRIGHT, RADIUS="1", COLUMNS_2="source_id")
    moved = match(
        service, QUERY_1=bright, TABLE_2=BRIGHT, RADIUS="1", COLUMNS_2="source_id", EPOCH_1="1991.25", EPOCH="2016"
    )
    count = int(query(service, "SELECT COUNT(*) AS n FROM hipparcos.hip2 WHERE hpmag < 8").split()[1])
    assert 0.5 < len(still) / count < 0.8
    assert len(moved) / count >= 0.99


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"TABLE_1": "no.such", "TABLE_2": BRIGHT}, "TABLE_1: "),
        ({"QUERY_1": "SELECT raa FROM hipparcos.hip2", "TABLE_2": BRIGHT}, "QUERY_1: "),
        ({"TABLE_1": "pg_catalog.pg_authid", "TABLE_2": BRIGHT}, "TABLE_1: "),
        ({"QUERY_1": "SELECT hip FROM hipparcos.hip2", "TABLE_2": BRIGHT}, "RA_1: "),
        ({"TABLE_1": BRIGHT, "TABLE_2": BRIGHT, "RADIUS": "-1"}, "RADIUS: "),
        ({"TABLE_1": BRIGHT, "TABLE_2": BRIGHT, "RA_1": "nothing"}, "RA_1: "),
        ({"TABLE_1": BRIGHT}, "QUERY_2: "),
        ({"TABLE_1": BRIGHT, "TABLE_2": BRIGHT, "COLUMNS_2": "source_id,nix"}, "COLUMNS_2: "),
        ({"TABLE_1": BRIGHT, "UPLOAD": "t,param:none"}, "UPLOAD: "),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_wrong_is_named(service: Service, parameters: dict[str, str], words: str) -> None:
    job = submit(service, None, **parameters)
    wait_until(lambda: phase(job) == "ERROR", "it fails")
    assert f"<uws:message>{words}" in document(job)


def test_the_estimate_comes_first(service: Service) -> None:
    parameters = {"TABLE_1": "hipparcos.hip2", "TABLE_2": BRIGHT}
    told = requests.get(f"{service.url}/tasks/crossmatch/estimate", params=parameters, timeout=30).json()
    assert told["seconds"] > 0
    assert told["rows"] >= 100_000
    assert "database" in told["plan"]
    url = f"{service.url}/tasks/crossmatch/async"
    pending = requests.post(url, data=parameters, timeout=30, headers={"Accept": "text/xml"})
    assert "<uws:phase>PENDING" in pending.text
    assert "<uws:quote>20" in pending.text


SLOW = f"""
    SELECT a.source_id, a.ra, a.dec FROM {BRIGHT} AS a JOIN {BRIGHT} AS b ON DISTANCE(a.ra, a.dec, b.ra, b.dec) < 0.05
"""
"""Takes some seconds, all of which it sends rows."""


def test_a_worker_is_killed_in_the_middle(service: Service) -> None:
    parameters = {"QUERY_1": SLOW, "TABLE_2": BRIGHT, "COLUMNS_1": "source_id", "COLUMNS_2": "source_id"}
    expected = match(service, None, **parameters)
    job = submit(service, None, **parameters)
    wait_until(lambda: phase(job) == "EXECUTING" and scratch(service), "it reads")
    with psycopg2.connect(service.settings.conninfo()) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT pid FROM uws.workers")
        [[worker]] = cursor.fetchall()
    connection.close()
    os.kill(worker, signal.SIGKILL)
    again = finish(job)
    assert "attempt>2<" in document(job)
    key = lambda row: tuple(row.values())  # noqa: E731
    assert sorted(again, key=key) == sorted(expected, key=key)


def test_abort_frees_everything_within_two_seconds(service: Service) -> None:
    wait_until(lambda: not scratch(service), "nothing runs")
    job = submit(service, QUERY_1=SLOW, QUERY_2=SLOW)
    wait_until(lambda: phase(job) == "EXECUTING" and scratch(service) and backends(service, job), "it reads")
    begun = time.monotonic()
    requests.post(f"{job}/phase", data={"PHASE": "ABORT"}, timeout=30)
    assert phase(job) == "ABORTED"
    assert backends(service, job) == 0
    assert not scratch(service)
    assert time.monotonic() - begun < 2


def backends(service: Service, job: str) -> int:
    with psycopg2.connect(service.settings.conninfo("postgres")) as connection, connection.cursor() as cursor:
        label = f"vo:{job.rpartition('/')[2]}"
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = %s", [label])
        found: int = (cursor.fetchone() or (0,))[0]
    connection.close()
    return found


def scratch(service: Service) -> list[Path]:
    """Return the scratch folders of runs."""
    return [path for path in (service.home / "scratch").iterdir() if path.is_dir()]


def test_in_the_sync_form(service: Service) -> None:
    [star] = csv.DictReader(io.StringIO(query(service, f"SELECT TOP 1 source_id FROM {BRIGHT}").decode()))
    beside = f"SELECT source_id, ra + 0.0001 AS ra, dec FROM {BRIGHT} WHERE source_id = {star['source_id']}"
    parameters = {"QUERY_1": beside, "TABLE_2": BRIGHT, "RESPONSEFORMAT": "csv"}
    answer = requests.get(f"{service.url}/tasks/crossmatch/sync", params=parameters, timeout=60)
    [found] = csv.DictReader(io.StringIO(answer.text))
    assert found["source_id_1"] == found["source_id_2"] == star["source_id"]
