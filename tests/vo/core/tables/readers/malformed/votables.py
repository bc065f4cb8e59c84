"""VOTables: markup, fields, serialisations, encodings."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Iterator

from tests.vo.core.tables.readers.whole import ROWS, binary_rows, field, rows, stream, votable

from .damage import ENTITIES, HARMLESS, bomb, cuts, flips


def votables() -> Iterator[tuple[str, bytes]]:
    good = {"tabledata": votable(rows(count=ROWS)), "binary2": votable(stream(binary_rows()))}
    good["binary"] = votable(stream(b"".join(binary_rows(1)[1:] for _ in range(ROWS)), "BINARY"))
    for kind, whole in good.items():
        for number, content in cuts(whole, 8):
            yield f"{kind}-cut-{number}.vot", content
    for number, content in flips(good["tabledata"], 6, 1):
        yield f"tabledata-flipped-{number}-{HARMLESS}.vot", content
    for number, content in flips(good["binary2"], 6, 2):
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
        "billion-laughs": f"<!DOCTYPE VOTABLE [{ENTITIES}]>",
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
