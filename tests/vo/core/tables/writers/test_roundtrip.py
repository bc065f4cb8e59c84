"""Whatever the table, what was written is read back: by our own readers, by astropy and by STILTS.

What a format cannot say stands in `in_votable` and `in_ecsv`, what a reader cannot tell beside each test.
"""

from __future__ import annotations

import datetime
import io
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from astropy.io.votable import parse_single_table
from astropy.table import Table
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from vo.core.tables import Column, Datatype, schema_of
from vo.core.tables.columns import COMPLEX, FLOATING, INTEGER
from vo.core.tables.readers import open_table
from vo.core.tables.writers import ResultMetadata

from .samples import SERIALIZATIONS, Cells, Sample, batch_of, columns_of_sample, stilts, write

_LIMITS = {
    Datatype.UNSIGNED_BYTE: (0, 254),
    Datatype.SHORT: (-(2**15) + 1, 2**15 - 1),
    Datatype.INT: (-(2**31) + 1, 2**31 - 1),
    Datatype.LONG: (-(2**63) + 1, 2**63 - 1),
}
_SPECIAL = (
    Column("", Datatype.DOUBLE, "2", "point", "deg", "pos.eq"),
    Column("", Datatype.DOUBLE, "3", "circle", "deg"),
    Column("", Datatype.DOUBLE, "*", "polygon", "deg"),
    Column("", Datatype.CHAR, "*", "moc"),
    Column("", Datatype.CHAR, "*", "timestamp"),
    Column("", Datatype.CHAR, "*"),
    Column("", Datatype.UNICODE_CHAR, "*"),
    Column("", Datatype.UNICODE_CHAR, "16*"),
)
_NUMERIC = [datatype for datatype in Datatype if datatype not in (Datatype.CHAR, Datatype.UNICODE_CHAR)]
_COLUMNS = st.sampled_from(_SPECIAL) | st.builds(
    Column, st.just(""), st.sampled_from(_NUMERIC), st.sampled_from([None, "*", "3", "2x2", "2x*"])
)
# astropy reads char in binary as ASCII, and all strip the white space around a text in TABLEDATA.
_ASCII = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=8).map(str.strip)
_UNICODE = st.text(st.characters(exclude_categories=("Cs", "Cc", "Cn", "Zs", "Zl", "Zp")), max_size=8)
_TIMES = st.datetimes(datetime.datetime(1, 1, 1), datetime.datetime(9999, 12, 31))
_QUICK = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])


def _elements(column: Column) -> st.SearchStrategy[Any]:
    if column.datatype in _LIMITS:
        return st.integers(*_LIMITS[column.datatype])
    if column.datatype in (Datatype.BOOLEAN, Datatype.BIT):
        return st.booleans()
    if column.xtype is not None:  # of places on the sky, which votlint checks
        return st.floats(0, 90)
    return st.floats(width=32 if column.datatype in (Datatype.FLOAT, Datatype.FLOAT_COMPLEX) else 64)


def _cells(column: Column, *, null_elements: bool) -> st.SearchStrategy[Any]:
    if column.xtype == "timestamp":
        return _TIMES
    if column.is_text:
        return _ASCII if column.datatype is Datatype.CHAR else _UNICODE
    if not column.is_array:
        return _elements(column)
    elements = _elements(column)
    # A null bit has no spelling in VOTable, nor has a null among unsigned bytes.
    if null_elements and column.xtype is None and column.datatype not in (Datatype.BIT, Datatype.UNSIGNED_BYTE):
        elements |= st.none()
    size = replace(column, arraysize=(column.arraysize or "1").replace("*", "1")).length or 1
    if column.length is not None:
        return st.lists(elements, min_size=size, max_size=size)
    counts = st.sampled_from([6, 8]) if column.xtype == "polygon" else st.integers(0, 3)
    return counts.flatmap(lambda count: st.lists(elements, min_size=count * size, max_size=count * size))


@st.composite
def tables(
    draw: st.DrawFn,
    columns: st.SearchStrategy[Column] = _COLUMNS,
    *,
    wide: bool = False,
    rows: int = 0,
    null_arrays: bool = True,
    null_elements: bool = True,
) -> Sample:
    rows = draw(st.integers(rows, 6))
    sample: Sample = []
    for number in range(draw(st.integers(20, 30) if wide else st.integers(1, 10))):
        column = replace(draw(columns), name=f'column {number} "é", <&>')
        cells = _cells(column, null_elements=null_elements)
        is_fixed = column.is_array and column.length is not None
        # BINARY has no null for an array of unsigned bytes of fixed length.
        has_null = not is_fixed or (null_arrays and column.datatype is not Datatype.UNSIGNED_BYTE)
        if has_null and (null_arrays or column.xtype != "polygon"):
            cells |= st.none()
        sample.append((column, draw(st.lists(cells, min_size=rows, max_size=rows))))
    return sample


