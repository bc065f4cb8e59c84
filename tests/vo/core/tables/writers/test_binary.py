from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from vo.core.errors import TableError
from vo.core.tables import Column, Datatype
from vo.core.tables.writers.binary import RowEncoder
from vo.core.tables.writers.cells import NATIVE

from .samples import batch_of


def encode(*sample: tuple[Column, list[Any]], null_flags: bool = False) -> bytes:
    encoder = RowEncoder(tuple(column for column, _ in sample), null_flags=null_flags)
    return bytes(encoder.encode(batch_of(sample).columns))


def encode_one(datatype: Datatype, arraysize: str | None, *cells: Any) -> bytes:
    return encode((Column("x", datatype, arraysize), list(cells)))


def test_null_flags_begin_with_the_most_significant_bit() -> None:
    columns = [(Column(f"c{index}", Datatype.UNSIGNED_BYTE), [index + 1, None]) for index in range(8)]
    ninth = (Column("c8", Datatype.UNSIGNED_BYTE), [None, 9])
    assert encode(*columns, ninth, null_flags=True).hex(" ") == (
        "00 80 01 02 03 04 05 06 07 08 00 ff 00 00 00 00 00 00 00 00 00 09"
    )


@pytest.mark.parametrize(
    ("datatype", "cells", "encoded"),
    [
        (Datatype.BOOLEAN, [True, False, None], "54 46 3f"),
        (Datatype.UNSIGNED_BYTE, [1, 254, None], "01 fe ff"),
        (Datatype.SHORT, [1, -2, None], "00 01 ff fe 80 00"),
        (Datatype.INT, [1, -2, None], "00 00 00 01 ff ff ff fe 80 00 00 00"),
        (Datatype.LONG, [1, None], "00 00 00 00 00 00 00 01 80 00 00 00 00 00 00 00"),
        (Datatype.FLOAT, [1.0, None, float("inf")], "3f 80 00 00 7f c0 00 00 7f 80 00 00"),
        (Datatype.DOUBLE, [-2.0, None], "c0 00 00 00 00 00 00 00 7f f8 00 00 00 00 00 00"),
    ],
)
def test_scalars_are_big_endian_and_nulls_have_their_stand_ins(
    datatype: Datatype, cells: list[Any], encoded: str
) -> None:
    assert encode_one(datatype, None, *cells).hex(" ") == encoded


def test_a_scalar_bit_is_the_first_of_its_byte() -> None:
    encoded = encode_one(Datatype.BIT, None, True, False, None)
    assert [byte >> 7 for byte in encoded] == [1, 0, 0]


@pytest.mark.parametrize(
    ("datatype", "arraysize", "cells", "encoded"),
    [
        (Datatype.CHAR, "4", ["ab", None, "abcd", "ä"], b"ab\0\0" + b"\0\0\0\0" + b"abcd" + "ä".encode() + b"\0\0"),
        (Datatype.CHAR, None, ["a", ""], b"a\0"),
        (Datatype.CHAR, "2x3", ["abcd"], b"abcd\0\0"),
        (Datatype.CHAR, "*", ["ab", None, "", "ä"], b"\0\0\0\2ab" + b"\0\0\0\0" * 2 + b"\0\0\0\2\xc3\xa4"),
        (Datatype.CHAR, "9*", ["ab"], b"\0\0\0\2ab"),
        (Datatype.UNICODE_CHAR, "3", ["a", "😀"], b"\0a\0\0\0\0" + "😀".encode("utf-16-be") + b"\0\0"),
        (
            Datatype.UNICODE_CHAR,
            "*",
            ["é😀", None, "a"],
            b"\0\0\0\3" + "é😀".encode("utf-16-be") + b"\0\0\0\0\0\0\0\1\0a",
        ),
        (Datatype.BIT, "10", [[True] * 10, None, [False] * 9 + [True]], b"\xff\xc0\0\0\0\x40"),
        (Datatype.BIT, "*", [[True], [], None, [True] * 9], b"\0\0\0\1\x80" + b"\0\0\0\0" * 2 + b"\0\0\0\x09\xff\x80"),
        (Datatype.SHORT, "2", [[1, None], [3, 4]], b"\0\1\x80\0\0\3\0\4"),
        (Datatype.SHORT, "*", [[1, None], [], None, [5]], b"\0\0\0\2\0\1\x80\0" + b"\0\0\0\0" * 2 + b"\0\0\0\1\0\5"),
        (Datatype.SHORT, "2x*", [[1, 2, 3, 4]], b"\0\0\0\4\0\1\0\2\0\3\0\4"),
        (Datatype.BOOLEAN, "*", [[True, None, False]], b"\0\0\0\3T?F"),
        (Datatype.BOOLEAN, "2", [None, [True, False]], b"??TF"),
        (Datatype.UNSIGNED_BYTE, "*", [[255, 0]], b"\0\0\0\2\xff\0"),
    ],
)
def test_texts_and_arrays(datatype: Datatype, arraysize: str | None, cells: list[Any], encoded: bytes) -> None:
    assert encode_one(datatype, arraysize, *cells) == encoded


