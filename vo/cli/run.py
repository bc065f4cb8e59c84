"""``vo run``: a task, here or by another service, followed to its end, and its result where it is wanted."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO

from rich.text import Text
from typer import Exit

from tap.query.cells import Cells
from uws.models import ACTIVE, Job, Phase, Result
from uws.pages import duration, size
from vo.cli.desk import desk
from vo.cli.endings import CUT, Ending
from vo.cli.following import View, counts_of, view_of
from vo.cli.jobs import facts_of
from vo.cli.progress import console
from vo.cli.runs import Asked, Coming, Elsewhere, JobsHere, Place, Run
from vo.cli.runs_here import ThisProcess
from vo.cli.showing import SHOWN, Show, destination, format_of, out, printable, read_votable, show_cells
from vo.cli.tasks import check
from vo.cli.uploads import uploads_of
from vo.core.dali.parameters import Parameters, requested_format
from vo.core.errors import ServiceError, UsageError

PATIENCE = 2.0
"""Seconds after which a run is told of where nobody looks."""


@dataclass(frozen=True)
class Wish:
    """What is wanted on the command line.

    Attributes
    ----------
    asked : Asked
        The task with its parameters.
    output : pathlib.Path, optional
        File, or folder, for the results; None for standard output.
    folder : bool
        Whether `output` is a folder.
    shown : bool
        Whether the first table is shown in the terminal.
    force : bool
        Replace files that are there.
    """

    asked: Asked
    output: Path | None
    folder: bool
    shown: bool
    force: bool


def run(
    task: str,
    words: Sequence[str],
    *,
    url: str | None,
    output: str | None,
    form: str | None,
    maxrec: int | None,
    uploads: Sequence[str],
    local: bool,
    detach: bool,
    estimate: bool,
    force: bool,
) -> None:
    """Run a task, and show or save what it makes."""
    if local and (detach or url):
        raise UsageError(f"--local cannot go with {'--detach' if detach else '--url'}.")
    wish = wish_of(task, words, output=output, form=form, maxrec=maxrec, uploads=uploads, force=force)
    check(wish.asked, here=url is None)
    with _place(url, local=local, waits=detach or estimate) as place:
        began = time.perf_counter()
        with view_of(task, patience=PATIENCE) as view:
            begun: Run | None = None
            try:
                begun = place.begin(wish.asked, start=not estimate, show=lambda words: view(None, words, None))
                job = begun.read() if detach or estimate else begun.until_ended(view)
                made = Made() if detach or estimate else _fetch(begun, job, wish, view)
            except BrokenPipeError:  # whoever reads the pipe has enough
                if begun is not None:
                    begun.forget()
                raise
            except (KeyboardInterrupt, SystemExit) as reason:
                if begun is not None:
                    view(None, "stopping", None)
                    begun.stop()
                    begun.forget()
                if isinstance(reason, SystemExit):
                    raise
                console.print("Stopped.")
                raise Exit(130) from None
            except ServiceError:
                if begun is not None and begun.again:  # such as a disk that is full
                    console.print(f"The run is not lost: {begun.again}", soft_wrap=True, markup=False)
                raise
        if detach:
            out.print(begun.again, soft_wrap=True, markup=False)
            return
        if estimate:
            begun.forget()
            _show_estimate(job)
            return
        _tell(begun, job, made, time.perf_counter() - began)
        if job.phase is Phase.COMPLETED and not made.left:
            begun.forget()
    if job.phase is not Phase.COMPLETED:
        raise Exit(1)


def wish_of(
    task: str,
    words: Sequence[str],
    *,
    output: str | None,
    form: str | None,
    maxrec: int | None,
    uploads: Sequence[str],
    force: bool,
) -> Wish:
    """Read what stands on the command line.

    Raises
    ------
    UsageError
        If a word is no parameter, a table cannot be read, or the output is there already.
    """
    pairs = [_pair(word) for word in words]
    folder = output is not None and (output.endswith("/") or Path(output).is_dir())
    place = None if output is None else Path(output)
    if place is not None and place.exists() and not folder and not force:
        raise UsageError(f"{place} is there already.", hint="Give another name, or --force.")
    if place is not None and not folder and not os.access(place.parent, os.W_OK):
        raise UsageError(f"{place} cannot be written: {place.parent} is no folder that may be written to.")
    tables = uploads_of(uploads)
    pairs += [("UPLOAD", tables.parameter)] if tables.parameter else []
    pairs += [("MAXREC", str(maxrec))] if maxrec is not None else []
    named = form or requested_format(Parameters(pairs))
    chosen = named or format_of(None if folder else place, otherwise="votable" if folder else None)
    if form or not named:
        pairs.append(("RESPONSEFORMAT", chosen or "votable"))
    return Wish(Asked(task, pairs, [*tables.files.values()]), place, folder, chosen is None, force)


def _pair(word: str) -> tuple[str, str]:
    name, mark, value = word.partition("=")
    if not mark or not name.strip():
        raise UsageError(
            f"{word[:60]!r} is not PARAMETER=VALUE.", hint="Such as RADIUS=2; vo tasks show TASK lists them."
        )
    return name.strip().upper(), value


@contextmanager
def _place(url: str | None, *, local: bool, waits: bool) -> Iterator[Place]:
    """Hold where the task runs: the service of an address; else this one's workers, or this process without them."""
    if url is not None:
        yield Elsewhere(url)
        return
    from vo.app.tasks import build_tasks  # noqa: PLC0415  (what runs tasks is slow to come)

    with desk() as found, build_tasks(found.settings) as tasks:
        if not local and (waits or found.worked):
            yield JobsHere(found, tasks.jobs)
            return
        if not local:
            console.print("No worker takes jobs: the task runs in this process.", style="dim")
        tasks.parts.nursery.start()
        with closing(ThisProcess(found.settings, tasks.executor)) as place:
            yield place


