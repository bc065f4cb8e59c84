"""Jobs and workers as whoever runs the service looks at them: of all callers, with what a list for people shows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, text

from uws.models import JobFilter, Phase, Progress
from uws.store import transaction
from vo.core.errors import NotFoundError, UsageError

SHOWN_CHARACTERS = 500
"""As much of a job's parameters is read for a list."""

_JOBS = """
    SELECT job_id, service, account, phase, run_id, created,
           CASE WHEN started IS NOT NULL THEN extract(epoch FROM coalesce(ended, clock_timestamp()) - started)
                WHEN ended IS NULL THEN extract(epoch FROM clock_timestamp() - coalesce(queued, created))
           END AS seconds,
           stored_bytes, progress,
           (SELECT left(string_agg(CASE WHEN main IS NULL THEN (p ->> 0) || '=' || left(p ->> 1, :characters)
                                        ELSE left(p ->> 1, :characters) END, ' ' ORDER BY place), :characters)
            FROM jsonb_array_elements(parameters) WITH ORDINALITY AS given (p, place),
                 (SELECT CAST(:about AS jsonb) ->> service AS main) AS chosen
            WHERE main IS NULL OR p ->> 0 = main) AS about
    FROM uws.jobs
    WHERE {conditions}
    ORDER BY created DESC, job_id DESC LIMIT :last
"""
_FIND = text("""
    SELECT service, job_id FROM uws.jobs
    WHERE NOT deleted AND job_id >= :beginning AND starts_with(job_id, :beginning)
    ORDER BY job_id LIMIT 4
""")
_WORKERS = text("""
    SELECT w.worker_id, w.host, w.pid, w.slots, w.draining, w.rests, w.started, w.seen,
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
    service : str
        To whose list it belongs.
    seconds : float, optional
        How long it ran or runs, or has waited so far; None for one that ended before it began.
    stored_bytes : int
        Size of its results.
    progress : Progress, optional
        How far it is, while it runs.
    about : str, optional
        The beginning of the parameter that says most about it, or of all of them.
    """

    job_id: str
    service: str
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
    draining : bool
        Whether it was told to end.
    rests : bool
        Whether the operator wants it to begin no job.
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
    rests: bool
    started: datetime
    seen: datetime
    silent: float
    running: int


class Overview:
    """What the jobs of all services and the workers are doing; each method is one transaction.

    Parameters
    ----------
    engine : sqlalchemy.Engine
        Connections as the owner.
    about : mapping of str to str
        By services, the name of the parameter that says most about a job, such as ``QUERY``. Of jobs of other services
        all parameters are shown.
    """

    def __init__(self, engine: Engine, *, about: Mapping[str, str]) -> None:
        self._engine = engine
        self._about = json.dumps(dict(about))

    def jobs(
        self, wanted: JobFilter, accounts: frozenset[str] = frozenset(), services: frozenset[str] = frozenset()
    ) -> list[JobSummary]:
        """Return jobs, the newest first.

        Parameters
        ----------
        wanted : JobFilter
            Which of them.
        accounts : frozenset of str
            Whose: any of these; empty means everybody's.
        services : frozenset of str
            Of which lists: any of these; empty means all.
        """
        conditions = ["NOT deleted"]
        conditions.append("phase = ANY(:phases)" if wanted.phases else "phase <> 'ARCHIVED'")
        if wanted.after is not None:
            conditions.append("created > :after")
        if accounts:
            conditions.append("account = ANY(:accounts)")
        if services:
            conditions.append("service = ANY(:services)")
        values = {
            "about": self._about,
            "characters": SHOWN_CHARACTERS,
            "phases": [str(phase) for phase in wanted.phases],
            "after": wanted.after,
            "last": wanted.last,
            "accounts": list(accounts),
            "services": list(services),
        }
        with transaction(self._engine) as connection:
            rows = connection.execute(text(_JOBS.format(conditions=" AND ".join(conditions))), values).all()
        return [
            JobSummary(
                job_id=row.job_id,
                service=row.service,
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

    def find(self, beginning: str) -> tuple[str, str]:
        """Return the service and the id of the one job whose id begins so.

        Raises
        ------
        NotFoundError
            If there is none.
        UsageError
            If there are several.
        """
        with transaction(self._engine) as connection:
            rows = connection.execute(_FIND, {"beginning": beginning}).all()
        found = [str(row.job_id) for row in rows]
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
        return str(rows[0].service), found[0]

    def find_worker(self, beginning: str) -> WorkerSummary:
        """Return the one worker whose id begins so.

        Raises
        ------
        NotFoundError
            If there is none.
        UsageError
            If there are several.
        """
        found = [worker for worker in self.workers() if worker.worker_id.startswith(beginning)]
        if not found or not beginning:
            raise NotFoundError(
                f"There is no worker {beginning[:40]!r}.", hint="The command vo jobs workers shows those there are."
            )
        if len(found) > 1:
            raise UsageError(f"Several workers begin with {beginning[:40]!r}.", hint="Give more of the id.")
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
                rests=row.rests,
                started=row.started,
                seen=row.seen,
                silent=float(row.silent),
                running=row.running,
            )
            for row in rows
        ]
