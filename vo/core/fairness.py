"""Slots for which callers take turns: who sends a hundred requests at once delays another's next one by one."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from itertools import count


class FairSlots:
    """A number of slots, handed out in the order that the queue of jobs has too (`uws.queue`).

    A free slot goes to the account with the fewest requests that run, then to the one not served longest; requests of
    one account keep their order.

    Parameters
    ----------
    slots : int
        Requests that run at the same time.
    """

    def __init__(self, slots: int) -> None:
        self._free = slots
        self._running: Counter[str] = Counter()
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        self._served: dict[str, int] = {}
        self._turns = count(1)

    @property
    def waiting(self) -> int:
        """Number of requests that wait."""
        return sum(map(len, self._waiting.values()))

    async def acquire(self, account: str, seconds: float) -> None:
        """Take a slot for an account.

        Raises
        ------
        TimeoutError
            If none came free in time.
        """
        if self._free and not self._waiting:
            self._take(account)
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(account, deque()).append(turn)
        try:
            async with asyncio.timeout(seconds):
                await turn
        except BaseException:
            if turn.done() and not turn.cancelled():  # it was given just when the wait ended
                self.release(account)
            else:
                self._forget(account, turn)
            raise

    def release(self, account: str) -> None:
        """Give a slot back; it goes to whoever is next."""
        self._running[account] -= 1
        if not self._running[account]:
            del self._running[account]
        self._free += 1
        if self._waiting:
            following = min(self._waiting, key=lambda name: (self._running[name], self._served.get(name, 0)))
            turn = self._waiting[following][0]
            self._forget(following, turn)
            self._take(following)
            turn.set_result(None)

    def _take(self, account: str) -> None:
        self._free -= 1
        self._running[account] += 1
        self._served[account] = next(self._turns)
        if len(self._served) > 10_000:  # addresses come and go
            self._served = dict(sorted(self._served.items(), key=lambda item: item[1])[-5_000:])

    def _forget(self, account: str, turn: asyncio.Future[None]) -> None:
        waiting = self._waiting.get(account)
        if waiting is not None and turn in waiting:
            waiting.remove(turn)
            if not waiting:
                del self._waiting[account]
