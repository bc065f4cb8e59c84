"""A task that does what tasks should not, for tests of what becomes of it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import ClassVar

import pyarrow as pa

from uws.tasks import (
    Input,
    Output,
    Plan,
    Recovery,
    Task,
    TaskContext,
    TaskInput,
    TaskOutput,
    TaskParameters,
)
from vo.core.tables import Column

from . import ends, greed, walls, words
from .wishes import RESULT, Deed, MisbehaveParameters, Mode


class Misbehave(Task[MisbehaveParameters]):
    """Rows, and trouble."""

    name: ClassVar[str] = "misbehave"
    title: ClassVar[str] = "Rows and trouble"
    description: ClassVar[str] = "Makes rows, and does what no task should."
    parameters: ClassVar[type[TaskParameters]] = MisbehaveParameters
    inputs: ClassVar[tuple[TaskInput, ...]] = ()
    outputs: ClassVar[tuple[TaskOutput, ...]] = (
        TaskOutput("result", "Numbers", columns=RESULT),
        TaskOutput("diary", "A file", media_type="text/plain"),
    )
    keeps_partial: ClassVar[bool] = True

    def plan(self, selections: Mapping[str, object], parameters: MisbehaveParameters) -> Plan:
        return Plan({}, parameters.seconds, parameters.rows, "Nothing good.")

    def columns(
        self, inputs: Mapping[str, tuple[Column, ...]], parameters: MisbehaveParameters, plan: Plan
    ) -> Mapping[str, tuple[Column, ...]]:
        return {"result": RESULT}

    def run(
        self, inputs: Mapping[str, Input], parameters: MisbehaveParameters, context: TaskContext
    ) -> Iterator[pa.RecordBatch | Output]:
        return _DEEDS.get(parameters.mode, words.rows)(inputs, parameters, context)


class Resumable(Misbehave):
    """The same, but it goes on from its checkpoint."""

    name: ClassVar[str] = "resumable"
    title: ClassVar[str] = "Rows that go on"
    recovery: ClassVar[Recovery] = Recovery.RESUME


class Reader(Misbehave):
    """The same with an input; only tests of processes use it."""

    name: ClassVar[str] = "reader"
    inputs: ClassVar[tuple[TaskInput, ...]] = (TaskInput("", "table"),)


_DEEDS: dict[Mode, Deed] = {
    Mode.SLEEP: greed.sleep,
    Mode.SPIN: greed.spin,
    Mode.DEAF: greed.deaf,
    Mode.MEMORY: greed.memory,
    Mode.SHARED_MEMORY: greed.shared_memory,
    Mode.MEMORY_OF_CHUNKS: greed.memory_of_chunks,
    Mode.MEMORY_ERROR: greed.memory_error,
    Mode.NAMELESS_MEMORY: greed.nameless(lambda: os.memfd_create("held")),
    Mode.DISK: greed.disk,
    Mode.NAMELESS_DISK: greed.nameless(greed.without_name),
    Mode.DEEP: greed.deep,
    Mode.CRASH: ends.crash,
    Mode.EXIT: ends.exits,
    Mode.RAISE: ends.raises,
    Mode.SERVICE_ERROR: ends.service_error,
    Mode.PARAMETER_ERROR: ends.parameter_error,
    Mode.NETWORK: walls.network,
    Mode.DATABASE: walls.database,
    Mode.READ_FILES: walls.read_files,
    Mode.WRITE_FILES: walls.write_files,
    Mode.ENVIRONMENT: walls.environment,
    Mode.PROCESSES: greed.processes,
    Mode.FORK_BOMB_SMALL: greed.fork_bomb_small,
    Mode.ESCAPE: greed.escape,
    Mode.SLOW_ROWS: ends.slow_rows,
    Mode.RESUME: ends.resume,
    Mode.BAD_BATCH: words.bad_batch,
    Mode.FEW_COLUMNS: words.few_columns,
    Mode.NO_BATCH: words.no_batch,
    Mode.NO_OUTPUT: words.no_output,
    Mode.RUBBISH: words.rubbish,
    Mode.HUGE_FRAME: words.huge_frame,
    Mode.HALF_FRAME: words.half_frame,
    Mode.CHUNKS: ends.chunked("where"),
    Mode.CHUNK_CRASH: ends.chunked("crash"),
    Mode.CHUNK_FAILS: ends.chunked("fail"),
    Mode.PARTIAL: ends.partial,
    Mode.PROGRESS: words.progress,
    Mode.STRANGE_WORDS: words.strange_words,
    Mode.MANY_WORDS: words.many_words,
    Mode.FILE: words.a_file,
    Mode.LINK: words.link,
    Mode.BIG_BATCHES: words.big_batches,
    Mode.IGNORE_INPUT: words.ignore_input,
    Mode.ECHO: words.echo,
}
