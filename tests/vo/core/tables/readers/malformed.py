"""Files that are damaged, wrong or hostile, in every format; by file names, whose ends tell the formats.

All are made here, always the same. None may do more than be refused: no crash, no growth of memory, no long time.
"""

from __future__ import annotations

import base64
import functools
import gzip
import io
import random
import struct
import zlib
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from astropy.io import fits

ROWS = 50
HARMLESS = "harmless"
"""Part of the names of files that may well be read: what is wrong with them does not hurt."""

_ENTITIES = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10 if n else "a" * 10}">' for n in range(10))


@functools.cache
def malformed() -> dict[str, bytes]:
    """Return the files by name."""
    files: dict[str, bytes] = {}
    for part in (_votables, _fits, _parquets, _arrows, _csvs, _ecsvs, _gzips, _others):
        for name, content in part():
            assert name not in files, name
            files[name] = content
    return files


def votable(data: str, fields: str | None = None, prolog: str = '<?xml version="1.0"?>') -> bytes:
    """Return a document of one table."""
    if fields is None:
        fields = field("a", "int") + field("s", "char", "*") + field("d", "double")
    return (
        f'{prolog}<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3"><RESOURCE type="results"><TABLE>'
        f"{fields}<DATA>{data}</DATA></TABLE></RESOURCE></VOTABLE>"
    ).encode()


def field(name: str, datatype: str, arraysize: str | None = None) -> str:
    """Return a FIELD."""
    return f'<FIELD name="{name}" datatype="{datatype}"' + (f' arraysize="{arraysize}"/>' if arraysize else "/>")


def rows(cells: str = "<TD>1</TD><TD>x</TD><TD>1.5</TD>", count: int = 3) -> str:
    """Return rows of TABLEDATA."""
    return f"<TABLEDATA>{f'<TR>{cells}</TR>' * count}</TABLEDATA>"


def stream(data: bytes | str, kind: str = "BINARY2", encoding: str = "base64") -> str:
    """Return a STREAM of bytes, or of a text that is no base64."""
    text = data if isinstance(data, str) else base64.b64encode(data).decode()
    return f'<{kind}><STREAM encoding="{encoding}">{text}</STREAM></{kind}>'


def bomb(unit: int = 8 << 20, members: int = 300) -> bytes:
    """Return a gzip file of 2.5 GB of zeros in about as many kB."""
    return gzip.compress(bytes(unit), 9) * members


def binary_rows(count: int = ROWS) -> bytes:
    """Return rows of BINARY2 for the fields of `votable`."""
    return b"".join(struct.pack(">Bii3sd", 0, row, 3, b"abc", row / 3) for row in range(count))


def _flips(whole: bytes, count: int, seed: int) -> Iterator[tuple[int, bytes]]:
    """Yield copies with one, some or many bytes changed."""
    dice = random.Random(seed)
    for number in range(count):
        changed = bytearray(whole)
        for _ in range((1, 4, 40)[number % 3]):
            changed[dice.randrange(len(whole))] = dice.randrange(256)
        yield number, bytes(changed)


