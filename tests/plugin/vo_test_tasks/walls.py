"""Deeds against the walls: network, database, files, the environment."""

from __future__ import annotations

import os
import socket
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

from uws.tasks import (
    Input,
    TaskContext,
)

from .wishes import MisbehaveParameters, Rows, told


def network(_inputs: Mapping[str, Input], parameters: MisbehaveParameters, context: TaskContext) -> Rows:
    with socket.create_connection(("127.0.0.1", int(parameters.target)), timeout=5):
        yield told(reached=True)


def database(_inputs: Mapping[str, Input], parameters: MisbehaveParameters, context: TaskContext) -> Rows:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(parameters.target)
        yield told(reached=True)


def read_files(_inputs: Mapping[str, Input], parameters: MisbehaveParameters, context: TaskContext) -> Rows:
    yield told(size=len(Path(parameters.target).read_bytes()))


def write_files(_inputs: Mapping[str, Input], parameters: MisbehaveParameters, context: TaskContext) -> Rows:
    (context.scratch / "mine").write_text("of the task")
    Path(parameters.target).write_text("of the task")
    yield told(written=True)


def environment(_inputs: Mapping[str, Input], parameters: MisbehaveParameters, context: TaskContext) -> Rows:
    status = dict(line.split(":\t", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":\t" in line)
    yield told(
        environment=dict(os.environ),
        user=os.getuid(),
        groups=os.getgroups(),
        capabilities=status["CapEff"],
        new_privileges=status["NoNewPrivs"],
        niceness=os.nice(0),
        descriptors=sorted(os.readlink(path) for path in Path("/proc/self/fd").iterdir() if path.is_symlink()),
        main=getattr(sys.modules["__main__"], "__file__", None),
        threads=threading.active_count(),
        folder=os.getcwd(),
        processes=sorted(name for name in os.listdir("/proc") if name.isdigit()),
    )
