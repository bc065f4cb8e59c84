"""ADQL 2.1 rule by rule (grammar_cases): what is taken, what is refused where, and what to write instead."""

from __future__ import annotations

import pytest

from tap.adql import ADQLError, Catalogue, translate
from tap.adql.syntax.parser import parse
from tests.tap.adql.grammar_cases import INVALID, MISTAKES, VALID


def _queries(lines: str) -> list[str]:
    return [line.encode("ascii", "backslashreplace").decode("unicode_escape") for line in lines.strip("\n").split("\n")]


@pytest.mark.parametrize("section", VALID)
def test_what_the_grammar_derives_is_taken(section: str) -> None:
    refused = []
    for query in _queries(VALID[section]):
        try:
            parse(query)
        except ADQLError as error:
            refused.append(f"{query}: {error}")
    assert refused == []


@pytest.mark.parametrize("section", INVALID)
def test_what_it_does_not_derive_is_refused_at_a_place(section: str) -> None:
    taken = []
    for query in _queries(INVALID[section]):
        try:
            parse(query)
            taken.append(query)
        except ADQLError as error:
            if error.position is None or not 0 <= error.position <= len(query):
                taken.append(f"without a place: {query}")
    assert taken == []


@pytest.mark.parametrize(("query", "hint"), MISTAKES)
def test_habits_from_elsewhere_are_answered_with_what_to_write(query: str, hint: str) -> None:
    with pytest.raises(ADQLError) as caught:
        parse(query)
    assert caught.value.hint is not None
    assert hint in caught.value.hint


def test_expected_words_are_few() -> None:
    """Words that the service does not take are not among them, and one word stands for all beginnings of a value."""
    with pytest.raises(ADQLError) as caught:
        parse("SELECT a + FROM t")
    assert caught.value.hint == "Expected here: a value."
    with pytest.raises(ADQLError) as caught:
        parse("SELECT a FROM t SORT BY a")
    assert "CROSS" not in str(caught.value.hint)
    assert "JOIN" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("query", "hint"),
    [
        ("SELECT phot_mag FROM bright", "phot_g_mean_mag"),
        ("SELECT nothing FROM bright", "source_id, ra, dec"),
        ("SELECT ra AS r FROM bright WHERE r < 1", "Aliases"),
        ("SELECT b.raa FROM bright AS b", "Did you mean b.ra?"),
        ("SELECT ra FROM gaia.bright", "gaia_dr3.bright"),
        ("SELECT ra FROM nowhere", "tap_schema.tables"),
        ("SELECT std FROM tap_schema.columns WHERE table_name = gaia_dr3.bright", "'gaia_dr3.bright'"),
        ("SELECT MEDIAN(ra) FROM bright", "capabilities"),
        ("SELECT ra FROM bright WHERE DISTANCE(ra, dec, 1, 2) < 3600", "3600. of a degree"),
        ("SELECT ra FROM bright WHERE 1 = CONTAINS(POINT(ra, dec), CIRCLE(1, 124, 1))", "longitude comes first"),
    ],
)
def test_wrong_names_and_angles_are_answered_with_what_to_write(query: str, hint: str, catalogue: Catalogue) -> None:
    with pytest.raises(ADQLError) as caught:
        translate(query, catalogue)
    assert caught.value.hint is not None
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("condition", "remark"),
    [
        ("name = NULL", "IS NULL"),
        ("SIN(dec) > 0.5", "SIN(RADIANS(dec))"),
        ("SIN(RADIANS(dec)) > 0.5", None),
        ("COS(dec * PI() / 180) > 0.5", None),
        ("name IS NULL", None),
    ],
)
def test_likely_slips_are_remarked_upon(condition: str, remark: str | None, catalogue: Catalogue) -> None:
    warnings = translate(f"SELECT ra FROM bright WHERE {condition}", catalogue).warnings
    assert bool(warnings) == (remark is not None)
    assert all(str(remark) in warning for warning in warnings)


def test_join_in_parentheses_may_have_a_name(catalogue: Catalogue) -> None:
    query = "SELECT j.id, j.source_id FROM (bright AS a JOIN targets AS b ON a.ra = b.ra) AS j WHERE j.radius < 1"
    assert [column.name for column in translate(query, catalogue).columns] == ["id", "source_id"]
    with pytest.raises(ADQLError, match="ambiguous"):
        translate(query.replace("j.id", "j.ra"), catalogue)
