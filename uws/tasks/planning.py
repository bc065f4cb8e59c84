"""How a run of a task would go: its selections described, its columns recognised, its plan made; nothing is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from uws.models import Estimate
from uws.tasks.declaration import Neighbours, Plan, SelectionFacts, Task
from uws.tasks.recognition import recognise
from uws.tasks.request import TaskRequest
from uws.tasks.selections import OpenSelections, Selections
from vo.core.callers import Caller
from vo.core.dali.parameters import Parameters
from vo.core.errors import ServiceError
from vo.core.settings import Settings

LARGEST_LOOKED_AT = 64 * 2**20
"""Bytes of uploads that are looked at for an estimate: of text, types are known when all of it was read."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Planned:
    """A run before it begins.

    Attributes
    ----------
    facts : mapping of str to SelectionFacts
        What is known of each input.
    plan : Plan
        As the task made it.
    """

    facts: Mapping[str, SelectionFacts]
    plan: Plan


def plan_run(request: TaskRequest, selections: OpenSelections) -> Planned:
    """Describe the selections and let the task plan.

    Raises
    ------
    ServiceError
        What is wrong with a selection or its columns, or why the task refuses.
    """
    facts: dict[str, SelectionFacts] = {}
    for wanted in request.task.inputs:
        if not (wanted.required or selections.has(wanted.name)):
            continue
        described = selections.describe(wanted.name)
        recognised = recognise(described.columns, wanted, request.named[wanted.name])
        position = tuple(recognised.name(role) for role in ("ra", "dec"))
        facts[wanted.name] = SelectionFacts(
            columns=described.columns,
            rows=described.rows,
            recognised=recognised,
            source=described.source,
            indexed=described.position is not None and position == described.position,
        )
    plan: Plan = request.task.plan(facts, request.parameters)
    for item in plan.inputs.values():
        for rows in (item.first, item.second) if isinstance(item, Neighbours) else (item,):
            if rows.selection not in facts:
                raise RuntimeError(f"the task {request.task.name} plans an input that it does not have")
    return Planned(facts, plan)


def estimator(
    task: Task[Any], selections: Selections, settings: Settings
) -> Callable[[Caller, Parameters, Mapping[str, Any]], Estimate | None]:
    """Return what tells before a job runs how long it will, for `uws.service.Jobs`."""

    def estimate(caller: Caller, parameters: Parameters, files: Mapping[str, Any]) -> Estimate | None:
        if any("://" in upload for upload in parameters.all("UPLOAD")):
            return Estimate(None, "How long it takes is known when it runs: a table has to be fetched first.")
        if sum(file.size for file in files.values()) > LARGEST_LOOKED_AT:
            return Estimate(None, "How long it takes is known when it runs: a large table has to be read first.")
        try:
            request = TaskRequest.from_parameters(task, parameters, settings)
            with selections.of(request.selections, files, caller, "estimate") as opened:
                plan = plan_run(request, opened).plan
        except ServiceError as error:  # the job may still be completed; and if it runs so, it ends with this error
            return Estimate(None, f"As it stands it cannot run. {error.text()}")
        except Exception:
            log.exception("task.bug", task=task.name)
            return None
        return Estimate(plan.seconds, plan.explanation)

    return estimate
