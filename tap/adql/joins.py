"""Tables of FROM: names, joins, and the fences that make positional joins fast.

PostgreSQL knows nothing of how few rows a positional join yields and, given any other filter on a table, may read the
table by it once a row of the other. So the table whose Q3C index shall be used is put behind a fence,
``driver JOIN LATERAL (SELECT * FROM inner WHERE index condition OFFSET 0)``: there the driver's position is a parameter
and no other plan is left.
"""

# ruff: noqa: S608  (the package writes SQL: names come from the catalogue, literals are encoded anew)
from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from tap.adql import ast
from tap.adql.conditions import Subquery, align, condition, proximity
from tap.adql.errors import ADQLError
from tap.adql.geometry import Point, circle_ranges, constant_coordinates, indexed
from tap.adql.scopes import Relation, Scope, Source, Value, source_of, table_source
from tap.adql.values import field_value, value


@dataclass(slots=True)
class Leaf:
    """One table of FROM; `fence` is the index condition under which it is read, where there is one."""

    source: Source
    fence: str | None = None


@dataclass(slots=True)
class Branch:
    """Two sides of a join; `equalities` are the conditions of USING and NATURAL."""

    left: Tree
    right: Tree
    kind: str
    on: ast.Condition | None
    scope: Scope
    position: int
    equalities: list[str] = field(default_factory=list)


Tree: TypeAlias = Leaf | Branch


def resolve_tables(tables: Sequence[ast.Table], scope: Scope, subquery: Subquery) -> list[Tree]:
    """Look up the tables of FROM and add them to the scope."""
    return [_resolve(table, scope, subquery) for table in tables]


def _resolve(node: ast.Table, scope: Scope, subquery: Subquery) -> Tree:
    match node:
        case ast.TableReference():
            source = _named(node, scope)
        case ast.DerivedTable(query=query, alias=alias):
            # A subquery in FROM does not see the tables beside it.
            outer = Scope(scope.context, scope.parent)
            relation = subquery(query, outer)
            source = source_of(_in_parentheses(relation), alias, scope.context)
        case ast.Joined():
            return _joined(node, scope, subquery)
    scope.add(source)
    return Leaf(source)


def _in_parentheses(relation: Relation) -> Relation:
    return replace(relation, sql=f"({relation.sql})")


def _named(node: ast.TableReference, scope: Scope) -> Source:
    """Return the source of a table or common table."""
    if len(node.name) > 3:
        raise ADQLError("A table has at most three parts: catalogue, schema, table.", node.position)
    name = node.alias or node.name[-1]
    common = scope.context.common_table(node.name[0]) if len(node.name) == 1 else None
    if common is not None:
        return source_of(common, name, scope.context)
    table = scope.context.catalogue.find(node.name)
    return table_source(table, name, scope.context, aliased=node.alias is not None)


def _joined(node: ast.Joined, scope: Scope, subquery: Subquery) -> Tree:
    tree = _resolve(node.first, scope, subquery)
    for join in node.joins:
        right = _resolve(join.table, scope, subquery)
        left_sources, right_sources = list(sources(tree)), list(sources(right))
        inside = scope.narrowed([*left_sources, *right_sources])
        branch = Branch(tree, right, join.kind, join.on, inside, join.position)
        if join.natural or join.using:
            if join.on is not None:
                raise ADQLError("NATURAL JOIN does not take ON.", join.position)
            _merge(join, left_sources, right_sources, branch)
        elif join.on is None:
            if join.kind != "INNER" or not (join.cross or scope.context.dialect.join_without_condition):
                hint = "Such as ON a.id = b.id, or USING (id) for columns of one name."
                raise ADQLError("JOIN needs ON, USING or NATURAL.", join.position, hint=hint)
        elif join.kind == "FULL":
            _check_full(join.on, left_sources, inside)
        tree = branch
    return tree


def sources(tree: Tree) -> Iterator[Source]:
    """Yield the tables of a tree from left to right."""
    if isinstance(tree, Leaf):
        yield tree.source
    else:
        yield from sources(tree.left)
        yield from sources(tree.right)


