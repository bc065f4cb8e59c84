from __future__ import annotations

import io
import math
import tempfile
import warnings
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from astropy.io import fits
from astropy.io.votable import parse
from astropy.table import Table
from hypothesis import given, settings
from hypothesis import strategies as st

from vo.core.errors import LimitError, TableError
from vo.core.tables import Column, Datatype
from vo.core.tables.columns import COMPLEX, INTEGER
from vo.core.tables.writers import CoordinateSystem, Outcome, ResultMetadata, find_format
from vo.core.tables.writers.fits import layout
from vo.core.tables.writers.fits.cards import Card, header

from .any_table import any_tables
from .samples import (
    ARRAYS,
    NULL_ARRAYS,
    SCALARS,
    Cells,
    Sample,
    batch_of,
    columns_of_sample,
    expected,
    read_votable,
    sliced,
    stilts,
)

COMPLEX_SAMPLE: Sample = [
    (Column("complex", Datatype.FLOAT_COMPLEX), [[1.0, 2.0], None, [0.0, -0.0], [math.inf, 0.5]]),
    (Column("complexes", Datatype.DOUBLE_COMPLEX, "*"), [[1.0, 2.0], None, [3.0, 4.0, 5.0, 6.0], []]),
    (Column("complex square", Datatype.DOUBLE_COMPLEX, "2x2"), [[float(value) for value in range(8)]] * 4),
]
SAMPLE = [*SCALARS, *ARRAYS, *NULL_ARRAYS, *COMPLEX_SAMPLE]


def file_of(
    sample: Iterable[tuple[Column, Cells]],
    batches: list[pa.RecordBatch] | None = None,
    *,
    metadata: ResultMetadata | None = None,
    outcome: Outcome | None = None,
) -> bytes:
    sample = list(sample)
    batches = [batch_of(sample)] if batches is None else batches
    rows = sum(batch.num_rows for batch in batches)
    writer = find_format("fits")[0].writer(columns_of_sample(sample), metadata or ResultMetadata())
    with closing(writer):
        assert writer.begin() == b""
        assert not any(writer.batch(batch) for batch in batches)
        return b"".join(map(bytes, writer.end(outcome or Outcome(rows=rows))))


@pytest.fixture(autouse=True)
def _any_name_is_legal() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "It is strongly recommended that column names contain only")
        yield


def read(document: bytes) -> list[Cells]:
    """Return the cells of each column as astropy reads them."""
    assert len(document) % 2880 == 0
    with fits.open(io.BytesIO(document)) as hdus:
        hdus.verify("exception")
    return [[_plain(cell) for cell in column] for column in Table.read(io.BytesIO(document)).itercols()]


def _plain(cell: Any) -> Any:
    if isinstance(cell, bytes | np.bytes_):
        return cell.decode().rstrip() or None
    if isinstance(cell, str):
        return cell.rstrip() or None  # an empty text is null in FITS, and spaces at the end have no meaning
    if cell is np.ma.masked:
        return None
    cell = cell.tolist() if hasattr(cell, "tolist") else cell
    while isinstance(cell, list) and cell and isinstance(cell[0], list):
        cell = [element for row in cell for element in row]
    return [_no_nan(element) for element in cell] if isinstance(cell, list) else _no_nan(cell)


def _no_nan(value: Any) -> Any:
    """Return NaN as None: astropy masks it."""
    return None if isinstance(value, float | complex) and value != value else value  # noqa: PLR0124


def in_fits(column: Column, cell: Any, null: Any) -> Any:
    """Return what astropy can know of a cell: it has no null booleans, and takes integers in the heap for values."""
    if column.is_text:
        written = pa.scalar(cell, column.arrow_type).cast(pa.string()).as_py() or ""
        if column.xtype == "timestamp":
            return written.replace(" ", "T").rstrip("0").rstrip(".") or None
        return written.rstrip() or None
    if not column.is_array:
        known = False if cell is None and null is False else cell
        return [known] if column.datatype is Datatype.BIT else _no_nan(known)
    if cell is None:
        cell = [None] * (column.length or 0)
    elements = [_no_nan(null if element is None else element) for element in cell]
    if column.datatype in COMPLEX and column.length is not None:
        return _complex(column, elements)
    if column.datatype in (Datatype.BOOLEAN, Datatype.BIT) and column.length is None:
        written = [None if element is None else element for element in cell]
        return [{True: ord("T"), False: ord("F"), None: 0}[element] for element in written]
    return elements


def _complex(column: Column, elements: list[Any]) -> Any:
    numbers = [
        None if real is None or imaginary is None else complex(real, imaginary)
        for real, imaginary in zip(elements[::2], elements[1::2], strict=True)
    ]
    return numbers if column.arraysize else numbers[0]


