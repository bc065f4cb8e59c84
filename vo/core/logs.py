"""Structured logs: one JSON object a line, with the id of the request that it belongs to."""

from __future__ import annotations

import logging
import sys
from logging.handlers import WatchedFileHandler
from typing import Any

import structlog
from structlog.typing import EventDict, WrappedLogger

from vo.core.context import request_id
from vo.core.errors import ConfigurationError
from vo.core.settings import Settings


def _add_request(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    current = request_id.get()
    if current != "-":
        event.setdefault("request", current)
    return event


def configure_logs(settings: Settings) -> None:
    """Send the logs of this process, and of the libraries it uses, where the settings say.

    Log files are opened for appending and reopened when they were moved away, as logrotate does.
    """
    level = logging.getLevelNamesMapping().get(settings.log_level.upper())
    if level is None:
        raise ConfigurationError(f"VO_LOG_LEVEL={settings.log_level} is not one of debug, info, warning, error.")
    path = settings.log_path
    handler: logging.Handler
    if path is None:
        handler = logging.StreamHandler(sys.stderr)
    else:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handler = WatchedFileHandler(path)
        except OSError as error:
            raise ConfigurationError(
                f"The log {path} cannot be written: {error.strerror}.", hint="VO_LOG_FILE names another one."
            ) from None
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_request,
    ]
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(),
            ],
            foreign_pre_chain=shared,
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
