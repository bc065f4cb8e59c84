"""From the text of a query to its tree."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from lark import Lark, Token, Transformer
from lark.exceptions import UnexpectedToken

from tap.adql import ast
from tap.adql.checks import check_call, check_operands
from tap.adql.dialect import Dialect
from tap.adql.errors import ADQLError
from tap.adql.lexer import TokenLexer, quote_hint, tokens
from tap.adql.words import RESERVED

_LARGEST_BIGINT = 2**63 - 1
_WORDS = {
    "$END": "the end of the query",
    "IDENTIFIER": "a name",
    "DELIMITED": "a name",
    "FUNCTION": "a function",
    "AGGREGATE": "a function",
    "STRING": "a string",
    "INTEGER_LITERAL": "a number",
    "DECIMAL_LITERAL": "a number",
    "COMPARE": "a comparison",
    "_CONCAT": "||",
    "_OPEN": "(",
    "_CLOSE": ")",
    "_COMMA": ",",
    "_DOT": ".",
    "STAR": "*",
    "SLASH": "/",
    "PLUS": "+",
    "MINUS": "-",
    "SEMICOLON": ";",
}


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
        raise ADQLError("A query does not end with a semicolon.", words[-1].start_pos)
    try:
        statement: ast.Statement = _parser().parse(words)  # type: ignore[assignment]
    except UnexpectedToken as error:
        raise _unexpected(error, query, words) from None
    return statement


@cache
def _parser() -> Lark:
    """Build the parser: 0.3 s, once a process."""
    return build_parser()


def build_parser(*, strict: bool = False) -> Lark:
    """Build the parser; with `strict` it is an error if the grammar has a conflict (this needs interegular)."""
    grammar = files("tap.adql").joinpath("grammar.lark").read_text(encoding="utf-8")
    return Lark(
        grammar, parser="lalr", lexer=TokenLexer, transformer=_Builder(), maybe_placeholders=True, strict=strict
    )


def _unexpected(error: UnexpectedToken, query: str, words: Sequence[Token]) -> ADQLError:
    """Translate Lark's error."""
    accepted = sorted({_WORDS.get(name, name.removeprefix("_")) for name in error.accepts or error.expected})
    expected = f"Expected here: {' '.join(accepted[:16])}{' …' if len(accepted) > 16 else ''}."
    token = error.token
    if token.type == "$END":
        return ADQLError("The query ends too early.", len(query.rstrip()), hint=expected)
    before = next((word for word in reversed(words) if (word.start_pos or 0) < (token.start_pos or 0)), None)
    hint = _known_mistake(before, token)
    if token.upper() in RESERVED:
        if hint is None:
            quote = f"{quote_hint(token)} " if {"IDENTIFIER", "DELIMITED"} & error.expected else ""
            hint = quote + expected
        return ADQLError(f"The reserved word {token} cannot stand here.", token.start_pos, hint=hint)
    shown = token if len(token) <= 40 else f"{token[:40]}…"
    return ADQLError(f"{shown} cannot stand here.", token.start_pos, hint=hint or expected)


def _known_mistake(before: Token | None, token: Token) -> str | None:
    """Return what to write instead of what other dialects of SQL have; None for all other errors."""
    previous = "" if before is None else before.upper()
    match previous, token.upper():
        case ("LIMIT", _) if token.type == "INTEGER_LITERAL":
            return f"ADQL has no LIMIT: write SELECT TOP {token}."
        case ("(", "SELECT" | "WITH"):
            return "A query in parentheses stands behind FROM, JOIN, IN and EXISTS only: join it instead."
        case ("IS", word) if word not in ("NOT", "NULL"):
            return "ADQL has IS NULL and IS NOT NULL; other values are compared by = and <>."
        case ("=", "="):
            return "Values are compared by one =."
        case (",", "FROM" | "WHERE" | "GROUP" | "ORDER" | "HAVING" | ")"):
            return "Remove the comma before it."
        case ("SELECT", "FROM"):
            return "Write what to select, or * for all columns."
        case _:
            return None


def _position(child: Any) -> int:
    """Return where a child of a rule begins."""
    position = child.start_pos if isinstance(child, Token) else child.position
    return int(position or 0)


def _identifier(token: Token) -> ast.Identifier:
    """Return a part of a name."""
    if token.type == "DELIMITED":
        return ast.Identifier(_position(token), token[1:-1].replace('""', '"'), delimited=True)
    return ast.Identifier(_position(token), str(token), delimited=False)


