"""A service of its own for the tests of tasks over HTTP, with a worker that computes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.uws.database import Database
from tests.uws.tasks.serving import Shifting, serving, task_settings, until_stopped
from tests.uws.working import working
from vo.core.errors import QueryError


def _fails(*_: object) -> None:
    raise QueryError("Line 1: there is no table <nowhere>.", hint="Look elsewhere.")


def _bursts(*_: object) -> None:
    raise ZeroDivisionError


@pytest.fixture
def shifting() -> Shifting:
    """What the worker does."""
    return Shifting(endless=until_stopped, fails=_fails, bursts=_bursts)


@pytest.fixture
def port(database: Database, tmp_path: Path, shifting: Shifting) -> Iterator[int]:
    """The port of a service that has the task `Shift`."""
    with working(database, tmp_path, shifting), serving(task_settings(database, tmp_path)) as port:
        yield port
