"""The one id that follows a request from HTTP through the logs to its database backend."""

from __future__ import annotations

import re
import secrets
from contextvars import ContextVar

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,40}")

request_id: ContextVar[str] = ContextVar("request_id", default="-")
"""Id of the request that the current task works for."""


def new_request_id(offered: str | None = None) -> str:
    """Return an id: the one that a proxy or client offered, if it is harmless, else a new one."""
    if offered and REQUEST_ID.fullmatch(offered):
        return offered
    return secrets.token_hex(6)
