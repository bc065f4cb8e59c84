"""Waiting for a job's next phase: one listening connection a process, whatever the number of clients that wait."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from uws.models import Phase
from uws.store import JobStore
from vo.core.listening import Listener

MAX_WATCHES = 20_000
"""Clients that wait in one process; more are answered at once, as UWS 1.1 allows."""


class Waiting:
    """Lets coroutines wait until a job changes its phase.

    Parameters
    ----------
    store : JobStore
        Asked for phases after the listening connection was lost.
    conninfo : str
        For the connection that listens.
    """

    def __init__(self, store: JobStore, conninfo: str) -> None:
        self._store = store
        self._watched: dict[str, set[Watch]] = defaultdict(set)
        self._watches = 0
        self._ending = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._listener = Listener(conninfo, ["vo_job_phase"], heard=self._hear, missed=self._look, name="jobs")

    def start(self) -> None:
        """Begin to listen; called within the event loop."""
        self._loop = asyncio.get_running_loop()
        self._listener.start()

    def stop(self) -> None:
        """End listening."""
        self._listener.stop()

    def answer_all(self) -> None:
        """Answer whoever waits or comes later: the process is to end. From any thread or signal handler."""
        self._ending = True
        for job_id in list(self._watched):
            self._soon(job_id)

    @property
    def full(self) -> bool:
        """Whether nobody can wait any longer: too many do already, or the process is to end."""
        return self._ending or self._watches >= MAX_WATCHES

    @contextmanager
    def watch(self, job_id: str) -> Iterator[Watch]:
        """Watch a job from now on; read it within the ``with`` block, so that no change falls in between."""
        watch = Watch()
        self._watched[job_id].add(watch)
        self._watches += 1
        try:
            yield watch
        finally:
            self._watches -= 1
            self._watched[job_id].discard(watch)
            if not self._watched[job_id]:
                del self._watched[job_id]

    def _hear(self, _channel: str, payload: str) -> None:
        self._soon(payload.partition(" ")[0])

    def _look(self) -> None:
        """Compare the phases that are watched with the store, for notifications that were missed."""
        known = {job_id: {watch.phase for watch in list(watches)} for job_id, watches in list(self._watched.items())}
        if not known:
            return
        now = self._store.phases(list(known))
        for job_id, phases in known.items():
            if phases - {None, now.get(job_id)}:  # None: it will be read only now
                self._soon(job_id)

    def _soon(self, job_id: str) -> None:
        if self._loop is not None and job_id in self._watched and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake, job_id)

    def _wake(self, job_id: str) -> None:
        for watch in self._watched.get(job_id, ()):
            watch.changed.set()


class Watch:
    """One client that waits for one job."""

    def __init__(self) -> None:
        self.changed = asyncio.Event()
        self.phase: Phase | None = None

    async def wait(self, phase: Phase, seconds: float) -> None:
        """Return when the job may have changed since the watch began or was used last, or the time is over.

        Whoever waits reads the job again to know: what is heard may be older than `phase`, which was read.
        """
        self.phase = phase
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.changed.wait()
        self.changed.clear()
