"""What tasks tell programs of themselves: JSON, and VOSI capabilities."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lxml import etree
from pydantic import BaseModel, ConfigDict

from uws.tasks.declaration import Task, TaskInput, TaskOutput
from uws.tasks.parameters import ParameterFacts, describe
from vo.core.limits import Limits
from vo.core.settings import Settings
from vo.core.tables import Column
from vo.core.tables.writers import FORMATS
from vo.core.vosi import Capability, E, capabilities_document

UWS_ID = "ivo://ivoa.net/std/UWS#rest-1.1"


class Document(BaseModel):
    """Base of what is told as JSON."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


class ParameterDocument(Document):
    """A parameter of a task; its name may be written in any case."""

    name: str
    description: str
    datatype: str
    """Of a value, in words of VOTable: ``double``, ``long``, ``boolean``, ``char``."""
    repeated: bool = False
    """Whether it takes several values, with commas between or as a parameter that is sent repeatedly."""
    required: bool = False
    default: str | None = None
    unit: str | None = None
    """In VOUnits."""
    ucd: str | None = None
    choices: tuple[str, ...] = ()
    """The values that it can have, where they are few."""
    minimum: float | None = None
    exclusive_minimum: float | None = None
    maximum: float | None = None
    exclusive_maximum: float | None = None
    examples: tuple[str, ...] = ()

    @classmethod
    def of(cls, facts: ParameterFacts) -> ParameterDocument:
        """Tell what is known of a parameter."""
        return cls(
            name=facts.name,
            description=facts.description,
            datatype=facts.datatype,
            repeated=facts.repeated,
            required=facts.required,
            default=facts.default,
            unit=facts.unit,
            ucd=facts.ucd,
            choices=tuple(facts.choices),
            minimum=facts.least if facts.least_included else None,
            exclusive_minimum=None if facts.least_included else facts.least,
            maximum=facts.most if facts.most_included else None,
            exclusive_maximum=None if facts.most_included else facts.most,
            examples=facts.examples,
        )


class RoleDocument(Document):
    """A column that a task needs of an input; it is found by UCD, then by name, unless the parameter names it."""

    parameter: str
    """Names the column explicitly."""
    description: str
    ucds: tuple[str, ...]
    names: tuple[str, ...]
    holds: str
    """What the column has to hold, in words."""
    unit: str | None
    """In which the task wants it; columns of other units are converted."""
    required: bool


class InputDocument(Document):
    """A selection that a task needs: a table, the result of a query, or else the next of the uploads.

    Where `target` says so, a single position will do: the parameters of right ascension and declination are numbers
    then (degrees, or sexagesimal) instead of names of columns.
    """

    name: str
    title: str
    query: str
    """Parameter that takes a query in ADQL."""
    table: str
    """Parameter that takes the name of a table."""
    target: str | None = None
    """Parameter that takes a single position: its coordinates, or what it is called; null where a table is needed."""
    required: bool = True
    columns: tuple[RoleDocument, ...]


class ColumnDocument(Document):
    """A column, in words of VOTable."""

    name: str
    datatype: str
    arraysize: str | None = None
    xtype: str | None = None
    unit: str | None = None
    ucd: str | None = None
    description: str | None = None


class OutputDocument(Document):
    """A table or file that a task makes."""

    name: str
    """Id of the result."""
    title: str
    media_type: str | None
    """Of a file; null for a table, which comes in the format that is asked for."""
    columns: tuple[ColumnDocument, ...]
    """Those that are the same whatever the input."""


class ReferenceDocument(Document):
    """What to read and cite."""

    title: str
    url: str


class TaskSummary(Document):
    """A task in the list of all."""

    name: str
    title: str
    summary: str
    """The first paragraph of its description."""
    url: str
    """Of its description."""
    sync: str
    jobs: str
    """Its job list (UWS 1.1)."""
    estimate: str
    capabilities: str
    examples: str


class TaskList(Document):
    """The tasks of a service."""

    tasks: tuple[TaskSummary, ...]


class TaskLimits(Document):
    """What one run may take, in seconds, rows and bytes."""

    sync_seconds: int
    seconds: int
    rows: int
    upload_bytes: int
    memory_bytes: int


