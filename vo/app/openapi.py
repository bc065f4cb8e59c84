"""The OpenAPI document of the whole service."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from gaia.gost.openapi import gost_paths
from tap.openapi import tap_paths
from uws.tasks.declaration import Task
from uws.tasks.openapi import task_paths, task_schemas
from vo.core.documents import Document
from vo.core.openapi import HTML, JSON, TEXT, Paths, Piece, answer, document, operation
from vo.core.settings import Settings

TAGS = {
    "service": "The service itself",
    "tap": "Queries in ADQL (TAP 1.1), and their jobs (UWS 1.1)",
    "gost": "When Gaia observed a position (ObjObsSAP, ObjVisSAP)",
    "tasks": "Computations next to the data, and their jobs (UWS 1.1)",
}


class OpenApi:
    """The endpoint for the document, which is made once.

    Parameters
    ----------
    settings : Settings
        Title, address, limits.
    tasks : iterable of Task
        Computations that are offered.
    """

    def __init__(self, settings: Settings, tasks: Iterable[Task[Any]]) -> None:
        self._document = Document.of(json.dumps(openapi_document(settings, tasks)).encode(), JSON)

    async def show(self, request: Request) -> Response:
        """Answer the description of all endpoints for programs (OpenAPI 3.1)."""
        return self._document.response(request)


def openapi_document(settings: Settings, tasks: Iterable[Task[Any]]) -> Piece:
    """Return the document."""

    def shown(summary: str, *media_types: str, schema: Piece | None = None) -> Piece:
        return {"get": operation(summary, "service", ("200", answer("It", *media_types, schema=schema)))}

    of_the_service: Paths = {
        "/": shown("The front page, for people", HTML),
        "/openapi.json": shown("This document", JSON, schema={"type": "object"}),
        "/metrics": shown("Figures for monitoring, in Prometheus' format", TEXT),
    }
    paths = {**of_the_service, **task_paths(tasks, settings), **tap_paths(settings), **gost_paths(settings)}
    return document(settings, paths, task_schemas(), TAGS)
