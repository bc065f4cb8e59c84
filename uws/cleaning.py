"""Destruction of old jobs and of files that belong to none; any number of workers does it at the same time."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy import Engine, text

from uws.checkpoints import Checkpoints
from uws.folders import folder_of
from uws.models import Phase
from uws.store import JobStore, change_phase, transaction
from vo.core.errors import ServiceError
from vo.core.files import FileStore

ORPHANS_EVERY = 600.0
"""Seconds between two searches for files without a job."""
ORPHAN_AGE = timedelta(hours=1)
"""Younger files may belong to a job that is just being created."""
AT_ONCE = 200
CLEAN_LOCK = 0x766F0005
"""Key of the advisory lock of whoever destroys jobs: two would wait for each other's accounts."""

log = structlog.get_logger()

_ONE_CLEANS = text("SELECT pg_try_advisory_xact_lock(:key)")
_DUE = text("""
    SELECT job_id, phase FROM uws.jobs
    WHERE destruction < now() AND NOT deleted
    ORDER BY destruction LIMIT :limit FOR UPDATE SKIP LOCKED
""")

_OVER = text("""
    SELECT job_id, attempt - (phase IN ('EXECUTING', 'COMPLETED') OR results <> '[]')::int AS last_over
    FROM uws.jobs WHERE job_id = ANY(:job_ids)
""")


class Cleaner:
    """Removes jobs whose time has come.

    Parameters
    ----------
    engine : sqlalchemy.Engine
        Connections as the owner.
    files : FileStore
        Where results are stored.
    archive_time : int
        Seconds that records are kept as ARCHIVED; 0 forgets them.
    pause : float
        Seconds between two rounds.
    """

    def __init__(self, engine: Engine, files: FileStore, *, archive_time: int, pause: float = 2.0) -> None:
        self.pause = pause
        self._engine = engine
        self._store = JobStore(engine)
        self._files = files
        self._archive_time = archive_time
        self._searched = float("-inf")

    def clean(self) -> None:
        """Do one round."""
        while self._destroy_due():
            pass
        failed = None
        for job_id in self._deleted():
            try:
                self.forget(job_id)
            except ServiceError as error:  # one folder that resists must not stop the rest
                failed = error
        if failed is not None:
            log.warning("cleaning.failed", reason=str(failed))
        self._tidy_accounts()
        if time.monotonic() - self._searched > ORPHANS_EVERY:
            self._searched = time.monotonic()
            self.remove_orphans()

    def discard(self, job_id: str, attempt: int) -> None:
        """Remove what an attempt stored whose worker was lost; a checkpoint stays, and counts if the job is over."""
        try:
            self._files.delete_folder(f"{folder_of(job_id)}/{attempt}")
            kept = Checkpoints(self._files, job_id).load()
            if kept is not None:
                self._store.count_kept(job_id, kept.size)
        except ServiceError as error:  # the search for orphans finds it later
            log.warning("cleaning.failed", job=job_id, reason=str(error))

    def forget(self, job_id: str) -> None:
        """Remove the files and then the row of a job that is deleted and does not run."""
        if self._store.deletable(job_id):
            self._files.delete_folder(folder_of(job_id))
            self._store.forget(job_id)

    def _destroy_due(self) -> bool:
        """Archive or delete jobs whose destruction time has passed; return whether there may be more."""
        archived = []
        with transaction(self._engine) as connection:
            if not connection.execute(_ONE_CLEANS, {"key": CLEAN_LOCK}).scalar():
                return False
            due = connection.execute(_DUE, {"limit": AT_ONCE}).all()
            for job_id, phase in due:
                keep = self._archive_time and change_phase(
                    connection,
                    job_id,
                    Phase.ARCHIVED,
                    changes="results = '[]', stored_bytes = 0, "
                    "destruction = clock_timestamp() + make_interval(secs => :archive_time)",
                    archive_time=self._archive_time,
                )
                if keep:
                    archived.append(job_id)
                else:
                    connection.execute(
                        text("UPDATE uws.jobs SET deleted = true WHERE job_id = :job_id"), {"job_id": job_id}
                    )
                log.info("job.destroyed", job=job_id, phase=phase, archived=bool(keep))
        for job_id in archived:
            self._files.delete_folder(folder_of(job_id))
        return len(due) == AT_ONCE

    def _deleted(self) -> list[str]:
        with transaction(self._engine) as connection:
            return list(
                connection.execute(
                    text("SELECT job_id FROM uws.jobs WHERE deleted AND phase <> 'EXECUTING' LIMIT :limit"),
                    {"limit": AT_ONCE},
                ).scalars()
            )

    def _tidy_accounts(self) -> None:
        """Forget accounts without jobs, so that addresses of anonymous callers are not kept."""
        with transaction(self._engine) as connection:
            connection.execute(
                text("""
                    DELETE FROM uws.accounts AS a
                    WHERE a.last_turn < (SELECT last_value FROM uws.turns) - 1000
                      AND (SELECT job_id FROM uws.jobs WHERE account = a.account AND NOT deleted LIMIT 1) IS NULL
                """)
            )

    def remove_orphans(self) -> int:
        """Remove files of jobs that there are not, and of attempts that did not win; return how many folders."""
        removed = 0
        young = datetime.now(UTC) - ORPHAN_AGE
        for prefix, _ in self._files.folders():
            jobs = dict(self._files.folders(prefix))
            over = self._attempts_over(list(jobs))
            for job_id, changed in jobs.items():
                if job_id not in over:
                    if changed is None or changed < young:
                        self._files.delete_folder(f"{prefix}/{job_id}")
                        removed += 1
                    continue
                for attempt, _ in self._files.folders(f"{prefix}/{job_id}"):
                    # A later one may have begun since we asked.
                    if attempt.isdecimal() and int(attempt) <= over[job_id]:
                        self._files.delete_folder(f"{prefix}/{job_id}/{attempt}")
                        removed += 1
        if removed:
            log.info("files.orphans", removed=removed)
        return removed

    def _attempts_over(self, job_ids: list[str]) -> dict[str, int]:
        """Return for each of those jobs that exist the last attempt that is over and whose files are not wanted."""
        with transaction(self._engine) as connection:
            return {row.job_id: row.last_over for row in connection.execute(_OVER, {"job_ids": job_ids})}
