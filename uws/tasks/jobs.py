"""Runs of tasks as jobs (a `uws.executor.Executor` for each task)."""

from __future__ import annotations

from typing import Any

from uws.executor import JobContext, Stop
from uws.models import Facts, Job, Progress
from uws.tasks.catalogue import service_of
from uws.tasks.declaration import Recovery, Task
from uws.tasks.request import TaskRequest
from uws.tasks.running import TaskRunner
from vo.core.callers import Caller
from vo.core.dali.parameters import Parameters
from vo.core.errors import ServiceError, UnavailableError
from vo.core.settings import Settings

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
        try:
            request = TaskRequest.from_parameters(self._task, Parameters(job.parameters), self._settings)
            caller = Caller(identity=job.owner, address=job.account.partition(":")[2])
            with context.inputs() as files:
                run = self._runner.run(
                    request,
                    files,
                    caller,
                    job.job_id,
                    store=context,
                    report=_Report(context),
                    checkpoint=context.load_checkpoint() if resumes and job.attempt > 1 else None,
                )
                with context.cancelled_by(run.cancel):
                    run.run()
        except UnavailableError:  # it may be begun again, and go on
            raise
        except ServiceError:
            if resumes and not context.interrupted:
                context.forget_checkpoint()
            raise
        finally:
            order = [output.name for output in self._task.outputs]
            context.results.sort(key=lambda result: order.index(result.id))
        if resumes and context.stopping is not Stop.LOST:  # then it is the next attempt's
            context.forget_checkpoint()


class _Report:
    """Tells a job's context how its run goes."""

    def __init__(self, context: JobContext) -> None:
        self._context = context

    def tell(self, progress: Progress, facts: Facts) -> None:
        """Show it with the job."""
        self._context.progress = progress
        self._context.facts = facts

    def save(self, state: bytes) -> None:
        """Store the checkpoint beside the job."""
        self._context.save_checkpoint(state)

    def closing(self) -> None:
        """Let the ends of results be written although its time is over; a job that is stopped for else keeps none."""
        self._context.closing = self._context.stopping in (None, Stop.TIME)
