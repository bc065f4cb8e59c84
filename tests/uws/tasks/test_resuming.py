"""Tasks that count the rows that are done, run in this process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from uws.tasks import Input, Plan, Recovery, Task, TaskContext, TaskInput, TaskOutput, TaskParameters, resuming
from uws.tasks.context import TaskBugError
from uws.tasks.resuming import RowsDone
from uws.tasks.testing import MemoryCheckpoint, Ran, Saved, run_inline
from vo.core.tables import Column, Datatype

OUTPUT = (Column("id", Datatype.LONG), Column("half", Datatype.DOUBLE))


class NoParameters(TaskParameters):
    """None."""


class Halves(Task[NoParameters]):
    """Halves of the even numbers of a table."""

    name: ClassVar[str] = "halves"
    title: ClassVar[str] = "Halves"
    description: ClassVar[str] = "Halves of even numbers."
    parameters: ClassVar[type[TaskParameters]] = NoParameters
    inputs: ClassVar[tuple[TaskInput, ...]] = (TaskInput("", "table"),)
    outputs: ClassVar[tuple[TaskOutput, ...]] = (TaskOutput("result", "halves", columns=OUTPUT),)
    recovery: ClassVar[Recovery] = Recovery.RESUME

    def columns(
        self, inputs: Mapping[str, tuple[Column, ...]], parameters: NoParameters, plan: Plan
    ) -> Mapping[str, tuple[Column, ...]]:
        return {"result": OUTPUT}

    def run(
        self, inputs: Mapping[str, Input], parameters: NoParameters, context: TaskContext
    ) -> Iterator[pa.RecordBatch]:
        done = RowsDone(context.checkpoint, "id")
        context.info("resumed", str(done.resumed))
        for batch in done.left(inputs[""].batches):
            even = batch.filter(pc.equal(pc.bit_wise_and(batch["id"], 1), 0))
            context.count(requested=batch.num_rows, found=even.num_rows)
            yield pa.RecordBatch.from_arrays([even["id"], pc.divide(even["id"].cast(pa.float64()), 2)], ["id", "half"])
            done.add(batch.num_rows)


TABLE = pa.table({"id": pa.array(range(1000)), "name": [f"star {n}" for n in range(1000)]})


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resuming, "SAVE_SECONDS", 0.0)


def halves(table: pa.Table = TABLE, checkpoint: Saved | None = None, batch_rows: int = 70) -> Ran:
    return run_inline(Halves(), {"": table}, NoParameters(), batch_rows=batch_rows, checkpoint=checkpoint)


@pytest.mark.parametrize("batch_rows", [70, 999])
def test_a_run_goes_on_from_each_checkpoint(batch_rows: int) -> None:
    whole = halves()
    assert len(whole.saved) == 15
    assert max(len(saved.state) for saved in whole.saved) < 100
    for saved in whole.saved[::4]:
        again = halves(checkpoint=saved, batch_rows=batch_rows)
        assert again.context.notes["resumed"] != "0"
        assert again.table == whole.table
        assert again.context.counts == whole.context.counts


@pytest.mark.parametrize(
    "changed",
    [
        TABLE.take(pa.array([1, 0, *range(2, 1000)])),
        TABLE.slice(0, 100),
        TABLE.set_column(0, "id", pa.array([None, *range(1, 1000)], pa.int64())),
    ],
)
def test_of_another_input_nothing_is_used(changed: pa.Table) -> None:
    saved = halves().saved[5]
    again = halves(changed, checkpoint=saved)
    assert again.context.notes["resumed"] == "0"
    assert again.context.counts.requested == changed.num_rows
    assert again.table == halves(changed).table


def test_rows_behind_those_that_are_done_may_change() -> None:
    saved = halves().saved[5]
    longer = pa.concat_tables([TABLE, TABLE.slice(0, 10)])
    assert halves(longer, checkpoint=saved).context.notes["resumed"] == "420"


def test_a_state_of_another_making_is_dropped() -> None:
    saved = Saved(b"not ours")
    assert halves(checkpoint=saved).table == halves().table


@pytest.mark.parametrize(
    "values",
    [
        pa.array(["a", "bc", None, "", "dé"]),
        pa.array(["ab", "c", None, "", "dé"]),
        pa.array([1.5, None, float("nan"), 2.0, 3.0]),
        pa.array([True, False, None, True, True]),
        pa.array([1, None, 3, 4, 5], pa.timestamp("us")),
        pa.array([1, 2, 3, 4, 5], pa.int16()),
    ],
)
def test_rows_are_known_again_however_they_are_cut(values: pa.Array) -> None:
    states = set()
    for step in (1, 2, 5):
        checkpoint = MemoryCheckpoint()
        done = RowsDone(checkpoint, "id")
        batches = [pa.record_batch([values.slice(first, step)], ["id"]) for first in range(0, 5, step)]
        assert sum(batch.num_rows for batch in done.left(iter(batches))) == 5
        done.add(3)  # they were read ahead
        done.add(2)
        states.add(checkpoint.state)
    assert len(states) == 1
    others = {_state(pa.array(["a", "bc", None, "", "dé"])), _state(pa.array(["ab", "c", None, "", "dé"]))}
    assert len(others) == 2


def _state(values: pa.Array) -> bytes | None:
    checkpoint = MemoryCheckpoint()
    done = RowsDone(checkpoint, "id")
    list(done.left(iter([pa.record_batch([values], ["id"])])))
    done.add(len(values))
    return checkpoint.state


def test_a_first_attempt_has_nothing_to_drop() -> None:
    with pytest.raises(TaskBugError, match="given none"):
        MemoryCheckpoint().drop()
