from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from .malformed import HARMLESS, malformed

LIMITS = "TableLimits(rows=25_000_000, unpacked_bytes=128 << 20, row_bytes=16 << 20)"
CHILD = f"""
import json, os, pathlib, sys, time
from vo.core.errors import ServiceError
from vo.core.tables.readers import TableLimits, open_table

def high_water():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))

for name in sorted(os.listdir(sys.argv[1])):
    pathlib.Path("/proc/self/clear_refs").write_text("5")  # the high-water mark begins anew
    before, started = high_water(), time.process_time()
    error = None
    # As an upload comes: the path leads to a file without a name.
    with open(os.path.join(sys.argv[1], name), "rb") as file:
        path = pathlib.Path(f"/proc/self/fd/{{file.fileno()}}")
        try:
            for batch in open_table(path, limits={LIMITS}, label="upload t", name=name).batches:
                batch.validate(full=True)
        except ServiceError as refused:
            error = [type(refused).__name__, str(refused)]
    print(json.dumps([name, error, time.process_time() - started, (high_water() - before) / 1024]), flush=True)
"""


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[list[str] | None, float, float]]:
    """For each malformed file its error, the seconds of processor time and the MB of memory that it took.

    All are read in one process, which has to survive.
    """
    folder = tmp_path_factory.mktemp("malformed")
    for name, content in malformed().items():
        (folder / name).write_bytes(content)
    root = Path(__file__).parents[5]
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(folder)], capture_output=True, text=True, cwd=root, check=False
    )
    found = {name: tuple(outcome) for name, *outcome in map(json.loads, done.stdout.splitlines())}
    assert done.returncode == 0, (done.stderr[-2000:], list(found)[-1:])
    return found


def test_every_malformed_file_is_refused(outcomes: dict[str, tuple[list[str] | None, float, float]]) -> None:
    assert len(outcomes) >= 200
    assert set(outcomes) == set(malformed())
    assert [name for name, (error, _, _) in outcomes.items() if error is None and HARMLESS not in name] == []


def test_errors_tell_the_client_what_is_wrong(outcomes: dict[str, tuple[list[str] | None, float, float]]) -> None:
    for name, (error, _, _) in outcomes.items():
        if error is not None:
            kind, message = error
            assert kind in {"TableError", "LimitError"}, name
            assert "upload t" in message, name
            assert len(message) < 600, name
            assert not re.search(r"/proc|/tmp|Traceback|\.py\b|object at 0x", message), (name, message)


def test_none_takes_much_time_or_memory(outcomes: dict[str, tuple[list[str] | None, float, float]]) -> None:
    assert {name: (time, size) for name, (_, time, size) in outcomes.items() if time > 15 or size > 200} == {}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("zeros.csv.gz", "damaged|unpacks to more than"),
        ("rows.vot.gz", "unpacks to more than 134217728 bytes"),
        ("gzip-bomb.vot", "unpacks to more than 134217728 bytes"),
        ("shared-heap.fits", "unpacks to more than 134217728 bytes"),
        ("one-long-text.parquet", "unpacks to more than 134217728 bytes"),
        ("packed-zeros.arrows", "unpacks to 400000000 bytes"),
        ("hundred-thousand-columns.vot", "100000 columns; it may have 1600"),
        ("hundred-thousand-columns.fits", "100000 columns; it may have 1600"),
        ("hundred-thousand-columns.csv", "99999 delimiters; the table may have 1600 columns"),
        ("billion-laughs.vot", "document type declaration"),
        ("external-entity-utf16.vot", "document type declaration"),
        ("stream-on-the-web.vot", "not fetched"),
        ("negative-length.vot", "Row 1 has an array of -1 elements"),
        ("length-behind-many-rows.vot", "Row 1001 has an array of -7 elements"),
        ("ragged-late.csv", "Line 100052 of the file has 1 cells where the table has 3 columns"),
        ("prose.txt", "tell its format"),
    ],
)
def test_messages(outcomes: dict[str, tuple[list[str] | None, float, float]], name: str, message: str) -> None:
    error, _, _ = outcomes[name]
    assert error is not None
    assert re.search(message, error[1]), error[1]
