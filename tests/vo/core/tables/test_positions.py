"""Which columns are taken for a position."""

from __future__ import annotations

import pytest

from vo.core.tables import Column, Datatype
from vo.core.tables.positions import likely_position


def column(name: str, ucd: str | None = None, unit: str | None = "deg", datatype: Datatype = Datatype.DOUBLE) -> Column:
    return Column(name, datatype, ucd=ucd, unit=unit)


MAIN = column("a", "pos.eq.ra;meta.main"), column("d", "pos.eq.dec;meta.main")
PLAIN = column("ra"), column("dec")


@pytest.mark.parametrize(
    ("columns", "names"),
    [
        (MAIN, ("a", "d")),
        ((*PLAIN, *MAIN), ("a", "d")),
        ((column("x", "POS_EQ_RA_MAIN"), column("y", "POS_EQ_DEC_MAIN")), ("x", "y")),
        ((*PLAIN, column("x", "pos.eq.ra"), column("y", "pos.eq.dec")), ("x", "y")),
        ((column("e", "stat.error;pos.eq.ra"), column("f", "stat.error;pos.eq.dec"), *PLAIN), ("ra", "dec")),
        ((column("RAJ2000", unit="degrees"), column("DEJ2000", unit=None)), ("RAJ2000", "DEJ2000")),
        ((column("alpha"), column("delta")), ("alpha", "delta")),
        ((column("alpha", unit=None), column("delta", unit=None)), None),
        ((column("ra", unit="h"), column("dec")), None),
        ((column("ra", unit="rad"), column("dec", unit="rad")), None),
        ((column("ra", datatype=Datatype.FLOAT), column("dec")), None),
        ((Column("ra", Datatype.DOUBLE, "2"), column("dec")), None),
        ((column("ra"),), None),
        ((), None),
    ],
)
def test_positions_are_found_by_ucd_unit_and_name(columns: tuple[Column, ...], names: tuple[str, str] | None) -> None:
    found = likely_position(columns)
    assert (None if found is None else tuple(columns[place].name for place in found)) == names


def test_the_first_of_equal_columns_counts() -> None:
    assert likely_position((*PLAIN, *PLAIN)) == (0, 1)
