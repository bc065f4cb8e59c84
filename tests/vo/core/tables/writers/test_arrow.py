from __future__ import annotations

import io

import pyarrow as pa
import pytest
from astropy.io.votable import parse
from hypothesis import given, settings

from vo.core.tables import columns_of
from vo.core.tables.writers import Outcome, ResultMetadata, find_format
from vo.core.tables.writers.arrow import CONTENT_KEY

from .any_table import any_tables
from .samples import ARRAYS, NULL_ARRAYS, SCALARS, Sample, batch_of, columns_of_sample, sliced, write

SAMPLE = SCALARS + ARRAYS + NULL_ARRAYS
COLUMNS = columns_of_sample(SAMPLE)


@settings(max_examples=80, deadline=None)
@given(any_tables())
def test_arrow_reads_any_table_and_its_columns(table: tuple[Sample, list[pa.RecordBatch]]) -> None:
    sample, batches = table
    read = pa.ipc.open_stream(write("arrow", columns_of_sample(sample), batches)).read_all()
    assert columns_of(read.schema) == columns_of_sample(sample)
    assert repr([column.to_pylist() for column in read.columns]) == repr([cells for _, cells in in_arrow(sample)])


def in_arrow(sample: Sample) -> Sample:
    """Return the cells as Arrow has them: floats narrowed to 32 bits where the column is."""
    return [(column, pa.array(cells, column.arrow_type).to_pylist()) for column, cells in sample]


def test_the_schema_carries_the_votable() -> None:
    document = write("arrow", COLUMNS, [], metadata=ResultMetadata(infos=(("QUERY", "SELECT é", ""),)))
    schema = pa.ipc.open_stream(document).schema
    resource = parse(io.BytesIO(schema.metadata[CONTENT_KEY.encode()])).resources[0]
    assert [field.name for field in resource.tables[0].fields] == list(schema.names)
    assert [(info.name, info.value) for info in resource.infos] == [("QUERY_STATUS", "OK"), ("QUERY", "SELECT é")]


def test_an_overflow_is_told_by_the_last_batch() -> None:
    document = write("arrow", COLUMNS, sliced(batch_of(SAMPLE)), outcome=Outcome(rows=4, overflow=True))
    *rows, (last, told) = pa.ipc.open_stream(document).iter_batches_with_custom_metadata()
    assert [(batch.num_rows, metadata) for batch, metadata in rows] == [(1, None), (2, None), (1, None)]
    assert last.num_rows == 0
    assert dict(told) == {b"QUERY_STATUS": b"OVERFLOW", b"message": b"There are more rows than the 4 returned."}


def test_an_error_is_told_and_nobody_takes_the_stream_for_whole() -> None:
    outcome = Outcome(rows=4, error="the database went away")
    stream = pa.ipc.open_stream(write("arrow", COLUMNS, [batch_of(SAMPLE)], outcome=outcome))
    stream.read_next_batch()
    told = stream.read_next_batch_with_custom_metadata().custom_metadata
    assert dict(told) == {b"QUERY_STATUS": b"ERROR", b"message": b"the database went away"}
    with pytest.raises(pa.ArrowInvalid):
        stream.read_next_batch()


def test_rows_leave_with_their_batch() -> None:
    writer = find_format("arrow")[0].writer(COLUMNS, ResultMetadata())
    assert pa.ipc.read_schema(pa.py_buffer(writer.begin())).names == [column.name for column in COLUMNS]
    (chunk,) = writer.batch(batch_of(SAMPLE))
    assert isinstance(chunk, pa.Buffer)
