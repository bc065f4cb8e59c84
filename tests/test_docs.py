"""The documentation is true: links lead somewhere, the reference agrees with the code, commands and queries run."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import psycopg2
import pytest
import pyvo
import yaml
from astropy.table import Table

from tests.commands import run_vo
from tests.conftest import Service
from vo.cli.reference import PAGES, commands
from vo.core.settings import Settings
from vo.core.tables.readers.layout import parse_layout

ROOT = Path(__file__).resolve().parents[1]
PAGES_OF_PEOPLE = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("bench/*.md")])
ADDRESS = "http://127.0.0.1:8080"

WHOLE_RUNS = {"scripts/serve", "scripts/test", "scripts/bench", "scripts/check"}
"""Commands that the test session itself is, or that contain it."""
ADMINISTRATOR = {"createuser", "createdb", "vo"}
"""Steps for an existing PostgreSQL; tests of operations take them with a cluster of their own."""


def blocks(language: str) -> list[tuple[str, str]]:
    """Return (page, text) of the fenced code blocks of a language."""
    fence = re.compile(rf"^```{language}\n(.*?)^```", re.MULTILINE | re.DOTALL)
    return [
        (str(page.relative_to(ROOT)), match[1])
        for page in PAGES_OF_PEOPLE
        for match in fence.finditer(page.read_text(encoding="utf-8"))
    ]


def named(found: list[tuple[str, str]]) -> list[object]:
    """Return the blocks as pytest parameters with readable names."""
    return [pytest.param(text, id=f"{page}-{number}") for number, (page, text) in enumerate(found)]


def test_fences_have_a_known_language() -> None:
    known = {"sh", "python", "adql", "sql", "yaml", "toml"}
    for page in PAGES_OF_PEOPLE:
        fences = re.findall(r"^```(.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
        assert set(fences[::2]) <= known, page
        assert set(fences[1::2]) <= {""}, page


@pytest.mark.parametrize("page", PAGES_OF_PEOPLE, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
        if not target.startswith(("http://", "https://")):
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("name", PAGES)
def test_reference_agrees_with_the_code(name: str) -> None:
    written = (ROOT / "docs" / "reference" / name).read_text(encoding="utf-8")
    assert written == PAGES[name](), "run scripts/reference"


def test_everything_says_what_it_is() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []
    assert [path for path, command in commands() if not command.help] == []


def test_every_script_is_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    scripts = {path.name for path in (ROOT / "scripts").iterdir()} - {"install"}
    assert {name for name in scripts if f"scripts/{name}" not in readme} == set()


def test_every_decision_is_listed() -> None:
    folder = ROOT / "docs" / "decisions"
    index = (folder / "README.md").read_text(encoding="utf-8")
    assert [page.name for page in folder.glob("0*.md") if f"({page.name})" not in index] == []


@pytest.mark.parametrize("query", named(blocks("adql")))
def test_adql_runs(query: str, service: Service) -> None:
    result = pyvo.dal.TAPService(service.tap).search(query)
    assert len(result) > 0


@pytest.mark.parametrize("query", named(blocks("sql")))
def test_sql_runs(query: str, service: Service) -> None:
    connection = service.connect()
    with connection.cursor() as cursor:
        cursor.execute(query)
        assert cursor.description is not None
    connection.close()


@pytest.mark.parametrize("program", named(blocks("python")))
def test_python_runs(program: str, service: Service, tmp_path: Path) -> None:
    file = tmp_path / "example.py"
    file.write_text(program.replace(ADDRESS, service.url))
    done = subprocess.run([sys.executable, str(file)], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


@pytest.mark.parametrize("lines", named(blocks("sh")))
def test_shell_commands_run(lines: str, service: Service, tmp_path: Path) -> None:
    stars = Table({"id": np.arange(3), "ra": [1.0, 2.0, 3.0], "dec": [4.0, 5.0, 6.0]})
    stars.write(tmp_path / "stars.fits")
    for command in re.split(r"\n(?=\S)", lines.replace("\\\n", " ").strip()):
        words = command.split()
        if words[0] in WHOLE_RUNS | ADMINISTRATOR or {"FILE", "FOLDER/"} & set(words):
            continue
        if words[0] == "scripts/vo":
            done = run_vo(*shlex.split(command)[1:], environment=service.environment, folder=tmp_path)
        else:
            assert words[0] in {"curl", "stilts"}, command
            done = subprocess.run(
                ["bash", "-c", command.replace(ADDRESS, service.url)],
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
                cwd=tmp_path,
            )
        assert done.returncode == 0, done.stdout + done.stderr
        assert (done.stdout + done.stderr).strip()


def test_example_description_publishes_a_table(service: Service, tmp_path: Path) -> None:
    text = next(text for _, text in blocks("yaml") if text.startswith("name: "))
    description = tmp_path / "description.yaml"
    description.write_text(text)
    file = tmp_path / "stars.csv"
    Table({"id": [1, 2, 3], "ra": [10.0, 20.0, 30.0], "dec": [-1.0, 0.0, 1.0]}).write(file)
    service.vo("ingest", str(file), "--description", str(description))
    with psycopg2.connect(service.settings.conninfo()) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT curation -> 'examples' -> 0 ->> 'query' FROM vo.published_tables WHERE table_name = 'survey.stars'"
        )
        row = cursor.fetchone()
    connection.close()
    assert row is not None
    assert len(pyvo.dal.TAPService(service.tap).search(row[0])) == 3


@pytest.mark.parametrize("text", named([(page, text) for page, text in blocks("yaml") if text.startswith("vo:layout")]))
def test_example_layouts_are_layouts(text: str) -> None:
    assert parse_layout(yaml.safe_load(text)["vo:layout"]).kind in {"records", "fixed-width"}


@pytest.mark.parametrize("text", named(blocks("toml")))
def test_example_settings_are_settings(text: str, tmp_path: Path) -> None:
    (tmp_path / "vo.toml").write_text(text)
    settings = Settings(home=tmp_path)
    for name, value in tomllib.loads(text).items():
        assert getattr(settings, name) == value