@settings(max_examples=80, deadline=None)
@given(any_tables())
def test_astropy_reads_any_table(table: tuple[Sample, list[pa.RecordBatch]]) -> None:
    sample, batches = table
    try:
        document = file_of(sample, batches)
    except TableError:
        assert any({-(2**63), 2**63 - 1} <= values_of(cells) for _, cells in sample)
        return
    for (column, written), values in zip(sample, read(document), strict=True):
        cells = pa.array(written, column.arrow_type).to_pylist()
        null: Any = False if column.datatype in (Datatype.BOOLEAN, Datatype.BIT) else None
        if column.datatype in INTEGER and column.length is None:
            null = null_in_heap(cells, values)
        assert repr(values) == repr([in_fits(column, cell, null) for cell in cells]), column


def values_of(cells: Cells) -> set[Any]:
    return {value for cell in cells for value in (cell if isinstance(cell, list) else [cell])}


def null_in_heap(cells: Cells, values: Cells) -> int | None:
    """Return the integer that stands where null elements were: one, and none of the others."""
    pairs = [pair for cell, read in zip(cells, values, strict=True) if cell for pair in zip(cell, read, strict=True)]
    nulls = {read for element, read in pairs if element is None}
    assert len(nulls) <= 1
    assert not nulls & {element for element, _ in pairs}
    return nulls.pop() if nulls else None


def test_stilts_reads_every_type_and_all_metadata(tmp_path: Path) -> None:
    columns = columns_of_sample(SAMPLE)
    metadata = ResultMetadata(
        name="result", infos=(("QUERY", "SELECT é", ""),), coosys=(CoordinateSystem("ICRS", ("ra", "dec")),)
    )
    path = tmp_path / "result.fits"
    path.write_bytes(file_of(SAMPLE, sliced(batch_of(SAMPLE)), metadata=metadata))
    copied = stilts("tpipe", f"in={path}", "ofmt=votable(format=TABLEDATA,version=V14)", document=b"")
    for (column, cells), values in zip(
        SAMPLE[: -len(COMPLEX_SAMPLE)], read_votable(copied.encode(), columns), strict=False
    ):
        assert values == [in_stil(column, cell) for cell in cells], column.name
    table = parse(io.BytesIO(copied.encode())).get_first_table()
    assert table.array["complex"].tolist()[0] == [1.0, 2.0]  # STIL has no complex numbers
    assert [cell.tolist() for cell in table.array["complexes"]] == [[[1, 2]], [], [[3, 4], [5, 6]], []]
    assert table.array["complex_square"][0].ravel().tolist() == [float(value) for value in range(8)]
    for (column, _), field in zip(SAMPLE, table.fields, strict=True):
        assert (field.name, field.unit, field.ucd, field.xtype, field.description) == (
            *(column.name, column.unit, column.ucd, column.xtype, column.description),
        ) or str(field.unit) == column.unit
    assert {param.name: param.value for param in table.params}["QUERY"] == "SELECT é"


def in_stil(column: Column, cell: Any) -> Any:
    """Return what STIL can know of a cell: its texts in FITS are ASCII, its arrays have no null elements."""
    (known,) = expected(column, [cell], "fits")
    if column.is_text:
        known = "".join(character if character.isascii() else "\ufffd" * len(character.encode()) for character in known)
        return known[: column.length]
    if not column.is_array or column.datatype not in (*INTEGER, Datatype.BOOLEAN, Datatype.BIT):
        return known
    null = (
        False if column.datatype not in INTEGER else int(np.iinfo(column.arrow_type.value_type.to_pandas_dtype()).min)
    )
    return [null if element is None else element for element in known]


def test_the_primary_hdu_is_the_votable_and_overflow_is_told_twice() -> None:
    document = file_of(SCALARS, outcome=Outcome(rows=4, overflow=True))
    with fits.open(io.BytesIO(document)) as hdus:
        resource = parse(io.BytesIO(hdus[0].data.tobytes())).resources[0]
        assert hdus[0].header["VOTMETA"] is True
        assert hdus[1].header["QSTATUS"] == "OVERFLOW"
    assert [info.value for info in resource.infos] == ["OK", "OVERFLOW"]
    assert [field.name for field in resource.tables[0].fields] == [column.name for column, _ in SCALARS]


