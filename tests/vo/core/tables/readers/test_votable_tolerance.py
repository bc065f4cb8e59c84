"""What real services write although they should not, and what is clear all the same."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from vo.core.errors import TableError
from vo.core.tables import Datatype

from .reading import read
from .test_votable import document, field, rows, stream


@pytest.mark.parametrize("version", ["1.0", "1.1", "1.2", "1.3", "1.4", "1.5", None])
def test_versions(tmp_path: Path, version: str | None) -> None:
    namespace = f' xmlns="http://www.ivoa.net/xml/VOTable/v{version}"' if version else ""
    assert read(document(tmp_path, field("a", "int"), rows(("1",)), attributes=namespace))["a"] == [1]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"])
@pytest.mark.parametrize(
    "prolog",
    [
        '<!DOCTYPE VOTABLE SYSTEM "http://us-vo.org/xml/VOTable.dtd">',
        "<!DOCTYPE VOTABLE PUBLIC '-//IVOA//DTD' 'VOTable.dtd' >",
        '\n  <?xml version="1.0"?><!-- a remark -->',
    ],
)
def test_prologs_and_encodings(tmp_path: Path, prolog: str, encoding: str) -> None:
    path = tmp_path / "t.vot"
    table = f"<TABLE>{field('a', 'unicodeChar', '*')}<DATA>{rows(('é',))}</DATA></TABLE>"
    path.write_bytes(f"{prolog}<VOTABLE><RESOURCE>{table}</RESOURCE></VOTABLE>".encode(encoding))
    assert read(path)["a"] == ["é"]


def test_texts_are_longer_than_declared(tmp_path: Path) -> None:
    fields = (
        field("none", "char") + field("short", "char", "3") + field("fits", "char", "4") + field("u", "unicodeChar")
    )
    found = read(document(tmp_path, fields, rows(("long text", "too long", "four", "Ωμ"), ("", "a", "b", "c"))))
    assert [found[name][0] for name in found.columns] == ["long text", "too long", "four", "Ωμ"]
    assert [column.arraysize for column in found.columns.values()] == ["*", "*", "4", "*"]


def test_a_late_text_is_never_cut(tmp_path: Path) -> None:
    data = rows(*[("abc",)] * 400_000, ("abcd",))
    with pytest.raises(TableError, match="a text of 4 characters, but its arraysize is '3'"):
        read(document(tmp_path, field("s", "char", "3"), data))


def test_cells_are_missing(tmp_path: Path) -> None:
    found = read(document(tmp_path, field("a", "int") + field("b", "double"), rows(("1", "2"), ("3",), ()), after=""))
    assert found["a"] == [1, 3, None]
    assert found["b"] == [2.0, None, None]


def test_odd_types_and_values(tmp_path: Path) -> None:
    fields = (
        '<FIELD ID="only_id" datatype="Int" arraysize=" 1 "/>'
        + field("s", "string")
        + field("b", "boolean")
        + field("f", "float64", "*")
        + field("t", "char", "*", xtype="adql:TIMESTAMP")
    )
    found = read(
        document(tmp_path, fields, rows(("", "text", "TRUE", "1.5", "2024-01-01T10:00:00Z"), ("5", "", "1", "", "")))
    )
    assert found["only_id"] == [None, 5]
    assert found["s"] == ["text", None]
    assert found["b"] == [True, True]
    assert found["f"] == [[1.5], None]
    assert str(found["t"][0]) == "2024-01-01 10:00:00"


@pytest.mark.parametrize("nrows", ["7", "-1", "many", "9" * 30])
def test_nrows_is_only_said(tmp_path: Path, nrows: str) -> None:
    path = document(tmp_path, field("a", "int"), rows(("1",), ("2",)))
    path.write_text(path.read_text().replace("<TABLE>", f'<TABLE nrows="{nrows}">'))
    assert read(path)["a"] == [1, 2]


@pytest.mark.parametrize("count", [0, 1, 100_000, 110_000])
def test_blanks_between_rows_and_behind_the_last_one_of_a_block(tmp_path: Path, count: int) -> None:
    data = "<TABLEDATA>" + "\n     <TR>\n      <TD>12345</TD>\n     </TR>" * count + "\n      </TABLEDATA>"
    assert read(document(tmp_path, field("a", "int"), data))["a"] == [12345] * count


def test_blanks_in_base64(tmp_path: Path) -> None:
    data = stream(struct.pack(">bibi", 0, 1, 0, 2))
    broken = data.replace('base64">', 'base64">\n\t ').replace("AA", "A \r\n\tA")
    assert read(document(tmp_path, field("a", "int"), broken))["a"] == [1, 2]


def test_no_data(tmp_path: Path) -> None:
    path = tmp_path / "t.vot"
    for data in (
        "",
        "<DATA/>",
        "<DATA><TABLEDATA/></DATA>",
        '<DATA><BINARY2><STREAM encoding="base64"/></BINARY2></DATA>',
    ):
        path.write_text(f"<VOTABLE><RESOURCE><TABLE>{field('a', 'int')}{data}</TABLE></RESOURCE></VOTABLE>")
        assert read(path)["a"] == []


@pytest.mark.parametrize("serialization", ["TABLEDATA", "BINARY", "BINARY2"])
def test_complex_numbers(tmp_path: Path, serialization: str) -> None:
    fields = field("c", "floatComplex") + field("z", "doubleComplex", "2") + field("v", "doubleComplex", "*")
    if serialization == "TABLEDATA":
        data = rows(("1 2", "1 2 3 4", "5 6"), ("-1.5 NaN", "0 0 0 0", ""))
    else:
        first = struct.pack(">2f4di2d", 1, 2, 1, 2, 3, 4, 1, 5, 6)
        second = struct.pack(">2f4di", -1.5, float("nan"), 0, 0, 0, 0, 0)
        flags = (b"\0", b"\x20") if serialization == "BINARY2" else (b"", b"")
        data = stream(flags[0] + first + flags[1] + second, serialization)
    found = read(document(tmp_path, fields, data))
    assert [column.datatype for column in found.columns.values()] == [
        Datatype.FLOAT_COMPLEX,
        Datatype.DOUBLE_COMPLEX,
        Datatype.DOUBLE_COMPLEX,
    ]
    assert [column.arraysize for column in found.columns.values()] == [None, "2", "*"]
    assert str(found["c"]) == "[[1.0, 2.0], [-1.5, nan]]"
    assert found["z"] == [[1, 2, 3, 4], [0, 0, 0, 0]]
    assert found["v"] == [[5, 6], [] if serialization == "BINARY" else None]
