"""Rows of a fixed number of bytes: BINARY and BINARY2 without variable arrays, FITS, records of a layout."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from vo.core.errors import TableError
from vo.core.tables.columns import Column, Datatype, schema_of
from vo.core.tables.readers.cells import WIRE, column_array


@dataclass(frozen=True, slots=True)
class FixedCell:
    """Where a column's cell lies in a row.

    Attributes
    ----------
    column : Column
    offset : int
        Bytes before the cell.
    count : int
        Elements in the cell: 1 for a scalar, 2 for a complex number, bits for a bit array, characters for text.
    null : int, float or str, optional
        The value that stands for null.
    """

    column: Column
    offset: int
    count: int
    null: int | float | str | None = None

    @property
    def size(self) -> int:
        """Bytes that the cell takes."""
        return cell_size(self.column.datatype, self.count)

    def elements(self, block: Any, rows: int, width: int, order: str) -> np.ndarray[Any, Any]:
        """Return the cell's elements in `rows` rows of `width` bytes, shape (rows * count,)."""
        if self.column.datatype is Datatype.BIT:
            shape, strides = (rows, self.size), (width, 1)
            packed = np.ndarray(shape, np.uint8, block, self.offset, strides)
            if self.count == 1:  # writers put a single bit at either end of its byte
                single: np.ndarray[Any, Any] = packed.ravel() != 0
                return single
            return np.unpackbits(packed, axis=1)[:, : self.count].ravel()
        wire = np.dtype(f"{order}{WIRE[self.column.datatype]}")
        values: np.ndarray[Any, Any] = np.ndarray(
            (rows, self.count), wire, block, self.offset, (width, wire.itemsize)
        ).astype(wire.newbyteorder("="))
        return values.ravel()


def cell_size(datatype: Datatype, count: int) -> int:
    """Return the bytes that `count` elements take (VOTable 1.5, section 2.1); bits are packed into whole bytes."""
    return (count + 7) // 8 if datatype is Datatype.BIT else count * np.dtype(WIRE[datatype]).itemsize


@dataclass(frozen=True, slots=True)
class FixedRows:
    """The format of a row.

    Attributes
    ----------
    cells : sequence of FixedCell
    width : int
        Bytes in a row.
    order : str
        ``">"`` for big-endian numbers, ``"<"`` for little-endian ones.
    flags : bool
        Whether the row begins with BINARY2's null flags, one bit a column, the most significant bit first.
    """

    cells: Sequence[FixedCell]
    width: int
    order: str = ">"
    flags: bool = False

    def __post_init__(self) -> None:
        if self.width < 1:
            raise TableError("A row of 0 bytes cannot be read.")

    def batch(self, block: Any, rows: int) -> pa.RecordBatch:
        """Decode the first `rows` rows of a block."""
        arrays = [
            column_array(
                cell.column,
                cell.elements(block, rows, self.width, self.order),
                np.arange(rows + 1) * cell.count,
                absent=self._absent(block, rows, index) if self.flags else None,
                null=cell.null,
            )
            for index, cell in enumerate(self.cells)
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=schema_of(cell.column for cell in self.cells))

    def _absent(self, block: Any, rows: int, index: int) -> np.ndarray[Any, np.dtype[np.bool_]] | None:
        flags = np.ndarray((rows,), np.uint8, block, index // 8, (self.width,))
        absent = (flags & (0x80 >> index % 8)) != 0
        return absent if absent.any() else None

    def batches(self, chunks: Iterable[bytes]) -> Iterator[pa.RecordBatch]:
        """Decode a stream of bytes, cut anywhere, into one batch a chunk.

        Raises
        ------
        TableError
            If the bytes end inside a row.
        """
        done = 0
        rest = b""
        for chunk in chunks:
            block = rest + chunk if rest else chunk
            rows = len(block) // self.width
            if rows:
                yield self.batch(block, rows)
            done += rows
            rest = block[rows * self.width :]
        if rest:
            raise TableError(f"The data end inside row {done + 1}: {len(rest)} of its {self.width} bytes are there.")
