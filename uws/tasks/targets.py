"""One position on the sky as a client writes it: coordinates, or a name that has them in it."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pyarrow as pa

from vo.core.errors import ParameterError
from vo.core.tables import Column, Datatype, schema_of

SHOWN = 60
"""Characters of a wrong value that an error repeats."""
COLUMNS = (
    Column("target", Datatype.UNICODE_CHAR, "*", ucd="meta.id;meta.main", description="What was asked for"),
    Column("ra", Datatype.DOUBLE, unit="deg", ucd="pos.eq.ra;meta.main", description="Right ascension, ICRS"),
    Column("dec", Datatype.DOUBLE, unit="deg", ucd="pos.eq.dec;meta.main", description="Declination, ICRS"),
)
"""Of a selection that is one position."""

_NUMBER = re.compile(r"[-+]?(?:\d{1,30}(?:\.\d{0,30})?|\.\d{1,30})(?:e[-+]?\d{1,3})?", re.ASCII | re.IGNORECASE)
_SECONDS = r"(\d{1,2}(?:\.\d{0,30})?)"
_WITH_COLONS = re.compile(rf"([-+]?)(\d{{1,3}})[: ](\d{{1,2}})[: ]{_SECONDS}", re.ASCII)
_WITH_LETTERS = re.compile(
    rf"([-+]?)(\d{{1,3}})\s?([hd°])\s?(?:(\d{{1,2}})\s?[m'′]\s?)?(?:{_SECONDS}\s?(?:s|\"|″|'')?)?", re.ASCII
)
_IN_NAME = re.compile(
    r"(?<![a-z])J(?P<hours>\d\d)(?P<minutes>\d\d)(?P<rest>\d{0,30})(?P<part>\.\d{1,30})?"
    r"(?P<sign>[-+])(?P<degrees>\d\d)(?P<arcminutes>\d\d)(?P<dec_rest>\d{0,30})(?P<dec_part>\.\d{1,30})?(?![\d.])",
    re.ASCII,
)
"""Of the IAU: J, hours, minutes, perhaps seconds, then the same of the declination, cut and not rounded."""


@dataclass(frozen=True, slots=True)
class Target:
    """One position.

    Attributes
    ----------
    name : str
        As the client calls it, else its coordinates.
    ra, dec : float
        In degrees, ICRS.
    source : str
        In words: what is known of it, and how well.
    """

    name: str
    ra: float
    dec: float
    source: str

    def batch(self) -> pa.RecordBatch:
        """Return it as a row, with the columns `COLUMNS`."""
        return pa.record_batch([[self.name], [self.ra], [self.dec]], schema=schema_of(COLUMNS))


def at(ra: str, dec: str, name: str | None, *, parameters: tuple[str, str]) -> Target:
    """Return the position of two coordinates.

    Parameters
    ----------
    ra, dec : str
        Degrees, or sexagesimal, then right ascension in hours.
    name : str, optional
        What it is called.
    parameters : tuple of str
        Names of the parameters that hold them, for errors.

    Raises
    ------
    ParameterError
        If one of them is no coordinate.
    """
    values = []
    for parameter, text, hours in ((parameters[0], ra, True), (parameters[1], dec, False)):
        value = angle(text, hours=hours)
        if value is None:
            example = "217.429 or 14:29:42.9" if hours else "-62.679 or -62:40:46"
            raise ParameterError(
                parameter,
                f"{text.strip()[:SHOWN]!r} is no coordinate.",
                hint=f"Write degrees, or sexagesimal{' hours' if hours else ''}: {example}. "
                "Where it is the name of a column, say of which table.",
            )
        low, high = (0, 360) if hours else (-90, 90)
        if not low <= value <= high:
            raise ParameterError(parameter, f"{text.strip()[:SHOWN]!r} is not between {low} and {high} degrees.")
        values.append(value)
    return _target(values[0], values[1], name)


def understood(text: str, parameter: str) -> Target | None:
    """Return what TARGET alone means: a pair of coordinates, or a name with coordinates in it; None for other names.

    Parameters
    ----------
    text : str
        As the client writes it.
    parameter : str
        Name of the parameter, for errors.

    Raises
    ------
    ParameterError
        If it is a pair of numbers and no position.
    """
    plain = " ".join(text.replace("−", "-").split())
    pair = _pair(plain)
    if pair is not None:
        return at(*pair, None, parameters=(parameter, parameter))
    return _of_name(plain)


def angle(text: str, *, hours: bool) -> float | None:
    """Return the degrees of an angle, None for what is none; sexagesimal ones are in hours where these are meant."""
    plain = text.strip().replace("−", "-").lower()
    number = plain.removesuffix("deg").removesuffix("d").removesuffix("°").strip()
    if _NUMBER.fullmatch(number):
        return float(number)
    if (found := _WITH_COLONS.fullmatch(plain)) is not None:
        sign, first, *rest = found.groups()
    elif (found := _WITH_LETTERS.fullmatch(plain)) is not None:
        sign, first, letter, *rest = found.groups()
        if (letter == "h") and not hours:
            return None
        hours = letter == "h"
    else:
        return None
    minutes, seconds = (float(part or 0) for part in rest)
    if minutes >= 60 or seconds >= 60 or (hours and sign == "-"):
        return None
    size = (float(first) + minutes / 60 + seconds / 3600) * (15 if hours else 1)
    return -size if sign == "-" else size


def _pair(plain: str) -> tuple[str, str] | None:
    """Return the two parts of a pair of coordinates, None for what is no such pair."""
    for mark in (",", ";"):
        first, found, second = plain.partition(mark)
        if found:
            return (first, second) if _both(first, second) else None
    words = plain.split(" ")
    if len(words) % 2 == 0:
        half = len(words) // 2
        first, second = " ".join(words[:half]), " ".join(words[half:])
        if _both(first, second):
            return first, second
    signed = re.fullmatch(r"([^-+]+)([-+][^-+]+)", plain)
    return (signed[1], signed[2]) if signed and _both(signed[1], signed[2]) else None


def _both(first: str, second: str) -> bool:
    return angle(first, hours=True) is not None and angle(second, hours=False) is not None


def _of_name(plain: str) -> Target | None:
    """Return the position that a name of the form J062244.4-060241 has, as well as it does."""
    found = _IN_NAME.search(plain)
    if found is None:
        return None
    ra = _decoded(found["hours"], found["minutes"], found["rest"], found["part"])
    dec = _decoded(found["degrees"], found["arcminutes"], found["dec_rest"], found["dec_part"])
    if ra is None or dec is None or ra[0] >= 24 or dec[0] > 90:
        return None
    step = max(ra[1] * 15, dec[1]) * 3600
    words = f"{step / 60:.2g} arcmin" if step >= 60 else f"{step:.2g} arcsec"
    degrees = dec[0] if found["sign"] == "+" else -dec[0]
    return Target(plain, ra[0] * 15, degrees, f"the position in the name {plain}, which has steps of {words}")


def _decoded(first: str, minutes: str, rest: str, part: str | None) -> tuple[float, float] | None:
    """Return the value of hhmm[ss[.s]] and of its last digit; without a point more than two digits are decimals."""
    fraction = (part or ".")[1:]
    whole = float(first)
    if not rest:
        value, step = float(f"{minutes}.{fraction or 0}"), 1 / 60
        size = whole + value / 60
    elif len(rest) == 1:  # tenths of minutes, or half of a number: nobody can tell
        return None
    else:
        fraction = rest[2:] + fraction
        value, step = float(f"{rest[:2]}.{fraction or 0}"), 1 / 3600
        size = whole + int(minutes) / 60 + value / 3600
    if int(minutes) >= 60 or value >= 60:
        return None
    return size, step / 10 ** len(fraction)


def _target(ra: float, dec: float, name: str | None) -> Target:
    coordinates = f"{ra:.12g} {dec:+.12g}"
    return Target(name or coordinates, ra % 360, dec, f"position {coordinates}" + (f" ({name})" if name else ""))
