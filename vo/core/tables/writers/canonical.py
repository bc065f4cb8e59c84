"""Batches as they come, columns as they are declared: safe casts and pieces of a bounded size."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from vo.core.errors import TableError
from vo.core.tables.columns import Column

PIECE = 1 << 20
"""Bytes of Arrow data that are encoded at once: small enough for the caches and for flat memory."""


class Canonical:
    """Brings the columns of record batches to `Column.arrow_type`.

    Parameters
    ----------
    columns : tuple of Column
        Declared columns; batches follow them by position.
    """

    def __init__(self, columns: tuple[Column, ...]) -> None:
        self._columns = columns
        self._types = tuple(column.arrow_type for column in columns)

    def pieces(self, batch: pa.RecordBatch) -> Iterator[list[pa.Array]]:
        """Yield the columns of `batch`, cast, in pieces of about `PIECE` bytes; nothing for a batch without rows.

        Raises
        ------
        TableError
            If a value does not fit its column, or the batch has another number of columns.
        """
        if batch.num_columns != len(self._columns):
            raise TableError(f"A batch has {batch.num_columns} columns where {len(self._columns)} are declared.")
        arrays = [
            array if array.type == declared else _cast(column, declared, array)
            for column, declared, array in zip(self._columns, self._types, batch.columns, strict=True)
        ]
        rows = batch.num_rows
        size = sum(array.nbytes for array in arrays)
        if size <= 2 * PIECE:
            if rows:
                yield arrays
            return
        step = max(1, rows * PIECE // size)
        for start in range(0, rows, step):
            yield [array.slice(start, step) for array in arrays]


def _cast(column: Column, declared: pa.DataType, array: pa.Array) -> pa.Array:
    """Return `array` as the declared type, every value kept."""
    try:
        if pa.types.is_dictionary(array.type):
            array = array.dictionary_decode()
        if pa.types.is_timestamp(declared) and _is_text(array.type):
            # DALI allows a trailing Z; all our times are UTC and Arrow's naive type refuses zones.
            array = pc.utf8_rtrim(array, characters="Z")
        cast = array.cast(declared)
    except pa.ArrowException as error:
        reason = str(error).splitlines()[0]
        raise TableError(f"Column {column.name!r}: a value does not fit {_described(column)}: {reason}.") from None
    _refuse_new_infinities(column, array, cast)
    return cast


def _is_text(arrow: pa.DataType) -> bool:
    return bool(pa.types.is_string(arrow) or pa.types.is_large_string(arrow) or pa.types.is_string_view(arrow))


def _described(column: Column) -> str:
    if column.xtype == "timestamp":
        return "a timestamp"
    return f"datatype {column.datatype}" + (f"[{column.arraysize}]" if column.arraysize else "")


def _refuse_new_infinities(column: Column, before: pa.Array, after: pa.Array) -> None:
    """Refuse a float that became infinite by narrowing, which Arrow does silently."""
    if column.is_array:
        before, after = before.flatten(), after.flatten()
    if not (pa.types.is_float32(after.type) and pa.types.is_floating(before.type)):
        return
    if pc.sum(pc.is_inf(after)).as_py() != pc.sum(pc.is_inf(before)).as_py():
        raise TableError(f"Column {column.name!r}: a value does not fit {_described(column)}: it is out of range.")
