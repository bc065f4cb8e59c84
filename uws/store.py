"""Jobs as clients see and change them; what workers do with them is in `uws.queue`.

Both change a job's phase by ``change_phase`` here and nowhere else; the trigger ``uws.change_phase`` in the database
lets legal changes pass, writes their times and notifies whoever waits.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import Connection, Engine, Row, text
from sqlalchemy.exc import DBAPIError, InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from uws.models import ErrorSummary, Estimate, Facts, Input, Job, JobFilter, JobReference, Phase, Progress, Result
from vo.core.errors import UnavailableError
from vo.core.limits import Limits

ACCOUNT_LOCK = 0x766F0004
"""First key of the advisory lock of whoever adds a job to an account; the second one stands for the account."""

_AWAY = (OperationalError, InterfaceError, InternalError)

log = structlog.get_logger()

_CREATE = text("""
    INSERT INTO uws.jobs (job_id, service, owner, account, run_id, execution_duration, destruction, parameters, inputs,
                          stored_bytes, quote, facts)
    VALUES (:job_id, :service, :owner, :account, :run_id, :duration,
            date_trunc('milliseconds', clock_timestamp()) + make_interval(secs => :retention),
            CAST(:parameters AS jsonb), CAST(:inputs AS jsonb), :stored,
            date_trunc('milliseconds', clock_timestamp()) + make_interval(secs => :seconds), CAST(:facts AS jsonb))
    RETURNING *
""")
_READ = text("SELECT * FROM uws.jobs WHERE job_id = :job_id AND service = :service AND NOT deleted")
_PHASES = text("SELECT job_id, phase FROM uws.jobs WHERE job_id = ANY(:job_ids) AND NOT deleted")
_AHEAD = text("""
    SELECT count(*) FROM uws.jobs
    WHERE account = :account AND phase = 'QUEUED' AND NOT deleted AND (queued, job_id) < (:queued, :job_id)
""")
_CHANGE = """
    UPDATE uws.jobs SET phase = :after, {changes}
    WHERE job_id = :job_id AND {condition}
      AND EXISTS (SELECT FROM uws.phase_changes AS c WHERE c.before = phase AND c.after = :after)
    RETURNING *
"""
_ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(:key, hashtext(:account))")
_WAITING = text("""
    SELECT count(*) FROM uws.jobs WHERE account = :account AND phase IN ('PENDING', 'QUEUED') AND NOT deleted
""")
_STORED = text("SELECT stored_bytes FROM uws.accounts WHERE account = :account")
_COUNT_KEPT = text("""
    UPDATE uws.jobs
    SET stored_bytes = :size + (
        SELECT coalesce(sum(CAST(one ->> 'size' AS bigint)), 0) FROM jsonb_array_elements(inputs) AS one
    )
    WHERE job_id = :job_id AND phase IN ('ABORTED', 'ERROR') AND results = '[]'
""")
_ADD_PARAMETERS = text("""
    UPDATE uws.jobs
    SET run_id = coalesce(:run_id, run_id),
        inputs = inputs || CAST(:inputs AS jsonb),
        stored_bytes = stored_bytes + :more,
        parameters = (
            SELECT coalesce(jsonb_agg(pair ORDER BY place), '[]')
            FROM (
                SELECT pair, min(place) AS place
                FROM jsonb_array_elements(parameters || CAST(:parameters AS jsonb))
                    WITH ORDINALITY AS given (pair, place)
                WHERE CAST(:run_id AS text) IS NULL OR pair ->> 0 <> 'RUNID' OR pair ->> 1 = :run_id
                GROUP BY pair
            ) AS pairs
        )
    WHERE job_id = :job_id AND phase = 'PENDING' AND NOT deleted
