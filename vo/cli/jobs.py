"""``vo jobs``: what whoever runs the service sees of all callers' jobs, and can do with them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, timedelta
from pathlib import Path
from typing import BinaryIO

from rich.progress import BarColumn, DownloadColumn, Progress, TransferSpeedColumn
from rich.text import Text
from typer import Exit

from uws.models import ACTIVE, Facts, Job, Phase, Result
from uws.overview import JobSummary
from uws.pages import duration, size
from uws.service import Jobs, read_filter
from uws.xml import moment
from vo.cli.desk import SHORT, TASKS, Desk, desk
from vo.cli.following import Changes, state, until_ended, until_stopped, view_of
from vo.cli.lists import line_of, lines_of, print_table, print_values
from vo.cli.progress import console
from vo.cli.showing import destination, out
from vo.core.callers import OPERATOR, Caller
from vo.core.dali.parameters import Parameters
from vo.core.errors import ServiceError, UsageError

LISTED = 20
"""Jobs that a list shows unless more are asked for."""
RUN_ID = 16
"""Characters of a run id that a list shows."""
BLOCK_BYTES = 1 << 20

STYLES = {Phase.COMPLETED: "green", Phase.ERROR: "red", Phase.ABORTED: "yellow", Phase.EXECUTING: "cyan"}


def show_list(
    phases: Sequence[str],
    *,
    after: str | None,
    last: int | None,
    everything: bool,
    caller: str | None,
    services: Sequence[str] = (),
) -> None:
    """Print jobs, the newest first: a table for people, lines of values with tabs for programs."""
    pairs = [("PHASE", phase) for phase in phases]
    pairs += [("AFTER", after)] if after else []
    pairs += [] if everything else [("LAST", str(last or LISTED))]
    wanted = read_filter(Parameters(pairs))
    with desk() as found:
        jobs = found.overview.jobs(wanted, _accounts(caller), _services(services))
    if not out.is_terminal:
        print_values(
            ("job_id", "service", "phase", "account", "created", "seconds", "run_id", "rows", "bytes", "query"),
            map(_values, jobs),
        )
    elif jobs:
        names = ("job", "phase", "service", "caller", "created, UTC", "time", "run id", "result", "query")
        print_table(names, [_cells(job) for job in jobs], right={"time", "result"})
    else:
        console.print("There are no such jobs." if phases or after or caller or services else "There are no jobs.")
    if wanted.last is not None and len(jobs) == wanted.last and out.is_terminal:
        console.print(f"The newest {wanted.last} are shown; --last N shows more, --all every one.", style="dim")


def show(beginning: str) -> None:
    """Print all that is known of one job."""
    with desk() as found:
        job = found.find(beginning)
        worker = next((worker for worker in found.overview.workers() if worker.worker_id == job.worker_id), None)
        url = found.url_of(job)
    rows = [("job", job.job_id), ("service", job.service), ("address", url), ("phase", job.phase)]
    rows.append(("caller", job.account.partition(":")[2]))
    rows += [("run id", job.run_id)] if job.run_id else []
    rows.append(("created", moment(job.created)))
    rows += [("queued", moment(job.queued))] if job.queued else []
    if job.started:
        waited = duration(job.started - (job.queued or job.created))
        rows.append(("started", f"{moment(job.started)}, after waiting {waited}"))
    if job.ended:
        ran = f", ran {duration(job.ended - job.started)}" if job.started else ""
        rows.append(("ended", f"{moment(job.ended)}{ran}"))
    rows += [("quote", moment(job.quote))] if job.quote else []
    rows.append(("may run", f"{job.execution_duration} s" if job.execution_duration else "without limit"))
    rows.append(("destruction", moment(job.destruction)))
    rows.append(("attempts", f"{job.attempt}, in vain {job.vain_attempts}"))
    rows += [("worker", f"{worker.host}, process {worker.pid}")] if worker else []
    rows += [("state", state(job))] if job.phase in ACTIVE else []
    rows += [("error", f"{job.error.message} ({job.error.code}, {job.error.type})")] if job.error else []
    rows += [
        ("result", f"{result.id}: {result.file_name}, {size(result.size)}, {result.media_type}" + _remark(result))
        for result in job.results
    ]
    rows += facts_of(job.facts)
    rows += [(name, value) for name, value in job.parameters]
    width = max(len(name) for name, _ in rows) + 2
    for name, value in rows:
        lines = [line_of(line, keep_spaces=True) for line in value.splitlines()] or [""]
        text = f"\n{'':{width}}".join(lines)
        out.print(Text.assemble((f"{line_of(name):{width}}", "bold"), text), soft_wrap=True)


def facts_of(facts: Facts) -> list[tuple[str, str]]:
    """Return what a job tells of itself, line by line."""
    rows = [("plan", facts.plan)] if facts.plan else []
    rows += [("asked for", f"{facts.requested:,}")] if facts.requested is not None else []
    rows += [("found", f"{facts.found:,}")] if facts.found is not None else []
    rows += [("failed", f"{number:,}: {reason}") for reason, number in facts.failed.items()]
    rows += [("note", f"{name}: {value}") for name, value in facts.notes]
    return rows


def _remark(result: Result) -> str:
    return f"; {result.remark}" if result.remark else ""


def follow(beginning: str) -> bool:
    """Show a job until it has ended; return whether it completed."""
    with desk() as found:
        job = found.find(beginning)
        short = job.job_id[:SHORT]
        try:
            with Changes(found.settings, [job.job_id]) as changes, view_of(short) as view:
                job = until_ended(found, job, changes, view)
        except KeyboardInterrupt:
            console.print(
                f"The job goes on. vo jobs follow {short} looks again, vo jobs abort {short} stops it.", soft_wrap=True
            )
            raise Exit(130) from None
    ran = f" after {duration(job.ended - job.started)}" if job.ended and job.started else ""
    if job.phase is Phase.COMPLETED:
        results = ", ".join(f"{result.file_name}, {size(result.size)}{_remark(result)}" for result in job.results)
        console.print(f"[green]✓[/] {short} COMPLETED{ran}: {results}", soft_wrap=True)
        console.print(f"  vo jobs fetch {short} saves it.", style="dim")
        return True
    console.print(f"[bold red]✗[/] {short} {job.phase}{ran}", soft_wrap=True)
    if job.error is not None:
        console.print(Text(lines_of(job.error.message)), soft_wrap=True)
    return False


def fetch(beginning: str, output: str | None, result_id: str | None, *, force: bool) -> None:
    """Save a job's results, one of them to standard output where `output` is ``-``."""
    with desk() as found:
        job = found.find(beginning)
        jobs = found.jobs_of(job.service)
        if result_id is None and len(job.results) > 1:
            if output == "-":
                names = ", ".join(result.id for result in job.results)
                raise UsageError(f"The job has several results: {names}.", hint="Choose one by --result NAME.")
            folder = Path(output or ".")
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise UsageError(f"{folder} cannot be made a folder: {error.strerror}.") from None
            files = [(result, folder / _name(job, result)) for result in job.results]
        else:
            first = job.results[0].id if job.results else ""
            result = jobs.result(OPERATOR, job.job_id, result_id or first)
            if output == "-":
                copy_result(jobs, result, sys.stdout.buffer)
                sys.stdout.buffer.flush()
                return
            file = Path(output or ".")
            files = [(result, file / _name(job, result) if file.is_dir() else file)]
        for _, file in files:
            if file.exists() and not force:
                raise UsageError(f"{file} is there already.", hint="Give another name by --output, or --force.")
        for result, file in files:
            with destination(file) as stream:
                copy_result(jobs, result, stream)
            console.print(
                Text.assemble(("✓ ", "green"), f"{file}: {size(result.size)}, {result.media_type}"), soft_wrap=True
            )


