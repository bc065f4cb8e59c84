"""The rules of one job list: who may do what, within which limits."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TypeAlias

from uws import inputs
from uws.checkpoints import Checkpoints
from uws.continuing import CONTINUE, LEFT, nothing_left, parameters_from, refuse_beside
from uws.folders import folder_of
from uws.models import Estimate, Job, JobFilter, JobReference, Phase, Progress, Result
from uws.store import JobStore
from vo.core.callers import OPERATOR, Caller
from vo.core.dali.multipart import SentFile
from vo.core.dali.parameters import Parameters
from vo.core.errors import ForbiddenError, LimitError, NotFoundError, ParameterError
from vo.core.files import FileStore
from vo.core.limits import Limits

MAX_RUNID = 64
Estimator: TypeAlias = Callable[[Caller, Parameters, Mapping[str, SentFile]], Estimate | None]
NO_FILES: Mapping[str, SentFile] = {}
PAGE = 1000
"""Jobs that are read from the store at once."""

# ISO 8601 as far as clients send it. A plus sign that was not percent-encoded arrives as a space.
_TIME = re.compile(
    r"(?P<year>\d{4})(-?)(?P<month>\d{2})\2(?P<day>\d{2})"
    r"(?:[T ](?P<clock>\d{2}:\d{2}(?::\d{2})?)(?:\.(?P<fraction>\d{1,9}))?)?(?:Z|[+ ]00:00)?",
    re.ASCII,
)
_DAYS = re.compile(r"(?P<year>\d{4})(?:-(?P<month>\d{2}))?", re.ASCII)
"""A whole year or month, which means its beginning."""
_SECONDS = re.compile(r"(\d+)(\.0*)?", re.ASCII)
_JOB_ID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)


class Jobs:
    """The jobs of one service.

    Parameters
    ----------
    service : str
        Its name.
    store : JobStore
        Where jobs are.
    files : FileStore
        Where results are.
    limits : Limits
        What one caller may use.
    max_parameters : int
        Most characters of all parameters of a job.
    estimate : callable, optional
        Says what a job will cost, from the caller, its parameters and the files that come with them; None where nobody
        knows.
    continues : bool, optional
        Whether a job can go on with one that was aborted or failed; None where CONTINUE is a parameter as any other.
    """

    def __init__(
        self,
        service: str,
        store: JobStore,
        files: FileStore,
        limits: Limits,
        *,
        max_parameters: int,
        estimate: Estimator | None = None,
        continues: bool | None = None,
    ) -> None:
        self.service = service
        self.files = files
        self.limits = limits
        self._store = store
        self._max_parameters = max_parameters
        self._estimate = estimate
        self._continues = continues

    def create(self, caller: Caller, parameters: Parameters, files: Mapping[str, SentFile] = NO_FILES) -> Job:
        """Create a job; ``PHASE=RUN`` among the parameters queues it at once. Files stay with the job.

        ``CONTINUE`` names a job of the same list that was aborted, ran out of its time, or was given up. The new one
        has its parameters and its files, and what it has kept: it goes on from there. The old one stays as it is.

        Raises
        ------
        ServiceError
            Why it is not taken; then there is no job.
        """
        if self._continues is not None and (left := parameters.one(CONTINUE)) is not None:
            return self._create_from(caller, left.strip(), parameters, files)
        run = self._asked_phase(parameters, {"RUN"}) is not None
        run_id = _run_id(parameters)
        job_id = secrets.token_hex(16)
        self._check_room(caller, files)
        estimate = None if self._estimate is None else self._estimate(caller, parameters, files)
        with inputs.stored(self.files, job_id, files) as kept:
            return self._store.create(
                job_id=job_id,
                service=self.service,
                owner=caller.identity,
                account=caller.account,
                run_id=run_id,
                parameters=_job_parameters(parameters),
                inputs=kept,
                limits=self.limits,
                run=run,
                estimate=estimate,
            )

    def _create_from(self, caller: Caller, left: str, parameters: Parameters, files: Mapping[str, SentFile]) -> Job:
        """Create a job that goes on with another one."""
        if not self._continues:
            raise ParameterError(
                CONTINUE, "jobs of this list keep nothing with which another one could go on.", hint="Send them again."
            )
        refuse_beside(parameters, files)
        run = self._asked_phase(parameters, {"RUN"}) is not None
        run_id = _run_id(parameters)
        old = self.get(caller, left)
        checkpoints = Checkpoints(self.files, old.job_id)
        checkpoint = checkpoints.load() if old.phase in LEFT else None
        if checkpoint is None:
            raise nothing_left(old)
        duration = parameters.one("EXECUTIONDURATION")
        seconds = old.execution_duration if duration is None else self._duration(duration)
        self.limits.check_disk(self.files.free())
        stored = self._store.stored_bytes(caller.account)
        self.limits.check_space(stored + checkpoint.size + sum(one.size for one in old.inputs))
        job_id = secrets.token_hex(16)
        try:
            Checkpoints(self.files, job_id).take_over(checkpoints, checkpoint)
            return self._store.create(
                job_id=job_id,
                service=self.service,
                owner=caller.identity,
                account=caller.account,
                run_id=run_id or old.run_id,
                parameters=parameters_from(old, _job_parameters(parameters)),
                inputs=inputs.taken_over(self.files, job_id, old.inputs),
                limits=replace(self.limits, job_time=seconds),
                run=run,
                estimate=Estimate(None, f"Goes on where the job {old.job_id} ended."),
                kept=checkpoint.size,
            )
        except BaseException as error:
            self.files.delete_folder(folder_of(job_id))
            if isinstance(error, NotFoundError):  # it was destroyed meanwhile
                raise _no_job(left) from None
            raise

    def can_go_on(self, job: Job) -> bool:
        """Return whether another job can go on with one."""
        return bool(self._continues) and job.phase in LEFT and Checkpoints(self.files, job.job_id).there

    def get(self, caller: Caller, job_id: str) -> Job:
        """Return a job.

        Raises
        ------
        NotFoundError
            If there is none with this id.
        ForbiddenError
            If it belongs to somebody else.
        """
        job = self._store.read(self.service, job_id) if _JOB_ID.fullmatch(job_id) else None
        if job is None:
            raise _no_job(job_id)
        # Who knows the unguessable id of an anonymous job may use it.
        if job.owner is not None and job.owner != caller.identity and caller is not OPERATOR:
            raise ForbiddenError(f"The job {job_id} belongs to somebody else.")
        return job

    def with_turn(self, job: Job) -> Job:
        """Return a queued job with a word on what it waits for, any other job as it is."""
        if job.phase is not Phase.QUEUED:
            return job
        ahead = self._store.ahead(job)
        stage = "waits for its turn"
        if ahead:
            stage += f" behind {ahead} of your own" if ahead > 1 else " behind one of your own"
        return replace(job, progress=Progress(stage=stage))

    def list_pages(self, caller: Caller, wanted: JobFilter) -> Iterator[Sequence[JobReference]]:
        """Yield the caller's jobs page by page, the newest first."""
        account = None if caller is OPERATOR else caller.account
        before = None
        left = wanted.last
        while left is None or left > 0:
            limit = PAGE if left is None else min(PAGE, left)
            page = self._store.references(self.service, account, wanted, limit=limit, before=before)
            yield page
            if len(page) < limit:
                return
            before = page[-1].created, page[-1].job_id
            left = None if left is None else left - len(page)

    def page(
        self, caller: Caller, wanted: JobFilter, before: tuple[datetime, str] | None, limit: int
    ) -> list[JobReference]:
        """Return one page of the caller's jobs, the newest first."""
        account = None if caller is OPERATOR else caller.account
        return self._store.references(self.service, account, wanted, limit=limit, before=before)

    def add_parameters(
        self, caller: Caller, job_id: str, parameters: Parameters, files: Mapping[str, SentFile] = NO_FILES
    ) -> Job:
        """Add parameters and files to a pending job (DALI 1.1, section 3.1: they accumulate, none is replaced)."""
        job = self.get(caller, job_id)
        if self._continues is not None and parameters.all(CONTINUE):
            raise ParameterError(CONTINUE, "only a new job goes on with another one.", hint="Create another job.")
        if self._continues and any(name == CONTINUE for name, _ in job.parameters):
            refuse_beside(parameters, files)
        added = _job_parameters(parameters)
        size = sum(len(name) + len(value) for name, value in [*job.parameters, *added])
        if size > self._max_parameters:
            raise LimitError(
                f"The job's parameters would have {size} characters, and may have {self._max_parameters}.",
                hint="Send less.",
            )
        self._check_room(caller, files)
        with inputs.stored(self.files, job.job_id, files) as kept:
            if not self._store.add_parameters(job.job_id, added, _run_id(parameters), kept):
                raise ForbiddenError(
                    f"The job is {self._phase_now(job)}: parameters are taken while it is PENDING only.",
                    hint="Create another job.",
                )
        if self._estimate is not None:
            together = Parameters([*job.parameters, *added])
            if (estimate := self._estimate(caller, together, files)) is not None:
                self._store.set_estimate(job.job_id, estimate)
        return job

    def change_phase(self, caller: Caller, job_id: str, parameters: Parameters) -> tuple[Job, Phase]:
        """Do what ``PHASE=RUN`` or ``PHASE=ABORT`` asks; return the job as it was, and its phase now.

        To abort a job that has ended, or to run one that is queued or runs, is no error and changes nothing.
        """
        job = self.get(caller, job_id)
        match self._asked_phase(parameters, {"RUN", "ABORT"}):
            case "RUN":
                if job.phase is Phase.PENDING and self._store.queue(job.job_id):
                    return job, Phase.QUEUED
                now = self._phase_now(job)
                if now not in (Phase.QUEUED, Phase.EXECUTING):
                    raise ForbiddenError(f"The job is {now} and cannot be run.", hint="Create another job.")
                return job, now
            case "ABORT":
                aborted = self._store.abort(job.job_id)
                if aborted is None:
                    raise _no_job(job_id)
                return job, aborted
        raise ParameterError("PHASE", "is missing.", hint="Send RUN or ABORT.")

    def set_execution_duration(self, caller: Caller, job_id: str, parameters: Parameters) -> Job:
        """Set how long a job may run; 0 and what is above the limit become the limit."""
        job = self.get(caller, job_id)
        seconds = self._duration(parameters.one("EXECUTIONDURATION") or "")
        if not self._store.set_execution_duration(job.job_id, seconds):
            raise ForbiddenError(
                f"The job is {self._phase_now(job)}: its duration can be set while it is PENDING only.",
                hint="Create another job.",
            )
        return job

    def set_destruction(self, caller: Caller, job_id: str, parameters: Parameters) -> Job:
        """Set when a job is destroyed; what is beyond the limit becomes the limit."""
        job = self.get(caller, job_id)
        value = parameters.one("DESTRUCTION") or ""
        moment = read_time("DESTRUCTION", value)
        self._store.set_destruction(job.job_id, moment, self.limits.max_retention)
        return job

    def delete(self, caller: Caller, job_id: str) -> bool:
        """Delete a job; return whether it is gone, or still has to be stopped by its worker."""
        job = self.get(caller, job_id)
        phase = self._store.mark_deleted(job.job_id)
        if phase is None:
            raise _no_job(job_id)
        if phase is Phase.EXECUTING:
            return False
        self.files.delete_folder(folder_of(job.job_id))
        self._store.forget(job.job_id)
        return True

    def gone(self, job_id: str) -> bool:
        """Return whether nothing is left of a deleted job."""
        return not self._store.exists(job_id)

    def result(self, caller: Caller, job_id: str, result_id: str) -> Result:
        """Return one of a job's results.

        Raises
        ------
        NotFoundError
            If there is none of this name, or not yet.
        """
        job = self.get(caller, job_id)
        for result in job.results:
            if result.id == result_id:
                return result
        if job.phase is Phase.COMPLETED:
            names = ", ".join(result.id for result in job.results) or "none"
            raise NotFoundError(f"The job has no result {result_id[:40]!r}.", hint=f"Its results: {names}.")
        raise NotFoundError(
            f"The job is {job.phase} and has no results.", hint=None if job.error is None else job.error.message
        )

    def _check_room(self, caller: Caller, files: Mapping[str, SentFile]) -> None:
        size = sum(file.size for file in files.values())
        if size:
            self.limits.check_disk(self.files.free())
            self.limits.check_space(self._store.stored_bytes(caller.account) + size)

    def _duration(self, value: str) -> int:
        """Read an execution duration; 0 and what is above the limit become the limit."""
        found = _SECONDS.fullmatch(value.strip())
        if not found:
            raise ParameterError("EXECUTIONDURATION", f"{value[:40]!r} is not a whole number of seconds.")
        digits = found[1].lstrip("0")
        # Python refuses to read thousands of digits; so many seconds are more than the limit anyway.
        seconds = int(digits) if 0 < len(digits) < 10 else self.limits.max_job_time
        return min(seconds, self.limits.max_job_time)

    def _phase_now(self, job: Job) -> Phase:
        now = self._store.phases([job.job_id])
        if job.job_id not in now:
            raise _no_job(job.job_id)
        return now[job.job_id]

    @staticmethod
    def _asked_phase(parameters: Parameters, allowed: set[str]) -> str | None:
        value = parameters.one("PHASE")
        if value is not None and value.strip().upper() not in allowed:
            raise ParameterError(
                "PHASE",
                f"{value[:40]!r} cannot be asked for.",
                hint=f"Send {' or '.join(sorted(allowed, reverse=True))}.",
            )
        return None if value is None else value.strip().upper()


