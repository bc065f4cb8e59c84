"""Set operations: the columns that several queries have in common, and the types in which they meet."""

# ruff: noqa: S608  (the package writes SQL: names come from the catalogue, literals are encoded anew)
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tap.adql.context import Context
from tap.adql.errors import ADQLError
from tap.adql.operands import wide_enough
from tap.adql.relations import Field, Relation, kind_of_field
from tap.adql.syntax import ast
from tap.adql.types import DOUBLE, UNKNOWN, Kind, arithmetic_type, number_column


def united(node: ast.SetOperation, operands: Sequence[Relation], context: Context) -> Relation:
    """Return a set operation on translated queries; metadata and names come from the first.

    Raises
    ------
    ADQLError
        If their columns differ in number or kind.
    """
    fields = list(operands[0].fields)
    for relation, operand in zip(operands[1:], node.operands[1:], strict=True):
        if len(relation.fields) != len(fields):
            counts = f"{len(fields)} and {len(relation.fields)}"
            raise ADQLError(f"The queries of a set operation have {counts} columns.", operand.position)
        fields = [_united(*pair, operand.position) for pair in zip(fields, relation.fields, strict=True)]
    if any("ALL" not in operator for operator in node.operators):
        for entry in fields:
            if kind_of_field(entry) is Kind.MOC:
                message = f"{entry.column.name} is a MOC, and set operations other than UNION ALL compare rows."
                raise ADQLError(message, node.operands[0].position, hint="Write UNION ALL, or CAST(m AS VARCHAR).")
    first, *others = (_in_types(relation, fields, context).sql for relation in operands)
    pairs = zip(node.operators, others, strict=True)
    sql = " ".join([f"({first})", *(f"{operator} ({other})" for operator, other in pairs)])
    # PostgreSQL takes no condition into the operands of EXCEPT.
    excepts = any(operator.startswith("EXCEPT") for operator in node.operators)
    positions = frozenset() if excepts else frozenset.intersection(*(relation.positions for relation in operands))
    return Relation(sql, tuple(fields), positions, rows=sum(relation.rows for relation in operands))


def _in_types(relation: Relation, fields: Sequence[Field], context: Context) -> Relation:
    """Return an operand with the columns of the whole: NULLs in their types, and numbers in double where others are.

    PostgreSQL types a chain pair by pair, so that integers before reals before doubles would lose digits.
    """
    columns = []
    changed = False
    for own, wanted in zip(relation.fields, fields, strict=True):
        null = own.sql_type == UNKNOWN != wanted.sql_type
        narrow = wanted.sql_type == DOUBLE != own.sql_type and not null
        changed = changed or null or narrow
        for k, name in enumerate(wanted.sql_names):
            inner = "NULL" if null else own.sql_names[k]
            columns.append(f"{inner}::{wanted.sql_type} AS {name}" if null or narrow else inner)
    if not changed:
        return relation
    sql = f"SELECT {', '.join(columns)} FROM ({relation.sql}) AS {context.alias()}"
    return replace(relation, sql=sql)


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
    nan = first.nan or second.nan
    if sql_type == first.sql_type and first.column.datatype is second.column.datatype:
        return replace(first, nan=nan)
    # A byte and a short are one type in PostgreSQL; the short holds both.
    column = replace(first.column, datatype=number_column(sql_type).datatype)
    return Field(column, sql_type, first.sql_names, nan=nan)
