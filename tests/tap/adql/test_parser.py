"""The grammar and the lexer: what is a query, and what is not."""

from __future__ import annotations

import json
import pathlib
from dataclasses import replace
from typing import Any

import pytest
from lark import UnexpectedToken

from tap.adql import ADQLError, Catalogue, Dialect, translate
from tap.adql.limits import MAX_CHARACTERS, MAX_DEPTH
from tap.adql.syntax import ast
from tap.adql.syntax.lexer import LarkToken, tokens
from tap.adql.syntax.parser import build_parser, parse
from tap.adql.syntax.words import RESERVED, is_regular_identifier
from vo.core.settings import Settings


def body(query: str) -> ast.Select:
    """Return the only SELECT of a query."""
    found = parse(query).query.body
    assert isinstance(found, ast.Select)
    return found


def test_grammar_has_no_conflicts() -> None:
    build_parser(strict=True)


def test_table_is_run_as_lark_runs_it(shared: pathlib.Path) -> None:
    """The same trees, and the same queries refused, as by Lark's own loop."""
    lark = build_parser(building=True)
    trees = refused = 0
    for line in (shared / "adql" / "realworld.jsonl").read_text(encoding="utf-8").splitlines():
        query = json.loads(line)["query"]
        try:
            words = list(map(LarkToken.of, tokens(query, Dialect())))
            expected = lark.parse(words)
        except (ADQLError, UnexpectedToken):
            refused += 1
            with pytest.raises(ADQLError):
                parse(query)
        else:
            trees += 1
            assert parse(query) == expected
    assert trees > 600
    assert refused > 40


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
        " + ".join(["ra"] * 1000) + " > 1",
    ],
    ids=["or", "and", "in", "sum"],
)
def test_long_queries(condition: str, catalogue: Catalogue) -> None:
    assert translate(f"SELECT ra FROM bright WHERE {condition}", catalogue).sql


@pytest.mark.parametrize(
    ("query", "part"),
    [
        ("SELECT {} FROM t".format("+".join(["a"] * 1001)), "Terms"),
        ("SELECT {} FROM t".format("||".join(["a"] * 1001)), "Strings"),
        ("SELECT {} FROM t".format(",".join(["a"] * 1601)), "select list"),
        ("SELECT 1 FROM t WHERE {}".format(" OR ".join(["a=1"] * 5001)), "OR"),
        ("SELECT 1 FROM t WHERE {}".format(" AND ".join(["a=1"] * 5001)), "AND"),
        ("SELECT 1 FROM t WHERE a IN ({})".format(",".join(["1"] * 40_001)), "IN"),
        ("SELECT 1 FROM {}".format(",".join(f"t a{i}" for i in range(101))), "FROM"),
        ("SELECT 1 FROM t {}".format(" ".join(f"JOIN t a{i} ON 1=1" for i in range(101))), "join"),
        (" UNION ".join(["SELECT a FROM t"] * 1001), "set operation"),
        ("WITH {} SELECT 1 FROM t".format(",".join(f"w{i} AS (SELECT 1 FROM t)" for i in range(101))), "WITH"),
        ("SELECT 1 FROM t GROUP BY {}".format(",".join(["a"] * 1601)), "GROUP BY"),
        ("SELECT 1 FROM t ORDER BY {}".format(",".join(["a"] * 1601)), "ORDER BY"),
    ],
    ids=lambda text: text if len(text) < 20 else "query",
)
def test_limits_on_parts(query: str, part: str) -> None:
    with pytest.raises(ADQLError, match=part) as caught:
        parse(query)
    assert "the limit is" in str(caught.value)
    assert caught.value.position is not None


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ("SELECT a.ra FROM {0} AS a, {0} AS b", "Tables of FROM and of its subqueries"),
        ("SELECT a.ra FROM {0} AS a UNION ALL SELECT b.ra FROM {0} AS b", "more than 1000 tables"),
    ],
)
def test_queries_of_with_cannot_double_each_other(step: str, message: str, catalogue: Catalogue) -> None:
    """Twenty lines that PostgreSQL would take apart into a million tables, until its memory is full."""
    steps = ["w0 AS (SELECT a.ra FROM bright AS a)"]
    steps += [f"w{i} AS ({step.format(f'w{i - 1}')})" for i in range(1, 21)]
    with pytest.raises(ADQLError, match=message):
        translate(f"WITH {', '.join(steps)} SELECT ra FROM w20", catalogue)
    assert translate(f"WITH {', '.join(steps[:6])} SELECT ra FROM w5", catalogue).sql


