"""Destruction of old jobs and of files that belong to none; any number of workers does it at the same time."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy import Engine, text

from uws.executor import folder_of
from uws.models import Phase
from uws.store import JobStore, change_phase, transaction
from vo.core.files import FileStore

ORPHANS_EVERY = 600.0
"""Seconds between two searches for files without a job."""
ORPHAN_AGE = timedelta(hours=1)
"""Younger files may belong to a job that is just being created."""
AT_ONCE = 200

log = structlog.get_logger()

_DUE = text("""
    SELECT job_id, phase FROM uws.jobs
    WHERE destruction < clock_timestamp() AND NOT deleted
    ORDER BY destruction LIMIT :limit FOR UPDATE SKIP LOCKED
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
        for job_id in self._deleted():
            self.forget(job_id)
        self._tidy_accounts()
        if time.monotonic() - self._searched > ORPHANS_EVERY:
            self._searched = time.monotonic()
            self.remove_orphans()

    def forget(self, job_id: str) -> None:
        """Remove the files and then the row of a job that is deleted and does not run."""
        if self._store.deletable(job_id):
            self._files.delete_folder(folder_of(job_id))
            self._store.forget(job_id)

    def _destroy_due(self) -> bool:
        """Archive or delete jobs whose destruction time has passed; return whether there may be more."""
        archived = []
        with transaction(self._engine) as connection:
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
                    WHERE NOT EXISTS (SELECT FROM uws.jobs AS j WHERE j.account = a.account)
                      AND a.last_turn < (SELECT last_value FROM uws.turns) - 1000
                """)
            )

    def remove_orphans(self) -> int:
        """Remove files of jobs that there are not, and of attempts that did not win; return how many folders."""
        removed = 0
        young = datetime.now(UTC) - ORPHAN_AGE
        for prefix, _ in self._files.folders():
            jobs = dict(self._files.folders(prefix))
            known = self._store.attempts(list(jobs))
            for job_id, changed in jobs.items():
                if job_id not in known:
                    if changed is None or changed < young:
                        self._files.delete_folder(f"{prefix}/{job_id}")
                        removed += 1
                    continue
                for attempt, _ in self._files.folders(f"{prefix}/{job_id}"):
                    if attempt != str(known[job_id]):
                        self._files.delete_folder(f"{prefix}/{job_id}/{attempt}")
                        removed += 1
        if removed:
            log.info("files.orphans", removed=removed)
        return removed
