"""The commands; each is a few lines that hand over to the part that does the work."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vo.core.errors import TableError

app = typer.Typer(
    name="vo",
    help="A Virtual Observatory service: PostgreSQL with Q3C behind TAP.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
database_app = typer.Typer(no_args_is_help=True, help="The database: its address, its migrations, what it must grant.")
app.add_typer(database_app, name="database")
jobs_app = typer.Typer(
    no_args_is_help=True,
    help="Asynchronous jobs of all services and callers: look, follow, fetch, abort, delete. ID may be its beginning.",
)
app.add_typer(jobs_app, name="jobs")

tasks_app = typer.Typer(help="Tasks: computations that run as jobs. Without a command it lists them.")
app.add_typer(tasks_app, name="tasks")

JobId = Annotated[str, typer.Argument(metavar="ID", help="The job's id, or as much of its beginning as no other has.")]
JobIds = Annotated[list[str], typer.Argument(metavar="ID…", help="Ids of jobs, or their beginnings.")]
Format = Annotated[
    str | None,
    typer.Option(
        "--format",
        help="votable, fits, parquet, csv … Default: a table in a terminal, CSV in a pipe, by --output's name.",
    ),
]


@app.command()
def serve(
    prepare: Annotated[
        bool,
        typer.Option(
            "--prepare", help="First migrate the database and publish the demonstration catalogues that are missing."
        ),
    ] = False,
) -> None:
    """Serve until Ctrl-C."""
    from vo.cli.serve import run  # noqa: PLC0415  (each command imports only what it needs)

    run(prepare=prepare)


@app.command()
def worker(
    slots: Annotated[
        int | None, typer.Option(min=1, max=128, help="Jobs to run at the same time. Default: VO_WORKER_SLOTS.")
    ] = None,
) -> None:
    """Run asynchronous jobs until Ctrl-C, beside the workers of vo serve; on any host that reaches the database."""
    from vo.app.worker import work  # noqa: PLC0415
    from vo.cli.environment import database  # noqa: PLC0415
    from vo.cli.progress import console  # noqa: PLC0415

    with database() as settings:
        console.print(f"Working on jobs of {settings.public_url}. Ctrl-C ends it.")
        work(settings, slots=slots or settings.worker_slots)


@app.command()
def ingest(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...",
            help="VOTable, FITS, CSV, TSV, ECSV, Parquet, or a file whose layout the description gives; "
            "several of the same columns, or a folder of them, are one table.",
        ),
    ],
    description: Annotated[
        Path | None,
        typer.Option(help="Felis-compatible YAML that describes the table; gaia_dr3_xp.yaml comes with the stack."),
    ] = None,
    table: Annotated[
        str | None, typer.Option(help="Name to publish under, SCHEMA.TABLE. Default: the description's.")
    ] = None,
    member: Annotated[str | None, typer.Option(help="Name or number of the table in a file with several.")] = None,
) -> None:
    """Publish a table from a file, or replace a published one with it."""
    from gaia.catalogues import found  # noqa: PLC0415
    from tap.ingest.description import SchemaDescription, TableDescription, read_description  # noqa: PLC0415
    from tap.ingest.files import open_files  # noqa: PLC0415
    from tap.ingest.plan import table_name  # noqa: PLC0415
    from tap.ingest.service import IngestService  # noqa: PLC0415
    from vo.cli.environment import database  # noqa: PLC0415
    from vo.cli.progress import ingest_progress, show_report  # noqa: PLC0415

    if description is None and table is None:
        raise TableError("The table has no name.", hint="Give --table SCHEMA.TABLE or --description FILE.")
    if description is not None:
        with found(description) as path:
            schema = read_description(path)
        described = schema.table(table.partition(".")[2] if table else None)
        name = table_name(table or f"{schema.name}.{described.name}")
    else:
        name = table_name(table or "")
        schema, described = SchemaDescription(name=name.schema), TableDescription(name=name.table)
    with database() as settings:
        chosen = int(member) if member and member.isdigit() else member
        stream = open_files(files, layout=described.layout, table=chosen)
        if described.description is None and stream.metadata.description:
            described = described.model_copy(update={"description": stream.metadata.description})
        with ingest_progress(str(name), stream.metadata.rows) as progress:
            report = IngestService(settings).publish(stream, name, schema, described, progress=progress)
    show_report(report)


@app.command()
def demo(
    rows: Annotated[
        int, typer.Option(min=1, max=2_000_000_000, help="Synthetic stars to make and publish as demo.big.")
    ],
) -> None:
    """Publish synthetic stars, resampled from real ones, to try the service at size."""
    from tap.ingest.service import IngestService  # noqa: PLC0415
    from vo.cli.environment import database  # noqa: PLC0415
    from vo.cli.progress import ingest_progress, show_report  # noqa: PLC0415
    from vo.demo.catalogues import BIG, publish_big  # noqa: PLC0415

    with database() as settings, ingest_progress(str(BIG), rows) as progress:
        report = publish_big(IngestService(settings), rows, progress)
    show_report(report)


@app.command()
def obsplan() -> None:
    """Publish where Gaia looked, hour by hour, as ivoa.obsplan (ObsLocTAP); again, to replace it."""
    from gaia.gost.obsplan import NAME, publish, rows  # noqa: PLC0415
    from tap.ingest.service import IngestService  # noqa: PLC0415
    from vo.cli.environment import database  # noqa: PLC0415
    from vo.cli.progress import ingest_progress, show_report  # noqa: PLC0415

    with database() as settings, ingest_progress(str(NAME), rows()) as progress:
        report = publish(IngestService(settings), progress)
    show_report(report)


@app.command()
def query(
    adql: Annotated[
        str | None, typer.Argument(metavar="ADQL", help="The query; - or nothing reads it from standard input.")
    ] = None,
    *,
    file: Annotated[Path | None, typer.Option(help="File with the query.")] = None,
    url: Annotated[
        str | None, typer.Option(help="Another TAP service, such as https://example.org/tap. Default: this one.")
    ] = None,
    form: Format = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="File to save the result in.")] = None,
    maxrec: Annotated[int | None, typer.Option(min=0, help="Most rows. Default: the service's.")] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Do not run it: show its plan, an estimate of rows and time, and its SQL.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    upload: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=FILE",
            help="A table that the query calls TAP_UPLOAD.NAME: a file, or a URL from which the service fetches it. "
            "May be given several times.",
        ),
    ] = None,
) -> None:
    """Run a query in ADQL, under the limits that synchronous queries have. Ctrl-C stops it."""
    from vo.cli.query import run  # noqa: PLC0415

    run(
        adql,
        file=file,
        url=url,
        form=form,
        output=output,
        maxrec=maxrec,
        explain=explain,
        force=force,
        uploads=upload or (),
    )


@app.command("run")
def run_task(
    task: Annotated[
        str | None,
        typer.Argument(metavar="TASK", help="Which one; without it they are listed. vo tasks show TASK describes it."),
    ] = None,
    parameters: Annotated[
        list[str] | None, typer.Argument(metavar="PARAMETER=VALUE…", help="Its parameters, names in any case.")
    ] = None,
    *,
    url: Annotated[
        str | None, typer.Option(help="Another service, such as https://example.org/tasks. Default: this one.")
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            help="File to save the result in, or a folder (there already, or named with / at its end) for all results.",
        ),
    ] = None,
    form: Format = None,
    maxrec: Annotated[int | None, typer.Option(min=0, help="Most rows of a table. Default: the service's.")] = None,
    upload: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=FILE",
            help="A table of your own, a file or a URL: the first one is the first input without QUERY or TABLE, and "
            "queries call it TAP_UPLOAD.NAME. May be given several times.",
        ),
    ] = None,
    local: Annotated[
        bool, typer.Option("--local", help="Run it in this process, not as a job of the service's workers.")
    ] = False,
    detach: Annotated[bool, typer.Option("--detach", help="Do not wait: print how to come back to the job.")] = False,
    estimate: Annotated[
        bool, typer.Option("--estimate", help="Do not run it: show how it would be done, and how long it would take.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there.")] = False,
) -> None:
    """Run a task as a job, here or elsewhere, and fetch its result; without a worker it runs here. Ctrl-C stops it."""
    from vo.cli.run import run  # noqa: PLC0415
    from vo.cli.tasks import show_list  # noqa: PLC0415

    if task is None:
        show_list(url)
        return
    run(
        task,
        parameters or (),
        url=url,
        output=output,
        form=form,
        maxrec=maxrec,
        uploads=upload or (),
        local=local,
        detach=detach,
        estimate=estimate,
        force=force,
    )


@tasks_app.callback(invoke_without_command=True)
def tasks(context: typer.Context) -> None:
    """List the tasks."""
    from vo.cli.tasks import show_list  # noqa: PLC0415

    if context.invoked_subcommand is None:
        show_list(None)


@tasks_app.command("list")
def tasks_list(
    url: Annotated[str | None, typer.Option(help="Those of another service, such as https://example.org.")] = None,
) -> None:
    """List the tasks; in a pipe as lines of name and title with a tab between them."""
    from vo.cli.tasks import show_list  # noqa: PLC0415

    show_list(url)


@tasks_app.command("show")
def tasks_show(
    task: Annotated[str, typer.Argument(metavar="TASK", help="Its name.")],
    url: Annotated[str | None, typer.Option(help="Of another service, such as https://example.org.")] = None,
) -> None:
    """Show what a task does, takes and makes."""
    from vo.cli.tasks import show  # noqa: PLC0415

    show(task, url)


@app.command()
def doctor() -> None:
    """Check everything the service needs, and say what to do about what is wrong."""
    from vo.cli.doctor import run  # noqa: PLC0415

    raise typer.Exit(0 if run() else 1)


@database_app.command("url")
def database_url(
    role: Annotated[str, typer.Option(help="vo (the owner) or vo_tap (ADQL's role).")] = "vo",
) -> None:
    """Print the connection string, for psql and other tools."""
    from vo.core.settings import load_settings  # noqa: PLC0415

    typer.echo(load_settings().conninfo(role))


@database_app.command("migrate")
def database_migrate() -> None:
    """Bring the database to the state that this version of the stack needs."""
    from vo.cli.environment import database  # noqa: PLC0415
    from vo.core.migrations import head  # noqa: PLC0415

    with database(prepare=True):
        typer.echo(f"The database is at migration {head()}.")


@database_app.command("setup-sql")
def database_setup_sql() -> None:
    """Print the SQL that the administrator of an existing PostgreSQL runs once."""
    from sql import read_sql  # noqa: PLC0415

    typer.echo(read_sql("setup.sql"))


@jobs_app.command("list")
def jobs_list(
    phase: Annotated[
        list[str] | None,
        typer.Option(help="Only jobs in this phase; may be given several times. Default: all but ARCHIVED."),
    ] = None,
    *,
    after: Annotated[
        str | None, typer.Option(help="Only jobs created later than this time in UTC, such as 2026-01-31T12:00:00.")
    ] = None,
    last: Annotated[int | None, typer.Option(min=1, help="The newest so many. Default: 20.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Not only the newest, but every one.")] = False,
    account: Annotated[str | None, typer.Option(help="Only jobs of this caller: a user's name or an address.")] = None,
    service: Annotated[
        list[str] | None,
        typer.Option(help="Only jobs of this service: tap, or a task's name; may be given several times."),
    ] = None,
) -> None:
    """List jobs, the newest first; in a pipe as lines of values with tabs between them."""
    from vo.cli.jobs import show_list  # noqa: PLC0415

    show_list(phase or [], after=after, last=last, everything=everything, caller=account, services=service or ())


@jobs_app.command("show")
def jobs_show(job: JobId) -> None:
    """Show all that is known of a job."""
    from vo.cli.jobs import show  # noqa: PLC0415

    show(job)


@jobs_app.command("follow")
def jobs_follow(job: JobId) -> None:
    """Watch a job until it ends; the exit status is 0 when it completed. Ctrl-C leaves the job alone."""
    from vo.cli.jobs import follow  # noqa: PLC0415

    raise typer.Exit(0 if follow(job) else 1)


@jobs_app.command("fetch")
def jobs_fetch(
    job: JobId,
    output: Annotated[
        str | None,
        typer.Option(
            "--output", "-o", help="File or folder to save it in; - is standard output. Default: named after the job."
        ),
    ] = None,
    result: Annotated[str | None, typer.Option(help="Which of its results. Default: all.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Save the result of a job, or all of several in a folder."""
    from vo.cli.jobs import fetch  # noqa: PLC0415

    fetch(job, output, result, force=force)


@jobs_app.command("abort")
def jobs_abort(jobs: JobIds) -> None:
    """Abort jobs, and wait until they have really stopped."""
    from vo.cli.jobs import abort  # noqa: PLC0415

    abort(jobs)


@jobs_app.command("delete")
def jobs_delete(jobs: JobIds) -> None:
    """Delete jobs with their results, stopping those that run."""
    from vo.cli.jobs import delete  # noqa: PLC0415

    delete(jobs)


@jobs_app.command("workers")
def jobs_workers() -> None:
    """List the workers: where they run, how much they do, and when each was last seen."""
    from vo.cli.workers import show_workers  # noqa: PLC0415

    show_workers()


@jobs_app.command("drain")
def jobs_drain(
    worker: Annotated[
        str, typer.Argument(metavar="WORKER", help="Its id as vo jobs workers shows it, or the beginning.")
    ],
    undo: Annotated[bool, typer.Option("--undo", help="Let it begin jobs again.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Return when it runs none any more.")] = False,
) -> None:
    """Let a worker begin no more jobs, so that it can be stopped without loss; those that it runs go on."""
    from vo.cli.workers import drain  # noqa: PLC0415

    drain(worker, undo=undo, wait=wait)
