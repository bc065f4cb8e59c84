from __future__ import annotations

import math
from typing import Any

import pyarrow as pa
import pytest

from vo.core.errors import TableError
from vo.core.tables import Column, Datatype
from vo.core.tables.writers import tabledata
from vo.core.tables.writers.text import Spelling, has_any, replaced, texts

PLAIN = Spelling()
LISTS = Spelling(null_float="null", null_bit="null", brackets=("[", "]"))


def spelt(datatype: Datatype, arraysize: str | None, *cells: Any, spelling: Spelling = PLAIN) -> list[str | None]:
    column = Column("x", datatype, arraysize)
    written: list[str | None] = texts(column, pa.array(cells, column.arrow_type), spelling).to_pylist()
    return written


@pytest.mark.parametrize("datatype", [Datatype.FLOAT, Datatype.DOUBLE])
def test_floats_that_are_odd(datatype: Datatype) -> None:
    odd = [0.0, -0.0, None, math.nan, math.inf, -math.inf, 1e-300 if datatype is Datatype.DOUBLE else 1e-30]
    assert spelt(datatype, None, *odd)[:-1] == ["0", "-0.0", None, "NaN", "Infinity", "-Infinity"]
    assert spelt(datatype, None, *odd, spelling=tabledata.SPELLING)[3:6] == ["NaN", "+Inf", "-Inf"]


def test_null_floats_are_null_whatever_stands_below_them() -> None:
    array = pa.Array.from_buffers(pa.float64(), 2, [pa.py_buffer(b"\x01"), pa.array([1.0, math.nan]).buffers()[1]])
    assert texts(Column("x", Datatype.DOUBLE), array, PLAIN).to_pylist() == ["1", None]


def test_complex_numbers_are_their_two_parts() -> None:
    cells = [[1.5, -0.0], None, [math.nan, math.inf]]
    assert spelt(Datatype.DOUBLE_COMPLEX, None, *cells) == ["1.5 -0.0", None, "NaN Infinity"]
    assert spelt(Datatype.DOUBLE_COMPLEX, None, *cells, spelling=LISTS) == ["[1.5,-0.0]", None, "[NaN,Infinity]"]
    assert spelt(Datatype.FLOAT_COMPLEX, "2", [1, 2, 3, 4]) == ["1 2 3 4"]
    assert spelt(Datatype.FLOAT_COMPLEX, "2x*", [*range(8)], [], spelling=LISTS) == [
        "[[[0,1],[2,3]],[[4,5],[6,7]]]",
        "[]",
    ]


@pytest.mark.parametrize(
    ("arraysize", "written"),
    [("*", "[1,null,3,4,5,6]"), ("2x3", "[[1,null],[3,4],[5,6]]"), ("3x2x*", "[[[1,null,3],[4,5,6]]]")],
)
def test_the_first_dimension_is_innermost(arraysize: str, written: str) -> None:
    assert spelt(Datatype.INT, arraysize, [1, None, 3, 4, 5, 6], None, spelling=LISTS) == [written, None]


def test_a_list_of_another_shape_is_refused() -> None:
    with pytest.raises(TableError, match=r"'x'.*2x\*"):
        spelt(Datatype.INT, "2x*", [1, 2], [3], spelling=LISTS)


@pytest.mark.parametrize("spelling", [PLAIN, LISTS])
def test_an_array_of_another_length_is_refused(spelling: Spelling) -> None:
    assert spelt(Datatype.INT, "2", [1, 2], None, spelling=spelling)[1] is None
    with pytest.raises(TableError, match="3 elements where arraysize is 2"):
        spelt(Datatype.INT, "2", [1, 2], [1, 2, 3], spelling=spelling)


def test_null_elements_where_votable_has_none() -> None:
    assert spelt(Datatype.SHORT, "*", [1, None], spelling=tabledata.SPELLING) == ["1 -32768"]
    with pytest.raises(TableError, match="cannot have null elements"):
        spelt(Datatype.UNSIGNED_BYTE, "*", [1, None], spelling=tabledata.SPELLING)


def test_characters_are_replaced_in_order() -> None:
    array = pa.array(["no", "a&b", None, "<&>", "é"]).slice(1)
    assert replaced(array, {"&": "&amp;", "<": "&lt;"}).to_pylist() == ["a&amp;b", None, "&lt;&amp;>", "é"]
    assert replaced(array, {"n": "x"}) is array
    assert [has_any(array, character) for character in (b"n", b"<", b"\xc3")] == [False, True, True]
