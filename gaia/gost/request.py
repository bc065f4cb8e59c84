"""What a client asks of /gost/query: the parameters of ObjObsSAP and ObjVisSAP, and those of ESA's GOST."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime

from vo.core.dali.parameters import Parameters, requested_format
from vo.core.errors import ParameterError
from vo.core.settings import Settings
from vo.core.tables.writers import Format, find_format

FACILITY = "Gaia"
UNIX_EPOCH = 40587.0
"""MJD of 1970-01-01."""
_BETWEEN = re.compile(r"\s*,\s*|\s+")


@dataclass(frozen=True, slots=True)
class ForecastRequest:
    """A position and a range of time.

    Attributes
    ----------
    ra, dec : float
        In degrees, ICRS.
    begin, end : float
        MJD in barycentric TCB; infinite where the range is open.
    least : float
        Seconds that the position must be observable, at least.
    elsewhere : bool
        Whether only facilities are wanted that are not Gaia.
    maxrec : int
        Most rows.
    format : Format
        Of the answer.
    content_type : str
        Content-Type to answer with.
    """

    ra: float
    dec: float
    begin: float
    end: float
    least: float
    elsewhere: bool
    maxrec: int
    format: Format
    content_type: str

    @classmethod
    def from_parameters(cls, parameters: Parameters, settings: Settings) -> ForecastRequest:
        """Read the parameters; those that no draft defines are ignored.

        Raises
        ------
        ParameterError
            Naming the parameter that is missing or malformed.
        """
        ra, dec = _position(parameters)
        begin, end = _times(parameters)
        maxrec = parameters.integer("MAXREC", least=0)
        table_format, content_type = find_format(requested_format(parameters))
        facilities = parameters.all("FACILITY")
        least = [value for name in ("VIS_MIN", "MIN_OBS") if (value := _number(parameters, name)) is not None]
        return cls(
            ra=ra,
            dec=dec,
            begin=begin,
            end=end,
            least=max(least, default=0.0),
            elsewhere=bool(facilities) and not any(_is_gaia(name) for name in facilities),
            maxrec=min(settings.default_maxrec if maxrec is None else maxrec, settings.hard_maxrec),
            format=table_format,
            content_type=content_type,
        )


def _position(parameters: Parameters) -> tuple[float, float]:
    """Return what POS says, or GOST's s_ra and s_dec."""
    alias = (parameters.one("S_RA"), parameters.one("S_DEC"))
    given = parameters.one("POS")
    hint = "Send POS=ra,dec: both in degrees, in ICRS."
    if given is None:
        if None in alias:
            name = "POS" if alias == (None, None) else "s_ra" if alias[0] is None else "s_dec"
            raise ParameterError(name, "is missing.", hint=hint)
        texts = [text or "" for text in alias]
    elif alias != (None, None):
        raise ParameterError("POS", "is given beside s_ra or s_dec, which mean the same.", hint="Send one of them.")
    else:
        texts = _BETWEEN.split(given.strip())
    if len(texts) != 2:
        raise ParameterError("POS", f"{_shown(given or '')} is not two numbers.", hint=hint)
    name = "POS" if given is not None else "s_ra, s_dec"
    ra, dec = (_value(name, text) for text in texts)
    if not -360 <= ra <= 360 or not -90 <= dec <= 90:
        raise ParameterError(name, f"{ra:.12g}, {dec:.12g} is not on the sky.", hint=hint)
    return ra % 360, dec


def _times(parameters: Parameters) -> tuple[float, float]:
    """Return the range that TIME says, or GOST's t_min and t_max; an open beginning of TIME is now."""
    given = parameters.one("TIME")
    bounds = (_number(parameters, "T_MIN", shown="t_min"), _number(parameters, "T_MAX", shown="t_max"))
    if given is None:
        begin = -math.inf if bounds[0] is None else bounds[0]
        end = math.inf if bounds[1] is None else bounds[1]
        name = "t_min, t_max"
    elif bounds != (None, None):
        raise ParameterError("TIME", "is given beside t_min or t_max, which mean the same.", hint="Send one of them.")
    else:
        name = "TIME"
        first, _, last = given.strip().partition("/" if "/" in given else " ")
        if "/" not in given and not last.strip():
            raise ParameterError(name, f"{_shown(given)} is not a range.", hint="Send TIME=57000/58000, both MJD.")
        begin = _value(name, first) if first.strip() else now()
        end = _value(name, last) if last.strip() else math.inf
    if begin > end:
        raise ParameterError(
            name, f"the range {begin:.12g} to {end:.12g} ends before it begins.", hint="Times are MJD."
        )
    return begin, end


def now() -> float:
    """Return the MJD of this moment; to the minute or so that differs between the scales of time."""
    return UNIX_EPOCH + datetime.now(UTC).timestamp() / 86400


def _number(parameters: Parameters, name: str, *, shown: str | None = None) -> float | None:
    text = parameters.one(name)
    return None if text is None else _value(shown or name, text)


def _value(name: str, text: str) -> float:
    """Return a number as DALI writes it; infinite ones are open ends of ranges."""
    stripped = text.strip()
    try:
        # Python's float also takes underscores and digits of other scripts.
        value = float(stripped) if stripped.isascii() and "_" not in stripped else math.nan
    except ValueError:
        value = math.nan
    if math.isnan(value):
        raise ParameterError(name, f"{_shown(text)} is not a number.")
    return value


def _is_gaia(name: str) -> bool:
    return name.strip().casefold() == FACILITY.casefold()


def _shown(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:40] + "…")
