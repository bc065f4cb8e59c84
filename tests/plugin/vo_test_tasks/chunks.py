"""Chunks of work, as other processes can import them."""

from __future__ import annotations

import os
import signal
import time


def where(number: int, seconds: float) -> tuple[int, str, int]:
    """Work for some time; return the number, the node of a cluster or "", and the process."""
    time.sleep(seconds)
    return number, os.environ.get("VO_TEST_NODE", ""), os.getpid()


def crash(number: int, seconds: float) -> tuple[int, str, int]:
    """Crash at the fourth chunk."""
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return where(number, seconds)


def fail(number: int, seconds: float) -> tuple[int, str, int]:
    """Fail at the fourth chunk."""
    if number == 3:
        raise ValueError("the fourth chunk fails")
    return where(number, seconds)
