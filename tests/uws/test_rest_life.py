"""A job's life over HTTP: run, abort and delete in every phase, and many of these at the same time."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from tests.conftest import Service
from tests.schema import faults
from tests.tap.asking import Answer, ask, eventually, log_lines
from tests.uws.asking import (
    ENDLESS,
    JOBS,
    UWS,
    abort,
    at_once,
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
    run,
    value,
)
from uws.folders import folder_of


def attempts(service: Service, job: str) -> int:
    """How often a job was begun."""
    with closing(service.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT attempt FROM uws.jobs WHERE job_id = %s", [id_of(job)])
        row = cursor.fetchone()
    assert row is not None
    return int(row[0])


def backends(service: Service, job: str) -> int:
    """The queries of a job that run in PostgreSQL."""
    with closing(service.connect()) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s AND state = 'active'",
            [f"vo:{id_of(job)}"],
        )
        return int((cursor.fetchone() or [0])[0])


def test_run_to_the_end(service: Service, shared_folder: Path | None) -> None:
    job = create(service)
    assert location(run(service, job)) == job
    assert phase(service, job) in ("QUEUED", "EXECUTING", "COMPLETED")
    assert ended(service, job) == "COMPLETED"
    root = document(service, job)
    created, started, end = (value(root, name) or "" for name in ("creationTime", "startTime", "endTime"))
    assert created <= started <= end
    assert faults(ask(service, job).body, shared_folder) == []
    refused(run(service, job), 403, "COMPLETED and cannot be run")
    assert location(abort(service, job)) == job
    assert phase(service, job) == "COMPLETED"


@pytest.mark.parametrize("times", [1, 2])
def test_abort_a_pending_job(service: Service, times: int) -> None:
    job = create(service)
    for _ in range(times):
        assert location(abort(service, job)) == job
    root = document(service, job)
    assert value(root, "phase") == "ABORTED"
    assert value(root, "startTime") is None
    assert value(root, "endTime") is not None
    refused(run(service, job), 403, "ABORTED and cannot be run", "Create another job")


def test_abort_a_running_job_ends_its_query(service: Service) -> None:
    job = executing(service)
    eventually(lambda: backends(service, job) == 1)
    assert location(run(service, job)) == job  # it runs: no error, and not begun again
    assert location(abort(service, job)) == job
    assert phase(service, job) == "ABORTED"  # the answer came when it had stopped
    eventually(lambda: backends(service, job) == 0, seconds=2)
    root = document(service, job)
    assert value(root, "endTime") is not None
    assert root.find(f"{UWS}errorSummary") is None
    assert list(root.iter(f"{UWS}result")) == []
    refused(ask(service, f"{job}/error"), 404, "ABORTED and has no error")
    refused(ask(service, f"{job}/results/result"), 404, "ABORTED and has no results")
    assert attempts(service, job) == 1


@pytest.mark.parametrize("by", ["DELETE", "ACTION"])
def test_delete_in_every_phase(service: Service, by: str) -> None:
    def remove(job: str) -> Answer:
        return delete(service, job) if by == "DELETE" else post(service, job, action="delete")

    completed = create(service, PHASE="RUN")
    ended(service, completed)
    aborted = create(service)
    abort(service, aborted)
    running = executing(service)
    for job in (create(service), completed, aborted, running):
        assert location(remove(job)) == JOBS
        for gone in ("", "/phase", "/parameters", "/results", "/results/result", "/error", "/owner", "?WAIT=5"):
            refused(ask(service, job + gone), 404, f"There is no job '{id_of(job)}'")
        refused(remove(job), 404)
        refused(run(service, job), 404)
        refused(abort(service, job), 404)
        assert id_of(job) not in [found.id for found in listed(service)]
        assert not (service.home / "results" / folder_of(id_of(job))).exists()
    assert backends(service, running) == 0


def test_twenty_times_run_at_once_begins_it_once(service: Service) -> None:
    job = create(service)
    answers = at_once(20, lambda _: run(service, job))
    assert {answer.status for answer in answers} <= {303, 403}
    assert 303 in {answer.status for answer in answers}
    assert ended(service, job) == "COMPLETED"
    assert attempts(service, job) == 1
    phases = [line["phase"] for line in log_lines(service.home, event="uws.phase", job=id_of(job))]
    assert phases == ["QUEUED", "EXECUTING", "COMPLETED"]


@pytest.mark.parametrize("round_", range(3))
def test_run_and_delete_at_once(service: Service, round_: int) -> None:
    job = create(service, QUERY=ENDLESS)
    answers = at_once(20, lambda number: run(service, job) if number % 2 else delete(service, job))
    assert {answer.status for answer in answers} <= {303, 404}
    assert 303 in {answer.status for answer in answers[::2]}
    refused(ask(service, job), 404)
    eventually(lambda: backends(service, job) == 0)


@pytest.mark.parametrize("round_", range(3))
def test_run_and_abort_at_once(service: Service, round_: int) -> None:
    job = create(service, QUERY=ENDLESS)
    answers = at_once(20, lambda number: run(service, job) if number % 2 else abort(service, job))
    assert {answer.status for answer in answers[::2]} == {303}
    assert {answer.status for answer in answers[1::2]} <= {303, 403}
    assert ended(service, job) == "ABORTED"
    eventually(lambda: backends(service, job) == 0)


@pytest.mark.parametrize(
    ("wanted", "phrase"),
    [
        ("", "is missing"),
        ("GO", "'GO' cannot be asked"),
        ("COMPLETED", "Send RUN or ABORT"),
        ("RUN\n1", "Send RUN"),
    ],
)
def test_other_words_than_run_and_abort(service: Service, wanted: str, phrase: str) -> None:
    job = create(service)
    refused(post(service, f"{job}/phase", PHASE=wanted), 400, phrase)
    refused(post(service, f"{job}/phase", [("PHASE", "RUN"), ("PHASE", "ABORT")]), 400, "given 2 times")
    refused(post(service, f"{job}/phase"), 400, "is missing")
    assert phase(service, job) == "PENDING"


def test_lower_case_is_understood(service: Service) -> None:
    job = create(service)
    assert location(post(service, f"{job}/phase", phase=" run ")) == job
    assert ended(service, job) == "COMPLETED"


def test_the_job_itself_takes_action_delete_and_nothing_else(service: Service) -> None:
    job = create(service)
    for pairs in ({"PHASE": "RUN"}, {"QUERY": "x"}, {"DESTRUCTION": "2030-01-01"}, {}):
        refused(post(service, job, pairs), 403, "ACTION=DELETE", "/parameters")
    refused(post(service, job, ACTION="DELETED"), 400, "'DELETED' is not DELETE")
    assert phase(service, job) == "PENDING"


def test_a_queued_job_says_what_it_waits_for(service: Service) -> None:
    occupied = [executing(service) for _ in range(service.settings.running_jobs)]
    waiting = [create(service, PHASE="RUN") for _ in range(3)]
    stages = []
    for job in waiting:
        [stage] = document(service, job).findall("{*}jobInfo/{urn:vo-stack:progress}stage")
        stages.append(stage.text)
    turn = "waits for its turn"
    assert stages == [turn, f"{turn} behind one of your own", f"{turn} behind 2 of your own"]
    for job in occupied:
        delete(service, job)
    assert {ended(service, job) for job in waiting} == {"COMPLETED"}
