"""The page where people write queries: the text, its first rows or its plan, or what is wrong with it and where."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from jinja2 import Environment

from tap.query.cells import Cells, is_number
from tap.query.explain import Explanation
from tap.schema.models import Tableset
from tap.schema.service import SchemaService
from vo.core.errors import ServiceError


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
    """What the page shows below the query; one of the three.

    Attributes
    ----------
    cells : Cells, optional
        The first rows.
    explanation : Explanation, optional
        What the query would do.
    error : ServiceError, optional
        Why there is neither.
    warnings : tuple of str
        Remarks on the query.
    seconds : float
        How long it took.
    """

    cells: Cells | None = None
    explanation: Explanation | None = None
    error: ServiceError | None = None
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
        self._template = environment.get_template("query.html", globals={"is_number": is_number})
        self._schema = schema
        self._examples = examples

    def query(self, text: str, answered: Answered) -> str:
        """Return the page.

        Parameters
        ----------
        text : str
            The query as it stands; where there is none, the first example is offered.
        answered : Answered
            What came of it.
        """
        tableset = self._schema.current().tableset
        examples = self._examples(tableset)
        return self._template.render(
            root="",
            query=text or examples[0].query,
            answered=answered,
            examples=examples,
            schemas=[schema for schema in tableset.schemas if schema.tables],
        )
