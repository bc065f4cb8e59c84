"""Makes the files in ``data`` from the tables that they come from: ``scripts/make-scanning-data FOLDER``.

The folder has ``gaia_ephemeris_{horizons,solved}_24h.csv.gz`` and ``gaps_dr{2,3}_*.csv.gz``. What they are, and why
they were chosen, stands in the decision on Gaia's ephemeris.
"""

from __future__ import annotations

import csv
import gzip
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from gaia.scanning.arrays import Floats

DATA = Path(__file__).parent / "data"
FIRST = 2456862.0
"""Julian day of the first state: the law begins two days later."""
BEYOND = 4
"""Days after the last state, to the end of the law, for which the orbit is carried on."""
_FITTED = 10
_SOLVED = "gaia_ephemeris_solved_24h.csv.gz"
_HORIZONS = "gaia_ephemeris_horizons_24h.csv.gz"


def main() -> int:
    """Make them."""
    source, target = Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else DATA
    make(source, target)
    return 0


def make(source: Path, target: Path) -> None:
    """Write both files from the tables in `source`."""
    horizons = np.loadtxt(source / _HORIZONS, delimiter=",", skiprows=1)
    solved = carried_on(np.loadtxt(source / _SOLVED, delimiter=",", skiprows=1))
    states = {"horizons": horizons[horizons[:, 0] >= FIRST], "solved": solved}
    arrays: dict[str, Any] = {}
    for name, table in states.items():
        arrays[f"{name}_first"] = table[0, 0]
        arrays[f"{name}_position"] = table[:, 1:4]
        arrays[f"{name}_velocity"] = table[:, 4:7].astype(np.float32)
    np.savez_compressed(target / "ephemeris.npz", **arrays)
    gaps: dict[str, Any] = {name: np.array(list(rows)) for name, rows in _gaps(source)}
    np.savez_compressed(target / "gaps.npz", **gaps)


def carried_on(states: Floats, days: int = BEYOND) -> Floats:
    """Return daily states with some more at their end, from a cubic through the last velocities.

    Ends of the solved orbit that are known were met within 1,000 km on average and 2,000 km at worst, after four days.
    """
    last = states[-1]
    ago = (states[-_FITTED - 1 :, 0] - last[0]) / _FITTED
    velocity = np.polynomial.polynomial.polyfit(ago, states[-_FITTED - 1 :, 4:7], 3)
    position = np.polynomial.polynomial.polyint(velocity) * _FITTED
    later = np.arange(1, days + 1)
    value = np.polynomial.polynomial.polyval
    added = [last[0] + later, *(last[1:4, None] + value(later / _FITTED, position)), *value(later / _FITTED, velocity)]
    return np.vstack([states, np.column_stack(added)])


def _gaps(source: Path) -> Iterator[tuple[str, Iterator[tuple[float, float, int]]]]:
    """Yield the lists by name: begin and end in revolutions, row of CCDs (0: all)."""
    for release in ("dr2", "dr3"):
        for instrument in ("astrometry", "photometry", "spectroscopy"):
            rows = list(_rows(source / f"gaps_{release}_{instrument}.csv.gz"))
            yield f"{release}_{instrument}", (_gap(row) for row in rows)
            if any("BP/RP" in word for row in rows for word in row):
                yield f"{release}_spectrophotometry", (_gap(row) for row in rows if "BP/RP" in row[4])


def _rows(path: Path) -> Iterator[list[str]]:
    with gzip.open(path, "rt", encoding="utf-8-sig") as file:
        rows = csv.reader(file)
        header = next(rows)
        for row in rows:
            # The first of nine CCDs is missed alone: the transit is there.
            if not (header[-1] == "instrument" and row[4].startswith("AF1 ")):
                yield row[:4] + ([row[4]] if header[-1] in {"instrument", "origin"} else ["0"])


def _gap(row: list[str]) -> tuple[float, float, int]:
    return float(row[0]), float(row[1]), int(row[4]) if row[4].isdigit() else 0


if __name__ == "__main__":
    sys.exit(main())