CALLS = [
    ("POINT(1, 2)", True), ("POINT('ICRS', 1, 2)", True), ("POINT(NULL, 1, 2)", True), ("POINT(a, b)", True),
    ("POINT(1)", False), ("POINT(1, 2, 3)", False), ("POINT('a' || 'b', 1, 2)", False), ("POINT(c, 1, 2)", False),
    ("POINT('ICRS', POINT(1, 2))", False), ("POINT('ICRS', 1, 2, 3)", False),
    ("CIRCLE(1, 2, 3)", True), ("CIRCLE('', 1, 2, 3)", True), ("CIRCLE(POINT(1, 2), 3)", True), ("CIRCLE(c, 3)", True),
    ("CIRCLE('ICRS', c, 3)", True), ("CIRCLE(1, 2)", False), ("CIRCLE(CIRCLE(1, 2, 3), 3)", False),
    ("CIRCLE(POINT(1, 2), POINT(1, 2))", False), ("CIRCLE(1, 2, 3, 4, 5)", False),
    ("BOX(1, 2, 3, 4)", True), ("BOX(POINT(1, 2), 3, 4)", True), ("BOX('ICRS', 1, 2, 3, 4)", True),
    ("BOX(1, 2, 3)", False), ("BOX(1, 2)", False), ("BOX(1, 2, 3, 4, 5)", False),
    ("POLYGON(1, 2, 3, 4, 5, 6)", True), ("POLYGON('ICRS', 1, 2, 3, 4, 5, 6)", True), ("POLYGON(a, b, c)", True),
    ("POLYGON(POINT(1, 2), POINT(3, 4), c)", True), ("POLYGON('', POINT(1, 2), POINT(3, 4), POINT(5, 6))", True),
    ("POLYGON(1, 2, 3, 4)", False), ("POLYGON(1, 2, 3, 4, 5, 6, 7)", False), ("POLYGON(POINT(1, 2), 3, 4)", False),
    ("POLYGON(a, b)", False), ("POLYGON(CIRCLE(1, 2, 3), a, b)", False),
    ("REGION('x')", True), ("REGION(a)", False), ("REGION('a' || 'b')", False), ("REGION('a', 'b')", False),
    ("DISTANCE(a, b)", True), ("DISTANCE(POINT(1, 2), c)", True), ("DISTANCE(1, 2, 3, 4)", True),
    ("DISTANCE(1, 2)", False), ("DISTANCE(1, 2, 3)", False), ("DISTANCE(POINT(1, 2), CIRCLE(1, 2, 3))", False),
    ("DISTANCE(POINT(1, 2), 1, 2, 3)", False), ("DISTANCE('ICRS', c)", False),
    ("CONTAINS(a, b)", True), ("CONTAINS(POINT(1, 2), 3)", False), ("CONTAINS(a)", False), ("CONTAINS('a', b)", False),
    ("INTERSECTS(a, CAST('1 2 3' AS CIRCLE))", True), ("INTERSECTS(a, CAST('1' AS VARCHAR))", False),
    ("AREA(a)", True), ("AREA(1)", False), ("AREA(a, b)", False), ("CENTROID(BOX(1, 2, 3, 4))", True),
    ("COORD1(a)", True), ("COORD1(CENTROID(a))", True), ("COORD2(CIRCLE(1, 2, 3))", False), ("COORD1(1)", False),
    ("COORDSYS(a)", True), ("COORDSYS('ICRS')", False), ("PI()", True), ("PI(1)", False), ("RAND()", True),
    ("RAND(1)", True), ("RAND(1, 2)", False), ("ROUND(a)", True), ("ROUND(a, -1)", True), ("ROUND(a, +2)", True),
    ("ROUND(a, 1.5)", False), ("ROUND(a, b)", False), ("ROUND(a, 1, 2)", False), ("TRUNCATE(a, 'x')", False),
    ("ABS(a)", True), ("ABS()", False), ("ABS(a, b)", False), ("ABS(POINT(1, 2))", False), ("POWER(a)", False),
    ("MOD(a, b)", True), ("MOD(a, CIRCLE(1, 2, 3))", False), ("LOWER(a)", True), ("LOWER(1)", False),
    ("UPPER('a' || b)", True), ("UPPER(POINT(1, 2))", False), ("1 + POINT(1, 2)", False), ("-CIRCLE(1, 2, 3)", False),
    ("a || POINT(1, 2)", False), ("'1' * 3", True), ("IN_UNIT(a, 'km')", True), ("IN_UNIT(a, b)", False),
    ("CAST(a AS DOUBLE PRECISION)", True), ("CAST(a AS DOUBLE)", False), ("CAST(a AS CHAR(5))", True),
    ("CAST(a AS INT)", False), ("CAST(a AS BOX)", False), ("CAST(a AS INTEGER(5))", False), ("COALESCE(a, 1)", True),
    ("COALESCE()", False), ("own_function()", True), ("own_function(1, POINT(1, 2))", True),
    ("s.own_function(1)", False),
    ("a.b.c.d", True), ("a.b.c.d.e", False), ("COUNT(*)", True), ("COUNT(DISTINCT a)", True),
    ("COUNT(DISTINCT *)", False),
    ("SUM(*)", False), ("SUM(ALL a)", True), ("MAX(a, b)", False), ("+a", True), ("- -a", False), ("(a)", True),
    ("()", False),
]  # fmt: skip


