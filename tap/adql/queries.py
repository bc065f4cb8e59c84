"""Queries: select lists, grouping, order, set operations and WITH."""

# ruff: noqa: S608  (the package writes SQL: names come from the catalogue, literals are encoded anew)
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tap.adql.conditions import condition
from tap.adql.errors import ADQLError
from tap.adql.limits import MAX_COLUMNS
from tap.adql.names import field_name, unique_names
from tap.adql.operands import wide_enough
from tap.adql.ordering import check_grouped, order_keys, order_of_columns, sorting
from tap.adql.planner.joins import emit, resolve_tables
from tap.adql.scopes import (
    Context,
    Field,
    Relation,
    Results,
    Scope,
    Source,
    Value,
    kind_of_field,
    source_of,
)
from tap.adql.sky.geometry import Stored, as_circle, as_point, dali_array, parts_of, polygon_array
from tap.adql.syntax import ast
from tap.adql.types import DOUBLE, GEOMETRIES, UNKNOWN, Kind, arithmetic_type, client_type, number_column
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


def client_sql(part: Value) -> str:
    """Return a value in the type that the client gets."""
    if part.kind in GEOMETRIES:
        return dali_array(part)
    wanted = client_type(part.column)
    if wanted is None or part.sql_type == "bytea" or (wanted == part.sql_type and part.kind is not Kind.NULL):
        return f"{part.sql}::text" if part.kind is Kind.TEXT and isinstance(part.constant, str) else part.sql
    return f"({part.sql})::{wanted}"


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
    from_sql, conditions = emit(trees, node.where, scope, subquery)
    groups = _group_by(node, scope)
    scope.clause = "SELECT"
    values, names = _items(node, scope)
    results = Results(names, values)
    having = None
    if node.having is not None:
        scope.clause = "HAVING"
        scope.aggregated = True
        having = condition(node.having, scope, subquery)
    canonical = canonical or node.distinct
    sql, fields, exported = _columns(values, unique_names(names) if final else names, final=final, canonical=canonical)
    keys: list[str] = []
    if order_by:
        scope.clause, scope.results = "ORDER BY", results
        keys = order_keys(order_by, exported, scope, distinct=node.distinct)
        scope.results = None
    if scope.aggregated or node.group_by:
        check_grouped(values)
    text = [f"SELECT {'DISTINCT ' if node.distinct else ''}{sql} FROM {from_sql}"]
    if conditions:
        text.append("WHERE " + " AND ".join(conditions))
    if groups:
        text.append("GROUP BY " + ", ".join(groups))
    if having is not None:
        text.append("HAVING " + having)
    if keys:
        text.append("ORDER BY " + ", ".join(keys))
    limits = [number for number in (node.top, limit) if number is not None]
    relation_sql = " ".join(text) + _limit(min(limits) if limits else None) + _offset(offset)
    if final:
        return Relation(relation_sql, fields)
    whole = not (scope.aggregated or groups or node.top is not None or offset is not None)
    positions = _positions(exported, scope) if whole else frozenset()
    rows = max((source.relation.rows for source in scope.sources), default=0)
    unique = _unique(exported, scope) if whole else frozenset()
    rows = min(rows, node.top) if node.top is not None else rows
    # An aggregate of all rows has one even where there are none.
    reaches = scope.reaches if groups or not scope.aggregated else ()
    return Relation(relation_sql, fields, positions, unique, rows, reaches)


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
            for source, place in _starred(item, scope):
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
        source = scope.source(item.name)
        if source not in scope.sources:
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


def _columns(
    values: Sequence[Value], names: Sequence[str], *, final: bool, canonical: bool
) -> tuple[str, tuple[Field, ...], list[list[tuple[str, Value]]]]:
    """Return the select list in SQL, the fields, and for each field the names and values of its columns."""
    written: list[str] = []
    fields = []
    exported = []
    for i, (part, name) in enumerate(zip(values, names, strict=True)):
        column = replace(part.column, name=name)
        if final:
            written.append(f"{client_sql(part)} AS c{i}")
            columns, sql_type = [(f"c{i}", part)], part.sql_type
        else:
            parts, sql_type = _exported(part, canonical=canonical)
            labels = [f"c{i}"] if len(parts) == 1 else [f"c{i}_{k}" for k in range(len(parts))]
            written += [f"{one.sql} AS {label}" for one, label in zip(parts, labels, strict=True)]
            columns = list(zip(labels, parts, strict=True))
        exported.append(columns)
        fields.append(Field(column, sql_type, tuple(label for label, _ in columns)))
    return ", ".join(written), tuple(fields), exported


