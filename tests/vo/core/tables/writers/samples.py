"""One table with every type that a table can hold, and what the tests do with tables."""

from __future__ import annotations

import datetime
import io
import math
import subprocess
from collections.abc import Iterable
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
from astropy.io.votable import parse_single_table

from vo.core.tables import Column, Datatype, schema_of
from vo.core.tables.writers import Outcome, ResultMetadata, find_format

SERIALIZATIONS = ("votable", "votable/b", "votable/td")
Cells: TypeAlias = list[Any]
Sample: TypeAlias = list[tuple[Column, Cells]]

_EPOCH = datetime.datetime(2016, 1, 1)
INFINITY = math.inf

SCALARS: tuple[tuple[Column, Cells], ...] = (
    (
        Column("source_id", Datatype.LONG, ucd="meta.id;meta.main", description='Identifier <of> the "source" & more'),
        [2**63 - 1, None, -5, 0],
    ),
    (Column("int & <int>", Datatype.INT), [2**31 - 1, -(2**31) + 1, None, 7]),
    (Column('short "quoted"', Datatype.SHORT), [None, 32767, -32767, 0]),
    (Column("int___int_", Datatype.UNSIGNED_BYTE), [0, 254, None, 127]),
    (Column("flag", Datatype.BOOLEAN), [True, False, None, True]),
    (Column("ra", Datatype.DOUBLE, unit="deg", ucd="pos.eq.ra"), [0.1, None, -INFINITY, 1.7976931348623157e308]),
    (Column("dec", Datatype.DOUBLE, unit="deg", ucd="pos.eq.dec"), [-0.0, 5e-324, None, INFINITY]),
    (Column("magnitude", Datatype.FLOAT, unit="mag"), [0.1, math.nan, None, 3.4028235e38]),
    (Column("ünïcode name", Datatype.CHAR, "*"), ["a,b", None, "", '"quoted" <&> ]]> text']),
    (Column("1st", Datatype.UNICODE_CHAR, "*"), ["Ångström", "😀 star 🔭", None, "x"]),
    (Column("fixed", Datatype.CHAR, "5"), ["abcde", "ab", None, ""]),
    (Column("fixed unicode", Datatype.UNICODE_CHAR, "4"), ["äöü", None, "😀ß", "abcd"]),
    (
        Column("observed", Datatype.CHAR, "*", xtype="timestamp"),
        [_EPOCH, _EPOCH.replace(microsecond=120000), None, _EPOCH.replace(hour=10, minute=20, second=30)],
    ),
)
ARRAYS: tuple[tuple[Column, Cells], ...] = (
    (Column("longs", Datatype.LONG, "*"), [[1, None, -3], None, [], [2**62]]),
    (Column("shorts", Datatype.SHORT, "3"), [[1, 2, None], [4, 5, 6], [7, 8, 9], [0, 0, 0]]),
    (Column("bytes", Datatype.UNSIGNED_BYTE, "*"), [[0, 255, 1], None, [7], []]),
    (Column("floats", Datatype.FLOAT, "*"), [[1.5, 2.5, math.nan, None], None, [0.5, -0.5, INFINITY], []]),
    (
        Column("doubles", Datatype.DOUBLE, "2x2"),
        [[1.0, 2.0, None, INFINITY], [0.0] * 4, [5.0, 6.0, 7.0, 8.0], [0.1] * 4],
    ),
    (Column("flags", Datatype.BOOLEAN, "*"), [[True, None], [False], None, []]),
    (Column("two flags", Datatype.BOOLEAN, "2"), [[True, None], [False, True], [False, False], [True, True]]),
    (
        Column("bits", Datatype.BIT, "11"),
        [[True] * 11, [False] * 11, [True, False] * 5 + [True], [False] * 10 + [True]],
    ),
    (
        Column("position", Datatype.DOUBLE, "2", xtype="point", unit="deg"),
        [[10.0, -5.5], [359.9, 90.0], [0.0, 0.0], [1.0, 2.0]],
    ),
)
NULL_ARRAYS: tuple[tuple[Column, Cells], ...] = (
    (Column("null position", Datatype.DOUBLE, "2", xtype="point"), [[1.0, 2.0], None, [3.0, 4.0], None]),
    (Column("null shorts", Datatype.SHORT, "2"), [None, [1, 2], None, [3, 4]]),
    (Column("null bits", Datatype.BIT, "3"), [None, [True, False, True], [False] * 3, [True] * 3]),
    (Column("null flags", Datatype.BOOLEAN, "2"), [None, [True, False], [False] * 2, [None, True]]),
)