def split(sample: Sample) -> list[pa.RecordBatch]:
    batch = batch_of(sample)
    return [batch.slice(0, 2), batch.slice(2)]


def as_arrow(column: Column, cells: Cells) -> Cells:
    """Return cells as Arrow keeps them: floats of 32 bits rounded."""
    values: Cells = pa.array(cells, column.arrow_type).to_pylist()
    return values


def in_votable(form: str, column: Column, cell: Any) -> Any:
    """Return what is left of a cell in a VOTable."""
    if cell is None:
        if form != "votable/b":
            return None
        # BINARY has no flags: what stands for null there are other values, except integers and booleans.
        if column.is_text:
            return None if column.xtype == "timestamp" else ""
        if column.is_array and column.length is None:
            return []
        alone = False if column.datatype is Datatype.BIT else _null_element(column)
        return [alone] * column.length if column.is_array and column.length else alone
    if column.is_array:
        # An empty TD is null, whatever was meant.
        cell = [_null_element(column) if element is None else element for element in cell]
        return None if form == "votable/td" and not cell else cell
    return None if form == "votable/td" and cell == "" else cell


def _null_element(column: Column) -> float | None:
    return math.nan if column.datatype in FLOATING or column.datatype in COMPLEX else None


def in_ecsv(column: Column, cell: Any) -> Any:
    """Return what is left of a cell in ECSV: all but the empty text."""
    return None if cell == "" else cell


def own(path: Path) -> tuple[tuple[Column, ...], list[Cells]]:
    """Return what our own reader finds."""
    stream = open_table(path)
    table = pa.Table.from_batches(stream.batches, schema=schema_of(stream.columns))
    return stream.columns, [column.to_pylist() for column in table.columns]


@pytest.mark.parametrize("form", SERIALIZATIONS)
@settings(_QUICK, max_examples=60)
@given(tables())
def test_our_reader_returns_any_votable(form: str, tmp_path: Path, sample: Sample) -> None:
    path = tmp_path / "t.vot"
    path.write_bytes(write(form, columns_of_sample(sample), split(sample)))
    columns, found = own(path)
    assert columns == columns_of_sample(sample)
    for (column, cells), read in zip(sample, found, strict=True):
        assert repr(read) == repr([in_votable(form, column, cell) for cell in as_arrow(column, cells)]), column


@settings(_QUICK, max_examples=60)
@given(tables())
def test_our_reader_returns_any_ecsv(tmp_path: Path, sample: Sample) -> None:
    path = tmp_path / "t.ecsv"
    path.write_bytes(write("ecsv", columns_of_sample(sample), split(sample)))
    columns, found = own(path)
    assert list(columns) == [
        replace(column, datatype=Datatype.UNICODE_CHAR, arraysize="*") if column.is_text else column
        for column, _ in sample
    ]
    for (column, cells), read in zip(sample, found, strict=True):
        assert repr(read) == repr([in_ecsv(column, cell) for cell in as_arrow(column, cells)]), column


@pytest.mark.parametrize("form", ["parquet", "arrow"])
@settings(_QUICK, max_examples=60)
@given(tables())
def test_our_reader_returns_any_arrow_and_parquet(form: str, tmp_path: Path, sample: Sample) -> None:
    path = tmp_path / "t"
    described = ResultMetadata(name="stars", description="What is wanted", infos=(("citation", "2016A&A", ""),))
    path.write_bytes(write(form, columns_of_sample(sample), split(sample), metadata=described))
    metadata = open_table(path).metadata
    assert (metadata.name, metadata.description) == ("stars", "What is wanted")
    assert metadata.infos == {"QUERY_STATUS": "OK", "citation": "2016A&A", "IVOA.VOTable-Parquet.version": "1.0"}
    columns, found = own(path)
    assert columns == columns_of_sample(sample)
    for (column, cells), read in zip(sample, found, strict=True):
        assert repr(read) == repr(as_arrow(column, cells)), column


@settings(_QUICK, max_examples=60)
@given(tables(null_elements=False))
def test_our_reader_returns_any_fits(tmp_path: Path, sample: Sample) -> None:
    path = tmp_path / "t.fits"
    path.write_bytes(write("fits", columns_of_sample(sample), split(sample)))
    columns, found = own(path)
    assert [_loosely(column) for column in columns] == [_loosely(column) for column, _ in sample]
    for (column, cells), read in zip(sample, found, strict=True):
        assert repr(read) == repr([in_votable("votable/b", column, cell) for cell in as_arrow(column, cells)]), column


