"""Running the tasks of the test distribution in processes of their own."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from uws.tasks.events import Event, Made
from uws.tasks.keeper import descendants
from uws.tasks.nursery import Nursery
from uws.tasks.process import Order, TaskProcess
from vo.core.tables import Column, TableStream, columns_of

PLUGIN = Path(__file__).resolve().parents[2] / "plugin"
"""A folder that holds a distribution: whoever has it in PYTHONPATH has it installed."""
MIB = 2**20


@contextmanager
def installed() -> Iterator[None]:
    """Install the test distribution here and for the processes that are started."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(PLUGIN))
        patch.setenv("PYTHONPATH", os.pathsep.join([str(PLUGIN), os.environ.get("PYTHONPATH", "")]))
        yield


@contextmanager
def warm_nursery(*hide: Path) -> Iterator[Nursery]:
    """Hold a nursery from which tasks of the test distribution are born."""
    with installed():
        nursery = Nursery(["vo_test_tasks.misbehave", "vo_test_tasks.chunks"], hide)
        nursery.warm()
        yield nursery
        nursery.close()


def order(
    mode: str,
    *,
    task: str = "misbehave:Misbehave",
    rows: int = 1000,
    seconds: float = 0.0,
    target: object = "",
    inputs: Mapping[str, tuple[Column, ...]] | None = None,
    **more: Any,
) -> Order:
    """Return an order for the task that does what it should not."""
    parameters = {"mode": mode, "rows": rows, "seconds": seconds, "target": str(target)}
    module, _, name = task.partition(":")
    made = import_module(f"vo_test_tasks.{module}")
    return Order(
        task=f"{made.__name__}:{name}",
        parameters=json.dumps(parameters),
        inputs=inputs or {},
        recognised={},
        outputs={"result": made.RESULT},
        files=("diary",),
        **{"memory": 500 * MIB, "disk": 50 * MIB, **more},
    )


@contextmanager
def running(
    nursery: Nursery, what: Order, scratch: Path, inputs: Mapping[str, TableStream] | None = None
) -> Iterator[TaskProcess]:
    """Hold a run, and see that nothing is left of it."""
    before = set(scratch.iterdir())
    process = TaskProcess(nursery, what, inputs or {}, scratch, "the-job")
    try:
        yield process
    finally:
        process.close()
    assert set(scratch.iterdir()) == before


def ran(nursery: Nursery, what: Order, scratch: Path, inputs: Mapping[str, TableStream] | None = None) -> list[Event]:
    """Run to the end."""
    with running(nursery, what, scratch, inputs) as process:
        return list(process.events())


def table(told: list[Event]) -> pa.Table:
    """Return the rows that were made."""
    return pa.Table.from_batches([event.batch for event in told if isinstance(event, Made)])


def said(told: list[Event]) -> dict[str, Any]:
    """Return what a task said in its only row."""
    [text] = table(told).column("text").to_pylist()
    found: dict[str, Any] = json.loads(text)
    return found


def stream(rows: pa.Table, batch_rows: int = 1000) -> tuple[tuple[Column, ...], TableStream]:
    """Return the columns of a table, and the table to be read once."""
    columns = columns_of(rows.schema)
    return columns, TableStream(columns, iter(rows.to_batches(max_chunksize=batch_rows)))


def offspring(pid: int) -> set[int]:
    """Return what a process has started, directly or not, and has not ended yet."""
    return {child for child in descendants(pid) if state(child) not in "ZX"}


def state(pid: int) -> str:
    """Return a process's state; X when there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "X"
