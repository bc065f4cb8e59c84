"""Reference frames and the rotations between them.

As the catalogue of functions has it, a change of frame is one rotation: FK5 counts as ICRS (from which it differs by
0.02 arcsec), FK4 is that of B1950 without the terms of aberration, the ecliptic is the mean one of J2000.
"""

from __future__ import annotations

import math
from typing import TypeAlias

Matrix: TypeAlias = tuple[float, float, float, float, float, float, float, float, float]

# Rows of the matrices that take a direction to ICRS; astropy's, of which a test asks whether they still are.
_TO_ICRS: dict[str, Matrix] = {
    "ICRS": (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0),
    "FK5": (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0),
    "FK4": (
        *(0.9999256809514502, -0.011181372203849847, -0.004858959705285337),
        *(0.011181371753884808, 0.9999374861373455, -2.725853209429685e-05),
        *(0.00485896074073883, -2.7073328535966274e-05, 0.9999881948140963),
    ),
    "GALACTIC": (
        *(-0.054875657712591654, 0.49410943719272693, -0.8676661375596585),
        *(-0.8734370519556163, -0.4448297212232954, -0.19807633727300078),
        *(-0.4838350736167156, 0.7469821839866677, 0.455983813687302),
    ),
    "SUPER_GALACTIC": (
        *(0.37501555570303174, -0.8983204377276134, 0.2288749093754373),
        *(0.3413588718562474, -0.09572710024885128, -0.935045690264907),
        *(0.8618801851683193, 0.42878516000302, 0.27075049949244606),
    ),
    "ECLIPTIC": (
        *(0.9999999999999941, 3.2897004077419646e-08, -1.0207044725484355e-07),
        *(-7.078368960971556e-08, 0.9174821299149584, -0.39777699944404304),
        *(8.056213977613186e-08, 0.39777699944404793, 0.9174821299149556),
    ),
}
FRAMES = tuple(_TO_ICRS)
"""The frames, by their names in the IVOA's vocabulary refframe."""


def rotation(start: str, end: str) -> Matrix:
    """Return the rows of the matrix that takes a direction from one frame to another."""
    first, second = _TO_ICRS[start], _TO_ICRS[end]
    # The inverse of a rotation is its transpose.
    a, b, c, d, e, f, g, h, i = (
        sum(second[3 * k + row] * first[3 * k + column] for k in range(3)) for row in range(3) for column in range(3)
    )
    return (a, b, c, d, e, f, g, h, i)


def rotated(lon: float, lat: float, matrix: Matrix) -> tuple[float, float]:
    """Return a position, in degrees, in another frame."""
    a, d = math.radians(lon), math.radians(lat)
    direction = (math.cos(d) * math.cos(a), math.cos(d) * math.sin(a), math.sin(d))
    x, y, z = (sum(matrix[3 * row + k] * direction[k] for k in range(3)) for row in range(3))
    return math.degrees(math.atan2(y, x)) % 360, math.degrees(math.atan2(z, math.hypot(x, y)))
