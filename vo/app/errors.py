"""Every failure of a request ends here and becomes a document in the protocol's own form."""

from __future__ import annotations

import re
from typing import Any

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from uws.negotiation import wants_html
from vo.core.context import request_id
from vo.core.dali.errors import error_response
from vo.core.errors import ServiceError
from vo.core.streaming import ClientGoneError

_OF_DALI = re.compile(r"/tap(?!/async)|/tasks/[^/]+/sync$|/gost/query$")
"""Where errors are VOTables."""

log = structlog.get_logger()


def _as_text(request: Request) -> bool:
    """Whether people or text clients read the answer.

    So it is outside TAP and synchronous runs of tasks, in a browser, where a text format is asked for, and below a job
    list: UWS has no form for errors of its own, and pyvo shows the reason only where it is text.
    """
    wanted = getattr(request.state, "text_format", False) or wants_html(request.headers.get("accept"))
    return bool(wanted) or not _OF_DALI.match(request.url.path)


async def on_service_error(request: Request, error: ServiceError) -> Response:
    """Answer an error that was foreseen."""
    if error.status >= 500:
        log.warning("request.failed", code=error.code, reason=error.message, cause=repr(error.__cause__))
    return error_response(error, as_text=_as_text(request), as_json=bool(getattr(request.state, "json_format", False)))


async def on_http_error(request: Request, error: HTTPException) -> Response:
    """Answer what the router refuses: unknown paths and methods."""
    path = request.url.path[:200]
    headers = dict(error.headers or {})
    if error.status_code == 405:
        headers["Allow"] = ", ".join(sorted(headers["Allow"].split(", ")))
        wrapped = ServiceError(f"{path} does not take {request.method}.", hint=f"It takes {headers['Allow']}.")
    elif error.status_code == 404:
        wrapped = ServiceError(f"There is nothing at {path}.")
    else:
        wrapped = ServiceError(f"{error.detail}: {request.method} {path}.")
    response = error_response(wrapped, as_text=_as_text(request))
    response.status_code = error.status_code
    response.headers.update(headers)
    return response


async def on_client_gone(request: Request, error: Exception) -> Response:  # noqa: ARG001
    """End a request that nobody waits for; the answer goes nowhere."""
    log.info("request.abandoned")
    return Response(status_code=499)


async def on_bug(request: Request, error: Exception) -> Response:
    """Answer a failure that nobody foresaw: the id leads the operator to the log, the client learns no more."""
    log.error("request.bug", exc_info=error)
    wrapped = ServiceError(
        "The service failed in a way that it should not.", hint=f"Tell its operator the request id {request_id.get()}."
    )
    return error_response(wrapped, as_text=_as_text(request))


HANDLERS: dict[Any, Any] = {
    ServiceError: on_service_error,
    HTTPException: on_http_error,
    ClientGoneError: on_client_gone,
}
"""What Starlette does with the errors that handlers raise; all others are bugs, which `RequestMiddleware` answers."""
