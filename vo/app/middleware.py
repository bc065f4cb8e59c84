"""What happens around every request: its id, its caller, its log line and its figures, also when it meets a bug."""

from __future__ import annotations

import time

import structlog
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vo import __version__
from vo.app.errors import on_bug
from vo.core import metrics
from vo.core.callers import Caller
from vo.core.context import new_request_id, request_id

SERVER = f"vo-stack/{__version__}"

log = structlog.get_logger()


class RequestMiddleware:
    """Give each request an id and a caller, and record how it went (ASGI)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection's scope."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        offered = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
        identifier = new_request_id(offered.decode("latin-1"))
        token = request_id.set(identifier)
        client = scope.get("client")
        scope.setdefault("state", {})["caller"] = Caller(address=client[0] if client else "")
        started = time.perf_counter()
        status = 0

        async def send_marked(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message["headers"],
                    (b"server", SERVER.encode()),
                    (b"x-request-id", identifier.encode()),
                ]
            await send(message)

        try:
            await self._app(scope, receive, send_marked)
        except Exception as error:
            # Here, where the request still has its id: Starlette's own place for this is outside of all middleware.
            answer = await on_bug(Request(scope), error)
            if status:
                raise  # in the middle of an answer: the server cuts the connection
            await answer(scope, receive, send_marked)
        finally:
            seconds = time.perf_counter() - started
            route = scope.get("route")
            endpoint = getattr(route, "path", "unknown")
            metrics.REQUESTS.labels(endpoint, scope["method"], str(status)).inc()
            metrics.REQUEST_SECONDS.labels(endpoint).observe(seconds)
            log.info(
                "http.request",
                method=scope["method"],
                path=scope["path"][:200],
                status=status,
                seconds=round(seconds, 4),
                client=client[0] if client else None,
            )
            request_id.reset(token)