@pytest.mark.parametrize(("expression", "valid"), CALLS)
def test_calls_as_the_text_stands(expression: str, valid: bool) -> None:
    query = f"SELECT {expression} FROM t"
    if valid:
        parse(query)
        return
    with pytest.raises(ADQLError) as caught:
        parse(query)
    assert caught.value.position is not None
    assert caught.value.position >= len("SELECT ")


MISTAKES = [
    ("SELECT a FROM t LIMIT 10", "SELECT TOP 10"), ("SELECT a, FROM t", "Remove the comma"),
    ("SELECT a FROM t WHERE x == 1", "one ="), ("SELECT a::int FROM t", "CAST(x AS type)"),
    ("SELECT CAST(a AS INT) FROM t", "INTEGER"), ("SELECT a FROM t WHERE a IS TRUE", "'true'"),
    ("SELECT a FROM t WHERE a > (SELECT MAX(a) FROM t)", "join it"), ("SELECT FROM t", "what to select"),
    ("SELECT CASE WHEN a > 1 THEN 1 END FROM t", "COALESCE"), ("SELECT `a` FROM t", "double quotes"),
    ("SELECT a & 1 FROM t", "bitwise_and"), ("SELECT a ^ 2 FROM t", "POWER"), ("SELECT a[1] FROM t", "brackets"),
    ("SELECT a FROM (WITH q AS (SELECT a FROM t) SELECT a FROM q) AS x", "beginning of the whole query"),
    ("SELECT a FROM t UNION WITH q AS (SELECT a FROM t) SELECT a FROM q", "beginning of the whole query"),
    ("SELECT 1 FROM a JOIN b JOIN c ON a.x = b.x ON b.x = c.x", "JOIN has its ON"),
    ("EXPLAIN SELECT a FROM t", "EXPLAIN=1"),
    ("SELECT date FROM t", '"date"'), ("SELECT a FROM t ORDER BY distance", '"distance"'),
]  # fmt: skip


@pytest.mark.parametrize(("query", "hint"), MISTAKES)
def test_mistakes_are_answered_with_what_to_write(query: str, hint: str) -> None:
    with pytest.raises(ADQLError) as caught:
        parse(query)
    assert hint in caught.value.text()


OPTIONS = [
    ("join_without_condition", "SELECT a.ra FROM bright AS a JOIN targets AS b"),
    ("star_among_items", "SELECT *, ra AS x FROM bright"),
    ("trailing_semicolon", "SELECT ra FROM bright;"),
    ("adjacent_strings", "SELECT 'a' 'b' FROM bright"),
    ("unknown_frames", "SELECT POINT('Nowhere', ra, dec) FROM bright"),
    ("glued_numbers", "SELECT 89x FROM bright"),
    ("numeric_strings", "SELECT '30' * 3 FROM bright"),
    ("modulo", "SELECT quality % 2 * 3 FROM bright"),
    ("cross_join", "SELECT a.ra FROM bright AS a CROSS JOIN targets AS b"),
    ("like_escape", "SELECT ra FROM bright WHERE name LIKE 'a!%' ESCAPE '!'"),
    ("block_comments", "SELECT /* the */ ra /* , dec */ FROM bright"),
    ("boolean_literals", "SELECT TRUE FROM bright WHERE variable = FALSE"),
]


def _with(option: str, value: bool) -> Dialect:
    changes: dict[str, Any] = {option: value}
    return replace(Dialect(), **changes)


@pytest.mark.parametrize(("option", "query"), OPTIONS)
def test_contested_points_are_settings(option: str, query: str, catalogue: Catalogue) -> None:
    assert translate(query, catalogue, dialect=_with(option, True)).sql
    with pytest.raises(ADQLError) as caught:
        translate(query, catalogue, dialect=_with(option, False))
    assert caught.value.position is not None


def test_every_option_has_a_setting() -> None:
    offered = {name.removeprefix("adql_") for name in Settings.model_fields if name.startswith("adql_")}
    assert {option for option, _ in OPTIONS} | {"free_words"} == offered


@pytest.mark.parametrize("between", ["\n", " \n ", " -- so\n"])
def test_strings_on_two_lines_are_one(between: str, catalogue: Catalogue) -> None:
    query = f"SELECT ra FROM bright WHERE name = 'a'{between}'b'"
    assert "'ab'" in translate(query, catalogue, dialect=_with("adjacent_strings", False)).sql


def test_free_words() -> None:
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
    """Queries of archives, tutorials and other parsers: their labels agree."""
    wrong = []
    for line in (shared / "adql" / "realworld.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if row["level"] != "syntax" or "contested" in row:
            continue
        try:
            parse(row["query"])
            valid = True
        except ADQLError as error:
            valid = False
            if error.position is None:
                wrong.append(f"without a position: {row['query']}")
        if valid != row["valid"]:
            wrong.append(row["query"])
    assert wrong == []
