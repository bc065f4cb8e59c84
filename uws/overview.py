"""Jobs and workers as whoever runs the service looks at them: of all callers, with what a list for people shows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, text

from uws.models import JobFilter, Phase, Progress
from uws.store import transaction
from vo.core.errors import NotFoundError, UsageError

SHOWN_CHARACTERS = 500
"""As much of a job's main parameter is read for a list."""

_JOBS = """
    SELECT job_id, account, phase, run_id, created,
           CASE WHEN started IS NOT NULL THEN extract(epoch FROM coalesce(ended, clock_timestamp()) - started)
                WHEN ended IS NULL THEN extract(epoch FROM clock_timestamp() - coalesce(queued, created))
           END AS seconds,
           stored_bytes, progress,
           (SELECT left(p ->> 1, :characters) FROM jsonb_array_elements(parameters) AS p WHERE p ->> 0 = :about LIMIT 1)
               AS about
    FROM uws.jobs
    WHERE {conditions}
    ORDER BY created DESC, job_id DESC LIMIT :last
"""
_FIND = text("""
    SELECT job_id FROM uws.jobs
    WHERE service = :service AND NOT deleted AND job_id >= :beginning AND starts_with(job_id, :beginning)
    ORDER BY job_id LIMIT 4
""")
_WORKERS = text("""
    SELECT w.worker_id, w.host, w.pid, w.slots, w.draining, w.started, w.seen,
           extract(epoch FROM clock_timestamp() - w.seen) AS silent,
           (SELECT count(*) FROM uws.jobs AS j WHERE j.worker_id = w.worker_id AND j.phase = 'EXECUTING') AS running
    FROM uws.workers AS w
    ORDER BY w.started
""")


@dataclass(frozen=True, slots=True)
class JobSummary:
    """A job as a line of a list.

    Attributes
    ----------
    seconds : float, optional
        How long it ran or runs, or has waited so far; None for one that ended before it began.
    stored_bytes : int
        Size of its results.
    progress : Progress, optional
        How far it is, while it runs.
    about : str, optional
        The beginning of the parameter that says most about it.
    """

    job_id: str
    account: str
    phase: Phase
    run_id: str | None
    created: datetime
    seconds: float | None
    stored_bytes: int
    progress: Progress | None
    about: str | None


@dataclass(frozen=True, slots=True)
class WorkerSummary:
    """A worker as a line of a list.

    Attributes
    ----------
    silent : float
        Seconds since its last beat.
    running : int
        Jobs that it runs.
    """

    worker_id: str
    host: str
    pid: int
    slots: int
    draining: bool
    started: datetime
    seen: datetime
    silent: float
    running: int


class Overview:
    """What one service's jobs and the workers are doing; each method is one transaction.

    Parameters
    ----------
    engine : sqlalchemy.Engine
        Connections as the owner.
    service : str
        Whose jobs.
    about : str
        Name of the parameter that says most about a job, such as ``QUERY``.
    """

    def __init__(self, engine: Engine, service: str, *, about: str) -> None:
        self._engine = engine
        self._service = service
        self._about = about

    def jobs(self, wanted: JobFilter, accounts: frozenset[str] = frozenset()) -> list[JobSummary]:
        """Return jobs, the newest first.

        Parameters
        ----------
        wanted : JobFilter
            Which of them.
        accounts : frozenset of str
            Whose: any of these; empty means everybody's.
        """
        conditions = ["service = :service", "NOT deleted"]
        conditions.append("phase = ANY(:phases)" if wanted.phases else "phase <> 'ARCHIVED'")
        if wanted.after is not None:
            conditions.append("created > :after")
        if accounts:
            conditions.append("account = ANY(:accounts)")
        values = {
            "service": self._service,
            "about": self._about,
            "characters": SHOWN_CHARACTERS,
            "phases": [str(phase) for phase in wanted.phases],
            "after": wanted.after,
            "last": wanted.last,
            "accounts": list(accounts),
        }
        with transaction(self._engine) as connection:
            rows = connection.execute(text(_JOBS.format(conditions=" AND ".join(conditions))), values).all()
        return [
            JobSummary(
                job_id=row.job_id,
                account=row.account,
                phase=Phase(row.phase),
                run_id=row.run_id,
                created=row.created,
                seconds=None if row.seconds is None else float(row.seconds),
                stored_bytes=row.stored_bytes,
                progress=None if row.progress is None else Progress(**row.progress),
                about=row.about,
            )
            for row in rows
        ]

    def find(self, beginning: str) -> str:
        """Return the id of the one job whose id begins so.

        Raises
        ------
        NotFoundError
            If there is none.
        UsageError
            If there are several.
        """
        with transaction(self._engine) as connection:
            values = {"service": self._service, "beginning": beginning}
            found = [str(job_id) for job_id in connection.execute(_FIND, values).scalars()]
        if not found or not beginning:
            raise NotFoundError(
                f"There is no job {beginning[:40]!r}.",
                hint="It never was, was deleted, or its time was over. The command vo jobs list shows those there are.",
            )
        if len(found) > 1 and found[0] != beginning:
            more = " …" if len(found) > 3 else ""
            raise UsageError(
                f"Several jobs begin with {beginning[:40]!r}: {', '.join(found[:3])}{more}", hint="Give more of the id."
            )
        return found[0]

    def workers(self) -> list[WorkerSummary]:
        """Return the workers that nobody has buried, the oldest first."""
        with transaction(self._engine) as connection:
            rows = connection.execute(_WORKERS).all()
        return [
            WorkerSummary(
                worker_id=row.worker_id,
                host=row.host,
                pid=row.pid,
                slots=row.slots,
                draining=row.draining,
                started=row.started,
                seen=row.seen,
                silent=float(row.silent),
                running=row.running,
            )
            for row in rows
        ]
