"""Settings: where they come from, which wins, and what is said about wrong ones."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from vo.core.errors import ConfigurationError
from vo.core.settings import TAP_ROLE, Settings, load_settings


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("VO_")]:
        monkeypatch.delenv(name)


def test_every_setting_is_described_and_has_a_default() -> None:
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert not field.is_required(), name


def test_environment_wins_over_the_file_and_the_file_over_defaults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "vo.toml").write_text('port = 9001\ntitle = "From the file"\nadql_free_words = ["size"]\n')
    monkeypatch.setenv("VO_HOME", str(tmp_path))
    monkeypatch.setenv("VO_PORT", "9002")
    settings = load_settings()
    assert (settings.port, settings.title, settings.adql_free_words) == (9002, "From the file", ("size",))
    assert settings.host == "127.0.0.1"
    assert load_settings(port=9003).port == 9003


def test_a_relative_home_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_settings(home=Path("data")).home == tmp_path / "data"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("VO_PORT", "http", "VO_PORT: Input should be a valid integer"),
        ("VO_PORT", "70000", "VO_PORT: Input should be less than or equal to 65535"),
        ("VO_PROCESSES", "0", "VO_PROCESSES: Input should be greater than or equal to 1"),
        ("VO_QUEUE_TIME", "soon", "VO_QUEUE_TIME: Input should be a valid number"),
        ("VO_ADQL_FREE_WORDS", "size", "adql_free_words"),
        ("VO_DATABASE_URL", "somewhere", "VO_DATABASE_URL: not a URL such as postgresql://"),
        ("VO_DATABASE_URL", "mysql://vo:geheim@host/vo", "VO_DATABASE_URL: not a URL such as postgresql://"),
        ("VO_DATABASE_URL", "postgresql://vo:geheim@host:port/vo", "VO_DATABASE_URL: not a URL such as postgresql://"),
    ],
)
def test_wrong_in_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as wrong:
        load_settings(home=tmp_path)
    assert said in str(wrong.value)
    assert "vo.toml" in str(wrong.value)
    assert "geheim" not in str(wrong.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("prot = 8080", "VO_PROT: Extra inputs are not permitted"),
        ("port = 'http'", "VO_PORT: Input should be a valid integer"),
        ("port = ", "vo.toml in VO_HOME cannot be read: Invalid value"),
    ],
)
def test_wrong_in_the_file(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "vo.toml").write_text(text)
    with pytest.raises(ConfigurationError) as wrong:
        load_settings(home=tmp_path)
    assert said in str(wrong.value)


def test_addresses(tmp_path: Path) -> None:
    assert load_settings(home=tmp_path, host="::1", port=81).public_url == "http://[::1]:81"
    assert load_settings(home=tmp_path, base_url="https://vo.example.org/").public_url == "https://vo.example.org"


def test_database_addresses(tmp_path: Path) -> None:
    private = load_settings(home=tmp_path)
    assert private.private_cluster
    assert make_url(private.conninfo(TAP_ROLE)).query == {"host": str(tmp_path / "run")}
    own = load_settings(home=tmp_path, database_url="postgresql://vo:a%2Fb@db.example.org:5433/vo")
    assert not own.private_cluster
    assert own.conninfo(TAP_ROLE) == "postgresql://vo_tap:a%2Fb@db.example.org:5433/vo"
    with pytest.raises(ConfigurationError, match="postgres"):
        own.url("postgres")
