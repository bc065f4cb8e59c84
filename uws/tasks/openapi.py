"""The resources of tasks, for the OpenAPI document: each task's parameters with types, units and ranges."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic.json_schema import models_json_schema

from uws.continuing import BESIDE, CONTINUE
from uws.openapi import RUN, job_list_paths, job_paths
from uws.tasks.declaration import Recovery, Task
from uws.tasks.documents import (
    EstimateDocument,
    ParameterDocument,
    TaskDocument,
    TaskList,
    input_parameters,
    task_document,
)
from vo.core.openapi import (
    HTML,
    JSON,
    TEXT,
    VOTABLE,
    XML,
    Paths,
    Piece,
    answer,
    form,
    operation,
    path_parameter,
    query_parameter,
    ref,
    seen,
    table,
)
from vo.core.settings import Settings

TAG = "tasks"
_TYPES = {"double": "number", "long": "integer", "boolean": "boolean", "char": "string"}
_TOLD = (VOTABLE, TEXT, JSON)
"""Media types of errors of synchronous runs: as RESPONSEFORMAT says."""


def task_schemas() -> dict[str, Piece]:
    """Return the schemas of what tasks tell as JSON."""
    models = [(model, "serialization") for model in (TaskList, TaskDocument, EstimateDocument)]
    _, made = models_json_schema(models, ref_template="#/components/schemas/{model}")  # type: ignore[arg-type]
    schemas: dict[str, Piece] = made["$defs"]
    return schemas


def task_paths(tasks: Iterable[Task[Any]], settings: Settings) -> Paths:
    """Return the resources of all tasks."""
    known = list(tasks)
    names = {"enum": [task.name for task in known]} if known else {}
    named = [path_parameter("task", "Name of the task", **names)]
    paths: Paths = {
        "/tasks": {
            "get": operation("List the tasks", TAG, ("200", answer("The tasks", JSON, HTML, schema=ref("TaskList"))))
        }
    }
    for task in known:
        paths |= _paths_of(task, task_document(task, settings))
    return {
        **paths,
        **job_paths("/tasks/{task}/async", TAG, more=named),
        **{
            f"/tasks/{{task}}/{name}": {"get": operation(summary, TAG, ("200", answer("It", kind)), parameters=named)}
            for name, summary, kind in (
                ("capabilities", "Tell what a task offers (VOSI)", XML),
                ("availability", "Tell whether a task can be run now (VOSI)", XML),
                ("examples", "Give examples (DALI)", "application/xhtml+xml"),
            )
        },
    }


def _paths_of(task: Task[Any], about: TaskDocument) -> Paths:
    """Return the resources that differ from task to task."""
    path = f"/tasks/{task.name}"
    parameters = [*about.parameters, *input_parameters(task), *about.of_all_tasks]
    example = next(iter(about.sample_parameters), {})
    values = {each.name: _value(each, example[each.name]) for each in parameters if each.name in example}
    asked = [
        query_parameter(
            each.name, each.description, _schema(each), required=each.required, example=values.get(each.name)
        )
        for each in parameters
    ]
    properties = {each.name: {**_schema(each), "description": each.description} for each in parameters}
    required = [each.name for each in parameters if each.required]

    def body(**more: Piece) -> Piece:
        return form({**properties, **more}, required=required, example=values or None, files=bool(task.inputs))

    done = table(f"{about.outputs[0].title}, in the format that is asked for")
    told = ("200", answer("What a run would cost", JSON, schema=ref("EstimateDocument")))
    described = ("200", answer("The task", JSON, HTML, schema=ref("TaskDocument")))
    page = answer("The page with the estimate, or with what is wrong", HTML)
    continued: Piece = {
        "type": "string",
        "description": "Id of a job that was aborted or failed and has kept what it made: the new one goes on with it, "
        f"with its parameters; beside it only {', '.join(BESIDE)} may be sent.",
    }
    created = body(PHASE=RUN)
    if task.recovery is Recovery.RESUME:
        created = form(
            {**properties, "PHASE": RUN, CONTINUE: continued}, example=values or None, files=bool(task.inputs)
        )
    listed = job_list_paths(f"{path}/async", TAG)[f"{path}/async"]
    buttons = {"ACTION": {"type": "string", "enum": ["run", "estimate"]}}
    run = "Run it and wait for its result"
    estimate = "Estimate what a run would cost"
    return {
        path: {
            "get": operation(f"{about.title}: describe it", TAG, described, errors=(JSON, TEXT)),
            "post": operation(
                f"{about.title}: the form of its page",
                TAG,
                ("200", page),
                seen("Leads to the job"),
                body=body(**buttons),
                errors=(HTML,),
            ),
        },
        f"{path}/sync": {
            "get": operation(f"{about.title}: {run.lower()}", TAG, done, parameters=asked, errors=_TOLD),
            "post": operation(f"{about.title}: {run.lower()}", TAG, done, body=body(), errors=_TOLD),
        },
        f"{path}/estimate": {
            "get": operation(f"{about.title}: {estimate.lower()}", TAG, told, parameters=asked, errors=(JSON,)),
            "post": operation(f"{about.title}: {estimate.lower()}", TAG, told, body=body(), errors=(JSON,)),
        },
        f"{path}/async": {
            **listed,
            "post": operation(f"{about.title}: create a job", TAG, seen("Leads to the job"), body=created),
        },
    }


def _schema(each: ParameterDocument) -> Piece:
    """Return the JSON schema of a parameter; its unit is told as ``x-unit``, its UCD as ``x-ucd``."""
    one: Piece = {"type": _TYPES[each.datatype]}
    if each.choices:
        one["enum"] = [_scalar(each, choice) for choice in each.choices]
    bounds: Mapping[str, float | None] = {
        "minimum": each.minimum,
        "exclusiveMinimum": each.exclusive_minimum,
        "maximum": each.maximum,
        "exclusiveMaximum": each.exclusive_maximum,
    }
    one |= {name: bound for name, bound in bounds.items() if bound is not None}
    schema: Piece = {"type": "array", "items": one} if each.repeated else one
    if each.default is not None:
        schema["default"] = _value(each, each.default)
    if each.examples:
        schema["examples"] = [_value(each, example) for example in each.examples]
    return schema | {f"x-{name}": fact for name, fact in (("unit", each.unit), ("ucd", each.ucd)) if fact}


def _value(each: ParameterDocument, text: str) -> Any:
    """Return a value that is written as clients write it as JSON has it."""
    if each.repeated:
        return [_scalar(each, part.strip()) for part in text.split(",") if part.strip()]
    return _scalar(each, text)


def _scalar(each: ParameterDocument, text: str) -> Any:
    match each.datatype:
        case "double":
            return float(text)
        case "long":
            return int(text)
        case "boolean":
            return text.lower() in ("true", "t", "1")
    return text
