"""CSV and TSV: the dialect is guessed from the first rows, the types from all rows, in a first pass over the file."""

from __future__ import annotations

import codecs
import io
from collections.abc import Callable, Iterator
from functools import partial
from typing import IO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from vo.core.errors import TableError
from vo.core.tables.columns import FLOATING, INTEGER, Column, schema_of
from vo.core.tables.readers.csv_dialect import Dialect, column_names, guess_dialect
from vo.core.tables.readers.csv_types import NULL_WORDS, TypeGuess
from vo.core.tables.readers.lists import lists_of_numbers
from vo.core.tables.readers.source import BLOCK, Source
from vo.core.tables.readers.text import parse_column
from vo.core.tables.stream import TableMetadata, TableStream

_BLOCK = BLOCK
"""Bytes parsed at a time; a row must fit."""

_ERROR = b"# ERROR "
"""With this the last line begins when `DelimitedWriter` had to end before the last row."""

_LONGEST_ERROR = 4096

_NO_LISTS = pa.array(["", *NULL_WORDS])


def open_csv(source: Source, table: str | int | None = None, delimiter: str | None = None) -> TableStream:
    """Open a CSV file (RFC 4180), with or without a line of column names.

    A column is `long`, else `double`, `boolean` (true, false), a timestamp or text, whichever all its cells are. Where
    they are lists of numbers, ``"[1.0, 2.0]"`` or ``"(1.0, 2.0)"``, it is an array of `long` or `double`. An
    empty cell is null, a quoted empty one is an empty text. Lines that begin with ``#`` are passed over at the top of
    the file, and further down where they do not have as many cells as a row. A first row with a number in it holds
    values, and the columns are called by their numbers.

    Parameters
    ----------
    source : Source
        The file, in UTF-8, perhaps gzipped.
    table : str or int, optional
        Refused: there is one table.
    delimiter : str, optional
        What separates cells; guessed by default.

    Raises
    ------
    TableError
        For a row with another number of cells than the first one; names its line.
    """
    refuse_table(table)
    dialect = guess_dialect(source, delimiter)
    names = column_names(source, dialect)
    source.limits.check_columns(len(names))
    guess = TypeGuess(names)
    for batch in string_batches(source, dialect, len(names)):
        guess.look_at(batch)
        source.limits.check_rows(guess.rows)
    columns = guess.columns()
    return TableStream(columns, typed_batches(source, dialect, columns), TableMetadata(rows=guess.rows))


open_tsv = partial(open_csv, delimiter="\t")


def refuse_table(table: str | int | None) -> None:
    """Raise an error if a table was asked for in a file that has one only."""
    if table not in {None, 0}:
        raise TableError(f"The file has one table only, so {table!r} cannot be chosen.")


def typed_batches(
    source: Source,
    dialect: Dialect,
    columns: tuple[Column, ...],
    split: Callable[[Column, pa.Array], pa.Array] | None = None,
) -> Iterator[pa.RecordBatch]:
    """Read the rows below the column names as the given columns; see `parse_column` for `split`."""
    schema = schema_of(columns)
    row = 0
    for batch in string_batches(source, dialect, len(columns)):
        arrays = [
            parse_column(
                cells,
                column,
                row=row,
                nulls=() if column.arrow_type == pa.string() else NULL_WORDS,
                split=None if split is None else partial(split, column),
            )
            if (lists := _lists(cells, column)) is None
            else lists
            for cells, column in zip(batch.columns, columns, strict=True)
        ]
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)
        row += len(batch)


def _lists(cells: pa.Array, column: Column) -> pa.Array | None:
    """Return the arrays of cells that are plain lists of numbers, as nearly all are; None for all else."""
    if not column.is_array or column.datatype not in INTEGER | FLOATING:
        return None
    words = pc.utf8_trim_whitespace(cells)
    absent = pc.is_in(words, value_set=_NO_LISTS)
    if pc.any(absent).as_py():
        words = pc.if_else(absent, pa.scalar(None, pa.string()), words)
    try:
        found = lists_of_numbers(words, column.arrow_type.value_type)
    except pa.ArrowInvalid:
        return None
    wrong = column.length is not None and pc.any(pc.not_equal(pc.list_value_length(found), column.length)).as_py()
    return None if wrong else found


