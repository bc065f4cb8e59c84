"""One worker process, started and started again by the supervisor or by ``vo worker``."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from types import FrameType

import structlog

from uws.tasks.run_folder import sweep_folders
from vo.app.process import SWITCH_SECONDS, end_with_supervisor
from vo.app.workers import build_worker
from vo.core.errors import ConfigurationError, ServiceError
from vo.core.logs import configure_logs
from vo.core.scratch import use_scratch
from vo.core.settings import Settings, load_settings

EARLY_SECONDS = 5.0
"""A worker that exits with an error this soon after its start is in trouble that a restart will not mend."""

log = structlog.get_logger()


def main() -> None:
    """Work until SIGTERM, or until whoever started it is gone."""
    end_with_supervisor(int(os.environ["VO_SUPERVISOR"]))
    if "VO_LISTENER" in os.environ:
        os.close(int(os.environ["VO_LISTENER"]))  # the next service can listen while this worker still drains
    try:
        settings = load_settings()
        configure_logs(settings)
        use_scratch(settings)
    except ServiceError as error:  # what the supervisor read was changed since
        sys.exit(f"vo: {error}")
    try:
        _work(settings)
    except Exception:
        log.exception("process.failed")
        sys.exit(1)


def work(settings: Settings, *, slots: int) -> None:
    """Keep a worker process running until SIGTERM or SIGINT; its jobs are then finished in time or handed back.

    Raises
    ------
    ConfigurationError
        If it fails as soon as it starts.
    """
    environment = {**os.environ, "VO_SUPERVISOR": str(os.getpid()), "VO_WORKER_SLOTS": str(slots)}
    leaving = False
    process: subprocess.Popen[bytes] | None = None

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        nonlocal leaving
        leaving = True
        if process is not None:
            process.terminate()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)
    while not leaving:
        begun = time.monotonic()
        # A session of its own: Ctrl-C in the terminal reaches this process only.
        process = subprocess.Popen([sys.executable, "-m", "vo.app", __name__], env=environment, start_new_session=True)
        if leaving:
            process.terminate()
        status = process.wait()
        if status == 0:  # it was told to leave
            return
        log.warning("process.ended", pid=process.pid, status=status)
        # One that a signal ended was killed or crashed, as ADBC does when a network is cut: the next may live.
        if status > 0 and time.monotonic() - begun < EARLY_SECONDS:
            raise ConfigurationError(
                "The worker ends as soon as it starts.",
                hint=f"The reason stands above or in the log, {settings.log_path or 'standard error'}.",
            )


def _work(settings: Settings) -> None:
    """Run jobs in this process until SIGTERM or SIGINT."""
    sys.setswitchinterval(SWITCH_SECONDS)
    parts = build_worker(settings, slots=settings.worker_slots)

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        parts.worker.leave()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)
    if swept := sweep_folders(settings.scratch_folder):
        log.info("task.folders_swept", folders=swept)
    parts.tasks.nursery.start()
    with suppress(ServiceError):  # a database that is away now may be back soon
        parts.queries.warm_up()
    parts.schema.start()
    parts.worker.run()
    parts.schema.stop()
    parts.tasks.close()
