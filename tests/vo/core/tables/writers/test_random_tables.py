"""Whatever the table, astropy and Arrow read back what was written."""

from __future__ import annotations

import io
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import csv as arrow_csv

from vo.core.tables import Column, Datatype

from .samples import SERIALIZATIONS, Sample, batch_of, columns_of_sample, expected, read_votable, write

_LIMITS = {
    Datatype.UNSIGNED_BYTE: (0, 254),
    Datatype.SHORT: (-(2**15) + 1, 2**15 - 1),
    Datatype.INT: (-(2**31) + 1, 2**31 - 1),
    Datatype.LONG: (-(2**63) + 1, 2**63 - 1),
}
# astropy reads char in binary as ASCII, and strips the space around texts in TABLEDATA.
_ASCII = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=8).map(str.strip)
_UNICODE = st.text(st.characters(exclude_categories=("Cs", "Cc", "Cn", "Zs", "Zl", "Zp")), max_size=8)
_NAMES = st.text(st.characters(exclude_categories=("Cs", "Cc", "Cn")), max_size=12)

_ROWS = st.tuples(
    st.none() | st.text(st.characters(codec="utf-8", exclude_characters="\0")),
    st.none() | st.floats(),
    st.none() | st.integers(*_LIMITS[Datatype.LONG]),
)


def elements(datatype: Datatype) -> st.SearchStrategy[Any]:
    if datatype in _LIMITS:
        return st.integers(*_LIMITS[datatype])
    if datatype in (Datatype.BOOLEAN, Datatype.BIT):
        return st.booleans()
    return st.floats(width=32 if datatype is Datatype.FLOAT else 64)


@st.composite
def columns_with_cells(draw: st.DrawFn, rows: int, name: str) -> tuple[Column, list[Any]]:
    datatype = draw(st.sampled_from([*_LIMITS, Datatype.BOOLEAN, Datatype.FLOAT, Datatype.DOUBLE, Datatype.CHAR,
                                     Datatype.UNICODE_CHAR, Datatype.BIT]))  # fmt: skip
    arraysize: str | None = None
    cells: st.SearchStrategy[Any]
    if datatype in (Datatype.CHAR, Datatype.UNICODE_CHAR):
        arraysize = draw(st.sampled_from(["*", "16", "16*"]))
        cells = _ASCII if datatype is Datatype.CHAR else _UNICODE
    else:
        # No variable bit arrays: astropy reads them against the standard.
        sizes = ["3", "2x2"] if datatype is Datatype.BIT else [None, "*", "1", "3", "2x2"]
        arraysize = draw(st.sampled_from(sizes))
        cells = elements(datatype)
        if arraysize is not None:
            has_null = datatype not in (Datatype.BIT, Datatype.UNSIGNED_BYTE)
            length = Column("", datatype, arraysize).length
            cells = st.lists(cells | st.none() if has_null else cells, min_size=length or 0, max_size=length or 5)
    column = Column(name, datatype, arraysize)
    if not (column.is_array and column.length and datatype is Datatype.UNSIGNED_BYTE):  # which BINARY refuses
        cells = cells | st.none()
    return column, draw(st.lists(cells, min_size=rows, max_size=rows))


@st.composite
def tables(draw: st.DrawFn) -> tuple[Sample, list[pa.RecordBatch]]:
    rows = draw(st.integers(0, 12))
    names = draw(st.lists(_NAMES.map(str.strip), min_size=1, max_size=12, unique=True))
    sample = [draw(columns_with_cells(rows, name)) for name in names]
    ends = [*sorted(draw(st.lists(st.integers(0, rows), max_size=3))), rows]
    batch = batch_of(sample)
    return sample, [batch.slice(start, end - start) for start, end in zip([0, *ends], ends, strict=False)]


@pytest.mark.parametrize("form", SERIALIZATIONS)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(tables())
def test_astropy_reads_any_table(form: str, table: tuple[Sample, list[pa.RecordBatch]]) -> None:
    sample, batches = table
    columns = columns_of_sample(sample)
    read = read_votable(write(form, columns, batches), columns)
    for (column, cells), values in zip(sample, read, strict=True):
        assert values == expected(column, cells, form), column


@settings(max_examples=100, deadline=None)
@given(st.lists(_ROWS, min_size=1))
def test_arrow_reads_any_csv(rows: list[tuple[str | None, float | None, int | None]]) -> None:
    columns = (
        Column("text", Datatype.UNICODE_CHAR, "*"),
        Column("x, y", Datatype.DOUBLE),
        Column('"n"', Datatype.LONG),
    )
    batch = batch_of(zip(columns, map(list, zip(*rows, strict=True)), strict=True))
    read = arrow_csv.read_csv(
        io.BytesIO(write("csv", columns, [batch])),
        parse_options=arrow_csv.ParseOptions(newlines_in_values=True),
        convert_options=arrow_csv.ConvertOptions(
            column_types={column.name: column.arrow_type for column in columns},
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
    assert repr(read.to_pydict()) == repr(batch.to_pydict())  # NaN is not equal to itself, its name is
