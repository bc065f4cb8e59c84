"""What has to be known of all values of a column before the first row of a FITS table can be written."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vo.core.tables.columns import INTEGER, Column
from vo.core.tables.writers import cells
from vo.core.tables.writers.cells import NATIVE


@dataclass(slots=True)
class Facts:
    """Of one column, so far.

    Attributes
    ----------
    has_null : bool
        Whether something of an integer column is null that FITS can only tell by a number.
    least, greatest : int, optional
        Of integers; None while there are none.
    longest : int
        Bytes of a text, numbers or booleans of an array.
    size : int
        Bytes of all texts or arrays together.
    """

    has_null: bool = False
    least: int | None = None
    greatest: int | None = None
    longest: int = 0
    size: int = 0

    def add(self, column: Column, array: pa.Array) -> None:
        """Take in the values of a piece of the table."""
        values = array
        if column.is_array:
            lengths, values = cells.ragged(array)
            self.longest = max(self.longest, int(lengths.max(initial=0)))
            self.size += int(lengths.sum()) * NATIVE[column.datatype].itemsize
        elif column.is_text:
            lengths = np.diff(cells.numbers_of_offsets(array))
            self.longest = max(self.longest, int(lengths.max(initial=0)))
            self.size += int(lengths.sum())
        if column.datatype in INTEGER:
            # A null array of variable length has no elements, so that it needs no number.
            self.has_null |= values.null_count > 0 or (column.length is not None and array.null_count > 0)
            extremes = pc.min_max(values)
            if (least := extremes["min"].as_py()) is not None:
                self.least = least if self.least is None else min(self.least, least)
                greatest = extremes["max"].as_py()
                self.greatest = greatest if self.greatest is None else max(self.greatest, greatest)
