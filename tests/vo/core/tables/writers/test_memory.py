from __future__ import annotations

import tracemalloc
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pytest

from vo.core.tables import Column, Datatype, schema_of
from vo.core.tables.writers import FORMATS, Outcome, ResultMetadata, find_format

COLUMNS = (
    Column("id", Datatype.LONG),
    Column("x", Datatype.DOUBLE),
    Column("name", Datatype.UNICODE_CHAR, "*"),
    Column("array", Datatype.FLOAT, "*"),
)
ROWS = 30_000
MEGABYTE = 2**20


def batches(count: int) -> Iterator[pa.RecordBatch]:
    numbers = np.arange(ROWS)
    array = pa.ListArray.from_arrays(pa.array(np.arange(ROWS + 1, dtype=np.int32) * 4), np.ones(ROWS * 4, np.float32))
    for index in range(count):
        arrays = [pa.array(numbers + index), pa.array(numbers * 0.1), pa.array(numbers).cast(pa.string()), array]
        yield pa.RecordBatch.from_arrays(arrays, schema=schema_of(COLUMNS))


@pytest.mark.parametrize("form", [form.name for form in FORMATS])
def test_memory_is_flat_and_chunks_are_small(form: str) -> None:
    writer = find_format(form)[0].writer(COLUMNS, ResultMetadata())
    written = len(writer.begin())
    before, most = pa.total_allocated_bytes(), 0
    tracemalloc.start()
    for batch in batches(20):
        for chunk in writer.batch(batch):
            assert len(chunk) <= 2 * MEGABYTE
            written += len(chunk)
            most = max(most, pa.total_allocated_bytes())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    for chunk in writer.end(Outcome(rows=20 * ROWS)):
        assert len(chunk) <= 2 * MEGABYTE
        written += len(chunk)
    writer.close()
    assert written > 5 * MEGABYTE  # of 28, compressed in some formats
    assert peak < 12 * MEGABYTE
    assert most - before < 20 * MEGABYTE
    del batch, chunk
    assert pa.total_allocated_bytes() - before < MEGABYTE
