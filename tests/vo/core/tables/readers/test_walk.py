"""Rows of variable cells, found by lanes, against the same rows found one by one."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from vo.core.tables.readers.votable.walk import Stride

from .reading import read
from .test_votable import document, field, stream


def block_of(stride: Stride, counts: np.ndarray[tuple[int, int], np.dtype[np.int64]], filling: bytes) -> bytes:
    """Return rows with the given counts; all other bytes are taken from `filling`, again and again."""
    parts = []
    for row in counts:
        for (skip, bits), count in zip(stride.steps, row, strict=True):
            parts += [filling[:skip], struct.pack(">i", count), filling[: (int(count) * bits + 7) // 8]]
        parts.append(filling[: stride.tail])
    return b"".join(parts)


STRIDES = [
    Stride([(81, 8)], 0),
    Stride([(1, 8)], 40),
    Stride([(9, 8), (0, 16), (20, 64)], 3),
    Stride([(5, 1), (4, 128)], 8),
]
RANDOM = np.random.default_rng(5).integers(1, 256, 100_000, np.uint8).tobytes()
FILLINGS = {"random": RANDOM, "zeros": bytes(100_000), "counts": struct.pack(">i", 3) * 25_000}


@pytest.mark.parametrize("stride", STRIDES)
@pytest.mark.parametrize("filling", FILLINGS)
@pytest.mark.parametrize("largest", [0, 1, 40, 500])
def test_lanes_find_the_same_rows(stride: Stride, filling: str, largest: int) -> None:
    counts = np.random.default_rng(largest).integers(0, largest + 1, (8000, len(stride.steps)))
    counts[::1000] *= 7  # a few are larger than the sample makes expect
    block = block_of(stride, counts, FILLINGS[filling])
    for cut in (len(block), len(block) - 1, len(block) // 2 + 3):
        part = block[:cut]
        expected = stride._walk(part, 0)
        found = stride.rows(part, 0)
        assert found.end == expected.end
        for name in ("starts", "cells", "counts"):
            assert np.array_equal(getattr(found, name), getattr(expected, name)), name
    assert np.array_equal(stride.rows(block, 0).counts, counts)


def test_lanes_are_used_for_what_is_usual() -> None:
    stride = Stride([(81, 8)], 0)
    counts = np.random.default_rng(1).integers(10, 30, (20_000, 1))
    block = block_of(stride, counts, RANDOM)
    found = stride._walk_lanes(block, stride._walk(block, 0, 32))
    assert found is not None
    assert len(found.starts) == 20_000


def test_rows_over_many_blocks(tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    lengths = np.where(rng.random(60_000) < 0.001, 30_000, rng.integers(0, 60, 60_000))
    data = b"".join(struct.pack(">Bqi", 0, row, length) + RANDOM[:1] * length for row, length in enumerate(lengths))
    found = read(document(tmp_path, field("i", "long") + field("b", "unsignedByte", "*"), stream(data)))
    assert found["i"] == list(range(60_000))
    assert np.array_equal(found.table["b"].combine_chunks().value_lengths().to_numpy(), lengths)
