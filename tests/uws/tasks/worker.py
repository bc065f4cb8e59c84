"""A program that runs tasks as a worker does, for tests that kill it, start it as another user or give it a cluster."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.uws.tasks.processes import PLUGIN, order, warm_nursery
from uws.tasks.cluster import disconnect
from uws.tasks.events import Made
from uws.tasks.process import TaskProcess
from vo.core.errors import ServiceError

ROOT = Path(__file__).resolve().parents[3]


def start(
    scratch: Path, hidden: Path, *orders: dict[str, Any], wrapper: Sequence[str] = (), python: str = sys.executable
) -> subprocess.Popen[bytes]:
    """Start the program; it runs one order after the other."""
    words = {"scratch": str(scratch), "hidden": str(hidden), "orders": orders}
    return subprocess.Popen(
        [*wrapper, python, "-m", __name__, json.dumps(words)],
        env={**variables(), "PYTHONDONTWRITEBYTECODE": "1"},
        cwd="/",
        stdout=subprocess.PIPE,
    )


def variables() -> dict[str, str]:
    """Return an environment in which another Python finds what this one has."""
    folders = [str(ROOT), str(PLUGIN), str(Path(pytest.__file__).parents[1])]
    return {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(folders)}


def next_line(process: subprocess.Popen[bytes]) -> dict[str, Any]:
    """Return the next thing that the program says; the log is not it."""
    assert process.stdout is not None
    while not (line := process.stdout.readline()).startswith(b"{"):
        assert line, "the program ended"
    found: dict[str, Any] = json.loads(line)
    return found


def last_lines(process: subprocess.Popen[bytes]) -> list[dict[str, Any]]:
    """Return all that the program says until it ends."""
    printed, _ = process.communicate(timeout=120)
    return [json.loads(line) for line in printed.splitlines() if line.startswith(b"{")]


def main() -> None:
    """Run the orders of the only argument."""
    words = json.loads(sys.argv[1])
    with warm_nursery(Path(words["hidden"])) as nursery:
        _say(remarks=nursery.remarks)
        for wanted in words["orders"]:
            process = TaskProcess(nursery, order(**wanted), {}, Path(words["scratch"]), "the-job")
            try:
                for event in process.events():
                    if isinstance(event, Made):
                        for text in event.batch.column(2).to_pylist():
                            _say(said=text)
                _say(done=True)
            except ServiceError as error:
                _say(error=str(error))
            finally:
                process.close()
    disconnect()


def _say(**what: Any) -> None:
    print(json.dumps(what), flush=True)


if __name__ == "__main__":
    main()
