"""The web application of one process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from importlib.resources import files

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from vo.app.errors import HANDLERS
from vo.app.middleware import RequestMiddleware
from vo.app.pages import Pages
from vo.app.parts import build
from vo.core import metrics
from vo.core.errors import UnavailableError
from vo.core.settings import Settings


def create_app(settings: Settings) -> Starlette:
    """Return the application (ASGI) for one process."""
    parts = build(settings)
    pages = Pages(parts.schema, settings)
    descriptions, queries = parts.descriptions, parts.queries

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:  # noqa: ARG001
        # A database that is away now may be back at the first request: that is no reason not to start.
        with suppress(UnavailableError):
            await asyncio.to_thread(parts.schema.refresh)
        parts.schema.start()
        async with queries.running():
            yield
        parts.schema.stop()
        parts.pool.close()

    return Starlette(
        routes=[
            Route("/", pages.front),
            Route("/tables/{name:path}", pages.table),
            Route("/metrics", show_metrics),
            Mount("/static", StaticFiles(directory=str(files("vo.app").joinpath("static")))),
            Route("/tap", pages.front),
            Route("/tap/", pages.front),
            Route("/tap/sync", queries.sync, methods=["GET", "POST"]),
            Route("/tap/capabilities", descriptions.capabilities),
            Route("/tap/availability", descriptions.availability),
            Route("/tap/tables", descriptions.tables),
            Route("/tap/tables/{name:path}", descriptions.table),
            Route("/tap/examples", descriptions.examples),
        ],
        middleware=[
            Middleware(RequestMiddleware),
            Middleware(
                CORSMiddleware,
                allow_origins=["*"],
                allow_methods=["GET", "POST", "HEAD"],
                allow_headers=["*"],
                expose_headers=["Content-Disposition", "Content-Length", "X-Request-Id"],
            ),
        ],
        exception_handlers=HANDLERS,
        lifespan=lifespan,
    )


async def show_metrics(request: Request) -> Response:  # noqa: ARG001
    """Answer the metrics of all processes in Prometheus' text format."""
    body, media_type = await asyncio.to_thread(metrics.render)
    return Response(body, headers={"Cache-Control": "no-store", "Content-Type": media_type})
