"""Rows that are kept for whoever goes on with them, in real files; the jobs are made up."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from tests.conftest import wait_until
from tests.uws.database import limits
from tests.uws.samples import EXECUTING
from uws.checkpoints import Checkpoint, Checkpoints
from uws.executor import JobContext, Stop, StoppedError
from uws.folders import checkpoint_folder
from uws.tasks import journal as journals
from uws.tasks.events import Progressed
from uws.tasks.given import Counts
from uws.tasks.journal import BeginAnewError, Journal, Told
from vo.core.errors import LimitError
from vo.core.files import FileStore
from vo.core.limits import Limits

SCHEMAS = {
    "result": pa.schema([pa.field("number", pa.int64()), pa.field("text", pa.string())]),
    "more": pa.schema([pa.field("values", pa.list_(pa.float64()))]),
}
IDENTITY = {"task": "one", "version": "1.0"}
TOLD = Told(Counts(5, 4, {"odd": 1}), {"engine": "batch"}, Progressed(0.5, "half"))


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journals, "COMMIT_SECONDS", 0.0)


class Keeping:
    """The attempts of one job."""

    def __init__(self, folder: Path) -> None:
        self.files = FileStore(folder)
        self.folder = folder / checkpoint_folder(EXECUTING.job_id)

    def context(self, attempt: int, bounds: Limits | None = None) -> JobContext:
        return JobContext(replace(EXECUTING, attempt=attempt), self.files, bounds or limits())

    def begun(self, attempt: int, bounds: Limits | None = None) -> Journal:
        journal = Journal(self.context(attempt, bounds), IDENTITY)
        kept = journal.resume(SCHEMAS)
        assert (kept is None) == (attempt == 1)
        return journal

    def kept(
        self, schemas: Mapping[str, pa.Schema] = SCHEMAS, version: str = "1.0"
    ) -> list[tuple[str, pa.RecordBatch]]:
        """What the next attempt finds."""
        found = Journal(self.context(9), {**IDENTITY, "version": version}).resume(schemas)
        assert found is not None
        return list(found.batches())

    def numbers(self) -> list[int]:
        return [number for name, batch in self.kept() if name == "result" for number in batch["number"].to_pylist()]


@pytest.fixture
def keeping(tmp_path: Path) -> Keeping:
    return Keeping(tmp_path)


def result(first: int, last: int) -> pa.RecordBatch:
    numbers = range(first, last)
    return pa.record_batch([pa.array(numbers), pa.array([f"row {n}" for n in numbers])], schema=SCHEMAS["result"])


MORE = pa.record_batch([pa.array([[1.0, 2.0], None, []], pa.list_(pa.float64()))], schema=SCHEMAS["more"])


def two_attempts(keeping: Keeping) -> None:
    """Keep the numbers to 60 in two attempts, with rows of another table."""
    first = keeping.begun(1)
    first.rows("result", result(0, 10))
    first.rows("more", MORE)
    first.commit(b"one", TOLD)
    first.rows("result", result(10, 30))
    first.commit(b"two", TOLD)
    first.rows("result", result(30, 50))  # lost: its checkpoint never came
    first.close(finish=True)
    second = keeping.begun(2)
    second.rows("result", result(30, 60).slice(0, 30))
    second.commit(b"three\nlines", TOLD)
    second.close(finish=True)


def test_rows_come_back_once_and_in_order(keeping: Keeping) -> None:
    two_attempts(keeping)
    assert keeping.numbers() == list(range(60))
    assert [batch for name, batch in keeping.kept() if name == "more"] == [MORE]
    found = Journal(keeping.context(3), IDENTITY).resume(SCHEMAS)
    assert found is not None
    assert (found.state, found.told) == (b"three\nlines", TOLD)
    on_disk = sum(file.stat().st_size for file in keeping.folder.glob("[12]/*"))
    context = keeping.context(3)
    context.load_checkpoint()
    assert context.kept == on_disk


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def _garble(path: Path) -> None:
    path.write_bytes(b"\xff" * path.stat().st_size)


@pytest.mark.parametrize("harm", [_cut, _garble, Path.unlink])
def test_a_file_that_is_not_whole_is_found_out(keeping: Keeping, harm: object) -> None:
    two_attempts(keeping)
    harm(keeping.folder / "1" / "2")  # type: ignore[operator]
    with pytest.raises(BeginAnewError):
        keeping.kept()


def test_rows_that_are_missing_are_found_out(keeping: Keeping) -> None:
    two_attempts(keeping)
    (keeping.folder / "1" / "2").write_bytes((keeping.folder / "1" / "0").read_bytes())
    with pytest.raises(BeginAnewError):
        keeping.kept()


def test_what_is_of_something_else_is_not_used(keeping: Keeping) -> None:
    two_attempts(keeping)
    with pytest.raises(BeginAnewError, match="another computation"):
        keeping.kept(version="1.1")
    with pytest.raises(BeginAnewError, match="another computation"):
        keeping.kept({**SCHEMAS, "more": pa.schema([pa.field("values", pa.list_(pa.float32()))])})
    state = keeping.folder / "state"
    state.write_bytes(state.read_bytes()[:-1])
    assert keeping.context(3).load_checkpoint() is None
    assert not keeping.folder.exists()


def test_what_an_attempt_left_without_a_checkpoint_is_removed(keeping: Keeping) -> None:
    two_attempts(keeping)
    (keeping.folder / "3").mkdir()
    (keeping.folder / "3" / "0").touch()
    keeping.context(4).load_checkpoint()
    assert sorted(path.name for path in keeping.folder.iterdir()) == ["1", "2", "state"]


def test_a_run_goes_on_without_a_journal_that_would_be_too_large(keeping: Keeping) -> None:
    journal = keeping.begun(1, limits(max_result=5000))
    for first in range(0, 3000, 100):
        journal.rows("result", result(first, first + 100))
        journal.commit(str(first).encode(), TOLD)
    journal.close(finish=True)
    numbers = keeping.numbers()
    assert 100 <= len(numbers) < 1500
    assert numbers == list(range(len(numbers)))


def test_a_full_disk_is_told_to_whoever_keeps_more(keeping: Keeping, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journals, "LOOK_BYTES", 1000)
    journal = keeping.begun(1, limits(min_disk=2**60))

    def refused() -> bool:
        try:
            journal.rows("result", result(0, 100))
        except LimitError as error:
            return "have to stay free" in error.message
        return False

    wait_until(refused, "the disk is full", 10)
    journal.close(finish=True)
    assert not list(keeping.folder.glob("1/*"))


def test_who_makes_rows_waits_for_a_slow_disk(keeping: Keeping, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journals, "BUFFER_BYTES", 5000)
    writes, given = threading.Event(), []
    monkeypatch.setattr(Journal, "_keep", lambda _journal, _item: writes.wait(30))
    journal = keeping.begun(1)

    def give() -> None:
        for first in range(0, 5000, 100):
            journal.rows("result", result(first, first + 100))
            given.append(first)

    thread = threading.Thread(target=give)
    thread.start()
    wait_until(lambda: journal._held >= 5000, "the buffer is full")
    assert journal._held < 5000 + 2 * result(0, 100).nbytes
    assert len(given) < 10
    writes.set()
    thread.join(30)
    assert len(given) == 50
    journal.close(finish=True)


def test_a_worker_that_lost_its_job_commits_nothing(keeping: Keeping) -> None:
    two_attempts(keeping)
    context = keeping.context(3)
    late = Journal(context, IDENTITY)
    late.resume(SCHEMAS)
    context.stop(Stop.LOST)
    late.rows("result", result(60, 70))
    late.commit(b"late", TOLD)
    late.close(finish=True)
    assert keeping.numbers() == list(range(60))
    with pytest.raises(StoppedError):
        late.rows("result", result(70, 80))


def test_commits_that_come_too_soon_are_left_out(keeping: Keeping, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journals, "COMMIT_SECONDS", 60.0)
    journal = keeping.begun(1)
    for first in range(0, 50, 10):
        journal.rows("result", result(first, first + 10))
        journal.commit(b"", TOLD)
    journal.close(finish=True)
    assert keeping.numbers() == list(range(10))


def test_another_job_takes_it_over_without_a_copy(keeping: Keeping) -> None:
    two_attempts(keeping)
    mine, its = (Checkpoints(keeping.files, job) for job in (EXECUTING.job_id, "another"))
    before = mine.load()
    assert before is not None
    its.take_over(mine, before)
    mine.forget()
    taken = its.load()
    assert taken == Checkpoint(before.state, (("0", 4),), before.size)
    context = JobContext(replace(EXECUTING, job_id="another", attempt=1), keeping.files, limits())
    journal = Journal(context, IDENTITY)
    found = journal.resume(SCHEMAS)
    assert found is not None
    assert _numbers(found.batches()) == list(range(60))
    journal.rows("result", result(60, 70))
    journal.commit(b"four", TOLD)
    journal.close(finish=True)
    assert [folder for folder, _ in its.load().parts] == ["0", "1"]  # type: ignore[union-attr]


def _numbers(batches: Iterator[tuple[str, pa.RecordBatch]]) -> list[int]:
    return [number for name, batch in batches if name == "result" for number in batch["number"].to_pylist()]
