"""What a client asks of a task: its parameters, what its inputs are, and how the result is wanted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from uws.continuing import CONTINUE
from uws.tasks.declaration import Task, TaskInput, TaskParameters
from uws.tasks.parameters import read_parameters
from uws.tasks.selections import SelectionRequest, SelectionsRequest
from uws.tasks.targets import angle, at, understood
from vo.core.dali.parameters import Parameters, requested_format
from vo.core.errors import ParameterError
from vo.core.settings import Settings
from vo.core.tables.writers import Format, find_format

SHOWN = 60
"""Characters of a wrong value that an error repeats."""
LONGEST_NAME = 1000
"""Characters of what a position is called."""
OF_PROTOCOLS = frozenset({"PHASE", "ACTION", "WAIT", "LANG", "REQUEST", "VERSION"})
"""Parameters of UWS and of old DAL protocols that clients send and that change nothing here."""
OF_ALL_TASKS = ("UPLOAD", "MAXREC", "RESPONSEFORMAT", "FORMAT", "RESULTS", "RUNID")
RESERVED = frozenset({*OF_PROTOCOLS, *OF_ALL_TASKS, "QUERY", "TABLE", CONTINUE})
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
    results : tuple of str
        Names of the outputs that are wanted, in the order of the task's.
    """

    task: Task[Any]
    parameters: TaskParameters
    selections: SelectionsRequest
    named: Mapping[str, Mapping[str, str]]
    format: Format
    content_type: str
    maxrec: int
    run_id: str | None = None
    results: tuple[str, ...] = ()

    @classmethod
    def from_parameters(cls, task: Task[Any], parameters: Parameters, settings: Settings) -> TaskRequest:
        """Read all parameters of a run.

        Raises
        ------
        ParameterError
            Naming the one that is missing, wrong or unknown.
        """
        _refuse_unknown(task, parameters)
        selections = _selections(task, parameters)
        table_format, content_type = find_format(requested_format(parameters))
        maxrec = parameters.integer("MAXREC", least=0)
        return cls(
            task=task,
            parameters=read_parameters(task.parameters, parameters),
            selections=selections,
            named={wanted.name: _columns_named(wanted, parameters, selections) for wanted in task.inputs},
            format=table_format,
            content_type=content_type,
            maxrec=min(settings.default_maxrec if maxrec is None else maxrec, settings.hard_maxrec),
            run_id=parameters.one("RUNID"),
            results=_results(task, parameters),
        )


def known_names(task: Task[Any]) -> tuple[str, ...]:
    """Return the names of all parameters that mean something to a task, its own first."""
    own = [name.upper() for name in task.parameters.model_fields]
    of_inputs = [name for wanted in task.inputs for name in wanted.parameters]
    return (*own, *of_inputs, *OF_ALL_TASKS[0 if task.inputs else 1 :])


def _refuse_unknown(task: Task[Any], parameters: Parameters) -> None:
    """Refuse what a task does not know: a misspelt parameter would silently keep its default."""
    if parameters.all(CONTINUE):
        raise ParameterError(
            CONTINUE, "only a new job goes on with another one.", hint=f"Send it to /tasks/{task.name}/async."
        )
    known = known_names(task)
    for name, _ in parameters.pairs():
        if name and name not in known and name not in OF_PROTOCOLS:
            raise ParameterError(
                name[:40], f"the task {task.name} has no such parameter.", hint=f"It has {', '.join(known)}."
            )


def _results(task: Task[Any], parameters: Parameters) -> tuple[str, ...]:
    """Return which outputs are wanted; all of them where nobody says."""
    names = [output.name for output in task.outputs]
    given = [part.strip() for value in parameters.all("RESULTS") for part in value.split(",") if part.strip()]
    folded = {name.lower(): name for name in names}
    for text in given:
        if text.lower() not in folded:
            raise ParameterError(
                "RESULTS", f"{text[:SHOWN]!r} is none of its results.", hint=f"Choose from {', '.join(names)}."
            )
    chosen = {folded[text.lower()] for text in given}
    return tuple(name for name in names if name in chosen or not chosen)


