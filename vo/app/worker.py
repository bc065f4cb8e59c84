"""One worker process: ``python -m vo.app.worker``, started by the supervisor or by ``vo worker``."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from types import FrameType

import structlog

from vo.app.parts import build_worker
from vo.app.process import SWITCH_SECONDS, end_with_supervisor
from vo.core.errors import ServiceError
from vo.core.logs import configure_logs
from vo.core.settings import Settings, load_settings


def main() -> None:
    """Work until SIGTERM, or until the supervisor is gone."""
    end_with_supervisor(int(os.environ["VO_SUPERVISOR"]))
    os.close(int(os.environ["VO_LISTENER"]))  # the next service can listen while this worker still drains
    try:
        settings = load_settings()
        configure_logs(settings)
    except ServiceError as error:  # what the supervisor read was changed since
        sys.exit(f"vo: {error}")
    try:
        work(settings, slots=settings.worker_slots)
    except Exception:
        structlog.get_logger().exception("process.failed")
        sys.exit(1)


def work(settings: Settings, *, slots: int) -> None:
    """Run jobs in this process until SIGTERM or SIGINT; running ones are finished in time or handed back."""
    sys.setswitchinterval(SWITCH_SECONDS)
    parts = build_worker(settings, slots=slots)

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        parts.worker.leave()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)
    with suppress(ServiceError):  # a database that is away now may be back soon
        parts.queries.warm_up()
    parts.schema.start()
    parts.worker.run()
    parts.schema.stop()


if __name__ == "__main__":
    main()
