"""A plan in words: what is read, how it is found, and how many rows go through each step.

Only published names appear. What PostgreSQL calls its tables, indexes and columns stays inside.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from tap.query.plans import Node, columns_in

MANY_ROWS = 1_000_000
"""Rows of a table that are worth an index."""
MANY_PAIRS = 1e8
"""Pairs of rows that are worth a word."""
LISTED = 12
"""Indexed columns that advice names at most."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a plan.

    Attributes
    ----------
    text : str
        What is done.
    table : str, optional
        Published name of the table that is read.
    rows : float, optional
        Rows that the step is expected to work on or to give.
    advice : str, optional
        What would spare the step, where it is worth sparing.
    """

    text: str
    table: str | None = None
    rows: float | None = None
    advice: str | None = None


@dataclass(frozen=True, slots=True)
class _Around:
    """What stands around a node: how often it runs, for the rows of which table, and whether it may stop early."""

    runs: float = 0.0
    driver: str | None = None
    stops: bool = False

    @property
    def before(self) -> str:
        """The words that say for which rows a step is done again."""
        if not self.runs:
            return ""
        return f"for each of {rows_in_words(self.runs)}{f' of {self.driver}' if self.driver else ''} "


_TRANSPARENT = frozenset({"Gather", "Gather Merge", "Hash", "Materialize", "Memoize", "Subquery Scan", "Result"})
_PARTNERS = {
    "Semi": "; keeps those that have a partner",
    "Anti": "; keeps those that have none",
    "Left": "; keeps those without a partner too",
    "Right": "; keeps those without a partner too",
    "Full": "; keeps those without a partner too",
}


def steps_of(plan: Node) -> list[Step]:
    """Return the steps of a plan in the order in which they are done."""
    return list(_steps(plan, _Around(), 1.0)) or [Step("reads no table")]


def number(count: float, *, exact: bool = False) -> str:
    """Return a number of rows: ``22``, ``482,106``, ``1.8·10^9``; two digits where it is not exact."""
    count = max(count, 0.0)
    if count >= 1e7:
        mantissa, exponent = f"{count:.1e}".split("e")
        return f"{mantissa}·10^{int(exponent)}"
    if not exact and count >= 100:
        count = float(f"{count:.1e}")
    return f"{max(1, round(count)) if not exact else round(count):,}"


def rows_in_words(count: float, *, exact: bool = False) -> str:
    """Return a number of rows with the word: ``about 22 rows``, ``1 row``."""
    shown = number(count, exact=exact)
    about = "" if exact else "about "
    return f"{about}{shown} {'row' if shown == '1' else 'rows'}"


def _steps(node: Node, around: _Around, share: float) -> Iterator[Step]:
    """Yield the steps of a node; `share` is the number of processes among which its rows are counted."""
    subqueries = [child for child in node.subqueries if child.reads]  # others are parts of a computation
    for child in subqueries:
        if node.runs_once(child):
            yield from _steps(child, _Around(), 1.0)
    if node.kind == "Nested Loop":
        yield from _nested_loop(node, around, share)
    else:
        yield from _other(node, around, share)
    for child in subqueries:
        if not node.runs_once(child):
            rows = node.table.rows if node.table is not None and not node.sought else _given(node, share)
            yield from _steps(child, _Around(float(rows), _name(node)), 1.0)


def _other(node: Node, around: _Around, share: float) -> Iterator[Step]:
    """Yield the steps of a node that is no nested loop."""
    below = _below(node, around)
    for child in node.inputs if node.kind != "Bitmap Heap Scan" else ():
        # Rows below Gather are counted for one of its processes, which do not share them quite evenly.
        yield from _steps(child, below, share * _processes(node))
    step = _step(node, around, share)
    if step is not None:
        yield step


def _processes(node: Node) -> float:
    """Return by how much the rows of one process below a node must be multiplied."""
    if node.kind not in {"Gather", "Gather Merge"}:
        return 1.0
    workers = node.workers - 1
    return workers + max(0.0, 1 - 0.3 * workers)  # the leader has other work too: cost_gather has it so


def _below(node: Node, around: _Around) -> _Around:
    """Return what stands around the inputs of a node."""
    if node.kind == "Limit":
        return replace(around, stops=around.stops or node.stops_early)
    if node.kind in _TRANSPARENT | {"Append", "Merge Append", "Unique", "LockRows"} and node.kind != "Hash":
        return around
    return replace(around, stops=False)  # a sort, a hash and a sum need all rows


def _given(node: Node, share: float) -> float:
    """Return the rows that all processes together get from a node."""
    return node.estimate.rows * (share if _partial(node) else 1.0)


def _step(node: Node, around: _Around, share: float) -> Step | None:
    before, given = around.before, _given(node, share)
    taken = sum(_given(child, share) for child in node.inputs)
    match node.kind:
        case "Seq Scan" | "Index Scan" | "Index Only Scan" | "Bitmap Heap Scan":
            return _scan(node, around, given)
        case "Sort" | "Incremental Sort":
            return Step(f"{before}sorts {rows_in_words(taken)}", rows=taken)
        case "Aggregate" | "Group":
            return _aggregate(node, before, taken, given)
        case "Unique":
            return Step(f"{before}drops duplicates among {rows_in_words(taken)}", rows=taken)
        case "SetOp":
            return Step(f"{before}compares two results of together {rows_in_words(taken)}", rows=taken)
        case "Append" | "Merge Append":
            return Step(f"{before}puts {len(node.inputs)} results together: {rows_in_words(given)}", rows=given)
        case "Hash Join" | "Merge Join":
            one, other = (rows_in_words(_given(child, share)) for child in node.inputs)
            partners = _PARTNERS.get(str(node.facts.get("Join Type")), "")
            return Step(f"{before}matches {one} with {other} by equal values{partners}", rows=given)
        case "WindowAgg":
            return Step(f"{before}numbers {rows_in_words(taken)}", rows=taken)
        case "CTE Scan":
            return Step(f"{before}reads {rows_in_words(given)} kept of a query of WITH", rows=given)
        case "Function Scan" | "Values Scan" | "ProjectSet":
            return Step(f"{before}computes {rows_in_words(given)}", rows=given)
        case "Limit":
            if node.stops_early:
                return Step(f"{before}stops after {rows_in_words(given, exact=True)}", rows=given)
    return None


def _aggregate(node: Node, before: str, taken: float, given: float) -> Step | None:
    if node.facts.get("Partial Mode") == "Partial":
        return None  # the whole of it comes above
    if node.facts.get("Partial Mode") == "Finalize":
        taken = _rows_below(node)
    keys = node.facts.get("Group Key", ())
    if keys and set(node.facts.get("Output", ())) <= {*keys, *(key.rpartition(".")[2] for key in keys)}:
        return Step(f"{before}drops duplicates among {rows_in_words(taken)}", rows=taken)
    if keys:
        return Step(f"{before}groups {rows_in_words(taken)} into {rows_in_words(given)}", rows=taken)
    return Step(f"{before}sums up {rows_in_words(taken)}", rows=taken)


def _rows_below(node: Node) -> float:
    """Return the rows that go into the partial sums below a final one."""
    share, below = 1.0, node
    while below.facts.get("Partial Mode") != "Partial":
        share *= _processes(below)
        below = below.inputs[0]
    return sum(_given(child, share) for child in below.inputs)


def _partial(node: Node) -> bool:
    """Whether several processes share the rows of a node."""
    while not node.facts.get("Parallel Aware") or node.kind == "Gather":
        if not node.inputs or node.kind in {"Gather", "Gather Merge"}:
            return False
        node = node.inputs[0]
    return True


def _nested_loop(node: Node, around: _Around, share: float) -> Iterator[Step]:
    outer, inner = node.inputs
    yield from _steps(outer, around, share)
    rows = _given(outer, share)
    if any(scan.needs_others for scan in _scans(inner)):
        runs = rows * (around.runs or 1.0)
        yield from _steps(inner, _Around(runs, _name(outer) or around.driver, around.stops), share)
        return
    yield from _steps(inner, _Around(stops=around.stops), share)
    if rows <= 1 or inner.estimate.rows <= 1:
        return
    pairs = rows * inner.estimate.rows
    words = f"compares each of {rows_in_words(rows)} with each of {rows_in_words(inner.estimate.rows)}"
    advice = None
    if pairs >= MANY_PAIRS:
        advice = (
            "Every row of one side is compared with every row of the other. Join on equal values, or on positions "
            "by DISTANCE(a.ra, a.dec, b.ra, b.dec) < radius."
        )
    yield Step(f"{words}: {number(pairs)} pairs", rows=pairs, advice=advice)


def _name(node: Node) -> str | None:
    """Return the name of the one table whose rows a node gives; None where there are more."""
    names = {scan.table.name for scan in _scans(node) if scan.table is not None}
    return names.pop() if len(names) == 1 else None


def _scans(node: Node) -> Iterator[Node]:
    """Yield the nodes that read tables."""
    if "Relation Name" in node.facts:
        yield node
        return
    for child in node.children:
        yield from _scans(child)


def _scan(node: Node, around: _Around, given: float) -> Step:
    name = node.table.name if node.table is not None else "a table"
    lookups = [lookup for lookup in node.lookups if lookup.index_condition]
    before = around.before if node.needs_others or not lookups else ""
    if lookups:
        way = _way(node, lookups)
        if before:
            return Step(f"{before}looks up {name} by {way.replace('the ', 'its ')}", name, given)
        return Step(f"uses {way} of {name}: {rows_in_words(given)}", name, given)
    known = float(node.table.rows if node.table is not None else given)
    everything, whole = rows_in_words(known, exact=True), "all "
    if not node.filtered and not 0.5 < given / max(known, 1.0) < 2:
        known, everything, whole = given, rows_in_words(given), ""  # a table that grows, such as TAP_SCHEMA's
    if around.stops:
        return Step(f"{before}reads {name}, which has {everything}, until it has enough", name, given)
    order = " in the order of an index" if node.kind == "Index Scan" else ""
    source = " from an index" if node.kind == "Index Only Scan" else ""
    kept = f" and keeps {rows_in_words(given)}" if node.filtered else ""
    advice = _spared(node) if known >= MANY_ROWS and given < known / 10 else None
    return Step(f"{before}reads {whole}{everything} of {name}{source}{order}{kept}", name, known, advice)


def _spared(node: Node) -> str | None:
    """Return which conditions would spare reading a table."""
    if node.table is None:
        return None
    names = [column.column.name for column in node.table.columns if column.indexed][:LISTED]
    ways = [f"on the position ({', '.join(node.table.position)})"] if node.table.position else []
    ways += [f"on {', '.join(names)}"] if names else []
    if not ways:
        return None
    return f"No index serves the conditions on {node.table.name}. Those that one serves: {'; '.join(ways)}."


def _way(scan: Node, lookups: Sequence[Node]) -> str:
    """Return the indexes by which a scan finds rows."""
    ways = list(dict.fromkeys(_index(scan, lookup) for lookup in lookups))
    return " and ".join(ways)


def _index(scan: Node, lookup: Node) -> str:
    if lookup.by_sky:
        return "the sky index"
    if "healpix" in lookup.index_condition:
        return "the HEALPix index"
    columns = scan.table.columns if scan.table is not None else ()
    published = {column.sql_name or column.column.name: column.column.name for column in columns}
    looked_up = (name for alias, name in columns_in(lookup.index_condition) if alias == scan.facts.get("Alias"))
    names = list(dict.fromkeys(published[name] for name in looked_up if name in published))
    return f"the index on {' and '.join(names)}" if names else "an index"
