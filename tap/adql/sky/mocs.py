"""Coverage maps (MOC 2.0): sets of HEALPix cells, their text form, and where they lie."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

MAX_ORDER = 29
"""The finest order of HEALPix cells in 64 bits."""

# One item: an order, or a cell or range of cells of the order before.
_ITEM = re.compile(r"[\s,]*(?:(?<![^\s,])[sS]?(\d{1,2})/|(\d{1,19})(?:-(\d{1,19}))?(?![\d/]))", re.ASCII)


class MocError(ValueError):
    """A text is no MOC; `offset` is where."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.offset = offset


@dataclass(frozen=True, slots=True)
class Moc:
    """A coverage map.

    Attributes
    ----------
    ranges : tuple of tuple of int
        Ranges of cells of the finest order (NESTED), in order and apart from each other; their ends are excluded.
    order : int
        The finest order of its cells.
    """

    ranges: tuple[tuple[int, int], ...]
    order: int

    @property
    def fraction(self) -> float:
        """Which part of the sky it covers."""
        return float(sum(end - first for first, end in self.ranges) / (12 << 2 * MAX_ORDER))

    @property
    def text(self) -> str:
        """Its text form, with as few and as large cells as possible."""
        orders: dict[int, list[str]] = {}
        for order, first, last in cells(self.ranges):
            orders.setdefault(order, []).append(str(first) if first == last else f"{first}-{last}")
        orders.setdefault(self.order, [])
        return " ".join(f"{order}/{','.join(orders[order])}" for order in sorted(orders))

    def about(self, most: int) -> list[tuple[int, int, int]]:
        """Return at most so many cells (or the twelve of the sky) that hold it, as order and numbers of ranges.

        Small cells are joined and large ones split, so that they are of one size where that is possible.
        """
        ranges, order = self.ranges, self.order
        found = cells(ranges)
        while _count(found) > most and order:
            order -= 1
            shift = 2 * (MAX_ORDER - order)
            ranges = merged((first >> shift << shift, ((end - 1 >> shift) + 1) << shift) for first, end in ranges)
            found = cells(ranges)
        while found:
            coarsest = min(found)[0]
            split = [
                (order + 1, 4 * first, 4 * last + 3) if order == coarsest else (order, first, last)
                for order, first, last in found
            ]
            if _count(split) > most or coarsest == MAX_ORDER:
                break
            found = split
        return found


def _count(found: list[tuple[int, int, int]]) -> int:
    return sum(last - first + 1 for _, first, last in found)


def read_moc(text: str) -> Moc:
    """Read the text form of a MOC, such as ``3/4-7 10 5/900``.

    Raises
    ------
    MocError
        If it is none.
    """
    order, finest, offset, found = None, 0, 0, []
    text = text.rstrip(" \t\r\n,")
    while offset < len(text):
        item = _ITEM.match(text, offset)
        if item is None:
            offset += len(text) - offset - len(text[offset:].lstrip(" \t\r\n,"))
            raise MocError(f"A MOC has no {text[offset : offset + 20].split()[0]!r}.", offset)
        if item[1] is not None:
            order = int(item[1])
            finest = max(finest, order)
            if order > MAX_ORDER:
                raise MocError(f"The order {order} of a MOC is greater than {MAX_ORDER}.", item.start(1))
        elif order is None:
            raise MocError("A MOC begins with an order and a slash.", item.start(2))
        else:
            first, last = int(item[2]), int(item[3] or item[2])
            if not first <= last < 12 * 4**order:
                raise MocError(f"The order {order} has no cells {item[0].strip(' ,')}.", item.start(2))
            shift = 2 * (MAX_ORDER - order)
            found.append((first << shift, (last + 1) << shift))
        offset = item.end()
    return Moc(merged(found), finest)


def merged(ranges: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Return ranges in order, those that overlap or touch being one."""
    found: list[tuple[int, int]] = []
    for first, end in sorted(ranges):
        if found and first <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((first, end))
    return tuple(found)


def cells(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int, int]]:
    """Return ranges of cells of the finest order as ranges of the largest cells: order, first and last number."""
    found: list[tuple[int, int, int]] = []
    for begin, end in ranges:
        first = begin
        while first < end:
            # A cell begins at a multiple of its size, and ends before the range does.
            aligned = (first & -first).bit_length() - 1 if first else 2 * MAX_ORDER
            level = min(aligned, (end - first).bit_length() - 1, 2 * MAX_ORDER) // 2
            size = 1 << 2 * level
            count = (end - first) // size
            if level < MAX_ORDER:  # up to where a larger cell begins
                count = min(count, -(first // size) % 4 or 4)
            found.append((MAX_ORDER - level, first // size, first // size + count - 1))
            first += count * size
    return found


def cell_radius(order: int) -> float:
    """Return the largest distance, in radians, of a corner of a cell from its centre."""
    side = 1 << order
    z = 1 - (1 - 1 / side) ** 2 / 3
    azimuth = math.pi / (4 * side)
    first = math.sqrt(5) / 3 * math.cos(azimuth), math.sqrt(5) / 3 * math.sin(azimuth), 2 / 3
    return 2 * math.asin(math.dist(first, (math.sqrt(1 - z * z), 0.0, z)) / 2)
