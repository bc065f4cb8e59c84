"""The order of tables in FROM, and the fences that make positional joins fast.

PostgreSQL knows nothing of how few rows a positional join yields and, given any other filter on a table, may read the
table by it once a row of the other. So the table whose Q3C index shall be used is put behind a fence,
``driver CROSS JOIN LATERAL (SELECT * FROM inner WHERE index condition OFFSET 0)``: there the driver's position is a
parameter and no other plan is left. Which table drives is decided here, from the numbers of rows.

Where nothing has an index, as in a LEFT JOIN from a large table to one without, every pair of rows is compared: no text
helps there, an index on the second table does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from tap.adql.planner.predicates import Index, Predicate, index_on, selects, share, unique_sides
from tap.adql.relations import Source
from tap.adql.scopes import Scope
from tap.adql.sky.geometry import Proximity, constant_coordinates

LOOKUP = 50.0
"""Cost of a search by an index, the comparison of two rows being 1."""

SCAN = 0.1
"""Cost of reading a row in a scan."""

_STARTS = 6
_FEW = 12
_SHARE_OF_EQUALITY = 0.01
_SHARE_OF_OTHERS = 1 / 3


@dataclass(slots=True)
class Leaf:
    """One table of FROM; `fence` is the index condition under which it is read, where there is one."""

    source: Source
    fence: Index | None = None

    @property
    def sources(self) -> frozenset[Source]:
        """The table."""
        return frozenset({self.source})


@dataclass(slots=True)
class Branch:
    """Two sides of a join, and the conditions that join them."""

    left: Tree
    right: Tree
    kind: str
    conditions: list[Predicate]
    sources: frozenset[Source] = field(init=False)
    """All its tables."""

    def __post_init__(self) -> None:
        self.sources = self.left.sources | self.right.sources


Tree: TypeAlias = Leaf | Branch


def leaves(tree: Tree) -> Iterator[Leaf]:
    """Yield the tables of a tree from left to right."""
    if isinstance(tree, Leaf):
        yield tree
    else:
        yield from leaves(tree.left)
        yield from leaves(tree.right)


def arrange(trees: Sequence[Tree], held: Sequence[Predicate], scope: Scope) -> tuple[list[Tree], list[Predicate]]:
    """Put tables behind fences, each after those that drive it.

    Parameters
    ----------
    held : sequence of Predicate
        The conditions of WHERE.

    Returns
    -------
    list of Tree
        What stands in FROM.
    list of Predicate
        The conditions that have moved from ON to WHERE.
    """
    if scope.parent is None and len(scope.sources) == 1:
        return list(trees), []
    return _Planner(scope, frozenset(scope.sources)).block(trees, held, frozenset())


@dataclass(frozen=True, slots=True)
class _Planner:
    """Arranges the tables of one FROM, `own`."""

    scope: Scope
    own: frozenset[Source]

    def block(
        self, trees: Sequence[Tree], held: Sequence[Predicate], before: frozenset[Source]
    ) -> tuple[list[Tree], list[Predicate]]:
        """Arrange tables that inner joins connect; return them, and the conditions that are no longer in them.

        Parameters
        ----------
        held : sequence of Predicate
            Conditions around the tables that may as well be applied to them.
        before : frozenset of Source
            Tables of the same FROM that are read before.
        """
        members: list[Tree] = []
        moved: list[Predicate] = []
        for tree in trees:
            _flatten(tree, held, members, moved)
        conditions = [*held, *moved]
        fences = self._fences(members, conditions)
        if not fences:
            for member in members:
                self._within(member, conditions, before)
            return list(trees), []
        order = _Order(self.own, conditions, fences).best(members, before)
        for member, fence in order:
            if isinstance(member, Leaf) and fence is not None:
                member.fence = fence
                self.scope.fenced.add(member.source)
            self._within(member, conditions, before)
            before |= member.sources
        return [member for member, _ in order], moved

    def _fences(self, members: Sequence[Tree], conditions: Sequence[Predicate]) -> dict[Source, list[Index]]:
        """Return the index conditions by which each table can be found from others."""
        bounds = dict(part.bound for part in conditions if part.bound is not None)
        entries = [source for member in members for source in _entries(member)]
        fences: dict[Source, list[Index]] = {}
        for part in conditions:
            if len(part.sources) < 2 or (part.test is None and not part.either):
                continue
            for source in (entry for entry in entries if entry in part.sources):
                index = index_on(source, part, bounds, self.scope.context.alias)
                if index is not None and index.drivers:
                    fences.setdefault(source, []).append(index)
        return fences

    def _within(self, member: Tree, conditions: Sequence[Predicate], before: frozenset[Source]) -> None:
        """Arrange the two sides of an outer join; what is optional is read after what is not."""
        if isinstance(member, Leaf):
            return
        if member.kind == "LEFT":
            member.right = self._side(member.right, member.conditions, before | member.left.sources)
            member.left = self._side(member.left, conditions, before)
        elif member.kind == "RIGHT":
            member.left = self._side(member.left, member.conditions, before | member.right.sources)
            member.right = self._side(member.right, conditions, before)
        else:
            member.left = self._side(member.left, (), frozenset())
            member.right = self._side(member.right, (), frozenset())

    def _side(self, tree: Tree, held: Sequence[Predicate], before: frozenset[Source]) -> Tree:
        """Arrange one side of an outer join as one tree."""
        (first, *others), moved = self.block([tree], held, before)
        for place, other in enumerate(others, 1):
            first = Branch(first, other, "INNER", moved if place == len(others) else [])
        return first


def _flatten(tree: Tree, held: Sequence[Predicate], members: list[Tree], moved: list[Predicate]) -> None:
    """Collect the tables and outer joins that inner joins connect, and the conditions of these.

    An outer join is an inner one where a condition around it refuses the rows that it adds.
    """
    if isinstance(tree, Branch):
        refused = frozenset[Source]().union(*(part.refuses for part in held))
        left, right = (not refused.isdisjoint(side.sources) for side in (tree.left, tree.right))
        if tree.kind in ("LEFT", "FULL") and right:
            tree.kind = "INNER" if tree.kind == "LEFT" else "RIGHT"
        if tree.kind in ("RIGHT", "FULL") and left:
            tree.kind = "INNER" if tree.kind == "RIGHT" else "LEFT"
        if tree.kind == "INNER":
            around = [*held, *tree.conditions]
            _flatten(tree.left, around, members, moved)
            _flatten(tree.right, around, members, moved)
            moved += tree.conditions
            return
    members.append(tree)


def _entries(tree: Tree) -> Iterator[Source]:
    """Yield the tables that are never missing: a filter after the join may as well come before it."""
    if isinstance(tree, Leaf):
        yield tree.source
    elif tree.kind in ("INNER", "LEFT"):
        yield from _entries(tree.left)
    if isinstance(tree, Branch) and tree.kind in ("INNER", "RIGHT"):
        yield from _entries(tree.right)


# ---- order ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Step:
    """One way to read a member after others: what it costs, and how many rows there are then."""

    cost: float
    rows: float
    member: Tree
    fence: Index | None = None


class _Order:
    """Finds the cheapest order of the members of a block, given its conditions and the fences that follow from them."""

    def __init__(
        self, own: frozenset[Source], conditions: Sequence[Predicate], fences: Mapping[Source, Sequence[Index]]
    ) -> None:
        self._own = own
        self._fences = fences
        self._filters: dict[Source, list[Predicate]] = {}
        self._links: dict[Source, list[tuple[Predicate, frozenset[Source]]]] = {}
        for part in conditions:
            tables = part.sources & own
            for source in tables:
                if len(tables) == 1:
                    self._filters.setdefault(source, []).append(part)
                elif part.equal is not None or part.test is not None:
                    self._links.setdefault(source, []).append((part, tables - {source}))

    def best(self, members: Sequence[Tree], before: frozenset[Source]) -> list[tuple[Tree, Index | None]]:
        """Return the members in order, each with the fence behind which it is read."""
        sizes = {id(member): self._size(member) for member in members}
        starts = sorted(members, key=lambda member: sizes[id(member)])[: _STARTS if len(members) <= _FEW else 1]
        found = []
        for start in starts:
            steps, placed, rows = [], before, 1.0
            left = list(members)
            candidates = [start]
            while left:
                ways = [way for member in candidates for way in self._ways(member, placed, rows, *sizes[id(member)])]
                step = min(ways, key=lambda way: (way.cost, way.rows))
                steps.append(step)
                left = [member for member in left if member is not step.member]
                candidates, placed, rows = left, placed | step.member.sources, step.rows
            found.append((sum(step.cost for step in steps), steps))
        _, steps = min(found, key=lambda pair: pair[0])
        return [(step.member, step.fence) for step in steps]

    def _ways(
        self, member: Tree, placed: frozenset[Source], rows: float, access: float, size: float
    ) -> Iterator[_Step]:
        """Yield the ways to read a member after others."""
        product = rows * size
        yield _Step(access + product, product, member)
        for source in _entries(member):
            for index in self._fences.get(source, ()):
                if index.drivers & self._own <= placed:
                    matches = max(1.0, source.relation.rows * index.share)
                    chosen = size / max(source.relation.rows, 1)
                    yield _Step(rows * (LOOKUP + matches), rows * max(1.0, matches * chosen), member, index)
            for part, others in self._links.get(source, ()):
                if not others <= placed:
                    continue
                if any(unique is source for unique, _ in unique_sides(part)):
                    yield _Step(min(access + rows, rows * LOOKUP / 2), rows, member)
                elif part.equal is not None:
                    yield _Step(access + rows, max(rows, size), member)
                else:
                    yield _Step(access + product, max(rows, 1.0), member)

    def _size(self, member: Tree) -> tuple[float, float]:
        """Return the cost of reading a member alone, and about how many rows that gives."""
        access, rows = 1.0, 1.0
        for source in _entries(member):
            chosen, scanned = 1.0, True
            for part in self._filters.get(source, ()):
                chosen *= _share(part, source)
                scanned = scanned and not selects(part, source)
            size = max(1.0, source.relation.rows * chosen)
            access = max(access, source.relation.rows * SCAN if scanned else size)
            rows = max(rows, size)
        return access, rows


def _share(part: Predicate, source: Source) -> float:
    """Return about which part of a table's rows a condition lets through."""
    match part.test:
        case Proximity(first=first, second=second) if not (constant_coordinates(first) or constant_coordinates(second)):
            return _SHARE_OF_OTHERS
        case None:
            if any(unique is source for unique, _ in unique_sides(part)):
                return 1 / max(source.relation.rows, 1)
            return _SHARE_OF_EQUALITY if part.equal is not None else _SHARE_OF_OTHERS
        case test:
            return share(test)