class TaskDocument(TaskSummary):
    """All that there is to know of a task."""

    description: str
    version: str
    references: tuple[ReferenceDocument, ...]
    parameters: tuple[ParameterDocument, ...]
    inputs: tuple[InputDocument, ...]
    of_all_tasks: tuple[ParameterDocument, ...]
    """Parameters that every task takes."""
    outputs: tuple[OutputDocument, ...]
    formats: tuple[str, ...]
    """Values of RESPONSEFORMAT; media types are taken too."""
    sample_parameters: tuple[dict[str, str], ...]
    """Values of parameters that work."""
    recovery: str
    """What becomes of a job whose worker was lost."""
    keeps_partial: bool
    """Whether what was made before a failure is kept."""
    network: bool
    """Whether it needs the network."""
    limits: TaskLimits


class InputEstimate(Document):
    """An input as it was understood."""

    name: str
    source: str
    rows: int | None
    columns: dict[str, str]
    """Names of columns that were recognised, by the parameters that would name them."""


class EstimateDocument(Document):
    """What a run would cost."""

    seconds: float | None
    """How long it will run; null where nobody knows."""
    rows: int | None
    """How many rows the first output will have, at most."""
    plan: str
    """What will be done, and why so."""
    inputs: tuple[InputEstimate, ...]


def summary_of(task: Task[Any]) -> str:
    """Return the first paragraph of a task's description on one line."""
    return " ".join(task.description.strip().split("\n\n")[0].split())


def _places(task: Task[Any], base: str) -> dict[str, str]:
    url = f"{base}/tasks/{task.name}"
    return {
        "name": task.name,
        "title": task.title,
        "summary": summary_of(task),
        "url": url,
        "sync": f"{url}/sync",
        "jobs": f"{url}/async",
        "estimate": f"{url}/estimate",
        "capabilities": f"{url}/capabilities",
        "examples": f"{url}/examples",
    }


def task_summary(task: Task[Any], base: str) -> TaskSummary:
    """Describe a task in a few words; `base` is the service's address."""
    return TaskSummary(**_places(task, base))


def task_document(task: Task[Any], settings: Settings) -> TaskDocument:
    """Describe a task completely."""
    limits = Limits.of(settings)
    return TaskDocument(
        **_places(task, settings.public_url),
        description=task.description.strip(),
        version=task.version,
        references=tuple(ReferenceDocument(title=each.title, url=each.url) for each in task.references),
        parameters=tuple(map(ParameterDocument.of, describe(task.parameters))),
        inputs=tuple(map(_input, task.inputs)),
        of_all_tasks=general_parameters(task, settings),
        outputs=tuple(map(_output, task.outputs)),
        formats=tuple(form.name for form in FORMATS),
        sample_parameters=tuple({name.upper(): value for name, value in each.items()} for each in task.examples),
        recovery=task.recovery.value,
        keeps_partial=task.keeps_partial,
        network=task.network,
        limits=TaskLimits(
            sync_seconds=min(settings.sync_time, limits.max_job_time),
            seconds=limits.max_job_time,
            rows=settings.hard_maxrec,
            upload_bytes=limits.max_upload,
            memory_bytes=settings.task_memory,
        ),
    )


def _input(wanted: TaskInput) -> InputDocument:
    return InputDocument(
        name=wanted.name,
        title=wanted.title,
        query=wanted.parameter("QUERY"),
        table=wanted.parameter("TABLE"),
        target=wanted.parameter("TARGET") if wanted.position else None,
        required=wanted.required,
        columns=tuple(
            RoleDocument(
                parameter=wanted.parameter(role.name),
                description=role.description,
                ucds=role.ucds,
                names=role.names,
                holds=role.kind.value,
                unit=role.unit,
                required=role.required,
            )
            for role in wanted.roles
        ),
    )


def _output(output: TaskOutput) -> OutputDocument:
    return OutputDocument(
        name=output.name,
        title=output.title,
        media_type=output.media_type,
        columns=tuple(map(_column, output.columns)),
    )


def _column(column: Column) -> ColumnDocument:
    return ColumnDocument(
        name=column.name,
        datatype=str(column.datatype),
        arraysize=column.arraysize,
        xtype=column.xtype,
        unit=column.unit,
        ucd=column.ucd,
        description=column.description,
    )


