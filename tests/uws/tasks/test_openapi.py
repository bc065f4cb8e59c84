"""/openapi.json: valid, complete, and true: a request that is made from it works."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from starlette.routing import Route

from tests.tap.asking import FORM, Answer, ask
from tests.uws.asking import ended, location, post
from tests.uws.database import Database
from tests.uws.tasks.declared import Shift
from tests.uws.tasks.serving import JOBS, QUERY, Shifting, serving, task_settings
from tests.uws.working import working
from uws.tasks.catalogue import TaskCatalogue
from vo.app.main import create_app

EXAMPLE = {"QUERY": QUERY, "ROUNDS": "3", "BANDS": "g,bp"}


class Sampled(Shift):
    """With an example that works in an empty database."""

    examples = (EXAMPLE,)


@pytest.fixture
def port(database: Database, tmp_path: Path) -> Iterator[int]:
    with working(database, tmp_path, Shifting()), serving(task_settings(database, tmp_path), [Sampled()]) as port:
        yield port


@pytest.fixture
def document(port: int) -> Any:
    answer = ask(port, "/openapi.json")
    assert answer.type == "application/json"
    return json.loads(answer.body)


def operations(document: Any) -> Iterator[tuple[str, str, Any]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield path, method.upper(), operation


def test_it_is_valid(document: Any) -> None:
    assert document["openapi"] == "3.1.0"
    assert [error.message for error in OpenAPIV31SpecValidator(document).iter_errors()] == []


def test_every_route_is_in_it(
    document: Any, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TaskCatalogue, "installed", classmethod(lambda _cls: TaskCatalogue([Sampled()])))
    known = {(path, method) for path, method, _ in operations(document)}
    served = set()
    for route in create_app(task_settings(database, tmp_path)).routes:
        if isinstance(route, Route):
            path = re.sub(r"\{(\w+):path\}", r"{\1}", route.path).rstrip("/") or "/"
            for method in (route.methods or set()) - {"HEAD"}:
                places = {(path, method), (path.replace("{task}", "shift"), method)} & known
                assert places, (path, method)
                served |= places
    assert known == served


def test_parameters_have_types_units_and_ranges(document: Any) -> None:
    sync = document["paths"]["/tasks/shift/sync"]
    parameters = {each["name"]: each for each in sync["get"]["parameters"]}
    by = parameters["BY"]["schema"]
    assert (by["type"], by["exclusiveMinimum"], by["maximum"], by["default"]) == ("number", 0, 3600, 1.5)
    assert (by["x-unit"], by["x-ucd"], by["examples"]) == ("arcsec", "pos.angDistance", [2.0])
    assert parameters["ROUNDS"]["required"]
    assert parameters["MODE"]["schema"]["enum"] == ["north", "south"]
    assert (parameters["BANDS"]["schema"]["type"], parameters["BANDS"]["explode"]) == ("array", False)
    assert parameters["STRICT"]["schema"] == {"type": "boolean", "default": False}
    bodies = sync["post"]["requestBody"]["content"]
    assert set(bodies) == {"application/x-www-form-urlencoded", "multipart/form-data"}
    for body in bodies.values():
        assert body["schema"]["properties"].keys() == parameters.keys()
        assert body["schema"]["required"] == ["ROUNDS"]


def written(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def request_of(port: int, path: str, method: str, operation: Any) -> Answer:
    """Send what the document gives as an example."""
    asked = {
        each["name"]: written(each["example"])
        for each in operation.get("parameters", ())
        if each["in"] == "query" and "example" in each
    }
    body = None
    if "requestBody" in operation:
        form = operation["requestBody"]["content"]["application/x-www-form-urlencoded"]
        values = {name: written(value) for name, value in form.get("example", {}).items()}
        for name in form["schema"].get("required", ()):
            schema = form["schema"]["properties"][name]
            if name not in values:
                values[name] = written((schema.get("enum") or schema["examples"])[0])
        body = urlencode(values).encode()
    return ask(port, f"{path}?{urlencode(asked)}", method=method, body=body, headers=FORM if body else {})


def test_a_request_that_is_made_from_it_works(port: int, document: Any) -> None:
    """Every operation is tried as the document describes it, and answers as it says."""
    for path, method, operation in operations(document):
        names: dict[str, str] = {}
        if "{job_id}" in path:
            service = JOBS if path.startswith("/tasks") else "/tap/async"
            asked = EXAMPLE if path.startswith("/tasks") else {"LANG": "ADQL", "QUERY": "SELECT 1"}
            job = location(
                post(port, service, {**asked, "PHASE": "RUN" if "results" in path and "tasks" in path else ""})
            )
            names = {"job_id": job.rpartition("/")[2], "result_id": "result"}
            if "results" in path and "tasks" in path:
                assert ended(port, job) == "COMPLETED"
        for each in operation.get("parameters", ()):
            if each["in"] == "path" and each["name"] not in names:
                names[each["name"]] = each["schema"].get("enum", [each["schema"].get("example")])[0]
        answer = request_of(port, path.format(**names), method, operation)
        expected = operation["responses"].get(str(answer.status))
        if path.endswith("/error") or path == "/tap/async/{job_id}/results/{result_id}":
            assert answer.status == 404
            continue
        assert expected is not None, (method, path, answer.status, answer.text[:500])
        if answer.status == 200 and "*/*" not in expected["content"]:
            assert answer.type.partition(";")[0] in expected["content"], (method, path, answer.type)
        if answer.status == 303:
            assert urlsplit(answer.headers["Location"]).path
