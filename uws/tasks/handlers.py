"""HTTP for tasks: their list, pages and forms, synchronous and asynchronous runs, and what they say of themselves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar

from jinja2 import Environment
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from uws.handlers import JobHandlers, JobThreads, job_routes
from uws.negotiation import wants_html
from uws.pages import JobPages
from uws.service import Jobs
from uws.tasks.catalogue import TaskCatalogue
from uws.tasks.declaration import Task
from uws.tasks.documents import (
    UWS_ID,
    EstimateDocument,
    InputEstimate,
    TaskList,
    task_capabilities,
    task_document,
    task_summary,
)
from uws.tasks.pages import Filled, TableNames, TaskPages, file_field
from uws.tasks.planning import Planned, plan_run
from uws.tasks.request import TaskRequest
from uws.tasks.selections import Selections
from uws.tasks.sync import SyncRuns
from uws.waiting import Waiting
from vo.core.callers import Caller
from vo.core.context import request_id
from vo.core.dali.errors import RETRY_SECONDS
from vo.core.dali.multipart import SentFiles
from vo.core.dali.parameters import Parameters, requested_format, wants_json, wants_text
from vo.core.dali.request import Received, read_parameters, received
from vo.core.documents import XML, Document
from vo.core.errors import ParameterError, ServiceError, UnavailableError
from vo.core.fairness import FairSlots
from vo.core.pages import PAGE_HEADERS
from vo.core.scratch import ScratchBooks
from vo.core.settings import Settings
from vo.core.vosi import Check, availability_document, run_checks

JSON = "application/json"
PLANS = 4
"""Estimates that one process makes at the same time; callers take turns."""
NEGOTIATED = {"Cache-Control": "no-cache", "Vary": "Accept"}
INLINE = "param:"
OF_FORMS = frozenset({"ACTION", "PHASE"})
"""What forms send and runs do not know."""

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class TaskRules:
    """The rules of one task's jobs.

    Attributes
    ----------
    jobs : Jobs
        Of those that clients make.
    sync : Jobs
        Of those that synchronous runs are; no estimate is made for them.
    """

    jobs: Jobs
    sync: Jobs


class TaskHandlers:
    """The endpoints of all tasks in one process.

    Parameters
    ----------
    tasks : TaskCatalogue
        Which there are.
    rules : mapping of str to TaskRules
        By names of tasks.
    selections : Selections
        Describes what runs would be given.
    waiting : Waiting
        Hears of phases; started and stopped by whoever shares it.
    environment : jinja2.Environment
        From `vo.core.pages.page_environment` for the package ``uws``.
    tables : callable
        Gives the tables that forms offer.
    settings : Settings
        Limits and addresses.
    scratch : ScratchBooks
        Counts what uploads take on their way.
    checks : sequence of Check
        What availability tests.
    """

    def __init__(
        self,
        tasks: TaskCatalogue,
        rules: Mapping[str, TaskRules],
        selections: Selections,
        *,
        waiting: Waiting,
        environment: Environment,
        tables: TableNames,
        settings: Settings,
        scratch: ScratchBooks,
        checks: Sequence[Check],
    ) -> None:
        self.tasks = tasks
        self._rules = rules
        self._selections = selections
        self._settings = settings
        self._scratch = scratch
        self._checks = checks
        self._up_since = datetime.now(UTC)
        self._threads = JobThreads()
        self._slots = FairSlots(PLANS)
        self._sync = SyncRuns(waiting, self._threads, settings)
        self._pages = TaskPages(environment, tables)
        self._documents = {task.name: task_document(task, settings) for task in self.tasks}
        self._capabilities = {task.name: Document.of(task_capabilities(task, settings)) for task in self.tasks}
        examples = environment.get_template("task_examples.html")
        self._examples = {
            task.name: Document.of(
                examples.render(root="../../", task=task, examples=task.examples, standard_id=UWS_ID).encode(),
                "application/xhtml+xml",
            )
            for task in self.tasks
        }
        pages = JobPages(environment)
        self._lists = {
            task.name: JobHandlers(
                rules[task.name].jobs,
                waiting,
                pages,
                settings,
                scratch,
                path=f"/tasks/{task.name}/async",
                title=task.title,
                threads=self._threads,
                service_url=f"{settings.public_url}/tasks/{task.name}",
                captions={output.name: output.title for output in task.outputs},
            )
            for task in self.tasks
        }

    @property
    def routes(self) -> list[Route]:
        """All resources."""
        task = "/tasks/{task}"
        return [
            Route("/tasks", self.task_list),
            Route(task, self.task, methods=["GET", "POST"]),
            Route(f"{task}/sync", self.sync, methods=["GET", "POST"]),
            Route(f"{task}/estimate", self.estimate, methods=["GET", "POST"]),
            *job_routes(f"{task}/async", lambda request: self._lists[self._task(request).name]),
            Route(f"{task}/capabilities", self.capabilities),
            Route(f"{task}/availability", self.availability),
            Route(f"{task}/examples", self.examples),
        ]

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown()

    async def task_list(self, request: Request) -> Response:
        """List the computations that this service does: a page for browsers, JSON for programs."""
        summaries = [task_summary(task, self._settings.public_url) for task in self.tasks]
        if await self._wants_page(request):
            return HTMLResponse(self._pages.task_list(summaries), headers={**PAGE_HEADERS, **NEGOTIATED})
        return Response(TaskList(tasks=tuple(summaries)).model_dump_json(), headers=NEGOTIATED, media_type=JSON)

    async def task(self, request: Request) -> Response:
        """Describe a computation: JSON for programs, for browsers a page with a form that runs it.

        The form's ACTION=run makes a job, ACTION=estimate tells what it would do.
        """
        described = request.method != "POST" and not await self._wants_page(request)
        task = self._task(request)
        if described:
            return Response(self._documents[task.name].model_dump_json(), headers=NEGOTIATED, media_type=JSON)
        sent = Received(Parameters(()), SentFiles())
        filled = Filled()
        async with AsyncExitStack() as stack:
            try:
                sent = await stack.enter_async_context(self._received(request))
                filled = Filled(sent.parameters, files=bool(sent.files))
                action = sent.parameters.one("ACTION")
                if action == "run" and request.method == "POST":
                    return await self._run(request, task, sent)
                if action == "estimate":
                    estimate = _told(await self._plan(request, task, _of_form(task, sent)), task)
                    filled = Filled(sent.parameters, estimate=estimate, files=bool(sent.files))
            except ServiceError as error:
                filled = Filled(sent.parameters, error=error, files=bool(sent.files))
        status, headers = 200, dict(PAGE_HEADERS)
        if filled.error is not None:
            status = filled.error.status
            if isinstance(filled.error, UnavailableError):
                headers["Retry-After"] = RETRY_SECONDS
        page = await asyncio.to_thread(self._pages.task, task, self._documents[task.name], filled)
        return HTMLResponse(page, status, {**headers, "Vary": "Accept"})

    async def sync(self, request: Request) -> Response:
        """Run a computation and answer its first result, or the one of RESULTS; a worker computes it, as jobs."""
        task = self._task(request)
        async with self._received(request) as sent:
            parameters = sent.parameters
            request.state.text_format, request.state.json_format = wants_text(parameters), wants_json(parameters)
            asked = TaskRequest.from_parameters(task, parameters, self._settings)  # what is wrong is told at once
            jobs = self._rules[task.name].sync
            job = await self._sync.begin(request.state.caller, jobs, sent, output=asked.results[0])
        url = f"{self._settings.public_url}/tasks/{task.name}/async"
        return await self._sync.answer(request, jobs, job, output=asked.results[0], async_url=url)

    async def estimate(self, request: Request) -> Response:
        """Tell as JSON how long a run would take, how many rows it would make, and how it would go; nothing is run."""
        task = self._task(request)
        request.state.json_format = True
        async with self._received(request) as sent:
            told = _told(await self._plan(request, task, sent), task)
        return Response(told.model_dump_json(), headers={"Cache-Control": "no-store"}, media_type=JSON)

    async def capabilities(self, request: Request) -> Response:
        """Answer VOSI capabilities."""
        return self._capabilities[self._task(request).name].response(request)

    async def availability(self, request: Request) -> Response:
        """Answer VOSI availability, after really testing the service's parts."""
        self._task(request)
        available, notes = await asyncio.to_thread(run_checks, self._checks)
        body = availability_document(available, notes, self._up_since)
        return Response(body, headers={"Cache-Control": "no-store"}, media_type=XML)

    async def examples(self, request: Request) -> Response:
        """Answer the DALI examples."""
        return self._examples[self._task(request).name].response(request)

    def _task(self, request: Request) -> Task[Any]:
        return self.tasks.get(request.path_params["task"])

    async def _wants_page(self, request: Request) -> bool:
        """Return whether a client wants a page; programs that say nothing get JSON."""
        parameters = await read_parameters(request, max_body=self._settings.max_body)
        browser = wants_html(request.headers.get("accept"))
        # A link that fills the form has the format of the result among its parameters.
        fills = {name for name, _ in parameters.pairs()} - {"RESPONSEFORMAT", "FORMAT"}
        wanted = None if fills else requested_format(parameters)
        match (wanted or "").strip().lower():
            case "json" | "application/json":
                browser = False
            case "html" | "text/html":
                browser = True
        request.state.json_format = not browser
        return browser

    @asynccontextmanager
    async def _received(self, request: Request) -> AsyncIterator[Received]:
        """Hold a request with its files."""
        settings = self._settings
        with self._scratch.taking(request.state.caller.account) as take:
            async with received(
                request, max_body=settings.max_body, max_upload=settings.max_upload, take=take
            ) as found:
                yield found

    async def _run(self, request: Request, task: Task[Any], sent: Received) -> Response:
        """Make a job of a form that is filled well, and lead the browser to it."""
        completed = _of_form(task, sent)
        await self._plan(request, task, completed)
        jobs = self._rules[task.name].jobs
        parameters = Parameters([*completed.parameters.pairs(), ("PHASE", "RUN")])
        job = await self._call(partial(jobs.create, request.state.caller, parameters, completed.files))
        return RedirectResponse(f"{task.name}/async/{job.job_id}", 303, {"Cache-Control": "no-store"})

    async def _plan(self, request: Request, task: Task[Any], sent: Received) -> Planned:
        """Plan a run, when it is the caller's turn."""
        wanted = TaskRequest.from_parameters(task, sent.parameters, self._settings)
        caller: Caller = request.state.caller
        label = request_id.get()
        files: Mapping[str, Any] = sent.files

        def plan() -> Planned:
            with self._selections.of(wanted.selections, files, caller, label) as opened:
                return plan_run(wanted, opened)

        try:
            await self._slots.acquire(caller.account, self._settings.queue_time)
        except TimeoutError:
            raise UnavailableError("Too many estimates are being made.", hint="Try again in a moment.") from None
        try:
            return await asyncio.to_thread(plan)
        finally:
            self._slots.release(caller.account)

    async def _call(self, call: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._threads.store, call)


