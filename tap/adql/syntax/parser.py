"""From the text of a query to its tree."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from lark import Lark, Token, Transformer
from lark.exceptions import UnexpectedToken

from tap.adql import limits
from tap.adql.dialect import Dialect
from tap.adql.errors import ADQLError
from tap.adql.limits import check_length
from tap.adql.syntax import ast
from tap.adql.syntax.checks import check_call, check_operands
from tap.adql.syntax.lexer import LarkToken, TokenLexer, Word, tokens
from tap.adql.syntax.mistakes import unexpected
from tap.adql.syntax.tables import TableParser

_LARGEST_BIGINT = 2**63 - 1


def parse(query: str, dialect: Dialect | None = None) -> ast.Statement:
    """Return the tree of a query.

    Raises
    ------
    ADQLError
        If the text is not a query of ADQL 2.1 as the dialect has it.
    """
    dialect = dialect or Dialect()
    words = tokens(query, dialect)
    if not words:
        raise ADQLError("The query is empty.", hint="A query begins with SELECT.")
    if words[-1].type == "SEMICOLON" and not dialect.trailing_semicolon:
        raise ADQLError("A query does not end with a semicolon.", words[-1].position)
    lark, parser = _parsers()
    statement: ast.Statement | None = parser.parse(words)
    if statement is None:
        try:
            lark.parse(list(map(LarkToken.of, words)))
        except UnexpectedToken as error:
            expected = frozenset(error.accepts or error.expected)
            raise unexpected(query, words, error.token, expected, dialect) from None
        raise AssertionError("Lark reads what its table does not")
    return statement


@cache
def _parsers() -> tuple[Lark, TableParser]:
    """Build Lark's parser and ours on its table: 0.3 s, once a process."""
    lark = build_parser()
    return lark, TableParser(lark, _Builder())


def build_parser(*, strict: bool = False, building: bool = False) -> Lark:
    """Build Lark's parser.

    Parameters
    ----------
    strict : bool
        Whether a conflict in the grammar is an error (this needs interegular).
    building : bool
        Whether it makes our trees instead of its own.
    """
    grammar = files("tap.adql.syntax").joinpath("grammar.lark").read_text(encoding="utf-8")
    builder = _Builder() if building else None
    return Lark(grammar, parser="lalr", lexer=TokenLexer, transformer=builder, maybe_placeholders=True, strict=strict)


def _identifier(token: Word) -> ast.Identifier:
    """Return a part of a name."""
    if token.type == "DELIMITED":
        return ast.Identifier(token.position, token[1:-1].replace('""', '"'), delimited=True)
    return ast.Identifier(token.position, str(token), delimited=False)


def _name(parts: Sequence[Word]) -> ast.Name:
    """Return a dotted name."""
    return tuple(_identifier(part) for part in parts)


def _count(token: Word | None, word: str) -> int | None:
    """Return the number of TOP, OFFSET or a length."""
    if token is None:
        return None
    if len(token) > 19 or int(token) > _LARGEST_BIGINT:
        raise ADQLError(f"{word} {token[:25]} is too large: at most {_LARGEST_BIGINT}.", token.position)
    return int(token)


