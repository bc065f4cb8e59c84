"""An application of this very process, on a port of its own: for what one cannot do to a service from outside."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.applications import Starlette

from tests.conftest import free_port
from tests.tap.asking import eventually
from vo.app.protocol import BoundedProtocol


@contextmanager
def running(app: Starlette) -> Iterator[int]:
    """Serve an application over HTTP and give its port."""
    port = free_port()
    config = uvicorn.Config(app, port=port, loop="uvloop", http=BoundedProtocol, ws="none", log_config=None)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        eventually(lambda: server.started)
        yield port
    finally:
        server.should_exit = True
        thread.join()
