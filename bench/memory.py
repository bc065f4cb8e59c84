"""By how much the service's processes grow."""

from __future__ import annotations

import threading

from bench.server import Bench


class Growth:
    """Watches for the time of a ``with`` block how many bytes the service's processes take.

    Parameters
    ----------
    bench : Bench
        The service.
    before : int, optional
        What they took before; by default, what they take now.

    Attributes
    ----------
    bytes : int
        By how much they grew at most.
    """

    def __init__(self, bench: Bench, before: int | None = None) -> None:
        self.bytes = 0
        self._bench = bench
        self._before = bench.memory() if before is None else before
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(0.02):
            self.bytes = max(self.bytes, self._bench.memory() - self._before)
