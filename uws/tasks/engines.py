"""Where the chunks of a task run, as the task's process sees it: processes beside it, or a cluster.

A cluster is reached through the parent, because the task has no network: calls go there as opaque bytes, which only the
cluster's processes unpickle, and outcomes come back likewise (`uws.tasks.cluster`).
"""

from __future__ import annotations

import itertools
import os
import pickle
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from concurrent.futures.process import BrokenProcessPool
from typing import Any, ParamSpec, TypeVar

import cloudpickle

from uws.tasks.frames import FrameReader, FrameWriter

P = ParamSpec("P")
T = TypeVar("T")


def local_executor(cores: int) -> Executor:
    """Return an executor of loky's with processes beside this one, which live as it does."""
    from loky import ProcessPoolExecutor  # noqa: PLC0415  # most tasks need none

    return _LocalExecutor(ProcessPoolExecutor(max_workers=cores, env=dict(os.environ)))


class _LocalExecutor(Executor):
    """Loky's executor, ended at once: nobody waits for chunks whose task has ended."""

    def __init__(self, executor: Any) -> None:
        self._executor = executor

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run a call in one of the processes."""
        future: Future[T] = self._executor.submit(fn, *args, **kwargs)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002
        """End the processes."""
        self._executor.shutdown(wait=wait, kill_workers=True)


class ClusterExecutor(Executor):
    """Sends calls to the parent, which has them run by a cluster.

    Parameters
    ----------
    told : FrameWriter
        To the parent.
    outcomes : FrameReader
        From the parent.
    """

    def __init__(self, told: FrameWriter, outcomes: FrameReader) -> None:
        self._told = told
        self._outcomes = outcomes
        self._numbers = itertools.count()
        self._waiting: dict[int, Future[Any]] = {}
        self._lock = threading.Lock()
        self._closed = False
        threading.Thread(target=self._read, name="outcomes", daemon=True).start()

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run a call in a process of the cluster."""
        if self._closed:
            raise RuntimeError("cannot schedule new futures after shutdown")
        call = cloudpickle.dumps((fn, args, kwargs))
        future: Future[T] = Future()
        number = next(self._numbers)
        with self._lock:
            self._waiting[number] = future
        future.set_running_or_notify_cancel()
        self._told.write({"kind": "call", "number": number}, call)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002
        """Take no more calls; those that run are ended by the parent when the task ends."""
        self._closed = True

    def _read(self) -> None:
        while (frame := self._outcomes.read()) is not None:
            header, payload = frame
            with self._lock:
                future = self._waiting.pop(header["number"])
            if "lost" in header:
                future.set_exception(BrokenProcessPool(header["lost"]))
                continue
            try:
                worked, value = pickle.loads(payload)  # noqa: S301  # here it harms nobody but the task
            except Exception as error:
                worked, value = False, error
            if worked:
                future.set_result(value)
            else:
                future.set_exception(value)


def call_opaque(call: bytes) -> bytes:
    """Do a call that was pickled, and return its pickled outcome: whether it worked, and the value or the error."""
    try:
        function, arguments, keywords = pickle.loads(call)  # noqa: S301  # this is the process that trusts it
        outcome = (True, function(*arguments, **keywords))
    except Exception as error:
        outcome = (False, error)
    try:
        pickled: bytes = cloudpickle.dumps(outcome)
    except Exception as error:
        pickled = cloudpickle.dumps((False, RuntimeError(f"the outcome cannot be pickled: {error}")))
    return pickled
