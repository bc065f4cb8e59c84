"""Which tasks there are; a declaration that cannot be served harms no other."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal

import pytest

from tests.uws.tasks.declared import Shift
from uws.tasks import TaskInput, TaskOutput, TaskParameters, parameter
from uws.tasks.catalogue import TaskCatalogue, TaskError
from vo.core.errors import NotFoundError


def test_by_name() -> None:
    catalogue = TaskCatalogue([Shift()])
    assert catalogue.get("shift").title == "Move positions"
    assert [task.name for task in catalogue] == ["shift"]
    with pytest.raises(NotFoundError, match="The tasks are shift"):
        catalogue.get("Shift")


class Reserved(TaskParameters):
    maxrec: int = parameter(1, description="x")


class OfAnInput(TaskParameters):
    ra: int = parameter(1, description="x")


class Commas(TaskParameters):
    rounds: tuple[Literal["a,b", "c"], ...] = parameter(("c",), description="x")


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({"name": "Not A Name"}, "no name"),
        ({"parameters": Reserved}, "reserved names: MAXREC"),
        ({"parameters": OfAnInput}, "the same name: RA"),
        ({"outputs": (TaskOutput("a.png", "a", media_type="image/png"),)}, "not a table"),
        ({"inputs": (TaskInput("1", "a"), TaskInput("1", "b"))}, "the same name: QUERY_1, TABLE_1"),
        ({"outputs": (TaskOutput("a", "x"), TaskOutput("a", "y"))}, "'a' is no name for an output"),
        ({"outputs": (TaskOutput("a", "x"), TaskOutput("b/c", "y", "text/plain"))}, "'b/c' is no name"),
        ({"parameters": Commas}, "ROUNDS have commas"),
        ({"examples": ({"ROUND": "3"},)}, "does not: ROUND"),
        ({"examples": ({"ROUNDS": "some"},)}, "cannot be described: .*some"),
        ({"title": "No XML can hold \x00"}, "cannot be described"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_refused(attributes: dict[str, object], words: str) -> None:
    with pytest.raises(TaskError, match=words):
        TaskCatalogue([type("Wrong", (Shift,), attributes)()])


def test_two_of_one_name() -> None:
    with pytest.raises(TaskError, match="two tasks called shift"):
        TaskCatalogue([Shift(), Shift()])


def test_broken_distributions_harm_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    points = "fine = tests.uws.tasks.declared:Shift\ngone = no_such_module:Task\nodd = tests.uws.tasks.declared:MOTION"
    folder = tmp_path / "somebody-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: somebody\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text(f"[vo.tasks]\n{points}\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    catalogue = TaskCatalogue.installed()
    assert catalogue.get("shift").version == "1.0"
    assert set(catalogue.broken) == {"gone", "odd"}
    assert "no_such_module" in catalogue.broken["gone"]
    assert "is no class of Task" in catalogue.broken["odd"]
