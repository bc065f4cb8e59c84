"""Synthetic stars by resampling real ones, in any number and constant memory."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from vo.core.tables import Column, Datatype, TableMetadata, TableStream

JITTER = 0.2
"""Largest distance between a synthetic star and the real one it was drawn from, in degrees."""
MISSING_PARALLAX = 0.05
BATCH = 50_000

COLUMNS = (
    Column("source_id", Datatype.LONG),
    Column("ra", Datatype.DOUBLE),
    Column("dec", Datatype.DOUBLE),
    Column("phot_g_mean_mag", Datatype.FLOAT),
    Column("parallax", Datatype.DOUBLE),
    Column("parallax_error", Datatype.FLOAT),
    Column("bp_rp", Datatype.FLOAT),
    Column("pmra", Datatype.DOUBLE),
    Column("pmdec", Datatype.DOUBLE),
    Column("random_index", Datatype.LONG),
)

Floats = npt.NDArray[np.float64]


def resample(stars: pa.Table, rows: int, *, seed: int = 2016) -> TableStream:
    """Return a stream of synthetic stars.

    Parameters
    ----------
    stars : pyarrow.Table
        Real stars with ra, dec (deg), phot_g_mean_mag, phot_bp_mean_mag, phot_rp_mean_mag (mag).
    rows : int
        How many to make.
    seed : int
        The same seed makes the same stars.
    """
    return TableStream(COLUMNS, _batches(stars, rows, seed), TableMetadata(name="big", rows=rows))


def _batches(stars: pa.Table, rows: int, seed: int) -> Iterator[pa.RecordBatch]:
    ra, dec, g, bp, rp = (
        stars[name].to_numpy() for name in ("ra", "dec", "phot_g_mean_mag", "phot_bp_mean_mag", "phot_rp_mean_mag")
    )
    schema = pa.schema([column.field() for column in COLUMNS])
    generator = np.random.default_rng(seed)
    for start in range(0, rows, BATCH):
        number = np.arange(start, min(start + BATCH, rows), dtype=np.int64)
        drawn = generator.integers(0, len(ra), len(number))
        longitude, latitude = displace(ra[drawn], dec[drawn], generator)
        error = 0.02 * 10 ** (0.1 * np.clip(g[drawn] - 12, 0, 9)) * generator.lognormal(0, 0.3, len(number))
        parallax = generator.lognormal(0.7, 1.0, len(number)) + generator.normal(0, error)
        missing = generator.random(len(number)) < MISSING_PARALLAX
        colour = bp[drawn] - rp[drawn]
        motion = generator.normal(0, 4.0 * np.maximum(parallax, 0.1), (2, len(number)))
        yield pa.RecordBatch.from_arrays(
            [
                pa.array(number + 1),
                pa.array(longitude),
                pa.array(latitude),
                pa.array(g[drawn].astype(np.float32)),
                pa.array(parallax, mask=missing),
                pa.array(error.astype(np.float32)),
                pa.array(colour.astype(np.float32), mask=np.isnan(colour)),
                pa.array(motion[0]),
                pa.array(motion[1]),
                pa.array(permute(number, rows)),
            ],
            schema=schema,
        )


def displace(ra: Floats, dec: Floats, generator: np.random.Generator) -> tuple[Floats, Floats]:
    """Move positions (deg) by up to `JITTER`, evenly over the disc, exactly also at the poles."""
    distance = np.radians(JITTER) * np.sqrt(generator.random(len(ra)))
    angle = generator.uniform(0, 2 * math.pi, len(ra))
    latitude = np.radians(dec)
    sine = np.sin(latitude) * np.cos(distance) + np.cos(latitude) * np.sin(distance) * np.cos(angle)
    moved = np.arcsin(np.clip(sine, -1, 1))
    turn = np.arctan2(
        np.sin(angle) * np.sin(distance) * np.cos(latitude), np.cos(distance) - np.sin(latitude) * np.sin(moved)
    )
    return np.mod(ra + np.degrees(turn), 360.0), np.degrees(moved)


def permute(number: npt.NDArray[np.int64], size: int, *, rounds: int = 4) -> npt.NDArray[np.int64]:
    """Return the place of each number in a fixed pseudo-random permutation of 0 … `size` - 1.

    A Feistel network permutes the next power of four; numbers that land beyond `size` are sent through again until they
    do not (cycle walking), so that the whole permutation never has to be in memory.
    """
    half = max(1, math.ceil(math.log2(max(size, 2)) / 2))
    mask = np.uint64((1 << half) - 1)
    keys = np.random.default_rng(1991).integers(1, 2**62, rounds, dtype=np.uint64)
    result = number.astype(np.uint64)
    walking = np.ones(len(result), dtype=bool)
    while walking.any():
        value = result[walking]
        left, right = value >> np.uint64(half), value & mask
        for key in keys:
            mixed = (right + key) * np.uint64(0x9E3779B97F4A7C15)
            mixed = (mixed ^ (mixed >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
            left, right = right, left ^ ((mixed >> np.uint64(32)) & mask)
        result[walking] = (left << np.uint64(half)) | right
        walking[walking] = result[walking] >= size
    return result.astype(np.int64)