def columns_of_sample(sample: Iterable[tuple[Column, Cells]]) -> tuple[Column, ...]:
    return tuple(column for column, _ in sample)


def batch_of(sample: Iterable[tuple[Column, Cells]]) -> pa.RecordBatch:
    sample = tuple(sample)
    arrays = [pa.array(cells, column.arrow_type) for column, cells in sample]
    return pa.RecordBatch.from_arrays(arrays, schema=schema_of(column for column, _ in sample))


def sliced(batch: pa.RecordBatch) -> list[pa.RecordBatch]:
    """Return the rows of `batch` in three batches, the later ones with offsets in their buffers."""
    return [batch.slice(0, 1), batch.slice(1, 2), batch.slice(3)]


def write(
    form: str,
    columns: tuple[Column, ...],
    batches: Iterable[pa.RecordBatch],
    *,
    metadata: ResultMetadata | None = None,
    outcome: Outcome | None = None,
) -> bytes:
    writer = find_format(form)[0].writer(columns, metadata or ResultMetadata())
    document, rows = writer.begin(), 0
    for batch in batches:
        document += b"".join(bytes(chunk) for chunk in writer.batch(batch))
        rows += batch.num_rows
    document += b"".join(map(bytes, writer.end(outcome or Outcome(rows=rows))))
    writer.close()
    return document


def stilts(*arguments: str, document: bytes) -> str:
    """Run STILTS with `document` as its standard input and return what it prints."""
    done = subprocess.run(["stilts", *arguments], input=document, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    assert b"Exception" not in done.stderr, done.stderr.decode()
    return (done.stdout + done.stderr).decode()


def read_votable(document: bytes, columns: tuple[Column, ...]) -> list[Cells]:
    """Return the cells of each column as astropy reads them: None where masked, arrays as lists, NaN as None."""
    table = parse_single_table(io.BytesIO(document))
    assert [field.name for field in table.fields] == [column.name for column in columns]
    return [
        [_plain(cell, column) for cell in table.array[name]]
        for name, column in zip(table.array.dtype.names, columns, strict=True)
    ]


def _plain(cell: Any, column: Column) -> Any:
    if cell is np.ma.masked:
        return None
    if column.is_array:
        elements = np.ma.asarray(cell).ravel().tolist()
        return [_known(column, element) for element in elements]
    return _known(column, cell.item() if isinstance(cell, np.generic) else cell)


def expected(column: Column, cells: Cells, form: str) -> list[Any]:
    """Return what a VOTable reader can know of the cells: NaN is null, and some other things look alike."""
    return [_expected(column, cell, form) for cell in cells]


def _expected(column: Column, cell: Any, form: str) -> Any:
    if column.is_text:
        if isinstance(cell, datetime.datetime):
            written = cell.isoformat()
            return written.rstrip("0") if "." in written else written
        return cell or ""
    if column.is_array:
        if cell is None:
            if column.length is None:
                return []
            return [False if column.datatype is Datatype.BIT and form == "votable/b" else None] * column.length
        return [_known(column, element) for element in cell]
    return _known(column, cell)


def _known(column: Column, value: Any) -> Any:
    if isinstance(value, float) and math.isnan(value):
        return None
    return float(np.float32(value)) if column.datatype is Datatype.FLOAT and value is not None else value
