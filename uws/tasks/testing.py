"""Running a task in this process, without service, database or limits: for tests of tasks, ours and others'."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from uws.tasks.declaration import InputPlan, Neighbours, Plan, SelectionFacts, Task, TaskParameters
from uws.tasks.given import Counts, Input, Output
from uws.tasks.recognition import recognise
from vo.core.tables import columns_of, schema_of

BATCH_ROWS = 10_000


class MemoryCheckpoint:
    """A checkpoint that is kept in memory."""

    def __init__(self, state: bytes | None = None) -> None:
        self.state = state

    def load(self) -> bytes | None:
        """Return what was saved last."""
        return self.state

    def save(self, state: bytes) -> None:
        """Replace it."""
        self.state = state


@dataclass
class InlineContext:
    """A `TaskContext` in this process that remembers what it was told; its chunks run in threads."""

    scratch: Path
    memory: int = 2**31
    cores: int = 2
    checkpoint: MemoryCheckpoint = field(default_factory=MemoryCheckpoint)
    counts: Counts = field(default_factory=Counts)
    notes: dict[str, str] = field(default_factory=dict)
    stages: list[str] = field(default_factory=list)
    fraction: float | None = None
    kept: list[str] = field(default_factory=list)
    executor_is_local: bool = True

    @cached_property
    def executor(self) -> Executor:
        """Threads of this process."""
        return ThreadPoolExecutor(self.cores)

    def progress(self, *, fraction: float | None = None, stage: str | None = None) -> None:
        """Remember how far it is."""
        self.fraction = self.fraction if fraction is None else fraction
        if stage is not None:
            self.stages.append(stage)

    def count(self, *, requested: int = 0, found: int = 0, failed: Mapping[str, int] | None = None) -> None:
        """Add to the counts."""
        self.counts = self.counts.plus(Counts(requested, found, failed or {}))

    def info(self, name: str, value: str) -> None:
        """Remember a fact."""
        self.notes[name] = value

    def file(self, name: str) -> Path:
        """Return where a file is to be written."""
        return self.scratch / name

    def keep(self, name: str) -> None:
        """Remember that a file is finished."""
        self.kept.append(name)


@dataclass(frozen=True)
class Ran:
    """What a task made.

    Attributes
    ----------
    tables : mapping of str to pyarrow.Table
        By names of outputs.
    files : mapping of str to bytes
        By names of outputs.
    context : InlineContext
        What it said meanwhile.
    plan : Plan
        As it planned.
    """

    tables: Mapping[str, pa.Table]
    files: Mapping[str, bytes]
    context: InlineContext
    plan: Plan

    @property
    def table(self) -> pa.Table:
        """The first output."""
        return next(iter(self.tables.values()))


def run_inline(
    task: Task[Any],
    tables: Mapping[str, pa.Table],
    parameters: TaskParameters,
    *,
    named: Mapping[str, Mapping[str, str]] | None = None,
    indexed: frozenset[str] = frozenset(),
    batch_rows: int = BATCH_ROWS,
    memory: int = 2**31,
    checkpoint: bytes | None = None,
) -> Ran:
    """Run a task on Arrow tables; their fields may carry the metadata of columns.

    Parameters
    ----------
    task : Task
        What to run.
    tables : mapping of str to pyarrow.Table
        By names of inputs.
    parameters : TaskParameters
        As the task declares them.
    named : mapping, optional
        Columns named explicitly: by input, by role.
    indexed : frozenset of str
        Inputs whose positions the task is told to be indexed; it must not plan `Neighbours`, which need a database.
    batch_rows : int
        Rows of a batch.
    memory : int
        What the task is told that it may use.
    checkpoint : bytes, optional
        What an earlier attempt saved.
    """
    facts = {
        wanted.name: SelectionFacts(
            columns_of(tables[wanted.name].schema),
            tables[wanted.name].num_rows,
            recognise(columns_of(tables[wanted.name].schema), wanted, (named or {}).get(wanted.name, {})),
            f"table {wanted.name}",
            wanted.name in indexed,
        )
        for wanted in task.inputs
    }
    plan = task.plan(facts, parameters)
    inputs = {name: _input(item, tables, facts, batch_rows) for name, item in plan.inputs.items()}
    outputs = task.columns({name: item.columns for name, item in inputs.items()}, parameters, plan)
    schemas = {name: schema_of(columns) for name, columns in outputs.items()}
    batches: dict[str, list[pa.RecordBatch]] = {name: [] for name in outputs}
    first = task.outputs[0].name
    with tempfile.TemporaryDirectory() as folder:
        context = InlineContext(Path(folder), memory, os.cpu_count() or 1, MemoryCheckpoint(checkpoint))
        running = task.run(inputs, parameters, context)
        with closing(running):  # type: ignore[type-var]  # tasks are generators
            for made in running:
                name, batch = (made.name, made.batch) if isinstance(made, Output) else (first, made)
                batches[name].append(pa.RecordBatch.from_arrays(batch.columns, schema=schemas[name]))
        files = {file.name: file.read_bytes() for file in context.scratch.iterdir() if file.name in _files(task)}
        if "executor" in vars(context):
            context.executor.shutdown()
    return Ran(
        {name: pa.Table.from_batches(made, schema=schemas[name]) for name, made in batches.items()},
        files,
        context,
        plan,
    )


def _files(task: Task[Any]) -> set[str]:
    return {output.name for output in task.outputs if output.media_type is not None}


def _input(
    plan: InputPlan, tables: Mapping[str, pa.Table], facts: Mapping[str, SelectionFacts], batch_rows: int
) -> Input:
    if isinstance(plan, Neighbours):
        raise TypeError("pairs of neighbours come from a database")
    table = tables[plan.selection]
    if plan.columns is not None:
        table = table.select(list(plan.columns))
    batches = iter(table.to_batches(max_chunksize=batch_rows))
    return Input(columns_of(table.schema), batches, facts[plan.selection].recognised)
