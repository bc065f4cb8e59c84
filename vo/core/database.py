"""PostgreSQL for small statements, by SQLAlchemy and psycopg2, and what its errors mean to a client.

Rows in bulk go through ADBC (`vo.core.arrow`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import adbc_driver_manager
import psycopg2
import pyarrow as pa
import structlog
from psycopg2.sql import Composed
from sqlalchemy import Engine, create_engine

from vo.core.errors import LimitError, NotFoundError, QueryError, ServiceError, UnavailableError
from vo.core.settings import OWNER_ROLE, Settings

DatabaseError: tuple[type[BaseException], ...] = (adbc_driver_manager.Error, OSError, pa.ArrowException)
"""What ADBC raises: its own errors from statements, OSError and Arrow's from a stream that breaks."""

KEEPALIVE: dict[str, Any] = {
    "keepalives_idle": 3,
    "keepalives_interval": 1,
    "keepalives_count": 3,
    "tcp_user_timeout": 6000,
}
"""libpq's words for: a network that is cut is noticed within six seconds. Unix sockets ignore them."""

_SERVER_MESSAGE = re.compile(r"ERROR:\s+(?P<message>[^\n]*)")
_LOST = re.compile(
    r"server closed the connection|terminating connection|no connection to the server|connection to server|"
    r"could not receive data|could not send data|starting up|shutting down|recovery mode|too many clients|"
    r"not connected|SSL connection has been closed|connection is closed|Broken pipe",
    re.IGNORECASE,
)

_OF_NAMES = re.compile(
    r"permission denied|does not exist|syntax error|must appear in|is not unique|cannot be matched|cache lookup|"
    r"could not (?:open|find|identify|determine|convert|read)|"
    r"(?:relation|column|table|schema|function|operator|file) \S"
)
"""Messages about the service's own text or the names in it, which are nobody else's business."""

_TOO_LARGE = re.compile(r"Cannot enlarge string buffer|invalid memory alloc request|requested length too large")

_WAYS_OUT = {
    "22003": "Convert to a larger type before: CAST(x AS BIGINT), or DOUBLE PRECISION.",
    "22012": "Leave out the rows whose divisor is 0 by a condition in WHERE.",
    "2201E": "Leave out the rows whose value has no logarithm by a condition in WHERE.",
    "2201F": "Leave out the rows whose value has no such root or power by a condition in WHERE.",
}
"""What to write instead, by SQLSTATE."""

log = structlog.get_logger()


def connect(settings: Settings, role: str = OWNER_ROLE) -> psycopg2.extensions.connection:
    """Open one psycopg2 connection as a role, for statements outside the pools.

    Raises
    ------
    UnavailableError
        If the database cannot be reached or does not let the role in.
    """
    try:
        connection: psycopg2.extensions.connection = psycopg2.connect(
            settings.conninfo(role), connect_timeout=10, application_name="vo", **KEEPALIVE
        )
        return connection
    except psycopg2.OperationalError as error:
        reason = str(error).strip().splitlines()[0]
        raise UnavailableError(f"The database does not answer: {reason}.", hint="Run: vo doctor") from None


def fetch_value(connection: psycopg2.extensions.connection, query: Composed | str, values: Sequence[Any] = ()) -> Any:
    """Run a query and return the one value of its one row."""
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        row = cursor.fetchone()
    if row is None:
        raise LookupError(f"no row from: {query}")
    return row[0]


FROZEN_SECONDS = 3
"""A transaction of small statements in which nothing is asked for so long is ended by PostgreSQL: its process is frozen
or cut off, and would keep the locks that others wait for."""


def owner_engine(settings: Settings, *, connections: int = 6, short_transactions: bool = False) -> Engine:
    """Return SQLAlchemy's engine for the owner's small statements.

    Parameters
    ----------
    settings : Settings
        With the database.
    connections : int
        Most connections; two of them stay open.
    short_transactions : bool
        Whether PostgreSQL ends transactions that do nothing for `FROZEN_SECONDS`.
    """
    url = settings.url(OWNER_ROLE).set(drivername="postgresql+psycopg2")
    options = {}
    if short_transactions:
        options["options"] = f"-c idle_in_transaction_session_timeout={FROZEN_SECONDS}s"
    return create_engine(
        url,
        pool_size=2,
        max_overflow=connections - 2,
        pool_pre_ping=True,
        connect_args={"connect_timeout": 5, "application_name": "vo", **options, **KEEPALIVE},
    )


class StaleCatalogueError(NotFoundError):
    """A physical table that the catalogue named is gone: it was replaced; read the catalogue anew and try again."""

    code = "stale"


class TimeReachedError(LimitError):
    """PostgreSQL stopped the statement after the time that its session allows."""


class ConnectionLostError(UnavailableError):
    """The database went away; a new connection may work."""


def translate(error: BaseException) -> ServiceError:
    """Turn an error of the driver into one of ours, with PostgreSQL's own message and nothing else of its text."""
    text = str(error)
    state = getattr(error, "sqlstate", None) or ""
    found = _SERVER_MESSAGE.search(text)
    message = found["message"].strip() if found else ""
    if state == "42P01" or re.search(r'relation "[^"]*" does not exist', message):
        return StaleCatalogueError("A table of the query was just replaced by a newer version.", hint="Send it again.")
    if "statement timeout" in message:
        return TimeReachedError("The query took longer than it may and was stopped.")
    if state.startswith("57014") or "canceling statement" in message:
        return LimitError("The query was cancelled.")
    if "temporary file size exceeds" in message:
        return LimitError(
            "The query needs more temporary disk space than one query may use.",
            hint="Select fewer columns or rows, or sort less.",
        )
    if _TOO_LARGE.search(text):
        return LimitError(
            "A value or a row of the query is larger than the gigabyte that the database holds.",
            hint="Aggregate fewer rows, or select fewer columns.",
        )
    if message.startswith("out of memory"):
        return LimitError(
            "The query needs more memory than it can get.",
            hint="Select fewer rows or shorter values, or group by less.",
        )
    if state.startswith("53") or "No space left" in message:
        return UnavailableError("The database is short of resources.", hint="Try again later, or with a smaller query.")
    if state.startswith(("08", "57P")) or _LOST.search(text):
        return ConnectionLostError("The database is restarting or cannot be reached.", hint="Try again in a moment.")
    if message and _OF_NAMES.search(message) and not state.startswith("22"):
        log.error("database.refused", state=state, message=message)
        return ServiceError("The database does not take the query as the service wrote it.", hint="Please report it.")
    if message:
        return QueryError(f"The database could not evaluate the query: {message}.", hint=_WAYS_OUT.get(state))
    return ServiceError("The database driver failed.")
