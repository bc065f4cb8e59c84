from __future__ import annotations

from pathlib import Path

import pytest

from gaia.catalogues import found
from tap.ingest.description import read_description
from vo.core.errors import TableError

NAME = Path("gaia_dr3_xp.yaml")


def test_a_description_of_the_stack_is_found_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with found(NAME) as path:
        assert read_description(path).name == "gaia_dr3"
    with found(tmp_path / NAME) as path, pytest.raises(TableError, match="cannot be read"):
        read_description(path)
    NAME.write_text("name: mine\ntables: [{name: stars}]\n")
    with found(NAME) as path:
        assert read_description(path).name == "mine"
