"""Real BP/RP spectra as arrays and as GaiaXPy takes them, replicas of them, and GaiaXPy without a network."""

from __future__ import annotations

import csv
import gzip
import io
import socket
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.metadata import distribution
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from gaia.xp import package
from gaia.xp.covariance import covariances
from gaia.xp.model import XpModel, load
from gaia.xp.spectra import BASES, PAIRS, Band, Spectra

NAMES = ("RAW", "RAW_with_missing_BP", "RAW_colour_eq_dr3int6")
ANCHOR = "gaia/tests/data/gaia_dr3_source_id_5937083312263887616_dl_products_csv.zip"
"""In astroquery, which GaiaXPy depends on: products of one source as ESA's archive gives them."""


@pytest.fixture(scope="session")
def model() -> XpModel:
    return load()


@pytest.fixture
def real(shared: Path) -> Spectra:
    """Six sources of DR3; the third has no BP."""
    return real_spectra(shared)


@pytest.fixture(scope="session")
def anchor() -> Spectra:
    """One source of DR3, whose sampled spectrum by ESA is `archive_product`'s XP_SAMPLED."""
    return spectra_of(archive_product("XP_CONTINUOUS"))


@pytest.fixture(scope="module")
def gaiaxpy() -> Iterator[ModuleType]:
    """GaiaXPy; a test fails in which it tries to reach the network."""
    tried: list[object] = []

    def refuse(self: socket.socket, address: object) -> None:
        tried.append(address)
        raise OSError("no network")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", refuse)
        patch.setattr(socket.socket, "connect_ex", refuse)
        package.preload()  # it puts back what GaiaXPy changes in matplotlib and NumPy
        import gaiaxpy  # noqa: PLC0415

        yield gaiaxpy
    assert not tried


@cache
def real_spectra(shared: Path) -> Spectra:
    """Read the real spectra, each source once."""
    rows: dict[str, Mapping[str, str]] = {}
    for name in NAMES:
        for row in read_rows(shared / f"data/xp/XP_CONTINUOUS_{name}.csv.gz"):
            rows.setdefault(row["source_id"], row)
    return spectra_of(list(rows.values()))


def read_rows(path: Path) -> list[dict[str, str]]:
    """Read a CSV file of the archive or of GaiaXPy."""
    with gzip.open(path, "rt", newline="") as file:
        return list(csv.DictReader(line for line in file if not line.startswith("#")))


@cache
def archive_product(kind: str) -> list[dict[str, str]]:
    """Read a product of the anchor's source."""
    with zipfile.ZipFile(str(distribution("astroquery").locate_file("astroquery") / ANCHOR)) as products:
        name = next(name for name in products.namelist() if name.startswith(kind))
        return list(csv.DictReader(io.StringIO(products.read(name).decode())))


def numbers(text: str) -> NDArray[np.float64]:
    """Read an array as the archive and GaiaXPy write it in CSV."""
    return np.array(text.strip("()[] ").split(","), dtype=np.float64)


def spectra_of(rows: Sequence[Mapping[str, str]]) -> Spectra:
    """Return rows of the archive as arrays."""
    return Spectra(np.array([int(row["source_id"]) for row in rows]), _band(rows, "bp"), _band(rows, "rp"))


def _band(rows: Sequence[Mapping[str, str]], band: str) -> Band:
    def array(name: str, size: int) -> NDArray[np.float64]:
        texts = (row[f"{band}_{name}"] for row in rows)
        return np.stack([numbers(text) if text else np.zeros(size) for text in texts])

    def value(name: str, missing: float) -> NDArray[np.float64]:
        return np.array([float(row.get(f"{band}_{name}") or missing) for row in rows])

    return Band(
        array("coefficients", BASES),
        array("coefficient_errors", BASES),
        array("coefficient_correlations", PAIRS),
        value("standard_deviation", np.nan),
        value("n_relevant_bases", BASES).astype(np.int64),
        np.array([bool(row[f"{band}_coefficients"]) for row in rows]),
    )


def without(spectra: Spectra, *, bp: Sequence[int] = (), rp: Sequence[int] = ()) -> Spectra:
    """Return the spectra with the band of some sources taken away."""
    bands = []
    for band, rows in ((spectra.bp, list(bp)), (spectra.rp, list(rp))):
        values = [np.copy(getattr(band, name)) for name in Band.__dataclass_fields__]
        for array, missing in zip(values, (0.0, 0.0, 0.0, np.nan, BASES, False), strict=True):
            array[rows] = missing
        bands.append(Band(*values))
    return Spectra(spectra.source_id, *bands)


def perturbed(spectra: Spectra, count: int, seed: int) -> Spectra:
    """Return `count` replicas of the spectra in turn, their coefficients drawn from within their covariances."""
    rng = np.random.default_rng(seed)
    origin = np.arange(count) % len(spectra)
    return Spectra(np.arange(1, count + 1), _perturbed(spectra.bp, origin, rng), _perturbed(spectra.rp, origin, rng))


def _perturbed(band: Band, origin: NDArray[np.int64], rng: np.random.Generator) -> Band:
    replicas = Band(*(getattr(band, name)[origin] for name in Band.__dataclass_fields__))
    matrices = covariances(band)
    for number in np.flatnonzero(band.present):
        values, vectors = np.linalg.eigh(matrices[number])
        root = vectors * np.sqrt(np.clip(values, 0.0, None)) * band.standard_deviation[number]
        rows = np.flatnonzero(origin == number)
        replicas.coefficients[rows] += rng.standard_normal((len(rows), BASES)) @ root.T
    return replicas


def frame_of(spectra: Spectra) -> Any:
    """Return the DataFrame that GaiaXPy takes: arrays, and nothing where a band is missing."""
    from pandas import DataFrame  # noqa: PLC0415

    columns: dict[str, list[Any]] = {"source_id": spectra.source_id.tolist()}
    for name, band in (("bp", spectra.bp), ("rp", spectra.rp)):
        arrays = {
            "n_parameters": np.full(len(spectra), BASES),
            "standard_deviation": band.standard_deviation,
            "n_relevant_bases": band.relevant,
            "coefficients": band.coefficients,
            "coefficient_errors": band.errors,
            "coefficient_correlations": band.correlations,
        }
        for quantity, values in arrays.items():
            given = zip(values, band.present, strict=True)
            columns[f"{name}_{quantity}"] = [value if present else np.nan for value, present in given]
    return DataFrame(columns)
