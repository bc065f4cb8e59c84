"""What a client asks of a task: its parameters, what its inputs are, and how the result is wanted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from uws.tasks.declaration import Task, TaskInput, TaskParameters
from uws.tasks.parameters import read_parameters
from uws.tasks.selections import SelectionRequest, SelectionsRequest
from vo.core.dali.parameters import Parameters, requested_format
from vo.core.errors import ParameterError
from vo.core.settings import Settings
from vo.core.tables.writers import Format, find_format

OF_PROTOCOLS = frozenset({"PHASE", "ACTION", "WAIT", "LANG", "REQUEST", "VERSION"})
"""Parameters of UWS and of old DAL protocols that clients send and that change nothing here."""
OF_ALL_TASKS = ("UPLOAD", "MAXREC", "RESPONSEFORMAT", "FORMAT", "RUNID")
RESERVED = frozenset({*OF_PROTOCOLS, *OF_ALL_TASKS, "QUERY", "TABLE"})
"""Names that no task may give to its parameters."""


@dataclass(frozen=True, slots=True)
class TaskRequest:
    """A task with all that is asked.

    Attributes
    ----------
    task : Task
        Which.
    parameters : TaskParameters
        Its own, as declared.
    selections : SelectionsRequest
        What its inputs are.
    named : mapping of str to (mapping of str to str)
        Columns that the client names: by input, by role.
    format : Format
        Of its tables.
    content_type : str
        Of its tables.
    maxrec : int
        Most rows of each table.
    run_id : str, optional
        The client's own id of its run.
    """

    task: Task[Any]
    parameters: TaskParameters
    selections: SelectionsRequest
    named: Mapping[str, Mapping[str, str]]
    format: Format
    content_type: str
    maxrec: int
    run_id: str | None = None

    @classmethod
    def from_parameters(cls, task: Task[Any], parameters: Parameters, settings: Settings) -> TaskRequest:
        """Read all parameters of a run.

        Raises
        ------
        ParameterError
            Naming the one that is missing, wrong or unknown.
        """
        _refuse_unknown(task, parameters)
        table_format, content_type = find_format(requested_format(parameters))
        maxrec = parameters.integer("MAXREC", least=0)
        return cls(
            task=task,
            parameters=read_parameters(task.parameters, parameters),
            selections=_selections(task, parameters),
            named={wanted.name: _named(wanted, parameters) for wanted in task.inputs},
            format=table_format,
            content_type=content_type,
            maxrec=min(settings.default_maxrec if maxrec is None else maxrec, settings.hard_maxrec),
            run_id=parameters.one("RUNID"),
        )


def known_names(task: Task[Any]) -> tuple[str, ...]:
    """Return the names of all parameters that mean something to a task, its own first."""
    own = [name.upper() for name in task.parameters.model_fields]
    of_inputs = [
        wanted.parameter(name)
        for wanted in task.inputs
        for name in ("QUERY", "TABLE", *(role.name for role in wanted.roles))
    ]
    return (*own, *of_inputs, *OF_ALL_TASKS[0 if task.inputs else 1 :])


def _refuse_unknown(task: Task[Any], parameters: Parameters) -> None:
    """Refuse what a task does not know: a misspelt parameter would silently keep its default."""
    known = known_names(task)
    for name, _ in parameters.pairs():
        if name and name not in known and name not in OF_PROTOCOLS:
            raise ParameterError(
                name[:40], f"the task {task.name} has no such parameter.", hint=f"It has {', '.join(known)}."
            )


def _named(wanted: TaskInput, parameters: Parameters) -> dict[str, str]:
    given = {role.name: parameters.one(wanted.parameter(role.name)) for role in wanted.roles}
    return {role: name for role, name in given.items() if name is not None}


def _selections(task: Task[Any], parameters: Parameters) -> SelectionsRequest:
    """Read QUERY and TABLE of each input; inputs without either take uploads."""
    uploads = tuple(parameters.all("UPLOAD"))
    found: dict[str, SelectionRequest] = {}
    for wanted in task.inputs:
        query, table = (parameters.one(wanted.parameter(name)) for name in ("QUERY", "TABLE"))
        if query is not None and table is not None:
            raise ParameterError(
                wanted.parameter("QUERY"), f"{wanted.parameter('TABLE')} is given too.", hint="Send one of them."
            )
        if query is not None:
            found[wanted.name] = SelectionRequest(wanted.parameter("QUERY"), query=query)
        elif table is not None:
            found[wanted.name] = SelectionRequest(wanted.parameter("TABLE"), table=table.strip())
    for wanted in task.inputs:
        if wanted.name not in found:
            if not uploads:
                query, table = wanted.parameter("QUERY"), wanted.parameter("TABLE")
                raise ParameterError(
                    query,
                    f"nothing says what the {wanted.title} is.",
                    hint=f"Send {query} (ADQL), {table} (the name of a table), or a table of your own with UPLOAD.",
                )
            found[wanted.name] = SelectionRequest("UPLOAD")
    return SelectionsRequest(found, uploads)
