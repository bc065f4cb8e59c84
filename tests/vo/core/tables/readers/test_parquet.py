from __future__ import annotations

import datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.io.votable import from_table
from astropy.table import Table

from vo.core.errors import TableError
from vo.core.tables import Column, Datatype, schema_of
from vo.core.tables.readers import open_table

from .reading import assert_same, every_type, read


def write(tmp_path: Path, columns: dict[str, pa.Array], metadata: dict[str, str] | None = None) -> Path:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table(columns).replace_schema_metadata(metadata), path)
    return path


def test_types_become_canonical(tmp_path: Path) -> None:
    moment = datetime.datetime(2024, 5, 6, 7, 8, 9, 123456)
    utc = moment.replace(tzinfo=datetime.UTC)
    found = read(
        write(
            tmp_path,
            {
                "i1": pa.array([-1, None], pa.int8()),
                "u2": pa.array([65535, None], pa.uint16()),
                "u4": pa.array([2**32 - 1, None], pa.uint32()),
                "u8": pa.array([2**63 - 1, None], pa.uint64()),
                "dec": pa.array([Decimal("1.25"), None]),
                "dict": pa.array(["a", None]).dictionary_encode(),
                "large": pa.array(["é", None], pa.large_string()),
                "ns": pa.array([moment, None], pa.timestamp("ns")),
                "tz": pa.array([utc, None], pa.timestamp("ms", "Europe/Paris")),
                "date": pa.array([moment.date(), None]),
                "fixed": pa.array([[1.0, 2.0], None], pa.list_(pa.float32(), 2)),
                "list": pa.array([[1, None, 3], None], pa.large_list(pa.int16())),
            },
        )
    )
    assert [column.datatype.value for column in found.columns.values()] == [
        "short", "int", "long", "long", "double", "unicodeChar", "unicodeChar", "char", "char", "char", "float",
        "short",
    ]  # fmt: skip
    row = {name: found[name][0] for name in found.columns}
    assert row == {
        "i1": -1, "u2": 65535, "u4": 2**32 - 1, "u8": 2**63 - 1, "dec": 1.25, "dict": "a", "large": "é", "ns": moment,
        "tz": moment.replace(microsecond=123000), "date": datetime.datetime(2024, 5, 6), "fixed": [1, 2],
        "list": [1, None, 3],
    }  # fmt: skip
    assert all(found[name][1] is None for name in found.columns)
    assert found.columns["fixed"].arraysize == "2"
    assert found.metadata.rows == 2


def test_our_own_metadata(tmp_path: Path) -> None:
    columns = (
        Column("ra", Datatype.DOUBLE, unit="deg", ucd="pos.eq.ra", utype="a:b", description="right ascension"),
        Column("shape", Datatype.DOUBLE, arraysize="2x*", xtype="polygon"),
    )
    table = pa.table([pa.array([1.0]), pa.array([[1.0, 2.0]])], schema=schema_of(columns))
    pq.write_table(table, tmp_path / "t.parquet")
    assert tuple(read(tmp_path / "t.parquet").columns.values()) == columns


def test_voparquet(tmp_path: Path) -> None:
    described = Table({"a": [1.5], "b": [[1, 2]]})
    described["a"].unit = "mas"
    described["a"].description = "parallax"
    document = from_table(described)
    document.get_first_table().fields[0].ucd = "pos.parallax"
    document.get_first_table().description = "a table"
    path = tmp_path / "empty.vot"
    document.to_xml(str(path))
    metadata = {"IVOA.VOTable-Parquet.version": "1.0", "IVOA.VOTable-Parquet.content": path.read_text()}
    found = read(write(tmp_path, {"a": pa.array([2.5]), "b": pa.array([[3, 4]], pa.list_(pa.int64()))}, metadata))
    column = found.columns["a"]
    assert (column.unit, column.ucd, column.description) == ("mas", "pos.parallax", "parallax")
    assert found.columns["b"].arraysize == "2"
    assert found["b"] == [[3, 4]]
    assert found.metadata.description == "a table"
    assert found.metadata.infos["IVOA.VOTable-Parquet.version"] == "1.0"


def test_reads_what_astropy_wrote(tmp_path: Path) -> None:
    table = every_type()
    table.remove_columns(["matrix"])
    table.write(tmp_path / "t.parquet")
    found = read(tmp_path / "t.parquet")
    assert_same(found, table)
    assert found.columns["double"].unit == "mas"
    assert found.columns["double"].description == "Parallax & more"


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (pa.array([2**63], pa.uint64()), "Column 'c', row 1: 9223372036854775808 is more than a long"),
        (pa.array(["a\0b"]), "Column 'c' holds text with a NUL"),
        (pa.array([[[1]]]), "Column 'c' is of Parquet's type"),
        (pa.array([{"x": 1}]), "Column 'c' is of Parquet's type struct"),
        (pa.array([b"x"]), "Column 'c' is of Parquet's type binary"),
    ],
)
def test_what_cannot_be_held(tmp_path: Path, column: pa.Array, message: str) -> None:
    with pytest.raises(TableError, match=message):
        read(write(tmp_path, {"c": column}))


def test_broken_files(tmp_path: Path) -> None:
    path = write(tmp_path, {"c": pa.array(np.arange(100_000))})
    whole = path.read_bytes()
    for broken in (
        whole[:1000],
        whole[:4] + bytes(len(whole) - 12) + whole[-8:],
        whole[:50] + bytes(1000) + whole[1050:],
    ):
        path.write_bytes(broken)
        with pytest.raises(TableError):
            read(path)


def test_real_files(shared: Path) -> None:
    paths = sorted((shared / "data/epoch_astrometry/gaiasupdate").glob("*.parquet"))
    assert paths
    for path in paths:
        found = read(path)
        expected = pq.read_table(path)
        assert found.table.num_rows == expected.num_rows
        for name in expected.column_names:
            assert found.table[name].cast(expected[name].type).equals(expected[name]), name


def test_many_batches(tmp_path: Path) -> None:
    found = read(
        write(
            tmp_path,
            {"c": pa.array(np.arange(2_000_000)), "d": pa.array(np.random.default_rng(1).normal(size=2_000_000))},
        )
    )
    assert len(found.batches) > 5
    assert max(found.batches) < 4 << 20
    assert found.table["c"].to_pylist()[-1] == 1_999_999


def test_a_table_without_rows(tmp_path: Path) -> None:
    path = tmp_path / "none.parquet"
    pq.write_table(pa.table({"ra": pa.array([], pa.float64()), "name": pa.array([], pa.string())}), path)
    stream = open_table(path)
    assert [column.name for column in stream.columns] == ["ra", "name"]
    assert sum(batch.num_rows for batch in stream.batches) == 0