def test_null_is_a_number_that_is_no_value() -> None:
    low, high = -(2**15), 2**15 - 1
    sample: Sample = [
        (Column("least is free", Datatype.SHORT), [high, None]),
        (Column("greatest is free", Datatype.SHORT), [low, None]),
        (Column("all are taken", Datatype.UNSIGNED_BYTE, "2"), [[0, 255], None]),
        (Column("no null", Datatype.UNSIGNED_BYTE), [0, 255]),
    ]
    document = file_of(sample)
    with fits.open(io.BytesIO(document)) as hdus:
        told = {key: value for key, value in hdus[1].header.items() if key.startswith(("TFORM", "TNULL"))}
    assert told == {"TFORM1": "1I", "TNULL1": low, "TFORM2": "1I", "TNULL2": high, "TFORM3": "2I", "TNULL3": low,
                    "TFORM4": "1B"}  # fmt: skip
    assert read(document) == [[high, None], [low, None], [[0, 255], [None, None]], [0, 255]]


def test_nulls_that_no_number_can_tell_are_refused_by_name() -> None:
    with pytest.raises(TableError, match="'id': no number is left to stand for null in FITS"):
        file_of([(Column("id", Datatype.LONG), [-(2**63), None, 2**63 - 1])])


def test_columns_have_names_that_fits_allows() -> None:
    names = ["a", "a", "é", "ü", "", "'" * 40, "x" * 80, "x" * 79, "tab\tline\n"]
    document = file_of([(Column(name, Datatype.INT), [1]) for name in names])
    with fits.open(io.BytesIO(document)) as hdus:
        hdus.verify("exception")
        written = hdus[1].columns.names
        described = parse(io.BytesIO(hdus[0].data.tobytes())).get_first_table().fields
    assert written == ["a", "a_2", "_", "__2", "column_5", "'" * 34, "x" * 68, "x" * 60 + "_2", "tab line"]
    assert [field.name for field in described][:8] == names[:8]


def test_more_columns_than_fits_can_have_are_refused() -> None:
    columns = tuple(Column(f"c{number}", Datatype.INT) for number in range(1000))
    with pytest.raises(TableError, match="at most 999 columns, and here are 1000"):
        find_format("fits")[0].writer(columns, ResultMetadata())


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=200))
def test_a_text_of_any_length_is_one_value(text: str) -> None:
    written = header([Card("TCOMM1", text)])
    assert len(written) % 2880 == 0
    assert fits.Header.fromstring(written.decode("ascii"))["TCOMM1"] == text.rstrip(" ")


@pytest.mark.parametrize("letter", ["P", "Q"])
def test_texts_of_very_different_lengths_are_in_the_heap(
    letter: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layout, "_PADDING", 1000)
    if letter == "Q":
        monkeypatch.setattr(layout, "_HEAP_OF_32_BITS", 1)
    sample: Sample = [
        (Column("text", Datatype.CHAR, "*"), ["a", "b" * 999, None, *["c d"] * 97]),
        (Column("n", Datatype.SHORT, "*"), [[1], None, [2, 3], *[[]] * 97]),
    ]
    path = tmp_path / "heap.fits"
    path.write_bytes(file_of(sample))
    with fits.open(path) as hdus:
        assert hdus[1].columns.formats == [f"1{letter}A(999)", f"1{letter}I(2)"]
        assert [cell.tolist() for cell in hdus[1].data["n"][:3]] == [[1], [], [2, 3]]
    rows = stilts("tpipe", f"in={path}", "ofmt=csv", document=b"").splitlines()[1:5]
    assert rows == ["a,(1)", f"{'b' * 999},", ',"(2, 3)"', "c d,"]


def test_nothing_is_sent_before_the_end_and_the_file_goes_with_the_writer() -> None:
    writer = find_format("fits")[0].writer(columns_of_sample(SAMPLE), ResultMetadata())
    assert writer.holds_back
    assert writer.begin() == b""
    assert writer.batch(batch_of(SAMPLE)) == []
    assert writer.held > 0
    writer.close()
    assert writer.held == 0
    writer.close()


def test_a_full_disk_is_told_to_the_client(monkeypatch: pytest.MonkeyPatch) -> None:
    full = Path("/dev/full").open("r+b", buffering=0)  # noqa: SIM115  (the writer closes it)
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_: full)
    writer = find_format("fits")[0].writer(columns_of_sample(SCALARS), ResultMetadata())
    with pytest.raises(LimitError, match="larger than the space"):
        writer.batch(batch_of(SCALARS))
    writer.close()
    assert full.closed


def test_a_batch_that_does_not_fit_leaves_no_trace() -> None:
    column = Column("pair", Datatype.SHORT, "2")
    writer = find_format("fits")[0].writer((column,), ResultMetadata())
    writer.batch(batch_of([(column, [[1, 2]])]))
    with pytest.raises(TableError, match="'pair': an array of 1 elements where arraysize is 2"):
        writer.batch(batch_of([(column, [[1, 2], [3]])]))
    document = b"".join(map(bytes, writer.end(Outcome(rows=1))))
    writer.close()
    assert read(document) == [[[1, 2]]]
