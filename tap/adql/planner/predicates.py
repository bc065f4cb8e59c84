"""Translated conditions: their text, what they depend on, and the index conditions that follow from them."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from tap.adql.operands import Value
from tap.adql.relations import Reach, Source
from tap.adql.sky.geometry import (
    Membership,
    Point,
    Polygon,
    Proximity,
    Test,
    constant_coordinates,
    indexed,
    number,
    plane_of,
)
from tap.adql.sky.pixels import circle_ranges, constant_ranges
from tap.adql.sky.planes import cap
from tap.adql.types import number_literal

_NOTHING: frozenset[Source] = frozenset()

UNKNOWN_RADIUS = 0.01
"""Degrees; what a radius that is known at run time only is taken for in estimates."""

_SHARE_OF_REGION = 0.1


@dataclass(frozen=True, slots=True)
class Predicate:
    """A condition, translated.

    Attributes
    ----------
    sql : str
        Its exact text; empty where it consists of others.
    sources : frozenset of Source
        The tables of which it has columns, those of subqueries left out.
    refuses : frozenset of Source
        Tables whose columns it refuses when all of them are NULL, as beside an outer join.
    test : Test, optional
        A geometrical test that holds wherever the condition does.
    opposite : Test, optional
        A geometrical test that holds wherever the opposite of the condition does.
    equal : tuple of Value, optional
        The two values that it says are equal.
    bound : tuple of str and float, optional
        A value in SQL and the number that it does not exceed.
    reaches : tuple of Reach
        What it says, by a subquery, about rows of tables.
    every, either : tuple of Predicate
        The conditions that must all hold, and those of which one must.
    """

    sql: str = ""
    sources: frozenset[Source] = _NOTHING
    refuses: frozenset[Source] = _NOTHING
    test: Test | None = None
    opposite: Test | None = None
    equal: tuple[Value, Value] | None = None
    bound: tuple[str, float] | None = None
    reaches: tuple[Reach, ...] = ()
    every: tuple[Predicate, ...] = ()
    either: tuple[Predicate, ...] = ()


def all_of(parts: Iterable[Predicate]) -> Predicate:
    """Return the condition that all of some hold."""
    every = tuple(part for given in parts for part in (given.every or (given,)))
    sources, refuses = (frozenset().union(*sets) for sets in zip(*((p.sources, p.refuses) for p in every), strict=True))
    return Predicate(sources=sources, refuses=refuses, every=every)


def one_of(parts: Iterable[Predicate]) -> Predicate:
    """Return the condition that one of some holds."""
    either = tuple(parts)
    sources = frozenset().union(*(part.sources for part in either))
    refuses = frozenset.intersection(*(part.refuses for part in either))
    return Predicate(sources=sources, refuses=refuses, either=either)


def negation(part: Predicate) -> Predicate:
    """Return the opposite of a condition; both are NULL for the same rows."""
    if part.every:
        return one_of(map(negation, part.every))
    if part.either:
        return all_of(map(negation, part.either))
    refuses = part.refuses if part.test is not None or part.opposite is not None else _NOTHING
    return Predicate(f"NOT ({part.sql})", part.sources, refuses, part.opposite, part.test)


def written(part: Predicate, fenced: Container[Source] = (), *, indexable: bool = False) -> str:
    """Return the text of a condition as an operand of AND.

    Parameters
    ----------
    fenced : container of Source
        Tables behind a fence: they have their index condition there.
    indexable : bool
        Whether an index condition helps here: not in HAVING, nor beside a branch of OR that has none on the same table,
        where its ranges would be tested on every row.
    """
    return _forms(part, fenced)[1] if indexable else _plain(part)


def _plain(part: Predicate) -> str:
    if part.every:
        return " AND ".join(map(_plain, part.every))
    return f"({' OR '.join(map(_plain, part.either))})" if part.either else part.sql


def _forms(part: Predicate, fenced: Container[Source]) -> tuple[str, str, frozenset[Source]]:
    """Return a condition without and with index conditions, and the tables of which these find all rows."""
    if part.every or part.either:
        forms = [_forms(one, fenced) for one in (part.every or part.either)]
        plain, helped, tables = zip(*forms, strict=True)
        if part.every:
            return " AND ".join(plain), " AND ".join(helped), frozenset().union(*tables)
        common = frozenset.intersection(*tables)
        without = f"({' OR '.join(plain)})"
        return without, f"({' OR '.join(helped)})" if common else without, common
    if part.test is None:
        return part.sql, part.sql, frozenset(source for source, _ in unique_sides(part))
    table = constant_table(part.test)
    index = constant_ranges(part.test) if table is not None and table not in fenced else None
    if table is None or index is None:
        return part.sql, part.sql, _NOTHING
    return part.sql, f"({index} AND {part.sql})", frozenset({table})


# ---- against constants ----------------------------------------------------------------------------------------------


def constant_table(test: Test) -> Source | None:
    """Return the table whose index serves a test against constants."""
    if isinstance(test, Membership):
        return _table(test.point)
    if test.radius.constant is None:
        return None
    for point, centre in ((test.first, test.second), (test.second, test.first)):
        table = _table(point)
        if table is not None and constant_coordinates(centre) is not None:
            return table
    return None


def unique_sides(part: Predicate) -> list[tuple[Source, Value]]:
    """Return each table of which an equality selects at most one row, and the value that selects it."""
    if part.equal is None:
        return []
    one, other = part.equal
    return [
        (column.origin[0], value)
        for column, value in ((one, other), (other, one))
        if column.origin is not None
        and column.origin[1] in column.origin[0].relation.unique
        and column.origin[0] not in value.sources
    ]


def selects(part: Predicate, table: Source) -> bool:
    """Whether an index finds the rows of a condition on one table."""
    if part.test is not None:
        return constant_table(part.test) is table
    return any(unique is table for unique, _ in unique_sides(part))


def _table(point: Point) -> Source | None:
    """Return the table under whose sky index a point is."""
    return point.lon.origin[0] if point.lon.origin is not None and indexed(point) else None


def share(test: Test) -> float:
    """Return about which part of the sky a test against constants lets through."""
    if isinstance(test, Proximity):
        return cap(float(test.radius.constant or UNKNOWN_RADIUS))
    flat = plane_of(test.region) if isinstance(test.region, Polygon) else None
    return _SHARE_OF_REGION if flat is None else cap(flat.radius)


# ---- against other tables -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Index:
    """An index condition on one table whose parameters come from others.

    Attributes
    ----------
    sql : str
        The condition.
    drivers : frozenset of Source
        The tables that must be read before.
    share : float
        About which part of the table it lets through.
    places : tuple of str
        Tables of one row, to be read just before, that hold parameters which are expensive to compute.
    """

    sql: str
    drivers: frozenset[Source]
    share: float
    places: tuple[str, ...] = ()


def index_on(table: Source, part: Predicate, bounds: Mapping[str, float], alias: Callable[[], str]) -> Index | None:
    """Return the index condition on a table that follows from a condition; None where none does.

    Parameters
    ----------
    bounds : mapping of str to float
        Numbers that values, in SQL, do not exceed.
    alias : callable
        Gives new names for tables.
    """
    if part.every:
        found = [index for one in part.every if (index := index_on(table, one, bounds, alias)) is not None]
        return min(found, key=lambda index: (len(index.drivers), index.share)) if found else None
    if part.either:
        branches = []
        for one in part.either:
            branch = index_on(table, one, bounds, alias)
            if branch is None:
                return None
            branches.append(branch)
        drivers = frozenset().union(*(branch.drivers for branch in branches))
        places = tuple(place for branch in branches for place in branch.places)
        return Index(f"({' OR '.join(b.sql for b in branches)})", drivers, sum(b.share for b in branches), places)
    if isinstance(part.test, Proximity):
        return _near(table, part.test, bounds, alias)
    if part.test is not None:
        ranges = constant_ranges(part.test) if constant_table(part.test) is table else None
        return None if ranges is None else Index(ranges, _NOTHING, share(part.test))
    for unique, value in unique_sides(part):
        if unique is table:
            return Index(part.sql, value.sources, 1 / max(table.relation.rows, 1))
    return None


def bounded(held: Iterable[Predicate], tables: Iterable[Source], alias: Callable[[], str]) -> Iterator[str]:
    """Yield the index conditions on circles around rows, with constant points, whose largest radius is known."""
    held = list(held)
    bounds = dict(part.bound for part in held if part.bound is not None)
    for part in held:
        if bounds and isinstance(part.test, Proximity) and part.test.radius.constant is None:
            for table in tables:
                index = index_on(table, part, bounds, alias) if table in part.test.radius.sources else None
                if index is not None and not index.drivers:
                    yield index.sql


def _near(table: Source, near: Proximity, bounds: Mapping[str, float], alias: Callable[[], str]) -> Index | None:
    """Return the index condition by which points of a table are found near those of others."""
    for point, centre in ((near.first, near.second), (near.second, near.first)):
        if _table(point) is not table or table in centre.lon.sources | centre.lat.sources:
            continue
        radius: Value | None = near.radius
        if table in near.radius.sources:  # each row would have a radius of its own: the largest serves all
            radius = _largest(near.radius, bounds)
        if radius is None:
            continue
        drivers = centre.lon.sources | centre.lat.sources | radius.sources
        place, radius, places = _parameters(centre, radius, alias)
        ranges = circle_ranges(point, place, radius)
        if ranges is not None:
            size = UNKNOWN_RADIUS if radius.constant is None else float(radius.constant)
            return Index(f"{ranges} AND {_estimate(point, size)}", drivers, cap(size), places)
    return None


def _largest(radius: Value, bounds: Mapping[str, float]) -> Value | None:
    """Return the largest value of a radius, where it is known."""
    base, factor = radius.multiple or (radius, 1.0)
    bound = bounds.get(base.sql)
    return None if bound is None else number(max(bound * factor * (1 + 1e-6), 0.0), radius.position)


def _parameters(centre: Point, radius: Value, alias: Callable[[], str]) -> tuple[Point, Value, tuple[str, ...]]:
    """Return centre and radius as they stand in an index condition.

    Each is written eight times there, so what is more than a column is computed before.
    """
    parts = {"lon": centre.lon, "lat": centre.lat, "radius": radius}
    columns = {name: part for name, part in parts.items() if part.constant is None}
    places: tuple[str, ...] = ()
    if any(part.origin is None for part in columns.values()):
        place = alias()
        listed = ", ".join(f"{part.sql} AS {name}" for name, part in columns.items())
        places = (f"(SELECT {listed} OFFSET 0) AS {place}",)
        parts |= {name: replace(part, sql=f"{place}.{name}") for name, part in columns.items()}
    return Point(parts["lon"], parts["lat"]), parts["radius"], places


def _estimate(point: Point, radius: float) -> str:
    """Return a condition that is always true and tells the planner how few rows a circle holds.

    Q3C has this operator for its estimate alone. Without it each pair of bounds that depend on another table counts as
    0.5 % of the rows, and what is joined next is read as a whole.
    """
    lon, lat = point.lon.sql, point.lat.sql
    row = f"({lon}, {lat}, {lon}, {lat})::public.q3c_type"
    return f"{number_literal(radius)} OPERATOR(public.==<<>>==) {row}"
