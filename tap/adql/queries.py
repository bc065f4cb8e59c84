"""Queries: SELECT, WITH and what each hands on; order and groups are in `ordering`, UNION and its kin in `sets`."""

# ruff: noqa: S608  (the package writes SQL: names come from the catalogue, literals are encoded anew)
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tap.adql.conditions import condition
from tap.adql.context import Context
from tap.adql.errors import ADQLError
from tap.adql.exports import SelectList, client_sql, indexed_pairs, select_list, unique_columns
from tap.adql.limits import MAX_COLUMNS, MAX_JOINED
from tap.adql.names import field_name, unique_names
from tap.adql.operands import Value
from tap.adql.ordering import check_grouped, group_keys, order_keys, order_of_columns
from tap.adql.planner.joins import emit, resolve_tables
from tap.adql.relations import Relation, Source, source_of
from tap.adql.scopes import Results, Scope
from tap.adql.sets import united
from tap.adql.syntax import ast
from tap.adql.types import Kind
from tap.adql.values import field_value, value

_WHOLE = ast.Identifier(0, "", delimited=True)


def statement(node: ast.Statement, context: Context, limit: int | None) -> Relation:
    """Translate a whole query; its columns are called c0, c1 … and have the types that the client gets."""
    common = []
    for table in node.common_tables:
        key = table.name.text.lower()
        if key in context.common_tables:
            raise ADQLError(f"Two queries of WITH are called {table.name.text}.", table.position)
        before = context.reads
        relation = _query(table.query, Scope(context, None))
        reads, context.reads = context.reads - before, before
        name = context.alias()
        # Without this PostgreSQL computes a query that is used twice in full, and no index reaches into it.
        hint = "NOT MATERIALIZED " if relation.positions else ""
        common.append(f"{name} AS {hint}({relation.sql})")
        context.common_tables[key] = (table.name, replace(relation, sql=name), max(1, reads))
    relation = _final(node.query, Scope(context, None), limit)
    return replace(relation, sql=f"WITH {', '.join(common)} {relation.sql}") if common else relation


def _final(node: ast.Query, outer: Scope, limit: int | None) -> Relation:
    """Translate the outermost query."""
    body = node.body
    if isinstance(body, ast.Query) and not node.order_by and node.offset is None:
        return _final(body, outer, limit)
    if isinstance(body, ast.Select):
        return _select(body, outer, node.order_by, node.offset, final=True, limit=limit)
    relation = _query(node, outer)
    source = source_of(replace(relation, sql=f"({relation.sql})"), _WHOLE, outer.context)
    scope = Scope(outer.context, None, [source])
    values = [field_value(source, place, 0, scope) for place in range(len(relation.fields))]
    columns = ", ".join(f"{client_sql(part)} AS c{i}" for i, part in enumerate(values))
    sql = f"SELECT {columns} FROM {source.relation.sql} AS {source.alias}{_limit(limit)}"
    names = unique_names([entry.column.name for entry in relation.fields])
    fields = (
        replace(entry, column=replace(entry.column, name=name))
        for entry, name in zip(relation.fields, names, strict=True)
    )
    return replace(relation, sql=sql, fields=tuple(fields))


def subquery(node: ast.Query, outer: Scope) -> Relation:
    """Translate a query inside another."""
    return _query(node, outer)


def _query(node: ast.Query, outer: Scope, *, canonical: bool = False) -> Relation:
    """Translate a query that is not the outermost; `canonical` where its columns must match another query's."""
    body = node.body
    if isinstance(body, ast.Select):
        return _select(body, outer, node.order_by, node.offset, canonical=canonical)
    if isinstance(body, ast.Query):
        relation = _query(body, outer, canonical=canonical)
        if not node.order_by and node.offset is None:
            return relation
        relation = replace(relation, sql=f"SELECT * FROM ({relation.sql}) AS {outer.context.alias()}")
    else:
        relation = _set_operation(body, outer)
    order = order_of_columns(node.order_by, relation)
    if node.offset is None and not order:
        return relation
    positions = frozenset() if node.offset is not None else relation.positions
    return replace(relation, sql=f"{relation.sql}{order}{_offset(node.offset)}", positions=positions)


def _limit(limit: int | None) -> str:
    return "" if limit is None else f" LIMIT {limit}"


def _offset(offset: int | None) -> str:
    return "" if offset is None else f" OFFSET {offset}"


# ---- SELECT ---------------------------------------------------------------------------------------------------------


