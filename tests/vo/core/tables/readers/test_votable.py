from __future__ import annotations

import base64
import gzip
import struct
import warnings
from pathlib import Path

import numpy as np
import pytest
from astropy.io.votable import parse, parse_single_table
from astropy.io.votable.tree import VOTableFile
from astropy.table import Table

from vo.core.errors import TableError
from vo.core.tables import Datatype

from .reading import assert_same, every_type, read, stilts

NAMESPACES = (
    "",
    ' xmlns="http://www.ivoa.net/xml/VOTable/v1.1"',
    ' xmlns="http://www.ivoa.net/xml/VOTable/v1.2"',
    ' xmlns="http://www.ivoa.net/xml/VOTable/v1.3"',
)


def document(
    tmp_path: Path, fields: str, data: str, *, attributes: str = "", before: str = "", after: str = ""
) -> Path:
    path = tmp_path / "t.vot"
    path.write_text(
        f'<?xml version="1.0"?>\n<VOTABLE version="1.4"{attributes}><RESOURCE type="results">{before}'
        f"<TABLE>{fields}<DATA>{data}</DATA></TABLE>{after}</RESOURCE></VOTABLE>"
    )
    return path


def field(name: str, datatype: str, arraysize: str | None = None, *, null: str | None = None, xtype: str = "") -> str:
    size = f' arraysize="{arraysize}"' if arraysize else ""
    kind = f' xtype="{xtype}"' if xtype else ""
    values = f'<VALUES null="{null}"/>' if null else ""
    return f'<FIELD name="{name}" datatype="{datatype}"{size}{kind}>{values}</FIELD>'


def rows(*cells: tuple[str, ...]) -> str:
    return (
        "<TABLEDATA>" + "".join(f"<TR>{''.join(f'<TD>{c}</TD>' for c in row)}</TR>" for row in cells) + "</TABLEDATA>"
    )


def stream(data: bytes, serialization: str = "BINARY2", encoding: str = "base64") -> str:
    return (
        f'<{serialization}><STREAM encoding="{encoding}">{base64.b64encode(data).decode()}</STREAM></{serialization}>'
    )


@pytest.mark.parametrize("serialization", ["tabledata", "binary", "binary2"])
def test_reads_what_astropy_wrote(tmp_path: Path, serialization: str) -> None:
    path = tmp_path / "t.vot"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table = every_type()
        if serialization == "binary":  # Astropy has no null value for these
            for name in ("flag", "byte", "short", "int", "long"):
                table[name] = table[name].filled(0)
        table.write(path, format="votable", tabledata_format=serialization)
        expected = parse_single_table(path).to_table()
    found = read(path)
    assert_same(found, expected)
    assert found.columns["double"].unit == "mas"
    assert found.columns["double"].description == "Parallax & more"
    assert found.columns["double"].ucd == "pos.parallax"
    assert found["matrix"][1] == [6, 7, 8, 9, 10, 11]
    assert found["unicode"][2] == "日本"


@pytest.mark.parametrize("ofmt", ["votable-tabledata", "votable-binary", "votable-binary2", "votable-binary-inline"])
def test_reads_what_stilts_wrote(tmp_path: Path, ofmt: str) -> None:
    table = every_type()
    table.remove_column("unicode")  # FITS has ASCII only
    table["pad"] = ["ab", "c", "", "d", "e", "f", "g"]
    source = tmp_path / "t.fits"
    table.write(source)
    found = read(stilts(source, tmp_path / "t.vot", ofmt))
    assert found["short"] == [0, None, -10000, -15000, -20000, -25000, -30000]
    assert found["long"] == [
        1,
        (1 << 60) + 1,
        2 * (1 << 60) + 1,
        3 * (1 << 60) + 1,
        None,
        5 * (1 << 60) + 1,
        6 * (1 << 60) + 1,
    ]
    assert found["flag"][:3] == [True, False, True]
    assert found["double"][1:5] == [float("inf"), float("-inf"), 1e-300, -0.0]
    assert found["text"][2] == "<&>\"'"
    assert found["text"][5] == "]]>"
    assert found["vector"][2] == [6.0, 7.0, 8.0]
    assert found["matrix"][1] == [6, 7, 8, 9, 10, 11]
    assert found.columns["matrix"].arraysize == "2x3"
    assert found.metadata.rows in {None, 7}


