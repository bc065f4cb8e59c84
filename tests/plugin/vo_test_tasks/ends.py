"""Ways to end, and to go on."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Mapping

from uws.tasks import (
    Input,
    TaskContext,
)
from vo.core.errors import ParameterError, UsageError

from . import chunks
from .wishes import BATCH, STATE, Deed, MisbehaveParameters, Rows, made, numbers


def crash(_inputs: Mapping[str, Input], parameters: MisbehaveParameters, context: TaskContext) -> Rows:
    yield made(0, 1)
    os.kill(os.getpid(), getattr(signal, parameters.target or "SIGSEGV"))
    time.sleep(60)


def exits(_inputs: Mapping[str, Input], parameters: MisbehaveParameters, context: TaskContext) -> Rows:
    yield made(0, 1)
    print("a last word", flush=True)
    os._exit(3)


def raises(_inputs: Mapping[str, Input], parameters: MisbehaveParameters, context: TaskContext) -> Rows:
    yield from numbers(0, parameters.rows)
    raise ValueError("a secret of the implementation")


def service_error(_inputs: Mapping[str, Input], parameters: MisbehaveParameters, context: TaskContext) -> Rows:
    yield from numbers(0, parameters.rows)
    raise UsageError("It cannot be done.", hint="Do something else.")


def parameter_error(_inputs: Mapping[str, Input], parameters: MisbehaveParameters, context: TaskContext) -> Rows:
    yield made(0, 1)
    raise ParameterError("ROWS", "there are too many.", hint="Send fewer.")


def partial(_inputs: Mapping[str, Input], parameters: MisbehaveParameters, context: TaskContext) -> Rows:
    yield from numbers(0, parameters.rows // 2)
    time.sleep(parameters.seconds)
    raise UsageError("Half of it is enough.")


def slow_rows(_inputs: Mapping[str, Input], parameters: MisbehaveParameters, context: TaskContext) -> Rows:
    for number, batch in enumerate(numbers(0, parameters.rows)):
        yield batch
        context.progress(fraction=number * BATCH / max(1, parameters.rows), stage="making rows")
        context.count(found=batch.num_rows)
        time.sleep(parameters.seconds * BATCH / max(1, parameters.rows))


def resume(_inputs: Mapping[str, Input], parameters: MisbehaveParameters, context: TaskContext) -> Rows:
    """Make rows slowly, of which a checkpoint remembers how many there are; one that does not fit is dropped."""
    state = context.checkpoint.load()
    if parameters.target == "drop" and state is not None:
        yield made(0, 1)
        context.checkpoint.drop()
    done = 0 if state is None else int(state)
    context.info("resumed_at", str(done))
    while done < parameters.rows:
        last = min(parameters.rows, done + STATE)
        yield from numbers(done, last)
        context.count(requested=last - done, found=last - done)
        time.sleep(parameters.seconds * (last - done) / parameters.rows)
        done = last
        context.checkpoint.save(str(done).encode())
        context.progress(fraction=done / parameters.rows)


def chunked(name: str) -> Deed:
    def deed(_inputs: Mapping[str, Input], parameters: MisbehaveParameters, context: TaskContext) -> Rows:
        count = max(1, parameters.rows // BATCH)
        futures = [
            context.executor.submit(getattr(chunks, name), number, parameters.seconds / count)
            for number in range(count)
        ]
        for number, future in enumerate(futures):
            place, node, process = future.result()
            assert place == number
            yield made(place, place + 1, [json.dumps({"node": node, "process": process})])
            context.progress(fraction=(number + 1) / count)

    return deed
