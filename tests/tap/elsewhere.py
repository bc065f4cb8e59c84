"""An HTTP server that is not ours."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread


class Elsewhere:
    """What it serves.

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


@contextmanager
def serving_files() -> Iterator[Elsewhere]:
    """Serve files from a folder for the time of a ``with`` block."""
    folder = Path(tempfile.mkdtemp(prefix="vo-elsewhere-"))
    try:
        with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=folder)) as server:
            thread = Thread(target=server.serve_forever)
            thread.start()
            try:
                yield Elsewhere(f"127.0.0.1:{server.server_port}", folder)
            finally:
                server.shutdown()
                thread.join()
    finally:
        shutil.rmtree(folder)
