"""CSV and TSV: types are guessed from all rows, in a first pass over the file."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from vo.core.errors import TableError
from vo.core.tables.columns import Column, Datatype, schema_of
from vo.core.tables.readers.source import BLOCK, open_bytes
from vo.core.tables.readers.text import parse_column
from vo.core.tables.stream import TableMetadata, TableStream

NULL_WORDS = ("null", "NULL", "NA", "N/A")
"""Words for "no value" in columns of numbers, booleans and times; in a text column they are text."""

_NO_VALUES = pa.array(["", *NULL_WORDS])
_EXACT_DIGITS = 15
_BLOCK = 2 * BLOCK
"""Bytes parsed at a time; a row must fit. Text takes about twice the room of what it says."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a text file separates its cells, and where its column names stand.

    Attributes
    ----------
    delimiter : str
    skip_lines : int
        Lines before the line of column names.
    quoted_nulls : bool
        Whether a quoted empty cell is null too, as in ECSV.
    """

    delimiter: str = ","
    skip_lines: int = 0
    quoted_nulls: bool = False


def open_csv(path: Path, table: str | int | None = None, delimiter: str = ",") -> TableStream:
    """Open a CSV file (RFC 4180) with a line of column names.

    A column is `long`, else `double`, `boolean` (true, false), a timestamp or text, whichever all its cells are. An
    empty cell is null, a quoted empty one is an empty text. Lines at the top that begin with ``#`` are passed over.

    Parameters
    ----------
    path : pathlib.Path
        The file, in UTF-8, perhaps gzipped.
    table : str or int, optional
        Refused: there is one table.
    delimiter : str
        What separates cells.
    """
    refuse_table(table)
    dialect = Dialect(delimiter, skip_lines=_comment_lines(path))
    names = column_names(path, dialect)
    columns, rows = _guess_columns(path, dialect, names)
    return TableStream(columns, typed_batches(path, dialect, columns), TableMetadata(rows=rows))


open_tsv = partial(open_csv, delimiter="\t")


def refuse_table(table: str | int | None) -> None:
    """Raise an error if a table was asked for in a file that has one only."""
    if table not in {None, 0}:
        raise TableError(f"The file has one table only, so {table!r} cannot be chosen.")


def column_names(path: Path, dialect: Dialect) -> list[str]:
    """Return the column names of the first row; a column without one is called by its number."""
    with open_bytes(path) as file:
        for _ in range(dialect.skip_lines):
            file.readline(_BLOCK)
        text = io.TextIOWrapper(file, "utf-8-sig", newline="")
        try:
            lines = iter(lambda: text.readline(_BLOCK), "")
            names = next(csv.reader(lines, delimiter=dialect.delimiter), None)
        except UnicodeDecodeError:
            raise TableError("The line of column names is not text in UTF-8.") from None
        finally:
            text.detach()
    if not names:
        raise TableError("The file has no line of column names.")
    return [name.strip() or f"col{number}" for number, name in enumerate(names, 1)]


def typed_batches(
    path: Path,
    dialect: Dialect,
    columns: tuple[Column, ...],
    split: Callable[[pa.Array], pa.Array] | None = None,
) -> Iterator[pa.RecordBatch]:
    """Read the rows below the column names as the given columns; see `parse_column` for `split`."""
    schema = schema_of(columns)
    row = 0
    for batch in string_batches(path, dialect, len(columns)):
        arrays = [
            parse_column(
                cells, column, row=row, nulls=() if schema.field(index).type == pa.string() else NULL_WORDS, split=split
            )
            for index, (cells, column) in enumerate(zip(batch.columns, columns, strict=True))
        ]
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)
        row += len(batch)


def string_batches(path: Path, dialect: Dialect, columns: int) -> Iterator[pa.RecordBatch]:
    """Read the rows below the column names; each cell is a string or null."""
    with open_bytes(path) as file:
        watched = _QuoteWatch(file, dialect.delimiter)
        try:
            yield from pa_csv.open_csv(
                watched,
                read_options=pa_csv.ReadOptions(
                    skip_rows=dialect.skip_lines,
                    autogenerate_column_names=True,  # the names in the file may be repeated
                    skip_rows_after_names=1,
                    block_size=_BLOCK,
                ),
                parse_options=pa_csv.ParseOptions(delimiter=dialect.delimiter, newlines_in_values=True),
                convert_options=pa_csv.ConvertOptions(
                    column_types={f"f{index}": pa.string() for index in range(columns)},
                    null_values=[""],
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=dialect.quoted_nulls,
                ),
            )
        except pa.ArrowInvalid as error:
            if "straddling" in str(error):
                raise TableError(
                    f"The file has a row of more than {_BLOCK >> 20} MB, or a quote without an end."
                ) from None
            raise
        if watched.is_open:
            raise TableError("The file ends inside a quoted cell: it is truncated.")


class _QuoteWatch(io.RawIOBase):
    """A file that remembers whether it ends inside a quoted cell, which pyarrow takes for the end of the cell."""

    def __init__(self, file: IO[bytes], delimiter: str) -> None:
        self._file = file
        self._before_opening = b'\r\n"' + delimiter.encode()
        self._quotes = 0
        self._last_byte = b"\n"
        self._before_last_quote = b""

    def read(self, size: int = -1) -> bytes:
        block = self._file.read(size)
        if count := block.count(b'"'):
            self._quotes += count
            at = block.rfind(b'"')
            self._before_last_quote = block[at - 1 : at] if at else self._last_byte
        self._last_byte = block[-1:] or self._last_byte
        return block

    def readable(self) -> bool:
        return True

    @property
    def is_open(self) -> bool:
        """Whether the quotes do not pair up and the last one stands where a cell begins or another quote is."""
        return self._quotes % 2 == 1 and self._before_last_quote in self._before_opening


def _comment_lines(path: Path) -> int:
    """Return the number of lines at the top that begin with ``#``."""
    count = 0
    with open_bytes(path) as file:
        while file.readline(_BLOCK).startswith((b"#", b"\xef\xbb\xbf#")):
            count += 1
    return count


