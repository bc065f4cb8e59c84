"""The tasks that there are: our own, and those of other distributions by the entry points ``vo.tasks``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import structlog

from uws.tasks.declaration import Task
from uws.tasks.request import RESERVED, known_names
from vo.core.errors import NotFoundError

GROUP = "vo.tasks"
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", re.ASCII)

log = structlog.get_logger()


def service_of(task: Task[Any]) -> str:
    """Return the name of the service to which a task's jobs belong."""
    return f"task.{task.name}"


class TaskError(Exception):
    """A declaration that cannot be served."""


class TaskCatalogue:
    """The tasks of this installation, by name.

    Attributes
    ----------
    broken : dict of str to str
        What is wrong with the entry points whose tasks are not served, by their names.
    """

    def __init__(self, tasks: Iterable[Task[Any]] = ()) -> None:
        self.broken: dict[str, str] = {}
        self._tasks: dict[str, Task[Any]] = {}
        for task in tasks:
            self._add(task)

    @classmethod
    def installed(cls) -> TaskCatalogue:
        """Return all tasks that are installed; one that is broken is named in the log and harms no other."""
        catalogue = cls()
        for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
            try:
                catalogue._add(_load(point))
            except Exception as error:  # a distribution of somebody else's may fail in any way
                catalogue.broken[point.name] = f"{type(error).__name__}: {error}"
                log.warning("task.broken", entry_point=point.value, reason=catalogue.broken[point.name])
        return catalogue

    def __iter__(self) -> Iterator[Task[Any]]:
        return iter(self._tasks.values())

    def __len__(self) -> int:
        return len(self._tasks)

    def get(self, name: str) -> Task[Any]:
        """Return a task.

        Raises
        ------
        NotFoundError
            If there is none of this name.
        """
        if name not in self._tasks:
            names = ", ".join(self._tasks) or "none"
            raise NotFoundError(f"There is no task {name[:40]!r}.", hint=f"The tasks are {names}.")
        return self._tasks[name]

    def _add(self, task: Task[Any]) -> None:
        if not _NAME.fullmatch(task.name):
            raise TaskError(f"{task.name!r} is no name for a task: lower case letters, digits and hyphens.")
        if task.name in self._tasks:
            raise TaskError(f"there are two tasks called {task.name}.")
        own = {name.upper() for name in task.parameters.model_fields}
        if taken := own & RESERVED:
            raise TaskError(f"the task {task.name} has parameters of reserved names: {', '.join(sorted(taken))}.")
        names = known_names(task)
        if len(set(names)) < len(names):
            twice = sorted({name for name in names if names.count(name) > 1})
            raise TaskError(f"the task {task.name} has parameters with the same name: {', '.join(twice)}.")
        if not task.outputs or task.outputs[0].media_type is not None:
            raise TaskError(f"the first output of the task {task.name} is not a table.")
        self._tasks[task.name] = task


def _load(point: EntryPoint) -> Task[Any]:
    declared = point.load()
    if not (isinstance(declared, type) and issubclass(declared, Task)):
        raise TaskError(f"{point.value} is no class of Task.")
    return declared()
