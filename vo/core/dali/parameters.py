"""Parameters of a request: names in any case, values as they are (DALI 1.1, section 3)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from vo.core.errors import ParameterError

MAX_DIGITS = 18
"""Of an integer; what is longer does not fit into 64 bits."""


class Parameters:
    """The parameters of one request.

    Parameters
    ----------
    pairs : iterable of (name, value)
        In the order of the request; names in any case.
    """

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self._values: dict[str, list[str]] = defaultdict(list)
        for name, value in pairs:
            self._values[name.upper()].append(value)

    def all(self, name: str) -> list[str]:
        """Return every value of a parameter."""
        return list(self._values.get(name, ()))

    def pairs(self) -> list[tuple[str, str]]:
        """Return all names, in upper case, with their values."""
        return [(name, value) for name, values in self._values.items() for value in values]

    def one(self, name: str) -> str | None:
        """Return the value of a single-valued parameter; None when it is missing or empty.

        Raises
        ------
        ParameterError
            If it is repeated with different values (DALI 1.1, section 3.3).
        """
        values = dict.fromkeys(self._values.get(name, ()))
        if len(values) > 1:
            raise ParameterError(
                name, f"given {len(self._values[name])} times with different values; it takes one value."
            )
        return next(iter(values), None) or None

    def integer(self, name: str, *, least: int) -> int | None:
        """Return the value of an integer parameter.

        Raises
        ------
        ParameterError
            If it is not an integer or below `least`.
        """
        value = self.one(name)
        if value is None:
            return None
        text = value.strip()
        digits = text.removeprefix("+")
        shown = text if len(text) <= 40 else text[:40] + "…"
        if not (digits.isascii() and digits.isdigit()):
            raise ParameterError(name, f"{shown!r} is not an integer of at least {least}.")
        if len(digits) > MAX_DIGITS:
            raise ParameterError(name, f"{shown!r} is too large: it has {len(digits)} digits.")
        if int(digits) < least:
            raise ParameterError(name, f"{shown!r} is not an integer of at least {least}.")
        return int(digits)


def wants_text(parameters: Parameters) -> bool:
    """Return whether the client asked for a text format, so that errors are plain text for it too."""
    form = error_form(parameters)
    return form.startswith(("csv", "tsv", "ecsv", "html", "text")) and not form.startswith("text/xml")


def wants_json(parameters: Parameters) -> bool:
    """Return whether the client asked for JSON, so that errors are JSON for it too."""
    return error_form(parameters).startswith(("json", "application/json"))


def error_form(parameters: Parameters) -> str:
    """Return the format that was asked for, also where parameters are wrong."""
    values = parameters.all("RESPONSEFORMAT") or parameters.all("FORMAT")
    return values[0].strip().lower() if values else ""


def requested_format(parameters: Parameters) -> str | None:
    """Return what RESPONSEFORMAT, or its older name FORMAT, says.

    Raises
    ------
    ParameterError
        If both are given and differ.
    """
    new, old = parameters.one("RESPONSEFORMAT"), parameters.one("FORMAT")
    if new is not None and old is not None and new != old:
        raise ParameterError(
            "RESPONSEFORMAT", "differs from FORMAT, which is another name for it.", hint="Send one of them."
        )
    return new or old
