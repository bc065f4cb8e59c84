"""Made-up jobs in every phase."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from uws.models import ErrorSummary, Job, JobReference, Phase, Progress, Result

LIST_URL = "http://127.0.0.1:8080/tap/async"
QUERY = "SELECT TOP 5 *\nFROM gaia_dr3.bright\nWHERE ra < 1 AND dec > 2"
CREATED = datetime(2026, 1, 1, tzinfo=UTC)

PENDING = Job(
    job_id="m4s0rj1v7hq2zc8k3x9wb5nd6t",
    service="tap",
    owner=None,
    account="address:127.0.0.1",
    run_id=None,
    phase=Phase.PENDING,
    created=CREATED,
    queued=None,
    started=None,
    ended=None,
    execution_duration=3600,
    destruction=CREATED + timedelta(days=7),
    quote=None,
    parameters=(("LANG", "ADQL"), ("QUERY", QUERY), ("FORMAT", "votable")),
    inputs=(),
    results=(),
    error=None,
    progress=None,
    worker_id=None,
    attempt=0,
    vain_attempts=0,
    abort_asked=False,
)
QUEUED = replace(PENDING, phase=Phase.QUEUED, queued=CREATED + timedelta(seconds=1))
EXECUTING = replace(
    QUEUED,
    phase=Phase.EXECUTING,
    started=CREATED + timedelta(seconds=2.5),
    quote=CREATED + timedelta(seconds=60),
    progress=Progress(rows=1_234_567, size=98_765_432, fraction=0.25, stage="writing the result"),
    worker_id="worker-1",
    attempt=2,
)
COMPLETED = replace(
    EXECUTING,
    phase=Phase.COMPLETED,
    owner="vera",
    run_id="nightly",
    ended=CREATED + timedelta(seconds=63.0004),
    results=(Result("result", "application/x-votable+xml", 123_456_789, "ab/cd", "result.vot"),),
    worker_id=None,
    attempt=1,
)
FAILED = replace(
    EXECUTING,
    phase=Phase.ERROR,
    ended=CREATED + timedelta(hours=1, seconds=2.5),
    error=ErrorSummary("The job ran longer than its execution duration of 3600 s.\nAsk for more.", "fatal", "limit"),
    attempt=1,
)
ABORTED = replace(QUEUED, phase=Phase.ABORTED, ended=CREATED + timedelta(seconds=9))
ARCHIVED = replace(COMPLETED, phase=Phase.ARCHIVED, results=())
JOBS = (PENDING, QUEUED, EXECUTING, COMPLETED, FAILED, ABORTED, ARCHIVED)


def job_url(job: Job) -> str:
    """Return a job's address."""
    return f"{LIST_URL}/{job.job_id}"


def reference(job: Job, **changes: Any) -> JobReference:
    """Return a job as the list has it."""
    found = JobReference(job.job_id, job.phase, job.run_id, job.owner, job.created, job.started, job.ended)
    return replace(found, **changes)