def _loosely(column: Column) -> Column:
    """Return a column without what FITS changes: wider integers make room for null, some bits are booleans."""
    if column.datatype in INTEGER:
        return replace(column, datatype=Datatype.LONG)
    return replace(column, datatype=Datatype.BIT) if column.datatype is Datatype.BOOLEAN else column


@settings(_QUICK, max_examples=60)
@given(st.lists(st.tuples(_UNICODE | st.just('"'), st.integers()), min_size=1))
def test_our_reader_returns_any_tsv(tmp_path: Path, rows: list[tuple[str, int]]) -> None:
    sample: Sample = [
        (Column("text", Datatype.UNICODE_CHAR, "*"), [f'"{text}' for text, _ in rows]),
        (Column("n", Datatype.LONG), [n % 1000 for _, n in rows]),
    ]
    path = tmp_path / "t.tsv"
    path.write_bytes(write("tsv", columns_of_sample(sample), split(sample)))
    assert own(path)[1] == [cells for _, cells in sample]


@settings(_QUICK, max_examples=60)
@given(tables(rows=1))
def test_astropy_reads_any_ecsv(sample: Sample) -> None:
    # Without rows it reads no arrays.
    table = Table.read(write("ecsv", columns_of_sample(sample), split(sample)).decode(), format="ascii.ecsv")
    assert table.colnames == [column.name for column, _ in sample]
    for (column, cells), name in zip(sample, table.colnames, strict=True):
        assert repr([_plain(cell) for cell in table[name]]) == repr(
            [_for_astropy(column, cell) for cell in as_arrow(column, cells)]
        ), column


def _for_astropy(column: Column, cell: Any) -> Any:
    """Return what astropy makes of a cell in ECSV."""
    if isinstance(cell, datetime.datetime):
        return _written(cell)
    if not column.is_array:
        return None if cell == "" else cell
    if column.length is not None:
        return [None] * column.length if cell is None else cell
    # It has no null arrays of variable length, and among their elements none but of integers.
    unknown: Any = {Datatype.BOOLEAN: False}.get(column.datatype, None if column.datatype in INTEGER else math.nan)
    return [unknown if element is None else element for element in cell or []]


def _plain(cell: Any) -> Any:
    if cell is np.ma.masked:
        return None
    if isinstance(cell, np.ndarray):
        return np.ma.asarray(cell).ravel().tolist()
    return cell.item() if isinstance(cell, np.generic) else cell


def _written(moment: datetime.datetime) -> str:
    text = moment.isoformat()
    return text.rstrip("0") if "." in text else text


@settings(_QUICK, max_examples=60)
@given(tables())
def test_json_says_all(sample: Sample) -> None:
    document = json.loads(write("json", columns_of_sample(sample), split(sample)), parse_constant=pytest.fail)
    words = ("name", "datatype", "arraysize", "xtype", "unit", "ucd")
    assert document["metadata"] == [
        {word: getattr(column, word) for word in words if getattr(column, word)} for column, _ in sample
    ]
    rows = len(sample[0][1])
    found = list(zip(*document["data"], strict=True)) if rows else [()] * len(sample)
    for (column, cells), read in zip(sample, found, strict=True):
        values = [_from_json(column, cell) for cell in read]
        assert repr(values) == repr(as_arrow(column, cells)), column


def _from_json(column: Column, cell: Any) -> Any:
    if cell is None:
        return None
    if column.xtype == "timestamp":
        return datetime.datetime.fromisoformat(cell)
    if isinstance(cell, list):
        flat = np.array(cell, dtype=object).ravel().tolist()
        return [_from_json(replace(column, arraysize=None), element) for element in flat]
    if column.datatype is Datatype.BIT:
        return bool(cell)
    if column.datatype in (Datatype.FLOAT, Datatype.FLOAT_COMPLEX):
        return float(np.float32(cell))
    return float(cell) if column.datatype in FLOATING or column.datatype in COMPLEX else cell


