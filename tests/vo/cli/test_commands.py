"""The command line as an operator meets it: help, wrong use, and what each command says."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main

from tests.commands import run_vo
from tests.conftest import Service, environment, make_home
from vo.cli.commands import app

ROOT = Path(__file__).resolve().parents[3]


def vo(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command on a data folder."""
    return run_vo(*arguments, environment=environment(home))


def commands() -> list[list[str]]:
    """Return all commands, e.g. ``["database", "url"]``."""
    found: list[list[str]] = []

    def walk(command: object, path: list[str]) -> None:
        found.append(path)
        for name, sub in getattr(command, "commands", {}).items():
            walk(sub, [*path, name])

    walk(typer.main.get_command(app), [])
    return found


@pytest.mark.parametrize("command", commands(), ids=" ".join)
def test_help(tmp_path: Path, command: list[str]) -> None:
    done = vo(tmp_path, *command, "--help")
    assert done.returncode == 0
    assert "Usage:" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_help_imports_nothing_heavy(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "vo.cli", "--help"],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=True,
    )
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "vo.cli.commands" in imported
    assert imported.isdisjoint({"pyarrow", "numpy", "sqlalchemy", "starlette", "astropy", "alembic", "lxml"})


@pytest.mark.parametrize(
    "arguments",
    [["nothing"], ["ingest"], ["demo"], ["demo", "--rows", "0"], ["database"], ["serve", "--wrong"]],
    ids=" ".join,
)
def test_wrong_use_is_told_and_does_nothing(tmp_path: Path, arguments: list[str]) -> None:
    done = vo(tmp_path, *arguments)
    assert done.returncode == 2
    assert "Usage:" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_table_needs_a_name(tmp_path: Path) -> None:
    done = vo(tmp_path, "ingest", "stars.csv")
    assert done.returncode == 1
    assert "The table has no name." in done.stderr
    assert "--table SCHEMA.TABLE" in done.stderr


def test_database_url_connects(service: Service) -> None:
    for role in ("vo", "vo_tap"):
        url = service.vo("database", "url", "--role", role).stdout.strip()
        found = subprocess.run(
            ["psql", "-X", "-A", "-t", "-c", "SELECT current_user", url], capture_output=True, text=True, check=True
        )
        assert found.stdout == f"{role}\n"


def test_doctor_is_content_with_a_service_that_runs(service: Service) -> None:
    done = service.vo("doctor")
    assert "All is well." in done.stderr
    assert f"the service at {service.url} answers" in done.stderr
    assert "✗" not in done.stderr


def test_doctor_calls_the_operators_functions(service: Service, tmp_path: Path) -> None:
    file = tmp_path / "functions.yaml"
    file.write_text(
        "functions:\n"
        "  - {signature: survey_half(x DOUBLE) -> DOUBLE, sql: '{x} / 2', description: Half of it.}\n"
        "  - {signature: survey_lost(x DOUBLE) -> DOUBLE, sql: 'pg_catalog.lost({x})', description: Not there.}\n"
    )
    environment = {**service.environment, "VO_FUNCTIONS": str(file)}
    command = [sys.executable, "-m", "vo.cli", "doctor"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "the function survey_half runs" in done.stderr
    assert "the function survey_lost: function pg_catalog.lost(double precision) does not exist" in done.stderr
    file.write_text("functions:\n  - {signature: ivo_own(x DOUBLE) -> DOUBLE, sql: '{x}', description: Taken.}\n")
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "functions.yaml" in done.stderr


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [("VO_FUNCTIONS", "functions.yaml", "ivo_own"), ("VO_ADQL_FREE_WORDS", '["select"]', "select cannot be set free")],
)
def test_wrong_rulings_are_told_before_anything_starts(tmp_path: Path, name: str, value: str, said: str) -> None:
    (tmp_path / "functions.yaml").write_text(
        "functions:\n  - {signature: ivo_own(x DOUBLE) -> DOUBLE, sql: '{x}', description: Taken.}\n"
    )
    own = {**environment(tmp_path / "home"), name: value.replace("functions", str(tmp_path / "functions"))}
    command = [sys.executable, "-m", "vo.cli", "serve", "--prepare"]
    done = subprocess.run(command, env=own, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert said in " ".join(done.stderr.split())
    assert not (tmp_path / "home").exists()


def test_doctor_before_anything_was_made() -> None:
    home = make_home()
    done = vo(home, "doctor")
    assert done.returncode == 0
    assert "no private PostgreSQL yet; vo serve makes it" in done.stderr
    assert not (home / "postgres").exists()
    shutil.rmtree(home)


@pytest.mark.parametrize("script", sorted((ROOT / "scripts").iterdir()), ids=lambda path: path.name)
def test_scripts_are_portable_shell(script: Path) -> None:
    assert script.read_text().startswith("#!/bin/sh\n")
    assert os.access(script, os.X_OK)
    subprocess.run(["sh", "-n", str(script)], check=True)
