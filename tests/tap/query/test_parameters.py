"""The parameters of /sync, as clients old and new send them (TAP 1.1, section 2.7; DALI 1.1, section 3)."""

from __future__ import annotations

import pytest

from tests.conftest import Service
from tests.tap.asking import FORM, TABLES, VOTABLE_TYPE, Answer, adql, ask, assert_error, multipart, sync

QUERY = "SELECT table_name FROM tap_schema.tables WHERE table_name LIKE 'tap_schema.%' ORDER BY table_name"
NAMES = ["columns", "key_columns", "keys", "schemas", "tables"]
CSV = [("LANG", "ADQL"), ("QUERY", QUERY), ("RESPONSEFORMAT", "csv")]


def names(answer: Answer) -> list[str]:
    return [row[0].removeprefix("tap_schema.") for row in answer.csv()]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_urlencoded(service: Service, method: str) -> None:
    assert names(sync(service, CSV, method=method)) == NAMES


def test_multipart(service: Service) -> None:
    body, headers = multipart(CSV)
    assert names(ask(service, "/tap/sync", method="POST", body=body, headers=headers)) == NAMES


def test_parameters_in_query_string_and_body_together(service: Service) -> None:
    body = b"LANG=ADQL&QUERY=" + TABLES.replace(" ", "+").encode()
    answer = ask(service, "/tap/sync?MAXREC=2&FORMAT=csv", method="POST", body=body, headers=FORM)
    assert len(answer.csv()) == 2


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_chunked_bodies(service: Service, size: int) -> None:
    for body, headers in (multipart(CSV), (b"LANG=ADQL&FORMAT=csv&QUERY=" + QUERY.replace(" ", "+").encode(), FORM)):
        chunks = [body[start : start + size] for start in range(0, len(body), size)]
        assert names(ask(service, "/tap/sync", method="POST", body=iter(chunks), headers=headers)) == NAMES


def test_names_in_any_case(service: Service) -> None:
    answer = sync(service, [("lang", "ADQL"), ("Query", QUERY), ("responseFORMAT", "csv"), ("maxRec", "3")])
    assert names(answer) == NAMES[:3]


def test_old_and_unknown_parameters_are_ignored(service: Service) -> None:
    old = [("REQUEST", "doQuery"), ("VERSION", "1.0"), ("DUMMY", "ignore-me"), ("PHASE", "RUN"), ("MAXRECS", "1")]
    assert names(sync(service, CSV + old)) == NAMES
    assert names(sync(service, [*CSV, ("REQUEST", "getCapabilities")])) == NAMES


def test_a_repeated_parameter_needs_one_value(service: Service) -> None:
    assert names(sync(service, CSV + CSV)) == NAMES
    doubled = [("LANG", "ADQL"), ("QUERY", QUERY), ("query", TABLES)]
    assert_error(sync(service, doubled), 400, "QUERY", "2 times", "one value")
    doubled = [("LANG", "ADQL"), ("QUERY", QUERY), ("MAXREC", "1"), ("MAXREC", "2")]
    assert_error(sync(service, doubled), 400, "MAXREC")


@pytest.mark.parametrize("language", ["ADQL", "ADQL-2.0", "ADQL-2.1", "adql", "adql-2.1"])
def test_languages(service: Service, language: str) -> None:
    answer = sync(service, {"LANG": language, "QUERY": TABLES, "MAXREC": "1"})
    assert answer.status == 200


@pytest.mark.parametrize("language", ["ADQL-1.0", "ADQL-2.2", "PQL", "SQL", "bogus"])
def test_languages_refused(service: Service, language: str) -> None:
    assert_error(sync(service, {"LANG": language, "QUERY": TABLES}), 400, "LANG", language, "ADQL-2.0, ADQL-2.1")


@pytest.mark.parametrize("parameters", [{"QUERY": TABLES}, {"LANG": "", "QUERY": TABLES}])
def test_the_language_must_be_named(service: Service, parameters: dict[str, str]) -> None:
    assert_error(sync(service, parameters), 400, "LANG", "missing")


@pytest.mark.parametrize("query", [None, "", " \n\t"])
def test_the_query_must_be_there(service: Service, query: str | None) -> None:
    parameters = {"LANG": "ADQL"} | ({} if query is None else {"QUERY": query})
    assert_error(sync(service, parameters), 400, "QUERY", "missing")


def test_format_and_responseformat_are_one_parameter(service: Service) -> None:
    assert names(adql(service, QUERY, FORMAT="csv")) == NAMES
    assert names(adql(service, QUERY, FORMAT="csv", RESPONSEFORMAT="csv")) == NAMES
    answer = adql(service, QUERY, FORMAT="votable", RESPONSEFORMAT="csv")
    assert_error(answer, 400, "RESPONSEFORMAT", "FORMAT", media_type="text/plain; charset=utf-8")
    assert adql(service, QUERY, FORMAT="").type == VOTABLE_TYPE


def test_runid_is_told_in_result_and_bounded(service: Service) -> None:
    answer = adql(service, TABLES, RUNID="night <42>")
    assert [info.attrib["value"] for info in answer.infos("RUNID")] == ["night <42>"]
    assert adql(service, TABLES, RUNID="x" * 64).status == 200
    assert_error(adql(service, TABLES, RUNID="x" * 65), 400, "RUNID", "64")


def test_an_upload_without_its_file_is_refused(service: Service) -> None:
    assert_error(adql(service, TABLES, UPLOAD="t,param:p"), 400, "UPLOAD", "no part 'p'")


def test_a_plus_sign_is_a_blank_and_unicode_is_itself(service: Service) -> None:
    target = "/tap/sync?LANG=ADQL&FORMAT=csv&QUERY=SELECT+TOP+1+'%C3%A9%E2%98%85%F0%9F%94%AD'+AS+s+FROM+tap_schema.keys"
    assert ask(service, target).csv() == [["é★🔭"]]
