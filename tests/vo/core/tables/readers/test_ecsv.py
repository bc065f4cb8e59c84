from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table

from vo.core.errors import TableError
from vo.core.tables import Datatype

from .reading import assert_same, every_type, read

HEADER = "# %ECSV 1.0\n# ---\n# delimiter: ','\n# datatype:\n"


def write(tmp_path: Path, columns: str, body: str, more: str = "") -> Path:
    path = tmp_path / "t.ecsv"
    header = "".join(f"# - {column}\n" for column in columns.split(";"))
    path.write_text(HEADER + header + more + body)
    return path


@pytest.mark.parametrize("delimiter", [" ", ","])
def test_reads_what_astropy_wrote(tmp_path: Path, delimiter: str) -> None:
    path = tmp_path / "t.ecsv"
    table = every_type()
    table.meta["name"] = "cat"
    table.write(path, delimiter=delimiter)
    found = read(path)
    assert_same(found, Table.read(path))
    double = found.columns["double"]
    assert (double.unit, double.description, double.ucd) == ("mas", "Parallax & more", "pos.parallax")
    assert found.columns["matrix"].arraysize == "2x3"
    assert found.columns["short"].datatype is Datatype.SHORT
    assert found.metadata.name == "cat"


def test_arrays_nulls_and_words(tmp_path: Path) -> None:
    columns = (
        "{name: a, datatype: string, subtype: 'float64[null]'};{name: m, datatype: string, subtype: 'int32[2,3]'};"
        "{name: b, datatype: string, subtype: 'bool[null]'};{name: j, datatype: string, subtype: json};"
        "{name: n, datatype: int32}"
    )
    body = (
        "a,m,b,j,n\n"
        '"[1.5,null, NaN]","[[1,2,3],[4,5,6]]","[true,false]","{""k"": [1]}",1\n'
        '[],"[[0,0,0],[0,0,0]]",[],[],null\n'
        ',"[[9,9,9],[9,9,9]]",[null],,""\n'
    )
    found = read(write(tmp_path, columns, body))
    assert found["a"][0][:2] == [1.5, None]
    assert found["a"][1:] == [[], None]
    assert found["m"][0] == [1, 2, 3, 4, 5, 6]
    assert found.columns["m"].arraysize == "3x2"
    assert found["b"] == [[True, False], [], [None]]
    assert found["j"] == ['{"k": [1]}', "[]", None]
    assert found["n"] == [1, None, None]


def test_complex_numbers(tmp_path: Path) -> None:
    path = tmp_path / "t.ecsv"
    numbers = np.array([1 + 2j, -1e-30 - 3.5j, complex(math.nan, math.inf), 1j])
    Table({"z": numbers, "f": numbers.astype("c8")}).write(path)
    found = read(path)
    assert found.columns["z"].datatype is Datatype.DOUBLE_COMPLEX
    assert found.columns["f"].datatype is Datatype.FLOAT_COMPLEX
    assert str(found["z"]) == "[[1.0, 2.0], [-1e-30, -3.5], [nan, inf], [0.0, 1.0]]"


def test_tags_and_omaps_build_nothing(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "{name: x, unit: !astropy.units.Unit {unit: mas}, datatype: float64};{name: y, datatype: int64}",
        "x,y\n1.5,2\n",
        "# meta: !!omap\n# - {origin: here}\n# - {evil: !!python/object/apply:os.system [false]}\n",
    )
    found = read(path)
    assert found.columns["x"].unit == "mas"
    assert found.metadata.infos == {"origin": "here"}


@pytest.mark.parametrize(
    ("columns", "body", "message"),
    [
        ("{name: a, datatype: int32}", "b\n1\n", "column names of the ECSV header"),
        ("{name: a, datatype: float256}", "a\n1\n", "Column 'a' has the datatype 'float256'"),
        ("{name: a, datatype: complex128}", "a\n(1+2k)\n", r"Column 'a', row 1: '\(1\+2k\)' is not a doubleComplex"),
        ("{name: a, b: " + "[" * 60 + "]" * 60 + "}", "a\n1\n", "nested more than 50 times"),
        ("{datatype: int32}", "a\n1\n", "column without a name"),
        ("{name: a, datatype: int32}", "a\nx\n", "Column 'a', row 1: 'x' is not a int value"),
        ("{name: a, datatype: int16}", "a\n40000\n", "Column 'a', row 1"),
        ("{name: a, datatype: uint64}", "a\n1\n9223372036854775808\n", "Column 'a', row 2"),
        ("{name: a, datatype: string, subtype: 'int32[2]'}", 'a\n"[1,2]"\n"[1,2,3]"\n', "Column 'a', row 2"),
        ("{name: a, datatype: string, subtype: 'int32[null]'}", "a\n1 2\n", "Column 'a', row 1"),
        ("{name: a, datatype: [}", "a\n1\n", "header is damaged"),
        ("{name: a, datatype: int32};{name: b, datatype: int32}", "a,b\n1\n", "Line 8 of the file has 1 cells"),
    ],
)
def test_broken_files(tmp_path: Path, columns: str, body: str, message: str) -> None:
    with pytest.raises(TableError, match=message):
        read(write(tmp_path, columns, body))


def test_real_file(shared: Path) -> None:
    path = shared / "data/xp/XP_CONTINUOUS_RAW.ecsv.gz"
    found = read(path)
    assert_same(found, Table.read(path, format="ascii.ecsv"))
    assert found.columns["source_id"].ucd == "meta.id;meta.main"
