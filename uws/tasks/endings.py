"""How runs end, in words: limits, signals, the task's own errors and its mistakes."""

from __future__ import annotations

import inspect
import signal
from collections.abc import Mapping
from typing import Any

import structlog

from uws.tasks.order import Order
from uws.tasks.run_folder import no_room
from uws.xml import legal
from vo.core import errors
from vo.core.errors import LimitError, ParameterError, ServiceError, UnavailableError
from vo.core.limits import mib

log = structlog.get_logger()

_CLASSES: dict[str, type[ServiceError]] = {
    kind.code: kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, ServiceError)
}
TERMINAL = frozenset({"done", "failed", "limit", "lost", "bug"})
"""Kinds of the frames after which a task tells nothing more."""
MAX_WORDS = 20_000
"""Most characters that are kept of an error, or of where it came from."""


def of_limit(limit: str, order: Order, processes: int) -> LimitError:
    """Return the error of a run that was ended at a limit."""
    match limit:
        case "memory":
            return LimitError(
                f"The computation needed more than {mib(order.memory)} of memory, the most that one may use.",
                hint="Ask for less at a time. The service's operator sets the limit by VO_TASK_MEMORY.",
            )
        case "disk":
            return LimitError(
                f"The computation needed more than {mib(order.disk)} of disk, the most that one may use.",
                hint="Ask for less at a time. The service's operator sets the limit by VO_TASK_DISK.",
            )
        case "room":
            return no_room()
        case _:
            return LimitError(f"The computation started more than {processes} processes, the most that one may have.")


def of_words(header: Mapping[str, Any], order: Order, label: str, processes: int) -> ServiceError:
    """Return the error that the last frame of a task tells; what is nobody's business goes to the log."""
    match header.get("kind"):
        case "failed":
            return _raised(header)
        case "limit":
            return of_limit(str(header.get("limit")), order, processes)
        case "lost":
            log.error("task.lost", task=order.task, label=label, traceback=_text(header, "traceback"))
            return UnavailableError("A process of the computation was lost.", hint="Try again later.")
        case _:
            return bug(order, label, _text(header, "bug"), _text(header, "traceback"))


def bug(order: Order, label: str, reason: str, details: str) -> ServiceError:
    """Return the error of a task that does what it must not, and tell the log."""
    log.error("task.bug", task=order.task, label=label, reason=reason or None, traceback=details)
    return ServiceError(
        f"The task failed in a way that it should not: {reason.removesuffix('.')}."
        if reason
        else "The task failed in a way that it should not.",
        hint=f"Tell the service's operator its id, {label}.",
    )


def of_refusal(reason: str, order: Order, label: str) -> ServiceError:
    """Return the error of a run that could not be shut in as it has to be."""
    log.error("task.refused", task=order.task, label=label, reason=reason)
    return ServiceError(
        "The computation cannot be kept apart from the rest of the machine, and is not started.",
        hint=f"Tell the service's operator its id, {label}.",
    )


def of_exit(status: int | None, order: Order, label: str, printed: str) -> ServiceError:
    """Return the error of a process that ended without a word, by its exit status; None if nobody knows that."""
    log.error("task.died", task=order.task, label=label, status=status, printed=printed)
    if status is None or status == -signal.SIGKILL:
        # We did not: it is the kernel's way out when memory is short, or an operator's.
        return UnavailableError("The computation's process was killed from outside.", hint="Try again later.")
    if status < 0:
        name = signal.Signals(-status).name if -status in set(signal.Signals) else f"signal {-status}"
        words = (signal.strsignal(-status) or "").lower()
        how = f"by {name}" + (f" ({words})" if words else "")
    else:
        how = f"with exit status {status}"
    return ServiceError(
        f"The computation's process ended {how} before it was done.",
        hint=f"Tell the service's operator its id, {label}.",
    )


def _raised(header: Mapping[str, Any]) -> ServiceError:
    """Return an error of the task as one of the same class."""
    kind = _CLASSES.get(_text(header, "code"), ServiceError)
    error = kind.__new__(kind)
    ServiceError.__init__(error, _text(header, "message") or "The task failed.", hint=_text(header, "hint") or None)
    if isinstance(error, ParameterError):
        error.parameter = _text(header, "parameter")
    return error


def _text(header: Mapping[str, Any], name: str) -> str:
    value = header.get(name)
    return legal(value[:MAX_WORDS]) if isinstance(value, str) else ""
