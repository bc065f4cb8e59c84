"""Files that are damaged, wrong or hostile, as uploads: each is refused in words, and nothing of it stays.

What each is refused for is tested with the readers; here is what the service makes of it.
"""

from __future__ import annotations

import os
import re
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event, Thread
from typing import Self

from tests.tap.asking import TABLES, adql, assert_error
from tests.tap.upload.conftest import left
from tests.tap.upload.sending import send
from tests.uws.processes import JobService
from tests.vo.core.tables.readers.malformed import malformed

PAGE = os.sysconf("SC_PAGE_SIZE")
CLIENTS = 4
GROWTH = 700 * 2**20
"""Most that the memory of one process may grow by, whatever it is sent."""
PATIENCE = 1.0
"""Seconds within which 95 of 100 small queries of somebody else are answered meanwhile."""


def memory(pid: int) -> int:
    """Return the resident bytes of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE


def open_files(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


class Watch:
    """Looks at the processes of a service, and asks it small questions, for the time of a ``with`` block.

    Attributes
    ----------
    growth : int
        Bytes by which the memory of the process that grew most has grown.
    seconds : list of float
        How long each question took.
    """

    def __init__(self, service: JobService) -> None:
        self.growth = 0
        self.seconds: list[float] = []
        self._service = service
        self._over = Event()
        self._before = {pid: memory(pid) for pid in service.children("vo.app.process")}
        self._threads = [Thread(target=self._look), Thread(target=self._ask)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _look(self) -> None:
        while not self._over.wait(0.05):
            self.growth = max(self.growth, *(memory(pid) - size for pid, size in self._before.items()))

    def _ask(self) -> None:
        while not self._over.wait(0.05):
            begun = time.monotonic()
            assert adql(self._service, TABLES).status == 200
            self.seconds.append(time.monotonic() - begun)


def refused(service: JobService, name: str, content: bytes) -> bool:
    """Send a file; return whether it was refused, as it must be unless it is harmless."""
    answer = send(service, "SELECT COUNT(*) AS n FROM TAP_UPLOAD.evil", {name: content}, UPLOAD=f"evil,param:{name}")
    if answer.status == 200:
        return False
    assert answer.status in (400, 403), (name, answer.text[:500])
    message = assert_error(answer, answer.status)
    assert message.startswith("Upload evil: "), (name, message)
    assert len(message) < 1000, name
    assert not re.search("pyarrow|Arrow error|numpy|lxml|/proc|tmp[a-z0-9_]{8}", message), (name, message)
    return True


def test_every_malformed_file_is_refused_in_words(own: JobService) -> None:
    files = malformed()
    pids = own.children("vo.app.process")
    handles = {pid: open_files(pid) for pid in pids}
    with Watch(own) as watch, ThreadPoolExecutor(CLIENTS) as clients:
        found = dict(zip(files, clients.map(lambda item: refused(own, *item), files.items()), strict=True))
    assert sum(found.values()) >= 300
    ordered = sorted(watch.seconds)
    print(f"{len(found)} files, growth {watch.growth / 2**20:.0f} MiB, p50 and p95 of {len(ordered)} other requests "
          f"{ordered[len(ordered) // 2]:.3f} and {ordered[len(ordered) * 95 // 100]:.3f} s")  # fmt: skip
    assert own.children("vo.app.process") == pids, "a process died"
    assert watch.growth < GROWTH
    assert ordered[len(ordered) * 95 // 100] < PATIENCE
    assert left(own) == []
    # Connections stay open, and a file of an error until Python collects it; files that leaked would be hundreds.
    assert all(open_files(pid) <= handles[pid] + 60 for pid in pids)
    assert not list((own.home / "scratch").iterdir())