def _exported(part: Value, *, canonical: bool) -> tuple[list[Value], str]:
    """Return the columns by which a subquery hands on a value.

    Points and circles are handed on as numbers, so that an index on their coordinates is reached through the subquery.
    """
    if part.kind not in GEOMETRIES:
        if part.kind is Kind.NULL:
            return [replace(part, sql=f"({part.sql})::text")], UNKNOWN
        if part.kind is Kind.TEXT and part.constant is not None:
            return [replace(part, sql=f"{part.sql}::text")], part.sql_type
        return [part], part.sql_type
    if isinstance(part.geometry, Stored) and not canonical:
        return [part], part.sql_type
    if part.kind is Kind.POINT:
        point = as_point(part)
        return [point.lon, point.lat], DOUBLE
    if part.kind is Kind.CIRCLE:
        circle = as_circle(part)
        return [circle.centre.lon, circle.centre.lat, circle.radius], DOUBLE
    return [replace(part, sql=polygon_array(part))], f"{DOUBLE}[]"


def _positions(exported: Sequence[Sequence[tuple[str, Value]]], scope: Scope) -> frozenset[tuple[str, str]]:
    """Return the pairs of columns of a select list that are columns under an index; none reaches over a fence."""
    by_origin: dict[tuple[Source, str], list[str]] = {}
    for columns in exported:
        for label, part in columns:
            if part.origin is not None and part.origin[0] not in scope.fenced:
                by_origin.setdefault(part.origin, []).append(label)
    return frozenset(
        (lon, lat)
        for source in {source for source, _ in by_origin}
        for first, second in source.relation.positions
        for lon in by_origin.get((source, first), ())
        for lat in by_origin.get((source, second), ())
    )


def _unique(exported: Sequence[Sequence[tuple[str, Value]]], scope: Scope) -> frozenset[str]:
    """Return the columns of a select list that stay unique: those of the only table."""
    if len(scope.sources) != 1:
        return frozenset()
    return frozenset(
        label
        for columns in exported
        for label, part in columns
        if part.origin is not None and part.origin[1] in part.origin[0].relation.unique
    )


# ---- GROUP BY ------------------------------------------------------------------------------------------------------


def _group_by(node: ast.Select, scope: Scope) -> list[str]:
    """Translate GROUP BY; a name is a column of the tables, or else an alias of the select list."""
    if not node.group_by:
        return []
    scope.clause = "GROUP BY"
    written: list[str] = []
    meant = {id(term): term for term in (_group_term(term, node, scope) for term in node.group_by)}
    for term in meant.values():
        grouped = value(term, scope)
        if isinstance(grouped.geometry, Stored) and not grouped.geometry.sql_type.endswith("[]"):
            hint = "Group by a column that tells the rows apart, such as an identifier."
            raise ADQLError(f"GROUP BY does not take {grouped.kind.value} of a table.", term.position, hint=hint)
        parts = parts_of(grouped.geometry) or [grouped]
        written += [sorting(part) for part in parts]
    scope.grouping = frozenset(written)
    return list(dict.fromkeys(written))


def _group_term(term: ast.Value, node: ast.Select, scope: Scope) -> ast.Value:
    """Return the value that a term of GROUP BY means."""
    if isinstance(term, ast.Number) and term.integer:
        place = int(term.text)
        item = node.items[place - 1] if 1 <= place <= len(node.items) else None
        if item is None or any(isinstance(item, ast.Star) for item in node.items[:place]):
            raise ADQLError(f"GROUP BY {place}: there is no such item in the select list.", term.position)
        return item.value if isinstance(item, ast.Item) else term
    if isinstance(term, ast.ColumnReference) and len(term.name) == 1:
        wanted = term.name[0]
        if not any(source.places(wanted) for source in scope.sources):
            for item in node.items:
                if isinstance(item, ast.Item) and item.alias is not None and _means(wanted, item.alias.text):
                    return item.value
    return term