@pytest.mark.parametrize("ofmt", ["votable-tabledata", "votable-binary", "votable-binary2"])
def test_variable_arrays_of_stilts(tmp_path: Path, ofmt: str) -> None:
    source = document(
        tmp_path,
        field("id", "long")
        + field("v", "double", "*")
        + field("m", "short", "2x*")
        + field("s", "char", "*")
        + field("u", "unicodeChar", "*")
        + field("b", "bit", "*")
        + field("l", "boolean", "*"),
        rows(
            ("1", "1.5 2.5 -1e300", "1 2 3 4", "text", "Ωmega", "1 0 1", "T F"),
            ("2", "7", "5 6", "", "Ünicode", "1", "T"),
            ("3", "1 2", "7 8", "longer text", "a", "0 0 0 0 0 0 0 0 1", "F F F"),
        ),
    )
    found = read(stilts(source, tmp_path / "out.vot", ofmt))
    assert found["v"] == [[1.5, 2.5, -1e300], [7.0], [1.0, 2.0]]
    assert found["m"] == [[1, 2, 3, 4], [5, 6], [7, 8]]
    assert found["u"] == ["Ωmega", "Ünicode", "a"]
    assert found["l"] == [[True, False], [True], [False, False, False]]
    assert [text or "" for text in found["s"]] == ["text", "", "longer text"]
    assert found.columns["m"].arraysize in {"2x*", "*"}


