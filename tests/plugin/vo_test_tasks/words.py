"""What it tells its parent, some of it as nobody should: batches, frames, words, files."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from uws.tasks import (
    Input,
    Output,
    TaskContext,
)
from vo.core.errors import UsageError
from vo.core.tables import schema_of

from .wishes import RESULT, MisbehaveParameters, Rows, made, numbers, told


def bad_batch(_inputs: Mapping[str, Input], parameters: MisbehaveParameters, context: TaskContext) -> Rows:
    yield pa.RecordBatch.from_arrays([pa.array([1]), pa.array(["x"]), pa.array(["y"])], ["number", "value", "text"])


def few_columns(_inputs: Mapping[str, Input], parameters: MisbehaveParameters, context: TaskContext) -> Rows:
    yield pa.RecordBatch.from_arrays([pa.array([1])], ["number"])


def no_batch(_inputs: Mapping[str, Input], parameters: MisbehaveParameters, context: TaskContext) -> Rows:
    yield "rows"


def no_output(_inputs: Mapping[str, Input], parameters: MisbehaveParameters, context: TaskContext) -> Rows:
    yield Output("other", made(0, 1))


def written(content: bytes) -> None:
    """Write to the pipe on which the parent listens, whichever that is."""
    for descriptor in range(3, 64):
        try:
            if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
                os.write(descriptor, content)
                return
        except OSError:
            continue  # closed, or one to read from


def rubbish(_inputs: Mapping[str, Input], parameters: MisbehaveParameters, context: TaskContext) -> Rows:
    yield made(0, 1)
    header = b'{"kind": "made", "output": "result"}'
    written(len(header).to_bytes(4, "big") + (1000).to_bytes(8, "big") + header + os.urandom(1000))
    time.sleep(60)


def huge_frame(_inputs: Mapping[str, Input], parameters: MisbehaveParameters, context: TaskContext) -> Rows:
    yield made(0, 1)
    written(b"\xff" * 12)
    time.sleep(60)


def half_frame(_inputs: Mapping[str, Input], parameters: MisbehaveParameters, context: TaskContext) -> Rows:
    yield made(0, 1)
    written((20).to_bytes(4, "big") + (1000).to_bytes(8, "big") + b'{"kind"')
    os._exit(0)


def progress(_inputs: Mapping[str, Input], parameters: MisbehaveParameters, context: TaskContext) -> Rows:
    for number in range(parameters.rows):
        context.progress(fraction=(number + 1) / parameters.rows, stage=f"step {number + 1}")
        context.count(requested=1, found=number % 2, failed={"odd": 1} if number % 2 == 0 else {})
    time.sleep(parameters.seconds)
    yield made(0, 1)


def strange_words(_inputs: Mapping[str, Input], parameters: MisbehaveParameters, context: TaskContext) -> Rows:
    """Say what neither the database nor XML can hold."""
    context.progress(stage="a\0stage")
    context.info("half", "a \ud800")
    context.count(failed={"no\0thing": 1})
    yield made(0, 100)
    time.sleep(parameters.seconds)
    raise UsageError("It is\0wrong.")


def many_words(_inputs: Mapping[str, Input], parameters: MisbehaveParameters, context: TaskContext) -> Rows:
    for number in range(parameters.rows):
        context.count(failed={f"{number} is too small": 1})
    yield made(0, 1)
    for number in range(parameters.rows):
        context.info(f"name {number}", "value")


def a_file(_inputs: Mapping[str, Input], parameters: MisbehaveParameters, context: TaskContext) -> Rows:
    context.file("diary").write_text("a day like any other")
    yield made(0, 1)


def link(_inputs: Mapping[str, Input], parameters: MisbehaveParameters, context: TaskContext) -> Rows:
    context.file("diary").symlink_to(parameters.target or "/etc/passwd")
    yield made(0, 1)


def big_batches(_inputs: Mapping[str, Input], parameters: MisbehaveParameters, context: TaskContext) -> Rows:
    """Make many bytes without computing."""
    size = 2**20
    batch = made(0, 1)
    numbers = np.arange(size)
    text = pa.repeat(pa.scalar("x" * 16), size)
    batch = pa.RecordBatch.from_arrays([numbers, numbers / 2, text], schema=schema_of(RESULT))
    for _ in range(parameters.rows // size):
        yield batch


def ignore_input(inputs: Mapping[str, Input], parameters: MisbehaveParameters, context: TaskContext) -> Rows:
    for given in inputs.values():
        next(given.batches)
    yield made(0, 1)


def echo(inputs: Mapping[str, Input], parameters: MisbehaveParameters, context: TaskContext) -> Rows:
    rows = size = 0
    for given in inputs.values():
        for batch in given.batches:
            rows += batch.num_rows
            size += batch.nbytes
            if parameters.seconds:
                time.sleep(parameters.seconds)
    yield told(rows=rows, size=size)


def rows(_inputs: Mapping[str, Input], parameters: MisbehaveParameters, context: TaskContext) -> Rows:
    yield from numbers(0, parameters.rows)
    context.count(requested=parameters.rows, found=parameters.rows)
