"""Results of queries and tasks where people want them: as a table in a terminal, in a pipe, or in a file."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tap.query.cells import Cells, is_number
from vo.cli.endings import LOOKED_AT, Ending
from vo.cli.progress import console
from vo.core.errors import UsageError
from vo.core.tables.writers import Outcome, ResultMetadata

SHOWN = 40
"""Rows that a terminal shows."""
WIDEST = 40
"""Characters of a cell in a terminal."""
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

Show = Callable[[str], None]
"""Shows in a few words how far it is."""

out = Console(highlight=False)
"""For what was asked for; remarks go to standard error."""


def printable(text: str) -> str:
    """Return a text from elsewhere without what would move the terminal's cursor, its lines as they are."""
    return "".join(character if character.isprintable() or character == "\n" else " " for character in text)


def format_of(output: Path | None, *, otherwise: str | None = None) -> str | None:
    """Return the format where none is named: by the file's name; a table in a terminal (None), CSV in a pipe."""
    if output is not None:
        return SUFFIXES.get(output.suffix.lower(), "votable")
    return otherwise or (None if out.is_terminal else "csv")


def count_of(count: int) -> str:
    """Return so many rows in words."""
    return f"{count:,} {'row' if count == 1 else 'rows'}"


def read_votable(file: Path, cells: Cells, show: Show) -> Sequence[str]:
    """Take the rows of a VOTable."""
    from vo.core.tables.readers import open_table  # noqa: PLC0415  (Astropy is slow to come)

    table = open_table(file, format="votable")
    writer = cells.writer(table.columns, ResultMetadata())
    for batch in table.batches:
        writer.batch(batch)
        show(count_of(cells.total))
    ending = Ending("text/xml")
    with file.open("rb") as document:
        document.seek(max(0, file.stat().st_size - LOOKED_AT))
        ending.see(document.read())
    writer.end(Outcome(rows=cells.total, overflow=bool(ending.remarks())))
    warning = table.metadata.infos.get("warning")
    return warning.split("\n") if warning else ()


@contextmanager
def destination(output: Path | None) -> Iterator[BinaryIO]:
    """Hold what the result is written to: standard output, or a file that appears when it is whole."""
    if output is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    replaced = output.is_file() or not output.exists()  # what is something else, such as /dev/null, stays what it is
    part = output.with_name(f".{output.name}.part") if replaced else output
    try:
        with part.open("wb") as stream:
            yield stream
        if replaced:
            part.replace(output)
    except OSError as error:
        raise UsageError(f"{output} cannot be written: {error.strerror or error}.") from None
    finally:
        if replaced:
            part.unlink(missing_ok=True)


def show_cells(cells: Cells, seconds: float) -> None:
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
    total = count_of(cells.total)
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