def _select(
    node: ast.Select,
    outer: Scope,
    order_by: Sequence[ast.OrderTerm] = (),
    offset: int | None = None,
    *,
    final: bool = False,
    canonical: bool = False,
    limit: int | None = None,
) -> Relation:
    """Translate one SELECT with its order and offset."""
    scope = Scope(outer.context, outer if outer.sources else outer.parent)
    trees = resolve_tables(node.tables, scope, subquery)
    if (tables := _joined(scope)) > MAX_JOINED:
        message = f"Tables of FROM and of its subqueries: {tables}, and the limit is {MAX_JOINED}."
        raise ADQLError(message, node.tables[0].position, hint="Split the query into several.")
    from_sql, conditions = emit(trees, node.where, scope, subquery)
    groups = group_keys(node, scope)
    scope.clause = "SELECT"
    values, names = _items(node, scope)
    having = None
    if node.having is not None:
        scope.clause = "HAVING"
        scope.aggregated = True
        having = condition(node.having, scope, subquery)
    if node.distinct and not final:
        for part in values:
            if part.kind is Kind.MOC:
                raise ADQLError("DISTINCT does not compare MOCs.", part.position, hint="Write CAST(m AS VARCHAR).")
    if node.distinct:  # which compares values, and takes NaN for unknown as conditions do
        values = [replace(part, stored=None) for part in values]
    shown = unique_names(names) if final else names
    selected = select_list(values, shown, final=final, canonical=canonical or node.distinct)
    keys: list[str] = []
    if order_by:
        keys = order_keys(order_by, Results(names, values), selected.columns, scope, distinct=node.distinct)
    if scope.aggregated or node.group_by:
        check_grouped(values)
    elif final and not keys and not node.distinct:
        keys = _as_they_came(scope)
    text = [f"SELECT {'DISTINCT ' if node.distinct else ''}{selected.sql} FROM {from_sql}"]
    if conditions:
        text.append("WHERE " + " AND ".join(conditions))
    if groups:
        text.append("GROUP BY " + ", ".join(groups))
    if having is not None:
        text.append("HAVING " + having)
    if keys:
        text.append("ORDER BY " + ", ".join(keys))
    limits = [number for number in (node.top, limit) if number is not None]
    sql = " ".join(text) + _limit(min(limits, default=None)) + _offset(offset)
    return Relation(sql, selected.fields) if final else _handed_on(node, sql, selected, offset, scope)


def _as_they_came(scope: Scope) -> list[str]:
    """Return the order of the rows of the only table, where that is another one than it is stored in."""
    if len(scope.sources) != 1 or scope.sources[0].relation.row_number is None:
        return []
    return [f"{scope.sources[0].alias}.{scope.sources[0].relation.row_number}"]


def _handed_on(node: ast.Select, sql: str, selected: SelectList, offset: int | None, scope: Scope) -> Relation:
    """Return a translated SELECT with what the query around it may know about its rows."""
    grouped = scope.aggregated or bool(node.group_by)
    whole = not grouped and node.top is None and offset is None
    rows = max((source.relation.rows for source in scope.sources), default=0)
    return Relation(
        sql,
        selected.fields,
        indexed_pairs(selected, scope) if whole else frozenset(),
        unique_columns(selected, scope) if whole else frozenset(),
        rows if node.top is None else min(rows, node.top),
        # An aggregate of all rows has one even where there are none.
        scope.reaches if node.group_by or not scope.aggregated else (),
        _joined(scope) if whole and not node.distinct else 1,
    )


def _joined(scope: Scope) -> int:
    """Return how many tables PostgreSQL plans together: it takes subqueries of FROM apart where it can."""
    return sum(source.relation.tables for source in scope.sources)


def _items(node: ast.Select, scope: Scope) -> tuple[list[Value], list[str]]:
    """Translate a select list to values and their names as written."""
    values: list[Value] = []
    names: list[str] = []
    if len(node.items) > 1 and not scope.context.dialect.star_among_items:
        for item in node.items:
            if isinstance(item, ast.Star):
                raise ADQLError("* stands alone in a select list.", item.position)
    for item in node.items:
        if isinstance(item, ast.Star):
            columns = _starred(item, scope)
            scope.context.expand(len(columns), item.position)
            for source, place in columns:
                starred = field_value(source, place, item.position, scope, qualified=bool(item.name))
                names.append(starred.column.name)
                values.append(starred)
            continue
        translated = value(item.value, scope)
        if item.alias is not None:
            names.append(item.alias.text)
        elif isinstance(item.value, ast.ColumnReference):
            names.append(translated.column.name)
        else:
            names.append(field_name(item.value, translated, len(values) + 1))
        values.append(translated)
    if len(values) > MAX_COLUMNS:
        raise ADQLError(f"Columns of a select list: {len(values)}, and the limit is {MAX_COLUMNS}.", node.position)
    return values, names


def _starred(item: ast.Star, scope: Scope) -> list[tuple[Source, int]]:
    """Return the columns of a star; merged columns of USING and NATURAL appear once, and first (SQL-92, 7.5)."""
    if item.name:
        source, found = scope.source(item.name)
        if found is not scope:
            raise ADQLError("A star names a table of the same FROM.", item.position)
        return [(source, place) for place in range(len(source.relation.fields))]
    shown = [
        (source, place)
        for source in scope.sources
        for place in range(len(source.relation.fields))
        if place not in source.hidden
    ]
    hidden = {s.relation.fields[place].column.name.lower() for s in scope.sources for place in s.hidden}
    return sorted(shown, key=lambda found: found[0].relation.fields[found[1]].column.name.lower() not in hidden)


# ---- set operations -------------------------------------------------------------------------------------------------


def _set_operation(node: ast.SetOperation, outer: Scope) -> Relation:
    """Translate operands from left to right."""
    relations = [_operand(operand, outer) for operand in node.operands]
    return united(node, relations, outer.context)


def _operand(node: ast.Operand, outer: Scope) -> Relation:
    if isinstance(node, ast.Select):
        return _select(node, outer, canonical=True)
    return _set_operation(node, outer) if isinstance(node, ast.SetOperation) else _query(node, outer, canonical=True)
