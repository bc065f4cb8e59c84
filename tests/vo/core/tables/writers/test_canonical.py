from __future__ import annotations

import datetime
from typing import Any

import pyarrow as pa
import pytest

from vo.core.errors import TableError
from vo.core.tables import Column, Datatype
from vo.core.tables.writers.canonical import PIECE, Canonical

TIME = datetime.datetime(2016, 1, 1, 10, 20, 30, 500000)


def cast(column: Column, array: pa.Array) -> list[Any]:
    batch = pa.RecordBatch.from_arrays([array], names=["whatever"])
    ((canonical,),) = Canonical((column,)).pieces(batch)
    assert canonical.type == column.arrow_type
    return list(canonical.to_pylist())


@pytest.mark.parametrize(
    ("column", "array", "values"),
    [
        (Column("x", Datatype.UNSIGNED_BYTE), pa.array([255, None], pa.int16()), [255, None]),
        (Column("x", Datatype.FLOAT), pa.array([0.5, None, float("inf")]), [0.5, None, float("inf")]),
        (Column("x", Datatype.LONG), pa.array(["12", None]), [12, None]),
        (Column("x", Datatype.CHAR, "*"), pa.array(["a", None, "a"]).dictionary_encode(), ["a", None, "a"]),
        (Column("x", Datatype.CHAR, "*"), pa.array(["a", None], pa.large_string()), ["a", None]),
        (Column("x", Datatype.CHAR, "*"), pa.array(["a", "long enough not to be inlined"], pa.string_view()),
         ["a", "long enough not to be inlined"]),
        (Column("x", Datatype.CHAR, "*"), pa.nulls(2), [None, None]),
        (Column("x", Datatype.DOUBLE, "2"), pa.array([[1, None], None], pa.list_(pa.float32(), 2)),
         [[1.0, None], None]),
        (Column("x", Datatype.UNSIGNED_BYTE, "*"), pa.array([[1], [2, 3]], pa.large_list(pa.int16())), [[1], [2, 3]]),
        (Column("x", Datatype.CHAR, "*", "timestamp"), pa.array([TIME], pa.timestamp("ns", "UTC")), [TIME]),
        (Column("x", Datatype.CHAR, "*", "timestamp"), pa.array([TIME.date()]), [datetime.datetime(2016, 1, 1)]),
        (
            Column("x", Datatype.CHAR, "*", "timestamp"),
            pa.array(["2016-01-01T10:20:30.5", "2016-01-01 10:20:30.500000Z", None]),
            [TIME, TIME, None],
        ),
    ],
)  # fmt: skip
def test_looser_types_are_cast(column: Column, array: pa.Array, values: list[Any]) -> None:
    assert cast(column, array) == values


@pytest.mark.parametrize(
    ("column", "array"),
    [
        (Column("flux & co", Datatype.UNSIGNED_BYTE), pa.array([256], pa.int16())),
        (Column("flux & co", Datatype.INT), pa.array([1.5])),
        (Column("flux & co", Datatype.FLOAT), pa.array([1e300, 1.0])),
        (Column("flux & co", Datatype.FLOAT, "*"), pa.array([[1.0], [-1e300]])),
        (Column("flux & co", Datatype.LONG), pa.array(["12x"])),
        (Column("flux & co", Datatype.LONG), pa.array([2**63], pa.uint64())),
        (Column("flux & co", Datatype.CHAR, "*", "timestamp"), pa.array(["2016-13-01"])),
        (Column("flux & co", Datatype.CHAR, "*", "timestamp"), pa.array([1], pa.timestamp("ns"))),
        (Column("flux & co", Datatype.CHAR, "*"), pa.array([[1]])),
        (Column("flux & co", Datatype.DOUBLE, "2"), pa.array([1.0])),
    ],
)
def test_values_that_do_not_fit_are_refused_by_name(column: Column, array: pa.Array) -> None:
    with pytest.raises(TableError, match="Column 'flux & co': a value does not fit"):
        cast(column, array)


def test_a_batch_of_another_shape_is_refused() -> None:
    batch = pa.RecordBatch.from_arrays([pa.array([1]), pa.array([2])], names=["a", "b"])
    with pytest.raises(TableError, match="2 columns where 1 are declared"):
        list(Canonical((Column("a", Datatype.LONG),)).pieces(batch))


def test_large_batches_come_in_pieces() -> None:
    rows = PIECE
    batch = pa.RecordBatch.from_arrays([pa.array(range(rows), pa.int64())], names=["a"])
    pieces = list(Canonical((Column("a", Datatype.LONG),)).pieces(batch))
    assert max(array.nbytes for (array,) in pieces) <= PIECE
    assert pa.concat_arrays([array for (array,) in pieces]).equals(batch.column(0))
    assert list(Canonical((Column("a", Datatype.LONG),)).pieces(batch.slice(0, 0))) == []
