"""The threads that feed a task: each writes one of its inputs, or the outcomes of its calls, to a pipe."""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import structlog

from uws.tasks.cluster import ClusterCalls
from uws.tasks.frames import FrameWriter, Normal
from vo.core.tables import Column, TableStream

LEAVE_SECONDS = 10.0
"""What threads have to end in when nobody reads their pipes any more."""

log = structlog.get_logger()


class Feeding:
    """The threads of one run.

    Parameters
    ----------
    label : str
        The job's id, for logs.
    failed : callable
        Ends the run; called when an input cannot be read.
    release : callable, optional
        Makes the reading of inputs end soon, with an error.

    Attributes
    ----------
    error : BaseException, optional
        What reading an input raised while the run lasted.
    """

    def __init__(self, label: str, failed: Callable[[], None], release: Callable[[], None] | None) -> None:
        self.error: BaseException | None = None
        self._label = label
        self._failed = failed
        self._release = release
        self._over = False
        self._threads: list[threading.Thread] = []
        self._calls: ClusterCalls | None = None
        self._outcomes: queue.SimpleQueue[tuple[dict[str, Any], bytes] | None] = queue.SimpleQueue()

    def feed(self, stream: TableStream, columns: tuple[Column, ...], descriptor: int) -> None:
        """Write an input to a pipe, which is closed then, until all is written or the task has read enough."""
        self._thread(self._feed, stream, columns, descriptor)

    def serve(self, orders: FrameWriter) -> ClusterCalls:
        """Return what takes calls; a thread of our own writes their outcomes, Ray's must not wait for a pipe."""
        self._calls = ClusterCalls(self._tell)
        self._thread(self._write_outcomes, orders)
        return self._calls

    def stop(self) -> None:
        """Hear that the task has ended: what goes wrong from now on is nobody's business."""
        self._over = True

    def join(self) -> None:
        """Wait for the threads of a task that has ended."""
        if self._calls is not None:
            self._calls.close()
            self._outcomes.put(None)
            self._calls = None
        if self._release is not None and any(thread.is_alive() for thread in self._threads):
            self._release()
        end = time.monotonic() + LEAVE_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))
            if thread.is_alive():
                log.warning("task.input_hangs", label=self._label)
        self._threads.clear()

    def _feed(self, stream: TableStream, columns: tuple[Column, ...], descriptor: int) -> None:
        try:
            writer, normal = FrameWriter(descriptor), Normal(columns)
            for batch in stream.batches:
                for piece in normal.batches(batch):
                    writer.write({"kind": "batch"}, piece.serialize())
                if self._over:
                    return
            writer.write({"kind": "end"})
        except BrokenPipeError:
            pass
        except BaseException as error:
            if not self._over:
                self.error = self.error or error
                self._failed()
        finally:
            os.close(descriptor)

    def _tell(self, number: int, outcome: bytes | None, lost: str | None) -> None:
        self._outcomes.put(({"number": number} if lost is None else {"number": number, "lost": lost}, outcome or b""))

    def _write_outcomes(self, orders: FrameWriter) -> None:
        with suppress(BrokenPipeError):
            while (item := self._outcomes.get()) is not None:
                orders.write(*item)

    def _thread(self, target: Callable[..., None], *arguments: Any) -> None:
        thread = threading.Thread(target=target, args=arguments, name=f"task {self._label}", daemon=True)
        self._threads.append(thread)
        thread.start()
