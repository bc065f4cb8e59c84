"""Passbands as clients write them in a parameter."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gaia.xp.filters import Counting, Passband, ZeroPoint
from vo.core.errors import ParameterError

MOST = 50
"""Passbands of one request."""
LONGEST_NAME = 31
LEAST_STEP = 1e-6
"""Between two points (nm)."""
LARGEST = 1e30
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
        _check_size(name, wavelength, transmission)
        found[name.lower()] = Passband(name, wavelength, transmission, zero_point, counting)
    return tuple(found.values())


def _check_size(name: str, wavelength: NDArray[np.float64], transmission: NDArray[np.float64]) -> None:
    """Refuse numbers with which integrals would have no value."""
    if len(name) > LONGEST_NAME:
        raise ParameterError("FILTERS", f"the name {name[:40]!r} has {len(name)} characters.", hint=HINT)
    greatest = transmission.max(initial=0)
    if max(greatest, np.abs(wavelength).max(initial=0)) > LARGEST or 0 < greatest < 1 / LARGEST:
        raise ParameterError(
            "FILTERS", f"{name!r} has numbers of no usual size.", hint="Scale its transmissions; wavelengths are in nm."
        )
    steps = np.diff(wavelength)
    close = np.flatnonzero((steps > 0) & (steps < LEAST_STEP))
    if len(close):
        raise ParameterError("FILTERS", f"points {close[0] + 1} and {close[0] + 2} of {name!r} are too close together.")


def _pair(point: str, name: str, number: int) -> tuple[float, float]:
    """Read a point of a passband."""
    try:
        wavelength, transmission = map(float, point.split())
    except ValueError:
        raise ParameterError(
            "FILTERS", f"point {number} of {name[:40]!r} is {point[:40]!r}, not two numbers.", hint=HINT
        ) from None
    return wavelength, transmission
