"""What PostgreSQL means to do with a query: its plan, with estimates where its own are far from the sky's.

The planner takes each range of pixels around a position that it does not know for half a percent of the table: a
cross-match within an arcsecond looks a million times as expensive as it is. Such look-ups are estimated anew here, from
the area of the circle, and with them everything above.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeAlias

from tap.adql import CatalogueTable

FindTable: TypeAlias = Callable[[str | None, str | None], CatalogueTable | None]
"""Gives the published table behind a schema and a name of the database."""

COSTS_PER_SECOND = 200_000.0
"""Units of the planner's cost that pass in a second. Measured on two cores with data in memory: 120,000 to 300,000 for
scans, sorts, groups, joins and cross-matches, 500,000 for comparing pairs. It says seconds or hours, not how many."""
ROWS_PER_SECOND = 1_000_000.0
"""Rows of some ten columns that are encoded and sent in a second."""

_LOOKUP = 1.0
"""Cost of looking up one circle in a sky index whose pages are in memory: 4 microseconds and more."""
_ROW = 0.02
"""Cost of one row that is read and tested."""
_COVER = 4.0
"""How much more than the circle the pixels around it cover."""
_PARTNERS = 1.0
"""Rows that a small circle holds at least: who looks around the places of stars looks for the same stars."""
_UNKNOWN_RADIUS = 1.0
"""Degrees that are assumed where a radius comes from a column."""

_COMPUTED = 2.0
"""Cost of a subquery that computes on one row's values, such as the edges of a polygon: ten microseconds. The planner
takes every row set it does not know for a hundred rows or more."""

_MOST = 1e100
"""Rows and costs that are told apart, as in the planner itself."""

_RADIUS = re.compile(r"q3c_nearby_it\(.*?, '?([-+.\deE]+)'?(?:::double precision)?, \d+\)")
_TEXT = re.compile(r"'(?:[^']|'')*'")
_QUALIFIED = re.compile(r'([A-Za-z_]\w*)\.("(?:[^"]|"")+"|\w+)(?![\w(])')
_SCHEMAS = frozenset({"public", "pg_catalog"})
_SKY = "q3c_ang2ipix("


@dataclass(frozen=True)
class Node:
    """One node of a plan.

    Attributes
    ----------
    kind : str
        PostgreSQL's name for what it does: ``Seq Scan``, ``Hash Join`` …
    facts : dict
        All that PostgreSQL says of it.
    children : tuple of Node
        What it works on, the driving side of a join first.
    table : CatalogueTable, optional
        The published table that it reads.
    """

    kind: str
    facts: dict[str, Any]
    children: tuple[Node, ...]
    table: CatalogueTable | None = None

    @property
    def planned(self) -> float:
        """Rows that the planner expects of one run of it."""
        return float(self.facts["Plan Rows"])

    @property
    def index_condition(self) -> str:
        """What is looked up in an index, as PostgreSQL writes it."""
        return str(self.facts.get("Index Cond", ""))

    @property
    def by_sky(self) -> bool:
        """Whether it looks into an index of pixels on the sky."""
        return _SKY in self.index_condition

    @property
    def sought(self) -> bool:
        """Whether a scan looks its rows up in an index."""
        return any(lookup.index_condition for lookup in self.lookups)

    @property
    def reads(self) -> bool:
        """Whether it or a node below it reads a table, or what WITH keeps."""
        return "Relation Name" in self.facts or self.kind == "CTE Scan" or any(child.reads for child in self.children)

    @property
    def filtered(self) -> bool:
        """Whether it drops rows."""
        return "Filter" in self.facts

    @property
    def inputs(self) -> tuple[Node, ...]:
        """The children whose rows go through it, without subqueries of expressions."""
        return tuple(child for child in self.children if child.facts.get("Parent Relationship") not in _SUBQUERIES)

    @property
    def subqueries(self) -> tuple[Node, ...]:
        """The children that belong to expressions or to WITH."""
        return tuple(child for child in self.children if child.facts.get("Parent Relationship") in _SUBQUERIES)

    def runs_once(self, subquery: Node) -> bool:
        """Whether one of the subqueries runs once, and not again for every row."""
        if subquery.facts["Parent Relationship"] == "InitPlan":
            return True
        conditions = [str(self.facts.get(name, "")) for name in ("Filter", "Join Filter", "Output")]
        return any(f"hashed {subquery.facts.get('Subplan Name')}" in condition for condition in conditions)

    @property
    def lookups(self) -> Iterator[Node]:
        """The nodes that look into an index for a scan: itself, or those below a bitmap scan."""
        if self.kind != "Bitmap Heap Scan":
            yield self
            return
        waiting = list(self.inputs)
        while waiting:
            node = waiting.pop(0)
            if node.kind == "Bitmap Index Scan":
                yield node
            waiting += node.inputs

    @cached_property
    def needs_others(self) -> bool:
        """Whether a scan is run again for every row of some other part of the plan."""
        conditions = [self.facts.get("Filter", ""), *(node.index_condition for node in self.lookups)]
        own = self.facts.get("Alias")
        return any(alias != own for condition in conditions for alias, _ in columns_in(condition))

    @property
    def stops_early(self) -> bool:
        """Whether a limit is expected to be reached; what it is stands in no plan, unless it is."""
        [child] = self.inputs
        return self.planned < 0.99 * child.planned and self.planned < 0.99 * child.estimate.rows

    @cached_property
    def workers(self) -> int:
        """How many processes share the work at once; one, unless a node of this kind starts more."""
        return 1 + int(self.facts.get("Workers Planned", 0))

    @cached_property
    def estimate(self) -> Estimate:
        """Rows and cost of one run of it."""
        found = _estimate(self)
        # Products of a hundred tables would be infinite.
        return replace(found, rows=min(found.rows, _MOST), cost=min(found.cost, _MOST))


@dataclass(frozen=True, slots=True)
class Estimate:
    """What one run of a node gives and costs.

    Attributes
    ----------
    rows : float
        Number of rows.
    cost : float
        In the planner's units.
    own : bool
        Whether it is estimated here, not by the planner.
    """

    rows: float
    cost: float
    own: bool = False


_SUBQUERIES = frozenset({"InitPlan", "SubPlan"})
_SCANS = frozenset({"Seq Scan", "Index Scan", "Index Only Scan", "Bitmap Heap Scan"})
_GROUPING = frozenset({"Aggregate", "Group", "Unique", "SetOp"})


def read_plan(text: str, find: FindTable) -> Node:
    """Read a plan.

    Parameters
    ----------
    text : str
        The answer to ``EXPLAIN (FORMAT JSON, VERBOSE)``.
    find : callable
        Gives the published table behind a physical one.
    """
    return _node(json.loads(text)[0]["Plan"], find)


def _node(facts: dict[str, Any], find: FindTable) -> Node:
    children = tuple(_node(child, find) for child in facts.get("Plans", ()))
    table = find(facts.get("Schema"), facts["Relation Name"]) if "Relation Name" in facts else None
    return Node(facts["Node Type"], facts, children, table)


def seconds_for(plan: Node, limit: int) -> float:
    """Return the seconds that a query may take, to an order of magnitude."""
    return plan.estimate.cost / COSTS_PER_SECOND + min(plan.estimate.rows, limit) / ROWS_PER_SECOND


def columns_in(condition: str) -> list[tuple[str, str]]:
    """Return the columns that a condition names, as pairs of an alias and a name."""
    found = _QUALIFIED.findall(_TEXT.sub("''", condition))
    return [
        (alias, name[1:-1].replace('""', '"') if name.startswith('"') else name)
        for alias, name in found
        if alias not in _SCHEMAS  # a type or function, not a column
    ]


# ---- estimates ------------------------------------------------------------------------------------------------------


def _estimate(node: Node) -> Estimate:
    if node.kind in _SCANS:
        return _circle(node) or _scan(node)
    if node.facts.get("Parent Relationship") == "SubPlan" and not node.reads:
        return Estimate(node.planned, min(float(node.facts["Total Cost"]), _COMPUTED), own=True)
    inputs = [child.estimate for child in node.inputs]
    if not any(child.estimate.own for child in node.children):
        return Estimate(node.planned, float(node.facts["Total Cost"]))
    if node.kind == "Nested Loop" and len(inputs) == 2:
        return _nested_loop(node, *inputs)
    if node.kind == "Subquery Scan" and inputs and inputs[0].own:
        # Its filter is the exact circle, which was counted already.
        return Estimate(inputs[0].rows, inputs[0].cost + _ROW * inputs[0].rows, own=True)
    planned = sum(child.planned for child in node.inputs)
    ratio = sum(estimate.rows for estimate in inputs) / max(planned, 1.0) if inputs else 1.0
    rows = node.planned * ratio
    if node.kind in _GROUPING:
        rows = min(node.planned, max(1.0, sum(estimate.rows for estimate in inputs)))
    below = sum(float(child.facts["Total Cost"]) for child in node.inputs)
    cost = sum(estimate.cost for estimate in inputs) + max(0.0, float(node.facts["Total Cost"]) - below) * ratio
    if node.kind == "Limit":
        rows = min(node.planned, inputs[0].rows) if node.stops_early else inputs[0].rows
        cost = inputs[0].cost * (1.0 if _gathers(node.inputs[0]) else rows / max(inputs[0].rows, 1.0))
    return _with_subqueries(node, Estimate(rows, cost, own=True), sum(estimate.rows for estimate in inputs))


def _circle(node: Node) -> Estimate | None:
    """Return the estimate of a scan of the sky index around positions that come row by row."""
    conditions = [lookup.index_condition for lookup in node.lookups if lookup.by_sky]
    # PostgreSQL has computed the pixels around a constant position already.
    if node.table is None or not any("q3c_nearby_it(" in condition for condition in conditions):
        return None
    radii = [float(found[1]) for condition in conditions if (found := _RADIUS.search(condition))]
    radius = math.radians(min(180.0, max(radii, default=_UNKNOWN_RADIUS)))
    inside = node.table.rows * math.sin(radius / 2) ** 2
    rows = min(max(inside, _PARTNERS), node.planned)
    return Estimate(rows, _LOOKUP + _ROW * _COVER * inside, own=True)


def _scan(node: Node) -> Estimate:
    planned = Estimate(node.planned, float(node.facts["Total Cost"]))
    if not any(child.estimate.own for child in node.subqueries):
        return planned
    runs = float(node.table.rows) if node.table is not None and not node.sought else node.planned
    return _with_subqueries(node, planned, runs)


def _with_subqueries(node: Node, estimate: Estimate, runs: float) -> Estimate:
    """Put our estimates of subqueries, which may be run for every row, in the place of the planner's."""
    rows, cost = estimate.rows, estimate.cost
    for child in node.subqueries:
        if child.estimate.own:
            times = 1.0 if node.runs_once(child) else max(runs, 1.0)
            cost = max(0.0, cost - times * float(child.facts["Total Cost"])) + times * (child.estimate.cost + _ROW)
    return Estimate(rows, cost, own=True)


def _nested_loop(node: Node, outer: Estimate, inner: Estimate) -> Estimate:
    driver, other = node.inputs
    once = inner.cost
    if not inner.own:  # what is kept in memory is cheaper from the second time on: the planner knows
        below = float(node.facts["Total Cost"]) - float(driver.facts["Total Cost"])
        once = max(0.0, below) / max(driver.planned, 1.0)
    pairs = outer.rows * inner.rows
    if node.facts.get("Join Type") in {"Semi", "Anti"}:
        rows = min(node.planned, outer.rows)
    else:
        kept = 1.0 if inner.own else min(1.0, node.planned / max(1.0, driver.planned * other.planned))
        rows = max(pairs * kept, outer.rows if node.facts.get("Join Type") in {"Left", "Full"} else 0.0)
    return Estimate(rows, outer.cost + outer.rows * once + rows * _ROW, own=True)


def _gathers(node: Node) -> bool:
    """Whether a node has read all its input before it gives its first row."""
    return node.kind in {"Sort", "Aggregate", "SetOp"}
