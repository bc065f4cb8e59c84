"""What a test can ask of the task that misbehaves, and the rows that it makes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum

import numpy as np
import pyarrow as pa

from uws.tasks import (
    Input,
    Output,
    TaskContext,
    TaskParameters,
    parameter,
)
from vo.core.tables import Column, Datatype, schema_of

BATCH = 100
"""Rows of a batch."""


STATE = 1000
"""Rows between two checkpoints."""


class Mode(StrEnum):
    """What it does, beside making rows."""

    NONE = "none"
    SLEEP = "sleep"
    SPIN = "spin"
    DEAF = "deaf"
    MEMORY = "memory"
    SHARED_MEMORY = "shared-memory"
    MEMORY_OF_CHUNKS = "memory-of-chunks"
    MEMORY_ERROR = "memory-error"
    NAMELESS_MEMORY = "nameless-memory"
    DISK = "disk"
    NAMELESS_DISK = "nameless-disk"
    DEEP = "deep"
    CRASH = "crash"
    EXIT = "exit"
    RAISE = "raise"
    SERVICE_ERROR = "service-error"
    PARAMETER_ERROR = "parameter-error"
    NETWORK = "network"
    DATABASE = "database"
    READ_FILES = "read-files"
    WRITE_FILES = "write-files"
    ENVIRONMENT = "environment"
    PROCESSES = "processes"
    FORK_BOMB_SMALL = "fork-bomb-small"
    ESCAPE = "escape"
    SLOW_ROWS = "slow-rows"
    RESUME = "resume"
    BAD_BATCH = "bad-batch"
    FEW_COLUMNS = "few-columns"
    NO_BATCH = "no-batch"
    NO_OUTPUT = "no-output"
    RUBBISH = "rubbish"
    HUGE_FRAME = "huge-frame"
    HALF_FRAME = "half-frame"
    CHUNKS = "chunks"
    CHUNK_CRASH = "chunk-crash"
    CHUNK_FAILS = "chunk-fails"
    PARTIAL = "partial"
    PROGRESS = "progress"
    STRANGE_WORDS = "strange-words"
    MANY_WORDS = "many-words"
    FILE = "file"
    LINK = "link"
    BIG_BATCHES = "big-batches"
    IGNORE_INPUT = "ignore-input"
    ECHO = "echo"


class MisbehaveParameters(TaskParameters):
    """What a test can say."""

    mode: Mode = parameter(Mode.NONE, description="What it does.", examples=["none"])
    rows: int = parameter(1000, description="Rows that it makes.", ge=0)
    seconds: float = parameter(0.0, description="How long it does it.", ge=0, unit="s")
    target: str = parameter("", description="A path, port or other object of its deeds.")


RESULT = (
    Column("number", Datatype.LONG, description="From 0"),
    Column("value", Datatype.DOUBLE, description="Half of it"),
    Column("text", Datatype.UNICODE_CHAR, "*", description="What it has to say"),
)


Rows = Iterator[pa.RecordBatch | Output]


Deed = Callable[[Mapping[str, Input], MisbehaveParameters, TaskContext], Rows]


def made(first: int, last: int, texts: list[str] | None = None) -> pa.RecordBatch:
    """Return the rows of some numbers."""
    numbers = np.arange(first, last)
    return pa.RecordBatch.from_arrays(
        [numbers, numbers / 2, pa.array(texts or [f"row {number}" for number in numbers], pa.string())],
        schema=schema_of(RESULT),
    )


def told(**facts: object) -> pa.RecordBatch:
    """Return one row with something to say."""
    return made(0, 1, [json.dumps(facts)])


def numbers(first: int, last: int) -> Iterator[pa.RecordBatch]:
    for start in range(first, last, BATCH):
        yield made(start, min(last, start + BATCH))
