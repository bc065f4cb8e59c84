from __future__ import annotations

import csv
import datetime
import io
import math
import pathlib
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv as arrow_csv

from vo.core.tables import Column, Datatype
from vo.core.tables.writers import Outcome

from .samples import (
    ARRAYS,
    INFINITY,
    NULL_ARRAYS,
    SCALARS,
    Sample,
    batch_of,
    columns_of_sample,
    expected,
    read_votable,
    sliced,
    stilts,
    write,
)

TEXT = Column("text", Datatype.UNICODE_CHAR, "*")
NUMBER = Column("n", Datatype.INT)


def test_arrow_reads_every_scalar_and_tells_null_from_the_empty_text() -> None:
    columns = columns_of_sample(SCALARS)
    table = arrow_csv.read_csv(
        io.BytesIO(write("csv", columns, sliced(batch_of(SCALARS)))),
        parse_options=arrow_csv.ParseOptions(newlines_in_values=True),
        convert_options=arrow_csv.ConvertOptions(
            column_types={column.name: column.arrow_type for column in columns},
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
    assert table.column_names == [column.name for column in columns]
    for (column, cells), read in zip(SCALARS, table.columns, strict=True):
        written = pa.array(cells, column.arrow_type)
        if pa.types.is_floating(written.type):
            np.testing.assert_array_equal(read.to_numpy(), written.to_numpy(zero_copy_only=False))
            assert read.null_count == written.null_count
        else:
            assert read.to_pylist() == written.to_pylist(), column.name


def test_stilts_reads_values_and_names(tmp_path: pathlib.Path) -> None:
    # STILTS 3.4 has no reader of TSV; in CSV it takes the empty text for null.
    sample: Sample = [
        (Column("id", Datatype.LONG), [2**62, None, -1]),
        (Column('x, "y"', Datatype.DOUBLE), [0.12345678901234567, INFINITY, None]),  # of few digits it makes a float
        (Column("flag", Datatype.BOOLEAN), [True, None, False]),
        (Column("text", Datatype.CHAR, "*"), ['"a", b', "two\nlines", None]),
        (Column("after", Datatype.FLOAT), [math.nan, -INFINITY, 2.5]),
    ]
    file = tmp_path / "table.csv"
    file.write_bytes(write("csv", columns_of_sample(sample), sliced(batch_of(sample))))
    copied = stilts("tpipe", f"in={file}", "ifmt=csv", "ofmt=votable", document=b"")
    columns = tuple(Column(column.name, column.datatype, column.arraysize) for column, _ in sample)
    for (column, cells), read in zip(sample, read_votable(copied.encode(), columns), strict=True):
        assert read == expected(column, cells, "votable/td"), column.name


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("plain", "plain"),
        ("a,b", '"a,b"'),
        ('say "a"', '"say ""a"""'),
        ("two\nlines", '"two\nlines"'),
        ("return\r", '"return\r"'),
        (" space", '" space"'),
        ("# ERROR no", '"# ERROR no"'),
        ("", '""'),
        ("tab\there", "tab\there"),
        ("NULL", "NULL"),
        (None, ""),
    ],
)
def test_texts_are_quoted_only_when_needed(text: str | None, cell: str) -> None:
    sample: Sample = [(TEXT, [text, "x"]), (NUMBER, [1, 2])]
    assert write("csv", columns_of_sample(sample), [batch_of(sample)]).decode() == f"text,n\n{cell},1\nx,2\n"


def test_tsv_has_no_tabs_or_line_ends_in_cells() -> None:
    sample: Sample = [(Column("a\tb\n", Datatype.CHAR, "*"), ["c\td\r\ne", '"f"', None]), (NUMBER, [1, None, 3])]
    assert write("tsv", columns_of_sample(sample), [batch_of(sample)]).decode() == ('a b \tn\nc d  e\t1\n"f"\t\n\t3\n')


def test_every_type_has_its_text() -> None:
    sample = SCALARS + ARRAYS + NULL_ARRAYS
    columns = columns_of_sample(sample)
    header, first, second, *_ = csv.reader(io.StringIO(write("csv", columns, [batch_of(sample)]).decode()))
    assert header == [column.name for column in columns]
    assert dict(zip(header, first, strict=True)) == {
        "source_id": "9223372036854775807",
        "int & <int>": "2147483647",
        'short "quoted"': "",
        "int___int_": "0",
        "flag": "true",
        "ra": "0.1",
        "dec": "-0.0",
        "magnitude": "0.1",
        "ünïcode name": "a,b",
        "1st": "Ångström",
        "fixed": "abcde",
        "fixed unicode": "äöü",
        "observed": "2016-01-01T00:00:00",
        "longs": "1 null -3",
        "shorts": "1 2 null",
        "bytes": "0 255 1",
        "floats": "1.5 2.5 NaN NaN",
        "doubles": "1 2 NaN Infinity",
        "flags": "true null",
        "two flags": "true null",
        "bits": " ".join("1" * 11),
        "position": "10 -5.5",
        "null position": "1 2",
        "null shorts": "",
        "null bits": "",
        "null flags": "",
    }
    assert second[header.index("magnitude")] == "NaN"
    assert second[header.index("observed")] == "2016-01-01T00:00:00.12"


@pytest.mark.parametrize(
    ("moment", "written"),
    [
        (datetime.datetime(2016, 1, 1), "2016-01-01T00:00:00"),
        (datetime.datetime(2016, 10, 10, 10, 10, 10), "2016-10-10T10:10:10"),
        (datetime.datetime(2016, 1, 1, 0, 0, 0, 1), "2016-01-01T00:00:00.000001"),
        (datetime.datetime(1969, 12, 31, 23, 59, 59, 990000), "1969-12-31T23:59:59.99"),
        (datetime.datetime(1, 1, 1), "0001-01-01T00:00:00"),
    ],
)
def test_timestamps(moment: datetime.datetime, written: str) -> None:
    sample: Sample = [(Column("t", Datatype.CHAR, "*", "timestamp"), [moment])]
    assert write("csv", columns_of_sample(sample), [batch_of(sample)]).decode() == f"t\n{written}\n"


@pytest.mark.parametrize(("column", "cells"), [(NUMBER, [1, None, 3]), (TEXT, ["a", None, "b"])])
def test_a_null_alone_in_its_row_is_no_blank_line(column: Column, cells: list[Any]) -> None:
    document = write("csv", (column,), [batch_of([(column, cells)])])
    assert document.splitlines()[2] == b'""'
    read = arrow_csv.read_csv(io.BytesIO(document), convert_options=arrow_csv.ConvertOptions(strings_can_be_null=True))
    assert read.column(0).to_pylist() == cells


def test_the_header_can_be_left_out() -> None:
    sample: Sample = [(TEXT, ["a"]), (NUMBER, [1])]
    assert write("text/csv; header=absent", columns_of_sample(sample), [batch_of(sample)]) == b"a,1\n"


def test_a_table_without_rows_is_its_header() -> None:
    batch = batch_of([(TEXT, []), (NUMBER, [])])
    assert write("csv", (TEXT, NUMBER), [batch], outcome=Outcome(rows=0, overflow=True)) == b"text,n\n"


@pytest.mark.parametrize("form", ["csv", "tsv"])
def test_an_error_in_mid_stream_is_a_line_of_its_own(form: str) -> None:
    outcome = Outcome(rows=1, error="the database\nwent away")
    assert write(form, (NUMBER,), [batch_of([(NUMBER, [1])])], outcome=outcome) == (
        b"n\n1\n# ERROR the database went away\n"
    )
