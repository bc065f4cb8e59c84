"""The same table of jobs as a queue: leases, the workers that hold them, and what becomes of lost ones.

A worker proves that it lives by raising its ``beat``. Others compare the beats that they see with their own monotonic
clocks; no time of day decides, so clocks may jump. Whoever finds a worker dead buries it, which ends its leases. A
worker speaks for a job only while it holds the lease with the same attempt: what a worker that was buried too early
says later changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, text

from uws.models import NO_FACTS, ErrorSummary, Facts, Job, Phase, Progress, Result
from uws.statistics import Statistics, statistics
from uws.store import change_phase, job_of, stored_bytes, transaction

LEASE_LOCK = 0x766F0003
"""Key of the advisory lock of whoever leases: turns are exact when one worker chooses at a time."""

_NEXT = text("""
    WITH RECURSIVE waiting (account) AS (
        (SELECT account FROM uws.jobs
         WHERE phase = 'QUEUED' AND NOT deleted AND service = ANY(:services) ORDER BY account LIMIT 1)
        UNION ALL
        SELECT (SELECT j.account FROM uws.jobs AS j
                WHERE j.phase = 'QUEUED' AND NOT j.deleted AND j.service = ANY(:services) AND j.account > w.account
                ORDER BY j.account LIMIT 1)
        FROM waiting AS w
        WHERE w.account IS NOT NULL
    ),
    running AS (SELECT account, count(*) AS jobs FROM uws.jobs WHERE phase = 'EXECUTING' GROUP BY account)
    SELECT j.job_id, w.account
    FROM waiting AS w
    LEFT JOIN uws.accounts AS a USING (account)
    LEFT JOIN running AS r USING (account),
    LATERAL (SELECT job_id FROM uws.jobs
             WHERE phase = 'QUEUED' AND NOT deleted AND service = ANY(:services) AND account = w.account
             ORDER BY queued, job_id FOR UPDATE SKIP LOCKED LIMIT 1) AS j
    WHERE coalesce(r.jobs, 0) < :running_jobs
    ORDER BY coalesce(r.jobs, 0), coalesce(a.last_turn, 0), w.account
    LIMIT 1
""")
"""The oldest job of the account whose turn it is: that with fewest running jobs, then the one served longest ago."""

_LIVES = text("SELECT NOT rests FROM uws.workers WHERE worker_id = :worker_id FOR KEY SHARE")
"""The worker is not buried, and nobody buries it before the transaction ends; true if it may begin jobs."""

_HELD = "worker_id = :worker_id AND attempt = :attempt AND phase = 'EXECUTING'"
"""The worker's lease still holds."""

_COMPLETED = text("SELECT 1 FROM uws.jobs WHERE job_id = :job_id AND attempt = :attempt AND phase = 'COMPLETED'")
"""This attempt has completed the job: an attempt is one worker's, so no other did."""

_KEPT = text("""
    SELECT 1 FROM uws.jobs WHERE job_id = :job_id AND attempt = :attempt AND phase IN ('ERROR', 'ABORTED')
    AND results = CAST(:results AS jsonb)
""")
"""This attempt has ended the job, and its results are kept."""

_ENDED = (
    "error = CAST(:error AS jsonb), progress = NULL, results = CAST(:results AS jsonb), "
    "stored_bytes = coalesce(:all, stored_bytes + :stored), facts = coalesce(CAST(:facts AS jsonb), facts)"
)
"""What is set of a job that did not complete."""

_LOST = text("""
    SELECT job_id, service, attempt, vain_attempts, abort_asked OR deleted AS stopped FROM uws.jobs
    WHERE phase = 'EXECUTING' AND service = ANY(:services)
      AND NOT EXISTS (SELECT FROM uws.workers AS w WHERE w.worker_id = jobs.worker_id)
    FOR UPDATE SKIP LOCKED
""")
_END_BACKENDS = text("""
    SELECT bool_and(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity
    WHERE application_name = 'vo:' || :job_id AND pid <> pg_backend_pid()
""")
_PROGRESS = text("""
    UPDATE uws.jobs AS j SET progress = p.progress, facts = coalesce(p.facts, j.facts)
    FROM jsonb_to_recordset(CAST(:progress AS jsonb)) AS p (job_id text, attempt integer, progress jsonb, facts jsonb)
    WHERE j.job_id = p.job_id AND j.attempt = p.attempt AND j.worker_id = :worker_id AND j.phase = 'EXECUTING'
""")


