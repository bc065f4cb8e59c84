"""Waiting for jobs: woken by PostgreSQL's notifications, shown in one line that moves."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn

from uws.models import ACTIVE, Job, Phase
from uws.pages import duration, size
from vo.cli.desk import SHORT, Desk
from vo.cli.progress import console
from vo.core.errors import UnavailableError
from vo.core.listening import Listener
from vo.core.settings import Settings

REFRESH_SECONDS = 1.0
"""How often a job that is followed is read: of its progress, which workers write so often, nobody is notified."""
AWAY_SECONDS = 300.0
"""How long one who follows a job waits for a database that is away."""
STOP_SECONDS = 30.0
"""How long a job may take to stop before the command gives up waiting for it."""


class Changes:
    """Wakes whoever waits when one of some jobs changes its phase; used in a ``with`` block."""

    def __init__(self, settings: Settings, job_ids: Sequence[str]) -> None:
        self._job_ids = frozenset(job_ids)
        self._changed = threading.Event()
        self._listener = Listener(
            settings.conninfo(), ["vo_job_phase"], heard=self._hear, missed=self._changed.set, name="follow"
        )

    def wait(self, seconds: float) -> None:
        """Return when a job has changed, or the time is over."""
        self._changed.wait(seconds)
        self._changed.clear()

    def _hear(self, _channel: str, payload: str) -> None:
        if payload.partition(" ")[0] in self._job_ids:
            self._changed.set()

    def __enter__(self) -> Self:
        self._listener.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.stop()


def state(job: Job) -> str:
    """Return in words what a job does now."""
    now = datetime.now(UTC)
    match job.phase:
        case Phase.PENDING:
            return "waiting to be started by PHASE=RUN"
        case Phase.QUEUED:
            return f"waiting for a free place for {duration(now - (job.queued or job.created))}"
    words = [f"running for {duration(now - (job.started or now))}"]
    if job.attempt > 1:
        words.append(f"attempt {job.attempt}")
    if job.progress is not None:
        words += [f"{job.progress.rows:,} rows"] if job.progress.rows is not None else []
        words += [size(job.progress.size)] if job.progress.size is not None else []
        words += [job.progress.stage] if job.progress.stage else []
    words += counts_of(job)
    if job.abort_asked:
        words.append("being stopped")
    return ", ".join(words)


def counts_of(job: Job) -> list[str]:
    """Return in words what a job has counted."""
    facts = job.facts
    words = []
    if facts.found is not None and (facts.requested or facts.found):
        words.append(f"{facts.found:,}" + (f" of {facts.requested:,}" if facts.requested else "") + " found")
    failed = sum(facts.failed.values())
    return [*words, f"{failed:,} failed"] if failed else words


View = Callable[[Phase | None, str, float | None], None]
"""Shows a phase (None when the database is away), what it means in words, and the fraction that is done."""


@contextmanager
def view_of(short: str, *, patience: float = 0.0) -> Iterator[View]:
    """Show a job in one line that moves; where nobody looks, in a line for each phase after so many seconds."""
    if not console.is_terminal:
        seen: Phase | None = None
        begun = time.monotonic()

        def tell(phase: Phase | None, words: str, _fraction: float | None) -> None:
            nonlocal seen
            if phase is not seen and time.monotonic() - begun >= patience:
                console.print(f"{short} {phase or ''} {words}", soft_wrap=True, markup=False)
                seen = phase

        yield tell
        return
    columns = (
        SpinnerColumn(),
        TextColumn("[bold]{task.fields[short]}[/] {task.fields[phase]}"),
        BarColumn(bar_width=24),
        TaskProgressColumn(),
        TextColumn("{task.description}", markup=False),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=None, short=short, phase="")

        def move(phase: Phase | None, words: str, fraction: float | None) -> None:
            total = None if fraction is None else 1.0
            bar.update(task, description=words, phase=phase or "", completed=fraction or 0.0, total=total)

        yield move


def until_ended(found: Desk, job: Job, changes: Changes, view: View) -> Job:
    """Show a job as often as it changes; return it when it has ended."""
    answered = time.monotonic()
    while True:
        try:
            job = found.read(job)
            nobody = "" if job.phase is not Phase.QUEUED or found.worked else f", and {_why_nobody(found)}"
        except UnavailableError:
            if time.monotonic() - answered > AWAY_SECONDS:
                raise
            view(None, "the database does not answer, trying again", None)
            changes.wait(REFRESH_SECONDS)
            continue
        answered = time.monotonic()
        if job.phase not in ACTIVE:
            return job
        view(job.phase, state(job) + nobody, None if job.progress is None else job.progress.fraction)
        changes.wait(REFRESH_SECONDS)


def _why_nobody(found: Desk) -> str:
    return "every worker rests" if found.alive() else "no worker runs"


def until_stopped(job_ids: Sequence[str], stopped: Callable[[str], str | None], changes: Changes) -> None:
    """Wait until jobs that ran have stopped, and say so of each; `stopped` tells what became of one."""
    left = list(job_ids)
    end = time.monotonic() + STOP_SECONDS
    with console.status("Waiting until they have stopped …" if len(left) > 1 else "Waiting until it has stopped …"):
        while left and time.monotonic() < end:
            for job_id in list(left):
                if (became := stopped(job_id)) is not None:
                    console.print(f"[green]✓[/] {job_id[:SHORT]} {became}, it has stopped")
                    left.remove(job_id)
            if left:
                changes.wait(0.2)
    if left:
        raise UnavailableError(
            f"Not stopped yet after {STOP_SECONDS:.0f} s: {', '.join(job_id[:SHORT] for job_id in left)}.",
            hint="It was noted and will happen as soon as a worker runs: vo jobs workers shows them.",
        )
