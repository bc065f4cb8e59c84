"""Execution duration and destruction: what clients set, what the service makes of it, and that it comes true."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from tests.conftest import Service, make_home
from tests.tap.asking import ask, eventually
from tests.uws.asking import (
    ENDLESS,
    UWS,
    abort,
    create,
    delete,
    document,
    ended,
    executing,
    id_of,
    listed,
    location,
    phase,
    post,
    refused,
    text,
    value,
)
from uws.folders import folder_of

MOST_SECONDS = 86_400
MOST_DAYS = timedelta(days=30)


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("30", 30),
        (" 30 ", 30),
        ("30.0", 30),
        ("0030", 30),
        ("0", MOST_SECONDS),  # without limit is as long as the service allows
        ("86401", MOST_SECONDS),
        ("99999999999", MOST_SECONDS),
        ("9" * 5000, MOST_SECONDS),
    ],
    ids=lambda item: str(item)[:20],
)
def test_durations_that_are_taken(service: Service, sent: str, kept: int) -> None:
    job = create(service)
    assert location(post(service, f"{job}/executionduration", executionduration=sent)) == job
    assert text(service, f"{job}/executionduration") == str(kept)
    assert value(document(service, job), "executionDuration") == str(kept)


@pytest.mark.parametrize("sent", ["-1", "1.5", "1e3", "abc", "", "+5", "٣٠", "30 s", "PT30S", "Infinity", "0x10"])
def test_durations_that_are_none(service: Service, sent: str) -> None:
    job = create(service)
    message = refused(post(service, f"{job}/executionduration", EXECUTIONDURATION=sent), 400)
    assert "is not a whole number of seconds" in message
    assert text(service, f"{job}/executionduration") == "3600"


def test_a_duration_is_set_before_the_job_runs_and_ends_it(service: Service) -> None:
    job = create(service, QUERY=ENDLESS)
    post(service, f"{job}/executionduration", EXECUTIONDURATION="1")
    post(service, f"{job}/phase", PHASE="RUN")
    eventually(lambda: phase(service, job) != "QUEUED")
    refused(post(service, f"{job}/executionduration", EXECUTIONDURATION="60"), 403, "PENDING only")
    assert ended(service, job) == "ABORTED"
    root = document(service, job)
    started, end = (datetime.fromisoformat(value(root, name) or "") for name in ("startTime", "endTime"))
    assert 1 <= (end - started).total_seconds() < 4
    assert "longer than the 1 s" in root.findtext(f"{UWS}errorSummary/{UWS}message", "")
    assert ask(service, f"{job}/error").status == 200


def destruction(service: Service, job: str) -> datetime:
    shown = text(service, f"{job}/destruction")
    assert shown.endswith("Z")
    assert shown == value(document(service, job), "destruction")
    return datetime.fromisoformat(shown)


def test_destruction_within_the_limit_is_kept_and_later_ones_are_cut(service: Service) -> None:
    job = create(service)
    near = (datetime.now(UTC) + timedelta(days=2)).replace(microsecond=123_000)
    for sent in (near.isoformat(), near.isoformat().replace("+00:00", "Z"), near.isoformat(" ").removesuffix("+00:00")):
        assert location(post(service, f"{job}/destruction", destruction=sent)) == job
        assert destruction(service, job) == near
    for sent in ("9999-12-31T23:59:59Z", f"{datetime.now(UTC).year + 5}", "21000101"):
        assert location(post(service, f"{job}/destruction", DESTRUCTION=sent)) == job
        assert abs(destruction(service, job) - datetime.now(UTC) - MOST_DAYS) < timedelta(minutes=1)
    abort(service, job)
    assert location(post(service, f"{job}/destruction", DESTRUCTION=near.isoformat())) == job  # in any phase
    assert destruction(service, job) == near


@pytest.mark.parametrize("sent", ["nonsense", "", "2027-01-01T00:00:00+01:00", "2026-13-01", "tomorrow", "1e9"])
def test_destructions_that_are_none(service: Service, sent: str) -> None:
    job = create(service)
    before = destruction(service, job)
    refused(post(service, f"{job}/destruction", DESTRUCTION=sent), 400, "is not a time in UTC")
    assert destruction(service, job) == before


def test_a_job_whose_time_has_come_is_gone_whatever_it_does(service: Service) -> None:
    completed = create(service, PHASE="RUN")
    ended(service, completed)
    jobs = [create(service), completed, executing(service)]
    for job in jobs:
        post(service, f"{job}/destruction", DESTRUCTION="2000-01-01T00:00:00Z")
    eventually(lambda: {ask(service, job).status for job in jobs} == {404})
    assert {id_of(job) for job in jobs}.isdisjoint(found.id for found in listed(service))
    folders = [service.home / "results" / folder_of(id_of(job)) for job in jobs]
    eventually(lambda: not any(folder.exists() for folder in folders))


@pytest.fixture(scope="module")
def archiving() -> Iterator[Service]:
    """A service that keeps records of destroyed jobs."""
    running = Service(make_home(), prepare=False, VO_ARCHIVE_TIME="3600", VO_JOB_TIME="60", VO_MAX_JOB_TIME="50")
    running.start()
    yield running
    running.stop()
    shutil.rmtree(running.home)


def test_archived_jobs_are_listed_only_where_asked_for_and_have_no_results(archiving: Service) -> None:
    job = create(archiving, PHASE="RUN", RUNID="kept")
    assert ended(archiving, job) == "COMPLETED"
    pending = create(archiving)
    for item in (job, pending):
        post(archiving, f"{item}/destruction", DESTRUCTION="2000-01-01")
    eventually(lambda: phase(archiving, job) == "ARCHIVED")
    assert listed(archiving) == []
    [reference] = listed(archiving, PHASE="ARCHIVED")
    assert (reference.id, reference.run_id) == (id_of(job), "kept")
    assert [found.id for found in listed(archiving, [("PHASE", "ARCHIVED"), ("PHASE", "ERROR")])] == [id_of(job)]
    assert listed(archiving, PHASE="COMPLETED", LAST="5") == listed(archiving, AFTER="2015") == []
    root = document(archiving, job, "?WAIT=5")
    assert list(root.iter(f"{UWS}result")) == []
    assert len(list(root.iter(f"{UWS}parameter"))) == 3
    refused(ask(archiving, f"{job}/results/result"), 404, "ARCHIVED")
    refused(post(archiving, f"{job}/phase", PHASE="RUN"), 403, "ARCHIVED")
    assert location(abort(archiving, job)) == job
    assert phase(archiving, job) == "ARCHIVED"
    eventually(lambda: ask(archiving, pending).status == 404)  # what never ran leaves no record
    delete(archiving, job)
    assert listed(archiving, PHASE="ARCHIVED") == []


def test_the_default_duration_is_no_longer_than_the_longest(archiving: Service) -> None:
    job = create(archiving)
    assert text(archiving, f"{job}/executionduration") == "50"
    delete(archiving, job)
