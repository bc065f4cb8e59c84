"""What the processes of the stack start without."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = "pandas astropy scipy matplotlib"
"""What costs a fifth of a second or more to import, and is needed by few requests."""
REPORT = f"""
import sys, pyarrow
pyarrow.array([1.5])
print(*(name for name in {HEAVY!r}.split() if name in sys.modules))
"""


@pytest.mark.parametrize("module", ["vo.app.process", "vo.app.worker"])
def test_processes_start_without_heavy_packages(module: str, tmp_path: Path) -> None:
    report = REPORT.strip().replace("\n", "\n    ")
    (tmp_path / "reporting.py").write_text(f"import {module}\ndef main():\n    {report}\n")
    command = [sys.executable, "-m", "vo.app", "reporting"]
    told = subprocess.run(
        command, check=True, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(tmp_path)}
    )
    assert told.stdout.split() == []


def test_commands_start_without_heavy_packages() -> None:
    program = f"""
import sys
from vo.cli import commands, main
commands.app = lambda: exec({("import vo.cli.query, vo.cli.jobs, vo.cli.run" + REPORT)!r})
main()
"""
    told = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert told.stdout.split() == []


def test_pandas_is_there_for_others() -> None:
    program = """
import pyarrow
from vo.core.lean import imports
with imports():
    pyarrow.scalar("")
print(pyarrow.table({'a': [1]}).to_pandas()['a'].sum())
"""
    told = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert told.stdout == "1\n"
