"""Tables and files of a run on their way into results."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pytest

from tests.uws.tasks.declared import Shift
from uws.executor import StoppedError
from uws.tasks.outputs import Outputs
from uws.tasks.request import TaskRequest
from vo.core.dali.parameters import Parameters
from vo.core.errors import LimitError
from vo.core.settings import Settings
from vo.core.tables import Column, Datatype
from vo.core.tables.readers import open_table

COLUMNS = {
    "result": (Column("ra", Datatype.DOUBLE, unit="deg"),),
    "refused": (Column("n", Datatype.LONG),),
}


class Kept:
    """A result in memory."""

    def __init__(self, room: int = 2**30) -> None:
        self.remark: str | None = None
        self.content = io.BytesIO()
        self.stopped = False
        self._room = room

    @property
    def size(self) -> int:
        return self.content.tell()

    def check(self) -> None:
        if self.stopped:
            raise StoppedError("The job was stopped.")

    def write(self, block: object) -> None:
        content = memoryview(block)  # type: ignore[arg-type]
        if self.size + content.nbytes > self._room:
            raise LimitError("The result grew too large.")
        self.content.write(content)


class Memory:
    """Keeps results, each when it is whole."""

    def __init__(self, room: int = 2**30) -> None:
        self.results: dict[str, tuple[str, str, Kept]] = {}
        self.written: list[Kept] = []
        self._room = room

    @contextmanager
    def result(self, identifier: str, media_type: str, file_name: str) -> Iterator[Kept]:
        kept = Kept(self._room)
        self.written.append(kept)
        yield kept
        self.results[identifier] = media_type, file_name, kept


def outputs(memory: Memory, **parameters: str) -> Outputs:
    asked = Parameters([("ROUNDS", "1"), ("TABLE", "a.b"), *parameters.items()])
    request = TaskRequest.from_parameters(Shift(), asked, Settings())
    return Outputs(request, COLUMNS, memory, lambda: (("task", "shift", "Move"),))


def rows(*values: float) -> pa.RecordBatch:
    return pa.record_batch({"ra": pa.array(values, pa.float64())})


def read(memory: Memory, name: str, folder: Path) -> tuple[list[object], dict[str, str]]:
    media_type, file_name, kept = memory.results[name]
    path = folder / file_name
    path.write_bytes(kept.content.getvalue())
    table = open_table(path, media_type=media_type)
    found = [value for batch in table.batches for value in batch.column(0).to_pylist()]
    return found, dict(table.metadata.infos)


@pytest.mark.parametrize("form", ["votable", "fits", "csv", "parquet"])
def test_every_table_is_written_also_without_rows(form: str, tmp_path: Path) -> None:
    memory = Memory()
    made = outputs(memory, FORMAT=form)
    made.batch("result", rows(1, 2))
    made.batch("result", rows(3))
    made.end()
    made.drop()
    assert (made.rows, made.full) == (3, False)
    assert read(memory, "result", tmp_path)[0] == [1, 2, 3]
    assert read(memory, "refused", tmp_path)[0] == []
    assert {name: item[1].partition(".")[0] for name, item in memory.results.items()} == {
        "result": "shift",
        "refused": "shift-refused",
    }


def test_cut_at_maxrec(tmp_path: Path) -> None:
    memory = Memory()
    made = outputs(memory, MAXREC="2")
    made.batch("result", rows(1, 2))
    assert not memory.results
    made.batch("result", rows(3, 4))
    made.end()
    assert read(memory, "result", tmp_path)[0] == [1, 2]
    assert memory.results["result"][2].remark == "cut at 2 rows, there are more (MAXREC)"
    assert memory.results["refused"][2].remark is None
    assert b'value="OVERFLOW"' in memory.results["result"][2].content.getvalue()


def test_exactly_maxrec_is_whole() -> None:
    memory = Memory()
    made = outputs(memory, MAXREC="2")
    made.batch("result", rows(1, 2))
    made.end()
    assert memory.results["result"][2].remark is None


def test_a_file(tmp_path: Path) -> None:
    memory = Memory()
    (tmp_path / "x").write_bytes(b"\x89PNG")
    outputs(memory).file("map.png", tmp_path / "x")
    media_type, name, kept = memory.results["map.png"]
    assert (media_type, name, kept.content.getvalue()) == ("image/png", "shift-map.png", b"\x89PNG")


@pytest.mark.parametrize("form", ["votable", "fits"])
def test_what_was_made_before_a_failure(form: str, tmp_path: Path) -> None:
    memory = Memory()
    made = outputs(memory, FORMAT=form)
    made.batch("result", rows(1, 2))
    made.end_early(LimitError("Too much memory."))
    made.drop()
    assert set(memory.results) == {"result"}
    kept = memory.results["result"][2]
    assert kept.remark == "incomplete, 2 rows: Too much memory."
    if form == "votable":
        assert b'value="ERROR"' in kept.content.getvalue()
    else:
        assert read(memory, "result", tmp_path)[0] == [1, 2]


@pytest.mark.parametrize("form", ["votable", "fits", "csv", "parquet"])
def test_rows_that_came_after_the_stop_are_not_counted(form: str, tmp_path: Path) -> None:
    memory = Memory()
    made = outputs(memory, FORMAT=form)
    made.batch("result", rows(1, 2))
    memory.written[0].stopped = True
    with pytest.raises(StoppedError):
        made.batch("result", rows(3, 4, 5))
    memory.written[0].stopped = False
    made.end_early(LimitError("Too long."))
    kept = memory.results["result"][2]
    assert (made.rows, kept.remark) == (2, "incomplete, 2 rows: Too long.")
    if form in ("fits", "parquet"):  # the others say that they are not whole, and are refused
        assert read(memory, "result", tmp_path)[0] == [1, 2]


@pytest.mark.parametrize("form", ["votable", "fits", "csv", "parquet"])
def test_a_stop_between_the_ends_of_two_tables_leaves_the_first_whole(form: str, tmp_path: Path) -> None:
    memory = Memory()
    made = outputs(memory, FORMAT=form)
    made.batch("result", rows(1, 2))
    made.batch("refused", pa.record_batch({"n": pa.array([7], pa.int64())}))
    memory.written[1].stopped = True
    with pytest.raises(StoppedError):
        made.end()
    memory.written[1].stopped = False
    made.end_early(LimitError("Too long."))
    made.drop()
    assert memory.results["result"][2].remark is None
    assert memory.results["refused"][2].remark == "incomplete, 1 rows: Too long."
    assert read(memory, "result", tmp_path)[0] == [1, 2]


def test_a_table_with_torn_rows_is_not_kept() -> None:
    memory = Memory(room=7000)
    made = outputs(memory, FORMAT="csv")
    made.batch("result", rows(*range(1000)))
    with pytest.raises(LimitError):
        made.batch("result", rows(*range(1000)))
    made.end_early(LimitError("The result grew too large."))
    made.drop()
    assert (len(memory.written), memory.results) == (1, {})


def test_nothing_is_kept_of_what_is_dropped() -> None:
    memory = Memory()
    made = outputs(memory)
    made.batch("result", rows(1))
    made.drop()
    assert (len(memory.written), memory.results) == (1, {})
