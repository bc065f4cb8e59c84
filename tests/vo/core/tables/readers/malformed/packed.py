"""What is packed, bombs among it, and what is no table at all."""

from __future__ import annotations

import gzip
import random
import zlib
from collections.abc import Iterator

from tests.vo.core.tables.readers.whole import fits_file, rows, votable

from .damage import HARMLESS, bomb, cuts, flips


def gzips() -> Iterator[tuple[str, bytes]]:
    good = votable(rows(count=1000))
    packed = gzip.compress(good)
    for number, content in cuts(packed, 4):
        yield f"cut-{number}.vot.gz", content
    for number, content in flips(packed, 6, 10):
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


def others() -> Iterator[tuple[str, bytes]]:
    yield "empty", b""
    yield "one-byte", b"\0"
    yield "image.png", b"\x89PNG\r\n\x1a\n" + bytes(1000)
    yield "archive.zip", b"PK\x03\x04" + bytes(1000)
    yield "program", b"\x7fELF" + bytes(1000)
    yield "prose.txt", b"It was a dark and stormy night\nand the rain fell in torrents, except at intervals\n"
    yield "random", random.Random(11).randbytes(10_000)
