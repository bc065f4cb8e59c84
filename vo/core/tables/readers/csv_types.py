"""Which types the columns of a text file have, judged by all their cells."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.compute as pc

from vo.core.errors import TableError
from vo.core.tables.columns import Column, Datatype
from vo.core.tables.readers.lists import lists_of_numbers
from vo.core.tables.readers.text import parse_column

NULL_WORDS = ("null", "NULL", "Null", "NA", "N/A", "None", "\\N", "--")
"""Words for "no value" in columns of numbers, booleans and times; in a text column they are text."""

_NO_VALUES = pa.array(["", *NULL_WORDS])
_EXACT_DIGITS = 15


@dataclass(frozen=True, slots=True)
class _Type:
    """A type that a column may have, and whether all of some cells are of it."""

    prototype: Column
    pattern: str = ""
    unusual: Callable[[pa.Array], pa.Array] = pc.is_valid
    """Which values might not match the pattern although Arrow casts them."""

    def column(self, name: str) -> Column:
        return replace(self.prototype, name=name)

    def holds(self, values: pa.Array) -> bool:
        """Return whether all values, trimmed and without words for no value, are of the type."""
        if self.prototype.is_array:
            return self._holds_lists(values)
        try:
            # What a cast takes is a number as a rule; only the few that look otherwise are matched with the pattern.
            values.cast(self.prototype.arrow_type)
            values = values.filter(self.unusual(values))
            if not len(values):
                return True
        except pa.ArrowInvalid:
            pass
        if not pc.all(pc.match_substring_regex(values, self.pattern)).as_py():
            return False
        try:
            parse_column(values, self.prototype)
        except TableError:
            return False
        return True

    def _holds_lists(self, values: pa.Array) -> bool:
        try:
            lists_of_numbers(values, self.prototype.arrow_type.value_type)
        except pa.ArrowInvalid:
            return False
        return True


def _with_letter(values: pa.Array) -> pa.Array:
    return pc.or_(pc.match_substring(values, "x"), pc.match_substring(values, "X"))


def _without_point(values: pa.Array) -> pa.Array:
    return pc.invert(pc.match_substring(values, "."))


# Among doubles an integer of many digits, an identifier most likely, would lose some of them: it makes the column text.
_TYPES = (
    _Type(Column("", Datatype.LONG), r"^[-+]?[0-9]+$", _with_letter),
    _Type(
        Column("", Datatype.DOUBLE),
        r"^[-+]?([0-9]{1,15}|[0-9]*\.[0-9]*|[0-9]+\.?[0-9]*[eE][-+]?[0-9]+|[0-9]*\.[0-9]+[eE][-+]?[0-9]+|[nN]a[nN]|[iI]nf(inity)?)$",
        _without_point,
    ),
    _Type(Column("", Datatype.BOOLEAN), r"^([tT]rue|TRUE|[fF]alse|FALSE)$"),
    _Type(Column("", Datatype.CHAR, arraysize="*", xtype="timestamp"), r"^[0-9]{4}-[0-9]{2}-[0-9]{2}"),
    _Type(Column("", Datatype.LONG, arraysize="*")),
    _Type(Column("", Datatype.DOUBLE, arraysize="*")),
)
_LONG, _DOUBLE, _LONGS, _TEXT = 0, 1, 4, len(_TYPES)
_SEVERAL = r"^[\[(][^,]*,"
"""A list of more than one number. What has one at most in all rows may be a note, and stays text."""


class TypeGuess:
    """The narrowest types that hold all cells seen so far.

    Parameters
    ----------
    names : sequence of str
        Names of the columns.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self._types = [0] * len(names)
        self._filled = [False] * len(names)
        self._several = [False] * len(names)  # whether a list had more than one element
        self._exact = [False] * len(names)  # whether there was an integer that a double might not hold
        self.rows = 0
        """Rows seen."""

    def look_at(self, batch: pa.RecordBatch) -> None:
        """Take account of the cells of a batch of strings."""
        self.rows += len(batch)
        for index, cells in enumerate(batch.columns):
            if self._types[index] != _TEXT:
                self._look_at(index, cells)

    def _look_at(self, index: int, cells: pa.Array) -> None:
        words = pc.utf8_trim_whitespace(cells)
        absent = pc.is_in(words, value_set=_NO_VALUES)
        values = words.filter(pc.invert(absent)).drop_null() if words.null_count or pc.any(absent).as_py() else words
        if not len(values):
            return
        if not self._filled[index] and values[0].as_py()[0] in "[(":
            self._types[index] = _LONGS
        self._filled[index] = True
        while self._types[index] != _TEXT and not _TYPES[self._types[index]].holds(values):
            # What began with single values has no lists further down.
            self._types[index] = _TEXT if self._types[index] + 1 == _LONGS else self._types[index] + 1
        if _LONGS <= self._types[index] < _TEXT:
            self._several[index] |= bool(pc.any(pc.match_substring_regex(values, _SEVERAL)).as_py())
        if self._types[index] == _LONG:
            self._exact[index] |= (pc.max(pc.binary_length(values)).as_py() or 0) > _EXACT_DIGITS
        elif self._types[index] == _DOUBLE and self._exact[index]:
            self._types[index] = _TEXT

    def columns(self) -> tuple[Column, ...]:
        """Return the columns; one without any value is text."""
        text = Column("", Datatype.UNICODE_CHAR, arraysize="*")
        return tuple(
            _TYPES[kind].column(name)
            if kind != _TEXT and filled and (kind < _LONGS or several)
            else replace(text, name=name)
            for name, kind, filled, several in zip(self._names, self._types, self._filled, self._several, strict=True)
        )