def _merge(join: ast.Join, left: Sequence[Source], right: Sequence[Source], branch: Branch) -> None:
    """Merge the columns of USING or NATURAL: the one of the side that is always there stays visible."""
    if join.using:
        wanted = list(join.using)
    else:
        names = {name for source in right for name in source.by_name}
        visible = (
            entry.column.name
            for source in left
            for place, entry in enumerate(source.relation.fields)
            if place not in source.hidden and entry.column.name.lower() in names
        )
        wanted = [ast.Identifier(join.position, name, delimited=True) for name in dict.fromkeys(visible)]
    for name in wanted:
        one, other = (_single(name, side, join) for side in (left, right))
        values = [field_value(*found, name.position, branch.scope) for found in (one, other)]
        first, second = align(values, "USING")
        branch.equalities.append(f"{first.sql} = {second.sql}")
        if join.kind == "FULL":
            one[0].merged[one[1]] = f"COALESCE({first.sql}, {second.sql})"
        dropped = one if join.kind == "RIGHT" else other
        dropped[0].hidden.add(dropped[1])


def _single(name: ast.Identifier, side: Sequence[Source], join: ast.Join) -> tuple[Source, int]:
    """Return the only visible column of a name on one side."""
    if not join.using:
        name = ast.Identifier(name.position, name.text, delimited=False)
    found = [(source, place) for source in side for place in source.places(name) if place not in source.hidden]
    if len(found) != 1:
        problem = "is ambiguous" if found else "does not exist"
        raise ADQLError(f"The column {name.text} of USING or NATURAL {problem} on one side.", name.position)
    return found[0]


def _check_full(node: ast.Condition, left: Sequence[Source], scope: Scope) -> None:
    """Refuse a FULL JOIN without an equality between its sides: PostgreSQL has no way to run it."""
    for part in conjuncts(node):
        if isinstance(part, ast.Comparison) and part.operator == "=":
            one, other = value(part.left, scope), value(part.right, scope)
            sides = [{source in left for source in operand.sources} for operand in (one, other)]
            if all(len(side) == 1 for side in sides) and sides[0] != sides[1]:
                return
    hint = "Join on equal columns, or use LEFT JOIN."
    raise ADQLError("FULL JOIN cannot be done on a position or an inequality alone.", node.position, hint=hint)


def conjuncts(node: ast.Condition | None) -> Iterator[ast.Condition]:
    """Yield the conditions that must all hold."""
    if isinstance(node, ast.And):
        for operand in node.operands:
            yield from conjuncts(operand)
    elif node is not None:
        yield node


# ---- fences ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Pair:
    """A condition by which one indexed table can be found from another."""

    inner: Source
    driver: Source
    fence: str


def emit(trees: Sequence[Tree], where: ast.Condition | None, scope: Scope, subquery: Subquery) -> tuple[str, list[str]]:
    """Return the text of FROM, and the conditions that moved from ON to WHERE."""
    if all(_inner(tree) for tree in trees):
        conditions = [(part, scope) for part in conjuncts(where)]
        branches = [branch for tree in trees for branch in _branches(tree)]
        conditions += [(part, branch.scope) for branch in branches for part in conjuncts(branch.on)]
        leaves = {leaf.source: leaf for tree in trees for leaf in _leaves(tree)}
        if len(leaves) > 1 and _fence(leaves, conditions, scope):
            return _fenced(leaves, branches, scope, subquery)
    else:
        for tree in trees:
            for branch in _branches(tree):
                _fence_outer(branch, scope)
    return ", ".join(_emit(tree, subquery) for tree in trees), []


def _inner(tree: Tree) -> bool:
    """Whether a tree consists of inner joins only."""
    return isinstance(tree, Leaf) or (tree.kind == "INNER" and _inner(tree.left) and _inner(tree.right))


def _branches(tree: Tree) -> Iterator[Branch]:
    if isinstance(tree, Branch):
        yield from _branches(tree.left)
        yield from _branches(tree.right)
        yield tree


def _leaves(tree: Tree) -> Iterator[Leaf]:
    if isinstance(tree, Leaf):
        yield tree
    else:
        yield from _leaves(tree.left)
        yield from _leaves(tree.right)


def _fence(leaves: dict[Source, Leaf], conditions: Sequence[tuple[ast.Condition, Scope]], scope: Scope) -> bool:
    """Choose for each positional condition which table drives; return whether there is any."""
    small: set[Source] = set()
    nears = []
    for part, place in conditions:
        near = proximity(part, place)
        if near is None:
            small |= _selected(part, place)
        elif constant_coordinates(near.first) is not None or constant_coordinates(near.second) is not None:
            if near.radius.constant is not None:
                small |= near.first.lon.sources | near.second.lon.sources
        else:
            nears.append(near)
    for near in nears:
        choices = [
            pair
            for inner, centre in ((near.first, near.second), (near.second, near.first))
            if (pair := _pair(inner, centre, near.radius)) is not None
            and pair.inner in leaves
            and pair.driver in leaves
            and leaves[pair.inner].fence is None
            and not _drives(scope, pair.inner, pair.driver)
        ]
        if choices:
            best = max(choices, key=lambda pair: (pair.inner not in small, pair.inner.relation.rows))
            leaves[best.inner].fence = best.fence
            scope.fences[best.inner] = best.driver
    return bool(scope.fences)


