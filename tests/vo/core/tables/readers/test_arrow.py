from __future__ import annotations

import datetime
import gzip
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pytest

from vo.core.errors import LimitError, TableError
from vo.core.tables import Column, Datatype, schema_of
from vo.core.tables.readers import TableLimits, open_table

from .reading import read
from .whole import arrow_file, field, votable


def write(tmp_path: Path, columns: dict[str, pa.Array], name: str = "t.arrows", metadata: object = None) -> Path:
    path = tmp_path / name
    path.write_bytes(arrow_file(pa.table(columns).replace_schema_metadata(metadata), path.suffix[1:]))
    return path


@pytest.mark.parametrize("name", ["stream", "file", "feather", "packed"])
def test_content_tells_the_format(tmp_path: Path, name: str) -> None:
    table = pa.table({"i": pa.array(range(1000)), "s": pa.array(["x", None] * 500)})
    path = tmp_path / name
    if name == "feather":
        pyarrow.feather.write_feather(table, str(path), chunksize=300)
    else:
        content = arrow_file(table, "arrows" if name == "stream" else "arrow")
        path.write_bytes(gzip.compress(content) if name == "packed" else content)
    found = read(path)
    assert found["i"] == list(range(1000))
    assert found["s"] == ["x", None] * 500


def test_types_become_canonical(tmp_path: Path) -> None:
    moment = datetime.datetime(2024, 5, 6, 7, 8, 9, 123456)
    matrix = pa.array([[[1, 2], [3, 4], [5, 6]], None], pa.list_(pa.list_(pa.int32(), 2), 3))
    found = read(
        write(
            tmp_path,
            {
                "matrix": matrix,
                "pairs": pa.array([[[1.5, 2.5]], []], pa.list_(pa.list_(pa.float64(), 2))),
                "time": pa.array([moment.time(), None], pa.time64("us")),
                "whole": pa.array([12345, None], pa.decimal128(18, 0)),
                "s": pa.array([moment.replace(microsecond=0), None], pa.timestamp("s")),
                "words": pa.array(["a", "b"]).dictionary_encode(),
                "view": pa.array(["a", None], pa.string_view()),
                "nothing": pa.nulls(2),
                "tensor": pa.ExtensionArray.from_storage(
                    pa.fixed_shape_tensor(pa.float32(), (2,)), pa.array([[1, 2], [3, 4]], pa.list_(pa.float32(), 2))
                ),
            },
        )
    )
    assert {name: column.arraysize for name, column in found.columns.items() if column.is_array} == {
        "matrix": "2x3",
        "pairs": "2x*",
        "tensor": "2",
    }
    assert found["matrix"] == [[1, 2, 3, 4, 5, 6], None]
    assert found["pairs"] == [[1.5, 2.5], []]
    assert found["time"] == ["07:08:09.123456", None]
    assert found["whole"] == [12345, None]
    assert found.columns["whole"].datatype is Datatype.LONG
    assert found["s"] == [moment.replace(microsecond=0), None]
    assert found["words"] == ["a", "b"]
    assert found["view"] == ["a", None]
    assert found["nothing"] == [None, None]
    assert found["tensor"] == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (pa.array([[[1], [2, 3]]]), "Column 'c' is of Arrow's type list<item: list<item: int64>>"),
        (pa.array([["a"]]), "Column 'c' is of Arrow's type list<item: string>"),
        (pa.array([{"x": 1}]), "Column 'c' is of Arrow's type struct"),
        (pa.array([datetime.timedelta(1)]), "Column 'c' is of Arrow's type duration"),
        (pa.array([None, [[1, 2], None]], pa.list_(pa.list_(pa.int8(), 2), 2)), "in which a whole part is null"),
        (pa.array([1 << 62], pa.timestamp("s")), "Column 'c' does not fit into char"),
    ],
)
def test_what_cannot_be_held(tmp_path: Path, column: pa.Array, message: str) -> None:
    with pytest.raises(TableError, match=message):
        read(write(tmp_path, {"c": column}))


