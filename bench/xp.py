"""BP/RP spectra on one core: our kernels against GaiaXPy, and against the matrix products that they cannot do without.

All times are CPU times of one process whose BLAS has one thread; what is compared takes turns, the best of each counts.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import partial

import numpy as np

from bench.report import Figure
from gaia.xp.calibration import Calibration
from gaia.xp.conversion import BANDS, Conversion
from gaia.xp.covariance import BLOCK
from gaia.xp.model import load
from gaia.xp.photometry import Photometry
from gaia.xp.spectra import PAIRS, Spectra
from gaia.xp.systems import NAMES
from tests.gaia.xp.conftest import archive_product, frame_of, perturbed, spectra_of

SPECTRA = 2_000
"""Of our kernels at a time: replicas of a real one, within its covariances."""
FOR_THE_PACKAGE = 400
WITH_CORRELATIONS = 40
MANY = 100_000
ROUNDS = 5
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
MOST_GROWTH = 16.0
MIB = 2**20


def measure() -> Iterator[Figure]:
    """Measure in a process of its own, for BLAS takes the number of its threads when it is loaded."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "bench.xp"],
        env={**os.environ, **ONE_THREAD},
        stdout=subprocess.PIPE,
        check=True,
    )
    for figure in json.loads(done.stdout.splitlines()[-1]):  # before it GaiaXPy's progress bars
        yield Figure(**figure)


def figures() -> Iterator[Figure]:
    """Measure all of it."""
    started = time.process_time()
    model = load()
    taken = time.process_time() - started
    yield Figure("reading the calibration's files", taken, "s", target="≤ 0.5 s", good=taken <= 0.5)
    original = spectra_of(archive_product("XP_CONTINUOUS"))
    spectra = perturbed(original, SPECTRA, seed=1)
    yield from _against_package(Calibration(model), Conversion(model), spectra)
    yield _against_product(Calibration(model), spectra)
    yield _memory(Calibration(model), original)


def _against_package(calibration: Calibration, conversion: Conversion, spectra: Spectra) -> Iterator[Figure]:
    import gaiaxpy  # noqa: PLC0415  (4 s)

    some, few = (frame_of(spectra.part(0, count)) for count in (FOR_THE_PACKAGE, WITH_CORRELATIONS))
    calibrate = partial(gaiaxpy.calibrate, some, save_file=False)
    correlate = partial(gaiaxpy.calibrate, few, save_file=False, with_correlation=True)
    convert = partial(gaiaxpy.convert, some, save_file=False)
    part = spectra.part(0, WITH_CORRELATIONS)
    systems = gaiaxpy.PhotometricSystem
    generate = partial(gaiaxpy.generate, some, save_file=False)
    sdss, everything = (Photometry(load(), names) for names in (["SDSS"], NAMES))
    all_systems = [systems[name] for name in NAMES]
    for what, ours, theirs, times in (
        ("calibrated with errors, 343 points", partial(_both, calibration, spectra), calibrate, 4.0),
        ("calibrated, flux only", partial(calibration.flux, spectra), calibrate, 50.0),
        ("calibrated with correlations", partial(calibration.correlations, part), correlate, None),
        ("converted with errors, 600 points", partial(_converted, conversion, spectra), convert, None),
        ("photometry, SDSS", partial(sdss.generate, spectra), partial(generate, systems.SDSS), 1.0),
        (
            "photometry, 28 systems with corrected errors",
            partial(everything.generate, spectra, error_correction=True),
            partial(generate, all_systems, error_correction=True),
            1.0,
        ),
    ):
        counts = (len(part), len(part)) if theirs is correlate else (len(spectra), FOR_THE_PACKAGE)
        rates = [count / seconds for count, seconds in zip(counts, _best(ours, theirs), strict=True)]
        yield Figure(
            f"{what}; limit: GaiaXPy",
            rates[0],
            "spectra/s",
            rates[1],
            "" if times is None else f"ratio ≥ {times:g}",
            None if times is None else rates[0] >= times * rates[1],
        )


def _against_product(calibration: Calibration, spectra: Spectra) -> Figure:
    """Measure against the product of matrices that has as many multiplications as the errors need."""
    columns = np.count_nonzero(calibration.wavelength < 643) + np.count_nonzero(calibration.wavelength > 635)
    rng = np.random.default_rng(1)
    packed, products = rng.random((BLOCK, PAIRS)), rng.random((PAIRS, columns))
    bare, ours = _best(partial(np.matmul, packed, products), partial(_both, calibration, spectra))
    rates = len(spectra) / ours, BLOCK / bare
    what = f"calibrated with errors; limit: the product of {PAIRS} covariances with {columns} columns alone"
    return Figure(what, rates[0], "spectra/s", rates[1], "ratio ≥ 0.4", rates[0] >= 0.4 * rates[1])


def _memory(calibration: Calibration, original: Spectra) -> Figure:
    """Measure by how much the process grows from the first part of many spectra to the last."""
    sizes = []
    for seed in range(MANY // SPECTRA):
        _both(calibration, perturbed(original, SPECTRA, seed))
        sizes.append(_resident())
    growth = (max(sizes) - sizes[0]) / MIB
    what = f"memory growth over {MANY:,} spectra in parts of {SPECTRA:,}"
    return Figure(what, growth, "MiB", target=f"≤ {MOST_GROWTH:g} MiB", good=growth <= MOST_GROWTH)


def _both(calibration: Calibration, spectra: Spectra) -> None:
    calibration.flux(spectra)
    calibration.errors(spectra)


def _converted(conversion: Conversion, spectra: Spectra) -> None:
    for band in BANDS:
        conversion.flux(spectra, band)
        conversion.errors(spectra, band)


def _best(first: Callable[[], object], second: Callable[[], object]) -> tuple[float, float]:
    """Return the least CPU time of both, which take turns."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(ROUNDS):
        for work, taken in zip((first, second), times, strict=True):
            started = time.process_time()
            work()
            taken.append(time.process_time() - started)
    return min(times[0]), min(times[1])


def _resident() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    print(json.dumps([asdict(figure) for figure in figures()]))