# ---- results --------------------------------------------------------------------------------------------------------


@dataclass
class Made:
    """What became of the results.

    Attributes
    ----------
    files : list of (path, result)
        Those that were saved.
    cells : Cells, optional
        The table to show.
    remarks : list of str
        What is to be said of them.
    left : list of Result
        Those that were neither saved nor shown.
    """

    files: list[tuple[Path, Result]] = field(default_factory=list)
    cells: Cells | None = None
    remarks: list[str] = field(default_factory=list)
    left: list[Result] = field(default_factory=list)


def _fetch(begun: Run, job: Job, wish: Wish, view: View) -> Made:
    """Put the results where they are wanted; of a run that failed only files are saved, which say so themselves."""
    made = Made()
    whole = job.phase is Phase.COMPLETED
    if not job.results or not (whole or (wish.output is not None and job.phase not in ACTIVE)):
        made.left = list(job.results)
        made.remarks += ["It has no results."] if whole and not job.results else []
        return made
    first, *others = sorted(job.results, key=lambda result: result.id != "result")

    def show(words: str) -> None:
        if console.is_terminal:
            view(Phase.COMPLETED, words, None)

    if wish.output is None and wish.shown and first.media_type.startswith("image/"):
        made.left = list(job.results)  # a terminal shows tables
    elif wish.output is None:
        made.left = others
        with begun.result(first) as coming:
            if wish.shown and "votable" in coming.media_type:
                made.cells = Cells(SHOWN)
                with tempfile.NamedTemporaryFile(suffix=".vot") as file:
                    _copy(coming, file, made, show, whole=True)
                    file.flush()
                    made.remarks += read_votable(Path(file.name), made.cells, show)
            else:
                with destination(None) as stream:
                    _copy(coming, stream, made, show, whole=True)
    else:
        for result in (first, *others):
            with begun.result(result) as coming:
                path = _path(wish, coming, None if result is first else result)
                if path in {saved for saved, _ in made.files}:  # two of one name
                    path = path.with_name(f"{len(made.files) + 1}-{path.name}")
                if path.exists() and not wish.force:
                    raise UsageError(f"{path} is there already.", hint=begun.kept or None)
                with destination(path) as stream:
                    copied = _copy(coming, stream, made, show, whole=whole)
                made.files.append((path, replace(result, size=copied, media_type=coming.media_type)))
    remarks = [result.remark for result in job.results if result.remark]
    if remarks:  # says how many rows, which CUT does not
        made.remarks = [*remarks, *(remark for remark in made.remarks if remark != CUT)]
    return made


def _path(wish: Wish, coming: Coming, other: Result | None) -> Path:
    """Return where a result is saved: in the folder under its own name; beside the first one with its id."""
    output = wish.output or Path()
    if wish.folder:
        output.mkdir(parents=True, exist_ok=True)
        return output / coming.file_name
    if other is None:
        return output
    suffix = Path(coming.file_name).suffix
    return output.with_name(f"{output.stem}-{Path(other.id).stem}{suffix}".replace("/", "_"))


def _copy(coming: Coming, stream: IO[bytes], made: Made, show: Show, *, whole: bool) -> int:
    """Copy a result, looking at what its end says; return its size."""
    ending, copied = Ending(coming.media_type), 0
    for block in coming.blocks:
        stream.write(block)
        ending.see(block)
        copied += len(block)
        show(f"fetching {coming.file_name}, {size(copied)}")
    if whole:
        made.remarks += ending.remarks()
    return copied


def _tell(begun: Run, job: Job, made: Made, seconds: float) -> None:
    """Say how it ended, and show the table."""
    for remark in dict.fromkeys(made.remarks):
        console.print(Text(printable(remark), "yellow"), soft_wrap=True)
    if made.cells is not None:
        show_cells(made.cells, seconds)
    for path, result in made.files:
        console.print(
            Text.assemble(("✓ ", "green"), f"{path}: {size(result.size)}, {result.media_type}"), soft_wrap=True
        )
    for reason, number in job.facts.failed.items():
        console.print(Text(f"{number:,} failed: {printable(reason)}", "yellow"), soft_wrap=True)
    if made.cells is not None or made.files:
        counts = counts_of(replace(job, facts=replace(job.facts, failed={})))
        words = [*counts, *(f"{printable(name)}: {printable(value)}" for name, value in job.facts.notes)]
        if words:
            console.print(Text(", ".join(words), "dim"), soft_wrap=True)
    left = ", ".join(result.id for result in made.left)
    if job.phase is Phase.COMPLETED:
        if left:
            console.print(f"It also made {left}; -o FOLDER/ saves all. {begun.kept}", soft_wrap=True, markup=False)
        return
    ran = f" after {duration(job.ended - job.started)}" if job.ended and job.started else ""
    console.print(Text.assemble(("✗ ", "bold red"), f"{begun.name} {job.phase}{ran}"), soft_wrap=True)
    if job.error is not None:
        console.print(Text(printable(job.error.message)), soft_wrap=True)
    if left and begun.kept:
        console.print(f"What it made before is kept: {left}. {begun.kept}", soft_wrap=True, markup=False)


def _show_estimate(job: Job) -> None:
    """Print how the job would be done, and how long it would take."""
    if job.quote is not None:
        out.print(f"about {duration(job.quote - job.created)}")
    for _, words in facts_of(replace(job.facts, failed={}, notes=())):
        out.print(printable(words), soft_wrap=True, markup=False)
    if job.quote is None and not job.facts.plan:
        out.print("The service does not say.")