def string_batches(source: Source, dialect: Dialect, columns: int) -> Iterator[pa.RecordBatch]:
    """Read the rows below the column names; each cell is a string or null.

    Raises
    ------
    TableError
        For a row with another number of cells; names its line (as far as no cell before it goes over several).
    """
    refused: list[pa_csv.InvalidRow] = []

    def judge(row: pa_csv.InvalidRow) -> str:
        if row.text.startswith("#"):
            return "skip"
        refused.append(row)
        return "error"

    with source.opened() as file:
        watched = _Watched(file, dialect)
        try:
            yield from pa_csv.open_csv(
                watched,
                read_options=pa_csv.ReadOptions(
                    skip_rows=dialect.skip_lines,
                    autogenerate_column_names=True,  # the names in the file may be repeated
                    skip_rows_after_names=int(dialect.has_names),
                    block_size=_BLOCK,
                    use_threads=False,  # else a row does not know its number
                ),
                parse_options=pa_csv.ParseOptions(
                    delimiter=dialect.delimiter,
                    quote_char='"' if dialect.quotes else False,
                    newlines_in_values=dialect.quotes,
                    invalid_row_handler=judge,
                ),
                convert_options=pa_csv.ConvertOptions(
                    column_types={f"f{index}": pa.string() for index in range(columns)},
                    null_values=[""],
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=dialect.quoted_nulls,
                ),
            )
        except pa.ArrowInvalid as error:
            if refused:
                row = refused[0]
                raise TableError(
                    f"Line {row.number} of the file has {row.actual_columns} cells "
                    f"where the table has {row.expected_columns} columns."
                ) from None
            if "straddling" in str(error):
                raise TableError(
                    f"The file has a row of more than {_BLOCK >> 20} MB, or a quote without an end."
                ) from None
            raise
        if watched.is_open:
            raise TableError("The file ends inside a quoted cell: it is truncated.")
        if watched.last_line.startswith(_ERROR):
            reason = watched.last_line.removeprefix(_ERROR).decode(errors="replace")
            raise TableError(f"The file reports that its service failed: {reason}")


class _Watched(io.RawIOBase):
    """A file that is text in UTF-8, and remembers its last line and whether it ends inside a quoted cell.

    pyarrow takes the end of the file for the end of the cell, and cannot show a row that it refuses if it is no text.
    """

    def __init__(self, file: IO[bytes], dialect: Dialect) -> None:
        self._file = file
        self._has_quotes = dialect.quotes
        self._before_opening = b'\r\n"' + dialect.delimiter.encode()
        self._end = b""
        self._quotes = 0
        self._last_byte = b"\n"
        self._before_last_quote = b""
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    def read(self, size: int = -1) -> bytes:
        block = self._file.read(size)
        try:
            self._decoder.decode(block, final=not block)
        except UnicodeDecodeError:
            raise TableError("The file is not text in UTF-8.") from None
        if count := block.count(b'"'):
            self._quotes += count
            at = block.rfind(b'"')
            self._before_last_quote = block[at - 1 : at] if at else self._last_byte
        self._last_byte = block[-1:] or self._last_byte
        self._end = (self._end + block[-_LONGEST_ERROR:])[-_LONGEST_ERROR:]
        return block

    def readable(self) -> bool:
        return True

    @property
    def is_open(self) -> bool:
        """Whether the quotes do not pair up and the last one stands where a cell begins or another quote is."""
        return self._has_quotes and self._quotes % 2 == 1 and self._before_last_quote in self._before_opening

    @property
    def last_line(self) -> bytes:
        """The last line, if it is not very long."""
        return self._end.rstrip(b"\r\n").rpartition(b"\n")[2]
