"""How a text file separates its cells, and where its column names are."""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from vo.core.errors import LimitError, TableError
from vo.core.tables.readers.source import BLOCK, Source

DELIMITERS = (",", "\t", ";", "|")
"""What may separate cells, in the order of preference."""

_LONGEST_LINE = 2 * BLOCK
_HEAD = 1 << 16
_SAMPLE = 100
_MARK = b"\xef\xbb\xbf"
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eEdD][-+]?\d+)?|[-+]?(nan|inf)", re.IGNORECASE)
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a text file is written.

    Attributes
    ----------
    delimiter : str
    skip_lines : int
        Lines before the first row.
    has_names : bool
        Whether the first row holds the column names.
    quoted_nulls : bool
        Whether a quoted empty cell is null too, as in ECSV.
    quotes : bool
        Whether quotes enclose cells; else they are characters like others.
    """

    delimiter: str = ","
    skip_lines: int = 0
    has_names: bool = True
    quoted_nulls: bool = False
    quotes: bool = True

    @property
    def quoting(self) -> Literal[0, 3]:
        """What `csv.reader` calls it."""
        return csv.QUOTE_MINIMAL if self.quotes else csv.QUOTE_NONE


def guess_dialect(source: Source, delimiter: str | None = None) -> Dialect:
    """Find out how a file is written by its first rows; the delimiter may be known.

    What is known to have tabs has no quoting (IANA text/tab-separated-values), unless the first rows show it.
    """
    skip_lines = _comment_lines(source)
    with source.opened() as file:
        for _ in range(skip_lines):
            file.readline(_LONGEST_LINE)
        head = file.read(_HEAD)
    text = _text(head)
    quotes = delimiter != "\t"
    dialect = Dialect(delimiter or _guess_delimiter(text) or ",", skip_lines, quotes=quotes)
    rows = _sample(text, dialect)
    if not dialect.quotes and _has_quotes(rows):
        dialect = replace(dialect, quotes=True)
        rows = _sample(text, dialect)
    return replace(dialect, has_names=not rows or not _is_data(rows[0]))


def column_names(source: Source, dialect: Dialect) -> list[str]:
    """Return the column names; a column without one is called by its number.

    Raises
    ------
    TableError
        If there is no first row, or it is no text in UTF-8.
    """
    with source.opened() as file:
        for _ in range(dialect.skip_lines):
            file.readline(_LONGEST_LINE)
        # Names may hold the delimiter, but not as often as all that.
        if (count := file.readline(_LONGEST_LINE).count(dialect.delimiter.encode())) > 2 * source.limits.columns:
            raise LimitError(
                f"The first line has {count} delimiters; the table may have {source.limits.columns} columns."
            )
    with source.opened() as file:
        for _ in range(dialect.skip_lines):
            file.readline(_LONGEST_LINE)
        text = io.TextIOWrapper(file, "utf-8-sig", newline="")
        try:
            lines = iter(lambda: text.readline(_LONGEST_LINE), "")
            first = next(csv.reader(lines, delimiter=dialect.delimiter, quoting=dialect.quoting), None)
        except UnicodeDecodeError:
            raise TableError("The line of column names is not text in UTF-8.") from None
        finally:
            text.detach()
    if not first:
        raise TableError("The file has no line of column names.")
    names = first if dialect.has_names else [""] * len(first)
    return [name.strip() or f"col{number}" for number, name in enumerate(names, 1)]


def looks_like_csv(head: bytes) -> bool:
    """Return whether the beginning of a file is text in at least two rows of as many cells, and more than one."""
    if _CONTROL.search(head):
        return False
    try:
        head[: head.rfind(b"\n") + 1].decode()
    except UnicodeDecodeError:
        return False
    lines = _text(head).splitlines(keepends=True)
    return _guess_delimiter("".join(itertools.dropwhile(lambda line: line.startswith("#"), lines))) is not None


def _text(head: bytes) -> str:
    """Return the whole lines of the beginning of a file."""
    whole = head if len(head) < _HEAD else head[: head.rfind(b"\n") + 1] or head
    return whole.removeprefix(_MARK).decode(errors="replace")


def _sample(text: str, dialect: Dialect) -> list[list[str]]:
    """Return the first rows that are no comments; none if they cannot be read."""
    lines: Iterator[str] = io.StringIO(text, newline="")
    try:
        rows = csv.reader(
            (line for line in lines if not line.startswith("#")), delimiter=dialect.delimiter, quoting=dialect.quoting
        )
        return list(itertools.islice((row for row in rows if row), _SAMPLE))
    except csv.Error:
        return []


def _has_quotes(rows: list[list[str]]) -> bool:
    """Return whether rows that were divided at every delimiter show quotes: in all names, or in cells cut through."""
    in_all_names = bool(rows) and all(len(name) > 1 and name[0] == name[-1] == '"' for name in rows[0])
    return in_all_names or len({len(row) for row in rows}) > 1


def _guess_delimiter(text: str) -> str | None:
    """Return what divides all rows into as many cells; None if nothing does."""
    samples = {delimiter: _sample(text, Dialect(delimiter)) for delimiter in DELIMITERS}
    for delimiter, rows in samples.items():
        if len(rows) > 1 and len(rows[0]) > 1 and all(len(row) == len(rows[0]) for row in rows):
            return delimiter
    # Rows of different lengths are an error, which speaks of what divides the first row into most cells.
    best = max(DELIMITERS, key=lambda delimiter: len(samples[delimiter][0]) if samples[delimiter] else 0)
    return best if samples[best] and len(samples[best][0]) > 1 else None


def _is_data(row: list[str]) -> bool:
    """Return whether a first row holds values: one of its cells is a number, unless they number the columns."""
    numbers = [cell.strip() for cell in row if _NUMBER.fullmatch(cell.strip())]
    first = len(row) - len(numbers)
    counts = ([str(number + start) for number in range(len(numbers))] for start in {0, 1, first})
    return bool(numbers) and (len(row) == 1 or numbers not in counts)


def _comment_lines(source: Source) -> int:
    """Return the number of lines at the top that begin with ``#``."""
    count = 0
    with source.opened() as file:
        while file.readline(_LONGEST_LINE).startswith((b"#", _MARK + b"#")):
            count += 1
    return count
