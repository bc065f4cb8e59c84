"""What a task tells registries and clients: VOSI capabilities and availability, DALI examples."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pyvo.io.vosi import parse_capabilities
from vo_models.vosi.availability import Availability

from tests.conftest import Service
from tests.tap.asking import ask, eventually
from tests.uws.asking import post
from tests.uws.database import Database
from tests.uws.tasks.declared import Shift
from tests.uws.tasks.serving import TASK, Shifting, serving, task_settings
from tests.uws.working import working

STANDARD = "ivo://ivoa.net/std/"
XHTML = "{http://www.w3.org/1999/xhtml}"


@pytest.fixture
def idle(database: Database, tmp_path: Path) -> Any:
    """The port of a service without a worker."""
    database.run("TRUNCATE uws.workers")
    with serving(task_settings(database, tmp_path)) as port:
        yield port


@pytest.mark.parametrize("name", ["capabilities", "availability"])
def test_valid_by_schema(idle: int, shared: Path, validate: Callable[[bytes], list[str]], name: str) -> None:
    answer = ask(idle, f"{TASK}/{name}")
    assert answer.type.startswith("text/xml")
    assert validate(answer.body) == []


@pytest.mark.filterwarnings("ignore:.*Unknown element")  # pyvo reads only what it needs of an interface
def test_capabilities(idle: int) -> None:
    answer = ask(idle, f"{TASK}/capabilities")
    read = parse_capabilities(io.BytesIO(answer.body))  # vo-models wants a standardID of all, as VOResource does not
    places = {item.standardid: item.interfaces[0].accessurls[0].content for item in read}
    base = places[f"{STANDARD}UWS#rest-1.1"].removesuffix("/async")
    assert base.endswith(TASK)
    for standard, end in (
        ("VOSI#capabilities", "capabilities"),
        ("VOSI#availability", "availability"),
        ("DALI#examples", "examples"),
    ):
        assert places[f"{STANDARD}{standard}"] == f"{base}/{end}"
    sync = next(item for item in answer.xml() if "standardID" not in item.attrib)
    assert sync.findtext("interface/accessURL") == f"{base}/sync"
    parameters = {each.findtext("name"): each for each in sync.iterfind("interface/param")}
    assert {"BY", "ROUNDS", "TABLE", "QUERY", "RA", "UPLOAD", "MAXREC", "RESPONSEFORMAT"} <= parameters.keys()
    by, rounds = parameters["BY"], parameters["ROUNDS"]
    assert (by.findtext("unit"), by.findtext("ucd"), by.findtext("dataType")) == ("arcsec", "pos.angDistance", "real")
    assert (by.get("use"), rounds.get("use"), rounds.findtext("dataType")) == ("optional", "required", "integer")
    again = ask(idle, f"{TASK}/capabilities", headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status == 304


def test_a_task_is_available_while_a_worker_lives(idle: int, database: Database, tmp_path: Path) -> None:
    alone = Availability.from_xml(ask(idle, f"{TASK}/availability").body)
    assert not alone.available
    assert any("no worker runs" in str(note) for note in alone.note or [])
    with working(database, tmp_path, Shifting()):
        eventually(lambda: Availability.from_xml(ask(idle, f"{TASK}/availability").body).available)


def test_examples(idle: int) -> None:
    answer = ask(idle, f"{TASK}/examples")
    assert answer.type == "application/xhtml+xml"
    document = answer.xml()
    [vocabulary] = [element for element in document.iter() if element.get("vocab")]
    assert vocabulary.get("vocab") == "http://www.ivoa.net/rdf/examples#"
    [example] = [element for element in document.iter() if element.get("typeof") == "example"]
    assert example.get("resource") == f"#{example.get('id')}"

    def properties(name: str) -> list[str]:
        return [element.text or "" for element in example.iter() if element.get("property") == name]

    assert properties("capability") == [f"{STANDARD}UWS#rest-1.1"]
    assert properties("name") == ["TABLE=gaia_dr3.bright ROUNDS=3"]
    assert [(each.get("typeof"), len(each)) for each in example.iter(f"{XHTML}li")] == [("keyval", 2)] * 2
    assert dict(zip(properties("key"), properties("value"), strict=True)) == dict(Shift.examples[0])


def test_the_examples_of_what_is_installed_work(service: Service) -> None:
    for task in json.loads(ask(service, "/tasks").body)["tasks"]:
        about = json.loads(ask(service, f"/tasks/{task['name']}").body)
        assert about["sample_parameters"]
        if about["network"]:
            continue  # it runs only where the operator allows it
        for example in about["sample_parameters"]:
            asked = {**example, "MAXREC": "3", "RESPONSEFORMAT": "csv"}
            estimate = json.loads(post(service, f"/tasks/{task['name']}/estimate", asked).body)
            assert estimate["seconds"] > 0
            assert estimate["plan"]
            answer = post(service, f"/tasks/{task['name']}/sync", asked)
            assert 1 <= len(answer.csv()) <= 3
            fixed = [column["name"] for column in about["outputs"][0]["columns"]]
            names = answer.text.splitlines()[0].split(",")
            assert set(fixed) <= set(names)
