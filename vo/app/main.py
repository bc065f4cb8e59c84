"""The web application of one process."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from importlib.resources import files

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from uws.queue import Queue
from vo.app.errors import HANDLERS
from vo.app.middleware import Bugs, CrossOrigin, RequestMiddleware
from vo.app.openapi import OpenApi
from vo.app.pages import Pages
from vo.app.parts import build
from vo.core import metrics
from vo.core.compression import Compression
from vo.core.errors import UnavailableError
from vo.core.settings import Settings


def create_app(settings: Settings) -> Starlette:
    """Return the application (ASGI) for one process."""
    parts = build(settings)
    pages = Pages(parts.schema, settings)
    descriptions, queries, jobs, tasks = parts.descriptions, parts.queries, parts.jobs, parts.tasks
    packers = ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="packer")

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:  # noqa: ARG001
        # A database that is away now may be back at the first request: that is no reason not to start.
        with suppress(UnavailableError):
            await asyncio.to_thread(parts.schema.refresh)
        parts.schema.start()
        async with queries.running(), jobs.running():
            yield
        tasks.close()
        parts.schema.stop()
        await asyncio.to_thread(parts.close)
        packers.shutdown(wait=False)

    app = Starlette(
        routes=[
            Route("/", pages.front),
            Route("/query", queries.page, methods=["GET", "POST"]),
            Route("/tables/{name:path}", pages.table),
            Route("/metrics", Metrics(parts.queue).show),
            Route("/openapi.json", OpenApi(settings, tasks.tasks).show),
            Mount("/static", StaticFiles(directory=str(files("vo.app").joinpath("static")))),
            Route("/tap", pages.front),
            Route("/tap/", pages.front),
            Route("/tap/sync", queries.sync, methods=["GET", "POST"]),
            *jobs.routes,
            Route("/tap/capabilities", descriptions.capabilities),
            Route("/tap/availability", descriptions.availability),
            Route("/tap/tables", descriptions.tables),
            Route("/tap/tables/{name:path}", descriptions.table),
            Route("/tap/examples", descriptions.examples),
            *tasks.routes,
            *parts.gost.routes,
        ],
        middleware=[
            Middleware(RequestMiddleware),
            Middleware(CrossOrigin, origins=settings.cors_origins),
            Middleware(Bugs),
            Middleware(Compression, executor=packers),
        ],
        exception_handlers=HANDLERS,
        lifespan=lifespan,
    )
    app.state.on_stop = jobs.answer_waiting
    return app


class Metrics:
    """The endpoint for monitoring.

    Parameters
    ----------
    queue : Queue
        Asked for its figures at each request, so that they are right whoever runs the jobs.
    """

    def __init__(self, queue: Queue) -> None:
        self._queue = queue

    async def show(self, request: Request) -> Response:  # noqa: ARG002
        """Answer the metrics of all processes, and those of the queue of jobs, in Prometheus' text format."""
        body, media_type = await asyncio.to_thread(metrics.render, self._queue_figures)
        return Response(body, headers={"Cache-Control": "no-store", "Content-Type": media_type})

    def _queue_figures(self) -> dict[str, tuple[str, float]]:
        try:
            figures = self._queue.statistics()
        except UnavailableError:
            return {}
        return {
            "vo_jobs_queued": ("Jobs that wait for a worker", figures.queued),
            "vo_jobs_executing": ("Jobs that run", figures.executing),
            "vo_jobs_queue_age_seconds": ("Time that the oldest waiting job has waited", figures.queue_age),
            "vo_workers": ("Workers that live", figures.workers),
            "vo_worker_slots": ("Jobs that the workers can run at the same time", figures.slots),
            "vo_leases_expired": ("Leases of workers that died, so far", figures.expired_leases),
        }