def _name(job: Job, result: Result) -> str:
    return f"{job.job_id[:SHORT]}-{result.file_name}"


def abort(beginnings: Sequence[str]) -> None:
    """Abort jobs, and wait until they have really stopped."""
    with desk() as found:
        jobs = _all_of(found, beginnings)
        stopping = []
        with Changes(found.settings, list(jobs)) as changes:
            for job_id, rules in jobs.items():
                job, phase = rules.change_phase(OPERATOR, job_id, Parameters([("PHASE", "ABORT")]))
                if job.phase not in ACTIVE:
                    console.print(f"[yellow]–[/] {job_id[:SHORT]} had ended before: {job.phase}")
                elif phase is Phase.EXECUTING:
                    stopping.append(job_id)
                else:
                    console.print(f"[green]✓[/] {job_id[:SHORT]} {phase}, it had not begun")

            def stopped(job_id: str) -> str | None:
                phase = found.store.phases([job_id]).get(job_id)
                return None if phase is Phase.EXECUTING else phase or "deleted"

            until_stopped(stopping, stopped, changes)


def delete(beginnings: Sequence[str]) -> None:
    """Delete jobs with their results, and wait until nothing is left."""
    with desk() as found:
        jobs = _all_of(found, beginnings)
        with Changes(found.settings, list(jobs)) as changes:
            stopping = [job_id for job_id, rules in jobs.items() if not rules.delete(OPERATOR, job_id)]
            for job_id in jobs:
                if job_id not in stopping:
                    console.print(f"[green]✓[/] {job_id[:SHORT]} deleted")
            until_stopped(stopping, lambda job_id: "deleted" if jobs[job_id].gone(job_id) else None, changes)


