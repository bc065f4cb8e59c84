"""Units of results: conversion by IN_UNIT, and units of products."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from tap.adql.errors import ADQLError


def conversion_factor(unit: str | None, wanted: str, position: int) -> float:
    """Return the number by which values in one unit are multiplied to be in another.

    Raises
    ------
    ADQLError
        If a unit is unknown to VOUnits, or the value has none, or both measure different things.
    """
    if unit is None:
        hint = "IN_UNIT takes columns that have a unit, and expressions that keep it."
        raise ADQLError("IN_UNIT: the unit of the value is not known.", position, hint=hint)
    try:
        return _factor(unit, wanted)
    except ValueError as error:
        raise ADQLError(f"IN_UNIT: {error}", position) from None


@lru_cache(maxsize=1024)
def _factor(unit: str, wanted: str) -> float:
    """Ask astropy, which is imported only here because that takes a third of a second."""
    from astropy import units  # noqa: PLC0415

    known = []
    for text in (unit, wanted):
        try:
            known.append(units.Unit(text, format="vounit", parse_strict="raise"))
        except (ValueError, TypeError):
            raise ValueError(f"{text[:60]!r} is not a unit of VOUnits.") from None
    try:
        return float(known[0].to(known[1]))
    except (units.UnitConversionError, units.UnitTypeError, TypeError, ValueError):
        raise ValueError(f"{unit} cannot be converted to {wanted}.") from None


def product_unit(units: Sequence[str | None], constant: Sequence[bool], operators: Sequence[str]) -> str | None:
    """Return the unit of ``x0 operators[0] x1 …``; None where a factor that is not a constant has no unit."""
    if any(unit is None and not known for unit, known in zip(units, constant, strict=True)):
        return None
    result: str | None = units[0]
    for unit, operator in zip(units[1:], operators, strict=True):
        if unit is None:
            continue
        written = unit if unit.isalpha() else f"({unit})"
        if operator == "/":
            result = f"{result}/{written}" if result else f"{written}**-1"
        else:
            result = f"{result}.{written}" if result else unit
    return result
