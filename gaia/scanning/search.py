"""When directions cross the fields of view.

Once in a spin each direction crosses the meridians of both fields, near the plane that is scanned or far from it. So
one attitude a spin, a node, is compared with all directions by a product of matrices: where the spin axis is about 90
degrees away, the rate of the spin tells when the direction comes to each field, and how far from the plane it will then
be. What will be near a field is refined with the attitude and the velocity of Gaia at that time.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np

from gaia.scanning.arrays import Booleans, Bytes, Floats, Integers, Singles
from gaia.scanning.ephemeris import LIGHT, orbit
from gaia.scanning.focal_plane import ARCSECOND, CENTRE, HALF_BASIC_ANGLE, HALF_HEIGHT, REACH, ccd_row
from gaia.scanning.law import SEGMENTS, SPEED, SPIN, TURN, law, plane
from gaia.scanning.targets import Targets

_SPACING: Final = 0.98 * TURN
"""Days between nodes: less than a turn, so that no crossing midway between two is missed; some are found twice."""
_AXIS_SPEED: Final = SPEED * math.radians(1.0195)
"""Largest speed of the spin axis, radians a day."""
_ABERRATION: Final = 22 * ARCSECOND
_NEAR: Final = REACH + _AXIS_SPEED * _SPACING / 2 + _ABERRATION + 1e-6
_CURVATURE: Final = 40 * ARCSECOND
"""What the elevation at a crossing differs at most from what a node foresees."""
_PRODUCTS: Final = 1 << 19
"""Directions times nodes that are compared at once."""
_LEAST_TARGETS: Final = 16


@dataclass(frozen=True, slots=True)
class Crossings:
    """Crossings of the fields of view, ordered by target and time.

    Attributes
    ----------
    target : numpy.ndarray
        Row of the target.
    time : numpy.ndarray
        Modified Julian day, TDB at Gaia.
    following : numpy.ndarray
        Whether it is the following field.
    row : numpy.ndarray
        Row of CCDs.
    zeta : numpy.ndarray
        Elevation above the plane that is scanned.
    axis : numpy.ndarray
        The spin axis, shape (n, 3).
    direction, seen : numpy.ndarray
        Of the target, and where it was seen because Gaia moves; unit vectors, shape (n, 3).
    position, velocity : numpy.ndarray
        Gaia's, in astronomical units, and in units of the speed of light; shape (n, 3).
    segment : numpy.ndarray
        Index in `SEGMENTS`.
    """

    target: Integers
    time: Floats
    following: Booleans
    row: Bytes
    zeta: Floats
    axis: Floats
    direction: Floats
    seen: Floats
    position: Floats
    velocity: Floats
    segment: Bytes


@dataclass(frozen=True, slots=True)
class _Nodes:
    """Attitudes at which targets are looked for; arrays of n nodes, vectors of shape (n, 3)."""

    time: Floats
    segment: Integers
    p: Floats
    q: Floats
    z: Floats
    turning: Floats  # of z, a day
    spin: Floats
    position: Floats
    velocity: Floats  # in units of the speed of light


def crossings(targets: Targets, begin: float, end: float) -> Iterator[Crossings]:
    """Find the crossings of all rows of CCDs in a range of times (TDB at Gaia), some targets after others."""
    nodes = _between(begin, end)
    if not len(nodes.time):
        return
    axis = nodes.z.astype(np.float32).T.copy()
    most = max(_LEAST_TARGETS, _PRODUCTS // len(nodes.time))
    for first in range(0, len(targets), most):
        some = targets.part(first, first + most)
        found = _crossings(some, nodes, axis)
        here = (found.time >= begin) & (found.time < end)
        yield _chosen(found, np.flatnonzero(here), first)


def _crossings(targets: Targets, nodes: _Nodes, axis: Singles) -> Crossings:
    near = math.sin(min(_NEAR + targets.drift(nodes.time[0], nodes.time[-1]), math.pi / 2))
    elevation = targets.direction.astype(np.float32) @ axis
    target, node = np.divmod(np.flatnonzero(np.abs(elevation, out=elevation) < near), axis.shape[1])
    target, time, segment, following = _foreseen(targets, nodes, target, node)
    # The first step ends within a second or so of the crossing, the second within a microsecond of it.
    for _ in range(2):
        longitude, precession, spin = law().phases(time, segment)
        p, q, z = plane(longitude, precession)
        position, velocity = orbit().state(time)
        velocity /= LIGHT
        direction = targets.at(target, time, position)
        seen = _aberrated(direction, velocity)
        time = time + _along(seen, p, q, spin, following) / SPIN
    zeta = np.arcsin(_dot(seen, z))
    row = ccd_row(zeta, following)
    found = Crossings(
        target, time, following, row, zeta, z, direction, seen, position, velocity, segment.astype(np.int8)
    )
    return _chosen(found, _kept(found), 0)


def _foreseen(
    targets: Targets, nodes: _Nodes, target: Integers, node: Integers
) -> tuple[Integers, Floats, Integers, Booleans]:
    """Return which targets come near a field of view around a node, when, in which segment and to which field."""
    seen = targets.at(target, nodes.time[node], nodes.position[node]) + nodes.velocity[node]
    place = np.arctan2(_dot(seen, nodes.q[node]), _dot(seen, nodes.p[node])) - nodes.spin[node]
    elevation, rising = _dot(seen, nodes.z[node]), _dot(seen, nodes.turning[node])
    reach = HALF_HEIGHT + _CURVATURE
    kept = []
    for following in (False, True):
        later = _wrapped(place + (HALF_BASIC_ANGLE if following else -HALF_BASIC_ANGLE)) / SPIN
        height = elevation + rising * later + (-CENTRE if following else CENTRE)
        here = np.flatnonzero(np.abs(height) < reach)
        chosen = node[here]
        times = nodes.time[chosen] + later[here]
        kept.append((target[here], times, nodes.segment[chosen], np.full(len(here), following)))
    aims, times, segments, followings = (np.concatenate(parts) for parts in zip(*kept, strict=True))
    return aims, times, segments, followings


def _kept(found: Crossings) -> Integers:
    """Return the places of the crossings in a row and in their segment, by target and time, each once."""
    begin, end = (np.array([getattr(segment, edge) for segment in SEGMENTS]) for edge in ("begin", "end"))
    inside = (found.time >= begin[found.segment]) & (found.time < end[found.segment])
    places = np.flatnonzero((found.row > 0) & inside)
    places = places[np.lexsort((found.time[places], found.target[places]))]
    same = np.diff(found.target[places]) == 0
    again = same & (np.diff(found.time[places]) < TURN / 100) & (np.diff(found.following[places].view(np.int8)) == 0)
    return np.asarray(places[np.append(True, ~again)[: len(places)]], dtype=np.int64)


def _chosen(found: Crossings, places: Integers, first: int) -> Crossings:
    """Return some of the crossings, of targets that are counted from `first`."""
    return Crossings(
        found.target[places] + first,
        *(getattr(found, name)[places] for name in Crossings.__slots__[1:]),
    )


def _between(begin: float, end: float) -> _Nodes:
    """Return the nodes from which all crossings of a range can be found."""
    nodes = _nodes()
    here = np.flatnonzero((nodes.time > begin - TURN) & (nodes.time < end + TURN) if end > begin else nodes.time < 0)
    return _Nodes(*(getattr(nodes, name)[here] for name in _Nodes.__slots__))


@cache
def _nodes() -> _Nodes:
    times, segments = [], []
    for index, part in enumerate(SEGMENTS):
        count = math.ceil((part.end - part.begin) / _SPACING)
        times.append(part.begin + (np.arange(count) + 0.5) * _SPACING)
        segments.append(np.full(count, index))
    time, segment = np.concatenate(times), np.concatenate(segments)
    longitude, precession, spin = law().phases(time, segment)
    p, q, z = plane(longitude, precession)
    step = 0.01
    ahead, behind = (plane(*law().phases(time + sign * step, segment)[:2])[2] for sign in (1, -1))
    position, velocity = orbit().state(time)
    return _Nodes(time, segment, p, q, z, (ahead - behind) / (2 * step), spin, position, velocity / LIGHT)


def _along(seen: Floats, p: Floats, q: Floats, spin: Floats, following: Booleans) -> Floats:
    """Return how far directions are before the field of view, along the plane that is scanned."""
    field = np.where(following, -HALF_BASIC_ANGLE, HALF_BASIC_ANGLE)
    return _wrapped(np.arctan2(_dot(seen, q), _dot(seen, p)) - spin - field)


def _aberrated(direction: Floats, velocity: Floats) -> Floats:
    """Return where directions are seen by an observer who moves, with a velocity in units of that of light."""
    along = _dot(direction, velocity)
    shrink = np.sqrt(1 - _dot(velocity, velocity))
    moved = direction * shrink[:, None] + velocity * (1 + along / (1 + shrink))[:, None]
    return np.asarray(moved / (1 + along)[:, None], dtype=np.float64)


def _dot(left: Floats, right: Floats) -> Floats:
    return np.asarray(np.einsum("nk,nk->n", left, right), dtype=np.float64)


def _wrapped(angle: Floats) -> Floats:
    return angle - 2 * math.pi * np.rint(angle / (2 * math.pi))
