"""EXISTS and IN from their other side: the rows of a table for which a subquery on positions can have any.

``FROM stars WHERE EXISTS (SELECT … FROM mine WHERE`` both are near ``)`` asks about each of a billion stars whether one
of a few places is near it. The stars near those places are a few searches in the sky index of the stars; the exact
condition then decides among them.
"""

# ruff: noqa: S608  (the package writes SQL: names come from the catalogue, literals are encoded anew)
from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from tap.adql.planner.predicates import Predicate, index_on, selects
from tap.adql.relations import Reach
from tap.adql.scopes import Scope


def reaches(held: Sequence[Predicate], scope: Scope) -> Iterator[Reach]:
    """Yield what the conditions of a subquery say about the rows of tables of the queries around it."""
    own = frozenset(scope.sources)
    bounds = dict(part.bound for part in held if part.bound is not None)
    for part in held:
        if part.test is None:
            continue
        for source in sorted(part.sources - own, key=lambda source: source.alias):
            index = index_on(source, part, bounds, scope.context.alias) if source.table is not None else None
            if index is None or len(index.drivers) != 1:
                continue
            (driver,) = index.drivers
            # A subquery in FROM may itself depend on the tables around.
            if driver not in own or driver.relation.sql.startswith("("):
                continue
            name = source.alias
            rows = f"SELECT {name}.ctid FROM {source.relation.sql} AS {name} WHERE {index.sql} OFFSET 0"
            tables = [f"{driver.relation.sql} AS {driver.alias}", *index.places, f"({rows}) AS {name}"]
            sql = f"{name}.ctid = ANY (ARRAY(SELECT {name}.ctid FROM {' CROSS JOIN LATERAL '.join(tables)}))"
            yield Reach(source, sql, driver.relation.rows)


def row_conditions(held: Iterable[Predicate], scope: Scope) -> Iterator[str]:
    """Yield the conditions on rows of tables of a FROM that are worth their price: nothing else finds these rows."""
    held = list(held)
    for part in held:
        for reach in part.reaches:
            source = reach.source
            if source not in scope.sources or source in scope.fenced or reach.searches >= source.relation.rows:
                continue
            if not any(selects(other, source) for other in held):
                yield reach.sql
