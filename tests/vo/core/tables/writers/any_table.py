"""Random tables of every type that a table can hold, for the formats that lose nothing."""

from __future__ import annotations

import datetime
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from vo.core.tables import Column, Datatype
from vo.core.tables.columns import COMPLEX, TEXT

from .samples import Sample, batch_of

INTEGERS = {
    Datatype.UNSIGNED_BYTE: (0, 255),
    Datatype.SHORT: (-(2**15), 2**15 - 1),
    Datatype.INT: (-(2**31), 2**31 - 1),
    Datatype.LONG: (-(2**63), 2**63 - 1),
}
_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6)
_TIMES = st.datetimes(datetime.datetime(1, 1, 1), datetime.datetime(9999, 12, 31, 23, 59, 59, 999999))
_NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=80)


def _elements(datatype: Datatype) -> st.SearchStrategy[Any]:
    if datatype in INTEGERS:
        low, high = INTEGERS[datatype]
        return st.sampled_from([low, high, 0]) | st.integers(low, high)
    if datatype in (Datatype.BOOLEAN, Datatype.BIT):
        return st.booleans()
    return st.floats(width=32 if datatype in (Datatype.FLOAT, Datatype.FLOAT_COMPLEX) else 64)


@st.composite
def _columns(draw: st.DrawFn, rows: int, name: str) -> tuple[Column, list[Any]]:
    datatype = draw(st.sampled_from(list(Datatype)))
    cells: st.SearchStrategy[Any]
    if datatype in TEXT:
        xtype = draw(st.sampled_from([None, None, "timestamp"]))
        column, cells = Column(name, datatype, "*", xtype=xtype), _TIMES if xtype else _TEXT
    else:
        arraysize = draw(st.sampled_from([None, "*", "1", "3", "2x2", "2x*", "0"]))
        column, cells = Column(name, datatype, arraysize), _elements(datatype)
        if column.is_array:
            element = cells if datatype in COMPLEX else cells | st.none()
            least, most = (0, 3 * column.parts) if column.length is None else (column.length, column.length)
            lists = st.lists(element, min_size=least, max_size=most)
            cells = lists.map(lambda values: values[: len(values) // column.parts * column.parts])
    return column, draw(st.lists(cells | st.none(), min_size=rows, max_size=rows))


@st.composite
def any_tables(draw: st.DrawFn) -> tuple[Sample, list[pa.RecordBatch]]:
    """Return columns with their cells, and the same in a few batches, of which some may be empty."""
    rows = draw(st.integers(0, 6))
    sample = [draw(_columns(rows, name)) for name in draw(st.lists(_NAMES, min_size=1, max_size=10))]
    ends = [*sorted(draw(st.lists(st.integers(0, rows), max_size=3))), rows]
    batch = batch_of(sample)
    return sample, [batch.slice(start, end - start) for start, end in zip([0, *ends], ends, strict=False)]
