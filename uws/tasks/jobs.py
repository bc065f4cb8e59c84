"""Runs of tasks as jobs (a `uws.executor.Executor` for each task)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import structlog

from uws.continuing import CONTINUE
from uws.executor import JobContext, Stop
from uws.inputs import OpenInput
from uws.models import Facts, Job, Progress
from uws.tasks.catalogue import service_of
from uws.tasks.declaration import Recovery, Task
from uws.tasks.journal import BeginAnewError, Journal
from uws.tasks.request import TaskRequest
from uws.tasks.running import TaskRunner
from vo.core.callers import Caller
from vo.core.dali.parameters import Parameters
from vo.core.errors import UnavailableError
from vo.core.settings import Settings

log = structlog.get_logger()

ATTEMPTS = 3
"""How often a job is begun whose worker goes away."""


class TaskJobs:
    """Runs the jobs of one task.

    Parameters
    ----------
    task : Task
        Which.
    runner : TaskRunner
        Runs it.
    settings : Settings
        Limits.
    """

    def __init__(self, task: Task[Any], runner: TaskRunner, settings: Settings) -> None:
        self.service = service_of(task)
        self.attempts = 1 if task.recovery is Recovery.FAIL else ATTEMPTS
        self._task = task
        self._runner = runner
        self._settings = settings

    def run(self, job: Job, context: JobContext) -> None:
        """Run a job and store its results."""
        context.keeps_partial = self._task.keeps_partial
        resumes = self._task.recovery is Recovery.RESUME
        ends: tuple[Stop | None, ...] = (None,)
        try:
            parameters = Parameters(pair for pair in job.parameters if pair[0] != CONTINUE)
            request = TaskRequest.from_parameters(self._task, parameters, self._settings)
            caller = Caller(identity=job.owner, address=job.account.partition(":")[2])
            with context.inputs() as files:
                while not self._run(job, context, request, files, caller):
                    context.begin_anew()
            ends = (None, Stop.TIME, Stop.DRAIN)  # too late for those
        except UnavailableError:  # it may be begun again, and go on
            ends = ()
            raise
        finally:
            if resumes and context.stopping in ends:  # else whoever goes on with it needs it
                context.forget_checkpoint()
            order = [output.name for output in self._task.outputs]
            context.results.sort(key=lambda result: order.index(result.id))

    def _run(
        self, job: Job, context: JobContext, request: TaskRequest, files: Mapping[str, OpenInput], caller: Caller
    ) -> bool:
        """Run it; return False if it has to begin anew, without what was kept before."""
        resumes = self._task.recovery is Recovery.RESUME and context.resumable
        identity = {"task": self._task.name, "version": self._task.version}
        journal = Journal(context, identity) if resumes else None
        run = self._runner.run(
            request, files, caller, job.job_id, store=context, report=_Report(context), journal=journal
        )
        try:
            with context.cancelled_by(run.cancel):
                run.run()
        except BeginAnewError as reason:
            log.warning("task.anew", job=job.job_id, task=self._task.name, reason=str(reason))
            return False
        return True


class _Report:
    """Tells a job's context how its run goes."""

    def __init__(self, context: JobContext) -> None:
        self._context = context

    def tell(self, progress: Progress, facts: Facts) -> None:
        """Show it with the job."""
        self._context.progress = progress
        self._context.facts = facts

    def closing(self) -> None:
        """Let the ends of results be written although its time is over; a job that is stopped for else keeps none."""
        self._context.closing = self._context.stopping in (None, Stop.TIME)
