"""What is wrong with a query that is no sentence of the grammar, and what to write instead.

People bring the habits of other languages along. Each rule here looks at the words around the place where the parser
stopped, knows one such habit, and gives the hint that a colleague would give.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set

from lark import Token

from tap.adql.dialect import Dialect
from tap.adql.errors import ADQLError, nearest
from tap.adql.syntax.checks import form_of
from tap.adql.syntax.lexer import Word, quote_hint
from tap.adql.syntax.words import KEYWORDS, OPTIONAL, RESERVED

_LONGEST_TOKEN = 40
_LISTED = 16
_CLAUSES = ("SELECT", "FROM", "WHERE", "GROUP BY", "HAVING", "ORDER BY", "OFFSET", "JOIN", "UNION")
_NAMES = frozenset({"IDENTIFIER", "DELIMITED"})
_LITERALS = frozenset({"INTEGER_LITERAL", "DECIMAL_LITERAL"})
_TYPES = frozenset({"BIGINT", "CHAR", "DOUBLE", "INTEGER", "REAL", "SMALLINT", "TIMESTAMP", "VARCHAR", "FUNCTION"})
_VALUE = _NAMES | _LITERALS | {"FUNCTION", "AGGREGATE", "COUNT", "STRING", "NULL", "CAST", "COALESCE", "IN_UNIT"}
_COMPARISON = frozenset({"COMPARE", "NOT", "LIKE", "ILIKE", "_BETWEEN", "_IN", "_IS"})
_OPERATORS = frozenset({"PLUS", "MINUS", "STAR", "SLASH", "_CONCAT"})
_JOINS = frozenset({"NATURAL", "INNER", "LEFT", "RIGHT", "FULL", "_JOIN"})
_SETS = frozenset({"UNION", "EXCEPT", "INTERSECT", "_INTERSECT"})
_GROUPS = (
    (_TYPES, "a type (SMALLINT INTEGER BIGINT REAL DOUBLE PRECISION CHAR VARCHAR TIMESTAMP POINT CIRCLE POLYGON)"),
    (_VALUE | {"EXISTS", "_OPEN", "PLUS", "MINUS"}, "a condition"),
    (_VALUE | {"_OPEN", "PLUS", "MINUS"}, "a value"),
    (_VALUE | {"_OPEN"}, "a value"),
    (_COMPARISON, "a comparison"),
    (_OPERATORS, "an operator"),
    (_JOINS, "JOIN"),
    (_NAMES, "a name"),
    (_LITERALS, "a number"),
)
"""Terminals that one word stands for when all of them are expected, the largest groups first."""

_WORDS = {
    "$END": "the end of the query",
    "AGGREGATE": "a function",
    "COMPARE": "a comparison",
    "FUNCTION": "a function",
    "INTEGER_LITERAL": "a whole number",
    "MINUS": "-",
    "PLUS": "+",
    "SLASH": "/",
    "STAR": "*",
    "STRING": "a string",
    "_CLOSE": ")",
    "_COMMA": ",",
    "_CONCAT": "||",
    "_DOT": ".",
    "_OPEN": "(",
}
_LAST = frozenset({"ASC", "DESC", "EXCEPT", "FROM", "GROUP", "HAVING", "OFFSET", "ORDER", "UNION", "WHERE", ")"})
"""Words before which a comma is one too many."""

_TYPE_NAMES = {"BOOL": "SMALLINT", "DATETIME": "TIMESTAMP", "LONG": "BIGINT", "SHORT": "SMALLINT"} | dict.fromkeys(
    ("STRING", "TEXT", "VARCHAR2"), "VARCHAR"
)


def unexpected(query: str, words: Sequence[Word], token: Token, expected: Set[str], dialect: Dialect) -> ADQLError:
    """Return the error for a query at a word that cannot stand where it does.

    Parameters
    ----------
    query : str
        The text.
    words : sequence of Word
        Its words.
    token : lark.Token
        The word that does not fit, or ``$END``.
    expected : set of str
        The terminals that fit there.
    dialect : Dialect
        What is not taken in it is not offered.
    """
    closed = {"PERCENT" if not dialect.modulo else ""} | {
        w for w, option in OPTIONAL.items() if not _is(dialect, option)
    }
    fitting = expected - closed - {"SEMICOLON", "_ESCAPE" if "ESCAPE" in closed else ""}
    ended = token.type == "$END"
    place = len(query) if ended else token.start_pos or 0
    before = [word for word in words if word.position < place]
    after = next((word for word in words if word.position > place), None)
    last = before[-1] if before else None
    if last is not None and last.type in ("FUNCTION", "AGGREGATE", "COUNT") and token.type != "_OPEN":
        hint = f"Write {form_of(last.upper())}. {quote_hint(last)}"
        return ADQLError(f"{last} is a function of ADQL; its arguments are missing.", last.position, hint=hint)
    hint = _habit(before, token, after, fitting) or _expected(fitting)
    if ended:
        return ADQLError("The query ends too early.", len(query.rstrip()), hint=hint)
    if token.upper() in RESERVED:
        named = last is not None and (last.type in ("_AS", "_DOT") or last.upper() == "AS")
        if fitting & _NAMES and (named or token.upper() not in KEYWORDS):
            hint = quote_hint(token)
        return ADQLError(f"The reserved word {token} cannot stand here.", place, hint=hint)
    shown = token if len(token) <= _LONGEST_TOKEN else f"{token[:_LONGEST_TOKEN]}…"
    return ADQLError(f"{shown} cannot stand here.", place, hint=hint)


def _is(dialect: Dialect, option: str) -> bool:
    return bool(getattr(dialect, option))


def _expected(terminals: Set[str]) -> str:
    """Return what may stand at a place, in few words."""
    names: set[str] = set()
    left = set(terminals)
    for group, name in _GROUPS:
        if group <= left:
            names.add(name)
            left -= group | ({"NOT"} if name == "a condition" else set())
    names |= {_WORDS.get(terminal, terminal.removeprefix("_")) for terminal in left}
    listed = sorted(names)
    more = ", …" if len(listed) > _LISTED else ""
    shown = ", ".join("a comma" if name == "," else name for name in listed[:_LISTED])
    return f"Expected here: {shown}{more}."


_Rule = Callable[[Sequence[Word], Token, Word | None, Set[str]], str | None]


def _habit(before: Sequence[Word], token: Token, after: Word | None, expected: Set[str]) -> str | None:
    """Return what to write instead of what other dialects of SQL have; None for all other errors."""
    for rule in _RULES:
        hint = rule(before, token, after, expected)
        if hint is not None:
            return hint
    return None


def _pairs(before: Sequence[Word], token: Token, after: Word | None, expected: Set[str]) -> str | None:
    """Judge the word and the one before it."""
    previous = before[-1].upper() if before else ""
    match previous, token.upper():
        case ("LIMIT", _) if token.type == "INTEGER_LITERAL":
            return f"ADQL has no LIMIT: write SELECT TOP {token}."
        case (_, "LIMIT"):
            return f"ADQL has no LIMIT: write SELECT TOP {after or 'n'}."
        case ("TOP", "("):
            return "The number of TOP stands without parentheses: SELECT TOP 10 …"
        case (_, "TOP"):
            return "TOP stands behind SELECT, and behind DISTINCT: SELECT TOP 10 …, SELECT DISTINCT TOP 10 …"
        case (_, "DISTINCT" | "ALL") if "TOP" in [word.upper() for word in before[-2:-1]]:
            return "DISTINCT stands before TOP: SELECT DISTINCT TOP 10 …"
        case (_, "WITH"):
            return "WITH stands at the beginning of the whole query only: name the query there."
        case (_, "ON") if "ON" in [word.upper() for word in before]:
            return "Each JOIN has its ON right behind its table, or parentheses: a JOIN (b JOIN c ON …) ON …"
        case ("(", "SELECT"):
            return "A query in parentheses stands behind FROM, JOIN, IN and EXISTS only: join it instead."
        case ("MINUS", "SELECT" | "("):
            return "ADQL has EXCEPT for MINUS."
        case ("OVER", "("):
            return "ADQL has no window functions."
        case (_, "ISNULL" | "NOTNULL") | ("NOT", "NULL"):
            return "Write x IS NULL or x IS NOT NULL."
        case ("NOT", "NOT"):
            return "NOT stands once, or before parentheses: NOT (NOT …)."
        case ("SELECT", "FROM"):
            return "Write what to select, or * for all columns."
        case ("AS", _) if token.type == "STRING":
            return f'Names are written in double quotes: "{token[1:-1]}".'
        case (_, "ASCENDING" | "DESCENDING") if "DESC" in expected:
            return "Write ASC or DESC."
        case ("*", "*"):
            return "Write POWER(x, y)."
        case ("IS", word) | ("NOT", word) if word not in ("NOT", "NULL") and (previous == "IS" or expected == {"NULL"}):
            return "ADQL has IS NULL and IS NOT NULL; other values are compared by = and <>."
        case (_, "/") if after == "/":
            return "-- begins a comment, to its line's end."
        case (",", word) if word in _LAST:
            return "Remove the comma before it."
        case _:
            return None


def _comparisons(before: Sequence[Word], token: Token, _after: Word | None, expected: Set[str]) -> str | None:
    """Judge comparisons that other languages write differently."""
    if token.type != "COMPARE" or not before:
        return None
    last = before[-1]
    if last.type == "COMPARE":
        joined = {"==": "=", "=<": "<=", "=>": ">=", "<>": "<>", "=!": "<>"}.get(f"{last}{token}"[:2])
        return "Values are compared by one =." if joined == "=" else joined and f"Write {joined}."
    if last.type in ("_AND", "_OR"):
        return f"Write the value again: x > 1 {last.upper()} x < 2."
    if "_AND" not in expected and "$END" not in expected:
        if expected & {"_COMMA", "_CLOSE", "_FROM"} and not expected & {"COMPARE"}:
            return "A condition is not a value: conditions stand in WHERE, ON and HAVING."
        return None
    for word in reversed(before):
        if word.type == "_CONCAT":
            return "|| joins strings; conditions are joined by OR."
        if word.type == "COMPARE":
            return "Write a < b AND b < c, or b BETWEEN a AND c."
        if word.type in ("_AND", "_OR", "_WHERE", "_ON", "_HAVING"):
            break
    return None


def _places(before: Sequence[Word], token: Token, after: Word | None, expected: Set[str]) -> str | None:
    """Judge places at which something is missing."""
    last = before[-1] if before else None
    word = token.upper()
    if "_PRECISION" in expected:
        return "Write DOUBLE PRECISION."
    if expected >= _TYPES and word in _TYPE_NAMES:
        return f"Write {_TYPE_NAMES[word]}."
    if last is not None and last.type == "_IN":
        return "The values of IN stand in parentheses: x IN (1, 2, 3)."
    if token.type == "_COMMA" and _between(before):
        return "Write x BETWEEN low AND high."
    if token.type == "_COMMA" and last is not None and {last.type, after and after.type} <= _LITERALS:
        return f"Decimals are written with a point: {last}.{after}."
    if last is not None and last.type == "_CLOSE" and expected == {"_AS", *_NAMES}:
        return "A query in FROM needs a name: (SELECT …) AS t."
    if "COMPARE" in expected and expected & {"_BETWEEN"} and "_FROM" not in expected and "_COMMA" not in expected:
        if token.type in ("$END", "_AND", "_OR", "_CLOSE", "GROUP", "_GROUP", "_ORDER", "_HAVING"):
            return "A condition compares values, such as x > 1 or 1 = CONTAINS(a, b)."
        return None
    if "_FROM" in expected and token.type in ("$END", "_WHERE", "_GROUP", "_ORDER"):
        return "FROM and a table are missing."
    return None


def _between(before: Sequence[Word]) -> bool:
    """Whether the words end in a BETWEEN that still waits for its AND."""
    return any(word.type == "_BETWEEN" for word in before[-3:])


def _misspelt(before: Sequence[Word], token: Token, _after: Word | None, expected: Set[str]) -> str | None:
    """Find a word that is nearly the name of a clause and so was taken for an alias, or what else is missing."""
    for word in (token, before[-1] if before else None):
        if word is not None and word.type == "IDENTIFIER":
            near = nearest(word, _CLAUSES, 1)
            if near:
                return f"Did you mean {near[0]}?"
    if not before and token.upper() == "EXPLAIN":
        return "A query is explained by EXPLAIN=1 beside it, by Explain on the query page, or by vo query --explain."
    if not before:
        return "A query begins with SELECT; tap_schema.tables and tap_schema.columns tell what there is."
    if token.type in ("IDENTIFIER", "FUNCTION") and "_AND" in expected:
        return "AND or OR is missing before it."
    if expected == {"_COMMA", "_FROM"}:
        return "A comma or FROM is missing before it."
    return None


_RULES: tuple[_Rule, ...] = (_pairs, _comparisons, _places, _misspelt)