def _cuts(whole: bytes, count: int) -> Iterator[tuple[int, bytes]]:
    for number in range(1, count + 1):
        yield number, whole[: len(whole) * number // (count + 1)]


def _votables() -> Iterator[tuple[str, bytes]]:
    good = {"tabledata": votable(rows(count=ROWS)), "binary2": votable(stream(binary_rows()))}
    good["binary"] = votable(stream(b"".join(binary_rows(1)[1:] for _ in range(ROWS)), "BINARY"))
    for kind, whole in good.items():
        for number, content in _cuts(whole, 8):
            yield f"{kind}-cut-{number}.vot", content
    for number, content in _flips(good["tabledata"], 6, 1):
        yield f"tabledata-flipped-{number}-{HARMLESS}.vot", content
    for number, content in _flips(good["binary2"], 6, 2):
        yield f"binary2-flipped-{number}-{HARMLESS}.vot", content
    for name, data in {
        "too-many-cells": rows("<TD>1</TD><TD>x</TD><TD>1</TD><TD>2</TD>"),
        "text-in-number": rows("<TD>one</TD><TD>x</TD><TD>1</TD>"),
        "number-too-large": rows("<TD>99999999999</TD><TD>x</TD><TD>1</TD>"),
        "number-of-a-million-digits": rows(f"<TD>{'9' * 1_000_000}</TD><TD>x</TD><TD>1</TD>", 1),
        "nul-in-text": rows("<TD>1</TD><TD>a\0b</TD><TD>1</TD>"),
        "nul-in-number": rows("<TD>1\0</TD><TD>a</TD><TD>1</TD>"),
        "control-reference": rows("<TD>1</TD><TD>&#1;</TD><TD>1</TD>"),
        "unknown-entity": rows("<TD>1</TD><TD>&nbsp;</TD><TD>1</TD>"),
        "element-in-cell": rows("<TD>1</TD><TD><b>x</b></TD><TD>1</TD>"),
        "text-between-cells": rows("<TD>1</TD>x<TD>x</TD><TD>1</TD>"),
        "crossed-tags": "<TABLEDATA><TR><TD>1</TR></TD></TABLEDATA>",
        "no-end-of-data": "<TABLEDATA><TR><TD>1</TD>",
        "comment-without-end": "<TABLEDATA><!-- ",
        "cdata-without-end": "<TABLEDATA><TR><TD><![CDATA[ ",
        "encoded-cell": rows('<TD encoding="base64">AAAA</TD><TD>x</TD><TD>1</TD>'),
        "deep": "<TABLEDATA>" + "<TR>" * 100_000 + "</TABLEDATA>",
        "wrong-base64": stream("AAA*AAAA"),
        "cut-base64": stream("AAAAA"),
        "padding-inside": stream("AA==AAAA"),
        "markup-in-base64": stream("AA<b/>=="),
        "non-ascii-base64": stream("ÄÖÜß"),
        "row-cut": stream(binary_rows()[:-3]),
        "negative-length": stream(struct.pack(">Bii", 0, 1, -1) + bytes(20)),
        "most-negative-length": stream(struct.pack(">Bii", 0, 1, -(1 << 31)) + bytes(20)),
        "huge-length": stream(struct.pack(">Bii", 0, 1, 0x7FFFFFFF) + bytes(20)),
        "length-behind-many-rows": stream(binary_rows(1000) + struct.pack(">Bii", 0, 1, -7) + binary_rows(1000)),
        "length-shifts-rows": stream(binary_rows(500) + b"\0" + binary_rows(500)),
        "text-not-utf8": stream(struct.pack(">Bii2sd", 0, 1, 2, b"\xff\xfe", 1)),
        "unknown-encoding": stream(binary_rows(), encoding="rot13"),
        "stream-elsewhere": '<BINARY2><STREAM href="file:///etc/passwd"/></BINARY2>',
        "stream-on-the-web": '<BINARY2><STREAM href="http://169.254.169.254/latest/meta-data"/></BINARY2>',
        "gzip-cut": stream(gzip.compress(binary_rows())[:-12], encoding="gzip base64"),
        "gzip-that-is-none": stream(binary_rows(), encoding="gzip base64"),
        "gzip-bomb": stream(bomb(), encoding="gzip base64"),
        "fits-stream": '<FITS><STREAM encoding="base64">AAAA</STREAM></FITS>',
        "parquet-stream": '<PARQUET><STREAM encoding="base64">AAAA</STREAM></PARQUET>',
        "many-tags": "<TABLEDATA>" + "<a/>" * 2_000_000,
        "endless-tag": "<TABLEDATA " + "x" * 20_000_000,
    }.items():
        yield f"{name}.vot", votable(data)
    for name, fields in {
        "no-fields": "",
        "field-without-type": '<FIELD name="a"/>',
        "unknown-type": field("a", "quaternion"),
        "wrong-arraysize": field("a", "int", "2y3"),
        "negative-arraysize": field("a", "int", "-3"),
        f"empty-cells-{HARMLESS}": field("a", "int", "0"),
        "arraysize-of-a-terabyte": field("a", "double", "137438953472"),
        "arraysize-beyond-64-bits": field("a", "double", "99999999999999999999999"),
        "arraysize-that-multiplies": field("a", "double", "65536x65536x65536x65536x65536"),
        "arraysize-of-a-million-digits": field("a", "int", "9" * 1_000_000),
        "hundred-thousand-columns": "".join(field(f"c{n}", "int") for n in range(100_000)),
        "name-of-ten-megabytes": field("n" * 10_000_000, "quaternion"),
    }.items():
        yield f"{name}.vot", votable(stream(bytes(1000)), fields)
    yield f"wrong-nrows-{HARMLESS}.vot", votable(rows()).replace(b"<TABLE>", b'<TABLE nrows="99999999999999999999999">')
    yield f"same-names-{HARMLESS}.vot", votable(rows("<TD>1</TD><TD>2</TD>"), field("a", "int") * 2)
    dtds = {
        "billion-laughs": f"<!DOCTYPE VOTABLE [{_ENTITIES}]>",
        "external-entity": '<!DOCTYPE VOTABLE [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
        "parameter-entity": '<!DOCTYPE VOTABLE [<!ENTITY % x SYSTEM "http://127.0.0.1:9/x.dtd"> %x;]>',
        "quadratic-entity": f'<!DOCTYPE VOTABLE [<!ENTITY x "{"x" * 100_000}">]>',
        "dtd-with-default": '<!DOCTYPE VOTABLE [<!ATTLIST FIELD datatype CDATA "int">]>',
    }
    for name, prolog in dtds.items():
        yield f"{name}.vot", votable(rows(f"<TD>1</TD><TD>{'&x;' * 1000}</TD><TD>1</TD>"), prolog=prolog)
        yield f"{name}-utf16.vot", votable(rows(), prolog=prolog).decode().encode("utf-16")
    yield (
        f"include-{HARMLESS}.vot",
        votable('<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="file:///etc/passwd"/>'),
    )
    for name, text in {
        "html": "<html><body>404 Not Found</body></html>",
        "only-root": "<VOTABLE",
        "two-roots": "<VOTABLE/><VOTABLE/>",
        "no-table": "<VOTABLE><RESOURCE/></VOTABLE>",
        "not-closed": "<VOTABLE><RESOURCE>",
        "closed-twice": "<VOTABLE></RESOURCE></VOTABLE>",
        "deep-markup": "<VOTABLE>" + "<RESOURCE>" * 100_000,
        "many-attributes": "<VOTABLE " + " ".join(f'a{n}="1"' for n in range(200_000)) + "/>",
        "long-attribute": f'<VOTABLE ID="{"x" * 40_000_000}"/>',
        "service-error": '<VOTABLE><RESOURCE><INFO name="QUERY_STATUS" value="ERROR">no</INFO></RESOURCE></VOTABLE>',
    }.items():
        yield f"{name}.vot", text.encode()
    good_text = votable(rows("<TD>1</TD><TD>é</TD><TD>1.5</TD>"))
    yield "latin1-called-utf8.vot", good_text.decode().encode("latin-1")
    yield "encoding-that-is-none.vot", good_text.replace(b'"1.0"', b'"1.0" encoding="klingon"')
    yield "encoding-of-python.vot", good_text.replace(b'"1.0"', b'"1.0" encoding="unicode_escape"')
    yield (
        "utf16-with-dtd-without-mark.vot",
        votable(rows(), prolog=dtds["external-entity"]).decode().encode("utf-16-le"),
    )
    yield (
        "data-of-other-letters.vot",
        good_text.replace(b"TABLEDATA", "é:TABLEDATA".encode()).replace(
            b"<VOTABLE ", '<VOTABLE xmlns:é="http://www.ivoa.net/xml/VOTable/v1.3" '.encode()
        ),
    )
    yield "utf16-of-odd-length.vot", good_text.decode().encode("utf-16")[:-1]
    yield f"utf32-without-mark-{HARMLESS}.vot", good_text.decode().encode("utf-32-be")
    yield "nul-before.vot", b"\0" * 10 + good_text
    yield "garbage-behind.vot", good_text + b"\0garbage"


def fits_file() -> bytes:
    """Return a FITS file with a table that has a heap."""
    arrays = np.empty(ROWS, object)
    arrays[:] = [np.arange(row % 5, dtype="f8") for row in range(ROWS)]
    columns = [
        fits.Column("i", "J", array=np.arange(ROWS)),
        fits.Column("s", "5A", array=np.array([f"t{row}" for row in range(ROWS)])),
        fits.Column("v", "PD()", array=arrays),
    ]
    buffer = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns(columns)]).writeto(buffer)
    return buffer.getvalue()


