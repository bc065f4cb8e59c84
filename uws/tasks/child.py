"""The task's process: runs the task, and tells its parent what it makes."""

from __future__ import annotations

import contextlib
import errno
import faulthandler
import importlib
import os
import pickle
import tempfile
import traceback
from collections.abc import Iterator, Mapping
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import pyarrow as pa

from uws.tasks.context import PipedContext, TaskBugError
from uws.tasks.declaration import Task
from uws.tasks.frames import FrameReader, FrameWriter, Normal
from uws.tasks.given import Input, Output
from uws.tasks.order import Order
from uws.tasks.recognition import NOTHING
from vo.core.errors import ParameterError, ServiceError, TableError


def main(scratch: Path, orders: int, told: int, inputs: list[int]) -> None:
    """Run one task.

    Parameters
    ----------
    scratch : pathlib.Path
        Its folder.
    orders, told : int
        Pipes from and to the parent.
    inputs : list of int
        Pipes with its inputs, in the order's order.
    """
    faulthandler.enable()
    os.chdir(scratch)
    os.environ.update({name: str(scratch) for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME")})
    tempfile.tempdir = str(scratch)
    reader, writer = FrameReader(orders), FrameWriter(told)
    frame = reader.read()
    if frame is None:
        return  # the parent has ended
    order: Order = pickle.loads(frame[1])  # noqa: S301  # from the parent
    pa.set_cpu_count(order.cores)
    pa.set_io_thread_count(2)
    with contextlib.suppress(BrokenPipeError):
        try:
            context = PipedContext(order, scratch, writer, reader)
            _run(order, context, writer, inputs)
        except BaseException as error:
            writer.write(_told_of(error))
        else:
            writer.write({"kind": "done"})


def _run(order: Order, context: PipedContext, told: FrameWriter, inputs: list[int]) -> None:
    module, _, name = order.task.partition(":")
    task: Task[Any] = getattr(importlib.import_module(module), name)()
    parameters = task.parameters.model_validate_json(order.parameters)
    given = {
        name: Input(columns, _batches(columns, descriptor), order.recognised.get(name, NOTHING), order.rows.get(name))
        for (name, columns), descriptor in zip(order.inputs.items(), inputs, strict=True)
    }
    normal = {name: Normal(columns) for name, columns in order.outputs.items()}
    running = task.run(given, parameters, context)
    try:
        for made in running:
            output, batch = (made.name, made.batch) if isinstance(made, Output) else (task.outputs[0].name, made)
            context.reporter.flush()  # the run may be ended at these rows, and what was counted belongs to them
            _tell(output, batch, normal, told)
    finally:
        close = getattr(running, "close", None)  # of a generator, which tasks mostly are
        if close is not None:
            close()
        context.close()
        context.reporter.flush()  # whatever follows
    context.end()


def _tell(output: str, batch: Any, normal: Mapping[str, Normal], told: FrameWriter) -> None:
    if output not in normal:
        raise TaskBugError(f"there is no table {output!r} among its outputs")
    if not isinstance(batch, pa.RecordBatch):
        raise TaskBugError(f"it made a {type(batch).__name__} where a record batch is needed")
    try:
        for piece in normal[output].batches(batch):
            told.write({"kind": "made", "output": output}, piece.serialize())
    except TableError as error:
        raise TaskBugError(f"its output {output} does not fit what it declares. {error.message}") from None


def _batches(columns: tuple[Any, ...], descriptor: int) -> Iterator[pa.RecordBatch]:
    """Read an input; closing it early tells the parent that no more is needed."""
    schema, reader = Normal(columns).schema, FrameReader(descriptor)
    try:
        while True:
            frame = reader.read()
            if frame is None:  # the parent ended before the input did
                raise EOFError("the input ends early")
            header, payload = frame
            if header["kind"] == "end":
                return
            yield pa.ipc.read_record_batch(payload, schema)
    finally:
        os.close(descriptor)


def _told_of(error: BaseException) -> dict[str, Any]:
    """Return what the parent is told of an error."""
    if isinstance(error, ServiceError):
        parameter = error.parameter if isinstance(error, ParameterError) else None
        return {
            "kind": "failed",
            "code": error.code,
            "message": error.message,
            "hint": error.hint,
            "parameter": parameter,
        }
    text = "".join(traceback.format_exception(error))[-20_000:]
    if isinstance(error, MemoryError):
        return {"kind": "limit", "limit": "memory"}
    if isinstance(error, OSError) and error.errno in (errno.EFBIG, errno.ENOSPC, errno.EDQUOT):
        limit = "disk" if error.errno == errno.EFBIG else "memory" if _shared_memory_is_full() else "room"
        return {"kind": "limit", "limit": limit}
    if isinstance(error, BrokenProcessPool):
        return {"kind": "lost", "reason": str(error)[:1000], "traceback": text}
    return {"kind": "bug", "bug": str(error) if isinstance(error, TaskBugError) else None, "traceback": text}


def _shared_memory_is_full() -> bool:
    """Return whether /dev/shm, whose content counts as memory, has no room left."""
    try:
        found = os.statvfs("/dev/shm")  # noqa: S108
    except OSError:
        return False
    return found.f_bavail * found.f_frsize < 2**20
