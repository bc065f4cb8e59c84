"""A task that does what tasks should not, for tests of what becomes of it."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import ClassVar

import numpy as np
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
    in_order,
    parameter,
)
from vo.core.errors import ParameterError, UsageError
from vo.core.tables import Column, Datatype, schema_of
from vo_test_tasks import chunks  # type: ignore[import-not-found,unused-ignore]

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
        return _DEEDS.get(parameters.mode, _rows)(inputs, parameters, context)


class Resumable(Misbehave):
    """The same, but it goes on from its checkpoint."""

    name: ClassVar[str] = "resumable"
    title: ClassVar[str] = "Rows that go on"
    recovery: ClassVar[Recovery] = Recovery.RESUME


class Reader(Misbehave):
    """The same with an input; only tests of processes use it."""

    name: ClassVar[str] = "reader"
    inputs: ClassVar[tuple[TaskInput, ...]] = (TaskInput("", "table"),)


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


def _numbers(first: int, last: int) -> Iterator[pa.RecordBatch]:
    for start in range(first, last, BATCH):
        yield made(start, min(last, start + BATCH))


def _rows(_inputs: Mapping[str, Input], parameters: MisbehaveParameters, context: TaskContext) -> Rows:
    yield from _numbers(0, parameters.rows)
    context.count(requested=parameters.rows, found=parameters.rows)


def _sleep(_inputs: Mapping[str, Input], parameters: MisbehaveParameters, context: TaskContext) -> Rows:
    yield from _numbers(0, parameters.rows)
    time.sleep(parameters.seconds)


def _spin(_inputs: Mapping[str, Input], parameters: MisbehaveParameters, context: TaskContext) -> Rows:
    yield made(0, 1)
    pow(7, 10**12, 10 ** (10**6))  # in C, without a look at signals


def _deaf(_inputs: Mapping[str, Input], parameters: MisbehaveParameters, context: TaskContext) -> Rows:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    yield made(0, 1)
    time.sleep(parameters.seconds)


def _memory(_inputs: Mapping[str, Input], parameters: MisbehaveParameters, context: TaskContext) -> Rows:
    held = []
    while True:
        held.append(np.ones(2**21))
        time.sleep(0.005)
        if not held:
            yield made(0, 1)


def _shared_memory(_inputs: Mapping[str, Input], parameters: MisbehaveParameters, context: TaskContext) -> Rows:
    with open("/dev/shm/held", "wb") as file:
        while True:
            file.write(bytes(2**20))
            time.sleep(0.001)
            if file.closed:
                yield made(0, 1)


def _hold(size: int) -> int:
    held = np.ones(size // 8)
    time.sleep(60)
    return len(held)


def _memory_of_chunks(_inputs: Mapping[str, Input], parameters: MisbehaveParameters, context: TaskContext) -> Rows:
    for _ in in_order(context.executor, _hold, iter([context.memory * 2 // 3] * 2), ahead=2):
        yield made(0, 1)


def _memory_error(_inputs: Mapping[str, Input], parameters: MisbehaveParameters, context: TaskContext) -> Rows:
    yield made(0, 1)
    np.ones(2**50)


def _disk(_inputs: Mapping[str, Input], parameters: MisbehaveParameters, context: TaskContext) -> Rows:
    for number in range(10_000):
        (context.scratch / f"file-{number}").write_bytes(bytes(2**20))
        time.sleep(0.002)
        if number < 0:
            yield made(0, 1)
    time.sleep(parameters.seconds)


def _nameless(make: Callable[[], int]) -> Deed:
    def deed(_inputs: Mapping[str, Input], parameters: MisbehaveParameters, context: TaskContext) -> Rows:
        held = [make() for _ in range(40)]
        for descriptor in held:
            for _ in range(10):
                os.write(descriptor, bytes(2**20))
        time.sleep(parameters.seconds)
        yield made(0, len(held))

    return deed


def _without_name() -> int:
    descriptor, path = tempfile.mkstemp()
    os.unlink(path)
    return descriptor


def _deep(_inputs: Mapping[str, Input], parameters: MisbehaveParameters, context: TaskContext) -> Rows:
    for _ in range(3000):
        os.mkdir("folder")
        os.chdir("folder")
    time.sleep(parameters.seconds)
    yield made(0, 1)


def _crash(_inputs: Mapping[str, Input], parameters: MisbehaveParameters, context: TaskContext) -> Rows:
    yield made(0, 1)
    os.kill(os.getpid(), getattr(signal, parameters.target or "SIGSEGV"))
    time.sleep(60)


def _exit(_inputs: Mapping[str, Input], parameters: MisbehaveParameters, context: TaskContext) -> Rows:
    yield made(0, 1)
    print("a last word", flush=True)
    os._exit(3)


def _raise(_inputs: Mapping[str, Input], parameters: MisbehaveParameters, context: TaskContext) -> Rows:
    yield from _numbers(0, parameters.rows)
    raise ValueError("a secret of the implementation")


def _service_error(_inputs: Mapping[str, Input], parameters: MisbehaveParameters, context: TaskContext) -> Rows:
    yield from _numbers(0, parameters.rows)
    raise UsageError("It cannot be done.", hint="Do something else.")


def _parameter_error(_inputs: Mapping[str, Input], parameters: MisbehaveParameters, context: TaskContext) -> Rows:
    yield made(0, 1)
    raise ParameterError("ROWS", "there are too many.", hint="Send fewer.")


def _network(_inputs: Mapping[str, Input], parameters: MisbehaveParameters, context: TaskContext) -> Rows:
    with socket.create_connection(("127.0.0.1", int(parameters.target)), timeout=5):
        yield told(reached=True)


def _database(_inputs: Mapping[str, Input], parameters: MisbehaveParameters, context: TaskContext) -> Rows:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(parameters.target)
        yield told(reached=True)


def _read_files(_inputs: Mapping[str, Input], parameters: MisbehaveParameters, context: TaskContext) -> Rows:
    yield told(size=len(Path(parameters.target).read_bytes()))


def _write_files(_inputs: Mapping[str, Input], parameters: MisbehaveParameters, context: TaskContext) -> Rows:
    (context.scratch / "mine").write_text("of the task")
    Path(parameters.target).write_text("of the task")
    yield told(written=True)


def _environment(_inputs: Mapping[str, Input], parameters: MisbehaveParameters, context: TaskContext) -> Rows:
    status = dict(line.split(":\t", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":\t" in line)
    yield told(
        environment=dict(os.environ),
        user=os.getuid(),
        groups=os.getgroups(),
        capabilities=status["CapEff"],
        new_privileges=status["NoNewPrivs"],
        niceness=os.nice(0),
        descriptors=sorted(os.readlink(path) for path in Path("/proc/self/fd").iterdir() if path.is_symlink()),
        main=getattr(sys.modules["__main__"], "__file__", None),
        threads=threading.active_count(),
        folder=os.getcwd(),
        processes=sorted(name for name in os.listdir("/proc") if name.isdigit()),
    )


def _processes(_inputs: Mapping[str, Input], parameters: MisbehaveParameters, context: TaskContext) -> Rows:
    for _ in range(1000):
        if os.fork() == 0:
            time.sleep(60)
            os._exit(0)
    yield made(0, 1)


def _fork_bomb_small(_inputs: Mapping[str, Input], parameters: MisbehaveParameters, context: TaskContext) -> Rows:
    for _ in range(4):
        if os.fork() == 0:
            os.setsid()
            if os.fork():
                os._exit(0)  # the grandchild loses its parent
            while True:
                pass
    yield made(0, 1)
    time.sleep(parameters.seconds)


def _escape(_inputs: Mapping[str, Input], parameters: MisbehaveParameters, context: TaskContext) -> Rows:
    for _ in range(3):
        subprocess.Popen(["sleep", "987"], start_new_session=True)
    yield made(0, 1)
    time.sleep(parameters.seconds)


def _slow_rows(_inputs: Mapping[str, Input], parameters: MisbehaveParameters, context: TaskContext) -> Rows:
    for number, batch in enumerate(_numbers(0, parameters.rows)):
        yield batch
        context.progress(fraction=number * BATCH / max(1, parameters.rows), stage="making rows")
        context.count(found=batch.num_rows)
        time.sleep(parameters.seconds * BATCH / max(1, parameters.rows))


def _resume(_inputs: Mapping[str, Input], parameters: MisbehaveParameters, context: TaskContext) -> Rows:
    """Make rows slowly, of which a checkpoint remembers how many there are."""
    state = context.checkpoint.load()
    done = 0 if state is None else int(state)
    context.info("resumed_at", str(done))
    while done < parameters.rows:
        last = min(parameters.rows, done + STATE)
        yield from _numbers(done, last)
        time.sleep(parameters.seconds * (last - done) / parameters.rows)
        done = last
        context.checkpoint.save(str(done).encode())
        context.progress(fraction=done / parameters.rows)


def _bad_batch(_inputs: Mapping[str, Input], parameters: MisbehaveParameters, context: TaskContext) -> Rows:
    yield pa.RecordBatch.from_arrays([pa.array([1]), pa.array(["x"]), pa.array(["y"])], ["number", "value", "text"])


def _few_columns(_inputs: Mapping[str, Input], parameters: MisbehaveParameters, context: TaskContext) -> Rows:
    yield pa.RecordBatch.from_arrays([pa.array([1])], ["number"])


def _no_batch(_inputs: Mapping[str, Input], parameters: MisbehaveParameters, context: TaskContext) -> Rows:
    yield "rows"


def _no_output(_inputs: Mapping[str, Input], parameters: MisbehaveParameters, context: TaskContext) -> Rows:
    yield Output("other", made(0, 1))


def _written(content: bytes) -> None:
    """Write to the pipe on which the parent listens, whichever that is."""
    for descriptor in range(3, 64):
        try:
            if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
                os.write(descriptor, content)
                return
        except OSError:
            continue  # closed, or one to read from


def _rubbish(_inputs: Mapping[str, Input], parameters: MisbehaveParameters, context: TaskContext) -> Rows:
    yield made(0, 1)
    header = b'{"kind": "made", "output": "result"}'
    _written(len(header).to_bytes(4, "big") + (1000).to_bytes(8, "big") + header + os.urandom(1000))
    time.sleep(60)


def _huge_frame(_inputs: Mapping[str, Input], parameters: MisbehaveParameters, context: TaskContext) -> Rows:
    yield made(0, 1)
    _written(b"\xff" * 12)
    time.sleep(60)


def _half_frame(_inputs: Mapping[str, Input], parameters: MisbehaveParameters, context: TaskContext) -> Rows:
    yield made(0, 1)
    _written((20).to_bytes(4, "big") + (1000).to_bytes(8, "big") + b'{"kind"')
    os._exit(0)


def _chunked(name: str) -> Deed:
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


def _partial(_inputs: Mapping[str, Input], parameters: MisbehaveParameters, context: TaskContext) -> Rows:
    yield from _numbers(0, parameters.rows // 2)
    time.sleep(parameters.seconds)
    raise UsageError("Half of it is enough.")


def _progress(_inputs: Mapping[str, Input], parameters: MisbehaveParameters, context: TaskContext) -> Rows:
    for number in range(parameters.rows):
        context.progress(fraction=(number + 1) / parameters.rows, stage=f"step {number + 1}")
        context.count(requested=1, found=number % 2, failed={"odd": 1} if number % 2 == 0 else {})
    time.sleep(parameters.seconds)
    yield made(0, 1)


def _strange_words(_inputs: Mapping[str, Input], parameters: MisbehaveParameters, context: TaskContext) -> Rows:
    """Say what neither the database nor XML can hold."""
    context.progress(stage="a\0stage")
    context.info("half", "a \ud800")
    context.count(failed={"no\0thing": 1})
    yield made(0, 100)
    time.sleep(parameters.seconds)
    raise UsageError("It is\0wrong.")


def _many_words(_inputs: Mapping[str, Input], parameters: MisbehaveParameters, context: TaskContext) -> Rows:
    for number in range(parameters.rows):
        context.count(failed={f"{number} is too small": 1})
    yield made(0, 1)
    for number in range(parameters.rows):
        context.info(f"name {number}", "value")


def _file(_inputs: Mapping[str, Input], parameters: MisbehaveParameters, context: TaskContext) -> Rows:
    context.file("diary").write_text("a day like any other")
    yield made(0, 1)


def _link(_inputs: Mapping[str, Input], parameters: MisbehaveParameters, context: TaskContext) -> Rows:
    context.file("diary").symlink_to(parameters.target or "/etc/passwd")
    yield made(0, 1)


def _big_batches(_inputs: Mapping[str, Input], parameters: MisbehaveParameters, context: TaskContext) -> Rows:
    """Make many bytes without computing."""
    size = 2**20
    batch = made(0, 1)
    numbers = np.arange(size)
    text = pa.repeat(pa.scalar("x" * 16), size)
    batch = pa.RecordBatch.from_arrays([numbers, numbers / 2, text], schema=schema_of(RESULT))
    for _ in range(parameters.rows // size):
        yield batch


def _ignore_input(inputs: Mapping[str, Input], parameters: MisbehaveParameters, context: TaskContext) -> Rows:
    for given in inputs.values():
        next(given.batches)
    yield made(0, 1)


def _echo(inputs: Mapping[str, Input], parameters: MisbehaveParameters, context: TaskContext) -> Rows:
    rows = size = 0
    for given in inputs.values():
        for batch in given.batches:
            rows += batch.num_rows
            size += batch.nbytes
            if parameters.seconds:
                time.sleep(parameters.seconds)
    yield told(rows=rows, size=size)


_DEEDS: dict[Mode, Deed] = {
    Mode.SLEEP: _sleep,
    Mode.SPIN: _spin,
    Mode.DEAF: _deaf,
    Mode.MEMORY: _memory,
    Mode.SHARED_MEMORY: _shared_memory,
    Mode.MEMORY_OF_CHUNKS: _memory_of_chunks,
    Mode.MEMORY_ERROR: _memory_error,
    Mode.NAMELESS_MEMORY: _nameless(lambda: os.memfd_create("held")),
    Mode.DISK: _disk,
    Mode.NAMELESS_DISK: _nameless(_without_name),
    Mode.DEEP: _deep,
    Mode.CRASH: _crash,
    Mode.EXIT: _exit,
    Mode.RAISE: _raise,
    Mode.SERVICE_ERROR: _service_error,
    Mode.PARAMETER_ERROR: _parameter_error,
    Mode.NETWORK: _network,
    Mode.DATABASE: _database,
    Mode.READ_FILES: _read_files,
    Mode.WRITE_FILES: _write_files,
    Mode.ENVIRONMENT: _environment,
    Mode.PROCESSES: _processes,
    Mode.FORK_BOMB_SMALL: _fork_bomb_small,
    Mode.ESCAPE: _escape,
    Mode.SLOW_ROWS: _slow_rows,
    Mode.RESUME: _resume,
    Mode.BAD_BATCH: _bad_batch,
    Mode.FEW_COLUMNS: _few_columns,
    Mode.NO_BATCH: _no_batch,
    Mode.NO_OUTPUT: _no_output,
    Mode.RUBBISH: _rubbish,
    Mode.HUGE_FRAME: _huge_frame,
    Mode.HALF_FRAME: _half_frame,
    Mode.CHUNKS: _chunked("where"),
    Mode.CHUNK_CRASH: _chunked("crash"),
    Mode.CHUNK_FAILS: _chunked("fail"),
    Mode.PARTIAL: _partial,
    Mode.PROGRESS: _progress,
    Mode.STRANGE_WORDS: _strange_words,
    Mode.MANY_WORDS: _many_words,
    Mode.FILE: _file,
    Mode.LINK: _link,
    Mode.BIG_BATCHES: _big_batches,
    Mode.IGNORE_INPUT: _ignore_input,
    Mode.ECHO: _echo,
}
