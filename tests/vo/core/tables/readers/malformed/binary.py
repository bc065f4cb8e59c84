"""FITS, Parquet and Arrow."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from tests.vo.core.tables.readers.whole import arrow_file, field, fits_file, parquet_file, table, votable

from .damage import ENTITIES, HARMLESS, cuts, flips


def _card(keyword: str, value: str) -> bytes:
    return f"{keyword:8}= {value:>20}".ljust(80).encode()


def fits_files() -> Iterator[tuple[str, bytes]]:
    whole = fits_file()
    table = whole[2880:]
    start = whole.index(b"END ", 2880) // 2880 * 2880 + 2880
    for number, content in cuts(whole[:-1500], 10):  # all but the filling behind the data
        yield f"cut-{number}.fits", content
    for number, content in flips(whole, 10, 3):
        yield f"flipped-{number}-{HARMLESS}.fits", content
    for number, content in flips(whole[start:], 8, 4):
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


def parquets() -> Iterator[tuple[str, bytes]]:
    whole = parquet_file(table())
    for number, content in cuts(whole, 8):
        yield f"cut-{number}.parquet", content
    for number, content in flips(whole, 14, 5):
        yield f"flipped-{number}-{HARMLESS}.parquet", content
    plain = parquet_file(table(), compression="none", use_dictionary=False)
    for number, content in flips(plain, 14, 6):
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
    yield "metadata-bomb", {key: votable("", prolog=f"<!DOCTYPE VOTABLE [{ENTITIES}]>")}
    yield (
        "metadata-other-types",
        {key: votable("", field("i", "char", "3") + field("s", "double") + field("l", "int", "7x"))},
    )
    yield "metadata-too-many", {key: votable("", "".join(field(f"c{n}", "int") for n in range(50_000)))}
    yield "metadata-yaml", {b"table_meta_yaml": b"datatype: &a [*a, *a]\n"}
    yield "metadata-deep-yaml", {b"table_meta_yaml": b"[" * 100_000}


def arrows() -> Iterator[tuple[str, bytes]]:
    for kind in ("arrow", "arrows"):
        whole = arrow_file(table(), kind)
        for number, content in cuts(whole, 6):
            yield f"cut-{number}.{kind}", content
        for number, content in flips(whole, 14, 7):
            yield f"flipped-{number}-{HARMLESS}.{kind}", content
        packed = arrow_file(table(), kind, compression="zstd")
        for number, content in flips(packed, 8, 8):
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
