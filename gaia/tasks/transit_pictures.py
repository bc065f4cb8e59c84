"""Pictures of a forecast, from what passes by: its rows need not be held."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gaia.scanning import law, times
from gaia.scanning.transits import Transits

ORDER = 5
"""Of the map on which targets are gathered that are no map themselves: 12,288 pixels."""
SCARCE = 1000
"""So many targets and fewer would be specks on it: sixteen of its pixels are one for them."""
FEW = 20
"""Targets that are shown one by one on the sky."""
TRACK_POINTS, SPIN_POINTS = 4000, 360
"""Of the lines of the spin axis, and of a spin of both fields, which follow each other."""


class TransitPictures:
    """Pictures while a forecast is made.

    Parameters
    ----------
    paths : mapping of str to pathlib.Path
        Of those that are wanted: ``timeline``, ``sky``, ``coverage``.
    order : int, optional
        Of the HEALPix map whose pixels are the targets.
    begin, end : float
        Range of times, MJD in TCB.
    """

    def __init__(self, paths: Mapping[str, Path], order: int | None, begin: float, end: float) -> None:
        self._paths = paths
        self._order = order
        self._range = (begin, end)
        self._targets = 0
        self._only: Transits | None = None
        self._name = ""
        self._positions: list[tuple[float, float]] = []
        self._months: dict[int, NDArray[np.int64]] = {}
        pixels = 12 * 4 ** (ORDER if order is None else order)
        self._sums, self._numbers = np.zeros(pixels), np.zeros(pixels, np.int64)

    def add(self, names: list[str], ra: NDArray[np.float64], dec: NDArray[np.float64], found: Transits) -> None:
        """Take what some targets have; `names` are of the first of them."""
        if not self._paths:
            return
        if self._targets == 0:
            self._only, self._name = found, names[0] if names else ""
        before, self._targets = self._targets, self._targets + len(ra)
        self._positions += list(zip(ra.tolist(), dec.tolist(), strict=True))[: max(0, FEW + 1 - len(self._positions))]
        if "timeline" in self._paths:
            self._add_months(found)
        if "coverage" in self._paths:
            counts = np.bincount(found.target, minlength=len(ra))
            pixels = np.arange(before, self._targets) if self._order is not None else _pixels(ra, dec)
            np.add.at(self._sums, pixels, counts)
            np.add.at(self._numbers, pixels, 1)

    def draw(self) -> None:
        """Draw those that say something."""
        if not self._targets:
            return
        if (path := self._paths.get("timeline")) is not None:
            self._timeline(path)
        if (path := self._paths.get("sky")) is not None and self._order is None and self._targets <= FEW:
            self._sky(path)
        if (path := self._paths.get("coverage")) is not None and (self._order is not None or self._targets > FEW):
            self._coverage(path)

    def _add_months(self, found: Transits) -> None:
        from gaia.plots import transits  # noqa: PLC0415  (Matplotlib takes a second)

        months, counts = transits.month_counts(found.time_bary_tcb, found.following)
        for month, count in zip(months.tolist(), counts.T, strict=True):
            self._months[month] = self._months.get(month, np.zeros(2, np.int64)) + count

    def _timeline(self, path: Path) -> None:
        from gaia.plots import transits  # noqa: PLC0415

        only = self._only
        if self._targets == 1 and only is not None:
            title = f"Transits of {self._name}" if self._name else "Transits of the target"
            transits.timeline(path, only.time_bary_tcb, only.scan_angle, only.following, only.in_gap, title=title)
            return
        months = np.arange(min(self._months, default=0), max(self._months, default=-1) + 1)
        counts = np.array([self._months.get(month, np.zeros(2, np.int64)) for month in months.tolist()])
        transits.monthly(path, months, counts.reshape(-1, 2).T, self._targets)

    def _sky(self, path: Path) -> None:
        from gaia.plots import transits  # noqa: PLC0415

        ra, dec = np.array(self._positions).T
        begin, end = times.tdb(np.array(self._range))
        axis = law.axes(np.linspace(begin, end, TRACK_POINTS))[:, 2]
        lines = [("spin axis", *_angles(axis))]
        if self._only is not None and len(self._only):
            seen = float(times.tdb(self._only.time_gaia_tcb[:1])[0])
            attitude = law.axes(seen + np.linspace(-0.5, 0.5, SPIN_POINTS) * law.TURN)
            lines.append(("scan of the first transit", *_angles(attitude[:, 0])))
        transits.track(path, lines, ra, dec)

    def _coverage(self, path: Path) -> None:
        from gaia.plots import transits  # noqa: PLC0415

        sums, numbers = self._sums, self._numbers
        if self._order is None and self._targets <= SCARCE:
            sums, numbers = (pixels.reshape(-1, 16).sum(axis=1) for pixels in (sums, numbers))
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = sums / numbers
        title = "Transits of each pixel" if self._order is not None else f"Mean transits of {self._targets:,} targets"
        transits.coverage(path, mean, title=title)


def _angles(vectors: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return right ascensions and declinations in degrees; those outside of the law are left out."""
    x, y, z = vectors[np.isfinite(vectors).all(axis=1)].T
    return np.degrees(np.arctan2(y, x)) % 360, np.degrees(np.arcsin(np.clip(z, -1, 1)))


def _pixels(ra: NDArray[np.float64], dec: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the pixels of positions in degrees on the map of `ORDER`."""
    from astropy.coordinates import Latitude, Longitude  # noqa: PLC0415  (a second)
    from cdshealpix.nested import lonlat_to_healpix  # noqa: PLC0415

    found = lonlat_to_healpix(Longitude(ra, unit="deg"), Latitude(dec, unit="deg"), ORDER)
    return np.asarray(found, dtype=np.int64)