def test_variable_arrays_of_astropy(tmp_path: Path) -> None:
    source = document(
        tmp_path,
        field("v", "double", "*") + field("m", "short", "2x*") + field("b", "bit", "*") + field("c", "floatComplex"),
        rows(("1.5 2.5", "1 2 3 4", "1 0 1", "1 2"), ("7", "5 6", "1", "3 4")),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table: VOTableFile = parse(source)
        for serialization in ("binary", "binary2"):
            path = tmp_path / f"{serialization}.vot"
            table.to_xml(str(path), tabledata_format=serialization)
            found = read(path)
            assert found["v"] == [[1.5, 2.5], [7.0]]
            assert found["m"] == [[1, 2, 3, 4], [5, 6]]
            assert found["b"] == [[True, False, True], [True]]
            assert found["c"] == [[1.0, 2.0], [3.0, 4.0]]
            assert found.columns["c"].datatype is Datatype.FLOAT_COMPLEX


@pytest.mark.parametrize("attributes", NAMESPACES)
def test_any_namespace(tmp_path: Path, attributes: str) -> None:
    found = read(document(tmp_path, field("a", "int"), rows(("1",), ("2",)), attributes=attributes))
    assert found["a"] == [1, 2]


def test_prefixed_namespace(tmp_path: Path) -> None:
    path = tmp_path / "t.vot"
    path.write_text(
        '<v:VOTABLE xmlns:v="http://www.ivoa.net/xml/VOTable/v1.3" version="1.3"><v:RESOURCE><v:TABLE name="n">'
        '<v:FIELD name="a" datatype="int"><v:DESCRIPTION>an\n  integer</v:DESCRIPTION></v:FIELD><v:DATA><v:TABLEDATA>'
        "<v:TR><v:TD>1</v:TD></v:TR>\n<v:TR> <v:TD/></v:TR></v:TABLEDATA></v:DATA></v:TABLE></v:RESOURCE></v:VOTABLE>"
    )
    found = read(path)
    assert found["a"] == [1, None]
    assert found.columns["a"].description == "an integer"
    assert found.metadata.name == "n"


def test_unusual_markup(tmp_path: Path) -> None:
    data = (
        '<TABLEDATA><!-- a comment with </TR> and </TABLEDATA> -->\n<TR ID="r1"><TD>1</TD >'
        "<TD ><![CDATA[a<b>&amp;</TD>]]></TD></TR><?skip </TR> ?><TR>"
        "<TD>\r\n 2 </TD><TD>x &lt;&#65;&#x42;&amp;amp;&gt;</TD></TR>"
        "<TR\n><TD/><TD></TD></TR></TABLEDATA>"
    )
    found = read(document(tmp_path, field("n", "int") + field("s", "char", "*"), data))
    assert found["n"] == [1, 2, None]
    assert found["s"] == ["a<b>&amp;</TD>", "x <AB&amp;>", None]


def test_values_in_tabledata(tmp_path: Path) -> None:
    fields = (
        field("i", "short", null="-99")
        + field("h", "int")
        + field("f", "float")
        + field("b", "boolean")
        + field("t", "char", "*", xtype="timestamp")
        + field("o", "bit", "4")
        + field("a", "int", "2x2")
    )
    data = rows(
        ("-99", "0x1F", "+Inf", "T", "2024-02-29T12:30:00.123456789Z", "1011", "1 2 3 4"),
        (" 7 ", "+5", "NaN", "false", "2024-02-29", "1 0 0 1", ""),
        ("", " ", "", "?", "", "", "5\n6\t7 8"),
    )
    found = read(document(tmp_path, fields, data))
    assert found["i"] == [None, 7, None]
    assert found["h"] == [31, 5, None]
    assert found["f"][0] == float("inf")
    assert np.isnan(found["f"][1])
    assert found["f"][2] is None
    assert found["b"] == [True, False, None]
    assert [str(time) for time in found["t"]] == ["2024-02-29 12:30:00.123456", "2024-02-29 00:00:00", "None"]
    assert found["o"] == [[True, False, True, True], [True, False, False, True], None]
    assert found["a"] == [[1, 2, 3, 4], None, [5, 6, 7, 8]]


def test_nulls_in_binary(tmp_path: Path) -> None:
    fields = field("i", "short", null="-99") + field("f", "double") + field("b", "boolean") + field("s", "char", "4")
    data = struct.pack(">hdc4s", -99, float("nan"), b"?", b"ab\0\0") + struct.pack(">hdc4s", 1, 2.0, b"1", b"abc ")
    found = read(document(tmp_path, fields, stream(data, "BINARY")))
    assert found["i"] == [None, 1]
    assert np.isnan(found["f"][0])
    assert found["b"] == [None, True]
    assert found["s"] == ["ab", "abc"]


def test_null_flags_begin_with_the_most_significant_bit(tmp_path: Path) -> None:
    fields = "".join(field(f"c{index}", "unsignedByte") for index in range(9))
    data = bytes([0b0100_0001, 0b1000_0000, *range(9)])
    found = read(document(tmp_path, fields, stream(data)))
    assert [found[f"c{index}"][0] for index in range(9)] == [0, None, 2, 3, 4, 5, 6, None, None]


def test_gzip_stream(tmp_path: Path) -> None:
    values = np.arange(100_000, dtype=">i4")
    packed = gzip.compress(values.tobytes())
    for encoding in ("gzip base64", "gzip"):
        found = read(document(tmp_path, field("i", "int"), stream(packed, "BINARY", encoding)))
        assert found["i"] == list(range(100_000))


def test_gzip_file_and_other_encodings(tmp_path: Path) -> None:
    text = document(tmp_path, field("s", "char", "*"), rows(("é",), ("b",))).read_text()
    variants = {
        "utf-16": text.replace("?>", ' encoding="utf-16"?>', 1).encode("utf-16"),
        "latin": text.replace("?>", ' encoding="ISO-8859-1"?>', 1).encode("latin-1"),
        "bom": text.encode("utf-8-sig"),
        "gzip": gzip.compress(text.encode()),
    }
    for name, content in variants.items():
        path = tmp_path / name
        path.write_bytes(content)
        assert read(path)["s"] == ["é", "b"], name


def test_choice_of_table(tmp_path: Path) -> None:
    path = tmp_path / "t.vot"
    one = f'<TABLE name="empty">{field("e", "int")}</TABLE>'
    two = f'<TABLE name="two" nrows="1">{field("a", "int")}<DATA>{rows(("1",))}</DATA></TABLE>'
    data = stream(struct.pack(">i", 2), "BINARY")
    three = f'<TABLE ID="three">{field("b", "int")}<DATA>{data}</DATA></TABLE>'
    four = f'<TABLE name="four">{field("c", "int")}<DATA><TABLEDATA/></DATA></TABLE>'
    path.write_text(f"<VOTABLE><RESOURCE>{one}{two}</RESOURCE><RESOURCE>{three}{four}</RESOURCE></VOTABLE>")
    assert read(path)["a"] == [1]
    assert read(path).metadata.rows == 1
    assert read(path, table="three")["b"] == [2]
    assert read(path, table=2)["b"] == [2]
    assert read(path, table="empty")["e"] == []
    assert read(path, table=3)["c"] == []
    with pytest.raises(TableError, match="no TABLE 'five'; its tables: 'empty', 'two', 'three', 'four'"):
        read(path, table="five")


def test_infos(tmp_path: Path) -> None:
    before = '<INFO name="QUERY_STATUS" value="OK"/><INFO name="citation" value="doi:1">text</INFO>'
    found = read(document(tmp_path, field("a", "int"), rows(("1",)), before=before))
    assert found.metadata.infos == {"QUERY_STATUS": "OK", "citation": "doi:1"}


def test_infos_of_one_name_have_a_line_each(tmp_path: Path) -> None:
    infos = '<INFO name="warning" value="one"/><INFO name="warning" value="two"/><INFO name="warning" value="one"/>'
    found = read(document(tmp_path, field("a", "int"), rows(("1",)), before=infos))
    assert found.metadata.infos["warning"] == "one\ntwo"


@pytest.mark.parametrize("place", ["before", "after"])
def test_an_error_of_the_service_is_an_error(tmp_path: Path, place: str) -> None:
    info = '<INFO name="QUERY_STATUS" value="ERROR">out of memory</INFO>'
    path = document(tmp_path, field("a", "int"), rows(("1",)), **{place: info})
    with pytest.raises(TableError, match="its service failed: out of memory"):
        read(path)


def test_error_document_without_table(tmp_path: Path) -> None:
    path = tmp_path / "t.xml"
    path.write_text(
        '<VOTABLE><RESOURCE><INFO name="QUERY_STATUS" value="ERROR">no such column</INFO></RESOURCE></VOTABLE>'
    )
    with pytest.raises(TableError, match="no such column"):
        read(path)


def test_a_row_that_is_longer_than_a_block(tmp_path: Path) -> None:
    values = np.arange(2_000_000, dtype=">f8")
    long_row = struct.pack(">i", len(values)) + values.tobytes()
    data = struct.pack(">i", 0) + long_row + struct.pack(">id", 1, 5.0)
    found = read(document(tmp_path, field("v", "double", "*"), stream(data, "BINARY")))
    assert found["v"][0] == []
    assert found["v"][2] == [5.0]
    assert found.table.column("v")[1].values.to_numpy()[-1] == 1_999_999
    text = " ".join(map(str, range(800_000)))
    found = read(document(tmp_path, field("v", "int", "*"), rows(("1",), (text,), ("2",))))
    assert [len(value) for value in found["v"]] == [1, 800_000, 1]


def test_real_files(shared: Path) -> None:
    for name in (
        "xp/XP_CONTINUOUS_RAW.xml",
        "epoch_astrometry/gaiasupdate/datalink_EPOCH_ASTROMETRY_DR4_INT2_source1.vot.gz",
    ):
        path = shared / "data" / name
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = parse_single_table(path).to_table()
        assert_same(read(path), expected)


def test_many_blocks(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    for serialization, rows in (("tabledata", 90_000), ("binary", 150_000), ("binary2", 150_000)):
        table = Table({"i": rng.integers(-1000, 1000, rows), "d": rng.normal(size=rows)})
        path = tmp_path / "t.vot"
        table.write(path, format="votable", tabledata_format=serialization, overwrite=True)
        found = read(path)
        assert len(found.batches) > 1
        assert max(found.batches) < 4 << 20
        assert np.array_equal(found.table["i"].to_numpy(), table["i"])
        assert np.array_equal(found.table["d"].to_numpy(), table["d"])
        assert found.columns["i"].datatype is Datatype.LONG
