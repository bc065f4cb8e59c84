"""Sexagesimal angles in Python for constants; ``vo_udf.sexagesimal`` is its twin in the database."""

from __future__ import annotations

import re

_SECONDS = r"([0-9]{1,2}(?:[.][0-9]{0,30})?)"
_FORMS = (
    r"([-+]?)([0-9]{1,3})[: ]([0-9]{1,2})[: ]" + _SECONDS,
    r"([-+]?)([0-9]{1,3})%s ?([0-9]{1,2})m ?" + _SECONDS + "s",
    r"([-+]?)([0-9]{2,3})([0-9]{2})([0-9]{2}(?:[.][0-9]{0,30})?)",
)


def degrees(written: str, *, hours: bool) -> float | None:
    """Return the degrees of an angle, written in degrees or hours; None for what is no angle."""
    plain = written.strip(" ").lower()
    for form in _FORMS:
        found = re.fullmatch(form.replace("%s", "h" if hours else "d"), plain, re.ASCII)
        if found is not None:
            break
    else:
        return None
    sign, first, minutes, seconds = found[1], *map(float, found.groups()[1:])
    size = (first + minutes / 60 + seconds / 3600) * (15 if hours else 1)
    if (hours and sign) or minutes >= 60 or seconds >= 60 or size > 360:
        return None
    return -size if sign == "-" else size