def _name(parts: Sequence[Token]) -> ast.Name:
    """Return a dotted name."""
    return tuple(_identifier(part) for part in parts)


def _count(token: Token | None, word: str) -> int | None:
    """Return the number of TOP, OFFSET or a length."""
    if token is None:
        return None
    if len(token) > 19 or int(token) > _LARGEST_BIGINT:
        raise ADQLError(f"{word} {token[:25]} is too large: at most {_LARGEST_BIGINT}.", token.start_pos)
    return int(token)


class _Builder(Transformer[Token, Any]):
    """Makes the node of each rule while the parser reduces it; the methods bear the names of the rules."""

    def start(self, children: list[Any]) -> ast.Statement:
        statement: ast.Statement = children[0]
        return statement

    def statement(self, children: list[Any]) -> ast.Statement:
        common_tables, query = children
        return ast.Statement(0, tuple(common_tables or ()), query)

    def with_clause(self, children: list[Any]) -> list[Any]:
        return children

    def with_element(self, children: list[Any]) -> ast.CommonTable:
        name, query = children
        return ast.CommonTable(_position(name), _identifier(name), query)

    # ---- queries ----------------------------------------------------------------------------------------------------

    def query(self, children: list[Any]) -> ast.Query:
        body, order_by, offset = children
        return ast.Query(_position(body), body, tuple(order_by or ()), _count(offset, "OFFSET"))

    def union(self, children: list[Any]) -> ast.SetOperation:
        return ast.SetOperation(_position(children[0]), tuple(children[::2]), tuple(children[1::2]))

    intersection = union

    def set_operator(self, children: list[Any]) -> str:
        return f"{children[0].upper()} ALL" if children[1] else children[0].upper()

    def intersect_operator(self, children: list[Any]) -> str:
        return "INTERSECT ALL" if children[0] else "INTERSECT"

    def select(self, children: list[Any]) -> ast.Select:
        word, quantifier, top, items, tables, where, group_by, having = children
        return ast.Select(
            _position(word),
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
        return ast.Star(_position(children[0]), ())

    def qualified_star(self, children: list[Any]) -> ast.Star:
        return ast.Star(_position(children[0]), _name(children[:-1]))

    def item(self, children: list[Any]) -> ast.Item:
        value, alias = children
        return ast.Item(_position(value), value, alias and _identifier(alias))

    def order_term(self, children: list[Any]) -> ast.OrderTerm:
        value, direction = children
        return ast.OrderTerm(_position(value), value, direction is not None and direction.type == "DESC")

    # ---- tables -----------------------------------------------------------------------------------------------------

    def table(self, children: list[Any]) -> ast.TableReference:
        *name, alias = children
        if len(name) > 3:
            raise ADQLError("A table has at most three parts: catalogue, schema, table.", _position(name[3]))
        return ast.TableReference(_position(name[0]), _name(name), alias and _identifier(alias))

    def derived_table(self, children: list[Any]) -> ast.DerivedTable:
        query, alias = children
        return ast.DerivedTable(_position(query), query, _identifier(alias))

    def joined(self, children: list[Any]) -> ast.Joined:
        return ast.Joined(_position(children[0]), children[0], tuple(children[1:]))

    def join(self, children: list[Any]) -> ast.Join:
        natural, kind, table, condition = children
        using = condition if isinstance(condition, tuple) else ()
        on = None if isinstance(condition, tuple) else condition
        if kind is not None and kind.type == "CROSS":
            if natural is not None or condition is not None:
                raise ADQLError("CROSS JOIN takes no condition.", kind.start_pos, hint="Leave out CROSS.")
            return ast.Join(_position(table), False, "INNER", table, None, (), cross=True)
        return ast.Join(_position(table), natural is not None, kind.type if kind else "INNER", table, on, using)

    def on(self, children: list[Any]) -> Any:
        return children[0]

    def using(self, children: list[Any]) -> ast.Name:
        return _name(children)

    # ---- conditions -------------------------------------------------------------------------------------------------

    def or_(self, children: list[Any]) -> ast.Or:
        return ast.Or(_position(children[0]), tuple(children))

    def and_(self, children: list[Any]) -> ast.And:
        return ast.And(_position(children[0]), tuple(children))

    def not_(self, children: list[Any]) -> ast.Not:
        return ast.Not(_position(children[0]), children[1])

    def comparison(self, children: list[Any]) -> ast.Comparison:
        left, operator, right = children
        return ast.Comparison(_position(left), left, "<>" if operator == "!=" else str(operator), right)

    def between(self, children: list[Any]) -> ast.Between:
        operand, negated, low, high = children
        return ast.Between(_position(operand), operand, negated is not None, low, high)

    def in_list(self, children: list[Any]) -> ast.InList:
        operand, negated, *items = children
        return ast.InList(_position(operand), operand, negated is not None, tuple(items))

    def in_query(self, children: list[Any]) -> ast.InQuery:
        operand, negated, query = children
        return ast.InQuery(_position(operand), operand, negated is not None, query)

    def like(self, children: list[Any]) -> ast.Like:
        operand, negated, word, pattern, escape = children
        character = None if escape is None else escape[1:-1].replace("''", "'")
        if character is not None and len(character) != 1:
            raise ADQLError("ESCAPE takes a string of one character.", escape.start_pos)
        return ast.Like(_position(operand), operand, negated is not None, word.type == "ILIKE", pattern, character)

    def is_null(self, children: list[Any]) -> ast.IsNull:
        operand, negated, _ = children
        return ast.IsNull(_position(operand), operand, negated is not None)

    def exists(self, children: list[Any]) -> ast.Exists:
        word, query = children
        return ast.Exists(_position(word), query)

    # ---- values -----------------------------------------------------------------------------------------------------

    def integer(self, children: list[Any]) -> ast.Number:
        text = str(children[0])
        return ast.Number(_position(children[0]), _finite(children[0]), text, integer=int(text) <= _LARGEST_BIGINT)

    def decimal(self, children: list[Any]) -> ast.Number:
        return ast.Number(_position(children[0]), _finite(children[0]), str(children[0]), integer=False)

    def string(self, children: list[Any]) -> ast.String:
        return ast.String(_position(children[0]), "".join(part[1:-1].replace("''", "'") for part in children))

    def boolean(self, children: list[Any]) -> ast.Boolean:
        return ast.Boolean(_position(children[0]), children[0].type == "TRUE")

    def null(self, children: list[Any]) -> ast.Null:
        return ast.Null(_position(children[0]))

    def column(self, children: list[Any]) -> ast.ColumnReference:
        if len(children) > 4:
            message = "A column has at most four parts: catalogue, schema, table, column."
            raise ADQLError(message, _position(children[4]))
        return ast.ColumnReference(_position(children[0]), _name(children))

    def call(self, children: list[Any]) -> ast.Call:
        word, arguments = children
        if word.type != "FUNCTION":
            return ast.Call(_position(word), word.lower(), tuple(arguments or ()))
        node = ast.Call(_position(word), word.upper(), tuple(arguments or ()))
        check_call(node)
        return node

    def aggregate(self, children: list[Any]) -> ast.Aggregate:
        word, quantifier, argument = children
        distinct = quantifier is not None and quantifier.type == "DISTINCT"
        return ast.Aggregate(_position(word), word.upper(), distinct, argument)

    def count_all(self, children: list[Any]) -> ast.Aggregate:
        return ast.Aggregate(_position(children[0]), "COUNT", False, None)

    def cast(self, children: list[Any]) -> ast.Cast:
        word, operand, (type_name, length) = children
        return ast.Cast(_position(word), operand, type_name, length)

    def type(self, children: list[Any]) -> tuple[str, int | None]:
        word, *length = children
        return word.upper(), _count(length[0], word.upper()) if length else None

    def coalesce(self, children: list[Any]) -> ast.Coalesce:
        word, arguments = children
        return ast.Coalesce(_position(word), tuple(arguments))

    def in_unit(self, children: list[Any]) -> ast.InUnit:
        word, operand, unit = children
        return ast.InUnit(_position(word), operand, unit[1:-1].replace("''", "'"))

    def signed(self, children: list[Any]) -> ast.Signed:
        sign, operand = children
        check_operands([operand], "A sign")
        return ast.Signed(_position(sign), str(sign), operand)

    def sum(self, children: list[Any]) -> ast.Arithmetic:
        check_operands(children[::2], "Arithmetic")
        return ast.Arithmetic(_position(children[0]), tuple(children[::2]), tuple(map(str, children[1::2])))

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
        check_operands(children, "||")
        return ast.Concatenation(_position(children[0]), tuple(children))


def _finite(token: Token) -> float:
    """Return the value of a number."""
    if len(token) > 400 or math.isinf(value := float(token)):
        raise ADQLError(f"The number {token[:25]} is too large for a double.", token.start_pos)
    return value
