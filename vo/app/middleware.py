"""What happens around every request: its id, caller, log line and figures, who may ask, and what a bug does."""

from __future__ import annotations

import time
from collections.abc import Collection

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vo import __version__
from vo.app.errors import on_bug
from vo.core import metrics
from vo.core.callers import Caller
from vo.core.context import new_request_id, request_id
from vo.core.dali.errors import error_response
from vo.core.errors import ForbiddenError

SERVER = f"vo-stack/{__version__}"

OF_THE_OPERATOR = frozenset({"/metrics"})
"""What pages of other origins have no business with."""
METHODS = "GET, HEAD, POST, DELETE"
EXPOSED = ", ".join(
    (
        "Accept-Ranges",
        "Content-Disposition",
        "Content-Encoding",
        "Content-Length",
        "Content-Range",
        "ETag",
        "Location",
        "Retry-After",
        "X-Request-Id",
    )
)
"""Headers that scripts of other origins may read, beside those that they always may."""
PREFLIGHT_SECONDS = "7200"
"""For which a browser remembers that it may ask; none remembers longer."""

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
                    (b"x-content-type-options", b"nosniff"),
                    (b"x-request-id", identifier.encode()),
                ]
            await send(message)

        try:
            await self._app(scope, receive, send_marked)
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


class CrossOrigin:
    """Let pages of other origins use the service (ASGI; the CORS protocol of the Fetch standard).

    Credentials are never asked for: a page of another origin acts with those that it has itself, or as anybody.

    Parameters
    ----------
    origins : collection of str
        Who may: ``https://portal.example.org``, or ``*`` for all, without which answers differ by origin.
    """

    def __init__(self, app: ASGIApp, origins: Collection[str]) -> None:
        self._app = app
        self._origins = frozenset(origin.rstrip("/").lower() for origin in origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection's scope."""
        if scope["type"] != "http" or not self._origins or scope["path"] in OF_THE_OPERATOR:
            await self._app(scope, receive, send)
            return
        wanted = Headers(scope=scope)
        allowed = self._allowed(wanted.get("origin"))
        if scope["method"] == "OPTIONS" and "origin" in wanted and "access-control-request-method" in wanted:
            await self._preflight(wanted, allowed)(scope, receive, send)
            return

        async def send_allowed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=list(message["headers"]))
                if allowed is not None:
                    headers["access-control-allow-origin"] = allowed
                    headers["access-control-expose-headers"] = EXPOSED
                if "*" not in self._origins:
                    headers.add_vary_header("Origin")
                message = {**message, "headers": headers.raw}
            await send(message)

        await self._app(scope, receive, send_allowed)

    def _allowed(self, origin: str | None) -> str | None:
        if "*" in self._origins:
            return "*"
        return origin if origin is not None and origin.lower() in self._origins else None

    def _preflight(self, wanted: Headers, allowed: str | None) -> Response:
        """Answer the question of a browser whether a page may send a request."""
        vary = {"Vary": "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"}
        if allowed is None:
            answer = error_response(ForbiddenError("Pages of this origin may not use the service."), as_text=True)
            answer.headers.update(vary)
            return answer
        headers = {
            "Access-Control-Allow-Origin": allowed,
            "Access-Control-Allow-Methods": METHODS,
            "Access-Control-Max-Age": PREFLIGHT_SECONDS,
            **vary,
        }
        if asked := wanted.get("access-control-request-headers"):
            headers["Access-Control-Allow-Headers"] = asked
        return Response(headers=headers)


class Bugs:
    """Answer what nobody foresaw (ASGI).

    Inside of the other middleware, where the request still has its id and its answer gets all headers; Starlette's own
    place for this is outside of all.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection's scope."""
        started = False

        async def send_noted(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, send_noted)
        except Exception as error:
            if scope["type"] != "http":
                raise
            answer = await on_bug(Request(scope), error)
            if started:
                raise  # in the middle of an answer: the server cuts the connection
            await answer(scope, receive, send)
