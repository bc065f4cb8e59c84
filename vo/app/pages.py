"""Pages for people: what this service is, its tables, and how to connect."""

from __future__ import annotations

import asyncio
import shlex
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from tap.examples import examples
from tap.schema.models import PublishedTable, Tableset
from tap.schema.service import SchemaService
from vo.core.errors import NotFoundError
from vo.core.pages import page_environment
from vo.core.settings import Settings


class Pages:
    """Server-rendered pages that need no JavaScript.

    Parameters
    ----------
    schema : SchemaService
        What is published.
    settings : Settings
        Title and addresses.
    """

    def __init__(self, schema: SchemaService, settings: Settings) -> None:
        self._schema = schema
        self._settings = settings
        self._templates = page_environment(settings, "vo.app")

    async def front(self, request: Request) -> Response:
        """Answer the front page; also at the TAP service's base URL, for whoever opens it in a browser."""
        return HTMLResponse(await asyncio.to_thread(self._front, request.url.path.startswith("/tap")))

    async def table(self, request: Request) -> Response:
        """Answer a table's page: what it holds, its columns, how to cite it."""
        return HTMLResponse(await asyncio.to_thread(self._table, request.path_params["name"]))

    def _front(self, at_tap: bool) -> str:
        tableset = self._schema.current().tableset
        catalogues = [schema for schema in tableset.schemas if schema.name != "tap_schema" and schema.tables]
        first = first_query(tableset)
        return self._templates.get_template("front.html").render(
            root="../" if at_tap else "",
            catalogues=catalogues,
            examples=examples(tableset),
            first_argument=shell_argument(first),
            browser_url=self._result_url(first),
            default_maxrec=self._settings.default_maxrec,
        )

    def _table(self, name: str) -> str:
        table = self._schema.current().tableset.tables.get(name)
        if table is None:
            raise NotFoundError(
                f"There is no table {name[:100]!r}.", hint=f"The tables are listed at {self._settings.public_url}/."
            )
        sample = sample_query(table)
        return self._templates.get_template("table.html").render(
            table=table, sample=sample, sample_url=self._result_url(sample), root="../"
        )

    def _result_url(self, query: str) -> str:
        """Return the address of a query's result as CSV."""
        parameters = urlencode({"LANG": "ADQL", "FORMAT": "csv", "QUERY": query})
        return f"{self._settings.public_url}/tap/sync?{parameters}"


def sample_query(table: PublishedTable) -> str:
    """Return a query that shows a few rows of a table."""
    names = [column.query_name for column in table.columns if column.principal] or [
        column.query_name for column in table.columns
    ]
    return f"SELECT TOP 10 {', '.join(names[:8])} FROM {table.name}"  # noqa: S608  (ADQL to read, not SQL to run)


def shell_argument(text: str) -> str:
    """Return a text as one argument of a shell command, in double quotes where they do: ADQL is full of single ones."""
    return shlex.quote(text) if set('"$`\\!') & set(text) else f'"{text}"'


def first_query(tableset: Tableset) -> str:
    """Return a query worth pasting first: some rows of the first catalogue, else of the list of tables."""
    tables = [table for table in tableset.tables.values() if table.schema_name != "tap_schema"]
    return sample_query(tables[0] if tables else tableset.tables["tap_schema.tables"])
