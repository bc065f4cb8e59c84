"""Parameters apart from HTTP: what holds for any text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vo.core.dali.parameters import Parameters
from vo.core.errors import ParameterError


@given(st.text(st.characters(max_codepoint=127), min_size=1), st.text())
def test_names_in_any_case_values_as_they_are(name: str, value: str) -> None:
    for written in (name, name.upper(), name.lower(), name.swapcase()):
        assert Parameters([(written, value)]).all(name.upper()) == [value]
        assert Parameters([(written, value)]).one(name.upper()) == (value or None)


def test_one_value_from_many() -> None:
    assert Parameters([]).one("LANG") is None
    assert Parameters([("lang", "ADQL"), ("LANG", "ADQL")]).one("LANG") == "ADQL"
    assert Parameters([("a", "1"), ("A", "2"), ("a", "1")]).all("A") == ["1", "2", "1"]
    with pytest.raises(ParameterError, match="LANG: given 2 times") as caught:
        Parameters([("LANG", "ADQL"), ("lang", "adql")]).one("LANG")
    assert (caught.value.parameter, caught.value.status) == ("LANG", 400)


@given(st.integers(min_value=0, max_value=10**18 - 1), st.sampled_from(["{}", "+{}", " {} ", "000{}"]))
def test_integers(number: int, form: str) -> None:
    written = form.format(number)
    if len(written.strip().lstrip("+")) <= 18:
        assert Parameters([("MAXREC", written)]).integer("MAXREC", least=0) == number


@given(st.text().filter(lambda text: text.strip().removeprefix("+").strip("0123456789") != ""))
def test_what_is_no_integer_is_refused_briefly(text: str) -> None:
    with pytest.raises(ParameterError) as caught:
        Parameters([("MAXREC", text)]).integer("MAXREC", least=0)
    assert len(caught.value.message) < 500


def test_integers_below_the_least() -> None:
    with pytest.raises(ParameterError, match="at least 1"):
        Parameters([("WAIT", "0")]).integer("WAIT", least=1)
    assert Parameters([("WAIT", "")]).integer("WAIT", least=1) is None