def _all_of(found: Desk, beginnings: Sequence[str]) -> dict[str, Jobs]:
    """Return the ids of jobs, each with the rules of its list; a word that means none stops all."""
    return {job_id: found.jobs_of(service) for service, job_id in map(found.overview.find, beginnings)}


def copy_result(jobs: Jobs, result: Result, stream: BinaryIO) -> None:
    """Copy a result, with a bar for whoever looks."""
    columns = (BarColumn(bar_width=30), DownloadColumn(binary_units=True), TransferSpeedColumn())
    file = jobs.files.open(result.path)
    with file, Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=result.size)
        copied = 0
        while block := file.read(BLOCK_BYTES):
            stream.write(block)
            copied += len(block)
            bar.update(task, completed=copied)
    if copied != result.size:
        raise ServiceError(f"The stored result has {copied:,} bytes and should have {result.size:,}.")


def _services(words: Sequence[str]) -> frozenset[str]:
    """Return the services that words may mean: a list's name, or a task's."""
    return frozenset(name for word in words for name in (word, f"{TASKS}{word}"))


def _accounts(caller: str | None) -> frozenset[str]:
    """Return the accounts that a word may mean: one as lists show it, a user's name or an address."""
    return frozenset({caller, f"user:{caller}", Caller(address=caller).account}) if caller else frozenset()


def _cells(job: JobSummary) -> list[Text]:
    """Return a job as a line of the table for people."""
    amount = size(job.stored_bytes) if job.stored_bytes else ""
    if job.progress is not None and job.progress.rows is not None:
        amount = f"{job.progress.rows:,} rows"
    return [
        Text(job.job_id[:SHORT]),
        Text(job.phase, STYLES.get(job.phase, "")),
        Text(line_of(job.service.removeprefix(TASKS))),
        Text(job.account.partition(":")[2]),
        Text(job.created.astimezone(UTC).strftime("%m-%d %H:%M:%S")),
        Text("" if job.seconds is None else duration(timedelta(seconds=job.seconds))),
        Text(line_of(job.run_id or "")[:RUN_ID]),
        Text(amount),
        Text(line_of(job.about or "")),
    ]


def _values(job: JobSummary) -> Sequence[str]:
    """Return a job as a line for programs."""
    rows = job.progress.rows if job.progress is not None else None
    running = job.progress.size if job.progress is not None else None
    return (
        job.job_id,
        job.service,
        job.phase,
        job.account,
        moment(job.created),
        "" if job.seconds is None else f"{job.seconds:.3f}",
        job.run_id or "",
        "" if rows is None else str(rows),
        str(running or job.stored_bytes),
        job.about or "",
    )
