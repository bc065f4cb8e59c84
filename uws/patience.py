"""Calls to a database that may be away for a while."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

import structlog

from vo.core.errors import UnavailableError

Answer = TypeVar("Answer")

PAUSES = (0.1, 2.0)
"""First and longest pause before the database is tried again, in seconds."""

log = structlog.get_logger()


class Patience:
    """Calls again while the database is away; logs once when it goes, and once when it is back.

    Parameters
    ----------
    ended : threading.Event
        Ends every pause.
    """

    def __init__(self, ended: threading.Event) -> None:
        self._ended = ended
        self._away_since: float | None = None
        self._lock = threading.Lock()

    @property
    def away(self) -> bool:
        """Whether the database did not answer the last call."""
        return self._away_since is not None

    def insist(self, call: Callable[[], Answer], give_up: Callable[[], bool]) -> Answer | None:
        """Call until the database answers; None if `give_up` says so first."""
        pause, longest = PAUSES
        while True:
            try:
                answer = call()
            except UnavailableError as error:
                self._note(error)
                if give_up():
                    return None
                self._ended.wait(pause)
                pause = min(pause * 2, longest)
            else:
                self._note(None)
                return answer

    def once(self, call: Callable[[], object]) -> bool:
        """Call once, for threads that come again anyway and must live on; return whether it worked."""
        try:
            call()
        except UnavailableError as error:
            self._note(error)
            return False
        except Exception:
            log.exception("worker.bug", thread=threading.current_thread().name)
            return False
        self._note(None)
        return True

    def _note(self, error: UnavailableError | None) -> None:
        with self._lock:
            before = self._away_since
            if (error is None) == (before is None):
                return
            self._away_since = None if error is None else time.monotonic()
        if before is None:
            log.warning("worker.database", reason=str(error))
        else:
            log.info("worker.database_back", seconds=round(time.monotonic() - before, 1))
