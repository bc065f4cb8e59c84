from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.io.votable import parse
from astropy.table import Table
from hypothesis import given, settings

from vo.core.errors import TableError
from vo.core.tables import Column, Datatype
from vo.core.tables.writers import Outcome, ResultMetadata, find_format
from vo.core.tables.writers.parquet import GROUP

from .any_table import any_tables
from .samples import ARRAYS, NULL_ARRAYS, SCALARS, Sample, batch_of, columns_of_sample, sliced, write

SAMPLE = SCALARS + ARRAYS + NULL_ARRAYS
VERSION = b"IVOA.VOTable-Parquet.version"
CONTENT = b"IVOA.VOTable-Parquet.content"


def read(document: bytes) -> pa.Table:
    # Columns by number: names may be there twice, or be taken for paths.
    return pq.ParquetFile(io.BytesIO(document)).read()


@settings(max_examples=80, deadline=None)
@given(any_tables())
def test_arrow_reads_any_table(table: tuple[Sample, list[pa.RecordBatch]]) -> None:
    sample, batches = table
    columns = read(write("parquet", columns_of_sample(sample), batches)).columns
    for (column, cells), array in zip(sample, columns, strict=True):
        assert repr(array.to_pylist()) == repr(pa.array(cells, column.arrow_type).to_pylist()), column


def test_types_are_those_that_other_readers_know() -> None:
    document = write("parquet", columns_of_sample(SAMPLE), [batch_of(SAMPLE)])
    types = {field.name: str(field.type) for field in read(document).schema}
    assert types["source_id"] == "int64"
    assert types["int___int_"] == "uint8"
    assert types["observed"] == "timestamp[us]"
    assert types["null position"] == "fixed_size_list<element: double>[2]"
    assert types["doubles"] == "fixed_size_list<element: double>[4]"
    assert types["longs"] == "list<element: int64>"


def test_the_metadata_are_a_votable_that_tells_of_overflow() -> None:
    columns = columns_of_sample(SCALARS)
    outcome = Outcome(rows=4, overflow=True)
    document = write("parquet", columns, sliced(batch_of(SCALARS)), outcome=outcome)
    metadata = pq.read_metadata(io.BytesIO(document)).metadata
    assert metadata[VERSION] == b"1.0"
    resource = parse(io.BytesIO(metadata[CONTENT])).resources[0]
    assert [(info.name, info.value) for info in resource.infos] == [
        ("QUERY_STATUS", "OK"),
        ("QUERY_STATUS", "OVERFLOW"),
    ]
    fields = resource.tables[0].fields
    assert [field.name for field in fields] == [column.name for column in columns]
    assert [field.ucd for field in fields] == [column.ucd for column in columns]


def test_astropy_reads_units_ucds_and_values(tmp_path: Path) -> None:
    pytest.importorskip("pandas", reason="astropy reads Parquet only where pandas is")
    sample: Sample = [
        (Column("ra", Datatype.DOUBLE, unit="deg", ucd="pos.eq.ra", description="Right ascension"), [0.1, None, 359.5]),
        (Column("visits", Datatype.INT), [1, None, 3]),
        (Column("name", Datatype.CHAR, "*"), ["a", None, "Ångström"]),
        (Column("comment", Datatype.UNICODE_CHAR, "*"), ["", "x", "😀"]),
        (Column("point", Datatype.DOUBLE, "2", unit="deg"), [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]),
        (Column("samples", Datatype.FLOAT, "*"), [[1.0], [], [2.0, 3.0]]),
    ]
    path = tmp_path / "result.parquet"
    path.write_bytes(write("parquet", columns_of_sample(sample), [batch_of(sample)]))
    table = Table.read(path, format="parquet.votable")
    assert table.colnames == [column.name for column, _ in sample]
    assert str(table["ra"].unit) == str(table["point"].unit) == "deg"
    assert table["ra"].meta["ucd"] == "pos.eq.ra"
    assert table["ra"].description == "Right ascension"
    assert table["point"].tolist() == [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]
    assert table["comment"].tolist() == ["", "x", "😀"]
    assert [cell.tolist() for cell in table["samples"]] == [[1.0], [], [2.0, 3.0]]
    assert [float(value) for value in table["visits"]][::2] == [1.0, 3.0]
    assert math.isnan(table["visits"][1])


def test_row_groups_leave_while_rows_come() -> None:
    columns = (Column("x", Datatype.DOUBLE), Column("n", Datatype.LONG))
    writer = find_format("parquet")[0].writer(columns, ResultMetadata())
    document = writer.begin()
    assert document == b"PAR1"
    values: Any = np.random.default_rng(1).random(100_000)
    batch = pa.RecordBatch.from_arrays([pa.array(values), pa.array(range(100_000))], names=["x", "n"])
    for _ in range(12):
        document += b"".join(map(bytes, writer.batch(batch)))
    assert len(document) > GROUP // 2
    document += b"".join(map(bytes, writer.end(Outcome(rows=1_200_000))))
    file = pq.ParquetFile(io.BytesIO(document))
    assert file.num_row_groups == 2
    assert file.read().column("x").to_numpy().tolist() == values.tolist() * 12


def test_a_batch_that_does_not_fit_leaves_no_trace() -> None:
    column = Column("pair", Datatype.DOUBLE, "2")
    writer = find_format("parquet")[0].writer((column,), ResultMetadata())
    document = writer.begin()
    writer.batch(batch_of([(column, [[1.0, 2.0]])]))
    with pytest.raises(TableError, match="'pair': an array of 1 elements where arraysize is 2"):
        writer.batch(batch_of([(column, [[1.0, 2.0], [3.0]])]))
    document += b"".join(map(bytes, writer.end(Outcome(rows=1))))
    assert read(document).column(0).to_pylist() == [[1.0, 2.0]]


def test_columns_of_the_same_name_are_told_apart() -> None:
    sample: Sample = [(Column(name, Datatype.INT), [number]) for number, name in enumerate(["a", "a", "a_2", "a.b"])]
    document = write("parquet", columns_of_sample(sample), [batch_of(sample)])
    assert pq.read_table(io.BytesIO(document)).to_pydict() == {"a": [0], "a_2": [1], "a_2_2": [2], "a.b": [3]}


def test_a_file_that_was_given_up_is_closed_without_noise() -> None:
    writer = find_format("parquet")[0].writer(columns_of_sample(SCALARS), ResultMetadata())
    writer.close()
    writer.begin()
    writer.batch(batch_of(SCALARS))
    writer.close()
    writer.close()
