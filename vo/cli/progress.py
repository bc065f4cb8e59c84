"""Showing long work: one line that moves, and nothing at all where nobody looks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn

if TYPE_CHECKING:  # most commands print without ingesting
    from tap.ingest.models import IngestReport
    from tap.ingest.service import Progress as OnProgress

console = Console(stderr=True, highlight=False)

STAGES = {
    "load": "loading",
    "sort": "sorting on the sky",
    "index": "building indexes",
    "publish": "publishing",
    "tidy": "tidying up",
}


@contextmanager
def ingest_progress(name: str, rows: int | None) -> Iterator[OnProgress]:
    """Show an ingest's stages and rows."""
    columns = (
        SpinnerColumn(),
        TextColumn("[bold]{task.fields[name]}[/] {task.description}"),
        BarColumn(bar_width=30),
        TaskProgressColumn(),
        TextColumn("{task.completed:,.0f} rows"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("opening", total=rows, name=name)

        def show(stage: str, done: int) -> None:
            # Sorting and loading count rows; of the other stages PostgreSQL does not tell how far they are.
            total = rows if stage in ("sort", "load") else None
            bar.update(task, description=STAGES.get(stage, stage), completed=done, total=total)

        yield show


def show_report(report: IngestReport) -> None:
    """Say what was published, how fast, and what the operator should know."""
    stages = ", ".join(f"{STAGES[stage]} {seconds:.1f} s" for stage, seconds in report.seconds.items())
    console.print(
        f"[green]✓[/] [bold]{report.name}[/]: {report.rows:,} rows in {report.total_seconds:.1f} s "
        f"({report.rate:,.0f} rows/s; {stages})",
        soft_wrap=True,
    )
    for remark in report.remarks:
        console.print(f"  {remark}", style="yellow", soft_wrap=True, markup=False)
