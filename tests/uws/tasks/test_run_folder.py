"""The folders of runs: nothing that a task leaves there stays."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from uws.tasks.run_folder import RunFolder, sweep_folders
from vo.core.errors import LimitError, UnavailableError


def _fill(folder: Path) -> None:
    """Make folders deeper than recursion and paths go, and some that are closed to their owner."""
    (folder / "link").symlink_to(folder.parents[1])
    (folder / "closed" / "inner").mkdir(parents=True)
    (folder / "closed" / "inner" / "file").write_text("text")
    (folder / "closed" / "inner").chmod(0)
    (folder / "closed").chmod(0)
    before = os.open(".", os.O_RDONLY)
    try:
        os.chdir(folder)
        for _ in range(3000):
            Path("file").write_text("text")
            Path("folder").mkdir()
            os.chdir("folder")
    finally:
        os.fchdir(before)
        os.close(before)


def test_a_folder_is_removed_whatever_is_in_it(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("stays")
    open_before = len(os.listdir("/proc/self/fd"))
    folder = RunFolder(tmp_path)
    _fill(folder.path / "work")
    assert sweep_folders(tmp_path) == 0  # its run lives
    folder.remove()
    assert [path.name for path in tmp_path.iterdir()] == ["other"]
    assert len(os.listdir("/proc/self/fd")) == open_before


def test_the_sweep_removes_what_a_killed_process_left(tmp_path: Path) -> None:
    left = tmp_path / "task-of-somebody"
    left.mkdir()
    _fill(left)
    assert sweep_folders(tmp_path) == 1
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_made_is_said_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UnavailableError, match="folder for temporary files"):
        RunFolder(tmp_path / "missing")

    def full(_path: Path, mode: int = 0o777) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "mkdir", full)
    with pytest.raises(LimitError, match="no room left"):
        RunFolder(tmp_path)
    assert not list(tmp_path.iterdir())
