"""A worker in a thread of this process."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.uws.database import LIMITS, Database
from uws.cleaning import Cleaner
from uws.executor import Executor
from uws.queue import Queue
from uws.worker import Worker
from vo.core.files import FileStore


@contextmanager
def working(
    database: Database, folder: Path, executor: Executor, queue: Queue | None = None, *, slots: int = 4
) -> Iterator[Worker]:
    """Run a worker for the time of a ``with`` block."""
    files = FileStore(folder)
    worker = Worker(
        queue or Queue(database.engine),
        [executor],
        files,
        Cleaner(database.engine, files, archive_time=0),
        LIMITS,
        conninfo=database.settings.conninfo(),
        slots=slots,
        drain_time=5,
    )
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        yield worker
    finally:
        worker.leave()
        thread.join(30)
        assert not thread.is_alive()
