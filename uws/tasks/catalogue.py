"""The tasks that there are: our own, and those of other distributions by the entry points ``vo.tasks``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import structlog

from uws.tasks.declaration import Task
from uws.tasks.documents import task_capabilities, task_document
from uws.tasks.openapi import task_paths
from uws.tasks.parameters import describe
from uws.tasks.request import RESERVED, known_names
from vo.core.errors import NotFoundError
from vo.core.settings import Settings

GROUP = "vo.tasks"
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", re.ASCII)
_OUTPUT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*", re.ASCII)
"""Of results, whose names stand in addresses and in names of files."""

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
        if task.name in self._tasks:
            raise TaskError(f"there are two tasks called {task.name}.")
        _check(task)
        self._tasks[task.name] = task


def _check(task: Task[Any]) -> None:
    """Refuse a declaration that could not be served.

    Raises
    ------
    TaskError
        What is wrong with it.
    """
    if not _NAME.fullmatch(task.name):
        raise TaskError(f"{task.name!r} is no name for a task: lower case letters, digits and hyphens.")
    own = {name.upper() for name in task.parameters.model_fields}
    if taken := own & RESERVED:
        raise TaskError(f"the task {task.name} has parameters of reserved names: {', '.join(sorted(taken))}.")
    names = known_names(task)
    if twice := _twice(names):
        raise TaskError(f"the task {task.name} has parameters with the same name: {', '.join(twice)}.")
    for wanted in task.inputs:
        if wanted.position and not {"ra", "dec"} <= {role.name for role in wanted.roles}:
            raise TaskError(f"the {wanted.title} may be a position, and has no roles for its coordinates.")
    for each in describe(task.parameters):
        if each.repeated and any("," in choice for choice in each.choices):
            raise TaskError(f"the choices of {each.name} have commas, which stand between several values.")
    unknown = {name.upper() for example in task.examples for name in example} - set(names)
    if unknown:
        raise TaskError(f"examples have parameters that the task {task.name} does not: {', '.join(sorted(unknown))}.")
    if not task.outputs or task.outputs[0].media_type is not None:
        raise TaskError(f"the first output of the task {task.name} is not a table.")
    outputs = [output.name for output in task.outputs]
    if wrong := [*_twice(outputs), *(name for name in outputs if not _OUTPUT.fullmatch(name))]:
        raise TaskError(f"{wrong[0]!r} is no name for an output: one each, of letters, digits, dots and hyphens.")
    settings = Settings.model_construct()
    try:
        task_document(task, settings)
        task_capabilities(task, settings)
        task_paths([task], settings)
    except Exception as error:  # it may be wrong in any way
        raise TaskError(f"the task {task.name} cannot be described: {error}") from error


def _twice(names: Sequence[str]) -> list[str]:
    return sorted({name for name in names if names.count(name) > 1})


def _load(point: EntryPoint) -> Task[Any]:
    declared = point.load()
    if not (isinstance(declared, type) and issubclass(declared, Task)):
        raise TaskError(f"{point.value} is no class of Task.")
    return declared()
