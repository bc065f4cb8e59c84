from __future__ import annotations

import base64
import contextlib
import gzip
import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
from astropy.table import Table
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vo.core.errors import TableError
from vo.core.tables.readers import FORMATS, open_table, parse_layout

from .reading import plain, read

ASTROPY = {
    "votable": "votable",
    "fits": "fits",
    "parquet": "parquet",
    "ecsv": "ascii.ecsv",
    "csv": "ascii.csv",
    "tsv": "ascii.tab",
}


@pytest.mark.parametrize("name", ASTROPY)
def test_content_decides_before_the_suffix(tmp_path: Path, name: str) -> None:
    path = tmp_path / "file"
    Table({"a": [1, 2]}).write(path, format=ASTROPY[name])
    if name in {"csv", "tsv"}:
        path = path.rename(tmp_path / f"file.{name}")
    assert read(path)["a"] == [1, 2]
    misleading = path.rename(tmp_path / f"other.{'csv' if name == 'csv' else 'fits' if name == 'votable' else name}")
    assert read(misleading)["a"] == [1, 2]
    if name != "parquet":
        packed = tmp_path / f"{misleading.name}.gz"
        packed.write_bytes(gzip.compress(misleading.read_bytes()))
        assert read(packed)["a"] == [1, 2]
    assert read(misleading, format=name)["a"] == [1, 2]


def test_what_cannot_be_opened(tmp_path: Path) -> None:
    unknown = tmp_path / "x.xyz"
    unknown.write_text("?")
    for path, format, message in (
        (
            unknown,
            None,
            "Neither the first bytes nor the name of 'x.xyz' tell its format. The formats are votable, fits",
        ),
        (unknown, "avro", "There is no format 'avro'. The formats are"),
        (tmp_path / "gone.csv", None, "There is no file 'gone.csv'"),
        (tmp_path, None, "is not a file that can be read"),
    ):
        with pytest.raises(TableError, match=message):
            open_table(path, format=format)
    layout = parse_layout({"kind": "records", "columns": [{"name": "a", "type": "u1"}]})
    with pytest.raises(TableError, match="leaves no choice"):
        open_table(unknown, layout=layout, format="csv")


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=400), name=st.sampled_from([known.name for known in FORMATS]), start=st.booleans())
def test_garbage_is_a_table_error(tmp_path: Path, data: bytes, name: str, start: bool) -> None:
    magic = {"votable": b"<VOTABLE>", "fits": b"SIMPLE  =", "parquet": b"PAR1", "ecsv": b"# %ECSV 1.0\n# ---\n"}
    path = tmp_path / "garbage"
    path.write_bytes((magic.get(name, b"a,b\n") if start else b"") + data)
    with contextlib.suppress(TableError):  # any other error fails, and a text may happen to be a table
        read(path, format=name)


CELLS = {
    "i4": st.integers(-(2**31), 2**31 - 1),
    "i8": st.integers(-(2**63) + 1, 2**63 - 1),
    "f8": st.floats(width=64, allow_nan=False),
    "f4": st.floats(width=32, allow_nan=False),
    "U12": st.text(st.characters(codec="ascii", min_codepoint=33), min_size=1, max_size=12),
}


@st.composite
def tables(draw: st.DrawFn) -> Table:
    count = draw(st.integers(1, 12))
    table = Table()
    for number, kind in enumerate(draw(st.lists(st.sampled_from(list(CELLS)), min_size=1, max_size=6))):
        table[f"c{number}"] = np.array(draw(st.lists(CELLS[kind], min_size=count, max_size=count)), kind)
    return table


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(table=tables(), format=st.sampled_from(["tabledata", "binary", "binary2", "fits", "ascii.ecsv", "parquet"]))
def test_random_tables(tmp_path: Path, table: Table, format: str) -> None:
    path = tmp_path / "random"
    if format in {"tabledata", "binary", "binary2"}:
        table.write(path, format="votable", tabledata_format=format, overwrite=True)
    else:
        table.write(path, format=format, overwrite=True)
    found = read(path)
    for name in table.colnames:
        assert [plain(value) for value in found[name]] == [plain(value) for value in table[name]]


MEASURE = """
import pathlib, resource, sys
from vo.core.tables.readers import open_table
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for path in sys.argv[1:]:
    rows = sum(len(batch) for batch in open_table(pathlib.Path(path)).batches)
    print(rows, peak())
"""


@pytest.mark.parametrize("name", ["tabledata", "binary2", "fits", "csv", "parquet"])
def test_memory_does_not_grow_with_the_file(tmp_path: Path, name: str) -> None:
    paths = []
    for rows in (200_000, 1_200_000):
        paths.append(tmp_path / f"{rows}.{'csv' if name == 'csv' else 'file'}")
        write_numbers(paths[-1], name, rows)
    root = Path(__file__).parents[5]
    command = [sys.executable, "-c", MEASURE, *map(str, (paths[0], paths[0], paths[1]))]
    done = subprocess.run(command, capture_output=True, text=True, cwd=root, check=True)
    _, small, large = (tuple(map(int, line.split())) for line in done.stdout.splitlines())
    assert (small[0], large[0]) == (200_000, 1_200_000)
    assert large[1] - small[1] < 20 * 1024, "peak in KB; the table itself has grown by 47,000 KB"


def write_numbers(path: Path, name: str, rows: int) -> None:
    """Write random numbers in 6 columns, in blocks and not by the code under test."""
    rng = np.random.default_rng(rows)
    names = [f"c{number}" for number in range(6)]
    fields = "".join(f'<FIELD name="{name}" datatype="double"/>' for name in names)
    head = f"<VOTABLE><RESOURCE><TABLE>{fields}<DATA>".encode()
    tail = b"</DATA></TABLE></RESOURCE></VOTABLE>"
    if name == "fits":
        Table(rng.normal(size=(rows, 6)), names=names).write(path, format="fits")
    elif name == "parquet":
        pq.write_table(pa.table({name: rng.normal(size=rows) for name in names}), path)
    elif name == "binary2":
        data = np.zeros((rows, 49), np.uint8)
        data[:, 1:] = rng.normal(size=(rows, 6)).astype(">f8").view(np.uint8)
        stream = b"<BINARY2><STREAM encoding='base64'>" + base64.b64encode(data.tobytes()) + b"</STREAM></BINARY2>"
        path.write_bytes(head + stream + tail)
    else:
        text = io.BytesIO()
        pa_csv.write_csv(pa.table({name: rng.normal(size=rows) for name in names}), text)
        lines = text.getvalue()
        if name == "tabledata":
            body = lines[lines.index(b"\n") + 1 :].replace(b",", b"</TD><TD>")
            body = b"<TR><TD>" + body.rstrip(b"\n").replace(b"\n", b"</TD></TR>\n<TR><TD>") + b"</TD></TR>"
            lines = head + b"<TABLEDATA>" + body + b"</TABLEDATA>" + tail
        path.write_bytes(lines)
