"""What a task is: one class that declares a computation. All else is derived from it.

From a declaration the stack makes the task's job list and synchronous form, its capabilities, its page and form, its
part of the OpenAPI document, its command and its documentation. A task knows neither HTTP nor the database: it is given
batches of rows and yields batches of rows.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeAlias, TypeVar

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from uws.tasks.given import Input, Output, TaskContext
from vo.core.tables import Column
from vo.core.tables.writers import CoordinateSystem, TimeSystem

if TYPE_CHECKING:
    from uws.tasks.recognition import Recognised

RESULT = "result"
"""Id of a task's first output."""


class TaskParameters(BaseModel):
    """Base of the parameters of tasks; a field's name in upper case is the name of the DALI parameter.

    Fields are made with `parameter`. A field that is a tuple takes the parameter repeatedly, or several values with
    commas between.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def parameter(
    default: Any = ...,
    *,
    description: str,
    unit: str | None = None,
    ucd: str | None = None,
    examples: Sequence[Any] = (),
    **constraints: Any,
) -> Any:
    """Declare one parameter of a task.

    Parameters
    ----------
    default : Any
        Its value where the client gives none; without it the parameter is required.
    description : str
        What it means, in a sentence.
    unit : str, optional
        In VOUnits.
    ucd : str, optional
        UCD1+.
    examples : sequence
        Values that work.
    **constraints
        As of pydantic's Field: ``ge``, ``gt``, ``le``, ``lt``, ``max_length``, ``pattern`` …
    """
    extra: dict[str, Any] = {key: value for key, value in (("unit", unit), ("ucd", ucd)) if value is not None}
    return Field(
        default, description=description, examples=list(examples) or None, json_schema_extra=extra, **constraints
    )


class Kind(Enum):
    """What a column has to hold for a role."""

    NUMBER = "a number"
    INTEGER = "an integer"
    TEXT = "text"
    NUMBERS = "an array of numbers"
    ANY = "a value"


@dataclass(frozen=True, slots=True)
class Role:
    """What a task needs a column for.

    Attributes
    ----------
    name : str
        In lower case: ``ra``; in upper case the parameter that names the column explicitly.
    description : str
        In a few words.
    ucds : tuple of str
        UCD1+ that such columns have, the best first. One without ``;meta.main`` fits those with it too.
    names : tuple of str
        What such columns are called, in lower case, the best first.
    kind : Kind
        What it holds.
    unit : str, optional
        In which the task wants it; columns of other units are converted, those without one are taken as they are.
    required : bool
        Whether the task cannot do without.
    """

    name: str
    description: str
    ucds: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    kind: Kind = Kind.NUMBER
    unit: str | None = None
    required: bool = True


RA = Role("ra", "right ascension", ("pos.eq.ra;meta.main", "pos.eq.ra"), ("ra",), unit="deg")
DEC = Role("dec", "declination", ("pos.eq.dec;meta.main", "pos.eq.dec"), ("dec",), unit="deg")
"""Where both are among an input's roles they are looked for as a pair (`vo.core.tables.positions`)."""


