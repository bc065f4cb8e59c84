"""A Ray cluster on which chunks of tasks run, as the worker sees it: it passes on bytes and never looks into them.

Ray is an optional part of the installation. Chunks on a cluster have its network and its files; which code is installed
there is the business of who runs it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from uws.tasks.engines import call_opaque
from vo.core.errors import ConfigurationError, UnavailableError

RETRIES = 5
"""How often a chunk is begun again when its node is lost."""
PENDING = 10_000
"""Most chunks of one run that wait."""

_lock = threading.Lock()
_ray: Any = None
_remote: Any = None

Tell = Callable[[int, bytes | None, str | None], None]


def connect(address: str) -> None:
    """Reach the cluster, once in a process.

    Raises
    ------
    ConfigurationError
        If Ray is not installed.
    UnavailableError
        If the cluster does not answer.
    """
    global _ray, _remote  # noqa: PLW0603  # Ray itself has one connection a process
    with _lock:
        try:
            import ray  # noqa: PLC0415  # optional, and slow to import
        except ImportError:
            raise ConfigurationError(
                "VO_CLUSTER names a Ray cluster, but Ray is not installed.",
                hint="Install the extra: pip install 'vo-stack[cluster]'.",
            ) from None
        if not ray.is_initialized():
            try:
                ray.init(address=address, log_to_driver=False, configure_logging=False, namespace="vo-tasks")
            except Exception as error:  # whatever Ray meets on its way there
                raise UnavailableError(f"The cluster for computations cannot be reached: {_line(error)}") from None
        _remote = ray.remote(num_cpus=1, max_retries=RETRIES)(call_opaque)
        _ray = ray


def disconnect() -> None:
    """Leave the cluster, if it was reached."""
    with _lock:
        if _ray is not None and _ray.is_initialized():
            _ray.shutdown()


class ClusterCalls:
    """The calls of one run.

    Parameters
    ----------
    tell : callable
        Is given the number of a call with its outcome, or with the reason why there is none; called in Ray's threads.
    """

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._lock = threading.Lock()
        self._running: dict[int, Any] = {}

    def submit(self, number: int, call: bytes) -> None:
        """Have a call run."""
        with self._lock:
            if len(self._running) >= PENDING:
                self._tell(number, None, f"more than {PENDING:,} chunks wait")
                return
            reference = self._running[number] = _remote.remote(call)
        reference.future().add_done_callback(lambda future: self._done(number, future))

    def close(self) -> None:
        """Cancel what still runs."""
        with self._lock:
            left, self._running = list(self._running.values()), {}
        for reference in left:
            with suppress(Exception):  # the cluster may be gone by now
                _ray.cancel(reference, force=True)

    def _done(self, number: int, future: Any) -> None:
        with self._lock:
            if self._running.pop(number, None) is None:
                return
        error = future.exception()
        if error is None:
            self._tell(number, future.result(), None)
        else:
            self._tell(number, None, _line(error))


def _line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:500]
