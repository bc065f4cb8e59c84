"""What can happen to any file."""

from __future__ import annotations

import gzip
import random
from collections.abc import Iterator

HARMLESS = "harmless"
"""Part of the names of files that may well be read: what is wrong with them does not hurt."""

ENTITIES = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10 if n else "a" * 10}">' for n in range(10))
"""Declarations of an entity of 10^10 characters."""


def flips(whole: bytes, count: int, seed: int) -> Iterator[tuple[int, bytes]]:
    """Yield copies with one, some or many bytes changed."""
    dice = random.Random(seed)
    for number in range(count):
        changed = bytearray(whole)
        for _ in range((1, 4, 40)[number % 3]):
            changed[dice.randrange(len(whole))] = dice.randrange(256)
        yield number, bytes(changed)


def cuts(whole: bytes, count: int) -> Iterator[tuple[int, bytes]]:
    for number in range(1, count + 1):
        yield number, whole[: len(whole) * number // (count + 1)]


def bomb(unit: int = 8 << 20, members: int = 300) -> bytes:
    """Return a gzip file of 2.5 GB of zeros in about as many kB."""
    return gzip.compress(bytes(unit), 9) * members
