"""The words of a query: one regular expression that takes ASCII only, and the limits on its size."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from lark import Token
from lark.lexer import Lexer

from tap.adql.dialect import Dialect
from tap.adql.errors import ADQLError
from tap.adql.limits import MAX_CHARACTERS, MAX_DEPTH, MAX_TOKENS
from tap.adql.syntax.words import AGGREGATES, CALLED, FUNCTIONS, INSTEAD, KEYWORDS, OPTIONAL, UNUSED

# The grammar never looks at these words once they have led it; Lark drops tokens whose name begins with "_".
_SILENT = frozenset(
    {"AND", "AS", "BETWEEN", "BY", "ESCAPE", "FROM", "GROUP", "HAVING", "IN", "INTERSECT", "IS", "JOIN", "OFFSET", "ON"}
    | {"OR", "ORDER", "OUTER", "PRECISION", "TOP", "USING", "WHERE", "WITH"}
)

_TOKEN = re.compile(
    r"""
    (?P<BLANK>(?:[ \t\r\n\f\v]+|--[^\n\r]*)+)
  | (?P<WORD>[A-Za-z][A-Za-z0-9_]*)
  | (?P<NUMBER>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
  | (?P<STRING>'[^']*(?:''[^']*)*')
  | (?P<DELIMITED>"(?:[^"]|"")+")
  | (?P<COMPARE><>|!=|<=|>=|=|<|>)
  | (?P<_CONCAT>\|\|)
  | (?P<COMMENT>/\*)
  | (?P<SIGN>[(),.*/+\-;%])
  | (?P<OTHER>.)
    """,
    re.VERBOSE | re.DOTALL,
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
    "%": "PERCENT",
}
_CALLED = re.compile(r"\s*\(", re.ASCII)
_REST = re.compile(r"\w{0,40}", re.ASCII)
_SEXAGESIMAL = re.compile(r"[0-9]+[hdms]([0-9.]+[hdms]?)*")
_TOO_MUCH = "Split it into several queries."
_ANGLE = "Angles are in degrees: 5 / 3600. for five arcseconds, ivo_hms_to_degrees('3:47:00') for hours."
_NO_PARAMETERS = ("{} has no meaning in ADQL.", "A query has no parameters: write the value itself.")
_MINUS = ("{} is not the minus sign of ADQL.", "Write -.")
_SINGLE = ("{} does not quote strings in ADQL.", "Strings are written in straight single quotes: 'M31'.")
_DOUBLE = ("{} quotes nothing in ADQL.", "Strings are written in straight single quotes: 'M31'.")
_NOT_HERE: dict[str, tuple[str, str | None]] = {
    "'": ("A string begins here and does not end.", "A quote in it is written ''."),
    '"': ("A quoted name begins here and is empty or does not end.", None),
    "`": ("` does not quote names in ADQL.", "Names are written in double quotes."),
    ":": (": has no meaning in ADQL.", "A query has no parameters: write the value itself."),
    "&": ("& is not an operator of ADQL.", "Conditions are joined by AND, bits by the function bitwise_and."),
    "|": ("| is not an operator of ADQL.", "Conditions are joined by OR, strings by ||, bits by bitwise_or."),
    "^": ("^ is not an operator of ADQL.", "Write POWER(x, y), or bitwise_xor for bits."),
    "~": ("~ is not an operator of ADQL.", "Write LIKE for patterns, bitwise_not for bits."),
    "!": ("! is not an operator of ADQL.", "Write NOT before a condition, and <> or != for unequal."),
    "[": (
        "Square brackets have no meaning in ADQL.",
        "Lists stand in parentheses, names in double quotes; array_element(x, 1) takes the first element of an array.",
    ),
    "#": ("# has no meaning in ADQL.", "-- begins a comment, to its line's end."),
    "_": ("A name does not begin with _.", "Write such a name in double quotes."),
    **dict.fromkeys("?$@{", _NO_PARAMETERS),
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212", _MINUS),
    **dict.fromkeys("\u2018\u2019\u00b4", _SINGLE),
    **dict.fromkeys("\u201c\u201d\u201e\u00ab\u00bb", _DOUBLE),
    "\u2260": ("{} is not an operator of ADQL.", "Write <>."),
    "\u2264": ("{} is not an operator of ADQL.", "Write <=."),
    "\u2265": ("{} is not an operator of ADQL.", "Write >=."),
    "\u00b0": ("{} has no meaning in ADQL.", _ANGLE),
    "\u00d7": ("{} is not an operator of ADQL.", "Write *."),
}
"""What is wrong with a character that begins no word, and what to write instead."""


class Word(str):
    """A token: its text, what it is to the grammar, and the offset of its first character in the query."""

    __slots__ = ("position", "type")
    type: str
    position: int

    def __new__(cls, kind: str, text: str, position: int) -> Word:
        """Make a token."""
        word = str.__new__(cls, text)
        word.type = kind
        word.position = position
        return word


class LarkToken(Token):
    """The same as Lark's own parser wants it; making one takes three times as long."""

    @classmethod
    def of(cls, word: Word) -> LarkToken:
        """Return the token of a word."""
        return cls(word.type, word, word.position)

    @property
    def position(self) -> int:
        """Offset of its first character in the query."""
        return self.start_pos or 0


class TokenLexer(Lexer):
    """Hands tokens to Lark, which asks for a lexer class."""

    def __init__(self, _configuration: object) -> None:
        pass

    def lex(self, lexer_state: Any, parser_state: Any = None) -> Iterator[Token]:  # noqa: ARG002  (Lark calls it so)
        """Return the tokens one by one; the text that Lark passes is the list of tokens itself."""
        return iter(lexer_state)


def tokens(query: str, dialect: Dialect) -> list[Word]:
    """Split a query into tokens.

    Raises
    ------
    ADQLError
        For characters and reserved words that cannot stand in a query, and beyond the limits on size.
    """
    if len(query) > MAX_CHARACTERS:
        raise ADQLError(f"The query has {len(query)} characters, the limit is {MAX_CHARACTERS}.", hint=_TOO_MUCH)
    if (nul := query.find("\0")) >= 0:  # in strings and comments too
        raise ADQLError("The query contains a NUL character.", nul)
    kinds = _kinds(dialect)
    found: list[Word] = []
    depth = 0
    matches = _TOKEN.finditer(query)
    while (match := next(matches, None)) is not None:
        kind, position = match.lastgroup or "OTHER", match.start()
        if kind == "BLANK":
            continue
        text = match.group()
        if kind == "WORD":
            kind = kinds.get(text.upper(), "IDENTIFIER")
            if kind == "FREE":
                kind = _free(query, text, match.end())
            elif kind == "UNUSED":
                raise _reserved(query, text, match, first=not found)
        elif kind == "NUMBER":
            kind = _number(query, text, match.end(), dialect)
        elif kind == "SIGN":
            kind = _SIGNS[text]
            if kind == "_OPEN":
                depth += 1
                if depth > MAX_DEPTH:
                    raise ADQLError(f"Parentheses are nested more than {MAX_DEPTH} deep.", position)
            elif kind == "_CLOSE":
                depth -= 1
            elif kind == "PERCENT" and not dialect.modulo:
                raise ADQLError("% is not an operator of ADQL.", position, hint="Write MOD(x, y).")
        elif kind == "COMMENT":
            matches = _TOKEN.finditer(query, _comment_end(query, position, dialect))
            continue
        elif kind == "STRING":
            if (
                not dialect.adjacent_strings
                and found
                and found[-1].type == "STRING"
                and "\n" not in query[_end(found[-1]) : position]
            ):
                raise ADQLError("A string follows a string.", position, hint="Join them by ||.")
        elif kind == "OTHER":
            raise _unreadable(query, position)
        if len(found) == MAX_TOKENS:
            raise ADQLError(f"The query has more than {MAX_TOKENS} words.", position, hint=_TOO_MUCH)
        found.append(Word(kind, text, position))
    return found


def _end(word: Word) -> int:
    return word.position + len(word)


@lru_cache(maxsize=16)
def _kinds(dialect: Dialect) -> dict[str, str]:
    """Return what each reserved word is to the grammar."""
    kinds = {word: f"_{word}" if word in _SILENT else word for word in KEYWORDS}
    kinds |= dict.fromkeys(FUNCTIONS, "FUNCTION") | dict.fromkeys(AGGREGATES, "AGGREGATE")
    kinds |= dict.fromkeys(UNUSED, "UNUSED")
    for word, option in OPTIONAL.items():
        if getattr(dialect, option):
            kinds[word] = f"_{word}" if word in _SILENT else word
    free = dialect.free_words | {"cot"}  # in the grammar of ADQL, but not in its list of reserved words
    return kinds | {word.upper(): "FREE" for word in free if word.upper() in kinds}


def _free(query: str, text: str, end: int) -> str:
    """Return the kind of a reserved word that may be a name: it is a function before a parenthesis."""
    if text.upper() in FUNCTIONS and _CALLED.match(query, end):
        return "FUNCTION"
    return "IDENTIFIER"


def _number(query: str, text: str, end: int, dialect: Dialect) -> str:
    """Return the kind of a number; what follows it must not run into it."""
    follows = query[end : end + 1]
    if follows == "." or (not dialect.glued_numbers and (follows.isalnum() or follows == "_")):
        raise ADQLError(f"The number {text} runs into {follows!r}.", end, hint=_glued(query, text, end))
    return "INTEGER_LITERAL" if text.isdigit() else "DECIMAL_LITERAL"


def _glued(query: str, text: str, end: int) -> str:
    """Return the hint for a number that runs into a word."""
    word = text + (found.group() if (found := _REST.match(query, end)) else "")
    if word[:2].lower() == "0x":
        return "ADQL has no hexadecimal numbers."
    if _SEXAGESIMAL.fullmatch(word):
        return _ANGLE
    if not text.isdigit():
        return "Put a blank between them."
    return f'Put a blank between them; a name that begins with a digit is quoted: "{word}".'


def _comment_end(query: str, position: int, dialect: Dialect) -> int:
    """Return where a comment between /* and */ ends."""
    if not dialect.block_comments:
        raise ADQLError("ADQL has no comments between /* and */.", position, hint="-- begins one, to its line's end.")
    end = query.find("*/", position + 2)
    if end < 0:
        raise ADQLError("A comment begins here and does not end.", position)
    return end + 2


def quote_hint(word: str) -> str:
    """Return the hint for a reserved word that stands where a name may."""
    return f'To use it as a name write it in double quotes: "{word}".'


def _reserved(query: str, text: str, match: re.Match[str], *, first: bool) -> ADQLError:
    """Return the error for a word that SQL reserves and ADQL does not use."""
    word = text.upper()
    hint = INSTEAD.get(word) or quote_hint(text)
    if first:
        hint = "A query begins with SELECT; tap_schema.tables and tap_schema.columns tell what there is."
    elif word in CALLED and _CALLED.match(query, match.end()):
        hint = CALLED[word]
    return ADQLError(f"{text} is a reserved word of SQL.", match.start(), hint=hint)


def _unreadable(query: str, position: int) -> ADQLError:
    """Return the error for a character that begins no token."""
    character = query[position]
    message, hint = _NOT_HERE.get(character, ("{} cannot stand here.", None))
    if character in "'\":" and query[position - 1 : position].isdigit():
        hint = _ANGLE
    elif query.startswith("::", position):
        hint = "Types are converted by CAST(x AS type)."
    elif character.isspace():
        hint = "Write an ordinary blank."
    if not character.isascii() or character not in _NOT_HERE:
        shown = f"{character!r} (U+{ord(character):04X})"
        return ADQLError(message.format(shown), position, hint=hint)
    return ADQLError(message.format(character), position, hint=hint)
