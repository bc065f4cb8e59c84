"""One FITS file with one table: the VOTable without rows in the primary HDU, the rows in a BINTABLE."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa

from vo.core.errors import TableError
from vo.core.tables.columns import Column
from vo.core.tables.writers import cells
from vo.core.tables.writers.arrow_spool import ArrowSpool
from vo.core.tables.writers.base import Chunk, Outcome, ResultMetadata, Writer
from vo.core.tables.writers.canonical import PIECE, Canonical
from vo.core.tables.writers.fits.cards import Card, header, padding
from vo.core.tables.writers.fits.facts import Facts
from vo.core.tables.writers.fits.layout import MOST_FIELDS, Field, cards, layout
from vo.core.tables.writers.fits.rows import RowEncoder
from vo.core.tables.writers.text import timestamps
from vo.core.tables.writers.votable import header_document

_EXPLANATION = (
    "The data of this HDU are the bytes of a VOTable, which describes the",
    "table in the BINTABLE extension that follows (STIL's fits-plus).",
)


class FitsWriter(Writer):
    """Writes the table in STIL's form "fits-plus", whose metadata TOPCAT and STILTS read whole.

    The header says how many rows there are and how long texts are, so all rows wait in a temporary file.

    Parameters
    ----------
    columns : tuple of Column
        Declared columns, at least one.
    metadata : ResultMetadata
        What the VOTable says.

    Raises
    ------
    TableError
        If there are more columns than FITS can have.
    """

    tells_errors = False
    holds_back = True

    def __init__(self, columns: tuple[Column, ...], metadata: ResultMetadata) -> None:
        if len(columns) > MOST_FIELDS:
            raise TableError(f"A FITS table has at most {MOST_FIELDS} columns, and here are {len(columns)}.")
        self._columns = columns
        self._metadata = metadata
        self._canonical = Canonical(columns)
        self._facts = [Facts() for _ in columns]
        self._rows = 0
        types = (pa.string() if column.xtype == "timestamp" else column.arrow_type for column in columns)
        self._spool = ArrowSpool(pa.schema([(str(index), arrow) for index, arrow in enumerate(types)]))

    def begin(self) -> bytes:
        """Return nothing."""
        return b""

    def batch(self, batch: pa.RecordBatch) -> list[Chunk]:
        """Keep the rows of a batch, and return nothing."""
        pieces = [list(map(_stored, self._columns, arrays)) for arrays in self._canonical.pieces(batch)]
        for arrays in pieces:
            for facts, column, array in zip(self._facts, self._columns, arrays, strict=True):
                facts.add(column, array)
            self._spool.append(arrays)
            self._rows += len(arrays[0])
        self.held = self._spool.size
        return []

    def end(self, outcome: Outcome) -> Iterable[Chunk]:
        """Give the whole file."""
        fields = layout(self._columns, self._facts, self._rows)
        encoder = RowEncoder(fields)
        heap = sum(field.heap for field in fields)
        yield self._headers(fields, outcome, encoder.row_bytes, heap)
        step = max(1, PIECE // max(1, encoder.row_bytes))
        for arrays in self._pieces(step):
            yield from _in_chunks(encoder.rows(arrays))
        if heap:
            for arrays in self._pieces(step):
                for data in encoder.heap(arrays):
                    yield from _in_chunks(data)
        yield bytes(padding(encoder.row_bytes * self._rows + heap))

    def close(self) -> None:
        """Remove the temporary file."""
        super().close()
        self._spool.close()

    def _pieces(self, step: int) -> Iterator[list[pa.Array]]:
        """Yield all rows, at most `step` at once."""
        for arrays in self._spool.batches():
            for start in range(0, len(arrays[0]), step):
                yield [array.slice(start, step) for array in arrays]

    def _headers(self, fields: list[Field], outcome: Outcome, row_bytes: int, heap: int) -> bytes:
        described = tuple(field.column for field in fields)
        document = header_document(described, self._metadata, outcome=outcome)
        primary = [
            Card("SIMPLE", True, "Standard FITS format"),
            Card("BITPIX", 8, "Bytes"),
            Card("NAXIS", 1, "One text"),
            Card("NAXIS1", len(document), "Number of bytes"),
            Card("VOTMETA", True, "Table metadata in VOTable format"),
            Card("EXTEND", True, "There are extensions"),
            *(Card("COMMENT", None, line) for line in _EXPLANATION),
            Card("NTABLE", 1, "Number of tables that follow"),
        ]
        extension = [
            Card("XTENSION", "BINTABLE", "Binary table"),
            Card("BITPIX", 8, "Bytes"),
            Card("NAXIS", 2, "Rows of bytes"),
            Card("NAXIS1", row_bytes, "Bytes of a row"),
            Card("NAXIS2", self._rows, "Number of rows"),
            Card("PCOUNT", heap, "Bytes of the heap"),
            Card("GCOUNT", 1, "One group"),
            Card("TFIELDS", len(fields), "Number of columns"),
        ]
        if self._metadata.name:
            extension.append(Card("EXTNAME", self._metadata.name, "Name of the table"))
        if outcome.overflow:
            extension.append(Card("QSTATUS", "OVERFLOW", "There are more rows than these"))
        else:
            extension.append(Card("QSTATUS", "OK", "These are all rows"))
        extension += cards(fields)
        return header(primary) + document + bytes(padding(len(document))) + header(extension)


def _stored(column: Column, array: pa.Array) -> pa.Array:
    """Return a column as it waits: times as the texts that will be written, arrays of the length that is declared."""
    if pa.types.is_timestamp(array.type):
        return timestamps(array)
    if column.is_array and column.length is not None:
        cells.check_lengths(column, array)
    return array


def _in_chunks(data: memoryview) -> Iterator[Chunk]:
    for start in range(0, len(data), PIECE):
        yield data[start : start + PIECE]