def test_fixed_and_variable_cells_follow_each_other_in_the_row() -> None:
    encoded = encode(
        (Column("first", Datatype.CHAR, "*"), ["a", "bcd"]),
        (Column("second", Datatype.SHORT), [1, None]),
        (Column("third", Datatype.SHORT, "*"), [[7], None]),
        (Column("fourth", Datatype.CHAR, "*"), [None, "z"]),
        (Column("fifth", Datatype.UNSIGNED_BYTE), [8, 9]),
        null_flags=True,
    )
    assert encoded == (
        b"\x10" + b"\0\0\0\1a" + b"\0\1" + b"\0\0\0\1\0\7" + b"\0\0\0\0" + b"\x08"
        b"\x60" + b"\0\0\0\3bcd" + b"\0\0" + b"\0\0\0\0" + b"\0\0\0\1z" + b"\x09"
    )


def test_null_cells_that_have_content_in_arrow_are_empty() -> None:
    column = Column("x", Datatype.SHORT, "*")
    null = pa.array([False, True, False])
    lists = pa.ListArray.from_arrays(pa.array([0, 1, 3, 4], pa.int32()), pa.array([1, 2, 3, 4], pa.int16()), mask=null)
    assert bytes(RowEncoder((column,), null_flags=False).encode([lists])) == b"\0\0\0\1\0\1\0\0\0\0\0\0\0\1\0\4"


@pytest.mark.parametrize(
    ("datatype", "value"),
    [(Datatype.UNSIGNED_BYTE, 255), (Datatype.SHORT, -(2**15)), (Datatype.INT, -(2**31)), (Datatype.LONG, -(2**63))],
)
def test_binary_refuses_a_value_that_stands_for_null_and_binary2_keeps_it(datatype: Datatype, value: int) -> None:
    sample = (Column("level", datatype), [None, value])
    with pytest.raises(TableError, match=f"'level': the value {value} stands for null"):
        encode(sample)
    width = NATIVE[datatype].itemsize
    null, kept = b"\x80" + bytes(width), b"\0" + value.to_bytes(width, "big", signed=value < 0)
    assert encode(sample, null_flags=True) == null + kept


def test_binary_refuses_a_null_that_it_cannot_say() -> None:
    sample = (Column("codes", Datatype.UNSIGNED_BYTE, "2"), [[1, 255], None])
    with pytest.raises(TableError, match="'codes': a null array of unsignedByte cannot be written in BINARY"):
        encode(sample)
    assert encode(sample, null_flags=True) == b"\0\1\xff" + b"\x80\0\0"


@pytest.mark.parametrize(
    ("datatype", "arraysize", "cell", "message"),
    [
        (Datatype.DOUBLE, "3", [1.0], "'x': an array of 1 elements where arraysize is 3"),
        (Datatype.BIT, "2x2", [True] * 5, "'x': an array of 5 elements where arraysize is 2x2"),
        (Datatype.CHAR, "2", "abc", "'x': a text is longer than its arraysize, 2"),
        (Datatype.CHAR, "1", "é", "'x': a text is longer than its arraysize, 1"),
        (Datatype.UNSIGNED_BYTE, "*", [1, None], "'x': an array of unsignedByte cannot have null elements"),
    ],
)
def test_cells_that_do_not_fit_are_refused_by_name(datatype: Datatype, arraysize: str, cell: Any, message: str) -> None:
    with pytest.raises(TableError, match=message):
        encode_one(datatype, arraysize, cell)
