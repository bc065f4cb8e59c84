"""Objects by what a published catalogue calls them, and positions as rows."""

from __future__ import annotations

import pytest

from tests.tap.selection.asking import Desk, whole
from uws.tasks.declaration import DEC, RA, Neighbours, Rows, TaskInput
from uws.tasks.recognition import recognise
from uws.tasks.selections import SelectionRequest, SelectionsRequest
from uws.tasks.targets import Target
from vo.core.callers import Caller
from vo.core.errors import ParameterError

ME = Caller(address="127.0.0.1")


def of(desk: Desk, *targets: Target | str, **tables: str) -> SelectionsRequest:
    asked = {str(number): SelectionRequest("TARGET", target=target) for number, target in enumerate(targets, 1)}
    asked |= {name: SelectionRequest("TABLE", table=table) for name, table in tables.items()}
    return SelectionsRequest(asked)


@pytest.mark.parametrize("name", ["HIP 70890", "hip70890", "HIP  070890"])
def test_a_name_that_a_catalogue_knows(desk: Desk, name: str) -> None:
    with desk.selections.of(of(desk, name), {}, ME, "target") as opened:
        described = opened.describe("1")
        assert (described.rows, described.source) == (1, f"target {name}")
        [row] = whole(opened.open(Rows("1"), {})).to_pylist()
    assert (row["target"], row["hip"]) == (name, 70890)
    assert (row["ra"], row["dec"]) == pytest.approx((217.449, -62.681), abs=0.01)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("HIP 0", "'HIP 0' is not in hipparcos.hip2."),
        ("M 31", "'M 31' is a name that nobody knows here."),
        ("HIP 1 OR 1=1", "'HIP 1 OR 1=1' is a name that nobody knows here."),
        ("HIP 99999999999999999999", "nobody knows here"),
        ("HIP " + "9" * 5000, "nobody knows here"),
        ("Gaia DR3 '; DROP", "nobody knows here"),
    ],
)
def test_a_name_that_nobody_knows(desk: Desk, name: str, words: str) -> None:
    with (
        desk.selections.of(of(desk, name), {}, ME, "target") as opened,
        pytest.raises(ParameterError) as caught,
    ):
        opened.describe("1")
    assert (caught.value.parameter, words in caught.value.message) == ("TARGET", True)
    assert "HIP {hip}" in str(caught.value.hint)


def test_a_position_is_a_row(desk: Desk) -> None:
    with desk.selections.of(of(desk, Target("here", 1.0, -2.0, "in words")), {}, ME, "target") as opened:
        described = opened.describe("1")
        assert (described.rows, described.source, described.position) == (1, "in words", None)
        assert whole(opened.open(Rows("1"), {})).to_pylist() == [{"target": "here", "ra": 1.0, "dec": -2.0}]
        assert whole(opened.open(Rows("1", ("dec",)), {})).to_pylist() == [{"dec": -2.0}]


def test_neighbours_of_a_position(desk: Desk) -> None:
    [(ra, dec)] = desk.fetch("SELECT ra, dec FROM demo.big LIMIT 1")
    asked = of(desk, Target("here", ra, dec, ""), **{"2": "demo.big"})
    with desk.selections.of(asked, {}, ME, "target") as opened:
        found = {}
        for name in "12":
            described = opened.describe(name)
            found[name] = recognise(described.columns, TaskInput(name, "table", (RA, DEC)), {})
        pairs = Neighbours(Rows("1"), Rows("2", ("ra", "dec")), 1e-6)
        [row, *_] = whole(opened.open(pairs, found)).to_pylist()
    assert (row["target"], row["first_row"]) == ("here", 0)


def test_an_input_that_is_not_required_and_for_which_nothing_is_left(desk: Desk) -> None:
    asked = {"1": SelectionRequest("TABLE", table="demo.big"), "2": SelectionRequest("UPLOAD", required=False)}
    with desk.selections.of(SelectionsRequest(asked), {}, ME, "target") as opened:
        assert [opened.has(name) for name in "12"] == [True, False]