def test_our_own_metadata(tmp_path: Path) -> None:
    columns = (
        Column("ra", Datatype.DOUBLE, unit="deg", ucd="pos.eq.ra", utype="a:b", description="right ascension"),
        Column("shape", Datatype.DOUBLE, arraysize="2x*", xtype="polygon"),
        Column("c", Datatype.FLOAT_COMPLEX),
        Column("t", Datatype.CHAR, arraysize="3"),
    )
    cells = [pa.array([1.0]), pa.array([[1.0, 2.0]]), pa.array([[1, 2]], pa.list_(pa.float32())), pa.array(["abc"])]
    path = tmp_path / "t.arrow"
    path.write_bytes(arrow_file(pa.table(cells, schema=schema_of(columns)), "arrow"))
    assert tuple(read(path).columns.values()) == columns


def test_voparquet_metadata(tmp_path: Path) -> None:
    described = votable(
        "", field("a", "double").replace("/>", ' unit="mas" ucd="pos.parallax"/>') + field("s", "char", "2")
    )
    metadata = {"IVOA.VOTable-Parquet.content": described}
    found = read(write(tmp_path, {"a": pa.array([1.5]), "s": pa.array(["ab"])}, metadata=metadata))
    assert (found.columns["a"].unit, found.columns["a"].ucd) == ("mas", "pos.parallax")
    assert found.columns["s"].arraysize == "2"
    with pytest.raises(
        TableError, match="Column 's': behind row 0 is a text of 3 characters, but its arraysize is '2'"
    ):
        read(write(tmp_path, {"a": pa.array([1.5]), "s": pa.array(["abc"])}, metadata=metadata))


@pytest.mark.parametrize(
    "stored",
    [
        {"datatype": "quaternion"},
        {"datatype": "double"},
        {"arraysize": "2x"},
        {"datatype": "unicodeChar", "arraysize": "9" * 5000},
        {"xtype": "timestamp", "datatype": "int"},
        {b"\xff": b"\xff"},
    ],
)
def test_damaged_metadata_count_for_nothing(tmp_path: Path, stored: dict[str, str]) -> None:
    path = tmp_path / "t.arrows"
    field = pa.field("c", pa.string(), metadata=stored)
    path.write_bytes(arrow_file(pa.table([["x"]], schema=pa.schema([field])), "arrows"))
    assert read(path)["c"] == ["x"]


def test_arrays_have_the_length_that_is_declared(tmp_path: Path) -> None:
    path = tmp_path / "t.arrows"
    schema = schema_of([Column("c", Datatype.DOUBLE_COMPLEX)])
    path.write_bytes(arrow_file(pa.table([pa.array([[1.0, 2.0], None, [1.0]])], schema=schema), "arrows"))
    with pytest.raises(TableError, match="Column 'c', row 3: an array of 1 numbers"):
        read(path)


def test_one_large_batch_comes_in_slices(tmp_path: Path) -> None:
    values = np.random.default_rng(1).normal(size=1_000_000)
    found = read(write(tmp_path, {"d": pa.array(values)}, "t.arrow"))
    assert len(found.batches) > 3
    assert max(found.batches) < 4 << 20
    assert np.array_equal(found.table["d"].to_numpy(), values)


def test_packed_batches_are_limited(tmp_path: Path) -> None:
    path = tmp_path / "t.arrows"
    path.write_bytes(arrow_file(pa.table({"z": pa.array(np.zeros(1_000_000))}), "arrows", compression="lz4"))
    with pytest.raises(LimitError, match="unpacks to 8000000 bytes; it may have 1048576"):
        list(open_table(path, limits=TableLimits(row_bytes=1 << 20)).batches)
    assert sum(len(batch) for batch in open_table(path, limits=TableLimits(row_bytes=8 << 20)).batches) == 1_000_000
