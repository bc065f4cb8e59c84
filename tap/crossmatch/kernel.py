"""The pairs of some rows of one side with all rows of the other, exact, and the same in whatever order rows come.

A k-d tree of unit vectors finds candidates; `separation` alone decides. Ties go to the lower row of the second side,
then to the lower one of the first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

import numpy as np

from tap.crossmatch.places import PlaceArray, Places, tree_of
from tap.crossmatch.separations import Booleans, Floats, Integers, chord, position_angle, separation

ABSOLUTE, RELATIVE = 1e-14, 1e-13
"""How much two ways to compute a distance of unit vectors may differ, amply: closer ones are compared exactly."""
SMALL = 1 << 20
"""Products of numbers of rows below which all pairs may as well be candidates."""


class Radii(Enum):
    """How far apart rows of a pair may be, apart from the largest radius of all."""

    CONSTANT = "no farther"
    SUM = "the sum of their own radii"
    QUADRATURE = "the root of the sum of the squares of their own radii"


@dataclass(frozen=True, slots=True)
class Rule:
    """Which pairs are wanted.

    Attributes
    ----------
    radius : float
        The largest distance, in arcsec.
    radii : Radii
        Whether rows have radii of their own.
    nearest : int, optional
        How many of a row's pairs are wanted, the nearest ones; None for all.
    """

    radius: float
    radii: Radii = Radii.CONSTANT
    nearest: int | None = None

    def reach(self, radius_1: float, radius_2: float) -> float:
        """Return the largest distance of rows that have at most these radii of their own."""
        match self.radii:
            case Radii.CONSTANT:
                return self.radius
            case Radii.SUM:
                return min(self.radius, radius_1 + radius_2)
            case Radii.QUADRATURE:
                return min(self.radius, float(np.hypot(radius_1, radius_2)))

    def holds(self, distance: Floats, radius_1: Floats, radius_2: Floats) -> Booleans:
        """Return which pairs are near enough."""
        near: Booleans = distance <= self.radius
        if self.radii is Radii.SUM:
            near &= distance <= radius_1 + radius_2
        elif self.radii is Radii.QUADRATURE:
            near &= distance <= np.hypot(radius_1, radius_2)
        return near


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pairs of rows.

    Attributes
    ----------
    first, second : numpy.ndarray
        Numbers of rows in their selections.
    distance : numpy.ndarray
        In arcsec.
    angle : numpy.ndarray
        Direction from the first to the second in degrees from north through east; NaN for one and the same place.
    """

    first: Integers
    second: Integers
    distance: Floats
    angle: Floats

    def __len__(self) -> int:
        return len(self.first)

    def __getitem__(self, which: Integers | slice) -> Pairs:
        return Pairs(self.first[which], self.second[which], self.distance[which], self.angle[which])


NO_PAIRS = Pairs(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0), np.empty(0))


