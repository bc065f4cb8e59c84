"""``vo query``: a query to the service of this machine, or to any other, and its rows where they are wanted."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text
from typer import Exit

from tap.query.cells import Cells, is_number
from tap.query.models import QueryRequest
from tap.query.running import RunningQuery
from vo.app.parts import build_queries
from vo.cli.desk import desk
from vo.cli.endings import CUT, LOOKED_AT, Ending
from vo.cli.progress import console
from vo.cli.remote import asked, blocks_of
from vo.cli.uploads import MultipartBody, Uploads, uploads_of
from vo.core.callers import OPERATOR
from vo.core.context import new_request_id
from vo.core.dali.parameters import Parameters
from vo.core.errors import QueryError, UsageError
from vo.core.tables.writers import Outcome, ResultMetadata

SHOWN = 40
"""Rows that a terminal shows."""
WIDEST = 40
"""Characters of a cell in a terminal."""
CANCEL_EVERY = LOOK_EVERY = 0.1
SUFFIXES = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".ecsv": "ecsv",
    ".fits": "fits",
    ".fit": "fits",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".arrow": "arrow",
    ".arrows": "arrow",
    ".json": "json",
    ".html": "html",
    ".htm": "html",
    ".txt": "text",
}
"""Formats by the end of a file's name; others are VOTables."""

Result = TypeVar("Result")
Show = Callable[[str], None]
"""Shows in a few words how far it is."""

out = Console(highlight=False)
"""For what was asked for; remarks go to standard error."""


@dataclass(frozen=True)
class Wish:
    """What is asked for on the command line.

    Attributes
    ----------
    query : str
        ADQL.
    format : str, optional
        As RESPONSEFORMAT; None for a table in the terminal.
    maxrec : int, optional
        Most rows.
    explain : bool
        Explain the query instead of running it.
    uploads : Uploads
        Tables that go with it.
    """

    query: str
    format: str | None
    maxrec: int | None
    explain: bool
    uploads: Uploads

    @property
    def parameters(self) -> list[tuple[str, str]]:
        """The parameters of a synchronous query."""
        pairs = [("LANG", "ADQL"), ("QUERY", self.query)]
        pairs += [("RESPONSEFORMAT", self.format)] if self.format else []
        pairs += [("MAXREC", str(self.maxrec))] if self.maxrec is not None else []
        pairs += [("UPLOAD", self.uploads.parameter)] if self.uploads.parameter else []
        return [*pairs, ("EXPLAIN", "1")] if self.explain else pairs


def run(
    query: str | None,
    *,
    file: Path | None,
    url: str | None,
    form: str | None,
    output: Path | None,
    maxrec: int | None,
    explain: bool,
    force: bool,
    uploads: Sequence[str] = (),
) -> None:
    """Ask, and show or save the answer."""
    if output is not None and output.exists() and not force:
        raise UsageError(f"{output} is there already.", hint="Give another name, or --force.")
    tables = uploads_of(uploads)
    wish = Wish(_text(query, file), form or _format(output, explain=explain), maxrec, explain, tables)
    started = time.perf_counter()
    cells = Cells(SHOWN) if wish.format is None else None
    try:
        with _destination(output) as stream, _waiting() as show:
            warnings = _ask_remote(url, wish, cells, stream, show) if url else _ask_local(wish, cells, stream, show)
    except KeyboardInterrupt:
        console.print("Stopped.")
        raise Exit(130) from None
    for warning in warnings:
        console.print(Text(printable(warning), "yellow"), soft_wrap=True)
    if cells is not None:
        _show(cells, time.perf_counter() - started)
    elif output is not None:
        console.print(Text.assemble(("✓ ", "green"), f"{output}: {output.stat().st_size:,} bytes"), soft_wrap=True)


def printable(text: str) -> str:
    """Return a text from elsewhere without what would move the terminal's cursor, its lines as they are."""
    return "".join(character if character.isprintable() or character == "\n" else " " for character in text)


def _text(query: str | None, file: Path | None) -> str:
    """Return the query from where it is given."""
    if query is not None and file is not None:
        raise UsageError("The query is given twice, as an argument and as a file.")
    try:
        if file is not None:
            return file.read_text(encoding="utf-8")
        if query not in {None, "-"}:
            return query or ""
        if sys.stdin.isatty():
            raise UsageError("There is no query.", hint='Such as: vo query "SELECT * FROM tap_schema.tables"')
        return sys.stdin.read()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"The query cannot be read: {error}.") from None


def _format(output: Path | None, *, explain: bool) -> str | None:
    """Return the format where none is named: by the file's name; a table in a terminal, CSV in a pipe."""
    if output is not None:
        return SUFFIXES.get(output.suffix.lower(), "votable")
    if explain:
        return "text"
    return None if out.is_terminal else "csv"


# ---- asking ---------------------------------------------------------------------------------------------------------


