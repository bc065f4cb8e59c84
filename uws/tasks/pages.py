"""Pages for people: the list of tasks, and one task with a form that runs it."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeAlias

from jinja2 import Environment

from uws.pages import duration
from uws.tasks.declaration import Task, TaskInput
from uws.tasks.documents import EstimateDocument, TaskDocument, TaskSummary
from vo.core.dali.parameters import Parameters
from vo.core.errors import ParameterError, ServiceError
from vo.core.tables.writers import FORMATS

TableNames: TypeAlias = Callable[[], Sequence[tuple[str, str]]]
"""Gives the published tables that a form offers: name and title of each."""
NO_PARAMETERS = Parameters(())


@dataclass(frozen=True, slots=True)
class Filled:
    """What stands in a form, and what came of it.

    Attributes
    ----------
    parameters : Parameters
        As they were sent, or come with a link.
    estimate : EstimateDocument, optional
        What the run would cost.
    error : ServiceError, optional
        Why it cannot be run so.
    files : bool
        Whether files came along, which a browser forgets.
    """

    parameters: Parameters = NO_PARAMETERS
    estimate: EstimateDocument | None = None
    error: ServiceError | None = None
    files: bool = False

    @property
    def wrong(self) -> str | None:
        """Name of the parameter that is wrong."""
        return self.error.parameter if isinstance(self.error, ParameterError) else None

    @property
    def names(self) -> set[str]:
        """Names of the parameters that say something."""
        return {name for name, value in self.parameters.pairs() if value}

    def value(self, name: str) -> str:
        """Return what stands in a field; browsers send line ends as CR and LF."""
        return next((value for value in self.parameters.all(name) if value), "").replace("\r\n", "\n")

    def values(self, name: str) -> list[str]:
        """Return what is chosen where several can be."""
        return [part.strip() for value in self.parameters.all(name) for part in value.split(",") if part.strip()]


class TaskPages:
    """Pages of tasks that need no JavaScript.

    Parameters
    ----------
    environment : jinja2.Environment
        From `vo.core.pages.page_environment` for the package ``uws``.
    tables : callable
        Gives the tables that a form offers.
    """

    def __init__(self, environment: Environment, tables: TableNames) -> None:
        words = {
            "file_field": file_field,
            "coordinates": coordinates,
            "command": command,
            "span": span,
            "paragraphs": paragraphs,
        }
        self._list = environment.get_template("tasks.html", globals=words)
        self._task = environment.get_template("task.html", globals=words)
        self._tables = tables

    def task_list(self, tasks: Sequence[TaskSummary]) -> str:
        """Return the page of all tasks."""
        return self._list.render(root="", tasks=tasks)

    def task(self, task: Task[Any], about: TaskDocument, filled: Filled) -> str:
        """Return a task's page.

        Parameters
        ----------
        task : Task
            Which.
        about : TaskDocument
            What there is to know of it.
        filled : Filled
            What stands in its form.
        """
        return self._task.render(
            root="../",
            about=about,
            inputs=list(zip(task.inputs, about.inputs, strict=True)),
            filled=filled,
            tables=self._tables() if task.inputs else (),
            formats=[(form.name, form.description) for form in FORMATS],
        )


def file_field(wanted: TaskInput) -> str:
    """Return the name of the form's field for a file, which is the name of its table after TAP_UPLOAD."""
    return wanted.parameter("mytable").lower()


def coordinates(wanted: TaskInput) -> tuple[str, ...]:
    """Return the names of the parameters that are the coordinates of a position, if one will do."""
    return (wanted.parameter("RA"), wanted.parameter("DEC")) if wanted.position else ()


def command(values: Mapping[str, str], option: str = "") -> str:
    """Return parameters as arguments of a shell command, each after an option and on a line of its own."""
    return " \\\n  ".join(f"{option}{shlex.quote(f'{name}={value}')}" for name, value in values.items())


def span(seconds: float) -> str:
    """Say how long something takes, as far as an estimate goes."""
    return "less than a second" if seconds < 1 else f"about {duration(timedelta(seconds=float(f'{seconds:.2g}')))}"


def paragraphs(text: str) -> list[str]:
    """Return the paragraphs of a text."""
    return [" ".join(part.split()) for part in text.split("\n\n") if part.strip()]
