"""The words of a query: one regular expression that takes ASCII only, and the limits on its size."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from lark import Token
from lark.lexer import Lexer

from tap.adql.dialect import Dialect
from tap.adql.errors import ADQLError
from tap.adql.words import AGGREGATES, FUNCTIONS, KEYWORDS, UNUSED

MAX_CHARACTERS = 1_000_000
MAX_TOKENS = 100_000
MAX_DEPTH = 100

# The grammar never looks at these words once they have led it; Lark drops tokens whose name begins with "_".
_SILENT = frozenset(
    {"AND", "AS", "BETWEEN", "BY", "FROM", "GROUP", "HAVING", "IN", "INTERSECT", "IS", "JOIN", "OFFSET", "ON", "OR"}
    | {"ORDER", "OUTER", "PRECISION", "TOP", "USING", "WHERE", "WITH"}
)

_KINDS = {word: f"_{word}" if word in _SILENT else word for word in KEYWORDS}
_KINDS |= (
    dict.fromkeys(FUNCTIONS, "FUNCTION") | dict.fromkeys(AGGREGATES, "AGGREGATE") | dict.fromkeys(UNUSED, "UNUSED")
)

_TOKEN = re.compile(
    r"""
    (?P<BLANK>(?:[ \t\r\n\f\v]+|--[^\n\r]*)+)
  | (?P<WORD>[A-Za-z][A-Za-z0-9_]*)
  | (?P<NUMBER>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
  | (?P<STRING>'(?:[^']|'')*')
  | (?P<DELIMITED>"(?:[^"]|"")+")
  | (?P<COMPARE><>|!=|<=|>=|=|<|>)
  | (?P<_CONCAT>\|\|)
  | (?P<SIGN>[(),.*/+\-;])
    """,
    re.VERBOSE,
)
_SIGNS = {
    "(": "_OPEN",
    ")": "_CLOSE",
    ",": "_COMMA",
    ".": "_DOT",
    "*": "STAR",
    "/": "SLASH",
    "+": "PLUS",
    "-": "MINUS",
    ";": "SEMICOLON",
}
_TOO_MUCH = "Split it into several queries."


class TokenLexer(Lexer):
    """Hands the tokens of `tokens` to Lark, which asks for a lexer class."""

    def __init__(self, _configuration: object) -> None:
        pass

    def lex(self, lexer_state: Any, parser_state: Any = None) -> Iterator[Token]:  # noqa: ARG002
        """Return the tokens one by one; the text that Lark passes is the list of tokens itself."""
        return iter(lexer_state)


def tokens(query: str, dialect: Dialect) -> list[Token]:
    """Split a query into tokens.

    Raises
    ------
    ADQLError
        For characters and reserved words that cannot stand in a query, and beyond the limits on size.
    """
    if len(query) > MAX_CHARACTERS:
        raise ADQLError(f"The query has {len(query)} characters, the limit is {MAX_CHARACTERS}.", hint=_TOO_MUCH)
    if (position := query.find("\0")) >= 0:
        raise ADQLError("The query contains a NUL character.", position)
    found: list[Token] = []
    position = depth = 0
    while position < len(query):
        match = _TOKEN.match(query, position)
        if match is None:
            raise _unreadable(query, position)
        kind, text, end = str(match.lastgroup), match.group(), match.end()
        if kind == "WORD":
            kind = _word(query, text, position, end, dialect)
        elif kind == "NUMBER":
            if query[end : end + 1].isalnum() or query[end : end + 1] in ("_", "."):
                raise ADQLError(f"The number {text} runs into {query[end]!r}.", end, hint="Put a blank between them.")
            kind = "INTEGER_LITERAL" if text.isdigit() else "DECIMAL_LITERAL"
        elif kind == "SIGN":
            kind = _SIGNS[text]
            depth += (text == "(") - (text == ")")
            if depth > MAX_DEPTH:
                raise ADQLError(f"Parentheses are nested more than {MAX_DEPTH} deep.", position)
        if kind != "BLANK":
            found.append(Token(kind, text, position))
        position = end
    if len(found) > MAX_TOKENS:
        raise ADQLError(f"The query has {len(found)} words, the limit is {MAX_TOKENS}.", hint=_TOO_MUCH)
    return found


def _word(query: str, text: str, position: int, end: int, dialect: Dialect) -> str:
    """Return the kind of a word: a keyword, a function or a name."""
    kind = _KINDS.get(text.upper())
    if kind is None:
        return "IDENTIFIER"
    if text.lower() in dialect.free_words and not (kind == "FUNCTION" and query[end:].lstrip()[:1] == "("):
        return "IDENTIFIER"
    if kind == "UNUSED":
        raise ADQLError(f"{text} is a reserved word of SQL.", position, hint=quote_hint(text))
    return kind


def quote_hint(word: str) -> str:
    """Return the hint for a reserved word that stands where a name may."""
    return f'To use it as a name write it in double quotes: "{word}".'


def _unreadable(query: str, position: int) -> ADQLError:
    """Return the error for a character that begins no token."""
    character = query[position]
    match character:
        case "'":
            return ADQLError("A string begins here and does not end.", position, hint="A quote in it is written ''.")
        case '"':
            return ADQLError("A quoted name begins here and is empty or does not end.", position)
        case "%":
            return ADQLError("% is not an operator of ADQL.", position, hint="Write MOD(x, y).")
        case _:
            return ADQLError(f"{character!r} (U+{ord(character):04X}) cannot stand here.", position)