class _Builder(Transformer[Token, Any]):
    """Makes the node of each rule while the parser reduces it; the methods bear the names of the rules."""

    def start(self, children: list[Any]) -> ast.Statement:
        statement: ast.Statement = children[0]
        return statement

    def statement(self, children: list[Any]) -> ast.Statement:
        common_tables, query = children
        check_length(common_tables or (), limits.MAX_COMMON_TABLES, "Queries of WITH")
        return ast.Statement(0, tuple(common_tables or ()), query)

    def with_clause(self, children: list[Any]) -> list[Any]:
        return children

    def with_element(self, children: list[Any]) -> ast.CommonTable:
        name, query = children
        return ast.CommonTable(name.position, _identifier(name), query)

    # ---- queries ----------------------------------------------------------------------------------------------------

    def query(self, children: list[Any]) -> ast.Query:
        body, order_by, offset = children
        check_length(order_by or (), limits.MAX_COLUMNS, "Values of ORDER BY")
        return ast.Query(body.position, body, tuple(order_by or ()), _count(offset, "OFFSET"))

    def union(self, children: list[Any]) -> ast.SetOperation:
        check_length(children[::2], limits.MAX_SETS, "Queries of a set operation")
        return ast.SetOperation(children[0].position, tuple(children[::2]), tuple(children[1::2]))

    intersection = union

    def set_operator(self, children: list[Any]) -> str:
        return f"{children[0].upper()} ALL" if children[1] else children[0].upper()

    def intersect_operator(self, children: list[Any]) -> str:
        return "INTERSECT ALL" if children[0] else "INTERSECT"

    def select(self, children: list[Any]) -> ast.Select:
        word, quantifier, top, items, tables, where, group_by, having = children
        check_length(items, limits.MAX_COLUMNS, "Columns of a select list")
        check_length(group_by or (), limits.MAX_COLUMNS, "Values of GROUP BY")
        check_length(tables, limits.MAX_JOINED, "Tables of FROM")
        return ast.Select(
            word.position,
            quantifier is not None and quantifier.type == "DISTINCT",
            _count(top, "TOP"),
            tuple(items),
            tuple(tables),
            where,
            tuple(group_by or ()),
            having,
        )

    def items(self, children: list[Any]) -> list[Any]:
        return children

    tables = group_by = order_by = arguments = items

    def star(self, children: list[Any]) -> ast.Star:
        return ast.Star(children[0].position, ())

    def qualified_star(self, children: list[Any]) -> ast.Star:
        return ast.Star(children[0].position, _name(children[:-1]))

    def item(self, children: list[Any]) -> ast.Item:
        value, alias = children
        return ast.Item(value.position, value, alias and _identifier(alias))

    def order_term(self, children: list[Any]) -> ast.OrderTerm:
        value, direction = children
        return ast.OrderTerm(value.position, value, direction is not None and direction.type == "DESC")

    # ---- tables -----------------------------------------------------------------------------------------------------

    def table(self, children: list[Any]) -> ast.TableReference:
        *name, alias = children
        if len(name) > 3:
            raise ADQLError("A table has at most three parts: catalogue, schema, table.", name[3].position)
        return ast.TableReference(name[0].position, _name(name), alias and _identifier(alias))

    def derived_table(self, children: list[Any]) -> ast.DerivedTable:
        query, alias = children
        return ast.DerivedTable(query.position, query, _identifier(alias))

    def named_join(self, children: list[Any]) -> ast.DerivedTable:
        """Read ``(a JOIN b …) AS c`` as the query for all columns that it stands for in SQL-92."""
        joined, alias = children
        place = joined.position
        select = ast.Select(place, False, None, (ast.Star(place, ()),), (joined,), None, (), None)
        return ast.DerivedTable(place, ast.Query(place, select, (), None), _identifier(alias))

    def joined(self, children: list[Any]) -> ast.Joined:
        check_length(children, limits.MAX_JOINED, "Tables of a join")
        return ast.Joined(children[0].position, children[0], tuple(children[1:]))

    def join(self, children: list[Any]) -> ast.Join:
        natural, kind, table, condition = children
        using = condition if isinstance(condition, tuple) else ()
        on = None if isinstance(condition, tuple) else condition
        if kind is not None and kind.type == "CROSS":
            if natural is not None or condition is not None:
                raise ADQLError("CROSS JOIN takes no condition.", kind.position, hint="Leave out CROSS.")
            return ast.Join(table.position, False, "INNER", table, None, (), cross=True)
        return ast.Join(table.position, natural is not None, kind.type if kind else "INNER", table, on, using)

    def on(self, children: list[Any]) -> Any:
        return children[0]

    def using(self, children: list[Any]) -> ast.Name:
        return _name(children)

    # ---- conditions -------------------------------------------------------------------------------------------------

    def or_(self, children: list[Any]) -> ast.Or:
        check_length(children, limits.MAX_CONDITIONS, "Conditions joined by OR")
        return ast.Or(children[0].position, tuple(children))

    def and_(self, children: list[Any]) -> ast.And:
        check_length(children, limits.MAX_CONDITIONS, "Conditions joined by AND")
        return ast.And(children[0].position, tuple(children))

    def not_(self, children: list[Any]) -> ast.Not:
        return ast.Not(children[0].position, children[1])

    def comparison(self, children: list[Any]) -> ast.Comparison:
        left, operator, right = children
        return ast.Comparison(left.position, left, "<>" if operator == "!=" else str(operator), right)

    def between(self, children: list[Any]) -> ast.Between:
        operand, negated, low, high = children
        return ast.Between(operand.position, operand, negated is not None, low, high)

    def in_list(self, children: list[Any]) -> ast.InList:
        operand, negated, *items = children
        check_length(items, limits.MAX_VALUES, "Values of IN", "Upload them as a table and join with TAP_UPLOAD.")
        return ast.InList(operand.position, operand, negated is not None, tuple(items))

    def in_query(self, children: list[Any]) -> ast.InQuery:
        operand, negated, query = children
        return ast.InQuery(operand.position, operand, negated is not None, query)

    def like(self, children: list[Any]) -> ast.Like:
        operand, negated, word, pattern, escape = children
        character = None if escape is None else escape[1:-1].replace("''", "'")
        if character is not None and len(character) != 1:
            raise ADQLError("ESCAPE takes a string of one character.", escape.position)
        return ast.Like(operand.position, operand, negated is not None, word.type == "ILIKE", pattern, character)

    def is_null(self, children: list[Any]) -> ast.IsNull:
        operand, negated, _ = children
        return ast.IsNull(operand.position, operand, negated is not None)

    def exists(self, children: list[Any]) -> ast.Exists:
        word, query = children
        return ast.Exists(word.position, query)

    # ---- values -----------------------------------------------------------------------------------------------------

    def integer(self, children: list[Any]) -> ast.Number:
        text = str(children[0])
        return ast.Number(children[0].position, _finite(children[0]), text, integer=int(text) <= _LARGEST_BIGINT)

    def decimal(self, children: list[Any]) -> ast.Number:
        return ast.Number(children[0].position, _finite(children[0]), str(children[0]), integer=False)

    def string(self, children: list[Any]) -> ast.String:
        return ast.String(children[0].position, "".join(part[1:-1].replace("''", "'") for part in children))

    def boolean(self, children: list[Any]) -> ast.Boolean:
        return ast.Boolean(children[0].position, children[0].type == "TRUE")

    def null(self, children: list[Any]) -> ast.Null:
        return ast.Null(children[0].position)

    def column(self, children: list[Any]) -> ast.ColumnReference:
        if len(children) > 4:
            message = "A column has at most four parts: catalogue, schema, table, column."
            raise ADQLError(message, children[4].position)
        return ast.ColumnReference(children[0].position, _name(children))

    def call(self, children: list[Any]) -> ast.Call:
        word, arguments = children
        if word.type != "FUNCTION":
            return ast.Call(word.position, word.lower(), tuple(arguments or ()))
        node = ast.Call(word.position, word.upper(), tuple(arguments or ()))
        check_call(node)
        return node

    def aggregate(self, children: list[Any]) -> ast.Aggregate:
        word, quantifier, argument = children
        distinct = quantifier is not None and quantifier.type == "DISTINCT"
        return ast.Aggregate(word.position, word.upper(), distinct, argument)

    def count_all(self, children: list[Any]) -> ast.Aggregate:
        return ast.Aggregate(children[0].position, "COUNT", False, None)

    def cast(self, children: list[Any]) -> ast.Cast:
        word, operand, (type_name, length) = children
        return ast.Cast(word.position, operand, type_name, length)

    def type(self, children: list[Any]) -> tuple[str, int | None]:
        word, *length = children
        if word.type == "FUNCTION" and word.upper() not in ("POINT", "CIRCLE", "POLYGON"):
            raise ADQLError(f"Values cannot be converted to {word.upper()}.", word.position)
        return word.upper(), _count(length[0], word.upper()) if length else None

    def coalesce(self, children: list[Any]) -> ast.Coalesce:
        word, arguments = children
        return ast.Coalesce(word.position, tuple(arguments))

    def in_unit(self, children: list[Any]) -> ast.InUnit:
        word, operand, unit = children
        return ast.InUnit(word.position, operand, unit[1:-1].replace("''", "'"))

    def signed(self, children: list[Any]) -> ast.Signed:
        sign, operand = children
        check_operands([operand], "A sign")
        return ast.Signed(sign.position, str(sign), operand)

    def sum(self, children: list[Any]) -> ast.Arithmetic:
        check_length(children[::2], limits.MAX_TERMS, "Terms of one sum or product")
        check_operands(children[::2], "Arithmetic")
        return ast.Arithmetic(children[0].position, tuple(children[::2]), tuple(map(str, children[1::2])))

    def product(self, children: list[Any]) -> ast.Value:
        whole: list[Any] = [children[0]]
        for operator, operand in zip(children[1::2], children[2::2], strict=True):
            if operator.type == "PERCENT":
                dividend = self.sum(whole) if len(whole) > 1 else whole[0]
                whole = [ast.Call(dividend.position, "MOD", (dividend, operand))]
            else:
                whole += (operator, operand)
        return self.sum(whole) if len(whole) > 1 else whole[0]

    def concatenation(self, children: list[Any]) -> ast.Concatenation:
        check_length(children, limits.MAX_TERMS, "Strings joined by ||")
        check_operands(children, "||")
        return ast.Concatenation(children[0].position, tuple(children))


def _finite(token: Word) -> float:
    """Return the value of a number."""
    if len(token) > 400 or math.isinf(value := float(token)):
        raise ADQLError(f"The number {token[:25]} is too large for a double.", token.position)
    return value