def _means(wanted: ast.Identifier, name: str) -> bool:
    return wanted.text == name if wanted.delimited else wanted.text.lower() == name.lower()


# ---- set operations -------------------------------------------------------------------------------------------------


def _set_operation(node: ast.SetOperation, outer: Scope) -> Relation:
    """Translate operands from left to right; metadata and names come from the first."""
    relations = [_operand(operand, outer) for operand in node.operands]
    fields = list(relations[0].fields)
    for relation, operand in zip(relations[1:], node.operands[1:], strict=True):
        if len(relation.fields) != len(fields):
            counts = f"{len(fields)} and {len(relation.fields)}"
            raise ADQLError(f"The queries of a set operation have {counts} columns.", operand.position)
        fields = [_united(*pair, operand.position) for pair in zip(fields, relation.fields, strict=True)]
    types = [{relation.fields[place].sql_type for relation in relations} for place in range(len(fields))]
    relations = [_in_types(relation, fields, types, outer.context) for relation in relations]
    first = relations[0]
    sql = f"({first.sql})"
    for operator, relation in zip(node.operators, relations[1:], strict=True):
        sql = f"{sql} {operator} ({relation.sql})"
    # PostgreSQL takes no condition into the operands of EXCEPT.
    excepts = any(operator.startswith("EXCEPT") for operator in node.operators)
    positions = frozenset() if excepts else frozenset.intersection(*(relation.positions for relation in relations))
    return Relation(sql, tuple(fields), positions, rows=sum(relation.rows for relation in relations))


def _in_types(relation: Relation, fields: Sequence[Field], types: Sequence[set[str]], context: Context) -> Relation:
    """Return an operand with the columns of the whole: NULLs in their types, and double where PostgreSQL has less."""
    columns = []
    changed = False
    for own, wanted, given in zip(relation.fields, fields, types, strict=True):
        null = own.sql_type == UNKNOWN != wanted.sql_type
        narrow = wanted.sql_type == DOUBLE and DOUBLE not in given - {UNKNOWN} and not null
        changed = changed or null or narrow
        for k, name in enumerate(wanted.sql_names):
            inner = "NULL" if null else own.sql_names[k]
            columns.append(f"{inner}::{wanted.sql_type} AS {name}" if null or narrow else inner)
    if not changed:
        return relation
    sql = f"SELECT {', '.join(columns)} FROM ({relation.sql}) AS {context.alias()}"
    return replace(relation, sql=sql)


def _operand(node: ast.Operand, outer: Scope) -> Relation:
    if isinstance(node, ast.Select):
        return _select(node, outer, canonical=True)
    return _set_operation(node, outer) if isinstance(node, ast.SetOperation) else _query(node, outer, canonical=True)


def _united(first: Field, second: Field, position: int) -> Field:
    """Return the column that holds the values of two; NULLs go with everything."""
    kinds = kind_of_field(first), kind_of_field(second)
    if kinds[1] is Kind.NULL:
        return first
    if kinds[0] is Kind.NULL:
        return replace(second, column=replace(second.column, name=first.column.name))
    same = first.sql_type == second.sql_type
    if kinds[0] is not kinds[1] or (kinds[0] in (Kind.ARRAY, Kind.OPAQUE) and not same):
        names = f"{first.column.name} is {kinds[0].value}, {second.column.name} {kinds[1].value}"
        raise ADQLError(f"The columns of a set operation differ: {names}.", position, hint="Convert one by CAST.")
    if kinds[0] is not Kind.NUMBER:
        sizes = {first.column.arraysize, second.column.arraysize}
        arraysize = first.column.arraysize if len(sizes) == 1 else "*"
        column = wide_enough(replace(first.column, arraysize=arraysize), [second.column])
        return replace(first, column=column)
    sql_type = first.sql_type if same else arithmetic_type([first.sql_type, second.sql_type])
    if sql_type == first.sql_type and first.column.datatype is second.column.datatype:
        return first
    # A byte and a short are one type in PostgreSQL; the short holds both.
    return Field(replace(first.column, datatype=number_column(sql_type).datatype), sql_type, first.sql_names)
