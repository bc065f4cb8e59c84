"""Parquet files with the VOTable that describes them in their metadata (the VOParquet convention 1.0).

Arrow types follow the FIELDs: text is ``string``, a timestamp ``timestamp[us]``, an array of fixed length a
``fixed_size_list`` (astropy makes a column of shape from it), any other a ``list``; arrays are flat, their shapes are
in the VOTable. Nulls are Parquet's own and NaN is a number.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from io import RawIOBase
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from vo.core.tables.columns import Column
from vo.core.tables.writers import cells
from vo.core.tables.writers.arrow import CONTENT_KEY, CONVENTION, VERSION_KEY
from vo.core.tables.writers.base import Chunk, Outcome, ResultMetadata, Writer
from vo.core.tables.writers.canonical import Canonical
from vo.core.tables.writers.votable import header_document

GROUP = 8 << 20
"""Bytes of Arrow data that become one row group: some 100,000 rows, as engines expect them; they wait in memory."""

COMPRESSION = "snappy"
"""Read everywhere without further libraries, also by TOPCAT."""

_CHUNK = 1 << 20


class ParquetWriter(Writer):
    """Writes a Parquet file, one row group after the other.

    Nothing of a file can be read before its end, where an error has no place: it is cut off instead.

    Parameters
    ----------
    columns : tuple of Column
        Declared columns, at least one.
    metadata : ResultMetadata
        What the VOTable says.
    """

    tells_errors = False

    def __init__(self, columns: tuple[Column, ...], metadata: ResultMetadata) -> None:
        self._columns = columns
        self._metadata = metadata
        self._canonical = Canonical(columns)
        names = _unique([column.name for column in columns])
        self._schema = pa.schema(
            [
                column.field().with_name(name).with_type(_type(column))
                for column, name in zip(columns, names, strict=True)
            ]
        )
        self._longest = [0] * len(columns)
        self._waiting: list[list[pa.Array]] = []
        self._waiting_bytes = 0
        self._sink = _Sink()
        self._file: pq.ParquetWriter | None = None

    def begin(self) -> bytes:
        """Return the magic number."""
        texts = [field.name for field in self._schema if pa.types.is_string(field.type)]
        # Of numbers a dictionary takes three times the time and saves little. The schema is stored by `end`.
        self._file = pq.ParquetWriter(
            self._sink, self._schema, compression=COMPRESSION, use_dictionary=texts, store_schema=False
        )
        return b"".join(map(bytes, self._sink.take()))

    def batch(self, batch: pa.RecordBatch) -> list[Chunk]:
        """Return the row groups that are complete with the rows of a batch."""
        pieces = [list(map(_stored, self._columns, arrays)) for arrays in self._canonical.pieces(batch)]
        for arrays in pieces:
            self._longest = list(map(_longer, self._longest, arrays))
            self._waiting.append(arrays)
            self._waiting_bytes += sum(array.nbytes for array in arrays)
            if self._waiting_bytes >= GROUP:
                self._write_group()
        return self._sink.take()

    def end(self, outcome: Outcome) -> Iterable[Chunk]:
        """Return the last row group and the footer, with the VOTable that also tells an overflow."""
        if self._waiting:
            self._write_group()
        # astropy reads text columns only if their VOTable and its own key say how long the texts may be.
        described = tuple(
            replace(column, arraysize=f"{max(1, longest)}*") if _is_free_text(column) else column
            for column, longest in zip(self._columns, self._longest, strict=True)
        )
        lengths = {
            f"table::len::{field.name}": str(max(1, longest))
            for field, longest in zip(self._schema, self._longest, strict=True)
            if pa.types.is_string(field.type)
        }
        file = self._open()
        file.add_key_value_metadata(
            {
                VERSION_KEY: CONVENTION,
                CONTENT_KEY: header_document(described, self._metadata, outcome=outcome),
                "ARROW:schema": b64encode(self._schema.with_metadata(lengths).serialize()),
            }
        )
        file.close()
        self._file = None
        return self._sink.take()

    def close(self) -> None:
        """Forget the rows that wait."""
        super().close()
        self._waiting.clear()
        if self._file is not None:
            with suppress(pa.ArrowException, OSError):
                self._file.close()
            self._file = None
        self._sink.take()

    def _open(self) -> pq.ParquetWriter:
        if self._file is None:
            raise RuntimeError("the file was not begun, or has ended")
        return self._file

    def _write_group(self) -> None:
        batches = [pa.RecordBatch.from_arrays(arrays, schema=self._schema) for arrays in self._waiting]
        self._waiting, self._waiting_bytes = [], 0
        table = pa.Table.from_batches(batches)
        self._open().write_table(table, row_group_size=max(1, table.num_rows))


class _Sink(RawIOBase):
    """What the Parquet library writes, until it is taken."""

    def __init__(self) -> None:
        self._written: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._written.append(bytes(data))
        return len(self._written[-1])

    def take(self) -> list[Chunk]:
        """Return what was written since the last time: small pieces joined, large ones cut."""
        written, self._written = b"".join(self._written), []
        view = memoryview(written)
        return [view[start : start + _CHUNK] for start in range(0, len(view), _CHUNK)]


def _unique(names: list[str]) -> list[str]:
    """Return a name of its own for each column, for few readers of Parquet take two of the same name."""
    unique: dict[str, None] = {}
    for name in names:
        number, candidate = 1, name
        while candidate in unique:
            number += 1
            candidate = f"{name}_{number}"
        unique[candidate] = None
    return list(unique)


def _type(column: Column) -> pa.DataType:
    arrow = column.arrow_type
    return pa.list_(arrow.value_type, column.length) if column.is_array and column.length else arrow


def _stored(column: Column, array: pa.Array) -> pa.Array:
    """Return a column as Parquet stores it: arrays of fixed length as such, if they are."""
    if not (column.is_array and column.length):
        return array
    cells.check_lengths(column, array)
    return array.cast(_type(column))


def _is_free_text(column: Column) -> bool:
    return column.is_text and column.xtype != "timestamp" and column.length is None


def _longer(longest: int, array: pa.Array) -> int:
    """Return the bytes of the longest text, or what they were before."""
    if not pa.types.is_string(array.type) or not len(array):
        return longest
    return max(longest, int(np.diff(cells.numbers_of_offsets(array)).max()))
