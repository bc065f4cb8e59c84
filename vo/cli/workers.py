"""``vo jobs workers`` and ``vo jobs drain``: who runs jobs, and who begins no more."""

from __future__ import annotations

import time
from datetime import timedelta

from rich.text import Text
from typer import Exit

from uws.overview import WorkerSummary
from uws.pages import duration
from uws.statistics import WORKER_SILENCE
from uws.xml import moment
from vo.cli.desk import SHORT, desk
from vo.cli.lists import print_table, print_values
from vo.cli.progress import console
from vo.cli.showing import out
from vo.core.errors import NotFoundError

DRAIN_LOOK = 0.5
"""Seconds between two looks at a worker that drains."""


def show_workers() -> None:
    """Print the workers and how much waits for them."""
    with desk() as found:
        workers = found.overview.workers()
        figures = found.queue.statistics()
    names = ("worker", "host", "pid", "slots", "running", "seen", "started", "state")
    rows = [
        (
            worker.worker_id,
            worker.host,
            str(worker.pid),
            str(worker.slots),
            str(worker.running),
            moment(worker.seen),
            moment(worker.started),
            _state_of(worker),
        )
        for worker in workers
    ]
    if not out.is_terminal:
        print_values(names, rows)
    elif rows:
        cells = [[Text(row[0][:SHORT]), *map(Text, row[1:])] for row in rows]
        print_table(names, cells, right={"pid", "slots", "running"})
    if not rows:
        console.print("No worker runs. vo serve starts VO_WORKERS of them, vo worker one more on any host.")
    waiting = f", the oldest for {duration(timedelta(seconds=figures.queue_age))}" if figures.queued else ""
    console.print(f"Jobs: {figures.executing} run, {figures.queued} wait{waiting}.")


def _state_of(worker: WorkerSummary) -> str:
    """Return in a word what a worker does."""
    if worker.silent > WORKER_SILENCE:
        return "silent"
    if worker.rests and not worker.running:
        return "drained"
    return "draining" if worker.rests or worker.draining else "working"


def drain(beginning: str, *, undo: bool, wait: bool) -> None:
    """Let a worker begin no more jobs, or again; perhaps wait until those that it runs have ended."""
    with desk() as found:
        worker = found.overview.find_worker(beginning)
        name = f"{worker.worker_id[:SHORT]} ({worker.host}, process {worker.pid})"
        if not found.queue.rest(worker.worker_id, rests=not undo):
            raise NotFoundError(f"The worker {name} has just ended.")
        if undo:
            console.print(f"[green]✓[/] {name} begins jobs again")
            return
        running = worker.running
        try:
            with console.status(f"{name} begins no more jobs; waiting for those that it runs …"):
                while wait and running:
                    time.sleep(DRAIN_LOOK)
                    left = {item.worker_id: item.running for item in found.overview.workers()}
                    running = left.get(worker.worker_id, 0)
        except KeyboardInterrupt:
            console.print(f"It goes on draining. vo jobs drain {worker.worker_id[:SHORT]} --undo ends that.")
            raise Exit(130) from None
    still = f"{running} that it runs {'go' if running > 1 else 'goes'} on" if running else "it runs none"
    console.print(f"[green]✓[/] {name} begins no more jobs; {still}", soft_wrap=True)
