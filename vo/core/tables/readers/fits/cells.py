"""Cells of a binary table become Arrow arrays, those in the row and those in the heap."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from vo.core.tables.columns import Column, Datatype
from vo.core.tables.readers.cells import WIRE, column_array, unpacked_bits
from vo.core.tables.readers.fits.columns import BinaryField
from vo.core.tables.readers.rows import FixedCell
from vo.core.tables.readers.slices import Bytes, Integers, content, gather


def cell_arrays(fields: Sequence[BinaryField], block: Any, rows: int, width: int, heap: Bytes | None) -> list[pa.Array]:
    """Decode some rows.

    Parameters
    ----------
    fields : sequence of BinaryField
    block : buffer
        The rows.
    rows, width : int
        Number of rows, and bytes in each.
    heap : numpy.ndarray of uint8, optional
        The heap, for tables with variable arrays.
    """
    arrays = []
    for field in fields:
        if field.pointer and heap is not None:
            elements, offsets = _heap_elements(field, block, rows, width, heap)
        else:
            stored = Column(field.column.name, field.stored)
            elements = FixedCell(stored, field.offset, field.count).elements(block, rows, width, ">")
            offsets = np.arange(rows + 1) * field.count
        arrays.append(column_array(field.column, field.values(elements), offsets, null=field.null_value()))
    return arrays


def _heap_elements(
    field: BinaryField, block: Any, rows: int, width: int, heap: Bytes
) -> tuple[np.ndarray[Any, Any], Integers]:
    lengths, starts = field.pointers(block, rows, width)
    ends = starts + field.heap_bytes(block, rows, width, len(heap))
    filled = ends > starts
    data = _gather_any(heap, starts[filled], ends[filled])
    offsets = np.concatenate(([0], np.cumsum(lengths * field.count)))
    if field.stored is Datatype.BIT:
        return unpacked_bits(data, lengths), offsets
    wire = np.dtype(f">{WIRE[field.stored]}")
    return data.view(wire).astype(wire.newbyteorder("=")), offsets


def _gather_any(heap: Bytes, starts: Integers, ends: Integers) -> Bytes:
    """Return the bytes of ranges in any order; they may overlap, as equal arrays may share their bytes."""
    if not len(starts):
        return np.empty(0, np.uint8)
    low, high = int(starts.min()), int(ends.max())
    if high - low < 1 << 31 and (starts[1:] >= ends[:-1]).all():
        return content(gather(heap[low:high], starts - low, ends - low))[0]
    sizes = ends - starts
    before = np.cumsum(sizes) - sizes
    places: Bytes = heap[np.arange(int(sizes.sum())) + np.repeat(starts - before, sizes)]
    return places
