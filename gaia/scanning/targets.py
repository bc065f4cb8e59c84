"""Directions to look for: positions on the sky, which may move."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gaia.scanning.arrays import Floats, Integers
from gaia.scanning.law import TO_ICRS

_MILLIARCSECOND = np.pi / 180 / 3600e3
_YEAR = 365.25


@dataclass(frozen=True, slots=True)
class Targets:
    """Directions in the frame of this package.

    Attributes
    ----------
    direction, east, north : numpy.ndarray
        Unit vectors, and those along right ascension and declination, shape (n, 3).
    motion : numpy.ndarray or None
        Change of the direction in a day, shape (n, 3).
    parallax : numpy.ndarray or None
        In radians, shape (n,).
    epoch : numpy.ndarray or None
        Of the directions, if they move: modified Julian days, shape (n,).
    """

    direction: Floats
    east: Floats
    north: Floats
    motion: Floats | None = None
    parallax: Floats | None = None
    epoch: Floats | None = None

    def __len__(self) -> int:
        return len(self.direction)

    @property
    def moving(self) -> bool:
        """Whether directions depend on the time."""
        return self.motion is not None or self.parallax is not None

    def part(self, first: int, stop: int) -> Targets:
        """Return the targets from `first` to before `stop`."""
        here = slice(first, stop)
        others = (self.motion, self.parallax, self.epoch)
        return Targets(
            self.direction[here],
            self.east[here],
            self.north[here],
            *(None if values is None else values[here] for values in others),
        )

    def at(self, target: Integers, time: Floats, position: Floats) -> Floats:
        """Return directions of targets at times, from positions in astronomical units; unit vectors, shape (k, 3)."""
        seen = self.direction[target]
        if not self.moving:
            return seen
        if self.motion is not None and self.epoch is not None:
            seen = seen + self.motion[target] * (time - self.epoch[target])[:, None]
        if self.parallax is not None:
            seen = seen - self.parallax[target][:, None] * position
        return np.asarray(seen / np.linalg.norm(seen, axis=1, keepdims=True), dtype=np.float64)

    def drift(self, begin: float, end: float) -> float:
        """Return how far the directions go at most from where they are at their epoch, until any time of a range."""
        far = 0.0
        if self.motion is not None and self.epoch is not None and len(self):
            speed = np.linalg.norm(self.motion, axis=1)
            days = np.maximum(np.abs(begin - self.epoch), np.abs(end - self.epoch))
            far += float(np.nanmax(speed * days, initial=0.0))
        if self.parallax is not None and len(self):
            far += 1.1 * float(np.nanmax(np.abs(self.parallax), initial=0.0))
        return far


def targets(
    ra: Floats,
    dec: Floats,
    *,
    pmra: Floats | None = None,
    pmdec: Floats | None = None,
    parallax: Floats | None = None,
    epoch: float | Floats = 0.0,
) -> Targets:
    """Return targets at positions in degrees; proper motions in mas a year, parallaxes in mas, epochs in days.

    What is no position becomes NaN, which nothing is near to; one whose epoch is NaN does not move.
    """
    known = np.isfinite(ra) & (np.abs(dec) <= 90)
    right, up = np.radians(np.where(known, ra, np.nan)), np.radians(np.where(known, dec, np.nan))
    nothing = np.zeros_like(right)
    direction = np.column_stack([np.cos(up) * np.cos(right), np.cos(up) * np.sin(right), np.sin(up)]) @ TO_ICRS
    east = np.column_stack([-np.sin(right), np.cos(right), nothing]) @ TO_ICRS
    north = np.column_stack([-np.sin(up) * np.cos(right), -np.sin(up) * np.sin(right), np.cos(up)]) @ TO_ICRS
    motion = None
    epochs: Floats = np.array(np.broadcast_to(np.asarray(epoch, dtype=np.float64), ra.shape))
    if pmra is not None and pmdec is not None:
        moving = np.isfinite(pmra) & np.isfinite(pmdec) & np.isfinite(epochs)
        along = np.where(moving, pmra, 0.0)[:, None] * east + np.where(moving, pmdec, 0.0)[:, None] * north
        motion = along * (_MILLIARCSECOND / _YEAR)
    away = None if parallax is None else np.where(np.isfinite(parallax), parallax, 0.0) * _MILLIARCSECOND
    return Targets(direction, east, north, motion, away, np.nan_to_num(epochs))
