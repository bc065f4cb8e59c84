"""A task of another distribution: the one that the documentation writes, installed and run, nothing else touched."""

from __future__ import annotations

import csv
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
import pyvo

from tests.conftest import Service, make_home
from tests.tap.asking import ask

PAGE = Path(__file__).resolve().parents[3] / "docs" / "developer" / "tasks.md"
QUERY = "SELECT TOP 4 column_index * 10.0 AS plx, 1.0 AS e_plx FROM tap_schema.columns WHERE column_index < 3"


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    """A service beside which the distribution of the page was installed by pip."""
    text = PAGE.read_text(encoding="utf-8")
    source, target = make_home(), make_home()
    module = re.search(r"`my_distances.py`:\n\n```python\n(.*?)```", text, re.DOTALL)
    project = re.search(r"`pyproject.toml`:\n\n((?:    .*\n|\n)+)", text)
    assert module is not None
    assert project is not None
    (source / "my_distances.py").write_text(module[1])
    (source / "pyproject.toml").write_text(textwrap.dedent(project[1]))
    install = [sys.executable, "-m", "pip", "install", "--no-deps", "--quiet", "--target", str(target), str(source)]
    subprocess.run(install, check=True, capture_output=True, timeout=300)
    running = Service(make_home(), prepare=False, PYTHONPATH=str(target), VO_PROCESSES="1")
    running.start()
    yield running
    running.stop()
    for folder in (source, target, running.home):
        shutil.rmtree(folder, ignore_errors=True)


def test_it_runs_as_a_command(service: Service) -> None:
    assert "distances\tDistances from parallaxes" in service.vo("tasks").stdout.splitlines()
    for where in ([], ["--local"], ["--url", service.url]):
        rows = list(csv.reader(service.vo("run", "distances", f"QUERY={QUERY}", "SNR=15", *where).stdout.splitlines()))
        assert rows[0] == ["plx", "e_plx", "distance"]
        assert {float(row[0]) * float(row[2]) for row in rows[1:]} == {1000.0}
        assert all(float(row[0]) >= 15 for row in rows[1:])


def test_it_has_all_that_tasks_have(service: Service) -> None:
    page = ask(service, "/tasks/distances", headers={"Accept": "text/html"})
    assert (page.status, "Bailer-Jones 2015" in page.text) == (200, True)
    assert b"pos.parallax.trig" in ask(service, "/tasks/distances", headers={"Accept": "application/json"}).body
    assert ask(service, "/tasks/distances/capabilities").xml().tag.endswith("capabilities")
    assert "/tasks/distances/async" in ask(service, "/openapi.json").text
    wrong = service.vo("run", "distances", f"QUERY={QUERY}", "SNR=-1", check=False)
    assert "SNR: '-1': input should be greater than or equal to 0" in wrong.stderr


def test_pyvo_gets_its_result(service: Service) -> None:
    distances = pyvo.dal.DALService(f"{service.url}/tasks/distances/sync")
    found = distances.search(QUERY=QUERY, SNR=15).to_table()
    assert len(found) > 0
    assert str(found["distance"].unit) == "pc"
