from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vo.core.errors import LimitError, TableError
from vo.core.tables.readers import TableLimits, open_table

from . import whole

LIMITS = TableLimits(rows=1_000_000, unpacked_bytes=64 << 20, row_bytes=8 << 20)
CSV = b"a,b,c\n" + b'1,2.5,x\n3,,"a ""b"""\n' * 20
ECSV = (
    b"# %ECSV 1.0\n# ---\n# delimiter: ','\n# datatype:\n# - {name: a, datatype: int32, unit: mas}\n"
    b"# - {name: b, datatype: string, subtype: 'float64[null]'}\n# - {name: c, datatype: complex128}\na,b,c\n"
) + b'1,"[1,2.5,null]",(1+2j)\n' * 9


def good(name: str) -> bytes:
    """Return a file that is read without error."""
    match name:
        case "tabledata":
            return whole.votable(whole.rows(count=20))
        case "binary2":
            return whole.votable(whole.stream(whole.binary_rows(200)))
        case "fits":
            return whole.fits_file()
        case "parquet":
            return whole.parquet_file(whole.table())
        case "arrow" | "arrows":
            return whole.arrow_file(whole.table(), name, compression="zstd" if name == "arrow" else None)
        case "csv":
            return CSV
        case _:
            return ECSV


FILES = {name: good(name) for name in ("tabledata", "binary2", "fits", "parquet", "arrow", "arrows", "csv", "ecsv")}
FORMAT = {"tabledata": "votable", "binary2": "votable", "arrows": "arrow"}


@st.composite
def damaged(draw: st.DrawFn) -> tuple[str, bytes]:
    """Return the name of a file and its bytes with some changed, cut, doubled or inserted."""
    name = draw(st.sampled_from(list(FILES)))
    content = bytearray(FILES[name])
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, max(0, len(content) - 1)))
        length = draw(st.integers(1, 32))
        match draw(st.sampled_from(["change", "change", "cut", "double", "insert", "end"])):
            case "change":
                content[at : at + 1] = draw(st.binary(min_size=1, max_size=1))
            case "cut":
                del content[at : at + length]
            case "double":
                content[at:at] = content[at : at + length]
            case "insert":
                content[at:at] = draw(st.sampled_from([b"\xff" * 4, b"\xff\xff\xff\x7f", b"\0" * 8, b"<", b'"', b"&"]))
            case "end":
                del content[at:]
    return name, bytes(content)


@pytest.mark.parametrize("name", FILES)
def test_the_files_are_good(tmp_path: Path, name: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(FILES[name])
    assert sum(len(batch) for batch in open_table(path, format=FORMAT.get(name, name)).batches) > 8


@settings(deadline=None, max_examples=4000)
@given(damaged())
def test_damaged_files_are_refused_or_read(file: tuple[str, bytes]) -> None:
    name, content = file
    with tempfile.TemporaryFile() as written:
        os.pwrite(written.fileno(), content, 0)
        path = Path(f"/proc/self/fd/{written.fileno()}")
        with contextlib.suppress(TableError, LimitError):
            stream = open_table(path, format=FORMAT.get(name, name), limits=LIMITS, label="upload t")
            for batch in stream.batches:
                batch.validate(full=True)
                assert batch.schema.names == [column.name for column in stream.columns]
