"""What a person reads when a query goes wrong."""

from __future__ import annotations

import pytest

from tests.conftest import Service
from tests.tap.asking import TEXT_TYPE, adql, assert_error, sync

CASES = {
    "SELEC ra FROM demo.big": ("line 1, column 1", "SELEC", "SELECT"),
    "SELECT raa FROM demo.big": ("line 1, column 8", "no column raa", "Did you mean ra?"),
    "SELECT ra\nFROM demo.bigg": ("line 2, column 6", "no table demo.bigg", "Did you mean demo.big?"),
    "SELECT foo(ra) FROM demo.big": ("line 1, column 8", "no function foo"),
    "SELECT ra FROM demo.big WHERE ra = 'x'": ("line 1, column 36", "number with a string"),
    "SELECT ra FROM demo.big WHERE": ("line 1", "ends too early"),
    "SELECT ra, dec FROM demo.big WHERE ra >< 3": ("line 1, column 40",),
    "SELECT 1/(random_index - random_index) FROM demo.big": ("division by zero",),
    "SELECT CAST('abc' AS REAL) FROM demo.big": ("abc",),
    "INSERT INTO demo.big (ra) VALUES (1)": ("line 1, column 1", "INSERT"),
    "SELECT b.ra FROM demo.big AS a": ("line 1, column 8",),
}


@pytest.mark.parametrize("query", CASES)
def test_cause_place_and_hint(service: Service, query: str) -> None:
    message = assert_error(adql(service, query), 400, *CASES[query])
    assert assert_error(adql(service, query, FORMAT="csv"), 400, *CASES[query], media_type=TEXT_TYPE).strip() == message


def test_the_caret_points_at_the_place(service: Service) -> None:
    query = "SELECT ra,\n  nothing_like_it\nFROM demo.big"
    lines = assert_error(adql(service, query), 400).split("\n")
    shown = next(number for number, line in enumerate(lines) if "nothing_like_it" in line and "^" in lines[number + 1])
    assert lines[shown + 1].index("^") == lines[shown].index("nothing_like_it")


@pytest.mark.parametrize("text_format", ["csv", "tsv", "text/csv", "text/csv;header=present", "TSV"])
def test_text_formats_get_text_errors(service: Service, text_format: str) -> None:
    assert_error(adql(service, "SELECT", RESPONSEFORMAT=text_format), 400, "line 1", media_type=TEXT_TYPE)


def test_an_error_in_a_votable_is_escaped(service: Service) -> None:
    assert_error(adql(service, 'SELECT "<b>&\'" FROM demo.big'), 400, "<b>&'")


def test_a_long_query_is_quoted_in_part(service: Service) -> None:
    query = f"SELECT {'ra, ' * 1_500} nix FROM demo.big"
    message = assert_error(adql(service, query), 400, "no column nix", "^")
    assert len(message) < 1000


def test_deep_nesting_is_refused_or_answered(service: Service) -> None:
    for query in (
        f"SELECT {'(' * 50_000}ra{')' * 50_000} FROM demo.big",
        f"SELECT ra FROM demo.big WHERE {'NOT ' * 50_000} ra > 1",
        f"SELECT ra FROM {'(SELECT ra FROM ' * 5_000}demo.big{') AS t' * 5_000}",
        f"SELECT {'-' * 1}{'- ' * 50_000}ra FROM demo.big",
    ):
        assert_error(adql(service, query), 400)


def test_many_terms(service: Service) -> None:
    """A list from a program, long but flat, is no mistake."""
    numbers = ", ".join(str(number) for number in range(5_000))
    answer = adql(service, f"SELECT COUNT(*) AS n FROM demo.big WHERE random_index IN ({numbers})", FORMAT="csv")
    assert answer.csv() == [["5000"]]


def test_missing_everything(service: Service) -> None:
    assert_error(sync(service, {}, method="GET"), 400, "LANG", "Send one of")
    assert_error(sync(service, {}), 400, "LANG")
