"""EXPLAIN=1: what a query would do, in words that people understand, with estimates of the right order."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from tap.adql import Translation, translate
from tap.query.explain import time_in_words
from tap.query.models import QueryRequest
from tap.query.wording import rows_in_words
from tests.conftest import BIG_ROWS, Service
from tests.tap.asking import FORM, SLOW, TABLES, VOTABLE_TYPE, Answer, adql, ask, assert_error, eventually
from tests.tap.query.test_hanging_up import request
from vo.app.parts import build_queries
from vo.core.callers import OPERATOR
from vo.core.dali.parameters import Parameters
from vo.core.errors import LimitError

MATCH = (
    "SELECT h.hip, g.source_id FROM hipparcos.hip2 AS h "
    "JOIN gaia_dr3.bright AS g ON DISTANCE(h.ra, h.dec, g.ra, g.dec) < 5 / 3600."
)
OF_SERVER = re.compile(r"__v\d|\bt\d+\b|\bc0\b|q3c|public\.|idx")
"""What only the database calls so."""


def explain(service: Service, query: str, **parameters: str) -> dict[str, Any]:
    answer = adql(service, query, EXPLAIN="1", RESPONSEFORMAT="json", **parameters)
    assert (answer.status, answer.type) == (200, "application/json"), answer.text
    found: dict[str, Any] = json.loads(answer.text)
    return found


def operations(found: dict[str, Any]) -> list[str]:
    return [step["operation"] for step in found["steps"]]


PLANS = [
    (
        "SELECT ra FROM gaia_dr3.bright WHERE DISTANCE(ra, dec, 56.75, 24.12) < 1 ORDER BY phot_g_mean_mag",
        ["uses the sky index of gaia_dr3.bright: about # rows", "sorts about # rows"],
    ),
    (
        "SELECT * FROM gaia_dr3.bright WHERE source_id = 4711",
        ["uses the index on source_id of gaia_dr3.bright: about # row"],
    ),
    ("SELECT ra FROM demo.big", [f"reads all {BIG_ROWS:,} rows of demo.big"]),
    (
        "SELECT AVG(plx) FROM hipparcos.hip2 WHERE plx > 50",
        ["reads all 117,955 rows of hipparcos.hip2 and keeps about # rows", "sums up about # rows"],
    ),
    (
        "SELECT TOP 10 ra FROM demo.big",
        [f"reads demo.big, which has {BIG_ROWS:,} rows, until it has enough", "stops after 10 rows"],
    ),
    (
        MATCH,
        [
            "reads all 117,955 rows of hipparcos.hip2",
            "for each of about 120,000 rows of hipparcos.hip2 looks up gaia_dr3.bright by its sky index",
        ],
    ),
    (
        "SELECT a.hip FROM hipparcos.hip2 AS a JOIN gaia_dr3.bright AS g ON g.source_id = a.hip WHERE a.plx > 300",
        [
            "reads all 117,955 rows of hipparcos.hip2 and keeps about # rows",
            "for each of about # rows of hipparcos.hip2 looks up gaia_dr3.bright by its index on source_id",
        ],
    ),
    (
        "SELECT a.ra FROM demo.big AS a, demo.big AS b WHERE a.ra + b.ra < a.dec - b.dec AND b.dec > 0",
        [
            f"reads demo.big, which has {BIG_ROWS:,} rows, until it has enough",
            f"reads demo.big, which has {BIG_ROWS:,} rows, until it has enough",
            "compares each of about # rows with each of about # rows: # pairs",
            "stops after 1,000,001 rows",
        ],
    ),
    (
        "SELECT x.n FROM (SELECT ROUND(ra) AS n, COUNT(*) AS m FROM demo.big GROUP BY ROUND(ra)) AS x ORDER BY x.m",
        [f"reads all {BIG_ROWS:,} rows of demo.big", "groups about # rows into about # rows", "sorts about # rows"],
    ),
    (
        "SELECT DISTINCT pmra FROM demo.big",
        [f"reads all {BIG_ROWS:,} rows of demo.big", "drops duplicates among about # rows"],
    ),
    (
        "SELECT hip, plx FROM hipparcos.hip2 WHERE hip NOT IN (SELECT hip FROM hipparcos.hip2 WHERE plx < 1)",
        [
            "reads all 117,955 rows of hipparcos.hip2 and keeps about # rows",
            "reads all 117,955 rows of hipparcos.hip2 and keeps about # rows",
        ],
    ),
]


@pytest.mark.parametrize(("query", "words"), PLANS, ids=[query[:60] for query, _ in PLANS])
def test_a_plan_in_words(service: Service, query: str, words: list[str]) -> None:
    found = explain(service, query)
    shown = operations(found)
    patterns = [re.escape(line).replace(r"\#", r"[\d,.·^]+") for line in words]
    assert len(shown) == len(words), shown
    for line, pattern in zip(shown, patterns, strict=True):
        assert re.fullmatch(pattern, line), (line, pattern)
    assert not OF_SERVER.search(" ".join([*shown, *found["advice"], found["time"]]))
    assert set(found["tables"].values()) == {step["table"] for step in found["steps"] if step["table"]}
    assert all(name in found["sql"] for name in found["tables"])


def test_a_cross_match_is_not_called_long(service: Service) -> None:
    """PostgreSQL itself would say: ten thousand times as much."""
    found = explain(service, MATCH)
    assert found["seconds"] < 5
    assert 50_000 < found["rows"] < 300_000  # really 107,369
    assert found["advice"] == []
    three = explain(service, MATCH + " JOIN demo.big AS b ON DISTANCE(b.ra, b.dec, g.ra, g.dec) < 0.001")
    assert three["seconds"] < 5


def test_what_an_index_has_left_is_looked_up_no_more_often(service: Service) -> None:
    one = "SELECT COUNT(*) AS n FROM gaia_dr3.bright AS g WHERE g.source_id = 5 AND NOT EXISTS "
    found = explain(
        service, one + "(SELECT h.hip FROM hipparcos.hip2 AS h WHERE DISTANCE(g.ra, g.dec, h.ra, h.dec) < 0.001)"
    )
    assert found["seconds"] < 0.1
    assert "for each of about 1 row of gaia_dr3.bright looks up hipparcos.hip2 by its sky index" in operations(found)


@pytest.mark.parametrize("shape", ["BOX(ra, dec, 1, 1)", "POLYGON(ra - 1, dec - 1, ra + 1, dec - 1, ra, dec + 1)"])
def test_a_shape_of_every_row_is_not_called_long(service: Service, shape: str) -> None:
    """It is a second; PostgreSQL itself would say: six minutes."""
    found = explain(service, f"SELECT COUNT(*) AS n FROM hipparcos.hip2 WHERE 1 = CONTAINS(POINT(56, 24), {shape})")
    assert 0.1 < found["seconds"] < 10
    assert found["advice"] == []


def test_a_product_is_called_long_and_goes_as_a_job(service: Service) -> None:
    pairs = "SELECT COUNT(*) AS n FROM demo.big AS a, gaia_dr3.bright AS b WHERE a.ra + b.ra < a.dec - b.dec"
    found = explain(service, pairs)
    assert 300 < found["seconds"] < 40_000
    assert "minutes" in found["time"] or "hour" in found["time"]
    job, join = found["advice"]
    assert "longer than the 600 s of a synchronous query: run it as an asynchronous job" in job
    assert "DISTANCE" in join
    assert found["rows"] == 1
    days = explain(service, pairs.replace(" WHERE", ", gaia_dr3.bright AS c WHERE"))
    assert "than the 86400 s that any query may take" in days["advice"][0]


def test_maxrec_bounds_the_estimate(service: Service) -> None:
    found = explain(service, "SELECT ra FROM gaia_dr3.bright", MAXREC="1000")
    assert (found["rows"], found["overflow"]) == (1000, True)
    text = adql(service, "SELECT ra FROM gaia_dr3.bright", EXPLAIN="1", MAXREC="1000").text
    assert "more than the 1,000 rows that would be returned, under a second" in text


def test_text_is_what_people_get(service: Service) -> None:
    answer = adql(service, MATCH, EXPLAIN="1")
    assert (answer.status, answer.type) == (200, "text/plain; charset=utf-8")
    plan, sql = answer.text.split("\nSQL\n")
    assert plan.startswith("Plan\n  1. reads all 117,955 rows of hipparcos.hip2\n  2. for each")
    assert "\nEstimate\n  about 120,000 rows, under a second\n" in plan
    assert not OF_SERVER.search(plan)
    assert re.search(r'^-- "gaia_dr3"\."bright__v\d+" is gaia_dr3\.bright$', sql, re.MULTILINE)
    assert "\nSELECT t1." in sql
    assert answer.text == adql(service, MATCH, EXPLAIN="True", FORMAT="text/plain").text


def test_as_a_table_it_has_a_row_a_step(service: Service) -> None:
    answer = adql(service, MATCH, EXPLAIN="t", RESPONSEFORMAT="votable/td")
    assert answer.statuses() == ["OK"]
    assert [row[0] for row in answer.rows()] == ["1", "2"]
    assert [row[2] for row in answer.rows()] == ["hipparcos.hip2", "gaia_dr3.bright"]
    assert "bright__v" in answer.infos("SQL")[0].attrib["value"]
    assert float(answer.infos("seconds")[0].attrib["value"]) < 5
    assert len(adql(service, MATCH, EXPLAIN="1", FORMAT="csv").csv()) == 2


def test_false_runs_the_query(service: Service) -> None:
    for value in ("0", "false", "F", ""):
        assert ["tap_schema.tables"] in adql(service, TABLES, EXPLAIN=value, FORMAT="csv").csv()


def test_what_is_wrong_is_told_as_ever(service: Service) -> None:
    assert_error(
        adql(service, TABLES, EXPLAIN="maybe"), 400, "EXPLAIN: 'maybe'", media_type="text/plain; charset=utf-8"
    )
    wrong = "SELECT raa\nFROM demo.big"
    text = adql(service, wrong, EXPLAIN="1")
    assert_error(text, 400, "line 1, column 8", "       ^", media_type="text/plain; charset=utf-8")
    assert_error(adql(service, wrong, EXPLAIN="1", RESPONSEFORMAT="votable"), 400, "raa", media_type=VOTABLE_TYPE)
    assert_error(adql(service, wrong, EXPLAIN="1", RESPONSEFORMAT="text/xml"), 400, "raa", media_type=VOTABLE_TYPE)
    answer = adql(service, wrong, EXPLAIN="1", RESPONSEFORMAT="json")
    error = json.loads(answer.text)["error"]
    assert (answer.status, answer.headers["Cache-Control"]) == (400, "no-store")
    assert (error["code"], error["line"], error["column"], error["position"]) == ("query", 1, 8, 7)
    assert error["hint"].startswith("Did you mean ra")
    assert error["text"] + "\n" == text.text
    assert error["request_id"] == answer.headers["X-Request-Id"]


def test_a_job_can_explain_too(service: Service) -> None:
    parameters = f"LANG=ADQL&EXPLAIN=1&PHASE=RUN&QUERY={TABLES.replace(' ', '+')}"
    path = ask(service, "/tap/async", method="POST", body=parameters.encode(), headers=FORM).headers["Location"]
    path = path.removeprefix(service.url)
    eventually(lambda: ask(service, f"{path}/phase").text == "COMPLETED")
    assert ask(service, f"{path}/results/result").text.startswith("Plan\n  1. reads")
    ask(service, path, method="DELETE")


@contextmanager
def locked(service: Service) -> Iterator[Any]:
    """Lock a table, so that planning a query on it waits."""
    connection = service.connect()
    connection.autocommit = False
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT format('%I.%I', physical_schema, physical_name) FROM vo.published_tables "
            "WHERE table_name = 'demo.big'"
        )
        [[name]] = cursor.fetchall()
        cursor.execute(f"LOCK TABLE {name} IN ACCESS EXCLUSIVE MODE")
        yield cursor
    connection.rollback()
    connection.close()


def test_who_hangs_up_is_not_planned_for(service: Service) -> None:
    with locked(service) as cursor:

        def waiting() -> bool:
            cursor.execute(
                "SELECT pg_stat_clear_snapshot(), count(*) FROM pg_stat_activity "
                "WHERE application_name = 'vo:gone' AND wait_event_type = 'Lock'"
            )
            return bool(cursor.fetchall()[0][1])

        with request(service, SLOW, "gone", EXPLAIN="1"):
            eventually(waiting)
        eventually(lambda: not waiting())


def test_planning_takes_no_longer_than_it_may(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tap.query.explaining.PLANNING_SECONDS", 0.2)
    parameters = Parameters([("LANG", "ADQL"), ("QUERY", SLOW), ("EXPLAIN", "1")])
    wanted = QueryRequest.from_parameters(parameters, service.settings)
    with build_queries(service.settings) as queries, locked(service):
        running = queries.query(wanted, OPERATOR, "planned")
        with pytest.raises(LimitError, match=r"Planning the query took longer than 0\.2 s"):
            running.begin()
        running.close()


def test_remarks_are_in_the_result_and_in_the_explanation(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    def remarked(*arguments: Any, **options: Any) -> Translation:
        return replace(translate(*arguments, **options), warnings=("The frame <FK4> is not known.",))

    monkeypatch.setattr("tap.query.service.translate", remarked)
    with build_queries(service.settings) as queries:

        def body(*more: tuple[str, str]) -> Answer:
            parameters = Parameters([("LANG", "ADQL"), ("QUERY", TABLES), *more])
            running = queries.query(QueryRequest.from_parameters(parameters, service.settings), OPERATOR, "remarks")
            blocks = b"".join(running.begin())
            running.close()
            assert running.warnings == ("The frame <FK4> is not known.",)
            return Answer(200, None, blocks)  # type: ignore[arg-type]

        for more in ((), (("EXPLAIN", "1"),)):
            [info] = body(*more, ("RESPONSEFORMAT", "votable")).infos("warning")
            assert info.attrib["value"] == "The frame <FK4> is not known."
        assert "Warnings\n  The frame <FK4> is not known.\n" in body(("EXPLAIN", "1")).text


def test_numbers_and_times_in_words() -> None:
    assert [rows_in_words(count) for count in (0.2, 1, 22.4, 4711, 123_456, 1.8e9)] == [
        "about 1 row", "about 1 row", "about 22 rows", "about 4,700 rows", "about 120,000 rows", "about 1.8·10^9 rows",
    ]  # fmt: skip
    assert rows_in_words(482_106, exact=True) == "482,106 rows"
    assert [time_in_words(seconds) for seconds in (0.1, 5, 18, 70, 500, 2400, 3000, 20_000, 1e5, 1e6, 1e8)] == [
        "under a second", "some seconds", "about 20 seconds", "about a minute", "about 8 minutes", "about 40 minutes",
        "about an hour", "about 6 hours", "about 30 hours", "days", "months or longer",
    ]  # fmt: skip


def test_products_of_many_tables(service: Service) -> None:
    """The planner expects more rows than a column of integers holds."""
    query = f"SELECT a0.ra FROM {', '.join(f'demo.big AS a{i}' for i in range(20))}"
    found = explain(service, query)
    assert found["overflow"]
    assert max(step["rows"] or 0 for step in found["steps"]) == 10**18
    assert len(adql(service, query, EXPLAIN="1", RESPONSEFORMAT="csv").csv()) == len(found["steps"])
