"""What a running task is given: its inputs, and its way to the world; and what it gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Protocol, TypeVar

import pyarrow as pa

from vo.core.tables import Column

if TYPE_CHECKING:
    from uws.tasks.recognition import Recognised


@dataclass(slots=True)
class Input:
    """Rows that a running task is given; they can be read once.

    Attributes
    ----------
    columns : tuple of Column
        In the order of the batches.
    batches : iterator of pyarrow.RecordBatch
        Of a few MB each, in the canonical types of the columns.
    recognised : Recognised
        Which columns have which roles; of `Neighbours`, those of the second selection.
    rows : int, optional
        How many rows there will be, roughly; None where nobody knows.
    """

    columns: tuple[Column, ...]
    batches: Iterator[pa.RecordBatch]
    recognised: Recognised
    rows: int | None = None


@dataclass(frozen=True, slots=True)
class Output:
    """Rows for one of a task's tables; a bare record batch is for the first one."""

    name: str
    batch: pa.RecordBatch


class Checkpoint(Protocol):
    """What a task with `Recovery.RESUME` keeps for whoever goes on with it: the next attempt, or another job."""

    def load(self) -> bytes | None:
        """Return what was saved last before, None where the run begins anew."""

    def save(self, state: bytes) -> None:
        """Replace what is kept, at most 16 MiB; call it every few seconds, not every row.

        All that was told before is kept with it: rows that were yielded, counts, facts, progress. Who goes on with it
        has them already and yields what comes after them. Files, also those of `TaskContext.keep`, are made again.
        """

    def drop(self) -> NoReturn:
        """Say that what `load` gave does not fit the input any more: it is forgotten, and the run begins anew."""


class TaskContext(Protocol):
    """A running task's way to the world.

    Attributes
    ----------
    scratch : pathlib.Path
        A folder of its own, gone afterwards.
    memory : int
        Bytes that the task may use, all its processes together; it is killed beyond.
    cores : int
        How many chunks run at the same time.
    checkpoint : Checkpoint
        For tasks with `Recovery.RESUME`.
    """

    @property
    def scratch(self) -> Path: ...  # noqa: D102
    @property
    def memory(self) -> int: ...  # noqa: D102
    @property
    def cores(self) -> int: ...  # noqa: D102
    @property
    def checkpoint(self) -> Checkpoint: ...  # noqa: D102

    @property
    def executor(self) -> Executor:
        """Where chunks of the work run: other processes here, or a cluster. It is started at the first use.

        Functions and their arguments are pickled; functions stand at the top of an importable module. Files of
        `scratch` can be read there only when `executor_is_local`.
        """

    @property
    def executor_is_local(self) -> bool:
        """Whether the executor's processes see the files of this one."""

    def progress(self, *, fraction: float | None = None, stage: str | None = None) -> None:
        """Say how far it is: 0 to 1, and what it does now in a few words. Rows are counted without that."""

    def count(self, *, requested: int = 0, found: int = 0, failed: Mapping[str, int] | None = None) -> None:
        """Add to the counts that the job shows: items asked for, done, and failed by reason."""

    def info(self, name: str, value: str) -> None:
        """Say a fact about the result: the engine that ran, versions, seeds.

        It is shown with the job, and stands in the tables if it is said before their first batch.
        """

    def wants(self, output: str) -> bool:
        """Return whether anybody gets an output: what nobody gets need not be made, and is dropped if it is.

        A synchronous request gets one output only, and a client may name those of a job by RESULTS.
        """

    def site(self, name: str) -> str:
        """Return the address of a service elsewhere, for a task that has the network; the operator chooses it.

        Raises
        ------
        ServiceError
            If the operator has given none.
        """

    def file(self, name: str) -> Path:
        """Return the path under which to write an output that is a file.

        It is stored when `run` has ended, or when `keep` is called with its name.
        """

    def keep(self, name: str) -> None:
        """Store a file that is finished, before the run ends."""


Chunk = TypeVar("Chunk")
Done = TypeVar("Done")


def in_order(
    executor: Executor, function: Callable[[Chunk], Done], chunks: Iterator[Chunk], *, ahead: int
) -> Iterator[Done]:
    """Yield a function's results for chunks in their order, while at most `ahead` of them are under way."""
    waiting: list[Any] = []
    try:
        for chunk in chunks:
            waiting.append(executor.submit(function, chunk))
            if len(waiting) >= ahead:
                yield waiting.pop(0).result()
        while waiting:
            yield waiting.pop(0).result()
    finally:
        for future in waiting:
            future.cancel()


MAX_REASONS, MAX_REASON = 100, 300
"""Most reasons that the failures of a run are counted by, and most characters of one."""
OTHER_REASONS = "other reasons"


@dataclass(frozen=True, slots=True)
class Counts:
    """What a run has counted.

    Attributes
    ----------
    requested, found : int
        Items asked for and done.
    failed : mapping of str to int
        Items that failed, by reason; those of reasons beyond the first hundred together.
    """

    requested: int = 0
    found: int = 0
    failed: Mapping[str, int] = field(default_factory=dict)

    def plus(self, other: Counts) -> Counts:
        """Return the sum."""
        failed = dict(self.failed)
        for words, number in other.failed.items():
            reason = str(words)[:MAX_REASON]
            if reason not in failed and len(failed) >= MAX_REASONS:
                reason = OTHER_REASONS
            failed[reason] = failed.get(reason, 0) + number
        return Counts(self.requested + other.requested, self.found + other.found, failed)
