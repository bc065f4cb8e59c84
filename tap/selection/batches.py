"""What is being read: by one thread, while another one may end it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator

import pyarrow as pa

from tap.selection.errors import cancelled
from vo.core.streaming import CANCEL_EVERY


class Batches(Iterator[pa.RecordBatch]):
    """Batches of one input.

    Parameters
    ----------
    batches : generator of pyarrow.RecordBatch
        What gives them; it frees what it holds when it is closed.
    cancel : callable
        Makes a step of it that is under way end soon.
    """

    def __init__(self, batches: Generator[pa.RecordBatch, None, None], cancel: Callable[[], None]) -> None:
        self._batches = batches
        self._cancel = cancel
        self._closed = False
        self._lock = threading.Lock()

    def __next__(self) -> pa.RecordBatch:
        with self._lock:
            if self._closed:
                raise cancelled()
            return next(self._batches)

    def close(self) -> None:
        """End the reading, in the middle of a step of another thread too."""
        while not self._lock.acquire(timeout=CANCEL_EVERY):
            self._cancel()
        try:
            self._closed = True
            self._batches.close()
        finally:
            self._lock.release()
