"""From a file's batches to what PostgreSQL takes."""

from __future__ import annotations

import datetime
from typing import Any

import pyarrow as pa
import pytest

from tap.tables.conversion import convert, database_schema, is_ascii, with_checked_positions
from tap.tables.models import PlannedColumn
from vo.core.errors import TableError
from vo.core.tables import Column, Datatype, TableStream

NAN, INFINITY = float("nan"), float("inf")


def converted(
    columns: dict[Column, list[Any]], position: tuple[str, str] | None = None, *, size: int = 2, **changes: Any
) -> list[dict[str, Any]]:
    """Convert values given in canonical Arrow types, in several batches; `changes` are for all planned columns."""
    planned = [PlannedColumn(column, place, column.name, **changes) for place, column in enumerate(columns)]
    arrays = [pa.array(values, column.arrow_type, from_pandas=False) for column, values in columns.items()]
    table = pa.table(arrays, schema=pa.schema([column.field() for column in columns]))
    stream = TableStream(tuple(columns), iter(table.to_batches(max_chunksize=size)))
    found = convert(stream, planned)
    batches = list(found if position is None else with_checked_positions(found, position))
    assert {batch.schema for batch in batches} <= {database_schema(planned)}
    return [row for batch in batches for row in batch.to_pylist()]


def test_nan_becomes_null_in_scalars_and_stays_in_arrays() -> None:
    rows = converted(
        {
            Column("f", Datatype.FLOAT): [1.5, NAN, None],
            Column("d", Datatype.DOUBLE): [NAN, INFINITY, -0.0],
            Column("a", Datatype.DOUBLE, "2"): [[1.0, 2.0], None, [3.0, 4.0]],
        }
    )
    assert [row["f"] for row in rows] == [1.5, None, None]
    assert [row["d"] for row in rows] == [None, INFINITY, 0.0]
    assert [row["a"] for row in rows] == [[1.0, 2.0], None, [3.0, 4.0]]
    [row] = converted({Column("a", Datatype.FLOAT, "*"): [[NAN, 1.0]]})
    assert row["a"][0] != row["a"][0]


def test_unsigned_bytes_take_the_next_larger_type() -> None:
    columns: dict[Column, list[Any]] = {
        Column("b", Datatype.UNSIGNED_BYTE): [0, 255, None],
        Column("bs", Datatype.UNSIGNED_BYTE, "*"): [[255, 0], [], None],
    }
    planned = [PlannedColumn(column, place, column.name) for place, column in enumerate(columns)]
    assert database_schema(planned).types == [pa.int16(), pa.list_(pa.int16())]
    assert converted(columns) == [{"b": 0, "bs": [255, 0]}, {"b": 255, "bs": []}, {"b": None, "bs": None}]


def test_units_are_converted() -> None:
    rows = converted({Column("x", Datatype.DOUBLE): [1.0, None, NAN]}, factor=1000.0)
    assert [row["x"] for row in rows] == [1000.0, None, None]
    [row] = converted({Column("x", Datatype.FLOAT): [0.5]}, factor=0.25)
    assert row["x"] == 0.125


def test_timestamps_and_text_pass() -> None:
    moment = datetime.datetime(2016, 7, 31, 12, 0, 0, 250)
    columns: dict[Column, list[Any]] = {
        Column("t", Datatype.CHAR, "*", xtype="timestamp"): [moment],
        Column("s", Datatype.CHAR, "*"): ["a"],
    }
    assert converted(columns) == [{"t": moment, "s": "a"}]


def test_a_value_outside_the_described_type_names_the_column() -> None:
    planned = [PlannedColumn(Column("n", Datatype.SHORT), 0, "n")]
    batch = pa.record_batch({"N": pa.array([1, 70_000], pa.int32())})
    stream = TableStream((Column("N", Datatype.INT),), iter([batch]))
    with pytest.raises(TableError, match=r"Column n does not fit its type short: .*70000"):
        list(convert(stream, planned))


