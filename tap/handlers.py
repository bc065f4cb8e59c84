"""HTTP for TAP's descriptions of itself: capabilities, availability, tables, examples."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import Response

from tap.adql import Dialect
from tap.capabilities import tap_capabilities
from tap.examples import examples
from tap.schema.service import SchemaService, Snapshot
from tap.schema.xml import table_document, tableset_document
from vo.core.dali.request import read_parameters
from vo.core.documents import XML, Document
from vo.core.errors import NotFoundError, ParameterError, UnavailableError
from vo.core.pages import page_environment
from vo.core.settings import Settings
from vo.core.vosi import Check, availability_document, run_checks


class DescriptionHandlers:
    """The endpoints by which the service describes itself.

    Parameters
    ----------
    schema : SchemaService
        What is published.
    settings : Settings
        Limits and addresses.
    dialect : Dialect
        Which features of ADQL to declare.
    checks : list of Check
        What availability tests.
    """

    def __init__(self, schema: SchemaService, settings: Settings, dialect: Dialect, checks: list[Check]) -> None:
        self._schema = schema
        self._settings = settings
        self._checks = checks
        self._up_since = datetime.now(UTC)
        self._dialect = dialect
        self._cache: dict[str, Document] = {}
        self._cached: Snapshot | None = None
        self._examples = page_environment(settings, "tap").get_template("examples.html")

    async def capabilities(self, request: Request) -> Response:
        """Answer VOSI capabilities."""
        return (await asyncio.to_thread(self._capabilities)).response(request)

    async def availability(self, request: Request) -> Response:  # noqa: ARG002
        """Answer VOSI availability, after really testing the service's parts."""
        available, notes = await asyncio.to_thread(run_checks, self._checks)
        body = availability_document(available, notes, self._up_since)
        return Response(body, headers={"Cache-Control": "no-store"}, media_type=XML)

    async def tables(self, request: Request) -> Response:
        """Answer VOSI tables."""
        parameters = await read_parameters(request, max_body=self._settings.max_body)
        detail = (parameters.one("DETAIL") or "max").lower()
        if detail not in ("min", "max"):
            raise ParameterError("DETAIL", f"{detail[:40]!r} is neither min nor max.")
        return (await asyncio.to_thread(self._tableset, detail)).response(request)

    async def table(self, request: Request) -> Response:
        """Answer VOSI tables for one table."""
        document = await asyncio.to_thread(self._table, request.path_params["name"])
        return document.response(request)

    async def examples(self, request: Request) -> Response:
        """Answer the DALI examples."""
        return (await asyncio.to_thread(self._examples_page)).response(request)

    def _capabilities(self) -> Document:
        """Return the capabilities; also without the database, then without the data models of what it holds."""
        try:
            tables = list(self._current().tableset.tables.values())
        except UnavailableError:
            return Document.of(tap_capabilities(self._settings, self._dialect))
        if "capabilities" not in self._cache:
            self._cache["capabilities"] = Document.of(tap_capabilities(self._settings, self._dialect, tables))
        return self._cache["capabilities"]

    def _tableset(self, detail: str) -> Document:
        snapshot = self._current()
        if detail not in self._cache:
            self._cache[detail] = Document.of(tableset_document(snapshot.tableset, detail=detail == "max"))
        return self._cache[detail]

    def _table(self, name: str) -> Document:
        tables = self._current().tableset.tables
        table = tables.get(name) or tables.get(name.lower())
        if table is None:
            raise NotFoundError(
                f"There is no table {name[:100]!r}.",
                hint=f"The tables are listed at {self._settings.public_url}/tap/tables.",
            )
        return Document.of(table_document(table))

    def _examples_page(self) -> Document:
        snapshot = self._current()
        if "examples" not in self._cache:
            page = self._examples.render(examples=examples(snapshot.tableset), root="../")
            self._cache["examples"] = Document.of(page.encode(), "application/xhtml+xml")
        return self._cache["examples"]

    def _current(self) -> Snapshot:
        snapshot = self._schema.current()
        if snapshot is not self._cached:
            self._cache, self._cached = {}, snapshot
        return snapshot
