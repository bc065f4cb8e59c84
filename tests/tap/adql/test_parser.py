"""The grammar and the lexer: what is a query, and what is not."""

from __future__ import annotations

import json
import pathlib

import pytest

from tap.adql import ADQLError, Catalogue, Dialect, ast, translate
from tap.adql.lexer import MAX_CHARACTERS, MAX_DEPTH
from tap.adql.parser import build_parser, parse
from tap.adql.words import RESERVED, is_regular_identifier


def body(query: str) -> ast.Select:
    """Return the only SELECT of a query."""
    found = parse(query).query.body
    assert isinstance(found, ast.Select)
    return found


def test_grammar_has_no_conflicts() -> None:
    build_parser(strict=True)


def test_tree_of_a_query() -> None:
    select = body(
        'SELECT TOP 5 a.x, "Odd ""name" AS y FROM s.t AS a WHERE NOT x IN (1, 2.5) AND y IS NULL OR z LIKE \'a\''
    )
    assert select.top == 5
    first, second = select.items
    assert isinstance(first, ast.Item)
    assert isinstance(first.value, ast.ColumnReference)
    assert [part.text for part in first.value.name] == ["a", "x"]
    assert isinstance(second, ast.Item)
    assert isinstance(second.value, ast.ColumnReference)
    assert second.value.name[0] == ast.Identifier(18, 'Odd "name', delimited=True)
    assert isinstance(select.where, ast.Or)
    assert isinstance(select.where.operands[0], ast.And)


def test_intersect_binds_tighter_than_union() -> None:
    found = parse(
        "SELECT a FROM t UNION SELECT a FROM t INTERSECT SELECT a FROM t EXCEPT ALL SELECT a FROM t"
    ).query.body
    assert isinstance(found, ast.SetOperation)
    assert found.operators == ("UNION", "EXCEPT ALL")
    assert isinstance(found.operands[1], ast.SetOperation)
    assert found.operands[1].operators == ("INTERSECT",)


def test_sums_and_products_nest_by_precedence() -> None:
    (item,) = body("SELECT 1 + 2 * 3 - -4 FROM t").items
    assert isinstance(item, ast.Item)
    assert isinstance(item.value, ast.Arithmetic)
    assert item.value.operators == ("+", "-")
    assert isinstance(item.value.operands[1], ast.Arithmetic)
    assert isinstance(item.value.operands[2], ast.Signed)


@pytest.mark.parametrize(
    ("query", "line", "column", "part"),
    [
        ("SELECT ra\nFROM t WHERE x = 'abc", 2, 18, "does not end"),
        ("SELECT 1 FROM t WHERE a % 2 = 0", 1, 25, "MOD"),
        ("SELECT date FROM t", 1, 8, '"date"'),
        ("SELECT 89x FROM t", 1, 10, "blank"),
        ("SELECT a FROM t WHERE", 1, 22, "too early"),
        ("SELECT FROM t", 1, 8, "reserved word FROM"),
        ("SELECT a, FROM t", 1, 11, "reserved word FROM"),
        ("SELECT a FROM t; SELECT b FROM t", 1, 18, "SELECT"),
        ("SELECT TOP 99999999999999999999 a FROM t", 1, 12, "too large"),
        ("SELECT a FROM t OFFSET 9223372036854775808", 1, 24, "too large"),
        ("SELECT 1e400 FROM t", 1, 8, "too large"),
        ("SELECT \u0430 FROM t", 1, 8, "U+0430"),
        ("SELECT\u00a0a FROM t", 1, 7, "U+00A0"),
        ("SELECT a\0 FROM t", 1, 9, "NUL"),
        ("", None, None, "empty"),
        ("-- nothing", None, None, "empty"),
    ],
)
def test_errors_tell_where(query: str, line: int | None, column: int | None, part: str, catalogue: Catalogue) -> None:
    with pytest.raises(ADQLError) as caught:
        translate(query, catalogue)
    error = caught.value
    assert (error.line, error.column) == (line, column)
    assert part in error.text()
    if column is not None:
        lines = error.text().split("\n")
        assert lines[2].index("^") - 2 == column - 1


def test_caret_stays_under_its_place_in_long_lines(catalogue: Catalogue) -> None:
    query = f"SELECT {', '.join(['ra'] * 300)}, nonsense FROM bright"
    with pytest.raises(ADQLError, match="nonsense") as caught:
        translate(query, catalogue)
    _, shown, caret = caught.value.text().split("\n")[:3]
    assert shown[caret.index("^") :].startswith("nonsense")
    assert len(shown) < 120


def test_limits_on_size(catalogue: Catalogue) -> None:
    with pytest.raises(ADQLError, match="nested"):
        parse("SELECT " + "(" * (MAX_DEPTH + 1) + "1" + ")" * (MAX_DEPTH + 1) + " FROM t")
    with pytest.raises(ADQLError, match="characters"):
        parse("SELECT 1 FROM t --" + " " * MAX_CHARACTERS)
    nested = "SELECT ra FROM bright WHERE ra IN (" * 90 + "SELECT ra FROM bright" + ")" * 90
    try:
        translate(nested, catalogue)
    except ADQLError as error:
        assert "nested" in error.message  # noqa: PT017


@pytest.mark.parametrize(
    "condition",
    [
        " OR ".join(f"source_id = {i}" for i in range(3000)),
        " AND ".join(f"ra > {i}" for i in range(3000)),
        f"source_id IN ({', '.join(map(str, range(10_000)))})",
        " + ".join(["ra"] * 3000) + " > 1",
    ],
)
def test_long_queries(condition: str, catalogue: Catalogue) -> None:
    assert translate(f"SELECT ra FROM bright WHERE {condition}", catalogue).sql


def test_dialect() -> None:
    strict = Dialect(trailing_semicolon=False)
    with pytest.raises(ADQLError, match="semicolon"):
        parse("SELECT a FROM t;", strict)
    free = Dialect(free_words=frozenset({"distance", "public"}))
    select = parse("SELECT DISTANCE(1, 2, 3, 4) AS distance FROM public.t", free).query.body
    assert isinstance(select, ast.Select)
    with pytest.raises(ADQLError, match="reserved word"):
        parse("SELECT 1 AS distance FROM t")


def test_reserved_words_are_no_identifiers() -> None:
    assert {"SIZE", "DISTANCE", "YEAR", "IN_UNIT", "OFFSET"} <= RESERVED
    assert is_regular_identifier("ra_2000")
    assert not any(map(is_regular_identifier, ["size", "2mass", "a b", "_x", "\u00e9", ""]))


def test_published_queries(shared: pathlib.Path) -> None:
    """Queries of archives, tutorials and other parsers: their labels agree, but for what only types can tell."""
    wrong = []
    for line in (shared / "adql" / "realworld.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if row["level"] != "syntax" or "contested" in row:
            continue
        try:
            parse(row["query"])
            valid = True
        except ADQLError:
            valid = False
        # The grammar takes any value as a coordinate system; the translator refuses all but strings.
        if valid != row["valid"] and "POINT('From ' ||" not in row["query"] and "POINT(aColumn" not in row["query"]:
            wrong.append(row["query"])
    assert wrong == []
