"""pyvo: queries as jobs, from their submission to their deletion."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
import pyvo
import requests
from pyvo.dal.tap import AsyncTAPJob

from tests.conftest import Service
from tests.tap.asking import eventually

QUERY = "SELECT TOP 40 hip, ra, plx FROM hipparcos.hip2 WHERE plx > 100 ORDER BY hip"
WRONG = "SELECT raa FROM demo.big"
LONG = "SELECT COUNT(*) AS n FROM demo.big AS a, demo.big AS b, demo.big AS c WHERE a.ra + b.ra < a.dec - c.dec"
"""Runs for hours; whoever sends it aborts it."""

Submit = Callable[..., Any]


@pytest.fixture
def submit(tap: Any) -> Iterator[Submit]:
    """Submit a job that is deleted with the test."""
    with ExitStack() as jobs:
        yield lambda query, **keywords: jobs.enter_context(tap.submit_job(query, **keywords))


@pytest.fixture
def long_job(submit: Submit) -> Any:
    job = submit(LONG).run()
    eventually(lambda: job.phase == "EXECUTING")
    return job


@contextmanager
def refused(status: int) -> Iterator[None]:
    """The service answers with this status."""
    with pytest.raises(pyvo.dal.DALServiceError) as raised:
        yield
    assert raised.value.code == status


def test_run_async(tap: Any) -> None:
    began = datetime.now(UTC) - timedelta(seconds=1)
    result, wanted = tap.run_async(QUERY, runid="run-async").to_table(), tap.run_sync(QUERY).to_table()
    assert len(result) == 40
    assert result.colnames == wanted.colnames
    assert all(np.array_equal(result[name], wanted[name]) for name in wanted.colnames)
    assert [column.unit for column in result.itercols()] == [column.unit for column in wanted.itercols()]
    assert "run-async" not in [job.runid for job in tap.get_job_list(after=began)]  # pyvo deletes what it has fetched


def test_a_job_from_its_submission_to_its_deletion(submit: Submit, session: requests.Session) -> None:
    job = submit(QUERY, runid="from first to last", maxrec=7)
    assert job.phase == "PENDING"
    assert (job.query, job.owner, job.quote, job.uws_version) == (QUERY, None, None, "1.1")
    assert (job.job.runid, job.results[:]) == ("from first to last", [])
    assert job.run().wait() is job
    job.raise_if_error()
    assert job.phase == "COMPLETED"
    assert job.job.creationtime <= job.job.starttime <= job.job.endtime < job.destruction
    assert job.result_uris == [job.result_uri] == [f"{job.url}/results/result"]
    result = job.fetch_result()
    assert (len(result), result.status[0]) == (7, "OVERFLOW")
    url = job.url
    job.delete()
    with refused(404):
        AsyncTAPJob(url, session=session)


def test_a_job_is_found_again_by_its_url(submit: Submit, tap: Any, session: requests.Session) -> None:
    job = submit(QUERY, runid="found again").run().wait()
    found = AsyncTAPJob(job.url, session=session)
    assert (found.phase, found.job_id, len(found.fetch_result())) == ("COMPLETED", job.job_id, 40)
    record = tap.get_job(job.job_id)
    assert (record.phase, record.runid) == ("COMPLETED", "found again")


def test_all_of_many_rows(tap: Any) -> None:
    result = tap.run_async("SELECT TOP 100000 source_id, ra, dec FROM gaia_dr3.bright")
    assert len(set(result["source_id"].tolist())) == len(result) == 100_000


def test_another_format(submit: Submit, session: requests.Session) -> None:
    job = submit(QUERY, format="csv").run().wait()
    assert job.result.mimetype.startswith("text/csv")
    answer = session.get(job.result_uri)
    assert answer.headers["Content-Type"] == job.result.mimetype
    assert len(answer.content) == int(job.result.size)
    assert answer.text.splitlines()[0] == "hip,ra,plx"
    assert len(answer.text.splitlines()) == 41


def test_waiting_ends_with_the_job(long_job: Any) -> None:
    """`wait` asks with WAIT=-1; a service that does not know it would be asked after a second, then 1.2 s and so on."""
    began = time.monotonic()
    stop = threading.Timer(1.1, long_job.abort)
    stop.start()
    with pytest.raises(pyvo.dal.DALServiceError, match="not active"):  # pyvo's word for ABORTED
        long_job.wait()
    assert 1.1 <= time.monotonic() - began < 2
    stop.join()


def test_patience_comes_to_an_end(long_job: Any) -> None:
    with pytest.raises(pyvo.dal.DALServiceError, match="Read timed out"):
        long_job.wait(timeout=0.5)
    assert long_job.phase == "EXECUTING"


def test_abort(long_job: Any) -> None:
    assert long_job.abort().phase == "ABORTED"
    with pytest.raises(pyvo.dal.DALQueryError):
        long_job.raise_if_error()
    with pytest.raises(pyvo.dal.DALQueryError):
        long_job.fetch_result()
    assert long_job.abort().phase == "ABORTED"  # once more does no harm


def test_the_time_of_a_job_is_over(submit: Submit) -> None:
    job = submit(LONG)
    job.execution_duration = 1
    with pytest.raises(pyvo.dal.DALServiceError, match="not active"):
        job.run().wait()
    assert job.phase == "ABORTED"
    with pytest.raises(pyvo.dal.DALQueryError, match="longer than the 1 s that it may take"):
        job.raise_if_error()


def test_delete_while_it_runs(long_job: Any, service: Service, session: requests.Session) -> None:
    identifier, url = long_job.job_id, long_job.url
    with closing(service.connect("postgres")) as connection, connection.cursor() as cursor:

        def backends() -> int:
            cursor.execute("SELECT FROM pg_stat_activity WHERE application_name LIKE %s", [f"%{identifier}%"])
            return cursor.rowcount

        eventually(lambda: backends() >= 1)  # a job that executes is only about to ask the database
        long_job.delete()
        assert backends() == 0
    with refused(404):
        AsyncTAPJob(url, session=session)


def test_why_a_job_failed(submit: Submit, tap: Any) -> None:
    """The same words as of a synchronous query, in the job, its error document, and whatever pyvo is asked."""
    with pytest.raises(pyvo.dal.DALQueryError, match="There is no column raa") as synchronous:
        tap.run_sync(WRONG)
    reason = synchronous.value.reason
    job = submit(WRONG).run().wait()
    assert job.phase == "ERROR"
    assert job.job.errorsummary.message.content == reason
    assert job.job.errorsummary.type_ == "fatal"
    with pytest.raises(pyvo.dal.DALQueryError) as raised:
        job.raise_if_error()
    assert raised.value.reason == f"Query Error: {reason}"
    with pytest.raises(pyvo.dal.DALQueryError) as fetched:
        job.fetch_result()
    assert fetched.value.reason == f"Query Error: {reason}"
    with pytest.raises(pyvo.dal.DALQueryError) as at_once:
        tap.run_async(WRONG)
    assert at_once.value.reason == f"Query Error: {reason}"


def test_what_may_be_set(submit: Submit, service: Service) -> None:
    job = submit(QUERY)
    job.execution_duration = 77
    assert job.execution_duration.sec == 77
    job.execution_duration = 10**8
    assert job.execution_duration.sec == service.settings.max_job_time
    in_two_days = datetime.now(UTC) + timedelta(days=2)
    job.destruction = in_two_days
    assert abs(job.destruction.to_datetime(UTC) - in_two_days) < timedelta(milliseconds=2)
    job.destruction = "2096-01-02T03:04:05.000Z"
    longest = datetime.now(UTC) + timedelta(seconds=service.settings.max_job_retention)
    assert abs(job.destruction.to_datetime(UTC) - longest) < timedelta(minutes=5)
    with refused(400):
        job.execution_duration = "a while"
    job.run().wait()
    with refused(403):
        job.execution_duration = 5
    with refused(403):
        job.query = QUERY
    with refused(403):
        job.run()


def test_the_list(submit: Submit, tap: Any) -> None:
    first = submit(QUERY, runid="list 1")
    second = submit(WRONG, runid="list 2").run().wait()
    third = submit(QUERY, runid="list 3").run().wait()

    def identifiers(**wanted: Any) -> list[str]:
        return [job.jobid for job in tap.get_job_list(**wanted)]

    mine = [third.job_id, second.job_id, first.job_id]
    assert identifiers(last=3) == mine
    assert identifiers(last=1) == mine[:1]
    before = first.job.creationtime.to_datetime(UTC) - timedelta(milliseconds=1)
    assert identifiers(after=before) == mine
    assert identifiers(after=first.job.creationtime.to_datetime(UTC)) == mine[:2]
    assert identifiers(after=before, phases=["ERROR", "PENDING"]) == mine[1:]
    assert identifiers(after=before, phases=["COMPLETED"], last=5) == mine[:1]
    assert identifiers(after=before, phases=["ARCHIVED"]) == []
    [newest] = tap.get_job_list(last=1)
    assert (newest.phase, newest.runid, newest.ownerid) == ("COMPLETED", "list 3", None)
    [described] = tap.get_job_list(last=1, short_description=False)
    assert {parameter.id_: parameter.content for parameter in described.parameters}["QUERY"] == QUERY