def _guess_columns(path: Path, dialect: Dialect, names: list[str]) -> tuple[tuple[Column, ...], int]:
    """Read the whole file and return the narrowest columns that hold all cells, and the number of rows."""
    guesses = [0] * len(names)
    filled = [False] * len(names)
    exact = [False] * len(names)  # whether there was an integer that a double might not hold
    rows = 0
    for batch in string_batches(path, dialect, len(names)):
        rows += len(batch)
        for index, cells in enumerate(batch.columns):
            words = pc.utf8_trim_whitespace(cells)
            filled[index] |= _has_values(words)
            while guesses[index] < len(_GUESSES) - 1 and not _GUESSES[guesses[index]].holds(words):
                guesses[index] += 1
            if guesses[index] == 0:
                exact[index] |= (pc.max(pc.utf8_length(words)).as_py() or 0) > _EXACT_DIGITS
            elif guesses[index] == 1 and exact[index]:
                guesses[index] = len(_GUESSES) - 1
    columns = (
        _GUESSES[guess if has_values else -1].column(name)
        for name, guess, has_values in zip(names, guesses, filled, strict=True)
    )
    return tuple(columns), rows


def _has_values(words: pa.Array) -> bool:
    return bool(pc.any(pc.and_(pc.is_valid(words), pc.invert(pc.is_in(words, value_set=_NO_VALUES)))).as_py())


def _without_nulls(words: pa.Array) -> pa.Array:
    return pc.if_else(pc.is_in(words, value_set=_NO_VALUES), pa.scalar(None, pa.string()), words)


def _casts(words: pa.Array, column: Column) -> bool:
    try:
        parse_column(words, column, nulls=NULL_WORDS)
    except TableError:
        return False
    return True


def _all_match(words: pa.Array, pattern: str) -> bool:
    return bool(pc.all(pc.match_substring_regex(_without_nulls(words), pattern)).as_py())


@dataclass(frozen=True, slots=True)
class _Guess:
    """A type that a column may have, and whether all of some cells are of it."""

    prototype: Column
    pattern: str

    def column(self, name: str) -> Column:
        return replace(self.prototype, name=name)

    def holds(self, words: pa.Array) -> bool:
        return _all_match(words, self.pattern) and _casts(words, self.prototype)


# Among doubles an integer of many digits, an identifier most likely, would lose some of them: it makes the column text.
_GUESSES = (
    _Guess(Column("", Datatype.LONG), r"^[-+]?[0-9]+$"),
    _Guess(
        Column("", Datatype.DOUBLE),
        r"^[-+]?([0-9]{1,15}|[0-9]*\.[0-9]*|[0-9]+\.?[0-9]*[eE][-+]?[0-9]+|[0-9]*\.[0-9]+[eE][-+]?[0-9]+|[nN]a[nN]|[iI]nf(inity)?)$",
    ),
    _Guess(Column("", Datatype.BOOLEAN), r"^([tT]rue|TRUE|[fF]alse|FALSE)$"),
    _Guess(Column("", Datatype.CHAR, arraysize="*", xtype="timestamp"), r"^[0-9]{4}-[0-9]{2}-[0-9]{2}"),
    _Guess(Column("", Datatype.UNICODE_CHAR, arraysize="*"), ""),
)
