"""A running task as its parent sees it: a process that is fed with rows, tells what it makes, and can be ended."""

from __future__ import annotations

import json
import os
import pickle
import select
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa

from uws.executor import StoppedError
from uws.tasks import events
from uws.tasks.cluster import ClusterCalls, connect
from uws.tasks.endings import TERMINAL, bug, of_exit, of_limit, of_refusal, of_words
from uws.tasks.events import Event, Finished
from uws.tasks.feeding import Feeding
from uws.tasks.frames import FrameError, FrameReader, FrameWriter, Normal, TruncatedError, make_pipe
from uws.tasks.nursery import Born, Nursery
from uws.tasks.order import Order
from uws.tasks.run_folder import RunFolder
from vo.core.errors import UnavailableError
from vo.core.tables import TableStream

__all__ = ["Order", "TaskProcess"]

LEAVE_SECONDS = 10.0
"""What a task has to end its processes in when it is done."""
GONE_SECONDS = 30.0
"""What processes that are killed have to be gone in; they may have to give back much memory."""
PROCESSES, PROCESSES_PER_CORE = 64, 4
"""Most processes of one run: these, and as many for each core."""

_RUBBISH: dict[str, Any] = {"kind": "rubbish"}


class TaskProcess:
    """One run of a task.

    Parameters
    ----------
    nursery : Nursery
        Where it is born.
    order : Order
        What it is told.
    inputs : mapping of str to TableStream
        Its inputs, each read by a thread while the task asks for more.
    scratch : pathlib.Path
        An existing folder for temporary folders.
    label : str
        The job's id, for logs.
    release : callable, optional
        Makes the reading of inputs end soon, with an error; called when the task has ended before it read all.
    """

    def __init__(
        self,
        nursery: Nursery,
        order: Order,
        inputs: Mapping[str, TableStream],
        scratch: Path,
        label: str,
        *,
        release: Callable[[], None] | None = None,
    ) -> None:
        self._nursery = nursery
        self._order = order
        self._inputs = inputs
        self._label = label
        self._processes = PROCESSES + PROCESSES_PER_CORE * order.cores
        self._folder = RunFolder(scratch)
        self._lock = threading.Lock()
        self._born: Born | None = None
        self._cancelled = False
        self._rubbish = ""
        self._feeding = Feeding(label, self._kill, release)
        self._calls: ClusterCalls | None = None
        self._schemas = {name: Normal(columns).schema for name, columns in order.outputs.items()}

    def events(self) -> Iterator[Event]:
        """Start the task, and yield what it tells until it has ended; whoever is slow here slows it.

        Raises
        ------
        StoppedError
            If it was cancelled.
        LimitError
            If it used too much memory or disk.
        UnavailableError
            If it was lost for reasons that are not its own.
        ServiceError
            What it raised, or how its process ended.
        Exception
            What reading an input raised.
        """
        descriptors: dict[str, int] = {}
        try:
            self._check()
            if self._order.cluster:
                connect(self._order.cluster)
            try:
                descriptors = self._start()
            except UnavailableError:
                self._check()
                raise
            last = yield from self._read(descriptors)
            self._feeding.stop()
            if last != _RUBBISH:
                self._wait_for_end(LEAVE_SECONDS)
            self._end()
            self._judge(last, _all_of(descriptors["status"]))
        finally:
            self._feeding.stop()
            self._end()
            for descriptor in descriptors.values():
                os.close(descriptor)
            self._feeding.join()

    def cancel(self) -> None:
        """Kill the task with all its processes; from any thread, also repeatedly."""
        self._cancelled = True
        self._kill()

    def close(self) -> None:
        """End all, and remove the files of the run."""
        self.cancel()
        self._end()
        self._feeding.join()
        self._folder.remove()

    # Its life

    def _check(self) -> None:
        if self._cancelled:
            raise StoppedError("The job was stopped.")

    def _start(self) -> dict[str, int]:
        """Start the process and the threads that feed it; return our ends of its pipes."""
        ours: dict[str, int] = {}
        theirs: list[int] = []
        try:
            ours["status"], end = make_pipe()
            theirs.append(end)
            theirs.append(self._folder.open_printed())
            ours["told"], end = make_pipe()
            theirs.append(end)
            end, ours["orders"] = make_pipe()
            theirs.append(end)
            feeds = {}
            for name in self._order.inputs:
                end, feeds[name] = make_pipe()
                ours[f"input {name}"] = feeds[name]
                theirs.append(end)
            born = self._nursery.birth(self._request(), theirs, lambda: self._cancelled)
        except BaseException:
            for descriptor in ours.values():
                os.close(descriptor)
            raise
        finally:
            for descriptor in theirs:
                os.close(descriptor)
        with self._lock:
            self._born = born
            if self._cancelled:
                born.kill()
        for name, descriptor in feeds.items():
            del ours[f"input {name}"]
            self._feeding.feed(self._inputs[name], self._order.inputs[name], descriptor)
        orders = FrameWriter(ours["orders"])
        with suppress(BrokenPipeError):  # then it has ended, which is seen in a moment
            orders.write({"kind": "order"}, pickle.dumps(self._order))
        if self._order.cluster:
            self._calls = self._feeding.serve(orders)
        return ours

    def _kill(self) -> None:
        with self._lock:
            if self._born is not None:
                self._born.kill()

    def _living(self) -> Born:
        born = self._born
        if born is None:
            raise StoppedError("The job was stopped.")
        return born

    def _request(self) -> dict[str, Any]:
        return {
            "folder": str(self._folder.path),
            "network": self._order.network,
            "memory": self._order.memory,
            "disk": self._order.disk,
            "processes": self._processes,
            "label": self._label,
        }

    def _end(self) -> None:
        """Kill what lives, and wait until it does not."""
        with self._lock:
            born = self._born
        if born is None:
            return
        end = time.monotonic() + GONE_SECONDS
        while True:
            with self._lock:
                if self._born is None:
                    return
                born.kill()
            if self._wait_for_end(0.2) or time.monotonic() > end:
                break
        with self._lock:
            if self._born is not None:
                os.close(self._born.process)
                self._born = None

    def _wait_for_end(self, seconds: float) -> bool:
        """Wait for the end of all processes of the run."""
        with self._lock:
            if self._born is None:
                return True
            process = os.dup(self._born.process)
        try:
            poll = select.poll()
            poll.register(process, select.POLLIN)
            return bool(poll.poll(seconds * 1000))
        finally:
            os.close(process)

    def _judge(self, last: Mapping[str, Any] | None, told: bytes) -> None:
        """Raise what a run ended with, if it did not end well."""
        status = _last_line(told)
        self._check()
        if last is not None and last["kind"] == "done":
            return
        if self._feeding.error is not None:
            raise self._feeding.error
        if "limit" in status:
            raise of_limit(str(status["limit"]), self._order, self._processes)
        if "refused" in status:
            raise of_refusal(str(status["refused"]), self._order, self._label)
        if last == _RUBBISH:
            raise bug(self._order, self._label, "", f"It sent {self._rubbish}.")
        if last is not None:
            raise of_words(last, self._order, self._label, self._processes)
        raise of_exit(status.get("exit"), self._order, self._label, self._folder.printed())

    # What it tells

    def _read(self, descriptors: Mapping[str, int]) -> Generator[Event, None, dict[str, Any] | None]:
        """Yield events; return the last frame, None if the process ended without one."""
        poll = select.poll()
        process = os.dup(self._living().process)

        def wait() -> bool:
            ready = [descriptor for descriptor, _ in poll.poll()]
            return descriptors["told"] in ready

        try:
            poll.register(descriptors["told"], select.POLLIN)
            poll.register(process, select.POLLIN)
            reader = FrameReader(descriptors["told"], wait)
            while (frame := reader.read()) is not None:
                header, payload = frame
                if not isinstance(header.get("kind"), str):
                    raise FrameError("a frame of no kind")
                if header["kind"] in TERMINAL:
                    return header
                event = self._event(header, payload)
                del frame, payload
                if event is not None:
                    yield event
        except TruncatedError:  # it was killed in the middle of a frame
            return None
        except FrameError as error:
            self._rubbish = str(error)
            return _RUBBISH
        finally:
            os.close(process)
        return None

    def _event(self, header: Mapping[str, Any], payload: pa.Buffer) -> Event | None:
        match header["kind"]:
            case "made":
                return events.made(header, payload, self._schemas)
            case "progress":
                return events.progressed(header)
            case "count":
                return events.counted(header)
            case "info":
                return events.noted(header)
            case "saved":
                return events.saved(payload)
            case "dropped" if self._order.checkpoint is not None:
                return events.Dropped()
            case "finished":
                return self._take(header.get("output"))
            case "call" if self._calls is not None and isinstance(header.get("number"), int):
                self._calls.submit(header["number"], payload.to_pybytes())
                return None
        raise FrameError(f"a frame of the kind {header['kind'][:40]!r}")

    def _take(self, name: Any) -> Finished:
        if name not in self._order.files:
            raise FrameError("a file that is no output")
        return Finished(name, self._folder.take(name))


def _all_of(descriptor: int) -> bytes:
    """Return what the pipe of a process that has ended still holds."""
    os.set_blocking(descriptor, False)
    with suppress(BlockingIOError):
        return os.read(descriptor, 65536)
    return b""


def _last_line(told: bytes) -> dict[str, Any]:
    """Return the last of the keeper's lines."""
    lines = told.splitlines()
    return dict(json.loads(lines[-1])) if lines else {}
