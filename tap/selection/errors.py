"""Errors of selections name the parameter that holds them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tap.adql import ADQLError
from vo.core.errors import LimitError, ParameterError, QueryError


class SelectionError(ParameterError):
    """The query of a parameter is wrong; it tells the place in the query.

    Parameters
    ----------
    parameter : str
        Its name.
    error : ADQLError
        What is wrong with the query.
    """

    def __init__(self, parameter: str, error: ADQLError) -> None:
        place = "" if error.line is None else f"line {error.line}, column {error.column}: "
        super().__init__(parameter, place + error.message, hint=error.hint)
        self.error = error

    def text(self) -> str:
        """Return the message, the line of the query with a caret under the place, and the hint."""
        return f"{self.parameter}: {self.error.text()}"

    def as_dict(self) -> dict[str, Any]:
        """Return the whole error for programs, with its place."""
        error = self.error
        return {**super().as_dict(), "position": error.position, "line": error.line, "column": error.column}


@contextmanager
def told_of(parameter: str) -> Iterator[None]:
    """Say which parameter an error of a query is about."""
    try:
        yield
    except ADQLError as error:
        raise SelectionError(parameter, error) from error
    except QueryError as error:
        raise ParameterError(parameter, error.message, hint=error.hint) from error


def cancelled() -> LimitError:
    """Return the error of what nobody wants any more."""
    return LimitError("The reading of the input was cancelled.")
