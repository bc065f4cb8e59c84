"""The web application with a task of the tests, on the database of jobs, and a worker that does what a test wants."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.tap.asking import Answer, ask
from tests.uws.asking import location, post
from tests.uws.database import Database
from tests.uws.tasks.declared import Shift
from tests.vo.app.running import running
from uws.executor import JobContext
from uws.models import Job, Progress
from uws.tasks.catalogue import TaskCatalogue, service_of
from uws.tasks.declaration import Task
from vo.app.main import create_app
from vo.core.settings import Settings

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c63f8cfc0f01f00050001ff"
    "56c72f0d0000000049454e44ae426082"
)
"""One red dot."""
TASK = "/tasks/shift"
JOBS = f"{TASK}/async"
POSITIONS = b"name,ra,dec\na,10.5,-20.25\nb,11.5,-21.25\n"
QUERY = "SELECT TOP 3 column_index * 1.0 AS ra, column_index * 2.0 AS dec FROM tap_schema.columns"


class Shifting:
    """Runs jobs of the task `Shift` in a thread, without computing; a job's RUNID chooses what happens.

    Parameters
    ----------
    first : mapping of str to callable
        What is done first, by RUNID.
    """

    service = service_of(Shift())
    attempts = 3

    def __init__(self, **first: Callable[[Job, JobContext], object]) -> None:
        self._first = first
        self.jobs: list[Job] = []
        self.inputs: list[dict[str, bytes]] = []

    def run(self, job: Job, context: JobContext) -> None:
        self.jobs.append(job)
        with context.inputs() as files:
            self.inputs.append({name: Path(file.path).read_bytes() for name, file in files.items()})
        context.progress = Progress(rows=2, fraction=0.5, stage="moving")
        context.facts = replace(
            job.facts, requested=3, found=2, failed={"no <position>": 1}, notes=(("engine", "a & b"),)
        )
        if job.run_id in self._first:
            self._first[job.run_id](job, context)
        for name, media_type, file_name, content in (
            ("map.png", "image/png", "map.png", PNG),
            ("result", "text/csv;header=present", "moved.csv", b"ra\n10.6\n"),
            ("refused", "text/csv;header=present", "refused.csv", b"ra\n"),
        ):
            with context.result(name, media_type, file_name) as result:
                result.write(content)


def until_stopped(_job: Job, context: JobContext) -> None:
    """Run until the job is stopped."""
    stopped = threading.Event()
    with context.cancelled_by(stopped.set):
        stopped.wait(60)
    context.check()


def task_settings(database: Database, folder: Path, **changes: Any) -> Settings:
    """Return settings for the application."""
    return database.settings.model_copy(update={"results": str(folder), **changes})


@contextmanager
def serving(settings: Settings, tasks: Sequence[Task[Any]] = (Shift(),)) -> Iterator[int]:
    """Serve the application as if these tasks and no others were installed; give its port."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TaskCatalogue, "installed", classmethod(lambda _cls: TaskCatalogue(tasks)))
        app = create_app(settings)
    with running(app) as port:
        yield port
        app.state.on_stop()  # as the process does that is told to end


def create(port: int, **parameters: str) -> str:
    """Create a job of `Shift`; return its path."""
    return location(post(port, JOBS, {"QUERY": QUERY, "ROUNDS": "3", **parameters}))


def multipart(fields: dict[str, str], files: dict[str, tuple[str, bytes]]) -> tuple[bytes, dict[str, str]]:
    """Return the body of a form as browsers send it, and its headers; fields without a file are sent empty."""
    parts = [
        f'--frontier\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    for name, (file_name, content) in files.items():
        head = f'--frontier\r\nContent-Disposition: form-data; name="{name}"; filename="{file_name}"\r\n'
        parts.append(f"{head}Content-Type: application/octet-stream\r\n\r\n".encode() + content + b"\r\n")
    return b"".join([*parts, b"--frontier--\r\n"]), {"Content-Type": "multipart/form-data; boundary=frontier"}


def send(port: int, target: str, fields: dict[str, str], **files: tuple[str, bytes]) -> Answer:
    """POST a form with files."""
    body, headers = multipart(fields, files)
    return ask(port, target, method="POST", body=body, headers=headers)