def _of_form(task: Task[Any], sent: Received) -> Received:
    """Return what a form means: without empty fields, and each file in its place.

    Raises
    ------
    ParameterError
        If an input is given twice.
    """
    given = [
        (name, value.replace("\r\n", "\n"))
        for name, value in sent.parameters.pairs()
        if value.strip() and name not in OF_FORMS
    ]
    names = {name for name, _ in given}
    for wanted in task.inputs:
        field, table = file_field(wanted), wanted.parameter("TABLE")
        if field not in sent.files:
            continue
        if table in names:
            raise ParameterError(table, "a file is given too.", hint="Choose a table, or a file.")
        given.append(("UPLOAD", f"{field},{INLINE}{field}"))
        if wanted.parameter("QUERY") not in names:
            given.append((table, f"TAP_UPLOAD.{field}"))
    return Received(Parameters(given), sent.files)


def _told(planned: Planned, task: Task[Any]) -> EstimateDocument:
    plan = planned.plan
    inputs = [
        InputEstimate(
            name=wanted.name,
            source=facts.source,
            rows=facts.rows,
            columns={wanted.parameter(role): found.name for role, found in facts.recognised.found.items()},
        )
        for wanted in task.inputs
        if (facts := planned.facts.get(wanted.name)) is not None
    ]
    return EstimateDocument(seconds=plan.seconds, rows=plan.rows, plan=plan.explanation, inputs=tuple(inputs))