def general_parameters(task: Task[Any], settings: Settings) -> tuple[ParameterDocument, ...]:
    """Describe what every task takes beside its own parameters."""
    upload = ParameterDocument(
        name="UPLOAD",
        description="A table of your own: name,URI; the URI of a file in the same request is param: with its part.",
        datatype="char",
        examples=("mine,param:file", "mine,https://example.org/stars.vot"),
    )
    others: tuple[ParameterDocument, ...] = (
        ParameterDocument(
            name="MAXREC",
            description="Most rows of each table.",
            datatype="long",
            default=str(settings.default_maxrec),
            minimum=0,
            examples=("100",),
        ),
        ParameterDocument(
            name="RESPONSEFORMAT",
            description="Format of the tables, by a short name or a media type.",
            datatype="char",
            default=FORMATS[0].name,
            examples=tuple(form.name for form in FORMATS),
        ),
        ParameterDocument(
            name="RESULTS",
            description="Which of its results are wanted; all by default, of a synchronous request the first one.",
            datatype="char",
            repeated=True,
            choices=tuple(output.name for output in task.outputs),
        ),
        ParameterDocument(name="RUNID", description="A name of your own for the run.", datatype="char"),
    )
    if len(task.outputs) == 1:
        others = tuple(each for each in others if each.name != "RESULTS")
    return (upload, *others) if task.inputs else others


_SIMPLE = {"double": "real", "long": "integer", "boolean": "boolean", "char": "string"}
"""VODataService's types of parameters, by VOTable's."""


def task_capabilities(task: Task[Any], settings: Settings) -> bytes:
    """Return the document of /tasks/NAME/capabilities (VOSI 1.1).

    No standard names what a task does: its synchronous form has parameters in the words of VODataService instead of a
    standardID, and the job list is one of UWS.
    """
    base = f"{settings.public_url}/tasks/{task.name}"
    return capabilities_document(
        [
            Capability(
                None, f"{base}/sync", use="base", description=task.title, extra_interface=[*_interface(task, settings)]
            ),
            Capability(UWS_ID, f"{base}/async", version="1.1", use="base"),
            Capability("ivo://ivoa.net/std/VOSI#capabilities", f"{base}/capabilities", version="1.0"),
            Capability("ivo://ivoa.net/std/VOSI#availability", f"{base}/availability", version="1.0"),
            Capability("ivo://ivoa.net/std/DALI#examples", f"{base}/examples", interface="vr:WebBrowser"),
            Capability(None, base, interface="vr:WebBrowser", description=f"{task.title}: its page, with a form"),
        ]
    )


def _interface(task: Task[Any], settings: Settings) -> Iterator[etree._Element]:
    yield E.resultType(FORMATS[0].media_type)
    for each in (*map(ParameterDocument.of, describe(task.parameters)), *input_parameters(task)):
        yield _parameter(each, standard=False)
    for each in general_parameters(task, settings):
        yield _parameter(each, standard=True)


def _parameter(each: ParameterDocument, *, standard: bool) -> etree._Element:
    children = [E.name(each.name), E.description(each.description)]
    children += [E(tag, text) for tag, text in (("unit", each.unit), ("ucd", each.ucd)) if text]
    use = {"use": "required" if each.required else "optional", "std": str(standard).lower()}
    element: etree._Element = E.param(use, *children, E.dataType(_SIMPLE[each.datatype]))
    return element


def input_parameters(task: Task[Any]) -> Iterator[ParameterDocument]:
    """Yield the parameters that say what a task's inputs are, and which of their columns are meant."""
    for wanted in task.inputs:
        yield ParameterDocument(
            name=wanted.parameter("TABLE"),
            description=f"The {wanted.title}: name of a table that is published here, or uploaded as TAP_UPLOAD.name.",
            datatype="char",
        )
        yield ParameterDocument(
            name=wanted.parameter("QUERY"), description=f"The {wanted.title}: a query in ADQL.", datatype="char"
        )
        if wanted.position:
            yield ParameterDocument(
                name=wanted.parameter("TARGET"),
                description="A single position instead: its coordinates, a name that has them in it, or what a "
                "published table calls it; beside coordinates any name.",
                datatype="char",
                examples=("14:29:42.9 -62:40:46", "SDSS J123456.78-123456.7"),
            )
        for role in wanted.roles:
            coordinate = f"The {role.description} of a single position in degrees or sexagesimal, or else the "
            first = coordinate + "column" if wanted.position and role.name in ("ra", "dec") else "Column"
            yield ParameterDocument(
                name=wanted.parameter(role.name),
                description=f"{first} of the {wanted.title} with its {role.description}; found by itself if it can.",
                datatype="char",
            )