def joined(parts: list[Pairs]) -> Pairs:
    """Return pairs one after the other."""
    if len(parts) < 2:
        return parts[0] if parts else NO_PAIRS
    names = ("first", "second", "distance", "angle")
    return Pairs(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def pairs_near(firsts: PlaceArray, side: tuple[Places, ...], rule: Rule, most: int) -> Iterator[Pairs]:
    """Yield the pairs of places with the rows of a side, in pieces and in no order.

    Of the nearest, each piece has those of a part of the side: `nearest` chooses among all.

    Parameters
    ----------
    firsts : numpy.ndarray
        Of `PLACE`, better near each other.
    side : tuple of Places
        The other side, in layers of similar radii.
    rule : Rule
        Which pairs.
    most : int
        Rows of the other side, and pairs, that are handled at once.
    """
    widest = float(firsts["radius"].max())
    for layer in side:
        reach = rule.reach(widest, layer.reach)
        for seconds in layer.near(firsts, reach, most):
            if rule.nearest is None:
                yield from _all(firsts, seconds, reach, rule, most)
            elif rule.radii is Radii.CONSTANT:
                yield from _nearest(firsts, _few_of_a_place(seconds, rule.nearest), reach, rule, most)
            else:
                for pairs in _all(firsts, _few_of_a_place(seconds, rule.nearest), reach, rule, most):
                    yield pairs[nearest(pairs, rule.nearest)]


def nearest(pairs: Pairs, count: int | None) -> Integers:
    """Return the order of pairs by first row, distance and second row, of each first row at most `count` pairs."""
    if np.all(pairs.first[1:] > pairs.first[:-1]):  # one pair of each row, in order
        return np.arange(len(pairs))
    order = np.lexsort((pairs.second, pairs.distance, pairs.first))
    if count is None or not len(order):
        return order
    first = pairs.first[order]
    starts = np.flatnonzero(np.r_[True, first[1:] != first[:-1]])
    rank = np.arange(len(order)) - np.repeat(starts, np.diff(np.r_[starts, len(order)]))
    return order[rank < count]


def _exact(firsts: PlaceArray, seconds: PlaceArray, one: Integers, other: Integers, rule: Rule) -> Pairs:
    """Make pairs of candidates: those that are near enough."""
    places = (firsts["ra"][one], firsts["dec"][one], seconds["ra"][other], seconds["dec"][other])
    distance = separation(*places)
    near = np.flatnonzero(rule.holds(distance, firsts["radius"][one], seconds["radius"][other]))
    angle = position_angle(*(values[near] for values in places))
    return Pairs(firsts["row"][one[near]], seconds["row"][other[near]], distance[near], angle)


def _bound(reach: float) -> float:
    return chord(reach) * (1 + RELATIVE) + ABSOLUTE


# ---- the nearest ----------------------------------------------------------------------------------------------------


def _nearest(firsts: PlaceArray, seconds: PlaceArray, reach: float, rule: Rule, most: int) -> Iterator[Pairs]:
    """Ask the tree for one neighbour more than wanted: where that one is as near as the last, all such are compared."""
    count = rule.nearest or 1
    tree = tree_of(seconds["vector"])
    step = max(1, most // (count + 1))
    for start in range(0, len(firsts), step):
        some = firsts[start : start + step]
        distance, place = tree.query(some["vector"], k=count + 1, distance_upper_bound=_bound(reach))
        last = distance[:, count - 1]
        with np.errstate(invalid="ignore"):  # infinite where there are fewer
            tied = np.isfinite(distance[:, count]) & (distance[:, count] <= last * (1 + RELATIVE) + ABSOLUTE)
        found = (place < len(seconds)) & ~tied[:, np.newaxis]
        found[:, count] = False
        one, rank = np.nonzero(found)
        yield _exact(some, seconds, one, place[one, rank].astype(np.int64), rule)
        if tied.any():
            yield from _tied(some[tied], seconds, last[tied], rule, most)


def _tied(firsts: PlaceArray, seconds: PlaceArray, last: Floats, rule: Rule, most: int) -> Iterator[Pairs]:
    """Compare all that are as near as the last that is wanted, for each place once however many rows are there."""
    _, places, of_place = np.unique(
        np.stack([firsts["ra"], firsts["dec"]], axis=1), axis=0, return_index=True, return_inverse=True
    )
    of_place = of_place.reshape(-1)
    tree = tree_of(seconds["vector"])
    radius = last[places] * (1 + RELATIVE) + 2 * ABSOLUTE
    vectors = np.ascontiguousarray(firsts["vector"][places])
    counts = tree.query_ball_point(vectors, radius, return_length=True)
    rows = firsts["row"][places]
    by_row = np.argsort(rows)
    rows_of = np.argsort(of_place, kind="stable")
    row_starts = np.r_[0, np.cumsum(np.bincount(of_place, minlength=len(places)))]
    for start, stop in slices(counts, most):
        lists = tree.query_ball_point(vectors[start:stop], radius[start:stop])
        one = np.repeat(np.arange(start, stop), counts[start:stop])
        other = np.concatenate([np.asarray(found, np.int64) for found in lists])
        pairs = _exact(firsts[places], seconds, one, other, rule)
        chosen = pairs[nearest(pairs, rule.nearest)]
        # What was found for a place holds for all rows there.
        place = by_row[np.searchsorted(rows[by_row], chosen.first)]
        yield from _repeated(chosen, place, firsts["row"][rows_of], row_starts, most)


def _repeated(pairs: Pairs, place: Integers, rows: Integers, row_starts: Integers, most: int) -> Iterator[Pairs]:
    """Give the pairs of a place to every row there; the rows of a place stand together in `rows`."""
    times = np.diff(row_starts)[place]
    for start, stop in slices(times, most):
        some, repeats = pairs[start:stop], times[start:stop]
        which = np.repeat(np.arange(len(some)), repeats)
        within = np.arange(len(which)) - np.repeat(np.cumsum(repeats) - repeats, repeats)
        first = rows[row_starts[place[start:stop]][which] + within]
        yield Pairs(first, some.second[which], some.distance[which], some.angle[which])


def slices(sizes: Integers, most: int) -> Iterator[tuple[int, int]]:
    """Cut into runs whose sizes sum up to at most `most`, or that are one long."""
    start = 0
    ends = np.cumsum(sizes)
    while start < len(sizes):
        before = int(ends[start - 1]) if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, before + most, side="right")))
        yield start, stop
        start = stop


def _few_of_a_place(seconds: PlaceArray, count: int) -> PlaceArray:
    """Drop what can be in no pair: of rows at the same place with the same radius all but the `count` lowest.

    A hundred thousand rows at one place would be looked through for each row near them.
    """
    # Mixed, since right ascensions alone are often the same where they are rounded.
    mixed = np.sort(0.7548776662466927 * seconds["ra"] + 0.5698402909980532 * seconds["dec"])
    if count >= len(seconds) or not np.any(mixed[count:] == mixed[:-count]):
        return seconds
    order = np.lexsort((seconds["row"], seconds["radius"], seconds["dec"], seconds["ra"]))
    ordered = seconds[order]
    new = np.ones(len(ordered), bool)
    new[1:] = False
    for name in ("ra", "dec", "radius"):
        new[1:] |= ordered[name][1:] != ordered[name][:-1]
    starts = np.flatnonzero(new)
    rank = np.arange(len(ordered)) - np.repeat(starts, np.diff(np.r_[starts, len(ordered)]))
    return seconds[np.sort(order[rank < count])]


# ---- all ------------------------------------------------------------------------------------------------------------


def _all(firsts: PlaceArray, seconds: PlaceArray, reach: float, rule: Rule, most: int) -> Iterator[Pairs]:
    """Find all pairs; where there are too many at once, of half of the rows at a time."""
    one, other = tree_of(firsts["vector"]), tree_of(seconds["vector"])
    bound = _bound(reach)
    few = len(firsts) * len(seconds) <= min(most, SMALL)
    if not few and one.count_neighbors(other, bound) > most and len(firsts) * len(seconds) > most:
        if len(firsts) >= len(seconds):
            middle = len(firsts) // 2
            yield from _all(firsts[:middle], seconds, reach, rule, most)
            yield from _all(firsts[middle:], seconds, reach, rule, most)
        else:
            middle = len(seconds) // 2
            yield from _all(firsts, seconds[:middle], reach, rule, most)
            yield from _all(firsts, seconds[middle:], reach, rule, most)
        return
    found = one.sparse_distance_matrix(other, bound, output_type="ndarray")
    yield _exact(firsts, seconds, found["i"].astype(np.int64), found["j"].astype(np.int64), rule)
