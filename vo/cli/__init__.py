"""The command line: ``vo``."""

from __future__ import annotations

import gc
import signal
import sys
from types import FrameType


def main() -> None:
    """Run the command line; an error that was foreseen is one message, not a trace."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:  # nohup ignores SIGHUP, and so do we then
            signal.signal(number, _leave)
    from rich.console import Console  # noqa: PLC0415  (imports wait until a command needs them)
    from rich.text import Text  # noqa: PLC0415

    from vo.cli.commands import app  # noqa: PLC0415
    from vo.core.errors import ServiceError  # noqa: PLC0415
    from vo.core.lean import without_pandas  # noqa: PLC0415

    try:
        with without_pandas():
            app()
    except ServiceError as error:
        # Messages may hold what somebody else wrote: no markup of rich's, nothing that moves the cursor.
        shown = "".join(each if each.isprintable() or each == "\n" else " " for each in error.text())
        Console(stderr=True, highlight=False).print(Text.assemble(("vo: ", "bold red"), shown), soft_wrap=True)
        sys.exit(1)
    finally:
        gc.freeze()  # or Python goes through all that was imported before it ends


def _leave(number: int, _frame: FrameType | None) -> None:
    """End in order, so that whatever was started is stopped."""
    raise SystemExit(128 + number)
