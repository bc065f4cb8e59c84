"""Units of products and powers are those that astropy works out."""

from __future__ import annotations

import pytest
from astropy import units as u
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tap.adql.units import power_unit, product_unit

SYMBOLS = st.sampled_from(["mas", "yr", "deg", "km", "s", "mag", "Jy", "'furlong'"])
SIMPLE = st.builds(lambda symbol, power: symbol if power == 1 else f"{symbol}**{power}", SYMBOLS, st.integers(1, 3))
UNITS = st.one_of(
    SIMPLE,
    st.builds("{}.{}".format, SIMPLE, SIMPLE),
    st.builds("{}/{}".format, SIMPLE, SIMPLE),
    st.builds("{0}.{1}**-1".format, SIMPLE, SYMBOLS),
    st.builds("{}/({}.{})".format, SIMPLE, SIMPLE, SIMPLE),
)


@settings(max_examples=100, deadline=None, database=None, derandomize=True)
@given(st.lists(st.tuples(st.sampled_from("*/"), UNITS), min_size=2, max_size=5), st.sampled_from([-2, 0.5, 2]))
def test_units_of_products_are_those_of_astropy(factors: list[tuple[str, str]], power: float) -> None:
    def read(text: str) -> u.UnitBase:
        return u.Unit(text, format="vounit", parse_strict="raise")

    names = [unit for _, unit in factors]
    product = product_unit(names, [False] * len(names), [operator for operator, _ in factors[1:]])
    expected = read(names[0])
    for operator, unit in factors[1:]:
        expected = expected * read(unit) if operator == "*" else expected / read(unit)
    assume(product is not None)  # VOUnits have no high powers
    assert product is not None
    assert read(product).is_equivalent(expected)
    assert read(product).to(expected) == pytest.approx(1)
    raised = power_unit(product, power)
    if raised is not None:
        assert read(raised).to(expected**power) == pytest.approx(1)


def test_units_that_cannot_be_written() -> None:
    assert product_unit(["mas.yr**-1", "yr"], [False, False], ["*"]) == "mas"
    assert product_unit([None, "d"], [True, False], ["/"]) == "d**-1"
    assert product_unit(["10**-3.mag", None], [False, True], ["*"]) == "10**-3.mag"
    assert product_unit(["10**-3.mag", "s"], [False, False], ["*"]) is None
    assert product_unit(["deg", None], [False, False], ["*"]) is None
