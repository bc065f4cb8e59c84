"""The parts of a layout that concern every format: values that mean null, and which rows are kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from vo.core.errors import TableError
from vo.core.tables.columns import Column
from vo.core.tables.readers.layout import Keep, Layout
from vo.core.tables.stream import TableStream


def select(stream: TableStream, layout: Layout) -> TableStream:
    """Return the stream with the layout's `nulls` made null and only the rows of its `keep`.

    Raises
    ------
    TableError
        If the layout names a column that the table has not, or a value that is none of the column's type.
    """
    if not layout.nulls and not layout.keep:
        return stream
    nulls = {}
    for name, value in layout.nulls.items():
        index = _find(stream.columns, name, "nulls")
        nulls[index] = _scalar(stream.columns[index], value, "nulls")
    limits = [(_find(stream.columns, keep.column, "keep"), keep) for keep in layout.keep]
    conditions = [(index, *_limits(stream.columns[index], keep)) for index, keep in limits]
    return TableStream(
        columns=stream.columns,
        batches=_selected(stream.batches, nulls, conditions),
        metadata=replace(stream.metadata, rows=None) if conditions else stream.metadata,
    )


def _selected(
    batches: Iterator[pa.RecordBatch], nulls: dict[int, pa.Scalar], conditions: list[tuple[int, pa.Scalar, pa.Scalar]]
) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        arrays = list(batch.columns)
        for index, value in nulls.items():
            arrays[index] = pc.if_else(pc.equal(arrays[index], value), pa.scalar(None, value.type), arrays[index])
        kept = pa.RecordBatch.from_arrays(arrays, schema=batch.schema)
        for index, minimum, maximum in conditions:
            if minimum is not None:
                kept = kept.filter(pc.greater_equal(kept.column(index), minimum))
            if maximum is not None:
                kept = kept.filter(pc.less_equal(kept.column(index), maximum))
        if len(kept):
            yield kept


def _find(columns: tuple[Column, ...], name: str, part: str) -> int:
    found = [index for index, column in enumerate(columns) if column.name == name]
    if len(found) != 1:
        how = "which the table has not" if not found else f"which the table has {len(found)} times"
        raise TableError(f"The layout's {part!r} names the column {name!r}, {how}.")
    return found[0]


def _limits(column: Column, keep: Keep) -> tuple[pa.Scalar | None, pa.Scalar | None]:
    minimum, maximum = (
        None if value is None else _scalar(column, value, "keep") for value in (keep.minimum, keep.maximum)
    )
    return minimum, maximum


def _scalar(column: Column, value: int | float | str, part: str) -> pa.Scalar:
    if column.is_array:
        raise TableError(f"The layout's {part!r} names the column {column.name!r}, whose cells are arrays.")
    try:
        return pa.scalar(value).cast(column.arrow_type)
    except pa.ArrowException:
        raise TableError(f"The layout's {part!r}: {value!r} is not a value of column {column.name!r}.") from None
