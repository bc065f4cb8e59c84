"""The errors that a client of the service may see.

Each class carries the HTTP status and a short code; the message says what is wrong, where, and what to do.
Errors of libraries are translated into these once, at the boundary where they arise::

    ServiceError                500  internal
    ├── UsageError              400  usage
    │   ├── ParameterError      400  parameter      one parameter of the request
    │   ├── QueryError          400  query          the database cannot evaluate the query
    │   │   └── tap.adql.ADQLError   query          a place in the query text
    │   └── TableError          400  table          a table file that cannot be read or published
    ├── NotFoundError           404  not-found
    ├── ForbiddenError          403  forbidden      somebody else's, or not in this state
    ├── TooLargeError           413  too-large
    ├── LimitError              400  limit          a limit of the service was reached
    │   └── QuotaError          403  quota          what one caller may have at the same time
    ├── UnavailableError        503  unavailable    the database is away or all connections are taken
    └── ConfigurationError      500  configuration  for the operator: settings, roles, migrations
"""

from __future__ import annotations

from typing import Any, ClassVar


class ServiceError(Exception):
    """Base of all errors that are told to a client.

    Parameters
    ----------
    message : str
        What is wrong and where, in one or a few sentences; never a stack trace or a path of the server.
    hint : str, optional
        What to do instead.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal"

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}" if self.hint else self.message

    def text(self) -> str:
        """Return the whole error for a person, several lines where that helps."""
        return f"{self.message}\n{self.hint}" if self.hint else self.message

    def as_dict(self) -> dict[str, Any]:
        """Return the whole error for programs."""
        return {"code": self.code, "message": self.message, "hint": self.hint, "text": self.text()}


class UsageError(ServiceError):
    """The request is wrong; another one may work."""

    status = 400
    code = "usage"


class ParameterError(UsageError):
    """One parameter of the request is missing, repeated or malformed."""

    code = "parameter"

    def __init__(self, parameter: str, message: str, *, hint: str | None = None) -> None:
        super().__init__(f"{parameter}: {message}", hint=hint)
        self.parameter = parameter


class QueryError(UsageError):
    """The database could not evaluate the query (division by zero, a value out of range …)."""

    code = "query"


class TableError(UsageError):
    """A table file cannot be read, or its content cannot be published."""

    code = "table"


class NotFoundError(ServiceError):
    """There is no such resource."""

    status = 404
    code = "not-found"


class ForbiddenError(ServiceError):
    """The caller may not do this, or not now."""

    status = 403
    code = "forbidden"


class TooLargeError(ServiceError):
    """The body of the request is larger than the service takes."""

    status = 413
    code = "too-large"


class LimitError(ServiceError):
    """A limit of the service was reached: time, memory, temporary files."""

    status = 400
    code = "limit"


class QuotaError(LimitError):
    """The caller has as much as one caller may have at the same time; UWS 1.1 answers 403 to a job it does not take."""

    status = 403
    code = "quota"


class UnavailableError(ServiceError):
    """The service cannot answer now and may do so later."""

    status = 503
    code = "unavailable"


class ConfigurationError(ServiceError):
    """The operator has to mend something; the message says which command does."""

    code = "configuration"


_KINDS = {
    kind.code: kind for kind in list(globals().values()) if isinstance(kind, type) and issubclass(kind, ServiceError)
}


def error_of(code: str, message: str, *, hint: str | None = None) -> ServiceError:
    """Return an error that was raised elsewhere and told by its code and its words."""
    kind = _KINDS.get(code, ServiceError)
    error = kind.__new__(kind)
    ServiceError.__init__(error, message, hint=hint)
    if isinstance(error, ParameterError):
        error.parameter = message.partition(":")[0]
    return error