def test_columns_are_taken_from_their_places() -> None:
    planned = [
        PlannedColumn(Column("second", Datatype.LONG), 1, "second"),
        PlannedColumn(Column("first", Datatype.DOUBLE), 0, "first"),
    ]
    batch = pa.record_batch({"A": pa.array([1], pa.int32()), "B": pa.array([2], pa.int16())})
    stream = TableStream((Column("A", Datatype.INT), Column("B", Datatype.SHORT)), iter([batch]))
    [result] = convert(stream, planned)
    assert result.to_pylist() == [{"second": 2, "first": 1.0}]


RA, DEC = Column("ra", Datatype.DOUBLE), Column("dec", Datatype.DOUBLE)
POSITION = ("ra", "dec")


def test_half_positions_become_null_as_a_whole() -> None:
    rows = converted({RA: [1.0, None, 3.0, NAN, None, 6.0], DEC: [1.0, 2.0, None, 4.0, None, NAN]}, POSITION, size=3)
    assert [(row["ra"], row["dec"]) for row in rows] == [(1.0, 1.0)] + [(None, None)] * 5


def test_as_many_nulls_in_both_coordinates_are_not_the_same_nulls() -> None:
    rows = converted({RA: [None, 2.0], DEC: [1.0, None]}, POSITION)
    assert [(row["ra"], row["dec"]) for row in rows] == [(None, None), (None, None)]


@pytest.mark.parametrize(
    ("ra", "dec"), [(1.0, 90.0001), (1.0, -91.0), (INFINITY, 0.0), (-INFINITY, None), (0.0, INFINITY)]
)
def test_a_wrong_position_names_its_row(ra: float, dec: float | None) -> None:
    with pytest.raises(TableError) as caught:
        converted({RA: [0.0, 0.0, 0.0, ra, 0.0], DEC: [90.0, -90.0, None, dec, 100.0]}, POSITION)
    assert caught.value.message.startswith(f"Row 4 has the position {ra}, {dec}: ra must be finite")


def test_right_ascensions_beyond_a_turn_are_the_catalogues_business() -> None:
    rows = converted({RA: [-10.0, 370.0], DEC: [0.0, 0.0]}, POSITION)
    assert [row["ra"] for row in rows] == [-10.0, 370.0]


@pytest.mark.parametrize(("texts", "expected"), [(["abc", None, ""], True), (["abc", "Ångström"], False), ([], True)])
def test_ascii(texts: list[str | None], expected: bool) -> None:
    assert is_ascii(pa.array(texts, pa.string())) is expected


def test_ascii_of_a_slice_looks_at_the_slice_only() -> None:
    array = pa.array(["é", "plain", "text", "ü"])
    assert is_ascii(array.slice(1, 2))
    assert not is_ascii(array.slice(2, 2))


def test_what_was_seen_of_text_is_remembered_over_batches() -> None:
    for texts, expected in ((["a", "b", "c", "é"], False), (["é", "a", "b", "c"], False), (["a", "b"], True)):
        item = PlannedColumn(Column("s", Datatype.CHAR, "*"), 0, "s")
        batches = pa.table({"s": texts}).to_batches(max_chunksize=1)
        list(convert(TableStream((item.column,), iter(batches)), [item]))
        assert item.ascii is expected


def test_an_unknown_element_of_an_array_of_integers_is_refused() -> None:
    """The driver would write 0 for it."""
    column = Column("flags", Datatype.INT, "*")
    assert converted({column: [[1, 2], None, []]}) == [{"flags": [1, 2]}, {"flags": None}, {"flags": []}]
    unknown: list[Any] = [[None], [3], None, [], [None, None]]  # BINARY of VOTable has no other null array
    assert [row["flags"] for row in converted({column: unknown}, size=5)] == [None, [3], None, [], None]
    with pytest.raises(TableError, match="flags has an array with an unknown element"):
        converted({column: [[1, None], [3]]})
