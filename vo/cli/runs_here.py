"""Running a task in this process and its children, where no worker lives or none is wanted."""

from __future__ import annotations

import secrets
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from uws.continuing import CONTINUE
from uws.executor import Executor, JobContext, Stop, StoppedError
from uws.folders import inputs_folder
from uws.models import ErrorSummary, Input, Job, Phase, Result
from vo.cli.following import View, state
from vo.cli.runs import BLOCK_BYTES, Asked, Coming
from vo.cli.uploads import LocalFile
from vo.core.callers import OPERATOR
from vo.core.errors import ServiceError, UsageError
from vo.core.files import FileStore
from vo.core.limits import Limits
from vo.core.settings import Settings

LOOK_SECONDS = 0.2


class ThisProcess:
    """The process of the command itself; it runs a task as a worker does, with the same children and limits.

    Parameters
    ----------
    settings : Settings
        Limits.
    executor : callable
        Gives what runs the jobs of a task.
    """

    def __init__(self, settings: Settings, executor: Callable[[str], Executor]) -> None:
        self._settings = settings
        self._executor = executor
        self._runs: list[RunHere] = []

    def begin(self, asked: Asked, *, start: bool, show: Callable[[str], None]) -> RunHere:
        """Start it at once."""
        del start
        if any(name == CONTINUE for name, _ in asked.parameters):
            raise UsageError("Only a worker can go on with a job, and none takes jobs.", hint="Start one: vo worker.")
        show("starting")
        self._runs.append(RunHere(self._executor(asked.task), asked, Limits.of(self._settings)))
        return self._runs[-1]

    def close(self) -> None:
        """End what still runs, and delete what was not fetched."""
        while self._runs:
            self._runs.pop().forget()


class RunHere:
    """A run in this process; what it makes is in a folder of its own until it is forgotten."""

    name = "here"
    again = ""
    kept = ""

    def __init__(self, executor: Executor, asked: Asked, limits: Limits) -> None:
        self._executor = executor
        self._folder = Path(tempfile.mkdtemp(prefix="run-"))
        self._files = FileStore(str(self._folder))
        self._job = _job(executor.service, asked, self._folder)
        self._context = JobContext(self._job, self._files, limits)
        self._context.resumable = False
        self._failure: BaseException | None = None
        # Python 3.11 takes a thread for ended when Ctrl-C interrupts its `join`.
        self._ended = threading.Event()
        threading.Thread(target=self._run, name="task", daemon=True).start()

    def read(self) -> Job:
        """Return what is known of it now."""
        context = self._context
        job = replace(self._job, progress=context.progress, facts=context.facts, results=tuple(context.results))
        if not self._ended.is_set():
            return job
        job = replace(job, ended=datetime.now(UTC))
        match self._failure:
            case None:
                return replace(job, phase=Phase.COMPLETED)
            case StoppedError():
                return replace(job, phase=Phase.ABORTED)
            case ServiceError() as error:
                return replace(job, phase=Phase.ERROR, error=ErrorSummary(error.text(), "fatal", error.code))
            case failure:
                raise failure

    def until_ended(self, view: View) -> Job:
        """Show it as often as it changes; return it when it has ended."""
        while not self._ended.is_set():
            job = self.read()
            view(job.phase, state(job), None if job.progress is None else job.progress.fraction)
            self._ended.wait(LOOK_SECONDS)
        return self.read()

    def stop(self) -> None:
        """Make it end, and wait for that."""
        while not self._ended.is_set():
            self._context.stop(Stop.ASKED)
            self._ended.wait(LOOK_SECONDS)

    def forget(self) -> None:
        """Delete what it has made."""
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    @contextmanager
    def result(self, result: Result) -> Iterator[Coming]:
        """Hold one of its results."""
        with self._files.open(result.path) as file:
            yield Coming(result.file_name, result.media_type, iter(lambda: file.read(BLOCK_BYTES), b""))

    def _run(self) -> None:
        try:
            self._executor.run(self._job, self._context)
        except BaseException as error:
            self._failure = error
        finally:
            self._ended.set()


def _job(service: str, asked: Asked, folder: Path) -> Job:
    """Return a job that is nobody's but this process's."""
    now = datetime.now(UTC)
    job_id = secrets.token_hex(16)
    return Job(
        job_id=job_id,
        service=service,
        owner=OPERATOR.identity,
        account=OPERATOR.account,
        run_id=None,
        phase=Phase.EXECUTING,
        created=now,
        queued=now,
        started=now,
        ended=None,
        execution_duration=0,
        destruction=now + timedelta(days=1),
        quote=None,
        parameters=asked.parameters,
        inputs=[_input(number, file, job_id, folder) for number, file in enumerate(asked.files, 1)],
        results=(),
        error=None,
        progress=None,
        worker_id=None,
        attempt=1,
        vain_attempts=0,
        abort_asked=False,
    )


def _input(number: int, file: LocalFile, job_id: str, folder: Path) -> Input:
    """Put a file where the job looks for it, without a copy."""
    path = f"{inputs_folder(job_id)}/{number}"
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).symlink_to(Path(file.path).absolute())
    return Input(file.part, path, file.size, file.media_type, file.file_name)