def _selected(part: ast.Condition, scope: Scope) -> set[Source]:
    """Return the table of which a condition selects one row: a unique column equals a constant."""
    if isinstance(part, ast.Comparison) and part.operator == "=":
        for one, other in ((part.left, part.right), (part.right, part.left)):
            if isinstance(one, ast.ColumnReference) and isinstance(other, ast.Number | ast.String):
                column = value(one, scope)
                if column.origin is not None and column.origin[1] in column.origin[0].relation.unique:
                    return {column.origin[0]}
    return set()


def _pair(point: Point, centre: Point, radius: Value) -> _Pair | None:
    """Return how the table of an indexed point is found from the one table of a centre and radius."""
    drivers = centre.lon.sources | centre.lat.sources | radius.sources
    if not indexed(point) or len(drivers) != 1 or point.lon.origin is None:
        return None
    inner, driver = point.lon.origin[0], next(iter(drivers))
    fence = circle_ranges(point, centre, radius)
    return _Pair(inner, driver, fence) if inner is not driver and fence is not None else None


def _drives(scope: Scope, inner: Source, driver: Source | None) -> bool:
    """Whether `driver` is itself read after `inner`."""
    while driver is not None:
        if driver is inner:
            return True
        driver = scope.fences.get(driver)
    return False


def _fence_outer(branch: Branch, scope: Scope) -> None:
    """Put the optional side of an outer join behind a fence, if it is one table found from the other side."""
    optional, other = (branch.left, branch.right) if branch.kind == "RIGHT" else (branch.right, branch.left)
    if not isinstance(optional, Leaf) or branch.kind == "FULL":
        return
    if branch.kind == "RIGHT" and not isinstance(other, Leaf):
        return
    drivers = set(sources(other))
    for part in conjuncts(branch.on):
        near = proximity(part, branch.scope)
        if near is None:
            continue
        for inner, centre in ((near.first, near.second), (near.second, near.first)):
            pair = _pair(inner, centre, near.radius)
            if pair is not None and pair.inner is optional.source and pair.driver in drivers:
                optional.fence = pair.fence
                scope.fences[pair.inner] = pair.driver
                return


# ---- text -----------------------------------------------------------------------------------------------------------


def _fenced(
    leaves: dict[Source, Leaf], branches: Sequence[Branch], scope: Scope, subquery: Subquery
) -> tuple[str, list[str]]:
    """Return inner joins with each table after the one that drives it."""

    def depth(leaf: Leaf) -> int:
        driver = scope.fences.get(leaf.source)
        return 0 if driver is None else 1 + depth(leaves[driver])

    ordered = sorted(leaves.values(), key=depth)
    text = " CROSS JOIN ".join(_table(leaf) for leaf in ordered)
    conditions = [part for branch in branches for part in _on(branch, subquery)]
    return text, conditions


def _on(branch: Branch, subquery: Subquery) -> list[str]:
    """Return the conditions of a join."""
    found = list(branch.equalities)
    if branch.on is not None:
        text = condition(branch.on, branch.scope, subquery, indexable=True)
        found.append(f"({text})")
    return found


def _table(leaf: Leaf) -> str:
    """Return a table as it stands in FROM."""
    source = leaf.source
    if leaf.fence is None:
        return f"{source.relation.sql} AS {source.alias}"
    inside = f"SELECT * FROM {source.relation.sql} AS {source.alias} WHERE {leaf.fence} OFFSET 0"
    return f"LATERAL ({inside}) AS {source.alias}"


def _emit(tree: Tree, subquery: Subquery) -> str:
    """Return a tree as it stands in FROM."""
    if isinstance(tree, Leaf):
        return _table(tree)
    left, right, kind = tree.left, tree.right, tree.kind
    if kind == "RIGHT" and isinstance(left, Leaf) and left.fence is not None:
        left, right, kind = right, left, "LEFT"  # a fence must stand after its driver
    right_text = _emit(right, subquery)
    if isinstance(right, Branch):
        right_text = f"({right_text})"
    return f"{_emit(left, subquery)} {kind} JOIN {right_text} ON {' AND '.join(_on(tree, subquery)) or 'TRUE'}"
