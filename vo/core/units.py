"""Units in the syntax of VOUnits: reading them, and the factor from one to another."""

from __future__ import annotations

import threading
import warnings
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from astropy.units import UnitBase

_MAX_LENGTH = 100
_warnings = threading.Lock()


class UnitError(ValueError):
    """A unit is unknown, or two of them measure different things."""


@lru_cache(maxsize=1024)
def factor(unit: str, wanted: str) -> float:
    """Return the number by which values in one unit are multiplied to be in another.

    Raises
    ------
    UnitError
        If one is unknown to VOUnits, or both measure different things.
    """
    if unit == wanted:
        return 1.0
    known = read_unit(unit), read_unit(wanted)
    try:
        return float(known[0].to(known[1]))
    except (TypeError, ValueError, ArithmeticError):
        raise UnitError(f"{unit} cannot be converted to {wanted}.") from None


def read_unit(text: str) -> UnitBase:
    """Read a unit.

    Raises
    ------
    UnitError
        If it is none of VOUnits'.
    """
    from astropy import units  # noqa: PLC0415  (it takes a third of a second)

    if len(text) > _MAX_LENGTH:
        raise UnitError(f"a unit has at most {_MAX_LENGTH} characters.")
    # What VOUnits deprecates (Angstrom, erg) works; astropy's remark would go to the service's log.
    with _warnings, warnings.catch_warnings():
        warnings.simplefilter("ignore", units.UnitsWarning)
        try:
            found: Any = units.Unit(text, format="vounit", parse_strict="raise")
        except (ValueError, TypeError):
            raise UnitError(f"{text[:60]!r} is not a unit of VOUnits.") from None
    return found