@settings(_QUICK, max_examples=60)
@given(tables(rows=1))
def test_our_reader_returns_any_csv(tmp_path: Path, sample: Sample) -> None:
    # Values only, as CSV has no types: arrays become texts, which must not look like numbers here. In a table of one
    # column null is an empty text.
    marked: Sample = [(Column("n", Datatype.INT), [1] * len(sample[0][1]))]
    for column, cells in sample:
        if column.is_text and column.xtype != "timestamp":
            marked.append((column, [cell if cell is None else f"text {cell}".strip() for cell in cells]))
        elif not column.is_array and column.datatype is not Datatype.BIT:
            marked.append((column, cells))
    path = tmp_path / "t.csv"
    path.write_bytes(write("csv", columns_of_sample(marked), split(marked)))
    columns, found = own(path)
    assert [column.name for column in columns] == [column.name for column, _ in marked]
    for (column, cells), read in zip(marked, found, strict=True):
        values = [_number(column, cell) for cell in read]
        assert repr(values) == repr(as_arrow(column, cells)), column


def _number(column: Column, cell: Any) -> Any:
    """Return a number as the declared type: whole floats are written without a point."""
    if cell is None or column.datatype not in FLOATING:
        return cell
    return float(np.float32(cell)) if column.datatype is Datatype.FLOAT else float(cell)


@settings(_QUICK, max_examples=60)
@given(st.lists(st.none() | st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=5)))
def test_tsv_takes_line_ends_and_tabs_for_spaces_and_null_for_the_empty_text(texts: list[str | None]) -> None:
    sample: Sample = [
        (Column("text", Datatype.UNICODE_CHAR, "*"), texts),
        (Column("n", Datatype.INT), [1] * len(texts)),
    ]
    lines = write("tsv", columns_of_sample(sample), split(sample)).decode().split("\n")
    blanks = str.maketrans("\t\r\n", "   ")
    assert lines == ["text\tn", *(f"{(text or '').translate(blanks)}\t1" for text in texts), ""]


# STIL's arrays have no null elements, NaN is its null, it takes the number of complex numbers in a variable array for
# that of all parts, and breaks off at a bit outside an array. votlint 3.4 takes the empty TD of a null polygon or array
# of fixed length for numbers, does not know moc, and loses its place among variable arrays in binary, also of those
# that STILTS itself wrote.
@pytest.mark.parametrize("form", SERIALIZATIONS)
@settings(_QUICK, max_examples=2, phases=[Phase.generate])
@given(tables(wide=True, rows=3, null_arrays=False, null_elements=False))
def test_stilts_reads_any_table_and_votlint_finds_nothing(form: str, tmp_path: Path, sample: Sample) -> None:
    sample = [
        (replace(column, xtype=None) if column.xtype == "moc" else column, cells)
        for column, cells in sample
        if column.length or column.datatype not in COMPLEX
        if column.arraysize or column.datatype is not Datatype.BIT
    ]
    document = write(form, columns_of_sample(sample), split(sample))
    checked = [(column, cells) for column, cells in sample if form == "votable/td" or column.is_text or column.length]
    linted = write(form, columns_of_sample(checked), split(checked))
    assert stilts("votlint", "ucd=true", "unit=true", "votable=-", document=linted) == ""
    copy = tmp_path / "copy.vot"
    copy.write_text(
        stilts("tpipe", "in=-", "ifmt=votable", "ofmt=votable(format=BINARY2,version=V14)", document=document)
    )
    _, found = own(copy)
    for (column, cells), read in zip(sample, found, strict=True):
        assert repr([_for_stilts(cell) for cell in read]) == repr(
            [_for_stilts(_spelt(cell)) for cell in as_arrow(column, cells)]
        ), column


def _spelt(cell: Any) -> Any:
    return _written(cell) if isinstance(cell, datetime.datetime) else cell


def _for_stilts(cell: Any) -> Any:
    return None if cell in ("", []) or (isinstance(cell, float) and math.isnan(cell)) else _spelt(cell)


# In binary, astropy takes the number of elements of ``2x*`` for that of pairs; it refuses the empty TD of a null array
# of fixed length.
_COMPLEX_COLUMNS = st.builds(
    Column, st.just(""), st.sampled_from(sorted(COMPLEX)), st.sampled_from([None, "*", "3", "2x2"])
)


@pytest.mark.parametrize("form", SERIALIZATIONS)
@settings(_QUICK, max_examples=40)
@given(tables(_COMPLEX_COLUMNS, null_arrays=False))
def test_astropy_reads_complex_numbers(form: str, sample: Sample) -> None:
    table = parse_single_table(io.BytesIO(write(form, columns_of_sample(sample), split(sample)))).array
    for (column, cells), name in zip(sample, table.dtype.names, strict=True):
        for cell, read in zip(as_arrow(column, cells), table[name], strict=True):
            if cell is not None:
                parts = np.array([math.nan if part is None else part for part in cell])
                numbers = parts.view("c16")
                known = ~np.isnan(numbers)  # astropy masks the others
                np.testing.assert_array_equal(np.ma.getdata(read).ravel()[known], numbers[known])
