from __future__ import annotations

import gzip
import os
import tempfile
from functools import partial
from pathlib import Path

import pytest

from vo.core.errors import LimitError, TableError
from vo.core.tables.readers import TableLimits, open_table

from . import whole

FILES = {
    "votable": whole.votable(whole.rows(count=50)),
    "fits": whole.fits_file(),
    "parquet": whole.parquet_file(whole.table()),
    "arrow": whole.arrow_file(whole.table(), "arrow"),
    "csv": b"a,b,c\n" + b"1,2,3\n" * 50,
    "ecsv": b"# %ECSV 1.0\n# ---\n# datatype:\n"
    + b"".join(b"# - {name: %s, datatype: int32}\n" % name for name in (b"a", b"b", b"c"))
    + b"a b c\n"
    + b"1 2 3\n" * 50,
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("packed", [False, True])
def test_limits(name: str, packed: bool) -> None:
    """Of files without a name, as uploads are."""
    content = gzip.compress(FILES[name]) if packed else FILES[name]
    with tempfile.TemporaryFile() as file:
        os.pwrite(file.fileno(), content, 0)
        path = Path(f"/proc/self/fd/{file.fileno()}")

        def count(limits: TableLimits) -> int:
            return sum(len(batch) for batch in open_table(path, limits=limits, label="upload t").batches)

        assert count(TableLimits(columns=5, rows=50, unpacked_bytes=20_000)) == 50
        for limits, message in (
            (TableLimits(columns=2), r"^upload t: The table has \d columns; it may have 2\."),
            (TableLimits(rows=49), r"^upload t: The table has more than 49 rows"),
            (TableLimits(unpacked_bytes=100), r"^upload t: The file unpacks to more than 100 bytes"),
        ):
            with pytest.raises(LimitError, match=message):
                count(limits)


def test_errors_have_the_label() -> None:
    with tempfile.TemporaryFile() as file:
        path = Path(f"/proc/self/fd/{file.fileno()}")
        with pytest.raises(TableError, match="the name of upload t tell its format"):
            open_table(path, label="upload t")
        os.pwrite(file.fileno(), FILES["parquet"][:-100], 0)
        with pytest.raises(TableError, match=r"^upload t \(parquet\): the file is damaged"):
            open_table(path, label="upload t")


@pytest.mark.parametrize(
    ("name", "media_type", "columns"),
    [
        (None, "text/tab-separated-values; charset=utf-8", 1),
        ("x.tsv", "text/csv", 1),
        (None, "text/csv", 2),
        (None, None, 2),
    ],
)
def test_name_and_media_type_help(name: str | None, media_type: str | None, columns: int) -> None:
    with tempfile.TemporaryFile() as file:
        os.pwrite(file.fileno(), b"a,b\n1,2\n", 0)
        stream = open_table(Path(f"/proc/self/fd/{file.fileno()}"), name=name, media_type=media_type)
        assert len(stream.columns) == columns


def test_a_full_disk_is_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A packed FITS file is unpacked into a temporary file, for which there is no room on /dev/full."""
    path = tmp_path / "t.fits.gz"
    path.write_bytes(gzip.compress(FILES["fits"]))
    monkeypatch.setattr(tempfile, "TemporaryFile", partial(open, "/dev/full", "wb", buffering=0))
    with pytest.raises(LimitError, match="no room for the unpacked file"):
        open_table(path)
