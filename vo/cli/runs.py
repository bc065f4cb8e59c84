"""Where a task can run, behind one interface: as a job of this service or of another, or in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

from uws.models import Job, Phase, Result
from uws.service import Jobs
from vo.cli.desk import SHORT, Desk
from vo.cli.following import STOP_SECONDS, Changes, View, until_ended
from vo.cli.remote import blocks_of, web_address
from vo.cli.uploads import LocalFile, MultipartBody
from vo.cli.uws_jobs import RemoteJob, file_name_of
from vo.core.callers import OPERATOR
from vo.core.dali.multipart import SentFile
from vo.core.dali.parameters import Parameters

BLOCK_BYTES = 1 << 20
TASK_URL = "https://example.org"


@dataclass(frozen=True)
class Asked:
    """What a run is asked for.

    Attributes
    ----------
    task : str
        Its name.
    parameters : list of (name, value)
        All of them.
    files : list of LocalFile
        Tables that go with them.
    """

    task: str
    parameters: list[tuple[str, str]]
    files: list[LocalFile]


@dataclass(frozen=True)
class Coming:
    """A result that is read.

    Attributes
    ----------
    file_name : str
        What it is called, without a folder.
    media_type : str
        With parameters.
    blocks : iterator of bytes
        Its content.
    """

    file_name: str
    media_type: str
    blocks: Iterator[bytes]


class Run(Protocol):
    """One run of a task."""

    @property
    def name(self) -> str:
        """Its id, for people."""

    @property
    def again(self) -> str:
        """How one comes back to it: a command, or an address."""

    @property
    def kept(self) -> str:
        """How one gets at results that were not fetched, in a sentence; empty where one cannot."""

    def read(self) -> Job:
        """Return what is known of it now."""

    def until_ended(self, view: View) -> Job:
        """Show it as often as it changes; return it when it has ended."""

    def stop(self) -> None:
        """Abort it, and wait until it has stopped."""

    def forget(self) -> None:
        """Delete it with its results."""

    def result(self, result: Result) -> AbstractContextManager[Coming]:
        """Hold one of its results."""


class Place(Protocol):
    """Where tasks can run."""

    def begin(self, asked: Asked, *, start: bool, show: Callable[[str], None]) -> Run:
        """Create a run, and perhaps start it; `show` is told how far what it needs is sent.

        Raises
        ------
        ServiceError
            Why it is not taken.
        """


# ---- a job of this service ------------------------------------------------------------------------------------------


class JobsHere:
    """The jobs of the service that the settings name.

    Parameters
    ----------
    found : Desk
        Its database.
    jobs : callable
        Gives the rules of a task's job list.
    """

    def __init__(self, found: Desk, jobs: Callable[[str], Jobs]) -> None:
        self._desk = found
        self._jobs = jobs

    def begin(self, asked: Asked, *, start: bool, show: Callable[[str], None]) -> JobHere:
        """Create a job as the operator's."""
        show("storing what goes with it" if asked.files else "asking")
        jobs = self._jobs(asked.task)
        parameters = Parameters([*asked.parameters, *([("PHASE", "RUN")] if start else [])])
        with ExitStack() as stack:
            files = {
                file.part: SentFile(
                    file.part,
                    file.file_name,
                    file.media_type,
                    stack.enter_context(Path(file.path).open("rb")),
                    file.size,
                )
                for file in asked.files
            }
            return JobHere(self._desk, jobs, jobs.create(OPERATOR, parameters, files))


class JobHere:
    """A job of the service that the settings name."""

    def __init__(self, found: Desk, jobs: Jobs, job: Job) -> None:
        self._desk = found
        self._jobs = jobs
        self._job = job

    @property
    def name(self) -> str:
        """The beginning of its id."""
        return self._job.job_id[:SHORT]

    @property
    def again(self) -> str:
        """The command that follows it."""
        return f"vo jobs follow {self.name}"

    @property
    def kept(self) -> str:
        """The command that fetches results."""
        return f"vo jobs fetch {self.name} saves it."

    def read(self) -> Job:
        """Return the job as it is now."""
        return self._desk.read(self._job)

    def until_ended(self, view: View) -> Job:
        """Show it as often as it changes; return it when it has ended."""
        with Changes(self._desk.settings, [self._job.job_id]) as changes:
            return until_ended(self._desk, self._job, changes, view)

    def stop(self) -> None:
        """Abort it, and wait until it has stopped."""
        with Changes(self._desk.settings, [self._job.job_id]) as changes:
            self._jobs.change_phase(OPERATOR, self._job.job_id, Parameters([("PHASE", "ABORT")]))
            waited = 0.0
            while self.read().phase is Phase.EXECUTING and waited < STOP_SECONDS:
                changes.wait(0.2)
                waited += 0.2

    def forget(self) -> None:
        """Delete it with its results."""
        self._jobs.delete(OPERATOR, self._job.job_id)

    @contextmanager
    def result(self, result: Result) -> Iterator[Coming]:
        """Hold one of its results."""
        with self._jobs.files.open(result.path) as file:
            yield Coming(result.file_name, result.media_type, iter(lambda: file.read(BLOCK_BYTES), b""))


# ---- a job of another service ---------------------------------------------------------------------------------------


class Elsewhere:
    """Another service.

    Parameters
    ----------
    url : str
        Its address, with or without ``/tasks``, or that of one job list (``…/async``).

    Raises
    ------
    UsageError
        If it is no address of the web.
    """

    def __init__(self, url: str) -> None:
        self._url = web_address(url, "a service", TASK_URL)

    def begin(self, asked: Asked, *, start: bool, show: Callable[[str], None]) -> RemoteRun:
        """Create a job there."""

        def on_sent(sent: int, total: int) -> None:
            show(f"sending, {sent / 1e6:,.0f} of {total / 1e6:,.0f} MB" if sent < total else "asking")

        parameters = [*asked.parameters, *([("PHASE", "RUN")] if start else [])]
        body = MultipartBody(parameters, asked.files, on_sent) if asked.files else None
        return RemoteRun(RemoteJob.create(list_url(self._url, asked.task), parameters, body))


def tasks_url(url: str) -> str:
    """Return the address of a service's list of tasks."""
    return f"{web_address(url, 'a service', TASK_URL).removesuffix('/tasks')}/tasks"


def list_url(url: str, task: str) -> str:
    """Return the address of the job list of a task."""
    if url.endswith("/async"):
        return url
    name = quote(task, safe="")
    base = url.removesuffix(f"/{name}")
    return f"{base if base != url and base.endswith('/tasks') else tasks_url(url)}/{name}/async"


class RemoteRun:
    """A job of another service."""

    def __init__(self, job: RemoteJob) -> None:
        self._job = job
        self.name = job.name[:SHORT]
        self.again = job.url
        self.kept = f"The job has it: {job.url}"

    def read(self) -> Job:
        """Return the job as it is now."""
        return self._job.read()

    def until_ended(self, view: View) -> Job:
        """Show it as often as it changes; return it when it has ended."""
        return self._job.until_ended(view)

    def stop(self) -> None:
        """Abort it, and wait until it has stopped."""
        self._job.stop()

    def forget(self) -> None:
        """Delete it with its results."""
        self._job.forget()

    @contextmanager
    def result(self, result: Result) -> Iterator[Coming]:
        """Hold one of its results."""
        with self._job.result(result) as response:
            media_type = response.headers.get("Content-Type", result.media_type)
            yield Coming(file_name_of(response, result.file_name), media_type, blocks_of(response))