def _columns_named(wanted: TaskInput, parameters: Parameters, selections: SelectionsRequest) -> dict[str, str]:
    """Return the columns that the client names, by roles; RA and DEC of a position are none."""
    request = selections.selections.get(wanted.name)
    named = _named(wanted, parameters)
    if request is None or request.target is None:
        return named
    return {role: name for role, name in named.items() if role not in ("ra", "dec")}


def _named(wanted: TaskInput, parameters: Parameters) -> dict[str, str]:
    given = {role.name: parameters.one(wanted.parameter(role.name)) for role in wanted.roles}
    return {role: name for role, name in given.items() if name is not None}


def _selections(task: Task[Any], parameters: Parameters) -> SelectionsRequest:
    """Read what each input is: QUERY or TABLE, a position, or else an upload."""
    uploads = tuple(parameters.all("UPLOAD"))
    found: dict[str, SelectionRequest] = {}
    for wanted in task.inputs:
        ways = ("QUERY", "TABLE", "TARGET") if wanted.position else ("QUERY", "TABLE")
        given = {name: parameters.one(wanted.parameter(name)) for name in ways}
        if len(said := [wanted.parameter(name) for name, value in given.items() if value is not None]) > 1:
            raise ParameterError(said[0], f"{said[1]} is given too.", hint="Send one of them.")
        if given["QUERY"] is not None:
            found[wanted.name] = SelectionRequest(said[0], query=given["QUERY"])
        elif given["TABLE"] is not None:
            found[wanted.name] = SelectionRequest(said[0], table=given["TABLE"].strip())
        elif wanted.position and (position := _position(wanted, parameters, uploads=bool(uploads))) is not None:
            found[wanted.name] = position
    for wanted in task.inputs:
        if wanted.name in found:
            continue
        if uploads:
            found[wanted.name] = SelectionRequest("UPLOAD", required=wanted.required)
        elif wanted.required:
            raise _nothing_given(wanted)
        elif named := _named(wanted, parameters):
            name = wanted.parameter(next(iter(named)))
            raise ParameterError(name, f"names a column, and nothing says of which {wanted.title}.", hint=_ways(wanted))
    return SelectionsRequest(found, uploads)


def _position(wanted: TaskInput, parameters: Parameters, *, uploads: bool) -> SelectionRequest | None:
    """Read TARGET, RA and DEC of an input for which no query and no table is given; None if they mean columns.

    Raises
    ------
    ParameterError
        If they are no position.
    """
    target, ra, dec = (wanted.parameter(name) for name in ("TARGET", "RA", "DEC"))
    name, first, second = (parameters.one(each) for each in (target, ra, dec))
    if name is not None and len(name) > LONGEST_NAME:  # it may stand in each row of a result
        raise ParameterError(target, f"it has {len(name):,} characters.", hint=f"At most {LONGEST_NAME:,} can be had.")
    if first is not None and second is not None:
        if uploads and name is None and (angle(first, hours=True) is None or angle(second, hours=False) is None):
            return None
        return SelectionRequest(ra, target=at(first, second, name and name.strip(), parameters=(ra, dec)))
    if first is not None or second is not None:
        if uploads and name is None:
            return None
        given, missing = (ra, dec) if second is None else (dec, ra)
        raise ParameterError(missing, f"is missing, and {given} is given.", hint="A position has both.")
    if name is None or not name.strip():
        return None
    return SelectionRequest(target, target=understood(name, target) or " ".join(name.split()))


def _nothing_given(wanted: TaskInput) -> ParameterError:
    return ParameterError(
        wanted.parameter("TARGET" if wanted.position else "QUERY"),
        f"nothing says what the {wanted.title} is.",
        hint=_ways(wanted),
    )


def _ways(wanted: TaskInput) -> str:
    """Return in a sentence how an input can be given."""
    ways = [f"{wanted.parameter('QUERY')} (ADQL)", f"{wanted.parameter('TABLE')} (the name of a table)"]
    if wanted.position:
        ra, dec, target = (wanted.parameter(name) for name in ("RA", "DEC", "TARGET"))
        ways[:0] = [f"{ra} and {dec} (degrees)", f"{target} (coordinates, or a name that has them or is known here)"]
    return f"Send {', '.join(ways)}, or a table of your own with UPLOAD."
