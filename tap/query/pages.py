"""The page where people write queries: the text, its first rows or its plan, or what is wrong with it and where."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from jinja2 import Environment

from tap.adql.catalogue import CatalogueTable
from tap.adql.scopes import written_name
from tap.query.cells import Cells, is_number
from tap.query.explain import Explanation
from tap.schema.models import Tableset
from tap.schema.service import SchemaService
from vo.core.errors import ServiceError
from vo.core.tables.writers import FORMATS

TITLES = {
    "votable": "VOTable",
    "fits": "FITS",
    "parquet": "Parquet",
    "csv": "CSV",
    "ecsv": "ECSV",
    "tsv": "TSV",
    "arrow": "Arrow",
    "json": "JSON",
    "html": "HTML",
    "text": "Text",
}
"""The formats of the download buttons, by their short names, and what stands on them."""


class ExampleQuery(Protocol):
    """A query that works here."""

    @property
    def name(self) -> str:
        """What it finds."""

    @property
    def query(self) -> str:
        """ADQL."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What the page shows below the query; of the first three one at most.

    Attributes
    ----------
    cells : Cells, optional
        The first rows.
    explanation : Explanation, optional
        What the query would do.
    error : ServiceError, optional
        Why there is neither.
    uploads : tuple of CatalogueTable
        Tables that came with the query, as they were understood.
    warnings : tuple of str
        Remarks on the query.
    seconds : float
        How long it took.
    """

    cells: Cells | None = None
    explanation: Explanation | None = None
    error: ServiceError | None = None
    uploads: tuple[CatalogueTable, ...] = ()
    warnings: tuple[str, ...] = ()
    seconds: float = 0.0


class QueryPages:
    """The query page, which needs no JavaScript: a form that posts to itself.

    Parameters
    ----------
    environment : jinja2.Environment
        From `vo.core.pages.page_environment` for the package ``tap``.
    schema : SchemaService
        What is published.
    examples : callable
        Gives the examples of what is published.
    """

    def __init__(
        self, environment: Environment, schema: SchemaService, examples: Callable[[Tableset], Sequence[ExampleQuery]]
    ) -> None:
        words = {"is_number": is_number, "facts": facts, "written_name": written_name}
        self._template = environment.get_template("query.html", globals=words)
        self._formats = [
            (form.name, title, form.description)
            for name, title in TITLES.items()
            for form in FORMATS
            if form.name == name
        ]
        self._schema = schema
        self._examples = examples

    def query(self, text: str, answered: Answered, max_upload: int) -> str:
        """Return the page.

        Parameters
        ----------
        text : str
            The query as it stands; where there is none, the first example is offered.
        answered : Answered
            What came of it.
        max_upload : int
            Most bytes that the form may send.
        """
        tableset = self._schema.current().tableset
        examples = self._examples(tableset)
        return self._template.render(
            root="",
            query=text or examples[0].query,
            answered=answered,
            examples=examples,
            formats=self._formats,
            max_upload=max_upload,
            schemas=[schema for schema in tableset.schemas if schema.tables],
        )


def facts(table: CatalogueTable) -> str:
    """Say in a few words how a table that came with a query was understood."""
    rows, columns = f"{table.rows:,} {_plural('row', table.rows)}", len(table.columns)
    if table.position is not None:
        position = f"positions in {' and '.join(table.position)}, found by the sky index"
    elif table.row_number is not None:
        position = "positions that are not all on the sky, so there is no sky index"
    else:
        position = "no columns with positions"
    return f"{rows}, {columns} {_plural('column', columns)}, {position}"


def _plural(word: str, count: int) -> str:
    return word if count == 1 else f"{word}s"
