"""A client's strings become a task's parameters, or an error that names the one which is wrong."""

from __future__ import annotations

from enum import IntEnum
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.uws.tasks.declared import Shift, ShiftParameters
from uws.tasks import TaskParameters, parameter
from uws.tasks.parameters import describe, read_parameters
from uws.tasks.request import TaskRequest
from vo.core.dali.parameters import Parameters
from vo.core.errors import ParameterError, ServiceError
from vo.core.settings import Settings

SETTINGS = Settings(default_maxrec=100, hard_maxrec=1000)
Pairs = list[tuple[str, str]]


def read(*pairs: tuple[str, str]) -> ShiftParameters:
    found = read_parameters(ShiftParameters, Parameters([("rounds", "2"), *pairs]))
    assert isinstance(found, ShiftParameters)
    return found


def test_names_in_any_case_and_defaults() -> None:
    assert read() == ShiftParameters(by=1.5, mode="north", bands=(), rounds=2, strict=False, limit=None)
    assert read(("bY", " 2.5e1 "), ("Mode", "SOUTH"), ("STRICT", "1"), ("limit", "-3")) == ShiftParameters(
        by=25, mode="south", rounds=2, strict=True, limit=-3
    )


def test_lists_repeated_and_with_commas() -> None:
    assert read(("BANDS", "g, bp"), ("bands", "rp"), ("BANDS", "g")).bands == ("g", "bp", "rp")


class Turn(IntEnum):
    LEFT = -1
    RIGHT = 1


class Choices(TaskParameters):
    band: Literal["r", "R", "z"] = parameter("r", description="x")
    count: Literal[1, 2] = parameter(1, description="x")
    turns: tuple[Turn, ...] = parameter((Turn.LEFT,), description="x")


def test_choices_are_not_only_texts() -> None:
    def chosen(*pairs: tuple[str, str]) -> TaskParameters:
        return read_parameters(Choices, Parameters(pairs))

    assert chosen() == Choices(band="r", count=1, turns=(Turn.LEFT,))
    assert chosen(("BAND", "R"), ("COUNT", "2"), ("TURNS", "1,-1")) == Choices(
        band="R", count=2, turns=(Turn.RIGHT, Turn.LEFT)
    )
    assert chosen(("BAND", "Z")) == Choices(band="z")
    assert [(each.default, tuple(each.choices)) for each in describe(Choices)] == [
        ("r", ("r", "R", "z")),
        ("1", ("1", "2")),
        ("-1", ("-1", "1")),
    ]


@pytest.mark.parametrize(
    ("pairs", "name", "words"),
    [
        ([("by", "0")], "BY", ["greater than 0", "more than 0, at most 3600", "arcsec"]),
        ([("by", "x" * 500)], "BY", ["'" + "x" * 60 + "'", "number"]),
        ([("by", "nan")], "BY", ["finite number"]),
        ([("mode", "up")], "MODE", ["north, south"]),
        ([("strict", "perhaps")], "STRICT", ["true or false"]),
        ([("rounds", "0"), ("rounds", "1")], "ROUNDS", ["different values"]),
        ([("bands", "a,b,c,d")], "BANDS", ["at most 3"]),
        ([("rounds", "2.5")], "ROUNDS", ["integer"]),
    ],
    ids=str,
)
def test_what_is_wrong_is_named(pairs: Pairs, name: str, words: list[str]) -> None:
    given = pairs if name == "ROUNDS" else [("ROUNDS", "2"), *pairs]
    with pytest.raises(ParameterError) as raised:
        read_parameters(ShiftParameters, Parameters(given))
    assert raised.value.parameter == name
    for word in words:
        assert word in str(raised.value)
    assert len(str(raised.value)) < 400


def test_what_is_missing_is_named_with_an_example() -> None:
    with pytest.raises(ParameterError, match=r"ROUNDS: is missing\. How often\. Send it, such as ROUNDS=3\.") as raised:
        read_parameters(ShiftParameters, Parameters([]))
    assert raised.value.parameter == "ROUNDS"


@given(st.sampled_from(["BY", "MODE", "BANDS", "ROUNDS", "STRICT", "LIMIT"]), st.text(max_size=50))
def test_whatever_is_sent(name: str, value: str) -> None:
    try:
        read(*([(name, value)]))
    except ParameterError as error:
        if error.parameter != name:
            raise


def test_described() -> None:
    by, mode, bands, rounds, strict, limit = describe(ShiftParameters)
    assert (by.name, by.datatype, by.unit, by.ucd, by.default) == ("BY", "double", "arcsec", "pos.angDistance", "1.5")
    assert (by.range, by.examples, by.required) == ("more than 0, at most 3600", ("2",), False)
    assert (tuple(mode.choices), mode.default) == (("north", "south"), "north")
    assert (bands.repeated, rounds.required, rounds.range) == (True, True, "at least 1")
    assert (strict.datatype, strict.default, limit.default, limit.unit) == ("boolean", "false", None, "deg")


def ask(*pairs: tuple[str, str]) -> TaskRequest:
    return TaskRequest.from_parameters(Shift(), Parameters([("ROUNDS", "1"), *pairs]), SETTINGS)


def test_selections() -> None:
    assert ask(("query", "SELECT 1")).selections.selections[""].query == "SELECT 1"
    assert ask(("TABLE", " a.b ")).selections.selections[""].table == "a.b"
    uploaded = ask(("UPLOAD", "mine,param:x")).selections
    assert (uploaded.selections[""].query, uploaded.selections[""].table) == (None, None)
    assert uploaded.uploads == ("mine,param:x",)
    named = ask(("TABLE", "a.b"), ("ra", "alpha"), ("ID", "n")).named[""]
    assert named == {"ra": "alpha", "id": "n"}


def test_result() -> None:
    asked = ask(("TABLE", "a.b"), ("MAXREC", "5000"), ("FORMAT", "csv"), ("RUNID", "mine"))
    assert (asked.maxrec, asked.format.name, asked.run_id) == (1000, "csv", "mine")
    assert ask(("TABLE", "a.b")).maxrec == 100


@pytest.mark.parametrize(
    ("pairs", "name"),
    [
        ([], "QUERY"),
        ([("TABLE", "a.b"), ("QUERY", "SELECT 1")], "QUERY"),
        ([("TABLE", "a.b"), ("BYE", "1")], "BYE"),
        ([("TABLE", "a.b"), ("TABLE_2", "c")], "TABLE_2"),
        ([("TABLE", "a.b"), ("MAXREC", "-1")], "MAXREC"),
        ([("TABLE", "a.b"), ("FORMAT", "csv"), ("RESPONSEFORMAT", "fits")], "RESPONSEFORMAT"),
    ],
    ids=str,
)
def test_a_request_that_is_wrong(pairs: Pairs, name: str) -> None:
    with pytest.raises(ParameterError) as raised:
        ask(*pairs)
    assert raised.value.parameter == name


def test_what_protocols_send_changes_nothing() -> None:
    asked = ask(("TABLE", "a.b"), ("PHASE", "RUN"), ("LANG", "ADQL"), ("", "x"))
    assert asked.parameters == ask(("TABLE", "a.b")).parameters


def test_a_format_that_there_is_not() -> None:
    with pytest.raises(ServiceError, match="nonsense"):
        ask(("TABLE", "a.b"), ("FORMAT", "nonsense"))
