"""Tables of FROM: names, what joins them, and how they stand in SQL."""

# ruff: noqa: S608  (the package writes SQL: names come from the catalogue, literals are encoded anew)
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tap.adql.conditions import Subquery, align, comparison, predicate
from tap.adql.errors import ADQLError
from tap.adql.planner.fences import Branch, Leaf, Tree, arrange, leaves
from tap.adql.planner.predicates import Predicate, bounded, written
from tap.adql.planner.semijoins import reaches, row_conditions
from tap.adql.relations import Relation, Source, source_of, table_source
from tap.adql.scopes import Scope
from tap.adql.syntax import ast
from tap.adql.values import field_value


def resolve_tables(tables: Sequence[ast.Table], scope: Scope, subquery: Subquery) -> list[Tree]:
    """Look up the tables of FROM and add them to the scope; translate what joins them."""
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
        left_sources, right_sources = _sources(tree), _sources(right)
        inside = scope.narrowed([*left_sources, *right_sources])
        conditions: list[Predicate] = []
        if join.natural or join.using:
            if join.on is not None:
                raise ADQLError("NATURAL JOIN does not take ON.", join.position)
            conditions = _merge(join, left_sources, right_sources, inside)
        elif join.on is not None:
            translated = predicate(join.on, inside, subquery)
            conditions = list(translated.every or (translated,))
            if join.kind == "FULL":
                _check_full(conditions, join.on.position, left_sources, right_sources)
        elif join.kind != "INNER" or not (join.cross or scope.context.dialect.join_without_condition):
            hint = "Such as ON a.id = b.id, or USING (id) for columns of one name."
            raise ADQLError("JOIN needs ON, USING or NATURAL.", join.position, hint=hint)
        tree = Branch(tree, right, join.kind, conditions)
    return tree


def _sources(tree: Tree) -> list[Source]:
    """Return the tables of a tree from left to right."""
    return [leaf.source for leaf in leaves(tree)]


def _merge(join: ast.Join, left: Sequence[Source], right: Sequence[Source], scope: Scope) -> list[Predicate]:
    """Merge the columns of USING or NATURAL: the one of the side that is always there stays visible."""
    if join.using:
        wanted = list(join.using)
    else:
        scope.context.expand(sum(len(source.relation.fields) for source in (*left, *right)), join.position)
        names = {name for source in right for name in source.by_name}
        visible = (
            entry.column.name
            for source in left
            for place, entry in enumerate(source.relation.fields)
            if place not in source.hidden and entry.column.name.lower() in names
        )
        wanted = [ast.Identifier(join.position, name, delimited=True) for name in dict.fromkeys(visible)]
    equalities = []
    for name in wanted:
        one, other = (_single(name, side, join) for side in (left, right))
        what = f"{'USING' if join.using else 'NATURAL JOIN'}, column {name.text},"
        first, second = align([field_value(*found, name.position, scope) for found in (one, other)], what)
        equalities.append(comparison(first, "=", second))
        if join.kind == "FULL":
            one[0].merged[one[1]] = f"COALESCE({first.sql}, {second.sql})"
        dropped = one if join.kind == "RIGHT" else other
        dropped[0].hidden.add(dropped[1])
    return equalities


def _single(name: ast.Identifier, side: Sequence[Source], join: ast.Join) -> tuple[Source, int]:
    """Return the only visible column of a name on one side."""
    if not join.using:
        name = ast.Identifier(name.position, name.text, delimited=False)
    found = [(source, place) for source in side for place in source.places(name) if place not in source.hidden]
    if len(found) != 1:
        problem = "is ambiguous" if found else "does not exist"
        raise ADQLError(f"The column {name.text} of USING or NATURAL {problem} on one side.", name.position)
    return found[0]


def _check_full(
    conditions: Sequence[Predicate], position: int, left: Sequence[Source], right: Sequence[Source]
) -> None:
    """Refuse a FULL JOIN without an equality between its sides: PostgreSQL has no way to run it."""
    for part in conditions:
        if part.equal is not None:
            one, other = (operand.sources for operand in part.equal)
            for side, opposite in ((left, right), (right, left)):
                if one and other and one.issubset(side) and other.issubset(opposite):
                    return
    raise ADQLError(
        "FULL JOIN cannot be done on a position or an inequality alone.",
        position,
        hint="Write a LEFT JOIN, and UNION ALL the rows of the other table for which NOT EXISTS finds no match.",
    )


# ---- text -----------------------------------------------------------------------------------------------------------


def emit(trees: Sequence[Tree], where: ast.Condition | None, scope: Scope, subquery: Subquery) -> tuple[str, list[str]]:
    """Return the text of FROM, and the conditions of WHERE, those that moved there from ON first."""
    scope.clause = "WHERE"
    held: list[Predicate] = []
    if where is not None:
        translated = predicate(where, scope, subquery)
        held = list(translated.every or (translated,))
    members, moved = arrange(trees, held, scope)
    text = " CROSS JOIN ".join((_text(members[0], scope), *(_operand(member, scope) for member in members[1:])))
    conditions = [written(part, scope.fenced, indexable=True) for part in (*moved, *held)]
    if scope.parent is not None:
        scope.reaches = tuple(reaches(held, scope))
    free = [source for source in scope.sources if source not in scope.fenced]
    return text, [*bounded(held, free, scope.context.alias), *row_conditions([*moved, *held], scope), *conditions]


def _text(tree: Tree, scope: Scope) -> str:
    """Return a tree as it stands in FROM."""
    if isinstance(tree, Leaf):
        return _table(tree)
    left, right, kind = tree.left, tree.right, tree.kind
    if kind == "RIGHT":  # what is read behind a fence must stand after its driver
        left, right, kind = right, left, "LEFT"
    if not tree.conditions and kind == "INNER":
        return f"{_text(left, scope)} CROSS JOIN {_operand(right, scope)}"
    conditions = " AND ".join(written(part, scope.fenced, indexable=True) for part in tree.conditions)
    return f"{_text(left, scope)} {kind} JOIN {_operand(right, scope)} ON {conditions or 'TRUE'}"


def _operand(tree: Tree, scope: Scope) -> str:
    """Return a tree as it stands at the right of JOIN."""
    return _table(tree) if isinstance(tree, Leaf) else f"({_text(tree, scope)})"


def _table(leaf: Leaf) -> str:
    """Return a table as it stands in FROM."""
    source, fence = leaf.source, leaf.fence
    if fence is None:
        return f"{source.relation.sql} AS {source.alias}"
    inside = f"SELECT * FROM {source.relation.sql} AS {source.alias} WHERE {fence.sql} OFFSET 0"
    if fence.places:
        places = " CROSS JOIN ".join(fence.places)
        inside = f"SELECT {source.alias}.* FROM {places} CROSS JOIN LATERAL ({inside}) AS {source.alias}"
    return f"LATERAL ({inside}) AS {source.alias}"