""")


@contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """Open a transaction.

    Raises
    ------
    UnavailableError
        If the database does not answer.
    """
    try:
        with engine.begin() as connection:
            changes = connection.info["phases"] = []
            yield connection
    except (DBAPIError, PoolTimeoutError) as error:
        # A wrong statement is a bug and would be wrong again; a lost database comes in several of psycopg2's classes.
        if isinstance(error, DBAPIError) and not (error.connection_invalidated or isinstance(error, _AWAY)):
            raise
        raise UnavailableError("The database does not answer.", hint="Try again in a moment.") from error
    for change in changes:
        log.info("uws.phase", **change)


def change_phase(
    connection: Connection,
    job_id: str,
    after: Phase,
    *,
    condition: str = "NOT deleted",
    changes: str = "progress = NULL",
    **values: Any,
) -> Job | None:
    """Change a job's phase.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        In a transaction.
    job_id : str
        The job.
    after : Phase
        The new phase.
    condition : str
        SQL that must hold besides.
    changes : str
        SQL of what else is set.
    **values
        Parameters of both.

    Returns
    -------
    Job, optional
        As it is now; None when there is no such job, the condition does not hold, or its phase does not lead there.
    """
    statement = text(_CHANGE.format(changes=changes, condition=condition))
    row = connection.execute(statement, {"job_id": job_id, "after": after, **values}).one_or_none()
    if row is None:
        return None
    connection.info.setdefault("phases", []).append({"job": job_id, "phase": after, "attempt": row.attempt})
    return job_of(row)


class JobStore:
    """The table of jobs, for the side that answers clients; each method is one transaction.

    Parameters
    ----------
    engine : sqlalchemy.Engine
        Connections as the owner.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def create(
        self,
        *,
        job_id: str,
        service: str,
        owner: str | None,
        account: str,
        run_id: str | None,
        parameters: Sequence[tuple[str, str]],
        inputs: Sequence[Input] = (),
        limits: Limits,
        run: bool,
        estimate: Estimate | None = None,
        kept: int = 0,
    ) -> Job:
        """Create a job and, if wished, queue it in the same transaction; `kept` is the size of its checkpoint.

        Raises
        ------
        QuotaError
            If the caller has as much as one may have.
        """
        with transaction(self._engine) as connection:
            self._check_quota(connection, account, limits)
            row = connection.execute(
                _CREATE,
                {
                    "job_id": job_id,
                    "service": service,
                    "owner": owner,
                    "account": account,
                    "run_id": run_id,
                    "duration": limits.job_time,
                    "retention": limits.retention,
                    "parameters": json.dumps(parameters),
                    "inputs": json.dumps([asdict(one) for one in inputs]),
                    "stored": sum(one.size for one in inputs) + kept,
                    "seconds": None if estimate is None else estimate.seconds,
                    "facts": "{}" if estimate is None else json.dumps({"plan": estimate.plan}),
                },
            ).one()
            job = job_of(row)
            if run:
                job = change_phase(connection, job_id, Phase.QUEUED) or job
            return job

    def read(self, service: str, job_id: str) -> Job | None:
        """Return a job, or None."""
        with transaction(self._engine) as connection:
            row = connection.execute(_READ, {"service": service, "job_id": job_id}).one_or_none()
        return None if row is None else job_of(row)

    def stored_bytes(self, account: str) -> int:
        """Return the size of all stored files of an account."""
        with transaction(self._engine) as connection:
            return stored_bytes(connection, account)

    def count_kept(self, job_id: str, size: int) -> None:
        """Count the checkpoint of a job that has ended without its worker."""
        with transaction(self._engine) as connection:
            connection.execute(_COUNT_KEPT, {"job_id": job_id, "size": size})

    def ahead(self, job: Job) -> int:
        """Return how many jobs of the same account were queued before a queued one."""
        with transaction(self._engine) as connection:
            values = {"account": job.account, "queued": job.queued, "job_id": job.job_id}
            ahead: int = connection.execute(_AHEAD, values).scalar_one()
        return ahead

    def phases(self, job_ids: Sequence[str]) -> dict[str, Phase]:
        """Return the phases of those jobs that exist."""
        with transaction(self._engine) as connection:
            rows = connection.execute(_PHASES, {"job_ids": list(job_ids)}).all()
        return {job_id: Phase(phase) for job_id, phase in rows}

    def references(
        self,
        service: str,
        account: str | None,
        wanted: JobFilter,
        *,
        limit: int,
        before: tuple[datetime, str] | None = None,
    ) -> list[JobReference]:
        """Return a page of a job list, the newest first.

        Parameters
        ----------
        service : str
            Whose list.
        account : str, optional
            Whose jobs; None for all.
        wanted : JobFilter
            Which of them; its `last` is the caller's to count.
        limit : int
            Size of the page.
        before : (datetime, str), optional
            Creation time and id of the last job of the page before.
        """
        conditions = ["service = :service", "NOT deleted"]
        values: dict[str, Any] = {"service": service, "limit": limit}
        if account is not None:
            conditions.append("account = :account")
            values["account"] = account
        if wanted.phases:
            conditions.append("phase = ANY(:phases)")
            values["phases"] = [str(phase) for phase in wanted.phases]
        else:
            conditions.append("phase <> 'ARCHIVED'")
        if wanted.after is not None:
            conditions.append("created > :after")
            values["after"] = wanted.after
        if before is not None:
            conditions.append("(created, job_id) < (:before, :before_id)")
            values["before"], values["before_id"] = before
        statement = text(
            "SELECT job_id, phase, run_id, owner, created, started, ended FROM uws.jobs "  # noqa: S608  (our own words)
            f"WHERE {' AND '.join(conditions)} ORDER BY created DESC, job_id DESC LIMIT :limit"
        )
        with transaction(self._engine) as connection:
            rows = connection.execute(statement, values).all()
        return [
            JobReference(row.job_id, Phase(row.phase), row.run_id, row.owner, row.created, row.started, row.ended)
            for row in rows
        ]

    def add_parameters(
        self, job_id: str, parameters: Sequence[tuple[str, str]], run_id: str | None, inputs: Sequence[Input] = ()
    ) -> bool:
        """Add to a pending job the parameters that it has not yet, a new RUNID in place of the old one, and files.

        Returns
        -------
        bool
            Whether it was pending.
        """
        with transaction(self._engine) as connection:
            values = {
                "job_id": job_id,
                "parameters": json.dumps(parameters),
                "run_id": run_id,
                "inputs": json.dumps([asdict(one) for one in inputs]),
                "more": sum(one.size for one in inputs),
            }
            return bool(connection.execute(_ADD_PARAMETERS, values).rowcount)

    def set_estimate(self, job_id: str, estimate: Estimate) -> None:
        """Replace what a pending job is expected to cost."""
        with transaction(self._engine) as connection:
            connection.execute(
                text(
                    "UPDATE uws.jobs SET facts = CAST(:facts AS jsonb), "
                    "quote = date_trunc('milliseconds', clock_timestamp()) + make_interval(secs => :seconds) "
                    "WHERE job_id = :job_id AND phase = 'PENDING' AND NOT deleted"
                ),
                {"job_id": job_id, "seconds": estimate.seconds, "facts": json.dumps({"plan": estimate.plan})},
            )

    def set_execution_duration(self, job_id: str, seconds: int) -> bool:
        """Set how long a pending job may run; return whether it was pending."""
        with transaction(self._engine) as connection:
            done = connection.execute(
                text(
                    "UPDATE uws.jobs SET execution_duration = :seconds "
                    "WHERE job_id = :job_id AND phase = 'PENDING' AND NOT deleted"
                ),
                {"job_id": job_id, "seconds": seconds},
            )
            return bool(done.rowcount)

    def set_destruction(self, job_id: str, moment: datetime, max_retention: int) -> None:
        """Set when a job is destroyed, at most so many seconds from now."""
        with transaction(self._engine) as connection:
            connection.execute(
                text(
                    "UPDATE uws.jobs SET destruction = least(:moment, date_trunc('milliseconds', clock_timestamp()) "
                    "+ make_interval(secs => :most)) WHERE job_id = :job_id"
                ),
                {"job_id": job_id, "moment": moment, "most": max_retention},
            )

    def queue(self, job_id: str) -> bool:
        """Queue a pending job; return False if it is not pending any more."""
        with transaction(self._engine) as connection:
            # From EXECUTING a job goes back to QUEUED too, but never because a client sent RUN twice.
            pending = "NOT deleted AND phase = 'PENDING'"
            return change_phase(connection, job_id, Phase.QUEUED, condition=pending) is not None

    def abort(self, job_id: str) -> Phase | None:
        """Abort a job that waits at once, or ask the worker of one that runs; return the phase it is in then."""
        with transaction(self._engine) as connection:
            # Between two looks a worker may begin the job or hand it back: the row is held while it is decided.
            phase = connection.execute(
                text("SELECT phase FROM uws.jobs WHERE job_id = :job_id AND NOT deleted FOR UPDATE"),
                {"job_id": job_id},
            ).scalar()
            if phase is None:
                return None
            if phase == Phase.EXECUTING:
                connection.execute(
                    text("UPDATE uws.jobs SET abort_asked = true WHERE job_id = :job_id"), {"job_id": job_id}
                )
                return Phase.EXECUTING
            job = change_phase(connection, job_id, Phase.ABORTED, condition="phase IN ('PENDING', 'QUEUED')")
            return Phase(phase) if job is None else job.phase

    def mark_deleted(self, job_id: str) -> Phase | None:
        """Hide a job from everybody and ask its worker to stop; return the phase it is in."""
        with transaction(self._engine) as connection:
            phase = connection.execute(
                text("UPDATE uws.jobs SET deleted = true WHERE job_id = :job_id AND NOT deleted RETURNING phase"),
                {"job_id": job_id},
            ).scalar()
            return None if phase is None else Phase(phase)

    def forget(self, job_id: str) -> bool:
        """Remove the row of a deleted job whose files are gone; return False while it runs."""
        with transaction(self._engine) as connection:
            return bool(
                connection.execute(
                    text("DELETE FROM uws.jobs WHERE job_id = :job_id AND deleted AND phase <> 'EXECUTING'"),
                    {"job_id": job_id},
                ).rowcount
            )

    def exists(self, job_id: str) -> bool:
        """Return whether the job has a row, be it hidden."""
        with transaction(self._engine) as connection:
            found = connection.execute(text("SELECT 1 FROM uws.jobs WHERE job_id = :job_id"), {"job_id": job_id})
            return found.scalar() is not None

    def deletable(self, job_id: str) -> bool:
        """Return whether a job is deleted and does not run, so that its files can go."""
        with transaction(self._engine) as connection:
            found = connection.execute(
                text("SELECT 1 FROM uws.jobs WHERE job_id = :job_id AND deleted AND phase <> 'EXECUTING'"),
                {"job_id": job_id},
            )
            return found.scalar() is not None

    @staticmethod
    def _check_quota(connection: Connection, account: str, limits: Limits) -> None:
        connection.execute(_ONE_AT_A_TIME, {"key": ACCOUNT_LOCK, "account": account})
        limits.check_waiting(connection.execute(_WAITING, {"account": account}).scalar_one())


def stored_bytes(connection: Connection, account: str) -> int:
    """Return the size of all stored files of an account."""
    return connection.execute(_STORED, {"account": account}).scalar() or 0


def job_of(row: Row[Any]) -> Job:
    """Return a row as a job."""
    return Job(
        job_id=row.job_id,
        service=row.service,
        owner=row.owner,
        account=row.account,
        run_id=row.run_id,
        phase=Phase(row.phase),
        created=row.created,
        queued=row.queued,
        started=row.started,
        ended=row.ended,
        execution_duration=row.execution_duration,
        destruction=row.destruction,
        quote=row.quote,
        parameters=[(name, value) for name, value in row.parameters],
        inputs=[Input(**one) for one in row.inputs],
        results=[Result(**result) for result in row.results],
        error=None if row.error is None else ErrorSummary(**row.error),
        progress=None if row.progress is None else Progress(**row.progress),
        worker_id=row.worker_id,
        attempt=row.attempt,
        vain_attempts=row.vain_attempts,
        abort_asked=row.abort_asked,
        facts=Facts.of(row.facts),
    )
