"""/examples: RDFa that clients read (DALI 1.1, section 2.3), and queries that work."""

from __future__ import annotations

import re

import pytest
from lxml import etree

from tests.conftest import Service
from tests.tap.asking import adql, ask

XHTML = "{http://www.w3.org/1999/xhtml}"


@pytest.fixture(scope="module")
def document(service: Service) -> etree._Element:
    answer = ask(service, "/tap/examples")
    assert answer.type == "application/xhtml+xml"
    return answer.xml()


def properties(example: etree._Element, name: str) -> list[str]:
    return [element.text or "" for element in example.iter() if element.get("property") == name]


def examples(document: etree._Element) -> list[etree._Element]:
    return [element for element in document.iter() if element.get("typeof") == "example"]


def test_rdfa(document: etree._Element) -> None:
    [vocabulary] = [element for element in document.iter() if element.get("vocab")]
    assert vocabulary.get("vocab") == "http://www.ivoa.net/rdf/examples#"
    assert examples(document)
    for example in examples(document):
        assert vocabulary in example.iterancestors()
        key = example.get("id") or ""
        assert re.fullmatch(r"[A-Za-z_][A-Za-z0-9._-]*", key)
        assert example.get("resource") == f"#{key}"
        assert properties(example, "capability") == ["ivo://ivoa.net/std/TAP"]
        assert len(properties(example, "name")) == 1
        assert len(properties(example, "query")) == 1
        assert properties(example, "table")
    keys = [example.get("id") for example in examples(document)]
    assert len(set(keys)) == len(keys)


def test_nothing_that_changes_what_a_property_says(document: etree._Element) -> None:
    [body] = document.iter(f"{XHTML}body")
    for element in body.iter():
        assert element.get("content") is None
        if element.get("property"):
            assert len(element) == 0
            assert element.get("href") is None
            assert element.get("src") is None


def test_every_query_runs_and_finds_something(service: Service, document: etree._Element) -> None:
    for example in examples(document):
        [query] = properties(example, "query")
        answer = adql(service, query, FORMAT="csv")
        assert answer.csv(), query


def test_tables_named_are_those_of_the_query(document: etree._Element) -> None:
    for example in examples(document):
        [query] = properties(example, "query")
        for table in properties(example, "table"):
            assert table.lower() in query.lower()
