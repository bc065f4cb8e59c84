"""Synthetic stars: where they lie, what they lack, and that they can be made again."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from vo.core.tables import columns_of
from vo.demo.resample import BATCH, COLUMNS, JITTER, Floats, displace, permute, resample


def real_stars(count: int = 500) -> pa.Table:
    generator = np.random.default_rng(5)
    magnitude = generator.uniform(5, 15, count).astype(np.float32)
    without_colour = np.arange(count) % 10 == 0
    return pa.table(
        {
            "ra": generator.uniform(0, 360, count),
            "dec": np.degrees(np.arcsin(generator.uniform(-1, 1, count))),
            "phot_g_mean_mag": magnitude,
            "phot_bp_mean_mag": pa.array(magnitude + 0.5, mask=without_colour),
            "phot_rp_mean_mag": pa.array(magnitude - 0.5, mask=without_colour),
        }
    )


def distance(ra: Floats, dec: Floats, ra2: Floats, dec2: Floats) -> Floats:
    """Angles between places in degrees, by the haversine, exact when small."""
    latitude, latitude2 = np.radians(dec), np.radians(dec2)
    half = np.sin((latitude2 - latitude) / 2) ** 2
    half += np.cos(latitude) * np.cos(latitude2) * np.sin(np.radians(ra2 - ra) / 2) ** 2
    angle: Floats = np.degrees(2 * np.arcsin(np.sqrt(half)))
    return angle


@pytest.mark.parametrize("size", [*range(1, 70), 255, 256, 257, 1000, 4095, 4096, 4097, 65_536, 65_537, 300_001])
def test_numbers_are_permuted(size: int) -> None:
    permuted = permute(np.arange(size), size)
    assert permuted.dtype == np.int64
    assert np.array_equal(np.sort(permuted), np.arange(size))


def test_the_permutation_looks_random_and_needs_no_neighbours() -> None:
    size = 100_000
    permuted = permute(np.arange(size), size)
    assert abs(np.corrcoef(np.arange(size), permuted)[0, 1]) < 0.02
    assert np.count_nonzero(permuted == np.arange(size)) < 20
    assert np.array_equal(permute(np.arange(500, 700), size), permuted[500:700])


@pytest.mark.parametrize("dec", [0.0, 45.0, -89.95, 89.99, 90.0, -90.0])
def test_places_move_evenly_over_a_disc(dec: float) -> None:
    count = 20_000
    ra = np.full(count, 359.99)
    moved = displace(ra, np.full(count, dec), np.random.default_rng(1))
    assert np.all((moved[0] >= 0) & (moved[0] < 360))
    assert np.all(np.abs(moved[1]) <= 90)
    apart = distance(ra, np.full(count, dec), *moved)
    assert apart.max() <= JITTER * (1 + 1e-6)
    # Evenly: half of the disc's area lies within 1/√2 of its radius.
    assert np.count_nonzero(apart < JITTER / np.sqrt(2)) / count == pytest.approx(0.5, abs=0.02)


def test_the_same_seed_makes_the_same_table() -> None:
    stars, rows = real_stars(), BATCH + 1234
    first, again, other = (pa.Table.from_batches(resample(stars, rows, seed=seed).batches) for seed in (1, 1, 2))
    assert first.equals(again)
    assert not first["ra"].equals(other["ra"])
    assert first.num_rows == rows
    assert columns_of(first.schema) == COLUMNS


def test_what_the_columns_hold() -> None:
    stars, rows = real_stars(), 2 * BATCH + 17
    stream = resample(stars, rows)
    assert stream.metadata.rows == rows
    made = pa.Table.from_batches(stream.batches)
    assert made["source_id"].to_pylist() == list(range(1, rows + 1))
    assert np.array_equal(np.sort(made["random_index"].to_numpy()), np.arange(rows))
    assert made["parallax"].null_count / rows == pytest.approx(0.05, abs=0.005)
    assert np.all(made["parallax_error"].to_numpy() > 0)
    # One real star in ten has no colour; no other column but the parallax has nulls.
    assert made["bp_rp"].null_count / rows == pytest.approx(0.1, abs=0.03)
    assert np.allclose(made["bp_rp"].drop_null().to_numpy(), 1.0, atol=1e-5)
    for name in set(made.column_names) - {"parallax", "bp_rp"}:
        assert made[name].null_count == 0
        assert np.all(np.isfinite(made[name].to_numpy()))
    # Each lies beside the star whose magnitude it has.
    by_magnitude = {g: place for place, g in enumerate(stars["phot_g_mean_mag"].to_pylist())}
    drawn = [by_magnitude[g] for g in made["phot_g_mean_mag"].to_pylist()]
    assert len(set(drawn)) == stars.num_rows
    ra, dec = (stars[name].to_numpy()[drawn] for name in ("ra", "dec"))
    assert distance(ra, dec, made["ra"].to_numpy(), made["dec"].to_numpy()).max() <= JITTER * (1 + 1e-6)
