"""When data were lost: the lists that DPAC published with Gaia DR2 and DR3.

They end with the data of their release; what happened later they do not tell.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path

import numpy as np

from gaia.scanning.arrays import Booleans, Bytes, Floats, Integers

_DATA = Path(__file__).parent / "data" / "gaps.npz"


class Instrument(StrEnum):
    """Whose data were lost.

    The list of photometry has what concerns G; that of spectrophotometry, in DR3 only, the part of it that concerns BP
    and RP.
    """

    ASTROMETRY = "astrometry"
    PHOTOMETRY = "photometry"
    SPECTROPHOTOMETRY = "spectrophotometry"
    SPECTROSCOPY = "spectroscopy"


LISTS = {"DR3": tuple(Instrument), "DR2": (Instrument.ASTROMETRY, Instrument.PHOTOMETRY, Instrument.SPECTROSCOPY)}
"""Which lists there are, by release."""
TOLD_TO = {"DR2": 3750.5602, "DR3": 5230.088}
"""Where the data of a release end (2016-05-23, 2017-05-28): revolutions of the on-board clock."""


@dataclass(frozen=True, slots=True)
class Gaps:
    """Gaps in revolutions of the on-board clock, each row of CCDs with its own; row 0 has what concerns all.

    Attributes
    ----------
    edges : dict of int to numpy.ndarray
        Beginnings and ends in turn, by row.
    end : float
        Where the data end that the list is about; what happened later it does not tell.
    """

    edges: dict[int, Floats]
    end: float

    def contain(self, obmt: Floats, row: Bytes) -> Booleans:
        """Return which transits fall into a gap."""
        lost = _inside(self.edges.get(0), obmt)
        for only in self.edges.keys() - {0}:
            here = np.flatnonzero(row == only)
            lost[here] |= _inside(self.edges[only], obmt[here])
        return lost


@cache
def gaps(instrument: Instrument = Instrument.ASTROMETRY, release: str = "DR3") -> Gaps:
    """Return the gaps of an instrument as of a release, `LISTS`; those of DR3 unless told otherwise."""
    with np.load(_DATA) as data:
        begin, end, row = data[f"{release.lower()}_{instrument}"].T
    return Gaps({int(only): _joined(begin[row == only], end[row == only]) for only in np.unique(row)}, TOLD_TO[release])


def _joined(begin: Floats, end: Floats) -> Floats:
    """Return the edges of the gaps one after another, where those that overlap are one."""
    order = np.argsort(begin, kind="stable")
    begin, latest = begin[order], np.maximum.accumulate(end[order])
    apart = np.append(True, begin[1:] > latest[:-1])
    last: Integers = np.append(np.flatnonzero(apart)[1:] - 1, len(begin) - 1)
    return np.column_stack([begin[apart], latest[last]]).ravel()


def _inside(edges: Floats | None, obmt: Floats) -> Booleans:
    if edges is None:
        return np.zeros(len(obmt), dtype=bool)
    return np.asarray(np.searchsorted(edges, obmt, side="right") % 2 == 1)
