from __future__ import annotations

import io
import math
from typing import Any

import pytest
from astropy.io.votable import parse_single_table

from vo.core.tables import Column, Datatype
from vo.core.tables.writers.binary import RowEncoder

from .samples import Cells, Sample, batch_of, columns_of_sample, sliced, stilts, write

ONE, TWO = "3f800000", "40000000"
SAMPLE: Sample = [
    (Column("id", Datatype.INT), [1, 2, 3, 4]),
    (Column("scalar", Datatype.FLOAT_COMPLEX), [[1.0, -2.0], None, [0.5, math.inf], [0.0, -0.0]]),
    (Column("wide", Datatype.DOUBLE_COMPLEX), [[1e300, 1e-300], [0.1, 0.2], None, [3.0, 4.0]]),
    (Column("pair", Datatype.FLOAT_COMPLEX, "2"), [[1.0, 2.0, 3.0, 4.0], None, [0.0] * 4, [5.0] * 4]),
    (Column("square", Datatype.DOUBLE_COMPLEX, "2x2"), [[float(number) for number in range(8)]] * 4),
    (Column("some", Datatype.DOUBLE_COMPLEX, "*"), [[1.0, 2.0], None, [], [3.0, 4.0, 5.0, 6.0]]),
    (Column("after", Datatype.SHORT), [5, None, 7, 8]),
]


def encode(datatype: Datatype, arraysize: str | None, *cells: Any, null_flags: bool = False) -> str:
    column = Column("x", datatype, arraysize)
    return bytes(RowEncoder((column,), null_flags=null_flags).encode(batch_of([(column, list(cells))]).columns)).hex()


def test_a_complex_number_is_its_two_parts() -> None:
    assert encode(Datatype.FLOAT_COMPLEX, None, [1.0, 2.0]) == ONE + TWO
    assert encode(Datatype.FLOAT_COMPLEX, "2", [1.0, 2.0, 2.0, 1.0]) == ONE + TWO + TWO + ONE


def test_complex_numbers_are_counted_not_their_parts() -> None:
    written = encode(Datatype.FLOAT_COMPLEX, "*", [1.0, 2.0, 2.0, 1.0], [], None)
    assert written == "00000002" + ONE + TWO + TWO + ONE + "00000000" + "00000000"


def test_null_is_flagged_in_binary2_and_two_nans_in_both() -> None:
    assert encode(Datatype.FLOAT_COMPLEX, None, None) == "7fc00000" * 2
    assert encode(Datatype.FLOAT_COMPLEX, None, None, null_flags=True) == "80" + "7fc00000" * 2
    assert encode(Datatype.FLOAT_COMPLEX, None, [math.nan, 1.0], null_flags=True) == "00" + "7fc00000" + ONE


@pytest.mark.parametrize("form", ["votable", "votable/b"])
def test_astropy_reads_complex_numbers(form: str) -> None:
    document = write(form, columns_of_sample(SAMPLE), sliced(batch_of(SAMPLE)))
    array = parse_single_table(io.BytesIO(document)).array
    for column, cells in SAMPLE[1:-1]:
        read = [_parts(cell) for cell in array[column.name]]
        assert read == [_known(column, cell) for cell in cells], column.name
    assert array["after"].tolist()[::2] == [5, 7]


def _parts(cell: Any) -> list[Any]:
    numbers = cell.ravel().tolist() if hasattr(cell, "ravel") else [cell]
    return [part for number in numbers for part in ((None, None) if _is_null(number) else (number.real, number.imag))]


def _is_null(number: Any) -> bool:
    return not isinstance(number, complex) or math.isnan(number.real)


def _known(column: Column, cell: Any) -> Cells:
    return [None] * (column.length or 0) if cell is None else list(cell)


@pytest.mark.parametrize("form", ["votable", "votable/b"])
def test_stilts_reads_complex_numbers_and_what_follows(form: str) -> None:
    # STIL 4.1 counts parts where the standard counts complex numbers, so that it cannot read variable arrays of them.
    sample = [(column, cells) for column, cells in SAMPLE if column.length is not None]
    document = write(form, columns_of_sample(sample), sliced(batch_of(sample)))
    assert stilts("votlint", "votable=-", document=document) == ""
    script = ["cmd=addcol sum 'sum(pair)'", "cmd=addcol trace 'square[0]+square[7]'", "cmd=keepcols 'sum trace after'"]
    read = stilts("tpipe", "in=-", "ifmt=votable", *script, "ofmt=csv", document=document)
    assert read.splitlines()[1::3] == ["10.0,7.0,5", "20.0,7.0,8"]
