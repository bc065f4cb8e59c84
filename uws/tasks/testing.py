"""Running a task in this process, without service, database or limits: for tests of tasks, ours and others'."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn

import pyarrow as pa

from uws.tasks.context import DroppedCheckpoint, TaskBugError, site_of
from uws.tasks.declaration import InputPlan, Neighbours, Plan, SelectionFacts, Task, TaskParameters
from uws.tasks.given import Counts, Input, Output
from uws.tasks.recognition import recognise
from vo.core.tables import columns_of, schema_of

BATCH_ROWS = 10_000


@dataclass(frozen=True)
class Saved:
    """What a checkpoint has kept.

    Attributes
    ----------
    state : bytes
        The task's own.
    tables : mapping of str to pyarrow.Table
        The rows that were made before, by names of outputs.
    counts : Counts
        Items until then.
    notes : mapping of str to str
        Facts until then.
    """

    state: bytes
    tables: Mapping[str, pa.Table] = field(default_factory=dict)
    counts: Counts = field(default_factory=Counts)
    notes: Mapping[str, str] = field(default_factory=dict)


class MemoryCheckpoint:
    """A checkpoint that is kept in memory, with all that was saved before.

    Parameters
    ----------
    state : bytes, optional
        What was saved before the run.
    keep : callable, optional
        Hears of what is saved.
    """

    def __init__(self, state: bytes | None = None, keep: Callable[[bytes], None] | None = None) -> None:
        self.state = state
        self._given = state is not None
        self._keep = keep

    def load(self) -> bytes | None:
        """Return what was saved last."""
        return self.state

    def save(self, state: bytes) -> None:
        """Replace it."""
        self.state = state
        if self._keep is not None:
            self._keep(state)

    def drop(self) -> NoReturn:
        """Begin anew."""
        if not self._given:
            raise TaskBugError("it drops a checkpoint, and was given none")
        raise DroppedCheckpoint


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
    wanted: frozenset[str] | None = None
    sites: Mapping[str, str] = field(default_factory=dict)

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

    def wants(self, output: str) -> bool:
        """Return whether an output is wanted."""
        return self.wanted is None or output in self.wanted

    def site(self, name: str) -> str:
        """Return the address of a service elsewhere."""
        return site_of(self.sites, name)

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
    saved : list of Saved
        Its checkpoints; another run can go on with each.
    """

    tables: Mapping[str, pa.Table]
    files: Mapping[str, bytes]
    context: InlineContext
    plan: Plan
    saved: list[Saved] = field(default_factory=list)

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
    checkpoint: bytes | Saved | None = None,
    wanted: frozenset[str] | None = None,
    sites: Mapping[str, str] | None = None,
) -> Ran:
    """Run a task on Arrow tables; their fields may carry the metadata of columns.

    Parameters
    ----------
    task : Task
        What to run.
    tables : mapping of str to pyarrow.Table
        By names of inputs; those that are not required may be left out. A single position is
        ``pa.Table.from_batches([target.batch()])`` of a `uws.tasks.targets.Target`.
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
    checkpoint : bytes or Saved, optional
        What an earlier run saved; with its rows and counts if it is one of `Ran.saved`.
    wanted : frozenset of str, optional
        Names of the outputs that are wanted; None for all.
    sites : mapping of str to str, optional
        Addresses of services elsewhere, by names.
    """
    facts = {
        each.name: SelectionFacts(
            columns_of(tables[each.name].schema),
            tables[each.name].num_rows,
            recognise(columns_of(tables[each.name].schema), each, (named or {}).get(each.name, {})),
            f"table {each.name}",
            each.name in indexed,
        )
        for each in task.inputs
        if each.required or each.name in tables
    }
    plan = task.plan(facts, parameters)
    saved = Saved(checkpoint) if isinstance(checkpoint, bytes) else checkpoint

    def run(saved: Saved | None) -> Ran:
        context = InlineContext(Path(), memory, os.cpu_count() or 1)
        context.wanted, context.sites = wanted, sites or {}
        inputs = {name: _input(item, tables, facts, batch_rows) for name, item in plan.inputs.items()}
        return _run(task, inputs, parameters, plan, context, saved=saved)

    try:
        return run(saved)
    except DroppedCheckpoint:
        return run(None)


def _run(
    task: Task[Any],
    inputs: Mapping[str, Input],
    parameters: TaskParameters,
    plan: Plan,
    context: InlineContext,
    *,
    saved: Saved | None,
) -> Ran:
    """Run once, from the beginning or after what was saved."""
    outputs = task.columns({name: item.columns for name, item in inputs.items()}, parameters, plan)
    schemas = {name: schema_of(columns) for name, columns in outputs.items()}
    batches: dict[str, list[pa.RecordBatch]] = {name: [] for name in outputs}
    checkpoints: list[Saved] = []

    def made() -> dict[str, pa.Table]:
        return {name: pa.Table.from_batches(some, schema=schemas[name]) for name, some in batches.items()}

    def keep(state: bytes) -> None:
        checkpoints.append(Saved(state, made(), context.counts, dict(context.notes)))

    if saved is not None:
        context.counts, context.notes = saved.counts, dict(saved.notes)
        for name, table in saved.tables.items():
            batches[name] += table.to_batches()
    context.checkpoint = MemoryCheckpoint(None if saved is None else saved.state, keep)
    first = task.outputs[0].name
    with tempfile.TemporaryDirectory() as folder:
        context.scratch = Path(folder)
        running = task.run(inputs, parameters, context)
        with closing(running):  # type: ignore[type-var]  # tasks are generators
            for each in running:
                name, batch = (each.name, each.batch) if isinstance(each, Output) else (first, each)
                batches[name].append(pa.RecordBatch.from_arrays(batch.columns, schema=schemas[name]))
        files = {file.name: file.read_bytes() for file in context.scratch.iterdir() if file.name in _files(task)}
        if "executor" in vars(context):
            context.executor.shutdown()
    return Ran(made(), files, context, plan, checkpoints)


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
    return Input(columns_of(table.schema), batches, facts[plan.selection].recognised, table.num_rows)
