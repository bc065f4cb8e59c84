"""Passbands as clients write them in a parameter."""

from __future__ import annotations

import numpy as np

from gaia.xp.filters import Counting, Passband, ZeroPoint
from vo.core.errors import ParameterError

MOST = 50
"""Passbands of one request."""
HINT = "Write a name, a colon, then wavelength (nm) and transmission of each point, such as V: 480 0, 500 0.9, 590 0."


def read_passbands(text: str, zero_point: ZeroPoint, counting: Counting) -> tuple[Passband, ...]:
    """Read ``name: wavelength transmission, wavelength transmission, …; name: …``.

    Parameters
    ----------
    text : str
        As above; wavelengths in nm, ascending.
    zero_point : ZeroPoint
        Of all of them.
    counting : Counting
        Of all of them.

    Raises
    ------
    ParameterError
        Naming the passband, and the point that is wrong.
    """
    parts = [part.strip() for part in text.split(";") if part.strip()]
    if not parts:
        raise ParameterError("FILTERS", "has no passband.", hint=HINT)
    if len(parts) > MOST:
        raise ParameterError("FILTERS", f"{len(parts)} passbands; at most {MOST} can be had.")
    found: dict[str, Passband] = {}
    for part in parts:
        name, colon, curve = (piece.strip() for piece in part.partition(":"))
        if not colon:
            raise ParameterError("FILTERS", f"{name[:40]!r} has no colon after its name.", hint=HINT)
        if name.lower() in found:
            raise ParameterError("FILTERS", f"two passbands have the name {name[:40]!r}.")
        points = [point.strip() for point in curve.split(",") if point.strip()]
        pairs = np.array([_pair(point, name, number) for number, point in enumerate(points, start=1)]).reshape(-1, 2)
        wavelength, transmission = np.ascontiguousarray(pairs.T)
        found[name.lower()] = Passband(name, wavelength, transmission, zero_point, counting)
    return tuple(found.values())


def _pair(point: str, name: str, number: int) -> tuple[float, float]:
    """Read a point of a passband."""
    try:
        wavelength, transmission = map(float, point.split())
    except ValueError:
        raise ParameterError(
            "FILTERS", f"point {number} of {name[:40]!r} is {point[:40]!r}, not two numbers.", hint=HINT
        ) from None
    return wavelength, transmission
