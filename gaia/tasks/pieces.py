"""Work in pieces: here if there is little of it, else in as many processes as there may be."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from itertools import chain, islice
from typing import TypeVar

from uws.tasks import TaskContext, in_order

Kept = TypeVar("Kept")
Given = TypeVar("Given")
Done = TypeVar("Done")


def each_done(
    work: Iterator[tuple[Kept, Given]],
    function: Callable[[Given], Done],
    context: TaskContext,
    *,
    elsewhere: bool = False,
) -> Iterator[tuple[Kept, Done]]:
    """Yield what a function makes of pieces of work, in their order.

    Parameters
    ----------
    work : iterator of pairs
        What stays here, and what the function is given.
    function : callable
        It can be sent to other processes.
    context : TaskContext
        Whose processes compute.
    elsewhere : bool
        Never compute in this process: a published package may hold memory, threads or worse.
    """
    first = list(islice(work, 2))
    if not elsewhere and (len(first) < 2 or context.cores == 1):
        for kept, given in chain(first, work):
            yield kept, function(given)
        return
    waiting: deque[Kept] = deque()

    def sent() -> Iterator[Given]:
        for kept, given in chain(first, work):
            waiting.append(kept)
            yield given

    for done in in_order(context.executor, function, sent(), ahead=context.cores + 1):
        yield waiting.popleft(), done
