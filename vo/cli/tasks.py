"""``vo tasks``: which tasks there are, here or elsewhere, and what they take."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from rich.table import Table
from rich.text import Text
from structlog.testing import capture_logs

from uws.continuing import CONTINUE
from uws.tasks.catalogue import TaskCatalogue
from uws.tasks.documents import ParameterDocument, TaskDocument, TaskList, task_document, task_summary
from uws.tasks.request import TaskRequest
from vo.cli.progress import console
from vo.cli.remote import blocks_of, requested
from vo.cli.runs import Asked, tasks_url
from vo.cli.showing import out, printable
from vo.core.dali.parameters import Parameters
from vo.core.errors import NotFoundError, UnavailableError
from vo.core.settings import Settings, load_settings

JSON = "application/json"
Document = TypeVar("Document", bound=BaseModel)


def installed() -> TaskCatalogue:
    """Return the tasks of this installation; what is broken stands in it and is not logged."""
    with capture_logs():
        return TaskCatalogue.installed()


def check(asked: Asked, *, here: bool) -> None:
    """Refuse what the task would refuse, before anything is sent; tasks elsewhere need not be installed here.

    Raises
    ------
    NotFoundError
        If there is no such task here.
    ParameterError
        Naming what is missing, wrong or unknown.
    """
    catalogue = installed()
    if here and asked.task in catalogue.broken:
        raise NotFoundError(f"The task {asked.task} is broken: {catalogue.broken[asked.task]}.")
    if not here and asked.task not in {task.name for task in catalogue}:
        return
    if any(name == CONTINUE for name, _ in asked.parameters):  # the other parameters are those of a job
        return
    settings = load_settings() if here else Settings.model_construct()
    TaskRequest.from_parameters(catalogue.get(asked.task), Parameters(asked.parameters), settings)


def show_list(url: str | None) -> None:
    """Print the tasks: a table for people, names and titles with tabs for programs."""
    if url is not None:
        found = _read(TaskList, tasks_url(url))
    else:
        base = load_settings().public_url
        found = TaskList(tasks=tuple(task_summary(task, base) for task in installed()))
    if not out.is_terminal:
        for task in found.tasks:
            print(f"{_line(task.name)}\t{_line(task.title)}")
        return
    if not found.tasks:
        console.print("There are no tasks.")
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("task", no_wrap=True)
    table.add_column("what it does")
    for task in found.tasks:
        table.add_row(Text(_line(task.name), "bold"), Text(_line(task.summary or task.title)))
    out.print(table)
    where = f" --url {url}" if url else ""
    console.print(f"vo tasks show TASK{where} describes one, vo run TASK{where} runs it.", style="dim", soft_wrap=True)


def show(name: str, url: str | None) -> None:
    """Print what a task takes and makes."""
    if url is not None:
        task = _read(TaskDocument, f"{tasks_url(url)}/{name}")
    else:
        task = task_document(installed().get(name), load_settings())
    out.print(Text.assemble((printable(task.name), "bold"), f": {printable(task.title)} (version {task.version})"))
    out.print(Text(f"\n{printable(task.description)}\n"))
    for wanted in task.inputs:
        out.print(Text(f"The {printable(wanted.title)}", "bold"))
        ways = f"{wanted.query}=ADQL, {wanted.table}=NAME, or --upload NAME=FILE"
        ways += f"; or a single position, {wanted.target}=…" if wanted.target else ""
        ways += "" if wanted.required else "; it may be left out"
        out.print(f"  {ways}", markup=False, soft_wrap=True)
        table = _table("column", "what it is", "found as")
        for role in wanted.columns:
            needed = "" if role.required else " (optional)"
            known = ", ".join((*role.ucds, *role.names)) or "only if it is named"
            unit = f", in {role.unit}" if role.unit else ""
            table.add_row(role.parameter, Text(printable(f"{role.description}{unit}{needed}")), Text(printable(known)))
        out.print(table)
    out.print(Text("Parameters", "bold"))
    table = _table("parameter", "default", "meaning")
    for each in (*task.parameters, *task.of_all_tasks):
        default = "required" if each.required else each.default or ""
        table.add_row(each.name, Text(printable(default)), Text(printable(" ".join(_meaning(each)))))
    out.print(table)
    out.print(Text("Results", "bold"))
    for output in task.outputs:
        kind = output.media_type or "a table"
        out.print(Text(f"  {printable(output.name)}: {printable(output.title)} ({kind})"), soft_wrap=True)
        for column in output.columns:
            unit = f" [{column.unit}]" if column.unit else ""
            out.print(Text(f"    {column.name}{unit} {printable(column.description or '')}"), soft_wrap=True)
    for example in task.sample_parameters:
        words = shlex.join(f"{key}={value}" for key, value in example.items())
        out.print(Text(f"\nExample: vo run {task.name} {printable(words)}"), soft_wrap=True)
    for reference in task.references:
        out.print(Text(f"See {printable(reference.title)}: {printable(reference.url)}"), soft_wrap=True)


def _table(*heads: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 2), header_style="dim", show_header=True)
    for number, head in enumerate(heads):
        table.add_column(head, no_wrap=number == 0)
    return table


def _meaning(each: ParameterDocument) -> Iterator[str]:
    """Yield what is to be said of a parameter, in sentences."""
    yield each.description
    if each.choices:
        yield f"One of {', '.join(each.choices)}."
    bounds = [
        f"{words} {value:.10g}"
        for words, value in (
            ("at least", each.minimum),
            ("more than", each.exclusive_minimum),
            ("at most", each.maximum),
            ("less than", each.exclusive_maximum),
        )
        if value is not None
    ]
    if bounds:
        yield f"{' and '.join(bounds).capitalize()}{f' {each.unit}' if each.unit else ''}."
    elif each.unit:
        yield f"In {each.unit}."
    if each.repeated:
        yield "Several, with commas between."


def _read(kind: type[Document], url: str) -> Document:
    with requested(url, accept=JSON) as response:
        body = b"".join(blocks_of(response))
    try:
        return kind.model_validate_json(body)
    except ValidationError:
        raise UnavailableError(f"{url} does not describe tasks as this service's do.") from None


def _line(text: str) -> str:
    return " ".join(printable(text).split())
