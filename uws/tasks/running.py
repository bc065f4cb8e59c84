"""One run of a task, from what a client asks to the last result."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import structlog

from uws.models import Facts, Progress
from uws.tasks.declaration import Neighbours, Plan, Rows, TaskInput
from uws.tasks.events import MAX_NOTES, Counted, Dropped, Event, Finished, Made, Noted, Progressed, Saved
from uws.tasks.frames import Normal
from uws.tasks.given import Counts
from uws.tasks.journal import BeginAnewError, Journal, Told
from uws.tasks.nursery import Nursery
from uws.tasks.order import Order
from uws.tasks.outputs import Outputs, Store
from uws.tasks.parameters import written
from uws.tasks.planning import Planned, plan_run
from uws.tasks.process import TaskProcess
from uws.tasks.request import TaskRequest
from uws.tasks.selections import OpenSelections, Origin, Selections
from uws.tasks.targets import Target
from vo.core import metrics
from vo.core.callers import Caller
from vo.core.errors import ForbiddenError, ServiceError
from vo.core.settings import Settings
from vo.core.tables import TableStream

log = structlog.get_logger()


class Report(Protocol):
    """Who hears how a run goes."""

    def tell(self, progress: Progress, facts: Facts) -> None:
        """Hear how far it is, and what is to be known of it."""

    def closing(self) -> None:
        """Hear that only the ends of results are written from now on, although the run was stopped."""


@dataclass(frozen=True, slots=True)
class TaskLimits:
    """What one run may use.

    Attributes
    ----------
    memory, disk : int
        In bytes.
    cores : int
        Processes for chunks.
    cluster : str
        Address of a cluster for chunks; empty for this machine.
    """

    memory: int
    disk: int
    cores: int
    cluster: str

    @classmethod
    def of(cls, settings: Settings) -> TaskLimits:
        """Take the limits from the settings."""
        return cls(settings.task_memory, settings.task_disk, settings.task_cores, settings.cluster)


class TaskRunner:
    """Runs tasks; one for each process.

    Parameters
    ----------
    selections : Selections
        Reads what tasks are given.
    nursery : Nursery
        Starts the processes in which they compute.
    settings : Settings
        Limits, and where temporary files are.
    """

    def __init__(self, selections: Selections, nursery: Nursery, settings: Settings) -> None:
        self.selections = selections
        self.nursery = nursery
        self.limits = TaskLimits.of(settings)
        self.scratch: Path = settings.scratch_folder
        self.networked = frozenset(settings.task_network)
        self.sites: Mapping[str, str] = settings.task_sites

    def run(
        self,
        request: TaskRequest,
        files: Mapping[str, Any],
        caller: Caller,
        label: str,
        *,
        store: Store,
        report: Report,
        journal: Journal | None = None,
    ) -> TaskRun:
        """Return a run that is ready to begin; it must be closed.

        Parameters
        ----------
        request : TaskRequest
            What is asked for.
        files : mapping of str to OpenInput
            What came with it; they must be there until the run has ended.
        caller : Caller
            Whose limits it takes.
        label : str
            The job's id.
        store : Store
            Where results go.
        report : Report
            Who hears of its progress.
        journal : Journal, optional
            Keeps what is made for whoever goes on with it, and has what was made before.
        """
        opened = self.selections.of(request.selections, files, caller, label)
        return TaskRun(self, request, opened, label, store=store, report=report, journal=journal)


class TaskRun:
    """One run."""

    def __init__(
        self,
        runner: TaskRunner,
        request: TaskRequest,
        selections: OpenSelections,
        label: str,
        *,
        store: Store,
        report: Report,
        journal: Journal | None,
    ) -> None:
        self._runner = runner
        self._request = request
        self._selections = selections
        self._label = label
        self._store = store
        self._report = report
        self._journal = journal
        self._cancelled = threading.Event()
        self._process: TaskProcess | None = None
        self._plan = Plan({})
        self._counts = Counts()
        self._notes: dict[str, str] = {}
        self._origins: tuple[Origin, ...] = ()
        self._ended = False
        self._progress = Progressed(None, None)
        self._begun = time.perf_counter()
        self._outcome = "failed"
        self._rows = 0
        self._resumed = 0

    def run(self) -> None:
        """Run to the end.

        Raises
        ------
        BeginAnewError
            If what was kept before does not fit: it is to be forgotten, and the run to be made again.
        ServiceError
            Why it failed. What was made before is kept if the task declares so, and dropped otherwise.
        """
        request = self._request
        if request.task.network and request.task.name not in self._runner.networked:
            raise ForbiddenError(
                f"The task {request.task.name} needs the network, and its operator does not let it use it.",
                hint="The operator can allow it by VO_TASK_NETWORK.",
            )
        with ExitStack() as stack:
            stack.push(self._log)
            stack.enter_context(self._selections)
            planned = plan_run(request, self._selections)
            self._plan = planned.plan
            self._origins = self._selections.origins()
            self._tell(0, 0, "opens its input")
            recognised = {name: facts.recognised for name, facts in planned.facts.items()}
            inputs = {name: self._selections.open(item, recognised) for name, item in planned.plan.inputs.items()}
            order = self._order(planned, inputs)
            outputs = Outputs(request, order.outputs, self._store, self._infos)
            stack.callback(outputs.drop)
            if self._journal is not None:
                stack.callback(self._end_journal)
                order = self._again(self._journal, outputs, order)
            self._process = process = TaskProcess(
                self._runner.nursery,
                order,
                inputs,
                self._runner.scratch,
                self._label,
                release=self._selections.cancel,
            )
            stack.callback(process.close)
            stack.callback(self._selections.cancel)  # first: threads of the process may be in a long step of reading
            if self._cancelled.is_set():
                process.cancel()
            self._follow(process, outputs)
            self._tell(outputs.rows, outputs.size, None)
            self._outcome = "completed"

    def cancel(self) -> None:
        """Make `run` end soon; called from any thread, also repeatedly."""
        self._cancelled.set()
        self._selections.cancel()
        if (process := self._process) is not None:
            process.cancel()

    def _again(self, journal: Journal, outputs: Outputs, order: Order) -> Order:
        """Write what an earlier attempt has made; return the order to go on with it."""
        kept = journal.resume({name: Normal(columns).schema for name, columns in order.outputs.items()})
        if kept is None:
            return order
        self._counts, self._notes, self._progress = kept.told.counts, dict(kept.told.notes), kept.told.progress
        for output, batch in kept.batches():
            outputs.batch(output, batch)
            self._tell(outputs.rows, outputs.size, "writes again what was made before")
        self._resumed = outputs.rows
        return replace(order, checkpoint=kept.state)

    def _end_journal(self) -> None:
        if self._journal is not None:
            self._journal.close(finish=self._outcome != "completed")

    def _log(self, kind: type[BaseException] | None, *_: object) -> None:
        outcome = "abandoned" if self._cancelled.is_set() else self._outcome
        if kind is BeginAnewError:
            outcome = "begun anew"
        metrics.TASK_RUNS.labels(self._request.task.name, outcome).inc()
        log.info(
            "task.run",
            job=self._label,
            task=self._request.task.name,
            outcome=outcome,
            rows=self._rows,
            resumed=self._resumed,
            seconds=round(time.perf_counter() - self._begun, 4),
            planned=self._plan.seconds,
            run_id=self._request.run_id,
            parameters=self._request.parameters.model_dump(mode="json", exclude_defaults=True),
        )

    def _follow(self, process: TaskProcess, outputs: Outputs) -> None:
        """Write what the process makes until it ends."""
        try:
            if not outputs.full:  # which it may be by rows that were made before
                for event in process.events():
                    self._take(event, outputs)
                    if outputs.full:
                        break
            self._ended = True
            outputs.end()
        except ServiceError as error:
            if self._request.task.keeps_partial:
                self._report.closing()
                self._ended = True
                with suppress(ServiceError):  # a full disk; what went wrong before matters more
                    outputs.end_early(error)
            raise

    def _take(self, event: Event, outputs: Outputs) -> None:
        match event:
            case Made(output, batch):
                if outputs.batch(output, batch) and self._journal is not None:
                    self._journal.rows(output, batch)
            case Finished(output, path):
                outputs.file(output, path)
            case Progressed(fraction, stage):
                before = self._progress
                self._progress = Progressed(
                    before.fraction if fraction is None else fraction, before.stage if stage is None else stage
                )
            case Counted(counts):
                self._counts = self._counts.plus(counts)
            case Noted(name, value) if name in self._notes or len(self._notes) < MAX_NOTES:
                self._notes[name] = value
            case Saved(state) if self._journal is not None:
                self._journal.commit(state, Told(self._counts, dict(self._notes), self._progress))
            case Dropped():
                raise BeginAnewError("its input is another one than it was")
        self._tell(outputs.rows, outputs.size, self._progress.stage)

    def _tell(self, rows: int, size: int, stage: str | None) -> None:
        self._rows = rows
        counts = self._counts
        counted = counts != Counts()
        self._report.tell(
            Progress(rows, size, self._progress.fraction, stage),
            Facts(
                plan=self._plan.explanation or None,
                requested=counts.requested if counted else None,
                found=counts.found if counted else None,
                failed=counts.failed,
                notes=tuple(self._notes.items()),
            ),
        )

    def _order(self, planned: Planned, inputs: Mapping[str, TableStream]) -> Order:
        request, limits = self._request, self._runner.limits
        task = request.task
        columns = {name: stream.columns for name, stream in inputs.items()}
        recognised = {
            name: planned.facts[(item.second if isinstance(item, Neighbours) else item).selection].recognised
            for name, item in planned.plan.inputs.items()
        }
        return Order(
            task=f"{type(task).__module__}:{type(task).__qualname__}",
            parameters=request.parameters.model_dump_json(),
            inputs=columns,
            recognised=recognised,
            outputs=dict(task.columns(columns, request.parameters, planned.plan)),
            files=tuple(output.name for output in task.outputs if output.media_type is not None),
            memory=limits.memory,
            disk=limits.disk,
            cores=limits.cores,
            cluster=limits.cluster,
            network=task.network,
            rows={
                name: rows
                for name, item in planned.plan.inputs.items()
                if isinstance(item, Rows) and (rows := planned.facts[item.selection].rows) is not None
            },
            sites=dict(self._runner.sites) if task.network else {},
            wanted=request.results,
        )

    def _infos(self) -> tuple[tuple[str, str, str], ...]:
        """Return what a table says about the run: DALI's facts, the task and its version, the request, the notes."""
        request = self._request
        infos = [("request_id", self._label, ""), ("task", request.task.name, request.task.title)]
        infos.append(("task_version", request.task.version, ""))
        if request.run_id:
            infos.append(("RUNID", request.run_id, ""))
        for wanted in request.task.inputs:
            infos.extend(_said_of(wanted, request))
        infos.extend(("input", origin.name, origin.state) for origin in self._origins)
        for name, value in request.parameters:
            if value is not None and (text := written(value)):
                infos.append((name.upper(), text, ""))
        infos.extend((name, value, "") for name, value in request.task.facts(request.parameters).items())
        infos.extend((name, value, "") for name, value in self._notes.items())
        infos.extend(("reference", reference.url, reference.title) for reference in request.task.references)
        if self._ended and self._counts != Counts():
            infos += [("requested", str(self._counts.requested), ""), ("found", str(self._counts.found), "")]
            infos.extend(("failed", str(number), reason) for reason, number in self._counts.failed.items())
        return tuple(infos)


def _said_of(wanted: TaskInput, request: TaskRequest) -> Iterator[tuple[str, str, str]]:
    """Yield what a table says of an input: the parameters that give it, as they could be sent again."""
    selection = request.selections.selections.get(wanted.name)
    if selection is None:
        return
    target = selection.target
    if isinstance(target, Target):
        yield wanted.parameter("TARGET"), target.name, target.source
        yield wanted.parameter("RA"), f"{target.ra:.15g}", "deg"
        yield wanted.parameter("DEC"), f"{target.dec:.15g}", "deg"
    elif given := selection.query or selection.table or target:
        yield selection.parameter, given[:10_000], ""
