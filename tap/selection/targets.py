"""Rows of published tables by what objects are called: ``HIP 70890`` where a catalogue says that it numbers them so."""

# ruff: noqa: S608  (names come from the catalogue, values are written anew)
from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from tap.schema.models import PublishedTable
from tap.selection.statements import Statements
from uws.tasks.selections import SelectionRequest
from vo.core.errors import ParameterError
from vo.core.tables.columns import INTEGER, TEXT

SHOWN = 60
"""Characters of a name that an error repeats."""
REF_EPOCH = "ref_epoch"
"""The column of the epoch, as Gaia's data model calls it."""
_LARGEST, _DIGITS = 2**63 - 1, 30
_PATTERN = re.compile(r"([^{}]*)\{([^{}]+)\}([^{}]*)")


@dataclass(frozen=True, slots=True)
class Identifier:
    """How the rows of a table are called.

    Attributes
    ----------
    table : PublishedTable
        Which.
    pattern : str
        The column in braces: ``HIP {hip}``.
    """

    table: PublishedTable
    pattern: str

    def query(self, name: str) -> str | None:
        """Return the query of the row with a name, None if it is none of this table's."""
        divided = _PATTERN.fullmatch(self.pattern)
        if divided is None:
            return None
        before, column, after = divided.groups()
        found = re.fullmatch(rf"{_loose(before)}\s*(\S.*?)\s*{_loose(after)}", name.strip(), re.IGNORECASE)
        published = next((each for each in self.table.columns if each.column.name == column), None)
        if found is None or published is None:
            return None
        value = found[1]
        if published.column.datatype in INTEGER:
            if not (value.isascii() and value.isdigit() and len(value) <= _DIGITS and int(value) <= _LARGEST):
                return None
            constant = str(int(value))
        elif published.column.datatype in TEXT and published.column.xtype is None:
            constant = _text(value)
        else:
            return None
        columns = ", ".join([*(f"t.{each.query_name}" for each in self.table.columns), *self._epoch()])
        where = f"t.{published.query_name} = {constant}"
        return f"SELECT {_text(name)} AS target, {columns} FROM {self.table.name} AS t WHERE {where}"

    def _epoch(self) -> Iterator[str]:
        """Yield the epoch of the position as a column, if the table has none and its description tells it."""
        epoch = str((self.table.curation.get("position") or {}).get("epoch") or "")
        if re.fullmatch(r"J\d{4}(\.\d+)?", epoch) and all(each.column.name != REF_EPOCH for each in self.table.columns):
            yield f"{float(epoch[1:])!r} AS {REF_EPOCH}"


def identifiers(tables: Iterable[PublishedTable]) -> list[Identifier]:
    """Return how rows of published tables with positions are called, as their descriptions say."""
    positioned = (table for table in tables if table.position is not None)
    return [Identifier(table, pattern) for table in positioned for pattern in table.curation.get("identifiers", ())]


def identified(request: SelectionRequest, known: Sequence[Identifier], statements: Statements) -> SelectionRequest:
    """Return the query of the row that a target's name means.

    Raises
    ------
    ParameterError
        If no table has it, with what can be done.
    """
    name = str(request.target)
    empty: list[str] = []
    for each, query in _queries(name, known):
        if statements.has_rows(query):
            return SelectionRequest(request.parameter, query=query)
        empty.append(each.table.name)
    patterns = list(dict.fromkeys(each.pattern for each in known))
    like = f"; or a name as {', '.join(patterns[:5])}" if patterns else ""
    problem = f"is not in {' and '.join(empty)}" if empty else "is a name that nobody knows here"
    raise ParameterError(
        request.parameter,
        f"{name[:SHOWN]!r} {problem}.",
        hint="Names are not looked up elsewhere. Send its coordinates, 14:29:42.9 -62:40:46 or in degrees; RA and DEC "
        f"beside the name; a name that has them in it, such as SDSS J123456.78-123456.7{like}.",
    )


def _queries(name: str, known: Sequence[Identifier]) -> Iterator[tuple[Identifier, str]]:
    for each in known:
        if (query := each.query(name)) is not None:
            yield each, query


def _loose(text: str) -> str:
    """Return the expression of a text whose blanks may be left out or more."""
    return r"\s*".join(map(re.escape, text.split()))


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