def read_filter(parameters: Parameters) -> JobFilter:
    """Read PHASE, AFTER and LAST of a job list (UWS 1.1, section 2.2.2.1).

    Raises
    ------
    ParameterError
        If one of them is not what the standard asks.
    """
    after = parameters.one("AFTER")
    return JobFilter(
        frozenset(map(read_phase, parameters.all("PHASE"))),
        None if after is None else read_time("AFTER", after),
        parameters.integer("LAST", least=1),
    )


def read_phase(value: str) -> Phase:
    """Read the name of a phase.

    Raises
    ------
    ParameterError
        If it is none.
    """
    try:
        return Phase(value.strip().upper())
    except ValueError:
        raise ParameterError(
            "PHASE", f"{value[:40]!r} is not a phase.", hint=f"The phases are {', '.join(Phase)}."
        ) from None


def read_time(name: str, value: str) -> datetime:
    """Read a time in UTC, with or without Z (DALI 1.1, section 3.1.2), a day, a month or a year.

    Raises
    ------
    ParameterError
        If it is not one, or of another time zone.
    """
    text = value.strip()
    found = _TIME.fullmatch(text) or _DAYS.fullmatch(text)
    try:
        if found is None:
            raise ValueError
        part = {"day": "01", "clock": "00:00", "fraction": "", **found.groupdict()}
        day = f"{part['year']}-{part['month'] or '01'}-{part['day']}"
        moment = datetime.fromisoformat(f"{day}T{part['clock'] or '00:00'}")
    except ValueError:
        raise ParameterError(
            name, f"{value[:40]!r} is not a time in UTC.", hint="Write it like 2026-01-31T23:59:59Z."
        ) from None
    return moment.replace(microsecond=int((part["fraction"] or "")[:6].ljust(6, "0")), tzinfo=UTC)


def _run_id(parameters: Parameters) -> str | None:
    run_id = parameters.one("RUNID")
    if run_id is not None and len(run_id) > MAX_RUNID:
        raise ParameterError("RUNID", f"has {len(run_id)} characters, the limit is {MAX_RUNID}.")
    return run_id


CONTROL = frozenset({"PHASE", "ACTION"})
"""Parameters that speak to UWS and are none of the job's."""


def _job_parameters(parameters: Parameters) -> list[tuple[str, str]]:
    """Return what belongs to the job, each pair once; what has no name can mean nothing."""
    return list(dict.fromkeys((name, value) for name, value in parameters.pairs() if name and name not in CONTROL))


def _no_job(job_id: str) -> NotFoundError:
    return NotFoundError(
        f"There is no job {job_id[:40]!r}.", hint="It never was, was deleted, or its destruction time has passed."
    )
