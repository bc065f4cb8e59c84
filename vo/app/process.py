"""One process that answers HTTP, started by `vo.app.server` with the listening socket as an inherited file."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable
from types import FrameType

import structlog
import uvicorn

from vo.app.main import create_app
from vo.app.protocol import BoundedProtocol
from vo.core.errors import ServiceError
from vo.core.logs import configure_logs
from vo.core.scratch import use_scratch
from vo.core.settings import Settings, load_settings

PR_SET_PDEATHSIG = 1
SWITCH_SECONDS = 0.0005
"""Time after which a thread hands over Python's lock: threads that read and encode wait for each other less."""


class Server(uvicorn.Server):
    """Uvicorn's server; told to stop, it first lets go of the requests that only wait."""

    def __init__(self, config: uvicorn.Config, on_stop: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_stop = on_stop

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Take the signal to stop."""
        super().handle_exit(sig, frame)
        self._on_stop()


def main() -> None:
    """Serve until SIGTERM, or until the supervisor is gone."""
    end_with_supervisor(int(os.environ["VO_SUPERVISOR"]))
    sys.setswitchinterval(SWITCH_SECONDS)
    allow_many_connections()
    try:
        settings = load_settings()
        configure_logs(settings)
        use_scratch(settings)
    except ServiceError as error:  # what the supervisor read was changed since
        sys.exit(f"vo: {error}")
    try:
        serve(settings)
    except Exception:
        structlog.get_logger().exception("process.failed")
        sys.exit(1)


def end_with_supervisor(supervisor: int) -> None:
    """Have the kernel send SIGTERM to this process when its supervisor ends, however that happens."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != supervisor:
        sys.exit(1)


def allow_many_connections() -> None:
    """Take as many open files as the system lets us: each client that waits for a job is one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def serve(settings: Settings) -> None:
    """Answer requests on the inherited socket."""
    listener = socket.socket(fileno=int(os.environ["VO_LISTENER"]))
    app = create_app(settings)
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http=BoundedProtocol,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=True,
        forwarded_allow_ips=settings.trusted_proxies,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=8,
        lifespan="on",
        ws="none",
    )
    Server(config, app.state.on_stop).run(sockets=[listener])
