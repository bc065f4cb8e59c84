"""What tests of uploads share: a service with narrow limits, whose processes may be killed."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.uws.processes import JobService

MIB = 2**20
MAX_BYTES = 50 * MIB
MAX_ROWS = 1_000_000
MAX_COLUMNS = 60
SPACE = 64 * MIB
"""In the database, of one caller."""


class Elsewhere:
    """An HTTP server that is not ours, with files.

    Attributes
    ----------
    host : str
        As VO_UPLOAD_HOSTS has it.
    folder : pathlib.Path
        With what it serves.
    """

    def __init__(self, host: str, folder: Path) -> None:
        self.host = host
        self.folder = folder

    def put(self, name: str, content: bytes) -> str:
        """Serve a file; return its address."""
        (self.folder / name).write_bytes(content)
        return f"http://{self.host}/{name}"


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="package")
def elsewhere() -> Iterator[Elsewhere]:
    folder = Path(tempfile.mkdtemp(prefix="vo-elsewhere-"))
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=folder)) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield Elsewhere(f"127.0.0.1:{server.server_port}", folder)
        server.shutdown()
        thread.join()
    shutil.rmtree(folder)


@pytest.fixture(scope="package")
def own(elsewhere: Elsewhere) -> Iterator[JobService]:
    with JobService(
        VO_MAX_UPLOAD=str(MAX_BYTES),
        VO_MAX_UPLOAD_ROWS=str(MAX_ROWS),
        VO_MAX_UPLOAD_COLUMNS=str(MAX_COLUMNS),
        VO_UPLOAD_SPACE=str(SPACE),
        VO_UPLOAD_HOSTS=f'["{elsewhere.host}"]',
        VO_DRAIN_TIME="2",
    ) as running:
        yield running


def left(service: JobService) -> list[tuple[str, ...]]:
    """Return what uploads have left in the database: tables, and lines in the books."""
    tables = service.fetch("SELECT relname FROM pg_class WHERE relnamespace = 'vo_upload'::regnamespace")
    return tables + service.fetch("SELECT name FROM vo.caller_tables")