@dataclass(frozen=True, slots=True)
class TaskInput:
    """A selection that a task needs.

    Attributes
    ----------
    name : str
        ``""`` for the only input of a task; else what the names of its parameters end with after an underscore: ``1``
        for QUERY_1 and RA_1.
    title : str
        In a few words.
    roles : tuple of Role
        Columns that are looked for.
    required : bool
        Whether the task cannot do without; where nothing is given for an input that is not required, `Task.plan` has no
        facts of it.
    position : bool
        Whether it may be a single position instead: RA and DEC are coordinates then, TARGET is its name, and the
        selection has one row with the columns of `uws.tasks.targets`. Its roles hold `RA` and `DEC`.
    """

    name: str
    title: str
    roles: tuple[Role, ...] = ()
    required: bool = True
    position: bool = False

    def parameter(self, name: str) -> str:
        """Return the name of one of its parameters, such as QUERY_1."""
        return f"{name.upper()}_{self.name.upper()}" if self.name else name.upper()

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of all its parameters."""
        names = ("QUERY", "TABLE", *(("TARGET",) if self.position else ()), *(role.name for role in self.roles))
        return tuple(map(self.parameter, names))


@dataclass(frozen=True, slots=True)
class TaskOutput:
    """A table or file that a task makes.

    Attributes
    ----------
    name : str
        Id of the result.
    title : str
        In a few words; the caption of a picture.
    media_type : str, optional
        Of a file; None for a table, which comes in the format that the client asks for.
    columns : tuple of Column
        Those that are the same whatever the input; `Task.columns` tells all.
    systems : tuple of CoordinateSystem or TimeSystem
        In which its positions and times are, by names of columns.
    """

    name: str
    title: str
    media_type: str | None = None
    columns: tuple[Column, ...] = ()
    systems: tuple[CoordinateSystem | TimeSystem, ...] = ()


@dataclass(frozen=True, slots=True)
class Reference:
    """A paper or document to cite."""

    title: str
    url: str


class Recovery(Enum):
    """What becomes of a job whose worker was lost."""

    RESTART = "it begins again"
    RESUME = "it goes on from its checkpoint"
    FAIL = "it ends in ERROR"


@dataclass(frozen=True, slots=True)
class SelectionFacts:
    """What is known of a selection before it is read.

    Attributes
    ----------
    columns : tuple of Column
        Its columns; their names are unique.
    rows : int, optional
        How many rows it has, roughly; None where nobody knows.
    recognised : Recognised
        Which of its columns have which roles.
    source : str
        In words: ``table gaia_dr3.bright``.
    indexed : bool
        Whether the positions that were recognised are under an index on the sky, so that its rows near other positions
        can be found without reading all of it.
    """

    columns: tuple[Column, ...]
    rows: int | None
    recognised: Recognised
    source: str
    indexed: bool = False


@dataclass(frozen=True, slots=True)
class Rows:
    """A plan's input: the rows of a selection.

    Attributes
    ----------
    selection : str
        Name of the task's input.
    columns : tuple of str, optional
        Which columns are read; None for all.
    stored_order : bool
        Ask for the rows as they lie on the disk, for published tables along the sky, at the price of parallel plans.
    """

    selection: str
    columns: tuple[str, ...] | None = None
    stored_order: bool = False


@dataclass(frozen=True, slots=True)
class Neighbours:
    """A plan's input: the pairs of rows of two selections that are near each other, found by the database's index.

    Its batches have the columns of `first`, then those of `second` (which is indexed), then ``first_row``: the number
    of the first selection's row, from 0 in its own order. Pairs come in any order; rows without a neighbour, or without
    a position, are not among them.

    Attributes
    ----------
    first, second : Rows
        Of two of the task's inputs.
    radius : float
        Largest distance in degrees.
    """

    first: Rows
    second: Rows
    radius: float


InputPlan: TypeAlias = Rows | Neighbours


@dataclass(frozen=True, slots=True)
class Plan:
    """How a run will go, made before it: shown as its quote, and followed when it runs.

    Attributes
    ----------
    inputs : mapping of str to InputPlan
        What the task is given, by names of its own choice.
    seconds : float, optional
        How long it will take.
    rows : int, optional
        How many rows the first output will have, at most.
    explanation : str
        For people: what will be done, and why so.
    """

    inputs: Mapping[str, InputPlan]
    seconds: float | None = None
    rows: int | None = None
    explanation: str = ""


P = TypeVar("P", bound=TaskParameters)


class Task(ABC, Generic[P]):
    """A computation. Its class attributes describe it; it is made once in each process and holds no state.

    Attributes
    ----------
    name : str
        In URLs and commands: lower case, digits and hyphens.
    title : str
        One line.
    description : str
        Paragraphs in plain text, the first one short.
    version : str
        Of the computation.
    references : tuple of Reference
        What to read and cite.
    parameters : type of TaskParameters
        Model of its parameters.
    inputs : tuple of TaskInput
        Selections that it needs; none for a task that makes rows from parameters alone.
    outputs : tuple of TaskOutput
        Tables and files that it makes; the first one is a table.
    examples : tuple of mapping
        Values of parameters, by name, that work on the demonstration catalogues.
    recovery : Recovery
        What becomes of a job whose worker was lost.
    keeps_partial : bool
        Whether rows that were made before a failure are kept, and marked, or dropped.
    network : bool
        Whether it needs the network; then it runs only where the operator allows it.
    preload : tuple of str
        Modules that are slow to import; each worker imports them once.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    description: ClassVar[str]
    version: ClassVar[str] = "1.0"
    references: ClassVar[tuple[Reference, ...]] = ()
    parameters: ClassVar[type[TaskParameters]]
    inputs: ClassVar[tuple[TaskInput, ...]]
    outputs: ClassVar[tuple[TaskOutput, ...]]
    examples: ClassVar[tuple[Mapping[str, str], ...]] = ()
    recovery: ClassVar[Recovery] = Recovery.RESTART
    keeps_partial: ClassVar[bool] = False
    network: ClassVar[bool] = False
    preload: ClassVar[tuple[str, ...]] = ()

    def plan(self, selections: Mapping[str, SelectionFacts], parameters: P) -> Plan:  # noqa: ARG002
        """Say how it would run; called in the service's processes, so it must be quick and must not compute.

        Parameters
        ----------
        selections : mapping of str to SelectionFacts
            By names of inputs; without those that are not required and not given.
        parameters : TaskParameters
            As given.

        Raises
        ------
        ServiceError
            If these selections cannot be used so.
        """
        return Plan({name: Rows(name) for name in selections})

    def facts(self, parameters: P) -> Mapping[str, str]:  # noqa: ARG002
        """Return what all tables that it makes say of themselves (INFO), whatever happens: licence, reference epoch.

        What is known only when it runs is told by `TaskContext.info`.

        Parameters
        ----------
        parameters : TaskParameters
            As given.
        """
        return {}

    @abstractmethod
    def columns(
        self, inputs: Mapping[str, tuple[Column, ...]], parameters: P, plan: Plan
    ) -> Mapping[str, tuple[Column, ...]]:
        """Return the columns of each table that the run will make, by names of outputs.

        Parameters
        ----------
        inputs : mapping of str to tuple of Column
            What the plan's inputs have.
        parameters : TaskParameters
            As given.
        plan : Plan
            As `plan` made it.
        """

    @abstractmethod
    def run(
        self, inputs: Mapping[str, Input], parameters: P, context: TaskContext
    ) -> Iterator[pa.RecordBatch | Output]:
        """Compute, in a process without database and without network.

        Parameters
        ----------
        inputs : mapping of str to Input
            The plan's inputs.
        parameters : TaskParameters
            As given.
        context : TaskContext
            Scratch folder, progress, counts, processes.

        Yields
        ------
        pyarrow.RecordBatch or Output
            Rows whose columns are, by position, those that `columns` told.

        Raises
        ------
        ServiceError
            Why it cannot go on, in words for the client.
        """
