"""Columns are found as they are named, by UCD, by name; in the units that the task wants."""

from __future__ import annotations

import math

import pyarrow as pa
import pytest

from tests.uws.tasks.declared import Shift
from uws.tasks.recognition import Recognised, recognise
from vo.core.errors import ParameterError
from vo.core.tables import Column, Datatype

DOUBLE = Datatype.DOUBLE
WANTED = Shift.inputs[0]


def found(*columns: Column, **named: str) -> Recognised:
    return recognise(columns, WANTED, named)


RA = Column("alpha", DOUBLE, unit="deg", ucd="pos.eq.ra;meta.main")
DEC = Column("delta", DOUBLE, unit="deg", ucd="pos.eq.dec;meta.main")


def test_by_ucd_before_name() -> None:
    known = found(Column("ra", DOUBLE, unit="deg"), Column("dec", DOUBLE, unit="deg"), RA, DEC)
    assert (known.name("ra"), known.name("dec"), known.name("pmra")) == ("alpha", "delta", None)


def test_by_name() -> None:
    known = found(Column("RAJ2000", DOUBLE), Column("DEJ2000", DOUBLE), Column("PM_RA", Datatype.FLOAT, unit="mas/yr"))
    assert (known.name("ra"), known.name("dec"), known.name("pmra")) == ("RAJ2000", "DEJ2000", "PM_RA")
    assert known.found["pmra"].factor == 1.0


def test_as_given_in_any_case_or_quoted() -> None:
    odd = Column('my "ra"', DOUBLE)
    known = found(odd, Column("d", DOUBLE), RA, DEC, ra='"my ""ra"""', dec="D")
    assert (known.name("ra"), known.name("dec"), known.found["ra"].how) == ('my "ra"', "d", "as given")


def test_units_are_converted() -> None:
    known = found(
        Column("ra", Datatype.FLOAT, unit="rad"), DEC, Column("pmra", DOUBLE, unit="deg/yr"), ra="ra", dec="delta"
    )
    batch = pa.record_batch({"ra": pa.array([math.pi, None], pa.float32()), "delta": [1.0, 2.0], "pmra": [1.0, None]})
    ra = known.numbers(batch, "ra")
    assert ra[0] == pytest.approx(180.0)
    assert math.isnan(ra[1])
    assert known.numbers(batch, "pmra")[0] == pytest.approx(3.6e6)
    assert known.numbers(batch, "dec").tolist() == [1.0, 2.0]


def test_units_that_do_not_fit_are_passed_over_or_refused() -> None:
    speed = Column("pmra", DOUBLE, unit="km/s")
    assert "pmra" not in found(RA, DEC, speed)
    with pytest.raises(ParameterError, match="the column pmra is in km/s, and proper motion is wanted in") as raised:
        found(RA, DEC, speed, pmra="pmra")
    assert raised.value.parameter == "PMRA"


@pytest.mark.parametrize(
    ("columns", "named", "parameter", "words"),
    [
        ([RA], {}, "DEC", "could be one of alpha"),
        ([RA, DEC], {"ra": "x'); DROP"}, "RA", "The columns are alpha, delta"),
        ([RA, DEC, Column("t", Datatype.CHAR, "*")], {"ra": "t"}, "RA", "is not a number"),
        ([Column("t", Datatype.CHAR, "*")], {}, "RA", "needs a column with a number"),
        ([Column("x", DOUBLE), Column("X", DOUBLE)], {"ra": '"x"', "dec": "y"}, "RA", "no column"),
    ],
    ids=["missing", "unknown", "text", "nothing", "ambiguous"],
)
def test_what_is_missing(columns: list[Column], named: dict[str, str], parameter: str, words: str) -> None:
    with pytest.raises(ParameterError, match=words) as raised:
        found(*columns, **named)
    assert raised.value.parameter == parameter


def test_arrays_are_no_numbers() -> None:
    with pytest.raises(ParameterError):
        found(Column("ra", DOUBLE, "3", unit="deg"), DEC)