def _card(keyword: str, value: str) -> bytes:
    return f"{keyword:8}= {value:>20}".ljust(80).encode()


def _fits() -> Iterator[tuple[str, bytes]]:
    whole = fits_file()
    table = whole[2880:]
    start = whole.index(b"END ", 2880) // 2880 * 2880 + 2880
    for number, content in _cuts(whole[:-1500], 10):  # all but the filling behind the data
        yield f"cut-{number}.fits", content
    for number, content in _flips(whole, 10, 3):
        yield f"flipped-{number}-{HARMLESS}.fits", content
    for number, content in _flips(whole[start:], 8, 4):
        yield f"data-flipped-{number}-{HARMLESS}.fits", whole[:start] + content
    first = whole[:2880]

    def changed(old: str, new: str) -> bytes:
        """Change the value of a card, keeping its length."""
        keyword, value = new.split("=")
        at = next(at for at in range(0, len(table), 80) if table[at : at + 8].strip() == old.encode())
        return first + table[:at] + _card(keyword, value) + table[at + 80 :]

    for name, old, new in (
        ("rows-too-many", "NAXIS2", "NAXIS2=5000"),
        ("rows-absurd", "NAXIS2", "NAXIS2=9223372036854775807"),
        ("rows-beyond-64-bits", "NAXIS2", "NAXIS2=99999999999999999999"),
        ("rows-negative", "NAXIS2", "NAXIS2=-1"),
        ("rows-text", "NAXIS2", "NAXIS2='many'"),
        ("width-zero", "NAXIS1", "NAXIS1=0"),
        ("width-negative", "NAXIS1", "NAXIS1=-25"),
        ("width-absurd", "NAXIS1", "NAXIS1=4611686018427387904"),
        ("width-small", "NAXIS1", "NAXIS1=3"),
        ("heap-absurd", "PCOUNT", "PCOUNT=9223372036854775807"),
        ("heap-negative", "PCOUNT", "PCOUNT=-9999999"),
        ("heap-none", "PCOUNT", "PCOUNT=0"),
        ("groups", "GCOUNT", "GCOUNT=1000000000"),
        ("fields-absurd", "TFIELDS", "TFIELDS=100000000"),
        ("fields-negative", "TFIELDS", "TFIELDS=-1"),
        ("fields-text", "TFIELDS", "TFIELDS='x'"),
        ("axes", "NAXIS", "NAXIS=999999999"),
        ("bits", "BITPIX", "BITPIX=-999"),
        ("form-unknown", "TFORM1", "TFORM1='Z'"),
        ("form-absurd", "TFORM1", "TFORM1='99999999999999999999J'"),
        ("form-of-terabytes", "TFORM1", "TFORM1='999999999999D'"),
        ("form-negative", "TFORM1", "TFORM1='-5J'"),
        ("form-number", "TFORM1", "TFORM1=5"),
        ("form-of-a-form", "TFORM3", "TFORM3='PPD'"),
        ("no-form", "TFORM2", "XFORM2='5A'"),
    ):
        yield f"{name}{'-' + HARMLESS if name in {'groups', 'bits', 'fields-negative'} else ''}.fits", changed(old, new)
    at = start + 4 + 5
    for name, length, place in (
        ("outside", 5, 1 << 30),
        ("huge", 0x7FFFFFF0, 0),
        ("negative", -5, 0),
        ("before", 5, -80),
    ):
        yield f"array-{name}.fits", whole[:at] + struct.pack(">ii", length, place) + whole[at + 8 :]
    yield "only-primary.fits", first
    yield "header-without-end.fits", first.replace(b"END ", b"XND ") * 200
    yield "header-of-garbage.fits", b"SIMPLE  =" + bytes(range(256)) * 100
    yield f"header-not-ascii-{HARMLESS}.fits", whole.replace(b"TTYPE1  = 'i", "TTYPE1  = 'é".encode("latin-1"))
    header = [_card("XTENSION", "'BINTABLE'"), _card("BITPIX", "8"), _card("NAXIS", "2"), _card("NAXIS1", "400000")]
    header += [_card("NAXIS2", "1"), _card("PCOUNT", "0"), _card("GCOUNT", "1"), _card("TFIELDS", "100000")]
    header += [_card(f"TFORM{number}"[:8], "'J'") for number in range(1, 100_001)]
    cards = b"".join(header) + b"END".ljust(80)
    yield "hundred-thousand-columns.fits", first + cards.ljust(-(-len(cards) // 2880) * 2880) + bytes(400_320)
    # Every row's array is the same part of the heap: 12 kB stand for 2 GB.
    width, count, size = 8, 1000, 2_000_000
    header = [_card("XTENSION", "'BINTABLE'"), _card("BITPIX", "8"), _card("NAXIS", "2"), _card("NAXIS1", str(width))]
    header += [_card("NAXIS2", str(count)), _card("PCOUNT", str(size)), _card("GCOUNT", "1"), _card("TFIELDS", "1")]
    cards = b"".join([*header, _card("TFORM1", f"'PB({size})'"), b"END".ljust(80)]).ljust(2880)
    data = struct.pack(">ii", size, 0) * count + bytes(size)
    yield "shared-heap.fits", first + cards + data.ljust(-(-len(data) // 2880) * 2880, b"\0")
    yield "shared-heap.fits.gz", gzip.compress(first + cards + data.ljust(-(-len(data) // 2880) * 2880, b"\0"))


def table() -> pa.Table:
    """Return a table for Parquet and Arrow."""
    return pa.table(
        {
            "i": pa.array(range(ROWS), pa.int32()),
            "s": pa.array([f"text {row}" for row in range(ROWS)]),
            "d": pa.array([row / 3 for row in range(ROWS)]),
            "l": pa.array([[row, None] for row in range(ROWS)], pa.list_(pa.int64())),
            "k": pa.array(["a", "b"] * (ROWS // 2)).dictionary_encode(),
        }
    )


def parquet_file(table: pa.Table, **options: object) -> bytes:
    """Return a table as Parquet."""
    buffer = io.BytesIO()
    pq.write_table(table, buffer, **options)
    return buffer.getvalue()


def _parquets() -> Iterator[tuple[str, bytes]]:
    whole = parquet_file(table())
    for number, content in _cuts(whole, 8):
        yield f"cut-{number}.parquet", content
    for number, content in _flips(whole, 14, 5):
        yield f"flipped-{number}-{HARMLESS}.parquet", content
    plain = parquet_file(table(), compression="none", use_dictionary=False)
    for number, content in _flips(plain, 14, 6):
        yield f"plain-flipped-{number}-{HARMLESS}.parquet", content
    yield "footer-too-long.parquet", whole[:-8] + struct.pack("<I", 0x7FFFFFFF) + b"PAR1"
    yield "footer-of-zeros.parquet", whole[:4] + bytes(len(whole) - 12) + whole[-8:]
    yield "only-magic.parquet", b"PAR1"
    yield "magic-twice.parquet", b"PAR1PAR1"
    yield "encrypted.parquet", whole[:-4] + b"PARE"
    wide = pa.table({f"c{number}": pa.array([1], pa.int8()) for number in range(20_000)})
    yield "twenty-thousand-columns.parquet", parquet_file(wide, use_dictionary=False, write_statistics=False)
    # One text of a megabyte stands in each of 100,000 rows.
    text = pa.DictionaryArray.from_arrays(pa.array(np.zeros(100_000, np.int32)), pa.array(["x" * 1_000_000]))
    yield "one-long-text.parquet", parquet_file(pa.table({"s": text}))
    yield "zeros.parquet", parquet_file(pa.table({"z": pa.array(np.zeros(50_000_000))}))
    for name, column in {
        "struct": pa.array([{"x": 1}]),
        "binary": pa.array([b"\0\1"]),
        "map": pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int32())),
        "nested": pa.array([[[1], [2, 3]]]),
        "uint64": pa.array([1 << 63], pa.uint64()),
        "nul": pa.array(["a\0b"]),
    }.items():
        yield f"{name}.parquet", parquet_file(pa.table({"c": column}))
    yield "no-columns.parquet", parquet_file(pa.table({}))
    for name, metadata in _hostile_metadata():
        yield f"{name}-{HARMLESS}.parquet", parquet_file(table().replace_schema_metadata(metadata))


def _hostile_metadata() -> Iterator[tuple[str, dict[bytes, bytes]]]:
    """Yield descriptions that are worth nothing, beside data that are fine."""
    key = b"IVOA.VOTable-Parquet.content"
    yield "metadata-garbage", {key: b"\0\xff garbage"}
    yield "metadata-bomb", {key: votable("", prolog=f"<!DOCTYPE VOTABLE [{_ENTITIES}]>")}
    yield (
        "metadata-other-types",
        {key: votable("", field("i", "char", "3") + field("s", "double") + field("l", "int", "7x"))},
    )
    yield "metadata-too-many", {key: votable("", "".join(field(f"c{n}", "int") for n in range(50_000)))}
    yield "metadata-yaml", {b"table_meta_yaml": b"datatype: &a [*a, *a]\n"}
    yield "metadata-deep-yaml", {b"table_meta_yaml": b"[" * 100_000}


def arrow_file(table: pa.Table, kind: str, **options: object) -> bytes:
    """Return a table as an Arrow IPC stream (``arrows``) or file (``arrow``)."""
    buffer = io.BytesIO()
    new = pa.ipc.new_stream if kind == "arrows" else pa.ipc.new_file
    with new(buffer, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table)
    return buffer.getvalue()


def _arrows() -> Iterator[tuple[str, bytes]]:
    for kind in ("arrow", "arrows"):
        whole = arrow_file(table(), kind)
        for number, content in _cuts(whole, 6):
            yield f"cut-{number}.{kind}", content
        for number, content in _flips(whole, 14, 7):
            yield f"flipped-{number}-{HARMLESS}.{kind}", content
        packed = arrow_file(table(), kind, compression="zstd")
        for number, content in _flips(packed, 8, 8):
            yield f"packed-flipped-{number}-{HARMLESS}.{kind}", content
    yield "only-magic.arrow", b"ARROW1\0\0"
    yield "magic-twice.arrow", b"ARROW1\0\0ARROW1"
    yield "only-continuation.arrows", b"\xff\xff\xff\xff"
    yield "huge-message.arrows", b"\xff\xff\xff\xff" + struct.pack("<i", 0x7FFFFFFF) + bytes(100)
    yield "negative-message.arrows", b"\xff\xff\xff\xff" + struct.pack("<i", -8) + bytes(100)
    yield f"no-messages-{HARMLESS}.arrows", b"\xff\xff\xff\xff" + bytes(4)
    yield (
        "packed-zeros.arrows",
        arrow_file(pa.table({"z": pa.array(np.zeros(50_000_000))}), "arrows", compression="zstd"),
    )
    text = pa.DictionaryArray.from_arrays(pa.array(np.zeros(100_000, np.int32)), pa.array(["x" * 1_000_000]))
    yield "one-long-text.arrows", arrow_file(pa.table({"s": text}), "arrows")
    wide = pa.table({f"c{number}": pa.array([1], pa.int8()) for number in range(100_000)})
    yield "hundred-thousand-columns.arrows", arrow_file(wide, "arrows")
    texts = arrow_file(pa.table({"s": pa.array(["abc", "de"])}), "arrows")
    for name, offsets in (("outside", (0, 1 << 30, 5)), ("negative", (0, 5, -3)), ("descending", (5, 3, 0))):
        yield f"offsets-{name}.arrows", texts.replace(struct.pack("<3i", 0, 3, 5), struct.pack("<3i", *offsets))
    yield "not-utf8.arrows", texts.replace(b"abcde", b"\xff\xfecde")
    yield "uint64.arrows", arrow_file(pa.table({"c": pa.array([1 << 63], pa.uint64())}), "arrows")
    yield "struct.arrow", arrow_file(pa.table({"c": pa.array([{"x": 1}])}), "arrow")
    yield (
        "union.arrow",
        arrow_file(
            pa.table(
                {"c": pa.UnionArray.from_dense(pa.array([0], pa.int8()), pa.array([0], pa.int32()), [pa.array([1])])}
            ),
            "arrow",
        ),
    )
    yield "nulls-without-end.arrows", arrow_file(pa.table({"n": pa.nulls(500_000_000)}), "arrows")


def _csvs() -> Iterator[tuple[str, bytes]]:
    good = b"a,b,c\n" + b"1,2.5,x\n" * ROWS
    for name, content in {
        "empty": b"",
        "only-blank-lines": b"\n\n\n",
        "only-comments": b"# a\n# b\n",
        "ragged-short": good + b"1,2\n",
        "ragged-long": good + b"1,2,3,4\n",
        "ragged-late": good * 1 + b"1,2.5,x\n" * 100_000 + b"1\n",
        "quote-without-end": good + b'1,2,"x\n' + b"y" * 100,
        "quote-without-end-long": good + b'1,2,"' + b"x\n" * 6_000_000,
        "nul-in-text": good + b"1,2,a\0b\n",
        "nuls": bytes(10_000),
        "latin1": good + "1,2,é\n".encode("latin-1"),
        "utf16": good.decode().encode("utf-16"),
        "hundred-thousand-columns": b",".join(b"c%d" % n for n in range(100_000)) + b"\n",
        "only-commas": b"," * 5_000_000,
        "line-without-end": b"x" * 10_000_000,
        "name-not-utf8": b"a,\xff\n1,2\n",
    }.items():
        yield f"{name}.csv", content
    yield f"number-of-a-million-digits-{HARMLESS}.csv", b"a\n" + b"9" * 1_000_000 + b"\n"
    yield f"formula-{HARMLESS}.csv", b"a\n=cmd|'/c calc'!A1\n"
    for number, content in _flips(good, 6, 9):
        yield f"flipped-{number}-{HARMLESS}.csv", content
    yield "ragged.tsv", b"a\tb\n1\t2\t3\n"


def _ecsvs() -> Iterator[tuple[str, bytes]]:
    head = "# %ECSV 1.0\n# ---\n# delimiter: ','\n# datatype:\n"
    for name, text in {
        "no-header": "# %ECSV 1.0\n",
        "no-columns": "# %ECSV 1.0\n# ---\na\n1\n",
        "columns-text": "# %ECSV 1.0\n# ---\n# datatype: many\na\n1\n",
        "column-number": head + "# - 5\na\n1\n",
        "column-without-name": head + "# - {datatype: int32}\na\n1\n",
        "unknown-type": head + "# - {name: a, datatype: quaternion}\na\n1\n",
        "other-names": head + "# - {name: a, datatype: int32}\nb\n1\n",
        "bad-number": head + "# - {name: a, datatype: int32}\na\nx\n",
        "bad-array": head + "# - {name: a, datatype: string, subtype: 'int32[2]'}\na\n[1;2]\n",
        "array-length": head + '# - {name: a, datatype: string, subtype: "int32[2]"}\na\n"[1,2,3]"\n',
        "array-deep": head + f'# - {{name: a, datatype: string, subtype: "int32[null]"}}\na\n{"[" * 100_000}\n',
        "delimiter": "# %ECSV 1.0\n# ---\n# delimiter: '\\0'\n# datatype:\n# - {name: a, datatype: int32}\na\n1\n",
        "not-yaml": "# %ECSV 1.0\n# ---\n# {{{: ]\na\n1\n",
        "yaml-deep": f"# %ECSV 1.0\n# ---\n# {'[' * 100_000}\na\n1\n",
        "yaml-deep-blocks": f"# %ECSV 1.0\n# ---\n# {'- ' * 50_000}x\na\n1\n",
        "yaml-aliases": "# %ECSV 1.0\n# ---\n# a: &a [1,1]\n"
        + "".join(f"# {chr(98 + n)}: &{chr(98 + n)} [{','.join([f'*{chr(97 + n)}'] * 9)}]\n" for n in range(12))
        + "a\n1\n",
        "yaml-merges": "# %ECSV 1.0\n# ---\n# a: &a {k: 1}\n"
        + "".join(f"# {chr(98 + n)}: &{chr(98 + n)} {{<<: [{','.join([f'*{chr(97 + n)}'] * 9)}]}}\n" for n in range(12))
        + "a\n1\n",
        "yaml-itself": "# %ECSV 1.0\n# ---\n# datatype: &a [*a]\na\n1\n",
        "yaml-object": "# %ECSV 1.0\n# ---\n# datatype: !!python/object/apply:os.system ['true']\na\n1\n",
        "yaml-number": "# %ECSV 1.0\n# ---\n# a: " + "9" * 100_000 + "\na\n1\n",
        "yaml-date": "# %ECSV 1.0\n# ---\n# a: 2024-99-99\na\n1\n",
        "hundred-thousand-columns": head + "".join(f"# - {{name: c{n}, datatype: int32}}\n" for n in range(100_000)),
        "header-without-end": "# %ECSV 1.0\n" + "# x\n" * 2_000_000,
        "ragged": head + "# - {name: a, datatype: int32}\n# - {name: b, datatype: int32}\na,b\n1\n",
    }.items():
        yield f"{name}.ecsv", text.encode()
    yield "not-utf8.ecsv", head.encode() + b"# - {name: \xff, datatype: int32}\na\n1\n"


def _gzips() -> Iterator[tuple[str, bytes]]:
    good = votable(rows(count=1000))
    packed = gzip.compress(good)
    for number, content in _cuts(packed, 4):
        yield f"cut-{number}.vot.gz", content
    for number, content in _flips(packed, 6, 10):
        yield f"flipped-{number}-{HARMLESS}.vot.gz", content
    yield "wrong-checksum.vot.gz", packed[:-8] + bytes(4) + packed[-4:]
    yield "garbage-behind.vot.gz", packed + b"garbage garbage garbage"
    yield "gzip-of-gzip.vot.gz", gzip.compress(packed)
    yield "only-magic.vot.gz", b"\x1f\x8b"
    zeros = bomb()
    yield "zeros.vot.gz", zeros
    yield "zeros.csv.gz", zeros
    yield "fits-and-zeros.fits.gz", gzip.compress(fits_file().ljust(288_000, b"\0")) + zeros
    yield "csv-and-rows.csv.gz", gzip.compress(b"a,b\n") + gzip.compress(b"1,2\n" * (1 << 19)) * 320
    yield (
        "rows.vot.gz",
        gzip.compress(votable("<TABLEDATA>").partition(b"</DATA>")[0])
        + gzip.compress(b"<TR><TD>1</TD><TD>x</TD><TD>1</TD></TR>" * 50_000) * 320,
    )
    yield "comment.vot.gz", gzip.compress(b"<VOTABLE><!--") + zeros
    yield "attribute.vot.gz", gzip.compress(b'<VOTABLE ID="') + gzip.compress(b"x" * (4 << 20)) * 320
    yield "line.ecsv.gz", gzip.compress(b"# %ECSV 1.0\n# ") + gzip.compress(b"x" * (4 << 20)) * 320
    yield "deflate-without-gzip.vot.gz", zlib.compress(good)


def _others() -> Iterator[tuple[str, bytes]]:
    yield "empty", b""
    yield "one-byte", b"\0"
    yield "image.png", b"\x89PNG\r\n\x1a\n" + bytes(1000)
    yield "archive.zip", b"PK\x03\x04" + bytes(1000)
    yield "program", b"\x7fELF" + bytes(1000)
    yield "prose.txt", b"It was a dark and stormy night\nand the rain fell in torrents, except at intervals\n"
    yield "random", random.Random(11).randbytes(10_000)
