from __future__ import annotations

import base64
import gzip
import struct
from pathlib import Path

import pytest

from vo.core.errors import LimitError, TableError

from .reading import read
from .test_votable import document, field, rows, stream

BOMB = (
    '<!DOCTYPE b [<!ENTITY a "aaaaaaaaaa">'
    + "".join(f'<!ENTITY a{n} "{f"&a{n - 1 if n else str()};" * 10}">' for n in range(9))
    + "]>"
)
EXTERNAL = '<!DOCTYPE v [<!ENTITY x SYSTEM "file:///etc/hostname">]>'


@pytest.mark.parametrize("prolog", [BOMB, EXTERNAL, BOMB.replace("DOCTYPE b", "DOCTYPE VOTABLE")])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_document_types_are_refused(tmp_path: Path, prolog: str, encoding: str) -> None:
    path = tmp_path / "t.vot"
    path.write_text(f"{prolog}<VOTABLE><RESOURCE><TABLE>{field('a', 'int')}</TABLE></RESOURCE></VOTABLE>", encoding)
    with pytest.raises(TableError, match="document type declaration"):
        read(path)


def test_streams_elsewhere_are_not_fetched(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(struct.pack(">i", 1))
    for href in (f"file://{secret}", "http://example.org/x", "t?a>b"):
        for data in (f'<BINARY><STREAM href="{href}"/></BINARY>', f"<BINARY><STREAM href='{href}'></STREAM></BINARY>"):
            with pytest.raises(TableError, match=r"href.*not fetched"):
                read(document(tmp_path, field("a", "int"), data))


TRUNCATED = stream(struct.pack(">iii", 1, 2, 3), "BINARY")
BROKEN = {
    "no end of data": ("<TABLEDATA><TR><TD>1</TD></TR>", "truncated|not well-formed"),
    "cut row": ("<TABLEDATA><TR><TD>1</TD></TR><TR><TD></TABLEDATA>", "Behind row 0 the table is not well-formed"),
    "too many cells": (rows(("1", "2"), ("3", "4", "5")), "Row 2 of the table has 3 cells"),
    "text between cells": ("<TABLEDATA><TR><TD>1</TD>x<TD>2</TD></TR></TABLEDATA>", "something else"),
    "text behind rows": ("<TABLEDATA><TR><TD>1</TD><TD>2</TD></TR>x</TABLEDATA>", "something else"),
    "element in a cell": ("<TABLEDATA><TR><TD><b>1</b></TD><TD>2</TD></TR></TABLEDATA>", "something else"),
    "unknown entity": (rows(("&x;", "2")), "not well-formed"),
    "not a number": (rows(("1", "2"), ("x", "2")), "Column 'a', row 2: 'x' is not a int value"),
    "too large": (rows(("1", "2"), ("3", str(1 << 63))), "Column 'b', row 2: '9223372036854775808'"),
    "encoded cell": (
        '<TABLEDATA><TR><TD encoding="base64">AA==</TD><TD>2</TD></TR></TABLEDATA>',
        "encoding of their own",
    ),
    "base64": ('<BINARY><STREAM encoding="base64">AAA*AAAA</STREAM></BINARY>', "no base64 text"),
    "cut base64": ('<BINARY><STREAM encoding="base64">AAAAA</STREAM></BINARY>', "truncated"),
    "padding inside": ('<BINARY><STREAM encoding="base64">AA==AAAA</STREAM></BINARY>', "no base64|goes on"),
    "markup in base64": ('<BINARY><STREAM encoding="base64">AA<b/>==</STREAM></BINARY>', "no base64"),
    "cut row in binary": (stream(bytes(13), "BINARY"), "end inside row 2: 1 of its 12 bytes"),
    "gzip": (stream(gzip.compress(bytes(12))[:-9], "BINARY", "gzip+base64"), "end too early"),
    "no gzip": (stream(bytes(12), "BINARY", "gzip+base64"), "compressed data are damaged"),
    "encoding": (stream(bytes(12), "BINARY", "dynamic"), "encoding 'dynamic'"),
    "FITS": ('<FITS><STREAM encoding="base64">AAAA</STREAM></FITS>', "FITS stream"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_data(tmp_path: Path, case: str) -> None:
    data, message = BROKEN[case]
    with pytest.raises(TableError, match=message):
        read(document(tmp_path, field("a", "int") + field("b", "long"), data))


def test_every_truncation_is_noticed(tmp_path: Path) -> None:
    variable = struct.pack(">ii3sd", 5, 3, b"abc", 1.5) * 3
    fields = field("i", "int") + field("s", "char", "*") + field("d", "double")
    for data in (rows(("1", "a", "2.5"), ("2", "", "3.5")), stream(b"\0" + variable[:19]), stream(variable, "BINARY")):
        whole = document(tmp_path, fields, data).read_bytes()
        cut = tmp_path / "cut.vot"
        for length in range(100, len(whole) - 1, 3):
            cut.write_bytes(whole[:length])
            with pytest.raises(TableError):
                read(cut, format="votable")


def test_variable_rows(tmp_path: Path) -> None:
    fields = field("i", "int") + field("s", "char", "*")
    for counts, message in (
        ((-1,), "Row 1 has an array of -1"),
        ((1 << 30,), "end inside row 1"),
        ((1, 7), "inside row 2"),
    ):
        data = b"".join(struct.pack(">ii", 0, count) + b"x" for count in counts)
        with pytest.raises(TableError, match=message):
            read(document(tmp_path, fields, stream(data, "BINARY")))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ("", "no FIELD"),
        ('<FIELD name="x"/>', "FIELD 'x' has the datatype ''"),
        (field("x", "quaternion"), "FIELD 'x' has the datatype 'quaternion'"),
        (field("x", "int", "2y3"), "arraysize '2y3'"),
        (field("x", "int", "99999999999"), "A row of the table has more than"),
        (field("x", "int", "0"), "0 bytes cannot be read"),
    ],
)
def test_bad_fields(tmp_path: Path, fields: str, message: str) -> None:
    with pytest.raises((TableError, LimitError), match=message):
        read(document(tmp_path, fields, stream(b"", "BINARY")))


def test_text(tmp_path: Path) -> None:
    for datatype, data, message in (
        ("char", b"a\0b", "NUL"),
        ("char", b"\xff\xfeb", "not UTF-8"),
        ("unicodeChar", "a\0b".encode("utf-16-be"), "NUL"),
        ("unicodeChar", b"\xd8\x00\x00a\x00a", "not UTF-16"),
        ("boolean", b"TxF", "byte 0x78 is not a boolean"),
    ):
        with pytest.raises(TableError, match=f"Column 'c'.*{message}|{message}"):
            read(document(tmp_path, field("c", datatype, "3"), stream(data, "BINARY")))


def test_timestamps(tmp_path: Path) -> None:
    fields = field("a", "int") + field("t", "char", "*", xtype="timestamp")
    with pytest.raises(TableError, match="Column 't', row 2: 'yesterday' is not a time"):
        read(document(tmp_path, fields, rows(("1", "2020-01-01"), ("2", "yesterday"))))
    data = b"".join(struct.pack(">ii10s", 1, 10, text) for text in (b"2020-01-01", b"2020-13-01"))
    with pytest.raises(TableError, match="'2020-13-01' is not a time"):
        read(document(tmp_path, fields, stream(data, "BINARY")))


@pytest.mark.parametrize(
    "text",
    [
        "<VOTABLE>",
        "<VOTABLE/>",
        "<VOTABLE></X>",
        "<html><VOTABLE/></html>",
        "<VOTABLE><!-- ",
        "<VOTABLE",
        "",
        "<VOTABLE>&a;</VOTABLE>",
    ],
)
def test_what_is_no_table(tmp_path: Path, text: str) -> None:
    path = tmp_path / "t.vot"
    path.write_text(text)
    with pytest.raises(TableError):
        read(path)


def test_attacks_on_the_memory_and_the_time(tmp_path: Path) -> None:
    path = tmp_path / "t.vot"
    for text in (
        "<VOTABLE>" + "<!--" * 5_000_000,
        "<VOTABLE>" + "<STREAM " * 3_000_000,
        "<VOTABLE>" + "<a/>" * 3_000_000,
        "<VOTABLE>" + "<a>" * 1_000_000,
        "<VOTABLE><x y='" + "a" * 20_000_000,
    ):
        path.write_text(text)
        with pytest.raises(TableError):
            read(path)
    packed = base64.b64encode(gzip.compress(bytes(50_000_000))).decode()
    data = f'<BINARY><STREAM encoding="gzip">{packed}</STREAM></BINARY>'
    found = read(document(tmp_path, field("a", "double"), data))
    assert found.table.num_rows == 6_250_000
    assert max(found.batches) < 4 << 20


def test_messages_do_not_name_the_place_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "garbage.vot"
    path.write_bytes(b"\x00\x01garbage")
    for format in ("votable", "fits", "parquet", "csv", "ecsv"):
        with pytest.raises(TableError) as caught:
            read(path, format=format)
        assert str(tmp_path) not in str(caught.value)
