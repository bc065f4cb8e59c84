"""Units of results: conversions, and units of products and powers; all of them in the syntax of VOUnits."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

from tap.adql.errors import ADQLError
from vo.core.units import factor, read_unit

_FACTOR = re.compile(r"([A-Za-z_]+|'[A-Za-z_]+')(?:(?:\*\*|\^)?\(?([-+]?\d{1,2})\)?)?", re.ASCII)
_MAX_LENGTH = 100
_MAX_EXPONENT = 9

# ---- conversions ----------------------------------------------------------------------------------------------------


def conversion_factor(unit: str | None, wanted: str, position: int) -> float:
    """Return the number by which values in one unit are multiplied to be in another.

    Raises
    ------
    ADQLError
        If a unit is unknown to VOUnits, or the value has none, or both measure different things.
    """
    if unit is None:
        raise _no_unit("IN_UNIT", position)
    try:
        return factor(unit, wanted)
    except ValueError as error:
        raise ADQLError(f"IN_UNIT: {error}", position) from None


def spectral_conversion(unit: str | None, wanted: str, position: int) -> tuple[float, bool]:
    """Return the factor that takes a wavelength, frequency, wave number or energy to another unit of any of these.

    The second of the pair tells whether the factor is divided by the value instead of multiplied.

    Raises
    ------
    ADQLError
        If a unit is unknown or not spectral.
    """
    if unit is None:
        raise _no_unit("gavo_specconv", position, " Or name it in a second argument.")
    try:
        return _spectral(unit, wanted)
    except ValueError as error:
        raise ADQLError(f"gavo_specconv: {error}", position) from None


def _no_unit(what: str, position: int, hint: str = "") -> ADQLError:
    message = f"{what}: the unit of the value is not known."
    hint = f"Units are known of columns that have one, and of expressions that keep it; bare numbers have none.{hint}"
    return ADQLError(message, position, hint=hint)


@lru_cache(maxsize=1024)
def _spectral(unit: str, wanted: str) -> tuple[float, bool]:
    from astropy import units  # noqa: PLC0415  (it takes a third of a second)

    known = read_unit(unit), read_unit(wanted)
    try:
        one, two = (float(known[0].to(known[1], value, units.spectral())) for value in (1.0, 2.0))
    except (TypeError, ValueError, ArithmeticError):
        raise ValueError(f"{unit} cannot be converted to {wanted}; both must be spectral units.") from None
    return one, two < one


# ---- products -------------------------------------------------------------------------------------------------------


def product_unit(units: Sequence[str | None], constant: Sequence[bool], operators: Sequence[str]) -> str | None:
    """Return the unit of ``x0 operators[0] x1 …``; None where a factor that is not a constant has no unit."""
    if any(unit is None and not known for unit, known in zip(units, constant, strict=True)):
        return None
    known = [unit for unit in units if unit is not None]
    if len(known) < 2 and "/" not in operators:
        return known[0] if known else None
    signs = (1, *(-1 if operator == "/" else 1 for operator in operators))
    if len(known) == 1 and units[0] is not None:
        return units[0]
    exponents: dict[str, int] = {}
    for unit, sign in zip(units, signs, strict=True):
        factors = _factors(unit) if unit is not None else {}
        if factors is None:
            return None
        for symbol, exponent in factors.items():
            exponents[symbol] = exponents.get(symbol, 0) + sign * exponent
    return _product(exponents)


def power_unit(unit: str | None, exponent: float) -> str | None:
    """Return the unit of a power; None where VOUnits has none for it."""
    factors = None if unit is None else _factors(unit)
    if factors is None:
        return None
    raised = {symbol: power * exponent for symbol, power in factors.items()}
    if any(power != round(power) or abs(power) > _MAX_EXPONENT for power in raised.values()):
        return None
    return _product({symbol: round(power) for symbol, power in raised.items()})


@lru_cache(maxsize=1024)
def _factors(unit: str) -> Mapping[str, int] | None:
    """Return the exponents of the symbols of a unit; None for one with numbers, functions or a prefix of its own."""
    over, slash, under = unit.strip().partition("/")
    under = under.strip()
    if slash and ("/" in under or not under):
        return None
    if under.startswith("(") and under.endswith(")"):
        under = under[1:-1]
    elif slash and len(_symbols(under)) > 1:
        return None  # services read a/b.c either way
    exponents: dict[str, int] = {}
    for text, sign in ((over, 1), (under, -1)):
        for word in _symbols(text):
            found = _FACTOR.fullmatch(word)
            if found is None:
                if sign == 1 and word == "1" and text.strip() == "1":
                    continue
                return None
            exponents[found[1]] = exponents.get(found[1], 0) + sign * int(found[2] or 1)
    return exponents


def _symbols(text: str) -> list[str]:
    return re.split(r"[. ]|(?<!\*)\*(?!\*)", text.strip()) if text.strip() else []


def _product(exponents: Mapping[str, int]) -> str | None:
    """Write a unit by its symbols and their exponents: ``mas.deg**2/yr``."""
    over = [_power(symbol, power) for symbol, power in exponents.items() if power > 0]
    under = [(symbol, -power) for symbol, power in exponents.items() if power < 0]
    if not over and not under:
        symbol = next(iter(exponents), None)  # what has no unit after all, said in VOUnits
        return None if symbol is None else f"{symbol}/{symbol}"
    if not over:
        text = ".".join(_power(symbol, -power) for symbol, power in under)
    elif len(under) == 1:
        text = f"{'.'.join(over)}/{_power(*under[0])}"
    else:
        text = ".".join(over + [_power(symbol, -power) for symbol, power in under])
    if len(text) > _MAX_LENGTH or any(abs(power) > _MAX_EXPONENT for power in exponents.values()):
        return None
    return text


def _power(symbol: str, power: int) -> str:
    return symbol if power == 1 else f"{symbol}**{power}"
