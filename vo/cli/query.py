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

from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text
from typer import Exit

from tap.query.cells import Cells
from tap.query.models import QueryRequest
from tap.query.running import RunningQuery
from vo.app.parts import build_queries
from vo.cli.desk import desk
from vo.cli.endings import CUT, Ending
from vo.cli.progress import console
from vo.cli.remote import asked, blocks_of
from vo.cli.showing import SHOWN, Show, count_of, destination, format_of, printable, read_votable, show_cells
from vo.cli.uploads import MultipartBody, Uploads, uploads_of
from vo.core.callers import OPERATOR
from vo.core.context import new_request_id
from vo.core.dali.parameters import Parameters
from vo.core.errors import QueryError, UsageError

CANCEL_EVERY = LOOK_EVERY = 0.1
Result = TypeVar("Result")


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
    wish = Wish(
        _text(query, file), form or format_of(output, otherwise="text" if explain else None), maxrec, explain, tables
    )
    started = time.perf_counter()
    cells = Cells(SHOWN) if wish.format is None else None
    try:
        with destination(output) as stream, _waiting() as show:
            warnings = _ask_remote(url, wish, cells, stream, show) if url else _ask_local(wish, cells, stream, show)
    except KeyboardInterrupt:
        console.print("Stopped.")
        raise Exit(130) from None
    for warning in warnings:
        console.print(Text(printable(warning), "yellow"), soft_wrap=True)
    if cells is not None:
        show_cells(cells, time.perf_counter() - started)
    elif output is not None:
        console.print(Text.assemble(("✓ ", "green"), f"{output}: {output.stat().st_size:,} bytes"), soft_wrap=True)


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
                show(count_of(running.rows))
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
                    show("asking" if running.uploads.tables else f"loading, {count_of(running.uploads.rows)}")
            return work.result()
        finally:
            while not work.done():
                running.cancel()
                wait([work], timeout=CANCEL_EVERY)


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
            return read_votable(Path(file.name), cells, show)


@contextmanager
def _waiting() -> Iterator[Show]:
    """Show that it goes on, to whoever looks."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("asking")
        yield lambda words: progress.update(task, description=words)
