"""The nominal scanning law: the attitude of Gaia at any time from July 2014 to January 2025.

The spin axis keeps 45 degrees from the nominal Sun and precesses around it, while Gaia spins once in six hours (Gaia
Collaboration, Prusti et al. 2016, eqs. 1 and 2). The equations are solved once in a process, by Picard iteration on
polynomials of four days each: they are so smooth that eight or nine iterations give all digits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np

from gaia.scanning import sun
from gaia.scanning.arrays import Floats, Integers
from gaia.scanning.times import DAY, MJD

ASPECT: Final = math.radians(45)
"""Angle between the spin axis and the nominal Sun (xi)."""
SPEED: Final = 4.220745
"""Of the spin axis over the sky, in units of the nominal Sun's (S)."""
SPIN: Final = math.radians(59.9605 / 3600) * DAY
"""Inertial rate of the spin, radians a day."""
TURN: Final = 2 * math.pi / SPIN
"""Days of one spin."""
OBLIQUITY: Final = math.radians(84381.448 / 3600)
"""Of the ecliptic, J2000."""

TO_ICRS: Final[Floats] = np.array(
    [
        [1.0, 0.0, 0.0],
        [0.0, math.cos(OBLIQUITY), -math.sin(OBLIQUITY)],
        [0.0, math.sin(OBLIQUITY), math.cos(OBLIQUITY)],
    ]
)
"""Matrix from the frame of this package to ICRS."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of the mission during which the law went on without a break.

    Attributes
    ----------
    name : str
        EPSL (ecliptic poles) or A to E (full sky).
    begin, end : float
        Modified Julian days, TDB at Gaia.
    sense : int
        Of the precession: 1, -1, or 0 where the spin axis stays in the ecliptic.
    reference : float
        Time of the two angles, as Julian day (TDB).
    precession, spin : float
        Phases at that time (nu and Omega), in degrees.
    """

    name: str
    begin: float
    end: float
    sense: int
    reference: float
    precession: float
    spin: float


SEGMENTS: Final = (
    Segment("EPSL", 56863 + 631 / 1440, 56891.875, 0, 2456864.0, 180.0, 357.8504481),
    Segment("A", 56891.875, 56925 + 710 / 1440, 1, 2456894.0, 188.2842483, 323.6265269),
    Segment("B", 56925 + 710 / 1440, 57792 + 1095 / 1440, 1, 2456928.0, 142.4169554, 191.7881197),
    Segment("C", 57792 + 1095 / 1440, 58680 + 1405 / 1440, 1, 2457796.0, 71.7175382, 150.9736057),
    Segment("D", 58680 + 1405 / 1440, 59059 + 860 / 1440, -1, 2458684.0, 220.2753606, 232.3975419),
    Segment("E", 59059 + 860 / 1440, 60690.25, 1, 2459062.0, 241.8803146, 35.2091425),
)
BEGIN: Final = SEGMENTS[0].begin
END: Final = SEGMENTS[-1].end

_PIECE = 4.0
"""Days of a polynomial."""
_NODES = 10
_TOLERANCE = 1e-13


@dataclass(frozen=True, slots=True)
class Law:
    """The phases of the law, as polynomials; arrays of all segments, and all of their pieces in a row.

    Attributes
    ----------
    origin : numpy.ndarray
        Where the first piece of each segment begins, modified Julian day.
    reference : numpy.ndarray
        Time from which the spin of each segment is counted.
    first : numpy.ndarray
        Place of its first piece.
    pieces : numpy.ndarray
        Coefficients of 1, x, x^2 … for x from -1 to 1 over each piece, shape (pieces, nodes, 3): of the Sun's
        longitude, of nu, and of what Omega has besides the constant spin.
    """

    origin: Floats
    reference: Floats
    first: Integers
    pieces: Floats

    def phases(self, time: Floats, segment: Integers) -> tuple[Floats, Floats, Floats]:
        """Return longitude of the nominal Sun, nu and Omega, in radians without jumps.

        Parameters
        ----------
        time : numpy.ndarray
            Modified Julian days, TDB at Gaia; up to half a day outside the segment.
        segment : numpy.ndarray
            Which segment's law.
        """
        place = (time - self.origin[segment]) / _PIECE
        piece = place.astype(np.int64)
        x = (2 * (place - piece) - 1)[:, None]
        coefficients = self.pieces[piece + self.first[segment]]
        total = coefficients[:, -1]
        for power in range(_NODES - 2, -1, -1):
            total = total * x + coefficients[:, power]
        return total[:, 0], total[:, 1], total[:, 2] + SPIN * (time - self.reference[segment])


