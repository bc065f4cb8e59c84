"""The points of ADQL on which services differ, each with our ruling as its default."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from tap.adql.functions import SHIPPED, Function, FunctionSet


@dataclass(frozen=True, slots=True)
class Dialect:
    """What the translator takes beyond, or refuses within, the letter of ADQL 2.1."""

    join_without_condition: bool = True
    """Take ``a JOIN b`` without ON, USING or NATURAL as the product of both tables: the grammar of ADQL derives it."""

    star_among_items: bool = True
    """Take ``SELECT *, x`` and ``SELECT t.*, x``: absent from the grammar, used by published queries."""

    trailing_semicolon: bool = True
    """Take one semicolon at the end of the query."""

    adjacent_strings: bool = True
    """Take ``'a' 'b'`` on one line as one string: SQL-92 asks for a line's end between them."""

    unknown_frames: bool = True
    """Take a coordinate system that nobody knows as if it were left out, with a warning: ADQL 2.1 deprecates the
    argument."""

    glued_numbers: bool = False
    """Take a number that runs into a word, ``SELECT 89x``, as if a blank stood between them."""

    numeric_strings: bool = False
    """Take a literal string that is a number, ``'30' * 3``, where a number is needed."""

    modulo: bool = False
    """Take ``x % y`` for ``MOD(x, y)``: mentioned in ADQL 2.1, absent from its grammar."""

    cross_join: bool = False
    """Take ``a CROSS JOIN b``, which is ``a, b``."""

    like_escape: bool = False
    """Take ``LIKE pattern ESCAPE 'c'``."""

    block_comments: bool = False
    """Take comments between ``/*`` and ``*/``."""

    boolean_literals: bool = False
    """Take TRUE and FALSE as values."""

    free_words: frozenset[str] = frozenset()
    """Reserved words, in lower case, that may be used as names without quotes (``distance``, ``public`` …). A word that
    is also a function remains one before an opening parenthesis."""

    functions: FunctionSet = field(default=SHIPPED, repr=False)
    """The functions beside those of geometry: the stack's, and the operator's own."""

    simbad: Callable[[str], tuple[float, float] | None] | None = None
    """What resolves the names of `ivo_simbadpoint` to right ascension and declination in degrees; None for unknown
    names. Without it the function is not offered: it asks a service elsewhere."""

    def offers(self, function: Function) -> bool:
        """Whether the service has what a function needs."""
        return self.simbad is not None or not function.simbad
