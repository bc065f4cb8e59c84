"""A result as texts, for people who look at its first rows: a writer that writes nothing and keeps cells."""

from __future__ import annotations

from dataclasses import dataclass, field

import pyarrow as pa

from vo.core.tables.columns import TEXT, Column
from vo.core.tables.writers import Chunk, Format, Outcome, ResultMetadata, Writer
from vo.core.tables.writers.canonical import Canonical
from vo.core.tables.writers.csv import SPELLING
from vo.core.tables.writers.text import texts


@dataclass
class Cells:
    """The first rows of a result as texts.

    Attributes
    ----------
    most : int
        How many rows to keep; those after them are counted.
    columns : tuple of Column
        As soon as the result has begun.
    rows : list of list
        Cells as CSV has them; None for null.
    total : int
        Rows so far.
    overflow : bool
        Whether the result was cut.
    """

    most: int
    columns: tuple[Column, ...] = ()
    rows: list[list[str | None]] = field(default_factory=list)
    total: int = 0
    overflow: bool = False

    @property
    def format(self) -> Format:
        """A format for one request, whose result comes here."""
        return Format(
            name="cells",
            media_type="text/html",
            aliases=(),
            ivo_id=None,
            extension=".html",
            description="The first rows, to look at",
            writer=self.writer,
        )

    def writer(self, columns: tuple[Column, ...], metadata: ResultMetadata) -> CellWriter:
        """Return the writer that keeps the rows here."""
        del metadata
        self.columns = columns
        return CellWriter(self)


class CellWriter(Writer):
    """Keeps the first rows."""

    def __init__(self, cells: Cells) -> None:
        self._cells = cells
        self._canonical = Canonical(cells.columns)

    def begin(self) -> bytes:
        """Return nothing."""
        return b""

    def batch(self, batch: pa.RecordBatch) -> list[Chunk]:
        """Keep what is wanted of a batch."""
        cells = self._cells
        wanted = batch.slice(0, max(0, cells.most - len(cells.rows)))
        cells.total += batch.num_rows
        for arrays in self._canonical.pieces(wanted):
            shown = [
                texts(column, array, SPELLING).to_pylist() for column, array in zip(cells.columns, arrays, strict=True)
            ]
            cells.rows += [list(row) for row in zip(*shown, strict=True)]
        return []

    def end(self, outcome: Outcome) -> list[Chunk]:
        """Note whether there would have been more."""
        self._cells.overflow = outcome.overflow
        return []


def is_number(column: Column) -> bool:
    """Whether the cells of a column are best read aligned at their right side."""
    return column.datatype not in TEXT and not column.is_array