@cache
def law() -> Law:
    """Return the solution of the equations, which takes about a tenth of a second the first time."""
    origins, references, pieces = [], [], []
    for segment in SEGMENTS:
        reference = segment.reference - MJD
        back = math.ceil((reference - segment.begin + 0.5) / _PIECE)
        on = math.ceil((segment.end + 0.5 - reference) / _PIECE)
        later = _integrate(segment, on, forward=True)
        earlier = _integrate(segment, back, forward=False)
        origins.append(reference - back * _PIECE)
        references.append(reference)
        pieces.append(np.concatenate([earlier[::-1], later]))
    first = np.cumsum([0, *(len(some) for some in pieces[:-1])])
    return Law(np.array(origins), np.array(references), first, np.concatenate(pieces))


def segment_of(time: Floats) -> Integers:
    """Return the index of the segment of each time (TDB at Gaia), -1 outside of all."""
    edges = [segment.begin for segment in SEGMENTS] + [END]
    found = np.searchsorted(edges, time, side="right") - 1
    return np.where(found < len(SEGMENTS), found, -1)


def axes(time: Floats) -> Floats:
    """Return the attitude at times, as matrices from ICRS to the frame of the spacecraft.

    Parameters
    ----------
    time : numpy.ndarray
        Modified Julian days, TDB at Gaia.

    Returns
    -------
    numpy.ndarray
        Shape (n, 3, 3): rows are x (between the fields of view), y = z × x, and z (the spin axis) in ICRS. The
        preceding field is at 53.25 degrees from x towards y, the following one at -53.25. NaN outside the law.
    """
    segment = segment_of(time)
    outside = segment < 0
    longitude, precession, spin = law().phases(np.where(outside, BEGIN, time), np.maximum(segment, 0))
    p, q, z = plane(longitude, precession)
    cosine, sine = np.cos(spin)[:, None], np.sin(spin)[:, None]
    rows = np.stack([cosine * p + sine * q, cosine * q - sine * p, z], axis=1)
    rows[outside] = np.nan
    return np.asarray(rows @ TO_ICRS.T, dtype=np.float64)


def plane(longitude: Floats, precession: Floats) -> tuple[Floats, Floats, Floats]:
    """Return p and q in the plane that is scanned, where Omega counts from p to q, and the spin axis z; (n, 3) each."""
    cosine, sine = np.cos(longitude), np.sin(longitude)
    nothing = np.zeros_like(cosine)
    sunwards = np.stack([cosine, sine, nothing], axis=1)
    east = np.stack([-sine, cosine, nothing], axis=1)
    pole = np.array([0.0, 0.0, 1.0])
    cosine, sine = np.cos(precession)[:, None], np.sin(precession)[:, None]
    outwards = east * cosine + pole * sine
    z = sunwards * math.cos(ASPECT) + outwards * math.sin(ASPECT)
    p = sunwards * math.sin(ASPECT) - outwards * math.cos(ASPECT)
    q = east * sine - pole * cosine
    return p, q, z


def _integrate(segment: Segment, pieces: int, *, forward: bool) -> Floats:
    """Return the polynomials from the reference on, or back from it, piece after piece."""
    nodes = -np.cos(np.pi * (np.arange(_NODES) + 0.5) / _NODES)
    fit = np.linalg.inv(np.vander(nodes, increasing=True))
    powers = np.arange(1, _NODES + 1)
    anchor = -1.0 if forward else 1.0
    # From values of a derivative at the nodes to those of the integral from the anchor, there and at the other end.
    raised = (np.vander(np.append(nodes, -anchor), _NODES + 1, increasing=True)[:, 1:] - anchor**powers) / powers
    integral = raised @ fit * (_PIECE / 2)
    made = np.empty((pieces, _NODES, 3))
    precession, spin = math.radians(segment.precession), math.radians(segment.spin)
    for piece in range(pieces):
        middle = segment.reference - MJD + (piece + 0.5) * _PIECE * -anchor
        time = middle + nodes * (_PIECE / 2)
        speed = sun.speed(time)
        rate = np.zeros(_NODES)
        values = np.full(_NODES + 1, precession)
        for _ in range(50 if segment.sense else 0):
            sine, cosine = np.sin(values[:-1]), np.cos(values[:-1])
            rate = speed * (segment.sense * np.sqrt(SPEED**2 - cosine**2) + math.cos(ASPECT) * sine) / math.sin(ASPECT)
            before, values = values, precession + integral @ rate
            if np.abs(values - before).max() < _TOLERANCE * max(1.0, abs(precession)):
                break
        slow = -speed * math.sin(ASPECT) * np.sin(values[:-1]) - rate * math.cos(ASPECT)
        turned = spin + integral @ slow
        made[piece] = fit @ np.column_stack([sun.longitude(time), values[:-1], turned[:-1]])
        precession, spin = float(values[-1]), float(turned[-1])
    return made
