"""The private PostgreSQL: who starts it, who stops it, and which data folders it refuses."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest

from tests.conftest import environment, make_home
from vo.core.cluster import Cluster
from vo.core.errors import ConfigurationError
from vo.core.migrations import head
from vo.core.settings import load_settings


@pytest.fixture
def fresh() -> Iterator[Path]:
    """A data folder where nothing is yet."""
    home = make_home()
    yield home
    shutil.rmtree(home)


def test_first_commands_at_the_same_time_and_the_last_one_out_stops_it(fresh: Path) -> None:
    commands = [
        subprocess.Popen(
            [sys.executable, "-m", "vo.cli", "database", "migrate"],
            env=environment(fresh),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for _ in range(3)
    ]
    for command in commands:
        said, _ = command.communicate(timeout=120)
        assert (command.returncode, said) == (0, f"The database is at migration {head()}.\n")
    first, second = (Cluster(load_settings(home=fresh)) for _ in range(2))
    assert not first.running
    with first.held():
        with second.held():
            assert first.running
        assert first.running
        connection = psycopg2.connect(load_settings(home=fresh).conninfo("vo"))
        connection.close()
        # Only those whom the owner of the folder lets in, and over the socket only.
        assert "listen_addresses = ''" in (fresh / "postgres" / "vo.conf").read_text()
        assert (fresh / "postgres").stat().st_mode & 0o077 == 0
    assert not first.running


def test_a_broken_configuration_is_told_with_the_servers_reason(fresh: Path) -> None:
    cluster = Cluster(load_settings(home=fresh))
    with cluster.held():
        pass
    with (fresh / "postgres" / "postgresql.auto.conf").open("a") as configuration:
        configuration.write("shared_buffers = 'many'\n")
    with pytest.raises(ConfigurationError, match=r"PostgreSQL did not start: .*shared_buffers"), cluster.held():
        pass


def _file(home: Path) -> Path:
    home.rmdir()
    home.touch()
    return home


def _below_a_closed_folder(home: Path) -> Path:
    home.chmod(0o700)
    return home / "data"


def _too_long(home: Path) -> Path:
    return home / ("long" * 25)


def _not_writable(_home: Path) -> Path:
    return Path("/proc/vo")


@pytest.mark.parametrize(
    ("place", "said"),
    [
        (_file, "is not a folder"),
        (_too_long, "is too long: a Unix socket below it would exceed 107 bytes"),
        (_not_writable, "cannot be made"),
        pytest.param(
            _below_a_closed_folder,
            "The database runs as the user postgres, who cannot enter VO_HOME",
            marks=pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the database as another user"),
        ),
    ],
)
@pytest.mark.parametrize("command", [["serve"], ["database", "migrate"], ["doctor"]], ids=" ".join)
def test_data_folders_that_do_not_serve(place: object, said: str, command: list[str]) -> None:
    assert callable(place)
    base = make_home()
    home: Path = place(base)
    done = subprocess.run(
        [sys.executable, "-m", "vo.cli", *command], env=environment(home), capture_output=True, text=True, check=False
    )
    if base.is_dir():
        shutil.rmtree(base)
    else:
        base.unlink()
    assert done.returncode == 1
    assert said in done.stderr
    assert "VO_HOME" in done.stderr
    assert "Traceback" not in done.stderr


def test_programs_that_are_not_there(fresh: Path) -> None:
    cluster = Cluster(load_settings(home=fresh, postgres_bin=Path("/nowhere")))
    with pytest.raises(ConfigurationError, match="VO_POSTGRES_BIN=/nowhere does not hold"), cluster.held():
        pass
