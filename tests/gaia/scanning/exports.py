"""Exports of ESA's observation forecast tool, as it writes them."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.time import Time

from gaia.scanning.arrays import Booleans, Floats
from gaia.scanning.transits import Transits, forecast

NAMES = ("GOST-1.1927097109938027-1.5368044203832403-dr3.csv", "GOST-betapic-edr3.csv")


@dataclass(frozen=True, slots=True)
class Export:
    """The rows of one target: angles in degrees, times as modified Julian days."""

    ra: float
    dec: float
    utc: Floats
    row: Floats
    zeta: Floats
    scan_angle: Floats
    following: Booleans
    along: Floats
    across: Floats
    bary: Floats

    def __len__(self) -> int:
        return len(self.utc)

    def forecast(self) -> tuple[Transits, list[int]]:
        """Return our transits, and the place of each row among them."""
        ours = forecast(np.array([self.ra]), np.array([self.dec]))
        return ours, [int(np.abs(ours.time_bary_tcb - time).argmin()) for time in self.bary]


def read(path: Path) -> Export:
    with path.open(newline="") as file:
        rows = list(csv.reader(file))[1:]
    numbers = np.array([[float(row[place]) for place in (1, 2, 6, 7, 8, 10, 11, 12)] for row in rows])
    ra, dec, row, zeta, angle, along, across, bary = numbers.T
    return Export(
        ra=float(np.degrees(ra[0])),
        dec=float(np.degrees(dec[0])),
        utc=Time([row[5] for row in rows], scale="utc", format="isot").mjd,
        row=row,
        zeta=np.degrees(zeta),
        scan_angle=np.degrees(angle),
        following=np.array([row[9] == "FoVF" for row in rows]),
        along=along,
        across=across,
        bary=bary - 2400000.5,
    )
