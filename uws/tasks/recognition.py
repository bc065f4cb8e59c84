"""Which columns of a selection a task means: as the client says, then by UCD, then by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from uws.tasks.declaration import Kind, Role, TaskInput
from vo.core.errors import ParameterError
from vo.core.tables import Column
from vo.core.tables.columns import FLOATING, INTEGER
from vo.core.tables.positions import likely_position
from vo.core.units import UnitError, factor


@dataclass(frozen=True, slots=True)
class Found:
    """A column that was recognised.

    Attributes
    ----------
    name : str
        The column's; names are unique within a selection.
    factor : float
        What its numbers are multiplied with to be in the unit of the role.
    how : str
        In words: ``by its UCD``.
    """

    name: str
    factor: float
    how: str


@dataclass(frozen=True, slots=True)
class Recognised:
    """The columns of an input that have roles, by names of roles."""

    found: Mapping[str, Found]

    def __contains__(self, role: str) -> bool:
        return role in self.found

    def name(self, role: str) -> str | None:
        """Return the name of the column with a role, None where there is none."""
        found = self.found.get(role)
        return None if found is None else found.name

    def numbers(self, batch: pa.RecordBatch, role: str) -> npt.NDArray[np.float64]:
        """Return a role's numbers in its unit, NaN where they are unknown; the batch's columns have their names."""
        found = self.found[role]
        column = batch.column(found.name)
        values: npt.NDArray[np.float64] = column.cast(pa.float64()).fill_null(np.nan).to_numpy(zero_copy_only=False)
        return values if found.factor == 1.0 else values * found.factor


NOTHING = Recognised({})


def recognise(columns: Sequence[Column], wanted: TaskInput, named: Mapping[str, str]) -> Recognised:
    """Find the columns that a task needs.

    Parameters
    ----------
    columns : sequence of Column
        Of the selection.
    wanted : TaskInput
        The task's input with its roles.
    named : mapping of str to str
        Names of columns that the client gives, by names of roles.

    Raises
    ------
    ParameterError
        If a column that is named is not there or holds something else, or a required one is not found; the parameter is
        the one that names it.
    """
    found: dict[str, Found] = {}
    for role in wanted.roles:
        if role.name in named:
            place = _place_of(columns, named[role.name], wanted.parameter(role.name))
            found[role.name] = _as(role, columns, place, "as given", wanted)
    roles = {role.name: role for role in wanted.roles}
    if {"ra", "dec"} <= roles.keys() and not {"ra", "dec"} & found.keys():
        pair = likely_position(columns)
        for name, place in zip(("ra", "dec"), pair or (), strict=False):
            found[name] = _as(roles[name], columns, place, "by UCD, name and unit", wanted)
    for role in wanted.roles:
        if role.name not in found and (guess := _guess(role, columns)) is not None:
            found[role.name] = _as(role, columns, *guess, wanted)
    for role in wanted.roles:
        if role.required and role.name not in found:
            fitting = [column.name for column in columns if _fits(role, column)]
            listed = ", ".join(fitting[:8]) + (" …" if len(fitting) > 8 else "")
            raise ParameterError(
                wanted.parameter(role.name),
                f"no column of the {wanted.title} is known to be its {role.description}.",
                hint=f"Name it, such as {wanted.parameter(role.name)}={fitting[0]}. It could be one of {listed}."
                if fitting
                else f"It needs a column with {role.kind.value}.",
            )
    return Recognised(found)


def _place_of(columns: Sequence[Column], name: str, parameter: str) -> int:
    text = name.strip()
    exact = [place for place, column in enumerate(columns) if column.name == text]
    unquoted = text[1:-1].replace('""', '"') if len(text) > 1 and text[0] == text[-1] == '"' else text
    folded = [place for place, column in enumerate(columns) if column.name.lower() == unquoted.lower()]
    if exact or len(folded) == 1:
        return (exact or folded)[0]
    names = ", ".join(column.name for column in columns[:20]) + (" …" if len(columns) > 20 else "")
    raise ParameterError(parameter, f"there is no column {text[:60]!r}.", hint=f"The columns are {names}.")


def _guess(role: Role, columns: Sequence[Column]) -> tuple[int, str] | None:
    """Return the place of the column that looks most like a role, and by what."""
    fitting = [place for place, column in enumerate(columns) if _fits(role, column) and _convertible(role, column)]
    for ucd in role.ucds:
        for place in fitting:
            if _ucd(columns[place]) == ucd or _ucd(columns[place]).removesuffix(";meta.main") == ucd:
                return place, "by its UCD"
    for name in role.names:
        for place in fitting:
            if columns[place].name.strip().lower() == name:
                return place, "by its name"
    return None


def _fits(role: Role, column: Column) -> bool:
    number = column.datatype in INTEGER or column.datatype in FLOATING
    match role.kind:
        case Kind.NUMBER:
            return number and not column.is_array
        case Kind.INTEGER:
            return column.datatype in INTEGER and not column.is_array
        case Kind.TEXT:
            return column.is_text
        case Kind.NUMBERS:
            return number and column.is_array
        case Kind.ANY:
            return True


def _convertible(role: Role, column: Column) -> bool:
    try:
        _factor(role, column)
    except UnitError:
        return False
    return True


def _factor(role: Role, column: Column) -> float:
    if role.unit is None or column.unit is None or not column.unit.strip():
        return 1.0
    return factor(column.unit, role.unit)


def _as(role: Role, columns: Sequence[Column], place: int, how: str, wanted: TaskInput) -> Found:
    column = columns[place]
    if not _fits(role, column):
        raise ParameterError(
            wanted.parameter(role.name), f"the column {column.name} is not {role.kind.value}, as {role.description} is."
        )
    try:
        return Found(column.name, _factor(role, column), how)
    except UnitError:
        raise ParameterError(
            wanted.parameter(role.name),
            f"the column {column.name} is in {column.unit}, and {role.description} is wanted in {role.unit}.",
        ) from None


def _ucd(column: Column) -> str:
    return "".join((column.ucd or "").lower().split())
