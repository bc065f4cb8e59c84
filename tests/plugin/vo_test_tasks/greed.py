"""Deeds that take too much: time, memory, disk, processes."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping

import numpy as np

from uws.tasks import (
    Input,
    TaskContext,
    in_order,
)

from .wishes import Deed, MisbehaveParameters, Rows, made, numbers


def sleep(_inputs: Mapping[str, Input], parameters: MisbehaveParameters, context: TaskContext) -> Rows:
    yield from numbers(0, parameters.rows)
    time.sleep(parameters.seconds)


def spin(_inputs: Mapping[str, Input], parameters: MisbehaveParameters, context: TaskContext) -> Rows:
    yield made(0, 1)
    pow(7, 10**12, 10 ** (10**6))  # in C, without a look at signals


def deaf(_inputs: Mapping[str, Input], parameters: MisbehaveParameters, context: TaskContext) -> Rows:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    yield made(0, 1)
    time.sleep(parameters.seconds)


def memory(_inputs: Mapping[str, Input], parameters: MisbehaveParameters, context: TaskContext) -> Rows:
    held = []
    while True:
        held.append(np.ones(2**21))
        time.sleep(0.005)
        if not held:
            yield made(0, 1)


def shared_memory(_inputs: Mapping[str, Input], parameters: MisbehaveParameters, context: TaskContext) -> Rows:
    with open("/dev/shm/held", "wb") as file:
        while True:
            file.write(bytes(2**20))
            time.sleep(0.001)
            if file.closed:
                yield made(0, 1)


def hold(size: int) -> int:
    held = np.ones(size // 8)
    time.sleep(60)
    return len(held)


def memory_of_chunks(_inputs: Mapping[str, Input], parameters: MisbehaveParameters, context: TaskContext) -> Rows:
    for _ in in_order(context.executor, hold, iter([context.memory * 2 // 3] * 2), ahead=2):
        yield made(0, 1)


def memory_error(_inputs: Mapping[str, Input], parameters: MisbehaveParameters, context: TaskContext) -> Rows:
    yield made(0, 1)
    np.ones(2**50)


def disk(_inputs: Mapping[str, Input], parameters: MisbehaveParameters, context: TaskContext) -> Rows:
    for number in range(10_000):
        (context.scratch / f"file-{number}").write_bytes(bytes(2**20))
        time.sleep(0.002)
        if number < 0:
            yield made(0, 1)
    time.sleep(parameters.seconds)


def nameless(make: Callable[[], int]) -> Deed:
    def deed(_inputs: Mapping[str, Input], parameters: MisbehaveParameters, context: TaskContext) -> Rows:
        held = [make() for _ in range(40)]
        for descriptor in held:
            for _ in range(10):
                os.write(descriptor, bytes(2**20))
        time.sleep(parameters.seconds)
        yield made(0, len(held))

    return deed


def without_name() -> int:
    descriptor, path = tempfile.mkstemp()
    os.unlink(path)
    return descriptor


def deep(_inputs: Mapping[str, Input], parameters: MisbehaveParameters, context: TaskContext) -> Rows:
    for _ in range(3000):
        os.mkdir("folder")
        os.chdir("folder")
    time.sleep(parameters.seconds)
    yield made(0, 1)


def processes(_inputs: Mapping[str, Input], parameters: MisbehaveParameters, context: TaskContext) -> Rows:
    for _ in range(1000):
        if os.fork() == 0:
            time.sleep(60)
            os._exit(0)
    yield made(0, 1)


def fork_bomb_small(_inputs: Mapping[str, Input], parameters: MisbehaveParameters, context: TaskContext) -> Rows:
    for _ in range(4):
        if os.fork() == 0:
            os.setsid()
            if os.fork():
                os._exit(0)  # the grandchild loses its parent
            while True:
                pass
    yield made(0, 1)
    time.sleep(parameters.seconds)


def escape(_inputs: Mapping[str, Input], parameters: MisbehaveParameters, context: TaskContext) -> Rows:
    for _ in range(3):
        subprocess.Popen(["sleep", "987"], start_new_session=True)
    yield made(0, 1)
    time.sleep(parameters.seconds)