def _ask_local(wish: Wish, cells: Cells | None, stream: BinaryIO, show: Show) -> Sequence[str]:
    """Run the query as the service does, under its role and limits; return remarks on it."""
    with desk() as found, build_queries(found.settings) as service:
        request = QueryRequest.from_parameters(Parameters(wish.parameters), found.settings)
        if cells is not None:
            request = replace(request, format=cells.format)
        with closing(service.query(request, OPERATOR, new_request_id(), wish.uploads.files)) as running:
            blocks: Sequence[Any] | None = _stoppable(running, running.begin, show)
            while blocks is not None:
                for block in blocks:
                    stream.write(block)
                show(_rows(running.rows))
                blocks = _stoppable(running, running.more, show)
            if running.error is not None:
                raise running.error
            return (*running.warnings, *((CUT,) if running.overflow and cells is None else ()))


def _stoppable(running: RunningQuery, step: Callable[[], Result], show: Show) -> Result:
    """Run a step that waits for the database in another thread, so that Ctrl-C stops it there too."""
    with ThreadPoolExecutor(1) as executor:
        work = executor.submit(step)
        try:
            while not wait([work], timeout=LOOK_EVERY).done:
                if running.uploads is not None and not running.rows:
                    show("asking" if running.uploads.tables else f"loading, {_rows(running.uploads.rows)}")
            return work.result()
        finally:
            while not work.done():
                running.cancel()
                wait([work], timeout=CANCEL_EVERY)


def _rows(count: int) -> str:
    return f"{count:,} {'row' if count == 1 else 'rows'}"


def _ask_remote(url: str, wish: Wish, cells: Cells | None, stream: BinaryIO, show: Show) -> Sequence[str]:
    """Ask another service; return its remarks."""

    def on_sent(sent: int, total: int) -> None:
        show(f"sending, {sent / 1e6:,.0f} of {total / 1e6:,.0f} MB" if sent < total else "asking")

    files = [*wish.uploads.files.values()]
    body = MultipartBody(wish.parameters, files, on_sent) if files else None
    with asked(url, wish.parameters, body) as response:
        if wish.explain and wish.format == "text" and response.headers.get_content_type() != "text/plain":
            raise QueryError("This service does not explain queries.")
        if cells is None:
            ending = Ending(response.headers.get_content_type())
            for block in blocks_of(response):
                stream.write(block)
                ending.see(block)
            return ending.remarks()
        with tempfile.NamedTemporaryFile(suffix=".vot") as file:
            for block in blocks_of(response):
                file.write(block)
            file.flush()
            return _read(Path(file.name), cells, show)


def _read(file: Path, cells: Cells, show: Show) -> Sequence[str]:
    """Take the rows of a VOTable."""
    from vo.core.tables.readers import open_table  # noqa: PLC0415  (Astropy is slow to come)

    table = open_table(file, format="votable")
    writer = cells.writer(table.columns, ResultMetadata())
    for batch in table.batches:
        writer.batch(batch)
        show(_rows(cells.total))
    ending = Ending("text/xml")
    with file.open("rb") as document:
        document.seek(max(0, file.stat().st_size - LOOKED_AT))
        ending.see(document.read())
    writer.end(Outcome(rows=cells.total, overflow=bool(ending.remarks())))
    warning = table.metadata.infos.get("warning")
    return warning.split("\n") if warning else ()


@contextmanager
def _destination(output: Path | None) -> Iterator[BinaryIO]:
    """Hold what the result is written to: standard output, or a file that appears when it is whole."""
    if output is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    part = output.with_name(f".{output.name}.part")
    try:
        with part.open("wb") as stream:
            yield stream
        part.replace(output)
    except OSError as error:
        raise UsageError(f"{output} cannot be written: {error.strerror or error}.") from None
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def _waiting() -> Iterator[Show]:
    """Show that it goes on, to whoever looks."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("asking")
        yield lambda words: progress.update(task, description=words)


# ---- showing --------------------------------------------------------------------------------------------------------


def _show(cells: Cells, seconds: float) -> None:
    """Print the first rows as a table, as many columns as the window has room for, and say how many there are."""
    rows = [[_cell(value) for value in row] for row in cells.rows]
    heads = [Text(f"{_cell(column.name)}\n{_cell(column.unit) or ' '}") for column in cells.columns]
    fitting = _fitting(heads, rows, out.width)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for head, column in list(zip(heads, cells.columns, strict=True))[:fitting]:
        table.add_column(head, justify="right" if is_number(column) else "left", no_wrap=True)
    for row in rows:
        table.add_row(*(Text(value) for value in row[:fitting]))
    out.print(table)
    total = _rows(cells.total)
    words = total if cells.total <= len(rows) else f"the first {len(rows)} of {total}"
    words += " (there are more: --maxrec)" if cells.overflow else ""
    console.print(f"{words}, {seconds:.2f} s", style="dim")
    if fitting < len(cells.columns):
        left_out = ", ".join(_cell(column.name) for column in cells.columns[fitting:])
        console.print(Text(f"not shown: {left_out}", "dim"), soft_wrap=True)


def _cell(value: str | None) -> str:
    shown = " ".join(printable(value or "").split())
    return shown if len(shown) <= WIDEST else f"{shown[: WIDEST - 1]}…"


def _fitting(heads: Sequence[Text], rows: Sequence[Sequence[str]], room: int) -> int:
    """Return how many columns fit side by side, at least one."""
    for number, head in enumerate(heads):
        cells = (Text(row[number]).cell_len for row in rows)
        room -= 2 + max([*(Text(line).cell_len for line in head.plain.split("\n")), *cells])
        if room < -2 and number:
            return number
    return len(heads)
