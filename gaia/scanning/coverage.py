"""How often each pixel of a HEALPix map was seen."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gaia.scanning.arrays import Floats, Integers
from gaia.scanning.search import crossings
from gaia.scanning.targets import targets
from gaia.scanning.transits import BEGIN, END, barycentric, gaia_range

_AT_ONCE = 4096


def coverage(order: int, begin: float = BEGIN, end: float = END) -> Integers:
    """Return how many transits the centre of each pixel has in a range of times, as `forecast` gives them.

    Parameters
    ----------
    order : int
        Of the map, nested numbering, ICRS; it has 12·4^order pixels.
    begin, end : float
        Modified Julian days of TCB at the barycentre; `end` is not in the range.
    """
    return np.concatenate(list(coverage_parts(order, begin, end)))


def coverage_parts(order: int, begin: float = BEGIN, end: float = END) -> Iterator[Integers]:
    """Yield the same for some thousands of pixels after others."""
    pixels = 12 * 4**order
    for first in range(0, pixels, _AT_ONCE):
        ra, dec = centres(order, np.arange(first, min(first + _AT_ONCE, pixels)))
        yield counts(ra, dec, begin, end)


def counts(ra: Floats, dec: Floats, begin: float = BEGIN, end: float = END) -> Integers:
    """Return how many transits each target has."""
    first, last = gaia_range(begin, end)
    total = np.zeros(len(ra), dtype=np.int64)
    for found in crossings(targets(ra, dec), first, last):
        time = barycentric(found)
        total += np.bincount(found.target[(time >= begin) & (time < end)], minlength=len(ra))
    return total


def centres(order: int, pixels: Integers) -> tuple[Floats, Floats]:
    """Return right ascensions and declinations of the middle of pixels, degrees."""
    from cdshealpix.nested import healpix_to_lonlat  # noqa: PLC0415  it brings astropy along

    longitude, latitude = healpix_to_lonlat(pixels.astype(np.uint64), order)
    return np.asarray(longitude.deg, dtype=np.float64), np.asarray(latitude.deg, dtype=np.float64)