@dataclass(frozen=True, slots=True)
class WorkerRow:
    """A worker as others see it."""

    worker_id: str
    beat: int
    host: str
    machine: str
    pid: int
    slots: int
    draining: bool
    seen: datetime


class Queue:
    """The table of jobs, for workers; each method is one transaction.

    Parameters
    ----------
    engine : sqlalchemy.Engine
        Connections as the owner.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def register(
        self, worker_id: str, *, host: str, machine: str, pid: int, slots: int, services: Sequence[str]
    ) -> None:
        """Record a worker that begins."""
        statement = text(
            "INSERT INTO uws.workers (worker_id, host, machine, pid, slots, services) "
            "VALUES (:worker_id, :host, :machine, :pid, :slots, :services)"
        )
        with transaction(self._engine) as connection:
            connection.execute(
                statement,
                {
                    "worker_id": worker_id,
                    "host": host,
                    "machine": machine,
                    "pid": pid,
                    "slots": slots,
                    "services": list(services),
                },
            )

    def leave(self, worker_id: str) -> None:
        """Take out a worker that ends."""
        with transaction(self._engine) as connection:
            connection.execute(text("DELETE FROM uws.workers WHERE worker_id = :id"), {"id": worker_id})

    def beat(
        self, worker_id: str, *, draining: bool, progress: Mapping[tuple[str, int], tuple[Progress, Facts]]
    ) -> frozenset[str] | None:
        """Prove that a worker lives, and record how far its jobs are.

        Returns
        -------
        frozenset of str, optional
            Ids of its jobs that were asked to stop; None when the worker was buried.
        """
        with transaction(self._engine) as connection:
            alive = connection.execute(
                text(
                    "UPDATE uws.workers SET beat = beat + 1, seen = clock_timestamp(), draining = :draining "
                    "WHERE worker_id = :worker_id"
                ),
                {"worker_id": worker_id, "draining": draining},
            ).rowcount
            if not alive:
                return None
            if progress:
                rows = [
                    {"job_id": job_id, "attempt": attempt, "progress": asdict(item), "facts": _known(facts)}
                    for (job_id, attempt), (item, facts) in progress.items()
                ]
                connection.execute(_PROGRESS, {"worker_id": worker_id, "progress": json.dumps(rows)})
            stopped = connection.execute(
                text(
                    "SELECT job_id FROM uws.jobs "
                    "WHERE worker_id = :worker_id AND phase = 'EXECUTING' AND (abort_asked OR deleted)"
                ),
                {"worker_id": worker_id},
            )
            return frozenset(stopped.scalars())

    def lease(self, worker_id: str, services: Sequence[str], running_jobs: int) -> Job | None:
        """Lease the next job, in an order that is fair between accounts: QUEUED to EXECUTING.

        Parameters
        ----------
        worker_id : str
            Who will run it.
        services : sequence of str
            Whose jobs it can run.
        running_jobs : int
            Most jobs of one account that run at the same time.

        Returns
        -------
        Job, optional
            None when no job may run now, the worker is to rest, or it was buried.
        """
        with transaction(self._engine) as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LEASE_LOCK})
            if not connection.execute(_LIVES, {"worker_id": worker_id}).scalar():
                return None
            found = connection.execute(_NEXT, {"services": list(services), "running_jobs": running_jobs}).one_or_none()
            if found is None:
                return None
            job = change_phase(
                connection,
                found.job_id,
                Phase.EXECUTING,
                changes="worker_id = :worker_id, attempt = attempt + 1, progress = NULL",
                worker_id=worker_id,
            )
            connection.execute(
                text(
                    "INSERT INTO uws.accounts (account, last_turn) VALUES (:account, nextval('uws.turns')) "
                    "ON CONFLICT (account) DO UPDATE SET last_turn = excluded.last_turn"
                ),
                {"account": found.account},
            )
            return job

    def rest(self, worker_id: str, *, rests: bool) -> bool:
        """Tell a worker to begin no more jobs, or to begin them again; return whether it lives."""
        with transaction(self._engine) as connection:
            return bool(
                connection.execute(
                    text("UPDATE uws.workers SET rests = :rests WHERE worker_id = :worker_id"),
                    {"worker_id": worker_id, "rests": rests},
                ).rowcount
            )

    def stored_bytes(self, account: str) -> int:
        """Return the size of all stored files of an account."""
        with transaction(self._engine) as connection:
            return stored_bytes(connection, account)

    def held(self, worker_id: str) -> list[Job]:
        """Return the jobs whose leases a worker holds."""
        with transaction(self._engine) as connection:
            rows = connection.execute(
                text("SELECT * FROM uws.jobs WHERE worker_id = :worker_id AND phase = 'EXECUTING'"),
                {"worker_id": worker_id},
            ).all()
        return [job_of(row) for row in rows]

    def complete(self, job: Job, results: Sequence[Result], facts: Facts = NO_FACTS) -> bool:
        """Turn EXECUTING to COMPLETED; return False when the lease is lost or the client asked to stop.

        It may be called again when the database went away before it answered: what it has done then stays done.
        """
        with transaction(self._engine) as connection:
            return bool(
                change_phase(
                    connection,
                    job.job_id,
                    Phase.COMPLETED,
                    condition=f"{_HELD} AND NOT abort_asked AND NOT deleted",
                    changes="results = CAST(:results AS jsonb), stored_bytes = :stored, inputs = '[]', "
                    "progress = NULL, facts = coalesce(CAST(:facts AS jsonb), facts)",
                    results=json.dumps([asdict(result) for result in results]),
                    stored=sum(result.size for result in results),
                    facts=_json(facts),
                    **_lease(job),
                )
                or connection.execute(_COMPLETED, {"job_id": job.job_id, "attempt": job.attempt}).scalar()
            )

    def fail(
        self,
        job: Job,
        error: ErrorSummary,
        results: Sequence[Result] = (),
        facts: Facts = NO_FACTS,
        kept: int | None = None,
    ) -> bool:
        """Turn EXECUTING to ERROR, or to ABORTED where that was asked for; return False when the lease is lost.

        Results are those that were made before and are worth keeping, `kept` is the size of the checkpoint that stays,
        None where nobody has looked. Like `complete` it may be called again.
        """
        with transaction(self._engine) as connection:
            wanted = "NOT abort_asked AND NOT deleted"
            return bool(
                change_phase(
                    connection,
                    job.job_id,
                    Phase.ERROR,
                    condition=f"{_HELD} AND {wanted}",
                    changes=_ENDED,
                    error=json.dumps(asdict(error)),
                    **_kept(job, results, facts, kept),
                    **_lease(job),
                )
                or change_phase(connection, job.job_id, Phase.ABORTED, condition=_HELD, **_lease(job))
                or _keeps(connection, job, results)
            )

    def stopped(
        self,
        job: Job,
        error: ErrorSummary | None = None,
        results: Sequence[Result] = (),
        facts: Facts = NO_FACTS,
        kept: int | None = None,
    ) -> bool:
        """Turn EXECUTING to ABORTED; return False when the lease is lost. Parameters are those of `fail`.

        The reason is given where it was not the client's wish: a job whose execution duration is over is aborted too
        (UWS 1.1, section 2.1.6).
        """
        with transaction(self._engine) as connection:
            return bool(
                change_phase(
                    connection,
                    job.job_id,
                    Phase.ABORTED,
                    condition=_HELD,
                    changes=_ENDED,
                    error=None if error is None else json.dumps(asdict(error)),
                    **_kept(job, results, facts, kept),
                    **_lease(job),
                )
                or _keeps(connection, job, results)
            )

    def hand_back(self, job: Job, *, counts: bool) -> bool:
        """Turn EXECUTING to QUEUED, where the job keeps its place, or to ABORTED where the client asked to stop.

        Parameters
        ----------
        job : Job
            As it was leased.
        counts : bool
            Whether the attempt counts as one in vain; that of a worker which was told to leave does not.
        """
        with transaction(self._engine) as connection:
            return bool(
                change_phase(
                    connection,
                    job.job_id,
                    Phase.QUEUED,
                    condition=f"{_HELD} AND NOT abort_asked AND NOT deleted",
                    changes="vain_attempts = vain_attempts + :counts",
                    counts=int(counts),
                    **_lease(job),
                )
                or change_phase(connection, job.job_id, Phase.ABORTED, condition=_HELD, **_lease(job))
            )

    def workers(self) -> list[WorkerRow]:
        """Return the workers that are not buried."""
        with transaction(self._engine) as connection:
            rows = connection.execute(
                text(
                    "SELECT worker_id, beat, host, machine, pid, slots, draining, seen "
                    "FROM uws.workers ORDER BY started"
                )
            ).all()
        return [WorkerRow(*row) for row in rows]

    def bury(self, worker_id: str, beat: int) -> bool:
        """Remove a worker whose beat is still the one that was seen long ago."""
        with transaction(self._engine) as connection:
            return bool(
                connection.execute(
                    text("DELETE FROM uws.workers WHERE worker_id = :worker_id AND beat = :beat"),
                    {"worker_id": worker_id, "beat": beat},
                ).rowcount
            )

    def take_over(self, attempts: Mapping[str, int], *, lost: Callable[[str, int], object] | None = None) -> int:
        """End the leases of buried workers: their backends are stopped first, then their jobs are queued again.

        Parameters
        ----------
        attempts : mapping of str to int
            For each service how often one of its jobs may be begun in vain before it ends in ERROR.
        lost : callable, optional
            Called with the job's id and the attempt of each lease that had expired, when that is settled.

        Returns
        -------
        int
            Number of leases that had expired.
        """
        with transaction(self._engine) as connection:
            rows = connection.execute(_LOST, {"services": list(attempts)}).all()
            for row in rows:
                connection.execute(_END_BACKENDS, {"job_id": row.job_id})
                held = {"condition": "phase = 'EXECUTING' AND attempt = :attempt", "attempt": row.attempt}
                if row.stopped:
                    change_phase(connection, row.job_id, Phase.ABORTED, **held)
                elif row.vain_attempts + 1 < attempts[row.service]:
                    change_phase(
                        connection, row.job_id, Phase.QUEUED, changes="vain_attempts = vain_attempts + 1", **held
                    )
                else:
                    error = given_up(row.vain_attempts + 1)
                    change_phase(
                        connection,
                        row.job_id,
                        Phase.ERROR,
                        changes="error = CAST(:error AS jsonb), progress = NULL",
                        error=json.dumps(asdict(error)),
                        **held,
                    )
            if rows:
                connection.execute(
                    text("UPDATE uws.figures SET expired_leases = expired_leases + :lost"), {"lost": len(rows)}
                )
        for row in rows:
            if lost is not None:
                lost(row.job_id, row.attempt)
        return len(rows)

    def statistics(self) -> Statistics:
        """Return the state of the queue."""
        return statistics(self._engine)


def given_up(attempts: int, reason: str = "Its worker or the database went away.") -> ErrorSummary:
    """Return the error of a job that was begun in vain too often; the reason is that of the last time."""
    return ErrorSummary(
        f"The job was begun {attempts} times in vain. {reason}\nSend it again, perhaps with less to do at once.",
        type="transient",
        code="unavailable",
    )


def _lease(job: Job) -> dict[str, Any]:
    return {"worker_id": job.worker_id, "attempt": job.attempt}


def _known(facts: Facts) -> dict[str, Any] | None:
    return None if facts == NO_FACTS else asdict(facts)


def _json(facts: Facts) -> str | None:
    return None if facts == NO_FACTS else json.dumps(asdict(facts))


def _keeps(connection: Connection, job: Job, results: Sequence[Result]) -> bool:
    """Return whether the database has ended the job with these results, and then went away before it answered."""
    if not results:
        return False
    stored = json.dumps([asdict(result) for result in results])
    values = {"job_id": job.job_id, "attempt": job.attempt, "results": stored}
    return connection.execute(_KEPT, values).scalar() is not None


def _kept(job: Job, results: Sequence[Result], facts: Facts, kept: int | None) -> dict[str, Any]:
    """Return the values for what is kept of a job that did not complete."""
    stored = sum(result.size for result in results)
    return {
        "results": json.dumps([asdict(result) for result in results]),
        "stored": stored,
        "all": None if kept is None else sum(one.size for one in job.inputs) + stored + kept,
        "facts": _json(facts),
    }
